"""
Tests of L{twisted_ext.server.zones.load.loader}, and of L{twisted_ext.server.zones.images} from master files to served zones.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from twisted.logger import ILogObserver, LogEvent, capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from tests.server.zones.load.loaded import LoadingCase
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.limits import Limit
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config import zonesettings
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import ZoneSettings, apexIn, gather, zonesOf
from twisted_ext.server.limits import CHANGING_SECONDS, WATCH_SECONDS
from twisted_ext.server.zones.images import loadinglog, pending
from twisted_ext.server.zones.images.imagefiles import Images
from twisted_ext.server.zones.load import loader
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.zone import Zone


class LoadingTests(LoadingCase):
    """
    Tests for L{Loading}.
    """

    def test_zoneIsServedOnceBuilt(self) -> None:
        """
        A zone is expected at once, and served when its image is ready.
        """
        loading = self.load(self.write("example.org"), run=False)
        place = self.zones.at(nameFromText("example.org"))
        assert place is not None
        self.assertEqual((place.state, place.zone), ("loading", None))
        self.assertNoResult(loading.settled)
        self.compilers.run()
        self.assertEqual((self.serial("example.org"), place.state, place.records, place.since), (1, "serving", 3, 5.0))
        self.assertEqual(self.successResultOf(loading.settled), (1, 1))

    def test_unstartedZonesAreTriedAgain(self) -> None:
        """
        Zones whose process cannot be started are tried again at doubling intervals, with one log line each time for all of them. Served
        zones are not affected.
        """
        loading = self.load(self.write("example.org"))
        for name in ("example.org", "example.net"):
            self.write(name, serial=2)
        loading.reload([ZoneSettings.of(name, str(self.folder / name)) for name in ("example.org", "example.net")])
        self.clock.advance(0)
        tries = []
        with capturedLogs() as events:
            for seconds in (1, 2, 4, 8):
                (job,) = self.compilers.jobs
                self.compilers.jobs.clear()
                tries.append(len(job.zones))
                loading._took(job.failed("no process to compile zones can be started: no more", unstarted=True))
                self.assertEqual((self.serial("example.org"), self.serial("example.net")), (1, None))
                self.clock.advance(seconds - 0.1)
                self.assertEqual(self.compilers.jobs, [])
                self.clock.advance(0.1)
        said = [formatEvent(event) for event in events]
        self.assertEqual([line for line in said if "tried again" in line], [
            f"no process to compile zones can be started: no more; zones to be compiled are tried again in {n} s"
            for n in (1, 2, 4, 8)])
        self.compilers.run()
        self.assertEqual((tries, self.serial("example.org"), self.serial("example.net")), ([2] * 4, 2, 2))

    def test_pausesBeginAnew(self) -> None:
        """
        Once a process could be started, the next failure to start one is tried again after the shortest pause.
        """
        loading = self.load(self.write("example.org"))

        def tries(count: int) -> list[str]:
            """
            Return what is logged while no process can be started so many times, before one can.
            """
            self.write("example.org")
            loading.reloadZone(nameFromText("example.org"))
            with capturedLogs() as events:
                for number in range(count):
                    (job,) = self.compilers.jobs
                    self.compilers.jobs.clear()
                    loading._took(job.failed("no process", unstarted=True))
                    self.clock.advance(2.0**number)
            self.compilers.run()
            self.clock.advance(0.1)
            lines = [formatEvent(event) or "" for event in events]
            return [line.rpartition("tried again in ")[2] for line in lines if "tried again" in line]

        self.assertEqual([tries(3), tries(2)], [["1 s", "2 s", "4 s"], ["1 s", "2 s"]])

    def test_watchedAgain(self) -> None:
        """
        A change that was noticed before the watching of files was turned off does not count later: a file that is being written then is
        not read before it stays the same.
        """
        loading = self.load(self.write("example.org"))
        self.write("example.org", serial=2)
        self.clock.advance(WATCH_SECONDS.default)
        loading.follow(False)
        self.clock.advance(10 * CHANGING_SECONDS.default)
        self.write("example.org", serial=3)
        loading.follow(True)
        self.clock.advance(WATCH_SECONDS.default)
        self.assertEqual(self.compilers.jobs, [])
        self.clock.advance(WATCH_SECONDS.default)
        self.compilers.run()
        self.assertEqual(self.serial("example.org"), 3)

    def test_errorBeforeWarnings(self) -> None:
        """
        The log and the reply to a reload have the error for which a zone is not loaded, however many warnings come before it.
        """
        loading = self.load(self.write("example.org"))
        waiting = loading.reloadZone(nameFromText("example.org"))
        (job,) = self.compilers.jobs
        self.compilers.jobs.clear()
        path = str(self.folder / "example.org")
        complaints: list[JSON] = [{"path": path, "line": number, "text": "odd", "fatal": number == 500} for number in range(1, 501)]
        with capturedLogs() as events:
            loading._took([{"name": "example.org.", "complaints": complaints}])
            self.clock.advance(0.1)
        expected = f"{path}:500: odd"
        self.assertEqual(formatEvent(events[0]), expected)
        self.assertEqual(self.successResultOf(waiting)[0], expected)
        self.assertEqual(self.errorOf("example.org"), expected)

    def test_largeZonesAreCompiledAlone(self) -> None:
        """
        A large zone is a job of its own, and so are small ones together that have as many octets: other processes take the rest meanwhile.
        """
        small = [self.write(f"small{number}.example") for number in range(5)]
        large = self.write("large.example", "".join([f"h{number} A 192.0.2.1\n" for number in range(100)]))
        most = int(3.5 * os.path.getsize(small[0].file))
        with patch.object(loader, "BATCH_OCTETS", Limit(most, 1, 1 << 20)):
            self.load(*small[:2], large, *small[2:], run=False)
        found = [[os.path.basename(file) for _, file in job.zones] for job in self.compilers.jobs]
        names = [f"small{number}.example" for number in range(5)]
        self.assertEqual(found, [["large.example"], names[:4], names[4:]])

    def test_everChangingFileIsReadAnyway(self) -> None:
        """
        A file that changes all the time is read after some seconds anyway, and again after as many; if it is invalid at that moment, the
        served zone stays.
        """
        self.load(self.write("example.org"))
        most = CHANGING_SECONDS.default
        served: list[tuple[float, int | None]] = []
        for number in range(2, int(2.5 * most / WATCH_SECONDS.default)):
            self.write("example.org", "broken (" if number % 5 == 0 else "", serial=number)
            self.clock.advance(WATCH_SECONDS.default)
            self.compilers.run()
            serial = self.serial("example.org")
            if serial != (served[-1][1] if served else 1):
                served.append((self.clock.seconds(), serial))
        self.assertEqual(len(served), 2)
        self.assertLessEqual(served[0][0], most + 2 * WATCH_SECONDS.default)

    def test_unchangedImageIsReused(self) -> None:
        """
        After a restart the image of an unchanged file is served without reading the file, and that of a changed file is not.
        """
        zones = [self.write(name) for name in ("example.org", "example.net", "example.com")]
        self.close(self.load(*zones))
        self.write("example.com", serial=2)
        self.zones = Zones()
        loading = self.load(*zones, run=False)
        self.assertEqual([self.serial(name) for name in ("example.org", "example.net", "example.com")], [1, 1, None])
        self.compilers.run()
        self.assertEqual((self.serial("example.com"), self.compilers.made), (2, 1))
        self.assertEqual(self.successResultOf(loading.settled), (3, 3))

    def test_changedIncludeRebuildsZone(self) -> None:
        """
        The image of a zone is not reused if an included file has changed.
        """
        included = self.folder / "more"
        included.write_text("www A 192.0.2.80\n")
        os.utime(included, ns=(1, 1))
        zone = self.write("example.org", "$INCLUDE more\n")
        self.close(self.load(zone))
        included.write_text("www A 192.0.2.81\n")
        self.zones = Zones()
        self.load(zone, run=False)
        self.assertIsNone(self.serial("example.org"))

    def test_truncatedImageIsRebuilt(self) -> None:
        """
        An image that is damaged or truncated is built again, and garbage in the index does no harm.
        """
        zone = self.write("example.org")
        self.close(self.load(zone))
        for cut in (100, 0, -9):
            (image,) = (self.folder / "state" / "zones").glob("*.image")
            octets = image.read_bytes()
            image.chmod(0o600)
            image.write_bytes(octets[:cut])
            with open(self.folder / "state" / "zones" / "index", "a") as index:
                index.write('["example.org.", 5]\n{\n[]\n\x00')
            self.zones = Zones()
            loading = self.load(zone, run=False)
            self.assertIsNone(self.serial("example.org"), cut)
            self.compilers.run()
            self.assertEqual(self.serial("example.org"), 1)
            self.close(loading)

    def test_flippedBitRebuildsImage(self) -> None:
        """
        An image with a flipped bit is built again.
        """
        zone = self.write("example.org")
        self.close(self.load(zone))
        (image,) = (self.folder / "state" / "zones").glob("*.image")
        octets = bytearray(image.read_bytes())
        octets[-30] ^= 4
        image.chmod(0o600)
        image.write_bytes(bytes(octets))
        self.zones = Zones()
        self.load(zone, run=False)
        self.assertIsNone(self.serial("example.org"))
        self.compilers.run()
        self.assertEqual(self.serial("example.org"), 1)

    def test_invalidFileIsLocated(self) -> None:
        """
        An error in a master file is reported with file, line and column. Other zones are served, and this one once it is corrected.
        """
        bad = self.write("example.net", "www A 192.0.2.300\nwww MX\n")
        loading = self.load(self.write("example.org"), bad)
        self.assertEqual(self.successResultOf(loading.settled), (2, 1))
        self.assertEqual((self.serial("example.org"), self.serial("example.net")), (1, None))
        self.assertIn(f"{bad.file}:5:7: ", self.errorOf("example.net"))
        self.write("example.net")
        for _ in range(3):
            self.clock.advance(1)
            self.compilers.run()
        self.assertEqual((self.serial("example.net"), self.errorOf("example.net")), (1, ""))

    def test_missingFileIsServedOnceThere(self) -> None:
        """
        A missing master file is reported by its name, and served when it appears.
        """
        zone = ZoneSettings.of("example.org", str(self.folder / "example.org"))
        self.load(zone)
        self.assertIn(zone.file, self.errorOf("example.org"))
        self.write("example.org")
        for _ in range(3):
            self.clock.advance(1)
            self.compilers.run()
        self.assertEqual(self.serial("example.org"), 1)

    def test_changedFileIsLoadedOnceStable(self) -> None:
        """
        A changed file is loaded after it has not changed for a while, since its writer may not have finished. An error in it keeps the old
        zone.
        """
        self.load(self.write("example.org"))
        self.write("example.org", serial=2)
        self.clock.advance(1)
        self.write("example.org", serial=3)
        self.clock.advance(1)
        self.assertEqual(self.compilers.jobs, [])
        self.clock.advance(1)
        self.compilers.run()
        self.assertEqual(self.serial("example.org"), 3)
        self.write("example.org", "www A\n", serial=4)
        for _ in range(3):
            self.clock.advance(1)
            self.compilers.run()
        self.assertEqual(self.serial("example.org"), 3)
        self.assertIn(":5:", self.errorOf("example.org"))
        self.assertEqual(self.compilers.made, 3)
        self.clock.advance(10)
        self.assertEqual(self.compilers.jobs, [])

    def test_filesAreIgnoredWithoutWatch(self) -> None:
        """
        Changes of files are ignored if watching is off.
        """
        self.load(self.write("example.org"), watch=False)
        self.write("example.org", serial=2)
        for _ in range(5):
            self.clock.advance(1)
        self.assertEqual(self.compilers.jobs, [])

    def test_reloadListsEveryChange(self) -> None:
        """
        A reload loads changed and new zones, removes the others, and lists all of this.
        """
        one, two, three = self.write("example.org"), self.write("example.net"), self.write("example.com")
        loading = self.load(one, two)
        place = self.zones.at(nameFromText("example.org"))
        assert place is not None and place.served() is not None
        zone = place.zone
        assert zone is not None
        epoch = zone.epoch.value
        self.write("example.org", serial=2)
        lines = self.finish(loading.reload([one, three]))
        self.assertEqual(
            sorted(lines),
            [
                "example.com.: serial 1, 3 records",
                "example.net.: is served no more",
                "example.org.: serial 1 is now 2, 3 records",
            ],
        )
        self.assertGreater(zone.epoch.value, epoch)
        self.assertEqual([self.serial(name) for name in ("example.org", "example.net", "example.com")], [2, None, 1])
        self.assertEqual(self.finish(loading.reload([one, three])), [])

    def test_zoneIsReloadedOnDemand(self) -> None:
        """
        One zone can be reloaded whether its file has changed or not; the caller gets its errors, and a warning if the serial number went
        back.
        """
        loading = self.load(self.write("example.org", serial=7))
        apex = nameFromText("example.org")
        self.assertEqual(self.finish(loading.reloadZone(apex)), ["example.org.: serial 7 as before, 3 records"])
        self.write("example.org", serial=6)
        self.assertEqual(
            self.finish(loading.reloadZone(apex)),
            ["example.org.: serial 7 is now 6, 3 records; it went back, so secondaries will not take it"],
        )
        zone = self.write("example.org", "www A\n", serial=8)
        first, second = self.finish(loading.reloadZone(apex))
        self.assertIn(f"{zone.file}:5:", first)
        self.assertEqual(second, "example.org.: serial 6 stays in force")
        self.failureResultOf(loading.reloadZone(nameFromText("example.net")), CallerFault)

    def test_reloadReportsSerialOfUpdates(self) -> None:
        """
        If updates have raised the serial number of a zone, a reload reports that one instead of the number in the old file.
        """
        loading = self.load(self.write("example.org", serial=7))
        apex = nameFromText("example.org")
        place = self.zones.at(apex)
        zone = None if place is None else place.served()
        assert zone is not None
        zone.replace(Zone.fromText("@ 60 SOA ns1 root 9 1 1 1 1\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n", "example.org").current)
        self.write("example.org", "www A\n", serial=8)
        self.assertEqual(self.finish(loading.reloadZone(apex))[1], "example.org.: serial 9 stays in force")
        self.write("example.org", serial=12)
        self.assertEqual(self.finish(loading.reloadZone(apex)), ["example.org.: serial 9 is now 12, 3 records"])

    def test_unreadableFileIsNamedOnce(self) -> None:
        """
        The error for a missing file, a folder or an empty file names it once and says what is wrong.
        """
        loading = self.load(self.write("example.org"))
        apex = nameFromText("example.org")
        path = self.folder / "example.org"
        path.unlink()
        gone, _ = self.finish(loading.reloadZone(apex))
        path.mkdir()
        folder, _ = self.finish(loading.reloadZone(apex))
        path.rmdir()
        path.write_text("")
        empty, _ = self.finish(loading.reloadZone(apex))
        for line, said in ((gone, "cannot be read: No such file"), (folder, "is not a file"), (empty, "is empty, and has no SOA record")):
            self.assertIn(said, line)
            self.assertEqual(line.count("/example.org"), 1, line)
        path.write_text("@ 60 SOA ns1 root 1 1 1 1 1\n@ 60 SOA ns1 root 2 1 1 1 1\n")
        self.assertIn("has more than one SOA record; a zone has exactly one", self.finish(loading.reloadZone(apex))[0])

    def test_reloadDuringLoadReadsAgain(self) -> None:
        """
        A zone that is requested while it is being loaded is read again, so that the caller gets the current file.
        """
        loading = self.load(self.write("example.org"))
        first = loading.reloadZone(nameFromText("example.org"))
        self.write("example.org", serial=2)
        second = loading.reloadZone(nameFromText("example.org"))
        self.compilers.run()
        self.assertIn("2", self.successResultOf(second)[-1])
        self.successResultOf(first)
        self.assertEqual(self.serial("example.org"), 2)

    def test_unusedImagesAreRemoved(self) -> None:
        """
        Images that no zone uses are removed, including those that a crash has left.
        """
        zone = self.write("example.org")
        loading = self.load(zone)
        folder = self.folder / "state" / "zones"
        for serial in range(2, 6):
            self.write("example.org", serial=serial)
            self.finish(loading.reloadZone(zone.name))
        self.assertEqual(len(list(folder.glob("*.image"))), 1)
        self.close(loading)
        (folder / "77.image").write_bytes(b"left behind")
        self.zones = Zones()
        self.load(zone)
        self.assertEqual(len(list(folder.glob("*.image"))), 1)
        self.assertEqual(self.serial("example.org"), 5)

    def test_stateFolderIsLocked(self) -> None:
        """
        A second server with the same state folder gets an error.
        """
        self.load(self.write("example.org"))
        with self.assertRaises(BadDescription) as caught:
            Images(str(self.folder / "state" / "zones"))
        self.assertIn("another server's", str(caught.exception))

    def test_smallZonesShareAnImage(self) -> None:
        """
        Small zones are built together into one file, and an error in one does not affect the others.
        """
        zones = [self.write(f"z{number}.example", "www A\n" if number == 7 else "") for number in range(40)]
        loading = self.load(*zones)
        self.assertEqual(self.successResultOf(loading.settled), (40, 39))
        self.assertEqual(len(list((self.folder / "state" / "zones").glob("*.image"))), 1)
        self.assertEqual([number for number in range(40) if self.serial(f"z{number}.example") != 1], [7])
        self.write("z8.example", serial=2)
        self.finish(loading.reloadZone(nameFromText("z8.example")))
        self.assertEqual([self.serial(f"z{number}.example") for number in (6, 8)], [1, 2])


    def test_everyFailedZoneIsNamed(self) -> None:
        """
        Every zone that failed at the start is named in the log, whatever is logged of other zones. Zones over a limit are counted, with the
        command that lists them. The result of a reload names them too.
        """
        lines: list[str] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        bad = "".join([f"x{number} A x\n" for number in range(90)])
        zones = [self.write(f"h{number}.example", "x A 192.0.2.1\n") for number in range(120)]
        zones += [self.write(f"b{number}.example", bad) for number in range(8)]
        with patch.object(loadinglog, "LOADING_BROKEN", Limit(5, 1, 100)):
            begun = self.load(*zones)
        self.assertEqual(self.successResultOf(begun.settled), (128, 120))
        for number in range(5):
            self.assertEqual(len([line for line in lines if line.startswith(f"b{number}.example.: nothing is served")]), 1)
        self.assertTrue([line for line in lines if line.startswith("b4.example.: nothing is served: ") and ":5:6: " in line], lines[-9:])
        self.assertIn("3 more zones could not be loaded; txdns control zones --broken lists all 8", lines)
        self.assertIn("20 more zones are served and not logged one by one", lines)
        self.assertLess(len(lines), 320)
        for number in range(120):
            self.write(f"h{number}.example", serial=2)
        said = self.finish(begun.reload(zones))
        self.assertEqual([line.partition(":")[0] for line in said if line.startswith("b")], [f"b{number}.example." for number in range(8)])
        with patch.object(pending, "LOADING_BROKEN", Limit(5, 1, 100)):
            said = self.finish(begun.reload(zones))
        self.assertEqual([line.partition(":")[0] for line in said if line.startswith("b")], [f"b{number}.example." for number in range(5)])
        self.assertRegex(said[-1], "and [0-9]+ more lines, which are in the log")

    def test_fileOfAnotherSizeWithTheSameTime(self) -> None:
        """
        A file has changed if its size has, although its time is the same, as if it was written twice within the resolution of the clock.
        """
        zone = self.write("example.org")
        loading = self.load(zone)
        path = Path(zone.file)
        stamp = path.stat().st_mtime_ns
        path.write_text(path.read_text().replace(" 1 ", " 12 ", 1))
        os.utime(path, ns=(stamp, stamp))
        self.finish(loading.reload([zone]))
        self.assertEqual(self.serial("example.org"), 12)


class SettingsTests(SynchronousTestCase):
    """
    Tests of the settings for zones.
    """

    def test_zonesFromFolderOrList(self) -> None:
        """
        Zones may be the files of a folder or the lines of a list; a setting for a single zone takes precedence.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        for name in ("example.org", "example.net.zone", ".hidden", "old~"):
            (folder / name).write_text("")
        listed = Path(self.mktemp())
        listed.write_text("# two\nexample.com /zones/c\n\nExample.NET  /zones/n n\n")
        settings = Settings.of(zone=["example.org=/own"], zones=[str(folder), str(listed)])
        self.assertEqual(
            {zone.text: zone.file for zone in zonesOf(settings)},
            {
                "example.org.": "/own",
                "example.net.": f"{folder.absolute()}/example.net.zone",
                "example.com.": "/zones/c",
            },
        )

    def test_folderIsReadInSteps(self) -> None:
        """
        A folder is read in short steps, and the choice between two files for one zone is always the same.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        names = [f"z{number}.example" for number in range(30)]
        for name in [*names, "z7.example.zone"]:
            (folder / name).write_text("")
        found: dict[bytes, ZoneSettings] = {}
        with patch.object(zonesettings, "_ENTRIES", 4):
            most = 0
            before = 0
            for _ in gather(Settings.of(zones=[str(folder)]), found):
                most = max(most, len(found) - before)
                before = len(found)
        self.assertEqual(
            [zone.file for zone in found.values()], sorted([f"{folder.absolute()}/{name}" for name in names])
        )
        self.assertEqual(most, 1)

    def test_pipeIsRefused(self) -> None:
        """
        A pipe instead of a list of zones or a master file is refused, so the server does not wait for a writer.
        """
        path = self.mktemp()
        os.mkfifo(path)
        with self.assertRaisesRegex(BadDescription, "a file was expected, which this is not"):
            zonesOf(Settings.of(zones=[path]))
        with self.assertRaisesRegex(BadDescription, "a file was expected, which this is not"):
            apexIn(path)

    def test_invalidZoneSettingIsRefused(self) -> None:
        """
        An invalid zone setting is an error that says what is wrong.
        """
        for wrong in (
            "example.org",
            "=x",
            "example.org=",
            f"{'a' * 64}.org=/x",
            {"file": "/x"},
            {"name": "example.org", "fiel": "/x"},
        ):
            with self.assertRaises(BadDescription):
                Settings.of(zone=[wrong])
        with self.assertRaises(BadDescription) as caught:
            zonesOf(Settings.of(zone=["example.org=/a", "Example.org=/b"]))
        self.assertIn("twice", str(caught.exception))
        listed = Path(self.mktemp())
        listed.write_text("example.org\n")
        with self.assertRaises(BadDescription) as caught:
            zonesOf(Settings.of(zones=[str(listed)]))
        self.assertIn(f"{listed}:1:", str(caught.exception))

    def test_stateFolder(self) -> None:
        """
        The state folder is the one in the settings, or the one that systemd passes.
        """
        self.assertEqual(Settings.of(state="/a").stateFolder({"STATE_DIRECTORY": "/b"}), "/a")
        self.assertEqual(Settings().stateFolder({"STATE_DIRECTORY": "/b:/c"}), "/b")
        self.assertEqual(Settings().stateFolder({}), "")
