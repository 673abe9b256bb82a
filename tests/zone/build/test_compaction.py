"""
Tests of L{twisted_ext.zone.build.compaction}: the next image of a zone, from an earlier one and the journal.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.update.changed import SlowDisk
from tests.zone.changing import APEX, record, textsOf, versionOf
from twisted_ext.errors import StorageFault
from twisted_ext.limits import Limit
from twisted_ext.server.zones.update.compactor import Compactor
from twisted_ext.zone.build.compaction import compact, main
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.journaled import brought
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.store.version import Version

ROOT = Path(__file__).parents[2]


class CompactingTests(SynchronousTestCase):
    """
    Tests for L{compact}.
    """

    def setUp(self) -> None:
        self.image = self.mktemp()
        self.journal = self.mktemp()
        self.target = self.mktemp()
        versionOf().compacted(self.image, b"sources")
        self.versions = [Version(Image.open(self.image))]
        journal = Journal(self.journal, APEX)
        for number in range(20):
            transaction = Transaction(self.versions[-1])
            transaction.add(record(f"n{number}.x 60 A 192.0.2.{number}"))
            if number % 3 == 0:
                transaction.removeName(record(f"n{number - 1}.x 60 A 192.0.2.1").name)
            committed = transaction.commit()
            assert committed is not None
            journal.append([committed[1]])
            self.versions.append(committed[0])
        journal.close()

    def test_imageHasGivenSerial(self) -> None:
        """
        The new image has the records at the given serial number and the origin of the former one. Later changes are not in it.
        """
        for serial in (10, 17, 30):
            compact(self.image, self.journal, serial, self.target)
            version = Version(Image.open(self.target))
            self.assertEqual((version.serial, version.overlay), (serial, {}))
            self.assertEqual(version.image.origin, self.versions[0].image.origin)
            self.assertEqual(textsOf(version), textsOf(self.versions[serial - 10]))

    def test_compactionOfCompactedImage(self) -> None:
        """
        An image can be compacted again.
        """
        compact(self.image, self.journal, 17, self.target)
        compact(self.target, self.journal, 30, self.target)
        self.assertEqual(textsOf(Version(Image.open(self.target))), textsOf(self.versions[20]))

    def test_journalGapWritesNothing(self) -> None:
        """
        Nothing is written if image and journal do not lead to the serial number, and the error says so.
        """
        fault = self.assertRaises(StorageFault, compact, self.image, self.journal, 99, self.target)
        self.assertIn("does not lead from serial 10 to 99", str(fault))
        self.assertFalse(Path(self.target).exists())
        self.assertEqual(main([self.image, self.journal, "99", self.target]), 1)
        self.assertEqual(main([]), 1)

    def test_compactionAsProgram(self) -> None:
        """
        The program compacts a zone, and reports an error in one line.
        """
        words = ["-m", "twisted_ext.zone.build.compaction", self.image, self.journal, "30", self.target]
        paths = [str(Path(word).absolute()) if "/" in word else word for word in words]
        done = subprocess.run([sys.executable, *paths], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(textsOf(Version(Image.open(self.target))), textsOf(self.versions[20]))
        paths[4] = "99"
        done = subprocess.run([sys.executable, *paths], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1))

    def test_smallZoneIsCompactedInThread(self) -> None:
        """
        A small zone is compacted in a thread.
        """
        disk = SlowDisk()
        built = Compactor(Clock(), disk)(self.versions[20], self.journal, self.target)
        self.assertNoResult(built)
        disk.settle()
        self.assertEqual(textsOf(Version(self.successResultOf(built))), textsOf(self.versions[20]))

    def test_journalMayExceedTheOverlay(self) -> None:
        """
        A version reaches the end of the journal even if that changes more nodes than an overlay may have.
        """
        journal = Journal(self.journal, APEX, readOnly=True)
        self.addCleanup(journal.close)
        differences = journal.since(10)
        assert differences is not None
        # In many steps, in a few, and in one that alone exceeds the overlay.
        for step in (1, 20, 1000):
            with (
                patch("twisted_ext.zone.store.overlay.OVERLAY_NODES", Limit(8, 8, 8)),
                patch("twisted_ext.zone.store.journaled._STEP", step),
            ):
                version = brought(self.versions[0], differences)
            self.assertEqual(textsOf(version), textsOf(self.versions[20]))

    def test_singleChangeMayExceedTheOverlay(self) -> None:
        """
        A single difference may change more nodes than an overlay may have.
        """
        transaction = Transaction(self.versions[20])
        for number in range(30):
            transaction.add(record(f"m{number}.y 60 A 192.0.2.1"))
        committed = transaction.commit()
        assert committed is not None
        version, difference = committed
        with patch("twisted_ext.zone.store.overlay.OVERLAY_NODES", Limit(8, 8, 8)):
            self.assertEqual(textsOf(brought(self.versions[20], [difference])), textsOf(version))
