"""
The door by which versions of zones come into force.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, ZONE
from twisted_ext.server.zones.table.sink import ZoneSink
from twisted_ext.server.zones.table.zonetable import EXPIRED, FAILED, LOADING, SERVING, Place, Zones
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone


def versionOf(serial: int) -> Version:
    """
    Return a version of the zone.
    """
    return Zone.fromText(ZONE.replace(" 10 3600", f" {serial} 3600"), APEX).current


class SinkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.zones = Zones()
        self.told: list[tuple[int | None, int]] = []
        self.now = 100.0
        self.sink = ZoneSink(self.zones, self.note, lambda: self.now)

    def note(self, place: Place, version: Version | None) -> None:
        """
        Note what is told.
        """
        assert version is not None
        self.told.append((place.currentSerial, version.serial))

    def place(self) -> Place:
        """
        Return the place of the zone.
        """
        place = self.zones.at(APEX)
        assert place is not None
        return place

    def test_newVersions(self) -> None:
        """
        Each new version is told once it is in force; answers from the former one are void then.
        """
        self.sink.expect(APEX, "a file")
        self.assertEqual((self.place().state, self.place().file, self.told), (LOADING, "a file", []))
        self.sink.arrived(versionOf(1), "here")
        zone = self.place().zone
        assert zone is not None
        self.assertEqual((self.place().state, self.place().file, self.place().since), (SERVING, "here", 100.0))
        before = zone.epoch.value
        self.sink.arrived(versionOf(2), "there")
        self.assertIs(self.place().zone, zone)
        self.assertNotEqual(zone.epoch.value, before)
        self.assertEqual((self.told, self.place().file), ([(1, 1), (2, 2)], "there"))

    def test_confirmedVersions(self) -> None:
        """
        A version that is in force already ends an error, and tells nobody; answers from it stay.
        """
        version = versionOf(1)
        self.sink.arrived(version)
        zone = self.place().zone
        assert zone is not None
        before = zone.epoch.value
        self.sink.failed(APEX, "no disk")
        self.assertEqual((self.place().said, self.place().state), ("no disk", SERVING))
        self.now = 200.0
        self.sink.arrived(version)
        self.assertEqual((self.place().said, self.place().since, zone.epoch.value), ("", 200.0, before))
        self.assertEqual(len(self.told), 1)

    def test_zonesOfCode(self) -> None:
        """
        A zone that code changes stays the object that it is; another one in its place is told, and voids answers from the former.
        """
        first, second = Zone(versionOf(1)), Zone(versionOf(1))
        self.sink.arrived(first.current, "one.py", first)
        self.assertIs(self.place().zone, first)
        before = first.epoch.value
        self.sink.arrived(second.current, "one.py", second)
        self.assertIs(self.place().zone, second)
        self.assertNotEqual(first.epoch.value, before)
        self.assertEqual(len(self.told), 2)

    def test_failedAndGone(self) -> None:
        """
        A zone that never arrived fails; one that has expired is served no longer, and one that is gone is not there.
        """
        self.sink.failed(APEX, "no file")
        self.assertEqual((self.place().state, self.place().said), (FAILED, "no file"))
        self.sink.arrived(versionOf(1))
        self.sink.failed(APEX, "too old", EXPIRED)
        self.assertEqual((self.place().state, self.place().said), (EXPIRED, "too old"))
        self.sink.gone(APEX)
        self.assertIsNone(self.zones.at(APEX))
        self.assertEqual(len(self.told), 1)
