"""
Work in a thread that leaves most of the time to the reactor: a thread that computes delays each turn of it by some milliseconds, and
several of them by as many times that.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

from twisted.internet.defer import Deferred, DeferredLock, fail
from twisted.internet.interfaces import IReactorTime

from twisted_ext.errors import TimedOut
from twisted_ext.server.jobs.subprocess import inThread

__all__ = ["SparingThread"]

#: Work that waits for other work. Those who wait are people; more of them than this are a flood.
_WAITING: Final = 16

#: The share of the time in which there is work, while more of it waits.
_SHARE: Final = 0.25

#: Seconds of the longest rest.
_LONGEST: Final = 1.0


class SparingThread:
    """
    Does one piece of work after the other, with rests in between.
    """

    def __init__(self, reactor: object, timer: Callable[[], float] = perf_counter) -> None:
        """
        @param reactor: has the threads.
        @param timer: a clock in seconds to measure work.
        """
        self._reactor = reactor
        self._timer = timer
        self._lock = DeferredLock()

    def __call__(self, work: Callable[[], object]) -> Deferred[object]:
        """
        Return the result of work. Fails with L{TimedOut} if too much waits already.
        """
        if len(self._lock.waiting) >= _WAITING:
            return fail(TimedOut("the server is busy with other pages; try again in some seconds"))
        return self._lock.acquire().addCallback(lambda _: self._begin(work))

    def _begin(self, work: Callable[[], object]) -> Deferred[object]:
        began = self._timer()

        def ended(result: object) -> object:
            rest = min((self._timer() - began) * (1 / _SHARE - 1), _LONGEST)
            IReactorTime(self._reactor).callLater(rest, self._lock.release)
            return result

        return inThread(self._reactor, work).addBoth(ended)
