"""
Tests of C{$INCLUDE}.
"""

from __future__ import annotations

import os
import socket
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.masters import linesOf, readText
from twisted_ext.limits import Limit
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.zonefile import reader as module
from twisted_ext.zone.zonefile.reader import MasterFileContent, readMaster


class IncludeTests(SynchronousTestCase):
    """
    Tests with files that include others.
    """

    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.makedirs(os.path.join(self.folder, "sub"))

    def write(self, **files: str) -> str:
        """
        Write files and return the path of the first one.

        @param files: The text of each file. Two underscores in a name stand for a slash.
        """
        paths = [os.path.join(self.folder, name.replace("__", "/")) for name in files]
        for path, text in zip(paths, files.values(), strict=True):
            with open(path, "w") as file:
                file.write(text)
        return paths[0]

    def read(self, **files: str) -> MasterFileContent:
        """
        Write these files and read the first one.
        """
        return readMaster(self.write(**files), nameFromText("example."))

    def complaints(self, **files: str) -> list[str]:
        """
        Return the complaints about the first of these files.
        """
        return [str(each).removeprefix(self.folder + "/") for each in self.read(**files).complaints]

    def test_lastStatedTTLHoldsAcrossFiles(self) -> None:
        """
        A record without a TTL has the last stated one, in whatever file that was (RFC 1035, section 5.1).
        """
        reading = self.read(
            zone="$INCLUDE soa\n$INCLUDE hosts\ny A 192.0.2.2\n",
            soa="@ 5 SOA a b 1 2 3 4 6\n",
            hosts="x A 192.0.2.1\nz 7 A 192.0.2.1\n",
        )
        self.assertEqual([str(each) for each in reading.complaints if each.fatal], [])
        self.assertEqual(
            linesOf(reading)[1:], ["x.example. 5 A 192.0.2.1", "z.example. 7 A 192.0.2.1", "y.example. 7 A 192.0.2.2"]
        )

    def test_includedTTLDirectiveHoldsAfterTheFile(self) -> None:
        """
        A C{$TTL} directive in an included file holds for all later records, as in BIND, whether there was one before or not.
        """
        reading = self.read(zone="$INCLUDE soa\nx A 192.0.2.1\n$TTL 8\n$INCLUDE soa\ny A 192.0.2.2\n", soa="$TTL 9\n@ TXT x\n")
        self.assertEqual([str(each) for each in reading.complaints if each.fatal], [])
        self.assertEqual(linesOf(reading)[-2:], ["x.example. 9 A 192.0.2.1", "y.example. 9 A 192.0.2.2"])

    def test_includedFileHasItsOwnOriginAndOwner(self) -> None:
        """
        Paths are relative to the including file. Owner and origin are restored after an included file, C{$TTL} is not.
        """
        reading = self.read(
            zone="$TTL 1\n$ORIGIN a.example.\nx A 192.0.2.1\n$INCLUDE sub/one b.example. ; all\n TXT x\ny A 192.0.2.2\n"
            '$include "sub/two"\nz TXT x\n',
            sub__one="$TTL 2\n@ A 192.0.2.3\n$ORIGIN c\nd A 192.0.2.4\n$INCLUDE two\n",
            sub__two=" A 192.0.2.5\n@ A 192.0.2.6\n",
        )
        self.assertEqual([str(each).partition(": ")[2] for each in reading.complaints if each.fatal], [])
        self.assertEqual(
            linesOf(reading),
            [
                "x.a.example. 1 A 192.0.2.1",
                'x.a.example. 2 TXT "x"',
                "b.example. 2 A 192.0.2.3",
                "d.c.b.example. 2 A 192.0.2.4",
                "d.c.b.example. 2 A 192.0.2.5",
                "c.b.example. 2 A 192.0.2.6",
                "y.a.example. 2 A 192.0.2.2",
                "y.a.example. 2 A 192.0.2.5",
                "a.example. 2 A 192.0.2.6",
                'z.a.example. 2 TXT "x"',
            ],
        )
        self.assertEqual([os.path.basename(path) for path, _, _ in reading.sources], ["zone", "one", "two", "two"])
        for path, size, changed in reading.sources:
            status = os.stat(path)
            self.assertEqual((size, changed), (status.st_size, status.st_mtime_ns))

    def test_complaintsNameTheIncludedFile(self) -> None:
        """
        A complaint names the file and the line where the mistake is.
        """
        self.assertEqual(
            self.complaints(zone="$TTL 1\n\n$INCLUDE sub/one\nx A x\n", sub__one="\nx A y\n$ORIGIN\n"),
            [
                "sub/one:2:5: 'y' where an IPv4 address such as 192.0.2.1 was expected",
                "sub/one:3:8: the record ends where a name was expected",
                "zone:4:5: 'x' where an IPv4 address such as 192.0.2.1 was expected",
            ],
        )

    def test_unreadableFilesAreReported(self) -> None:
        """
        A file that cannot be read is reported at the directive. Only regular files are read, so that no pipe or device blocks.
        """
        os.mkfifo(os.path.join(self.folder, "pipe"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(self.folder, "socket"))
        words = "", " none", " sub", " pipe", " socket", " /dev/zero", " a\\000b", " sub a..b", " a b c"
        found = self.complaints(zone="".join([f"$INCLUDE{each}\n" for each in words]))
        places = [each.split(": ")[0] for each in found if "warning" not in each]
        self.assertEqual(
            places, [f"zone:{line}:{column}" for line, column in enumerate((9, 10, 10, 10, 10, 10, 10, 14, 14), 1)]
        )
        self.assertIn("No such file", found[1])
        self.assertIn("is not a file", found[3])
        (complaint,) = readMaster(self.folder, b"\x00").complaints
        self.assertEqual(complaint.text, f"{self.folder} is not a file")

    def test_circularIncludeIsReported(self) -> None:
        """
        A file that includes itself, directly or not, is not read again.
        """
        zone = "$TTL 1\n$INCLUDE sub/one\na A 192.0.2.1\n$INCLUDE zone\n"
        found = self.complaints(zone=zone, sub__one="b A 192.0.2.1\n$INCLUDE ../zone\n")
        self.assertEqual([each.split(": ")[0] for each in found], ["sub/one:2:10", "zone:4:10"])
        self.assertTrue(all(each.endswith("zone includes itself") for each in found))

    def test_includeDepthIsLimited(self) -> None:
        """
        The depth of included files is limited.
        """
        files = {f"f{number}": f"$INCLUDE f{number + 1}\n" for number in range(20)}
        (found,) = self.complaints(**files)
        self.assertEqual(found, "f10:1:10: files include each other 11 deep; at most 10 is allowed")
        with patch.object(module, "INCLUDE_DEPTH", Limit(12, 0, 50)):
            self.assertTrue(self.complaints(**files)[0].startswith("f12:"))

    def test_numberOfIncludesIsLimited(self) -> None:
        """
        The number of included files is limited.
        """
        files = {f"f{number}": f"$INCLUDE f{number + 1}\n" * 10 for number in range(8)} | {"f8": ""}
        with patch.object(module, "INCLUDED_FILES", Limit(200, 0, 300)):
            reading = self.read(**files)
        self.assertEqual(len(reading.sources), 201)
        self.assertLessEqual(len(reading.complaints), 101)
        self.assertIn("at most 200 are allowed", reading.complaints[0].text)

    def test_octetsOfIncludesAreLimited(self) -> None:
        """
        The octets of all files together are limited.
        """
        with patch.object(module, "MASTER_OCTETS", Limit(5000, 0, 5000)):
            (found,) = self.complaints(
                zone="$INCLUDE sub/one\n$INCLUDE sub/two\n", sub__one=";" * 4000, sub__two=";" * 4000
            )
        self.assertTrue(found.startswith("zone:2:10: with "))
        self.assertTrue(found.endswith("at most 5000 are allowed"))

    def test_repeatedIncludesAreLimited(self) -> None:
        """
        The octets of files that are read repeatedly are limited, so that a few files cannot exhaust the memory.
        """
        files = {"zone": "$INCLUDE a\n" * 50, "a": "$INCLUDE b\n" * 50, "b": ";" * 2000 + "\n"}
        with patch.object(module, "REPEATED_OCTETS", Limit(100_000, 0, 100_000)):
            reading = self.read(**files)
        self.assertLess(sum(size for _, size, _ in reading.sources), 110_000)
        self.assertIn("octets of files to be read again; at most 100000 are allowed", reading.complaints[0].text)
        self.assertTrue(self.read(zone="$INCLUDE a\n" * 3, a="; x\n").sound)

    def test_textCannotInclude(self) -> None:
        """
        Text that does not come from a file cannot include a file.
        """
        (found,) = readText("$INCLUDE /etc/passwd\n").complaints
        self.assertEqual(str(found), "zone:1:10: $INCLUDE without a file that the path could be relative to")
