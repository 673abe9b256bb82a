"""
Coalesce look-ups: one query for all callers with the same question.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.cache.failures import again
from twisted_ext.errors import Closed, DNSFault, Refused, ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FLIGHT_SECONDS, FLIGHT_VARIANTS, FLIGHT_WAITERS
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.forward.failures import Abandoned
from twisted_ext.resolver.lookup.deadlines import Deadlines
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.answers import Budget
    from twisted_ext.interfaces import Start

__all__ = ["CoalescingSource", "OutcomeListener", "startAnew"]

_log: Final = Logger()

_MOST_WAITERS: Final = int(FLIGHT_WAITERS.default)
_MOST_VARIANTS: Final = int(FLIGHT_VARIANTS.default)

#: Deadlines within this many seconds of each other count as equal.
_SLACK: Final = 0.01


class _Flight:
    """
    A shared look-up and its waiters.

    @ivar began: when it began.
    @ivar context: the settings of the caller that began it.
    @ivar waiters: each waiter with its own context.
    @ivar waitsFor: the flights that this one's own questions have joined or begun.
    @ivar older: whether it began before a flush.
    @ivar successor: the flight that waiters with time left were moved to.
    @ivar soFar: once it has been given up, the fault to report.
    @ivar earlier: queries sent without success by previous flights of some of its waiters.
    """

    __slots__ = (
        *("source", "key", "question", "context", "began", "deadline", "waiters", "waitsFor", "inner"),
        *("done", "older", "successor", "soFar", "earlier"),
    )

    def __init__(
        self, source: CoalescingSource, key: bytes, question: Question, context: QueryContext, began: float, deadline: float
    ) -> None:
        self.source = source
        self.key = key
        self.question = question
        self.context = context
        self.began = began
        self.deadline = deadline
        self.waiters: dict[Deferred[Answer], QueryContext] = {}
        # Nearly always empty; an empty tuple takes no memory.
        self.waitsFor: tuple[_Flight, ...] = ()
        self.inner: Deferred[Answer] | None = None
        self.successor: _Flight | None = None
        self.soFar: DNSFault | None = None
        self.earlier = 0
        self.done = self.older = False

    def leadsTo(self, other: object) -> bool:
        """
        Return whether this flight waits for the other one, directly or indirectly.
        """
        seen: set[int] = set()
        ahead = [self]
        while ahead:
            flight = ahead.pop()
            if flight is other:
                return True
            if id(flight) not in seen:
                seen.add(id(flight))
                ahead += flight.waitsFor
        return False

    def take(self, waiter: Deferred[Answer], context: QueryContext) -> None:
        self.waiters[waiter] = context
        if context.flight is not None and isinstance(context.flight, _Flight):
            context.flight.waitsFor += (self,)
        if context.deadline < self.deadline - _SLACK:
            self.source.deadlines.add(context.deadline, waiter, self.late)

    def forget(self, other: _Flight) -> None:
        """
        Called when one of this flight's own questions no longer waits for the other flight.
        """
        waitsFor = list(self.waitsFor)
        waitsFor.remove(other)
        self.waitsFor = tuple(waitsFor)

    def leave(self, waiter: Deferred[Answer]) -> None:
        """
        Remove C{waiter}, and cancel the flight if it was the last one.
        """
        flight: _Flight | None = self
        while flight is not None and waiter not in flight.waiters:
            flight = flight.successor
        if flight is None:
            return
        flight.source.deadlines.discard(waiter)
        context = flight.waiters.pop(waiter)
        if isinstance(context.flight, _Flight):
            context.flight.forget(flight)
        if not flight.waiters and not flight.done:
            flight.source.land(flight)
            if flight.inner is not None:
                flight.inner.cancel()
            flight.source.rest()

    def late(self, waiter: Deferred[Answer]) -> None:
        """
        Time C{waiter} out, unless its time was suspended while the question waited to be sent.
        """
        flight: _Flight = self
        while waiter not in flight.waiters and flight.successor is not None:
            flight = flight.successor
        source = flight.source
        if source.holds and waiter in flight.waiters:
            now = source.now()
            deadline = flight.waiters[waiter].deadline + source.heldFor(flight, now)
            if deadline > now + _SLACK:
                source.deadlines.add(deadline, waiter, flight.late)
                return
        self.leave(waiter)
        fault = self.soFar
        if fault is None:
            fault = TimedOut(f"{self.question} was not answered in time")
        else:
            # Whatever the servers have replied so far, this waiter's deadline ended the look-up.
            cause = fault.cause
            fault = self.inAll(TimedOut(str(fault), server=fault.server, attempts=fault.attempts, ede=fault.ede))
            fault.cause = fault.cause or cause
        if self.done:
            # While others wait, the look-up has not failed yet; and it fails once, not once for each waiter.
            self.tell(fault)
        waiter.errback(fault)

    def hold(self, now: float) -> None:
        """
        Suspend the waiters' deadlines: the question is queued for sending.
        """
        holds = self.source.holds
        held, _ = holds.get(self, (0.0, None))
        holds[self] = (held, now)

    def proceed(self, now: float) -> None:
        """
        Resume the waiters' deadlines: the question is sent now.
        """
        source = self.source
        if self in source.holds:
            source.holds[self] = (source.heldFor(self, now), None)

    def tell(self, outcome: Answer | DNSFault) -> Answer | None:
        """
        Pass the outcome to the cache, unless it was flushed since the look-up began.

        @return: the answer to deliver instead, if any.
        """
        learning = self.source.learning
        if learning is None or self.older:
            return None
        try:
            if isinstance(outcome, DNSFault):
                learning.learnFault(self.question, self.context, outcome, self.began)
            else:
                return learning.learn(self.question, self.context, outcome)
        except Exception:
            # The waiters still get the answer.
            _log.failure("An answer could not be remembered.")
        return None

    def inAll(self, fault: DNSFault) -> DNSFault:
        """
        Return the fault, with the queries of earlier flights added if it is a timeout.
        """
        if not (self.earlier and isinstance(fault, TimedOut)):
            return fault
        attempts = self.earlier + fault.attempts
        whole = TimedOut(f"{fault}, nor before that; {attempts} queries in all", server=fault.server, attempts=attempts, ede=fault.ede)
        whole.cause = fault.cause
        return whole

    def arrived(self, outcome: Answer | Failure) -> None:
        source = self.source
        if not self.done:
            source.land(self)
        if isinstance(outcome, Failure):
            if isinstance(outcome.value, Abandoned):
                self.soFar = outcome.value.fault
            self.settle(None, outcome.value)
            if source.idle is not None:
                source.rest()
            return
        outcome = self.tell(outcome) or outcome
        if len(self.waiters) == 1 and not source.deadlines.waiting:
            waiter, context = self.waiters.popitem()
            if context.flight is not None and isinstance(context.flight, _Flight):
                context.flight.forget(self)
            waiter.callback(outcome)
        else:
            self.settle(outcome, None)
        if source.idle is not None:
            source.rest()

    def settle(self, answer: Answer | None, fault: BaseException | None) -> None:
        """
        @param fault: each waiter gets a copy.
        """
        waiters = self.waiters
        deadlines = self.source.deadlines
        told = False
        # One at a time: a waiter's callbacks may make another waiter leave.
        while waiters:
            waiter = next(iter(waiters))
            context = waiters.pop(waiter)
            if deadlines.waiting:
                deadlines.discard(waiter)
            if context.flight is not None and isinstance(context.flight, _Flight):
                context.flight.forget(self)
            if answer is not None:
                waiter.callback(answer)
            elif isinstance(fault, TimedOut) and self.source.hasTime(self, context):
                # The flight's deadline has passed, but not that of this waiter, which joined late.
                # All such waiters move to one flight, so that each is found when it leaves; a flush in between would split them.
                if self.successor is None or self.successor.done:
                    self.successor = self.source.board(waiter, self.question, context)
                else:
                    self.successor.take(waiter, context)
                self.successor.earlier = max(self.successor.earlier, self.earlier + fault.attempts)
            elif isinstance(fault, DNSFault):
                if not told:
                    told = True
                    self.tell(fault)
                waiter.errback(self.inAll(again(fault)))
            else:
                waiter.errback(Closed("the look-up was given up") if isinstance(fault, CancelledError) else fault)


class OutcomeListener(Protocol):
    """
    Receives the outcomes of look-ups, for a cache. It is called once for each look-up, before the waiters.
    """

    def learn(self, question: Question, context: QueryContext, answer: Answer) -> Answer | None:
        """
        Return the answer to deliver instead: the same with the TTLs that it is cached with; L{None} for the answer itself.

        @param context: the settings of the caller that began the look-up.
        """

    def learnFault(self, question: Question, context: QueryContext, fault: DNSFault, asked: float) -> None:
        """
        @param asked: when the look-up began.
        """


@implementer(IAnswerSource)
class CoalescingSource:
    """
    Sends one query to the inner source while any number of callers wait for the same question with the same settings. With a single pending
    query for a question, a spoofer has one to hit and not thousands (RFC 5452, section 5).

    A shared look-up has a deadline of its own, independent of the caller that began it; each waiter keeps its own deadline and can be
    cancelled separately. When the last waiter has gone, the look-up is cancelled.
    """

    def __init__(
        self,
        inner: IAnswerSource,
        clock: IReactorTime,
        *,
        seconds: float | None = None,
        budget: Callable[[], Budget] | None = None,
    ) -> None:
        """
        @param seconds: the timeout of a shared look-up.
        @param budget: creates the query budget of one.
        """
        self._inner = inner
        self._clock = clock
        self.now = clock.seconds
        self._lasts = FLIGHT_SECONDS.pick(seconds)
        self._budget = budget
        self._flights: dict[bytes, _Flight] = {}
        self._older: set[_Flight] = set()
        self._variants: dict[bytes, int] = {}
        self.deadlines = Deadlines(clock)
        #: Flights whose questions have been queued for sending: the total time in the queue in seconds, and the start time if queued now.
        self.holds: dict[_Flight, tuple[float, float | None]] = {}
        self._closed = False
        #: Called when no look-up is in progress.
        self.idle: Callable[[], object] | None = None
        #: The cache that receives the outcomes.
        self.learning: OutcomeListener | None = None

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        found = self._inner.ask(question, context)
        return found if found is None or isinstance(found, Answer) else partial(self._begin, question, found)

    def _begin(self, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        key = question.key + context.variant
        flight = self._flights.get(key)
        if flight is not None:
            return self._join(flight, context)
        if self._closed:
            return fail(Closed("the resolver has been closed"))
        if len(context.variant) > 1 and self._variants.get(question.key, 0) >= _MOST_VARIANTS:
            return fail(Refused(f"more than {_MOST_VARIANTS} look-ups for {question} that differ in their options"))
        flight = self._make(key, question, context)
        waiter: Deferred[Answer] = Deferred(flight.leave)
        if context.flight is None and context.deadline >= flight.deadline - _SLACK:
            flight.waiters[waiter] = context
        else:
            flight.take(waiter, context)
        self._start(flight, context, start)
        return waiter

    def _make(self, key: bytes, question: Question, context: QueryContext) -> _Flight:
        now = self.now()
        lasts = self._lasts
        if context.waits is not None:
            # If the caller gives a timeout for each attempt, the flight lasts for all of them.
            lasts = min(max(lasts, sum(context.waits)), FLIGHT_SECONDS.most)
        return _Flight(self, key, question, context, now, now + lasts)

    def _join(self, flight: _Flight, context: QueryContext) -> Deferred[Answer]:
        if context.trace is not None:
            context.trace.note(self.now(), "coalesce", "joined", waiters=len(flight.waiters))
        if len(flight.waiters) >= _MOST_WAITERS:
            return fail(Refused(f"more than {_MOST_WAITERS} callers wait for {flight.question}"))
        if context.flight is not None and flight.leadsTo(context.flight):
            return fail(ServerFailed(f"{flight.question} waits for itself: its delegations or aliases go round in a circle"))
        waiter: Deferred[Answer] = Deferred(flight.leave)
        flight.take(waiter, context)
        return waiter

    def _start(self, flight: _Flight, context: QueryContext, start: Start | None = None) -> None:
        self._flights[flight.key] = flight
        if len(context.variant) > 1:
            question = flight.question
            self._variants[question.key] = self._variants.get(question.key, 0) + 1
        wishes = context.detached(flight.deadline)
        wishes.flight = flight
        if self._budget is not None:
            wishes.budget = self._budget()
        inner = flight.inner = lookUp(self._inner, flight.question, wishes) if start is None else start(wishes)
        arrived = flight.arrived
        inner.addCallbacks(arrived, arrived)

    # -- called by the flights

    def board(self, waiter: Deferred[Answer], question: Question, context: QueryContext) -> _Flight:
        """
        Move a waiter to a new flight, or to one already in progress for the same question.
        """
        flight = self._flights.get(question.key + context.variant)
        if flight is not None:
            flight.take(waiter, context)
            return flight
        flight = self._make(question.key + context.variant, question, context)
        flight.take(waiter, context)
        self._start(flight, context)
        return flight

    def hasTime(self, flight: _Flight, context: QueryContext) -> bool:
        """
        Return whether the flight's deadline has passed, but not that of the waiter with this context.
        """
        now = self.now()
        return now >= flight.deadline - _SLACK and context.deadline > now + _SLACK and not self._closed

    def heldFor(self, flight: _Flight, now: float) -> float:
        """
        Return how long its question has been queued for sending, in seconds.
        """
        held, since = self.holds.get(flight, (0.0, None))
        return held if since is None else held + now - since

    def land(self, flight: _Flight) -> None:
        """
        Close the flight to further waiters.
        """
        flight.done = True
        if self.holds:
            self.holds.pop(flight, None)
        if self._flights.get(flight.key) is flight and not self._variants:
            # The common case.
            del self._flights[flight.key]
            return
        self._unlist(flight)
        self._older.discard(flight)

    def startAnew(self) -> None:
        """
        Close all flights to further waiters, because they may return what has just been flushed from a cache. Those already waiting keep
        waiting.
        """
        for flight in list(self._flights.values()):
            self._unlist(flight)
            flight.older = True
            self._older.add(flight)

    def _unlist(self, flight: _Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
            if self._variants and len(flight.key) > len(flight.question.key) + 1:
                count = self._variants[flight.question.key] - 1
                if count:
                    self._variants[flight.question.key] = count
                else:
                    del self._variants[flight.question.key]

    def whenIdle(self, callback: Callable[[], object]) -> None:
        """
        Call C{callback} once no look-up is in progress, possibly now. Callers that follow up on an answer at once, as a search list does,
        have begun their next look-up by then.
        """
        self.idle = callback
        self.rest()

    def rest(self) -> None:
        """
        Call the idle callback if no look-up is in progress.
        """
        callback = self.idle
        if callback is not None and not (self._flights or self._older):
            self.idle = None
            callback()

    def close(self) -> Deferred[None]:
        self.idle = None
        if not self._closed:
            self._closed = True
            for flight in [*self._flights.values(), *self._older]:
                self.land(flight)
                flight.settle(None, Closed("the resolver was closed"))
                if flight.inner is not None:
                    flight.inner.cancel()
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)


def startAnew(source: IAnswerSource) -> None:
    """
    Close all flights in C{source} and the sources behind it to further waiters.
    """
    for each in behind(source, CoalescingSource):
        each.startAnew()
