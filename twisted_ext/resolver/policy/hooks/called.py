"""
One hook in force: its calls, those that wait, and the verdicts that are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from hashlib import blake2b
from importlib import import_module
from inspect import iscoroutine, unwrap
from ipaddress import ip_address, ip_network
from time import perf_counter
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, Epoch, QueryContext, Security
from twisted_ext.errors import WrongType
from twisted_ext.hooks.answered import answeredFrom
from twisted_ext.hooks.functions import Hook
from twisted_ext.hooks.verdicts import Verdict
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource

__all__ = ["CALLS", "FAILURES", "KEPT", "CalledHook", "Decided", "Flight", "fileOf"]

_log: Final = Logger(__name__)

#: Calls of one hook that may wait at once, each of some 3 kB: as many as requests may wait.
CALLS: Final = 20_000

#: Verdicts of one hook that are kept; each takes some 200 octets.
KEPT: Final = 65_536

#: After so many failures in a row a hook is not called for some seconds: its database may need them.
FAILURES: Final = 20
_REST: Final = 30.0

#: Queries that go on in one turn of the reactor: the others' answers are not to wait for thousands of them.
_TURN: Final = 64

#: Seconds between two lines about one kind of failure.
_SILENCE: Final = 60.0

#: Kinds of failures that are told of.
_LINES: Final = 50

#: Resolvers whose adapters are kept: an application may make one for each query.
_SOURCES: Final = 64

#: The length of the prefix of one site in IPv6.
_SITE: Final = 64

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
    @ivar ends: when it has to be over, on the reactor's clock.
    @ivar outcome: its verdict; L{None} while it waits.
    @ivar waiters: the queries that wait for it, in order.
    """

    __slots__ = ("_called", "_deferred", "ends", "epoch", "key", "outcome", "waiters")

    def __init__(self, called: CalledHook, key: object, ends: float) -> None:
        self._called = called
        self.key = key
        self.epoch = called.epoch.value
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
    @ivar isGivenResolver: whether it takes C{resolver}.
    @ivar behind: what it looks up names by then.
    @ivar answer: what it is told of next, if it decides about answers.
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
        self.name = name or hook.name
        self.epoch = Epoch()
        self.calls = self.waiting = 0
        self.file = fileOf(hook.function)
        self.runs = 0.0
        self.failures: dict[str, int] = {}
        self._clock = clock
        self.view = view
        self._kept: dict[object, Decided] = {}
        self._flights: dict[object, Flight] = {}
        self._queue: deque[Flight] = deque()
        self._timer: IDelayedCall | None = None
        self._row = 0
        self._rests = float("-inf")
        self._told: dict[str, float] = {}
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
        # A client of whom this is decided is in one group with all of whom it is. From no view into one it is not yet, when it is asked.
        self.inCommon = (("pass", "view") if view else ("pass",)) if hook.isOfClient else ()
        given = frozenset(hook.parameters)
        self.isGivenResolver = "resolver" in given
        self.behind: IAnswerSource | None = None
        self.answer: Answer | None = None
        self._given: tuple[object, object] = (None, None)
        # With the resolvers, so that no other one gets the number of one of them.
        self._sources: dict[int, tuple[object, IAnswerSource]] = {}
        self._ofName, self._ofType = "name" in given, "type" in given
        self._ofClient, self._ofNetwork = "client" in given, "network" in given
        self._values = [self._valueOf(each, kind) for each, kind in hook.kinds.items()]

    # -- what it is asked

    def covers(self, question: Question) -> bool:
        """
        Return whether it is asked about a name.
        """
        below = self.hook.below
        return not below or any(isBelow(question.key[:-4], each) for each in below)

    def keyOf(self, question: Question, context: QueryContext) -> object:
        """
        Return what a verdict is kept under: the values of all parameters.
        """
        key = question.key
        if self._ofName:
            asked: object = key if self._ofType else key[:-4]
        else:
            asked = question.rrType if self._ofType else 0
        if self.answer is not None:
            asked = asked, _digestOf(self.answer)
        if self._ofClient:
            return asked, context.client
        return (asked, _networkOf(str(context.client))) if self._ofNetwork else asked

    def _valueOf(self, parameter: str, kind: type) -> Callable[[Question, QueryContext], object]:
        if parameter == "name":
            if kind is bytes:
                return lambda question, context: question.key[:-4]
            return lambda question, context: nameToText(question.key[:-4], final=False)
        if parameter == "type":
            return (lambda question, context: question.rrType) if kind is int else (lambda question, context: typeName(question.rrType))
        if parameter == "client":
            if kind is str:
                return lambda question, context: context.client
            return lambda question, context: ip_address(str(context.client))
        if parameter == "network":
            if kind is str:
                return lambda question, context: _networkOf(str(context.client))
            return lambda question, context: ip_network(_networkOf(str(context.client)))
        if parameter == "answer":
            return lambda question, context: answeredFrom(cast("Answer", self.answer))
        if parameter == "resolver":
            return lambda question, context: self._resolver()
        view = self.view
        return lambda question, context: view

    def _resolver(self) -> object:
        """
        Return a resolver on top of what stands behind the hook.
        """
        behind, made = self._given
        if behind is not self.behind:
            made = self._adapter("twisted_ext.compat.names", "NamesResolver")(self.behind, self._clock)
            self._given = self.behind, made
        return made

    def sourceOf(self, resolver: object) -> IAnswerSource:
        """
        Return a source for a resolver of the application.

        @raise twisted_ext.errors.WrongType: it is not a resolver.
        """
        known = self._sources.get(id(resolver))
        if known is None:
            if len(self._sources) >= _SOURCES:
                self._sources.clear()
            made = cast("IAnswerSource", self._adapter("twisted_ext.compat.foreign", "sourceOf")(resolver, self._clock))
            known = self._sources[id(resolver)] = resolver, made
        return known[1]

    @staticmethod
    def _adapter(module: str, name: str) -> Callable[[object, IReactorTime], object]:
        # Adapters stand above servers, which need them only if an application brings a resolver of its own, or asks for one.
        return cast("Callable[[object, IReactorTime], object]", getattr(import_module(module), name))

    # -- verdicts

    def decide(self, key: object, question: Question, context: QueryContext, now: float) -> Decided | Flight:
        """
        Return the verdict, or the call that it has to wait for.

        @param key: that of L{keyOf}.
        """
        kept = self._kept.get(key)
        if kept is not None and kept[1] > now:
            return kept
        flight = self._flights.get(key)
        if flight is not None:
            return flight
        if now < self._rests:
            return self._without("resting", now)
        if self.waiting >= CALLS:
            self.tell("full", f"has {CALLS:,} calls that wait; further queries get its otherwise, {self.hook.otherwise.word}")
            return self._without("full", now)
        if self._row >= FAILURES:
            # One call finds out whether it works again.
            self.tell("resting", f"has failed {self._row} times in a row; it is called once in {_REST:g} s until it works again")
            self._rests = now + _REST
        self.calls += 1
        self.runs = perf_counter()
        try:
            result = self._function(*[value(question, context) for value in self._values])
            if iscoroutine(result):
                # Its first step is done here: one that does not wait needs no Deferred.
                try:
                    first = result.send(None)
                except StopIteration as stop:
                    result = stop.value
                else:
                    result = Deferred.fromCoroutine(_rest(self, result, first))
        except Exception as error:
            return self._raised(error, now)
        finally:
            self.runs = 0.0
        return self._followed(key, result, now) if isinstance(result, Deferred) else self._returned(key, result, now)

    def _followed(self, key: object, awaited: Deferred[object], now: float) -> Decided | Flight:
        flight = self._flights[key] = Flight(self, key, now + self.hook.seconds)
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
        hook = self.hook
        wrong = "" if isinstance(result, Verdict) and result.word in _PLAIN else self._wrongIn(result)
        if wrong or not isinstance(result, Verdict):
            self._row += 1
            self.tell("wrong", f"returned {wrong}")
            return self._without("wrong", now)
        self._row = 0
        self._rests = float("-inf")
        until = now + hook.keep if isKept else now
        decided = result, until
        if until > now:
            kept = self._kept
            if len(kept) >= KEPT and key not in kept:
                # The oldest one.
                del kept[next(iter(kept))]
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
                self.sourceOf(result.resolver)
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

    # -- clients

    def ofClient(self, client: str) -> Verdict | None:
        """
        Return what it has decided about a client; L{None} if it has to be asked.
        """
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
        if len(ends) > KEPT:
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
        if now >= self._told.get(kind, float("-inf")):
            if len(self._told) >= _LINES and kind not in self._told:
                return
            self._told[kind] = now + _SILENCE
            _log.error("hook {name} {said}", name=self.name, said=said)


def _rest(called: CalledHook, begun: Coroutine[Any, Any, object], awaited: Deferred[Any]) -> Generator[Deferred[Any], Any, object]:
    """
    Go on with a coroutine after its first step.

    @param awaited: what that waits for.
    """
    while True:
        try:
            try:
                value = yield awaited
            except GeneratorExit:
                begun.close()
                raise
            except BaseException as error:
                called.runs = perf_counter()
                awaited = begun.throw(error)
            else:
                called.runs = perf_counter()
                awaited = begun.send(value)
        except StopIteration as stop:
            return stop.value
        finally:
            called.runs = 0.0


def fileOf(function: Callable[..., object]) -> str:
    """
    Return the path of the file that the code of a function is in; C{""} if there is none.
    """
    code = getattr(unwrap(getattr(function, "ask", function)), "__code__", None)
    return "" if code is None else str(code.co_filename)


def _digestOf(answer: Answer) -> bytes:
    """
    Return octets that differ for answers with other data. With these as keys, verdicts about large answers take no more memory.
    """
    digest = blake2b(b"%d %d" % (answer.rcode, answer.security is Security.SECURE), digest_size=16)
    for rrset in answer.answer:
        digest.update(b"%b %d %d " % (rrset.name.lower(), rrset.rrType, len(rrset.rdatas)))
        for rdata in rrset.rdatas:
            digest.update(len(rdata).to_bytes(2, "big") + rdata)
    return digest.digest()


def _networkOf(client: str) -> str:
    """
    Return the network that a client is alone in: an IPv4 address, or the /64 of an IPv6 one.
    """
    return str(ip_network((client, 32 if "." in client else _SITE), strict=False))


def _kindOf(result: object) -> str:
    return "None" if result is None else f"{type(result).__name__} {result!r:.60}"


def _shown(error: BaseException) -> str:
    """
    Return an exception, and where it was raised.
    """
    frames = list(walk_tb(error.__traceback__))
    place = f" at {frames[-1][0].f_code.co_filename}:{frames[-1][1]}" if frames else ""
    return f"{type(error).__name__}: {str(error)[:200]}{place}"
