"""
A reactor that runs until one thing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted_ext.apps.cli.exits import INTERRUPTED

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

__all__ = ["runUntilDone"]


def runUntilDone(begin: Callable[[IReactorTime], Coroutine[Deferred[Any], Any, int]]) -> int:
    """
    Run the global reactor until C{begin} is done, or somebody presses Ctrl-C.

    @return: the exit code that it gave.

    @raise Exception: what it raised.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.error import ReactorNotRunning
    from twisted.python.failure import Failure

    results: list[int | Failure] = []

    def end(result: int | Failure) -> None:
        results.append(result)
        # After Ctrl-C it stops already.
        with suppress(ReactorNotRunning):
            reactor.stop()

    def start() -> None:
        Deferred.fromCoroutine(begin(reactor)).addBoth(end)

    reactor.callWhenRunning(start)
    reactor.run()
    if not results:
        return INTERRUPTED
    result = results[0]
    if isinstance(result, Failure):
        result.raiseException()
        raise AssertionError("unreachable")
    return result
