"""
Pain 10: a socket for each query, and a log line for each socket (Twisted #4021).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, globalLogPublisher
from twisted.names.dns import DNSDatagramProtocol
from twisted.trial.unittest import SynchronousTestCase

from tests.pains.stock import stockResolver
from tests.typed import observing
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport import udpsockets
from twisted_ext.transport.datagram import Datagrams
from twisted_ext.transport.servers import Server

#: The number of look-ups, and of concurrent ones.
MANY, TOGETHER = 1600, 100


class SocketTests(SynchronousTestCase):
    """
    A program that looks up many names.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.network.recording = False
        self.here = self.network.reactor("192.0.2.7")
        self.server = CannedServer(otherwise="192.0.2.80")
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)
        self.lines: list[LogEvent] = []
        observer = observing(self.lines.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def look(self, many: int = MANY) -> int:
        """
        Look up names.

        @return: how many ports that took.
        """
        self.server.asked.clear()
        for number in range(0, many, TOGETHER):
            looking: list[Deferred[object]] = [
                Deferred.fromCoroutine(self.found(f"n{number + each}.example")) for each in range(TOGETHER)
            ]
            self.network.advance(0)
            for each in looking:
                self.successResultOf(each)
        self.assertEqual(self.here.pending(), [])
        return len({asked.peer for asked in self.server.asked})

    async def found(self, name: str) -> object:
        return await self.resolver.lookupAddress(name)

    def test_queriesShareSockets(self) -> None:
        """
        Sixteen queries share a socket under load, and none is logged. Fewer sockets would help forgers.
        """
        used = self.look()
        self.assertLess(used, MANY // 8)
        self.assertGreaterEqual(used, MANY // 16)
        self.assertEqual(self.lines, [])

    def test_unsharedSocketsAreOnePerQuery(self) -> None:
        """
        With a socket for each query there would be as many as look-ups.
        """
        source = ForwardingSource(self.here, [Server("192.0.2.53")], datagrams=Datagrams(self.here, queriesEach=1))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)
        self.resolver._use(source)
        self.assertGreater(self.look(), MANY * 0.95)

    def test_noisyPortsWouldBeLogged(self) -> None:
        """
        If our ports were noisy, they would be logged, as Twisted's are.
        """
        self.patch(udpsockets._Receiver, "noisy", True)
        self.look(TOGETHER)
        self.assertNotEqual(self.lines, [])
        self.lines.clear()
        # Some programs, such as Synapse, switch that off at import.
        self.patch(DNSDatagramProtocol, "noisy", True)
        looking = stockResolver(self.here, ("192.0.2.53", 53)).lookupAddress("www.example")
        self.network.advance(0)
        self.successResultOf(looking)
        self.assertNotEqual(self.lines, [])
