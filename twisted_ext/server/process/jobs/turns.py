"""
Runs long work in short turns, so that queries are answered in between.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

__all__ = ["paced"]

#: Seconds that a turn may take.
_TURN: Final = 0.004


def paced(reactor: IReactorTime, steps: Iterator[object]) -> Deferred[None]:
    """
    Run an iterator of short steps to its end.

    @param steps: an exception in a step ends the work. A generator may yield a Deferred, and gets its result, or its failure is raised
        there.

    @return: fires when all is done, immediately if that takes no longer than one turn; fails with the exception of a step. Cancelling it
        ends the work.
    """
    work = _Work(reactor, steps)
    work.go()
    return work.done


class _Work:
    """
    Work that is done in turns.
    """

    def __init__(self, reactor: IReactorTime, steps: Iterator[object]) -> None:
        self.done: Deferred[None] = Deferred(self._stop)
        self._reactor = reactor
        self._steps = steps
        self._later: IDelayedCall | None = None
        self._isOver = False

    def _stop(self, _: object) -> None:
        self._isOver = True
        if self._later is not None:
            self._later.cancel()
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()

    def go(self, result: object = None) -> None:
        """
        Do a turn.

        @param result: of what the last step waited for.
        """
        self._later = None
        if self._isOver:
            return
        steps = self._steps
        end = self._reactor.seconds() + _TURN
        try:
            while True:
                if result is None:
                    step = next(steps)
                else:
                    assert isinstance(steps, Generator)
                    wrong = result.value if isinstance(result, Failure) else None
                    step = steps.send(result) if wrong is None else steps.throw(wrong)
                    result = None
                if isinstance(step, Deferred):
                    step.addBoth(self.go)
                    return
                if self._reactor.seconds() >= end:
                    self._later = self._reactor.callLater(0, self.go)
                    return
        except StopIteration:
            self.done.callback(None)
        except Exception:
            self.done.errback()
