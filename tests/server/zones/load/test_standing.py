"""
Tests of L{twisted_ext.server.zones.load.standing}: what becomes of zones that folders and lists lose.
"""

from __future__ import annotations

import os
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.logger import capturedLogs, formatEvent

from tests.server.zones.load.zonesets import ZoneSetCase
from tests.zone.changing import ZONE
from twisted_ext.errors import CallerFault
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import WATCH_SECONDS
from twisted_ext.server.zones.load.zonefacts import figuresOf
from twisted_ext.server.zones.load.zoneset import ZoneSet
from twisted_ext.wire.names import nameFromText


class StandingTests(ZoneSetCase):
    """
    Tests with folders and lists of zones.
    """

    def test_zonesFollowFolder(self) -> None:
        """
        Files that are added to a folder of zones or removed from it are noticed. The zones of a folder that is suddenly empty, as when a
        disk is not mounted, or that is gone, stay.
        """
        folder = self.folder / "zones"
        folder.mkdir()
        zoneSet = ZoneSet(cast("IReactorTime", self.clock), Settings.of(zones=[str(folder)], state=str(self.folder / "state")))
        self.addCleanup(zoneSet.close)

        def served(*names: str) -> list[str]:
            for name in names:
                (folder / name).write_text(f"$ORIGIN {name}.\n{ZONE}")
            # The clock of a file system may be this coarse.
            os.utime(folder, ns=(self.stamp, self.stamp))
            self.stamp += 1_000_000_000
            for _ in range(4):
                self.clock.advance(WATCH_SECONDS.default)
                self.settle()
            return [place.text for place in zoneSet.zones if place.state == "serving"]

        (folder / "one.example").write_text(f"$ORIGIN one.example.\n{ZONE}")
        zoneSet.begin()
        self.assertEqual(served(), ["one.example."])
        self.assertEqual(served("two.example", ".hidden", "two.example~"), ["one.example.", "two.example."])
        (folder / "one.example").unlink()
        self.assertEqual(served("three.example"), ["two.example.", "three.example."])
        with capturedLogs() as events:
            for path in folder.iterdir():
                path.unlink()
            self.assertEqual(served(), ["two.example.", "three.example."])
        said = f"{folder}: 2 of 2 zones are gone, and are served as before; to take that: txdns control reload"
        self.assertIn(said, [formatEvent(event) for event in events])
        folder.rename(self.folder / "aside")
        for _ in range(4):
            self.clock.advance(1)
        self.assertEqual(len(zoneSet.zones), 2)

    def test_manyFilesThatGoWait(self) -> None:
        """
        When many files vanish from a folder of zones at once, the zones are served until a reload.
        """
        folder = self.folder / "zones"
        folder.mkdir()
        for number in range(30):
            (folder / f"z{number}.example").write_text(f"$ORIGIN z{number}.example.\n{ZONE}")
        settings = Settings.of(zones=[str(folder)], state=str(self.folder / "state"))
        zoneSet = self.serve(settings)
        self.assertEqual(len(zoneSet.zones), 30)
        for number in range(11):
            (folder / f"z{number}.example").unlink()
        os.utime(folder, ns=(self.stamp, self.stamp))
        with capturedLogs() as events:
            for _ in range(4):
                self.clock.advance(WATCH_SECONDS.default)
                self.settle()
        self.assertIn("11 of 30 zones are gone, and are served as before", "\n".join([formatEvent(event) for event in events]))
        self.assertEqual(len(zoneSet.zones), 30)
        figures = figuresOf(zoneSet)
        self.assertEqual([figures[name] for name in ("zones", "zonesServed", "zonesWrong", "zonesHeld")], [30, 30, 0, 11])
        self.failureResultOf(zoneSet.acceptZone(nameFromText("z1.example")), CallerFault)
        self.reload(zoneSet, settings)
        self.assertEqual(len(zoneSet.zones), 19)
        # With another share the same loss waits no more.
        self.reload(zoneSet, Settings.of(zones=[str(folder)], state=str(self.folder / "state"), zonesLost=100))
        for number in range(11, 26):
            (folder / f"z{number}.example").unlink()
        os.utime(folder, ns=(self.stamp + 1, self.stamp + 1))
        for _ in range(4):
            self.clock.advance(WATCH_SECONDS.default)
            self.settle()
        self.assertEqual(len(zoneSet.zones), 4)

    def test_heldZonesOverRestart(self) -> None:
        """
        Zones that a folder and a list lost are held after a restart too, until a reload takes that. New ones are served meanwhile, other
        keys do not take it, and zones that come back are not held any more.
        """
        folder, other, names = self.folder / "zones", self.folder / "other", self.folder / "names"
        for each in (folder, other):
            each.mkdir()
        listed = []
        for number in range(30):
            for place, kind in ((folder, "f"), (other, "l")):
                (place / f"{kind}{number}.example").write_text(f"$ORIGIN {kind}{number}.example.\n{ZONE}")
            listed.append(f"l{number}.example {other}/l{number}.example\n")
        names.write_text("".join(listed))
        settings = Settings.of(zones=[str(folder), str(names)], state=str(self.folder / "state"))
        self.end(self.serve(settings))
        for number in range(20):
            (folder / f"f{number}.example").unlink()
        names.write_text("")

        def held(zoneSet: ZoneSet, *more: str, count: int = 50) -> None:
            self.assertEqual({place.state for place in zoneSet.zones}, {"serving"})
            figures = figuresOf(zoneSet)
            self.assertEqual([figures[name] for name in ("zones", "zonesWrong", "zonesHeld")], [60 + len(more), 0, count])
            for name in ("f3.example", "l3.example", "f25.example", *more):
                place = zoneSet.zones.at(nameFromText(name))
                assert place is not None
                zone = place.served()
                assert zone is not None
                self.assertEqual(zone.current.serial, 10)
                waits = count and name in ("f3.example", "l3.example")
                self.assertEqual("does not name it any more; to take that: txdns control reload" in place.said, waits, name)

        for more in ((), ("new.example",)):
            for name in more:
                (folder / name).write_text(f"$ORIGIN {name}.\n{ZONE}")
            with capturedLogs() as events:
                zoneSet = self.serve(settings)
            said = f"{names}: 50 of 60 zones are gone, and are served as before; to take that: txdns control reload"
            self.assertIn(said, [formatEvent(event) for event in events])
            held(zoneSet, *more)
            self.end(zoneSet)
        zoneSet = self.serve(settings)
        rekeyed = zoneSet.rekey()
        self.settle()
        self.successResultOf(rekeyed)
        held(zoneSet, "new.example")
        names.write_text("".join(listed))
        for number in range(20):
            (folder / f"f{number}.example").write_text(f"$ORIGIN f{number}.example.\n{ZONE}")
        os.utime(folder, ns=(self.stamp, self.stamp))
        for _ in range(4):
            self.clock.advance(WATCH_SECONDS.default)
            self.settle()
        held(zoneSet, "new.example", count=0)
        names.write_text("")
        self.end(zoneSet)
        zoneSet = self.serve(settings)
        self.assertEqual(len(zoneSet.zones), 61)
        self.reload(zoneSet, settings)
        self.assertEqual(len(zoneSet.zones), 31)
        self.end(zoneSet)
        self.assertEqual(len(self.serve(settings).zones), 31)

    def test_emptiedFolderAtStart(self) -> None:
        """
        The zones of a folder that is empty when the server starts are served as before, however few these are; not those of one that the
        settings do not name any more, nor without the guard.
        """
        folder = self.folder / "zones"
        folder.mkdir()
        (folder / "one.example").write_text(f"$ORIGIN one.example.\n{ZONE}")
        state = str(self.folder / "state")
        self.end(self.serve(Settings.of(zones=[str(folder)], state=state)))
        (folder / "one.example").rename(self.folder / "one.example")
        zoneSet = self.serve(Settings.of(zones=[str(folder)], state=state))
        self.assertEqual([(place.text, place.currentSerial) for place in zoneSet.zones], [("one.example.", 10)])
        self.end(zoneSet)
        zoneSet = self.serve(Settings.of(zones=[str(folder)], state=state, zonesLost=100))
        self.assertEqual(len(zoneSet.zones), 0)
        self.end(zoneSet)
        (self.folder / "one.example").rename(folder / "one.example")
        self.end(self.serve(Settings.of(zones=[str(folder)], state=state)))
        zoneSet = self.serve(Settings.of(zone=[f"example.org={self.file}"], state=state))
        self.assertEqual([place.text for place in zoneSet.zones], ["example.org."])

    def test_otherCapitalsAtStart(self) -> None:
        """
        A zone whose file has other capitals than before is not gone.
        """
        folder = self.folder / "zones"
        folder.mkdir()
        (folder / "One.example").write_text(f"$ORIGIN one.example.\n{ZONE}")
        settings = Settings.of(zones=[str(folder)], state=str(self.folder / "state"))
        self.end(self.serve(settings))
        (folder / "One.example").rename(folder / "one.example")
        with capturedLogs() as events:
            zoneSet = self.serve(settings)
        self.assertEqual([(place.text, place.said) for place in zoneSet.zones], [("one.example.", "")])
        self.assertNotIn("gone", "\n".join([formatEvent(event) or "" for event in events]))

    def test_damagedStandingZones(self) -> None:
        """
        If the file with the zones that folders had is damaged, the log says so, and the server starts with what the folder has.
        """
        folder, state = self.folder / "zones", self.folder / "state"
        folder.mkdir()
        for name in ("one.example", "two.example"):
            (folder / name).write_text(f"$ORIGIN {name}.\n{ZONE}")
        settings = Settings.of(zones=[str(folder)], state=str(state))
        self.end(self.serve(settings))
        (folder / "one.example").unlink()
        for text in ("[]", "{", '{"a": 5}', '{"a": {"b..": "c"}}'):
            (state / "listed-zones.json").write_text(text)
            with capturedLogs() as events:
                zoneSet = self.serve(settings)
            self.assertEqual([place.text for place in zoneSet.zones], ["two.example."])
            if text != '{"a": {"b..": "c"}}':
                self.assertIn("which zones folders and lists had cannot be read", "\n".join([formatEvent(event) or "" for event in events]))
            self.end(zoneSet)
