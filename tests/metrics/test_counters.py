"""
Tests of what a server counts.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.metrics.counters import RCODES, Counters
from twisted_ext.metrics.histogram import BOUNDS, Histogram
from twisted_ext.wire.names import nameFromText


class CountersTests(SynchronousTestCase):
    """
    Tests for L{Counters}.
    """

    def test_hits(self) -> None:
        """
        What the fast lane answered is what came in and went no further, so that a hit costs no addition of its own.
        """
        counters = Counters()
        counters.udp += 10
        counters.udpBeyond += 3
        counters.tcp += 4
        counters.tcpBeyond += 4
        self.assertEqual(counters.hits, 7)

    def test_largeRcode(self) -> None:
        """
        A reply code that nobody has heard of is counted, too.
        """
        counters = Counters()
        counters.replied(4095)
        counters.replied(0)
        self.assertEqual((counters.replies[0], counters.replies[RCODES - 1]), (1, 1))

    def test_sampled(self) -> None:
        """
        A datagram that stands for its batch counts for all of it, whatever the case of its letters.
        """
        counters = Counters()
        name = nameFromText("wWw.example.com")
        counters.sampled(b"id\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1", 64)
        self.assertEqual(counters.names.most(2), [(nameFromText("www.example.com"), 64)])

    def test_sampledJunk(self) -> None:
        """
        A datagram without a whole name counts nothing and does no harm.
        """
        counters = Counters()
        for junk in (b"", b"\xff" * 11, b"\0" * 12, b"\0" * 12 + b"\xc0\x0c", b"\0" * 12 + b"\x3fa", b"\0" * 12 + b"\1a" * 300):
            counters.sampled(junk)
        self.assertEqual(counters.names.most(2), [])

    def test_refused(self) -> None:
        """
        Requests that were declined are counted by the rule that did.
        """
        counters = Counters()
        for gate in ("access", "rate", "access"):
            counters.refused(gate)
        self.assertEqual(counters.refusals, {"access": 2, "rate": 1})


class HistogramTests(SynchronousTestCase):
    """
    Tests for L{Histogram}.
    """

    def test_bounds(self) -> None:
        """
        A duration belongs to the class whose bound it does not exceed, and what exceeds all of them to the last.
        """
        histogram = Histogram()
        for seconds in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, BOUNDS[-1], BOUNDS[-1] + 1):
            histogram.add(seconds)
        self.assertEqual(histogram.counts[:2], [2, 1])
        self.assertEqual(histogram.counts[-2:], [1, 1])
        self.assertEqual(histogram.count, 5)

    def test_clockGoesBack(self) -> None:
        """
        Where the clock was set back the sum does not shrink, which a counter must not.
        """
        histogram = Histogram()
        histogram.add(2.0)
        histogram.add(-5.0)
        self.assertEqual((histogram.total, histogram.count), (2.0, 2))
