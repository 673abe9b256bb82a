"""
Tests of the server's counters.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.metrics.counters import BOUNDS, RCODES, Counters, Histogram
from twisted_ext.wire.names import nameFromText


class CountersTests(SynchronousTestCase):
    """
    Tests for L{Counters}.
    """

    def test_hitsAreQueriesMinusMisses(self) -> None:
        """
        The hits of the packet cache are the queries that went no further, so that a hit needs no counter of its own.
        """
        counters = Counters()
        counters.udp += 10
        counters.udpBeyond += 3
        counters.tcp += 4
        counters.tcpBeyond += 4
        self.assertEqual(counters.hits, 7)

    def test_unknownRcodeIsCounted(self) -> None:
        """
        A reply with an unassigned RCODE is counted.
        """
        counters = Counters()
        counters.replied(4095)
        counters.replied(0)
        self.assertEqual((counters.replies[0], counters.replies[RCODES - 1]), (1, 1))

    def test_sampledNameCountsForBatch(self) -> None:
        """
        A sampled datagram counts for its whole batch, in any letter case.
        """
        counters = Counters()
        name = nameFromText("wWw.example.com")
        counters.sampled(b"id\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1", 64)
        self.assertEqual(counters.names.most(2), [(nameFromText("www.example.com"), 64)])

    def test_sampledJunkIsIgnored(self) -> None:
        """
        A datagram without a complete question counts nothing and raises nothing.
        """
        counters = Counters()
        question = b"\1a\0\0\1\0\1"
        cut = [question[:length] for length in range(len(question))]
        for junk in (b"", b"\xff" * 11, *[b"\0" * 12 + each for each in (*cut, b"\xc0\x0c", b"\x3fa", b"\1a" * 300)]):
            counters.sampled(junk)
        self.assertEqual((counters.names.most(2), counters.types), ([], Counters().types))

    def test_refusalsAreCountedByRule(self) -> None:
        """
        Refused requests are counted by the rule that refused them.
        """
        counters = Counters()
        for gate in ("access", "rate", "access"):
            counters.refused(gate)
        self.assertEqual(counters.refusals, {"access": 2, "rate": 1})


class HistogramTests(SynchronousTestCase):
    """
    Tests for L{Histogram}.
    """

    def test_durationFallsIntoItsBucket(self) -> None:
        """
        A duration belongs to the first bucket whose bound it does not exceed, or to the last one.
        """
        histogram = Histogram()
        for seconds in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, BOUNDS[-1], BOUNDS[-1] + 1):
            histogram.add(seconds)
        self.assertEqual(histogram.counts[:2], [2, 1])
        self.assertEqual(histogram.counts[-2:], [1, 1])
        self.assertEqual(sum(histogram.counts), 5)

    def test_clockSetBackNeverLowersSum(self) -> None:
        """
        A clock that is set back does not lower the sum, because a counter must never go down.
        """
        histogram = Histogram()
        histogram.add(2.0)
        histogram.add(-5.0)
        self.assertEqual((histogram.total, sum(histogram.counts)), (2.0, 2))
