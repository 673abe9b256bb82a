"""
Sends zones and changes of zones as messages: AXFR (RFC 5936) and IXFR (RFC 1995). No I/O; messages are built on demand, from one version
of the zone, so that later changes of the zone have no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from twisted_ext.zone.store.nodes import BETWEEN, rendered
from twisted_ext.zone.store.serials import isNewer
from twisted_ext.zone.store.traversal import stretches
from twisted_ext.zone.store.version import Version

__all__ = ["Differences", "Envelope", "Octets", "recordsOf", "recordsOfChanges", "recordsSince", "singly", "unsendable"]

#: Records in wire format, and their number.
Octets = tuple[bytes | memoryview, int]

_MOST: Final = 65535

#: Octets of changes per record of a zone up to which sending them is worthwhile: about a quarter of the zone.
_WORTH: Final = 8


class Differences(Protocol):
    """
    The changes of a zone that are kept, for transfers and for people who look at them.
    """

    def since(self, serial: int) -> Sequence[Difference] | None:
        """
        Return all changes from this serial number to the zone's own, each beginning where the one before ends; L{None} if they are not
        kept.
        """

    def serials(self) -> list[int]:
        """
        Return the serial numbers from which changes are kept, oldest first.
        """

    def octetsSince(self, serial: int) -> int | None:
        """
        Return the size of these changes in octets, without reading them.
        """

    def oneByOne(self, serial: int, last: int, room: int) -> Iterator[Difference] | None:
        """
        Return the same changes, each read on demand; L{None} if they are not kept, or one of them is too large to be read in one go.

        @param last: the serial number at which they have to end.
        @param room: the maximum size of a record in octets.
        """


def recordsOf(version: Version) -> Iterator[Octets]:
    """
    Return all records of a version, with its SOA first and last, in pieces that each fit into a message.
    """
    return chain(stretches(version), [(rendered(version.soa, 0)[0], 1)])


def unsendable(version: Version, room: int) -> str:
    """
    Return a sentence about a record that does not fit into a message with C{room} octets for records; C{""} if all fit.
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
                longest = max(map(len, rrset.rdatas)) + len(key) + BETWEEN
                if longest > room:
                    return _tooLong(rrset.name, rrset.rrType, longest)
    return ""


def _tooLong(name: bytes, rrType: int, octets: int) -> str:
    return f"the {typeName(rrType)} record of {nameToText(name)} has {octets} octets and fits into no message of a transfer"


def recordsOfChanges(differences: Iterable[Difference], soa: RRSet, *, once: bool = False) -> Iterator[Octets]:
    """
    Return the records of an IXFR response.

    @param soa: the newest SOA, which comes first and last (RFC 1995, section 4).
    @param once: return only that SOA.
    """
    labels = len(soa.name)
    last = rendered(soa, 0)[0]
    yield last, 1
    if once:
        return
    for difference in differences:
        for rrset in difference.sets:
            for record in rendered(rrset, len(rrset.name) - labels):
                yield record, 1
    yield last, 1


def singly(pieces: Iterable[Octets]) -> Iterator[Octets]:
    """
    Return the same records, one in each piece.
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
    Return the records of a response to IXFR, if changes are to be sent.

    @param serial: the client's serial number.
    @param room: octets that a message has for its records.

    @return: the changes since then, condensed if they are small; the SOA alone if the client is up to date; L{None} if the whole zone has
        to be sent, also because a record of the changes, which may be one removed by now, does not fit into a message.
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
        # Too large to be condensed: send each as it was, read on demand. Near the zone's size, the zone itself is better: it is ready to
        # send.
        steps = journal.oneByOne(serial, version.serial, room) if octets < version.recordCount * _WORTH else None
        return None if steps is None else recordsOfChanges(steps, soa)
    differences = journal.since(serial)
    if not differences or differences[0].oldSerial != serial or differences[-1].newSerial != version.serial:
        return None
    whole = condensed(differences)
    # Changes larger than the zone itself save nothing.
    if whole.records > version.recordCount or _longest(whole) > room:
        return None
    return recordsOfChanges((whole,), soa)


def _longest(difference: Difference) -> int:
    apex = len(difference.before.name)
    sets = (*difference.removed, *difference.added)
    return max([max(map(len, rrset.rdatas)) + len(rrset.name) - apex + BETWEEN for rrset in sets], default=0)


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    What the messages of a transfer have besides its records. All messages repeat the question, since the owners' pointers refer to the
    zone's name in it.

    @ivar flags: the flags of the query.
    @ivar opt: a whole OPT record for the first message.
    @ivar most: the maximum size of a message, without what C{seal} adds.
    @ivar seal: signs a message.
    """

    id: int
    flags: int
    question: bytes
    opt: bytes = b""
    most: int = _MOST
    seal: Callable[[bytes], bytes] | None = None

    def messages(self, pieces: Iterable[Octets], *, single: bool = False) -> Iterator[bytes]:
        """
        Pack records into messages, as many as fit into each.

        @param single: put one record into each message, for clients that support nothing else (RFC 5936, section 7.1).
        """
        room = self.most - HEADER_OCTETS - len(self.question)
        opt = self.opt
        octets = len(opt)
        parts: list[bytes | memoryview] = []
        count = 0
        for piece, records in singly(pieces) if single else pieces:
            if count and (single or octets + len(piece) > room):
                yield self._message(parts, count, opt)
                parts, octets, count, opt = [], 0, 0, b""
            parts.append(piece)
            octets += len(piece)
            count += records
            if octets > room:
                raise BadMessage("a record that fits into no message of a transfer")
        yield self._message(parts, count, opt)

    def oneMessage(self, pieces: Iterable[Octets]) -> bytes | None:
        """
        Return all of these records in one message, as UDP requires; L{None} if they do not fit.
        """
        room = self.most - HEADER_OCTETS - len(self.question) - len(self.opt)
        parts: list[bytes | memoryview] = []
        count = 0
        for piece, records in pieces:
            room -= len(piece)
            if room < 0:
                return None
            parts.append(piece)
            count += records
        return self._message(parts, count, self.opt)

    def _message(self, parts: list[bytes | memoryview], count: int, opt: bytes) -> bytes:
        header = HEADER.pack(self.id, QR | AA | self.flags & RD, 1, count, 0, 1 if opt else 0)
        message = b"".join([header, self.question, *parts, opt])
        return message if self.seal is None else self.seal(message)
