"""
Tests for the sets of zones of a server: those for all clients, and those of views.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from unittest.mock import patch

from twisted.internet.defer import Deferred

from tests.server.zones.load.variants import VIEWS, VariantsCase
from tests.zone.changing import APEX, ZONE
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.packetcache.clients import UNMETERED, Client, Group, View
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.reply.opcodes import Delegable, handlerKey, hopelessOf
from twisted_ext.server.reply.requests import Refusal
from twisted_ext.server.zones.load.validate import variantsFor, variantsIn
from twisted_ext.server.zones.load.zonefacts import factsOf
from twisted_ext.server.zones.load.zonesets import ZoneSets
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.rrtypes import AXFR
from twisted_ext.zone.check.signatureends import FirstEnd

__all__: list[str] = []

class ZoneSetsTests(VariantsCase):
    """
    Tests for L{ZoneSets}, with a zone for all and zones of the same name in views.
    """

    def test_apart(self) -> None:
        """
        Zones with the same name are loaded, changed, and described each by itself, and have no file in common.
        """
        zoneSets = self.begin(self.settingsOf({view: {"edit": ["api"]} for view in ("", "partners", "lab")}))
        names = {"": "example.org.", "partners": "example.org..partners", "lab": "example.org..lab"}
        self.assertEqual(self.texts(zoneSets), {name: view or "all" for view, name in names.items()})
        for number, view in enumerate(names):
            for _ in range(number + 1):
                self.change(zoneSets, view, f"{view or 'all'}{_}")
        serials, files = {}, []
        for view, name in names.items():
            place = zoneSets.at(name)
            assert place is not None
            self.assertEqual((place.view, zoneSets.setOf(place)), (view, zoneSets.of(view)))
            serials[view] = place.currentSerial
            facts = factsOf(zoneSets.setOf(place), APEX)
            files.append(str(facts["image"]))
            kept = zoneSets.setOf(place).changesOf(APEX)
            assert kept is not None
            self.assertEqual(len(kept.since(10) or ()), [*names].index(view) + 1)
        self.assertEqual(serials, {"": 11, "partners": 12, "lab": 13})
        state = self.folder / "state"
        folders = [state, state / "views" / "partners", state / "views" / "lab"]
        self.assertEqual([Path(path).parent.parent for path in files], folders)
        self.assertTrue(all((folder / "journals" / "example.org.journal").is_file() for folder in folders))
        # After a restart each has its own changes.
        self.endAll(zoneSets)
        again = self.begin(self.settingsOf({view: {"edit": ["api"]} for view in names}))
        self.assertEqual(len(self.texts(again)), 3)
        self.assertEqual({place.view: place.currentSerial for place in again.places()}, serials)

    def test_reloads(self) -> None:
        """
        Views get zones and lose them; a set is made and closed with that, and names what it serves.
        """
        zoneSets = self.begin(self.settingsOf({"": {}}))
        made: list[str] = []
        gone: list[str] = []
        zoneSets.added = lambda view, zoneSet: made.append(view)
        zoneSets.dropped = gone.append
        for views, expected in (
            (("", "partners"), (["partners"], [])),
            (("partners", "lab"), (["partners", "lab"], [])),
            (("lab",), (["partners", "lab"], ["partners"])),
            (("", "partners", "lab"), (["partners", "lab", "partners"], ["partners"])),
            ((), (["partners", "lab", "partners"], ["partners", "lab", "partners"])),
        ):
            settings = self.settingsOf({view: {} for view in views})
            self.goOver(zoneSets, settings)
            self.assertEqual(sorted(self.texts(zoneSets).values()), sorted([view or "all" for view in views]))
            self.assertEqual((made, gone), expected)
            self.assertEqual(set(zoneSets.variantsFor(settings)), {view for view in views if view})
            self.assertEqual(zoneSets.counts()["all"], len(views))

    def test_returningZones(self) -> None:
        """
        Zones that a view gets again while its former ones are still being closed are served once these are.
        """
        settings = self.settingsOf({"": {}, "lab": {}})
        zoneSets = self.begin(settings)
        closing: Deferred[None] = Deferred()
        former = zoneSets.views["lab"]
        close = former.close
        with patch.object(former, "close", lambda: close().addCallback(lambda _: closing)):
            self.goOver(zoneSets, self.settingsOf({"": {}}))
        zones = zoneSets.read(settings)
        self.settle()
        waiting = zoneSets.reload(settings, self.successResultOf(zones))
        self.settle()
        self.assertNoResult(waiting)
        closing.callback(None)
        self.settle()
        self.successResultOf(waiting)
        self.assertEqual(sorted(self.texts(zoneSets)), ["example.org.", "example.org..lab"])

    def test_variantsFor(self) -> None:
        """
        What clients of views are answered from has the fallbacks of the settings, and an empty set of a view that has none yet.
        """
        settings = self.settingsOf({"": {}, "partners": {"fallback": True}, "lab": {}})
        zoneSets = self.begin(self.settingsOf({"": {}, "partners": {}}))
        variants = zoneSets.variantsFor(settings)
        self.assertEqual({view: list(each.fallbacks) for view, each in variants.items()}, {"partners": [APEX], "lab": []})
        self.assertEqual([len(each.own) for each in variants.values()], [1, 0])
        # Until the reload, and if it fails, nothing else has changed.
        self.assertEqual(sorted(self.texts(zoneSets)), ["example.org.", "example.org..partners"])
        zoneSets.settle(self.settingsOf({"": {}, "partners": {}}))
        self.assertEqual([*zoneSets.views], ["partners"])

    def test_wrongSettings(self) -> None:
        """
        Zones that a view cannot have are an error at the start and at a reload, which changes nothing.
        """
        zoneSets = self.begin(self.settingsOf({"": {}, "partners": {}}))
        for options, said in (
            ({"elsewhere": {}}, "zone example.org.: there is no view elsewhere; add [[view]] with this name and its clients"),
            ({"lab": {"fallback": True, "sign": "default"}}, "sign and fallback: a signed zone denies the names that it does not have"),
            ({"lab": {"update": ["key none zone ANY"]}}, "there is no TSIG key 'none.'"),
        ):
            settings = self.settingsOf(options)
            reading = zoneSets.read(settings).addCallback(partial(zoneSets.check, settings))
            self.settle()
            self.assertIn(said, str(self.failureResultOf(reading, BadDescription).value))
            with self.assertRaises(BadDescription):
                variantsIn(settings)
                ZoneSets(self.clock, settings)
            self.assertEqual(len(zoneSets), 2)
        with self.assertRaisesRegex(BadDescription, "zone example.org.: fallback is for zones of a view; say with view which one"):
            self.settingsOf({"": {"fallback": True}})
        twice = self.settingsOf({"lab": {}})
        twice = Settings({**twice.given, "zone": (*twice.zone, twice.zone[0].replace("lab.zone", "all.zone"))})
        with self.assertRaisesRegex(BadDescription, "zone example.org. is given twice"):
            variantsIn(twice)

    def test_workersKnowTheViews(self) -> None:
        """
        A worker is told which views have zones and which have a fallback, and nothing else of the zones.
        """
        settings = self.settingsOf({"": {}, "partners": {"fallback": True, "update": ["address 10.0.0.1 zone ANY"]}, "lab": {}})
        told = variantsFor(settings)
        self.assertFalse([text for text in told if "update" in text or str(self.folder) in text])
        worker = ZoneSets(self.clock, Settings.of(zone=told, view=VIEWS), worker=True)
        self.assertEqual([*worker.views], ["partners", "lab"])
        variants = worker.variantsFor(Settings.of(zone=told, view=VIEWS))
        self.assertEqual([list(each.fallbacks) for each in variants.values()], [[APEX], []])
        self.assertEqual(variantsFor(self.settingsOf({"": {}})), [])

    def test_requestsGoByView(self) -> None:
        """
        A request is handled by the set of the client's view if that has the zone, else by that for all: also where only another set has
        anything to handle.
        """
        own: dict[str, dict[str, object]] = {"": {}, "partners": {"allow-transfer": ["10.0.0.1"]}, "lab": {}}
        zoneSets = self.begin(self.settingsOf(own))
        self.assertEqual({view: len(each.handlers) for view, each in zoneSets.views.items()}, {"partners": 4, "lab": 4})
        transfer = zoneSets.handlers[handlerKey(Opcode.QUERY, AXFR)]
        for view, outcome in (("", Rcode.REFUSED), ("lab", Rcode.REFUSED), ("none", Rcode.REFUSED), ("partners", None)):
            found = transfer(self.request(Opcode.QUERY, view))
            assert not isinstance(found, Deferred)
            self.assertEqual(found.rcode if isinstance(found, Refusal) else None, outcome, view)
            if not isinstance(found, Refusal):
                assert isinstance(found, Delegable)
                self.assertEqual(found.view, "partners")
                self.assertIn(b"\x08partners", b"".join(found))
        self.assertEqual(zoneSets.expiring(self.request(Opcode.QUERY, "partners")), 86400)
        # Of clients without access nobody asks for a view.
        public = self.request(Opcode.QUERY, "")
        public.record = Client("10.0.0.1", Group("public", "zones", view=View("partners", None, recursive=False)), UNMETERED, "")
        self.assertIs(zoneSets.answering(public), zoneSets.common)
        # A view without the zone has that for all, whatever other zones it has.
        self.endAll(zoneSets)
        others = self.begin(Settings({**self.settingsOf({"": {}, "lab": {}}).given, "zone": self._twoZones()}))
        for view, expected in (("lab", others.common), ("", others.common)):
            self.assertIs(others.answering(self.request(Opcode.QUERY, view)), expected)
        self.assertIs(zoneSets.answering(self.request(Opcode.QUERY, "none")), zoneSets.common)

    def _twoZones(self) -> tuple[str, ...]:
        """
        Return the tables of a zone for all, and of another one of a view.
        """
        path = self.folder / "other"
        path.write_text(f"$ORIGIN other.example.\n{ZONE}")
        other = Settings.of(zone=[{"name": "other.example", "file": str(path), "view": "lab"}], view=VIEWS)
        return (*self.settingsOf({"": {}}).zone, *other.zone)

    def test_foldersAreForAll(self) -> None:
        """
        Folders of zones are for all clients, also of views that have zones of their own.
        """
        folder = self.folder / "zones"
        folder.mkdir()
        (folder / "more.example").write_text(f"$ORIGIN more.example.\n{ZONE}")
        zoneSets = self.begin(self.settingsOf({"": {}, "lab": {}}, zones=[str(folder)]))
        self.assertEqual([place.text for place in zoneSets.places()], ["example.org.", "more.example.", "example.org..lab"])
        self.goOver(zoneSets, self.settingsOf({"lab": {}}, zones=[str(folder)]))
        self.assertEqual([place.text for place in zoneSets.places()], ["more.example.", "example.org..lab"])

    def test_hopeless(self) -> None:
        """
        A request that seems signed is read whole if the zone of any view may take it: its key may lead there. One that is not signed is
        refused by its question if that of its own view will refuse it.
        """
        rules = {"": ["address 10.0.0.2 zone ANY"], "partners": ["key k. zone ANY"], "lab": ["address 10.0.0.1 zone ANY"]}
        keys = self.folder / "keys"
        keys.write_text("hmac-sha256:k:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=\n")
        keys.chmod(0o600)
        zoneSets = self.begin(self.settingsOf({view: {"update": rule} for view, rule in rules.items()}, keyFile=str(keys)))
        isHopeless = hopelessOf(zoneSets.handlers)
        for view, client, expected in (
            ("", "10.0.0.2", False),
            ("", "10.0.0.1", True),
            ("lab", "10.0.0.1", False),
            ("lab", "10.0.0.2", True),
            ("partners", "10.0.0.1", True),
            ("partners", "10.0.0.2", True),
        ):
            self.assertEqual(isHopeless(self.request(Opcode.UPDATE, view, client)), expected, (view, client))
        handler: object = zoneSets.handlers[handlerKey(Opcode.UPDATE)]
        request = self.request(Opcode.UPDATE, "", "10.0.0.7")
        self.assertEqual([zoneSets.isHopeless(handlerKey(Opcode.UPDATE), request, signed) for signed in (False, True)], [True, False])
        self.assertTrue(callable(handler))
        # A key may also lead to a view that has the zone for all.
        self.endAll(zoneSets)
        addresses = {"": ["address 10.0.0.2 zone ANY"], "lab": ["address 10.0.0.1 zone ANY"]}
        zoneSets = self.begin(self.settingsOf({view: {"update": rule} for view, rule in addresses.items()}))
        request = self.request(Opcode.UPDATE, "lab", "10.0.0.2")
        self.assertEqual([zoneSets.isHopeless(handlerKey(Opcode.UPDATE), request, signed) for signed in (False, True)], [True, False])

    def test_rekey(self) -> None:
        """
        All sets get the keys that are read again; if a zone of a view needs one that is gone, that is an error.
        """
        keys = self.folder / "keys"
        line = "hmac-sha256:{}:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=\n"
        keys.write_text(line.format("k"))
        keys.chmod(0o600)
        zoneSets = self.begin(self.settingsOf({"": {}, "lab": {"allow-transfer": ["key=k"]}}, keyFile=str(keys)))
        for names, isThere in (("kl", True), ("l", False)):
            keys.write_text("".join([line.format(name) for name in names]))
            waiting = zoneSets.rekey()
            self.settle()
            if isThere:
                self.successResultOf(waiting)
            else:
                self.failureResultOf(waiting, BadDescription)
            known = zoneSets.views["lab"].keys
            self.assertEqual({*(known or ())}, {b"\x01k\0", b"\x01l\0"})

    def test_named(self) -> None:
        """
        A zone is found by its name and its view; a view without zones of its own is an error that says so.
        """
        zoneSets = self.begin(self.settingsOf({"": {}, "lab": {}}))
        self.assertEqual(zoneSets.named("Example.org..lab"), (zoneSets.views["lab"], APEX))
        self.assertEqual(zoneSets.named("example.org"), (zoneSets.common, APEX))
        for view in ("partners", "elsewhere"):
            self.assertIsNone(zoneSets.at(f"example.org..{view}"))
            with self.assertRaisesRegex(CallerFault, f"no view {view} has zones of its own here"):
                zoneSets.named(f"example.org..{view}")
        self.assertIsNone(zoneSets.at("other.example..lab"))

    def test_figures(self) -> None:
        """
        Figures are those of all sets together, the first end of a signature the earliest; each zone has metrics under its own name.
        """
        zoneSets = self.begin(self.settingsOf({"": {}, "partners": {}, "lab": {}}))
        figures = zoneSets.figures()
        self.assertEqual([figures[name] for name in ("zones", "zonesServed", "zonesWrong")], [3, 3, 0])
        self.assertEqual(
            [each.zone for each in zoneSets.metrics(3)], ["example.org.", "example.org..partners", "example.org..lab"]
        )
        self.assertEqual(zoneSets.metrics(2), [])
        self.assertNotIn("zonesSignatureExpiry", figures)
        for number, place in enumerate(zoneSets.places()):
            place.signatures = FirstEnd(1000 + (-1) ** number * number, b"", 0)
        self.assertEqual(zoneSets.figures()["zonesSignatureExpiry"], 999)

    def test_startOfNothing(self) -> None:
        """
        A server whose zones for all cannot be served ends, unless views have others.
        """
        for views, ended in (([], 1), (["lab"], 0)):
            (self.folder / "all.zone").write_text("nonsense")
            settings = self.settingsOf({view: {} for view in ("", *views)})
            zoneSets = ZoneSets(self.clock, settings)
            said: list[str] = []
            zoneSets.useless = said.append
            zoneSets.begin()
            self.settle()
            self.assertEqual(len(said), ended)
            self.endAll(zoneSets)

    def test_sharedLimits(self) -> None:
        """
        All sets together have the limits on transfers of the settings.
        """
        zoneSets = self.begin(self.settingsOf({view: {"allow-transfer": ["any"]} for view in ("", "lab")}, transfersOut=1))
        transfer = zoneSets.handlers[handlerKey(Opcode.QUERY, AXFR)]
        first = transfer(self.request(Opcode.QUERY, "lab"))
        second = transfer(self.request(Opcode.QUERY, ""))
        assert not isinstance(first, Refusal | Deferred) and isinstance(second, Deferred)
        self.assertNoResult(second)
        self.assertTrue(b"".join(first))
        self.clock.advance(0)
        found: list[object] = []
        second.addCallback(found.append)
        self.assertEqual([isinstance(each, Delegable) for each in found], [True])

    def test_brokenStopsAll(self) -> None:
        """
        What makes a process unusable is told of any set, also of one that was made later.
        """
        zoneSets = self.begin(self.settingsOf({"": {}, "lab": {}}))
        said: list[str] = []
        zoneSets.broken = said.append
        self.goOver(zoneSets, self.settingsOf({"": {}, "lab": {}, "partners": {}}))
        for each in zoneSets.all:
            each.broken("broken")
        self.assertEqual(len(said), 3)

