"""
Runs the global reactor until one coroutine is done.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from errno import EPIPE
from typing import TYPE_CHECKING, Any, Final

from twisted_ext.apps.cli.terminal.exits import INTERRUPTED, complain

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

__all__ = ["hush", "interruptedBy", "runUntilDone"]


def hush() -> None:
    """
    Discard log events, so that tracebacks do not appear on the standard error among one-line errors. C{TXDNS_DEBUG} keeps them.
    """
    from twisted.logger import globalLogBeginner

    global _hushed
    if not _hushed and not os.environ.get("TXDNS_DEBUG"):
        _hushed = True
        globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)


#: Logging can be started only once in a process.
_hushed = False


#: Added to the signal number in the exit code of a program that a signal has terminated, as in shells.
_KILLED: Final = 128

#: Seconds without an answer after which the command prints that it is waiting.
_PATIENCE: Final = 1.0


def interruptedBy(reactor: object) -> int:
    """
    Return the exit code that shells and service managers expect from a program terminated by the signal that stopped this reactor.
    """
    number: object = getattr(reactor, "_exitSignal", None)
    return _KILLED + number if isinstance(number, int) else INTERRUPTED


def runUntilDone(
    begin: Callable[[IReactorTime], Coroutine[Deferred[Any], Any, int]], *, whileRead: bool = False, command: str = ""
) -> int:
    """
    Run the global reactor until C{begin} is done or a signal such as that of Ctrl-C arrives.

    @param whileRead: also stop when the reader of the standard output has closed the pipe: for commands that only print.
    @param command: the command's name for a note on a terminal that no answer has come yet; C{""} for no note.

    @return: the exit code that C{begin} returned.

    @raise Exception: the exception that C{begin} raised.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.error import ReactorNotRunning
    from twisted.python.failure import Failure

    hush()
    results: list[int | Failure | Exception] = []

    def end(result: int | Failure | Exception) -> None:
        results.append(result)
        # After a signal the reactor is already stopping.
        with suppress(ReactorNotRunning):
            reactor.stop()

    def start() -> None:
        Deferred.fromCoroutine(begin(reactor)).addBoth(end)
        if whileRead:
            from twisted_ext.apps.cli.terminal.brokenpipe import BrokenPipeWatch

            BrokenPipeWatch(reactor, 1, lambda: end(BrokenPipeError(EPIPE, "Broken pipe")))
        if command and sys.stderr.isatty():
            reactor.callLater(_PATIENCE, complain, f"txdns {command}: no answer yet; Ctrl-C ends it")

    reactor.callWhenRunning(start)
    reactor.run()
    if not results:
        return interruptedBy(reactor)
    result = results[0]
    if isinstance(result, Failure):
        result.raiseException()
        raise AssertionError("unreachable")
    if isinstance(result, Exception):
        raise result
    return result
