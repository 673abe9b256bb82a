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
    Programs that look names up under test.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()

    def test_pain13_cleanWithoutClosing(self) -> None:
        """
        When an answer is there, nothing is left of its look-up: no socket, no connection, no timer, though nobody closed anything.
        """
        seen: list[list[str]] = []
        for truncating in (False, True):
            self.canned.truncating = truncating
            self.ask(self.forward(self.server)).addCallback(lambda _: seen.append(self.here.pending()))
            self.network.advance(1)
            self.assertEqual(self.here.pending(), [])
        # By UDP not even at the moment of the answer; a connection needs a moment to be closed.
        self.assertEqual(seen[0], [])

    def test_pain13_cleanAfterFailures(self) -> None:
        """
        Nor is anything left of what failed.
        """
        self.canned.silent = True
        self.fault(self.forward(self.server, self.nowhere()))
        self.fault(self.forward(self.server, stream=True))
        self.fault(self.forward(self.nowhere(), stream=True))
        self.assertEqual(self.here.pending(), [])

    def test_pain13_close(self) -> None:
        """
        Whatever is under way ends with C{close()}, which can be called again, and says when all is gone.
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

    def test_pain13_surfaces(self) -> None:
        """
        Addresses and names for sockets, and services, leave nothing either, whether they were found or nobody answered; nor does what
        Scrapy installs when its reactor stops.
        """
        resolver = CrawlerResolver(self.forward(self.server), self.here)
        stopping: list[Callable[[], Deferred[None]]] = []
        vars(self.here)["addSystemEventTrigger"] = lambda phase, event, close: stopping.append(close)
        resolver.install_on_reactor()
        for silent in (False, True):
            self.canned.silent = silent
            over: list[object] = []
            for asked in (
                resolver.getaddrinfo("www.example.test", 80),
                resolver.getnameinfo(("192.0.2.80", 80)),
                serverTargets("_imap._tcp.example.test", resolver=resolver),
            ):
                asked.addBoth(over.append)
            self.network.advance(10)
            self.assertEqual(len(over), 3)
            self.assertEqual(self.here.pending(), [])
        asking = resolver.getaddrinfo("www.example.test", 80)
        self.assertNotEqual(self.here.pending(), [])
        (close,) = stopping
        closed = close()
        self.failureResultOf(asking)
        self.network.advance()
        self.successResultOf(closed)
        self.assertEqual(self.here.pending(), [])

    def test_pain13_undefended(self) -> None:
        """
        Without letting go at the end, sockets and the timer would stay.
        """
        settle = ForwardingSource.settle
        self.patch(ForwardingSource, "settle", lambda source: None)
        source = self.forward(self.server)
        self.find(source)
        self.assertNotEqual(self.here.pending(), [])
        settle(source)
