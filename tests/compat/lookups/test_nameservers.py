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
        Have a zone with two servers, below another one.
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
        @param without: the beginning of addresses that there is no way to.
        """
        self.source = CannedSource(self.answers, self.otherwise)
        resolver = NamesResolver(self.source, Clock())

        def source(address: str) -> str | None:
            return None if address.startswith(without) else "192.0.2.99"

        return zoneServers(name, resolver=resolver, source=source)

    def test_found(self) -> None:
        """
        Every address of every name server of the nearest zone is one to ask, each once.
        """
        expected = ["udp:192.0.2.1", "udp:[2001:db8::1]", "udp:192.0.2.2"]
        for name in ("www.example.org", "example.org", "a.b.c.EXAMPLE.org."):
            self.assertEqual(self.successResultOf(self.find(name)), expected)

    def test_noWay(self) -> None:
        """
        On a machine without IPv6 nobody waits for servers that have nothing else.
        """
        self.assertEqual(self.successResultOf(self.find("example.org", "2001:")), ["udp:192.0.2.1", "udp:192.0.2.2"])
        self.failureResultOf(self.find("example.org", ""), DomainError)

    def test_alias(self) -> None:
        """
        An alias is changed where it is written, so the servers are those of its zone and not of where it leads.
        """
        alias = rrsetOf(nameFromText("www.example.org"), CNAME, "host.example.net.")
        there = rrsetOf(nameFromText("host.example.net"), NS, "ns.elsewhere.example.")
        self.answers["www.example.org", "NS"] = Answer(Outcome.DATA, (alias, there))
        self.assertEqual(len(self.successResultOf(self.find("www.example.org"))), 3)

    def test_unknown(self) -> None:
        """
        That look-ups fail is not taken for that there are fewer servers.
        """
        self.answers["ns2.example.net", "A"] = ServerFailed("no")
        self.failureResultOf(self.find("www.example.org"), DNSServerError)

    def test_none(self) -> None:
        """
        Without name servers up to the root, or with such that have no address, it fails.
        """
        error = self.failureResultOf(self.find("www.example.com"), DomainError).value
        self.assertIn("no name servers", str(error))
        self.answers = {("example.org", "NS"): "ns.example.org."}
        error = self.failureResultOf(self.find("www.example.org"), DomainError).value
        self.assertEqual(
            str(error),
            "www.example.org: none of the name servers of its zone has an address that there is a way to",
        )

    def test_bounds(self) -> None:
        """
        Neither a long name nor a zone that lists very many servers makes us ask without end.
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

    def test_wrong(self) -> None:
        """
        What is no name, and nothing to ask, fails as every look-up does.
        """
        self.failureResultOf(zoneServers("a..b", resolver=NamesResolver(CannedSource(), Clock())), ValueError)
        self.failureResultOf(client.zoneServers("example.org", resolver="nosuch:1"), ValueError)
