"""
Tests of what secondaries keep on disk.
"""

from __future__ import annotations

import errno
import os
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, textsOf, versionOf
from tests.zone.journals import steps
from twisted_ext.errors import StorageFault
from twisted_ext.server.transfers.holding import Holding
from twisted_ext.zone.differences import applied


class HoldingTests(SynchronousTestCase):
    """
    Tests for L{Holding}.
    """

    def test_noDescriptors(self) -> None:
        """
        What has changed is not thrown away because it cannot be opened or read just now, nor because another server has it; what is no
        journal at all is in nobody's way.
        """
        folder = self.mktemp()
        os.mkdir(folder)
        holding = Holding(folder, APEX)
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
            self.assertRaises(StorageFault, Holding(folder, APEX).restore)
        with patch.object(os, "pread", unread):
            self.assertRaises(StorageFault, Holding(folder, APEX).restore)
        other = Holding(folder, APEX)
        self.assertIsNotNone(other.journal)
        self.assertRaises(StorageFault, Holding(folder, APEX).restore)
        other.close()
        held = Holding(folder, APEX).restore()
        assert held is not None
        self.assertEqual(held.version.serial, 13)
        with open(holding._journalPath, "wb") as file:
            file.write(b"something else" * 100)
        held = Holding(folder, APEX).restore()
        assert held is not None
        self.assertEqual(held.version.serial, 10)

    def test_noRoomToTrim(self) -> None:
        """
        Where the disk takes changes but not a smaller copy of what has changed, the changes are there: now, for those that follow, and
        after a restart.
        """
        folder = self.mktemp()
        os.mkdir(folder)
        holding = Holding(folder, APEX)
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
        held = Holding(folder, APEX).restore()
        assert held is not None
        self.assertEqual((held.version.serial, held.expiresAt), (711, 2000))
        self.assertEqual(textsOf(held.version), textsOf(version))
        self.assertEqual(textsOf(applied(made[-1][0], [difference])), textsOf(version))
