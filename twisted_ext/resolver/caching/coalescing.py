"""
Coalesce look-ups: one query for all callers with the same question.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from zope.interface import classImplements

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.cache.failures import again
from twisted_ext.errors import Closed, DNSFault, Refused, ServerFailed, TimedOut, WorkSpent
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import FLIGHT_SECONDS, FLIGHT_VARIANTS
from twisted_ext.resolver.ask import DeferredQuery, Query, QueryStart, Waiter, lookUp, queryOf
from twisted_ext.resolver.forward.failures import Abandoned
from twisted_ext.resolver.forward.holdable import Holdable
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.transport.timers import SPARING
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["CoalescingSource", "Deadlines", "LearningSource"]


_log: Final = Logger(__name__)

#: Callers that wait for one shared look-up; further ones are refused.
_MOST_WAITERS: Final = 10_000
_MOST_VARIANTS: Final = int(FLIGHT_VARIANTS.default)

#: Deadlines within this many seconds of each other count as equal.
_SLACK: Final = 0.01


class _Flight(Holdable):
    """
    A shared look-up and its waiters.

    @ivar context: the settings of the caller that began it.
    @ivar waiters: each waiter with its own context.
    @ivar waitsFor: the flights that this one's own questions have joined or begun.
    @ivar older: whether it began before a flush.
    @ivar successor: the flight that waiters with time left were moved to.
    @ivar soFar: once it has been given up, the fault to report.
    @ivar earlier: queries sent without success by previous flights of some of its waiters.
    """

    __slots__ = (
        *("source", "key", "question", "context", "began", "deadline", "waiters", "waitsFor", "inner", "successor", "soFar"),
        *("earlier", "done", "older"),
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
        self.waiters: dict[Waiter, QueryContext] = {}
        # Nearly always empty; an empty tuple takes no memory.
        self.waitsFor: tuple[_Flight, ...] = ()
        self.inner: Query | None = None
        self.successor: _Flight | None = None
        self.soFar: DNSFault | None = None
        self.earlier = 0
        self.done = False
        self.older = False

    def leadsTo(self, other: object) -> bool:
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

    def take(self, waiter: Waiter, context: QueryContext) -> None:
        self.waiters[waiter] = context
        if context.flight is not None and isinstance(context.flight, _Flight):
            context.flight.waitsFor += (self,)
        if context.deadline < self.deadline - _SLACK:
            self.source.deadlines.add(context.deadline, waiter, self.late)

    def forget(self, other: _Flight) -> None:
        waitsFor = list(self.waitsFor)
        waitsFor.remove(other)
        self.waitsFor = tuple(waitsFor)

    def leave(self, waiter: Waiter) -> None:
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
            inner, flight.inner = flight.inner, None
            if inner is not None:
                inner.cancel()
            flight.source.rest()

    def late(self, waiter: Waiter) -> None:
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

    # -- called by the admission queue, see Holdable

    def hold(self, now: float) -> None:
        holds = self.source.holds
        held, _ = holds.get(self, (0.0, None))
        holds[self] = (held, now)

    def proceed(self, now: float) -> None:
        source = self.source
        if self in source.holds:
            source.holds[self] = (source.heldFor(self, now), None)

    def tell(self, outcome: Answer | DNSFault) -> Answer | None:
        """
        Pass the outcome to the cache, unless it was flushed since the look-up began. Return the answer to deliver instead, if any.
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

    # -- as the waiter of the look-up

    def errback(self, fault: Exception, /) -> None:
        source = self.source
        self.inner = None
        if not self.done:
            source.land(self)
        if isinstance(fault, Abandoned):
            self.soFar = fault.fault
        self.settle(None, fault)
        if source.idle is not None:
            source.rest()

    def callback(self, outcome: Answer, /) -> None:
        source = self.source
        # It refers to this object. Without that cycle, both are freed at once, and the garbage collector has nothing to do.
        self.inner = None
        if not self.done:
            source.land(self)
        outcome = self.tell(outcome) or outcome
        if len(self.waiters) == 1:
            waiter, context = self.waiters.popitem()
            if source.deadlines.waiting:
                source.deadlines.discard(waiter)
            if context.flight is not None and isinstance(context.flight, _Flight):
                context.flight.forget(self)
            waiter.callback(outcome)
        else:
            self.settle(outcome, None)
        if source.idle is not None:
            source.rest()

    def settle(self, answer: Answer | None, fault: Exception | None) -> None:
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
            elif (isinstance(fault, TimedOut) and self.source.hasTime(self, context)) or (
                isinstance(fault, WorkSpent) and self.source.hasWork(self, context)
            ):
                # The flight's deadline has passed, but not that of this waiter, which joined late; or its work was spent elsewhere.
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
                assert fault is not None
                waiter.errback(Closed("the look-up was given up") if isinstance(fault, CancelledError) else fault)


class Deadlines:
    """
    Calls back for each waiter whose deadline passes before its answer arrives. No timer is left when there are no waiters.

    @ivar waiting: the waiters, each with its deadline and the callback for it.
    """

    __slots__ = ("waiting", "_clock", "_timer", "_timerAt")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.waiting: dict[Waiter, tuple[float, Callable[[Waiter], object]]] = {}
        self._timer: IDelayedCall | None = None
        self._timerAt = 0.0

    def add(self, deadline: float, waiter: Waiter, late: Callable[[Waiter], object]) -> None:
        self.waiting[waiter] = deadline, late
        if self._timer is None or deadline < self._timerAt:
            self._arm(deadline)

    def discard(self, waiter: Waiter) -> None:
        """
        Remove a waiter that has its answer or was cancelled; one that was never added is ignored.
        """
        if self.waiting.pop(waiter, None) is not None and not self.waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timerAt = deadline
        self._timer = self._clock.callLater(max(deadline - self._clock.seconds(), 0), self._expire)

    def _expire(self) -> None:
        self._timer = None
        waiting = self.waiting
        now = self._clock.seconds()
        for waiter in sorted([waiter for waiter, (deadline, _) in waiting.items() if deadline <= now], key=self._deadlineOf):
            # The callback of one may make another leave.
            expired = waiting.pop(waiter, None)
            if expired is not None:
                expired[1](waiter)
        if waiting:
            self._rearm(min([deadline for deadline, _ in waiting.values()]))

    def _rearm(self, deadline: float) -> None:
        deadline = max(deadline, self._clock.seconds() + len(self.waiting) * SPARING)
        # A waiter added by a callback may have set the timer, but for a later time.
        if self._timer is None or deadline < self._timerAt:
            self._arm(deadline)

    def _deadlineOf(self, waiter: Waiter) -> float:
        return self.waiting[waiter][0]


class LearningSource(WrappingSource):
    """
    Base of a source that wraps a L{CoalescingSource} and is told what its look-ups find. Each is told with the context of the caller that
    began it.
    """

    __slots__ = ()

    def learn(self, question: Question, context: QueryContext, answer: Answer) -> Answer | None:
        """
        Return the answer to deliver instead, L{None} for the answer itself.
        """
        raise NotImplementedError

    def learnFault(self, question: Question, context: QueryContext, fault: DNSFault, asked: float) -> None:
        """
        @param asked: when the look-up began, by the reactor's clock.
        """
        raise NotImplementedError


class CoalescingSource(WrappingSource):
    """
    Sends one query to the inner source while any number of callers wait for the same question with the same settings. With a single pending
    query for a question, a spoofer has one to hit and not thousands (RFC 5452, section 5).

    A shared look-up has a deadline of its own, independent of the caller that began it; each waiter keeps its own deadline and can be
    cancelled separately. When the last waiter has gone, the look-up is cancelled.
    """

    def __init__(self, inner: IAnswerSource, clock: IReactorTime, *, seconds: float | None = None) -> None:
        """
        @param seconds: the timeout of a shared look-up.
        """
        super().__init__(inner)
        self._clock = clock
        self.now = clock.seconds
        self._lasts = FLIGHT_SECONDS.pick(seconds)
        self._flights: dict[bytes, _Flight] = {}
        self._older: set[_Flight] = set()
        self._variants: dict[bytes, int] = {}
        self.deadlines = Deadlines(clock)
        #: Flights whose questions have been queued for sending: the total time in the queue in seconds, and the start time if queued now.
        self.holds: dict[_Flight, tuple[float, float | None]] = {}
        self._closed = False
        #: Called when no look-up is in progress.
        self.idle: Callable[[], object] | None = None
        #: The cache that receives the outcome of each look-up, once, before the waiters.
        self.learning: LearningSource | None = None

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        found = self._inner.ask(question, context)
        return found if found is None or isinstance(found, Answer) else _Boarding(self, question, found)

    def begin(self, question: Question, start: Start, waiter: Waiter, context: QueryContext, now: float) -> _Flight:
        """
        Begin a flight, or join one that is under way.

        @raise DNSFault: neither is possible.
        """
        key = question.key + context.variant
        flight = self._flights.get(key)
        if flight is not None:
            self._join(flight, waiter, context)
            return flight
        if self._closed:
            raise Closed("the resolver has been closed")
        if len(context.variant) > 1 and self._variants.get(question.key, 0) >= _MOST_VARIANTS:
            raise Refused(f"more than {_MOST_VARIANTS} look-ups for {question} that differ in their options")
        flight = self._make(key, question, context, now)
        if context.flight is None and context.deadline >= flight.deadline - _SLACK:
            flight.waiters[waiter] = context
        else:
            flight.take(waiter, context)
        self._start(flight, context, start)
        return flight

    def _make(self, key: bytes, question: Question, context: QueryContext, now: float) -> _Flight:
        lasts = self._lasts
        if context.waits is not None:
            # If the caller gives a timeout for each attempt, the flight lasts for all of them.
            lasts = min(max(lasts, sum(context.waits)), FLIGHT_SECONDS.most)
        deadline = now + lasts
        if context.flight is not None and context.deadline < deadline:
            # A part of another look-up, which began a little earlier: without a deadline of its own, it needs no timer.
            deadline = context.deadline
        return _Flight(self, key, question, context, now, deadline)

    def _join(self, flight: _Flight, waiter: Waiter, context: QueryContext) -> None:
        if context.trace is not None:
            context.trace.note(self.now(), "coalesce", "joined", waiters=len(flight.waiters))
        if len(flight.waiters) >= _MOST_WAITERS:
            raise Refused(f"more than {_MOST_WAITERS} callers wait for {flight.question}")
        if context.flight is not None and flight.leadsTo(context.flight):
            raise ServerFailed(f"{flight.question} waits for itself: its delegations or aliases go round in a circle")
        flight.take(waiter, context)

    def _start(self, flight: _Flight, context: QueryContext, start: Start | None = None) -> None:
        self._flights[flight.key] = flight
        if len(context.variant) > 1:
            question = flight.question
            self._variants[question.key] = self._variants.get(question.key, 0) + 1
        wishes = context.detached(flight.deadline)
        wishes.flight = flight
        if start is None:
            start = partial(lookUp, self._inner, flight.question)
        try:
            query = flight.inner = queryOf(start, flight, wishes)
        except DNSFault as fault:
            flight.errback(fault)
            return
        query.begin(flight.began)
        if isinstance(query, DeferredQuery):
            query.endInTime(self._clock)

    # -- called by the flights

    def board(self, waiter: Waiter, question: Question, context: QueryContext) -> _Flight:
        """
        Move a waiter to a new flight, or to one already in progress for the same question.
        """
        flight = self._flights.get(question.key + context.variant)
        if flight is not None:
            flight.take(waiter, context)
            return flight
        flight = self._make(question.key + context.variant, question, context, self.now())
        flight.take(waiter, context)
        self._start(flight, context)
        return flight

    def hasTime(self, flight: _Flight, context: QueryContext) -> bool:
        now = self.now()
        return now >= flight.deadline - _SLACK and context.deadline > now + _SLACK and not self._closed

    def hasWork(self, flight: _Flight, context: QueryContext) -> bool:
        """
        Return whether the flight was a part of another query, which had spent its work before, so that this waiter may have more success.
        """
        began = flight.context
        return bool(began.aliases or began.depth) and context.budget is not began.budget and not self._closed

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


classImplements(CoalescingSource, IAnswerSource)


class _Boarding(QueryStart):
    """
    The part that one waiter has in a shared look-up.
    """

    __slots__ = ("_source", "_question", "_start", "_waiter", "_context", "_flight")

    _waiter: Waiter
    _context: QueryContext

    def __init__(self, source: CoalescingSource, question: Question, start: Start) -> None:
        self._source = source
        self._question = question
        self._start = start
        self._flight: _Flight | None = None

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        self._waiter = waiter
        self._context = context
        return self

    def now(self) -> float:
        return self._source.now()

    def begin(self, now: float) -> None:
        try:
            self._flight = self._source.begin(self._question, self._start, self._waiter, self._context, now)
        except DNSFault as fault:
            self._waiter.errback(fault)

    def cancel(self) -> None:
        if self._flight is not None:
            self._flight.leave(self._waiter)
