"""
Receives zones and changes of zones from transfer messages (RFC 5936; RFC 1995). No I/O and no clock.

This module finds out what a transfer contains and where it ends. L{twisted_ext.zone.transfer.ingest} validates whole zones for images,
large ones in another process. Changes are read here, since they are small: for large ones the whole zone is transferred instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadMessage, BudgetSpent, DNSFault, ServerFailed
from twisted_ext.wire.codes import IN, QR, Rcode, rcodeName
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rdata.fieldtypes import Unknown
from twisted_ext.wire.rdata.registry import declarationOf, layoutOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR, SOA, isMeta
from twisted_ext.wire.tsig import StreamVerifying, signatureError
from twisted_ext.zone.limits import CHANGES_RECORDS, RECEIVED_MESSAGES, RECEIVED_OCTETS
from twisted_ext.zone.store.changeset import Difference, setsOf
from twisted_ext.zone.store.nodes import keyBelow, kindOf
from twisted_ext.zone.store.serials import isNewer, serialIn
from twisted_ext.zone.transfer.strangers import Strangers

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["BadTransfer", "TransferKind", "TransferReceiver", "settled"]

_OPCODE: Final = 0x7800

_EXPIRE: Final = 9

#: Octets at the end of an SOA that hold its numbers.
_NUMBERS: Final = 20


class BadTransfer(BadMessage):
    """
    The response is not a transfer of this zone.
    """


@lru_cache(256)
def _isUnread(rrType: int) -> bool:
    """
    Return whether message parsing leaves rdata of this type as octets because it contains no names, although its format is known.
    """
    return layoutOf(rrType) is None and declarationOf(rrType) is not Unknown


class TransferKind(Enum):
    """
    What a transfer has turned out to be.
    """

    NOTHING = "nothing yet"
    #: An SOA has arrived alone; more may follow.
    SOA = "the SOA"
    WHOLE = "all of the zone"
    CHANGES = "changes"
    #: The primary has no newer version.
    CURRENT = "nothing newer"


class TransferReceiver:
    """
    One transfer, message by message.

    @ivar done: whether it is complete.
    @ivar soa: its first SOA, or L{None}.
    @ivar differences: the changes, for L{TransferKind.CHANGES}.
    @ivar records: the records of a whole zone without C{keep}, each as an RRset of its own; the SOA first and not repeated at the end.
    @ivar strangers: the records outside of the zone, which are left out of C{differences} and C{records}.
    @ivar expire: the seconds until the zone expires on the primary, or L{None} if it does not send them (RFC 7314).
    """

    def __init__(
        self,
        zone: bytes,
        id: int,
        label: str,
        keep: Callable[[bytes], object] | None = None,
        *,
        serial: int | None = None,
        verifying: StreamVerifying | None = None,
        most: float | None = None,
    ) -> None:
        """
        @param id: the ID of the query.
        @param label: the server, for error messages.
        @param keep: called with each message of a whole zone, without its TSIG record, instead of collecting the records.
        @param serial: the serial number of our version, as sent in the query (IXFR); L{None} for AXFR.
        @param most: maximum octets of the transfer.
        """
        self.kind = TransferKind.NOTHING
        self.done = False
        self.soa: RRSet | None = None
        self.serial = 0
        self.expire: int | None = None
        self.differences: list[Difference] = []
        self.records: list[RRSet] = []
        self.strangers = Strangers()
        self.octets = 0
        self.messages = 0
        self._zone = zone.lower()
        self._text = nameToText(zone)
        self._id = id
        self._label = label
        self._keep = keep
        self._ours = serial
        self._question = Question(zone, AXFR if serial is None else IXFR)
        self._verifying = verifying
        self._most = RECEIVED_OCTETS.pick(most)
        self._records = 0
        self._removed: list[RRSet] | None = None
        self._added: list[RRSet] | None = None

    def take(self, octets: bytes, now: float) -> None:
        """
        @param now: seconds since 1970, for signatures.

        @raise BadTransfer: the message does not belong to this transfer, or its content is not valid in a zone.
        @raise ServerFailed: the server responds with an error.
        @raise BudgetSpent: the transfer exceeds a limit.
        """
        try:
            self._take(octets, now)
            if self.done and self.strangers.count:
                self.strangers.check(len(self.records) or self._records - self.strangers.count)
        except BadTransfer:
            raise
        except BadMessage as fault:
            raise BadTransfer(f"{self._label}: {self._text}: {fault}", server=self._label) from fault
        if self.done and self._verifying is not None and not self._verifying.complete:
            raise self._bad("no signature at the end of")

    def _take(self, octets: bytes, now: float) -> None:
        self.octets += len(octets)
        self.messages += 1
        if self.octets > self._most or self.messages > RECEIVED_MESSAGES.default:
            raise BudgetSpent(f"{self._label}: {self._text} has more than {self._most:.0f} octets; no more is taken", server=self._label)
        if self.done:
            raise self._bad("another message after the end of")
        if len(octets) < 12:
            raise self._bad("too short a message in the transfer of")
        id, flags = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:4], "big")
        if id != self._id or not flags & QR or flags & _OPCODE:
            raise self._bad("a message that is not a reply to the request for")
        verifying = self._verifying
        if verifying is not None:
            octets = self._verified(verifying, octets, flags, now)
        if flags & 15:
            raise self._declined(flags & 15)
        if self.kind is TransferKind.WHOLE:
            self._takeWhole(octets)
        else:
            self._takeFirst(octets)

    def _verified(self, verifying: StreamVerifying, octets: bytes, flags: int, now: float) -> bytes:
        verdict = verifying.feed(octets, now)
        record = verdict.record
        error = verdict.error or (0 if record is None else record.error)
        if error:
            word = signatureError(error)
            if record is None and flags & 15:
                raise self._declined(flags & 15)
            said = "is not signed" if record is None else f"has a signature with {word}"
            raise ServerFailed(f"{self._label}: the transfer of {self._text} {said}", server=self._label, rcode=Rcode.NOTAUTH)
        return verdict.octets

    def _bad(self, what: str) -> BadTransfer:
        return BadTransfer(f"{self._label}: {what} {self._text}", server=self._label)

    def _declined(self, rcode: int) -> DNSFault:
        return ServerFailed(
            f"{self._label} answered {rcodeName(rcode)} to the transfer of {self._text}", server=self._label, rcode=rcode
        )

    # -- whole zones

    def _takeWhole(self, octets: bytes) -> None:
        assert self.soa is not None
        # Octets like those of the final SOA may be there by chance.
        if self._keep is None or octets.find(self.soa.rdatas[0][-_NUMBERS:]) >= 0:
            self._hold(octets, self._read(octets))
        else:
            self._keep(octets)

    def _collect(self, records: list[RRSet]) -> None:
        for record in records:
            if self.done:
                raise self._bad("there is more behind the end of")
            if self.records and self._isSOA(record):
                if record.rdatas != self.records[0].rdatas:
                    raise self._bad("the SOA has changed during the transfer of")
                self.done = True
            elif isBelow(record.name.lower(), self._zone):
                self.records.append(record)
            else:
                self.strangers.add(record.name)

    def _read(self, octets: bytes) -> list[RRSet]:
        message = Message.fromWire(octets).check()
        # Later messages need not repeat the question (RFC 5936, section 2.2.1).
        if message.questions != (self._question,) and (message.questions or self.soa is None):
            raise self._bad("the transfer is not of")
        option = None if message.edns is None else message.edns.option(_EXPIRE)
        if option is not None and len(option) == 4:
            self.expire = int.from_bytes(option, "big")
        return message.records()[0]

    def _isSOA(self, record: RRSet) -> bool:
        return record.rrType == SOA and record.name.lower() == self._zone

    # -- the beginning, and changes

    def _takeFirst(self, octets: bytes) -> None:
        records = self._read(octets)
        if not records:
            raise self._bad("a message without records in the transfer of")
        begins = self.soa is None
        if begins:
            first = records[0]
            if not self._isSOA(first) or first.rrClass != IN:
                raise self._bad("it is not the SOA that begins the transfer of")
            self.soa = first
            self.serial = serialIn(first.rdatas[0])
            self.kind = TransferKind.SOA
            records = records[1:]
        if self.kind is TransferKind.CHANGES:
            self._takeChanges(records)
            return
        assert self.soa is not None
        ours = self._ours
        if not records:
            self._hold(octets, [self.soa])
            if ours is not None and not isNewer(self.serial, ours):
                self.kind = TransferKind.CURRENT
                self.done = True
            return
        second = records[0]
        if ours is not None and self._isSOA(second) and serialIn(second.rdatas[0]) != self.serial:
            self.kind = TransferKind.CHANGES
            self._takeChanges(records)
            return
        self.kind = TransferKind.WHOLE
        self._hold(octets, [self.soa, *records] if begins else records)

    def _hold(self, octets: bytes, records: list[RRSet]) -> None:
        if self._keep is None:
            self._collect(records)
        else:
            self._keep(octets)
            self.done = any(self._isSOA(record) for record in records if record is not self.soa)

    def _takeChanges(self, records: list[RRSet]) -> None:
        self._records += len(records)
        most = int(CHANGES_RECORDS.default)
        if self._records > most:
            raise BudgetSpent(f"{self._label}: {self._text} has changed in more than {most} records", server=self._label)
        for record in records:
            if self.done:
                raise self._bad("there are more records after the end of the changes of")
            if self._isSOA(record):
                self._turn(record)
            elif record.rrType == SOA or record.rrClass != IN or isMeta(record.rrType) or not record.rrType:
                raise self._bad("a record that no zone has, in the changes of")
            elif not isBelow(record.name.lower(), self._zone):
                self.strangers.add(record.name)
            elif self._added is not None:
                if _isUnread(record.rrType):
                    declarationOf(record.rrType).fromWire(record.rdatas[0])
                self._added.append(record)
            elif self._removed is not None:
                self._removed.append(record)
            else:
                raise self._bad("the changes do not begin with an SOA record for")

    def _turn(self, soa: RRSet) -> None:
        """
        Handle an SOA between changes: it begins the removed records, then the added ones (RFC 1995, section 4).
        """
        if self._removed is None:
            if not self.differences and serialIn(soa.rdatas[0]) != self._ours:
                raise self._bad("the changes do not begin with our serial number of")
            self._removed = [soa]
        elif self._added is None:
            self._added = [soa]
        else:
            difference = Difference(self._removed[0], self._removed[1:], self._added[0], self._added[1:])
            if not isNewer(difference.newSerial, difference.oldSerial):
                raise self._bad("changes that lead backward, of")
            self.differences.append(difference)
            self._removed = self._added = None
            if difference.newSerial == self.serial:
                assert self.soa is not None
                if canonicalOf(SOA, soa.rdatas[0]) != canonicalOf(SOA, self.soa.rdatas[0]):
                    raise self._bad("another SOA at the end of the changes of")
                self.done = True
            elif serialIn(soa.rdatas[0]) == difference.newSerial:
                self._removed = [soa]
            else:
                raise self._bad("changes that do not follow each other, of")


def settled(version: Version, differences: Sequence[Difference]) -> list[Difference]:
    """
    Remove from changes the added records that the zone has already, which some servers send: NSD, if it compares zone files.

    @param version: the version that the changes begin at.
    """
    sets: dict[tuple[bytes, int, int], tuple[int, set[bytes]]] = {}

    def present(rrset: RRSet) -> tuple[int, set[bytes]]:
        folded = rrset.name.lower()
        place = (folded, *kindOf(rrset))
        found = sets.get(place)
        if found is None:
            key = keyBelow(folded, version.apex)
            node = None if key is None else version.find(key)
            same = setsOf(node).get(kindOf(rrset))
            found = sets[place] = (rrset.ttl, set()) if same is None else (same.ttl, set(same.rdatas))
        return found

    after: list[Difference] = []
    for difference in differences:
        for rrset in difference.removed:
            present(rrset)[1].difference_update(rrset.rdatas)
        added: list[RRSet] = []
        for rrset in difference.added:
            ttl, there = present(rrset)
            rdatas = tuple([rdata for rdata in rrset.rdatas if rdata not in there or ttl != rrset.ttl])
            if len(rdatas) == len(rrset.rdatas):
                added.append(rrset)
            elif rdatas:
                added.append(rrset.withRdatas(rdatas))
            there.update(rdatas)
            sets[(rrset.name.lower(), *kindOf(rrset))] = (rrset.ttl, there)
        after.append(Difference(difference.before, difference.removed, difference.after, added))
    return after
