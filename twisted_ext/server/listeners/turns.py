"""
Divide costly work among the turns of the reactor, so that cheap work of others is done in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Turns"]


class Turns:
    """
    Pieces of work of one kind, of which each turn has so many at most. The rest waits, the oldest first.
    """

    def __init__(self, clock: IReactorTime, most: int) -> None:
        self._clock = clock
        self._most = most
        self._done = 0
        self._waiting: deque[Callable[[], bool]] = deque()
        self._next: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def admit(self, work: Callable[[], bool]) -> bool:
        """
        @param work: called in a later turn if this one has no room; returns whether there was still something to do.

        @return: whether this turn has room, so that the caller does the work itself.
        """
        if self._next is None:
            self._next = self._clock.callLater(0, self._turn)
        if self._done < self._most and not self._waiting:
            self._done += 1
            return True
        self._waiting.append(work)
        return False

    def _turn(self) -> None:
        self._next = None
        self._done = 0
        waiting = self._waiting
        while waiting and self._done < self._most:
            self._done += waiting.popleft()()
        if self._done:
            self._next = self._clock.callLater(0, self._turn)

    def close(self) -> None:
        """
        Forget what waits.
        """
        self._waiting.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None
