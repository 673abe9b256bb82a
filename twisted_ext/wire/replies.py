"""
Parse a reply to a known question. All look-ups use this, so it is optimized for speed.

The result equals that of L{Message<twisted_ext.wire.message.Message>}, which tests verify. Unusual messages are passed on to that class.

Servers end many replies with the same octets: the zone's NS records and their addresses. When such an ending comes for the second time, it
is kept; from then on it is recognized, keyed by everything that its meaning depends on.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import Layout, RRSet, expand, newRRSet
from twisted_ext.wire.rrtypes import OPT, RRSIG, SIG, TKEY, TSIG

__all__ = ["OPTFields", "Sections", "readReply"]

_counts: Final = Struct(">HHH").unpack_from
_fixed: Final = Struct(">HHIH").unpack_from

#: Those fields behind an owner that is a pointer.
_pointerAndFixed: Final = Struct(">HHHIH").unpack_from

#: In sections with more records, comparing each with each would be too slow.
_FEW: Final = 40

#: Types with a special meaning in messages.
_SPECIAL: Final = frozenset((OPT, SIG, TKEY, TSIG))

#: Cache of layouts; for its bound see L{twisted_ext.wire.records}. If the rdata ends with its only name, that is C{-1 - before} here, since
#: comparing a number with the length is faster than looking into a tuple.
_layouts: Final[dict[int, Layout]] = {}
_MOST_LAYOUTS: Final = 512

#: The class and TTL fields and the rdata of an OPT record.
OPTFields = tuple[int, int, bytes]

#: The RRsets of the answer, authority and additional section, and the fields of the OPT record.
Sections = tuple[tuple[RRSet, ...], tuple[RRSet, ...], tuple[RRSet, ...], OPTFields | None]

#: Known endings by their octets: their offset, the counts of their sections, the part of the question's name that they point to, and the
#: parsed records.
_Ending = tuple[int, int, int, int, bytes, tuple[RRSet, ...], tuple[RRSet, ...], OPTFields | None]
_endings: Final[dict[bytes, _Ending]] = {}
_MOST_ENDINGS: Final = 256
_MOST_OCTETS: Final = 512

#: Hashes of endings that were seen once. Only those that come again are kept: in the replies of many zones, signatures differ.
_seen: Final[set[int]] = set()
_MOST_SEEN: Final = 1024

#: Higher than any offset in a question.
_NOWHERE: Final = 1 << 16

#: A pointer to the name in the question: its first octet, which the offset follows, and both.
_POINTER: Final = 0xC0
_ASKED_AT: Final = 0xC00C

#: The owner and type of an OPT record, and its fixed part as a whole.
_OPT: Final = b"\x00\x00\x29"
_OPT_OCTETS: Final = 11


class _Unusual(Exception):
    """
    The message has to be parsed by L{Message<twisted_ext.wire.message.Message>}.
    """


def readReply(data: bytes, name: bytes, offset: int) -> Sections | None:
    """
    Read the records of a message with the opcode QUERY and one question.

    @param name: the question's name, which is at octet 12 in any case; records that point there get this spelling.
    @param offset: where the question ends.

    @return: L{None} if the message is malformed or unusual.
    """
    answers, authorities, additionals = _counts(data, 6)
    asked = offset
    try:
        section: _Section | None = None
        answer: tuple[RRSet, ...] = ()
        if answers == 1 and data[offset] == _POINTER and data[offset + 1] == 12:
            # The fast path for most look-ups: one record of the queried name, without names in its rdata.
            rrType, rrClass, ttl, length = _fixed(data, offset + 2)
            if _layouts.get(rrType, -1) in (None, length):
                start = offset + 12
                offset = start + length
                if offset > len(data):
                    return None
                answer = (RRSet(name, rrType, rrClass, ttl if ttl < 0x80000000 else 0, (data[start:offset],)),)
        if answers and not answer:
            section = _Section(data, name, asked)
            (answer,) = section.read(answers)
            offset = section.offset
            if offset > len(data):
                return None
        rest = data[offset:]
        if not (authorities or additionals):
            return None if rest else (answer, (), (), None)
        if additionals == 1 and not authorities and rest.startswith(_OPT) and len(rest) >= _OPT_OCTETS:
            _, rrClass, ttl, length = _fixed(rest, 1)
            return (answer, (), (), (rrClass, ttl, rest[_OPT_OCTETS:])) if length == len(rest) - _OPT_OCTETS else None
        known = _endings.get(rest)
        if known is not None:
            at, ns, more, lowest, suffix, authority, additional, opt = known
            if at == offset and ns == authorities and more == additionals and name[lowest - 12 :] == suffix:
                return answer, authority, additional, opt
        if section is None:
            section = _Section(data, name, asked)
            section.offset = offset
        section.lowest = _NOWHERE
        section.inside = offset
        authority, additional = section.read(authorities, additionals)
        if section.offset != len(data):
            return None
    except (IndexError, StructError, BadMessage, _Unusual):
        return None
    # Options such as cookies change from reply to reply.
    varies = section.opt is not None and section.opt[2]
    if section.reader is None and len(rest) <= _MOST_OCTETS and section.lowest > 12 and not varies:
        seen = hash(rest)
        if seen not in _seen:
            if len(_seen) >= _MOST_SEEN:
                _seen.clear()
            _seen.add(seen)
        else:
            if len(_endings) >= _MOST_ENDINGS:
                _endings.clear()
            lowest = section.lowest
            _endings[rest] = (offset, authorities, additionals, lowest, name[lowest - 12 :], authority, additional, section.opt)
    return answer, authority, additional, section.opt


class _Section:
    """
    Reads the answer section, then the other two.

    @ivar offset: the current position.
    @ivar reader: reads names in uncommon places; created on first use.
    @ivar opt: the fields of the OPT record.
    @ivar lowest: the lowest offset in the question that a pointer refers to.
    @ivar inside: the offset of the ending being parsed; pointers into the records before it make the ending unusable for other messages.
    """

    __slots__ = ("data", "name", "offset", "reader", "opt", "lowest", "inside", "names", "asked")

    def __init__(self, data: bytes, name: bytes, offset: int) -> None:
        self.data = data
        self.name = name
        self.offset = self.asked = self.inside = offset
        self.reader: Reader | None = None
        self.opt: OPTFields | None = None
        self.lowest = _NOWHERE
        self.names = {12: name}

    def read(self, *counts: int) -> list[tuple[RRSet, ...]]:
        """
        Read sections with these numbers of records. The last record may extend past the end of the message, which sets C{offset} there.
        """
        data = self.data
        names = self.names
        offset = self.offset
        name = self.name
        inside = self.inside
        found: list[tuple[RRSet, ...]] = []
        for count in counts:
            if count > _FEW:
                raise _Unusual
            sets: list[RRSet] = []
            lastOwner = b""
            lastType = -1
            for _ in range(count):
                first = data[offset]
                if first >= 192:
                    target, rrType, rrClass, ttl, length = _pointerAndFixed(data, offset)
                    start = offset + 12
                    offset = start + length
                    if target == _ASKED_AT:
                        owner = name
                        self.lowest = 12
                    else:
                        target &= 0x3FFF
                        owner = names[target] if target >= inside and target in names else self._pointed(target)
                elif first:
                    owner, offset = self._read(offset)
                    rrType, rrClass, ttl, length = _fixed(data, offset)
                    start = offset + 10
                    offset = start + length
                else:
                    owner = b"\x00"
                    rrType, rrClass, ttl, length = _fixed(data, offset + 1)
                    start = offset + 11
                    offset = start + length
                    if rrType == OPT:
                        # It belongs into the additional section, of which there is one before it.
                        if self.opt is not None or len(found) != 1:
                            raise _Unusual
                        self.opt = (rrClass, ttl, data[start:offset])
                        continue
                try:
                    layout = _layouts[rrType]
                except KeyError:
                    layout = _layoutOf(rrType)
                if layout is None or layout == length:
                    rdata = data[start:offset]
                elif isinstance(layout, int):
                    if layout >= 0:
                        raise _Unusual
                    # A name at the end: NS, CNAME, PTR, MX, SRV.
                    position = start - 1 - layout
                    if position >= offset:
                        raise _Unusual
                    ending, behind = self._read(position)
                    if behind != offset:
                        raise _Unusual
                    rdata = ending if position == start else data[start:position] + ending
                else:
                    if not length:
                        raise _Unusual
                    rdata = expand(self._careful(), layout, start, offset)
                if ttl >= 0x80000000:
                    ttl = 0
                if lastType == rrType and lastOwner == owner and sets[-1].rrClass == rrClass and rrType != RRSIG:
                    last = sets[-1]
                    if rdata not in last.rdatas:
                        last.rdatas += (rdata,)
                    if ttl < last.ttl:
                        last.ttl = ttl
                else:
                    # Without a call of the class, which takes half as long again.
                    rrset = newRRSet(RRSet)
                    rrset.name = owner
                    rrset.rrType = rrType
                    rrset.rrClass = rrClass
                    rrset.ttl = ttl
                    rrset.rdatas = (rdata,)
                    sets.append(rrset)
                    lastOwner = owner
                    lastType = rrType
            if len(sets) > 1 and (len(sets) > 2 or sets[0].rrType == lastType) and not _distinct(sets):
                raise _Unusual
            found.append(tuple(sets))
        self.offset = offset
        return found

    def _pointed(self, target: int) -> bytes:
        """
        Return the name that a pointer refers to, in the question or where one was read before.
        """
        if target < self.asked:
            if target < self.lowest:
                self.lowest = target
        elif target < self.inside:
            # A pointer from an ending into the answer: its meaning differs from message to message.
            self._careful()
        name = self.names.get(target)
        if name is None:
            if target >= self.asked:
                raise _Unusual
            name = self.names[target] = _suffix(self.name, target)
        return name

    def _read(self, offset: int) -> tuple[bytes, int]:
        """
        Read a name: labels, then the end or a pointer to a name in the question.
        """
        data = self.data
        if self.reader is None:
            position = offset
            while (length := data[position]) and length < 64:
                position += length + 1
            if not length:
                position += 1
                name = self.names[offset] = data[offset:position]
                if len(name) > 255:
                    raise _Unusual
                return name, position
            target = (length & 63) << 8 | data[position + 1]
            if length >= 192 and target < self.asked:
                if target == 12:
                    self.lowest = 12
                    name = data[offset:position] + self.name
                else:
                    name = data[offset:position] + self._pointed(target)
                if len(name) > 255:
                    raise _Unusual
                if position > offset:
                    self.names[offset] = name
                return name, position + 2
        return self._careful().name(offset)

    def _careful(self) -> Reader:
        if self.reader is None:
            self.reader = Reader(self.data)
        return self.reader


def _suffix(name: bytes, target: int) -> bytes:
    position = 0
    wanted = target - 12
    while position < wanted:
        position += name[position] + 1
    if position != wanted or position == len(name):
        # It points into the header, into a label or right after the name, which only the slow parser handles.
        raise _Unusual
    return name[position:]


def _distinct(sets: list[RRSet]) -> bool:
    if len({each.rrType for each in sets}) == len(sets):
        return True
    keys = {(each.name.lower(), each.rrType, each.rrClass, each.rdatas[0][:2] if each.rrType == RRSIG else b"") for each in sets}
    return len(keys) == len(sets)


def _layoutOf(rrType: int) -> Layout:
    from twisted_ext.wire.rdata.registry import layoutOf

    if rrType in _SPECIAL:
        raise _Unusual
    if len(_layouts) >= _MOST_LAYOUTS:
        _layouts.clear()
    layout = layoutOf(rrType)
    if isinstance(layout, tuple) and layout[1:] == (1, 0):
        layout = -1 - layout[0]
    _layouts[rrType] = layout
    return layout
