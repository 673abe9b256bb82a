"""
Tests of building the image of a zone.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from fcntl import LOCK_EX, flock
from pathlib import Path
from stat import S_ISDIR
from struct import pack
from tempfile import TemporaryDirectory
from unittest.mock import patch
from zlib import crc32

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.models import APEX, SOA_SET, record
from twisted_ext.errors import BadZone
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA, A
from twisted_ext.zone.limits import PROBES
from twisted_ext.zone.store import imagebuilder
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder, valuesOf
from twisted_ext.zone.store.nodes import CNAME, CUT, DNAME, HASHED, OCCLUDED, SAYING, SIGNED, recordsIn, recordsOf


def builder(*lines: str) -> ImageBuilder:
    """
    Return a builder with an SOA record and these records.
    """
    made = ImageBuilder(APEX)
    made.addSets([SOA_SET, *[record(line) for line in lines]])
    return made


def collidingKeys(count: int, mask: int = 0xFFFF) -> list[bytes]:
    """
    Return keys with equal low bits of CRC-32, as an attacker could choose them.
    """
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        key = b"\x07" + b"%07x" % number
        if not crc32(key) & mask:
            found.append(key)
        number += 1
    return found


def test_valuesInAnyOrder() -> None:
    """
    The value of each key is found whether or not the keys are in the order of the dictionary, and whether or not each has one.
    """
    values = {b"a": 1, b"c": 3, b"d": 4}
    assert valuesOf([b"a", b"b", b"c", b"d"], values, 0) == [1, 0, 3, 4]
    assert valuesOf([b"d", b"b", b"a", b"c"], values, 0) == [4, 0, 1, 3]
    assert valuesOf([b"a", b"b"], {}, 0) == [0, 0]
    # A key may be the empty name, the root's.
    assert valuesOf([b"", b"a"], {b"": 5, b"a": 1}, 0) == [5, 1]


class ImageBuilderTests(SynchronousTestCase):
    """
    Tests for L{ImageBuilder}.
    """

    def test_equalRecordsAreStoredOnce(self) -> None:
        """
        Equal records are stored once, in any letter case of their owners, and a set has the lowest TTL.
        """
        made = builder("a 60 A 192.0.2.1", "A 30 A 192.0.2.1", "a 60 A 192.0.2.2", "a 60 TXT \"x\"")
        image = Image(made.finish())
        self.assertEqual(image.records, 4)
        node = image.at(b"\x01a")
        assert node is not None
        self.assertEqual([(rrset.rrType, rrset.ttl, len(rrset.rdatas)) for rrset in node.sets], [(1, 30, 2), (16, 60, 1)])
        self.assertEqual(image.tally(image.find(b"\x01a")), 3)

    def test_namesInRdataAreComparedFolded(self) -> None:
        """
        Records that differ in the letter case of names in rdata are one, with the first spelling. Other octets and names that are
        not folded differ (RFC 4034, section 6.2; RFC 6840, section 5.1).
        """
        image = Image(
            builder(
                "a 60 MX 1 B.test.", "a 60 MX 1 b.Test.", "a 60 MX 1 c.test.", "c 60 CNAME b.test.", "C 60 CNAME B.TEST.",
                'a 60 TXT "x"', 'a 60 TXT "X"', "a 60 SVCB 1 b.test.", "a 60 SVCB 1 B.test.",
                "a 60 SRV 66 1 1 b.test.", "a 60 SRV 98 1 1 b.test.",
            ).finish()
        )  # fmt: skip
        several, one = image.at(b"\x01a"), image.at(b"\x01c")
        assert several is not None and one is not None
        self.assertEqual([(rrset.rrType, len(rrset.rdatas)) for rrset in several.sets], [(15, 2), (16, 2), (33, 2), (64, 2)])
        self.assertEqual(several.sets[0].rdatas[0], b"\x00\x01\x01B\x04test\x00")
        self.assertEqual([rrset.rdatas for rrset in one.sets], [(b"\x01b\x04test\x00",)])

    def test_setsHaveOneTTL(self) -> None:
        """
        Records of one set that differ only in their TTLs, by however little, have the lowest one, in queries and in transfers, which send
        the octets of the image; those that had several are named.
        """
        for ttls in ((60, 120), (120, 60), (256, 255), (65536, 1), (1, 65537), (70000, 70001, 70000)):
            lines = [f"a {ttl} A 192.0.2.{number}" for number, ttl in enumerate(ttls)]
            made = builder(*lines, "b 60 A 192.0.2.1", "b 60 A 192.0.2.2")
            image = Image(made.finish())
            node = image.at(b"\x01a")
            assert node is not None
            self.assertEqual([rrset.ttl for rrset in node.sets], [min(ttls)])
            self.assertEqual({ttl for _, _, ttl, _ in recordsIn(image.rendered(image.find(b"\x01a")), 2)}, {min(ttls)})
            self.assertEqual(made.uneven, [(b"\x01a", 1, tuple(sorted(set(ttls))))])

    def test_signaturesOfOneTypeAreASet(self) -> None:
        """
        Signatures of one type are a set with one TTL. Those of different types are not.
        """
        signature = "a {} RRSIG {} 8 3 60 20300101000000 20200101000000 {} test.example. AAAA"
        lines = [signature.format(*words) for words in ((60, "A", 1), (50, "NSEC", 1), (40, "A", 2), (60, "A", 1))]
        for count, ttls in ((2, [60, 50]), (3, [40, 50]), (4, [40, 50])):
            image = Image(builder(*lines[:count]).finish())
            node = image.at(b"\x01a")
            assert node is not None
            self.assertEqual(image.rendered(image.find(b"\x01a")), b"".join(recordsOf(node.sets, 2)))
            self.assertEqual([rrset.ttl for rrset in node.sets], ttls)
            self.assertEqual(sum([len(rrset.rdatas) for rrset in node.sets]), min(count, 3))

    def test_imageIsSyncedBeforeRename(self) -> None:
        """
        An image is on disk before it gets its name, and then the name is.
        """
        calls: list[str] = []
        fsync, rename = os.fsync, os.rename

        def synced(file: int) -> None:
            calls.append("folder" if S_ISDIR(os.fstat(file).st_mode) else "file")
            fsync(file)

        def renamed(before: str, after: str) -> None:
            calls.append("rename")
            rename(before, after)

        path = self.mktemp()
        with patch.object(os, "fsync", synced), patch.object(os, "rename", renamed):
            builder("a 60 A 192.0.2.1").finishTo(path)
            self.assertEqual(calls, ["file", "rename", "folder"])

    def test_builderKnowsTheHeader(self) -> None:
        """
        The builder knows the header without opening the image.
        """
        made = builder("a.b 60 A 192.0.2.1", "a.b 60 TXT x")
        self.assertIsNone(made.header)
        image = Image(made.finish(b"x"))
        header = made.header
        assert header is not None
        self.assertEqual((header.serial, header.records, header.nodes), (image.serial, image.records, image.nodes))
        self.assertEqual((header.records, header.nodes), (3, 3))

    def test_flagsFollowFromTypes(self) -> None:
        """
        The flags of a node follow from its types and the names above.
        """
        made = builder(
            "cut 60 NS ns.cut", "ns.cut 60 A 192.0.2.1", "gone 60 DNAME elsewhere.", "x.gone 60 A 192.0.2.1", "alias 60 CNAME cut",
            "alias 60 NSEC cut CNAME", "aaaa 60 NSEC3 1 0 0 - aaaaaaaa A", "bbbb 60 NSEC3 1 0 0 - aaaaaaaa A", "bbbb 60 A 192.0.2.1",
            "test.Example. 60 NS ns.cut",
        )  # fmt: skip
        image = Image(made.finish())
        flags = {key: image.flags(image.find(key)) for key in map(image.key, range(image.nodes))}
        self.assertEqual(
            flags,
            {
                b"": 0, b"\x03cut": CUT, b"\x02ns\x03cut": OCCLUDED, b"\x04gone": DNAME, b"\x01x\x04gone": OCCLUDED,
                b"\x05alias": CNAME | SIGNED, b"\x04aaaa": HASHED, b"\x04bbbb": 0,
            },
        )  # fmt: skip
        self.assertEqual((image.signed, image.hashes), (1, 2))

    def test_apexAndSOAComeFirst(self) -> None:
        """
        The apex is the first node and its SOA record the first record, in any order of insertion.
        """
        made = ImageBuilder(APEX)
        made.nodes = {b"\x01a": b"\x01a\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01"}
        made.addSets([record("test.Example. 60 A 192.0.2.1"), SOA_SET, record("test.Example. 60 NS a")])
        image = Image(made.finish())
        self.assertEqual(image.key(0), b"")
        self.assertEqual(image.rendered(0)[2:4], b"\x00\x06")
        self.assertEqual((image.records, image.serial, image.children(0)), (4, 7, 1))

    def test_orderIsNoted(self) -> None:
        """
        The image notes that its names are in canonical order, beside that it has ALIAS records, unless records are added afterwards. The
        note is where former releases look for nothing, and so an image in which names have salted digests has none.
        """
        made = builder("c.b 60 A 192.0.2.1", "a 60 A 192.0.2.1")
        self.assertEqual((Image(made.finish()).isOrdered, made.header and made.header.salted), (False, 0))
        self.assertEqual(made.ordered(), [b"", b"\x01a", b"\x01c\x01b"])
        for aliases in (False, True):
            made.aliases = aliases
            for _ in range(2):
                image = Image(made.finish())
                self.assertEqual((image.isOrdered, image.aliases), (True, aliases))
                self.assertEqual(made.header and made.header.salted, 256 * aliases)
                self.assertEqual([image.find(key) for key in (b"\x01a", b"\x01c\x01b", b"\x01b")], [1, 2, 3])
                self.assertIsNotNone(image.mapping())
        made.add(b"\x010", A, 60, b"\xc0\x00\x02\x01")
        self.assertFalse(Image(made.finish()).isOrdered)
        made.ordered()
        made.store(b"\x011", b"".join(recordsOf([record("1 60 A 192.0.2.1")], 2)), 1, 0, False)
        self.assertFalse(Image(made.finish()).isOrdered)
        chosen = collidingKeys(100, 0xFFF)
        colliding = self.builderOf(chosen)
        colliding.ordered()
        image = Image(colliding.finish())
        self.assertFalse(image.isOrdered)
        self.assertIsNone(image.mapping())
        self.assertTrue(all(image.key(image.find(key)) == key for key in chosen))

    def test_zoneNeedsOneSOA(self) -> None:
        """
        Records without exactly one valid SOA record at the apex are refused.
        """
        made = ImageBuilder(APEX)
        self.assertRaises(BadZone, made.finish)
        made.add(b"", A, 60, b"\x7f\x00\x00\x01")
        self.assertRaises(BadZone, made.finish)
        made.add(b"", SOA, 60, b"\x00\x00")
        self.assertRaises(BadZone, made.finish)
        twice = builder()
        twice.addSets([RRSet(APEX, SOA, 1, 60, (SOA_SET.rdatas[0][:-1] + b"\x00",))])
        self.assertRaises(BadZone, twice.finish)

    def test_foreignRecordIsRefused(self) -> None:
        """
        A record outside the zone is refused.
        """
        self.assertRaises(BadZone, builder, "www.example.org. 60 A 192.0.2.1")

    def test_chosenNamesDoNotCollide(self) -> None:
        """
        Names chosen to collide are placed with a random salt, so that no look-up is slow.
        """
        chosen = collidingKeys(100, 0xFFF)
        image = Image(self.builderOf(chosen).finish())
        self.assertEqual(len(image._salt), 8)
        for key in chosen:
            self.assertEqual(image.key(image.find(key)), key)
        self.assertEqual(image.find(b"\x04none"), -1)
        self.assertLess(self.longestRun(image), 40)
        self.patch(imagebuilder, "PROBES", type(PROBES)(1024, 8, 1024))
        self.assertGreaterEqual(self.longestRun(Image(self.builderOf(chosen).finish())), 100)

    def builderOf(self, keys: list[bytes]) -> ImageBuilder:
        """
        Return a builder with these keys.
        """
        made = builder()
        for key in keys:
            made.add(key, A, 60, b"\x7f\x00\x00\x01")
        return made

    def longestRun(self, image: Image) -> int:
        """
        Return the longest run of occupied slots.
        """
        longest = row = 0
        for slot in range(image._mask + 1):
            row = row + 1 if image._words[image._slots + slot] else 0
            longest = max(longest, row)
        return longest

    def test_tooLargeZoneIsRefused(self) -> None:
        """
        A zone that is too large for an image is refused before anything is written.
        """
        self.patch(imagebuilder, "IMAGE_OCTETS", type(PROBES)(100, 1, 100))
        self.assertRaises(BadZone, builder("a 60 A 192.0.2.1", "b 60 A 192.0.2.1").finish)

    def test_fileHasTheImageOnly(self) -> None:
        """
        The file has the octets of the image and restricted permissions, and no other file is left.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "zone.image")
            builder("a 60 A 192.0.2.1").finishTo(str(path), b"said")
            self.assertEqual(path.read_bytes(), builder("a 60 A 192.0.2.1").finish(b"said"))
            self.assertEqual(path.stat().st_mode & 0o777 & ~0o640, 0)
            self.assertEqual(os.listdir(folder), ["zone.image"])

    def test_failedWriteKeepsFormerFile(self) -> None:
        """
        The former file stays and no other file is left if writing fails.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "zone.image")
            builder("a 60 A 192.0.2.1").finishTo(str(path))
            before = path.read_bytes()

            def full(descriptor: int) -> None:
                raise OSError(28, "No space left on device")

            self.patch(os, "fsync", full)
            self.assertRaises(OSError, builder("b 60 A 192.0.2.1").finishTo, str(path))
            self.assertEqual(path.read_bytes(), before)
            self.assertEqual(os.listdir(folder), ["zone.image"])

    def test_leftoverFileIsReused(self) -> None:
        """
        The temporary file of a killed process is reused. One that another process is writing is left alone.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "zone.image")
            beside = Path(folder, "zone.image.new")
            beside.write_bytes(bytes(1_000_000))
            builder("a 60 A 192.0.2.1").finishTo(str(path))
            self.assertEqual(path.read_bytes(), builder("a 60 A 192.0.2.1").finish())
            self.assertEqual(os.listdir(folder), ["zone.image"])
            beside.write_bytes(b"half of it")
            with open(beside, "rb") as other:
                flock(other, LOCK_EX)
                builder("b 60 A 192.0.2.1").finishTo(str(path))
            self.assertEqual(path.read_bytes(), builder("b 60 A 192.0.2.1").finish())
            self.assertEqual(beside.read_bytes(), b"half of it")
            self.assertEqual(len(os.listdir(folder)), 2)

    def test_fileRenamedMeanwhileIsNotTouched(self) -> None:
        """
        A file that another process renames at the same moment is not written to.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "zone.image")
            Path(folder, "zone.image.new").write_bytes(b"done")

            def late(descriptor: int, how: int) -> None:
                Path(folder, "zone.image.new").rename(Path(folder, "other.image"))
                flock(descriptor, how)

            with patch("twisted_ext.zone.store.imagebuilder.flock", late):
                builder("a 60 A 192.0.2.1").finishTo(str(path))
            self.assertEqual(Path(folder, "other.image").read_bytes(), b"done")
            self.assertEqual(path.read_bytes(), builder("a 60 A 192.0.2.1").finish())

    def test_typesWithFlags(self) -> None:
        """
        Exactly the types with a flag are listed.
        """
        self.assertEqual(SAYING, {2: CUT, 5: CNAME, 39: DNAME, 47: SIGNED, 50: HASHED})


#: A program that builds images with increasing serial numbers and prints each number when the image is complete.
BUILDING = """
import sys
from twisted_ext.zone.store.imagebuilder import ImageBuilder
for serial in range(1, 100000):
    builder = ImageBuilder(b"\\x04test\\x00")
    builder.add(b"", 6, 60, bytes(2) + serial.to_bytes(4, "big") + bytes(16))
    for number in range(2000):
        builder.add(b"\\x05" + b"%05d" % number, 16, 60, b"\\x04" + serial.to_bytes(4, "big"))
    builder.finishTo(sys.argv[1])
    sys.stdout.write(f"{serial}\\n")
    sys.stdout.flush()
"""


class KilledTests(SynchronousTestCase):
    """
    Tests of images whose builder is killed.
    """

    def test_killedBuilderLeavesWholeImage(self) -> None:
        """
        A builder may be killed at any moment: the last completed image or a later one exists and is whole.
        """
        drawing = random.Random(3)
        with TemporaryDirectory() as folder:
            path = str(Path(folder, "zone.image"))
            for _ in range(6):
                with subprocess.Popen([sys.executable, "-c", BUILDING, path], stdout=subprocess.PIPE) as child:
                    assert child.stdout is not None
                    for _ in range(drawing.randrange(1, 4)):
                        lastSerial = int(child.stdout.readline())
                    child.kill()
                image = Image.open(path)
                self.assertGreaterEqual(image.serial, lastSerial)
                self.assertEqual({image.node(index).sets[0].rdatas[0][1:] for index in range(1, image.nodes)}, {pack(">I", image.serial)})
