"""
Handle many deadlines with a single timer.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.answers import Answer

__all__ = ["Deadlines"]


class Deadlines:
    """
    Calls back for each waiter whose deadline passes before its answer arrives. No timer is left when there are no waiters.

    @ivar waiting: the waiters, each with the callback for its deadline.
    """

    __slots__ = ("waiting", "_clock", "_heap", "_timer", "_timerAt", "_number")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Deferred[Answer]]] = []
        self.waiting: dict[Deferred[Answer], Callable[[Deferred[Answer]], object]] = {}
        self._timer: IDelayedCall | None = None
        self._timerAt = 0.0
        self._number = 0

    def add(self, deadline: float, waiter: Deferred[Answer], late: Callable[[Deferred[Answer]], object]) -> None:
        """
        @param late: called with the waiter if its deadline passes first.
        """
        self._number += 1
        heappush(self._heap, (deadline, self._number, waiter))
        self.waiting[waiter] = late
        if self._timer is None or deadline < self._timerAt:
            self._arm(deadline)

    def discard(self, waiter: Deferred[Answer]) -> None:
        """
        Remove a waiter that has its answer or was cancelled; one that was never added is ignored.
        """
        waiting = self.waiting
        if waiting.pop(waiter, None) is not None:
            if not waiting:
                self._heap.clear()
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
            elif len(self._heap) > 2 * len(waiting) + 64:
                self._heap = sorted([each for each in self._heap if each[2] in waiting])

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timerAt = deadline
        self._timer = self._clock.callLater(max(deadline - self._clock.seconds(), 0), self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2] not in self.waiting):
            _, _, waiter = heappop(self._heap)
            late = self.waiting.pop(waiter, None)
            if late is not None:
                late(waiter)
        self._rearm()

    def _rearm(self) -> None:
        # A waiter added by a callback may have set the timer, but for a later time.
        if self._heap and (self._timer is None or self._heap[0][0] < self._timerAt):
            self._arm(self._heap[0][0])
