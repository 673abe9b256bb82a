"""
Pain 13: dirty reactors in tests. Sockets and timers are left, and there is no close() (Twisted #9370, #7059).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from tests.networks import NetworkTestCase
from twisted_ext.client import serverTargets
from twisted_ext.errors import Closed
from twisted_ext.integrations.scrapy import CrawlerResolver
from twisted_ext.resolver.forward.forwarder import ForwardingSource


class CleanTests(NetworkTestCase):
    """
    Programs under test that look up names.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()

    def test_pain13_answersLeaveNothing(self) -> None:
        """
        A finished look-up leaves no socket, no connection and no timer, without a call of C{close()}.
        """
        seen: list[list[str]] = []
        for truncating in (False, True):
            self.canned.truncating = truncating
            self.ask(self.forward(self.server)).addCallback(lambda _: seen.append(self.here.pending()))
            self.network.advance(1)
            self.assertEqual(self.here.pending(), [])
        # Over UDP nothing is left even at the moment of the answer. A connection takes a moment to close.
        self.assertEqual(seen[0], [])

    def test_pain13_failuresLeaveNothing(self) -> None:
        """
        Failed look-ups leave nothing either.
        """
        self.canned.silent = True
        self.fault(self.forward(self.server, self.nowhere()))
        self.fault(self.forward(self.server, stream=True))
        self.fault(self.forward(self.nowhere(), stream=True))
        self.assertEqual(self.here.pending(), [])

    def test_pain13_closeEndsPendingLookups(self) -> None:
        """
        C{close()} ends pending look-ups, can be called again, and fires when everything is gone.
        """
        self.canned.silent = True
        for stream in (False, True):
            source = self.forward(self.server, stream=stream)
            asked = [self.ask(source) for _ in range(3)]
            self.network.advance(0.1)
            closed = source.close()
            for each in asked:
                self.assertIsInstance(self.failed(each), Closed)
            self.network.advance()
            self.successResultOf(closed)
            self.successResultOf(source.close())
            self.assertEqual(self.here.pending(), [])

    def test_pain13_derivedLookupsLeaveNothing(self) -> None:
        """
        getaddrinfo, getnameinfo and services leave nothing either, with or without an answer. Neither does Scrapy's resolver when its
        reactor stops.
        """
        resolver = CrawlerResolver(self.forward(self.server), self.here)
        stopping: list[Callable[[], Deferred[None]]] = []
        vars(self.here)["addSystemEventTrigger"] = lambda phase, event, close: stopping.append(close)
        resolver.install_on_reactor()
        for silent in (False, True):
            self.canned.silent = silent
            over: list[object] = []
            for asked in (
                resolver.getaddrinfo("www.test.example", 80),
                resolver.getnameinfo(("192.0.2.80", 80)),
                serverTargets("_imap._tcp.test.example", resolver=resolver),
            ):
                asked.addBoth(over.append)
            self.network.advance(10)
            self.assertEqual(len(over), 3)
            self.assertEqual(self.here.pending(), [])
        asking = resolver.getaddrinfo("www.test.example", 80)
        self.assertNotEqual(self.here.pending(), [])
        (close,) = stopping
        closed = close()
        self.failureResultOf(asking)
        self.network.advance()
        self.successResultOf(closed)
        self.assertEqual(self.here.pending(), [])

    def test_pain13_withoutSettlingSocketsStay(self) -> None:
        """
        Without settling at the end, sockets and the timer would stay.
        """
        settle = ForwardingSource.settle
        self.patch(ForwardingSource, "settle", lambda source: None)
        source = self.forward(self.server)
        self.find(source)
        self.assertNotEqual(self.here.pending(), [])
        settle(source)
