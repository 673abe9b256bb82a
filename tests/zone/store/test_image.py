"""
Tests of images and of damaged ones.
"""

from __future__ import annotations

import gc
import os
import random
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.models import APEX, SOA_SET, Contents, Model, contents, record
from twisted_ext.errors import BadImage
from twisted_ext.zone.store.image import MAGIC, Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.version import Version


def imageOf(held: Contents, fingerprint: bytes = b"") -> bytes:
    """
    Return the image of these contents.
    """
    builder = ImageBuilder(APEX)
    for sets in held.values():
        builder.addSets(sets)
    return builder.finish(fingerprint)


def largeImage(names: int) -> bytes:
    """
    Return the image of a zone with many names.
    """
    builder = ImageBuilder(APEX)
    builder.addSets([SOA_SET, record("test.Example. 60 NS h1"), record("test.Example. 60 NSEC h1 SOA")])
    for number in range(names):
        owner = b"\x06h%05d" % number
        builder.add(owner, 1, 60, pack(">I", number))
        builder.add(owner, 47, 60, owner + APEX + b"\x00\x01\x40")
    return builder.finish(b"print")


class ImageTests(SynchronousTestCase):
    """
    Tests for L{Image}.
    """

    @given(contents)
    def test_roundTrip(self, held: Contents) -> None:
        """
        An image has exactly the nodes that it was built from, by name and by number.
        """
        model = Model(held)
        image = Image(imageOf(held, b"print"))
        self.assertEqual((image.apexName, image.apex, image.fingerprint), (APEX, APEX.lower(), b"print"))
        every = {image.key(index): image.node(index) for index in range(image.nodes)}
        self.assertEqual(every, {key: model.find(key) for key in model.keys})
        for index in range(image.nodes):
            self.assertEqual(image.find(image.key(index)), index)
        self.assertTrue(image.sound)

    def test_imagesShareABuffer(self) -> None:
        """
        Several images can stand in one buffer.
        """
        first, second = largeImage(3), largeImage(50)
        buffer = first + second
        words = memoryview(buffer).cast("I")
        for octets, start in ((first, 0), (second, len(first))):
            image, alone = Image(buffer, start, words), Image(octets)
            self.assertTrue(image.sound)
            self.assertEqual([image.node(index) for index in range(image.nodes)], [alone.node(index) for index in range(alone.nodes)])
            for key in (b"\x01z", b"\x06h00001"):
                self.assertEqual(Version(image).nsecBefore(key), Version(alone).nsecBefore(key))
        self.assertRaises(BadImage, Image, buffer, 4, words)
        self.assertRaises(BadImage, Image, buffer[:-8], len(first))

    def test_recordsAreReadInStretches(self) -> None:
        """
        Records are read in stretches of whole nodes that stay within the size limit if possible.
        """
        image = Image(largeImage(100))
        first = taken = 0
        octets = b""
        while first < image.nodes:
            view, records, following = image.stretches(first, 500, image.nodes)
            self.assertLessEqual(len(view), 500)
            octets += view
            taken += records
            self.assertEqual(records, sum([image.tally(index) for index in range(first, following)]))
            first = following
        self.assertEqual(taken, image.records)
        self.assertEqual(octets, b"".join([image.rendered(index) for index in range(image.nodes)]))
        view, records, following = image.stretches(5, 1, image.nodes)
        self.assertEqual((bytes(view), records, following), (image.rendered(5), 2, 6))
        self.assertEqual(image.stretches(5, 10**6, 7)[1:], (4, 7))

    def test_fileIsMapped(self) -> None:
        """
        A file is mapped with or without a check.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "zone.image")
            path.write_bytes(largeImage(50))
            for checked in (True, False):
                image = Image.open(str(path), checked=checked)
                self.assertEqual((image.path, image.nodes), (str(path), 51))
                self.assertIsNotNone(image.at(b"\x06h00007"))
            self.assertRaises(OSError, Image.open, str(Path(folder, "none")))

    def test_otherFilesAreRefused(self) -> None:
        """
        A file that is not an image is refused with the reason.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "zone.image")
            swapped = bytearray(largeImage(1))
            swapped[8:12] = swapped[8:12][::-1]
            for octets, words in (
                (b"", "empty file"),
                (b"$ORIGIN test.example.\n", "too short"),
                (b"$ORIGIN test.example.\n" * 100, "no image"),
                (MAGIC[:-1] + b"9" + largeImage(1)[8:], "another version"),
                (bytes(swapped), "another kind of machine"),
                (largeImage(1)[:100], "octets of which 100"),
            ):
                path.write_bytes(octets)
                fault = self.assertRaises(BadImage, Image.open, str(path))
                self.assertIn(words, str(fault))
                self.assertIn(str(path), str(fault))


class DamageTests(SynchronousTestCase):
    """
    Tests that a damaged image is detected or has the same contents.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "zone.image")
        self.sound = largeImage(2000)
        self.every = self.contentsOf(Image(self.sound))

    def contentsOf(self, image: Image) -> list[object]:
        """
        Return everything that an image holds.
        """
        found: list[object] = [image.apexName, image.serial, image.fingerprint, image.records]
        return found + [image.node(index) for index in range(image.nodes)]

    def isDetected(self, octets: bytes) -> bool:
        """
        Return whether damage is detected.
        """
        self.path.write_bytes(octets)
        try:
            image = Image.open(str(self.path))
        except BadImage:
            return True
        self.assertEqual(self.contentsOf(image), self.every)
        return False

    def test_truncationIsDetected(self) -> None:
        """
        A truncated file is not an image.
        """
        for end in (*range(0, 200, 7), *range(0, len(self.sound), 997)):
            self.assertTrue(self.isDetected(self.sound[:end]), end)

    def test_flippedBitIsDetected(self) -> None:
        """
        A flipped bit is detected anywhere except in padding.
        """
        drawing = random.Random(7)
        places = [*range(120), *[drawing.randrange(len(self.sound)) for _ in range(150)]]
        harmless = 0
        for place in places:
            damaged = bytearray(self.sound)
            damaged[place] ^= 1 << drawing.randrange(8)
            harmless += not self.isDetected(bytes(damaged))
        self.assertLess(harmless, 8)

    def test_zeroedPageIsDetected(self) -> None:
        """
        A page that never reached the disk is detected.
        """
        for start in range(0, len(self.sound), 4096):
            damaged = bytearray(self.sound)
            damaged[start : start + 4096] = bytes(len(damaged[start : start + 4096]))
            self.assertTrue(bytes(damaged) == self.sound or self.isDetected(bytes(damaged)), start)

    def test_smallImagesHoldNoDescriptor(self) -> None:
        """
        Small images do not hold a file descriptor, so that there can be very many. A large image is mapped, not copied.
        """
        with TemporaryDirectory() as folder:
            for names, descriptors in ((3, 0), (5000, 1)):
                path = Path(folder) / "image"
                path.write_bytes(largeImage(names))
                gc.collect()
                before = len(os.listdir("/proc/self/fd"))
                held = Image.open(str(path))
                self.assertEqual(len(os.listdir("/proc/self/fd")) - before, descriptors)
                self.assertGreater(held.nodes, names)
                del held

    def test_uncheckedDamageIsNotDetected(self) -> None:
        """
        A damaged file that is opened without a check is accepted.
        """
        damaged = bytearray(self.sound)
        damaged[-100] ^= 1
        self.path.write_bytes(bytes(damaged))
        image = Image.open(str(self.path), checked=False)
        self.assertFalse(image.sound)
        self.assertRaises(BadImage, Image.open, str(self.path))

    @given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
    def test_damagedRecordsRaiseBadImageOnly(self, place: int, octets: bytes) -> None:
        """
        Reading damaged records of an unchecked image yields other records or raises L{BadImage}.
        """
        damaged = bytearray(self.sound)
        start = len(damaged) - 8 - place % 50_000
        damaged[start : start + len(octets)] = octets
        image = Image(bytes(damaged[: len(self.sound)]))
        for index in range(image.nodes - 1500, image.nodes, 11):
            try:
                image.node(index)
            except BadImage:
                pass
