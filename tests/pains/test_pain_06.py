"""
Pain 6: code for IPv4 only; C{installResolver} alone removes IPv6 from endpoints.
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

    def addressConnected(self, name: str) -> str:
        """
        Return the address that an endpoint connects to.
        """
        connecting = HostnameEndpoint(self.here, name, 80).connect(Factory.forProtocol(Protocol))
        self.network.advance(10)
        protocol = self.successResultOf(connecting)
        assert isinstance(protocol, Protocol) and protocol.transport is not None
        return str(getattr(protocol.transport.getPeer(), "host", ""))

    def test_installGivesBothFamilies(self) -> None:
        """
        C{install} gives endpoints both families: a host with both is reached over IPv6, and an IPv6-only host is reached.
        """
        undo = self.resolver.install(self.here)
        self.assertEqual(self.addressConnected("both.example"), SIX)
        self.assertEqual(self.addressConnected("six.example"), SIX)
        undo()

    def test_scrapySettingGivesBothFamilies(self) -> None:
        """
        The resolver that Scrapy installs by one line of its settings gives both families, unlike its default.
        """
        vars(self.here)["addSystemEventTrigger"] = lambda *trigger: None
        crawling = CrawlerResolver(self.resolver.source, self.here)
        crawling.install_on_reactor()
        self.assertEqual(self.addressConnected("both.example"), SIX)
        self.assertEqual(self.addressConnected("six.example"), SIX)

    def test_getaddrinfoGivesBothFamilies(self) -> None:
        """
        C{getaddrinfo} gives both families, and the addresses of an IPv6-only host.
        """
        for name, expected in (("both.example", {FOUR, SIX}), ("six.example", {SIX})):
            asking = self.resolver.getaddrinfo(name, 80, type=SOCK_STREAM)
            self.network.advance(1)
            self.assertEqual({str(each[4][0]) for each in self.successResultOf(asking)}, expected)

    def test_installResolverAloneLosesIPv6(self) -> None:
        """
        C{installResolver} alone removes IPv6 from a host with both families, which is why C{install} exists.
        """
        self.here.installResolver(self.resolver)
        self.assertEqual(self.addressConnected("both.example"), FOUR)
        self.assertEqual(self.addressConnected("six.example"), SIX)
