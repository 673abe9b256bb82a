"""
Tests of access control and client rate limits.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription
from twisted_ext.packetcache.clients import UNMETERED
from twisted_ext.server.limits import CLIENTS_METERED
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.ratelimit import ClientRateLimit


class AccessTests(SynchronousTestCase):
    """
    Tests for L{Access}.
    """

    def test_onlyPrivateNetworksByDefault(self) -> None:
        """
        By default a server answers its own machine and private networks, and refuses the Internet.
        """
        access = Access()
        for client in ("127.0.0.1", "127.9.9.9", "10.1.2.3", "172.31.0.1", "192.168.7.7", "169.254.1.1", "100.64.0.1"):
            self.assertEqual(access.actionFor(client), "allow")
        for client in ("::1", "fd00::1", "fe80::1%eth0", "::ffff:10.0.0.1"):
            self.assertEqual(access.actionFor(client), "allow")
        for client in ("8.8.8.8", "172.32.0.1", "192.169.0.1", "2001:db8::1", "::", "::ffff:8.8.8.8", "no address"):
            self.assertEqual(access.actionFor(client), "refuse")

    def test_longestPrefixWins(self) -> None:
        """
        The longest prefix decides, in whatever order the prefixes are written.
        """
        for rules in (
            {"drop": ["192.0.2.66"], "allow": ["192.0.2.0/24", "any"], "refuse": ["192.0.2.64/26", "2001:db8::/32"]},
            {"refuse": ["2001:db8::/32", "192.0.2.64/26"], "allow": ["any", "192.0.2.0/24"], "drop": ["192.0.2.66"]},
        ):
            access = Access(rules)
            clients = ("192.0.2.66", "192.0.2.65", "192.0.2.1", "8.8.8.8", "2001:db8::1", "2001:db9::1")
            said = [access.actionFor(client) for client in clients]
            self.assertEqual(said, ["drop", "refuse", "allow", "allow", "refuse", "allow"])

    def test_invalidRuleIsExplained(self) -> None:
        """
        The error for an invalid rule says what would be right.
        """
        for rules, words in (
            ({"allow": ["192.0.2.1/24"]}, "192.0.2.0/24"),
            ({"allow": ["here"]}, "write 192.0.2.0/24"),
            ({"permit": []}, "allow, refuse, drop"),
            ({"allow": ["10.0.0.0/8"], "drop": ["10.0.0.0/8"]}, "both allow and drop"),
        ):
            self.assertIn(words, str(self.assertRaises(BadDescription, Access, rules)))


class RatesTests(SynchronousTestCase):
    """
    Tests for L{ClientRateLimit}.
    """

    def test_noLimitByDefault(self) -> None:
        """
        Clients are not limited by default.
        """
        rates = ClientRateLimit()
        self.assertIs(rates.bucketFor("192.0.2.1", 0.0), UNMETERED)
        self.assertTrue(all(rates.take(UNMETERED, 0.0) for _ in range(10_000)))

    def test_burstThenSteadyRate(self) -> None:
        """
        A client may use up its burst, and then gets a number of replies each second.
        """
        rates = ClientRateLimit(10, burst=2)
        bucket = rates.bucketFor("192.0.2.1", 100.0)
        self.assertEqual(sum([rates.take(bucket, 100.0) for _ in range(50)]), 20)
        self.assertEqual(sum([rates.take(bucket, 101.0) for _ in range(50)]), 10)
        self.assertEqual(sum([rates.take(bucket, 1000.0) for _ in range(50)]), 20)
        # A clock that goes back adds no tokens.
        self.assertFalse(rates.take(bucket, 0.0))

    def test_slash64SharesBucket(self) -> None:
        """
        All addresses of an IPv6 /64 share a bucket; each IPv4 address has its own.
        """
        rates = ClientRateLimit(10)
        self.assertIs(rates.bucketFor("2001:db8::1", 0.0), rates.bucketFor("2001:db8::ffff:2%eth0", 0.0))
        self.assertIsNot(rates.bucketFor("2001:db8::1", 0.0), rates.bucketFor("2001:db8:0:1::1", 0.0))
        self.assertIsNot(rates.bucketFor("192.0.2.1", 0.0), rates.bucketFor("192.0.2.2", 0.0))
        self.assertIs(rates.bucketFor("192.0.2.1", 0.0), rates.bucketFor("::ffff:192.0.2.1", 0.0))

    def test_bucketsAreBounded(self) -> None:
        """
        The number of buckets is limited under spoofed addresses, and an active client keeps its bucket.
        """
        rates = ClientRateLimit(1, burst=1)
        bucket = rates.bucketFor("192.0.2.1", 0.0)
        most = int(CLIENTS_METERED.default)
        for number in range(most * 2):
            rates.bucketFor(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
            if number % 1000 == 0:
                self.assertIs(rates.bucketFor("192.0.2.1", 0.0), bucket)
        self.assertLessEqual(len(rates._buckets), most)

    def test_slipTruncatesEveryNth(self) -> None:
        """
        Every n-th query over the rate gets a truncated reply.
        """
        rates = ClientRateLimit(1, slip=3)
        bucket = rates.bucketFor("192.0.2.1", 0.0)
        self.assertEqual([rates.slips(bucket) for _ in range(6)], [False, False, True] * 2)
        self.assertFalse(any(ClientRateLimit(1, slip=0).slips(bucket) for _ in range(6)))
