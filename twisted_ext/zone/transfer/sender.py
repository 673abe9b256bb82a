"""
Zones and changes of zones as the messages that carry them: AXFR (RFC 5936) and IXFR (RFC 1995). Does no I/O; what is asked for next is made
then, from one version of the zone, whatever becomes of the zone meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import AA, QR, RD
from twisted_ext.wire.message import HEADER, HEADER_OCTETS
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.limits import CHANGES_OCTETS
from twisted_ext.zone.store.changeset import Difference, condensed
from twisted_ext.zone.store.image import HEAVY_OCTETS
from twisted_ext.zone.store.nodes import rendered
from twisted_ext.zone.store.serials import isNewer
from twisted_ext.zone.store.version import Version

__all__ = ["Differences", "Octets", "messages", "oneMessage", "recordsOf", "recordsOfChanges", "recordsSince", "singly", "unsendable"]

#: Octets of records as messages have them, and how many records they are.
Octets = tuple[bytes | memoryview, int]

_MOST: Final = 65535

#: Octets between an owner's labels and the rdata.
_BETWEEN: Final = 12

#: Octets of changes for each record of a zone with which these are worth it: some quarter of the zone.
_WORTH: Final = 8


class Differences(Protocol):
    """
    What a journal does for transfers.
    """

    def since(self, serial: int) -> Sequence[Difference] | None:
        """
        @return: all changes from this serial number to the zone's own, each beginning where the one before ends; L{None} where they are not
            kept.
        """

    def octetsSince(self, serial: int) -> int | None:
        """
        @return: how many octets they have, found out without reading them.
        """

    def oneByOne(self, serial: int, last: int, room: int) -> Iterator[Difference] | None:
        """
        @param last: the serial number at which they are to end.
        @param room: octets that a record may have.

        @return: the same changes, each of them read when it is asked for; L{None} where they are not kept, one of them is too large to be
            read in one go, or has a record that is larger.
        """


def recordsOf(version: Version) -> Iterator[Octets]:
    """
    @return: all records of a version, its SOA first and again at the end, in pieces that each fit into a message.
    """
    return chain(version.stretches(), [(rendered(version.soa, 0)[0], 1)])


def unsendable(version: Version, room: int) -> str:
    """
    @param room: octets that a message has for its records.

    @return: which record fits into none, for people; C{""} where they all do.
    """
    image, overlay = version.image, version.overlay
    for index in image.heavy():
        key = image.key(index)
        if key not in overlay:
            for record, _ in singly([(image.rendered(index), image.tally(index))]):
                if len(record) > room:
                    return _tooLong(key + version.apex, int.from_bytes(record[len(key) + 2 : len(key) + 4], "big"), len(record))
    if version.changedOctets >= HEAVY_OCTETS:
        for key, node in overlay.items():
            for rrset in () if node is None else node.sets:
                longest = max(map(len, rrset.rdatas)) + len(key) + _BETWEEN
                if longest > room:
                    return _tooLong(rrset.name, rrset.rrType, longest)
    return ""


def _tooLong(name: bytes, rrType: int, octets: int) -> str:
    return f"the {typeName(rrType)} record of {nameToText(name)} has {octets} octets and fits into no message of a transfer"


def recordsOfChanges(differences: Iterable[Difference], soa: RRSet, *, once: bool = False) -> Iterator[Octets]:
    """
    @param soa: the newest one, with which all begins and ends (RFC 1995, section 4).
    @param once: give that alone.
    """
    labels = len(soa.name)
    last = rendered(soa, 0)[0]
    yield last, 1
    if once:
        return
    for difference in differences:
        for rrset in (difference.before, *difference.removed, difference.after, *difference.added):
            for record in rendered(rrset, len(rrset.name) - labels):
                yield record, 1
    yield last, 1


def singly(pieces: Iterable[Octets]) -> Iterator[Octets]:
    """
    @return: the same, each record by itself.
    """
    for piece, records in pieces:
        if records == 1:
            yield piece, 1
            continue
        position = 0
        for _ in range(records):
            begin = position
            # Labels above the apex, and a pointer to that.
            while (length := piece[position]) < 64:
                position += length + 1
            position += 12 + (piece[position + 10] << 8 | piece[position + 11])
            yield piece[begin:position], 1


def recordsSince(version: Version, serial: int, journal: Differences | None, room: int = _MOST) -> Iterator[Octets] | None:
    """
    @param serial: what the asker has.
    @param room: octets that a message has for its records.

    @return: the changes since then, in one step where they are few; the SOA alone where the asker has all of it; L{None} where all of the
        zone has to be sent. So it has where a record of the changes fits into no message: it may be one that is gone by now.
    """
    soa = version.soa
    if not isNewer(version.serial, serial):
        return recordsOfChanges((), soa, once=True)
    if journal is None:
        return None
    octets = journal.octetsSince(serial)
    if octets is None:
        return None
    if octets > CHANGES_OCTETS.default:
        # As they were, each when it is its turn; but the zone itself is ready as it is.
        steps = journal.oneByOne(serial, version.serial, room) if octets < version.recordCount * _WORTH else None
        return None if steps is None else recordsOfChanges(steps, soa)
    differences = journal.since(serial)
    if not differences or differences[0].oldSerial != serial or differences[-1].newSerial != version.serial:
        return None
    whole = condensed(differences)
    # More than the zone itself has would be of no use to anybody.
    if whole.records > version.recordCount or _longest(whole) > room:
        return None
    return recordsOfChanges((whole,), soa)


def _longest(difference: Difference) -> int:
    """
    @return: octets of its longest record, as messages have it.
    """
    apex = len(difference.before.name)
    sets = (*difference.removed, *difference.added)
    return max([max(map(len, rrset.rdatas)) + len(rrset.name) - apex + _BETWEEN for rrset in sets], default=0)


def messages(
    id: int,
    flags: int,
    question: bytes,
    pieces: Iterable[Octets],
    *,
    opt: bytes = b"",
    most: int = _MOST,
    reserve: int = 0,
    seal: Callable[[bytes], bytes] | None = None,
    single: bool = False,
) -> Iterator[bytes]:
    """
    Put records into messages, as many as each has room for. All of them repeat the question, which names the zone: that is where the
    owners' pointers lead.

    @param flags: those of the query.
    @param opt: a whole OPT record for the first message.
    @param reserve: octets that C{seal} adds.
    @param seal: signs a message.
    @param single: put one record into each, for readers that know no other way (RFC 5936, section 7.1).
    """
    if single:
        pieces = singly(pieces)
    flags = QR | AA | flags & RD
    room = most - reserve - HEADER_OCTETS - len(question)
    parts: list[bytes | memoryview] = []
    octets = len(opt)
    count = 0
    for piece, records in pieces:
        if count and (single or octets + len(piece) > room):
            yield _message(id, flags, question, parts, count, opt, seal)
            parts, octets, count, opt = [], 0, 0, b""
        parts.append(piece)
        octets += len(piece)
        count += records
        if octets > room:
            raise BadMessage("a record that fits into no message of a transfer")
    yield _message(id, flags, question, parts, count, opt, seal)


def oneMessage(
    id: int,
    flags: int,
    question: bytes,
    pieces: Iterable[Octets],
    *,
    opt: bytes = b"",
    most: int,
    reserve: int = 0,
    seal: Callable[[bytes], bytes] | None = None,
) -> bytes | None:
    """
    @return: all of these records in one message, as UDP has to have it; L{None} where they do not fit.
    """
    room = most - reserve - HEADER_OCTETS - len(question) - len(opt)
    parts: list[bytes | memoryview] = []
    count = 0
    for piece, records in pieces:
        room -= len(piece)
        if room < 0:
            return None
        parts.append(piece)
        count += records
    return _message(id, QR | AA | flags & RD, question, parts, count, opt, seal)


def _message(
    id: int,
    flags: int,
    question: bytes,
    parts: list[bytes | memoryview],
    count: int,
    opt: bytes,
    seal: Callable[[bytes], bytes] | None,
) -> bytes:
    message = b"".join([HEADER.pack(id, flags, 1, count, 0, 1 if opt else 0), question, *parts, opt])
    return message if seal is None else seal(message)
