"""
Tests of L{twisted_ext.compat.transfers}.
"""

from __future__ import annotations

from cryptography import x509
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake, rrset
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.compat.conversion.errors import DNSFormatError
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import Resolver, sourceFor
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.tls.terms import pinOf, pinToText

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

    def test_zoneComesByTCP(self) -> None:
        """
        All records of the zone come in the first list, starting and ending with the SOA record, over TCP.
        """
        looking = self.resolver.lookupZone("example")
        self.network.advance(1)
        answers, authority, additional = self.successResultOf(looking)
        self.assertEqual([header.type for header in answers], [dns.SOA, dns.A, dns.A, dns.SOA])
        self.assertEqual((authority, additional), ([], []))
        self.assertIsNot(answers[0].payload, answers[-1].payload)
        self.assertEqual([asked.transport for asked in self.server.asked], ["tcp"])
        self.assertEqual(self.here.pending(), [])

    def test_zoneComesByTLSFromEncryptedServers(self) -> None:
        """
        From a server that is queried over TLS, the zone comes over TLS too, once the server has been authenticated; otherwise nothing is
        sent.
        """
        there = self.network.reactor("192.0.2.54")
        self.server.listen(there)
        self.server.listenTLS(there, ServerTLS(leaf("ns1.example")))
        pin = pinToText(pinOf(x509.load_pem_x509_certificate(leaf("ns1.example"))))
        for wanted, ways in ((pin, ["tls"]), ("A" * 43 + "=", [])):
            self.server.asked.clear()
            resolver = NamesResolver(sourceFromString(self.here, f"cache:tls:192.0.2.54:pins={wanted}"), self.here)
            looking = resolver.lookupZone("example")
            self.network.advance(2)
            if ways:
                self.assertEqual(len(self.successResultOf(looking)[0]), 4)
            else:
                self.failureResultOf(looking)
            self.assertEqual([asked.transport for asked in self.server.asked], ways)
        self.assertEqual((self.network.dialed[("192.0.2.54", 53)], dict(self.network.sent)), (0, {}))
        self.assertEqual(self.here.pending(), [])

    def test_signedServersSendSignedZones(self) -> None:
        """
        From a server whose queries are signed, an unsigned zone is not accepted.
        """
        resolver = NamesResolver(sourceFromString(self.here, "udp:192.0.2.53:tsig=[one.key:c2VjcmV0]"), self.here)
        looking = resolver.lookupZone("example")
        self.network.advance(2)
        self.assertIn("sign", str(self.failureResultOf(looking).value))

    def test_axfrQueryIsATransfer(self) -> None:
        """
        A query for AXFR is a zone transfer, and finds the servers behind hosts file and cache.
        """
        resolver = NamesResolver(sourceFor(self.here, [("192.0.2.53", 53)], None, "/nonexistent"), self.here)
        looking = resolver.query(dns.Query(b"example", dns.AXFR))
        self.network.advance(1)
        self.assertEqual(len(self.successResultOf(looking)[0]), 4)

    def test_refusalIsALookupError(self) -> None:
        """
        A refused transfer fails with the same exceptions as a look-up.
        """
        self.server.rcode = 5
        looking = self.resolver.lookupZone("example", 2)
        self.network.advance(3)
        failure = self.failureResultOf(looking, error.DomainError)
        self.assertIn("example", str(failure.value))

    def test_timeoutCoversTheTransfer(self) -> None:
        """
        The timeout covers the whole transfer.
        """
        self.server.silent = True
        looking = self.resolver.lookupZone("example", (1, 1))
        self.network.advance(1.9)
        self.assertNoResult(looking)
        self.network.advance(0.2)
        self.failureResultOf(looking, error.DNSQueryTimeoutError)
        self.network.advance(10)
        self.assertEqual(self.here.pending(), [])

    def test_resolverTimeoutIsTheDefault(self) -> None:
        """
        The resolver's timeout applies to transfers. The default is ten seconds, and a timeout in the call comes first.
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

    def test_cancelEndsTheTransfer(self) -> None:
        """
        A transfer can be canceled and leaves nothing open.
        """
        self.server.silent = True
        looking = self.resolver.lookupZone("example")
        self.network.advance(1)
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.network.advance(1)
        self.assertEqual(self.here.pending(), [])

    def test_silentServerIsSkipped(self) -> None:
        """
        A server that does not start to reply is skipped while there is time. The last server gets the time that is left.
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

    def test_unusableTransferIsNotSent(self) -> None:
        """
        A transfer without servers, or with an invalid name or timeout, fails without a query.
        """
        self.failureResultOf(NamesResolver(Fake(), Clock()).lookupZone("example"), error.DomainError)
        self.failureResultOf(self.resolver.lookupZone("a..b"), DNSFormatError)
        self.failureResultOf(self.resolver.lookupZone("example", -1), ValueError)
