"""
How far a long run has come, on one line of a terminal.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Progress", "progressLine"]

#: Seconds between two looks.
_EVERY = 0.25

_BAR = 24


def progressLine(done: int, perSecond: float, part: float | None, window: int, failed: int) -> str:
    """
    @param part: how much of the input has been taken in, 0 to 1, or L{None} where nobody knows.
    """
    pieces = []
    if part is not None:
        filled = int(part * _BAR)
        pieces.append(f"[{'#' * filled}{'.' * (_BAR - filled)}] {part:4.0%}")
    pieces.append(f"{done:,} names")
    pieces.append(f"{perSecond:,.0f}/s")
    pieces.append(f"window {window}")
    if failed:
        pieces.append(f"{failed:,} without answer")
    return "  ".join(pieces)


class Progress:
    """
    Shows the line and keeps it up to date.

    @ivar done: look-ups that have ended.
    @ivar failed: how many of them without an answer.
    """

    def __init__(self, clock: IReactorTime, stream: IO[str], *, part: Callable[[], float | None], window: Callable[[], int]) -> None:
        self.done = 0
        self.failed = 0
        self._clock = clock
        self._stream = stream
        self._part = part
        self._window = window
        self._before = 0
        self._at = clock.seconds()
        self._speed = 0.0
        self._timer: IDelayedCall | None = clock.callLater(_EVERY, self._tick)

    def _tick(self) -> None:
        now = self._clock.seconds()
        if now > self._at:
            speed = (self.done - self._before) / (now - self._at)
            self._speed = speed if not self._before else 0.7 * self._speed + 0.3 * speed
        self._before, self._at = self.done, now
        self._stream.write(f"\r{progressLine(self.done, self._speed, self._part(), self._window(), self.failed)}\x1b[K")
        self._stream.flush()
        self._timer = self._clock.callLater(_EVERY, self._tick)

    def close(self) -> None:
        """
        Take the line away.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._stream.write("\r\x1b[K")
            self._stream.flush()
