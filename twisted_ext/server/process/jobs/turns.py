"""
Runs long work in short turns, so that queries are answered in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["paced"]

#: Seconds that a turn may take.
_TURN: Final = 0.004


def paced(reactor: IReactorTime, steps: Iterator[object]) -> Deferred[None]:
    """
    Run an iterator of short steps to its end.

    @param steps: an exception in a step ends the work.

    @return: fires when all is done, immediately if that takes no longer than one turn; fails with the exception of a step. Cancelling it
        ends the work.
    """
    later: list[IDelayedCall] = []

    def stop(_: object) -> None:
        for call in later:
            call.cancel()
        close = getattr(steps, "close", None)
        if close is not None:
            close()

    done: Deferred[None] = Deferred(stop)

    def go() -> None:
        later.clear()
        end = reactor.seconds() + _TURN
        try:
            for _ in steps:
                if reactor.seconds() >= end:
                    later.append(reactor.callLater(0, go))
                    return
        except Exception:
            done.errback()
            return
        done.callback(None)

    go()
    return done
