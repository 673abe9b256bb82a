"""
Runs work in subprocesses and threads. A thread that computes delays each turn of the reactor by some milliseconds, and several of them by
as many times that: L{SparingThread} leaves most of the time to the reactor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from os import PRIO_PROCESS, getpriority, setpriority
from signal import SIG_BLOCK, SIG_SETMASK, SIGHUP, SIGINT, pthread_sigmask
from time import perf_counter
from typing import Final, TypeVar, cast

from twisted.internet.defer import Deferred, DeferredLock, fail, maybeDeferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorThreads, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

import twisted_ext
from twisted_ext.errors import TimedOut

__all__ = ["BACKGROUND", "SparingThread", "inThread", "pythonCommand", "runModule", "spawnModule", "stateOf"]

_Result = TypeVar("_Result")

#: Variable with settings of the GNU C library, and the one by which it asks for huge pages (GNU libc manual, "Memory Allocation Tunables").
_TUNABLES: Final = "GLIBC_TUNABLES"
_HUGE: Final = "glibc.malloc.hugetlb"

#: The niceness of work that no query waits for. Beside three processes that compute on two processors, the slowest hundredth of 500 queries
#: a second took 4 ms with these at niceness 0, 0.8 at 5, 0.3 at 10, and 0.2 at 19.
BACKGROUND: Final = 19

#: Maximum octets of output of a child.
_MOST: Final = 1 << 20

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


class _Child(ProcessProtocol):
    transport: IProcessTransport

    def __init__(self, given: bytes) -> None:
        self._given = given
        self.done: Deferred[bytes] = Deferred(self._cancel)
        self._out = bytearray()
        self._error = bytearray()

    def _cancel(self, done: Deferred[bytes]) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def connectionMade(self) -> None:
        if self._given:
            self.transport.writeToChild(0, self._given)
        self.transport.closeStdin()

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
            self.done.errback(OSError(f"a child process ended without a result: {said}"))


def pythonCommand(*words: str) -> list[str]:
    """
    Return a command line for this Python that does not import from the working directory, which may belong to another user: C{-m} and C{-c}
    alone would search it first.
    """
    return [sys.executable, "-P", *words]


def _environment() -> dict[str, str]:
    """
    Return the environment for a child, which finds modules where this process does. An empty entry of C{sys.path} means the working
    directory, and is left out; the folder that this package was imported from is added if it is missing.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(twisted_ext.__file__)))
    environment = {name: value for name, value in os.environ.items() if not (sys.flags.ignore_environment and name.startswith("PYTHON"))}
    paths = [path for path in sys.path if path]
    environment["PYTHONPATH"] = os.pathsep.join(paths if home in paths else [*paths, home])
    # Only the server itself reports to the service manager.
    environment.pop("NOTIFY_SOCKET", None)
    return environment


def spawnModule(
    reactor: object,
    protocol: ProcessProtocol,
    module: str,
    words: Sequence[str] = (),
    *,
    descriptors: Mapping[int, int | str] | None = None,
    undisturbed: bool = False,
    huge: bool = False,
    niceness: int = 0,
) -> None:
    """
    Start a module of this package in a subprocess. All subprocesses of the package are started here.

    @param reactor: provides L{IReactorProcess}.
    @param descriptors: as C{childFDs} of L{IReactorProcess.spawnProcess}.
    @param undisturbed: whether to keep SIGINT and SIGHUP from the child, even while it starts: Ctrl-C in the terminal and a hang-up of the
        terminal are handled by this process, which ends the child.
    @param huge: whether the child should get its memory in huge pages if the system has them: for children that fill much of it soon.
    @param niceness: how much it gives way to this process, from its first instruction: to import its modules takes a child longer than many
        of them work.

    @raise OSError: it cannot be started.
    """
    environment = _environment()
    settings = environment.get(_TUNABLES, "")
    if huge and _HUGE not in settings:
        environment[_TUNABLES] = f"{settings}:{_HUGE}=1".lstrip(":")
    blocked = pthread_sigmask(SIG_BLOCK, (SIGINT, SIGHUP) if undisturbed else ())
    try:
        child = IReactorProcess(reactor).spawnProcess(
            protocol,
            sys.executable,
            pythonCommand("-m", module, *words),
            environment,
            None,
            childFDs=cast("dict[int, int] | None", descriptors),
        )
    finally:
        pthread_sigmask(SIG_SETMASK, blocked)
    if niceness:
        # It may have ended, or the system may not let us.
        with suppress(OSError):
            setpriority(PRIO_PROCESS, child.pid, getpriority(PRIO_PROCESS, 0) + niceness)


def runModule(
    reactor: object,
    module: str,
    words: Sequence[str] = (),
    *,
    given: bytes = b"",
    seconds: float | None = None,
    niceness: int = BACKGROUND,
) -> Deferred[bytes]:
    """
    Run a module of this package in a subprocess, such as one that builds a file from much data.

    @param reactor: provides L{IReactorProcess}, and L{IReactorTime} if C{seconds} is given.
    @param given: its input, which other users do not see, unlike C{words}.
    @param seconds: how long it may take before it is killed; L{None} for no limit.
    @param niceness: as that of L{spawnModule}.

    @return: its output. Fails with L{OSError} if there is none, or if it took too long. Cancelling kills it.
    """
    child = _Child(given)
    spawnModule(reactor, child, module, words, huge=True, niceness=niceness)
    if seconds is not None:
        child.done.addTimeout(seconds, IReactorTime(reactor), _late)
    return child.done


def _late(_: object, seconds: float) -> bytes:
    raise OSError(f"a child process has taken more than {seconds:.0f} seconds, and was ended")


def stateOf(process: int) -> str:
    """
    Return the letter for the state of a process on Linux (proc(5)): C{R} running, C{S} asleep, C{D} waiting for a disk, C{T} stopped; C{""}
    if unknown.
    """
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name of the program, in parentheses, may itself contain parentheses and spaces.
            return file.read().rpartition(b") ")[2][:1].decode("ascii", "replace")
    except OSError:
        return ""


def inThread(reactor: object, work: Callable[[], _Result]) -> Deferred[_Result]:
    """
    Run blocking work in a thread of the reactor's pool; or in this thread at once if the reactor has no threads.
    """
    if IReactorThreads.providedBy(reactor):
        return cast("Deferred[_Result]", deferToThreadPool(reactor, reactor.getThreadPool(), work))
    return maybeDeferred(work)
