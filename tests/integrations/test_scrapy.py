"""
Tests of the resolver for Scrapy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.compat.conversion.errors import DNSNameError, DNSQueryTimeoutError, ResolverError
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription
from twisted_ext.integrations.scrapy import CrawlerResolver
from twisted_ext.resolver.system import configured
from twisted_ext.resolver.system.configured import System
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

#: Scrapy's defaults.
DEFAULTS = {"DNSCACHE_ENABLED": True, "DNSCACHE_SIZE": 10000, "DNS_TIMEOUT": 60}


class Settings:
    """
    Settings as in Scrapy: raw values with priorities.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = {**DEFAULTS, **values}
        self.own = frozenset(values)

    def get(self, name: str) -> object:
        return self.values.get(name)

    def getbool(self, name: str) -> bool:
        return bool(int(str(self.values[name]).replace("False", "0").replace("True", "1")))

    def getint(self, name: str) -> int:
        return int(str(self.values[name]))

    def getfloat(self, name: str) -> float:
        return float(str(self.values[name]))

    def getpriority(self, name: str) -> int | None:
        return 20 if name in self.own else 0 if name in self.values else None


class Crawler:
    """
    An object with settings.
    """

    def __init__(self, **values: object) -> None:
        self.settings = Settings(values)


class CrawlerResolverTests(SynchronousTestCase):
    """
    Tests with a name server and a crawler.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.server = CannedServer({("www.example", "A"): "192.0.2.80", ("www.example", "AAAA"): "2001:db8::80"})
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.here = self.network.reactor("192.0.2.7")
        path = Path(self.mktemp())
        path.write_text("nameserver 192.0.2.53\nsearch .\n")
        self.patch(configured, "SYSTEM_RESOLV_CONF", str(path))

    def tearDown(self) -> None:
        self.assertEqual(self.here.pending(), [])

    def resolver(self, **values: object) -> CrawlerResolver:
        """
        Return the resolver that Scrapy creates with these settings.
        """
        made = CrawlerResolver.from_crawler(Crawler(**values), self.here)
        self.addCleanup(made.close)
        return made

    def find(self, resolver: NamesResolver, name: str = "www.example") -> str:
        """
        Return the address of a name.
        """
        looking = resolver.getHostByName(name)
        self.network.advance(1)
        return self.successResultOf(looking)

    def assertTimesOut(self, resolver: NamesResolver, seconds: float) -> None:
        """
        Check that a look-up without a reply fails after this time and not before.
        """
        looking = resolver.getHostByName("www.example")
        self.network.advance(seconds - 0.05)
        self.assertNoResult(looking)
        self.network.advance(0.1)
        self.failureResultOf(looking, DNSQueryTimeoutError)

    def test_defaultIsTheSystemWithCache(self) -> None:
        """
        The default is the system's configuration with a cache, also for denials.
        """
        resolver = self.resolver()
        self.assertIsInstance(resolver.source, System)
        for _ in range(2):
            self.assertEqual(self.find(resolver), "192.0.2.80")
            looking = resolver.getHostByName("no.example")
            self.network.advance(1)
            self.failureResultOf(looking, DNSNameError)
        self.assertEqual(len(self.server.asked), 2)

    def test_descriptionSelectsTheResolver(self) -> None:
        """
        C{TXDNS_RESOLVER} selects another resolver.
        """
        resolver = self.resolver(TXDNS_RESOLVER="udp:192.0.2.53")
        for _ in range(2):
            self.assertEqual(self.find(resolver), "192.0.2.80")
        self.assertEqual(len(self.server.asked), 2)
        self.assertIsInstance(self.resolver(TXDNS_RESOLVER="").source, System)

    def test_cacheSettings(self) -> None:
        """
        C{DNSCACHE_ENABLED} and C{DNSCACHE_SIZE} control the cache.
        """
        for values in ({"DNSCACHE_ENABLED": False}, {"DNSCACHE_ENABLED": "0"}, {"DNSCACHE_SIZE": 0}):
            before = len(self.server.asked)
            resolver = self.resolver(**values)
            for _ in range(2):
                self.find(resolver)
            self.assertEqual(len(self.server.asked) - before, 2)
        sizes: list[int] = []
        for values in ({}, {"DNSCACHE_SIZE": 1000}, {"DNSCACHE_SIZE": "100000", "DNSCACHE_ENABLED": "1"}):
            source = self.resolver(**values).source
            assert isinstance(source, System)
            sizes.append(source.caching.store.mostBytes)
        self.assertEqual(sizes, [64 * 2**20, 1000 * 1024, 100_000 * 1024])

    def test_timeoutSetting(self) -> None:
        """
        C{DNS_TIMEOUT} limits the whole look-up. Scrapy's default of a minute is not used.
        """
        self.server.silent = True
        self.assertTimesOut(self.resolver(), 5.0)
        self.assertTimesOut(self.resolver(DNS_TIMEOUT=0.5), 0.5)
        self.assertTimesOut(self.resolver(DNS_TIMEOUT="12"), 12.0)

    def test_invalidSettingIsRefused(self) -> None:
        """
        An invalid setting is refused with a one-line error that names it.
        """
        cases: dict[str, dict[str, object]] = {
            "DNS_TIMEOUT: 'soon' is not a number of seconds": {"DNS_TIMEOUT": "soon"},
            "DNS_TIMEOUT: 0 is not a valid timeout; write a number of seconds above 0": {"DNS_TIMEOUT": 0},
            "DNS_TIMEOUT: nan is not a valid timeout; write a number of seconds above 0": {"DNS_TIMEOUT": "nan"},
            "DNSCACHE_ENABLED: 'maybe' is not true or false": {"DNSCACHE_ENABLED": "maybe"},
            "DNSCACHE_SIZE: 'big' is not a number of names": {"DNSCACHE_SIZE": "big"},
            "TXDNS_RESOLVER: ['192.0.2.53'] is not a description such as 'system' or 'cache:udp:192.0.2.1'": {
                "TXDNS_RESOLVER": ["192.0.2.53"]
            },
        }
        for expected, values in cases.items():
            raised = self.assertRaises(BadDescription, self.resolver, **values)
            self.assertEqual(str(raised), expected)
        raised = self.assertRaises(BadDescription, self.resolver, TXDNS_RESOLVER="udp:ns.example")
        self.assertTrue(str(raised).startswith("TXDNS_RESOLVER: "), raised)
        self.assertNotIn("\n", str(raised))

    def test_installedUntilShutdown(self) -> None:
        """
        The resolver is installed into the reactor and closed at its shutdown.
        """
        stopping: list[tuple[str, str, Callable[[], Deferred[None]]]] = []
        vars(self.here)["addSystemEventTrigger"] = lambda *trigger: stopping.append(trigger)
        resolver = self.resolver()
        resolver.install_on_reactor()
        self.assertIs(self.here.nameResolver, resolver)
        self.find(resolver)
        ((phase, event, close),) = stopping
        self.assertEqual((phase, event), ("during", "shutdown"))
        self.successResultOf(close())
        self.failureResultOf(resolver.getHostByName("www.example"), ResolverError)
