"""
Tests of untrusted rdata: any octets give a value or BadMessage, at a limited cost.
"""

from __future__ import annotations

from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.rdata.samples import SAMPLES
from twisted_ext.errors import BadMessage, BadRecord
from twisted_ext.limits import Limit
from twisted_ext.wire.rdata import keyed
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.registry import (
    canonicalRdata,
    declarationOf,
    layoutOf,
    rdataFromText,
    rdataFromWire,
    rdataToText,
)
from twisted_ext.wire.rdata.types import meta
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import readRecords
from twisted_ext.wire.rrtypes import HTTPS, SVCB, TYPE_NAMES, typeNumber

_TYPES: Final = st.sampled_from(sorted(TYPE_NAMES)) | st.integers(0, 0xFFFF)

#: Text of the characters in rdata.
_NEARLY: Final = st.text('0123456789abcdefAZ.:-+=/\\"();! \t\n@#', max_size=60)

_WIRES: Final = [
    (typeNumber(name) or 0, rdataFromText(typeNumber(name) or 0, text)) for name, texts in SAMPLES.items() for text in texts
]


@st.composite
def damagedRdata(draw: st.DrawFn) -> tuple[int, bytes]:
    """
    Return a type, and rdata of that type with a few octets changed, removed or added.
    """
    rrType, wire = draw(st.sampled_from(_WIRES))
    octets = bytearray(wire)
    for _ in range(draw(st.integers(0, 4))):
        position = draw(st.integers(0, max(0, len(octets))))
        octets[position : position + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return rrType, bytes(octets)


class AnyOctetsTests(SynchronousTestCase):
    """
    Tests with random octets.
    """

    def examine(self, rrType: int, rdata: bytes) -> Rdata | None:
        """
        Check every property of the rdata.

        @return: the value, if it is valid.
        """
        text = rdataToText(rrType, rdata)
        try:
            value = rdataFromWire(rrType, rdata)
        except BadMessage:
            self.assertEqual(text.split(" ")[0], "\\#")
            self.assertRaises(BadMessage, canonicalRdata, rrType, rdata)
            return None
        self.assertEqual((value.wire, value.toText()), (rdata, text))
        self.assertEqual(rdataFromText(rrType, text), rdata)
        self.assertEqual(len(value.canonical()), len(rdata))
        self.assertTrue(text.isascii() and text.isprintable(), text)
        again = declarationOf(rrType)(*value.values)
        self.assertEqual(again.values, value.values)
        self.assertEqual(declarationOf(rrType).fromWire(again.wire), again)
        for name in dir(value):
            getattr(value, name)
        return value

    @given(_TYPES, st.binary(max_size=64))
    @settings(max_examples=1000)
    def test_anyOctetsAreValueOrError(self, rrType: int, rdata: bytes) -> None:
        """
        Any octets are a value or BadMessage. A value round-trips as octets, as text and by its fields.
        """
        self.examine(rrType, rdata)

    @given(damagedRdata())
    @settings(max_examples=1000)
    @example((SVCB, b"\x00\x01\x00\x00\x07\xff\xff\x00"))
    @example((SVCB, b"\x00\x01\x00\x00\x03\x00\x00"))
    @example((HTTPS, b"\x00\x01\x00\x00\x01\x00\x03\x02h2\x00\x01\x00\x03\x02h2"))
    def test_damagedOctetsAreValueOrError(self, given: tuple[int, bytes]) -> None:
        """
        Damaged rdata is a value or BadMessage as well.
        """
        self.examine(*given)

    @given(_TYPES, st.binary(max_size=48), st.binary(max_size=8))
    @settings(max_examples=500)
    def test_anyRdataInMessages(self, rrType: int, rdata: bytes, behind: bytes) -> None:
        """
        Any rdata in a message gives a record or BadMessage, whatever surrounds it.
        """
        head = b"\x00" + rrType.to_bytes(2, "big") + b"\x00\x01\x00\x00\x00\x05" + len(rdata).to_bytes(2, "big")
        wire = b"\x03www\x07example\x00" + head + rdata + behind
        try:
            (record,), end = readRecords(Reader(wire), 13, 1)
        except BadMessage:
            return
        self.assertEqual(end, len(wire) - len(behind))
        if layoutOf(rrType) is None:
            self.assertEqual(record.rdatas, (rdata,))
        self.examine(rrType, record.rdatas[0])

    @given(_TYPES, st.text(st.characters(exclude_categories=()), max_size=60) | _NEARLY)
    @settings(max_examples=1000)
    def test_anyTextIsRdataOrError(self, rrType: int, text: str) -> None:
        """
        Any text is rdata or BadRecord.
        """
        try:
            rdata = rdataFromText(rrType, text, b"\x07example\x00")
        except BadRecord as error:
            self.assertNotIn("\n", str(error))
            return
        self.examine(rrType, rdata)


class LongestTests(SynchronousTestCase):
    """
    Tests of rdata of the largest size.
    """

    def test_manyPartsTakeLinearWork(self) -> None:
        """
        Rdata full of the smallest parts takes work in proportion to its octets, even where the last part is refused.
        """
        count = 0xFFFF
        for rrType, rdata in (
            ("TXT", bytes(count)),
            ("HIP", b"\x01\x02\x00\x01tk" + bytes(count - 6)),
            ("APL", b"\x00\x01\x20\x04\x01\x01\x01\x01" * (count // 8)),
            ("SVCB", b"\x00\x01\x00" + b"".join([key.to_bytes(2, "big") + b"\x00\x00" for key in range(11, 16000)])),
            ("SVCB", b"\x00\x01\x00\x00\x01\xff\x00" + b"\x01h" * 0x7F80),
            ("NSEC", b"\x00" + b"".join([bytes([window, 32]) + b"\xff" * 32 for window in range(256)])),
            ("WKS", bytes(5) + b"\xff" * 8192),
            ("OPENPGPKEY", b"\xaa" * count),
            ("TYPE65280", b"\xaa" * count),
        ):
            number = typeNumber(rrType) or 0
            value = rdataFromWire(number, rdata)
            self.assertEqual(rdataFromText(number, value.toText()), rdata, rrType)
            self.assertEqual(value.canonical(), rdata)

    def test_optionsAreLimited(self) -> None:
        """
        Too many options are refused (CVE-2026-41292). Without the limit they would be read.
        """
        self.assertEqual(len(rdataFromWire(41, bytes(400)).values), 1)
        self.assertRaises(BadMessage, rdataFromWire, 41, bytes(404))
        self.assertRaises(BadMessage, rdataFromWire, 41, bytes(0xFFFC))
        self.patch(meta, "EDNS_OPTIONS", Limit(default=0xFFFF, least=1, most=0xFFFF))
        self.assertEqual(len(rdataFromWire(41, bytes(0xFFFC)).values), 1)

    def test_lengthBeyondRdataIsRefused(self) -> None:
        """
        A parameter whose length exceeds the rdata is refused (CVE-2026-12246). Without the check it would be accepted.
        """
        rdata = b"\x00\x01\x00\x00\x07\xff\xff/"
        self.assertRaises(BadMessage, rdataFromWire, SVCB, rdata)
        self.patch(keyed, "takeOctets", lambda data, position, count: data[position : position + count])
        self.assertEqual(rdataFromWire(SVCB, rdata).wire, rdata)

    def test_oversizedRdataIsRefused(self) -> None:
        """
        Rdata longer than its length field allows is refused in every form.
        """
        self.assertRaises(BadMessage, rdataFromWire, 16, bytes(0x10000))
        self.assertRaises(BadRecord, declarationOf(16), (b"",) * 0x10000)
        self.assertRaises(BadRecord, rdataFromText, 16, '"" ' * 0x10000)
        self.assertRaises(BadRecord, rdataFromText, 16, "\\# 65536 " + "00" * 0x10000)

    def test_longTextsTakeLinearTime(self) -> None:
        """
        Nested or endless text takes no more than one look at each character.
        """
        for text in ("(" * 100000, "\\" * 100001, '"' + "\\a" * 100000, "9" * 100000, "a=" * 100000, '=""' * 100000):
            for number in (1, 16, 33, 46, 64):
                try:
                    rdataFromText(number, text)
                except BadRecord as error:
                    self.assertLess(len(str(error)), 300)
