"""
Tests without a network, a thread or a second of waiting.
"""

from mailing import mailHosts
from twisted.internet.defer import Deferred
from twisted.names.error import DNSQueryTimeoutError
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext import client
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer


class MailHostsTests(SynchronousTestCase):
    def setUp(self):
        self.network = MemoryNetwork()
        self.server = CannedServer({("example.com", "MX"): ["20 backup.example.net.", "10 mail.example.com."]})
        self.server.listen(self.network.reactor("192.0.2.53"))
        # The program under test runs on a host of its own.
        self.reactor = self.network.reactor("192.0.2.7")
        self.resolver = client.resolverFromString(self.reactor, "udp:192.0.2.53")

    def tearDown(self):
        self.successResultOf(self.resolver.close())
        self.assertEqual(self.reactor.pending(), [])

    def look(self, domain):
        return Deferred.fromCoroutine(mailHosts(self.resolver, domain))

    def test_inOrder(self):
        """
        The best mail exchanger comes first.
        """
        looking = self.look("example.com")
        self.network.advance()
        self.assertEqual(self.successResultOf(looking), ["mail.example.com", "backup.example.net"])

    def test_lostDatagram(self):
        """
        A lost datagram is sent again.
        """
        self.network.shape("192.0.2.53", admit=lambda datagram: self.network.sent["192.0.2.53", 53] > 1)
        looking = self.look("example.com")
        self.network.advance(1.0)
        self.assertEqual(len(self.successResultOf(looking)), 2)
        self.assertEqual(self.network.sent["192.0.2.53", 53], 2)

    def test_noServer(self):
        """
        If no server replies, the look-up fails after five seconds and not later.
        """
        self.server.silent = True
        looking = self.look("example.com")
        self.network.advance(4.9)
        self.assertNoResult(looking)
        self.network.advance(0.2)
        self.failureResultOf(looking, DNSQueryTimeoutError)
