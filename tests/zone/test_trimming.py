"""
Tests of trimming journals.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from tests.zone.changing import APEX, textsOf, versionOf
from tests.zone.journals import JournalTestCase, steps
from twisted_ext.errors import StorageFault
from twisted_ext.zone.store import journal as module
from twisted_ext.zone.store.journal import ORIGIN_OCTETS, Journal


class TrimmingTests(JournalTestCase):
    """
    Tests for L{Journal.trim} and L{Journal.clear}.
    """

    def test_oldestChangesAreTrimmed(self) -> None:
        """
        The oldest changes that are in the image are trimmed when the journal is too large. Changes that are in no image stay.
        """
        journal = self.journal(most=65536)
        made = steps(versionOf(), 1500)
        versions = [versionOf(), *[version for version, _ in made]]
        for start in range(0, 1500, 100):
            journal.append([difference for _, difference in made[start : start + 100]])
        self.assertGreater(journal.octets, 65536)
        self.assertFalse(journal.trim(10))
        self.assertEqual(journal.oldest, 10)
        self.assertTrue(journal.trim(1510))
        self.assertLess(journal.octets, 65536)
        self.assertEqual(journal.newest, 1510)
        oldest = journal.oldest
        assert oldest is not None
        self.assertGreater(oldest, 1000)
        self.assertEqual(textsOf(journal.replayed(versions[oldest - 10])), textsOf(versions[-1]))
        self.assertFalse(journal.trim(1510))
        version, difference = steps(versions[-1], 1)[0]
        journal.append([difference])
        journal.close()
        self.assertEqual(self.journal().newest, 1511)

    def test_failedTrimKeepsTheJournal(self) -> None:
        """
        The journal stays as it is if trimming fails.
        """
        self.filled(3)
        journal = self.journal()

        def fails(*arguments: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with patch.object(os, "rename", fails):
            self.assertRaises(StorageFault, journal.clear)
        self.assertEqual((len(journal), journal.newest), (3, 13))

    def test_unconfirmedRenameKeepsWritingToNewFile(self) -> None:
        """
        A failed sync after the rename is reported, and later changes go to the new file.
        """
        versions = self.filled(3)
        journal = self.journal()

        def fails(path: str) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with patch.object(module, "syncFolder", fails):
            self.assertRaises(StorageFault, journal.clear, b"m" * ORIGIN_OCTETS)
        journal.append([steps(versions[-1], 1)[0][1]])
        journal.close()
        journal = self.journal()
        self.assertEqual((journal.oldest, journal.newest, journal.origin), (13, 14, b"m" * ORIGIN_OCTETS))

    def test_trimmedFileIsSyncedBeforeRename(self) -> None:
        """
        The trimmed file is on disk before it replaces the journal, and stays locked against other processes.
        """
        self.filled(3)
        journal = self.journal()
        calls = []
        fsync, rename = os.fsync, os.rename

        def synced(file: int) -> None:
            calls.append("sync")
            fsync(file)

        def renamed(before: str, after: str) -> None:
            calls.append("rename")
            rename(before, after)

        with patch.object(os, "fsync", synced), patch.object(os, "rename", renamed):
            journal.clear()
        self.assertEqual(calls, ["sync", "rename", "sync"])
        self.assertRaises(StorageFault, Journal, self.path, APEX)

    def test_failedTrimLeavesNoFile(self) -> None:
        """
        An incomplete trimmed file is removed.
        """
        self.filled(3)
        journal = self.journal()

        def fails(file: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with patch.object(os, "fsync", fails):
            self.assertRaises(StorageFault, journal.clear)
        self.assertFalse(Path(self.path + ".new").exists())

    def test_killedTrimLeavesAWholeJournal(self) -> None:
        """
        The former or the trimmed journal is there, whichever system call is the last one before a crash.
        """

        class Killed(BaseException):
            pass

        made = steps(versionOf(), 700)
        last = made[-1][0]
        self.hurry()
        for moment in range(30):
            path = self.mktemp()
            journal = Journal(path, APEX, most=65536)
            journal.append([difference for _, difference in made])
            left = [moment]

            def until(call: Callable[..., object], left: list[int] = left) -> Callable[..., object]:
                """
                Wrap a system call so that it fails after some calls.
                """

                def called(*arguments: object, **more: object) -> object:
                    if not left[0]:
                        raise Killed
                    left[0] -= 1
                    return call(*arguments, **more)

                return called

            with ExitStack() as patches:
                for name in ("open", "pwrite", "fsync", "rename"):
                    patches.enter_context(patch.object(os, name, until(getattr(os, name))))
                try:
                    journal.trim(710)
                except Killed:
                    pass
            journal.close()
            journal = Journal(path, APEX, most=65536)
            self.assertEqual((journal.newest, journal.said), (710, ""), moment)
            oldest = journal.oldest
            assert oldest is not None
            start = versionOf() if oldest == 10 else made[oldest - 11][0]
            self.assertEqual(textsOf(journal.replayed(start)), textsOf(last))
            journal.close()

    def test_clearedJournalStartsAnew(self) -> None:
        """
        A cleared journal starts again.
        """
        self.filled(3)
        journal = self.journal()
        journal.clear()
        self.assertEqual(len(journal), 0)
        journal.append([steps(versionOf(), 1)[0][1]])
        journal.close()
        self.assertEqual(self.journal().newest, 11)
