"""
Tests of programs for Twisted's resolvers that run on this package.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.protocol import ClientFactory
from twisted.internet.testing import MemoryReactorClock
from twisted.mail.relaymanager import MXCalculator
from twisted.names import cache, client, dns, error, resolve
from twisted.names.srvconnect import SRVConnector
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import newServer
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.protocols import DNSDatagramProtocol
from twisted_ext.compat.resolvers import Resolver, sourceFor
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

Lists = tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]


class _MXCalculator(Protocol):
    """
    The part of Twisted's mail delivery that is used here.
    """

    def getMX(self, domain: str) -> Deferred[dns.Record_MX]:
        """
        Fire with the mail exchange of a domain.
        """


class _Resolver(Protocol):
    """
    The part of Twisted's resolvers that is used here.
    """

    def lookupAddress(self, name: str) -> Deferred[Lists]:
        """
        Look a name up.
        """

    def getHostByName(self, name: str) -> Deferred[str]:
        """
        Find an address.
        """


class _Connector(Protocol):
    """
    The part of Twisted's SRV connector that is used here.
    """

    def connect(self) -> None:
        """
        Look up the servers and connect to the best one.
        """


_memoryReactor: Callable[[], MemoryReactorClock] = MemoryReactorClock
_connector: Callable[..., _Connector] = SRVConnector
_calculator: Callable[..., _MXCalculator] = MXCalculator
_chain: Callable[..., _Resolver] = resolve.ResolverChain
_cache = cast("Callable[..., _Resolver]", cache.CacheResolver)


class ProgramTests(SynchronousTestCase):
    """
    Tests with a network, a server, and a resolver that uses it.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.server = CannedServer(
            {
                ("example.com", "MX"): ["20 second.example.com.", "10 first.example.com."],
                ("_xmpp-client._tcp.example.com", "SRV"): ["10 0 5222 b.example.com.", "5 0 5223 a.example.com."],
                ("_imap._tcp.example.com", "SRV"): "0 0 0 .",
                ("www.example.com", "A"): "192.0.2.80",
                ("a\\.b.example.com", "CNAME"): "c\\.d.example.com.",
                ("bare.example.com", "A"): "192.0.2.81",
            }
        )
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)

    def test_mailFindsBestExchange(self) -> None:
        """
        Twisted's mail delivery finds the best mail exchange and falls back to the host without MX records.
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

    def test_srvConnectorFindsBestServer(self) -> None:
        """
        Twisted's SRV connector finds the best server and falls back to the domain without SRV records.
        """
        self.patch(client, "theResolver", self.resolver)
        for domain, expected in (
            ("example.com", ("a.example.com", 5223)),
            ("example.org", ("example.org", "xmpp-client")),
        ):
            reactor = _memoryReactor()
            _connector(reactor, "xmpp-client", domain, ClientFactory()).connect()
            self.network.advance(1)
            self.assertEqual([each[:2] for each in reactor.tcpClients], [expected])

    def test_twistedChainFindsLocalHosts(self) -> None:
        """
        Twisted's resolver chain, which queries ANY for addresses, finds localhost and the names of the hosts file.
        """
        hosts = Path(self.mktemp())
        hosts.write_text("192.0.2.33 printer.lan\n::1 localhost\n127.0.0.1 localhost\n")
        chain = _chain([NamesResolver(sourceFor(self.here, [("192.0.2.53", 53)], hosts=str(hosts)), self.here)])
        for name, address in (("localhost", "127.0.0.1"), ("a.localhost", "127.0.0.1"), ("printer.lan", "192.0.2.33")):
            self.assertEqual(self.successResultOf(chain.getHostByName(name)), address)
        self.assertEqual(self.server.asked, [])

    def test_rootTargetMeansNoService(self) -> None:
        """
        A domain whose SRV target is the root is not connected to. Twisted's connector compares the target with C{"."}, and so do other
        programs.
        """
        self.patch(client, "theResolver", self.resolver)
        failed: list[Failure] = []
        factory = ClientFactory()
        vars(factory)["clientConnectionFailed"] = lambda connector, reason: failed.append(reason)
        reactor = _memoryReactor()
        _connector(reactor, "imap", "example.com", factory).connect()
        self.network.advance(1)
        self.assertEqual(reactor.tcpClients, [])
        (failure,) = failed
        self.assertIn("not available", failure.getErrorMessage())
        looking = self.resolver.lookupService("_imap._tcp.example.com")
        self.network.advance(1)
        target = cast(dns.Record_SRV, self.successResultOf(looking)[0][0].payload).target
        for root in (b"", b"."):
            self.assertTrue(target == dns.Name(root) and dns.Name(root) == target)
            self.assertFalse(target != dns.Name(root))
        self.assertNotEqual(target, dns.Name(b"example.com"))
        self.assertEqual((str(target), hash(target)), ("", hash(dns.Name())))
        self.assertNotEqual(dns.Name(), dns.Name(b"."))
        self.assertEqual(pickle.loads(pickle.dumps(target)), target)

    def test_twistedChainMovesOnAfterFailure(self) -> None:
        """
        Twisted's resolver chain queries the next member when the servers are silent or fail.
        """
        for address, rcode in (("192.0.2.55", 0), ("192.0.2.56", 2)):
            failing = CannedServer({})
            failing.silent, failing.rcode = not rcode, rcode or None
            failing.listen(self.network.reactor(address))
            first = Resolver(servers=[(address, 53)], timeout=1, reactor=self.here)
            looking = _chain([first, self.resolver]).lookupAddress("www.example.com")
            self.network.advance(3)
            answers, _, _ = self.successResultOf(looking)
            self.assertEqual(str(answers[0].payload), "<A address=192.0.2.80 ttl=300>")

    def test_cancelThroughChainLeavesNoTimer(self) -> None:
        """
        Canceling a look-up of Twisted's chain ends the look-up here and leaves no timer.
        """
        self.server.silent = True
        looking = _chain([self.resolver]).lookupAddress("www.example.com")
        self.network.advance(0.1)
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_resultsCopyAndPickle(self) -> None:
        """
        Results and exceptions can be copied, pickled and compared.
        """
        looking = self.resolver.lookupMailExchange("example.com")
        self.network.advance(1)
        result = self.successResultOf(looking)
        for made in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
            self.assertEqual(made, result)
            self.assertEqual(repr(made), repr(result))
        self.assertEqual(result[0][0].name, dns.Name("example.com"))
        looking = self.resolver.lookupMailExchange("nothing.example.com")
        self.network.advance(1)
        failure = self.failureResultOf(looking, error.DNSNameError)
        again = pickle.loads(pickle.dumps(failure.value))
        self.assertEqual((type(again), str(again)), (type(failure.value), failure.getErrorMessage()))

    def test_worksBehindTwistedCache(self) -> None:
        """
        The resolver works in Twisted's chain behind Twisted's cache.
        """
        chain = _chain([_cache(reactor=self.here), self.resolver])
        looking = chain.lookupAddress("www.example.com")
        self.network.advance(1)
        answers, _, _ = self.successResultOf(looking)
        self.assertEqual(str(answers[0].payload), "<A address=192.0.2.80 ttl=300>")

    def test_worksBehindTwistedNameServer(self) -> None:
        """
        Twisted's name server answers from the resolver, including names with dots in labels.
        """
        factory = newServer(clients=[self.resolver])
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
