"""
Pain 9: hostile packets. Pointer chains (CVE-2026-42304), truncated messages taken as whole, labels with dots equal to two labels, replies
matched by ID alone, the retry over TCP with the question of the reply (Twisted #12696, #12680).
"""

from __future__ import annotations

from struct import pack

from twisted.names import dns

from tests.networks import NetworkTestCase, socketOf
from twisted_ext.answers import Answer, Origin
from twisted_ext.errors import PeerFault
from twisted_ext.outcomes import answerFromReply
from twisted_ext.resolver.forward import lookup
from twisted_ext.resolver.forward.lookup import ForwardedLookup
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.exchange import Channel
from twisted_ext.wire import reader
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import labelsOf, nameFromText
from twisted_ext.wire.records import RRSet

#: One label with a dot in it, and two labels.
DOTTED = Question(b"\x08www.test\x07example\x00", 1)
ADDRESS = b"\xc0\x00\x02\x42"


def chained(length: int) -> bytes:
    """
    Return a message in which each record's name is a pointer to the pointer before, without its ID.
    """
    question = questionOf("www.test.example").toWire()
    octets = b"\x81\x80\x00\x01" + pack(">HHH", length, 0, 0) + question
    target = 12
    for _ in range(length):
        here = len(octets) + 2
        octets += pack(">HHHIH", 0xC000 | target, 16, 1, 60, 2) + pack(">H", 0xC000 | here)
        target = here
    return octets


class HostilePacketTests(NetworkTestCase):
    """
    A server, or an attacker in its place, that sends anything.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.source = self.forward(self.server)

    def inject(self, body: bytes) -> None:
        """
        Send a message with the right ID to the right port.
        """
        (port,) = self.here.ports()
        key = next(iter(socketOf(port).keys))
        self.network.inject(key + body, ("192.0.2.53", 53), ("192.0.2.7", port.port))

    def meet(self, body: bytes) -> list[str]:
        """
        Return the result of a look-up that gets this message before the genuine reply.
        """
        asked = self.ask(self.source)
        self.inject(body)
        self.network.advance(6)
        return self.told(asked)

    def test_pain09_pointerChainsAreLimited(self) -> None:
        """
        A message full of pointer chains costs limited work and is no answer. It does not affect later look-ups. Without the limits it is
        read.
        """
        self.canned.truncating = True
        for defended in (True, False):
            if not defended:
                self.patch(reader, "_MOST_JUMPS", 1 << 30)
                self.patch(reader, "_MOST_HOPS", 1 << 30)
            self.canned.tamper = lambda reply, transport: [reply[:2] + chained(1000) if transport == "tcp" else reply]
            asked = self.ask(self.source)
            self.network.advance(6)
            if defended:
                self.assertIsInstance(self.failed(asked), PeerFault)
            else:
                self.successResultOf(asked)
            self.canned.tamper = None
            self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_pain09_truncatedMessagesAreRejected(self) -> None:
        """
        A message that is cut off anywhere is rejected.
        """
        question = questionOf("www.test.example")
        records = (RRSet(question.name, 1, 1, 60, (ADDRESS, b"\xc0\x00\x02\x43")),)
        whole = buildMessage(Message(0, 0x8180, (question,), records))
        for end in range(2, len(whole)):
            self.assertEqual(self.meet(whole[2:end]), ["192.0.2.80"])
        # Twisted's own parser accepts a truncated message as a shorter one.
        stock = dns.Message()
        stock.fromStr(whole[:-8])
        self.assertEqual(len(stock.answers), 1)

        def asFarAsItGoes(question: Question, octets: bytes, origin: Origin) -> Answer:
            return answerFromReply(question, octets[:7] + b"\x01" + octets[8:] if len(octets) < len(whole) else octets, origin)

        self.patch(lookup, "answerFromReply", asFarAsItGoes)
        self.assertEqual(self.meet(whole[2:-16]), ["192.0.2.66"])

    def test_pain09_dottedLabelIsOneLabel(self) -> None:
        """
        A label with a dot is not two labels: a reply about it answers no question, and its records are not under that name.
        """
        self.assertNotEqual(DOTTED, questionOf("www.test.example"))
        body = buildMessage(Message(0, 0x8180, (DOTTED,), (RRSet(DOTTED.name, 1, 1, 60, (ADDRESS,)),)))[2:]
        self.assertEqual(self.meet(body), ["192.0.2.80"])
        question = questionOf("www.test.example")
        alias = RRSet(question.name, 5, 1, 60, (nameFromText("other.test.example"),))
        body = buildMessage(Message(0, 0x8180, (question,), (alias, RRSet(b"\x0aother.test\x07example\x00", 1, 1, 60, (ADDRESS,)))))[2:]
        asked = self.ask(self.source)
        self.inject(body)
        self.assertEqual(self.successResultOf(asked).outcome.value, "nodata")
        # Twisted's names confuse the two.
        self.assertEqual(dns.Name(b".".join(labelsOf(DOTTED.name))), dns.Name(b"www.test.example"))
        self.patch(lookup, "isReplyTo", lambda octets, wire, sameCase: b".".join(labelsOf(DOTTED.name)) == b".".join(labelsOf(wire[:-4])))
        body = buildMessage(Message(0, 0x8180, (DOTTED,), (RRSet(DOTTED.name, 1, 1, 60, (ADDRESS,)),)))[2:]
        self.assertNotEqual(self.meet(body), ["192.0.2.80"])

    def test_pain09_IDAloneIsNotEnough(self) -> None:
        """
        The right ID is not enough: flags, opcode and question must match too.
        """
        question = questionOf("www.test.example")
        for flags, asked in ((0x0180, question), (0xA980, question), (0x8180, questionOf("mail.test.example"))):
            body = buildMessage(Message(0, flags, (asked,), (RRSet(asked.name, 1, 1, 60, (ADDRESS,)),)))[2:]
            self.assertEqual(self.meet(body), ["192.0.2.80"])

    def test_pain09_TCPRetryHasOurQuestion(self) -> None:
        """
        The query over TCP after a truncated reply has our question.
        """
        self.meet(buildMessage(Message(0, 0x8380, (questionOf("evil.test.example"),)))[2:])
        self.canned.truncating = True
        self.find(self.source)
        self.assertEqual({asked.question for asked in self.canned.asked}, {questionOf("www.test.example")})
        asOurs = ForwardedLookup.replied

        def asTheirs(flight: ForwardedLookup, octets: bytes, now: float, channel: Channel, key: bytes) -> bool:
            if octets[2] & 2 and not channel.exchange.reliable:
                flight.wire = octets[12:]
                flight._truncated(now, channel, key)
                return True
            return asOurs(flight, octets, now, channel, key)

        # With the question of the reply, the server would be asked that.
        self.patch(ForwardedLookup, "replied", asTheirs)
        self.canned.silentTo = "udp"
        asked = self.ask(self.source)
        self.inject(buildMessage(Message(0, 0x8380, (questionOf("evil.test.example"),)))[2:])
        self.network.advance(6)
        asked.addErrback(lambda _: None)
        self.assertIn(questionOf("evil.test.example"), {asked.question for asked in self.canned.asked})

    def test_pain09_IDAloneWouldAcceptForgery(self) -> None:
        """
        If the ID alone were compared, the caller would get the forged address.
        """
        self.patch(lookup, "isReplyTo", lambda octets, wire, sameCase: True)
        question = questionOf("mail.test.example")
        body = buildMessage(Message(0, 0x8180, (question,), (RRSet(question.name, 1, 1, 60, (ADDRESS,)),)))[2:]
        self.assertNotEqual(self.meet(body), ["192.0.2.80"])
