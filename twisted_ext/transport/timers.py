"""
One timer for all pending operations, and one for an idle connection.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["ROUNDING", "SPARING", "IdleTimer", "Timetable", "TimetableItem"]

#: Seconds by which a reactor's clock may seem to be early because of rounding.
ROUNDING: Final = 1e-5

#: Seconds to add to the delay per waiting item: with very many items, checking them takes less than a tenth of the time.
SPARING: Final = 2e-6


#: Tolerated delay of the delayed call in seconds. If it is later, this process was busy, and replies that arrived in time may be unread.
_LATE: Final = 0.02

#: Sockets that are read in one turn of the reactor, and maximum turns to wait for all of them to be read.
_READ_PER_TURN: Final = 32
_MOST_TURNS: Final = 16


class TimetableItem(Protocol):
    #: The clock's seconds at which C{overdue} is called. May be moved later at any time; C{hurry} is for earlier.
    due: float

    def overdue(self, now: float) -> None:
        """
        Called when C{due} is reached. Must move C{due} to a later time or leave the timetable.
        """


class Timetable:
    """
    A set of items with due times, served by a single delayed call, or none while the set is empty.

    Adding and removing items is cheap; time-critical callers modify the set directly.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.waiting: set[TimetableItem] = set()
        self.wakesAt = inf
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._turns = 0

    def add(self, item: TimetableItem) -> None:
        """
        Add C{item}, or reschedule it after its C{due} has moved to an earlier time.
        """
        self.waiting.add(item)
        if item.due < self.wakesAt:
            self.wakeAt(item.due)

    def wakeAt(self, due: float) -> None:
        self.wakesAt = due
        delay = max(0.0, due - self._clock.seconds())
        if self._call is None:
            self._call = self._clock.callLater(delay, self._wake)
        else:
            self._call.reset(delay)

    def settle(self) -> None:
        """
        Cancel the delayed call if no items are left.
        """
        self.wakesAt = inf
        self._turns = 0
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _wake(self) -> None:
        self._call = None
        waiting = self.waiting
        now = self._clock.seconds()
        if now - self.wakesAt > _LATE and self._turns < min(1 + len(waiting) // _READ_PER_TURN, _MOST_TURNS):
            # Timers are handled before sockets in a turn of the reactor.
            self._turns += 1
            self._call = self._clock.callLater(0, self._wake)
            return
        self._turns = 0
        # Items rescheduled in the loop must not schedule another call: one is scheduled below.
        self.wakesAt = -inf
        latest = now + ROUNDING
        try:
            for item in [item for item in waiting if item.due <= latest]:
                if item in waiting:
                    item.overdue(now)
        finally:
            self.wakesAt = inf
            due = min([item.due for item in waiting], default=inf)
            if due < inf:
                self.wakeAt(max(due, self._clock.seconds() + len(waiting) * SPARING))


class IdleTimer:
    """
    Ends a connection that has been idle for a while.

    @ivar until: the clock's seconds at which the connection is to end. Users set it to infinity once the connection is busy, and leave the
        timer alone: usually the connection is idle again soon, and a timer that is already running looks at the time again.
    @ivar wakesAt: when the timer looks at the time next.
    """

    def __init__(self, clock: IReactorTime, expired: Callable[[], object]) -> None:
        self.until = inf
        self._clock = clock
        self._expired = expired
        self._call: IDelayedCall | None = None
        self.wakesAt = inf

    def start(self, seconds: float) -> None:
        """
        The connection is idle from now on.
        """
        self.until = until = self._clock.seconds() + seconds
        if self.wakesAt > until:
            self.wakesAt = until
            if self._call is None:
                self._call = self._clock.callLater(seconds, self._wake)
            else:
                self._call.reset(seconds)

    def stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
            self.wakesAt = inf

    def _wake(self) -> None:
        self._call = None
        self.wakesAt = inf
        left = self.until - self._clock.seconds()
        if left <= ROUNDING:
            self._expired()
        elif left < inf:
            self.start(left)
