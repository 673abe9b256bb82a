"""
Pain 17: bulk look-ups are slow and lose names.

C{benchmarks/bulk.py} measures the speed. These tests check that no name is lost over a network that loses datagrams.
"""

from __future__ import annotations

from collections import Counter

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer
from twisted_ext.bulk import Asked, bulk, dataOf
from twisted_ext.errors import BadName, TimedOut
from twisted_ext.limits import Limit
from twisted_ext.ratecontrol import Window
from twisted_ext.resolver.forward import forwarder
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.network import Datagram, Link, MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.names import nameToText

__all__: list[str] = []


def namesOf(number: int) -> list[str]:
    """
    Return so many different names.
    """
    return [f"h{index}.example.org" for index in range(number)]


def addressFor(name: str) -> str:
    """
    Return an address that belongs to this name only.
    """
    number = int(name.partition(".")[0][1:])
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class BulkTests(SynchronousTestCase):
    """
    Five thousand names, one answer each.
    """

    def setUp(self) -> None:
        """
        Create a network with a server that has an address for every name.
        """
        self.network = MemoryNetwork()
        self.network.recording = False
        self.server = CannedServer(otherwise=lambda question: addressFor(nameToText(question.name)))
        where = self.server.listen(self.network.reactor("192.0.2.53"))
        self.here: IReactorTime = self.network.reactor("192.0.2.7")
        self.source = ForwardingSource(self.here, [where])

    def look(self, names: list[str], window: Window, most: float) -> list[tuple[Asked, Answer | Exception]]:
        """
        Look up names.

        @param most: seconds that it may take.
        @return: the results.
        """
        results: list[tuple[Asked, Answer | Exception]] = []

        async def collect() -> None:
            async for pair in bulk(self.source, names, window=window, clock=self.here):
                results.append(pair)

        done = Deferred.fromCoroutine(collect())
        began = self.here.seconds()
        while not done.called and self.here.seconds() < began + most:
            self.network.advance(0.01)
        self.successResultOf(done)
        return results

    def test_noNameIsLost(self) -> None:
        """
        Each name has its own answer, once, where a tenth of all datagrams are lost, and some are duplicated or late.
        """
        self.network.link = Link(delay=0.005, jitter=0.02, loss=0.1, duplicate=0.05)
        names = namesOf(5_000)
        results = self.look(names, Window(), 600)
        self.assertEqual(Counter([name for name, _ in results]), Counter(names))
        answered = [(name, result) for name, result in results if isinstance(result, Answer)]
        self.assertGreater(len(answered), 4_950)
        self.assertEqual([dataOf(result) for _, result in answered], [[addressFor(str(name))] for name, _ in answered])

    def overload(self, window: Window) -> tuple[int, int]:
        """
        Look up names of a server that takes 300 queries at once and drops the rest.

        @return: how many got an answer, and how many queries that took.
        """
        buffer: list[float] = []

        def admit(datagram: Datagram) -> bool:
            if datagram.destination[0] == "192.0.2.53":
                now = self.here.seconds()
                buffer[:] = [at for at in buffer if at > now - 0.02]
                if len(buffer) >= 300:
                    return False
                buffer.append(now)
            return True

        self.network.link = Link(delay=0.01, admit=admit)
        results = self.look(namesOf(5_000), window, 600)
        answered = sum([isinstance(result, Answer) for _, result in results])
        return answered, sum(self.network.sent.values()) - answered

    def test_serverIsNotOverloaded(self) -> None:
        """
        A server with limited capacity gets no more queries than that, and loses few.
        """
        answered, queries = self.overload(Window())
        self.assertEqual(answered, 5_000)
        self.assertLess(queries, 6_250)

    @pytest.mark.long
    def test_unpacedQueriesWouldOverload(self) -> None:
        """
        With the window wide open, look-ups wait in the queue of the resolver. Without that queue as well, the server drops most of them.
        """
        answered, queries = self.overload(Window(5_000, least=5_000, most=5_000))
        self.assertEqual(answered, 5_000)
        self.assertLess(queries, 6_250)
        self.patch(forwarder, "LOOKUPS_BURST", Limit(20_000, 20_000, 20_000))
        self.setUp()
        _, queries = self.overload(Window(5_000, least=5_000, most=5_000))
        self.assertGreater(queries, 15_000)

    def test_deadServerGivesReasons(self) -> None:
        """
        Each name comes out with the reason when the server does not answer.
        """
        self.server.silent = True
        names = [*namesOf(50), "a..b"]
        results = self.look(names, Window(), 60)
        self.assertEqual(Counter([name for name, _ in results]), Counter(names))
        self.assertEqual({type(result) for _, result in results}, {TimedOut, BadName})

    def test_namesAreLookedUpConcurrently(self) -> None:
        """
        Names are looked up concurrently, in a hundredth of the time that single look-ups take.
        """
        self.network.link = Link(delay=0.05)
        names = namesOf(2_000)
        began = self.here.seconds()
        self.look(names, Window(), 60)
        together = self.here.seconds() - began
        self.assertLess(together, 2_000 * 0.1 / 50)
        began = self.here.seconds()
        self.look(names[:100], Window(1, least=1, most=1), 60)
        self.assertGreater(self.here.seconds() - began, 100 * 0.1 * 0.9)
