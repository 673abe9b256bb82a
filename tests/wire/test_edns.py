"""
Tests for L{twisted_ext.wire.message} and L{twisted_ext.wire.codes}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wire import strategies
from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import DO, className, classNumber, rcodeName
from twisted_ext.wire.message import EDNS


class EDNSTests(SynchronousTestCase):
    """
    Tests for OPT records.
    """

    @given(strategies.edns)
    def test_roundTrip(self, edns: EDNS) -> None:
        """
        An OPT record is the same after it was written and read.
        """
        wire = edns.toWire()
        found = EDNS.fromRecord(int.from_bytes(wire[3:5], "big"), int.from_bytes(wire[5:9], "big"), wire[11:])
        self.assertEqual(found, edns)
        self.assertEqual(hash(found), hash(edns))
        self.assertEqual((found.version, found.extendedRcode, found.options), (edns.version, edns.extendedRcode, edns.options))

    @given(st.binary(max_size=60))
    def test_anyOptionsRoundTripOrFail(self, rdata: bytes) -> None:
        """
        Any octets are options that round-trip, or are refused.
        """
        try:
            edns = EDNS.fromRecord(1232, 0, rdata)
        except BadMessage:
            return
        self.assertEqual(edns.toWire()[11:], rdata)

    def test_firstOptionOfACodeCounts(self) -> None:
        """
        The first of several options with one code counts.
        """
        edns = EDNS(1232, DO, ((3, b"a"), (10, b""), (3, b"b")))
        self.assertEqual((edns.option(3), edns.option(10), edns.option(8)), (b"a", b"", None))
        self.assertTrue(edns.dnssecOk)
        self.assertFalse(EDNS(1232, 0x7FFF).dnssecOk)


class CodeTests(SynchronousTestCase):
    """
    Tests for mnemonics.
    """

    def test_classMnemonics(self) -> None:
        """
        Classes have mnemonics or the form of RFC 3597, in any case.
        """
        for number in (1, 3, 4, 254, 255, 2, 0, 65535):
            self.assertEqual(classNumber(className(number)), number)
            self.assertEqual(classNumber(className(number).lower()), number)
        for text in ("CLASS65536", "CLASS", "CLASS-1", "CLASS\u0661", "INN", "", "CLASS100000"):
            self.assertIsNone(classNumber(text))

    def test_rcodeMnemonics(self) -> None:
        """
        Rcodes have mnemonics or numbers.
        """
        self.assertEqual([rcodeName(number) for number in (3, 23, 4095)], ["NXDOMAIN", "BADCOOKIE", "RCODE4095"])
