"""
Tests for L{twisted_ext.zone.zonefile.halves}.
"""

from __future__ import annotations

import marshal
import os
import warnings
from tempfile import TemporaryFile
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.limits import DIVIDED_OCTETS
from twisted_ext.zone.zonefile.halves import middleOf
from twisted_ext.zone.zonefile.reader import MasterFileContent, Reader

#: Lines of a file, twice as many as are read before it is divided.
_LINES = 30_000

#: Octets that are read before a file is divided.
_FIRST = 1 << 18

#: The share of the rest that one process reads.
_SHARE = 0.52

#: Octets beyond which what is decoded can only be the second half.
_MUCH = 50_000

_START = "$TTL 300\n@ SOA ns host 7 3600 900 604800 300\n@ NS ns\n"


class HalvesTests(SynchronousTestCase):
    """
    Tests of files of which two processes read half each.
    """

    def read(self, text: str, *, divided: bool) -> MasterFileContent:
        """
        Read a zone, and count the processes that this takes, and the halves that are taken from them.
        """
        forks: list[int] = []
        taken: list[int] = []
        fork, loads = os.fork, marshal.loads

        def forked() -> int:
            forks.append(fork())
            return forks[-1]

        def loaded(said: bytes) -> object:
            taken.append(len(said))
            return loads(said)

        reader = Reader(nameFromText("example.org"), divided=divided)
        # Another test may have left threads, none of which has a lock here.
        with patch.object(DIVIDED_OCTETS, "default", 1), patch("os.fork", forked), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with patch("marshal.loads", loaded):
                reader.read(text.encode())
        self.forks, self.taken = len(forks), len([size for size in taken if size > _MUCH])
        return reader.reading

    def compare(self, text: str, *, forks: int = 1, taken: int = 1) -> MasterFileContent:
        """
        Check that a file is read alike with and without a second process.

        @param forks: how many processes are started.
        @param taken: from how many of these the records are taken.
        """
        whole = self.read(text, divided=False)
        self.assertEqual((self.forks, self.taken), (0, 0))
        halves = self.read(text, divided=True)
        self.assertEqual((self.forks, self.taken), (forks, taken))
        self.assertEqual([str(each) for each in halves.complaints], [str(each) for each in whole.complaints])
        self.assertEqual(list(halves.builder.nodes), list(whole.builder.nodes))
        self.assertEqual(halves.builder.aliases, whole.builder.aliases)
        if whole.sound:
            self.assertEqual(halves.builder.finish(), whole.builder.finish())
        return halves

    def test_imagesAreTheSame(self) -> None:
        """
        The image is the same, octet by octet: with names that have records in one half or both, duplicates, several TTLs, signed
        delegations, entries of several lines, and many records of one name.
        """
        lines = [f"h{number} A 10.0.{number >> 8 & 255}.{number & 255}\n" for number in range(_LINES)]
        lines[::7] = [f"H{number % 500}.sub 60 AAAA 2001:db8::{number % 300:x}\n" for number in range(len(lines[::7]))]
        lines[::11] = [f"d{number} NS ns.d{number % 999}\n NS ns.other.\n" for number in range(len(lines[::11]))]
        lines[::13] = [f"t{number % 2000} TXT (\n\t\tword{number} )\n TXT b\n" for number in range(len(lines[::13]))]
        lines[::17] = [f"many 6{number % 2} TXT {number}\n" for number in range(len(lines[::17]))]
        reading = self.compare(_START + "".join(lines) + "@ ALIAS elsewhere.\n")
        self.assertTrue(reading.sound)
        self.assertTrue(reading.builder.aliases)

    def test_complaintsAreTheSame(self) -> None:
        """
        Errors and warnings in the second half have the same place as otherwise.
        """
        lines = [f"h{number} A 10.0.0.1\n" for number in range(_LINES)]
        lines[-5] = "h A 10.0.0.999\n"
        lines[-3] = "out.side. A 10.0.0.1\n"
        reading = self.compare(_START + "".join(lines), taken=0)
        self.assertEqual([each.line for each in reading.complaints], [_LINES - 1, _LINES + 1])

    def test_middleInsideOfEntry(self) -> None:
        """
        A second half that begins in the middle of an entry is not used.
        """
        lines = [f"h{number:06} A 10.0.0.1\n" for number in range(_LINES)]
        self.compare(_START + "".join(lines))
        middle = int(_SHARE * _LINES + (1 - _SHARE) * _FIRST / len(lines[0]))
        lines[middle - 300] = "long TXT (\n" + "".join([f"word{number:06} A b\n" for number in range(600)]) + ")\n"
        del lines[middle - 299 : middle + 300]
        self.assertEqual(self.compare(_START + "".join(lines), taken=0).complaints, [])

    def test_lifetimeOfFirstHalf(self) -> None:
        """
        A second half whose TTL comes from the first one is read after it.
        """
        lines = [f"h{number} A 10.0.0.1\n" for number in range(_LINES)]
        reading = self.compare("@ 60 SOA ns host 7 3600 900 604800 300\n@ 70 NS ns\n" + "".join(lines), taken=0)
        self.assertEqual({ttl for _, _, ttl, _ in reading.records()}, {60, 70})

    def test_directivesKeepFileWhole(self) -> None:
        """
        A file with a directive behind its first part is not divided, nor is a small one.
        """
        lines = [f"h{number} A 10.0.0.1\n" for number in range(_LINES)]
        self.compare(_START + "".join(lines) + "$TTL 60\nh A 10.0.0.1\n", forks=0, taken=0)
        self.compare(_START + "$ORIGIN sub.example.org.\n" + "".join(lines))
        with patch.object(DIVIDED_OCTETS, "default", 30):
            self.assertEqual([middleOf(b"a 1 A 192.0.2.1\n" * count, 0) for count in (1, 3, 4)], [0, 32, 48])
            self.assertEqual(middleOf(b" 1 A 192.0.2.1\n" * 4, 0), 0)

    def test_temporaryFile(self) -> None:
        """
        Without files in memory, as on macOS, a file on disk has the records of the second half.
        """
        if hasattr(os, "memfd_create"):
            self.addCleanup(setattr, os, "memfd_create", os.memfd_create)
            delattr(os, "memfd_create")
        with patch("twisted_ext.zone.zonefile.halves.TemporaryFile", wraps=TemporaryFile) as made:
            self.compare(_START + "".join([f"h{number} A 10.0.0.1\n" for number in range(_LINES)]))
        self.assertEqual(made.call_count, 1)

    def test_noSecondProcess(self) -> None:
        """
        A file is read alone if no process can be started.
        """
        text = _START + "".join([f"h{number} A 10.0.0.1\n" for number in range(_LINES)])
        reader = Reader(nameFromText("example.org"), divided=True)
        with patch.object(DIVIDED_OCTETS, "default", 1), patch("os.fork", side_effect=BlockingIOError):
            reader.read(text.encode())
        self.assertEqual((len(reader.nodes), reader.reading.complaints), (_LINES + 1, []))
