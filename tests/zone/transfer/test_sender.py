"""
Tests of writing the messages of zone transfers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unittest.mock import patch

import dns.message
import dns.name
import dns.rdatatype
import dns.xfr
import dns.zone
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, ZONE, record, textsOf, versionOf
from twisted_ext.errors import BadMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR, SOA
from twisted_ext.wire.tsig import Key, StreamSigning, StreamVerifying
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.sender import Envelope, recordsOf, recordsOfChanges, recordsSince
from twisted_ext.zone.update.transactions import Transaction

QUESTION = APEX + b"\x00\xfc\x00\x01"

#: A zone with many names, one of which has more records than a message holds.
LARGE = (
    ZONE
    + "\n".join([f'crowd 300 TXT "{number:04d}{"x" * 200}"' for number in range(500)])
    + "\n"
    + "\n".join([f"host{number} 300 A 10.0.{number >> 8}.{number & 255}" for number in range(4000)])
)


class _Journal:
    """
    A journal that notes what is read.
    """

    def __init__(self, differences: Sequence[Difference]) -> None:
        self.differences = list(differences)
        self.size = 1000
        self.asked = 0
        self.read: list[int] = []

    def since(self, serial: int) -> Sequence[Difference] | None:
        for index, each in enumerate(self.differences):
            if each.oldSerial == serial:
                return self.differences[index:]
        return None

    def serials(self) -> list[int]:
        return [each.oldSerial for each in self.differences]

    def octetsSince(self, serial: int) -> int | None:
        return None if self.since(serial) is None else self.size

    def oneByOne(self, serial: int, last: int, room: int) -> Iterator[Difference] | None:
        self.asked = last
        return self._each(serial)

    def _each(self, serial: int) -> Iterator[Difference]:
        for each in self.since(serial) or ():
            self.read.append(each.oldSerial)
            yield each


def changed(version: Version, *lines: str, remove: Sequence[str] = ()) -> tuple[Version, Difference]:
    """
    Return the next version with some records added and others removed.
    """
    transaction = Transaction(version)
    for line in remove:
        transaction.remove(record(line))
    for line in lines:
        transaction.add(record(line))
    done = transaction.commit()
    assert done is not None
    return done


class SendingTests(SynchronousTestCase):
    """
    Tests for L{messages} and their records.
    """

    def read(self, octets: Sequence[bytes], rrType: int = AXFR) -> dns.zone.Zone:
        """
        Return the zone that another implementation reads from a transfer.
        """
        origin = dns.name.from_text("example.org.")
        zone = dns.zone.Zone(origin, relativize=False)
        with dns.xfr.Inbound(zone, dns.rdatatype.RdataType(rrType)) as inbound:
            done = False
            for each in octets:
                self.assertFalse(done)
                done = inbound.process_message(dns.message.from_wire(each, xfr=True, one_rr_per_rrset=True))
        self.assertTrue(done)
        return zone

    def test_wholeZoneIsSent(self) -> None:
        """
        All records are sent once between two SOA records. Each message repeats the question and stays within the size limit.
        """
        edited = changed(versionOf(LARGE), "new 300 A 192.0.2.1", remove=["host7 300 A 10.0.0.7"])[0]
        for version in (versionOf(), versionOf(LARGE), edited):
            octets = list(Envelope(7, 0x0100, QUESTION).messages(recordsOf(version)))
            zone = self.read(octets)
            self.assertEqual(sum(len(rdataset) for _, rdataset in zone.iterate_rdatasets()), version.recordCount)
            records = [each for message in octets for each in Message.fromWire(message).check().records()[0]]
            self.assertEqual((records[0].rrType, records[-1].rrType, records[0].rdatas), (SOA, SOA, records[-1].rdatas))
            self.assertEqual({(each.name.lower(), each.rrType, each.ttl, each.rdatas[0]) for each in records}, textsOf(version))
            for message in octets:
                self.assertLessEqual(len(message), 65535)
                self.assertEqual(message[:4] + message[12 : 12 + len(QUESTION)], b"\x00\x07\x85\x00" + QUESTION)

    def test_smallLimitNeedsMoreMessages(self) -> None:
        """
        A smaller size limit leads to more messages, each as full as possible.
        """
        octets = list(Envelope(7, 0, QUESTION, most=40_000).messages(recordsOf(versionOf())))
        self.assertEqual(len(octets), 1)
        version = versionOf(LARGE)
        self.assertGreater(len(list(Envelope(7, 0, QUESTION, most=48_100).messages(recordsOf(version)))), 3)

    def test_transferIsOfOneVersion(self) -> None:
        """
        A transfer is of one version, whatever changes in the meantime.
        """
        version = versionOf(LARGE)
        before = textsOf(version)
        flow = Envelope(7, 0, QUESTION).messages(recordsOf(version))
        octets = [next(flow)]
        # In all parts of the zone, so that most of them have not been sent yet.
        removed = [f"host{number} 300 A 10.0.{number >> 8}.{number & 255}" for number in range(0, 4000, 20)]
        after = textsOf(changed(version, "new 300 A 192.0.2.1", "zzz 300 A 192.0.2.1", remove=removed)[0])
        # The SOA record has another serial number.
        self.assertEqual((len(before - after), len(after - before)), (201, 3))
        octets += flow
        self.assertGreater(len(octets), 3)
        self.read(octets)
        sent = [each for message in octets for each in Message.fromWire(message).check().records()[0]]
        self.assertEqual({(each.name.lower(), each.rrType, each.ttl, each.rdatas[0]) for each in sent}, before)

    def test_eachMessageIsSigned(self) -> None:
        """
        Each message is signed and has room for its signature.
        """
        key = Key(b"\x03key\x00", b"secret")
        signing, verifying = StreamSigning(key, b"m" * 32), StreamVerifying({key.name: key}, b"m" * 32)
        envelope = Envelope(7, 0, QUESTION, most=65_535 - 200, seal=lambda octets: signing.sign(octets, 1000))
        flow = envelope.messages(recordsOf(versionOf(LARGE)))
        for message in flow:
            self.assertLessEqual(len(message), 65535)
            self.assertTrue(verifying.feed(message, 1000).good)

    def test_changesSinceASerial(self) -> None:
        """
        A client with an older version gets the changes in one step. A client with the newest version gets the SOA record, and one
        with an unknown version gets the zone.
        """
        first = versionOf()
        second, one = changed(first, "new 300 A 192.0.2.9", remove=["www 300 CNAME mail"])
        third, two = changed(second, "new 300 A 192.0.2.10", remove=["new 300 A 192.0.2.9"])
        journal = _Journal([one, two])
        pieces = recordsSince(third, 10, journal)
        assert pieces is not None
        (octets,) = Envelope(7, 0, APEX + b"\x00\xfb\x00\x01").messages(pieces)
        records = Message.fromWire(octets).check().records()[0]
        serials = [int.from_bytes(each.rdatas[0][-20:-16], "big") if each.rrType == SOA else each.name[:4] for each in records]
        self.assertEqual(serials, [12, 10, b"\x03www", 12, b"\x03new", 12])
        for serial in (12, 13, 12 + 0x7FFFFFFF):
            self.assertEqual([count for _, count in recordsSince(third, serial, journal) or ()], [1])
        self.assertIsNone(recordsSince(third, 9, journal))
        self.assertIsNone(recordsSince(third, 10, None))
        self.assertIsNone(recordsSince(third, 10, _Journal([one])))
        journal.size = 1 << 20
        self.assertIsNone(recordsSince(third, 10, journal))

    def test_manyChangesAreReadOneByOne(self) -> None:
        """
        Changes that are too large to condense are sent as they are, each read when it is due.
        """
        version = first = versionOf(LARGE)
        differences = []
        for number in range(20):
            version, difference = changed(version, f"new{number} 300 A 192.0.2.{number}")
            differences.append(difference)
        journal = _Journal(differences)
        journal.size = 1 << 20
        self.assertIsNone(recordsSince(version, 10, journal))
        with patch("twisted_ext.zone.transfer.sender.CHANGES_OCTETS.default", 999):
            journal.size = 1000
            pieces = recordsSince(version, 10, journal)
            assert pieces is not None
            self.assertEqual((journal.asked, journal.read), (version.serial, []))
            next(pieces), next(pieces)
            self.assertEqual(journal.read, [10])
            pieces = recordsSince(version, 10, journal)
            assert pieces is not None
            octets = list(Envelope(7, 0, APEX + b"\x00\xfb\x00\x01", most=300).messages(pieces))
        self.assertGreater(len(octets), 3)
        records = [each for message in octets for each in Message.fromWire(message).check().records()[0]]
        self.assertEqual(len(records), 2 + 3 * 20)
        self.assertEqual(first.serial, 10)

    def test_zoneIsSentIfSmallerThanChanges(self) -> None:
        """
        The whole zone is sent if it is smaller than the changes.
        """
        version = versionOf()
        removed = [f"gone{number} 300 A 192.0.2.{number}" for number in range(40)]
        before = changed(version, *removed)[0]
        after, difference = changed(before, remove=removed)
        self.assertIsNone(recordsSince(after, before.serial, _Journal([difference])))

    def test_oversizedRecordIsRefused(self) -> None:
        """
        A record that fits into no message is not truncated but raises an error.
        """
        name = nameFromText("large.example.org.")
        version = versionOf().edited({name[: -len(APEX)]: (RRSet(name, 65280, 1, 60, (bytes(65500),)),)})
        self.assertRaises(BadMessage, list, Envelope(7, 0, APEX + b"\x00\xfc\x00\x01").messages(recordsOf(version)))

    def test_udpReplyIsOneMessageOrNone(self) -> None:
        """
        A transfer over UDP fits into one message or is not sent.
        """
        version = versionOf()
        question = APEX + b"\x00\xfb\x00\x01"
        self.assertIsNone(Envelope(7, 0, question, most=200).oneMessage(recordsOf(version)))
        message = Envelope(7, 0, question, most=200).oneMessage(recordsOfChanges((), version.soa, once=True))
        assert message is not None
        self.assertEqual([each.rrType for each in Message.fromWire(message).check().answer], [SOA])
        self.assertEqual(Message.fromWire(message).questions[0].rrType, IXFR)
