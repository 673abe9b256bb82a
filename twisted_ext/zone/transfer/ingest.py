"""
Collects the records of a received AXFR for the zone's image, and validates each of them.

C{python -m twisted_ext.zone.transfer.ingest APEX SPOOL IMAGE} does this in a separate process, and prints the result as one line of JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from struct import Struct
from struct import error as StructError
from typing import Final

from twisted_ext.errors import BadMessage, BadZone, BudgetSpent, DNSFault
from twisted_ext.wire.canonical import canonicalOf
from twisted_ext.wire.message import HEADER_OCTETS
from twisted_ext.wire.names import MOST_OCTETS, nameToText
from twisted_ext.wire.rdata.fieldtypes import Unknown
from twisted_ext.wire.rdata.registry import declarationOf, layoutOf
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import Layout, expand
from twisted_ext.wire.rrtypes import OPT, SOA
from twisted_ext.zone.limits import HELD_OCTETS, NAME_OCTETS
from twisted_ext.zone.store.imagebuilder import LONG, ImageBuilder
from twisted_ext.zone.store.nodes import CUT, SAYING, keyBelow

__all__ = ["TransferIngest", "gather", "gathered", "main"]

_fixed: Final = Struct(">HHIH").unpack_from
_length: Final = Struct(">H").pack

_IN: Final = 1

#: The pointer to the apex at the end of each owner.
_APEX: Final = b"\xc0\x0c"

#: Types that are valid only in messages or in questions (RFC 6895, section 3.1).
_META: Final = frozenset((0, OPT, *range(128, 256)))

#: Octets of a type, class and TTL.
_HEAD: Final = 8

#: Octets of memory per name besides its records until the image is written, and the additional octets per name with several records.
_PER_NAME: Final = 300
_PER_SEVERAL: Final = 400


class TransferIngest:
    """
    Takes the messages of one transfer in order.

    @ivar done: whether the final SOA has been received.
    @ivar octets: the size of all records as in the image, with compressed names expanded.
    """

    def __init__(self, apexName: bytes) -> None:
        self.builder = ImageBuilder(apexName)
        self.done = False
        self.octets = 0
        self._most = HELD_OCTETS.default
        self._apex = apexName.lower()
        self._soa = b""
        self._layouts: dict[int, Layout] = {}
        self._opaque: dict[int, bool] = {}
        # The types at names that have several records.
        self._types: dict[bytes, set[bytes]] = {}

    def take(self, message: bytes) -> None:
        """
        @raise BadMessage: a record is not valid in a zone, or is outside of this one.
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
        #: The labels above the apex of the owners in the zone, as written, by their offset in the message.
        owners: dict[int, bytes] = {}
        if questions:
            name, offset = reader.name(offset)
            if questions != 1 or name.lower() != self._apex:
                raise BadMessage("another question than that for the zone")
            owners[HEADER_OCTETS] = b""
            offset += 4
        builder = self.builder
        nodes = builder.nodes
        layouts = self._layouts
        room = MOST_OCTETS - len(self._apex)
        octets = 0
        for _ in range(answers):
            begin = offset
            while (length := data[offset]) and length < 64:
                offset += length + 1
            owner: bytes | None = None
            if length >= 192:
                owner = owners.get((length & 63) << 8 | data[offset + 1])
                if owner is not None:
                    if begin != offset:
                        owner = owners[begin] = data[begin:offset] + owner
                        if len(owner) > room:
                            raise BadMessage(f"the name at octet {begin} has more than {MOST_OCTETS} octets")
                    offset += 2
            if owner is None:
                owner, offset = self._owner(reader, begin)
                owners[begin] = owner
            rrType, rrClass, ttl, size = _fixed(data, offset)
            start = offset + 10
            end = start + size
            if end > len(data):
                raise BadMessage(f"the rdata at octet {start} extends past the end of the message")
            try:
                layout = layouts[rrType]
            except KeyError:
                layout = self._layoutOf(rrType)
            if rrClass != _IN:
                raise BadMessage(f"a record of class {rrClass} in a zone of class IN")
            if ttl >= 0x80000000:
                # RFC 2181, section 8.
                head = data[offset : offset + 4] + bytes(4)
            else:
                head = data[offset : offset + _HEAD]
            if layout is None:
                rdata = data[start:end]
                if self._opaque[rrType]:
                    declarationOf(rrType).fromWire(rdata)
            elif layout.__class__ is int:
                if size != layout:
                    raise BadMessage(f"the rdata of type {rrType} at octet {start} has {size} octets; it takes {layout}")
                rdata = data[start:end]
            else:
                rdata = expand(reader, layout, start, end)
            if self.done:
                raise BadMessage("records after the end of the zone")
            key = owner.lower()
            if rrType == SOA:
                if key:
                    raise BadMessage(f"an SOA at {nameToText(key + self._apex)}, which is not the zone's name")
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
            record = owner + _APEX + head + _length(len(rdata)) + rdata
            offset = end
            octets += len(record)
            before = nodes.get(key)
            if before:
                if len(before) < LONG:
                    nodes[key] = before + record
                else:
                    self._lengthen(key, record)
                self._again(key, before, record)
            else:
                nodes[key] = record
            if rrType in SAYING:
                builder.marks[key] = builder.marks.get(key, 0) | SAYING[rrType]
        self.octets += octets

    def _lengthen(self, key: bytes, record: bytes) -> None:
        if self.builder.lengthen(key, record) > NAME_OCTETS.default:
            text = nameToText(key + self._apex)
            raise BudgetSpent(f"{text} has more than {NAME_OCTETS.default:.0f} octets of records; no more are taken")

    def _owner(self, reader: Reader, begin: int) -> tuple[bytes, int]:
        name, offset = reader.name(begin)
        key = keyBelow(name, self._apex)
        if key is None:
            raise BadMessage(f"{nameToText(name)} is not in the zone")
        return name[: len(key)], offset

    def _layoutOf(self, rrType: int) -> Layout:
        if rrType in _META:
            raise BadMessage(f"a record of type {rrType}, which no zone has")
        layout = self._layouts[rrType] = layoutOf(rrType)
        self._opaque[rrType] = layout is None and declarationOf(rrType) is not Unknown
        return layout

    def _again(self, key: bytes, before: bytes, record: bytes) -> None:
        """
        Count a further record at a name, and find out whether it is the second one of its type.
        """
        builder = self.builder
        builder.counts[key] = builder.counts.get(key, 1) + 1
        if key in builder.mixed:
            return
        types = self._types.get(key)
        if types is None:
            types = self._types[key] = {_kind(before, len(key))}
        kind = _kind(record, len(key))
        if kind in types:
            builder.mixed.add(key)
            del self._types[key]
        else:
            types.add(kind)


def _kind(record: bytes, labels: int) -> bytes:
    return record[labels + 2 : labels + 4]


def gathered(apexName: bytes, messages: Iterable[bytes]) -> ImageBuilder:
    """
    Collect the records of a whole transfer.

    @param messages: all messages of a transfer, without TSIG records.

    @raise BadZone: the records are not a valid zone.
    @raise BudgetSpent: the records exceed the limit.
    """
    text = nameToText(apexName)
    gathering = TransferIngest(apexName)
    try:
        for message in messages:
            gathering.take(message)
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


def _spooled(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=1 << 20) as spool:
        while prefix := spool.read(2):
            yield spool.read(int.from_bytes(prefix, "big"))


def gather(words: list[str]) -> dict[str, str]:
    """
    Build an image of a transfer stored in a file.

    @param words: apex in hexadecimal digits, path of the messages, path of the image.

    @return: C{image}, or C{fault} with what is wrong.
    """
    apex, spool, image = words
    try:
        gathered(bytes.fromhex(apex), _spooled(spool)).finishTo(image)
    except (DNSFault, OSError) as fault:
        return {"fault": str(fault)}
    return {"image": image}


def main() -> int:
    import gc
    from json import dumps

    # The work creates no reference cycles, and looking for them takes as long as the work.
    gc.disable()
    said = gather(sys.argv[1:])
    sys.stdout.write(dumps(said) + "\n")
    return 1 if "fault" in said else 0


if __name__ == "__main__":
    sys.exit(main())
