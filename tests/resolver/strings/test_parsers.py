"""
Tests of the prefixes that come with the package.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.resolver.told import Told
from twisted_ext.errors import BadDescription
from twisted_ext.interfaces import IAnswerSource, IResolverParser
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.combine.route import RouteSource
from twisted_ext.resolver.combine.searchlist import SearchListSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings import descriptions
from twisted_ext.resolver.strings.descriptions import BUILT_IN, Site, sourceFromString
from twisted_ext.resolver.strings.schema import Schema
from twisted_ext.wire.names import nameFromText


class BuiltInTests(SynchronousTestCase):
    """
    Tests for the prefixes of this package.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = cast(IReactorTime, reactor)

    def build(self, description: str) -> IAnswerSource:
        source = sourceFromString(self.reactor, description)
        self.addCleanup(source.close)
        verifyObject(IAnswerSource, source)
        return source

    def labels(self, description: str) -> list[str]:
        """
        @return: the servers that a description says.
        """
        source = self.build(description)
        assert isinstance(source, ForwardingSource)
        return [upstream.server.label for upstream in source.upstreams]

    def refused(self, description: str) -> str:
        """
        @return: why it cannot be built.
        """
        return str(self.assertRaises(BadDescription, sourceFromString, self.reactor, description))

    def test_servers(self) -> None:
        """
        One server or several, with a port for all or one for each, in both families.
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

    def test_badServers(self) -> None:
        """
        What is no server is told, with its column.
        """
        for description, column, what in (
            ("udp:ns.example", 5, "'ns.example' is not an IP address, such as 192.0.2.1 or 2001:db8::1"),
            ("udp:2001:db8::1", 5, "; one with colons stands in square brackets"),
            ("udp:192.0.2.1:0", 15, "a port takes a number from 1 to 65535, not '0'"),
            ("udp:192.0.2.1:65536", 15, "not '65536'"),
            ("tcp:192.0.2.1@dns", 5, "not 'dns'"),
            ("udp:192.0.2.1,", 5, "'' is not an IP address"),
        ):
            text = self.refused(description)
            self.assertIn(f"column {column}: ", text)
            self.assertIn(what, text)

    def test_all(self) -> None:
        """
        Every prefix builds what it promises.
        """
        for description in (
            "system",
            "system:resolvConf=/dev/null:hosts=/dev/null:mostBytes=1000000",
            "hosts",
            "hosts:/dev/null:ttl=60",
            "special",
            "special:local=yes",
            "udp:127.0.0.1:mixCase=yes:tries=2:keep=3",
            "tcp:127.0.0.1:keep=3",
            "threaded:threads=2:ttl=10",
            "cache:udp:127.0.0.1:5301",
            "cache:mostBytes=1000000:stale=3600:prefetch=yes:coalesce:udp:127.0.0.1",
            "coalesce:system",
            "race:delay=0.1:(udp:192.0.2.1):(tcp:192.0.2.1)",
        ):
            self.build(description)

    def test_combining(self) -> None:
        """
        What combines sources has all of them.
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

    def test_badCombining(self) -> None:
        """
        What combines nothing, or under no name, is told so.
        """
        self.assertIn("a race needs one source at least", self.refused("race"))
        self.assertIn("a chain needs one source at least", self.refused("chain"))
        self.assertIn("a route needs a domain=(source) at least", self.refused("route"))
        self.assertIn("column 8: 'a..b': a label is empty", self.refused("search:a..b:system"))
        self.assertIn("column 1: route: 'a..b'", self.refused("route:a..b=(system)"))

    def test_unscanned(self) -> None:
        """
        Our own prefixes are found without looking for plugins, which costs milliseconds.
        """

        def scanned(*_: object) -> None:
            raise AssertionError("looked for plugins")

        self.patch(descriptions, "_plugged", scanned)
        self.build("chain:(hosts):special")
        self.assertRaises(AssertionError, descriptions.parserFor, "other")

    def test_parsers(self) -> None:
        """
        Every parser is a plugin, has something to say for itself, and can be loaded.
        """
        for parser in BUILT_IN:
            verifyObject(IResolverParser, parser)
            verifyObject(IPlugin, parser)
            self.assertTrue(parser.summary)
            Schema(parser.load())

    def test_site(self) -> None:
        """
        A function may take descriptions apart itself.
        """
        site = Site(self.reactor)
        source = site.source("udp:127.0.0.1")
        self.addCleanup(source.close)
        self.assertIsInstance(source, ForwardingSource)

    def test_told(self) -> None:
        """
        The source that tests use is one.
        """
        verifyObject(IAnswerSource, Told())
