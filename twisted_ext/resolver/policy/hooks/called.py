"""
One hook in force: its calls, those that wait, and the verdicts that are kept.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from inspect import iscoroutine, unwrap
from math import fsum
from time import perf_counter
from traceback import walk_tb
from typing import TYPE_CHECKING, Final, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.answers import Epoch
from twisted_ext.errors import WrongType
from twisted_ext.hooks.functions import Hook
from twisted_ext.hooks.verdicts import PASS, Verdict
from twisted_ext.resolver.policy.hooks import limits
from twisted_ext.resolver.policy.hooks.resuming import resumed
from twisted_ext.resolver.policy.hooks.telling import Asked, Telling
from twisted_ext.resolver.policy.hooks.threads import HookThreads
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFromThreads

    from twisted_ext.metrics.figures import JSON

__all__ = ["FAILURES", "CalledHook", "Decided", "Flight", "fileOf"]

_log: Final = Logger(__name__)

#: After so many failures in a row a hook is not called for some seconds: its database may need them.
FAILURES: Final = 20
_REST: Final = 30.0
_PAST: Final = float("-inf")

#: Queries that go on in one turn of the reactor: the others' answers are not to wait for thousands of them.
_TURN: Final = 64

#: Calls of which it is known how long they took.
_TIMED: Final = 1000

#: Seconds between two lines about one kind of failure.
_SILENCE: Final = 60.0

#: Kinds of failures that are told of.
_LINES: Final = 50

#: A verdict, and until when it may be kept.
Decided = tuple[Verdict, float]

#: The words of verdicts that need no look.
_PLAIN: Final = frozenset(("pass", "answer", "refuse"))

_RIGHT: Final = "right is a verdict, such as PASS, refuse() or answer(\"A 192.0.2.1\")"


class _Waiter(Protocol):
    """
    What waits for a verdict.
    """

    def decided(self, verdict: Verdict) -> None: ...


class _Asked(Protocol):
    """
    An instance of a class that is a hook.
    """

    def ask(self, *values: object) -> object: ...


class Flight:
    """
    A call that waits for something.

    @ivar key: what its verdict is kept under.
    @ivar epoch: the value of the hook's epoch when it was begun.
    @ivar began: when it was begun, on the reactor's clock.
    @ivar ends: when it has to be over.
    @ivar outcome: its verdict; L{None} while it waits.
    @ivar waiters: the queries that wait for it, in order.
    """

    __slots__ = ("_called", "_deferred", "began", "ends", "epoch", "key", "outcome", "waiters")

    def __init__(self, called: CalledHook, key: object, began: float, ends: float) -> None:
        self._called = called
        self.key = key
        self.epoch = called.epoch.value
        self.began = began
        self.ends = ends
        self.outcome: Decided | None = None
        self.waiters: dict[_Waiter, None] = {}

    def follow(self, deferred: Deferred[object]) -> None:
        self._deferred = deferred
        deferred.addCallbacks(self._came, self._broke)

    def _came(self, result: object) -> None:
        # What comes of a call that is over matters to none.
        if self.outcome is None:
            self._called.came(self, result)

    def _broke(self, failure: Failure) -> None:
        if self.outcome is None:
            self._called.broke(self, cast("BaseException", failure.value))

    def cancel(self) -> None:
        """
        End the call, whatever it makes of it.
        """
        try:
            self._deferred.cancel()
        except Exception as error:
            self._called.tell("cancel", f"raised {_shown(error)} when it was cancelled")

    def leave(self, waiter: _Waiter) -> None:
        """
        A query does not wait any longer.
        """
        self.waiters.pop(waiter, None)
        if not self.waiters and self.outcome is None:
            self._called.forsaken(self)


class CalledHook:
    """
    Calls a hook for the clients of one view.

    @ivar hook: the hook.
    @ivar view: the name of that view; C{""} for clients in none.
    @ivar epoch: changes when all verdicts are forgotten.
    @ivar inCommon: the verdicts with whose clients others may share replies, as far as this hook is concerned.
    @ivar calls: the calls so far.
    @ivar waiting: those that wait now.
    @ivar file: the path of the file that its code is in.
    @ivar telling: tells it what it takes.
    @ivar below: it is asked about these names and those below them only; empty for all.
    @ivar isOff: whether it is not asked, as an operator has said.
    @ivar runs: since when its code runs, as told by C{perf_counter}; 0 while it does not.
    @ivar failures: those that gave no verdict, by kind: C{raised}, C{late}, C{wrong}; and queries that it was not called for: C{full},
        C{resting}.
    """

    def __init__(
        self,
        hook: Hook,
        clock: IReactorTime,
        view: str = "",
        name: str = "",
        forgot: Callable[[], object] = lambda: None,
        forget: Callable[[str], object] = lambda client: None,
    ) -> None:
        """
        @param view: the name of the view.
        @param name: how logs and figures call the hook; by default as its function is called.
        @param forgot: called when verdicts are forgotten, which replies may have been made by.
        @param forget: called with a client when it is decided about it, or no longer.
        """
        self.hook = hook
        self.below = hook.below
        self.name = name or hook.name
        self.epoch = Epoch()
        self.calls = self.waiting = 0
        self.file = fileOf(hook.function)
        self.runs = 0.0
        self.failures: dict[str, int] = {}
        self._clock = clock
        self.view = view
        # Of a dict whose first entries were removed it takes long to find the first one that is left.
        self._kept: OrderedDict[object, Decided] = OrderedDict()
        self._flights: dict[object, Flight] = {}
        self._queue: deque[Flight] = deque()
        self._timer: IDelayedCall | None = None
        self._row = 0
        self._rests = _PAST
        self._told: dict[str, float] = {}
        self._took: deque[float] = deque(maxlen=_TIMED)
        self._threads: HookThreads | None = None
        self.isOff = False
        self._released = 0
        self._later: deque[tuple[_Waiter, Verdict]] = deque()
        self._instance: object = None
        self._function = hook.function
        if isinstance(hook.function, type):
            self._instance = hook.function(clock)
            self._function = cast("_Asked", self._instance).ask
        self._forgot = forgot
        self._forget = forget
        self._ends: deque[tuple[float, str]] = deque()
        self._ending: IDelayedCall | None = None
        self._isClosed = False
        hook.follow(self.changed)
        self._isOfClient = hook.isOfClient
        self._isThreaded = hook.threads
        self._keep = hook.keep
        # A client of whom this is decided is in one group with all of whom it is. From no view into one it is not yet, when it is asked.
        self.inCommon = (("pass", "view") if view else ("pass",)) if hook.isOfClient else ()
        self.telling = Telling(hook, view, clock)
        self._keyOf = self.telling.keyOf

    # -- what it is asked

    def covers(self, question: Question) -> bool:
        """
        Return whether it is asked about a name.
        """
        return not self.below or any(isBelow(question.key[:-4], each) for each in self.below)

    # -- verdicts

    def decide(self, asked: Asked, now: float) -> Decided | Flight:
        """
        Return the verdict, or the call that it has to wait for.
        """
        key = self._keyOf(asked)
        kept = self._kept.get(key)
        if kept is not None and kept[1] > now:
            return kept
        flight = self._flights.get(key)
        if flight is not None:
            return flight
        if now < self._rests:
            return self._without("resting", now)
        if self.waiting >= limits.CALLS.default:
            waiting = f"{limits.CALLS.default:,.0f} calls that wait"
            self.tell("full", f"has {waiting}; further queries get its otherwise, {self.hook.otherwise.word}")
            return self._without("full", now)
        if self._row >= FAILURES:
            # One call finds out whether it works again.
            self.tell("resting", f"has failed {self._row} times in a row; it is called once in {_REST:g} s until it works again")
            self._rests = now + _REST
        self.calls += 1
        self.runs = began = perf_counter()
        try:
            values = self.telling.valuesOf(asked)
            result = self._inThread(values) if self._isThreaded else self._function(*values)
            if not isinstance(result, Verdict) and iscoroutine(result):
                # Its first step is done here: one that does not wait needs no Deferred.
                try:
                    first = result.send(None)
                except StopIteration as stop:
                    result = stop.value
                else:
                    result = Deferred.fromCoroutine(resumed(self, result, first))
        except Exception as error:
            return self._raised(error, now)
        finally:
            self.runs = 0.0
        if isinstance(result, Deferred):
            return self._followed(key, result, now)
        self._took.append(perf_counter() - began)
        return self._returned(key, result, now)

    def _inThread(self, values: list[object]) -> Deferred[object]:
        if self._threads is None:
            self._threads = HookThreads(cast("IReactorFromThreads", self._clock), self.name)
        return self._threads.call(self._function, values)

    def _followed(self, key: object, awaited: Deferred[object], now: float) -> Decided | Flight:
        flight = self._flights[key] = Flight(self, key, now, now + self.hook.seconds)
        self.waiting += 1
        flight.follow(awaited)
        if flight.outcome is not None:
            # Its result was there already.
            return flight.outcome
        self._queue.append(flight)
        if self._timer is None:
            self._timer = self._clock.callLater(self.hook.seconds, self._look)
        return flight

    def _returned(self, key: object, result: object, now: float, *, isKept: bool = True) -> Decided:
        """
        @param isKept: whether the verdict is kept: not if it was begun before something changed.
        """
        wrong = "" if isinstance(result, Verdict) and result.word in _PLAIN else self._wrongIn(result)
        if wrong or not isinstance(result, Verdict):
            self._row += 1
            self.tell("wrong", f"returned {wrong}")
            return self._without("wrong", now)
        if self._row:
            self._row = 0
            self._rests = _PAST
        until = now + self._keep if isKept else now
        decided = result, until
        if until > now:
            kept = self._kept
            if len(kept) >= limits.KEPT.default and key not in kept:
                # The oldest one.
                kept.popitem(last=False)
            kept[key] = decided
            if self._isOfClient and isinstance(key, tuple):
                self._decidedOf(str(key[1]), until)
        return decided

    def _wrongIn(self, result: object) -> str:
        """
        Return what is wrong with a result, and what would be right; C{""} if it is a verdict.
        """
        if not isinstance(result, Verdict):
            return f"{_kindOf(result)}; {_RIGHT}"
        if result.word == "view" and not self._isOfClient:
            return f"view({result.view!r}); right is that from a hook that takes only client, without below"
        if result.word in ("view", "upstream", "ask") and self.hook.isOfAnswer:
            return f"{result.word}(), but there is an answer already; right is PASS, or what takes its place"
        if result.word == "ask":
            try:
                self.telling.sourceOf(result.resolver)
            except WrongType as error:
                return f"ask(): {error}"
        return ""

    def _raised(self, error: BaseException, now: float) -> Decided:
        self._row += 1
        self.tell(f"raised {type(error).__name__}", f"raised {_shown(error)}")
        return self._without("raised", now)

    def _without(self, kind: str, now: float) -> Decided:
        """
        Return the verdict of a query that the hook gives none for. It is not kept.
        """
        self.failures[kind] = self.failures.get(kind, 0) + 1
        return self.hook.otherwise, now

    def changed(self) -> None:
        """
        Forget all verdicts.
        """
        self._kept.clear()
        # What is under way decides for those who wait for it, and for no others.
        self._flights.clear()
        self.epoch.bump()
        self._forgot()

    def switch(self, isOff: bool) -> None:
        """
        Ask it no more, or again.
        """
        if isOff is not self.isOff:
            self.isOff = isOff
            self.changed()

    def described(self) -> dict[str, JSON]:
        """
        Return its name and view, what it takes, whether it is C{asked}, C{resting} or C{off}, and its numbers, with the mean and the 99th
        percentile of the milliseconds that its last thousand calls took.
        """
        now = self._clock.seconds()
        took = sorted(self._took)
        return {
            "hook": self.name,
            "view": self.view or None,
            "takes": [*self.hook.parameters],
            "state": "off" if self.isOff else "resting" if now < self._rests else "asked",
            "calls": self.calls,
            "kept": sum(1 for _, until in self._kept.values() if until > now),
            "waiting": self.waiting,
            "mean": round(1000 * fsum(took) / len(took), 3) if took else 0.0,
            "p99": round(1000 * took[len(took) * 99 // 100], 3) if took else 0.0,
            "failures": {**self.failures},
        }

    def known(self, asked: Asked) -> Verdict | None:
        """
        Return the verdict that is kept; L{None} if it has to be asked.
        """
        kept = self._kept.get(self.telling.keyOf(asked))
        return kept[0] if kept is not None and kept[1] > self._clock.seconds() else None

    # -- clients

    def ofClient(self, client: str) -> Verdict | None:
        """
        Return what it has decided about a client; L{None} if it has to be asked.
        """
        if self.isOff:
            return PASS
        kept = self._kept.get((0, client))
        return kept[0] if kept is not None and kept[1] > self._clock.seconds() else None

    def _decidedOf(self, client: str, until: float) -> None:
        """
        Have a client classified as was decided, and again when that ends.
        """
        if self._isClosed:
            return
        ends = self._ends
        ends.append((until, client))
        if len(ends) > limits.KEPT.default:
            self._forget(ends.popleft()[1])
        if self._ending is None:
            self._ending = self._clock.callLater(self.hook.keep, self._endClients)
        self._forget(client)

    def _endClients(self) -> None:
        self._ending = None
        now, ends = self._clock.seconds(), self._ends
        while ends and ends[0][0] <= now:
            self._forget(ends.popleft()[1])
        if ends:
            self._ending = self._clock.callLater(ends[0][0] - now, self._endClients)

    # -- calls that wait

    def came(self, flight: Flight, result: object) -> None:
        isKept = flight.epoch == self.epoch.value
        self._over(flight, self._returned(flight.key, result, self._clock.seconds(), isKept=isKept))

    def broke(self, flight: Flight, error: BaseException) -> None:
        self._over(flight, self._raised(error, self._clock.seconds()))

    def forsaken(self, flight: Flight) -> None:
        """
        No query waits for a call any longer.
        """
        flight.outcome = self.hook.otherwise, 0.0
        self._landed(flight)
        flight.cancel()

    def _look(self) -> None:
        """
        End calls that take too long.
        """
        self._timer = None
        now, queue = self._clock.seconds(), self._queue
        while queue and (queue[0].ends <= now or queue[0].outcome is not None):
            flight = queue.popleft()
            if flight.outcome is None:
                self._row += 1
                said = f"has not decided within {self.hook.seconds:g} s; the query gets its otherwise, {self.hook.otherwise.word}"
                self.tell("late", said)
                self._over(flight, self._without("late", now))
                flight.cancel()
        if queue:
            self._timer = self._clock.callLater(queue[0].ends - now, self._look)

    def _over(self, flight: Flight, decided: Decided) -> None:
        flight.outcome = decided
        self._landed(flight)
        waiters, flight.waiters = flight.waiters, {}
        for waiter in waiters:
            self._release(waiter, decided[0])

    def _landed(self, flight: Flight) -> None:
        self.waiting -= 1
        self._took.append(self._clock.seconds() - flight.began)
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if self._isClosed and not self.waiting:
            self._end()

    def _release(self, waiter: _Waiter, verdict: Verdict) -> None:
        """
        Have a query go on, now or in one of the next turns.
        """
        if not self._released:
            self._clock.callLater(0, self._turn)
        if self._released < _TURN:
            self._released += 1
            waiter.decided(verdict)
        else:
            self._later.append((waiter, verdict))

    def _turn(self) -> None:
        self._released = 0
        for _ in range(min(_TURN, len(self._later))):
            self._release(*self._later.popleft())

    # -- the end

    def close(self) -> None:
        """
        Call it no more, once the calls under way have ended.
        """
        self._isClosed = True
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        self._ends.clear()
        self.hook.leave(self.changed)
        if not self.waiting:
            self._end()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        if self._threads is not None:
            self._threads.close()
            self._threads = None
        close = getattr(self._instance, "close", None)
        self._instance = None
        if close is not None:
            try:
                close()
            except Exception as error:
                self.tell("close", f"raised {_shown(error)} when it was closed")

    def tell(self, kind: str, said: str) -> None:
        """
        Log a line, of each kind one a minute.
        """
        now = self._clock.seconds()
        if now >= self._told.get(kind, _PAST):
            if len(self._told) >= _LINES and kind not in self._told:
                return
            self._told[kind] = now + _SILENCE
            _log.error("hook {name} {said}", name=self.name, said=said)


def fileOf(function: Callable[..., object]) -> str:
    """
    Return the path of the file that the code of a function is in; C{""} if there is none.
    """
    code = getattr(unwrap(getattr(function, "ask", function)), "__code__", None)
    return "" if code is None else str(code.co_filename)


def _kindOf(result: object) -> str:
    return "None" if result is None else f"{type(result).__name__} {result!r:.60}"


def _shown(error: BaseException) -> str:
    """
    Return an exception, and where it was raised.
    """
    frames = list(walk_tb(error.__traceback__))
    place = f" at {frames[-1][0].f_code.co_filename}:{frames[-1][1]}" if frames else ""
    return f"{type(error).__name__}: {str(error)[:200]}{place}"
