"""
Tests of images: what is in them, and what becomes of those that are damaged.
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
    builder = ImageBuilder(APEX)
    for sets in held.values():
        builder.addSets(sets)
    return builder.finish(fingerprint)


def large(names: int) -> bytes:
    builder = ImageBuilder(APEX)
    builder.addSets([SOA_SET, record("Example.test. 60 NS h1"), record("Example.test. 60 NSEC h1 SOA")])
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
        What an image is built of is in it, at every name and by every number.
        """
        model = Model(held)
        image = Image(imageOf(held, b"print"))
        self.assertEqual((image.apexName, image.apex, image.fingerprint), (APEX, APEX.lower(), b"print"))
        every = {image.key(index): image.node(index) for index in range(image.nodes)}
        self.assertEqual(every, {key: model.find(key) for key in model.keys})
        for index in range(image.nodes):
            self.assertEqual(image.find(image.key(index)), index)
        self.assertTrue(image.sound)

    def test_severalInOne(self) -> None:
        """
        Many images may stand in one buffer, each as it would alone.
        """
        first, second = large(3), large(50)
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

    def test_stretches(self) -> None:
        """
        Records are handed on in stretches of whole nodes, none longer than may be where there is a choice.
        """
        image = Image(large(100))
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

    def test_open(self) -> None:
        """
        A file that was written is mapped, checked or not.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "zone.image")
            path.write_bytes(large(50))
            for checked in (True, False):
                image = Image.open(str(path), checked=checked)
                self.assertEqual((image.path, image.nodes), (str(path), 51))
                self.assertIsNotNone(image.at(b"\x06h00007"))
            self.assertRaises(OSError, Image.open, str(Path(folder, "none")))

    def test_otherFiles(self) -> None:
        """
        What is no image is refused with what it is instead.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder, "zone.image")
            swapped = bytearray(large(1))
            swapped[8:12] = swapped[8:12][::-1]
            for octets, words in (
                (b"", "empty file"),
                (b"$ORIGIN example.test.\n", "too short"),
                (b"$ORIGIN example.test.\n" * 100, "no image"),
                (MAGIC[:-1] + b"9" + large(1)[8:], "another version"),
                (bytes(swapped), "another kind of machine"),
                (large(1)[:100], "octets of which 100"),
            ):
                path.write_bytes(octets)
                fault = self.assertRaises(BadImage, Image.open, str(path))
                self.assertIn(words, str(fault))
                self.assertIn(str(path), str(fault))


class DamageTests(SynchronousTestCase):
    """
    An image that was cut, or in which octets are not what they were, is found out; or it is not to be told from the sound one.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "zone.image")
        self.sound = large(2000)
        self.every = self.all(Image(self.sound))

    def all(self, image: Image) -> list[object]:
        found: list[object] = [image.apexName, image.serial, image.fingerprint, image.records]
        return found + [image.node(index) for index in range(image.nodes)]

    def noticed(self, octets: bytes) -> bool:
        self.path.write_bytes(octets)
        try:
            image = Image.open(str(self.path))
        except BadImage:
            return True
        self.assertEqual(self.all(image), self.every)
        return False

    def test_cut(self) -> None:
        """
        Wherever a file ends too early, it is no image.
        """
        for end in (*range(0, 200, 7), *range(0, len(self.sound), 997)):
            self.assertTrue(self.noticed(self.sound[:end]), end)

    def test_flipped(self) -> None:
        """
        Wherever octets are not as they were written, the file is refused; only what pads it does not matter.
        """
        drawing = random.Random(7)
        places = [*range(120), *[drawing.randrange(len(self.sound)) for _ in range(150)]]
        harmless = 0
        for place in places:
            damaged = bytearray(self.sound)
            damaged[place] ^= 1 << drawing.randrange(8)
            harmless += not self.noticed(bytes(damaged))
        self.assertLess(harmless, 8)

    def test_zeroed(self) -> None:
        """
        Pages that never reached the disk are noticed.
        """
        for start in range(0, len(self.sound), 4096):
            damaged = bytearray(self.sound)
            damaged[start : start + 4096] = bytes(len(damaged[start : start + 4096]))
            self.assertTrue(bytes(damaged) == self.sound or self.noticed(bytes(damaged)), start)

    def test_descriptors(self) -> None:
        """
        Very many small zones take no descriptors, of which there are only so many; a large one is not copied.
        """
        with TemporaryDirectory() as folder:
            for names, descriptors in ((3, 0), (5000, 1)):
                path = Path(folder) / "image"
                path.write_bytes(large(names))
                gc.collect()
                before = len(os.listdir("/proc/self/fd"))
                held = Image.open(str(path))
                self.assertEqual(len(os.listdir("/proc/self/fd")) - before, descriptors)
                self.assertGreater(held.nodes, names)
                del held

    def test_unchecked(self) -> None:
        """
        That it is noticed is owed to the sum: opened without it, a damaged file is taken for sound.
        """
        damaged = bytearray(self.sound)
        damaged[-100] ^= 1
        self.path.write_bytes(bytes(damaged))
        image = Image.open(str(self.path), checked=False)
        self.assertFalse(image.sound)
        self.assertRaises(BadImage, Image.open, str(self.path))

    @given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
    def test_records(self, place: int, octets: bytes) -> None:
        """
        Records that are not as they were written, in an image that nobody checked, are read as others or refused with one error.
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
