"""
Tests for L{twisted_ext.wire.message} and L{twisted_ext.wire.records}.
"""

from __future__ import annotations

from struct import pack
from unittest.mock import patch

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import examine
from tests.wire.strategies import messages
from twisted_ext.errors import BadMessage
from twisted_ext.limits import EDNS_OPTIONS, Limit
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, NONE, QR, Opcode
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.records import RRSet, eachRecord, groupRecords
from twisted_ext.wire.rrtypes import TSIG

A, NS, SOA, RRSIG = 1, 2, 6, 46

WWW = nameFromText("www.example.com")

QUESTION = WWW + b"\x00\x01\x00\x01"

OPT = EDNS().toWire()


def header(questions: int = 0, answers: int = 0, authorities: int = 0, additionals: int = 0, flags: int = QR) -> bytes:
    """
    Return a header with these counts.
    """
    return pack(">6H", 7, flags, questions, answers, authorities, additionals)


def record(owner: bytes = WWW, rrType: int = A, rrClass: int = 1, ttl: int = 300, rdata: bytes = b"\xc0\x00\x02\x01") -> bytes:
    """
    Return an uncompressed record.
    """
    return owner + pack(">HHIH", rrType, rrClass, ttl, len(rdata)) + rdata


def errorOf(wire: bytes) -> str:
    """
    Return the error of an invalid message.
    """
    found = examine(wire)
    assert isinstance(found, BadMessage)
    return str(found)


def read(wire: bytes) -> Message:
    """
    Return the message.
    """
    found = examine(wire)
    assert isinstance(found, Message), str(found)
    return found


class CountTests(SynchronousTestCase):
    """
    Tests for headers that do not match what follows.
    """

    def test_wrongCountsAreRefused(self) -> None:
        """
        Counts that exceed the message are refused at once in every section.
        """
        for counts in ((0, 65535, 0, 0), (0, 0, 65535, 0), (0, 0, 0, 65535)):
            self.assertIn("ends before a record", errorOf(header(*counts)))
        for wire in (header(65535), header(*(65535,) * 4), header(2) + QUESTION):
            self.assertIn("extends past", errorOf(wire))
        self.assertIn("ends before a record", errorOf(header(1, 2) + QUESTION + record()))

    def test_trailingOctetsAreIgnored(self) -> None:
        """
        Octets after the last record mean nothing, as for other servers; they are counted, and no part of the message.
        """
        for flags in (QR, 0, Opcode.UPDATE << 11):
            for wire in (header(1, flags=flags) + QUESTION, header(1, 1, flags=flags) + QUESTION + record(), header(flags=flags)):
                for tail in (b"\x00", record(), OPT):
                    message = read(wire + tail)
                    self.assertEqual((message.behind, message.wire), (len(tail), wire))
                    self.assertEqual(message, read(wire))
                    self.assertIsNone(message.edns)
        self.assertEqual(read(header(1, 0, 0, 1) + QUESTION + OPT).behind, 0)

    def test_octetsAfterASignatureAreRefused(self) -> None:
        """
        A signed message ends with its signature.
        """
        signature = record(ROOT, TSIG, ANY_CLASS, 0, b"\x00" * 17)
        self.assertIsNotNone(read(header(1, 0, 0, 1) + QUESTION + signature).trailer)
        self.assertIn("1 octets after the signature", errorOf(header(1, 0, 0, 1) + QUESTION + signature + b"\x00"))

    def test_countsThatAreTooHigh(self) -> None:
        """
        A message that ends before a record that its header counts, or has two OPT records, is malformed.
        """
        for wire in (
            header(1, 0, 0, 1) + QUESTION,
            header(1, 1, 0, 1) + QUESTION + record(),
            header(1, 2) + QUESTION + record(),
            header(1, 0, 0, 2) + QUESTION + OPT + OPT,
        ):
            self.assertIsInstance(examine(wire), BadMessage)

    def test_sizeOfAMessageIsChecked(self) -> None:
        """
        Fewer octets than a header, or more than a stream can carry, are refused.
        """
        for length in range(12):
            self.assertIn("12 to 65535", errorOf(header()[:length]))
        self.assertRaises(BadMessage, Message.fromWire, header() + bytes(65536 - 12))
        self.assertEqual(read(header()).questions, ())

    def test_truncatedMessageIsRefused(self) -> None:
        """
        A message that is cut off anywhere is refused.
        """
        wire = header(1, 1, 1, 2) + QUESTION + record() + record(rrType=NS, rdata=WWW) + record() + OPT
        read(wire)
        for length in range(len(wire)):
            errorOf(wire[:length])

    def test_severalQuestionsAreRead(self) -> None:
        """
        Several questions are read, although servers refuse them.
        """
        self.assertEqual(len(read(header(2) + QUESTION + b"\xc0\x0c\x00\x1c\x00\x01").questions), 2)


class SpecialRecordTests(SynchronousTestCase):
    """
    Tests for OPT, TSIG and SIG(0).
    """

    def test_onlyOneOPTIsAllowed(self) -> None:
        """
        One OPT record is kept apart from the others, at any place among them. Two are refused (RFC 6891, section 6.1.1).
        """
        for additional in (OPT + record(), record() + OPT):
            message = read(header(1, 0, 0, 2) + QUESTION + additional)
            self.assertEqual((message.edns, len(message.additional)), (EDNS(), 1))
        self.assertIn("more than one OPT", errorOf(header(1, 0, 0, 2) + QUESTION + OPT + OPT))

    def test_misplacedSpecialRecordsAreRefused(self) -> None:
        """
        OPT in another section or below a name, and TSIG in another section, are refused.
        """
        tsig = record(rrType=250, rrClass=ANY_CLASS, ttl=0, rdata=b"\x00" + bytes(16))
        for special in (OPT, tsig):
            self.assertIn("answer section", errorOf(header(1, 1) + QUESTION + special))
            self.assertIn("authority section", errorOf(header(1, 0, 1) + QUESTION + special))
        self.assertIn("not the root", errorOf(header(1, 0, 0, 1) + QUESTION + WWW + OPT[1:]))

    def test_signatureMustBeLast(self) -> None:
        """
        TSIG and SIG(0) must be last and single, and are kept apart from the others.
        """
        tsig = record(rrType=250, rrClass=ANY_CLASS, ttl=0, rdata=b"\x00" + bytes(16))
        sig = record(ROOT, 24, ANY_CLASS, 0, bytes(18) + b"\x00" + bytes(64))
        for trailer, number in ((tsig, 250), (sig, 24)):
            message = read(header(1, 0, 0, 3) + QUESTION + record() + OPT + trailer)
            assert message.trailer is not None
            self.assertEqual((message.trailer.rrType, len(message.additional)), (number, 1))
            for additional in (trailer + OPT, trailer + record(), trailer + trailer):
                self.assertIn("not the last", errorOf(header(1, 0, 0, 2) + QUESTION + additional))
        self.assertIn("class", errorOf(header(0, 0, 0, 1) + record(rrType=250, ttl=0, rdata=b"\x00" + bytes(16))))

    def test_optionsAreLimited(self) -> None:
        """
        Sixteen thousand options are refused after the first hundred. Without the limit all of them would be read.
        """
        options = b"\x00\x03\x00\x00" * 16000
        wire = header(1, 0, 0, 1) + QUESTION + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00" + len(options).to_bytes(2, "big") + options
        self.assertIn("more than 100", errorOf(wire))
        with patch("twisted_ext.wire.message.EDNS_OPTIONS", Limit(1 << 30, 1, 1 << 30)):
            edns = Message.fromWire(wire).edns
        assert edns is not None
        self.assertEqual(len(edns.options), 16000)
        most = int(EDNS_OPTIONS.default)
        options = options[: 4 * most]
        wire = header(0, 0, 0, 1) + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00" + len(options).to_bytes(2, "big") + options
        edns = read(wire).edns
        assert edns is not None
        self.assertEqual(len(edns.options), most)

    def test_OPTExtendsTheRcode(self) -> None:
        """
        The upper bits of an rcode come from OPT.
        """
        message = read(header(0, 0, 0, 1, QR | 1) + EDNS(extendedRcode=0xFF).toWire())
        self.assertEqual(message.rcode, 0xFF1)
        self.assertEqual(read(header(flags=QR | 3)).rcode, 3)


class SetTests(SynchronousTestCase):
    """
    Tests for the grouping of records into sets.
    """

    def test_recordsAreGroupedIntoSets(self) -> None:
        """
        Records of one owner in any case, type and class are one set with the lowest TTL, without duplicates (RFC 2181, section 5).
        """
        upper = nameFromText("WWW.example.com")
        other = record(rdata=bytes(4))
        wire = header(0, 5) + record(ttl=9) + record(upper, ttl=5) + record(rrType=65280) + other + record(rrClass=3)
        first, second, third = read(wire).answer
        self.assertEqual(first, RRSet(WWW, A, 1, 5, (b"\xc0\x00\x02\x01", bytes(4))))
        self.assertEqual((second.rrType, third.rrClass), (65280, 3))

    def test_signaturesAreGroupedByCoveredType(self) -> None:
        """
        Signatures are a set for each type that they cover.
        """
        covered = (b"\x00\x01", b"\x00\x02", b"\x00\x01")
        several = [record(rrType=RRSIG, rdata=rrType + bytes(16) + b"\x00" + bytes(8)) for rrType in covered]
        self.assertEqual(len(read(header(0, 3) + b"".join(several)).answer), 2)

    def test_negativeTTLIsZero(self) -> None:
        """
        A TTL with its sign bit set is zero (RFC 2181, section 8).
        """
        for ttl, expected in ((0x7FFFFFFF, 0x7FFFFFFF), (0x80000000, 0), (0xFFFFFFFF, 0)):
            self.assertEqual(read(header(0, 1) + record(ttl=ttl)).answer[0].ttl, expected)

    def test_setsSplitIntoRecordsAndBack(self) -> None:
        """
        Sets can be split into records and grouped again.
        """
        sets = (RRSet(WWW, A, 1, 5, (b"\xc0\x00\x02\x01", bytes(4))), RRSet(WWW, NS, 1, 5, (ROOT,)))
        several = list(eachRecord(sets))
        self.assertEqual([len(rrset.rdatas) for rrset in several], [1, 1, 1])
        self.assertEqual(groupRecords(several), sets)

    def test_rdataOfWrongLengthIsRefused(self) -> None:
        """
        Rdata that is too short or too long for its type, or whose name exceeds it, is refused.
        """
        soa = ROOT + ROOT + bytes(20)
        for rrType, rdata in ((A, bytes(3)), (A, bytes(5)), (A, b""), (28, bytes(15)), (NS, b""), (NS, ROOT + b"\x00"), (NS, b"\x03ww")):
            errorOf(header(0, 1) + record(rrType=rrType, rdata=rdata))
        for rrType, rdata in ((SOA, soa[:-1]), (SOA, soa + b"\x00"), (15, b"\x00\x01"), (15, b"\x00"), (33, bytes(6))):
            errorOf(header(0, 2) + record(rrType=rrType, rdata=rdata) + record())
        read(header(0, 1) + record(rrType=SOA, rdata=soa))


class UpdateTests(SynchronousTestCase):
    """
    Tests for messages of UPDATE (RFC 2136).
    """

    def test_updateRecordsKeepOrderAndForm(self) -> None:
        """
        Prerequisites and deletions without rdata are kept in order, one by one, and built again unchanged.
        """
        zone = nameFromText("example.com") + b"\x00\x06\x00\x01"
        prerequisites = [record(rrType=255, rrClass=ANY_CLASS, ttl=0, rdata=b""), record(rrClass=NONE, ttl=0, rdata=b"")]
        updates = [
            record(rrClass=NONE, ttl=0),
            record(),
            record(rrClass=NONE, ttl=0),
            record(rrType=NS, rrClass=ANY_CLASS, ttl=0, rdata=b""),
            record(rrType=255, rrClass=ANY_CLASS, ttl=0, rdata=b""),
            record(),
        ]
        counts = (1, len(prerequisites), len(updates), 0)
        message = read(header(*counts, flags=Opcode.UPDATE << 11) + zone + b"".join(prerequisites + updates))
        self.assertEqual(len(message.answer), 2)
        self.assertEqual([rrset.rrClass for rrset in message.authority], [NONE, 1, NONE, ANY_CLASS, ANY_CLASS, 1])
        self.assertEqual(message.records()[1], list(message.authority))

    def test_emptyRdataIsRefusedInClassIN(self) -> None:
        """
        Records without required rdata are refused in class IN, in updates too.
        """
        zone = nameFromText("example.com") + b"\x00\x06\x00\x01"
        self.assertIn("takes 4", errorOf(header(1, 0, 1, 0, Opcode.UPDATE << 11) + zone + record(rdata=b"")))


class LazinessTests(SynchronousTestCase):
    """
    Tests for lazy reading.
    """

    def test_recordsAreReadOnAccess(self) -> None:
        """
        Records are read when a section is accessed, and each access finds the fault.
        """
        wire = header(1, 1) + QUESTION + b"\xc0"
        for look in ("answer", "authority", "additional", "edns", "trailer", "rcode"):
            message = Message.fromWire(wire)
            self.assertEqual(message.questions, (Question(WWW, A),))
            self.assertRaises(BadMessage, getattr, message, look)
            self.assertRaises(BadMessage, getattr, message, look)
        self.assertRaises(BadMessage, Message.fromWire(wire).records)

    def test_recordsKeepMessageOrder(self) -> None:
        """
        Transfers get the records one by one in the order of the message.
        """
        wire = header(0, 3) + record() + record(rrType=65280) + record(rdata=bytes(4))
        message = read(wire)
        self.assertEqual([rrset.rrType for rrset in message.records()[0]], [A, 65280, A])
        made = Message(answer=message.answer)
        self.assertEqual(made.records()[0], list(message.answer))

    @settings(max_examples=25)
    @given(messages)
    def test_messageEqualsItsParsedForm(self, message: Message) -> None:
        """
        A message equals its parsed form, whatever the order of its sets, and no other message.
        """
        again = Message.fromWire(buildMessage(message))
        self.assertEqual(again, message)
        self.assertEqual(hash(again), hash(message))
        again.id ^= 1
        self.assertNotEqual(again, message)
        self.assertTrue(repr(message))
