"""
Tests of L{twisted_ext.zone.store.journal}: acknowledged changes are there, and nothing else is.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from fcntl import flock
from pathlib import Path
from unittest.mock import patch

from tests.zone.changing import APEX, ZONE, record, textsOf, versionOf
from tests.zone.journals import JournalTestCase, steps
from twisted_ext.errors import StorageFault
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.store import journal as module
from twisted_ext.zone.store.changeset import condensed
from twisted_ext.zone.store.journal import ORIGIN_OCTETS, Journal, encoded
from twisted_ext.zone.update.transactions import Transaction

ROOT = Path(__file__).parents[3]


class JournalTests(JournalTestCase):
    """
    Tests for L{Journal}.
    """

    # -- content

    def test_reopenedJournalHasAllChanges(self) -> None:
        """
        A reopened journal has all appended changes and leads to the same zone.
        """
        versions = self.filled(5)
        journal = self.journal()
        self.assertEqual((len(journal), journal.oldest, journal.newest, journal.said), (5, 10, 15, ""))
        self.assertEqual(textsOf(journal.replayed(versions[0])), textsOf(versions[5]))
        self.assertEqual(textsOf(journal.replayed(versions[3])), textsOf(versions[5]))
        self.assertIs(journal.replayed(versions[5]), versions[5])

    def test_sinceReturnsLaterChanges(self) -> None:
        """
        The differences since a serial number are returned: none since the newest, and C{None} for an unknown number.
        """
        versions = self.filled(5)
        journal = self.journal()
        since = journal.since(13)
        assert since is not None
        self.assertEqual([(each.oldSerial, each.newSerial) for each in since], [(13, 14), (14, 15)])
        self.assertEqual(journal.since(15), [])
        self.assertIsNone(journal.since(9))
        self.assertIsNone(journal.since(16))
        whole = condensed(journal.since(10) or [])
        self.assertEqual((whole.oldSerial, whole.newSerial, len(whole.added)), (10, 15, 5))
        self.assertEqual((journal.octetsSince(15), journal.octetsSince(9)), (0, None))
        self.assertGreater(journal.octetsSince(10) or 0, journal.octetsSince(12) or 0)
        self.assertEqual(versions[5].serial, 15)

    def test_changesCanBeReadOneByOne(self) -> None:
        """
        Differences can be read one by one up to any serial number, even while the journal is trimmed.
        """
        self.filled(5)
        journal = self.journal()
        self.assertIsNone(journal.oneByOne(9, 15, 65535))
        self.assertIsNone(journal.oneByOne(10, 16, 65535))
        self.assertIsNone(journal.oneByOne(15, 15, 65535))
        some = journal.oneByOne(11, 14, 65535)
        assert some is not None
        self.assertEqual(next(some).newSerial, 12)
        with patch("twisted_ext.zone.store.journal.CHANGES_OCTETS.default", 10):
            self.assertIsNone(journal.oneByOne(11, 14, 65535))
        journal.clear()
        self.assertIsNone(journal.oneByOne(11, 14, 65535))
        self.assertEqual([each.newSerial for each in some], [13, 14])

    def test_oversizedRecordsAreNotReadOneByOne(self) -> None:
        """
        Differences with a record larger than a message are not read one by one, wherever the record is and whether it was written
        or found.
        """
        long = [record(f"long{size} 300 TYPE65400 \\# {size} {'00' * size}") for size in (65_000, 65_500)]
        many = [record(f"h{number} 300 A 192.0.2.1") for number in range(3000)]
        journal = self.journal()
        version = versionOf()
        for records in (long[:1], many[:2000], [*many[2000:2500], long[1], *many[2500:]], [record("last 300 A 192.0.2.1")]):
            change = Transaction(version)
            for each in records:
                change.add(each)
            done = change.commit()
            assert done is not None
            version = done[0]
            journal.append([done[1]])
        for found in range(2):
            if found:
                journal.close()
                journal = self.journal()
            for room, serial, fits in ((65_600, 10, True), (65_400, 11, False), (65_400, 13, True), (64_900, 10, False)):
                self.assertIs(journal.oneByOne(serial, version.serial, room) is not None, fits, (room, serial))

    def test_emptyJournalChangesNothing(self) -> None:
        """
        A journal without differences changes nothing.
        """
        journal = self.journal()
        version = versionOf()
        self.assertIs(journal.replayed(version), version)
        self.assertEqual((journal.oldest, journal.newest, journal.since(10)), (None, None, None))

    def test_otherFileIsRefusedAndKept(self) -> None:
        """
        The journal of another zone or a file that is no journal is refused and not modified.
        """
        self.filled(1)
        fault = self.assertRaises(StorageFault, Journal, self.path, nameFromText("example.com"))
        self.assertIn("not a journal of example.com.", str(fault))
        Path(self.path).write_bytes(b"something else")
        self.assertRaises(StorageFault, Journal, self.path, APEX)
        self.assertEqual(Path(self.path).read_bytes(), b"something else")
        self.assertRaises(StorageFault, Journal, self.path + "/none", APEX)

    def test_secondWriterIsRefused(self) -> None:
        """
        Only one process can write a journal, but others may read it.
        """
        journal = self.journal()
        self.assertIn("another server", str(self.assertRaises(StorageFault, Journal, self.path, APEX)))
        version, difference = steps(versionOf(), 1)[0]
        journal.append([difference])
        self.assertEqual(self.journal(readOnly=True).replayed(versionOf()).serial, version.serial)

    def test_closedJournalIsUnlocked(self) -> None:
        """
        A closed journal can be opened again, even while a process that is being started has copies of all descriptors.
        """
        journal = self.journal()
        (descriptor,) = [int(each) for each in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{each}") == self.path]
        self.addCleanup(os.close, os.dup(descriptor))
        journal.close()
        self.assertEqual(len(self.journal()), 0)

    def test_forkedProcessKeepsTheLock(self) -> None:
        """
        A forked process that ends does not release the lock of its parent, which still writes the journal.
        """
        program = (
            "import os, sys\n"
            "from tests.zone.changing import APEX\n"
            "from twisted_ext.errors import StorageFault\n"
            "from twisted_ext.zone.store.journal import Journal\n"
            "journal = Journal(sys.argv[1], APEX)\n"
            "if not os.fork():\n"
            "    del journal\n"
            "    os._exit(0)\n"
            "os.wait()\n"
            "try:\n"
            "    Journal(sys.argv[1], APEX)\n"
            "except StorageFault as fault:\n"
            "    print(fault)\n"
        )
        said = subprocess.run([sys.executable, "-c", program, self.path], stdout=subprocess.PIPE, cwd=ROOT, text=True, timeout=60)
        self.assertIn("another server has it open", said.stdout)

    def test_replacedFileIsNotWritten(self) -> None:
        """
        A file that another server replaces between open and lock is not written to.
        """
        self.filled(1)

        def late(file: int, how: int) -> None:
            Path(self.path + ".new").write_bytes(Path(self.path).read_bytes())
            Path(self.path + ".new").rename(self.path)
            flock(file, how)

        with patch("twisted_ext.zone.store.journal.flock", late):
            self.assertIn("another server", str(self.assertRaises(StorageFault, Journal, self.path, APEX)))
        self.assertEqual(len(self.journal()), 1)

    def test_headerOfZerosIsEmptyJournal(self) -> None:
        """
        A file of zeros as long as the header, which some disks leave after a crash, is an empty journal. A longer one is refused.
        """
        self.filled(0)
        size = Path(self.path).stat().st_size
        Path(self.path).write_bytes(bytes(size))
        self.assertEqual(len(self.journal()), 0)
        self.assertEqual(Path(self.path).stat().st_size, size)
        other = self.mktemp()
        Path(other).write_bytes(bytes(size + 1))
        self.assertRaises(StorageFault, Journal, other, APEX)

    def test_unknownSerialIsRefused(self) -> None:
        """
        A zone with a serial number that the journal does not know is refused with an explanation and advice.
        """
        self.filled(3)
        other = versionOf(ZONE.replace(" 10 3600", " 99 3600"))
        complaint = str(self.assertRaises(StorageFault, self.journal().replayed, other))
        self.assertIn("leads from serial 10 to 13, and the zone has 99", complaint)
        self.assertIn("remove the journal", complaint)

    def test_gapIsNotAppended(self) -> None:
        """
        A difference that does not follow the last one is refused.
        """
        self.filled(2)
        journal = self.journal()
        self.assertRaises(StorageFault, journal.append, [steps(versionOf(), 1)[0][1]])
        self.assertEqual(journal.newest, 12)

    # -- damage

    def test_tornTailIsCutOff(self) -> None:
        """
        All complete differences survive a crash at any octet. An incomplete one is cut off and reported, and the journal continues
        from there.
        """
        versions = self.filled(3)
        whole = Path(self.path).read_bytes()
        sizes = [len(encoded(difference)) for _, difference in steps(versionOf(), 3)]
        header = len(whole) - sum(sizes)
        ends = [header + sum(sizes[:count]) for count in range(4)]
        self.hurry()
        for size in range(len(whole)):
            Path(self.path).write_bytes(whole[:size])
            journal = Journal(self.path, APEX)
            count = sum([end <= size for end in ends[1:]])
            self.assertEqual(len(journal), count, size)
            self.assertEqual(bool(journal.said), size > header and size not in ends, size)
            replayed = journal.replayed(versions[0])
            self.assertEqual(replayed.serial, 10 + count)
            for _, difference in steps(versionOf(), 3)[count:]:
                journal.append([difference])
            journal.close()
            self.assertEqual(Path(self.path).read_bytes(), whole)

    def test_damageIsNeverServed(self) -> None:
        """
        Damaged octets are never served: the zone is as it was at some serial number. The file is kept aside if more was lost than
        by a crash.
        """
        versions = self.filled(4)
        texts = {version.serial: textsOf(version) for version in versions}
        whole = Path(self.path).read_bytes()
        draw = random.Random(4)
        header = 9 + len(APEX) + ORIGIN_OCTETS
        kept = 0
        self.hurry()
        for _ in range(300):
            octets = bytearray(whole)
            octets[draw.randrange(header, len(whole))] ^= 1 << draw.randrange(8)
            Path(self.path).write_bytes(octets)
            journal = Journal(self.path, APEX)
            replayed = journal.replayed(versions[0])
            self.assertEqual(textsOf(replayed), texts[replayed.serial])
            self.assertNotEqual(journal.said, "")
            if "acknowledged" in journal.said:
                kept += 1
                self.assertEqual(Path(self.path + ".damaged").read_bytes(), bytes(octets))
            journal.close()
        self.assertGreater(kept, 50)

    def test_withoutChecksumDamageIsServed(self) -> None:
        """
        Damage would be served without the checksum.
        """
        versions = self.filled(1)
        octets = bytearray(Path(self.path).read_bytes())
        octets[-1] ^= 1
        Path(self.path).write_bytes(octets)
        with patch.object(module, "crc32", lambda octets, start=0: int.from_bytes(self._checksum(), "big")):
            replayed = self.journal().replayed(versions[0])
        self.assertNotEqual(textsOf(replayed), textsOf(versions[1]))
        self.assertEqual(replayed.serial, 11)

    def _checksum(self) -> bytes:
        """
        Return the stored checksum of the first difference.
        """
        octets = Path(self.path).read_bytes()
        header = 9 + len(APEX) + ORIGIN_OCTETS
        return octets[header + 4 : header + 8]

    def test_gapInFileEndsTheJournal(self) -> None:
        """
        A complete difference that does not follow the preceding one is not used.
        """
        versions = self.filled(1)
        made = steps(versions[0], 3)
        with open(self.path, "ab") as file:
            file.write(encoded(made[2][1]))
        journal = self.journal()
        self.assertEqual((len(journal), journal.newest), (1, 11))
        self.assertIn("does not follow", journal.said)

    def test_laterDamageIsDetected(self) -> None:
        """
        Damage after the journal was opened is detected when the difference is read.
        """
        self.filled(2)
        journal = self.journal()
        octets = bytearray(Path(self.path).read_bytes())
        octets[-1] ^= 1
        Path(self.path).write_bytes(octets)
        self.assertIn("it is damaged", str(self.assertRaises(StorageFault, journal.since, 10)))

    # -- disks

    def test_fullDiskLeavesNothingBehind(self) -> None:
        """
        Nothing of a change is left if the disk is full, and the journal continues when there is room.
        """
        versions = self.filled(1)
        journal = self.journal()
        before = Path(self.path).read_bytes()
        following = [difference for _, difference in steps(versions[1], 2)]
        pwrite = os.pwrite
        left = [20]

        def full(file: int, octets: bytes, offset: int) -> int:
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = pwrite(file, octets[: left[0]], offset)
            left[0] -= written
            return written

        with patch.object(os, "pwrite", full):
            self.assertIn("No space left", str(self.assertRaises(StorageFault, journal.append, following)))
        self.assertEqual(Path(self.path).read_bytes(), before)
        self.assertEqual(journal.newest, 11)
        journal.append(following)
        self.assertEqual(journal.newest, 13)
        self.assertEqual(len(journal.since(10) or ()), 3)

    def test_unconfirmedChangeIsRemoved(self) -> None:
        """
        A change that the disk did not confirm is removed. Nothing else is written until that has succeeded.
        """
        versions = self.filled(1)
        journal = self.journal()
        before = Path(self.path).read_bytes()
        difference = steps(versions[1], 1)[0][1]

        def fails(*arguments: object) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with patch.object(os, "fdatasync", fails):
            self.assertRaises(StorageFault, journal.append, [difference])
            self.assertEqual(Path(self.path).read_bytes(), before)
            with patch.object(os, "ftruncate", fails):
                self.assertRaises(StorageFault, journal.append, [difference])
        with patch.object(os, "ftruncate", fails):
            self.assertRaises(StorageFault, journal.append, [difference])
        self.assertEqual(journal.newest, 11)
        journal.append([difference])
        journal.close()
        self.assertEqual(self.journal().newest, 12)

    def test_tooLargeChangeIsRefused(self) -> None:
        """
        A difference that is too large for the journal is refused.
        """
        difference = steps(versionOf(), 1)[0][1]
        with patch.object(module, "_MOST_ENTRY", 50):
            self.assertRaises(StorageFault, self.journal().append, [difference])

    def test_killedWriterLosesNothing(self) -> None:
        """
        A writer may be killed at any moment: every printed serial number is there, and the zone is as it was at one.
        """
        draw = random.Random(9)
        printed = 10
        for _ in range(12):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.zone.journaling", self.path], stdout=subprocess.PIPE, cwd=ROOT, text=True
            )
            assert process.stdout is not None
            with process, process.stdout as output:
                for _ in range(draw.randrange(1, 60)):
                    printed = int(output.readline())
                process.send_signal(signal.SIGKILL)
                for line in output:
                    if line.endswith("\n"):
                        printed = int(line)
            journal = Journal(self.path, APEX)
            version = journal.replayed(versionOf())
            journal.close()
            self.assertIn(version.serial, (printed, printed + 1))
            node = version.find(b"\x05count")
            assert node is not None
            text = node.sets[0].rdatas[0]
            self.assertTrue(text.endswith(f"{'x' if (version.serial - 1) * 7 % 200 else ''}{version.serial}".encode()))
            printed = version.serial
