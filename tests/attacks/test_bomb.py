"""
Attack 12: gathering replies, to have them sent all at once to somebody else (DNSBomb, 2024, CVE-2024-33655), and queries that servers pass
round among themselves (TsuKing, 2023).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
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
from twisted_ext.server.upstreams import Listening, LoopWatch
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import Message, Question

WWW = questionOf("www.example.test")
NAMES = [f"n{number}.example.test" for number in range(2000)]
ENDLESS = Limit(default=1e9, least=0, most=1e9)


class GatheringTests(WholeServerTestCase):
    """
    Tests of replies that are saved up: the upstream is the attacker's, and replies to all of its queries at one moment. To have fewer of
    them suffice, a hundred requests of one client may wait.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(respond, "REQUESTS_PER_CLIENT", Limit(default=100, least=1, most=100))

    def gather(self, rcode: int | None = None) -> tuple[int, int, int]:
        """
        Ask for two hundred names in the name of one client, twenty in each tenth of a second, and have all replies of the upstream
        come after three seconds.

        @param rcode: with which it fails all of them, or L{None} for answers.

        @return: how many of the requests wait at most, and how many datagrams that client gets in all and in the busiest tenth of a second.
        """
        service = self.run_()
        self.upstream.otherwise = "192.0.2.1"
        self.upstream.rcode = rcode
        waiting = busiest = 0
        first = self.heard()
        for step in range(54):
            before = self.heard()
            if step < 10:
                self.flood(NAMES[step * 20 : step * 20 + 20])
            for part in range(4):
                # Queries that are sent again are replied to at the same moment.
                self.upstream.delay = max(3.0 - step * 0.1 - part * 0.025, 0.0)
                self.network.advance(0.025)
            waiting = max(waiting, service.counters.pending)
            busiest = max(busiest, self.heard() - before)
        sent = self.heard() - first
        self.stop(service)
        return waiting, sent, busiest

    def test_gathered(self) -> None:
        """
        No more than a hundred of them are kept, and answers that come late are not sent.
        """
        self.assertEqual(self.gather(), (100, 0, 0))

    def test_uncapped(self) -> None:
        """
        Without a bound for each client all of them wait.
        """
        self.patch(respond, "REQUESTS_PER_CLIENT", ENDLESS)
        self.assertEqual(self.gather(), (200, 0, 0))

    def test_undiscarded(self) -> None:
        """
        If late answers were sent, they would all come at one moment; of two hundred without either bound.
        """
        self.patch(respond, "REQUEST_LATE", ENDLESS)
        self.assertEqual(self.gather(), (100, 100, 100))
        self.patch(respond, "REQUESTS_PER_CLIENT", ENDLESS)
        self.assertEqual(self.gather(), (200, 200, 200))

    def test_failures(self) -> None:
        """
        Late failures are sent, but no more in any moment than were asked for in one.
        """
        waiting, sent, busiest = self.gather(rcode=5)
        self.assertEqual((waiting, sent), (100, 100))
        # What is told in a tenth of a second was asked for in one that may lie across two of ours.
        self.assertLessEqual(busiest, 40)

    def test_failuresAtOnce(self) -> None:
        """
        If they were sent when they come, all of them would come at one moment.
        """
        self.patch(respond, "_SLACK", 60.0)
        self.assertEqual(self.gather(rcode=5), (100, 100, 100))


class PendingTests(SynchronousTestCase):
    """
    The same with a responder alone.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.held = HeldSource()

    def gather(self, seconds: float, perClient: int | None = None, late: float | None = None, clients: str = "127.0.0.66") -> Server:
        """
        Ask often, and have all answers come at once so many seconds later.
        """
        server = Server(self.clock, self.held, perClient=perClient, late=late)
        for number, name in enumerate(NAMES):
            server.ask(queryOf(name), clients.format(number))
        self.clock.advance(seconds)
        self.held.release(answerOf(WWW, "192.0.2.80"))
        return server

    def test_capped(self) -> None:
        """
        No more than a thousand requests of one client wait, and others are not kept from asking.
        """
        server = self.gather(0.5)
        self.assertEqual((len(server.sent), server.responder.counters.overflowed), (1000, 1000))
        self.assertEqual(len(self.gather(0.5, perClient=10_000).sent), 2000)
        server.ask(queryOf(), "127.0.0.67")
        self.held.release(answerOf(WWW, "192.0.2.80"))
        server.ask(queryOf(), "127.0.0.66")
        self.held.release(answerOf(WWW, "192.0.2.80"))
        self.assertEqual(len(server.sent), 1002)

    def test_oneNetwork(self) -> None:
        """
        Whoever has a network of IPv6 has one bound for all of it. If each address had its own, a network would have no bound.
        """
        self.assertEqual(len(self.gather(0.5, clients="fd00::{:x}").sent), 1000)
        self.assertEqual(len(self.gather(0.5, clients="fd00:0:0:{:x}::1").sent), 2000)
        self.patch(packetcaches, "siteOf", lambda client: client)
        self.assertEqual(len(self.gather(0.5, clients="fd00::{:x}").sent), 2000)

    def test_all(self) -> None:
        """
        There is a bound for all clients together as well. Without it all of them wait.
        """
        for most, waiting in ((100, 100), (None, 200)):
            held = HeldSource()
            server = Server(self.clock, held, waiting=most)
            for number in range(200):
                server.ask(queryOf(f"n{number}.example.test"), f"127.0.1.{number}")
            self.assertEqual((held.asked, server.responder.counters.pending), (waiting, waiting))
            held.release(answerOf(WWW, "192.0.2.80"))

    def test_late(self) -> None:
        """
        What comes after 1.9 seconds is not sent by UDP, be it an answer or a failure; by TCP it is.
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
    Tests of what is never answered, or never passed on.
    """

    def bounce(self) -> int:
        """
        Have one datagram arrive that says it is a reply of another server's.

        @return: how many datagrams the two servers send each other in a second.
        """
        self.run_(allow=["any"])
        self.alone("192.0.2.8", allow=["any"], upstream=self.server.label)
        self.network.inject(queryOf("version.bind", "TXT", rrClass=3, flags=QR), ("192.0.2.8", 53), (US, 53))
        self.network.advance(1)
        return self.network.sent["192.0.2.8", 53] + self.network.sent[US, 53]

    def test_replies(self) -> None:
        """
        Replies are not answered, with whatever opcode and rcode.
        """
        service = self.run_()
        for bits in range(0, 0x8000, 0x80):
            self.flood(["www.example.test"], flags=QR | bits | bits >> 7 & 15)
        self.network.advance(2)
        self.assertEqual((self.heard(), len(self.upstream.asked)), (0, 0))
        self.assertEqual(service.counters.dropped, 256)

    def test_bounced(self) -> None:
        """
        So two servers never answer each other.
        """
        self.assertEqual(self.bounce(), 0)

    def test_bouncedForEver(self) -> None:
        """
        If replies were answered, one datagram would make them do so for ever.
        """
        header = requests._header

        def asQuery(wire: bytes) -> tuple[int, ...]:
            number, flags, *counts = header(wire)
            return number, flags & ~QR, *counts

        self.patch(requests, "_header", asQuery)
        self.assertGreater(self.bounce(), 90)

    def unrecursed(self) -> tuple[int, int]:
        """
        Ask without RD for what is not known, and, often and shortly before its end, for what is.

        @return: queries to the upstream because of the one and of the other.
        """
        service = self.run_()
        before = len(self.upstream.asked)
        self.flood(NAMES[:10], flags=0)
        self.network.advance(2)
        first = len(self.upstream.asked) - before
        self.took()
        self.network.advance(285)
        before = len(self.upstream.asked)
        for _ in range(10):
            self.flood(["www.example.test"], flags=0)
            self.network.advance(1)
        self.stop(service)
        return first, len(self.upstream.asked) - before

    def test_unrecursed(self) -> None:
        """
        Nobody is asked for those who do not want recursion, nor is anything fetched ahead for them.
        """
        self.assertEqual(self.unrecursed(), (0, 0))

    def test_recursed(self) -> None:
        """
        If both were alike, everything would be asked for them; and if what is known were looked at for them, it would be fetched ahead.
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
    Tests of servers that ask themselves, be it by way of others.
    """

    def test_itself(self) -> None:
        """
        A server that is told to ask itself does not start. If it did, it would ask itself for each name.
        """
        error = self.assertRaises(BadDescription, self.run_, upstream=US)
        self.assertIn("is this server itself", str(error))
        self.patch(Listening, "has", lambda listening, server: False)
        self.run_(upstream=US, allow=["any"])
        self.assertIsNone(self.took())
        self.assertGreater(self.network.sent[US, 53], 1)

    def round(self, watched: bool) -> tuple[int, int | None]:
        """
        Start two servers that ask each other, then ask one of them.

        @return: how many queries they send each other because of that, and the rcode of the reply.
        """
        places = [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1")]
        for place, other in places:
            self.alone(place, upstream=other, loopDetection=watched)
            self.network.advance(1)
        self.network.advance(5)
        before = sum([self.network.sent[place, 53] for place, _ in places])
        transport = self.client.transport
        assert transport is not None
        transport.write(queryOf(), ("10.0.0.1", 53))
        self.network.advance(1)
        queries = sum([self.network.sent[place, 53] for place, _ in places]) - before - 1
        return queries, Message.fromWire(self.client.got[-1]).rcode if self.client.got else None

    def test_round(self) -> None:
        """
        Two servers that ask each other find out when they start; from then on nothing goes round, and whoever asks is told so at once.
        """
        queries, rcode = self.round(True)
        self.assertLessEqual(queries, 1)
        self.assertEqual(rcode, Rcode.SERVFAIL)

    def test_roundUnwatched(self) -> None:
        """
        With the watch off a question goes round once, for what comes back joins the look-up that it came from, and there is no answer.
        """
        queries, rcode = self.round(False)
        self.assertGreaterEqual(queries, 2)
        self.assertLess(queries, 10)
        self.assertIsNone(rcode)

    def test_roundForEver(self) -> None:
        """
        If it did not join, it would go round for as long as there is time, and more with each repetition.
        """

        def straight(coalescing: CoalescingSource, question: Question, context: QueryContext) -> Deferred[Answer]:
            return coalescing._inner.answer(question, context)

        self.patch(CoalescingSource, "answer", straight)
        self.assertGreater(self.round(False)[0], 90)

    def test_watch(self) -> None:
        """
        It is the watch that tells them: without it the first of them would not know.
        """
        self.patch(LoopWatch, "probe", lambda watch, upstreams: None)
        self.assertGreaterEqual(self.round(True)[0], 2)


