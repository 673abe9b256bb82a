"""
Many deadlines on one timer.
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
    Calls back for each waiter whose time is up before its answer is there. No timer is left when nobody waits any more.
    """

    __slots__ = ("_clock", "_late", "_heap", "_waiting", "_timer", "_timerAt", "_number")

    def __init__(self, clock: IReactorTime, late: Callable[[Deferred[Answer]], object]) -> None:
        """
        @param late: called with a waiter.
        """
        self._clock = clock
        self._late = late
        self._heap: list[tuple[float, int, Deferred[Answer]]] = []
        self._waiting: set[Deferred[Answer]] = set()
        self._timer: IDelayedCall | None = None
        self._timerAt = 0.0
        self._number = 0

    def add(self, deadline: float, waiter: Deferred[Answer]) -> None:
        """
        @param deadline: the clock's seconds.
        """
        self._number += 1
        heappush(self._heap, (deadline, self._number, waiter))
        self._waiting.add(waiter)
        if self._timer is None or deadline < self._timerAt:
            self._arm(deadline)

    def discard(self, waiter: Deferred[Answer]) -> None:
        """
        This waiter has its answer, or does not want it; it need not have been added.
        """
        waiting = self._waiting
        if waiter in waiting:
            waiting.discard(waiter)
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
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2] not in self._waiting):
            _, _, waiter = heappop(self._heap)
            if waiter in self._waiting:
                self._waiting.discard(waiter)
                self._late(waiter)
        if self._heap and self._timer is None:
            self._arm(self._heap[0][0])
