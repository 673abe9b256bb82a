"""
Attack 13: floods of queries that take long to answer. Cheaper queries never wait for them.

Time is counted, not measured: each query that misses the packet cache takes so many microseconds of the clock.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.queries import queryOf
from tests.server.listeners.test_datagram import Readers
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.limits import LISTENER_MISSES, LISTENER_TURN
from twisted_ext.native.loops import Place
from twisted_ext.packetcache.clients import Client
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.server.listeners.datagram import DatagramListener, _Reader, _Way
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.sources import CannedSource, answerOf
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

#: Microseconds of a cache look-up, and of an upstream look-up.
_LOOK = 10
_LOOKUP = 50


class FloodTests(SynchronousTestCase):
    """
    Tests of a listener with a socket of its own, which gets many more queries than it has time for.
    """

    def setUp(self) -> None:
        self.clock = Readers()
        self.source = CannedSource({}, lambda question: answerOf(question, "192.0.2.80", 300))
        caching = CachedSource(self.source, self.clock)
        self.responder = Responder(caching, self.clock)
        self.listener = DatagramListener(self.clock, self.responder, "127.0.0.1", 0)
        self.listener.start()
        self.addCleanup(self.listener.stop)
        self.spend(caching)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.client.close)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.client.connect(("127.0.0.1", self.listener.port))
        self.client.setblocking(False)
        for _ in range(4):
            self.ask("hot")
        for name in ("cached", "known"):
            self.ask(name)
        self.replies()

    def spend(self, caching: CachedSource) -> None:
        """
        Let answers take time.
        """
        ask = caching.ask

        def look(question: Question, context: QueryContext) -> Answer | Start | None:
            self.clock.rightNow += _LOOK * 1e-6
            found = ask(question, context)
            if found is None or isinstance(found, Answer):
                return found
            start = found

            def begin(context: QueryContext) -> Deferred[Answer]:
                self.clock.rightNow += _LOOKUP * 1e-6
                return start(context)

            return begin

        self.patch(caching, "ask", look)

    def reader(self) -> _Reader:
        """
        Return the reader of the socket.
        """
        reader = self.clock.readers[0]
        assert isinstance(reader, _Reader)
        return reader

    def ask(self, *names: str) -> float:
        """
        Let queries arrive together, and give the listener one turn.

        @return: seconds that this took.
        """
        for name in names:
            self.client.send(queryOf(f"{name}.test.example"))
        before = self.clock.seconds()
        self.reader().doRead()
        return self.clock.seconds() - before

    def replies(self) -> list[str]:
        """
        Return the names that were answered since the last call, in order.
        """
        found: list[str] = []
        while True:
            try:
                octets = self.client.recv(4096)
            except BlockingIOError:
                return found
            reply = Message.fromWire(octets).check()
            self.assertEqual(len(reply.answer), 1)
            found.append(nameToText(reply.questions[0].name).partition(".")[0])

    def turns(self) -> None:
        """
        Give the listener as many turns as it wants.
        """
        while self.clock.getDelayedCalls():
            self.clock.advance(0)

    def test_attack13_hitsAreAnsweredFirst(self) -> None:
        """
        Hits of the packet cache are answered before all other queries, and cache hits before names that have to be looked up.
        """
        new = [f"new{number}" for number in range(100)]
        self.ask(*new[:50], "cached", *new[50:], "hot")
        self.turns()
        found = self.replies()
        self.assertEqual(found[:2], ["hot", "cached"])
        self.assertEqual(set(found[2:]), set(new))
        self.assertEqual(self.responder.counters.shed, 0)

    def test_attack13_turnsAreShort(self) -> None:
        """
        A turn of the reactor stays within its limit, however many queries have come. Then the socket is read again.
        """
        most = 2 * (LISTENER_TURN.default + 8e-6 * _LOOKUP)
        self.assertLess(self.ask(*[f"new{number}" for number in range(200)]), most)
        self.assertLess(len(self.replies()), 100)
        self.assertLess(self.ask("hot"), most)
        self.assertEqual(self.replies()[0], "hot")
        self.turns()
        self.assertEqual(self.responder.counters.pending, 0)

    def test_attack13_oldestMissesAreShed(self) -> None:
        """
        The oldest queries are dropped when too many wait. Cache hits are never dropped.
        """
        self.reader()._most = 50
        new = [f"new{number}" for number in range(200)]
        self.ask(*new[:100])
        self.ask(*new[100:])
        self.ask("cached", "known", "hot")
        self.turns()
        found = self.replies()
        self.assertTrue({"cached", "known", "hot"} <= set(found))
        self.assertTrue(set(new[-40:]) <= set(found))
        counters = self.responder.counters
        self.assertGreater(counters.shed, 50)
        self.assertEqual(counters.shed, counters.dropped)
        self.assertEqual(len(found) + counters.shed, 203)
        self.assertGreater(LISTENER_MISSES.default, 50)

    def test_attack13_withoutQueuesHitsWait(self) -> None:
        """
        If datagrams were answered in their order, hits of the packet cache would wait for all others.
        """

        def beyond(reader: _Reader, datagram: bytes, place: Place, client: Client, now: float) -> None:
            address = reader._addressOf(place)
            way = _Way(reader, place, address)
            reader._responder.later = None
            reader._responder.take(datagram, address, "udp", way, None, client)
            reader._outbox.flush(now)

        self.patch(_Reader, "_beyond", beyond)
        took = self.ask(*[f"new{number}" for number in range(200)], "hot")
        self.assertGreater(took, 200e-6 * _LOOKUP)
        self.assertGreater(self.replies().index("hot"), 100)

    def test_stoppedListenerDropsItsQueue(self) -> None:
        """
        A stopped listener leaves no waiting queries behind.
        """
        self.ask(*[f"new{number}" for number in range(200)])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.successResultOf(self.listener.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
