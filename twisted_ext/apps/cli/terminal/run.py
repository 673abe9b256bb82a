"""
Runs the global reactor until one coroutine is done, a signal arrives, or the reader of the output has closed the pipe.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from errno import EPIPE
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReactorTime, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.apps.cli.terminal.exits import INTERRUPTED, complain
from twisted_ext.server.process.prepare import prepareProcess

__all__ = ["BrokenPipeWatch", "hush", "interruptedBy", "runUntilDone"]


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


#: Seconds without an answer after which the command prints that it is waiting.
_PATIENCE: Final = 1.0


def interruptedBy(reactor: object) -> int:
    """
    Return the exit code that shells and service managers expect from a program terminated by the signal that stopped this reactor.
    """
    number: object = getattr(reactor, "_exitSignal", None)
    return 128 + number if isinstance(number, int) else INTERRUPTED


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
    prepareProcess(tls=False)
    from twisted.internet import reactor
    from twisted.internet.error import ReactorNotRunning

    hush()
    results: list[int | Failure | Exception] = []
    begun: list[Coroutine[Deferred[Any], Any, int]] = []

    def end(result: int | Failure | Exception) -> None:
        results.append(result)
        # After a signal the reactor is already stopping.
        with suppress(ReactorNotRunning):
            reactor.stop()

    def start() -> None:
        begun.append(begin(reactor))
        Deferred.fromCoroutine(begun[0]).addBoth(end)
        if whileRead:
            BrokenPipeWatch(reactor, 1, lambda: end(BrokenPipeError(EPIPE, "Broken pipe")))
        if command and sys.stderr.isatty():
            reactor.callLater(_PATIENCE, complain, f"txdns {command}: no answer yet; Ctrl-C ends it")

    reactor.callWhenRunning(start)
    reactor.run()
    # Closing a coroutine may give further results, which come too late.
    ended = results[:1]
    for each in begun:
        # An interrupted coroutine may still wait for a connection to close, which takes a running reactor. If that were left to the end of
        # the process, Python 3.12 and later would print an error.
        with suppress(RuntimeError):
            each.close()
    if not ended:
        return interruptedBy(reactor)
    (result,) = ended
    if isinstance(result, Failure):
        result.raiseException()
        raise AssertionError("unreachable")
    if isinstance(result, Exception):
        raise result
    return result


@implementer(IReadDescriptor)
class BrokenPipeWatch:
    """
    Watches the write end of a pipe, such as the standard output before C{| head -1}. A program gets EPIPE only when it writes, so one that
    writes nothing for hours would not notice for hours that the reader is gone.
    """

    def __init__(self, reactor: object, fileno: int, left: Callable[[], object]) -> None:
        """
        @param left: called once, when the reader has closed the pipe; never if C{fileno} is not a pipe or C{reactor} cannot watch
            descriptors.
        """
        self._reactor = reactor
        self._fileno = fileno
        self._left = left
        self._watching = False
        if IReactorFDSet.providedBy(reactor) and hasattr(select, "poll") and stat.S_ISFIFO(os.fstat(fileno).st_mode):
            self._watching = True
            reactor.addReader(self)

    def fileno(self) -> int:
        return self._fileno

    def logPrefix(self) -> str:
        return "output"

    def doRead(self) -> None:
        # Nothing can be read here: some reactors call this to report that the other end is closed.
        if self._watching:
            self.stop()
            poll = select.poll()
            poll.register(self._fileno, 0)
            if poll.poll(0):
                self._left()

    def connectionLost(self, reason: Failure) -> None:
        self.doRead()

    def stop(self) -> None:
        if self._watching and IReactorFDSet.providedBy(self._reactor):
            self._watching = False
            self._reactor.removeReader(self)
