"""
Pain 7: SERVFAIL or REFUSED from one server ends the look-up, although the next one would answer.
"""

from __future__ import annotations

from twisted.names import error
from twisted.trial.unittest import SynchronousTestCase

from tests.pains.stock import stockResolver
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.forward.lookup import ForwardedLookup
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

SERVERS = [("192.0.2.53", 53), ("192.0.2.54", 53)]

#: The rcodes of the first server: SERVFAIL, NOTIMP, REFUSED.
WITHOUT_USE = (2, 4, 5)


class NextServerTests(SynchronousTestCase):
    """
    Two servers, of which the first is unusable.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.first = CannedServer({("www.example", "A"): "192.0.2.80"})
        self.second = CannedServer({("www.example", "A"): "192.0.2.80"})
        for server, (address, _) in zip((self.first, self.second), SERVERS, strict=True):
            server.listen(self.network.reactor(address))

    def address(self) -> str | None:
        """
        Return the address that a new resolver finds, if any.
        """
        resolver = Resolver(servers=SERVERS, reactor=self.here)
        looking = resolver.getHostByName("www.example")
        found: list[str | None] = []
        looking.addCallbacks(found.append, lambda failure: found.append(failure.trap(error.DomainError) and None))
        self.network.advance(6)
        resolver.close()
        self.assertEqual(self.here.pending(), [])
        return found[0]

    def test_failureAsksTheNextServer(self) -> None:
        """
        The next server is asked at once. Twisted's own resolver finds nothing, and neither would ours if the first failure were final.
        """
        for rcode in WITHOUT_USE:
            self.first.rcode = rcode
            self.assertEqual(self.address(), "192.0.2.80")
        self.first.rcode = 2
        looking = stockResolver(self.here, *SERVERS).lookupAddress("www.example")
        self.network.advance(6)
        self.failureResultOf(looking, error.DNSServerError)

        def final(flight: ForwardedLookup, index: int, fault: DNSFault, now: float, channel: object, key: bytes) -> None:
            flight.end(fault)

        self.patch(ForwardedLookup, "_setBack", final)
        for rcode in WITHOUT_USE:
            self.first.rcode = rcode
            self.assertIsNone(self.address())

    def test_deadServerAsksTheNext(self) -> None:
        """
        The next server is asked when the first one is silent, and when its port is closed.
        """
        self.first.silent = True
        self.assertEqual(self.address(), "192.0.2.80")
        self.first.close()
        self.assertEqual(self.address(), "192.0.2.80")

    def test_denialAsksNoOtherServer(self) -> None:
        """
        NXDOMAIN is an answer: no other server is asked.
        """
        self.first.rcode = 3
        self.assertIsNone(self.address())
        self.assertEqual(self.second.asked, [])
