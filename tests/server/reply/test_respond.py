"""
Tests of handling requests.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, Server
from tests.queries import optOf, queryOf
from tests.wire.shown import optionsOf
from twisted_ext.answers import Answer, Epoch, Origin, Outcome, QueryContext, Security
from twisted_ext.errors import BadMessage, DNSFault, Refused, ServerFailed, TimedOut, Unknown, Unreachable
from twisted_ext.packetcache.clients import View
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf, rrsetOf
from twisted_ext.wire.codes import AA, AD, CD, QR, RA, RD, TC, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.options import ExtendedError

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

WWW = questionOf("www.test.example")


class RespondTests(SynchronousTestCase):
    """
    Tests for L{Responder}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.held = HeldSource()
        self.server = Server(self.clock, self.held)

    def replies(self) -> list[Message]:
        """
        Return the replies that have been sent.
        """
        return [Message.fromWire(octets).check() for octets, _ in self.server.sent]

    def replyFor(self, answer: Answer | DNSFault, query: bytes = queryOf(opt=optOf())) -> Message:
        """
        Return the reply to a query for which the source finds this.
        """
        self.server.sent.clear()
        self.server.ask(query)
        self.held.release(answer)
        (reply,) = self.replies()
        return reply

    def test_lateAnswerReachesEachClient(self) -> None:
        """
        An answer that takes time is sent to each client that asked, with the ID and the case of its query.
        """
        self.server.ask(queryOf("wWw.test.example", id=7), "127.0.0.5")
        self.server.ask(queryOf(id=8), "127.0.0.6")
        self.assertEqual(self.server.sent, [])
        self.clock.advance(0.5)
        self.held.release(answerOf(WWW, "192.0.2.80"))
        self.assertEqual([address for _, address in self.server.sent], ["127.0.0.5", "127.0.0.6"])
        first, second = self.replies()
        self.assertEqual((first.id, second.id), (7, 8))
        self.assertEqual(first.questions[0].name, queryOf("wWw.test.example")[12:-4])
        counters = self.server.responder.counters
        self.assertEqual((counters.pending, sum(counters.latency.counts), counters.replies[0]), (0, 2, 2))

    def test_replyFlags(self) -> None:
        """
        A reply has QR, RA and the flags of its query. AA is never copied from an upstream, and AD is set only if this server has validated
        the answer and the client asks for it.
        """
        plain = answerOf(WWW, "192.0.2.80")
        plain.flags = AA | AD | 0x40
        self.assertEqual(self.replyFor(plain).flags, QR | RD | RA)
        self.assertEqual(self.replyFor(plain, queryOf(flags=RD | CD | AD | TC | 0x40)).flags, QR | RD | RA | CD)
        own = answerOf(WWW, "192.0.2.80")
        own.origin, own.flags = Origin("zone", "test."), AA
        # CD concerns validators only (RFC 4035, section 3.1.6).
        self.assertEqual(self.replyFor(own, queryOf(flags=RD | CD)).flags, QR | RD | RA | AA)
        proved = answerOf(WWW, "192.0.2.80")
        proved.security = Security.SECURE
        self.assertEqual(self.replyFor(proved, queryOf()).flags, QR | RD | RA)
        self.assertEqual(self.replyFor(proved, queryOf(flags=RD | AD)).flags, QR | RD | RA | AD)
        self.assertEqual(self.replyFor(proved, queryOf(opt=optOf(flags=0x8000))).flags, QR | RD | RA | AD)

    def test_queriesWithoutRecursionSeeNothingRemembered(self) -> None:
        """
        What the server knows because others have asked is not given to clients that do not ask for recursion.
        """
        for source, rcode in (("denials", Rcode.REFUSED), ("recursive", Rcode.REFUSED), ("cache", Rcode.REFUSED), ("hosts", Rcode.NOERROR)):
            known = answerOf(WWW, "192.0.2.80")
            known.origin = Origin(source)
            server = Server(self.clock, CannedSource({("www.test.example", "A"): known}, now=True), remembers=False)
            for flags, wanted in ((0, rcode), (RD, Rcode.NOERROR)):
                reply = server.ask(queryOf(flags=flags))
                assert reply is not None
                self.assertEqual(Message.fromWire(reply).check().rcode, wanted)

    def test_sourceGetsQueryContext(self) -> None:
        """
        The source gets the flags of the query, the client and the deadline.
        """
        self.server.ask(queryOf(flags=RD | CD, opt=optOf(flags=0x8000)), "127.0.0.9")
        (context,) = self.held.contexts
        self.assertEqual((context.dnssecOk, context.checkingDisabled, context.recursionDesired), (True, True, True))
        self.assertEqual((context.client, context.deadline), ("127.0.0.9", 1_000_004.0))

    def test_repliesAreMinimal(self) -> None:
        """
        Name servers and their addresses are omitted unless a setting turns that off; the proofs of a denial are kept for DNSSEC clients.
        """
        servers = rrsetOf(b"\x04test\x07example\x00", 2, "ns.test.example.")
        address = rrsetOf(b"\x02ns\x04test\x07example\x00", 1, "192.0.2.53")
        proof = rrsetOf(b"\x04test\x07example\x00", 47, "a.test.example. A")
        answer = Answer(Outcome.DATA, answerOf(WWW, "192.0.2.80").answer, (servers, proof), (address,))
        reply = self.replyFor(answer)
        self.assertEqual((len(reply.answer), reply.authority, reply.additional), (1, (), ()))
        reply = self.replyFor(answer, queryOf(opt=optOf(flags=0x8000)))
        self.assertEqual((reply.authority, reply.additional), ((proof,), ()))
        self.server.responder.replyBuilder = ReplyBuilder(minimal=False)
        reply = self.replyFor(answer)
        self.assertEqual((reply.authority, reply.additional), ((servers, proof), (address,)))

    def test_failureKeepsRcodeAndReason(self) -> None:
        """
        A failure keeps its RCODE, and its extended error names the servers that failed and the reason.
        """
        for fault, rcode, code in (
            (ServerFailed("192.0.2.53:53 answered SERVFAIL", rcode=2), Rcode.SERVFAIL, 0),
            (ServerFailed("192.0.2.53:53 answered REFUSED", rcode=5), Rcode.REFUSED, 0),
            (ServerFailed("192.0.2.53:53 answered NOTIMP", rcode=4), Rcode.NOTIMP, 0),
            (ServerFailed("192.0.2.53:53 answered BADVERS", rcode=16), Rcode.SERVFAIL, 0),
            (ServerFailed("bogus", rcode=2, ede=((6, "signature expired"),)), Rcode.SERVFAIL, 6),
            (TimedOut("192.0.2.53:53 did not answer"), Rcode.SERVFAIL, 22),
            (Unreachable("192.0.2.53:53"), Rcode.SERVFAIL, 23),
            (Refused("more than 100 look-ups"), Rcode.REFUSED, 18),
            (BadMessage("octets after the last record"), Rcode.SERVFAIL, 23),
            (Unknown("nothing"), Rcode.REFUSED, 20),
        ):
            reply = self.replyFor(fault)
            errors = [option for option in optionsOf(reply.edns) if isinstance(option, ExtendedError)]
            self.assertEqual((reply.rcode, [error.infoCode for error in errors]), (rcode, [code]), str(fault))
            if rcode != Rcode.REFUSED and not fault.ede:
                self.assertEqual(errors[0].extraText, str(fault))
            self.assertIsNone(self.replyFor(fault, queryOf()).edns)

    def test_faultySourceCausesSERVFAIL(self) -> None:
        """
        An exception in a source causes SERVFAIL and is logged; later requests are not affected.
        """

        class Broken(CannedSource):
            def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
                if question == WWW:
                    raise ZeroDivisionError
                return partial(self._start, question)

            def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
                raise KeyError

        self.server.responder.source = Broken()
        for name in ("www.test.example", "other.test.example"):
            reply = self.server.ask(queryOf(name))
            assert reply is not None
            self.assertEqual(reply[3] & 15, Rcode.SERVFAIL)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError, KeyError)), 2)

    def test_wrongResultCausesSERVFAIL(self) -> None:
        """
        A source that gives something other than an answer causes SERVFAIL at once, and one error in the log that names it.
        """

        class Wrong(CannedSource):
            found: object

            def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
                return cast("Answer", self.found)

        for found, said in (
            ("an answer", "builtins.str: ask() returned an object of type str"),
            (lambda context: None, "<lambda>: calling what ask() returned gave None"),
            (lambda context: succeed([]), "<lambda>: the Deferred of a look-up fired with an object of type list"),
        ):
            # A server logs such errors in full once.
            self.setUp()
            source = self.server.responder.source = Wrong()
            source.found = found
            reply = self.server.ask(queryOf())
            assert reply is not None, said
            self.assertEqual(reply[3] & 15, Rcode.SERVFAIL, said)
            (error,) = self.flushLoggedErrors(TypeError)
            self.assertIn(said, error.getErrorMessage())

    def test_longReplyIsTruncatedByUDP(self) -> None:
        """
        A reply that does not fit is truncated over UDP and complete over TCP.
        """
        answer = answerOf(WWW, [f"192.0.2.{number}" for number in range(100)])
        for query, truncated in ((queryOf(), True), (queryOf(opt=optOf(4096)), True)):
            reply = self.replyFor(answer, query)
            self.assertEqual((bool(reply.flags & TC), reply.answer), (truncated, ()))
            self.assertLessEqual(len(reply.wire), 1232)
        self.assertIsNone(self.server.stream(queryOf()))
        sent: list[bytes] = []
        self.server.responder.take(queryOf(), (NEAR, 4000), "tcp", sent.append)
        self.held.release(answer)
        self.assertEqual(len(Message.fromWire(sent[0]).answer[0].rdatas), 100)
        self.assertEqual(self.server.responder.counters.truncated, 2)

    def test_blockedAliasesAreNotRevealed(self) -> None:
        """
        Without RD, a name in a block list is answered, but not one that is blocked for aliases in a cache: that would reveal that another
        client has asked for it.
        """
        for origin, rcode in ((Origin("blocked", epoch=Epoch()), 3), (Origin("blocked", learned=5.0, expires=90.0), 5)):
            answer = Answer(Outcome.NXDOMAIN, rcode=3, origin=origin)
            server = Server(self.clock, CannedSource({("www.test.example", "A"): answer}, now=True))
            server.ask(queryOf(flags=0))
            self.assertEqual(server.sent[0][0][3] & 15, rcode)

    def test_clientGroupHasItsSource(self) -> None:
        """
        A group of clients may have its own source, and be told that there is no recursion.
        """
        theirs = CannedSource({}, "192.0.2.99", now=True)
        (allowed,) = [group for group in self.server.responder.packetCache.groups if group.name == "allowed"]
        for recursive in (True, False):
            allowed.view = View("theirs", theirs, recursive)
            self.server.ask(queryOf())
            self.assertEqual(bool(self.server.sent[-1][0][3] & 0x80), recursive)
        self.assertEqual((theirs.asked, self.held.asked), (2, 0))

    def test_repliesAreDropped(self) -> None:
        """
        Replies and messages without a header are dropped.
        """
        for wire in (queryOf(flags=0x8180), queryOf()[:11], b""):
            self.assertIsNone(self.server.ask(wire))
        self.assertEqual((self.server.sent, self.server.responder.counters.dropped), ([], 3))

    def test_closeCancelsLookups(self) -> None:
        """
        Closing cancels all look-ups, and nothing is sent afterwards.
        """
        self.server.ask(queryOf())
        self.server.responder.close()
        self.assertEqual((len(self.held.cancelled), self.server.sent), (1, []))
        self.server.ask(queryOf())
        self.assertEqual(self.server.sent, [])
        self.assertEqual(self.server.responder.counters.pending, 0)
