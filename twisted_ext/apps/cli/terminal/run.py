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
    Keep Twisted from writing tracebacks to the standard error, where complaints are one line; C{TXDNS_DEBUG} lets it.
    """
    from twisted.logger import globalLogBeginner

    global _hushed
    if not _hushed and not os.environ.get("TXDNS_DEBUG"):
        _hushed = True
        globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)


#: That can be done once in a process.
_hushed = False


#: Added to the signal number in the exit code of a program that a signal has terminated, as in shells.
_KILLED: Final = 128

#: Seconds without an answer after which the command prints that it is waiting.
_PATIENCE: Final = 1.0


def interruptedBy(reactor: object) -> int:
    """
    @return: the exit code that shells and service managers expect from a program terminated by the signal that stopped this reactor.
    """
    number: object = getattr(reactor, "_exitSignal", None)
    return _KILLED + number if isinstance(number, int) else INTERRUPTED


def runUntilDone(
    begin: Callable[[IReactorTime], Coroutine[Deferred[Any], Any, int]], *, whileRead: bool = False, command: str = ""
) -> int:
    """
    Run the global reactor until C{begin} is done, or a signal such as that of Ctrl-C ends it.

    @param whileRead: also end when the reader of the standard output has closed it: for commands that only print.
    @param command: the name to print on a terminal, with a note that the command is waiting, if no answer comes at once; C{""} for none.

    @return: the exit code that it gave.

    @raise Exception: what it raised.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.error import ReactorNotRunning
    from twisted.python.failure import Failure

    hush()
    results: list[int | Failure | Exception] = []

    def end(result: int | Failure | Exception) -> None:
        results.append(result)
        # After a signal it stops already.
        with suppress(ReactorNotRunning):
            reactor.stop()

    def start() -> None:
        Deferred.fromCoroutine(begin(reactor)).addBoth(end)
        if whileRead:
            from twisted_ext.apps.cli.terminal.brokenpipe import Leaving

            Leaving(reactor, 1, lambda: end(BrokenPipeError(EPIPE, "Broken pipe")))
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
