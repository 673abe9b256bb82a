"""
Tests of L{twisted_ext.server.process.zonesyncparent} and L{twisted_ext.server.zones.load.zonesyncworker}: workers have the zones of their
parent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.process.mirrors import Follower, Parent, namesOf
from tests.server.zones.load.loaded import LoadingCase
from tests.zone.changing import APEX, ZONE, record, zoneOf
from twisted_ext.limits import Limit
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.process import zonesyncparent
from twisted_ext.server.zones.table.zonetable import EXPIRED, Zones
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone

#: Records for changes: wildcards, names below names, cuts, DNAME, a CNAME, NSEC.
_LINES = [
    "www 300 CNAME mail",
    "*.w 300 A 192.0.2.8",
    "x.w 300 A 192.0.2.9",
    "deep.er.still 300 TXT x",
    "er.still 300 TXT y",
    "sub 300 NS ns1.sub",
    "ns1.sub 300 A 192.0.2.10",
    "far.below.sub 300 A 192.0.2.11",
    "old 300 DNAME example.net.",
    "a.old 300 A 192.0.2.12",
    "mail 300 A 192.0.2.4",
    "n 300 NSEC www.example.org. A",
    "n 300 RRSIG A 8 3 300 20300101000000 20200101000000 1 example.org. AAAA",
    "n 300 RRSIG TXT 8 3 300 20300101000000 20200101000000 1 example.org. AAAA",
    "Mixed.Case 300 A 192.0.2.13",
]


class MirroringTests(SynchronousTestCase):
    """
    Tests for L{Mirroring} and L{Mirrored}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.zones = Zones()
        self.expiring: dict[bytes, float] = {}
        self.parent = Parent(self.clock, self.zones, until=self.expiring.get)
        self.addCleanup(self.parent.close)
        self.zone = zoneOf()

    def assertWorkersAgree(self, zone: Zone | None = None) -> None:
        """
        Check that the worker, and one that starts now, have the same zone as the parent.
        """
        self.clock.advance(0)
        zone = zone or self.zone
        names = namesOf(zone.current)
        for worker in (self.parent.worker, self.parent.newWorker()):
            self.assertEqual(worker.names(zone.apex), names)
            self.assertEqual(worker.lacked, [])

    def compactZone(self) -> None:
        """
        Compact the zone into a new image file.
        """
        path = self.mktemp()
        self.zone.current.compacted(path)
        self.zone.replace(Version(Image.open(path)))

    def change(self, *lines: str, removed: tuple[str, ...] = ()) -> None:
        """
        Change the zone as an update would.
        """
        change = Transaction(self.zone.current)
        for line in removed:
            change.remove(record(line))
        for line in lines:
            change.add(record(line))
        done = change.commit()
        if done is not None:
            self.zone.replace(done[0])

    def test_workersFollowEveryChange(self) -> None:
        """
        After each change all workers, and one that starts then, have the same zone as the parent.
        """
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        random = Random(7)
        present: set[str] = set()
        for number in range(60):
            some = random.sample(_LINES, 3)
            coming = [line for line in some if line not in present and (not line.startswith("www") or number > 30)]
            going = [line for line in some if line in present]
            try:
                self.change(*coming, removed=tuple(going))
            except Exception as error:
                self.assertEqual(type(error).__name__, "BadChange")
                continue
            present = (present | set(coming)) - set(going)
            if number % 20 == 19:
                self.compactZone()
            self.assertWorkersAgree()

    def test_changesOfOneTurnShareALine(self) -> None:
        """
        A change of a large zone takes a few hundred octets, and the changes of one turn share a line.
        """
        self.zone = zoneOf(ZONE + "\n".join([f'h{number} 300 TXT "{"x" * 100}"' for number in range(5000)]))
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        self.parent.lineLengths.clear()
        self.change("new 300 A 192.0.2.1")
        self.change("newer 300 A 192.0.2.1")
        self.assertWorkersAgree()
        self.assertEqual(len(self.parent.lineLengths), 1)
        self.assertLess(self.parent.lineLengths[0], 600)

    def test_largeChangeIsSplit(self) -> None:
        """
        A change too large for one line is sent in several, and takes effect all at once, with turns for other work between them.
        """
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        with patch.object(zonesyncparent, "WORKER_PIECE", Limit(default=2000, least=1, most=2000)):
            self.change(*[f"n{number} 300 A 192.0.2.1" for number in range(1200)])
            before = namesOf(self.zone.current)
            self.assertWorkersAgree()
            self.assertGreater(len(self.parent.lineLengths), 5)
            turns: list[int] = []
            late = Follower()
            lines = [len(json.dumps(words)) for words in self.parent.mirroring.everything()]
            self.assertLess(max(lines), 30_000)
            for words in self.parent.mirroring.everything():
                turns.append(late.take(words))
            self.assertEqual(late.names(APEX), before)
            self.assertGreater(max(turns), 2)
            self.change(removed=tuple([f"n{number} 300 A 192.0.2.1" for number in range(1200)]))
            self.parent.lineLengths.clear()
            self.assertWorkersAgree()
            self.assertGreater(len(self.parent.lineLengths), 2)
            self.assertLess(max(self.parent.lineLengths), 30_000)

    def test_unusedFilesAreRemoved(self) -> None:
        """
        A file that exists only for workers is removed when all of them have the next one, and not before.
        """
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        self.assertEqual(len(os.listdir(self.parent.folder)), 1)
        for _ in range(3):
            self.change(f"n{self.zone.current.serial} 300 A 192.0.2.1")
            self.compactZone()
            self.assertWorkersAgree()
        self.assertEqual(len(os.listdir(self.parent.folder)), 4)
        self.assertTrue(self.parent.mirroring.leftovers)
        self.parent.mirroring.taken()
        self.assertEqual(len(os.listdir(self.parent.folder)), 1)
        self.assertWorkersAgree()
        self.zones.remove(APEX)
        self.clock.advance(0)
        self.parent.mirroring.taken()
        self.assertEqual(os.listdir(self.parent.folder), [])
        self.assertEqual(self.parent.worker.names(APEX), "none")

    def test_workerOpensIntendedImage(self) -> None:
        """
        A worker opens the intended image even if the path has been overwritten with another one.
        """
        path = self.mktemp()
        self.zone.current.compacted(path)
        self.zone = Zone(Version(Image.open(path)))
        self.zones.put(self.zone)
        self.clock.advance(0)
        zoneOf(ZONE.replace("hostmaster 10", "hostmaster 11")).current.compacted(path)
        self.assertWorkersAgree()

    def test_servingWorkerSkipsChecksum(self) -> None:
        """
        A worker that serves does not read every octet of an image that its parent has just checked, since that would take too long with a
        million records. A worker that starts does so before it answers any query; an image that the parent has not checked is checked by
        the first process that opens it.
        """
        looked: list[str] = []

        def sound(image: Image) -> bool:
            looked.append(image.path)
            return True

        self.zones.put(self.zone)
        with patch.object(Image, "sound", property(sound)):
            self.clock.advance(0)
            self.change("new 300 A 192.0.2.1")
            self.clock.advance(0)
            self.assertEqual((looked, self.parent.worker.names(APEX)), ([], namesOf(self.zone.current)))
            self.parent.newWorker()
            self.assertEqual(len(looked), 1)
        (name,) = os.listdir(self.parent.folder)
        octets = bytearray(Path(self.parent.folder, name).read_bytes())
        octets[-20] ^= 1
        Path(self.parent.folder, name).write_bytes(octets)
        path = f"{self.parent.folder}/{name}"
        self.assertEqual(self.parent.newWorker().lacked, [(APEX, path)])
        for how, lacked in (("", []), ("sound", []), ("now", [(APEX, path)])):
            worker = Follower([[["image", APEX.hex(), "", path, 0, 10, 7, None, how]]])
            self.assertEqual(worker.lacked, lacked)
        self.assertEqual(Follower([[["image", APEX.hex(), "", path, 0, 10, 7, None, ""]]]).names(APEX), "failed")

    def test_workersFollowZoneStates(self) -> None:
        """
        All workers follow the state of a zone: loading, failed, expired, served, removed, and added again.
        """

        def states(expected: str) -> None:
            self.clock.advance(0)
            self.assertEqual([worker.names(APEX) for worker in (self.parent.worker, self.parent.newWorker())], [expected, expected])

        self.zones.expect(APEX)
        states("loading")
        self.zones.fail(APEX, "no such file")
        states("failed")
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        self.zones.fail(APEX, "nobody has confirmed it", EXPIRED)
        states("expired")
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        self.zones.remove(APEX)
        states("none")
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        self.zones.remove(APEX)
        self.zones.expect(APEX)
        states("loading")
        self.zones.put(zoneOf())
        self.assertWorkersAgree()

    def test_expiryComesFromParent(self) -> None:
        """
        The remaining time of a secondary zone comes from the parent, and that of a primary zone from its SOA record.
        """
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        self.assertEqual(self.parent.worker.zoneSync.expires(APEX), 86400)
        self.expiring[APEX] = 1500.0
        self.zones.told(APEX)
        self.clock.advance(0)
        for worker in (self.parent.worker, self.parent.newWorker()):
            self.assertEqual(worker.zoneSync.expires(APEX), 500.0)
            offer = worker.zoneSync.offerSingly(APEX)
            assert offer is not None and offer.singly is not None
            self.assertEqual(offer.expires, 500.0)
        self.assertIsNone(self.parent.worker.zoneSync.expires(nameFromText("example.net")))

    def test_zoneThatHasExpired(self) -> None:
        """
        A worker reports no negative time for a zone whose time is over, and offers no version of one that is not served any more.
        """
        self.zones.put(self.zone)
        self.expiring[APEX] = 900.0
        self.assertWorkersAgree()
        worker = self.parent.newWorker()
        self.assertEqual(worker.zoneSync.expires(APEX), 0.0)
        worker.take([["fail", APEX.hex(), "it has expired", EXPIRED]])
        self.assertIsNone(worker.zoneSync.expires(APEX))
        offer = worker.zoneSync.offer(APEX)
        assert offer is not None
        self.assertIsNone(offer.version)

    def test_laterWorkerFollows(self) -> None:
        """
        A worker that starts after some changes follows the next ones.
        """
        self.zones.put(self.zone)
        self.clock.advance(0)
        for number in range(3):
            self.change(f"h{number} 60 A 192.0.2.{number}")
            self.clock.advance(0)
        self.parent.worker = self.parent.newWorker()
        for number in range(3, 6):
            self.change(f"h{number} 60 A 192.0.2.{number}")
            self.assertWorkersAgree()

    def test_imageEndsUnfinishedChange(self) -> None:
        """
        The first parts of a large change are dropped if an image comes before its last part.
        """
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        worker = self.parent.newWorker()
        worker.take([["more", APEX.hex(), "AAAA"], ["gone", APEX.hex(), [b"\x02ns".hex()]]])
        for words in self.parent.mirroring.everything():
            worker.take(words)
        worker.take([["edit", APEX.hex(), 1, [], "", None]])
        self.assertEqual(worker.names(APEX), namesOf(self.zone.current))

    def test_unusableImageKeepsOldZone(self) -> None:
        """
        A worker that cannot use an image reports that and keeps its zone until the next image; a line that does not follow on the previous
        one is an error.
        """
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        before = namesOf(self.zone.current)
        worker = self.parent.newWorker()
        self.assertEqual(worker.take([["image", APEX.hex(), "", "/nowhere/at/all", 0, 11, 1, None]]), 1)
        self.assertEqual(worker.lacked, [(APEX, "/nowhere/at/all")])
        worker.take([["edit", APEX.hex(), 1, [b"\x03www".hex()], "", None]])
        self.assertEqual(worker.names(APEX), before)
        for words in self.parent.mirroring.everything():
            worker.take(words)
        worker.take([["edit", APEX.hex(), 1, [b"\x03www".hex()], "", None]])
        self.assertNotEqual(worker.names(APEX), before)
        wrong: list[list[JSON]] = [
            ["edit", APEX.hex(), 3, [], "", None],
            ["edit", APEX.hex(), -2, [], "", None],
            ["edit", APEX.hex(), -3, [], "", None],
            ["edit", APEX.hex(), 2, [], "AAAA", None],
            ["sing", APEX.hex()],
            ["edit"],
        ]
        for word in wrong:
            with self.assertRaises(ValueError):
                worker.take([word])

    def test_fullDiskKeepsOldZone(self) -> None:
        """
        Workers keep their zone if the file for them cannot be written, and get the zone with its next change.
        """
        self.zones.put(self.zone)
        self.assertWorkersAgree()
        before = namesOf(self.zone.current)
        with patch.object(Image, "copyTo", side_effect=OSError(28, "No space left on device")):
            self.zone.replace(self.zone.current.settled())
            self.clock.advance(0)
        self.assertEqual(self.parent.worker.names(APEX), before)
        self.change("new 300 A 192.0.2.1")
        self.assertWorkersAgree()

    def test_settledWaitsForFile(self) -> None:
        """
        A zone is settled only when the file for workers has been written and announced.
        """
        waiting: list[Callable[[], None]] = []
        def later(reactor: object, work: Callable[[], None]) -> Deferred[None]:
            done: Deferred[None] = Deferred()

            def now() -> None:
                work()
                done.callback(None)

            waiting.append(now)
            return done

        with patch.object(zonesyncparent, "inThread", later):
            self.zones.put(self.zone)
            settled = self.parent.mirroring.settled()
            self.assertNoResult(settled)
            self.assertEqual(self.parent.worker.names(APEX), "loading")
            waiting.pop()()
            self.successResultOf(settled)
        self.assertWorkersAgree()


class LoadedTests(LoadingCase):
    """
    Tests of zones from master files in workers.
    """

    def test_workersMapFilesOfParent(self) -> None:
        """
        Workers map the same files as the parent without opening the zones, and zones that cannot be read have failed there too.
        """
        parent = Parent(self.clock, self.zones)
        self.addCleanup(parent.close)
        zones = [self.write(f"z{number}.example", "www A\n" if number == 3 else "") for number in range(120)]
        loading = self.load(*zones)
        self.clock.advance(0)
        self.assertEqual(os.listdir(parent.folder), [])
        self.assertGreater(len([place for place in self.zones if place.unopened]), 100)
        for worker in (parent.worker, parent.newWorker()):
            self.assertEqual(len(worker.zones), 120)
            self.assertEqual(worker.names(nameFromText("z3.example")), "failed")
            self.assertEqual(len(worker.names(nameFromText("z119.example"))), 2)
            self.assertEqual(worker.lacked, [])
        self.write("z5.example", "new A 192.0.2.9\n", serial=2)
        loading.reloadZone(nameFromText("z5.example"))
        self.compilers.run()
        self.clock.advance(0)
        self.assertEqual(len(parent.worker.names(nameFromText("z5.example"))), 3)
        self.close(loading)
