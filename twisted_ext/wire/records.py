"""
RRsets, and reading them from a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from struct import error as StructError
from typing import Final

from mypy_extensions import i64, mypyc_attr

from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import ANY_CLASS, IN, NONE
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.rrtypes import OPT, RRSIG, formOf

__all__ = ["RRSet", "Layout", "expand", "readRecords", "groupRecords", "eachRecord"]

#: What reading needs to know of a type's rdata, given by its declaration:
#:   - L{None}: octets to be taken as they are;
#:   - a number: octets, exactly that many;
#:   - C{(before, names, behind)}: so many octets, then so many names that may be compressed, then so many octets;
#:   - a function of the reader, the start and the end of the rdata that gives it uncompressed.
Layout = None | int | tuple[int, int, int] | Callable[[Reader, int, int], bytes]

_FIXED: Final = Struct(">HHIH")
_fixed: Final = _FIXED.unpack_from

#: Cache of layouts. Types are declared in modules that are imported when a record of the type is first read.
_layouts: dict[int, Layout] = {}


@mypyc_attr(allow_interpreted_subclasses=True, acyclic=True)
class RRSet:
    """
    Records of one owner, type and class (RFC 2181, section 5).

    @ivar name: the owner, uncompressed, in its original case.
    @ivar ttl: seconds, the minimum over the records (RFC 2181, section 5.2); 0 if the sign bit was set (section 8).
    @ivar rdatas: each record's rdata in uncompressed wire form, without duplicates.
    """

    __slots__ = ("name", "rrType", "rrClass", "ttl", "rdatas")

    def __init__(self, name: bytes, rrType: int, rrClass: int, ttl: int, rdatas: tuple[bytes, ...]) -> None:
        self.name = name
        self.rrType = rrType
        self.rrClass = rrClass
        self.ttl = ttl
        self.rdatas = rdatas

    def withTTL(self, ttl: int) -> RRSet:
        return RRSet(self.name, self.rrType, self.rrClass, ttl, self.rdatas)

    def withRdatas(self, rdatas: tuple[bytes, ...]) -> RRSet:
        """
        Return a set of the same owner, type and TTL with these records.
        """
        return RRSet(self.name, self.rrType, self.rrClass, self.ttl, rdatas)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RRSet):
            return NotImplemented
        return (
            self.rrType == other.rrType
            and self.rrClass == other.rrClass
            and self.ttl == other.ttl
            and self.name.lower() == other.name.lower()
            and (self.rdatas == other.rdatas or sorted(self.rdatas) == sorted(other.rdatas))
        )

    def __hash__(self) -> int:
        return hash((self.name.lower(), self.rrType, self.rrClass, self.ttl, frozenset(self.rdatas)))

    def __repr__(self) -> str:
        from twisted_ext.wire.rrtypes import typeName

        return f"<RRSet {nameToText(self.name)} {self.ttl} {typeName(self.rrType)} {len(self.rdatas)} record(s)>"


#: Makes an RRset without setting its attributes. A call of the class takes half as long again.
newRRSet: Final[Callable[[type[RRSet]], RRSet]] = RRSet.__new__


def _layoutOf(rrType: int) -> Layout:
    from twisted_ext.wire.rdata.registry import layoutOf

    layout = _layouts[rrType] = layoutOf(rrType)
    if len(_layouts) > 512:
        # Remote parties choose the types; relearning layouts is cheap.
        _layouts.clear()
    return layout


def readRecords(reader: Reader, offset: int, count: int) -> tuple[list[RRSet], int]:
    """
    Read C{count} records in order, each as an RRset of its own.

    @return: the RRsets, and the offset after the last record.

    @raise BadMessage: there are fewer, a record is truncated, or its rdata is not valid for its type.
    """
    data = reader.data
    names = reader.names
    end: i64 = len(data)
    records: list[RRSet] = []
    first: i64
    start: i64
    rrType: i64
    rrClass: i64
    ttl: i64
    length: i64
    try:
        for _ in range(count):
            # Nearly every owner is a single pointer to a name that was read before.
            first = data[offset]
            known = names.get((first & 63) << 8 | data[offset + 1]) if first >= 192 else None
            if known is not None:
                offset += 2
                name = known
            else:
                name, offset = reader.name(offset)
            rrType, rrClass, ttl, length = _fixed(data, offset)
            start = offset + 10
            offset = start + length
            if offset > end:
                raise BadMessage(f"the rdata at octet {start} extends past the end of the message")
            try:
                layout = _layouts[rrType]
            except KeyError:
                layout = _layoutOf(rrType)
            if layout is None:
                rdata = data[start:offset]
            elif rrClass != IN and (
                # Prerequisites and deletions of an UPDATE (RFC 2136, section 2.4 and 2.5), and types whose format differs from that of
                # class IN.
                not formOf(rrType, rrClass) or (not length and (rrClass == ANY_CLASS or rrClass == NONE))
            ):
                rdata = data[start:offset]
            elif isinstance(layout, int):
                if length != layout:
                    raise BadMessage(f"the rdata of type {rrType} at octet {start} has {length} octets; it takes {layout}")
                rdata = data[start:offset]
            else:
                rdata = expand(reader, layout, start, offset)
            records.append(RRSet(name, rrType, rrClass, ttl if ttl < 0x80000000 or rrType == OPT else 0, (rdata,)))
    except (IndexError, StructError):
        if offset == end:
            raise BadMessage(f"the message ends before a record, at octet {offset}, that its header counts") from None
        raise BadMessage(f"a record at octet {offset} extends past the end of the message") from None
    return records, offset


def expand(reader: Reader, layout: int | tuple[int, int, int] | Callable[[Reader, int, int], bytes], start: int, end: int) -> bytes:
    """
    Return the rdata between two offsets with uncompressed names.

    @raise BadMessage: the rdata is not valid for its type.
    """
    if not isinstance(layout, tuple):
        if not isinstance(layout, int):
            return layout(reader, start, end)
        if end - start != layout:
            raise BadMessage(f"the rdata at octet {start} has {end - start} octets; its type takes {layout}")
        return reader.data[start:end]
    data = reader.data
    before, count, behind = layout
    position = start + before
    first: i64
    if count == 1 and not behind:
        if position < end:
            # A fast path for the most frequent types (NS, CNAME, PTR, MX).
            first = data[position]
            if first >= 192 and position + 2 == end:
                known = reader.names.get((first & 63) << 8 | data[position + 1])
                if known is not None:
                    return data[start:position] + known if before else known
        name, position = reader.name(position)
        if position != end:
            raise BadMessage(f"the rdata at octet {start} is not as long as its length says")
        return data[start : start + before] + name if before else name
    parts = [data[start:position]]
    for _ in range(count):
        name, position = reader.name(position)
        parts.append(name)
    if position + behind != end:
        raise BadMessage(f"the rdata at octet {start} is not as long as its length says")
    parts.append(data[position:end])
    return b"".join(parts)


def groupRecords(records: list[RRSet]) -> tuple[RRSet, ...]:
    """
    Group records of one owner, type and class, in the order of their first ones, without duplicate rdata (RFC 2181, section 5). Signatures
    are grouped by the type that they cover (RFC 4034, section 3).
    """
    if len(records) == 1:
        return (records[0],)
    groups: dict[tuple[bytes, int, int, bytes], list[RRSet]] = {}
    name = folded = b""
    for record in records:
        if record.name is not name:
            # Owners that are read from one place in a message are one object.
            name = record.name
            folded = name.lower()
        rrType = record.rrType
        key = (folded, rrType, record.rrClass, record.rdatas[0][:2] if rrType == RRSIG else b"")
        group = groups.get(key)
        if group is None:
            groups[key] = [record]
        else:
            group.append(record)
    if len(groups) == len(records):
        return tuple(records)
    return tuple([group[0] if len(group) == 1 else _merged(group) for group in groups.values()])


def _merged(group: list[RRSet]) -> RRSet:
    first = group[0]
    ttl = min([record.ttl for record in group])
    rdatas = tuple(dict.fromkeys([record.rdatas[0] for record in group]))
    return RRSet(first.name, first.rrType, first.rrClass, ttl, rdatas)


def eachRecord(sets: tuple[RRSet, ...]) -> Iterator[RRSet]:
    """
    Iterate over the records, each as an RRset of its own.
    """
    for rrset in sets:
        if len(rrset.rdatas) == 1:
            yield rrset
        else:
            for rdata in rrset.rdatas:
                yield RRSet(rrset.name, rrset.rrType, rrset.rrClass, rrset.ttl, (rdata,))
