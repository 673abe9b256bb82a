"""
Tests of what is told of the servers that a zone is exchanged with.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.transfer.replicas import PRIMARY, QUICK, SECONDARY, StepTestCase
from tests.zone.changing import APEX
from twisted_ext.apps.cli.server.report import zoneLines
from twisted_ext.limits import Limit
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.zones.transfer import peerfacts
from twisted_ext.server.zones.transfer.peerfacts import PeerFact, PeerFacts

#: The labels of both.
_PRIMARY = f"{PRIMARY}:53"
_SECONDARY = f"{SECONDARY}:53"


class PeerFactsTests(SynchronousTestCase):
    def test_bounds(self) -> None:
        """
        So many servers are known for each zone, and so many for all: the oldest are forgotten.
        """
        few, all_ = Limit(default=2, least=1, most=9), Limit(default=5, least=1, most=9)
        with patch.object(peerfacts, "PEERS_PER_ZONE", few), patch.object(peerfacts, "PEERS_KNOWN", all_):
            facts = PeerFacts()
            for server in "abca":
                facts.note(b"1", server, PeerFact(1, 0.0))
            self.assertEqual([*facts.of(b"1")], ["c", "a"])
            for zone in (b"2", b"3"):
                for server in "ab":
                    facts.note(zone, server, PeerFact(1, 0.0))
            self.assertEqual([len(facts.of(zone)) for zone in (b"1", b"2", b"3")], [0, 2, 2])
            facts.forget(b"2")
            for server in "ab":
                facts.note(b"4", server, PeerFact(1, 0.0))
            self.assertEqual([len(facts.of(zone)) for zone in (b"2", b"3", b"4")], [0, 2, 2])

    def test_failureKeepsTheVersion(self) -> None:
        """
        The version that a server is known to have stays known when it fails.
        """
        facts = PeerFacts()
        facts.note(b"1", "a", PeerFact(7, 1.0))
        facts.note(b"1", "a", PeerFact(None, 2.0, "no reply"))
        self.assertEqual(facts.of(b"1"), {"a": PeerFact(7, 2.0, "no reply")})
        self.assertEqual(facts.of(b"1")["a"].toJSON(), {"at": 2.0, "serial": 7, "said": "no reply"})


class ExchangeTests(StepTestCase):
    """
    Tests with a primary and a secondary.
    """

    def facts(self, ofSecondary: bool = True) -> dict[str, JSON]:
        """
        Return what one of the servers knows of the zone.
        """
        return (self.secondary if ofSecondary else self.primary).replication.factsOf(APEX)

    def lines(self, ofSecondary: bool = True) -> str:
        """
        Return the lines that C{txdns control zones} prints.
        """
        zone: dict[str, JSON] = {"zone": "example.org.", "state": "serving", **self.facts(ofSecondary)}
        return "\n".join(zoneLines({"zones": [zone]}))

    def test_bothSides(self) -> None:
        """
        The secondary knows the serial of its primary, and when it asks again; the primary knows that the secondary was told, has
        acknowledged that, and has fetched the version.
        """
        self.begin(QUICK)
        self.primary.apply(allow_transfer=["192.0.2.0/24"], notify=[SECONDARY])
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(5)
        now = self.network.clock.seconds()
        (primary,) = self.objects("primaries")
        self.assertEqual((primary["server"], primary["serial"]), (_PRIMARY, 11))
        facts = self.facts()
        self.assertEqual(facts["refreshState"], "current")
        refreshed, refresh, expires = [facts[key] for key in ("refreshed", "refresh", "expires")]
        assert isinstance(refreshed, float) and isinstance(refresh, float) and isinstance(expires, float)
        self.assertLess(now - 6, refreshed)
        self.assertTrue(refreshed <= refresh < expires)
        (told,), (fetched,) = self.objects("notified", False), self.objects("fetched", False)
        self.assertEqual((told["server"], told["serial"], "said" in told), (_SECONDARY, 11, False))
        self.assertEqual((fetched["client"], fetched["serial"]), (SECONDARY, 11))
        self.assertRegex(self.lines(), r"  current, confirmed at .* UTC, expires at .* UTC, asked again at .* UTC")
        self.assertRegex(self.lines(), rf"  primary {_PRIMARY}: serial 11 at .* UTC")
        self.assertRegex(self.lines(False), rf"  {_SECONDARY}: told of 11 at .* UTC, acknowledged\n  {SECONDARY} has fetched 11 at")

    def test_primaryIsDown(self) -> None:
        """
        Of a primary that does not answer, what it had is told, and why it is not known what it has now.
        """
        self.begin(QUICK)
        self.network.shape(PRIMARY, silent=True)
        self.network.advance(400)
        (primary,) = self.objects("primaries")
        self.assertEqual((primary["server"], primary["serial"]), (_PRIMARY, 10))
        self.assertIn("does not answer", str(primary["said"]))
        self.assertIn(self.facts()["refreshState"], ("stale", "probing"))
        self.assertRegex(self.lines(), rf"primary {_PRIMARY}: serial 10 before, asked at .* UTC: .*does not answer")

    def test_secondaryIsDown(self) -> None:
        """
        Of a secondary that does not acknowledge a NOTIFY it is told why; while it is tried, that it is being told.
        """
        self.begin(QUICK)
        self.primary.apply(allow_transfer=["192.0.2.0/24"], notify=["192.0.2.99"])
        self.assertEqual(self.objects("notified", False), [{"server": "192.0.2.99:53"}])
        self.assertIn("  192.0.2.99:53: told of nothing yet", self.lines(False))
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(3)
        self.assertTrue(self.objects("notified", False)[0]["waiting"])
        self.network.advance(600)
        (told,) = self.objects("notified", False)
        self.assertEqual(told["serial"], 11)
        self.assertTrue(told["said"])
        self.primary.apply(allow_transfer=["192.0.2.0/24"])
        self.assertNotIn("notified", self.facts(False))

    def objects(self, key: str, ofSecondary: bool = True) -> list[dict[str, JSON]]:
        """
        Return a list of objects among the facts.
        """
        found = self.facts(ofSecondary)[key]
        assert isinstance(found, list)
        return [each for each in found if isinstance(each, dict)]
