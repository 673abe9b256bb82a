"""
When to look again.
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

#: Seconds that a cache on the way may have left out: TTLs are whole ones.
_ROUNDED: Final = 1


def secondsOf(question: Question, answer: Answer) -> int:
    """
    @return: for how many seconds an answer holds: its least TTL, or what the SOA record of a denial says (RFC 2308, section 5); 0 where
        nothing says it.
    """
    return _LIFETIMES.keeping(question, answer)[0]


class Pace:
    """
    The times between looks: as long as answers hold, within bounds, or as somebody wishes; longer and longer while look-ups fail.

    @ivar interval: the seconds that somebody wishes for, L{None} where answers say it.
    """

    __slots__ = ("interval", "_draw", "_wait")

    def __init__(self, interval: float | None, draw: Callable[[], float]) -> None:
        """
        @param interval: moved inside the range of L{WATCH_SECONDS}.
        @param draw: gives numbers from 0 to 1.

        @raise CallerFault: this is no number above zero.
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
        @param holds: for how many seconds the answer does.

        @return: in how many seconds to look again.
        """
        self._wait = 0.0
        if self.interval is not None:
            return self._later(self.interval)
        return self._later(min(max(holds + _ROUNDED, WATCH_SECONDS.default), WATCH_MOST_SECONDS.default))

    def afterFailure(self) -> float:
        """
        @return: in how many seconds to look again, twice as many as after the failure before.
        """
        first = WATCH_SECONDS.default if self.interval is None else self.interval
        self._wait = max(first, min(self._wait * 2, WATCH_RETRY_SECONDS.default))
        return self._later(self._wait)

    def _later(self, seconds: float) -> float:
        # Never sooner: until then the answer holds.
        return seconds * (1 + WATCH_JITTER.default * self._draw())
