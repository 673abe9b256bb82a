"""
Tests of classes that programs make of L{twisted_ext.compat.resolvers.Resolver}.
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



def _mapped(name: str | bytes) -> Deferred[Result]:
    """
    @return: an address without asking anybody, in the loose form that programs write. Twisted does not insist on a L{Deferred} either.
    """
    header = dns.RRHeader(name, dns.A, dns.IN, 10, newA("203.0.113.1", 10))
    return cast("Deferred[Result]", [(header,), (), ()])


class Mapping(Resolver):
    """
    Has a name of its own, and asks for the others.
    """

    def lookupAddress(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        if name == b"mapped.example":
            return _mapped(name)
        return self._lookup(name, dns.IN, dns.A, timeout)


class Everything(Resolver):
    """
    Has every look-up come by one method.
    """

    def _lookup(self, name: str | bytes, cls: int, type: int, timeout: Timeout = None) -> Deferred[Result]:
        if name == b"mapped.example":
            return _mapped(name)
        return super()._lookup(name, cls, type, timeout)


class Filtering(Resolver):
    """
    Keeps questions from being sent.
    """

    def queryUDP(self, queries: Sequence[dns.Query], timeout: Timeout = None) -> Deferred[Message]:
        if queries[0].name.name.startswith(b"blocked."):
            return fail(error.DomainError())
        return super().queryUDP(queries, timeout)


class OverridingTests(SynchronousTestCase):
    """
    A machine and two servers.
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
        @return: the first address of what was found.
        """
        self.network.advance(6)
        payload = str(self.successResultOf(looking)[0][0].payload)
        return payload.removeprefix("<A address=").partition(" ")[0]

    def test_lookup(self) -> None:
        """
        A look-up of its own is what C{query} calls; what that leaves over is asked of the servers, and so are other types.
        """
        resolver = Mapping(servers=[(FIRST, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver.query(dns.Query(b"mapped.example", dns.A))), "203.0.113.1")
        self.assertEqual(self.address(resolver.query(dns.Query(b"www.example", dns.A))), "198.51.100.1")
        self.assertEqual(self.address(resolver.lookupAddress("www.example")), "198.51.100.1")
        asking = resolver.query(dns.Query(b"mapped.example", dns.TXT))
        self.network.advance(1)
        self.failureResultOf(asking, DNSNameError)
        self.failureResultOf(resolver.lookupAddress("a..b"), DNSFormatError)

    def test_served(self) -> None:
        """
        So Twisted's name server serves what a class of a program's own says.
        """
        resolver = Mapping(servers=[(FIRST, 53)], reactor=self.here)
        factory = newServer(clients=[resolver])
        self.here.listenUDP(53, DNSDatagramProtocol(factory, self.here))
        asking = Resolver(servers=[("192.0.2.7", 53)], reactor=self.network.reactor())
        self.assertEqual(self.address(asking.lookupAddress("mapped.example")), "203.0.113.1")
        self.assertEqual(self.address(asking.lookupAddress("www.example")), "198.51.100.1")

    def test_everything(self) -> None:
        """
        By a C{_lookup} of its own comes all that is asked, C{getHostByName} and the addresses for endpoints as well.
        """
        resolver = Everything(servers=[(FIRST, 53)], reactor=self.here)
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

    def test_queryUDP(self) -> None:
        """
        A C{queryUDP} of its own has every question before it is sent, and its own failures come through.
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

    def test_plain(self) -> None:
        """
        A class that overrides none of that asks as its base does.
        """

        class Named(Resolver):
            """
            Has a name only.
            """

            label = "mine"

        resolver = Named(servers=[(FIRST, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver.query(dns.Query(b"www.example", dns.A))), "198.51.100.1")
        self.assertEqual(self.address(resolver.lookupAddress("blocked.example")), "198.51.100.9")

    def test_closed(self) -> None:
        """
        Once closed, nothing is asked past its own methods either.
        """
        for kind in (Mapping, Everything, Filtering):
            resolver = kind(servers=[(FIRST, 53)], reactor=self.here)
            self.successResultOf(resolver.close())
            self.failureResultOf(resolver.query(dns.Query(b"www.example", dns.A)), error.ResolverError)

    def test_timeoutSet(self) -> None:
        """
        A timeout that is set later counts from then on; one that is none is refused, and changes nothing.
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

    def test_serversSet(self) -> None:
        """
        Servers that are set later are asked from then on; a list that cannot be asked is refused, and changes nothing.
        """
        resolver = Resolver(servers=[(FIRST, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver.lookupAddress("www.example")), "198.51.100.1")
        resolver.servers = [(SECOND, 53)]
        with self.assertRaises(BadDescription):
            resolver.servers = [("ns.example", 53)]
        self.assertEqual(resolver.servers, [(SECOND, 53)])
        self.assertEqual(self.address(resolver.lookupAddress("www.example")), "198.51.100.2")
        self.assertEqual(len(self.servers[0].asked), 1)
