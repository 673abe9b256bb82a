"""
A clock for many delayed calls.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

__all__ = ["OrderedClock", "takeDue"]


class _OrderedCall(DelayedCall):
    """
    A delayed call that tells its clock of each change of its time, not only of one to an earlier time.
    """

    def reset(self, secondsFromNow: float) -> None:
        super().reset(secondsFromNow)
        self.resetter(self)

    def delay(self, secondsLater: float) -> None:
        super().delay(secondsLater)
        self.resetter(self)


class OrderedClock(Clock):
    """
    A clock that puts each new call into its place. Twisted's own sorts all calls for each one that is added and each one that is due, which
    with some hundred of them takes longer than what is tested.
    """

    def __init__(self) -> None:
        super().__init__()
        # Whether the time of a call has changed since they were last sorted.
        self._moved = False

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        call = _OrderedCall(self.rightNow + delay, callable, args, kw, self.calls.remove, self._noteMove, self.seconds)
        self._sortCalls()
        # Behind those of the same time.
        insort(self.calls, call, key=DelayedCall.getTime)
        return call

    def _noteMove(self, _: DelayedCall) -> None:
        self._moved = True

    def _sortCalls(self) -> None:
        if self._moved:
            self._moved = False
            self.calls.sort(key=DelayedCall.getTime)


def takeDue(clock: Clock, until: float) -> DelayedCall | None:
    """
    Take the next call from a clock, if its time is not after C{until}.
    """
    clock._sortCalls()
    calls = clock.calls
    return calls.pop(0) if calls and calls[0].getTime() <= until else None
