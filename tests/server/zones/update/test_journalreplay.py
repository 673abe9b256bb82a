"""
Tests of zones with long journals, which are replayed while other zones are served.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.update.changed import KEY, TODAY, SlowDisk, UpdatedServer
from tests.zone.changing import APEX, ZONE, record, records, textsOf
from twisted_ext.errors import BadZone, ServerFailed
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images.imagefiles import Built
from twisted_ext.server.zones.images.publish import ZonePublisher
from twisted_ext.server.zones.table.zonetable import FAILED, LOADING, SERVING, Zones
from twisted_ext.server.zones.update.updates import UpdateHandler
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone
from twisted_ext.zone.zonefile.reader import readMaster

#: The number of changes in the journal.
_CHANGES = 600


class ReplayingTests(SynchronousTestCase):
    """
    Tests with a zone that was changed often.
    """

    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.makedirs(f"{self.folder}/journals")
        self.patch(os, "fdatasync", lambda file: None)
        first = UpdatedServer(path=f"{self.folder}/journals/example.org.journal")
        for number in range(_CHANGES):
            first.update(record(f"n{number} 60 TXT {'x' * 150}"))
        self.successResultOf(first.updating.close())
        self.wanted = textsOf(first.zone.current)
        self.image = self.imageOf(ZONE)
        self.clock = Clock()
        self.zones = Zones()
        self.put: list[int] = []
        self.begin()

    def imageOf(self, text: str) -> str:
        """
        Return the path of an image of a zone.
        """
        path = str(Path(self.mktemp()).absolute())
        reading = readMaster(text.encode(), APEX, path="zone")
        self.assertTrue(reading.sound, reading.complaints)
        assert reading.builder is not None
        reading.builder.finishTo(path, b"sources")
        return path

    def begin(self) -> None:
        """
        Restart with the files on disk.
        """
        self.disk = SlowDisk()
        self.updating = UpdateHandler(self.clock, self.zones, f"{self.folder}/journals", elsewhere=self.disk, today=lambda: TODAY)
        self.updating.ready()
        settings = ZoneSettings.fromTable({"name": "example.org", "update": ["key dhcp.example.org zone ANY"]})
        self.updating.arrange(APEX, settings, [KEY.name])
        self.addCleanup(lambda: self.successResultOf(self.updating.close()))
        self.publisher = ZonePublisher(
            self.clock,
            self.zones,
            self.updating.opening,
            takesLong=self.updating.takesLong,
            put=lambda place, version: self.put.append(place.serial),
        )

    def place(self, image: str = "") -> None:
        """
        Report an image of the zone.
        """
        self.publisher.loaded(APEX, "zone", Built("example.org.", image or self.image, 0, 0, 10, 9, ()))

    def runTurns(self) -> int:
        """
        Run calls until there are no more, and return their number.
        """
        count = 0
        while self.clock.calls:
            call = self.clock.calls.pop(0)
            call.called = 1
            call.func(*call.args, **call.kw)
            count += 1
        return count

    @property
    def current(self) -> Version:
        """
        The version in force.
        """
        version = self.zones.version(APEX)
        assert version is not None
        return version

    def test_longJournalIsReplayedInTurns(self) -> None:
        """
        A long journal is replayed in many turns. Other zones are served meanwhile, and queries for the zone get "not ready". Replaying it
        at once has the same result.
        """
        other = Zone.fromRecords(b"\x05other\x00", [RRSet(b"\x05other\x00", each.rrType, 1, 60, each.rdatas) for each in records(ZONE)[:2]])
        self.zones.put(other)
        self.place()
        self.assertIs(self.zones.version(other.apex), other.current)
        fault = self.assertRaises(ServerFailed, self.zones.version, APEX)
        self.assertEqual(fault.ede, ((14, "the zone is being loaded"),))
        self.assertEqual(self.put, [])
        self.assertGreaterEqual(self.runTurns(), _CHANGES // 128)
        self.assertEqual(self.current.serial, 10 + _CHANGES)
        self.assertEqual(textsOf(self.current), self.wanted)
        self.assertEqual(self.put, [10])
        self.publisher.gone(APEX)
        self.successResultOf(self.updating.close())
        self.begin()
        with patch("twisted_ext.server.zones.update.editablezones._LONG", 2**30):
            self.place()
        self.assertEqual(self.runTurns(), 0)
        self.assertEqual(textsOf(self.current), self.wanted)

    def test_newVersionEndsReplay(self) -> None:
        """
        A replay for a former version does not go on once a later version is served, and does not take its place.
        """
        self.place()
        later = self.imageOf(ZONE.replace(" 10 ", f" {20 + _CHANGES} ", 1))
        with patch("twisted_ext.server.zones.update.editablezones._LONG", 2**30):
            self.publisher.loaded(APEX, "zone", Built("example.org.", later, 0, 0, 20 + _CHANGES, 9, ()))
        put = [*self.put]
        self.runTurns()
        self.assertEqual(self.put, put)

    def test_crowdedReplayIsBuiltByThread(self) -> None:
        """
        If so much has changed that the zone needs a new image, a thread builds it. A zone that is removed meanwhile stays removed, and a
        failure appears in the zone's status.
        """
        with patch("twisted_ext.zone.store.overlay.OVERLAY_NODES.most", 100):
            self.place()
            turns = self.runTurns()
            self.assertEqual((len(self.disk.waiting), self.put), (1, []))
            fault = self.assertRaises(ServerFailed, self.zones.version, APEX)
            self.assertEqual(fault.ede, ((14, "the zone is being loaded"),))
            self.publisher.gone(APEX)
            self.disk.turn()
            self.assertEqual((self.put, self.runTurns()), ([], 0))
            self.successResultOf(self.updating.close())
            self.begin()
            self.place()
            self.assertEqual(self.runTurns(), turns)
            with patch("twisted_ext.zone.store.journal.Journal.since", lambda *_: [][1]):
                self.disk.turn()
            self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)
            place = self.zones.at(APEX)
            assert place is not None
            self.assertEqual((place.state, place.said), (FAILED, repr(IndexError("list index out of range"))))
            self.successResultOf(self.updating.close())
            self.begin()
            self.place()
            self.runTurns()
            self.disk.turn()
            self.assertEqual(self.put, [10])
            self.assertEqual(textsOf(self.current), self.wanted)
            with patch("twisted_ext.server.zones.update.editablezones._LONG", 2**30):
                self.successResultOf(self.updating.close())
                self.begin()
                self.publisher.gone(APEX)
                self.place()
            self.assertEqual(textsOf(self.current), self.wanted)

    def test_turnReplaysLimitedChanges(self) -> None:
        """
        A turn replays a limited number of changes.
        """
        parts: list[int] = []

        def counting(version: Version, differences: Iterable[Difference]) -> Version:
            some = list(differences)
            parts.append(len(some))
            return applied(version, some)

        with patch("twisted_ext.zone.store.journal.applied", counting):
            self.place()
            self.runTurns()
        self.assertEqual(sum(parts), _CHANGES)
        self.assertLessEqual(max(parts), 128)

    def test_newImageRestartsReplay(self) -> None:
        """
        A new image replaces the one that is being replayed.
        """
        for steps in range(4):
            self.place()
            for _ in range(steps):
                call = self.clock.calls.pop(0)
                call.called = 1
                call.func(*call.args, **call.kw)
            self.assertEqual(len(self.clock.calls), 1)
        self.runTurns()
        self.assertEqual(textsOf(self.current), self.wanted)

    def test_removalLeavesNothing(self) -> None:
        """
        A zone that is removed during its replay, or a server that stops, leaves nothing behind.
        """
        self.place()
        self.publisher.gone(APEX)
        self.assertEqual(self.clock.calls, [])
        self.place()
        self.publisher.close()
        self.assertEqual(self.clock.calls, [])
        self.begin()
        self.place()
        self.runTurns()
        self.assertEqual(textsOf(self.current), self.wanted)

    def test_journalStaysWithoutUpdatePolicy(self) -> None:
        """
        Changes are kept if updates are forbidden before the zone has been replayed.
        """
        self.place()
        self.updating.arrange(APEX, ZoneSettings.fromTable({"name": "example.org", "file": "/zone"}), [])
        self.runTurns()
        self.assertEqual(textsOf(self.current), self.wanted)
        journal = self.updating.journal(APEX)
        assert journal is not None
        self.assertEqual(len(journal), _CHANGES)

    def test_arrivalEndsReplay(self) -> None:
        """
        A version that arrives from elsewhere while changes of a former image are applied is the one that is served, then too.
        """
        self.place()
        arrived = Zone.fromText(ZONE.replace(" 10 3600", " 4000000000 3600"), APEX).current
        self.publisher.arrived(arrived, "a primary")
        self.runTurns()
        self.assertIs(self.current, arrived)
        self.assertEqual(self.put, [4_000_000_000])

    def test_errorsAppearInZoneStatus(self) -> None:
        """
        An error of the next sources appears once the zone is served, and an error of the journal makes the zone fail.
        """
        self.place()
        self.publisher.failed(APEX, "zone:1: no zone")
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual((place.state, place.said), (LOADING, ""))
        self.runTurns()
        self.assertEqual((place.state, place.said), (SERVING, "zone:1: no zone"))
        self.assertRaises(BadZone, self.place, self.imageOf(ZONE.replace(" 10 3600", " 11 3600")))
        self.assertEqual(textsOf(self.current), self.wanted)
        self.publisher.gone(APEX)
        self.successResultOf(self.updating.close())
        self.begin()
        self.place(self.imageOf(ZONE.replace(" 10 3600", " 3 3600")))
        self.runTurns()
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual(place.state, FAILED)
        self.assertIn("give it a newer one", place.said)
