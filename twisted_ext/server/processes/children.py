"""
Work for a process of its own, and work for a thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorThreads, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

__all__ = ["inThread", "runModule"]

_Result = TypeVar("_Result")

#: Octets that a child may say.
_MOST: Final = 1 << 20


class _Child(ProcessProtocol):
    transport: IProcessTransport

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(self._cancel)
        self._out = bytearray()
        self._error = bytearray()

    def late(self, seconds: float) -> None:
        """
        It has taken so long that nobody waits any longer.
        """
        self.done.errback(OSError(f"a process that was to help has taken more than {seconds:.0f} seconds, and was ended"))
        self._cancel(self.done)

    def _cancel(self, done: Deferred[bytes]) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def outReceived(self, data: bytes) -> None:
        if len(self._out) < _MOST:
            self._out += data

    def errReceived(self, data: bytes) -> None:
        if len(self._error) < _MOST:
            self._error += data

    def processEnded(self, reason: Failure) -> None:
        if self.done.called:
            return
        if self._out:
            self.done.callback(bytes(self._out))
        else:
            last = self._error.decode("utf-8", "replace").strip().splitlines()[-1:]
            said = last[0] if last else reason.getErrorMessage()
            self.done.errback(OSError(f"a process that was to help ended without a result: {said}"))


def runModule(reactor: object, module: str, words: Sequence[str], *, seconds: float | None = None) -> Deferred[bytes]:
    """
    Run a module of ours in a process of its own.

    @param reactor: provides L{IReactorProcess}, and L{IReactorTime} where there is a bound.
    @param seconds: how long it may take before it is killed; L{None} for as long as it wants.

    @return: what it said. Fails with L{OSError} where it said nothing, or took too long. Cancelling kills it.
    """
    child = _Child()
    IReactorProcess(reactor).spawnProcess(child, sys.executable, [sys.executable, "-m", module, *words], env=dict(os.environ))
    if seconds is not None:
        call = IReactorTime(reactor).callLater(seconds, child.late, seconds)

        def over(result: bytes) -> bytes:
            if call.active():
                call.cancel()
            return result

        child.done.addBoth(over)
    return child.done


def inThread(reactor: object, work: Callable[[], _Result]) -> Deferred[_Result]:
    """
    Do what waits for a disk where it holds nobody up; here and now where the reactor has no threads.
    """
    if IReactorThreads.providedBy(reactor):
        return cast("Deferred[_Result]", deferToThreadPool(reactor, reactor.getThreadPool(), work))
    return maybeDeferred(work)
