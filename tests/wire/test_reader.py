"""
Tests for L{twisted_ext.wire.reader}.
"""

from __future__ import annotations

from unittest.mock import patch

import dns.exception
import dns.name
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import CountingBytes, counting
from tests.wire.strategies import names
from twisted_ext.errors import BadMessage
from twisted_ext.limits import POINTER_HOPS, POINTERS_PER_NAME
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import MOST_OCTETS, nameFromText
from twisted_ext.wire.reader import Reader

#: Effectively no limit.
ENDLESS = 1 << 30

LIMIT_OF_NAME = "twisted_ext.wire.reader._MOST_JUMPS"
LIMIT_OF_MESSAGE = "twisted_ext.wire.reader._MOST_HOPS"


def pointer(offset: int) -> bytes:
    """
    Return a pointer to that offset.
    """
    return (0xC000 | offset).to_bytes(2, "big")


def chain(start: int, length: int) -> bytes:
    """
    Return the root and C{length} pointers, each to the one before.

    @param start: the offset of the root, after which the chain begins.
    """
    octets = b"\x00"
    target = start
    for _ in range(length):
        octets += pointer(target)
        target = start + len(octets) - 2
    return octets


class NameTests(SynchronousTestCase):
    """
    Tests for single names.
    """

    def errorOf(self, octets: bytes, offset: int = 0) -> str:
        """
        Return the error message.
        """
        return str(self.assertRaises(BadMessage, Reader(octets).name, offset))

    @given(names, st.binary(max_size=5), st.binary(max_size=5))
    def test_nameIsReadAtAnyOffset(self, name: bytes, before: bytes, behind: bytes) -> None:
        """
        A name is read at any offset, up to its end and no further.
        """
        self.assertEqual(Reader(before + name + behind).name(len(before)), (name, len(before) + len(name)))

    def test_pointersAreFollowed(self) -> None:
        """
        Pointers to a name, into it and to others that end in pointers are followed.
        """
        octets = nameFromText("www.example.com") + b"\x02ns" + pointer(4) + pointer(17) + b"\x01a" + pointer(22)
        for order in ((0, 17, 22, 24), (24, 22, 17, 0), (22, 24, 0, 17)):
            reader = Reader(octets)
            found = {offset: reader.name(offset) for offset in order}
            self.assertEqual(
                found,
                {
                    0: (nameFromText("www.example.com"), 17),
                    17: (nameFromText("ns.example.com"), 22),
                    22: (nameFromText("ns.example.com"), 24),
                    24: (nameFromText("a.ns.example.com"), 28),
                },
            )

    def test_pointersMustPointBackward(self) -> None:
        """
        A pointer to itself, forward, or in a loop is refused.
        """
        self.assertIn("backward", self.errorOf(pointer(0)))
        self.assertIn("backward", self.errorOf(pointer(2) + b"\x00"))
        self.assertIn("backward", self.errorOf(b"\x01a" + pointer(0)))
        self.assertIn("backward", self.errorOf(pointer(2) + pointer(0), 2))
        self.assertIn("backward", self.errorOf(b"\x00" + b"\x01a" + pointer(5) + pointer(1), 5))

    def test_knownNameAllowsNoForwardPointer(self) -> None:
        """
        A forward pointer is refused even when its target is already known.
        """
        reader = Reader(pointer(2) + b"\x01a\x00")
        self.assertEqual(reader.name(2)[0], nameFromText("a"))
        self.assertRaises(BadMessage, reader.name, 0)

    def test_otherLabelTypesAreRefused(self) -> None:
        """
        Labels of the types 01 and 10 are refused (RFC 6891, section 5; RFC 3363).
        """
        for octet in (0x40, 0x41, 0x7F, 0x80, 0xBF):
            self.assertIn("label type", self.errorOf(bytes([octet]) + bytes(100)))
            self.assertIn("label type", self.errorOf(b"\x01a" + bytes([octet]) + bytes(100)))
            self.assertIn("label type", self.errorOf(bytes([octet, 0, 0xC0, 0]) + bytes(100), 2))

    def test_truncatedNameIsRefused(self) -> None:
        """
        A name that exceeds the message is refused wherever it is cut.
        """
        octets = b"\x00" + nameFromText("www.example.com")[:-1] + pointer(0)
        Reader(octets).name(1)
        for length in range(1, len(octets)):
            self.assertIn("extends past", self.errorOf(octets[:length], 1))
        self.assertIn("extends past", self.errorOf(b"", 0))

    def test_nameLengthIsLimited(self) -> None:
        """
        Names of 255 octets are read and longer ones are refused, however they are composed.
        """
        label = b"\x3f" + b"a" * 63
        most = label * 3 + b"\x3d" + b"a" * 61 + b"\x00"
        self.assertEqual(Reader(most).name(0), (most, 255))
        self.assertIn("255", self.errorOf(b"\x01a" + most))
        self.assertIn("255", self.errorOf(label * 5 + b"\x00"))
        for known in (True, False):
            for head in (b"", b"\x01a"):
                reader = Reader(most + head + pointer(0))
                if known:
                    reader.name(0)
                if head:
                    self.assertRaises(BadMessage, reader.name, 255)
                else:
                    self.assertEqual(reader.name(255)[0], most)

    @given(st.binary(max_size=60) | st.lists(st.sampled_from([b"\x00", b"\x01a", b"\xc0", b"\x02", b"\x05"]), max_size=30).map(b"".join))
    def test_namesAgreeWithDnspython(self, octets: bytes) -> None:
        """
        Names of dnspython are the same here, in whatever order they are read. (It requires that the target of a pointer ends before the
        pointer, which no RFC does.)
        """
        for offsets in (range(len(octets)), range(len(octets) - 1, -1, -1)):
            reader = Reader(octets)
            for offset in offsets:
                try:
                    other, used = dns.name.from_wire(octets, offset)
                    theirs: tuple[bytes, int] | None = (other.to_wire() or b"", offset + used)
                except dns.exception.DNSException:
                    theirs = None
                try:
                    ours: tuple[bytes, int] | None = reader.name(offset)
                except BadMessage:
                    ours = None
                if theirs is not None:
                    self.assertEqual(ours, theirs)


class WorkTests(SynchronousTestCase):
    """
    Tests for the work that pointers can cause.
    """

    def test_jumpsOfANameAreLimited(self) -> None:
        """
        A name takes no more jumps than the most labels could need, whichever part of its chain was read before. Without that limit it would
        take any number.
        """
        most = int(POINTERS_PER_NAME.default)
        octets = chain(0, most + 50)

        def last(jumps: int) -> int:
            return 2 * jumps - 1

        for first in (None, 3, 60, 126):
            reader = Reader(octets)
            if first is not None:
                reader.name(last(first))
            self.assertEqual(reader.name(last(most))[0], b"\x00")
            self.assertRaises(BadMessage, reader.name, last(most + 1))
            with patch(LIMIT_OF_NAME, ENDLESS):
                self.assertEqual(reader.name(last(most + 1))[0], b"\x00")

    def test_growingChainIsLimitedToo(self) -> None:
        """
        A chain that grows by one pointer with every name is counted in the same way.
        """
        most = int(POINTERS_PER_NAME.default)
        octets = chain(0, most + 1)
        reader = Reader(octets)
        for offset in range(1, 2 * most, 2):
            reader.name(offset)
        self.assertEqual(reader.hops, most * (most + 1) // 2)
        self.assertRaises(BadMessage, reader.name, 2 * most + 1)

    def chained(self, owners: int) -> bytes:
        """
        Return a message of 65,535 octets at most: C{owners} records, each with an owner of 120 jumps.
        """
        start = 12 + 11
        links = chain(start, 120)
        head = bytes(6) + (owners + 1).to_bytes(2, "big") + bytes(4)
        first = b"\x00\xff\x00\x00\x01" + bytes(4) + len(links).to_bytes(2, "big") + links
        record = pointer(start + len(links) - 2) + b"\xff\x00\x00\x01" + bytes(4) + b"\x00\x00"
        message = head + first + record * owners
        assert len(message) <= 65535
        return message

    def test_jumpsOfAMessageAreLimited(self) -> None:
        """
        Thousands of owners with long chains of pointers are refused before their jumps exceed the limit of a message. Without the limit all
        of them would be followed.
        """
        wire = self.chained(5000)
        with counting() as work:
            self.assertRaises(BadMessage, Message.fromWire(wire).check)
        self.assertLessEqual(work.hops, POINTER_HOPS.default + 121)
        with counting() as work, patch(LIMIT_OF_MESSAGE, ENDLESS):
            Message.fromWire(wire).check()
        self.assertEqual(work.hops, 5000 * 121)
        Message.fromWire(self.chained(100)).check()

    def test_octetsAreReadAFewTimes(self) -> None:
        """
        Names that point into the middle of long ones do not cause octets to be read often.
        """
        labels = b"\x01a" * 126 + b"\x00"
        for jumps in range(0, 126, 25):
            octets = bytearray(bytes(6) + b"\x00\x00" + bytes(4))
            count = 0
            while len(octets) < 62000:
                start = len(octets)
                octets += labels + b"\xff\x00\x00\x01" + bytes(6)
                count += 1
                for inside in range(0 if start < 16000 else 252, 252, 2):
                    octets += pointer(start + inside) + b"\xff\x00\x00\x01" + bytes(6)
                    count += 1
                links = pointer(12 + 2 * (count % 100)) + b"".join(
                    [pointer(min(len(octets) + 11 + 2 * index, 0x3FFF)) for index in range(jumps)]
                )
                octets += b"\x00\xff\x00\x00\x01" + bytes(4) + len(links).to_bytes(2, "big") + links
                count += 1
            octets[6:8] = count.to_bytes(2, "big")
            data = CountingBytes(bytes(octets))
            Message.fromWire(data).check()
            self.assertLess(data.touched, 8 * len(data))

    @given(st.lists(st.sampled_from([b"\x00", b"\x3f" + b"a" * 63, b"\xc0\x00", b"\xc0\x41", b"\xc0\x02"]), max_size=60).map(b"".join))
    def test_anyNameIsLimited(self, octets: bytes) -> None:
        """
        A name from any octets has 255 octets at most, and reading all of them reads each octet a few times.
        """
        data = CountingBytes(octets)
        reader = Reader(data)
        for offset in range(len(octets)):
            try:
                self.assertLessEqual(len(reader.name(offset)[0]), MOST_OCTETS)
            except BadMessage:
                pass
        self.assertLessEqual(data.touched, len(octets) * 4 * MOST_OCTETS)
