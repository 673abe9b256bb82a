"""
Tests of subclasses of L{twisted_ext.compat.resolvers.Resolver}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import Deferred, fail
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Addresses
from tests.typed import newA, newServer
from twisted_ext.compat.conversion.errors import DNSFormatError, DNSNameError, DNSQueryTimeoutError
from twisted_ext.compat.conversion.messages import Message
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.protocols import DNSDatagramProtocol
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.names import nameToText

FIRST, SECOND = "192.0.2.53", "192.0.2.54"



def _localResult(name: str | bytes) -> Deferred[Result]:
    """
    Return an address without a query, in the loose form that programs write. Twisted does not insist on a L{Deferred} either.
    """
    header = dns.RRHeader(name, dns.A, dns.IN, 10, newA("203.0.113.1", 10))
    return cast("Deferred[Result]", [(header,), (), ()])


class Mapping(Resolver):
    """
    Answers one name itself and looks up the others.
    """

    def lookupAddress(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        if name == b"mapped.example":
            return _localResult(name)
        return self._lookup(name, dns.IN, dns.A, timeout)


class OverridingLookup(Resolver):
    """
    Overrides the one method that every look-up uses.
    """

    def _lookup(self, name: str | bytes, cls: int, type: int, timeout: Timeout = None) -> Deferred[Result]:
        if name == b"mapped.example":
            return _localResult(name)
        return super()._lookup(name, cls, type, timeout)


class Filtering(Resolver):
    """
    Blocks some questions before they are sent.
    """

    def queryUDP(self, queries: Sequence[dns.Query], timeout: Timeout = None) -> Deferred[Message]:
        if queries[0].name.name.startswith(b"blocked."):
            return fail(error.DomainError())
        return super().queryUDP(queries, timeout)


class OverridingTests(SynchronousTestCase):
    """
    Tests with a client machine and two servers.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.servers = [
            CannedServer(
                {
                    ("www.example", "A"): f"198.51.100.{number}",
                    ("www.example", "TXT"): "text",
                    ("blocked.example", "A"): "198.51.100.9",
                }
            )
            for number in (1, 2)
        ]
        for each, address in zip(self.servers, (FIRST, SECOND), strict=True):
            each.listen(self.network.reactor(address))

    def address(self, looking: Deferred[Result]) -> str:
        """
        Return the first address of a look-up.
        """
        self.network.advance(6)
        payload = str(self.successResultOf(looking)[0][0].payload)
        return payload.removeprefix("<A address=").partition(" ")[0]

    def test_queryCallsOverriddenLookup(self) -> None:
        """
        C{query} calls an overridden look-up. Other names and types go to the servers.
        """
        resolver = Mapping(servers=[(FIRST, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver.query(dns.Query(b"mapped.example", dns.A))), "203.0.113.1")
        self.assertEqual(self.address(resolver.query(dns.Query(b"www.example", dns.A))), "198.51.100.1")
        self.assertEqual(self.address(resolver.lookupAddress("www.example")), "198.51.100.1")
        asking = resolver.query(dns.Query(b"mapped.example", dns.TXT))
        self.network.advance(1)
        self.failureResultOf(asking, DNSNameError)
        self.failureResultOf(resolver.lookupAddress("a..b"), DNSFormatError)

    def test_nameServerUsesOverriddenLookup(self) -> None:
        """
        Twisted's name server serves the answers of an overridden look-up.
        """
        resolver = Mapping(servers=[(FIRST, 53)], reactor=self.here)
        factory = newServer(clients=[resolver])
        self.here.listenUDP(53, DNSDatagramProtocol(factory, self.here))
        asking = Resolver(servers=[("192.0.2.7", 53)], reactor=self.network.reactor())
        self.assertEqual(self.address(asking.lookupAddress("mapped.example")), "203.0.113.1")
        self.assertEqual(self.address(asking.lookupAddress("www.example")), "198.51.100.1")

    def test_overriddenLookupGetsEverything(self) -> None:
        """
        An overridden C{_lookup} gets every look-up, including C{getHostByName} and the addresses for endpoints.
        """
        resolver = OverridingLookup(servers=[(FIRST, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver.lookupAddress("mapped.example.")), "203.0.113.1")
        self.assertEqual(self.address(resolver.query(dns.Query(b"mapped.example", dns.A))), "203.0.113.1")
        self.assertEqual(self.address(resolver.lookupAddress("www.example")), "198.51.100.1")
        finding = resolver.getHostByName("mapped.example")
        self.assertEqual(self.successResultOf(finding), "203.0.113.1")
        finding = resolver.getHostByName("www.example")
        self.network.advance(1)
        self.assertEqual(self.successResultOf(finding), "198.51.100.1")
        receiver = Addresses()
        resolver.resolveHostName(receiver, "mapped.example")
        self.network.advance(1)
        self.assertEqual(receiver.events, ["began", "203.0.113.1", "complete"])
        self.failureResultOf(resolver.lookupAddress("a..b"), DNSFormatError)

    def test_overriddenQueryUDPGetsEveryQuestion(self) -> None:
        """
        An overridden C{queryUDP} gets every question before it is sent, and its failures reach the caller.
        """
        resolver = Filtering(servers=[(FIRST, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver.lookupAddress("www.example")), "198.51.100.1")
        self.failureResultOf(resolver.lookupAddress("blocked.example"), error.DomainError)
        self.failureResultOf(resolver.query(dns.Query(b"blocked.example", dns.MX)), error.DomainError)
        self.failureResultOf(resolver.getHostByName("blocked.example"), error.DomainError)
        missing = resolver.lookupAddress("missing.example")
        self.network.advance(1)
        self.failureResultOf(missing, DNSNameError)
        asked = [nameToText(asked.question.name) for asked in self.servers[0].asked]
        self.assertEqual(asked, ["www.example.", "missing.example."])

    def test_subclassWithoutOverridesBehavesAsBase(self) -> None:
        """
        A subclass that overrides no look-up behaves as its base.
        """

        class Labeled(Resolver):
            """
            Adds a label only.
            """

            label = "mine"

        resolver = Labeled(servers=[(FIRST, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver.query(dns.Query(b"www.example", dns.A))), "198.51.100.1")
        self.assertEqual(self.address(resolver.lookupAddress("blocked.example")), "198.51.100.9")

    def test_closedSubclassFailsLookups(self) -> None:
        """
        A closed resolver fails look-ups that go through overridden methods.
        """
        for kind in (Mapping, OverridingLookup, Filtering):
            resolver = kind(servers=[(FIRST, 53)], reactor=self.here)
            self.successResultOf(resolver.close())
            self.failureResultOf(resolver.query(dns.Query(b"www.example", dns.A)), error.ResolverError)

    def test_assignedTimeoutApplies(self) -> None:
        """
        An assigned timeout applies to later look-ups. An invalid one is refused and changes nothing.
        """
        self.servers[0].silent = True
        resolver = Resolver(servers=[(FIRST, 53)], reactor=self.here)
        resolver.timeout = (1, 1)
        with self.assertRaises(CallerFault):
            resolver.timeout = -1
        self.assertEqual(resolver.timeout, (1, 1))
        looking = resolver.lookupAddress("www.example")
        self.network.advance(1.9)
        self.assertNoResult(looking)
        self.network.advance(0.2)
        self.failureResultOf(looking, DNSQueryTimeoutError)

    def test_assignedServersAreQueried(self) -> None:
        """
        Assigned servers get the later queries. An invalid list is refused and changes nothing.
        """
        resolver = Resolver(servers=[(FIRST, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver.lookupAddress("www.example")), "198.51.100.1")
        resolver.servers = [(SECOND, 53)]
        with self.assertRaises(BadDescription):
            resolver.servers = [("ns.example", 53)]
        self.assertEqual(resolver.servers, [(SECOND, 53)])
        self.assertEqual(self.address(resolver.lookupAddress("www.example")), "198.51.100.2")
        self.assertEqual(len(self.servers[0].asked), 1)
