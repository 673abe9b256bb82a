"""
Sets of zones of a server, with a zone for all and zones of the same name in views, whose threads, compilers and clock a test runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.server.zones.load.zonesets import ZoneSetCase
from tests.zone.changing import APEX, ZONE, record
from twisted_ext.packetcache.clients import UNMETERED, Client, Group, View
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features import order
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.zones.load.zonesets import ZoneSets
from twisted_ext.wire.builder import buildMessage, buildQuery
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.rrtypes import AXFR, SOA
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

__all__ = ["VIEWS", "VariantsCase"]

VIEWS = [{"name": "partners", "clients": ["10.0.0.0/8"]}, {"name": "lab", "clients": ["10.9.0.0/16"]}, {"name": "none", "clients": []}]


class VariantsCase(ZoneSetCase):
    """
    Such sets.
    """

    def setUp(self) -> None:
        super().setUp()
        # The settings of features are known once these are.
        self.assertIn("views", [feature.name for feature in order.ORDER])
        self.over: list[ZoneSets] = []

    def settingsOf(self, options: Mapping[str, Mapping[str, object]], **more: object) -> Settings:
        """
        Return settings with a zone in each of these views, C{""} for all; and these further settings of the zones.
        """
        tables = []
        for view, table in options.items():
            path = self.folder / f"{view or 'all'}.zone"
            if not path.exists():
                path.write_text(f"$ORIGIN example.org.\n{ZONE}who TXT {view or 'all'}\n")
            tables.append({"name": "example.org", "file": str(path), **({"view": view} if view else {}), **table})
        return Settings.of(**{"zone": tables, "view": VIEWS, "state": str(self.folder / "state"), **more})

    def begin(self, settings: Settings) -> ZoneSets:
        """
        Start with these settings.
        """
        zoneSets = ZoneSets(self.clock, settings)
        zoneSets.begin()
        self.addCleanup(self.endAll, zoneSets)
        self.settle()
        return zoneSets

    def endAll(self, zoneSets: ZoneSets) -> None:
        if zoneSets in self.over:
            return
        self.over.append(zoneSets)
        closed = zoneSets.close()
        self.settle()
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def goOver(self, zoneSets: ZoneSets, settings: Settings) -> list[str]:
        """
        Reload with these settings.
        """
        reading = zoneSets.read(settings)
        self.settle()
        zones = self.successResultOf(reading)
        zoneSets.check(settings, zones)
        waiting = zoneSets.reload(settings, zones)
        self.settle()
        return self.successResultOf(waiting)

    def texts(self, zoneSets: ZoneSets) -> dict[str, str]:
        """
        Return the text in each zone, by the name of the zone as people see it.
        """
        found: dict[str, str] = {}
        for place in zoneSets.places():
            zone = place.served()
            if zone is not None:
                node = zone.current.find(b"\x03who")
                assert node is not None
                found[place.text] = node.sets[0].rdatas[0][1:].decode()
        return found

    def request(self, opcode: int, view: str, client: str = "10.0.0.1", rrType: int = AXFR) -> Request:
        """
        Return a request about the zone, of a client in a view.
        """
        if opcode:
            wire = buildMessage(Message(7, opcode << 11, (Question(APEX, SOA),)))
        else:
            wire = b"\0\7" + buildQuery(0, Question(APEX, rrType).toWire(), b"")
        request = Request.fromWire(wire, (client, 5353), "tcp")
        assert request is not None
        request.readZone()
        group = Group(view or "allowed", view=View(view, None) if view else None)
        request.record = Client(client, group, UNMETERED, client)
        return request

    def change(self, zoneSets: ZoneSets, view: str, text: str) -> Version:
        """
        Add a text to the zone of a view through the door of the API.
        """
        zoneSet = zoneSets.of(view)
        assert zoneSet is not None

        def apply(transaction: Transaction) -> None:
            transaction.add(record(f"more 300 TXT {text}"))

        changing = zoneSet.edits().change(APEX, apply, door="api", who="test", match="*")
        self.settle()
        return self.successResultOf(changing).version
