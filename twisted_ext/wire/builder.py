"""
Builds messages: name compression at bounded cost, and truncation by whole RRsets.
"""

from __future__ import annotations

from struct import Struct, pack
from typing import Final

from twisted_ext.limits import MESSAGE_SIZE, NAMES_COMPRESSED
from twisted_ext.wire.codes import AA, TC
from twisted_ext.wire.message import EDNS, HEADER, HEADER_OCTETS, Message
from twisted_ext.wire.names import ROOT, isBelow
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, CNAME, MB, MD, MF, MG, MINFO, MR, MX, NS, PTR, SOA, A

__all__ = ["COMPRESSED", "appendName", "buildMessage", "buildQuery", "hostsInside", "Writer"]

#: Types whose names may be compressed: those of RFC 1035, and no others (RFC 3597, section 4), as C{(octets before the names, number of
#: names)}.
COMPRESSED: Final = {
    **dict.fromkeys((NS, MD, MF, CNAME, MB, MG, MR, PTR), (0, 1)),
    **dict.fromkeys((SOA, MINFO), (0, 2)),
    MX: (2, 1),
}

#: Offsets that fit into the 14 bits of a compression pointer.
_REACH: Final = 0x4000

_MOST_NAMES: Final = int(NAMES_COMPRESSED.default)

_fixed: Final = Struct(">HHIH").pack
_length: Final = Struct(">H").pack_into


def appendName(octets: bytearray, offsets: dict[bytes, int], name: bytes, key: bytes, budget: int) -> int:
    """
    Append a name to a message, compressed against earlier names.

    @param offsets: the offsets of earlier names by their comparison keys.
    @param key: the comparison key of this name: the name itself, or in lower case.
    @param budget: names for which every suffix may still be looked up; further ones get two look-ups, for the whole name and for its
        parent.

    @return: the remaining budget.
    """
    known = offsets.get(key)
    if known is not None:
        octets += pack(">H", 0xC000 | known)
        return budget
    if key == ROOT:
        octets += ROOT
        return budget
    if not budget:
        here = len(octets)
        if here < _REACH:
            offsets[key] = here
        first = name[0] + 1
        known = offsets.get(key[first:])
        if known is None:
            octets += name
        else:
            octets += name[:first]
            octets += pack(">H", 0xC000 | known)
        return 0
    position = 0
    while length := key[position]:
        tail = key[position:]
        known = offsets.get(tail)
        if known is not None:
            octets += pack(">H", 0xC000 | known)
            return budget - 1
        here = len(octets)
        if here < _REACH:
            offsets[tail] = here
        octets += name[position : position + length + 1]
        position += length + 1
    octets += ROOT
    return budget - 1


class Writer:
    """
    A message that is being built, and the offsets of names in it.
    """

    __slots__ = ("octets", "_offsets", "_budget")

    def __init__(self, start: bytes) -> None:
        self.octets = bytearray(start)
        self._offsets: dict[bytes, int] = {}
        self._budget = _MOST_NAMES

    def name(self, name: bytes) -> None:
        """
        Append a name, compressed against earlier names in the same case.
        """
        self._budget = appendName(self.octets, self._offsets, name, name, self._budget)

    def records(self, rrset: RRSet, most: int) -> bool:
        """
        Append all records of an RRset, or none. Return whether they fit.

        @param most: maximum octets of the message with them.
        """
        octets = self.octets
        before = len(octets)
        known = len(self._offsets)
        rrType = rrset.rrType
        layout = COMPRESSED.get(rrType)
        for rdata in rrset.rdatas:
            self.name(rrset.name)
            octets += _fixed(rrType, rrset.rrClass, rrset.ttl, len(rdata))
            if layout is None or not rdata:
                octets += rdata
            else:
                start = len(octets)
                position, count = layout
                octets += rdata[:position]
                for _ in range(count):
                    end = position
                    while rdata[end]:
                        end += rdata[end] + 1
                    self.name(rdata[position : end + 1])
                    position = end + 1
                octets += rdata[position:]
                _length(octets, start - 2, len(octets) - start)
            if len(octets) > most:
                del octets[before:]
                while len(self._offsets) > known:
                    self._offsets.popitem()
                return False
        return True


def buildMessage(message: Message, size: int = int(MESSAGE_SIZE.default), reserve: int = 0) -> bytes:
    """
    Build a message of at most C{size} octets.

    An RRset of the answer or authority section that does not fit ends the message and sets TC; one of the additional section is left out
    and the next is tried (RFC 2181, section 9), which sets TC if it is glue that a referral needs (RFC 9471). There is always room for OPT,
    if necessary without its options. TSIG is not built: it signs the result.

    @param size: at least 512.
    @param reserve: octets to leave free for a signature, from L{signatureSize<twisted_ext.wire.tsig.signatureSize>}.
    """
    writer = Writer(bytes(HEADER_OCTETS))
    octets = writer.octets
    questions = message.questions
    for question in questions:
        writer.name(question.name)
        octets += pack(">HH", question.rrType, question.rrClass)
    edns = message.edns
    opt = edns.toWire() if edns is not None else b""
    most = size - reserve - len(opt)
    flags = message.flags
    counts = [0, 0, 0]
    if len(octets) > most:
        # This cannot happen in a reply to a valid question. TC lets the client retry over TCP.
        flags |= TC
        if edns is not None:
            opt = EDNS(edns.payloadSize, edns.flags, (), edns.version, edns.extendedRcode).toWire()
        if len(octets) > size - reserve - len(opt):
            del octets[HEADER_OCTETS:]
            questions = ()
    else:
        sections = (message.answer, message.authority, message.additional)
        flags |= _fill(writer, sections, counts, most, not flags & AA)
    octets += opt
    HEADER.pack_into(octets, 0, message.id, flags, len(questions), counts[0], counts[1], counts[2] + (1 if opt else 0))
    return bytes(octets)


def _fill(writer: Writer, sections: tuple[tuple[RRSet, ...], ...], counts: list[int], most: int, referral: bool) -> int:
    flags = 0
    glue: set[bytes] | None = None
    for index, section in enumerate(sections):
        for rrset in section:
            if writer.records(rrset, most):
                counts[index] += len(rrset.rdatas)
            elif index < 2:
                return TC
            elif referral and not flags and (rrset.rrType == A or rrset.rrType == AAAA):
                if glue is None:
                    glue = hostsInside(sections[1])
                if rrset.name.lower() in glue:
                    flags = TC
    return flags


def hostsInside(authority: tuple[RRSet, ...]) -> set[bytes]:
    """
    Return the folded names of name servers below the zones that are delegated to them.
    """
    inside: set[bytes] = set()
    for rrset in authority:
        if rrset.rrType == NS:
            zone = rrset.name.lower()
            inside.update([host for rdata in rrset.rdatas if isBelow(host := rdata.lower(), zone)])
    return inside


def buildQuery(flags: int, question: bytes, opt: bytes) -> bytes:
    """
    Build a query without its ID.

    @param flags: the header's second pair of octets.
    @param opt: a whole OPT record, or empty.
    """
    return pack(">HHHHH", flags, 1, 0, 0, 1 if opt else 0) + question + opt
