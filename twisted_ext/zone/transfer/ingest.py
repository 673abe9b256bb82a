"""
Collects the records of a received AXFR for the zone's image, and validates each of them.

L{twisted_ext.zone.transfer.ingestjob} does this in a separate process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from struct import error as StructError
from typing import BinaryIO, Final

from twisted_ext.errors import BadMessage, BadZone, BudgetSpent, DNSFault
from twisted_ext.wire.message import HEADER_OCTETS
from twisted_ext.wire.names import MOST_OCTETS, nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rdata.fieldtypes import Unknown
from twisted_ext.wire.rdata.registry import declarationOf, layoutOf
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import Layout, expand
from twisted_ext.wire.rrtypes import DS, NSEC, NSEC3, OPT, RRSIG, SOA, TXT
from twisted_ext.zone.limits import HELD_OCTETS, NAME_OCTETS
from twisted_ext.zone.store.imagebuilder import LONG, ImageBuilder
from twisted_ext.zone.store.nodes import CUT, SAYING, keyBelow
from twisted_ext.zone.transfer.strangers import Strangers

__all__ = ["TransferIngest", "gather", "gathered"]

_fixed: Final = Struct(">HHIH").unpack_from
_length: Final = Struct(">H").pack

_IN: Final = 1

#: The pointer to the apex at the end of each owner.
_APEX: Final = b"\xc0\x0c"

#: Types that are valid only in messages or in questions (RFC 6895, section 3.1).
_META: Final = frozenset((0, OPT, *range(128, 256)))

#: Octets of a record between its owner and its rdata: type, class, TTL and length; and how many different ones are cached.
_HEAD: Final = 10
_HEADS: Final = 4096

#: Octets of DS rdata before the digest, of RRSIG rdata before the signer's name, and of NSEC3 rdata before the salt with its length.
_BEFORE_DIGEST: Final = 4
_BEFORE_SIGNER: Final = 18
_BEFORE_SALT: Final = 4

#: Maximum octets of a label.
_LABEL: Final = 63

#: Added to the type covered by a signature, as its kind: signatures of different types are different RRsets.
_SIGNATURES: Final = 0x10000

#: Octets of memory per name besides its records until the image is written, and the additional octets per name with several records.
_PER_NAME: Final = 300
_PER_SEVERAL: Final = 400


class TransferIngest:
    """
    Takes the messages of one transfer in order.

    @ivar done: whether the final SOA has been received.
    @ivar octets: the size of all records as in the image, with compressed names expanded.
    @ivar records: the number of all records, those outside of the zone too.
    @ivar strangers: the records outside of the zone, which are left out.
    """

    def __init__(self, apexName: bytes, strangers: Strangers | None = None) -> None:
        self.builder = ImageBuilder(apexName)
        self.done = False
        self.octets = 0
        self.records = 0
        self.strangers = Strangers() if strangers is None else strangers
        self._most = HELD_OCTETS.default
        self._apex = apexName.lower()
        self._soa = b""
        self._heads: dict[bytes, _Head] = {}

    def take(self, message: bytes) -> None:
        """
        @raise BadMessage: a record is not valid in a zone.
        @raise BudgetSpent: the records exceed the limit.
        """
        try:
            self._take(message)
        except (IndexError, StructError):
            raise BadMessage("a record extends past the end of the message") from None
        held = self.octets + _PER_NAME * len(self.builder.nodes) + _PER_SEVERAL * len(self.builder.counts)
        if held > self._most:
            raise BudgetSpent(f"its records take more than {self._most:.0f} octets of memory; no more are taken")

    def _take(self, data: bytes) -> None:
        questions = data[4] << 8 | data[5]
        answers = data[6] << 8 | data[7]
        reader = Reader(data)
        offset = HEADER_OCTETS
        #: The labels above the apex, as written, of names in the zone that owners point to, by their offset in the message. That of the
        #: last spelled owner, to which most point, is kept apart.
        owners: dict[int, bytes] = {}
        last = -1
        spelled = b""
        if questions:
            name, offset = reader.name(offset)
            if questions != 1 or name.lower() != self._apex:
                raise BadMessage("another question than that for the zone")
            owners[HEADER_OCTETS] = b""
            offset += 4
        self.records += answers
        heads = self._heads
        room = MOST_OCTETS - len(self._apex)
        octets = 0
        # Adjacent records of one name, which are stored together: its labels, the records, their number, flags and kinds, and whether two
        # are of one kind.
        name = run = b""
        count = mark = first = 0
        kinds: list[int] = []
        mixed = False
        for _ in range(answers):
            begin = offset
            while (length := data[offset]) and length < 64:
                offset += length + 1
            owner: bytes | None = None
            if length >= 192:
                target = (length & 63) << 8 | data[offset + 1]
                owner = spelled if target == last else owners.get(target)
                if owner is None and target < begin:
                    owner = self._labels(reader.name(target)[0])
                    if owner is not None:
                        owners[target] = owner
                if owner is not None:
                    if begin != offset:
                        owner = spelled = data[begin:offset] + owner
                        last = begin
                        if len(owner) > room:
                            raise BadMessage(f"the name at octet {begin} has more than {MOST_OCTETS} octets")
                    offset += 2
            if owner is None:
                written, offset = reader.name(begin)
                owner = self._labels(written)
                if owner is None:
                    if self.done or not self._soa:
                        raise BadMessage(f"{nameToText(written)} {'behind' if self.done else 'before'} the records of the zone")
                    self.strangers.add(written)
                    offset += _HEAD + (data[offset + 8] << 8 | data[offset + 9])
                    if offset > len(data):
                        raise BadMessage(f"the record at octet {begin} extends past the end of the message")
                    continue
                owners[begin] = owner
            head = heads.get(data[offset : offset + _HEAD])
            if head is None:
                head = self._headOf(data, offset)
            start = offset + _HEAD
            end = start + head.size
            if end > len(data):
                raise BadMessage(f"the rdata at octet {start} extends past the end of the message")
            if head.whole:
                if head.opaque:
                    _check(head.rrType, data[start:end])
                record = owner + _APEX + data[offset:end]
            else:
                if head.layout is None:
                    rdata = data[start:end]
                    if head.opaque:
                        _check(head.rrType, rdata)
                else:
                    rdata = data[start:end] if head.layout.__class__ is int else expand(reader, head.layout, start, end)
                record = owner + _APEX + head.octets + _length(len(rdata)) + rdata
            if self.done:
                raise BadMessage("records after the end of the zone")
            kind = head.rrType
            if kind == SOA:
                if owner:
                    raise BadMessage(f"an SOA at {nameToText(owner.lower() + self._apex)}, which is not the zone's name")
                if self._soa:
                    # The final SOA may spell its names in another case, through compression pointers.
                    if canonicalOf(SOA, rdata) != canonicalOf(SOA, self._soa):
                        raise BadMessage("the SOA has changed during the transfer")
                    self.done = True
                    offset = end
                    continue
                self._soa = rdata
            elif not self._soa:
                raise BadMessage("a zone that does not begin with its SOA")
            elif kind == RRSIG:
                kind = _SIGNATURES | data[start] << 8 | data[start + 1]
            offset = end
            octets += len(record)
            if count and owner == name and len(run) < LONG:
                if count == 1:
                    kinds = [first]
                if kind in kinds:
                    mixed = True
                else:
                    kinds.append(kind)
                count += 1
                run += record
                mark |= head.mark
                continue
            if count:
                self._store(name, run, count, mark, mixed)
            name = owner
            run = record
            count = 1
            mark = head.mark
            first = kind
            mixed = False
        if count:
            self._store(name, run, count, mark, mixed)
        self.octets += octets

    def _store(self, owner: bytes, records: bytes, count: int, mark: int, mixed: bool) -> None:
        if self.builder.store(owner.lower(), records, count, mark, mixed) > NAME_OCTETS.default:
            text = nameToText(owner.lower() + self._apex)
            raise BudgetSpent(f"{text} has more than {NAME_OCTETS.default:.0f} octets of records; no more are taken")

    def _labels(self, name: bytes) -> bytes | None:
        """
        Return the labels above the apex of an uncompressed name; L{None} if it is not in the zone.
        """
        key = keyBelow(name, self._apex)
        return None if key is None else name[: len(key)]

    def _headOf(self, data: bytes, offset: int) -> _Head:
        """
        Check the octets between owner and rdata, and cache what they mean.

        @raise BadMessage: they are not valid in a zone.
        """
        rrType, rrClass, ttl, size = _fixed(data, offset)
        start = offset + _HEAD
        if start + size > len(data):
            raise BadMessage(f"the rdata at octet {start} extends past the end of the message")
        if rrType in _META:
            raise BadMessage(f"a record of type {rrType}, which no zone has")
        if rrClass != _IN:
            raise BadMessage(f"a record of class {rrClass} in a zone of class IN")
        layout = layoutOf(rrType)
        if layout.__class__ is int and size != layout:
            raise BadMessage(f"the rdata of type {rrType} at octet {start} has {size} octets; it takes {layout}")
        # RFC 2181, section 8.
        octets = data[offset : offset + 4] + (bytes(4) if ttl >= 0x80000000 else data[offset + 4 : offset + 8])
        head = _Head(octets, rrType, size, layout, octets == data[offset : offset + 8])
        if len(self._heads) >= _HEADS:
            self._heads.clear()
        self._heads[data[offset:start]] = head
        return head


class _Head:
    """
    The octets of a record between its owner and its rdata.

    @ivar octets: type, class and TTL as they are stored.
    @ivar size: octets of the rdata.
    @ivar opaque: whether the declaration of the type has to check the rdata.
    @ivar whole: whether the octets and the rdata are stored as received.
    """

    __slots__ = ("octets", "rrType", "size", "layout", "opaque", "whole", "mark")

    def __init__(self, octets: bytes, rrType: int, size: int, layout: Layout, same: bool) -> None:
        self.octets = octets
        self.rrType = rrType
        self.size = size
        self.layout: Layout = layout
        self.opaque = layout is None and declarationOf(rrType) is not Unknown
        self.whole = same and (layout is None or layout.__class__ is int)
        self.mark = SAYING.get(rrType, 0)


#: Type bitmaps that have been valid, which are few in a zone.
_bitmaps: Final[set[bytes]] = set()
_BITMAPS: Final = 4096


def _check(rrType: int, rdata: bytes) -> None:
    """
    @raise BadMessage: the rdata is not valid for its type.
    """
    if not _isCertain(rrType, rdata):
        declarationOf(rrType).fromWire(rdata)
        begin = _bitmapIn(rrType, rdata)
        if begin:
            if len(_bitmaps) >= _BITMAPS:
                _bitmaps.clear()
            _bitmaps.add(rdata[begin:])


def _isCertain(rrType: int, rdata: bytes) -> bool:
    """
    Return whether rdata of a frequent type is certainly valid. All doubts are left to the declaration of the type.
    """
    size = len(rdata)
    if rrType == DS:
        return size > _BEFORE_DIGEST
    if rrType == TXT:
        position = 0
        while position < size:
            position += rdata[position] + 1
        return 0 < size == position
    if rrType == RRSIG:
        return 0 < _nameEnd(rdata, _BEFORE_SIGNER) < size
    begin = _bitmapIn(rrType, rdata)
    return begin > 0 and rdata[begin:] in _bitmaps


def _bitmapIn(rrType: int, rdata: bytes) -> int:
    """
    Return where the type bitmap begins; 0 if there is none.
    """
    if rrType == NSEC:
        return _nameEnd(rdata, 0)
    if rrType != NSEC3 or len(rdata) <= _BEFORE_SALT:
        return 0
    salted = _BEFORE_SALT + 1 + rdata[_BEFORE_SALT]
    if salted >= len(rdata) or not rdata[salted]:
        return 0
    begin = salted + 1 + rdata[salted]
    return begin if begin <= len(rdata) else 0


def _nameEnd(rdata: bytes, begin: int) -> int:
    """
    Return where an uncompressed name ends, or 0 if it is not one.
    """
    position = begin
    while position < len(rdata):
        length = rdata[position]
        position += length + 1
        if not length:
            return position if position - begin <= MOST_OCTETS else 0
        if length > _LABEL:
            return 0
    return 0


def gathered(apexName: bytes, messages: Iterable[bytes], strangers: Strangers | None = None) -> ImageBuilder:
    """
    Collect the records of a whole transfer.

    @param messages: all messages of a transfer, without TSIG records.
    @param strangers: counts the records outside of the zone, which are left out.

    @raise BadZone: the records are not a valid zone.
    @raise BudgetSpent: the records exceed the limit.
    """
    text = nameToText(apexName)
    gathering = TransferIngest(apexName, strangers)
    try:
        for message in messages:
            gathering.take(message)
        gathering.strangers.check(gathering.records - gathering.strangers.count)
    except BadMessage as fault:
        raise BadZone(f"{text}: {fault}") from None
    except BudgetSpent as fault:
        raise BudgetSpent(f"{text}: {fault}") from None
    builder = gathering.builder
    builder.join()
    if not gathering.done:
        raise BadZone(f"{text} is incomplete: the final SOA is missing")
    if not builder.marks.get(b"", 0) & CUT:
        raise BadZone(f"{text} has no NS records of its own")
    return builder


def _spooled(spool: BinaryIO) -> Iterator[bytes]:
    while prefix := spool.read(2):
        yield spool.read(int.from_bytes(prefix, "big"))


def gather(words: list[str]) -> dict[str, str]:
    """
    Build an image of a transfer stored in a file.

    @param words: apex in hexadecimal digits, path of the messages, path of the image.

    @return: C{image} and, if records were left out, C{strangers} with what to say of them; or C{fault} with what is wrong.
    """
    apex, path, image = words
    strangers = Strangers()
    try:
        # Not opened in the generator, which compiled code does not finish when it is dropped.
        with open(path, "rb", buffering=1 << 20) as spool:
            builder = gathered(bytes.fromhex(apex), _spooled(spool), strangers)
        builder.finishTo(image)
    except (DNSFault, OSError) as fault:
        return {"fault": str(fault)}
    return {"image": image, "strangers": str(strangers)}
