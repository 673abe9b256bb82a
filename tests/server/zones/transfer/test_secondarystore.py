"""
Tests of the files of secondary zones.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, textsOf, versionOf
from tests.zone.journals import steps
from twisted_ext.errors import BudgetSpent, StorageFault
from twisted_ext.server.zones.transfer.secondaries import Secondaries
from twisted_ext.server.zones.transfer.secondarystore import SecondaryStore, Spool, SpoolRoom
from twisted_ext.zone.store.changeset import applied


class SpoolTests(SynchronousTestCase):
    """
    Tests for L{Spool} and L{SpoolRoom}.
    """

    def test_spoolRoomIsShared(self) -> None:
        """
        The octets of all running transfers are limited, and those of one primary to three quarters of the limit; a dropped transfer makes
        room again.
        """
        room = SpoolRoom(1 << 20)
        spools = [Spool(self.mktemp(), room, label) for label in ("one", "one", "two", "three")]
        piece = bytes(1 << 15)
        for number in range(24):
            spools[number % 2].keep(piece)
        fault = self.assertRaises(BudgetSpent, spools[0].keep, piece)
        self.assertIn("786432 of them from one; transfers-max-size allows 1048576", str(fault))
        for _ in range(8):
            spools[2].keep(piece)
        self.assertRaises(BudgetSpent, spools[3].keep, b"x")
        spools[1].close()
        spools[1].drop()
        spools[1].drop()
        self.assertEqual((room.octets, os.path.exists(spools[1].path)), (20 << 15, False))
        spools[3].keep(piece)
        for spool in spools:
            spool.drop()
        self.assertEqual(room.octets, 0)

    def test_unfinishedFilesAreRemoved(self) -> None:
        """
        The files of unfinished transfers of a killed process are removed at the next start, whether their zone still exists or not; other
        files are kept.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        for name in ("a.test.transfer", "b.test.image.next", "b.test.image", "b.test.changes", "catalogs"):
            (folder / name).write_bytes(bytes(10))
        Secondaries(Clock(), str(folder), lambda apex, version: None)
        self.assertEqual(sorted(os.listdir(folder)), ["b.test.changes", "b.test.image", "catalogs"])


class HoldingTests(SynchronousTestCase):
    """
    Tests for L{SecondaryStore}.
    """

    def test_unreadableJournalIsKept(self) -> None:
        """
        A journal that cannot be opened or read, or that another server has locked, is an error and is not discarded; a file that is not a
        journal is ignored.
        """
        folder = self.mktemp()
        os.mkdir(folder)
        holding = SecondaryStore(folder, APEX)
        versionOf().compacted(holding.imagePath)
        holding.confirm(1000, 2000)
        made = steps(versionOf(), 3)
        holding.change([difference for _, difference in made], 10)
        holding.close()
        opening = os.open

        def spent(path: str, flags: int, mode: int = 0o777) -> int:
            if path.endswith(".changes"):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return opening(path, flags, mode)

        def unread(file: int, size: int, at: int) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with patch.object(os, "open", spent):
            self.assertRaises(StorageFault, SecondaryStore(folder, APEX).restore)
        with patch.object(os, "pread", unread):
            self.assertRaises(StorageFault, SecondaryStore(folder, APEX).restore)
        other = SecondaryStore(folder, APEX)
        self.assertIsNotNone(other.journal)
        self.assertRaises(StorageFault, SecondaryStore(folder, APEX).restore)
        other.close()
        held = SecondaryStore(folder, APEX).restore()
        assert held is not None
        self.assertEqual(held[0].serial, 13)
        with open(holding._journalPath, "wb") as file:
            file.write(b"something else" * 100)
        held = SecondaryStore(folder, APEX).restore()
        assert held is not None
        self.assertEqual(held[0].serial, 10)

    def test_fullDiskKeepsUntrimmedJournal(self) -> None:
        """
        If the disk takes changes but not a trimmed copy of the journal, the changes are kept: now, for later changes, and after a restart.
        """
        folder = self.mktemp()
        os.mkdir(folder)
        holding = SecondaryStore(folder, APEX)
        versionOf().compacted(holding.imagePath)
        holding.confirm(1000, 2000)
        made = steps(versionOf(), 700)
        holding.change([difference for _, difference in made[:699]], 10)
        assert holding.journal is not None
        holding.journal._most = 1024

        def full(before: str, after: str) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with patch.object(os, "rename", full):
            holding.change([made[699][1]], 709)
        self.assertEqual((holding.journal.oldest, holding.journal.newest), (10, 710))
        version, difference = steps(made[-1][0], 1)[0]
        holding.change([difference], 10)
        holding.close()
        held = SecondaryStore(folder, APEX).restore()
        assert held is not None
        self.assertEqual((held[0].serial, held[2]), (711, 2000))
        self.assertEqual(textsOf(held[0]), textsOf(version))
        self.assertEqual(textsOf(applied(made[-1][0], [difference])), textsOf(version))
