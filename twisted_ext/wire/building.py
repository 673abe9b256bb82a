"""
Building messages: compression within a cost, and truncation by whole sets.
"""

from __future__ import annotations

from struct import Struct, pack
from typing import Final

from twisted_ext.limits import MESSAGE_SIZE, NAMES_COMPRESSED
from twisted_ext.wire.codes import TC
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.message import HEADER, Message
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.records import RRSet

__all__ = ["buildMessage", "buildQuery", "optRecord", "Writer"]

#: Types whose names may be compressed: those of RFC 1035, and no others (RFC 3597, section 4), as C{(octets before, names)}.
_COMPRESSED: Final = {
    2: (0, 1),  # NS
    3: (0, 1),  # MD
    4: (0, 1),  # MF
    5: (0, 1),  # CNAME
    6: (0, 2),  # SOA
    7: (0, 1),  # MB
    8: (0, 1),  # MG
    9: (0, 1),  # MR
    12: (0, 1),  # PTR
    14: (0, 2),  # MINFO
    15: (2, 1),  # MX
}

#: Offsets that fourteen bits can say.
_REACH: Final = 0x4000

_fixed: Final = Struct(">HHIH").pack
_length: Final = Struct(">H").pack_into


class Writer:
    """
    Octets of a message in the making, and where names stand in them.
    """

    __slots__ = ("octets", "_offsets", "_budget")

    def __init__(self, start: bytes) -> None:
        self.octets = bytearray(start)
        self._offsets: dict[bytes, int] = {}
        self._budget = int(NAMES_COMPRESSED.default)

    def name(self, name: bytes) -> None:
        """
        Append a name, pointing to an earlier one where its end stands there already in the same case.
        """
        octets = self.octets
        offsets = self._offsets
        known = offsets.get(name)
        if known is not None:
            octets += pack(">H", 0xC000 | known)
            return
        if name == ROOT:
            octets += ROOT
            return
        if not self._budget:
            octets += name
            return
        self._budget -= 1
        position = 0
        while length := name[position]:
            tail = name[position:]
            known = offsets.get(tail)
            if known is not None:
                octets += pack(">H", 0xC000 | known)
                return
            here = len(octets)
            if here < _REACH:
                offsets[tail] = here
            octets += name[position : position + length + 1]
            position += length + 1
        octets += ROOT

    def records(self, rrset: RRSet, most: int) -> bool:
        """
        Append all records of a set, or nothing.

        @param most: octets that the message may have then.

        @return: whether they fitted.
        """
        octets = self.octets
        before = len(octets)
        known = len(self._offsets)
        rrType = rrset.rrType
        layout = _COMPRESSED.get(rrType)
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


def buildMessage(message: Message, size: int = int(MESSAGE_SIZE.default)) -> bytes:
    """
    Build a message of at most C{size} octets.

    A set of the answer or authority section that does not fit ends the message and sets TC; one of the additional section is left
    out and the next is tried (RFC 2181, section 9). OPT always has its place.
    """
    writer = Writer(bytes(12))
    octets = writer.octets
    for question in message.questions:
        writer.name(question.name)
        octets += pack(">HH", question.rrType, question.rrClass)
    edns = message.edns
    opt = edns.toWire() if edns is not None else b""
    most = size - len(opt)
    flags = message.flags
    counts = [0, 0, 0]
    fits = True
    for index, section in enumerate((message.answer, message.authority, message.additional)):
        for rrset in section:
            if writer.records(rrset, most):
                counts[index] += len(rrset.rdatas)
            elif index < 2:
                fits = False
                flags |= TC
                break
        if not fits:
            break
    octets += opt
    HEADER.pack_into(octets, 0, message.id, flags, len(message.questions), counts[0], counts[1], counts[2] + (1 if opt else 0))
    return bytes(octets)


def buildQuery(flags: int, question: bytes, opt: bytes) -> bytes:
    """
    Build a query without its two octets of id.

    @param flags: the header's second pair of octets.
    @param question: as L{twisted_ext.wire.message.Question.toWire} gives it.
    @param opt: a whole OPT record, or nothing.
    """
    return _QUERY_HEADERS[bool(opt)] % flags.to_bytes(2, "big") + question + opt


_QUERY_HEADERS: Final = (b"%b\x00\x01\x00\x00\x00\x00\x00\x00", b"%b\x00\x01\x00\x00\x00\x00\x00\x01")


def optRecord(payloadSize: int, flags: int = 0, options: tuple[tuple[int, bytes], ...] = ()) -> bytes:
    """
    @return: a whole OPT record, ready to be appended to a query.
    """
    return EDNS(payloadSize, flags, options).toWire()
