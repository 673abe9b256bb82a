"""
Tests of following TLS records.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.wire.framing import TLSRecords


def record(size: int) -> bytes:
    return b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size)


class RecordTests(SynchronousTestCase):
    """
    Tests of L{TLSRecords}.
    """

    def test_wholeRecordIsOne(self) -> None:
        """
        Each record that arrives alone and whole is one, also behind several that came together or in pieces.
        """
        records = TLSRecords()
        self.assertTrue(records.isOne(record(40)))
        self.assertFalse(records.isOne(record(40) + record(50)))
        self.assertTrue(records.isOne(record(60)))
        self.assertFalse(records.isOne(record(70)[:30]))
        self.assertFalse(records.isOne(record(70)[30:]))
        self.assertTrue(records.isOne(record(80)))

    def test_pieceThatLooksLikeRecordIsNone(self) -> None:
        """
        Octets in the middle of a record are never taken for one, whatever they contain.
        """
        records = TLSRecords()
        outer = b"\x17\x03\x03" + (145).to_bytes(2, "big") + record(40) + bytes(100)
        self.assertFalse(records.isOne(outer[:5]))
        self.assertFalse(records.isOne(record(40)))
        self.assertFalse(records.isOne(bytes(100)))
        self.assertTrue(records.isOne(record(1)))

    def test_dividedHeaderIsNotFollowed(self) -> None:
        """
        After a header in two pieces nothing counts as one any more, whereas any other division is followed.
        """
        dice = Random(1)
        for _ in range(300):
            records = TLSRecords()
            stream = b"".join([record(dice.randrange(1, 200)) for _ in range(6)])
            cut = dice.randrange(1, len(stream))
            bounds = {0}
            while len(bounds) < 7:
                last = max(bounds)
                bounds.add(last + 5 + int.from_bytes(stream[last + 3 : last + 5], "big"))
            isHeader = any(start < cut < start + 5 for start in bounds)
            records.isOne(stream[:cut])
            records.isOne(stream[cut:])
            self.assertEqual(records.isOne(record(3)), not isHeader)
