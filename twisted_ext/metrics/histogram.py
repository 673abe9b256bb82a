"""
How long things took, as counts of what stayed below certain bounds.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

__all__ = ["BOUNDS", "Histogram"]

#: Upper bounds of the classes, in seconds, each counting what took that long at most. A last class takes all that was slower.
BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Histogram:
    """
    Counts of durations by class.

    @ivar counts: one number for each of L{BOUNDS}, and one for what was slower than all of them. Not cumulative.
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
        # A value equal to a bound belongs below it, as Prometheus has it.
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        if seconds > 0:
            self.total += seconds

    @property
    def count(self) -> int:
        """
        How many there were.
        """
        return sum(self.counts)
