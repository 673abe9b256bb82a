"""
Tests of zones whose journals are damaged: no serial number goes back, and what is sound is kept.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from zlib import crc32

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.server.update.changed import UpdatedServer
from tests.zone.changing import APEX, record, textsOf
from twisted_ext.server.update.compaction import Compacting
from twisted_ext.zone.store.journal import ORIGIN_OCTETS

#: Where the first difference begins.
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
        Have a server end.
        """
        self.successResultOf(server.updating.close())

    def again(self) -> tuple[int, set[str], list[str]]:
        """
        @return: the serial number that the zone has after a restart, the names that updates made and that it still has, and what was
            logged.
        """
        with capturedLogs() as events:
            server = UpdatedServer(path=self.path)
        version = server.zone.current
        self.end(server)
        return version.serial, self.names(textsOf(version)), [formatEvent(event) for event in events]

    def names(self, texts: object) -> set[str]:
        """
        @return: the names that updates made.
        """
        said = repr(texts)
        return {f"n{number}" for number in range(5) if f"\\x02n{number}" in said}

    def put(self, octets: bytes) -> None:
        """
        Have the journal be this.
        """
        Path(self.path).write_bytes(octets)
        Path(f"{self.path}.serial").write_text(self.kept)

    @property
    def kept(self) -> str:
        """
        What stands beside the journal after five changes.
        """
        return f"15 {crc32(b'15'):08x}\n"

    def test_sound(self) -> None:
        """
        A journal that is as it was written needs nothing.
        """
        self.assertEqual(Path(f"{self.path}.serial").read_text(), self.kept)
        self.assertEqual(self.again(), (15, {f"n{number}" for number in range(5)}, []))

    def test_emptied(self) -> None:
        """
        Where the journal was emptied, the zone goes on with a newer serial number than it had, which is logged, and can be changed.
        """
        self.put(b"")
        serial, names, said = self.again()
        self.assertEqual((serial, names), (16, set()))
        self.assertEqual(len(said), 2)
        self.assertIn("there is nothing in it any more", said[0])
        self.assertIn("led to serial 15", said[1])
        self.assertEqual(self.again(), (16, set(), []))
        server = UpdatedServer(path=self.path)
        server.update(record("n1 60 A 192.0.2.1"))
        self.assertEqual(server.zone.current.serial, 17)
        self.end(server)
        self.assertEqual(self.again(), (17, {"n1"}, []))

    def test_imaged(self) -> None:
        """
        What an image of the zone has is not lost with the journal.
        """
        server = UpdatedServer(path=self.path)
        compact = Compacting(server.clock, server.disk)
        built = compact(server.zone.current, self.path, self.path + ".image")
        server.disk.settle()
        self.assertEqual(self.successResultOf(built).serial, 15)
        server.update(record("more 60 A 192.0.2.1"))
        self.end(server)
        Path(self.path).write_bytes(b"")
        serial, names, _ = self.again()
        self.assertEqual((serial, names), (17, {f"n{number}" for number in range(5)}))

    def test_zeros(self) -> None:
        """
        Where the beginning is gone, the whole file is set aside, and the changes that are whole in it are made.
        """
        octets = bytes(64) + self.whole[64:]
        self.put(octets)
        serial, names, said = self.again()
        self.assertEqual(serial, 16)
        self.assertEqual(Path(f"{self.path}.damaged").read_bytes(), octets)
        self.assertLessEqual({"n1", "n2", "n3", "n4"}, names)
        self.assertIn("the beginning is damaged", said[0])
        self.assertEqual(self.again(), (16, names, []))

    def test_flipped(self) -> None:
        """
        Whichever bit is flipped, no serial number goes back, one change is lost at most, and the log has a line of it.
        """
        draw = random.Random(7)
        for _ in range(60):
            octets = bytearray(self.whole)
            octets[draw.randrange(_HEADER, len(octets))] ^= 1 << draw.randrange(8)
            self.put(bytes(octets))
            serial, names, said = self.again()
            self.assertEqual((serial, len(names)), (16, 4))
            self.assertIn("The zone goes on with serial 16", said[-1])
            self.assertEqual(self.again(), (16, names, []))

    def test_torn(self) -> None:
        """
        What a crash leaves of a change that was not acknowledged is no reason for anything but a line in the log.
        """
        self.put(self.whole + self.whole[_HEADER : _HEADER + 30])
        serial, names, said = self.again()
        self.assertEqual((serial, len(names), len(said)), (15, 5, 1))

    def test_removed(self) -> None:
        """
        Who removes the journal means it: the zone is as its master file says, which is logged.
        """
        os.unlink(self.path)
        serial, names, said = self.again()
        self.assertEqual((serial, names, len(said)), (10, set(), 1))
        self.assertIn("it led to serial 15", said[0])
        self.assertEqual(self.again(), (10, set(), []))
