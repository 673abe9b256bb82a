"""
Programs written for Twisted's resolvers, run on ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from twisted.internet.defer import Deferred, gatherResults
from twisted.mail.relaymanager import MXCalculator
from twisted.names import cache, dns, resolve, server
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.edges.names import NamesResolver
from twisted_ext.edges.protocols import DNSDatagramProtocol
from twisted_ext.edges.resolvers import Resolver
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

Lists = tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]


class _Exchanges(Protocol):
    """
    What delivers mail.
    """

    def getMX(self, domain: str) -> Deferred[dns.Record_MX]:
        """
        @return: fires with where to deliver it.
        """


class _Looking(Protocol):
    """
    What of Twisted's resolvers is used here.
    """

    def lookupAddress(self, name: str) -> Deferred[Lists]:
        """
        Look a name up.
        """


_calculator: Callable[..., _Exchanges] = MXCalculator
_chain: Callable[..., _Looking] = resolve.ResolverChain
_cache = cast("Callable[..., _Looking]", cache.CacheResolver)
_serverFactory = cast("Callable[..., object]", server.DNSServerFactory)


class ProgramTests(SynchronousTestCase):
    """
    A network with a server, and a resolver for it.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.server = CannedServer(
            {
                ("example.com", "MX"): ["20 second.example.com.", "10 first.example.com."],
                ("www.example.com", "A"): "192.0.2.80",
                ("a\\.b.example.com", "CNAME"): "c\\.d.example.com.",
                ("bare.example.com", "A"): "192.0.2.81",
            }
        )
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)

    def test_mail(self) -> None:
        """
        Twisted's mail delivery finds the best exchange, and falls back to the host where there is none.
        """
        calculator = _calculator(self.resolver, self.here)
        exchange = calculator.getMX("example.com")
        self.network.advance(1)
        self.assertEqual(str(self.successResultOf(exchange).name), "first.example.com")
        calculator = _calculator(self.resolver, self.here)
        fallback = calculator.getMX("nomail.example.org")
        self.network.advance(1)
        self.failureResultOf(fallback, IOError)
        fallback = calculator.getMX("bare.example.com")
        self.network.advance(1)
        self.assertEqual(str(self.successResultOf(fallback).name), "192.0.2.81")

    def test_chain(self) -> None:
        """
        Twisted's chain and cache take it as a member.
        """
        chain = _chain([_cache(reactor=self.here), self.resolver])
        looking = chain.lookupAddress("www.example.com")
        self.network.advance(1)
        answers, _, _ = self.successResultOf(looking)
        self.assertEqual(str(answers[0].payload), "<A address=192.0.2.80 ttl=300>")

    def test_server(self) -> None:
        """
        Twisted's name server answers from it, behind a protocol of ours names with odd labels included.
        """
        factory = _serverFactory(clients=[self.resolver])
        self.here.listenUDP(53, DNSDatagramProtocol(factory, self.here))
        asking = Resolver(servers=[("192.0.2.7", 53)], reactor=self.network.reactor())
        looking = gatherResults(
            [asking.lookupAddress("www.example.com"), asking.lookupCanonicalName("a\\.b.example.com")]
        )
        self.network.advance(1)
        address, alias = self.successResultOf(looking)
        self.assertEqual(str(address[0][0].payload), "<A address=192.0.2.80 ttl=300>")
        self.assertEqual(str(alias[0][0].payload), "<CNAME name=c\\.d.example.com ttl=300>")
        self.assertIsInstance(asking, NamesResolver)
