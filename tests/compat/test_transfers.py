"""
Tests of L{twisted_ext.compat.transfers}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake, rrset
from twisted_ext.compat.conversion.errors import DNSFormatError
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import Resolver, sourceFor
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

SOA = rrset("example.", "SOA", "ns.example. host.example. 1 2 3 4 5")


class LookupZoneTests(SynchronousTestCase):
    """
    Tests of C{lookupZone}.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor()
        self.server = CannedServer(
            {("example", "AXFR"): [SOA, rrset("www.example.", "A", "192.0.2.80", "192.0.2.81"), SOA]}
        )
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)

    def test_zone(self) -> None:
        """
        All records of the zone come in the first list, the SOA record first and last, by TCP.
        """
        looking = self.resolver.lookupZone("example")
        self.network.advance(1)
        answers, authority, additional = self.successResultOf(looking)
        self.assertEqual([header.type for header in answers], [dns.SOA, dns.A, dns.A, dns.SOA])
        self.assertEqual((authority, additional), ([], []))
        self.assertIsNot(answers[0].payload, answers[-1].payload)
        self.assertEqual([asked.transport for asked in self.server.asked], ["tcp"])
        self.assertEqual(self.here.pending(), [])

    def test_byQuery(self) -> None:
        """
        A query for AXFR is a transfer; and the servers are found behind hosts file and cache.
        """
        resolver = NamesResolver(sourceFor(self.here, [("192.0.2.53", 53)], None, "/nonexistent"), self.here)
        looking = resolver.query(dns.Query(b"example", dns.AXFR))
        self.network.advance(1)
        self.assertEqual(len(self.successResultOf(looking)[0]), 4)

    def test_refused(self) -> None:
        """
        A server that gives no zones is an error as from any look-up.
        """
        self.server.rcode = 5
        looking = self.resolver.lookupZone("example", 2)
        self.network.advance(3)
        failure = self.failureResultOf(looking, error.DomainError)
        self.assertIn("example", str(failure.value))

    def test_silent(self) -> None:
        """
        The timeout is that of the whole transfer.
        """
        self.server.silent = True
        looking = self.resolver.lookupZone("example", (1, 1))
        self.network.advance(1.9)
        self.assertNoResult(looking)
        self.network.advance(0.2)
        self.failureResultOf(looking, error.DNSQueryTimeoutError)
        self.network.advance(10)
        self.assertEqual(self.here.pending(), [])

    def test_resolversTimeout(self) -> None:
        """
        A resolver's own timeout holds for zones as well; without one they have ten seconds, and a look-up's own goes first.
        """
        self.server.silent = True
        for given, own, seconds in ((2.0, None, 2.0), ((1, 2), None, 3.0), (None, None, 10.0), ((), None, 10.0), (2.0, 4.0, 4.0)):
            resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here, timeout=given)
            later = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)
            later.timeout = given
            for each in (resolver, later):
                looking = each.lookupZone("example", own)
                self.network.advance(seconds - 0.1)
                self.assertNoResult(looking)
                self.network.advance(0.2)
                self.failureResultOf(looking, error.DNSQueryTimeoutError)
        self.network.advance(1)

    def test_cancelled(self) -> None:
        """
        A transfer can be cancelled.
        """
        self.server.silent = True
        looking = self.resolver.lookupZone("example")
        self.network.advance(1)
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.network.advance(1)
        self.assertEqual(self.here.pending(), [])

    def test_silentFirst(self) -> None:
        """
        A server that does not begin is left for the next one while there is time; one that has begun, and is the last, is not.
        """
        silent = CannedServer()
        silent.silent = True
        silent.listen(self.network.reactor("192.0.2.54"))
        self.server.delay = 4.0
        resolver = Resolver(servers=[("192.0.2.54", 53), ("192.0.2.53", 53)], reactor=self.here)
        looking = resolver.lookupZone("example")
        self.network.advance(2.4)
        self.assertEqual(self.server.asked, [])
        self.network.advance(4.4)
        self.assertEqual(len(self.successResultOf(looking)[0]), 4)
        self.assertEqual(self.here.pending(), [])

    def test_nobody(self) -> None:
        """
        Without a server behind the resolver, or with a name that is none, nothing is asked.
        """
        self.failureResultOf(NamesResolver(Fake(), Clock()).lookupZone("example"), error.DomainError)
        self.failureResultOf(self.resolver.lookupZone("a..b"), DNSFormatError)
        self.failureResultOf(self.resolver.lookupZone("example", -1), ValueError)
