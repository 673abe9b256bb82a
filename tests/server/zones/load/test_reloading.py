"""
Tests of L{twisted_ext.server.zones.load.loader} with concurrent, failed and obsolete reloads.
"""

from __future__ import annotations

from errno import ENOSPC
from itertools import count
from unittest.mock import patch

from tests.server.zones.load.loaded import LoadingCase
from twisted_ext.errors import BadImage, BadZone
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images.compilers import Job
from twisted_ext.server.zones.images.imagefiles import Built, Images, Maps, statusOf
from twisted_ext.server.zones.table import zonetable
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.names import nameFromText


class ReloadingTests(LoadingCase):
    """
    Tests for L{ZoneLoader<twisted_ext.server.zones.load.loader.ZoneLoader>}.
    """

    def test_nextReloadRetriesFailedZone(self) -> None:
        """
        A zone that failed is tried again at the next reload although its file has not changed: the cause may have been the disk or a killed
        process.
        """
        zone = self.write("example.org")
        loading = self.load(zone, run=False)
        (job,) = self.compilers.jobs
        self.compilers.jobs.clear()
        self.compilers.took(job.failed("the process that compiled it has ended"))
        self.assertIn("has ended", self.errorOf("example.org"))
        self.assertEqual(self.finish(loading.reload([zone])), ["example.org.: serial 1, 3 records"])
        self.assertEqual((self.serial("example.org"), self.errorOf("example.org")), (1, ""))
        self.assertEqual(self.finish(loading.reload([zone])), [])

    def test_unstartedProcessFailsReload(self) -> None:
        """
        If no process can be started, all waiting callers get the error.
        """
        zone = self.write("example.org")
        loading = self.load(zone)

        def add(job: Job) -> None:
            self.compilers.took(job.failed("no process can be started"))

        apex = nameFromText("example.org")
        first, again = loading.reloadZone(apex), loading.reloadZone(apex)
        (job,) = self.compilers.jobs
        self.compilers.jobs.clear()
        with patch.object(self.compilers, "add", add):
            self.compilers.took(job.failed("the process has ended"))
            waiting = loading.reloadZone(apex)
        for each in (first, again, waiting):
            self.assertIn("no process can be started", str(self.successResultOf(each)))
        self.assertEqual(self.serial("example.org"), 1)

    def test_lastReloadWins(self) -> None:
        """
        The zones of the last of several concurrent reloads are served, even if an earlier one has many more.
        """
        many = [self.write(f"z{number}.example") for number in range(40)]
        loading = self.load()
        first = loading.reload(many)
        last = loading.reload(many[:1])
        self.finish(first)
        self.finish(last)
        self.assertEqual([place.text for place in self.zones], ["z0.example."])

    def test_resultOfTheFormerFile(self) -> None:
        """
        What was compiled from the former file of a zone is not served once the settings have another file for it.
        """
        loading = self.load(self.write("example.org"), run=False)
        self.write("elsewhere", serial=5)
        moved = loading.reload([ZoneSettings.of("example.org", str(self.folder / "elsewhere"))])
        self.clock.advance(0.1)
        (first, second), self.compilers.jobs[1:] = self.compilers.jobs, []
        self.assertEqual([path for _, path in first.zones], [str(self.folder / "example.org")])
        self.compilers.run()
        self.clock.advance(0.1)
        self.assertIsNone(self.serial("example.org"))
        self.compilers.add(second)
        self.finish(moved)
        self.assertEqual(self.serial("example.org"), 5)

    def test_imageOfTheFormerFile(self) -> None:
        """
        After a restart with another file for a zone, the image that was made from the former one is not served.
        """
        self.close(self.load(self.write("example.org", serial=7)))
        self.write("elsewhere", serial=5)
        self.zones = Zones()
        self.load(ZoneSettings.of("example.org", str(self.folder / "elsewhere")), run=False)
        self.assertIsNone(self.serial("example.org"))
        self.compilers.run()
        self.clock.advance(0.1)
        self.assertEqual(self.serial("example.org"), 5)

    def test_serialThatWraps(self) -> None:
        """
        A serial number that wraps around is newer (RFC 1982), and one that goes the other way is older.
        """
        most = (1 << 32) - 1
        loading = self.load(self.write("example.org", serial=most))
        apex = nameFromText("example.org")
        self.write("example.org", serial=1)
        self.assertEqual(self.finish(loading.reloadZone(apex)), [f"example.org.: serial {most} is now 1, 3 records"])
        self.write("example.org", serial=most)
        (line,) = self.finish(loading.reloadZone(apex))
        self.assertIn(f"serial 1 is now {most}, 3 records; it went back", line)

    def test_movedZoneEndsEarlierReload(self) -> None:
        """
        A caller that waits for a zone gets its result when the zone has moved to another file, or has been removed.
        """
        loading = self.load(self.write("example.org"), run=False)
        waiting = loading.reloadZone(nameFromText("example.org"))
        self.write("elsewhere", serial=5)
        moved = loading.reload([ZoneSettings.of("example.org", str(self.folder / "elsewhere"))])
        self.finish(moved)
        self.assertIn("elsewhere", str(self.successResultOf(waiting)))
        self.assertEqual(self.serial("example.org"), 5)
        self.successResultOf(loading.settled)
        waiting = loading.reloadZone(nameFromText("example.org"))
        apex = nameFromText("example.org")
        loading.among({apex})[apex]()
        self.assertEqual(self.successResultOf(waiting), [])
        self.compilers.run()
        self.assertIsNone(self.zones.at(nameFromText("example.org")))

    def test_closeEndsReload(self) -> None:
        """
        A caller that waits when the server stops is told so; C{settled} never fires then.
        """
        loading = self.load(self.write("example.org"), run=False)
        waiting = loading.reloadZone(nameFromText("example.org"))
        self.close(loading)
        self.assertEqual(self.successResultOf(waiting), ["example.org.: the server stops before it is compiled"])
        self.assertNoResult(loading.settled)

    def test_unusedImagesAreRemoved(self) -> None:
        """
        The image of a zone that was removed meanwhile, or whose version is refused, is removed.
        """
        zone = self.write("example.org")
        loading = self.load(zone)
        images = self.folder / "state" / "zones"
        before = sorted(images.glob("*.image"))
        refused = loading.reloadZone(nameFromText("example.org"))
        with patch.object(self.publisher, "loaded", side_effect=BadZone("not newer")):
            self.finish(refused)
        self.assertEqual(self.errorOf("example.org"), "not newer")
        self.assertEqual(sorted(images.glob("*.image")), before)
        gone = loading.reloadZone(nameFromText("example.org"))
        self.finish(loading.reload([]))
        self.successResultOf(gone)
        self.assertEqual(list(images.glob("*.image*")), [])

    def test_unexpectedErrorSparesOtherZones(self) -> None:
        """
        An unexpected exception affects one zone, and not those that arrive with it.
        """
        zones = [self.write(name) for name in ("example.net", "example.org")]
        loading = self.load(*zones)
        loaded = self.publisher.loaded

        def unthoughtOf(apex: bytes, file: str, built: Built) -> None:
            if built.zone == "example.net.":
                raise ZeroDivisionError
            loaded(apex, file, built)

        for name in ("example.net", "example.org"):
            self.write(name, serial=2)
        with patch.object(self.publisher, "loaded", unthoughtOf):
            said = self.finish(loading.reload(zones))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn("example.net.: cannot be served; the log says why", said)
        self.assertEqual([self.serial(name) for name in ("example.net", "example.org")], [1, 2])
        self.finish(loading.reload(zones))
        self.assertEqual(self.serial("example.net"), 2)

    def test_manyZonesAreServedInTurns(self) -> None:
        """
        Many zones that are ready at once are put in force in several turns; those that are left when the server stops are found at the next
        start.
        """
        zones = [self.write(f"z{number}.example") for number in range(100)]
        seconds, ticks = self.clock.seconds, count(0, 0.0025)
        late = patch.object(self.clock, "seconds", lambda: seconds() + next(ticks))
        late.start()
        self.addCleanup(late.stop)
        loading = self.load(*zones)
        served = [self.serial(zone.text) for zone in zones].count(1)
        self.assertTrue(0 < served < 100, served)
        self.assertNoResult(loading.settled)
        self.close(loading)
        self.zones = Zones()
        loading = self.load(*zones, run=False)
        self.assertEqual([self.serial(zone.text) for zone in zones].count(1), served)
        self.compilers.run()
        for _ in range(100):
            self.clock.advance(0)
        self.assertEqual(self.successResultOf(loading.settled), (100, 100))

    def test_indexSurvivesFullDisk(self) -> None:
        """
        A server starts although its index of images cannot be rewritten, which happens while it runs, too. C{statusOf} returns L{None} for
        an invalid path.
        """
        zone = self.write("example.org")
        loading = self.load(zone)
        for serial in range(2, 130):
            self.write("example.org", serial=serial)
            self.finish(loading.reload([zone]))
        self.close(loading)
        index = self.folder / "state" / "zones" / "index"
        self.assertLess(len(index.read_text().splitlines()), 110)
        index.write_text(index.read_text().splitlines(keepends=True)[-1] * 129)
        before = len(index.read_text().splitlines())
        with patch("twisted_ext.server.zones.images.imagefiles.os.rename", side_effect=OSError(ENOSPC, "No space left on device")):
            Images(str(index.parent)).close()
        self.assertEqual([path.name for path in index.parent.glob("index*")], ["index"])
        Images(str(index.parent)).close()
        self.assertEqual((before, len(index.read_text().splitlines())), (129, 1))
        self.assertIsNone(statusOf("/\x00"))

    def test_removedZoneIsInNoIndex(self) -> None:
        """
        A zone that was removed has no image for the next server, although the index still has the line of it.
        """
        self.close(self.load(self.write("example.org"), self.write("example.net")))
        folder = str(self.folder / "state" / "zones")
        images = Images(folder)
        images.forget("example.org.")
        images.close()
        again = Images(folder)
        self.addCleanup(again.close)
        self.assertEqual([built.zone for built in again], ["example.net."])

    def test_imageOfAnotherZone(self) -> None:
        """
        An image is not served under the name of another zone, whatever the index says.
        """
        self.close(self.load(self.write("example.org")))
        (path,) = (self.folder / "state" / "zones").glob("*.image")
        opening = Maps().opening(nameFromText("example.net"), str(path), 0)
        with self.assertRaisesRegex(BadImage, "is another zone's"):
            opening()

    def test_imagePathsAreNotReused(self) -> None:
        """
        Image paths of a killed server are not reused, since one of its processes may still write to them.
        """
        folder = str(self.folder / "images")
        first = Images(folder)
        path = first.newPath()
        first.close()
        again = Images(folder)
        self.addCleanup(again.close)
        self.assertNotIn(path, [again.newPath() for _ in range(10)])

    def test_zonesAreFrozenFromGC(self) -> None:
        """
        Versions of many zones are excluded from garbage collection when they are opened and replaced.
        """
        zones = [self.write(f"z{number}.example") for number in range(30)]
        with patch.object(zonetable, "_MANY", 10), patch("gc.freeze") as freeze:
            loading = self.load(*zones)
            for zone in zones:
                self.zones.version(zone.name)
            opened = freeze.call_count
            for number in range(30):
                self.write(f"z{number}.example", serial=2)
            self.finish(loading.reload(zones))
            self.assertEqual((self.serial("z7.example"), freeze.call_count), (2, opened + 3))
