"""
Tests of zones whose journals are long: gone through while others are served.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.update.changed import KEY, TODAY, SlowDisk, UpdatedServer
from tests.zone.changing import APEX, ZONE, record, records, textsOf
from twisted_ext.errors import BadZone, ServerFailed
from twisted_ext.server.authority.source import FAILED, LOADING, SERVING, Zones
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.update.journalreplay import Replaying
from twisted_ext.server.update.updates import Updating
from twisted_ext.server.zones.publish import Placing
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone
from twisted_ext.zone.zonefile.reader import readMaster

#: How often the zone was changed before.
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
        @return: the file with the image of a zone.
        """
        path = str(Path(self.mktemp()).absolute())
        reading = readMaster(text.encode(), APEX, path="zone")
        self.assertTrue(reading.sound, reading.complaints)
        assert reading.builder is not None
        reading.builder.finishTo(path, b"sources")
        return path

    def begin(self) -> None:
        """
        Begin anew with what is on disk.
        """

        def find(apex: bytes) -> Zone | None:
            place = self.zones.at(apex)
            return place.served() if place is not None and place.state == SERVING else None

        self.disk = SlowDisk()
        self.updating = Updating(self.clock, find, self.disk, folder=f"{self.folder}/journals", today=lambda: TODAY)
        self.updating.adopt([ZoneSettings.fromTable({"name": "example.org", "update": ["key dhcp.example.org zone ANY"]})], [KEY.name])
        self.addCleanup(lambda: self.successResultOf(self.updating.close()))
        self.replaying = Replaying(self.clock)
        self.placing = Placing(
            self.zones,
            revise=self.updating.opening,
            takesLong=self.updating.takesLong,
            replaying=self.replaying,
            put=lambda place: self.put.append(place.serial),
        )

    def place(self, image: str = "") -> None:
        """
        Tell that there is an image of the zone.
        """
        self.placing.place(APEX, "zone", image or self.image, 0, 10, 9)

    def turns(self) -> int:
        """
        Go on until there is nothing more to do.

        @return: how many turns that took.
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
        What is in force.
        """
        version = self.zones.version(APEX)
        assert version is not None
        return version

    def test_turns(self) -> None:
        """
        A long journal is gone through in many turns; until then others are served and whoever asks for the zone is told to come back. In
        one go it leads to the same.
        """
        other = Zone.fromRecords(b"\x05other\x00", [RRSet(b"\x05other\x00", each.rrType, 1, 60, each.rdatas) for each in records(ZONE)[:2]])
        self.zones.put(other)
        self.place()
        self.assertIs(self.zones.version(other.apex), other.current)
        fault = self.assertRaises(ServerFailed, self.zones.version, APEX)
        self.assertEqual(fault.ede, ((14, "the zone is being loaded"),))
        self.assertEqual(self.put, [])
        self.assertGreaterEqual(self.turns(), _CHANGES // 128)
        self.assertEqual(self.current.serial, 10 + _CHANGES)
        self.assertEqual(textsOf(self.current), self.wanted)
        self.assertEqual(self.put, [10])
        self.placing.remove(APEX)
        self.successResultOf(self.updating.close())
        self.begin()
        with patch("twisted_ext.server.update.updates._LONG", 2**30):
            self.place()
        self.assertEqual(self.turns(), 0)
        self.assertEqual(textsOf(self.current), self.wanted)

    def test_aside(self) -> None:
        """
        Where so much has changed that the zone needs a new image, a thread makes it, and others are served; a zone that goes meanwhile is
        gone, and one that cannot be made is told of.
        """
        with patch("twisted_ext.zone.store.overlay.OVERLAY_NODES.most", 100):
            self.place()
            turns = self.turns()
            self.assertEqual((len(self.disk.waiting), self.put), (1, []))
            fault = self.assertRaises(ServerFailed, self.zones.version, APEX)
            self.assertEqual(fault.ede, ((14, "the zone is being loaded"),))
            self.placing.remove(APEX)
            self.disk.turn()
            self.assertEqual((self.put, self.turns()), ([], 0))
            self.successResultOf(self.updating.close())
            self.begin()
            self.place()
            self.assertEqual(self.turns(), turns)
            with patch("twisted_ext.zone.store.journal.Journal.since", lambda *_: [][1]):
                self.disk.turn()
            self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)
            place = self.zones.at(APEX)
            assert place is not None
            self.assertEqual((place.state, place.said), (FAILED, "list index out of range"))
            self.successResultOf(self.updating.close())
            self.begin()
            self.place()
            self.turns()
            self.disk.turn()
            self.assertEqual(self.put, [10])
            self.assertEqual(textsOf(self.current), self.wanted)
            with patch("twisted_ext.server.update.updates._LONG", 2**30):
                self.successResultOf(self.updating.close())
                self.begin()
                self.placing.remove(APEX)
                self.place()
            self.assertEqual(textsOf(self.current), self.wanted)

    def test_portions(self) -> None:
        """
        No turn goes through more than its part.
        """
        parts: list[int] = []

        def counting(version: Version, differences: Iterable[Difference]) -> Version:
            some = list(differences)
            parts.append(len(some))
            return applied(version, some)

        with patch("twisted_ext.zone.store.journal.applied", counting):
            self.place()
            self.turns()
        self.assertEqual(sum(parts), _CHANGES)
        self.assertLessEqual(max(parts), 128)

    def test_begunAgain(self) -> None:
        """
        An image that comes meanwhile takes the place of the one before; whatever was open is closed.
        """
        for steps in range(4):
            self.place()
            for _ in range(steps):
                call = self.clock.calls.pop(0)
                call.called = 1
                call.func(*call.args, **call.kw)
            self.assertEqual(len(self.clock.calls), 1)
        self.turns()
        self.assertEqual(textsOf(self.current), self.wanted)

    def test_ended(self) -> None:
        """
        A zone that goes, or a server that ends, leaves nothing behind.
        """
        self.place()
        self.placing.remove(APEX)
        self.assertEqual(self.clock.calls, [])
        self.place()
        self.placing.close()
        self.assertEqual(self.clock.calls, [])
        self.begin()
        self.place()
        self.turns()
        self.assertEqual(textsOf(self.current), self.wanted)

    def test_forbidden(self) -> None:
        """
        Where nobody may change the zone any more before it is there, what was changed stays.
        """
        self.place()
        self.updating.adopt([ZoneSettings.fromTable({"name": "example.org", "file": "/zone"})], [])
        self.turns()
        self.assertEqual(textsOf(self.current), self.wanted)
        journal = self.updating.journal(APEX)
        assert journal is not None
        self.assertEqual(len(journal), _CHANGES)

    def test_failures(self) -> None:
        """
        What is wrong with the next sources is known when the zone is there; what is wrong with the journal is known of the zone.
        """
        self.place()
        self.placing.fail(APEX, "zone:1: no zone")
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual((place.state, place.said), (LOADING, ""))
        self.turns()
        self.assertEqual((place.state, place.said), (SERVING, "zone:1: no zone"))
        self.assertRaises(BadZone, self.place, self.imageOf(ZONE.replace(" 10 3600", " 11 3600")))
        self.assertEqual(textsOf(self.current), self.wanted)
        self.placing.remove(APEX)
        self.successResultOf(self.updating.close())
        self.begin()
        self.place(self.imageOf(ZONE.replace(" 10 3600", " 3 3600")))
        self.turns()
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual(place.state, FAILED)
        self.assertIn("give it a newer one", place.said)
