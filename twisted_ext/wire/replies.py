"""
Reading a reply to a question that is known already: the one path that every look-up takes, with as few steps as may be.

What it gives is what L{Message<twisted_ext.wire.message.Message>} gives; tests hold the two against each other. Whatever is not plain is
left to that.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.edns import OPT
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import Layout, RRSet, expand

__all__ = ["OPTFields", "Sections", "readReply"]

_counts: Final = Struct(">HHH").unpack_from
_fixed: Final = Struct(">HHIH").unpack_from

#: With more records in a section than this, comparing each with each would show.
_FEW: Final = 40

_RRSIG: Final = 46

#: Types that mean more than a record, or less: SIG, TKEY, TSIG.
_SPECIAL: Final = frozenset((24, 249, 250))

#: Layouts asked for so far; for the bound see L{twisted_ext.wire.records}.
_layouts: Final[dict[int, Layout]] = {}
_MOST_LAYOUTS: Final = 512

#: Class and TTL fields and rdata of an OPT record.
OPTFields = tuple[int, int, bytes]

#: Answer, authority and additional section in sets, and what the OPT record has.
Sections = tuple[tuple[RRSet, ...], tuple[RRSet, ...], tuple[RRSet, ...], OPTFields | None]


def readReply(data: bytes, name: bytes, offset: int) -> Sections | None:
    """
    Read the records of a message with one question.

    @param name: the question's name, which stands at octet 12 in whatever case; records that point there have it in this one.
    @param offset: where the question ends.

    @return: L{None} where the message is not plain, be it wrong or only unusual.
    """
    asked = offset
    end = len(data)
    names = {12: name}
    reader: Reader | None = None
    opt: OPTFields | None = None
    sections: list[tuple[RRSet, ...]] = []
    try:
        for records in _counts(data, 6):
            if not records:
                sections.append(())
                continue
            if records > _FEW:
                return None
            sets: list[RRSet] = []
            last: RRSet | None = None
            for _ in range(records):
                first = data[offset]
                if first >= 192:
                    target = (first & 63) << 8 | data[offset + 1]
                    known = names.get(target)
                    if known is None:
                        if target >= asked:
                            return None
                        known = names[target] = _suffix(name, target)
                    owner = known
                    offset += 2
                elif first:
                    if reader is None:
                        reader = _readerOf(data, names)
                    owner, offset = reader.name(offset)
                else:
                    owner = b"\x00"
                    offset += 1
                rrType, rrClass, ttl, length = _fixed(data, offset)
                start = offset + 10
                offset = start + length
                if offset > end:
                    return None
                if rrType == OPT:
                    if opt is not None or owner != b"\x00" or len(sections) != 2:
                        return None
                    opt = (rrClass, ttl, data[start:offset])
                    continue
                try:
                    layout = _layouts[rrType]
                except KeyError:
                    if rrType in _SPECIAL:
                        return None
                    layout = _layoutOf(rrType)
                if layout is None:
                    rdata = data[start:offset]
                elif layout.__class__ is int:
                    if length != layout:
                        return None
                    rdata = data[start:offset]
                elif layout.__class__ is tuple and layout[1] == 1 and not layout[2]:
                    # A name at the end: NS, CNAME, PTR, MX, SRV.
                    position = start + layout[0]
                    if position >= offset:
                        return None
                    first = data[position]
                    known = names.get((first & 63) << 8 | data[position + 1]) if first >= 192 and position + 2 == offset else None
                    if known is None:
                        if reader is None:
                            reader = _readerOf(data, names)
                        known, behind = reader.name(position)
                        if behind != offset:
                            return None
                    rdata = known if position == start else data[start:position] + known
                else:
                    if reader is None:
                        reader = _readerOf(data, names)
                    if not length:
                        return None
                    rdata = expand(reader, layout, start, offset)  # type: ignore[arg-type]
                if ttl >= 0x80000000:
                    ttl = 0
                if last is not None and last.rrType == rrType and last.name == owner and last.rrClass == rrClass and rrType != _RRSIG:
                    if rdata not in last.rdatas:
                        last.rdatas += (rdata,)
                    if ttl < last.ttl:
                        last.ttl = ttl
                else:
                    last = RRSet(owner, rrType, rrClass, ttl, (rdata,))
                    sets.append(last)
            if len(sets) > 1:
                # Most often there is one more.
                second = sets[1]
                if len(sets) > 2 or second.rrType == sets[0].rrType:
                    if not _distinct(sets):
                        return None
            sections.append(tuple(sets))
    except (IndexError, StructError, BadMessage):
        return None
    if offset != end:
        return None
    return sections[0], sections[1], sections[2], opt


def _readerOf(data: bytes, names: dict[int, bytes]) -> Reader:
    reader = Reader(data)
    reader.names = names
    return reader


def _suffix(name: bytes, target: int) -> bytes:
    position = 0
    wanted = target - 12
    while position < wanted:
        position += name[position] + 1
    if position != wanted:
        # It points into a label. That can be read, but not here.
        raise IndexError
    return name[position:]


def _distinct(sets: list[RRSet]) -> bool:
    keys = {(each.name.lower(), each.rrType, each.rrClass, each.rdatas[0][:2] if each.rrType == _RRSIG else b"") for each in sets}
    return len(keys) == len(sets)


def _layoutOf(rrType: int) -> Layout:
    from twisted_ext.wire.rdata.registry import layoutOf

    if len(_layouts) >= _MOST_LAYOUTS:
        _layouts.clear()
    layout = _layouts[rrType] = layoutOf(rrType)
    return layout
