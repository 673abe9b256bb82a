"""
Tests of building the next images of zones.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.update.changed import SlowDisk
from tests.zone.changing import APEX, textsOf, versionOf
from tests.zone.journals import steps
from twisted_ext.server.update.compaction import Compactor
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.version import Version


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
