"""
Writes replies: like L{twisted_ext.wire.builder}, but for server replies, which start with a copy of the question.

Name compression ignores case (RFC 1035, section 2.3.3), so that the octets after the question do not depend on the case of the query name.
The offsets of TTLs are recorded. Only types whose canonical form is case-insensitive have their names compressed (RFC 4034, section 6.2),
so no signature breaks.
"""

from __future__ import annotations

from struct import Struct, pack
from typing import Final

from twisted_ext.limits import NAMES_COMPRESSED
from twisted_ext.wire.builder import COMPRESSED, appendName, hostsInside
from twisted_ext.wire.codes import AA, TC
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNAME

__all__ = ["WrittenReply", "compose"]

_MOST_NAMES: Final = int(NAMES_COMPRESSED.default)

#: The offset of the question, and a pointer to it.
_ASKED: Final = 12
_POINTER: Final = b"\xc0\x0c"

#: Offsets that fit into the 14 bits of a compression pointer.
_REACH: Final = 0x4000

_fixed: Final = Struct(">HHIH").pack
_counts: Final = Struct(">HHHHH").pack_into

Sections = tuple[tuple[RRSet, ...], tuple[RRSet, ...], tuple[RRSet, ...]]


class WrittenReply:
    """
    A reply in wire format.

    @ivar ttls: the offset and value of each TTL.
    @ivar whole: whether all records fit.
    @ivar optAt: the offset of the OPT record, which is the last record; the end of the message if there is none.
    """

    __slots__ = ("octets", "ttls", "whole", "optAt")

    def __init__(self, octets: bytes, ttls: list[tuple[int, int]], whole: bool, optAt: int) -> None:
        self.octets = octets
        self.ttls = ttls
        self.whole = whole
        self.optAt = optAt


def compose(start: bytes, folded: bytes, flags: int, sections: Sections, opt: bytes, size: int) -> WrittenReply:
    """
    Compose a reply of at most C{size} octets.

    An RRset of the answer or authority section that does not fit ends the reply and sets TC. One of the additional section is left out
    (RFC 2181, section 9), which sets TC only if it is in-domain glue of a referral (RFC 9471, section 3.1).

    @param start: the query from its ID to the end of its question.
    @param folded: the query name in lower case.
    @param flags: the header's second pair of octets.
    @param opt: the OPT record, or empty.
    @param size: at least 512.
    """
    writer = _Writer(start, folded)
    octets = writer.octets
    most = size - len(opt)
    counts = [0, 0, 0]
    whole = True
    inside: set[bytes] | None = None
    for index in range(3):
        for rrset in sections[index]:
            if writer.records(rrset, most):
                counts[index] += len(rrset.rdatas)
            else:
                whole = False
                if index < 2:
                    flags |= TC
                    break
                if not flags & (AA | TC) and not sections[0]:
                    if inside is None:
                        inside = hostsInside(sections[1])
                    if rrset.name.lower() in inside:
                        flags |= TC
        if flags & TC:
            break
    optAt = len(octets)
    if opt:
        octets += opt
        counts[2] += 1
    _counts(octets, 2, flags, 1, *counts)
    return WrittenReply(bytes(octets), writer.ttls, whole, optAt)


class _Writer:
    """
    A reply that is being written.
    """

    __slots__ = ("octets", "ttls", "_folded", "_offsets", "_budget")

    def __init__(self, start: bytes, folded: bytes) -> None:
        self.octets = bytearray(start)
        self.ttls: list[tuple[int, int]] = []
        self._folded = folded
        self._offsets: dict[bytes, int] | None = None
        self._budget = _MOST_NAMES

    def records(self, rrset: RRSet, most: int) -> bool:
        """
        Append all records of an RRset, or none. Return whether they fit.

        @param most: the maximum size of the message with them.
        """
        octets = self.octets
        ttls = self.ttls
        before = len(octets)
        noted = len(ttls)
        offsets = self._offsets
        known = len(offsets) if offsets is not None else 0
        name = rrset.name
        folded = name.lower()
        asked = folded == self._folded
        rrType = rrset.rrType
        ttl = rrset.ttl
        layout = COMPRESSED.get(rrType)
        for rdata in rrset.rdatas:
            if asked:
                octets += _POINTER
            else:
                self._name(name, folded)
            ttls.append((len(octets) + 4, ttl))
            octets += _fixed(rrType, rrset.rrClass, ttl, len(rdata))
            if layout is None or not rdata:
                if rrType == DNAME and rdata:
                    self._note(rdata)
                octets += rdata
            else:
                self._rdata(rdata, layout)
            if len(octets) > most:
                del octets[before:]
                del ttls[noted:]
                if self._offsets is not None:
                    while len(self._offsets) > known:
                        self._offsets.popitem()
                    if not known:
                        self._offsets = None
                return False
        return True

    def _note(self, name: bytes) -> None:
        """
        Note a DNAME target about to be appended. It must not be compressed itself, but later names can point to it: those of CNAMEs
        synthesized from the DNAME end in it.
        """
        octets = self.octets
        offsets = self._known()
        here = len(octets)
        position = 0
        folded = name.lower()
        while (length := folded[position]) and here + position < _REACH:
            offsets.setdefault(folded[position:], here + position)
            position += length + 1

    def _rdata(self, rdata: bytes, layout: tuple[int, int]) -> None:
        octets = self.octets
        start = len(octets)
        position, count = layout
        octets += rdata[:position]
        for _ in range(count):
            end = position
            while rdata[end]:
                end += rdata[end] + 1
            name = rdata[position : end + 1]
            self._name(name, name.lower())
            position = end + 1
        octets += rdata[position:]
        octets[start - 2 : start] = pack(">H", len(octets) - start)

    def _name(self, name: bytes, folded: bytes) -> None:
        self._budget = appendName(self.octets, self._offsets or self._known(), name, folded, self._budget)

    def _known(self) -> dict[bytes, int]:
        offsets = self._offsets
        if offsets is None:
            offsets = self._offsets = {}
            position = 0
            asked = self._folded
            while length := asked[position]:
                offsets[asked[position:]] = _ASKED + position
                position += length + 1
        return offsets
