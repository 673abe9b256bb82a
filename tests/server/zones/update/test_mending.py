"""
Tests of zones with damaged journals: no serial number goes back, and undamaged changes are kept.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from zlib import crc32

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.update.changed import UpdatedServer
from tests.zone.changing import APEX, record, textsOf
from twisted_ext.server.zones.update.compactor import Compactor
from twisted_ext.zone.store.journal import ORIGIN_OCTETS

#: The offset of the first change in the journal.
_HEADER = 9 + len(APEX) + ORIGIN_OCTETS


class MendingTests(SynchronousTestCase):
    """
    Tests with a zone that was changed five times.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.patch(os, "fdatasync", lambda file: None)
        self.patch(os, "fsync", lambda file: None)
        server = UpdatedServer(path=self.path)
        for number in range(5):
            server.update(record(f"n{number} 60 A 192.0.2.{number}"))
        self.assertEqual(server.zone.current.serial, 15)
        self.end(server)
        self.whole = Path(self.path).read_bytes()

    def end(self, server: UpdatedServer) -> None:
        """
        Stop a server.
        """
        self.successResultOf(server.updating.close())

    def restart(self) -> tuple[int, set[str], list[str]]:
        """
        Return the serial number of the zone after a restart, the names from updates that it still has, and the log lines.
        """
        with capturedLogs() as events:
            server = UpdatedServer(path=self.path)
        version = server.zone.current
        self.end(server)
        return version.serial, self.names(textsOf(version)), [formatEvent(event) for event in events]

    def names(self, texts: object) -> set[str]:
        """
        Return the names from updates.
        """
        said = repr(texts)
        return {f"n{number}" for number in range(5) if f"\\x02n{number}" in said}

    def writeJournal(self, octets: bytes) -> None:
        """
        Write the journal, and the serial number beside it.
        """
        Path(self.path).write_bytes(octets)
        Path(f"{self.path}.serial").write_text(self.serialText)

    @property
    def serialText(self) -> str:
        """
        The content of the file with the serial number after five changes.
        """
        return f"15 {crc32(b'15'):08x}\n"

    def test_undamagedJournalIsReplayed(self) -> None:
        """
        An undamaged journal is replayed without a log line.
        """
        self.assertEqual(Path(f"{self.path}.serial").read_text(), self.serialText)
        self.assertEqual(self.restart(), (15, {f"n{number}" for number in range(5)}, []))

    def test_emptiedJournalRaisesSerial(self) -> None:
        """
        If the journal was emptied, the zone continues with a newer serial number, which is logged, and accepts updates.
        """
        self.writeJournal(b"")
        serial, names, said = self.restart()
        self.assertEqual((serial, names), (16, set()))
        self.assertEqual(len(said), 2)
        self.assertIn("there is nothing in it any more", said[0])
        self.assertIn("led to serial 15", said[1])
        self.assertEqual(self.restart(), (16, set(), []))
        server = UpdatedServer(path=self.path)
        server.update(record("n1 60 A 192.0.2.1"))
        self.assertEqual(server.zone.current.serial, 17)
        self.end(server)
        self.assertEqual(self.restart(), (17, {"n1"}, []))

    def test_imageSurvivesLostJournal(self) -> None:
        """
        The changes in an image of the zone are not lost with the journal.
        """
        server = UpdatedServer(path=self.path)
        compact = Compactor(server.clock, server.disk)
        built = compact(server.zone.current, self.path, self.path + ".image")
        server.disk.settle()
        self.assertEqual(self.successResultOf(built).serial, 15)
        server.update(record("more 60 A 192.0.2.1"))
        self.end(server)
        Path(self.path).write_bytes(b"")
        serial, names, _ = self.restart()
        self.assertEqual((serial, names), (17, {f"n{number}" for number in range(5)}))

    def test_damagedHeaderKeepsLaterChanges(self) -> None:
        """
        If the start of the journal is damaged, the file is set aside, and the intact changes in it are replayed.
        """
        octets = bytes(64) + self.whole[64:]
        self.writeJournal(octets)
        serial, names, said = self.restart()
        self.assertEqual(serial, 16)
        self.assertEqual(Path(f"{self.path}.damaged").read_bytes(), octets)
        self.assertLessEqual({"n1", "n2", "n3", "n4"}, names)
        self.assertIn("the beginning is damaged", said[0])
        self.assertEqual(self.restart(), (16, names, []))

    def test_flippedBitLosesOneChange(self) -> None:
        """
        A flipped bit never takes the serial number back, loses at most one change, and is logged.
        """
        draw = random.Random(7)
        for _ in range(60):
            octets = bytearray(self.whole)
            octets[draw.randrange(_HEADER, len(octets))] ^= 1 << draw.randrange(8)
            self.writeJournal(bytes(octets))
            serial, names, said = self.restart()
            self.assertEqual((serial, len(names)), (16, 4))
            self.assertIn("The zone continues with serial 16", said[-1])
            self.assertEqual(self.restart(), (16, names, []))

    def test_tornChangeIsDropped(self) -> None:
        """
        An incomplete change at the end, as a crash leaves it, is dropped with a log line.
        """
        self.writeJournal(self.whole + self.whole[_HEADER : _HEADER + 30])
        serial, names, said = self.restart()
        self.assertEqual((serial, len(names), len(said)), (15, 5, 1))

    def test_removedJournalRestoresFile(self) -> None:
        """
        If the operator removes the journal, the zone is as in its master file, which is logged.
        """
        os.unlink(self.path)
        serial, names, said = self.restart()
        self.assertEqual((serial, names, len(said)), (10, set(), 1))
        self.assertIn("it led to serial 15", said[0])
        self.assertEqual(self.restart(), (10, set(), []))
