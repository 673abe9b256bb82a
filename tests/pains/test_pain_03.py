"""
Pain 3: C{getHostByName} queries ANY, which servers refuse (RFC 8482).
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import ResolverBase, hostByName
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.rrtypes import ANY, A


class _StockHostByName(ResolverBase):
    """
    Twisted's own C{getHostByName}, over our look-ups.
    """

    def __init__(self, resolver: Resolver) -> None:
        super().__init__()
        self.resolver = resolver

    def _lookup(self, name: bytes, cls: int, type: int, timeout: Sequence[float] | None) -> Deferred[Result]:
        return self.resolver.query(dns.Query(name, type, cls), timeout)


class AnyTests(SynchronousTestCase):
    """
    A server that answers ANY as RFC 8482 suggests, and one that refuses it.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        here = self.network.reactor()
        self.server = CannedServer({("www.example", "A"): "192.0.2.80"})
        where = self.server.listen(self.network.reactor("192.0.2.53"))
        self.resolver = Resolver(servers=[(where.address, where.port)], reactor=here)

    def found(self, looking: Deferred[str]) -> str | None:
        """
        Return the address, if it was found.
        """
        outcome: list[str | None] = []
        looking.addCallbacks(outcome.append, lambda failure: outcome.append(failure.trap(DNSLookupError) and None))
        self.network.advance(6)
        return outcome[0]

    def test_addressIsFoundWithoutANY(self) -> None:
        """
        The address is found although ANY fails, because ANY is never queried. Twisted's own method does not find it.
        """
        for reply in ('"RFC8482" ""', 5):
            self.server.set("www.example", "ANY", reply if isinstance(reply, int) else [])
            self.server.asked.clear()
            self.assertEqual(self.found(self.resolver.getHostByName("www.example")), "192.0.2.80")
            self.assertEqual({asked.question.rrType for asked in self.server.asked}, {A})

    def test_ANYQueryWouldNotFindAddress(self) -> None:
        """
        A query for ANY does not find the address.
        """
        self.server.set("www.example", "ANY", [])
        self.assertIsNone(self.found(hostByName(_StockHostByName(self.resolver), "www.example")))
        self.assertIn(ANY, {asked.question.rrType for asked in self.server.asked})
