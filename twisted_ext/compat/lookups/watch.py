"""
Look names up repeatedly: until they change, or until they match a condition.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from math import inf
from random import random
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail, gatherResults
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_ext.aliases import together
from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.compat.conversion.errors import (
    DNSQueryTimeoutError,
    LookupFailed,
    argumentError,
    errorFromAnswer,
    errorFromFault,
)
from twisted_ext.compat.conversion.results import Result, resultFromAnswer
from twisted_ext.compat.lookups.ask import resolverOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadRecord, CallerFault, Closed, DNSFault, WrongType
from twisted_ext.resolver.ask import askedOn, behind
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.watch.limits import WATCH_ALIASES
from twisted_ext.watch.schedule import Pace, secondsOf
from twisted_ext.watch.states import Change, State, stateOf
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import A, expectType, isMeta, typeName

__all__ = ["Predicate", "Watch", "allOf", "tooLate", "waitFor", "watch"]

_T = TypeVar("_T")

#: Returns whether these records, in master file format, satisfy the caller. The list is empty if the name has no such records.
Predicate = Callable[[list[str]], bool]


def watch(
    name: str | bytes,
    rrType: int | str | None = None,
    *,
    resolver: object = None,
    interval: float | None = None,
    raising: bool = False,
) -> Watch:
    """
    Report the records of a name, and then each change, until closed::

        async for change in watch("www.example.org", "A"):
            print(change.before, "->", change.after)

    The name is looked up again when the TTL of the answer or denial (RFC 2308) has expired, plus a random delay, so that no query is sent
    that a cache could still answer. While look-ups fail, the delay between them grows. The bounds are in L{twisted_ext.watch.limits}. The
    first failure, and the first success after failures, count as changes too. Changes that occur while the caller is not waiting are
    reported as one.

    Sockets and timers are used only while a caller waits.

    @param rrType: a number or a mnemonic, L{None} for A.
    @param resolver: the resolver to use: see L{resolverOf<twisted_ext.compat.lookups.ask.resolverOf>}. For a description, a new resolver is
        created for each look-up.
    @param interval: seconds between look-ups, regardless of the TTL. The name is then removed from this process's cache before each
        look-up. Caches of upstream servers still apply.
    @param raising: raise the exception of the first look-up that fails, and end.

    @raise CallerFault: an argument is not valid: the name, the type, the interval or the resolver.
    """
    return Watch(name, rrType, resolver=resolver, interval=interval, raising=raising)


class Watch(AsyncIterator[Change]):
    """
    The changes to the records of a name: an asynchronous iterator, and a context manager that ends it.

    @ivar question: the question that is looked up.
    @ivar state: the state reported last, L{None} before the first.
    @ivar closed: whether the watch has ended.
    """

    def __init__(
        self,
        name: str | bytes,
        rrType: int | str | None = None,
        *,
        resolver: object = None,
        interval: float | None = None,
        raising: bool = False,
        draw: Callable[[], float] = random,
        awaited: Callable[[Deferred[Change]], Awaitable[Change]] | None = None,
    ) -> None:
        """
        @param draw: returns random numbers from 0 to 1.
        @param awaited: wraps a Deferred in an awaitable for the event loop that iterates; L{None} if Deferreds can be awaited.

        @see: L{watch}
        """
        self.question = Question(_nameOf(name), _typeOf(rrType))
        self.state: State | None = None
        self.closed = False
        self._pace = Pace(interval, draw)
        self._raising = raising
        self._relative = name[-1:] not in (".", b".", "\u3002", "\uff0e", "\uff61")
        # The resolver of this process may be replaced later. A description is parsed here so that errors in it are raised at once.
        self._given = resolver if resolver is None or isinstance(resolver, str) else resolverOf(resolver)
        made = resolverOf(self._given)
        self._reactor = made._reactor
        if isinstance(self._given, str):
            _letGo(made)
        self._awaited = awaited
        self._known: State | None = None
        self._due = -inf
        self._cancel: Callable[[], None] | None = None

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Change:
        """
        Wait for the next change. Cancelling the wait does not end the watch: the next wait continues it, and no change is lost.

        @raise RuntimeError: another caller is already waiting.
        """
        if self.closed:
            raise StopAsyncIteration
        if self._cancel is not None:
            raise RuntimeError("another caller waits for the next change already; a watch reports each change once")
        coming = self._next()
        change = await (coming if self._awaited is None else self._awaited(Deferred.fromCoroutine(coming)))
        # Not earlier: asyncio may cancel the waiting task before it gets the change.
        self.state = change.after
        return change

    async def _next(self) -> Change:
        try:
            # The state known when an earlier wait was cancelled may be outdated.
            while self._known == self.state or self._due <= self._reactor.seconds():
                wait = self._due - self._reactor.seconds()
                if wait > 0:
                    await self._cancellable(deferLater(self._reactor, wait))
                self._known = await self._cancellable(Deferred.fromCoroutine(self._look()))
            assert self._known is not None
            return Change(self.state, self._known)
        except CancelledError:
            if self.closed:
                raise StopAsyncIteration from None
            raise

    async def _cancellable(self, deferred: Deferred[_T]) -> _T:
        self._cancel = deferred.cancel
        try:
            return await deferred
        finally:
            self._cancel = None

    async def _look(self) -> State:
        """
        Look up the name once.

        @raise LookupFailed: repeating the look-up cannot help, or C{raising} is set.
        """
        question = self.question
        resolver = resolverOf(self._given)
        if self._pace.interval is not None and self._known is not None and self._known.answer is not None:
            # The owners differ from the name if there are aliases or a search list.
            for owner in {rrset.name.lower() for rrset in self._known.answer.answer}:
                for cache in behind(resolver.source, CachedSource):
                    cache.flush(owner)
        try:
            answer, holds = await self._ask(resolver)
        except DNSFault as fault:
            error = errorFromFault(fault, question)
            if self._raising or isinstance(fault, Closed | CallerFault):
                self.closed = True
                raise error from fault
            return self._failed(error)
        finally:
            if isinstance(self._given, str):
                _letGo(resolver)
        if answer.rcode and answer.outcome is not Outcome.NXDOMAIN:
            return self._failed(errorFromAnswer(question, answer))
        self._due = self._reactor.seconds() + self._pace.afterAnswer(holds)
        return stateOf(question, answer)

    def _failed(self, error: LookupFailed) -> State:
        if self._raising:
            self.closed = True
            raise error
        self._due = self._reactor.seconds() + self._pace.afterFailure()
        return State(None, error=error)

    async def _ask(self, resolver: NamesResolver) -> tuple[Answer, int]:
        """
        Return the answer, including the targets of aliases, and its remaining lifetime in seconds.
        """

        def ask(question: Question, context: QueryContext) -> Deferred[Answer]:
            if self._pace.interval is not None:
                for cache in behind(resolver.source, CachedSource):
                    cache.flush(question.name)
            return resolver.lookUp(question, context)

        context = resolver.contextFor(None, self._relative)
        answer = await ask(self.question, context)
        steps = await askedOn(ask, self.question, answer, context, int(WATCH_ALIASES.default))
        return together([each for _, each in steps]), min(secondsOf(*step) for step in steps)

    async def aclose(self) -> None:
        """
        End the watch. A caller that is waiting for the next change gets L{StopAsyncIteration}.
        """
        self.closed = True
        if self._cancel is not None:
            self._cancel()

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Watch {nameToText(self.question.name)} {typeName(self.question.rrType)}: {self.state}>"


def waitFor(
    name: str | bytes,
    rrType: int | str | None = None,
    predicate: Predicate | None = None,
    *,
    timeout: float | None = None,
    resolver: object = None,
    interval: float | None = None,
) -> Deferred[Result]:
    """
    Wait until the records of a name satisfy a predicate::

        await waitFor("www.example.org", "A", lambda texts: "192.0.2.81" in texts, timeout=600)

    Failed look-ups are retried until the timeout.

    @param rrType: a number or a mnemonic, L{None} for A.
    @param predicate: by default, it is satisfied by any records. It is called when the records change, even if there are none.
    @param timeout: seconds for the whole wait, L{None} for no limit.
    @param resolver: as for L{watch}; or a list of resolvers, each of which must satisfy the predicate, though not necessarily at the same
        time.
    @param interval: as for L{watch}.

    @return: fires with the result that satisfied the predicate, with several resolvers that of the last one. It fails with
        L{DNSQueryTimeoutError<twisted_ext.compat.conversion.errors.DNSQueryTimeoutError>}, whose C{answer} is the latest answer; with the
        exception that C{predicate} raises; or, if the look-up can never succeed, with that look-up's error.
    """
    several = resolver if isinstance(resolver, list | tuple) else (resolver,)
    watches: list[Watch] = []
    try:
        seconds = _secondsOf(timeout)
        if not several:
            raise CallerFault("resolver: the list of resolvers is empty")
        for each in several:
            watches.append(Watch(name, rrType, resolver=each, interval=interval))
    except CallerFault as fault:
        return fail(argumentError(fault))
    wanted = predicate or bool
    pending = list(zip(several, watches, strict=True))
    last: list[Result] = []

    def arrived(result: Result, pair: tuple[object, Watch]) -> None:
        pending.remove(pair)
        last[:] = [result]

    waits = [Deferred.fromCoroutine(_until(pair[1], wanted)).addCallback(arrived, pair) for pair in list(pending)]

    def over(outcome: Result | Failure, after: float) -> Result | Failure:
        if isinstance(outcome, Failure) and isinstance(outcome.value, CancelledError):
            raise tooLate(pending, after)
        return outcome

    result = allOf(waits).addCallback(lambda arrivals: last[0])
    return result if seconds is None else result.addTimeout(seconds, watches[0]._reactor, over)


def allOf(waits: Sequence[Deferred[None]]) -> Deferred[list[None]]:
    """
    Return a Deferred that fires when all have fired. If one of them fails, it cancels the others and fails with the same error.
    """

    def failed(failure: Failure) -> Failure:
        for each in waits:
            each.cancel()
        first: object = getattr(failure.value, "subFailure", None)
        return first if isinstance(first, Failure) else failure

    return gatherResults(waits, consumeErrors=True).addErrback(failed)


async def _until(changes: Watch, predicate: Predicate) -> Result:
    async with changes:
        async for change in changes:
            if change.answer is not None and predicate(list(change.texts)):
                return resultFromAnswer(change.answer)
    raise AssertionError("a watch ended that was not closed")


def tooLate(pending: Sequence[tuple[object, Watch]], seconds: float) -> DNSQueryTimeoutError:
    """
    Create the exception for a timeout, which describes the current state.

    @param pending: each resolver that has not satisfied the predicate, and its watch.
    """
    watched = pending[0][1]
    state = watched.state
    error = None if state is None else state.error
    said = [f"{each.state or 'no answer'}{_by(given, each.state)}" for given, each in pending]
    return DNSQueryTimeoutError(
        f"{nameToText(watched.question.name, final=False)} {typeName(watched.question.rrType)}: "
        f"after {seconds:g} s still {'; '.join(said)}",
        answer=None if state is None else state.answer,
        server=error.server if isinstance(error, LookupFailed) else "",
        rcode=None,
    )


def _by(given: object, state: State | None) -> str:
    origin = None if state is None or state.answer is None else state.answer.origin
    who = given if isinstance(given, str) else "" if origin is None else origin.server
    return f" ({who})" if who else ""


def _secondsOf(timeout: object) -> float | None:
    if timeout is None or timeout == inf:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
        raise CallerFault(f"the timeout {timeout!r} is not a number of seconds")
    return float(timeout)


def _nameOf(name: str | bytes) -> bytes:
    if not isinstance(name, str | bytes):
        raise WrongType(f"{name!r:.80} is not a name; write it as text")
    return nameFromText(name)


def _typeOf(rrType: int | str | None) -> int:
    number = A if rrType is None else expectType(rrType)
    if isMeta(number):
        raise BadRecord(f"{typeName(number)} is not a type that a name has records of; write one such as A or TXT")
    return number


def _letGo(resolver: NamesResolver) -> None:
    resolver.close().addErrback(lambda failure: None)
