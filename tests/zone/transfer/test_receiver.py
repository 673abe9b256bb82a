"""
Tests of reading zone transfers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from random import Random
from struct import pack
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, ZONE, record, textsOf, versionOf
from tests.zone.transfer.test_sender import LARGE, QUESTION, changed
from twisted_ext.errors import BadChange, BadMessage, BadZone, BudgetSpent, DNSFault, ServerFailed
from twisted_ext.limits import Limit
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR, NS, SOA, TXT, A
from twisted_ext.wire.tsig import Key, StreamSigning, StreamVerifying
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.traversal import stretches
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.ingest import gathered
from twisted_ext.zone.transfer.receiver import TransferKind, TransferReceiver, settled
from twisted_ext.zone.transfer.sender import Envelope, recordsOf, recordsOfChanges
from twisted_ext.zone.transfer.strangers import Strangers

SOA10 = record("@ 300 SOA ns1 hostmaster 10 3600 600 86400 300")
SOA11 = record("@ 300 SOA ns1 hostmaster 11 3600 600 86400 300")
NS1 = record("@ 300 NS ns1")


def reply(records: Iterable[RRSet], *, rrType: int = AXFR, id: int = 7, flags: int = 0x8400, name: bytes = APEX) -> bytes:
    """
    Return a message of a transfer.
    """
    start = Message(id, flags, (Question(name, rrType),))
    # One record after the other, without grouping them to sets.
    octets = bytearray(buildMessage(start))
    count = 0
    for each in records:
        for rdata in each.rdatas:
            octets += each.name + pack(">HHIH", each.rrType, each.rrClass, each.ttl, len(rdata)) + rdata
            count += 1
    octets[6:8] = count.to_bytes(2, "big")
    return bytes(octets)


class Transfer:
    """
    A transfer being received.
    """

    def __init__(
        self,
        serial: int | None = None,
        *,
        verifying: StreamVerifying | None = None,
        most: float | None = None,
    ) -> None:
        self.kept: list[bytes] = []
        self.receiving = TransferReceiver(APEX, 7, "there", self.kept.append, serial=serial, verifying=verifying, most=most)

    def take(self, *octets: bytes) -> TransferReceiver:
        """
        Take messages.
        """
        for each in octets:
            self.receiving.take(each, 1000)
        return self.receiving

    @property
    def version(self) -> Version:
        """
        The received version.
        """
        return Version(Image(gathered(APEX, self.kept).finish()))


class WholeTests(SynchronousTestCase):
    """
    Tests for L{TransferReceiver} and L{gathered} with whole zones.
    """

    def test_ownTransfersAreRead(self) -> None:
        """
        The transfers that we send are read, in any number of messages.
        """
        for version in (versionOf(), versionOf(LARGE)):
            for most in (48_200, 65_535):
                taking = Transfer()
                done = taking.take(*Envelope(7, 0, QUESTION, most=most).messages(recordsOf(version)))
                self.assertEqual((done.done, done.kind, done.serial), (True, TransferKind.WHOLE, 10))
                self.assertEqual(textsOf(taking.version), textsOf(version))

    def test_oneRecordPerMessageIsRead(self) -> None:
        """
        A transfer with one record per message is read.
        """
        version = versionOf()
        records = [RRSet(name, rrType, 1, ttl, (rdata,)) for name, rrType, ttl, rdata in textsOf(version) if rrType != SOA]
        taking = Transfer()
        done = taking.take(*[reply([each]) for each in [version.soa, *records, version.soa]])
        self.assertTrue(done.done)
        self.assertEqual(textsOf(taking.version), textsOf(version))

    def test_compressedNamesAreExpanded(self) -> None:
        """
        Compressed names of owners and in rdata are expanded.
        """
        version = versionOf()
        sets = [rrset for node in version.nodes() for rrset in node.sets]
        soa = next(each for each in sets if each.rrType == SOA)
        body = buildMessage(Message(7, 0x8400, (Question(APEX, AXFR),), (soa, *[each for each in sets if each is not soa])))
        taking = Transfer()
        self.assertFalse(taking.take(body).done)
        self.assertTrue(taking.take(reply([soa])).done)
        self.assertEqual(textsOf(taking.version), textsOf(version))

    def test_endlessTransferIsStopped(self) -> None:
        """
        A transfer is stopped at its size limit.
        """
        taking = Transfer(most=200_000)
        with self.assertRaises(BudgetSpent):
            taking.take(reply([SOA10, NS1]))
            for _ in range(1000):
                taking.take(reply([record(f'a{number} 300 TXT "{"x" * 200}"') for number in range(100)]))
        self.assertLess(len(taking.kept), 20)

    def test_invalidMessageIsRefused(self) -> None:
        """
        A message that does not belong to a transfer of the zone is refused.
        """
        other = nameFromText("other.org.")
        cases: Sequence[Sequence[bytes]] = [
            [reply([SOA10], id=8)],
            [reply([SOA10], flags=0x0400)],
            [reply([SOA10], flags=0xAC00)],
            [reply([SOA10], name=other)],
            [reply([NS1, SOA10])],
            [reply([])],
            [reply([RRSet(other, SOA, 1, 300, SOA10.rdatas)])],
            [reply([SOA10, NS1]), b"\x00\x07\x84"],
            [reply([SOA10, NS1, SOA10]), reply([NS1])],
            [reply([SOA10, NS1])[:-3]],
        ]
        for case in cases:
            self.assertRaises(BadMessage, Transfer().take, *case)
        for rcode in (1, 2, 5, 9):
            with self.assertRaises(ServerFailed) as caught:
                Transfer().take(reply([], flags=0x8400 | rcode))
            self.assertEqual(caught.exception.rcode, rcode)

    def test_invalidZoneIsRefused(self) -> None:
        """
        A transfer that does not form a valid zone is refused: mostly foreign names, or some before or after its records; another SOA record
        in the middle or at the end; invalid classes and types, malformed rdata, or no NS records.
        """
        a = record("www 300 A 192.0.2.1")
        outside = RRSet(nameFromText("www.other.org."), A, 1, 300, (bytes(4),))
        cases: Sequence[Sequence[RRSet]] = [
            [SOA10, NS1, *[outside] * 4, SOA10],
            [outside, SOA10, NS1, SOA10],
            [SOA10, NS1, SOA10, outside],
            [SOA10, NS1, RRSet(b"\x03sub" + APEX, SOA, 1, 300, SOA10.rdatas), SOA10],
            [SOA10, NS1, a, SOA11],
            [SOA10, NS1, RRSet(a.name, A, 3, 300, a.rdatas), SOA10],
            [SOA10, NS1, RRSet(a.name, 250, 1, 300, a.rdatas), SOA10],
            [SOA10, NS1, RRSet(a.name, 255, 1, 300, a.rdatas), SOA10],
            [SOA10, NS1, RRSet(a.name, A, 1, 300, (bytes(5),)), SOA10],
            [SOA10, NS1, RRSet(a.name, TXT, 1, 300, (b"\x05abc",)), SOA10],
            [SOA10, NS1, RRSet(a.name, NS, 1, 300, (b"\x05abc",)), SOA10],
            [SOA10, a, SOA10],
            [SOA10, NS1, a],
            [a, SOA10, NS1, SOA10],
            [SOA10, NS1, SOA10, a],
            [SOA10, NS1, SOA10, SOA10],
        ]
        for case in cases:
            # Stored messages are not checked again.
            self.assertRaises(BadZone, gathered, APEX, [reply(case)])
        self.assertRaises(BadZone, gathered, APEX, [reply([SOA10, NS1, a, SOA10], name=nameFromText("other.org."))])
        whole = gathered(APEX, [reply([SOA10, NS1, a, SOA10])])
        self.assertEqual(Version(Image(whole.finish())).recordCount, 3)

    def test_foreignRecordsAreLeftOut(self) -> None:
        """
        Records outside of the zone are left out, counted and named, wherever they are: before, between and after those of the zone.
        """
        a = record("www 300 A 192.0.2.1")
        for names in (
            ["www.other.org."],
            ["org."],
            ["wexample.org.", "."],
            ["a.other.org.", "A.other.ORG.", "b.other.org.", "c.other.org.", "d.other.org."],
        ):
            foreign = [RRSet(nameFromText(name), A, 1, 300, (bytes(4),)) for name in names]
            for at in range(1, 4):
                own = [SOA10, NS1, a, SOA10]
                # Enough of its own that it is this zone.
                own[3:3] = [record(f"h{number} 300 A 192.0.2.1") for number in range(3)]
                strangers = Strangers()
                version = Version(Image(gathered(APEX, [reply([*own[:at], *foreign, *own[at:]])], strangers).finish()))
                self.assertEqual((version.recordCount, strangers.count), (6, len(names)))
                self.assertTrue(str(strangers).startswith(f"{len(names)} record"))
                self.assertIn(names[0], str(strangers))
        self.assertEqual(str(strangers), "5 records (a.other.org., b.other.org., c.other.org., ...)")
        self.assertEqual(str(Strangers()), "")

    def test_tooLongNameIsRefused(self) -> None:
        """
        A name that becomes too long by its compression pointer is refused.
        """
        long = b"".join([b"\x3f" + b"x" * 63 for _ in range(3)]) + APEX
        message = reply([SOA10, NS1, RRSet(long, A, 1, 300, (bytes(4),)), SOA10])
        place = message.index(long)
        tail = pack(">HHIH", A, 1, 300, 4) + bytes(4)
        for label in (b"\x05short", b"\x3f" + b"y" * 63):
            octets = bytearray(message.replace(tail, tail + label + (0xC000 | place).to_bytes(2, "big") + tail))
            octets[6:8] = (5).to_bytes(2, "big")
            if len(label) < 10:
                self.assertEqual(Version(Image(gathered(APEX, [bytes(octets)]).finish())).recordCount, 4)
            else:
                self.assertRaises(BadZone, gathered, APEX, [bytes(octets)])

    def test_negativeTTLIsZero(self) -> None:
        """
        A TTL with the sign bit set counts as 0 (RFC 2181, section 8).
        """
        octets = [reply([SOA10, NS1, record("www 300 A 192.0.2.1").withTTL(0x80000001), SOA10])]
        node = Version(Image(gathered(APEX, octets).finish())).find(b"\x03www")
        assert node is not None
        self.assertEqual(node.sets[0].ttl, 0)

    def test_messagesAreLimited(self) -> None:
        """
        The number of messages of a transfer is limited.
        """
        few = [reply([SOA10, NS1]), *[reply([record(f"h{number} 300 A 192.0.2.1")]) for number in range(30)]]
        with patch("twisted_ext.zone.transfer.receiver.RECEIVED_MESSAGES", Limit(20, 20, 20)):
            self.assertRaises(BudgetSpent, Transfer().take, *few)
        self.assertFalse(Transfer().take(*few).done)

    def test_repeatedRecordsAreOne(self) -> None:
        """
        Equal records are one, and a set has one TTL.
        """
        a = record("www 300 A 192.0.2.1")
        text = record('www 300 TXT "a"')
        sets = [SOA10, NS1, a, text, a.withTTL(200), record("WWW 300 A 192.0.2.2"), NS1, SOA10]
        version = Version(Image(gathered(APEX, [reply(sets)]).finish()))
        node = version.find(b"\x03www")
        assert node is not None
        found = node.of(A)
        assert found is not None
        self.assertEqual((found.ttl, len(found.rdatas), version.recordCount), (200, 2, 5))

    def test_tsigCoversTheWholeTransfer(self) -> None:
        """
        All messages must be covered by TSIG: a changed, missing or added message is detected, and an unsigned last one is refused.
        """
        key = Key(b"\x03key\x00", b"secret")
        version = versionOf(LARGE)

        def signed() -> list[bytes]:
            """
            Return the messages with TSIG records.
            """
            signing = StreamSigning(key, b"m")
            envelope = Envelope(7, 0, QUESTION, most=65_535 - 200, seal=lambda octets: signing.sign(octets, 1000))
            return list(envelope.messages(recordsOf(version)))

        def taking() -> Transfer:
            """
            Return a transfer that verifies TSIG.
            """
            return Transfer(verifying=StreamVerifying({key.name: key}, b"m"))

        self.assertTrue(taking().take(*signed()).done)
        whole = signed()
        self.assertRaises(DNSFault, taking().take, whole[0], *whole[2:])
        self.assertRaises(DNSFault, taking().take, whole[0], whole[1][:100] + b"\xff" + whole[1][101:], *whole[2:])
        self.assertRaises(DNSFault, taking().take, *list(Envelope(7, 0, QUESTION).messages(recordsOf(version))))
        plain = list(Envelope(7, 0, QUESTION).messages(recordsOf(version)))
        self.assertRaises(DNSFault, taking().take, *whole[:-1], plain[-1])

    def test_truncatedTransferIsNotDone(self) -> None:
        """
        A truncated transfer is never complete.
        """
        version = versionOf()
        pieces = chain(stretches(version, 40), recordsOfChanges((), version.soa, once=True))
        octets = list(Envelope(7, 0, QUESTION, most=200).messages(pieces))
        self.assertGreater(len(octets), 2)
        for count in range(len(octets)):
            taking = Transfer()
            self.assertFalse(taking.take(*octets[:count]).done)
            self.assertRaises(BadZone, gathered, APEX, taking.kept)

    @given(st.integers(0, 2**32))
    def test_damagedTransferIsReadOrRefused(self, seed: int) -> None:
        """
        A transfer with damaged octets yields a zone or a DNS failure.
        """
        dice = Random(seed)
        octets = [bytearray(each) for each in Envelope(7, 0, QUESTION).messages(recordsOf(versionOf()))]
        for _ in range(dice.randrange(1, 5)):
            message = dice.choice(octets)
            message[dice.randrange(len(message))] = dice.randrange(256)
        taking = Transfer()
        try:
            if taking.take(*[bytes(each) for each in octets]).done:
                taking.version.find(b"\x03www")
        except DNSFault:
            pass


class ChangesTests(SynchronousTestCase):
    """
    Tests for L{TransferReceiver} with incremental transfers.
    """

    def take(self, *sets: Sequence[RRSet], serial: int = 10) -> TransferReceiver:
        """
        Receive an incremental transfer with one message for each of C{sets}.
        """
        return Transfer(serial).take(*[reply(each, rrType=IXFR) for each in sets])

    def test_incrementalTransferIsApplied(self) -> None:
        """
        Several differences in any number of messages lead to the newest version.
        """
        before = versionOf()
        middle, one = changed(before, "new 300 A 192.0.2.9", remove=["mail 300 A 192.0.2.3"])
        after, two = changed(middle, "new 300 A 192.0.2.10", "a.b.c 300 TXT \"x\"")
        records = list(recordsOfChanges([one, two], after.soa))
        for size in (1, 2, 100):
            octets = [
                b"".join(Envelope(7, 0, APEX + b"\x00\xfb\x00\x01").messages(records[at : at + size]))
                for at in range(0, len(records), size)
            ]
            received = Transfer(10).take(*octets)
            self.assertEqual((received.done, received.kind, received.serial), (True, TransferKind.CHANGES, 12))
            self.assertEqual(textsOf(applied(before, received.differences)), textsOf(after))

    def test_singleSOAMeansCurrent(self) -> None:
        """
        A single SOA record that is not newer means that the zone is current. A newer one is the start of a transfer.
        """
        self.assertIs(self.take([SOA10]).kind, TransferKind.CURRENT)
        self.assertIs(self.take([SOA10], serial=12).kind, TransferKind.CURRENT)
        self.assertFalse(self.take([SOA11]).done)

    def test_wholeZoneInPlaceOfChanges(self) -> None:
        """
        A server may send the whole zone in place of differences.
        """
        taking = Transfer(9)
        received = taking.take(reply([SOA11, NS1], rrType=IXFR), reply([SOA11], rrType=IXFR))
        self.assertEqual((received.done, received.kind, received.serial), (True, TransferKind.WHOLE, 11))

    def test_invalidChangesAreRefused(self) -> None:
        """
        Differences that start elsewhere, have a gap, go backward or contain invalid records are refused.
        """
        new = record("new 300 A 192.0.2.9")
        soa9 = record("@ 300 SOA ns1 hostmaster 9 3600 600 86400 300")
        outside = RRSet(nameFromText("www.other.org."), A, 1, 300, (bytes(4),))
        other = RRSet(APEX, SOA, 1, 300, (SOA11.rdatas[0][:-1] + b"\x01",))
        for case in (
            [SOA11, soa9, SOA11, new, SOA11],
            [SOA11, SOA10, outside, outside, outside, SOA11, outside, outside, outside, SOA11],
            [SOA11, SOA10, SOA11, new, SOA11, outside],
            [SOA11, SOA10, SOA11, new, other],
            [SOA11, SOA10, soa9, new, SOA10, SOA11, SOA11],
            [soa9, SOA10, soa9, new, soa9],
            [SOA11, SOA10, SOA11, new, SOA11, new],
            [SOA11, SOA10, SOA11, RRSet(new.name, SOA, 1, 300, SOA10.rdatas), SOA11],
            [SOA11, SOA10, SOA11, RRSet(new.name, AXFR, 1, 300, (b"",)), SOA11],
            [SOA11, SOA10, SOA11, RRSet(new.name, 0, 1, 300, (b"",)), SOA11],
            [SOA11, SOA10, SOA11, RRSet(new.name, 249, 1, 300, (bytes(40),)), SOA11],
            [SOA11, SOA10, SOA11, RRSet(new.name, TXT, 1, 300, (b"\x09short",)), SOA11],
        ):
            self.assertRaises(BadMessage, self.take, case)

    def test_foreignChangesAreLeftOut(self) -> None:
        """
        Changes outside of the zone are left out and counted, those that remove and those that add.
        """
        new = record("new 300 A 192.0.2.9")
        outside = RRSet(nameFromText("www.other.org."), A, 1, 300, (bytes(4),))
        for case, count in (
            ([SOA11, SOA10, outside, SOA11, new, SOA11], 1),
            ([SOA11, SOA10, SOA11, outside, new, SOA11], 1),
            ([SOA11, SOA10, outside, SOA11, new, outside, SOA11], 2),
        ):
            receiving = self.take(case)
            (difference,) = receiving.differences
            self.assertEqual((list(difference.removed), [each.name for each in difference.added]), ([], [new.name]))
            self.assertEqual(receiving.strangers.count, count)

    def test_finalSOAMayDifferInCase(self) -> None:
        """
        The final SOA record may differ in the letter case of its names, in incremental and in full transfers.
        """
        shouted = RRSet(APEX, SOA, 1, 300, (SOA11.rdatas[0][:-20].upper() + SOA11.rdatas[0][-20:],))
        self.assertTrue(self.take([SOA11, SOA10, SOA11, record("new 300 A 192.0.2.9"), shouted]).done)
        taking = Transfer()
        taking.take(reply([SOA11, NS1, shouted]))
        self.assertEqual(taking.version.serial, 11)

    def test_recordsOfChangesAreLimited(self) -> None:
        """
        The number of records in differences is limited.
        """
        many = [record(f"h{number} 300 A 192.0.2.1") for number in range(100)]
        with patch("twisted_ext.zone.transfer.receiver.CHANGES_RECORDS", Limit(50, 16, 1000)):
            self.assertRaises(BudgetSpent, self.take, [SOA11, SOA10, SOA11, *many, SOA11])

    def test_existingRecordsAreDroppedFromChanges(self) -> None:
        """
        Added records that exist already are dropped. Removed records that do not exist remain an error.
        """
        before = versionOf()
        mail = record("mail 300 A 192.0.2.3")
        soa = record("@ 3600 SOA ns1 hostmaster 10 3600 600 86400 300")
        after = record("@ 3600 SOA ns1 hostmaster 11 3600 600 86400 300")
        difference = Difference(soa, [], after, [mail, record("new 300 A 192.0.2.9")])
        self.assertRaises(BadChange, applied, before, [difference])
        version = applied(before, settled(before, [difference]))
        self.assertEqual(version.recordCount, before.recordCount + 1)
        back = Difference(soa, [mail], after, [mail])
        self.assertEqual(applied(before, settled(before, [back])).recordCount, before.recordCount)
        wrong = Difference(soa, [record("mail 300 A 192.0.2.77")], after, [])
        self.assertRaises(BadChange, applied, before, settled(before, [wrong]))
        self.assertIn("10 3600", ZONE)
