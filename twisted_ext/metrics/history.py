"""
The recent history of the main metrics.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.metrics.limits import HISTORY_SECONDS

__all__ = ["History", "Moment"]


@dataclass(slots=True)
class Moment:
    at: float
    queries: int
    atHand: int
    waited: int
    failed: int


class History:
    """
    A ring of moments about a second apart, as many as L{HISTORY_SECONDS} allows; the oldest are dropped.
    """

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque(maxlen=int(HISTORY_SECONDS.default) + 1)

    def note(self, figures: Figures, now: float) -> None:
        moments = self._moments
        if moments and (figures.queries < moments[-1].queries or now < moments[-1].at):
            # A worker process has exited, and its counts are gone.
            moments.clear()
        failed = int(figures.numbers["failed"])
        moments.append(Moment(now, figures.queries, figures.atHand, figures.waited, failed))

    def perSecond(self, seconds: float = 5.0) -> float:
        """
        Return queries per second over the last few seconds.
        """
        moments = self._moments
        if len(moments) < 2:
            return 0.0
        last = moments[-1]
        first = next((each for each in moments if last.at - each.at <= seconds), moments[-2])
        if first is last:
            first = moments[-2]
        elapsed = last.at - first.at
        return (last.queries - first.queries) / elapsed if elapsed > 0 else 0.0

    def toJSON(self) -> list[JSON]:
        """
        Return for each step its length in seconds, queries, answers given at once, answers by look-up and failures; oldest first.
        """
        moments = list(self._moments)
        return [
            [
                round(after.at - before.at, 3),
                after.queries - before.queries,
                after.atHand - before.atHand,
                after.waited - before.waited,
                after.failed - before.failed,
            ]
            for before, after in zip(moments, moments[1:], strict=False)
        ]
