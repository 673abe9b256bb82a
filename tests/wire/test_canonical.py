"""
Tests of the canonical form of rdata.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.wire.rdata.canonical import canonicalOf, distinct


class CanonicalTests(SynchronousTestCase):
    """
    Tests of L{canonicalOf} and L{distinct}.
    """

    def test_namesInRdataAreFolded(self) -> None:
        """
        Names in rdata are folded to lower case where RFC 4034, section 6.2 says so. Malformed rdata stays as it is.
        """
        for rrType, before, after in (
            (2, b"\x01A\x00", b"\x01a\x00"),
            (15, b"\x00\x41\x01A\x00", b"\x00\x41\x01a\x00"),
            (33, b"AAAAAA\x01A\x00", b"AAAAAA\x01a\x00"),
            (6, b"\x01A\x00\x01B\x00" + 20 * b"A", b"\x01a\x00\x01b\x00" + 20 * b"A"),
            (46, 18 * b"A" + b"\x01A\x00AAAA", 18 * b"A" + b"\x01a\x00AAAA"),
            (47, b"\x01A\x00\x00\x01\x40", b"\x01A\x00\x00\x01\x40"),
            (16, b"\x01A", b"\x01A"),
            (65280, b"ABC", b"ABC"),
            (46, b"\x00", b"\x00"),
            (6, b"\x01A", b"\x01A"),
        ):
            self.assertEqual(canonicalOf(rrType, before), after)

    def test_recordsThatDifferInCaseAreOne(self) -> None:
        """
        Records that differ only in the case of a name in them are one record; those that differ in the case of a text are two.
        """
        self.assertEqual(distinct(2, [b"\x01A\x00", b"\x01a\x00"]), (b"\x01A\x00",))
        self.assertEqual(distinct(16, [b"\x01A", b"\x01a"]), (b"\x01A", b"\x01a"))
