"""
Tests of callers who, on hearing of one look-up, end others: while those are about to hear the same.
"""

from __future__ import annotations

import gc
from weakref import ref

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.networks import NetworkTestCase
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BudgetSpent, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.combine.race import RaceSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.lifecycles import newCannotListen
from twisted_ext.testing.sources import HeldSource, questionOf
from twisted_ext.transport.datagram import Datagrams
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Question


class Purse:
    """
    Work that is used up with the first query.
    """

    def __init__(self) -> None:
        self.left = 1

    def spend(self, amount: int = 1) -> None:
        self.left -= amount
        if self.left < 0:
            raise BudgetSpent("all of it was spent")


class ReentryTests(NetworkTestCase):
    """
    Every look-up ends exactly once, in one way or another, and nothing is left.
    """

    def several(self, source: IAnswerSource, count: int = 3) -> list[str]:
        """
        Begin look-ups. The first to end cancels all others.

        @return: how they ended; filled later.
        """
        asked = [self.ask(source, f"host{number}.example.test") for number in range(count)]
        ended: list[str] = []

        def end(result: Answer | Failure) -> None:
            ended.append(type(result.value if isinstance(result, Failure) else result).__name__)
            for each in asked:
                each.cancel()

        for each in asked:
            each.addBoth(end)
        return ended

    def test_closedPort(self) -> None:
        """
        The system says once that a port is closed, and all on the socket learn of it.
        """
        self.serve()
        # One socket for all of them.
        datagrams = Datagrams(self.here, width=1)
        source = ForwardingSource(self.here, [Server("192.0.2.53", 54)], datagrams=datagrams)
        ended = self.several(source)
        self.network.advance(6)
        self.assertEqual(ended, ["Unreachable", "Abandoned", "Abandoned"])

    def test_letGo(self) -> None:
        """
        A look-up that could not be sent is let go of when it ends, and does not wait for the collector of garbage.
        """
        _, server = self.serve()
        source = self.forward(server)

        def none(port: int, *rest: object, **more: object) -> object:
            raise newCannotListen("", port, OSError("no more sockets"))

        self.patch(self.here, "listenUDP", none)
        purse = Purse()
        left = ref(purse)
        gc.disable()
        self.addCleanup(gc.enable)
        asked = source.answer(questionOf("www.example.test"), QueryContext(self.here.seconds() + 5, budget=purse))
        del purse
        self.failureResultOf(asked, Unreachable)
        del asked
        self.assertIsNone(left())

    def test_noConnection(self) -> None:
        """
        A connection that cannot be made ends the look-ups of all who waited for it.
        """
        canned, server = self.serve()
        canned.close()
        self.network.advance()
        ended = self.several(self.forward(server, stream=True))
        self.network.advance(6)
        self.assertEqual(ended, ["Unreachable", "Abandoned", "Abandoned"])

    def test_lostConnection(self) -> None:
        """
        So does one that is lost again and again.
        """
        canned, server = self.serve()
        canned.closesAfter = 0
        ended = self.several(self.forward(server, stream=True))
        self.network.advance(6)
        self.assertEqual(ended, ["Unreachable", "Abandoned", "Abandoned"])

    def test_nearMiss(self) -> None:
        """
        A near miss sends all on the socket to TCP. One that may not go there ends, and with it the others.
        """
        canned, server = self.serve()
        canned.silent = True
        source = ForwardingSource(self.here, [server], datagrams=Datagrams(self.here, width=1))
        ended: list[str] = []
        asked: list[Deferred[Answer]] = []

        def end(result: Failure) -> None:
            ended.append(type(result.value).__name__)
            for each in asked:
                each.cancel()

        for number in range(3):
            context = QueryContext(5.0, budget=Purse())
            asked.append(source.answer(questionOf(f"host{number}.example.test"), context))
        for each in asked:
            each.addErrback(end)
        port = self.here.ports()[0].port
        self.network.inject(b"??", ("192.0.2.53", 53), ("192.0.2.7", port))
        self.network.advance(6)
        self.assertEqual(ended, ["BudgetSpent", "Abandoned", "Abandoned"])

    def test_closing(self) -> None:
        """
        Closing ends all look-ups, whatever comes of the first.
        """
        canned, server = self.serve()
        canned.silent = True
        for make in (
            lambda: self.forward(server),
            lambda: self.forward(server, stream=True),
            lambda: RaceSource([HeldSource()], self.here),
            lambda: CoalescingSource(HeldSource(), self.here),
        ):
            source: IAnswerSource = make()
            ended = self.several(source)
            self.network.advance(0.1)
            source.close()
            self.network.advance(0.1)
            self.assertEqual((len(ended), ended[0]), (3, "Closed"))
            self.assertEqual(self.here.pending(), [])

    def test_closedWhileBeginning(self) -> None:
        """
        A look-up whose first step shows that nobody is there, and brings about the end of everything, ends as well.
        """
        self.serve()
        datagrams = Datagrams(self.here, width=1)
        source = ForwardingSource(self.here, [Server("192.0.2.53", 54), Server("192.0.2.54")], datagrams=datagrams)
        first = self.ask(source)
        first.addErrback(lambda failure: None)
        exchange = source.upstreams[0].datagram
        socket = exchange._taking[0]

        def refuse(octets: bytes) -> None:
            source.close()
            raise ConnectionRefusedError("connection refused")

        socket.send = refuse
        late = self.ask(source, "late.example.test")
        self.failureResultOf(late)
        self.network.advance(6)


class SuccessionTests(NetworkTestCase):
    """
    Tests for those who go over to another look-up when the time of the first is up.
    """

    def test_flushedMeanwhile(self) -> None:
        """
        One that goes over can still be cancelled, even where a flush comes between it and the next one that does.
        """
        clock = Clock()
        source = HeldSource()
        coalescing = CoalescingSource(source, clock, seconds=1.0)

        def ask(deadline: float) -> Deferred[Answer]:
            return coalescing.answer(Question(b"\x01a\x00", 1), QueryContext(deadline))

        def flush(failure: Failure) -> None:
            coalescing.startAnew()

        first = ask(1.0)
        clock.advance(0.5)
        second = ask(3.0)
        third = ask(1.0).addErrback(flush)
        fourth = ask(3.0)
        clock.advance(0.5)
        first.addErrback(lambda failure: None)
        source.release(TimedOut("in vain"))
        self.assertTrue(third.called)
        second.cancel()
        fourth.cancel()
        self.failureResultOf(second)
        self.failureResultOf(fourth)
        self.assertEqual((source.held, clock.getDelayedCalls()), ([], []))
