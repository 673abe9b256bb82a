"""
Tests of L{twisted_ext.server.zones.loader}, L{twisted_ext.server.zones.imagefiles} and L{twisted_ext.server.zones.publish}: zones from
master files to what is served.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from twisted.logger import ILogObserver, LogEvent, capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from tests.server.zones.loaded import LoadingCase
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.limits import Limit
from twisted_ext.server.authority.source import Zones
from twisted_ext.server.config import zonesettings
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import ZoneSettings, apexIn, gather, zonesOf
from twisted_ext.server.limits import CHANGING_SECONDS, WATCH_SECONDS
from twisted_ext.server.zones import loader
from twisted_ext.server.zones.imagefiles import Images
from twisted_ext.server.zones.loader import stateFolder
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.zone import Zone


class LoadingTests(LoadingCase):
    """
    Tests for L{Loading}.
    """

    def test_loaded(self) -> None:
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

    def test_unstarted(self) -> None:
        """
        Zones for which no process can be started are tried again, each time after twice as long, and served as soon as one can be; the log
        has one line for each time, however many zones there are. What is served stays.
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
                loading._took(job.failed("no process that makes zones ready can be started: no more", unstarted=True))
                self.assertEqual((self.serial("example.org"), self.serial("example.net")), (1, None))
                self.clock.advance(seconds - 0.1)
                self.assertEqual(self.compilers.jobs, [])
                self.clock.advance(0.1)
        said = [formatEvent(event) for event in events]
        self.assertEqual([line for line in said if "tried again" in line], [
            f"no process that makes zones ready can be started: no more; zones that have to be made ready are tried again in {n} s"
            for n in (1, 2, 4, 8)])
        self.compilers.run()
        self.assertEqual((tries, self.serial("example.org"), self.serial("example.net")), ([2] * 4, 2, 2))

    def test_neverSettled(self) -> None:
        """
        A file that changes from each look to the next is read after some seconds nevertheless, and again after as many; where it cannot be
        read just then, what is served stays.
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

    def test_foundAgain(self) -> None:
        """
        The next start serves the image of a file that has not changed without reading that, and that of none that has.
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

    def test_included(self) -> None:
        """
        A file that a zone includes belongs to it: where that has changed, the image is of no use.
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

    def test_damaged(self) -> None:
        """
        An image that is not as it was written is made anew, and so is one that is cut; an index with rubbish in it does no harm.
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

    def test_flipped(self) -> None:
        """
        So is one in which a single bit is not what it was.
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

    def test_wrong(self) -> None:
        """
        What is wrong with a master file is told with file, line and column. Other zones are served, and the wrong one once it is right.
        """
        bad = self.write("example.net", "www A 192.0.2.300\nwww MX\n")
        loading = self.load(self.write("example.org"), bad)
        self.assertEqual(self.successResultOf(loading.settled), (2, 1))
        self.assertEqual((self.serial("example.org"), self.serial("example.net")), (1, None))
        self.assertIn(f"{bad.file}:5:7: ", self.said("example.net"))
        self.write("example.net")
        for _ in range(3):
            self.clock.advance(1)
            self.compilers.run()
        self.assertEqual((self.serial("example.net"), self.said("example.net")), (1, ""))

    def test_missing(self) -> None:
        """
        A master file that is not there is told by its name, and served when it comes.
        """
        zone = ZoneSettings.of("example.org", str(self.folder / "example.org"))
        self.load(zone)
        self.assertIn(zone.file, self.said("example.org"))
        self.write("example.org")
        for _ in range(3):
            self.clock.advance(1)
            self.compilers.run()
        self.assertEqual(self.serial("example.org"), 1)

    def test_followed(self) -> None:
        """
        A file that has changed is loaded once it has stayed the same for a while: whoever writes it may not be done. What is wrong with it
        leaves the old zone in force.
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
        self.assertIn(":5:", self.said("example.org"))
        self.assertEqual(self.compilers.made, 3)
        self.clock.advance(10)
        self.assertEqual(self.compilers.jobs, [])

    def test_notFollowed(self) -> None:
        """
        Files are left alone where nobody wants them followed.
        """
        self.load(self.write("example.org"), watch=False)
        self.write("example.org", serial=2)
        for _ in range(5):
            self.clock.advance(1)
        self.assertEqual(self.compilers.jobs, [])

    def test_reload(self) -> None:
        """
        A reload loads what has changed and what is new, and lets go of what is not wanted any more; it tells all of it.
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

    def test_reloadZone(self) -> None:
        """
        One zone can be loaded whether its file has changed or not; whoever asks learns what is wrong with it, and a serial number that went
        back is told.
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

    def test_changedMeanwhile(self) -> None:
        """
        Where updates have raised the serial number of a zone, that is the one that is told of, and not the one of its file.
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

    def test_unreadable(self) -> None:
        """
        Of a file that is gone, a folder or an empty one, a line says which file it is, once, and what is wrong with it.
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

    def test_again(self) -> None:
        """
        Who asks for a zone while it is being loaded gets what the file says then, not what it said before.
        """
        loading = self.load(self.write("example.org"))
        first = loading.reloadZone(nameFromText("example.org"))
        self.write("example.org", serial=2)
        second = loading.reloadZone(nameFromText("example.org"))
        self.compilers.run()
        self.assertIn("2", self.successResultOf(second)[-1])
        self.successResultOf(first)
        self.assertEqual(self.serial("example.org"), 2)

    def test_room(self) -> None:
        """
        Images that no zone is served from any more are removed, and those that a crash has left as well.
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

    def test_oneServer(self) -> None:
        """
        A folder is one server's: a second one is told so.
        """
        self.load(self.write("example.org"))
        with self.assertRaises(BadDescription) as caught:
            Images(str(self.folder / "state" / "zones"))
        self.assertIn("another server's", str(caught.exception))

    def test_many(self) -> None:
        """
        Small zones are made ready many at a time, into one file; what is wrong with one of them is no matter to the others.
        """
        zones = [self.write(f"z{number}.example", "www A\n" if number == 7 else "") for number in range(40)]
        loading = self.load(*zones)
        self.assertEqual(self.successResultOf(loading.settled), (40, 39))
        self.assertEqual(len(list((self.folder / "state" / "zones").glob("*.image"))), 1)
        self.assertEqual([number for number in range(40) if self.serial(f"z{number}.example") != 1], [7])
        self.write("z8.example", serial=2)
        self.finish(loading.reloadZone(nameFromText("z8.example")))
        self.assertEqual([self.serial(f"z{number}.example") for number in (6, 8)], [1, 2])


    def test_brokenNamed(self) -> None:
        """
        Every zone that could not be loaded is named in the log of a start, however much there is to be said of others, healthy or not;
        beyond a bound they are counted, and where to find their names is said. Those who asked for a reload read the same.
        """
        lines: list[str] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        bad = "".join([f"x{number} A x\n" for number in range(90)])
        zones = [self.write(f"h{number}.example", "x 1 A 192.0.2.1\nx 2 A 192.0.2.2\n") for number in range(120)]
        zones += [self.write(f"b{number}.example", bad) for number in range(8)]
        with patch.object(loader, "LOADING_BROKEN", Limit(5, 1, 100)):
            begun = self.load(*zones)
        self.assertEqual(self.successResultOf(begun.settled), (128, 120))
        for number in range(5):
            self.assertEqual(len([line for line in lines if line.startswith(f"b{number}.example.: nothing is served")]), 1)
        self.assertTrue([line for line in lines if line.startswith("b4.example.: nothing is served: ") and ":5:6: " in line], lines[-9:])
        self.assertIn("3 more zones could not be loaded; txdns control zones --broken lists all 8", lines)
        self.assertIn("nothing is logged of 20 more zones, which are served", lines)
        self.assertLess(len(lines), 320)
        for number in range(120):
            self.write(f"h{number}.example", serial=2)
        said = self.finish(begun.reload(zones))
        self.assertEqual([line.partition(":")[0] for line in said if line.startswith("b")], [f"b{number}.example." for number in range(8)])


class SettingsTests(SynchronousTestCase):
    """
    Tests of how servers are told of zones.
    """

    def test_folders(self) -> None:
        """
        Zones may be the files of a folder, or the lines of a list; what is said of one by itself goes before.
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

    def test_manyFiles(self) -> None:
        """
        A folder is read in steps, none of which takes long; of two files for one zone it is always the same that is taken.
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

    def test_waitingList(self) -> None:
        """
        A list of zones, or a master file whose name is looked for, that somebody has yet to write into is refused: nobody waits.
        """
        path = self.mktemp()
        os.mkfifo(path)
        with self.assertRaisesRegex(BadDescription, "a file was expected, which this is not"):
            zonesOf(Settings.of(zones=[path]))
        with self.assertRaisesRegex(BadDescription, "a file was expected, which this is not"):
            apexIn(path)

    def test_wrong(self) -> None:
        """
        What cannot be is told with what would be right.
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

    def test_state(self) -> None:
        """
        What is to be found again lies where the setting says, or systemd.
        """
        self.assertEqual(stateFolder(Settings.of(state="/a"), {"STATE_DIRECTORY": "/b"}), "/a")
        self.assertEqual(stateFolder(Settings(), {"STATE_DIRECTORY": "/b:/c"}), "/b")
        self.assertEqual(stateFolder(Settings(), {}), "")
