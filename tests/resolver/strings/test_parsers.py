"""
Tests of the built-in prefixes.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.networks import textsOf
from tests.resolver.told import Told
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.errors import BadDescription
from twisted_ext.interfaces import IAnswerSource, IResolverParser
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.combine.route import RouteSource
from twisted_ext.resolver.combine.searchlist import SearchListSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.policy.typefilter import TypeFilter
from twisted_ext.resolver.strings import descriptions
from twisted_ext.resolver.strings.descriptions import BUILT_IN, Site, sourceFromString
from twisted_ext.resolver.strings.schema import Schema
from twisted_ext.testing.sources import atHand, questionOf
from twisted_ext.wire.names import nameFromText


class BuiltInTests(SynchronousTestCase):
    """
    Tests for the built-in prefixes.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = cast(IReactorTime, reactor)

    def build(self, description: str) -> IAnswerSource:
        """
        Return the source of a description and close it after the test.
        """
        source = sourceFromString(self.reactor, description)
        self.addCleanup(source.close)
        verifyObject(IAnswerSource, source)
        return source

    def labels(self, description: str) -> list[str]:
        """
        Return the servers of a description.
        """
        source = self.build(description)
        assert isinstance(source, ForwardingSource)
        return [upstream.server.label for upstream in source.upstreams]

    def errorOf(self, description: str) -> str:
        """
        Return the error of a description.
        """
        return str(self.assertRaises(BadDescription, sourceFromString, self.reactor, description))

    def test_serversAndPorts(self) -> None:
        """
        A description has one or several servers of both families, with a port for all or for each.
        """
        for prefix in ("udp", "tcp"):
            for arguments, expected in (
                ("127.0.0.1:5301", ["127.0.0.1:5301"]),
                ("127.0.0.1", ["127.0.0.1:53"]),
                ("[2001:db8::1]", ["[2001:db8::1]:53"]),
                ("[2001:DB8:0::1]:5353", ["[2001:db8::1]:5353"]),
                ("[fe80::1%eth0]", ["[fe80::1%eth0]:53"]),
                ("192.0.2.1,192.0.2.2:54", ["192.0.2.1:54", "192.0.2.2:54"]),
                ("192.0.2.1, [2001:db8::1]@5353", ["192.0.2.1:53", "[2001:db8::1]:5353"]),
            ):
                self.assertEqual(self.labels(f"{prefix}:{arguments}"), expected)

    def test_badServerIsReportedWithColumn(self) -> None:
        """
        An invalid server is reported with its column.
        """
        for description, column, what in (
            ("udp:ns.example", 5, "'ns.example' is not an IP address, such as 192.0.2.1 or 2001:db8::1"),
            ("udp:2001:db8::1", 5, "; write one with colons in square brackets"),
            ("udp:192.0.2.1:0", 15, "a port takes a number from 1 to 65535, not '0'"),
            ("udp:192.0.2.1:65536", 15, "not '65536'"),
            ("tcp:192.0.2.1@dns", 5, "not 'dns'"),
            ("udp:192.0.2.1,", 5, "'' is not an IP address"),
        ):
            text = self.errorOf(description)
            self.assertIn(f"column {column}: ", text)
            self.assertIn(what, text)

    def test_everyPrefixBuildsASource(self) -> None:
        """
        Every prefix builds an answer source.
        """
        path = self.mktemp()
        Path(path).write_text("@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a\na 60 A 192.0.2.1\n")
        examples = (
            "system",
            "system:resolvConf=/dev/null:hosts=/dev/null:mostBytes=1000000",
            "hosts",
            "hosts:/dev/null:ttl=60",
            "hosts:/dev/null:/dev/zero:expand=lan",
            "localdomain:lan,home.arpa:ttl=60:hosts",
            "filter:AAAA:cache:minTTL=60:maxTTL=600:maxNegativeTTL=30:udp:192.0.2.1",
            "policy:/dev/null:exceptions=/dev/null:udp:192.0.2.1",
            "special",
            "special:local=yes",
            "udp:127.0.0.1:mixCase=yes:cookies=yes:tries=2:keep=3",
            "tcp:127.0.0.1:keep=3",
            "threaded:threads=2:ttl=10",
            "cache:udp:127.0.0.1:5301",
            "cache:mostBytes=1000000:stale=3600:prefetch=yes:coalesce:udp:127.0.0.1",
            "coalesce:system",
            "race:delay=0.1:(udp:192.0.2.1):(tcp:192.0.2.1)",
            "chain:(hosts):special",
            "route:corp.example=(hosts)",
            "search:corp.example:hosts",
            "names:twisted.names.hosts.Resolver",
            f"zone:example.org={path}",
            "recursive",
            "validate:udp:192.0.2.1",
            "sdns://AAcAAAAAAAAABzguOC44Ljg",
            "ddr:192.0.2.1,192.0.2.2:strict=yes",
            "ddr:system",
            "tls:192.0.2.1#dns.example",
            "quic:192.0.2.1#dns.example",
            "https://dns.example/dns-query:address=192.0.2.1:method=GET",
        )
        for description in examples:
            self.build(description)
        self.assertEqual({description.partition(":")[0] for description in examples}, {parser.prefix for parser in BUILT_IN})

    def test_combinedSourcesAreKept(self) -> None:
        """
        A combining prefix keeps all its sources.
        """
        chain = self.build("chain:(hosts):(special):cache:udp:192.0.2.1")
        assert isinstance(chain, ChainSource)
        self.assertEqual(len(chain.sources()), 3)
        route = self.build("route:Corp.example=(udp:192.0.2.53):default=(udp:192.0.2.54):special")
        assert isinstance(route, RouteSource)
        self.assertEqual(len(route.sources()), 3)
        search = self.build("search:ndots=2:corp.example,lab.example:udp:192.0.2.1")
        assert isinstance(search, SearchListSource)
        self.assertEqual(
            (search.domains, search.ndots), ((nameFromText("corp.example"), nameFromText("lab.example")), 2)
        )

    def test_hostsFilesAreJoined(self) -> None:
        """
        Several hosts files are one source, and their short names have the domain as well.
        """
        paths = [self.mktemp(), self.mktemp()]
        Path(paths[0]).write_text("192.0.2.1 nas\n")
        Path(paths[1]).write_text("192.0.2.2 nas\n")
        hosts = self.build(f"hosts:{paths[0]}:{paths[1]}:expand=lan")
        answer = atHand(hosts, questionOf("nas.lan"), QueryContext(5.0))
        assert answer is not None
        self.assertEqual(textsOf(answer), ["192.0.2.1", "192.0.2.2"])

    def test_localDomainIsKnownByTheHostsFile(self) -> None:
        """
        Names of a local domain that are not in its hosts file are denied, and other names are left to the next source.
        """
        path = self.mktemp()
        Path(path).write_text("192.0.2.1 nas.lan\n")
        source = self.build(f"localdomain:lan:hosts:{path}")
        context = QueryContext(5.0)
        found = [atHand(source, questionOf(*asked), context) for asked in (("nas.lan",), ("nas.lan", "TXT"), ("nope.lan",), ("a.b",))]
        self.assertEqual(
            [None if answer is None else answer.outcome for answer in found], [Outcome.DATA, Outcome.NODATA, Outcome.NXDOMAIN, None]
        )
        self.assertIn("takes the hosts file with its names", self.errorOf("localdomain:lan:special"))
        self.assertIn("a local domain needs a name", self.errorOf("localdomain:,:hosts"))

    def test_cacheHasBoundsOfTTLs(self) -> None:
        """
        The bounds of TTLs are those of the cache.
        """
        cache = self.build("cache:minTTL=60:maxTTL=600:maxNegativeTTL=30:udp:192.0.2.1")
        assert isinstance(cache, CachedSource)
        lifetimes = cache.store.lifetimes
        self.assertEqual((lifetimes.least, lifetimes.most, lifetimes.mostDenial), (60, 600, 30))

    def test_filterTakesTypesOfAddresses(self) -> None:
        """
        A filter is for one family or both, in any case, and other types are reported.
        """
        for text in ("AAAA", "a", "A,aaaa"):
            self.assertIsInstance(self.build(f"filter:{text}:special"), TypeFilter)
        self.assertIn("column 8: types takes A, AAAA or A,AAAA, not 'MX'", self.errorOf("filter:MX:special"))

    def test_badCombinationIsReported(self) -> None:
        """
        A combination without sources or with an invalid name is reported.
        """
        self.assertIn("a race needs at least one source", self.errorOf("race"))
        self.assertIn("a chain needs at least one source", self.errorOf("chain"))
        self.assertIn("a route needs at least one domain=(source)", self.errorOf("route"))
        self.assertIn("column 8: 'a..b': a label is empty", self.errorOf("search:a..b:system"))
        self.assertIn("column 1: route: 'a..b'", self.errorOf("route:a..b=(system)"))

    def test_builtInPrefixNeedsNoPluginScan(self) -> None:
        """
        Built-in prefixes are found without a search for plugins, which would take milliseconds.
        """

        def scanned(*_: object) -> None:
            """
            Fail.
            """
            raise AssertionError("looked for plugins")

        self.patch(descriptions, "_plugged", scanned)
        self.build("chain:(hosts):special")
        self.assertRaises(AssertionError, descriptions.parserFor, "other")

    def test_everyParserIsALoadablePlugin(self) -> None:
        """
        Every parser is a plugin with a summary and can be loaded.
        """
        for parser in BUILT_IN:
            verifyObject(IResolverParser, parser)
            verifyObject(IPlugin, parser)
            self.assertTrue(parser.summary)
            Schema(parser.load())

    def test_siteBuildsNestedDescriptions(self) -> None:
        """
        A parser function may build a nested description itself.
        """
        site = Site(self.reactor)
        source = site.source("udp:127.0.0.1")
        self.addCleanup(source.close)
        self.assertIsInstance(source, ForwardingSource)

    def test_sourceForTestsProvidesIAnswerSource(self) -> None:
        """
        The source that the tests use is an answer source.
        """
        verifyObject(IAnswerSource, Told())
