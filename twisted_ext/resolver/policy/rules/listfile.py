"""
Reads the rules in a list. Each line is in one of these formats, which may be mixed:

  - that of hosts files, C{0.0.0.0 ads.example}: blocks these names alone;
  - a domain, C{ads.example}, or C{*.ads.example}: blocks the domain and all names below it;
  - that of ad blockers, C{||ads.example^}: the same; C{@@||ads.example^} makes an exception, C{|ads.example^} is for the name alone.
    Without the mark of the end, C{^}, such a rule holds for all names that begin so. It is taken if these can only be the domain and those
    below it, so not C{||ads.} nor C{||ads}. For the rest see L{adblocklines<twisted_ext.resolver.policy.rules.adblocklines>};
  - those of other DNS servers, see L{foreignlines<twisted_ext.resolver.policy.rules.foreignlines>}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from twisted_ext.resolver.local.hosts import fieldsOf
from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules.adblocklines import AdblockRule, adblockRule, isAdblock
from twisted_ext.resolver.policy.rules.condition import Condition
from twisted_ext.resolver.policy.rules.foreignlines import PolicyZone, foreignRules
from twisted_ext.resolver.policy.rules.rewriting import nameIn, shownPart
from twisted_ext.resolver.policy.rules.table import BELOW, SELF

__all__ = ["ListedRules", "domainIn", "parseList"]

#: Octets of a line in a block list: the longest name with what surrounds it, or a comment.
_BLOCK_LINE: Final = 1024

#: Octets read at once.
_PIECE: Final = 1 << 20

_NAME: Final = rb"((?:[a-z0-9_-]{1,63}\.){1,126}[a-z][a-z0-9-]{0,62})"

#: Lines as nearly all are. What these do not match is read more closely.
_HOSTS: Final = re.compile(rb"^(?:0\.0\.0\.0|127\.0\.0\.1|::1?)[ \t]+" + _NAME + rb"[ \t]*\r?$", re.M)
_DOMAIN: Final = re.compile(rb"^(?:\*\.|\|\|(?!.*\.\r?$))?" + _NAME + rb"(?:\^|\.)?\r?$", re.M)

#: Addresses with which hosts files block names.
_NOWHERE: Final = re.compile(rb"0\.0\.0\.0|127(?:\.\d{1,3}){3}|::1?|0:0:0:0:0:0:0:[01]")

#: What a web page begins with, such as that of an error; no list does.
_PAGE: Final = re.compile(rb"\s*<[!?a-z]", re.I)

_COMMENT: Final = re.compile(rb"\s#")

_ADDRESS: Final = re.compile(rb"\d[\d.]*|[\da-f:]*:[\da-f:.]*(?:%.*)?")

#: Names in the hosts files of all systems.
_USUAL: Final = frozenset(
    b"""
    localhost localhost.localdomain local broadcasthost ip6-localhost ip6-loopback ip6-localnet ip6-mcastprefix ip6-allnodes ip6-allrouters
    ip6-allhosts 0.0.0.0
    """.split()
)

#: The bits of rules for a name alone, and for a domain.
_ALONE: Final = SELF
_DOMAINS: Final = SELF | BELOW

_LONGEST: Final = 253


@dataclass(slots=True, eq=False)
class ListedRules:
    """
    The rules in a piece of a list. Names are lower case with dots between labels.

    @ivar plain: by their bits, the names, and the line of each.
    @ivar conditional: the name, the bits, the line and the condition of each of the others.
    """

    plain: Mapping[int, tuple[list[bytes], Sequence[int]]]
    conditional: Sequence[tuple[bytes, int, int, Condition]] = ()

    def __len__(self) -> int:
        return sum([len(names) for names, _ in self.plain.values()]) + len(self.conditional)


def parseList(file: BinaryIO, complaints: Complaints) -> Iterator[ListedRules]:
    """
    Read a list piece by piece.

    @param complaints: gets what is not valid. Nothing of a web page is used.

    @raise OSError: it cannot be read.
    """
    most = _BLOCK_LINE
    number = 1
    left = b""
    first, skipping = True, False
    zone = PolicyZone()
    while data := file.read(_PIECE):
        if first:
            data, first = data.removeprefix(b"\xef\xbb\xbf"), False
            if _PAGE.match(data):
                # Words of its text would be taken for names.
                complaints.add(1, "begins a web page, of which nothing is used")
                return
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
            yield _parsePiece(data[:end], number, complaints, zone)
            number += data.count(b"\n", 0, end)
        if len(left) > most:
            complaints.add(number, f"has more than {most} octets")
            left, skipping = b"", True
    if left:
        yield _parsePiece(left + b"\n", number, complaints, zone)


def _parsePiece(data: bytes, first: int, complaints: Complaints, zone: PolicyZone) -> ListedRules:
    """
    Read whole lines.

    @param first: the number of the first line.
    @param zone: what the lines before them say of a policy zone.
    """
    original, data = data, data.lower()
    originals: Sequence[bytes] = ()
    count = data.count(b"\n")
    for format, word in ((_DOMAIN, _DOMAINS), (_HOSTS, _ALONE)):
        names = format.findall(data)
        if len(names) == count and max(map(len, names), default=0) <= _LONGEST and _USUAL.isdisjoint(names):
            # All lines alike, as most lists have them but for comments at their beginning.
            return ListedRules({word: (names, range(first, first + count))})
    found: dict[int, tuple[list[bytes], list[int]]] = {}
    conditional: list[tuple[bytes, int, int, Condition]] = []
    for number, line in enumerate(data.split(b"\n")[:-1], first):
        rules: Sequence[AdblockRule] = ()
        match = _HOSTS.match(line)
        if match is not None and len(match[1]) <= _LONGEST:
            if match[1] not in _USUAL:
                rules = ((match[1], _ALONE, None),)
        elif (match := _DOMAIN.match(line)) is not None and len(match[1]) <= _LONGEST:
            rules = ((match[1], _DOMAINS, None),)
        else:
            try:
                if b"/" in line and not originals:
                    originals = original.split(b"\n")
                rules = _parseLine(line, originals[number - first] if originals else b"", zone)
            except ValueError as error:
                complaints.add(number, str(error))
        for name, word, condition in rules:
            if condition is not None:
                conditional.append((name, word, number, condition))
                continue
            names, lines = found.setdefault(word, ([], []))
            names.append(name)
            lines.append(number)
    return ListedRules(found, conditional)


def _parseLine(line: bytes, original: bytes, zone: PolicyZone) -> Sequence[AdblockRule]:
    """
    Return the rules in a line.

    @param original: the line as it is, if it has a slash.
    @param zone: what the lines before it say of a policy zone.

    @raise ValueError: it cannot be used.
    """
    if len(line) > _BLOCK_LINE:
        raise ValueError(f"has more than {_BLOCK_LINE} octets")
    if zone.takes(line):
        return []
    line = line.strip()
    if not line or line[:1] in (b"#", b"!", b";") or line == b"[adblock plus]":
        return []
    try:
        foreign = foreignRules(line, zone)
    except ValueError as error:
        raise ValueError(f"{shownPart(line)} {error}") from None
    if foreign is not None:
        return [(nameIn(name), word, None) for name, word in foreign]
    if isAdblock(line):
        return [adblockRule(line, original.strip())]
    fields = fieldsOf(line)
    if len(fields) > 1 and _ADDRESS.fullmatch(fields[0]):
        if any(name in _USUAL for name in fields[1:]):
            fields[1:] = [name for name in fields[1:] if name not in _USUAL]
        elif not _NOWHERE.fullmatch(fields[0]):
            raise ValueError(f"{shownPart(fields[0])} is an address of its own; write 0.0.0.0 to block a name")
        return [(nameIn(name), _ALONE, None) for name in fields[1:]]
    # Not within a word: ad blockers write element rules as example.com##.banner.
    fields = _COMMENT.split(line, maxsplit=1)[0].split()
    if len(fields) != 1:
        raise ValueError(f"{shownPart(line)} is not a domain, nor a line of a hosts file")
    if _ADDRESS.fullmatch(fields[0]):
        raise ValueError(f"{shownPart(fields[0])} is an address, not a domain")
    domain = fields[0].removeprefix(b"*.")
    name = nameIn(domain)
    if b"." not in name and domain == fields[0]:
        # Words of a text or of a page would block whole top-level domains.
        raise ValueError(f"{shownPart(domain)} is a top-level domain; write *.{domain.decode('ascii', 'replace')} to block all of it")
    return [(name, _DOMAINS, None)]


def domainIn(text: str) -> bytes:
    """
    Return the domain that a line of a list blocks with all names below it, lower case with dots between labels.

    @raise ValueError: the line does not block one domain, or not all of it.
    """
    line = text.encode("utf-8").lower()
    rules = _parseLine(line, b"", PolicyZone()) if b"\n" not in line else []
    if len(rules) != 1 or rules[0][1:] != (_DOMAINS, None):
        text = "is not a domain; other rules belong into a list: write names = [...] in a table headed [[list]]"
        raise ValueError(f"{shownPart(line)} {text}")
    return rules[0][0]
