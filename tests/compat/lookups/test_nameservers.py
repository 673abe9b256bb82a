"""
Tests of L{twisted_ext.compat.lookups.nameservers}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext import client
from twisted_ext.answers import Answer, Outcome
from twisted_ext.compat.conversion.errors import DNSServerError, DomainError
from twisted_ext.compat.lookups.nameservers import zoneServers
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import ServerFailed
from twisted_ext.testing.sources import CannedSource, Entry, rrsetOf
from twisted_ext.watch.limits import ZONE_NAMES, ZONE_SERVERS
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import CNAME, NS

__all__: list[str] = []

NOTHING = Answer(Outcome.NODATA)
DENIED = Answer(Outcome.NXDOMAIN, rcode=3)


class ZoneServersTests(SynchronousTestCase):
    """
    Tests of L{zoneServers}.
    """

    def setUp(self) -> None:
        """
        Create a zone with two servers, below another zone.
        """
        self.answers: dict[tuple[str, str], Entry] = {
            ("org", "NS"): "ns.registry.example.",
            ("example.org", "NS"): ["NS1.example.org.", "ns2.example.net."],
            ("ns1.example.org", "A"): "192.0.2.1",
            ("ns1.example.org", "AAAA"): "2001:db8::1",
            ("ns2.example.net", "A"): ["192.0.2.2", "192.0.2.1"],
        }
        self.otherwise: Entry = DENIED

    def find(self, name: str, without: str = "none") -> Deferred[list[str]]:
        """
        Look up the servers of a zone.

        @param without: the prefix of addresses that have no route.
        """
        self.source = CannedSource(self.answers, self.otherwise)
        resolver = NamesResolver(self.source, Clock())

        def source(address: str) -> str | None:
            return None if address.startswith(without) else "192.0.2.99"

        return zoneServers(name, resolver=resolver, source=source)

    def test_everyAddressIsListedOnce(self) -> None:
        """
        Every address of every name server of the nearest enclosing zone is listed once.
        """
        expected = ["udp:192.0.2.1", "udp:[2001:db8::1]", "udp:192.0.2.2"]
        for name in ("www.example.org", "example.org", "a.b.c.EXAMPLE.org."):
            self.assertEqual(self.successResultOf(self.find(name)), expected)

    def test_unreachableAddressesAreLeftOut(self) -> None:
        """
        Addresses without a route are left out, for example those of IPv6 on a machine without it.
        """
        self.assertEqual(self.successResultOf(self.find("example.org", "2001:")), ["udp:192.0.2.1", "udp:192.0.2.2"])
        self.failureResultOf(self.find("example.org", ""), DomainError)

    def test_aliasUsesItsOwnZone(self) -> None:
        """
        The servers of an alias are those of its own zone and not of its target.
        """
        alias = rrsetOf(nameFromText("www.example.org"), CNAME, "host.example.net.")
        there = rrsetOf(nameFromText("host.example.net"), NS, "ns.elsewhere.example.")
        self.answers["www.example.org", "NS"] = Answer(Outcome.DATA, (alias, there))
        self.assertEqual(len(self.successResultOf(self.find("www.example.org"))), 3)

    def test_failedLookupFailsAll(self) -> None:
        """
        A failed look-up fails the whole and does not shorten the list.
        """
        self.answers["ns2.example.net", "A"] = ServerFailed("no")
        self.failureResultOf(self.find("www.example.org"), DNSServerError)

    def test_noServersIsAnError(self) -> None:
        """
        It fails without name servers up to the root, or if these have no address.
        """
        error = self.failureResultOf(self.find("www.example.com"), DomainError).value
        self.assertIn("no name servers", str(error))
        self.answers = {("example.org", "NS"): "ns.example.org."}
        error = self.failureResultOf(self.find("www.example.org"), DomainError).value
        self.assertEqual(
            str(error),
            "www.example.org: none of the name servers of its zone has an address that is reachable from here",
        )

    def test_lookupsAreBounded(self) -> None:
        """
        The number of look-ups is bounded for a long name and for a zone with very many servers.
        """
        name = ".".join("a" * 120)
        self.failureResultOf(self.find(name), DomainError)
        self.assertEqual(self.source.asked, ZONE_NAMES.default)
        self.answers = {("example.org", "NS"): [f"ns{number}.example.org." for number in range(500)]}
        self.otherwise = lambda question: "192.0.2.1" if question.rrType == 1 else NOTHING
        counter = iter(range(1, 10_000))

        def numbered(text: str) -> Entry:
            return lambda question: [f"198.51.{next(counter) % 256}.{place}" for place in range(3)]

        for number in range(500):
            self.answers[f"ns{number}.example.org", "A"] = numbered("")
        self.assertEqual(len(self.successResultOf(self.find("example.org"))), ZONE_SERVERS.default)
        self.assertLess(self.source.asked, 3 * ZONE_SERVERS.default)

    def test_invalidArgumentsAreRefused(self) -> None:
        """
        An invalid name or resolver fails as in every look-up.
        """
        self.failureResultOf(zoneServers("a..b", resolver=NamesResolver(CannedSource(), Clock())), ValueError)
        self.failureResultOf(client.zoneServers("example.org", resolver="nosuch:1"), ValueError)
