"""
Reads the rules in a list. Each line is in one of these formats, which may be mixed:

  - that of hosts files, C{0.0.0.0 ads.example}: blocks these names alone;
  - a domain, C{ads.example}, or C{*.ads.example}: blocks the domain and all names below it;
  - that of ad blockers, C{||ads.example^}: the same; C{@@||ads.example^} makes an exception. Without the mark of the end, C{^}, such a rule
    holds for all names that begin so. It is taken if these can only be the domain and those below it, so not C{||ads.} nor C{||ads}.
    C{|ads.example^} is for the name alone;
  - those of other DNS servers, see L{foreignlines<twisted_ext.resolver.policy.rules.foreignlines>}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from twisted_ext.errors import BadName
from twisted_ext.limits import BLOCK_LINE
from twisted_ext.resolver.policy.localanswers import Complaints
from twisted_ext.resolver.policy.rules.foreignlines import foreignRules, isFrame
from twisted_ext.resolver.policy.rules.table import BELOW, EXCEPT, IMPORTANT, SELF
from twisted_ext.resolver.system.hosts import fieldsOf
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["ListedRules", "parseList"]

#: Octets read at once.
_PIECE: Final = 1 << 20

_NAME: Final = rb"((?:[a-z0-9_-]{1,63}\.){1,126}[a-z][a-z0-9-]{0,62})"

#: Lines as nearly all are. What these do not match is read more closely.
_HOSTS: Final = re.compile(rb"^(?:0\.0\.0\.0|127\.0\.0\.1|::1?)[ \t]+" + _NAME + rb"[ \t]*\r?$", re.M)
_DOMAIN: Final = re.compile(rb"^(?:\*\.|\|\|(?!.*\.\r?$))?" + _NAME + rb"(?:\^|\.)?\r?$", re.M)

#: Addresses with which hosts files block names.
_NOWHERE: Final = re.compile(rb"0\.0\.0\.0|127(?:\.\d{1,3}){3}|::1?|0:0:0:0:0:0:0:[01]")

_COMMENT: Final = re.compile(rb"\s#")

_ADDRESS: Final = re.compile(rb"[\d.]+|[\da-f:]*:[\da-f:.]*(?:%.*)?")

#: Names in the hosts files of all systems.
_USUAL: Final = frozenset(
    b"""
    localhost localhost.localdomain local broadcasthost ip6-localhost ip6-loopback ip6-localnet ip6-mcastprefix ip6-allnodes ip6-allrouters
    ip6-allhosts 0.0.0.0
    """.split()
)

#: What follows the domain in lines of ad blockers that hold for all requests, and what it adds to the bits of the rule.
_RULE_ENDS: Final = {b"": 0, b"^": 0, b"^$important": IMPORTANT, b"^|": 0, b"^$all": 0}

#: The bits of rules for a name alone, and for a domain.
_ALONE: Final = SELF
_DOMAINS: Final = SELF | BELOW

_LONGEST: Final = 253


#: The rules in a piece of a list: by their bits, the names, lower case with dots between labels, and the line of each.
ListedRules = Mapping[int, tuple[list[bytes], Sequence[int]]]


def parseList(file: BinaryIO, complaints: Complaints) -> Iterator[ListedRules]:
    """
    Read a list piece by piece.

    @param complaints: gets what is not valid.

    @raise OSError: it cannot be read.
    """
    most = int(BLOCK_LINE.default)
    number = 1
    left = b""
    first, skipping = True, False
    while data := file.read(_PIECE):
        if first:
            data, first = data.removeprefix(b"\xef\xbb\xbf"), False
        if skipping:
            # The rest of a line that is too long.
            end = data.find(b"\n")
            if end < 0:
                continue
            data, skipping = data[end + 1 :], False
            number += 1
        data = left + data
        end = data.rfind(b"\n") + 1
        left = data[end:]
        if end:
            yield _parsePiece(data[:end], number, complaints)
            number += data.count(b"\n", 0, end)
        if len(left) > most:
            complaints.add(number, f"has more than {most} octets")
            left, skipping = b"", True
    if left:
        yield _parsePiece(left + b"\n", number, complaints)


def _parsePiece(data: bytes, first: int, complaints: Complaints) -> ListedRules:
    """
    Read whole lines.

    @param first: the number of the first line.
    """
    data = data.lower()
    count = data.count(b"\n")
    for format, word in ((_DOMAIN, _DOMAINS), (_HOSTS, _ALONE)):
        names = format.findall(data)
        if len(names) == count and max(map(len, names), default=0) <= _LONGEST and _USUAL.isdisjoint(names):
            # All lines alike, as most lists have them but for comments at their beginning.
            return {word: (names, range(first, first + count))}
    found: dict[int, tuple[list[bytes], list[int]]] = {}
    for number, line in enumerate(data.split(b"\n")[:-1], first):
        rules: Sequence[tuple[bytes, int]] = ()
        match = _HOSTS.match(line)
        if match is not None and len(match[1]) <= _LONGEST:
            if match[1] not in _USUAL:
                rules = ((match[1], _ALONE),)
        elif (match := _DOMAIN.match(line)) is not None and len(match[1]) <= _LONGEST:
            rules = ((match[1], _DOMAINS),)
        else:
            try:
                rules = _parseLine(line)
            except ValueError as error:
                complaints.add(number, str(error))
        for name, word in rules:
            names, lines = found.setdefault(word, ([], []))
            names.append(name)
            lines.append(number)
    return found


def _parseLine(line: bytes) -> list[tuple[bytes, int]]:
    """
    Return the names in a line, and the bits of the rule for each.

    @raise ValueError: it cannot be used.
    """
    if len(line) > BLOCK_LINE.default:
        raise ValueError(f"has more than {int(BLOCK_LINE.default)} octets")
    if isFrame(line):
        return []
    line = line.strip()
    if not line or line[:1] in (b"#", b"!", b";") or line == b"[adblock plus]":
        return []
    try:
        foreign = foreignRules(line)
    except ValueError as error:
        raise ValueError(f"{_shown(line)} {error}") from None
    if foreign is not None:
        return [(_name(name), word) for name, word in foreign]
    if line.startswith((b"|", b"@@|")) and not line.startswith((b"||", b"@@||")):
        return [_exact(line)]
    if line.startswith((b"||", b"@@||")):
        domain, mark, rest = line.removeprefix(b"@@").removeprefix(b"||").partition(b"^")
        more = _RULE_ENDS.get(mark + rest)
        if more is None:
            raise ValueError(f"{_shown(line)} depends on more than the domain")
        if domain.endswith(b".") or (not mark and b"." not in domain):
            # Not the top-level domain of that name, which it does not mean.
            raise ValueError(f"{_shown(line)} is for all names that begin so; end a whole domain with ^")
        return [(_name(domain.removeprefix(b"*.")), _DOMAINS | more | (EXCEPT if line.startswith(b"@@") else 0))]
    fields = fieldsOf(line)
    if len(fields) > 1 and _ADDRESS.fullmatch(fields[0]):
        if any(name in _USUAL for name in fields[1:]):
            fields[1:] = [name for name in fields[1:] if name not in _USUAL]
        elif not _NOWHERE.fullmatch(fields[0]):
            raise ValueError(f"{_shown(fields[0])} is an address of its own; write 0.0.0.0 to block a name")
        return [(_name(name), _ALONE) for name in fields[1:]]
    # Not within a word: ad blockers write element rules as example.com##.banner.
    fields = _COMMENT.split(line, maxsplit=1)[0].split()
    if len(fields) != 1:
        raise ValueError(f"{_shown(line)} is not a domain, nor a line of a hosts file")
    if _ADDRESS.fullmatch(fields[0]):
        raise ValueError(f"{_shown(fields[0])} is an address, not a domain")
    domain = fields[0].removeprefix(b"*.")
    name = _name(domain)
    if b"." not in name and domain == fields[0]:
        # Words of a text or of a page would block whole top-level domains.
        raise ValueError(f"{_shown(domain)} is a top-level domain; write *.{_plain(domain)} to block all of it")
    return [(name, _DOMAINS)]


def _exact(line: bytes) -> tuple[bytes, int]:
    """
    Read a rule of ad blockers for a name alone: C{|ads.example|} or C{|ads.example^}.

    @raise ValueError: it is something else.
    """
    name = line.removeprefix(b"@@").removeprefix(b"|")
    end = next((end for end in (b"^$important", b"|", b"^|", b"^") if name.endswith(end)), b"")
    if not end:
        raise ValueError(f"{_shown(line)} is for all names that begin so; end a whole name with ^")
    word = SELF | (EXCEPT if line.startswith(b"@@") else 0) | (IMPORTANT if end == b"^$important" else 0)
    return _name(name.removesuffix(end)), word


def _name(text: bytes) -> bytes:
    """
    @raise ValueError: it is not a name.
    """
    try:
        wire = nameFromText(text) if text.isascii() else nameFromText(text.decode("utf-8"))
    except (BadName, UnicodeDecodeError):
        raise ValueError(f"{_shown(text)} is not a domain name") from None
    name = nameToText(wire.lower()).removesuffix(".").encode("ascii")
    if not name or not re.fullmatch(rb"[a-z0-9_.-]+", name):
        raise ValueError(f"{_shown(text)} is not a domain name")
    return name


def _plain(text: bytes) -> str:
    return text[:60].decode("utf-8", "backslashreplace")


def _shown(text: bytes) -> str:
    return repr(_plain(text))
