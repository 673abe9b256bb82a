"""
Tests of servers that accept connections and stay silent on them.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.networks import NetworkTestCase
from tests.resolver.recursive.test_pool import PoolCase
from twisted_ext.answers import QueryContext
from twisted_ext.limits import BACK_OFF, FIRST_WAIT
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.forward.serverstats import ServerStats
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.sources import questionOf


class StreamStandingTests(SynchronousTestCase):
    """
    Tests of what L{ServerStats} records of connections.
    """

    def test_silenceGrowsUntilAReply(self) -> None:
        """
        The first silence counts for a moment only; further ones for longer, until there is a reply over TCP. One over UDP changes nothing,
        and the server is used over UDP all the time.
        """
        standing = ServerStats()
        pauses: list[float] = []
        for _ in range(9):
            standing.streamSilent(100.0, 99.0, False)
            standing.replied(0.01)
            pauses.append(standing.streamDownUntil - 100.0)
        self.assertEqual([pauses[0], pauses[1], pauses[-1]], [BACK_OFF.default, 2 * BACK_OFF.default, BACK_OFF.most])
        self.assertFalse(standing.down)
        standing.streamHeard(101.0)
        self.assertEqual((standing.streamSilences, standing.streamDownUntil), (0, 0.0))

    def test_slowQueryAmongOthers(self) -> None:
        """
        A query without a reply says nothing if others were answered meanwhile, nor does a wait that was too short for anything.
        """
        standing = ServerStats()
        standing.streamHeard(99.5)
        standing.streamSilent(100.0, 99.0, True)
        standing.streamSilent(100.0, 99.9, True)
        self.assertEqual((standing.streamSilences, standing.down), (0, False))

    def test_onlyWay(self) -> None:
        """
        A server that is asked over TCP only is down as a whole, and UDP is tried again.
        """
        standing = ServerStats()
        standing.streamUntil = 900.0
        standing.streamSilent(100.0, 99.0, False)
        self.assertEqual((standing.down, standing.streamUntil), (True, 0.0))


class RecursionTests(PoolCase):
    """
    Tests with a name server that truncates all replies and is silent over TCP, beside one that works.
    """

    def setUp(self) -> None:
        super().setUp()
        self.shares(20)
        self.internet.inject(Fault.TRUNCATES, "ns1.example.org")
        self.internet.inject(Fault.UDP_ONLY, "ns1.example.org")

    def times(self, count: int) -> list[float]:
        """
        Resolve new names, one after the other, and return the seconds that each takes.
        """
        found: list[float] = []
        for _ in range(count):
            found.append(self.look()[1])
            self.internet.advance(0.5)
        return found

    def test_neighborIsAskedFirst(self) -> None:
        """
        The first look-up waits for it; of the others, few do for a moment, and fewer later. Over UDP it keeps its share.
        """
        times = self.times(40)
        self.assertEqual(len([each for each in times if each > 0.5]), 1)
        self.assertLess(len([each for each in times if each > 0.1]), 8)
        self.assertLess(max(self.times(40)[20:]), 0.3)
        self.assertGreater(self.shares(40)["ns1.example.org"], 10)

    def test_namesWithoutTCPKeepTheServer(self) -> None:
        """
        A server that is silent over TCP answers names that need no TCP as before.
        """
        self.times(10)
        self.internet.clear(Fault.TRUNCATES, "ns1.example.org")
        shares = self.shares(60)
        self.assertGreater(shares["ns1.example.org"], 20)
        self.assertEqual(sum(shares.values()), 60)

    def test_serverThatWorksAgain(self) -> None:
        """
        Once it replies over TCP again, it is asked there again.
        """
        self.times(20)
        self.internet.clear(Fault.UDP_ONLY, "ns1.example.org")
        self.internet.advance(BACK_OFF.most)
        self.times(20)
        self.internet.exchanges.clear()
        self.times(40)
        self.assertGreater(len([each for each in self.internet.exchanges if each.transport == "tcp"]), 5)

    def test_onlyServerLeft(self) -> None:
        """
        If the others do not reply, it is asked over TCP nevertheless, last.
        """
        self.times(10)
        self.internet.clear(Fault.UDP_ONLY, "ns1.example.org")
        self.internet.inject(Fault.DEAD, "ns2.example.org")
        for seconds in self.times(10):
            self.assertLess(seconds, 2.0)


class ForwardingTests(NetworkTestCase):
    """
    Tests of L{ForwardingSource} with two servers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.first, first = self.serve("192.0.2.53")
        self.second, second = self.serve("192.0.2.54")
        self.servers = (first, second)

    def times(self, source: ForwardingSource, count: int, seconds: float = 5.0, stream: bool = False) -> list[float]:
        """
        Look up a name several times, and return the seconds that each look-up takes, -1 for a failure.
        """
        return [self.time(source, seconds, stream) for _ in range(count)]

    def time(self, source: ForwardingSource, seconds: float, stream: bool) -> float:
        began = self.here.seconds()
        ended: list[float] = []
        asked = lookUp(source, questionOf("www.test.example"), QueryContext(began + seconds, stream=stream))
        asked.addCallbacks(lambda _: ended.append(self.here.seconds() - began), lambda _: ended.append(-1.0))
        self.network.advance(seconds + 0.1)
        return ended[0]

    def test_truncating(self) -> None:
        """
        A server that truncates its replies and is silent over TCP costs one wait, and later a moment at times.
        """
        self.first.truncating = True
        self.first.silentTo = "tcp"
        times = self.times(self.forward(*self.servers), 5)
        self.assertGreater(times[0], 1.0)
        self.assertLess(max(times[1:]), 3 * FIRST_WAIT.default)

    def test_connectionsOnly(self) -> None:
        """
        If all queries go over connections, a silent server is down as one that is silent over UDP: one look-up after each back-off finds
        out whether it works again, also if the deadline comes before the other server's turn.
        """
        self.first.silentTo = "tcp"
        source = self.forward(*self.servers, stream=True)
        times = self.times(source, 30)
        self.assertLess(len([each for each in times if each > 0.5]), 10)
        self.first.silentTo = ""
        self.network.advance(BACK_OFF.most)
        asked = len(self.first.asked)
        self.times(source, 5)
        self.assertEqual(len(self.first.asked) - asked, 5)
        self.first.silentTo = "tcp"
        self.assertEqual([each > 0 for each in self.times(source, 2, 0.9)], [False, True])

    def test_callerWantsTCP(self) -> None:
        """
        If only a look-up needs TCP, the next such one asks the other server first. Those over UDP are not concerned.
        """
        source = self.forward(*self.servers)
        self.first.silentTo = "tcp"
        times = self.times(source, 1, stream=True)
        times += self.times(source, 2, 0.9)
        self.assertEqual([each.transport for each in self.first.asked], ["tcp", "udp", "udp"])
        self.assertEqual(source.standings[0].streamSilences, 1)
        source.standings[0].streamDownUntil = self.here.seconds() + 1.0
        self.assertLess(self.times(source, 1, stream=True)[0], 0.5)
