"""
A histogram of durations with fixed bounds.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

__all__ = ["BOUNDS", "Histogram"]

#: Upper bounds of the buckets in seconds, inclusive. A last bucket takes everything slower.
BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Histogram:
    """
    Counts of durations by bucket.

    @ivar counts: one number for each of L{BOUNDS}, and one for everything slower. Not cumulative.
    @ivar total: the sum of all durations, in seconds.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """
        Count one duration.
        """
        # A value equal to a bound belongs to its bucket, as in Prometheus.
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        if seconds > 0:
            self.total += seconds

    @property
    def count(self) -> int:
        """
        Return how many durations were counted.
        """
        return sum(self.counts)
