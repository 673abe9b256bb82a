"""
Attack 12: accumulated replies that are all sent to a victim at once (DNSBomb, 2024, CVE-2024-33655), and queries that servers pass round
among themselves (TsuKing, 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.attacks.whole import US, WholeServerTestCase
from tests.packetcache.lanes import NEAR, Server
from tests.queries import queryOf
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BadDescription, ServerFailed
from twisted_ext.limits import Limit
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.server.reply import packetcaches, requests, respond
from twisted_ext.server.sources.upstreams import ListenAddresses, LoopWatch
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import Message, Question

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

WWW = questionOf("www.test.example")
NAMES = [f"n{number}.test.example" for number in range(2000)]
ENDLESS = Limit(default=1e9, least=0, most=1e9)


class GatheringTests(WholeServerTestCase):
    """
    Tests of accumulated replies: the upstream is the attacker's, and replies to all of its queries at one moment. To need fewer of them,
    one client may have a hundred waiting requests.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(respond, "REQUESTS_PER_CLIENT", Limit(default=100, least=1, most=100))

    def gather(self, rcode: int | None = None) -> tuple[int, int, int]:
        """
        Query two hundred names in the name of one client, twenty in each tenth of a second, and let all replies of the upstream arrive
        after three seconds.

        @param rcode: the rcode of all replies, or L{None} for answers.
        @return: the most requests that wait, and how many datagrams that client gets in all and in the busiest tenth of a second.
        """
        service = self.run_()
        self.upstream.otherwise = "192.0.2.1"
        self.upstream.rcode = rcode
        waiting = busiest = 0
        first = self.datagramsSentTo()
        for step in range(54):
            before = self.datagramsSentTo()
            if step < 10:
                self.flood(NAMES[step * 20 : step * 20 + 20])
            for part in range(4):
                # Repeated queries get their replies at the same moment.
                self.upstream.delay = max(3.0 - step * 0.1 - part * 0.025, 0.0)
                self.network.advance(0.025)
            waiting = max(waiting, service.counters.pending)
            busiest = max(busiest, self.datagramsSentTo() - before)
        sent = self.datagramsSentTo() - first
        self.stop(service)
        return waiting, sent, busiest

    def test_lateAnswersAreNotSent(self) -> None:
        """
        No more than a hundred requests wait, and late answers are not sent.
        """
        self.assertEqual(self.gather(), (100, 0, 0))

    def test_withoutClientLimitAllWait(self) -> None:
        """
        Without a limit for each client all of them wait.
        """
        self.patch(respond, "REQUESTS_PER_CLIENT", ENDLESS)
        self.assertEqual(self.gather(), (200, 0, 0))

    def test_withoutDiscardingAllComeAtOnce(self) -> None:
        """
        If late answers were sent, they would all come at one moment, two hundred without either limit.
        """
        self.patch(respond, "REQUEST_LATE", ENDLESS)
        self.assertEqual(self.gather(), (100, 100, 100))
        self.patch(respond, "REQUESTS_PER_CLIENT", ENDLESS)
        self.assertEqual(self.gather(), (200, 200, 200))

    def test_lateFailuresAreSpread(self) -> None:
        """
        Late failures are sent, but no more in any moment than queries came in one.
        """
        waiting, sent, busiest = self.gather(rcode=5)
        self.assertEqual((waiting, sent), (100, 100))
        # Failures within a tenth of a second belong to queries from up to two of our steps.
        self.assertLessEqual(busiest, 40)

    def test_withoutSpreadingFailuresComeAtOnce(self) -> None:
        """
        Without the spread all failures come at one moment.
        """
        self.patch(respond, "_SLACK", 60.0)
        self.assertEqual(self.gather(rcode=5), (100, 100, 100))


class PendingTests(SynchronousTestCase):
    """
    The same attack on a responder alone.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.held = HeldSource()

    def gather(self, seconds: float, perClient: int | None = None, late: float | None = None, clients: str = "127.0.0.66") -> Server:
        """
        Send many queries, and let all answers arrive at once so many seconds later.
        """
        server = Server(self.clock, self.held, perClient=perClient, late=late)
        for number, name in enumerate(NAMES):
            server.ask(queryOf(name), clients.format(number))
        self.clock.advance(seconds)
        self.held.release(answerOf(WWW, "192.0.2.80"))
        return server

    def test_clientMayHaveThousandRequests(self) -> None:
        """
        No more than a thousand requests of one client wait, and other clients are still served.
        """
        server = self.gather(0.5)
        self.assertEqual((len(server.sent), server.responder.counters.overflowed), (1000, 1000))
        self.assertEqual(len(self.gather(0.5, perClient=10_000).sent), 2000)
        server.ask(queryOf(), "127.0.0.67")
        self.held.release(answerOf(WWW, "192.0.2.80"))
        server.ask(queryOf(), "127.0.0.66")
        self.held.release(answerOf(WWW, "192.0.2.80"))
        self.assertEqual(len(server.sent), 1002)

    def test_IPv6NetworkSharesOneLimit(self) -> None:
        """
        An IPv6 network has one limit for all of its addresses. With a limit for each address it would have none.
        """
        self.assertEqual(len(self.gather(0.5, clients="fd00::{:x}").sent), 1000)
        self.assertEqual(len(self.gather(0.5, clients="fd00:0:0:{:x}::1").sent), 2000)
        self.patch(packetcaches, "siteOf", lambda client: client)
        self.assertEqual(len(self.gather(0.5, clients="fd00::{:x}").sent), 2000)

    def test_totalOfRequestsIsLimited(self) -> None:
        """
        All clients together have a limit as well. Without it all of their requests wait.
        """
        for most, waiting in ((100, 100), (None, 200)):
            held = HeldSource()
            server = Server(self.clock, held, waiting=most)
            for number in range(200):
                server.ask(queryOf(f"n{number}.test.example"), f"127.0.1.{number}")
            self.assertEqual((held.asked, server.responder.counters.pending), (waiting, waiting))
            held.release(answerOf(WWW, "192.0.2.80"))

    def test_lateRepliesAreDroppedOverUDP(self) -> None:
        """
        Answers and failures after more than 1.9 seconds are not sent over UDP. Over TCP they are.
        """
        self.assertEqual(len(self.gather(1.85).sent), 1000)
        server = self.gather(1.95)
        self.assertEqual((server.sent, server.responder.counters.late), ([], 1000))
        self.assertEqual(len(self.gather(1.95, late=10).sent), 1000)
        sent: list[bytes] = []
        server.responder.take(queryOf(), (NEAR, 4000), "tcp", sent.append)
        self.clock.advance(4)
        self.held.release(ServerFailed("no", rcode=2))
        self.assertEqual(len(sent), 1)


class ReplyTests(WholeServerTestCase):
    """
    Tests of messages that are never answered or never forwarded.
    """

    def bounce(self) -> int:
        """
        Let one datagram arrive that claims to be a reply of another server.

        @return: how many datagrams the two servers send each other in a second.
        """
        self.run_(allow=["any"])
        self.startAnother("192.0.2.8", allow=["any"], upstream=self.server.label)
        self.network.inject(queryOf("version.bind", "TXT", rrClass=3, flags=QR), ("192.0.2.8", 53), (US, 53))
        self.network.advance(1)
        return self.network.sent["192.0.2.8", 53] + self.network.sent[US, 53]

    def test_repliesAreNeverAnswered(self) -> None:
        """
        Replies are not answered, with whatever opcode and rcode.
        """
        service = self.run_()
        for bits in range(0, 0x8000, 0x80):
            self.flood(["www.test.example"], flags=QR | bits | bits >> 7 & 15)
        self.network.advance(2)
        self.assertEqual((self.datagramsSentTo(), len(self.upstream.asked)), (0, 0))
        self.assertEqual(service.counters.dropped, 256)

    def test_serversNeverAnswerEachOther(self) -> None:
        """
        Two servers never answer each other's replies.
        """
        self.assertEqual(self.bounce(), 0)

    def test_answeredRepliesWouldLoop(self) -> None:
        """
        If replies were answered, one datagram would make two servers answer each other for ever.
        """
        self.patch(requests, "QR", 0)
        self.assertGreater(self.bounce(), 90)

    def unrecursed(self) -> tuple[int, int]:
        """
        Query unknown names without RD, and a known name often and shortly before its expiry.

        @return: queries to the upstream because of the former and of the latter.
        """
        service = self.run_()
        before = len(self.upstream.asked)
        self.flood(NAMES[:10], flags=0)
        self.network.advance(2)
        first = len(self.upstream.asked) - before
        self.secondsToAnswer()
        self.network.advance(285)
        before = len(self.upstream.asked)
        for _ in range(10):
            self.flood(["www.test.example"], flags=0)
            self.network.advance(1)
        self.stop(service)
        return first, len(self.upstream.asked) - before

    def test_queriesWithoutRDAskNoUpstream(self) -> None:
        """
        Queries without RD cause no upstream query and no prefetch.
        """
        self.assertEqual(self.unrecursed(), (0, 0))

    def test_withoutRDCheckUpstreamsAreAsked(self) -> None:
        """
        If RD made no difference, unknown names would be looked up and known ones prefetched.
        """
        fromKin = CachedSource._fromKin

        def open(caching: CachedSource, question: Question, context: QueryContext, now: float) -> object:
            context.client = None
            return fromKin(caching, question, context, now)

        self.patch(CachedSource, "_fromKin", open)
        self.assertEqual(self.unrecursed(), (0, 1))
        make: Callable[..., None] = respond.Responder.__init__

        def recursing(responder: respond.Responder, *given: object, **more: object) -> None:
            make(responder, *given, **more, unrecursed=True)

        self.patch(respond.Responder, "__init__", recursing)
        self.assertEqual(self.unrecursed()[0], 10)


class LoopTests(WholeServerTestCase):
    """
    Tests of servers that query themselves, directly or through others.
    """

    def test_serverRefusesItselfAsUpstream(self) -> None:
        """
        A server whose upstream is itself does not start. If it did, it would query itself for each name.
        """
        error = self.assertRaises(BadDescription, self.run_, upstream=US)
        self.assertIn("is this server itself", str(error))
        self.patch(ListenAddresses, "has", lambda listening, server: False)
        self.run_(upstream=US, allow=["any"])
        self.assertIsNone(self.secondsToAnswer())
        self.assertGreater(self.network.sent[US, 53], 1)

    def round(self, watched: bool) -> tuple[int, int | None]:
        """
        Start two servers whose upstreams are each other, then query one of them.

        @return: how many queries they send each other because of that, and the rcode of the reply.
        """
        places = [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1")]
        for place, other in places:
            self.startAnother(place, upstream=other, loopDetection=watched)
            self.network.advance(1)
        self.network.advance(5)
        before = sum([self.network.sent[place, 53] for place, _ in places])
        transport = self.client.transport
        assert transport is not None
        transport.write(queryOf(), ("10.0.0.1", 53))
        self.network.advance(1)
        queries = sum([self.network.sent[place, 53] for place, _ in places]) - before - 1
        return queries, Message.fromWire(self.client.got[-1]).rcode if self.client.got else None

    def test_loopOfTwoServersIsDetected(self) -> None:
        """
        Two servers that forward to each other find out when they start. From then on no query loops, and clients get SERVFAIL at once.
        """
        queries, rcode = self.round(True)
        self.assertLessEqual(queries, 1)
        self.assertEqual(rcode, Rcode.SERVFAIL)

    def test_undetectedLoopEndsAfterOneRound(self) -> None:
        """
        With detection off a query loops once, since it joins its own look-up when it returns. The client gets no answer.
        """
        queries, rcode = self.round(False)
        self.assertGreaterEqual(queries, 2)
        self.assertLess(queries, 10)
        self.assertIsNone(rcode)

    def test_withoutCoalescingQueriesLoop(self) -> None:
        """
        Without coalescing a query loops until its deadline, and more with each repetition.
        """

        def straight(coalescing: CoalescingSource, question: Question, context: QueryContext) -> Answer | Start | None:
            return coalescing._inner.ask(question, context)

        self.patch(CoalescingSource, "ask", straight)
        self.assertGreater(self.round(False)[0], 90)

    def test_probeDetectsTheLoop(self) -> None:
        """
        The probe detects the loop. Without it the first server would not know.
        """
        self.patch(LoopWatch, "probe", lambda watch, upstreams: None)
        self.assertGreaterEqual(self.round(True)[0], 2)


