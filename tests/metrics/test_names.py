"""
Tests of the lists of the most frequent and the slowest names.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.metrics.names import FrequentNames, Slowest


class AskedTests(SynchronousTestCase):
    """
    Tests for L{FrequentNames}.
    """

    def test_countsOfFewNamesAreExact(self) -> None:
        """
        The counts are exact while there are few names.
        """
        asked = FrequentNames(16)
        for name in (b"a", b"b", b"a"):
            asked.add(name)
        self.assertEqual(asked.most(5), [(b"a", 2), (b"b", 1)])
        self.assertEqual(asked.taken, 0)

    def test_floodDoesNotHideFrequentName(self) -> None:
        """
        A flood of random names takes a bounded number of slots, and the most frequent name stays on top.
        """
        asked, flood = FrequentNames(64), Random(7)
        for turn in range(20_000):
            asked.add(flood.randbytes(8))
            if turn % 10 == 0:
                asked.add(b"often")
            self.assertLessEqual(len(asked), 64)
        self.assertEqual(asked.most(1)[0][0], b"often")

    @given(st.lists(st.integers(0, 60), max_size=600), st.integers(16, 40))
    def test_countErrorIsBounded(self, names: list[int], most: int) -> None:
        """
        A count is never too large, and too small by at most the announced error. A name with more queries than that is always
        listed.
        """
        asked, exact = FrequentNames(most), Counter(names)
        for name in names:
            asked.add(bytes([name]))
        found = dict(asked.most(1000))
        self.assertLessEqual(len(found), most)
        for name, count in exact.items():
            self.assertLessEqual(found.get(bytes([name]), 0), count)
            self.assertGreaterEqual(found.get(bytes([name]), 0), count - asked.taken)

    def test_oldCountsDecay(self) -> None:
        """
        Old counts decay and make room for recent ones.
        """
        asked = FrequentNames()
        asked.add(b"then", 100)
        for _ in range(7):
            asked.halve()
        self.assertEqual(asked.most(1), [])
        asked.add(b"now")
        self.assertEqual(asked.most(1), [(b"now", 1)])


class SlowestTests(SynchronousTestCase):
    """
    Tests for L{Slowest}.
    """

    def test_longestTimeCounts(self) -> None:
        """
        A name is listed with its longest time, however often it was quick.
        """
        slowest = Slowest()
        for name, seconds in ((b"a", 0.1), (b"A", 2.0), (b"a", 0.3), (b"b", 1.0)):
            slowest.add(name, seconds)
        self.assertEqual(slowest.most(9), [(b"a", 2.0), (b"b", 1.0)])

    def test_floodDoesNotHideSlowest(self) -> None:
        """
        A flood of names takes a bounded number of slots, and the slowest name stays.
        """
        slowest, flood = Slowest(16), Random(7)
        slowest.add(b"slow", 9.0)
        for _ in range(10_000):
            slowest.add(flood.randbytes(8), flood.random())
        found = slowest.most(1000)
        self.assertLessEqual(len(found), 16)
        self.assertEqual(found[0], (b"slow", 9.0))

    def test_slowNameIsForgottenAfterTwoPeriods(self) -> None:
        """
        A slow name is forgotten after two periods, not earlier.
        """
        slowest = Slowest()
        slowest.add(b"then", 3.0)
        slowest.turn()
        slowest.add(b"now", 1.0)
        self.assertEqual(slowest.most(9), [(b"then", 3.0), (b"now", 1.0)])
        slowest.turn()
        self.assertEqual(slowest.most(9), [(b"now", 1.0)])
