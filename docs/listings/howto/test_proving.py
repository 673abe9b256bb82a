"""
Tests on an internet of their own, whose root key is the trust anchor.
"""

import time
from pathlib import Path

from proving import NotProved, provedAddresses
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext import client
from twisted_ext.testing.internet import Fault, Internet


class ProvedAddressesTests(SynchronousTestCase):
    def setUp(self):
        self.internet = Internet(seed=1, start=time.time())
        self.internet.zone("example.com", "www 300 A 192.0.2.80")
        self.internet.zone("example.net", "www 300 A 192.0.2.81", signed=False)
        hints, anchor = Path(self.mktemp()), Path(self.mktemp())
        hints.write_text(self.internet.hints)
        anchor.write_text(self.internet.anchors)
        description = f"recursive:hints={hints}:anchor={anchor}"
        self.resolver = client.resolverFromString(self.internet.reactor(), description)
        self.addCleanup(self.resolver.close)

    def look(self, name):
        return self.internet.wait(Deferred.fromCoroutine(provedAddresses(self.resolver, name)))

    def test_secure(self):
        """
        Addresses of a signed zone are used.
        """
        self.assertEqual(self.look("www.example.com"), ["192.0.2.80"])

    def test_insecure(self):
        """
        Addresses of an unsigned zone are not.
        """
        with self.assertRaisesRegex(NotProved, "is insecure"):
            self.look("www.example.net")

    def test_bogus(self):
        """
        If the signatures have expired, the error says so.
        """
        self.internet.inject(Fault.EXPIRED, "example.com")
        with self.assertRaisesRegex(NotProved, r"is bogus: .* expired .* \(EDE 7\)"):
            self.look("www.example.com")
