"""
Tests of L{twisted_ext.server.zones.loader} when zones are made ready anew: at the same time, in vain, or for nobody any more.
"""

from __future__ import annotations

from errno import ENOSPC
from itertools import count
from unittest.mock import patch

from tests.server.zones.loaded import LoadingCase
from twisted_ext.errors import BadZone
from twisted_ext.server.authority import zonetable
from twisted_ext.server.authority.source import Zones
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.compilers import Job
from twisted_ext.server.zones.imagefiles import Built, Images, statusOf
from twisted_ext.wire.names import nameFromText


class ReloadingTests(LoadingCase):
    """
    Tests for L{Loading<twisted_ext.server.zones.loader.Loading>}.
    """

    def test_triedAgain(self) -> None:
        """
        A zone of which nothing came is tried again at the next reload, although its file has not changed: it may have been the disk, or a
        process that was ended.
        """
        zone = self.write("example.org")
        loading = self.load(zone, run=False)
        (job,) = self.compilers.jobs
        self.compilers.jobs.clear()
        self.compilers.took(job.failed("the process that made it ready has ended"))
        self.assertIn("has ended", self.said("example.org"))
        self.assertEqual(self.finish(loading.reload([zone])), ["example.org.: serial 1, 3 records"])
        self.assertEqual((self.serial("example.org"), self.said("example.org")), (1, ""))
        self.assertEqual(self.finish(loading.reload([zone])), [])

    def test_noProcess(self) -> None:
        """
        Where no process can be started, whoever waits is told so and waits no longer.
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

    def test_lastCounts(self) -> None:
        """
        Of several reloads at the same time the zones of the last one are served in the end, even if an earlier one has many more.
        """
        many = [self.write(f"z{number}.example") for number in range(40)]
        loading = self.load()
        first = loading.reload(many)
        last = loading.reload(many[:1])
        self.finish(first)
        self.finish(last)
        self.assertEqual([place.text for place in self.zones], ["z0.example."])

    def test_movedMeanwhile(self) -> None:
        """
        Whoever waits for a zone that comes from another file before it is ready waits no longer; nor where there is no such zone any more.
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
        loading.release({nameFromText("example.org")})
        self.assertEqual(self.successResultOf(waiting), [])
        self.compilers.run()
        self.assertIsNone(self.zones.at(nameFromText("example.org")))

    def test_ends(self) -> None:
        """
        Whoever waits for a zone when the server ends is told so; whether any zone can be served nobody knows then.
        """
        loading = self.load(self.write("example.org"), run=False)
        waiting = loading.reloadZone(nameFromText("example.org"))
        self.close(loading)
        self.assertEqual(self.successResultOf(waiting), ["example.org.: the server ends before it is ready"])
        self.assertNoResult(loading.settled)

    def test_noLeftovers(self) -> None:
        """
        Images that nobody has a use for do not stay on the disk: of zones that are not served any more when they are ready, and such as
        cannot be put in force.
        """
        zone = self.write("example.org")
        loading = self.load(zone)
        images = self.folder / "state" / "zones"
        before = sorted(images.glob("*.image"))
        refused = loading.reloadZone(nameFromText("example.org"))
        with patch.object(self.placing, "loaded", side_effect=BadZone("not newer")):
            self.finish(refused)
        self.assertEqual(self.said("example.org"), "not newer")
        self.assertEqual(sorted(images.glob("*.image")), before)
        gone = loading.reloadZone(nameFromText("example.org"))
        self.finish(loading.reload([]))
        self.successResultOf(gone)
        self.assertEqual(list(images.glob("*.image*")), [])

    def test_oneOfMany(self) -> None:
        """
        What nobody has thought of ends one zone, not those that came with it.
        """
        zones = [self.write(name) for name in ("example.net", "example.org")]
        loading = self.load(*zones)
        loaded = self.placing.loaded

        def unthoughtOf(apex: bytes, file: str, built: Built) -> None:
            if built.zone == "example.net.":
                raise ZeroDivisionError
            loaded(apex, file, built)

        for name in ("example.net", "example.org"):
            self.write(name, serial=2)
        with patch.object(self.placing, "loaded", unthoughtOf):
            said = self.finish(loading.reload(zones))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn("example.net.: cannot be served; the log says why", said)
        self.assertEqual([self.serial(name) for name in ("example.net", "example.org")], [1, 2])
        self.finish(loading.reload(zones))
        self.assertEqual(self.serial("example.net"), 2)

    def test_inTurns(self) -> None:
        """
        Of many zones that are ready at the same time some are put in force, and then others have their turn; those that are left when the
        server ends are found at the next start.
        """
        zones = [self.write(f"z{number}.example") for number in range(100)]
        seconds, ticks = self.clock.seconds, count(0, 0.006)
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

    def test_fullDisk(self) -> None:
        """
        A server begins although the list of its images cannot be written anew, and a file that cannot be is no reason to stop looking.
        """
        zone = self.write("example.org")
        loading = self.load(zone)
        for serial in range(2, 130):
            self.write("example.org", serial=serial)
            self.finish(loading.reload([zone]))
        self.close(loading)
        index = self.folder / "state" / "zones" / "index"
        before = len(index.read_text().splitlines())
        with patch("twisted_ext.server.zones.imagefiles.os.rename", side_effect=OSError(ENOSPC, "No space left on device")):
            Images(str(index.parent)).close()
        self.assertEqual([path.name for path in index.parent.glob("index*")], ["index"])
        Images(str(index.parent)).close()
        self.assertEqual((before, len(index.read_text().splitlines())), (129, 1))
        self.assertIsNone(statusOf("/\x00"))

    def test_otherProcesses(self) -> None:
        """
        What a process of a server that was killed still writes is not where the next one has its images written.
        """
        folder = str(self.folder / "images")
        first = Images(folder)
        path = first.path()
        first.close()
        again = Images(folder)
        self.addCleanup(again.close)
        self.assertNotIn(path, [again.path() for _ in range(10)])

    def test_leftAlone(self) -> None:
        """
        Versions of many zones are kept out of the search for garbage as they are opened and replaced.
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
