"""
Tests of L{twisted_ext.compat.conversion.messages}.
"""

from __future__ import annotations

from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import data, denied, question, rrset
from tests.typed import newA, newMX
from twisted_ext.compat.conversion.messages import Message, messageFromAnswer
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, AD, CD, QR, RA, RD, TC
from twisted_ext.wire.message import EDNS
from twisted_ext.wire.message import Message as WireMessage

_WIRE = buildMessage(
    WireMessage(
        7,
        QR | AA | RD | RA | AD | CD | 3,
        (question("www.example.", "MX"),),
        (rrset("www.example.", "MX", "1 a.example.", "2 b.example."),),
        (rrset("example.", "NS", "ns.example."),),
        (rrset("a.example.", "A", "192.0.2.1"), rrset("_25._tcp.a.example.", "TLSA", "3 1 0 abcd")),
        edns=EDNS(1232, extendedRcode=1),
    )
)


class ReadingTests(SynchronousTestCase):
    """
    Tests of reading messages.
    """

    def read(self, wire: bytes) -> Message:
        """
        Return the message that the octets contain.
        """
        message = Message()
        message.fromStr(wire)
        return message

    def test_allSectionsAreRead(self) -> None:
        """
        Header, questions and all records are read into Twisted's attributes, new types into their own classes.
        """
        message = self.read(_WIRE)
        flags = (message.answer, message.opCode, message.auth, message.trunc, message.recDes, message.recAv)
        self.assertEqual(flags, (1, 0, True, 0, 1, 1))
        self.assertEqual((message.authenticData, message.checkingDisabled, message.rCode, message.id), (1, 1, 19, 7))
        self.assertEqual([str(query) for query in message.queries], ["<Query www.example MX IN>"])
        self.assertEqual(
            [str(header.payload) for header in message.answers][1], "<MX preference=2 name=b.example ttl=300>"
        )
        self.assertEqual([header.type for header in message.authority + message.additional], [dns.NS, dns.A, 52])
        self.assertIn("usage=3", str(message.additional[1].payload))
        self.assertTrue(message.answers[0].auth)
        assert message.edns is not None
        self.assertEqual(message.edns.payloadSize, 1232)

    def test_readsAsTwistedDoes(self) -> None:
        """
        A message that both can read is read as Twisted reads it.
        """
        plain = buildMessage(
            WireMessage(7, QR | RD, (question("a.", "MX"),), (rrset("a.", "MX", "1 b."), rrset("c.", "TXT", "x")))
        )
        theirs = dns.Message()
        theirs.fromStr(plain)
        ours = self.read(plain)
        self.assertEqual(ours, theirs)
        self.assertEqual(repr(ours), repr(theirs).replace("<Message", "<Message"))

    def test_cutMessageIsRefused(self) -> None:
        """
        A message that is cut anywhere is refused. Twisted's own class returns what precedes the cut.
        """
        for length in range(len(_WIRE)):
            with self.assertRaises(dns.DNSDecodeError) as raised:
                self.read(_WIRE[:length])
            # Twisted raises this one, and programs catch it.
            self.assertIsInstance(raised.exception, EOFError)
        theirs = dns.Message()
        theirs.fromStr(_WIRE[:-20])
        self.assertTrue(theirs.answers)

    def test_labelWithDotStaysOneLabel(self) -> None:
        """
        A label that contains a dot stays one label.
        """
        wire = buildMessage(WireMessage(1, QR, (question("a\\.b."),), (rrset("a\\.b.", "CNAME", "c\\.d."),)))
        message = self.read(wire)
        self.assertEqual(message.queries[0].name.name, b"a\\.b")
        self.assertEqual(message.answers[0].name.name, b"a\\.b")
        self.assertEqual(message.toStr(), wire.replace(b"\xc0\x0c", b"\x03a.b\x00"))


class WritingTests(SynchronousTestCase):
    """
    Tests of writing messages.
    """

    def test_writesAsTwistedDoes(self) -> None:
        """
        A message within the size limit is written as Twisted writes it, octet for octet.
        """
        for kind in (dns.Message, Message):
            message = kind(id=5, answer=1, recDes=1, auth=True, rCode=3, maxSize=512)
            message.addQuery(b"a.example", dns.MX)
            mx = newMX(1, b"b.example")
            message.answers = [dns.RRHeader(b"a.example", dns.MX, ttl=5, payload=mx)]
            message.additional = [dns.RRHeader(b"b.example", dns.A, payload=newA("192.0.2.1"))]
            if kind is dns.Message:
                theirs = message.toStr()
        self.assertEqual(message.toStr(), theirs)

    def messageOfMany(self, section: str, count: int, each: int = 1) -> Message:
        """
        Return a message with many records in one section, C{each} of them in a set.
        """
        message = Message(id=5, answer=1, maxSize=512)
        message.addQuery(b"a.example", dns.A)
        records = [
            dns.RRHeader(f"h{number // each}.example", dns.A, payload=newA("192.0.2.1"))
            for number in range(count)
        ]
        setattr(message, section, records)
        return message

    def test_truncationDropsWholeSets(self) -> None:
        """
        RRsets that do not fit are left out whole, TC is set, and the result can be read.
        """
        message = self.messageOfMany("answers", 60, 7)
        wire = message.toStr()
        self.assertLessEqual(len(wire), 512)
        again = Message()
        again.fromStr(wire)
        self.assertEqual((again.trunc, len(again.answers) % 7), (1, 0))
        self.assertGreater(len(again.answers), 7)

    def test_additionalRecordsDoNotSetTC(self) -> None:
        """
        Additional records are left out without TC (RFC 2181, section 9).
        """
        wire = self.messageOfMany("additional", 60).toStr()
        again = Message()
        again.fromStr(wire)
        self.assertEqual(again.trunc, 0)
        self.assertGreater(len(again.additional), 5)

    def test_zeroSizeIsUnlimited(self) -> None:
        """
        A message without a maximum size is written whole.
        """
        message = self.messageOfMany("answers", 60)
        message.maxSize = 0
        again = Message()
        again.fromStr(message.toStr())
        self.assertEqual(len(again.answers), 60)


class AnswerTests(SynchronousTestCase):
    """
    Tests of L{messageFromAnswer}.
    """

    def test_answerBecomesReply(self) -> None:
        """
        An answer becomes the reply with the same contents.
        """
        message = messageFromAnswer(
            question("a.example.", "MX"), data(rrset("a.example.", "MX", "1 b."), flags=AA | RA | TC)
        )
        self.assertEqual(
            (message.answer, message.auth, message.recAv, message.trunc, message.rCode), (1, True, 1, 1, 0)
        )
        self.assertEqual((len(message.queries), len(message.answers)), (1, 1))
        message = messageFromAnswer(question("a.example."), denied())
        self.assertEqual((message.rCode, len(message.authority)), (3, 1))
