"""
Messages, names, questions and signatures of BIND 10's unit tests.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import examine
from tests.conformance.vectors import vector
from tests.corpora import corpus
from twisted_ext.errors import BadMessage
from twisted_ext.wire.builder import Writer, buildMessage
from twisted_ext.wire.codes import ANY_CLASS, IN, NONE, Rcode
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, NS, SOA, TXT, A
from twisted_ext.wire.tsig import BADSIG, Key, StreamVerifying, Verdict, sign, signatureSize, splitSigned, verify

#: The key of all these signatures.
KEY = Key.fromText("hmac-md5:www.example.com:SFuWd/q99SzF8Yzd1QbB9g==")
KEYS = {KEY.name: KEY}

EXAMPLE = nameFromText("example.com")
WWW = nameFromText("www.example.com")
TEST = nameFromText("test.example.com")


def octetsOf(name: str) -> bytes:
    """
    Return the octets of a vector.
    """
    return vector(corpus("bind10/src/lib/dns/tests/testdata") / name)


class ReadingTests(SynchronousTestCase):
    """
    Tests with messages to read.
    """

    def message(self, name: str) -> Message:
        """
        Return a message that must be valid.
        """
        found = examine(octetsOf(name))
        assert isinstance(found, Message), f"{name}: {found}"
        return found

    def test_recordsFormSetsWithLowestTTL(self) -> None:
        """
        Records of one owner and type are one set with their lowest TTL.
        """
        message = self.message("message_fromWire1")
        self.assertEqual((message.id, message.flags), (0x1035, 0x8500))
        self.assertEqual(message.questions, (Question(TEST, A),))
        self.assertEqual(message.answer, (RRSet(TEST, A, IN, 3600, (b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02")),))

    def test_EDNSFieldsAreRead(self) -> None:
        """
        Sizes, versions, flags and extended rcodes are read as they were sent.
        """
        sizes = {"2": (4096, True, 0), "3": (4096, False, 0), "7": (4096, True, 0), "8": (500, True, 0), "9": (4096, True, 1)}
        for number, expected in sizes.items():
            with self.subTest(number):
                edns = self.message(f"message_fromWire{number}").edns
                assert edns is not None
                self.assertEqual((edns.payloadSize, edns.dnssecOk, edns.version), expected)
        self.assertEqual(self.message("message_fromWire10.spec").rcode, Rcode.BADVERS)
        self.assertEqual(self.message("message_fromWire11.spec").rcode, 0xFFF)

    def test_misplacedSpecialRecordsAreRefused(self) -> None:
        """
        An OPT record in the wrong section, twice or below a name is refused, and so is a TSIG record in the wrong section, twice, before
        the end or of another class.
        """
        for name in ("4", "5", "6", "13.spec", "14.spec", "15.spec", "16.spec"):
            with self.subTest(name):
                self.assertIsInstance(examine(octetsOf(f"message_fromWire{name}")), BadMessage)

    def test_signatureIsKeptApart(self) -> None:
        """
        A signature is kept apart from the other records, whether its owner was compressed or not.
        """
        for name in ("message_fromWire12.spec", "message_fromWire17.spec", "message_fromWire18.spec", "message_toText3.spec"):
            with self.subTest(name):
                message = self.message(name)
                assert message.trailer is not None
                self.assertEqual(message.trailer.name, WWW)
                self.assertNotIn(message.trailer, message.additional)

    def test_scatteredRecordsFormOneSet(self) -> None:
        """
        Records of one set belong together even with others between them.
        """
        for number, section in (("19", "answer"), ("20", "authority"), ("21", "additional")):
            with self.subTest(section):
                message = self.message(f"message_fromWire{number}.spec")
                sets: tuple[RRSet, ...] = getattr(message, section)
                self.assertEqual([(rrset.rrType, len(rrset.rdatas)) for rrset in sets], [(A, 2), (AAAA, 1)])

    def test_truncatedMessageIsRefused(self) -> None:
        """
        A message that ends early is refused wherever it ends.
        """
        octets = octetsOf("message_fromWire22.spec")
        found = examine(octets)
        assert isinstance(found, Message)
        self.assertEqual(found.answer[0].rrType, SOA)
        for length in range(len(octets)):
            self.assertIsInstance(examine(octets[:length]), BadMessage)

    def test_messagesForWritingAreReadToo(self) -> None:
        """
        The messages of the writing tests are read as well.
        """
        for name in ("message_toText1.spec", "message_toText2.spec", "message_toWire1", "message_toWire6", "message_toWire7"):
            with self.subTest(name):
                self.message(name)
        self.assertEqual(self.message("message_toText2.spec").rcode, Rcode.REFUSED)


class NameTests(SynchronousTestCase):
    """
    Tests with names.
    """

    def test_longNamesAreRead(self) -> None:
        """
        Long names, names of many labels and names through many pointers are read.
        """
        for name, offset, expected, behind in (
            ("1", 25, "vix.com", 2),
            ("8", 383, "vix.com", 2),
            ("9", 0, "\\001\\002\\003\\004\\005\\006\\007\\008\\009." * 25 + "\\001\\002\\003", 255),
            ("11", 0, "\\000." * 127, 255),
        ):
            with self.subTest(name):
                octets = octetsOf(f"name_fromWire{name}")
                read, end = Reader(octets).name(offset)
                self.assertEqual(read.lower(), nameFromText(expected))
                self.assertEqual(end - offset, behind)

    def test_invalidNamesAreRefused(self) -> None:
        """
        Labels of unknown types, forward pointers, too long names and truncated names are refused.
        """
        for name, offset in (("2", 25), ("3_1", 25), ("3_2", 25), ("4", 550), ("6", 25), ("7", 25), ("10", 0), ("12", 0)):
            with self.subTest(name):
                octets = octetsOf(f"name_fromWire{name}")
                self.assertRaises(BadMessage, Reader(octets).name, offset)

    def test_labelsHoldAnyOctet(self) -> None:
        """
        Labels may hold any octet.
        """
        for name in ("13", "14"):
            octets = octetsOf(f"name_fromWire{name}")
            self.assertEqual(Reader(octets).name(0), (octets, len(octets)))

    def test_namesAreCompressed(self) -> None:
        """
        Names are compressed with pointers to earlier names within reach and in the same case only.
        """
        for vectorName, names in (
            ("name_toWire1", ("a.example.com", "b.example.com", "a.example.org")),
            ("name_toWire5.spec", ("a.example.com", "b.eXample.com", "c.eXample.com")),
            ("name_toWire7", ("a.example.com", "example.com")),
            ("rdatafields2.spec", ("www.example.com", "example.com")),
        ):
            with self.subTest(vectorName):
                writer = Writer(b"")
                for name in names:
                    writer.name(nameFromText(name))
                self.assertEqual(bytes(writer.octets), octetsOf(vectorName))

    def test_pointersStayWithinReach(self) -> None:
        """
        No pointer exceeds fourteen bits.
        """
        octets = octetsOf("name_toWire2")
        writer = Writer(bytes(0x3FFF))
        for name in ("a.example.com", "a.example.com", "b.example.com"):
            writer.name(nameFromText(name))
        self.assertEqual(bytes(writer.octets[0x3FFF:]), octets)


class QuestionTests(SynchronousTestCase):
    """
    Tests with questions and record sets.
    """

    def test_questionsAreReadAndWritten(self) -> None:
        """
        Questions are read one after the other, and written with pointers again.
        """
        octets = octetsOf("question_toWire1")
        # The header moves everything by twelve octets, so that pointers are wrong: read the vector without them.
        message = Message.fromWire(b"\x00\x00\x00\x00\x00\x02" + bytes(6) + octets)
        foo, bar = Question(nameFromText("foo.example.com"), NS), Question(nameFromText("bar.example.com"), A, 3)
        self.assertEqual(message.questions, (foo, bar))
        self.assertEqual(foo.toWire() + bar.toWire(), octets)
        built = buildMessage(message)
        self.assertEqual(len(built), 12 + len(octetsOf("question_toWire2")))
        self.assertEqual(Message.fromWire(built).questions, (foo, bar))

    def test_invalidQuestionsAreRefused(self) -> None:
        """
        A question with an invalid name, or without room for its class, is refused.
        """
        octets = octetsOf("question_fromWire")
        self.assertEqual(Reader(octets).name(21), (nameFromText("bar.example.com"), 27))
        for offset in (31, 36):
            wire = b"\x00\x00\x00\x00\x00\x01" + bytes(6) + octets[offset:]
            self.assertRaises(BadMessage, Message.fromWire, wire)

    def test_setsAreWrittenRecordByRecord(self) -> None:
        """
        Sets are written record by record, with their owners and name servers compressed. Sets without rdata are written too.
        """
        addresses = RRSet(TEST, A, IN, 3600, (b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02"))
        servers = RRSet(EXAMPLE, NS, IN, 86400, (nameFromText("ns.example.com"),))
        writer = Writer(b"")
        for rrset in (addresses, servers):
            self.assertTrue(writer.records(rrset, 65535))
        self.assertEqual(bytes(writer.octets), octetsOf("rrset_toWire2"))
        for rrClass, name in ((ANY_CLASS, "rrset_toWire3"), (NONE, "rrset_toWire4")):
            writer = Writer(b"")
            self.assertTrue(writer.records(RRSet(TEST, A, rrClass, 3600, (b"",)), 65535))
            self.assertEqual(bytes(writer.octets), octetsOf(name))

    def test_OPTIsWritten(self) -> None:
        """
        OPT records are written as in the vectors.
        """
        for number, edns in ((1, EDNS(4096)), (2, EDNS(4096, 0x8000)), (3, EDNS(4096, 0x8000, extendedRcode=1)), (4, EDNS(511, 0x8000))):
            with self.subTest(number):
                self.assertEqual(edns.toWire(), octetsOf(f"edns_toWire{number}.spec"))

    def test_optionsBeyondRecordAreRefused(self) -> None:
        """
        Options that exceed their record are refused.
        """
        octets = octetsOf("rdata_opt_fromWire1")
        self.assertEqual(EDNS.fromRecord(4096, 0, octets[4:11]).options, ((42, b"\x00\x01\x02"),))
        for number in ("2", "3", "4"):
            octets = octetsOf(f"rdata_opt_fromWire{number}")
            length = int.from_bytes(octets[:2], "big")
            if number != "4":
                wire = bytes(10) + b"\x00\x01" + b"\x00\x00\x29\x10\x00\x00\x00\x00\x00" + octets
                self.assertIsInstance(examine(wire), BadMessage)
            self.assertRaises(BadMessage, EDNS.fromRecord, 4096, 0, octets[2:].ljust(length, b"\x00")[: max(length, 1)])


class SigningTests(SynchronousTestCase):
    """
    Tests with signatures.
    """

    def verdict(self, number: int, requestMac: bytes = b"", now: int = 0x4DA8877A) -> Verdict:
        """
        Return the verdict on the signature of a vector.
        """
        return verify(octetsOf(f"tsig_verify{number}.spec"), KEYS, now, requestMac=requestMac)

    def test_validSignaturesAreVerified(self) -> None:
        """
        Queries, their answers, forwarded ones and ones with names in capital letters are verified.
        """
        requestMac = bytes.fromhex("227026ad297beee721ce6c6fff1e9ef3")
        self.assertTrue(self.verdict(6).good)
        self.assertTrue(self.verdict(9).good)
        self.assertTrue(self.verdict(5, requestMac).good)

    def test_signatureErrorsAreDistinguished(self) -> None:
        """
        A wrong MAC, a time outside of the fudge and an unknown key are distinguished.
        """
        self.assertEqual(self.verdict(4, bytes.fromhex("227026ad297beee721ce6c6fff1e9ef3")).error, BADSIG)
        self.assertEqual(self.verdict(5).error, BADSIG)
        self.assertEqual(self.verdict(6, now=0x4DA8877A + 301).error, Rcode.BADTIME)
        self.assertEqual(self.verdict(8).error, Rcode.BADKEY)
        self.assertEqual(verify(octetsOf("tsig_verify6.spec"), {}, 0x4DA8877A).error, Rcode.BADKEY)

    def test_shortMACIsMalformed(self) -> None:
        """
        A MAC that is empty or of one octet is a malformed message (RFC 8945, section 5.2.2.1). BIND 10 is older and reports BADSIG.
        """
        for number in (7, 10):
            octets = octetsOf(f"tsig_verify{number}.spec")
            self.assertRaises(BadMessage, verify, octets, KEYS, 0x4DA8877A)

    def test_transferIsVerifiedMessageByMessage(self) -> None:
        """
        A transfer is verified message by message.
        """
        now = 0x4DA8E951
        request = self.verdict(1, now=now)
        self.assertTrue(request.good)
        stream = StreamVerifying(KEYS, request.mac)
        for number in (2, 3):
            self.assertTrue(stream.feed(octetsOf(f"tsig_verify{number}.spec"), now).good)
        self.assertTrue(stream.complete)

    def test_signaturesEqualThoseOfBIND10(self) -> None:
        """
        Our signatures are those of BIND 10, to the octet.
        """
        query = Message(0x2D65, 0x0100, (Question(WWW, A),))
        self.assertEqual(sign(buildMessage(query), KEY, 0x4DA8877A)[0], octetsOf("message_toWire2.spec"))
        withEdns = Message(0x06CD, 0x0100, (Question(WWW, A),), edns=EDNS(4096))
        self.assertEqual(sign(buildMessage(withEdns), KEY, 0x4DB60D1F)[0], octetsOf("message_toWire3.spec"))

    def test_signedReplyKeepsItsRoom(self) -> None:
        """
        A reply with exactly the necessary room is not truncated. One with less is, and its signature still fits.
        """
        request = verify(octetsOf("message_fromWire18.spec"), KEYS, 0x4E17B38D)
        self.assertTrue(request.good)
        text = b"0123456789abcdef" * 16
        answer = RRSet(WWW, TXT, IN, 86400, (b"\xff" + text[:255], b"\x71" + text[:113]))
        reply = Message(0xD6E2, 0x8500, (Question(WWW, TXT),), (answer,))
        built = buildMessage(reply, 512, signatureSize(KEY))
        signed, _ = sign(built, KEY, 0x4E17B38D, requestMac=request.mac)
        self.assertEqual(signed, octetsOf("message_toWire5.spec"))
        self.assertEqual(len(signed), 512)

        request = verify(octetsOf("message_fromWire17.spec"), KEYS, 0x4E179212)
        reply = Message(0x22C2, 0x8500, (Question(WWW, TXT),), (answer,))
        built = buildMessage(reply, 511, signatureSize(KEY))
        self.assertEqual(sign(built, KEY, 0x4E179212, requestMac=request.mac)[0], octetsOf("message_toWire4.spec"))

    def test_ownerOfSignatureIsNotCompressed(self) -> None:
        """
        The owner of a signature is not compressed.
        """
        octets = octetsOf("tsigrecord_toWire1.spec")
        self.assertTrue(octetsOf("tsigrecord_toWire2.spec").endswith(octets))
        empty = bytes(12)
        signed, _ = sign(empty, KEY, 0x4DA8877A)
        _, record = splitSigned(signed)
        assert record is not None
        record.mac, record.originalId = b"\xda" * 16, 0x2D65
        self.assertEqual(record.toWire(), octets)
