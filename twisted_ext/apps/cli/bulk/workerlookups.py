"""
Look-ups in a worker: the reactor runs in a thread of its own, and servers, connections and the window are kept from one partition to the
next.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from twisted_ext.answers import Answer
from twisted_ext.apps.cli.bulk.input import Fed, Item, namesOf
from twisted_ext.apps.cli.bulk.output import lineOf
from twisted_ext.errors import TimedOut, Unreachable
from twisted_ext.ratecontrol import Rate, ServerRates, Window
from twisted_ext.resolver.lookup.stream import Run

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource

__all__ = ["Batch", "Engine", "engineFor", "runningReactor"]

_Result = TypeVar("_Result")

#: Workers may have several threads.
_lock: Final = threading.Lock()
_engines: Final[dict[tuple[str, int | None], Engine]] = {}


@cache
def runningReactor() -> IReactorTime:
    """
    Run the global reactor in a thread, from the first call until this process ends.
    """
    from twisted_ext.apps.cli.terminal.run import hush
    from twisted_ext.server.process.prepare import prepareProcess

    prepareProcess(tls=False)
    from twisted.internet import reactor

    hush()
    runs = threading.Event()
    reactor.callWhenRunning(runs.set)
    threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, name="look-ups", daemon=True).start()
    runs.wait()
    return reactor


class Batch:
    """
    The look-ups of one partition.

    @ivar lines: a line for each name, in the order of the answers.
    @ivar answered: how many names got an answer.
    @ivar unreached: the last error of those that no server has replied to.
    @ivar done: fires when each name has its line.
    """

    def __init__(
        self,
        clock: IReactorTime,
        source: IAnswerSource,
        names: Sequence[str],
        rrType: int,
        *,
        window: Window,
        seconds: float | None = None,
        rate: float | None = None,
        serverRates: ServerRates | None = None,
    ) -> None:
        self.lines: list[str] = []
        self.answered = 0
        self.unreached: Exception | None = None
        self.done: Deferred[None] = Deferred()
        self._clock = clock
        self._left = len(names)
        following = iter(names)
        self._feed: Callable[[], Fed | None] = namesOf(lambda: next(following, None), rrType)
        begin = partial(Run[Item], source, clock, pull=self._feed, done=self._took, window=window, seconds=seconds)
        self._run: Run[Item] = begin(rate=None if rate is None else Rate(rate), serverRates=serverRates)

    def begin(self) -> Deferred[None]:
        if self._left:
            self._run.fill()
        else:
            self._end()
        return self.done

    def _took(self, item: Item, result: Answer | Exception) -> None:
        self.lines.append(lineOf(item, result))
        if result.__class__ is Answer:
            self.answered += 1
        elif isinstance(result, TimedOut | Unreachable):
            self.unreached = result
        self._left -= 1
        if not self._left:
            # The run is still at work with this result.
            self._clock.callLater(0, self._end)

    def _end(self) -> None:
        self._run.close()
        self.done.callback(None)


class Engine:
    """
    Looks names up for a worker, from another thread than the reactor's.

    @ivar process: the process that it works in; one that is forked has no thread for the reactor.
    """

    def __init__(self, target: str, window: int | None) -> None:
        """
        @param target: the server or description after C{@}, or C{""}.
        @param window: see L{Window}.
        """
        from twisted_ext.apps.cli.terminal.upstream import upstreamFor

        self.process = os.getpid()
        self._reactor = runningReactor()
        self._window = Window(most=window)
        self._serverRates: ServerRates | None = None
        self._source = self._awaited(lambda: Deferred.fromCoroutine(upstreamFor(self._reactor, target))).source

    def _awaited(self, begin: Callable[[], Deferred[_Result]]) -> _Result:
        """
        Return the result of what the reactor's thread begins.
        """
        results: SimpleQueue[_Result | Failure] = SimpleQueue()

        def run() -> None:
            # An exception of begin is a failure too.
            maybeDeferred(begin).addBoth(results.put)

        IReactorFromThreads(self._reactor).callFromThread(run)
        result = results.get()
        if isinstance(result, Failure):
            result.raiseException()
            raise AssertionError("unreachable")
        return result

    def resolve(
        self, names: Sequence[str], rrType: int, seconds: float | None, rate: float | None, rateServer: float | None
    ) -> Batch:
        """
        Return the batch, done.
        """

        def begin() -> Deferred[Batch]:
            rates = self._serverRates
            if rateServer is None:
                rates = None
            elif rates is None or rates.perSecond != rateServer:
                # Kept, since the servers of one partition are those of the next one.
                rates = self._serverRates = ServerRates(rateServer)
            batch = Batch(
                self._reactor, self._source, names, rrType, window=self._window, seconds=seconds, rate=rate, serverRates=rates
            )
            return batch.begin().addCallback(lambda _: batch)

        return self._awaited(begin)


def engineFor(target: str, window: int | None) -> Engine:
    """
    Return this process's engine for a server. A worker has one or two in its life.

    @raise RuntimeError: this process was forked from one that has an engine.
    """
    with _lock:
        if any(engine.process != os.getpid() for engine in _engines.values()):
            raise RuntimeError("a process cannot look names up if it was forked from one that did; start processes with spawn")
        engine = _engines.get((target, window))
        if engine is None:
            engine = _engines[target, window] = Engine(target, window)
    return engine
