"""
Tests of L{twisted_ext.server.zones.update.commit}: changes of a served zone with a simulated slow disk, and its next images.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.update.changed import SlowDisk
from tests.zone.changing import APEX, ZONE, record, textsOf, versionOf, zoneOf
from tests.zone.journals import steps
from twisted_ext.errors import BadChange, BadZone, StorageFault
from twisted_ext.server.zones.update.commit import CommitQueue, Edited
from twisted_ext.server.zones.update.compactor import Compactor
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA, TXT
from twisted_ext.zone.limits import IMAGE_PAUSE
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal, encoded
from twisted_ext.zone.store.serials import serialIn, withSerial
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction


class ChangingTests(SynchronousTestCase):
    """
    Tests for L{CommitQueue}.
    """

    def setUp(self) -> None:
        self.disk = SlowDisk()
        self.zone = zoneOf()
        self.path = self.mktemp()
        self.journal = Journal(self.path, APEX)
        self.clock = Clock()
        self.addCleanup(self.journal.close)

    def changing(self, compact: Callable[[Version], Deferred[Image]] | None = None) -> CommitQueue:
        """
        Return the object under test.
        """
        return CommitQueue(self.clock, self.zone, self.journal, self.disk, compact=compact)

    def add(self, changing: CommitQueue, *lines: str) -> Deferred[Edited]:
        """
        Add records.
        """

        def make(transaction: Transaction) -> None:
            for line in lines:
                transaction.add(record(line))

        return changing.change(make)

    def test_changeIsVisibleOnceOnDisk(self) -> None:
        """
        A change is neither visible nor acknowledged before it is on disk.
        """
        changing = self.changing()
        result = self.add(changing, "new 60 A 192.0.2.9")
        self.assertNoResult(result)
        self.assertEqual(self.zone.current.serial, 10)
        self.disk.turn()
        self.assertEqual(self.successResultOf(result).version.serial, 11)
        self.assertEqual(self.zone.current.serial, 11)

    def test_queuedChangesBecomeOneVersion(self) -> None:
        """
        Changes that arrive while the disk is busy get one serial number and one write; each says what it has changed itself.
        """
        changing = self.changing()
        results = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(10)]
        self.assertEqual(len(self.disk.waiting), 1)
        self.disk.turn()
        self.assertEqual(self.zone.current.serial, 11)
        self.assertEqual(len(self.disk.waiting), 1)
        self.disk.turn()
        edits = [self.successResultOf(result) for result in results]
        self.assertEqual([(edited.before, edited.version.serial) for edited in edits], [(10, 11)] + 9 * [(11, 12)])
        added = [edited.difference.added for edited in edits if edited.difference is not None]
        self.assertEqual(added, [(record(f"n{number} 60 A 192.0.2.9"),) for number in range(10)])
        self.assertEqual(len(self.journal), 2)

    def test_ownChangesGoFirst(self) -> None:
        """
        What the server changes itself is made before the changes of clients that wait, and does not count among them.
        """
        changing = CommitQueue(self.clock, self.zone, self.journal, self.disk, most=2)
        results = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(3)]
        own = changing.change(lambda transaction: transaction.add(record("own 60 A 192.0.2.9")), isAlone=True, isOwn=True)
        self.failureResultOf(self.add(changing, "late 60 A 192.0.2.9"), StorageFault)
        for _ in range(3):
            self.disk.turn()
        self.assertEqual(self.successResultOf(own).version.serial, 12)
        self.assertEqual([self.successResultOf(result).version.serial for result in results], [11, 13, 13])

    def test_oneOfThemFails(self) -> None:
        """
        A change that is refused among others is taken back alone, whether its own steps refuse it or what a name may have; one behind it
        sees what the others did.
        """
        changing = self.changing()
        first = self.add(changing, "new 60 A 192.0.2.9")
        good = self.add(changing, "two 60 A 192.0.2.1")

        def refused(transaction: Transaction) -> None:
            transaction.removeName(b"\x03two" + APEX)
            transaction.add(record("three 60 A 192.0.2.1"))
            raise BadChange("not so")

        seen: list[set[int]] = []

        def looks(transaction: Transaction) -> None:
            seen.append({kind[0] for kind in transaction.setsAt(b"\x05three")})
            seen.append({kind[0] for kind in transaction.setsAt(b"\x03two")})
            transaction.add(record("two 60 A 192.0.2.2"))

        results = [changing.change(refused), self.add(changing, "two 60 CNAME www"), changing.change(looks)]
        self.disk.settle()
        self.assertEqual([self.successResultOf(each).version.serial for each in (first, good, results[2])], [11, 12, 12])
        self.assertEqual(str(self.failureResultOf(results[0], BadChange).value), "not so")
        self.assertIn("a CNAME has to be alone", str(self.failureResultOf(results[1], BadChange).value))
        self.assertEqual(seen, [set(), {1}])
        node = self.zone.current.find(b"\x03two")
        assert node is not None
        self.assertEqual([rrset.rdatas for rrset in node.sets], [(b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02")])

    def test_serialIsTakenOnce(self) -> None:
        """
        Of two changes that want the SOA record to be as it was, one finds it so, though both become one version.
        """
        changing = self.changing()
        first = self.add(changing, "new 60 A 192.0.2.9")

        def wants(transaction: Transaction) -> None:
            (soa,) = [rrset for kind, rrset in transaction.setsAt(b"").items() if kind[0] == SOA]
            if serialIn(soa.rdatas[0]) != 11:
                raise BadChange("it has changed")
            transaction.add(record("once 60 A 192.0.2.1"))

        results = [changing.change(wants), changing.change(wants), self.add(changing, "two 60 A 192.0.2.1")]
        self.disk.settle()
        self.assertEqual([self.successResultOf(each).version.serial for each in (first, results[0], results[2])], [11, 12, 12])
        self.failureResultOf(results[1], BadChange)

    def test_togetherTheyCannotBe(self) -> None:
        """
        Changes that cannot be completed together are made one by one, and only the one that cannot be fails.
        """

        class Picky:
            """
            Completes nothing that has a TXT record.
            """

            def isMade(self, key: bytes, rrType: int) -> bool:
                return False

            def completing(
                self, version: Version, changes: Mapping[bytes, tuple[RRSet, ...]]
            ) -> Generator[object, None, Mapping[bytes, tuple[RRSet, ...]]]:
                yield None
                if any(rrset.rrType == TXT for key, sets in changes.items() for rrset in sets):
                    raise BadZone("no TXT here")
                return changes

        def opening(version: Version) -> Generator[object, Any, Transaction]:
            yield from ()
            return Transaction(version, completion=Picky())

        changing = CommitQueue(self.clock, self.zone, self.journal, self.disk, opening=opening)
        results = [self.add(changing, f"n{number} 60 {'TXT x' if number == 3 else 'A 192.0.2.9'}") for number in range(6)]
        self.disk.settle()
        self.assertEqual(str(self.failureResultOf(results.pop(3), BadZone).value), "no TXT here")
        self.assertEqual([self.successResultOf(each).version.serial for each in results], [11, 12, 13, 14, 15])
        self.assertEqual((self.zone.current.serial, len(self.journal)), (15, 5))

    def test_allThatCannotBeSigned(self) -> None:
        """
        If what completes changes is not there, all that were made together fail at once: alone they would, too.
        """
        tried: list[int] = []

        class Absent:
            """
            Completes nothing.
            """

            def isMade(self, key: bytes, rrType: int) -> bool:
                return False

            def completing(
                self, version: Version, changes: Mapping[bytes, tuple[RRSet, ...]]
            ) -> Generator[object, None, Mapping[bytes, tuple[RRSet, ...]]]:
                tried.append(len(changes))
                yield None
                raise StorageFault("not there")

        def opening(version: Version) -> Generator[object, Any, Transaction]:
            yield from ()
            return Transaction(version, completion=Absent())

        changing = CommitQueue(self.clock, self.zone, self.journal, self.disk, opening=opening)
        holding = changing.hold()
        self.successResultOf(holding)
        results = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(6)]
        changing.release()
        for each in results:
            self.failureResultOf(each, StorageFault)
        # With the SOA record.
        self.assertEqual((tried, self.zone.current.serial), ([7], 10))

    def test_failingWriteFailsItsRound(self) -> None:
        """
        A write that fails fails all changes in it, also one that was refused because of another one; those that came later are made.
        """
        changing = self.changing()
        first = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.turn()
        self.successResultOf(first)
        begun = self.add(changing, "one 60 A 192.0.2.9")
        together = [self.add(changing, "two 60 CNAME www"), self.add(changing, "two 60 A 192.0.2.1")]
        self.disk.turn()
        self.successResultOf(begun)
        later = self.add(changing, "two 60 A 192.0.2.1")
        ((_, done),) = self.disk.waiting
        self.disk.waiting.clear()
        done.errback(StorageFault("no space left"))
        for each in together:
            self.assertIn("no space left", str(self.failureResultOf(each, StorageFault).value))
        self.disk.settle()
        self.assertEqual(self.successResultOf(later).version.serial, 13)

    def test_largeOnesAreNotMerged(self) -> None:
        """
        No change is added to one of many records, nor more than a hundred to any.
        """
        changing = self.changing()
        first = self.add(changing, "new 60 A 192.0.2.9")
        large = self.add(changing, *[f"l{number} 60 A 192.0.2.9" for number in range(1100)])
        many = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(150)]
        self.disk.settle()
        self.assertEqual([self.successResultOf(each).version.serial for each in (first, large)], [11, 12])
        self.assertEqual([self.successResultOf(each).version.serial for each in many], 100 * [13] + 50 * [14])

    def test_repeatedChangeWaitsForFirst(self) -> None:
        """
        A change that an earlier one makes redundant is not acknowledged before the earlier one is on disk.
        """
        changing = self.changing()
        first = self.add(changing, "new 60 A 192.0.2.9")
        second = self.add(changing, "new 60 A 192.0.2.9")
        self.assertNoResult(second)
        self.disk.turn()
        self.successResultOf(first)
        self.assertEqual(self.successResultOf(second).version.serial, 11)
        self.assertEqual(self.successResultOf(self.add(changing, "new 60 A 192.0.2.9")).version.serial, 11)

    def test_fullDiskRefusesChanges(self) -> None:
        """
        If the disk is full, the change and those based on it fail and the zone stays as it was; changes work again when there is room.
        """
        changing = self.changing()

        def full(*arguments: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        results = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(3)]
        with patch.object(os, "pwrite", full):
            self.disk.settle()
        for result in results:
            self.failureResultOf(result, StorageFault)
        self.assertEqual(textsOf(self.zone.current), textsOf(zoneOf().current))
        after = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()
        self.assertEqual(self.successResultOf(after).version.serial, 11)
        self.journal.close()
        self.assertEqual(Journal(self.path, APEX).newest, 11)

    def test_invalidChangeBlocksNoOther(self) -> None:
        """
        An invalid change fails and does not block later ones.
        """
        changing = self.changing()
        self.failureResultOf(self.add(changing, "www 60 A 192.0.2.9"), BadChange)
        result = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.turn()
        self.successResultOf(result)

    def test_waitingChangesAreBounded(self) -> None:
        """
        The number of changes that wait for a slow disk is limited; with a higher limit they are accepted.
        """
        for most, refused in ((3, True), (100, False)):
            zone, disk = zoneOf(), SlowDisk()
            changing = CommitQueue(self.clock, zone, None if most == 100 else self.journal, disk, most=most)
            results = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(5)]
            if refused:
                self.failureResultOf(results[-1], StorageFault)
            disk.settle()
            self.assertEqual(len(zone.current.overlay) - 1, 4 if refused else 5)

    def test_reloadDuringWriteWins(self) -> None:
        """
        A zone that is reloaded while a change is being written keeps its new content, and the change fails.
        """
        changing = self.changing()
        result = self.add(changing, "new 60 A 192.0.2.9")
        newer = zoneOf(ZONE.replace(" 10 3600", " 20 3600")).current
        changing.supersede(b"0123456789abcdef")
        self.zone.replace(newer)
        self.disk.settle()
        self.failureResultOf(result, StorageFault)
        self.assertIs(self.zone.current, newer)
        self.assertEqual(len(self.journal), 0)
        after = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()
        self.assertEqual(self.successResultOf(after).version.serial, 21)

    def test_laterChangeBuildsOnReload(self) -> None:
        """
        A thread empties the journal of a reloaded zone; a change that arrives meanwhile is based on the new content.
        """
        changing = self.changing()
        self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()
        self.assertEqual(len(self.journal), 1)
        changing.supersede(b"0123456789abcdef")
        self.assertEqual((len(self.journal), changing.superseded), (1, b"0123456789abcdef"))
        self.zone.replace(zoneOf(ZONE.replace(" 10 3600", " 20 3600")).current)
        after = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()
        self.assertEqual(self.successResultOf(after).version.serial, 21)
        self.assertEqual((self.journal.oldest, len(self.journal), changing.superseded), (20, 1, None))

    def test_succeedingWaitsForNothing(self) -> None:
        """
        While a change is being written, or the journal is to be emptied, it does not lead to the version in another image.
        """
        changing = self.changing()
        self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()
        soa = self.zone.current.soa
        entry = encoded(Difference(soa, (), soa.withRdatas((withSerial(soa.rdatas[0], 12),)), ()))
        origin = self.journal.origin
        self.add(changing, "newer 60 A 192.0.2.9")
        changing.succeed(entry, b"0123456789abcdef")
        self.assertEqual((self.journal.newest, self.journal.origin), (11, origin))
        self.disk.settle()
        changing.supersede(b"fedcba9876543210")
        changing.succeed(entry, b"0123456789abcdef")
        self.disk.settle()
        self.assertEqual((self.journal.newest, self.journal.origin), (None, b"fedcba9876543210"))

    def test_changesFailUntilJournalIsEmptied(self) -> None:
        """
        Changes fail with a reason until the journal of a reloaded zone can be emptied, and nothing is appended to the obsolete part.
        """
        changing = self.changing()
        self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()

        def full(before: str, after: str) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with patch.object(os, "rename", full):
            changing.supersede(b"0123456789abcdef")
            self.zone.replace(zoneOf(ZONE.replace(" 10 3600", " 20 3600")).current)
            waits = self.add(changing, "new 60 A 192.0.2.9")
            self.disk.settle()
            self.assertIn("cannot be emptied", str(self.failureResultOf(waits, StorageFault).value))
            later = self.add(changing, "new 60 A 192.0.2.9")
            self.disk.settle()
            self.assertIn("cannot be emptied", str(self.failureResultOf(later, StorageFault).value))
        self.assertEqual((self.zone.current.serial, self.journal.newest), (20, 11))
        after = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()
        self.assertEqual(self.successResultOf(after).version.serial, 21)
        self.assertEqual((self.journal.oldest, self.journal.newest, self.journal.origin), (20, 21, b"0123456789abcdef"))
        closed = changing.close()
        self.disk.settle()
        self.successResultOf(closed)

    def test_closeKeepsAcceptedChanges(self) -> None:
        """
        Changes that were accepted before the close are kept, and later ones fail.
        """
        changing = self.changing()
        result = self.add(changing, "new 60 A 192.0.2.9")
        closed = changing.close()
        self.assertNoResult(closed)
        self.failureResultOf(self.add(changing, "two 60 A 192.0.2.9"), StorageFault)
        self.disk.settle()
        self.successResultOf(closed)
        self.successResultOf(result)
        self.assertEqual(Journal(self.path, APEX).newest, 11)

    def test_crowdedZoneGetsNewImage(self) -> None:
        """
        After many changes a new image is built while changes continue; then the zone uses the image, and the journal is trimmed.
        """
        images: list[tuple[Version, Deferred[Image]]] = []

        def compact(version: Version) -> Deferred[Image]:
            built: Deferred[Image] = Deferred()
            images.append((version, built))
            return built

        changing = self.changing(compact=compact)
        with patch.object(Version, "crowded", property(lambda version: len(version.overlay) > 20)):
            for number in range(25):
                self.add(changing, f"n{number} 60 A 192.0.2.9")
                self.disk.settle()
            self.assertEqual(len(images), 1)
            version, built = images[0]
            version.compacted(self.path + ".image")
            for number in range(200):
                self.add(changing, f"m{number} 60 A 192.0.2.9")
                if number < 190:
                    self.disk.settle()
            before = self.zone.current
            built.callback(Image.open(self.path + ".image"))
            while self.clock.getDelayedCalls():
                self.clock.advance(0)
            self.assertIsNot(self.zone.current, before)
            self.assertEqual(textsOf(self.zone.current), textsOf(before))
            self.assertEqual(self.zone.current.image.serial, version.serial)
            self.disk.settle()
        # The last nine became one version.
        self.assertEqual(self.zone.current.serial, 10 + 225 - 8)
        self.assertEqual(self.zone.current.image.serial, version.serial)
        self.assertEqual(textsOf(self.journal.replayed(zoneOf().current)), textsOf(self.zone.current))

    def test_switchToImageTakesTurns(self) -> None:
        """
        The switch to a new image lets other work run after a number of RRsets, however many one change has.
        """
        built: list[Deferred[Image]] = []

        def compact(version: Version) -> Deferred[Image]:
            version.compacted(self.path + ".image")
            built.append(Deferred())
            return built[-1]

        changing = self.changing(compact=compact)
        steps: list[int] = []

        def counted(version: Version, differences: Sequence[Difference]) -> Version:
            steps.append(len(differences))
            return applied(version, differences)

        with patch.object(Version, "crowded", property(lambda version: len(version.overlay) > 20)):
            for number in range(21):
                self.add(changing, f"n{number} 60 A 192.0.2.9")
                self.disk.settle()
            for number in range(10):
                self.add(changing, *[f"m{number}-{each} 60 A 192.0.2.9" for each in range(20)])
                self.disk.settle()
            before = textsOf(self.zone.current)
            place = "twisted_ext.server.zones.update.commit"
            with patch(f"{place}.applied", counted), patch(f"{place}._STEP", 40):
                built[0].callback(Image.open(self.path + ".image"))
                while self.clock.getDelayedCalls():
                    self.clock.advance(0)
        self.assertEqual(textsOf(self.zone.current), before)
        self.assertEqual(len(built), 1)
        self.assertEqual(steps, [3, 2, 2, 2, 2])

    def test_failedImageIsTriedAgain(self) -> None:
        """
        An image that cannot be built changes nothing, and is tried again after a while.
        """
        tried: list[Version] = []

        def compact(version: Version) -> Deferred[Image]:
            tried.append(version)
            failed: Deferred[Image] = Deferred()
            failed.errback(StorageFault("no room"))
            return failed

        changing = self.changing(compact=compact)
        with patch.object(Version, "crowded", property(lambda version: True)):
            for number in range(9):
                self.add(changing, f"n{number} 60 A 192.0.2.9")
                self.disk.settle()
                self.clock.advance(IMAGE_PAUSE.default / 3)
        self.assertEqual(len(tried), 3)
        self.assertEqual(self.zone.current.serial, 19)
        self.assertFalse(Path(self.path + ".image").exists())


class CompactingTests(SynchronousTestCase):
    """
    Tests for L{Compactor}.
    """

    def setUp(self) -> None:
        self.disk = SlowDisk()
        # This reactor cannot start processes, so building in a process fails.
        self.compacting = Compactor(Clock(), self.disk, small=1)
        self.folder = str(Path(self.mktemp()).absolute())
        os.mkdir(self.folder)

    def test_packedImageIsBuiltByThread(self) -> None:
        """
        A thread builds the image of a zone that has no file, or shares a file with other zones: a process would read the first zone in the
        file.
        """
        path = f"{self.folder}/packed"
        versionOf().compacted(path)
        octets = Path(path).read_bytes()
        start = len(octets)
        Path(path).write_bytes(octets * 2)
        journal = Journal(f"{self.folder}/journal", APEX)
        self.addCleanup(journal.close)
        made = steps(versionOf(), 3)
        journal.append([difference for _, difference in made])
        wanted = made[-1][0]
        for image in (Image(Path(path).read_bytes(), start), Image(octets)):
            image.path = path if image.start else ""
            grown = self.compacting.grown(Version(image), journal, f"{self.folder}/target", lambda: wanted)
            self.disk.settle()
            self.assertIs(self.successResultOf(grown), wanted)
            built = self.compacting(journal.replayed(Version(image)), journal.path, f"{self.folder}/target")
            self.disk.settle()
            self.assertEqual(textsOf(Version(self.successResultOf(built))), textsOf(wanted))

    def test_ownImageIsBuiltByProcess(self) -> None:
        """
        A process builds the image of a zone with its own file.
        """
        path = f"{self.folder}/image"
        versionOf().compacted(path)
        self.assertRaises(TypeError, self.compacting, Version(Image.open(path)), f"{self.folder}/journal", f"{self.folder}/target")
        self.assertEqual(self.disk.waiting, [])
