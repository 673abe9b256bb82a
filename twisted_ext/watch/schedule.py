"""
When to look a watched name up again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_ext.answers import Answer, Question
from twisted_ext.cache.lifetimes import Lifetimes
from twisted_ext.errors import CallerFault
from twisted_ext.watch.limits import WATCH_JITTER, WATCH_MOST_SECONDS, WATCH_RETRY_SECONDS, WATCH_SECONDS

__all__ = ["Pace", "secondsOf"]

_LIFETIMES: Final = Lifetimes()

#: Seconds that a cache on the way may have rounded off: TTLs are whole seconds.
_ROUNDED: Final = 1


def secondsOf(question: Question, answer: Answer) -> int:
    """
    Return for how many seconds an answer is valid: its least TTL, or for a denial what the SOA record gives (RFC 2308, section 5); 0 where
    neither is there.
    """
    return _LIFETIMES.keeping(question, answer)[0]


class Pace:
    """
    The time between look-ups: as long as answers are valid, within limits, or a fixed interval; doubled for each failure in a row.

    @ivar interval: the seconds that the caller set, or L{None} to follow the TTLs.
    """

    def __init__(self, interval: float | None, draw: Callable[[], float]) -> None:
        """
        @param interval: clamped to the range of L{WATCH_SECONDS}.
        @param draw: returns a random number from 0 to 1.

        @raise CallerFault: the interval is not a number above zero.
        """
        if interval is not None:
            if isinstance(interval, bool) or not isinstance(interval, int | float) or not interval > 0:
                raise CallerFault(f"interval: {interval!r} is not a number of seconds above zero")
            interval = WATCH_SECONDS.pick(interval)
        self.interval = interval
        self._draw = draw
        self._wait = 0.0

    def afterAnswer(self, holds: float) -> float:
        """
        @param holds: for how many seconds the answer is valid.

        @return: in how many seconds to look the name up again.
        """
        self._wait = 0.0
        if self.interval is not None:
            return self._later(self.interval)
        return self._later(min(max(holds + _ROUNDED, WATCH_SECONDS.default), WATCH_MOST_SECONDS.default))

    def afterFailure(self) -> float:
        """
        Return in how many seconds to look the name up again: twice as many as after the failure before.
        """
        first = WATCH_SECONDS.default if self.interval is None else self.interval
        self._wait = max(first, min(self._wait * 2, WATCH_RETRY_SECONDS.default))
        return self._later(self._wait)

    def _later(self, seconds: float) -> float:
        # Never earlier: until then the answer is valid.
        return seconds * (1 + WATCH_JITTER.default * self._draw())
