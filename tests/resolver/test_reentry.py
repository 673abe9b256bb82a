"""
Tests of callbacks that end other look-ups while those are about to end.
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
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.combine.race import RaceSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.reactors import newCannotListen
from twisted_ext.testing.sources import HeldSource, questionOf
from twisted_ext.transport.datagram import Datagrams
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Question


class OneQueryBudget:
    """
    A budget for one query.
    """

    def __init__(self) -> None:
        self.left = 1

    isBegun = False

    def spend(self, amount: int = 1) -> None:
        self.left -= amount
        if self.left < 0:
            raise BudgetSpent("all of it was spent")

    def unsent(self) -> None:
        self.left += 1

    def received(self, octets: int) -> None:
        pass


class ReentryTests(NetworkTestCase):
    """
    Tests that every look-up ends exactly once, and that nothing is left open.
    """

    def beginSeveral(self, source: IAnswerSource, count: int = 3) -> list[str]:
        """
        Begin look-ups of which the first to end cancels the others. Return the list of results, which is filled later.
        """
        asked = [self.ask(source, f"host{number}.test.example") for number in range(count)]
        ended: list[str] = []

        def end(result: Answer | Failure) -> None:
            """
            Note the result and cancel all look-ups.
            """
            ended.append(type(result.value if isinstance(result, Failure) else result).__name__)
            for each in asked:
                each.cancel()

        for each in asked:
            each.addBoth(end)
        return ended

    def test_closedPortEndsAllLookupsOfSocket(self) -> None:
        """
        A closed port, which the kernel reports once, ends all look-ups of the socket.
        """
        self.serve()
        # One socket for all of them.
        datagrams = Datagrams(self.here, width=1)
        source = ForwardingSource(self.here, [Server("192.0.2.53", 54)], datagrams=datagrams)
        ended = self.beginSeveral(source)
        self.network.advance(6)
        self.assertEqual(ended, ["Unreachable", "Abandoned", "Abandoned"])

    def test_unsentLookupIsFreedAtOnce(self) -> None:
        """
        A look-up that could not be sent is freed when it ends, without the garbage collector.
        """
        _, server = self.serve()
        source = self.forward(server)

        def failToListen(port: int, *rest: object, **more: object) -> object:
            raise newCannotListen("", port, OSError("no more sockets"))

        self.patch(self.here, "listenUDP", failToListen)
        purse = OneQueryBudget()
        left = ref(purse)
        gc.disable()
        self.addCleanup(gc.enable)
        asked = lookUp(source, questionOf("www.test.example"), QueryContext(self.here.seconds() + 5, budget=purse))
        del purse
        self.failureResultOf(asked, Unreachable)
        del asked
        self.assertIsNone(left())

    def test_failedConnectionEndsAllLookups(self) -> None:
        """
        A failed connection ends all look-ups that wait for it.
        """
        canned, server = self.serve()
        canned.close()
        self.network.advance()
        ended = self.beginSeveral(self.forward(server, stream=True))
        self.network.advance(6)
        self.assertEqual(ended, ["Unreachable", "Abandoned", "Abandoned"])

    def test_lostConnectionsEndAllLookups(self) -> None:
        """
        Connections that are lost again and again end all their look-ups.
        """
        canned, server = self.serve()
        canned.closesAfter = 0
        ended = self.beginSeveral(self.forward(server, stream=True))
        self.network.advance(6)
        self.assertEqual(ended, ["Unreachable", "Abandoned", "Abandoned"])

    def test_nearMissWithSpentBudgetEndsAllLookups(self) -> None:
        """
        A near miss sends all look-ups of the socket to TCP. One without a budget for that ends, and its callback ends the others.
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
            context = QueryContext(5.0, budget=OneQueryBudget())
            asked.append(lookUp(source, questionOf(f"host{number}.test.example"), context))
        for each in asked:
            each.addErrback(end)
        port = self.here.ports()[0].port
        self.network.inject(b"??", ("192.0.2.53", 53), ("192.0.2.7", port))
        self.network.advance(6)
        self.assertEqual(ended, ["BudgetSpent", "Abandoned", "Abandoned"])

    def test_closeEndsAllLookups(self) -> None:
        """
        Closing ends all look-ups, whatever the callback of the first one does.
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
            ended = self.beginSeveral(source)
            self.network.advance(0.1)
            source.close()
            self.network.advance(0.1)
            self.assertEqual((len(ended), ended[0]), (3, "Closed"))
            self.assertEqual(self.here.pending(), [])

    def test_closeDuringFirstSendEndsLookup(self) -> None:
        """
        A look-up whose first send leads to the close of its source ends as well.
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
        late = self.ask(source, "late.test.example")
        self.failureResultOf(late)
        self.network.advance(6)


class SuccessionTests(NetworkTestCase):
    """
    Tests for callers that continue in another shared look-up after a timeout.
    """

    def test_continuedLookupCanBeCancelledAfterFlush(self) -> None:
        """
        A caller that continues in another look-up can be cancelled even if a flush came between two of them.
        """
        clock = Clock()
        source = HeldSource()
        coalescing = CoalescingSource(source, clock, seconds=1.0)

        def ask(deadline: float) -> Deferred[Answer]:
            return lookUp(coalescing, Question(b"\x01a\x00", 1), QueryContext(deadline))

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
