"""
Pain 6: paths for IPv4 only; C{installResolver} alone takes IPv6 from endpoints.
"""

from __future__ import annotations

from socket import SOCK_STREAM

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.addrinfo.routes import reachFrom
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.integrations.scrapy import CrawlerResolver
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

FOUR, SIX = "192.0.2.80", "2001:db8::80"


class BothFamiliesTests(SynchronousTestCase):
    """
    A host with both families, from a machine with both.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7", "2001:db8::7")
        there = self.network.reactor(FOUR, SIX)
        factory = ServerFactory()
        factory.noisy = False
        factory.protocol = Protocol
        for interface in ("0.0.0.0", "::"):
            there.listenTCP(80, factory, interface=interface)
        server = CannedServer(
            {("both.example", "A"): FOUR, ("both.example", "AAAA"): SIX, ("six.example", "AAAA"): SIX}
        )
        where = server.listen(self.network.reactor("2001:db8::53"), interface="::")
        self.resolver = Resolver(servers=[("2001:0DB8:0:0::53", where.port)], reactor=self.here)
        reachFrom(self, lambda address: self.here.sourceFor(address, "0.0.0.0"))

    def connected(self, name: str) -> str:
        """
        @return: the address that an endpoint connects to.
        """
        connecting = HostnameEndpoint(self.here, name, 80).connect(Factory.forProtocol(Protocol))
        self.network.advance(10)
        protocol = self.successResultOf(connecting)
        assert isinstance(protocol, Protocol) and protocol.transport is not None
        return str(getattr(protocol.transport.getPeer(), "host", ""))

    def test_install(self) -> None:
        """
        C{install} gives endpoints both families: a host that has both is reached by IPv6, one that has IPv6 only is reached at all.
        """
        undo = self.resolver.install(self.here)
        self.assertEqual(self.connected("both.example"), SIX)
        self.assertEqual(self.connected("six.example"), SIX)
        undo()

    def test_crawler(self) -> None:
        """
        What Scrapy installs by one line of its settings does the same, which its own default does not.
        """
        vars(self.here)["addSystemEventTrigger"] = lambda *trigger: None
        crawling = CrawlerResolver(self.resolver.source, self.here)
        crawling.install_on_reactor()
        self.assertEqual(self.connected("both.example"), SIX)
        self.assertEqual(self.connected("six.example"), SIX)

    def test_getaddrinfo(self) -> None:
        """
        C{getaddrinfo} gives both families, and those of a host that has IPv6 only.
        """
        for name, expected in (("both.example", {FOUR, SIX}), ("six.example", {SIX})):
            asking = self.resolver.getaddrinfo(name, 80, type=SOCK_STREAM)
            self.network.advance(1)
            self.assertEqual({str(each[4][0]) for each in self.successResultOf(asking)}, expected)

    def test_installResolverAlone(self) -> None:
        """
        C{installResolver} alone takes IPv6 from the host that has both: that is what C{install} is for.
        """
        self.here.installResolver(self.resolver)
        self.assertEqual(self.connected("both.example"), FOUR)
        self.assertEqual(self.connected("six.example"), SIX)
