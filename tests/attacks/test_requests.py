"""
Attacks 24, 25 and 29 on a server: requests with wrong counts, with several OPT records or endless options; names with special characters;
unsupported classes, types and opcodes.
"""

from __future__ import annotations

from struct import pack
from typing import Final

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import SECRET, Server
from tests.queries import optOf, queryOf
from twisted_ext.limits import EDNS_OPTIONS, Limit
from twisted_ext.server.reply.chaos import ChaosIdentity
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import ClassGate, FormGate, OpcodeGate, TypeGate
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.requests import Request
from twisted_ext.testing.sources import answerOf
from twisted_ext.wire import message
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import EDNS, Message, Question

QUESTION: Final = queryOf()[12:]
OPT: Final = optOf()
NSID: Final = 3

#: Counts of the four sections and the content: requests whose header does not match their content.
LIARS: Final = {
    "65,535 questions in twelve octets": ((65535, 0, 0, 0), b""),
    "65,535 of everything": ((65535, 65535, 65535, 65535), QUESTION),
    "two questions": ((2, 0, 0, 0), QUESTION * 2),
    "an answer": ((1, 1, 0, 0), QUESTION),
    "65,535 authorities": ((1, 0, 65535, 0), QUESTION),
    "65,535 additionals": ((1, 0, 0, 65535), QUESTION + OPT),
    "two OPT records": ((1, 0, 0, 2), QUESTION + OPT + OPT),
    "sixteen thousand options": ((1, 0, 0, 1), QUESTION + optOf(options=[(3, b"")] * 16_000)),
    "an option longer than its record": ((1, 0, 0, 1), QUESTION + OPT[:-1] + b"\x05\x00\x03\xff\xff\x00"),
}


class RequestsTestCase(SynchronousTestCase):
    """
    A server with all its gates.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.server = Server(self.clock, cookies=Cookies(SECRET))

    def rcodeOf(self, query: bytes, stream: bool = False) -> int | None:
        """
        Return the rcode of the reply, which is well formed and within its size limit, or L{None} without one.
        """
        reply = self.server.stream(query) if stream else self.server.ask(query)
        if reply is None:
            return None
        self.assertLessEqual(len(reply), 65535 if stream else 1232)
        self.assertEqual(reply[:2], query[:2])
        return Message.fromWire(reply).check().rcode


class LyingTests(RequestsTestCase):
    """
    Tests of attack 24.
    """

    def test_wrongCountsGetFORMERR(self) -> None:
        """
        Each request gets FORMERR over UDP and TCP, however often it comes, and no upstream is asked.
        """
        for text, (counts, rest) in LIARS.items():
            wire = b"\x12\x34\x01\x00" + pack(">HHHH", *counts) + rest
            for stream in (False, True):
                if stream or len(wire) < 4096:
                    for _ in range(3):
                        self.assertEqual(self.rcodeOf(wire, stream), Rcode.FORMERR, text)
        self.assertEqual(self.server.inner.asked, 0)

    def test_withoutFormGateLiesAreAnswered(self) -> None:
        """
        Without the form gate, a request with two OPT records is answered.
        """
        self.patch(FormGate, "__call__", lambda gate, request, now: None)
        counts, rest = LIARS["two OPT records"]
        self.assertEqual(self.rcodeOf(b"\x12\x34\x01\x00" + pack(">HHHH", *counts) + rest), 0)

    def test_requestBehindTheEndIsIgnored(self) -> None:
        """
        What is behind the end of a request is ignored, be it another request: it is neither answered nor kept.
        """
        for tail in (QUESTION, queryOf("victim.test"), OPT, b"\x00"):
            for stream in (False, True):
                self.assertEqual(self.rcodeOf(b"\x12\x34\x01\x00" + pack(">HHHH", 1, 0, 0, 0) + QUESTION + tail, stream), 0)
        self.assertEqual(self.server.inner.asked, 1)

    def test_optionsOfRequestAreLimited(self) -> None:
        """
        The limit on options refuses sixteen thousand of them.
        """
        counts, rest = LIARS["sixteen thousand options"]
        wire = b"\x12\x34\x01\x00" + pack(">HHHH", *counts) + rest
        self.assertEqual(self.rcodeOf(wire, True), Rcode.FORMERR)
        self.patch(message, "EDNS_OPTIONS", Limit(default=1 << 20, least=1, most=1 << 20))
        self.assertEqual(self.rcodeOf(wire, True), 0)
        self.assertEqual(EDNS_OPTIONS.default, 100)

    def identities(self) -> int:
        """
        Return how often a server sends its NSID to a client that asks for it ninety times in one request.
        """
        self.server.responder.replyBuilder = ReplyBuilder(identity=ChaosIdentity(nsid="here"))
        reply = self.server.ask(queryOf(opt=optOf(options=[(NSID, b"")] * 90))) or b""
        edns = Message.fromWire(reply).check().edns
        assert edns is not None
        return len([code for code, _ in edns.options if code == NSID])

    def test_repeatedOptionIsAnsweredOnce(self) -> None:
        """
        A repeated option is answered once. If each were answered, the reply would be many times as long as the request.
        """
        self.assertEqual(self.identities(), 1)

        def each(replyBuilder: ReplyBuilder, request: Request, extendedRcode: int, ede: object) -> bytes:
            assert request.edns is not None
            return EDNS(1232, 0, tuple([(NSID, b"here") for code, _ in request.edns.options if code == NSID])).toWire()

        self.patch(ReplyBuilder, "_opt", each)
        self.assertEqual(self.identities(), 90)


class CharactersTests(RequestsTestCase):
    """
    Tests of attack 25.
    """

    #: Names that look like the victim as text.
    OTHERS: Final = (
        b"\x0bvictim.test\x00",
        b"\x07victim\x00\x04test\x00",
        b"\x06victim\x05test\x00\x00",
        b"\x0dvictim\\.test \x00",
        b"\x06victim\x04tes\xf4\x00",
    )

    def test_specialCharactersNeverMatchVictim(self) -> None:
        """
        A name with a dot or a zero octet in a label is another name: the cache and the packet cache never mix its answers with the
        victim's.
        """
        inner = self.server.inner
        inner.set("victim.test", "A", "192.0.2.1")
        inner._otherwise = lambda question: answerOf(question, "192.0.2.66")
        for _ in range(5):
            for name in (b"\x06victim\x04test\x00", *self.OTHERS, b"\x06VICTIM\x04test\x00"):
                reply = self.server.ask(queryOf(name))
                assert reply is not None
                message = Message.fromWire(reply).check()
                theirs = b"\xc0\x00\x02\x01" if name.lower() == b"\x06victim\x04test\x00" else b"\xc0\x00\x02\x42"
                self.assertEqual((message.questions[0].name, message.answer[0].rdatas), (name, (theirs,)))
        self.assertEqual(inner.asked, 1 + len(self.OTHERS))

    def test_textComparisonWouldMatchVictim(self) -> None:
        """
        If names were compared as text with dots, the first of them would be the victim.
        """
        key = Question.__init__

        def asText(question: Question, name: bytes, rrType: int, rrClass: int = 1, folded: bytes = b"") -> None:
            labels: list[bytes] = []
            position = 0
            while length := name[position]:
                labels.append(name[position + 1 : position + 1 + length])
                position += length + 1
            flat = b"".join([bytes([len(label)]) + label for label in b".".join(labels).split(b".")]) + b"\x00"
            key(question, name, rrType, rrClass)
            question.key = flat.lower() + question.key[-4:]

        self.patch(Question, "__init__", asText)
        self.server.inner.set("victim.test", "A", "192.0.2.1")
        self.server.ask(queryOf("victim.test"))
        reply = self.server.ask(queryOf(self.OTHERS[0]))
        assert reply is not None
        self.assertIn(b"\xc0\x00\x02\x01", reply)


class MeaninglessTests(RequestsTestCase):
    """
    Tests of attack 29.
    """

    def test_unsupportedRequestsAreRefused(self) -> None:
        """
        Every class with every opcode and every special type is refused in good form, without an exception and without an upstream query.
        """
        for opcode in range(16):
            for rrClass in (0, 3, 4, 254, 255, 65535):
                for rrType in (0, 1, 24, 41, 128, 249, 250, 251, 252, 253, 254, 255, 65535):
                    for opt in (b"", OPT, optOf(version=1)):
                        query = queryOf(rrType=rrType, rrClass=rrClass, flags=opcode << 11 | 0x0100, opt=opt)
                        rcode = self.rcodeOf(query)
                        if opcode:
                            self.assertEqual(rcode, Rcode.NOTIMP)
                        else:
                            self.assertIn(rcode, (Rcode.FORMERR, Rcode.NOTIMP, Rcode.REFUSED, Rcode.BADVERS))
        for rrType in (41, 128, 249, 250, 251, 252, 253, 254):
            self.assertNotIn(self.rcodeOf(queryOf(rrType=rrType)), (0, 2, 3))
        self.assertEqual(self.server.inner.asked, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_withoutGatesTheSourceIsAsked(self) -> None:
        """
        Without the gates, the source is asked for such things.
        """
        for gate in (ClassGate, TypeGate, OpcodeGate):
            self.patch(gate, "__call__", lambda gate, request, now: None)
        self.rcodeOf(queryOf(rrClass=4))
        self.rcodeOf(queryOf(rrType=250))
        self.assertEqual(self.server.inner.asked, 2)

    def test_SIGRecordIsNotVerified(self) -> None:
        """
        A SIG(0) record in a request is not verified: the reply is the same as without it, whatever signature it contains.
        """
        plain = queryOf(opt=OPT)
        self.assertEqual(self.rcodeOf(plain), 0)
        reply = self.server.ask(plain)
        for expires in (1, 0x7FFFFFFF):
            signature = pack(">HBBIIIH", 0, 13, 0, 0, expires, 0, 1) + b"\x03key\x00" + bytes(64)
            for rdata in (signature, b""):
                wire = plain[:10] + b"\x00\x02" + QUESTION + OPT + b"\x00" + pack(">HHIH", 24, 255, 0, len(rdata)) + rdata
                # With its own caches, so that the reply is not that to an earlier request.
                server = Server(self.clock, cookies=Cookies(SECRET))
                self.assertEqual(server.ask(wire), reply)
                self.assertEqual(server.inner.asked, 1)
