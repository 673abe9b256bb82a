"""
Tests of what settings would make of a server.
"""

from __future__ import annotations

from tests.server.test_service import ServiceCase
from twisted_ext.errors import BadDescription
from twisted_ext.server.dryrun import checkSettings, pathOf, placesOf


class DryRunTests(ServiceCase):
    def test_pathListsStages(self) -> None:
        """
        The stages that a question passes are listed in order.
        """
        settings = self.settings(
            hostsFile="/etc/hosts",
            local=["router.lan A 192.0.2.1"],
            stopRebinding=True,
            route={"corp.example": "192.0.2.54"},
        )
        self.assertEqual(
            pathOf(self.here, settings),
            [
                "packet cache: replies to earlier queries with the same octets",
                "gate: access",
                "gate: opcode",
                "gate: form",
                "gate: version",
                "gate: cookie",
                "gate: signature",
                "gate: class",
                "gate: type",
                "gate: any",
                "loop detection: queries of this server that come back to it",
                "local: 1 records given",
                "hosts: /etc/hosts",
                "local-reverse: the names of addresses in local records",
                "special: names that are never forwarded, and literal addresses",
                "private networks: reverse names of their addresses, home.arpa, service.arpa and test are denied, unless an upstream is in "
                "one of them",
                "resolver.arpa: answered here, never forwarded",
                "rebinding: no private addresses from upstreams",
                "cache: 67108864 octets, prefetching, stale answers for 86400 s",
                "coalesce: one look-up for equal queries",
                "route: corp.example. to udp:192.0.2.54:53",
                "forward: udp:192.0.2.53:53",
            ],
        )
        self.assertEqual(self.here.pending(), [])

    def test_gateOfTheRate(self) -> None:
        """
        The rate has a gate if there is a limit.
        """
        self.assertIn("gate: rate", pathOf(self.here, self.settings(clientRate=5)))

    def test_unusableSettings(self) -> None:
        """
        Settings that contradict each other are an error, of gates as well as of sources; usable ones leave nothing behind.
        """
        checkSettings(self.here, self.settings(stopRebinding=True), placesOf(self.settings()))
        contradictions: tuple[dict[str, object], ...] = (
            {"allow": ["192.0.2.0/24"], "drop": ["192.0.2.0/24"]},
            {"requireCookie": ["192.0.2.1"], "cookies": False},
            {"minTtl": 9, "maxTtl": 5},
        )
        for values in contradictions:
            settings = self.settings(**values)
            with self.assertRaises(BadDescription):
                checkSettings(self.here, settings, placesOf(settings))
            with self.assertRaises(BadDescription):
                pathOf(self.here, settings)
        self.assertEqual(self.here.pending(), [])

    def test_pathOfSettingsThatDoNotStart(self) -> None:
        """
        The stages are not listed of settings with which no server would start: a zone with a key that is not there, a certificate or a
        cookie secret that cannot be read.
        """
        values: tuple[dict[str, object], ...] = (
            {"zone": [{"name": "example.org", "file": "/nowhere", "allow-transfer": ["key=missing.test"]}]},
            {"tls": ["127.0.0.1:8853"], "certificate": ["/nowhere/pem"]},
            {"cookieSecret": "/nowhere/secret"},
        )
        for each in values:
            with self.subTest(each), self.assertRaises(BadDescription):
                pathOf(self.here, self.settings(**each))
        self.assertEqual(self.here.pending(), [])
