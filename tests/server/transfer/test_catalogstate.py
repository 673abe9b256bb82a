"""
Tests of the file that records which catalog owns each zone.
"""

from __future__ import annotations

import os
import tempfile
from shutil import rmtree
from typing import cast
from unittest.mock import patch

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.transfer.catalogstate import OwnershipLog

A, B, ONE, TWO = b"\x01a\x00", b"\x01b\x00", b"\x03one\x00", b"\x03two\x00"


class RememberedTests(SynchronousTestCase):
    """
    Tests with a file.
    """

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="txdns-catalogs-")
        self.addCleanup(rmtree, self.folder)
        self.path = os.path.join(self.folder, "catalogs")
        self.events: list[LogEvent] = []
        observe = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def loggedLines(self) -> list[str]:
        """
        Return the log lines about the file.
        """
        return [formatEvent(event) for event in self.events if "path" in event]

    def written(self, *owners: tuple[bytes, tuple[bytes, bytes] | None]) -> OwnershipLog:
        """
        Record these owners, each in its own line.
        """
        remembered = OwnershipLog(self.path)
        for apex, owner in owners:
            remembered.note({apex: owner})
            remembered.write()
        return remembered

    def test_lastOwnerIsRead(self) -> None:
        """
        The last recorded owner of a zone counts, and a removed zone has none.
        """
        self.written((A, (ONE, b"l")), (B, (ONE, b"m")), (A, (TWO, b"l")), (B, None))
        again = OwnershipLog(self.path)
        self.assertEqual((again.get(A), again.get(B), list(again.of(TWO)), list(again.of(ONE))), ((TWO, b"l"), None, [A], []))
        self.assertEqual(self.loggedLines(), [])

    def test_notesAreWrittenInOrder(self) -> None:
        """
        Notes are written in their order, whichever of two threads writes them.
        """
        remembered = self.written((B, (ONE, b"m")))
        remembered.note({A: (ONE, b"l")})
        remembered.note({A: None})
        # The thread of the first note comes second and finds nothing to write.
        remembered.write()
        remembered.write()
        self.assertIsNone(OwnershipLog(self.path).get(A))

    def test_unwrittenNoteIsLost(self) -> None:
        """
        The owner is unchanged if the process is killed before it writes.
        """
        remembered = self.written((A, (ONE, b"l")))
        remembered.note({A: (TWO, b"l")})
        self.assertEqual(OwnershipLog(self.path).get(A), (ONE, b"l"))

    def test_truncatedFileInventsNoOwner(self) -> None:
        """
        A file that a crash truncates at any point gives a zone its old owner, its new owner or none.
        """
        self.written((A, (ONE, b"label")), (A, (TWO, b"label")))
        with open(self.path, "rb") as file:
            whole = file.read()
        for end in range(len(whole)):
            with open(self.path, "wb") as file:
                file.write(whole[:end])
            self.assertIn(OwnershipLog(self.path).get(A), (None, (ONE, b"label"), (TWO, b"label")))

    def test_damagedLineIsLoggedOnce(self) -> None:
        """
        A damaged line is logged once with the file and the line number. The other lines count, and the file is repaired.
        """
        self.written((A, (ONE, b"l")), (B, (TWO, b"m")))
        with open(self.path, "rb") as file:
            whole = file.read()
        for position, octets in ((12, b"0"), (0, b"\0" * 64), (20, b"\xff")):
            with open(self.path, "wb") as file:
                damaged = bytearray(whole)
                damaged[position : position + len(octets)] = octets if damaged[position : position + 1] != octets else b"1"
                file.write(damaged)
            self.events.clear()
            again = OwnershipLog(self.path)
            said = self.loggedLines()
            self.assertEqual(len(said), 1)
            self.assertIn(self.path, said[0])
            self.assertIn("line 1", said[0])
            self.assertNotEqual(again.get(A), (TWO, b"l"))
            with open(f"{self.path}.damaged", "rb") as file:
                self.assertEqual(file.read(), bytes(damaged))
            self.events.clear()
            self.assertEqual((OwnershipLog(self.path).get(B), self.loggedLines()), (again.get(B), []))

    def test_fileWithoutChecksumsIsUpgraded(self) -> None:
        """
        A file without checksums is read, and rewritten with them.
        """
        with open(self.path, "w", encoding="ascii") as file:
            file.write(f"\n{A.hex()} {ONE.hex()} {b'l'.hex()}\n\n{B.hex()} {ONE.hex()} {b'm'.hex()}\n\n{B.hex()}\n")
        old = OwnershipLog(self.path)
        self.assertEqual((old.get(A), old.get(B)), ((ONE, b"l"), None))
        with open(self.path, encoding="ascii") as file:
            self.assertEqual([line[0] for line in file], ["#"])

    def test_fileSizeIsBounded(self) -> None:
        """
        The size of the file is limited, however often owners change.
        """
        remembered = OwnershipLog(self.path)
        for number in range(3000):
            remembered.note({A: (ONE, b"%d" % number)})
            remembered.write()
        self.assertLess(os.path.getsize(self.path), 2000 * 50)
        self.assertEqual(OwnershipLog(self.path).get(A), (ONE, b"2999"))

    def test_fullDiskDelaysNote(self) -> None:
        """
        A note that a full disk did not take is written with the next one.
        """
        remembered = self.written((A, (ONE, b"l")))
        with patch("twisted_ext.server.transfer.catalogstate.os.fsync", side_effect=OSError(28, "No space left on device")):
            remembered.note({A: (TWO, b"l")})
            remembered.write()
        self.assertIn("No space left", self.loggedLines()[0])
        remembered.note({B: (TWO, b"m")})
        remembered.write()
        again = OwnershipLog(self.path)
        self.assertEqual((again.get(A), again.get(B)), ((TWO, b"l"), (TWO, b"m")))
