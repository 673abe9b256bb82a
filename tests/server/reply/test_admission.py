"""
Tests of L{twisted_ext.server.reply.packetcaches}: what features decide of clients.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.clients import UNMETERED, Client
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features import order
from twisted_ext.server.features.base.feature import Active, Feature, Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.frontend import Frontend
from twisted_ext.server.reply.packetcaches import Admission
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.testing.sources import CannedSource


class _Guests(Active):
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.admits = self._admit

    def _admit(self, admission: Admission) -> None:
        self.seen.append((admission.client, admission.action))
        if admission.client == "127.0.0.9":
            admission.action, admission.view = "drop", ""


class GuestsFeature(Feature):
    """
    A feature of another package that decides of clients.
    """

    name = "guests"

    def __init__(self) -> None:
        self.active = _Guests()

    def make(self, site: Site, former: Active | None) -> Active | None:
        return self.active


class AdmissionTests(SynchronousTestCase):
    def frontend(self, zones: Zones | None = None, **values: object) -> Frontend:
        """
        Return what stands between sockets and sources, with these settings.
        """
        self.clock = Clock()
        settings = Settings.of(hostsFile="", **values)
        views = {name: CannedSource({}) for name in ("children", "guests")}
        self.features = Features(Site(self.clock, settings, zones=zones))
        frontend = Frontend(self.features, CannedSource({}), Counters(), views=views)
        self.addCleanup(frontend.responder.close)
        return frontend

    def client(self, frontend: Frontend, address: str) -> Client:
        return frontend.packetCache.clients.find(address, 0.0)

    def test_whatIsNotSetCostsNothing(self) -> None:
        """
        With the settings of a new server, one feature is asked about a client; it has no limits.
        """
        frontend = self.frontend()
        self.assertEqual(len(self.features.admitting()), 1)
        client = self.client(frontend, "127.0.0.1")
        self.assertEqual((client.group.action, client.group.view, client.group.shown), ("allow", None, False))
        self.assertIs(client.bucket, UNMETERED)
        self.assertIsNone(client.accounts)

    def test_everyDecision(self) -> None:
        """
        Action, view, need of a cookie and limits are those of the settings, for IPv4 addresses mapped into IPv6 too.
        """
        frontend = self.frontend(
            refuse=["192.168.1.0/24"],
            view=["children=127.0.0.2,192.168.1.1", "guests=127.0.0.0/24"],
            requireCookie=["127.0.0.3", "127.0.0.2"],
            clientRate=5,
            responseRate=7,
            responseExempt=["127.0.0.1"],
        )
        found = {
            address: (client.group.name, client.group.action, client.group.shown, client.accounts is not None)
            for address in ("127.0.0.1", "127.0.0.2", "::ffff:127.0.0.3", "10.0.0.1", "192.168.1.1", "192.0.2.1")
            for client in [self.client(frontend, address)]
        }
        self.assertEqual(
            found,
            {
                "127.0.0.1": ("guests", "allow", False, False),
                "127.0.0.2": ("children", "allow", True, True),
                "::ffff:127.0.0.3": ("guests", "allow", True, True),
                "10.0.0.1": ("allowed", "allow", False, True),
                # What may not ask is in no view.
                "192.168.1.1": ("strangers", "refuse", False, True),
                "192.0.2.1": ("strangers", "refuse", False, True),
            },
        )
        self.assertEqual(self.client(frontend, "10.0.0.1").bucket.tokens, self.client(frontend, "127.0.0.1").bucket.tokens)
        self.assertIsNot(self.client(frontend, "10.0.0.1").bucket, UNMETERED)

    def test_strangersMayQueryZones(self) -> None:
        """
        Where there are zones, clients without other access may query these, with a cookie if they need one.
        """
        frontend = self.frontend(Zones(), requireCookie=["192.0.2.0/24"])
        groups = [self.client(frontend, address).group for address in ("192.0.2.1", "198.51.100.1")]
        found = [(group.name, group.action, group.shown) for group in groups]
        self.assertEqual(found, [("public", "zones", True), ("public", "zones", False)])

    def test_featureOfAnotherPackage(self) -> None:
        """
        A feature that comes last sees what others have decided, and has the last word.
        """
        guests = GuestsFeature()
        with patch.object(order, "ORDER", (*order.ORDER, guests)):
            frontend = self.frontend(view=["children=127.0.0.9"])
        actions = [self.client(frontend, address).group.action for address in ("127.0.0.1", "127.0.0.9", "192.0.2.1")]
        self.assertEqual(actions, ["allow", "drop", "refuse"])
        self.assertEqual(guests.active.seen, [("127.0.0.1", "allow"), ("127.0.0.9", "allow"), ("192.0.2.1", "refuse")])

    def test_newSettings(self) -> None:
        """
        After a reload all clients are new; cookies may be wanted from now on, or no longer, and tables of former replies are empty.
        """
        frontend = self.frontend(clientRate=5)
        before = self.client(frontend, "127.0.0.1")
        for required in (["127.0.0.1"], []):
            former = self.features
            settings = Settings.of(hostsFile="", requireCookie=required)
            self.features = Features(Site(self.clock, settings), former)
            frontend.apply(self.features)
            after = self.client(frontend, "127.0.0.1")
            self.assertEqual((after.group.shown, after.bucket), (bool(required), UNMETERED))
        self.assertIsNot(before.bucket, UNMETERED)
        self.assertIn("cookie", [gate.name for gate in frontend.responder.gates])
        self.assertNotIn("rate", [gate.name for gate in frontend.responder.gates])
