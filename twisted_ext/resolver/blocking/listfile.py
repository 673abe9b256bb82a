"""
Reads the names in a block list. Each line is in one of four formats, which may be mixed:

  - that of hosts files, C{0.0.0.0 ads.example}: blocks these names alone;
  - a domain, C{ads.example}, or C{*.ads.example}: blocks the domain and all names below it;
  - that of ad blockers, C{||ads.example^}: the same; C{@@||ads.example^} makes an exception. Without the mark of the end, C{^}, such a rule
    holds for all names that begin so. It is taken if these can only be the domain and those below it, so not C{||ads.} nor C{||ads}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from twisted_ext.errors import BadName
from twisted_ext.limits import BLOCK_LINE
from twisted_ext.resolver.policy.localanswers import Complaints
from twisted_ext.resolver.system.hosts import fieldsOf
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["ListedNames", "parseList"]

#: Octets read at once.
_PIECE: Final = 1 << 20

_NAME: Final = rb"((?:[a-z0-9_-]{1,63}\.){1,126}[a-z][a-z0-9-]{0,62})"

#: Lines as nearly all are. What these do not match is read more closely.
_HOSTS: Final = re.compile(rb"^(?:0\.0\.0\.0|127\.0\.0\.1|::1?)[ \t]+" + _NAME + rb"[ \t]*\r?$", re.M)
_DOMAIN: Final = re.compile(rb"^(?:\*\.|\|\|(?!.*\.\r?$))?" + _NAME + rb"(?:\^(?:\$important)?|\.)?\r?$", re.M)

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

#: What follows the domain in lines of ad blockers that hold for all requests.
_RULE_ENDS: Final = frozenset((b"", b"^", b"^$important", b"^|", b"^$all"))

_LONGEST: Final = 253


@dataclass(slots=True, eq=False)
class ListedNames:
    """
    The names in a piece of a list, lower case with dots between labels.

    @ivar alone: those blocked without the names below them.
    @ivar below: those blocked with all names below them.
    @ivar excepted: exceptions, with all names below them.
    """

    alone: list[bytes] = field(default_factory=list)
    below: list[bytes] = field(default_factory=list)
    excepted: list[bytes] = field(default_factory=list)


def parseList(file: BinaryIO, complaints: Complaints) -> Iterator[ListedNames]:
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


def _parsePiece(data: bytes, number: int, complaints: Complaints) -> ListedNames:
    """
    Read whole lines.

    @param number: that of the first line.
    """
    data = data.lower()
    found = ListedNames(_HOSTS.findall(data), _DOMAIN.findall(data))
    names = len(found.alone) + len(found.below)
    if names == data.count(b"\n") and max(map(len, found.alone), default=0) <= _LONGEST >= max(map(len, found.below), default=0):
        return found
    found = ListedNames()
    for line in data.split(b"\n")[:-1]:
        match = _HOSTS.match(line)
        if match is not None and len(match[1]) <= _LONGEST:
            if match[1] not in _USUAL:
                found.alone.append(match[1])
        elif (match := _DOMAIN.match(line)) is not None and len(match[1]) <= _LONGEST:
            found.below.append(match[1])
        else:
            try:
                _parseLine(line, found)
            except ValueError as error:
                complaints.add(number, str(error))
        number += 1
    return found


def _parseLine(line: bytes, found: ListedNames) -> None:
    """
    @raise ValueError: the line blocks no name.
    """
    if len(line) > BLOCK_LINE.default:
        raise ValueError(f"has more than {int(BLOCK_LINE.default)} octets")
    line = line.strip()
    if not line or line[:1] in (b"#", b"!", b";") or line == b"[adblock plus]":
        return
    if line.startswith((b"||", b"@@||")):
        names = found.excepted if line.startswith(b"@@") else found.below
        text = line.removeprefix(b"@@").removeprefix(b"||")
        domain, mark, rest = text.partition(b"^")
        if mark + rest not in _RULE_ENDS:
            raise ValueError(f"{_shown(line)} depends on more than the domain")
        if domain.endswith(b".") or (not mark and b"." not in domain):
            # Not the top-level domain of that name, which it does not mean.
            raise ValueError(f"{_shown(line)} is for all names that begin so; end a whole domain with ^")
        names.append(_name(domain.removeprefix(b"*.")))
        return
    fields = fieldsOf(line)
    if len(fields) > 1 and _ADDRESS.fullmatch(fields[0]):
        if any(name in _USUAL for name in fields[1:]):
            fields[1:] = [name for name in fields[1:] if name not in _USUAL]
        elif not _NOWHERE.fullmatch(fields[0]):
            raise ValueError(f"{_shown(fields[0])} is an address of its own; write 0.0.0.0 to block a name")
        found.alone += [_name(name) for name in fields[1:]]
        return
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
    found.below.append(name)


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
