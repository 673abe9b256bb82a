"""
Asking once for everybody who asks the same.
"""

from __future__ import annotations

from collections.abc import Callable
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
from twisted_ext.resolver.forward.failures import Abandoned
from twisted_ext.resolver.lookup.deadlines import Deadlines
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.answers import Budget

__all__ = ["CoalescingSource", "Learning", "startAnew"]

_log: Final = Logger()

_MOST_WAITERS: Final = int(FLIGHT_WAITERS.default)
_MOST_VARIANTS: Final = int(FLIGHT_VARIANTS.default)

#: Seconds by which two deadlines may differ and still be the same.
_SLACK: Final = 0.01


class _Flight:
    """
    One look-up and everybody who waits for it.

    @ivar began: when it did.
    @ivar context: the wishes of who began it.
    @ivar waiters: each with the wishes that it came with.
    @ivar waitsFor: the flights that this one's own questions have joined or begun.
    @ivar older: whether it began before something was to be forgotten.
    @ivar successor: the flight that waiters with time left have gone over to.
    @ivar soFar: once it has been given up, what there was to say of it.
    @ivar earlier: queries that the flights before this one have sent in vain for some who wait for it.
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
        # Nearly always nothing, which costs nothing.
        self.waitsFor: tuple[_Flight, ...] = ()
        self.inner: Deferred[Answer] | None = None
        self.successor: _Flight | None = None
        self.soFar: DNSFault | None = None
        self.earlier = 0
        self.done = self.older = False

    def leadsTo(self, other: object) -> bool:
        """
        @return: whether this flight waits for that one, be it by way of others.
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
        """
        Let C{waiter} wait for this flight.
        """
        self.waiters[waiter] = context
        if context.flight is not None and isinstance(context.flight, _Flight):
            context.flight.waitsFor += (self,)
        if context.deadline < self.deadline - _SLACK:
            self.source.deadlines.add(context.deadline, waiter, self.late)

    def forget(self, other: _Flight) -> None:
        """
        One of this flight's own questions waits for that one no more.
        """
        waitsFor = list(self.waitsFor)
        waitsFor.remove(other)
        self.waitsFor = tuple(waitsFor)

    def leave(self, waiter: Deferred[Answer]) -> None:
        """
        Take C{waiter} off again, and give the flight up when it was the last one.
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
        C{waiter} has no more time, unless the question waited to be sent.
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
            # Whatever the servers have said by then, it was this waiter's time that ended it.
            cause = fault.cause
            fault = self.inAll(TimedOut(str(fault), server=fault.server, attempts=fault.attempts, ede=fault.ede))
            fault.cause = fault.cause or cause
        if self.done:
            # While others wait, it has not failed yet; and it fails once, not once for each.
            self.tell(fault)
        waiter.errback(fault)

    def hold(self, now: float) -> None:
        """
        The question waits to be sent: its time does not count.
        """
        holds = self.source.holds
        held, _ = holds.get(self, (0.0, None))
        holds[self] = (held, now)

    def proceed(self, now: float) -> None:
        """
        It is sent now.
        """
        source = self.source
        if self in source.holds:
            source.holds[self] = (source.heldFor(self, now), None)

    def tell(self, outcome: Answer | DNSFault) -> Answer | None:
        """
        Have what came remembered, unless it is about something that was to be forgotten meanwhile.

        @return: what to give in its place, if anything.
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
            # Those who wait for it get it all the same.
            _log.failure("An answer could not be remembered.")
        return None

    def inAll(self, fault: DNSFault) -> DNSFault:
        """
        @return: the same of a time-out, and how often was asked before.
        """
        if not (self.earlier and isinstance(fault, TimedOut)):
            return fault
        attempts = self.earlier + fault.attempts
        whole = TimedOut(f"{fault}, nor before that; {attempts} queries in all", server=fault.server, attempts=attempts, ede=fault.ede)
        whole.cause = fault.cause
        return whole

    def arrived(self, outcome: Answer | Failure) -> None:
        """
        Give everybody what came.
        """
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
        @param fault: each waiter gets one of its own.
        """
        waiters = self.waiters
        deadlines = self.source.deadlines
        told = False
        # One after the other: what a waiter does with its answer may make another one leave.
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
                # The flight's time was up, but not this waiter's, who came to it late.
                # All of them to one, so that each is found again when it leaves; a flush meanwhile would have them join another.
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


class Learning(Protocol):
    """
    What remembers what look-ups brought. It is told before those who wait are, and once for all of them.
    """

    def learn(self, question: Question, context: QueryContext, answer: Answer) -> Answer | None:
        """
        @param context: the wishes of who asked first.

        @return: what to give in the answer's place: the same with the TTLs that it is kept with; L{None} for the answer itself.
        """

    def learnFault(self, question: Question, context: QueryContext, fault: DNSFault, asked: float) -> None:
        """
        @param asked: when the look-up began.
        """


@implementer(IAnswerSource)
class CoalescingSource:
    """
    Asks the inner source once while any number of callers wait for the same question with the same wishes. With one query under way
    for a question, a forger has one to hit and not thousands (RFC 5452, section 5).

    A shared look-up has a deadline of its own, whoever began it; each waiter keeps its own, and may be cancelled by itself. When the
    last one has gone, the look-up is cancelled too.
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
        @param seconds: that a shared look-up may take.
        @param budget: makes the budget of one.
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
        #: Flights whose questions have waited to be sent: for how many seconds until now, or until when it began to wait again.
        self.holds: dict[_Flight, tuple[float, float | None]] = {}
        self._closed = False
        #: What to call as soon as nothing is under way.
        self.idle: Callable[[], object] | None = None
        #: What remembers the answers.
        self.learning: Learning | None = None

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return self._inner.answerNow(question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
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
        self._start(flight, context)
        return waiter

    def _make(self, key: bytes, question: Question, context: QueryContext) -> _Flight:
        now = self.now()
        lasts = self._lasts
        if context.waits is not None:
            # Somebody who says how long each attempt takes gets all of them in one flight.
            lasts = min(max(lasts, sum(context.waits)), FLIGHT_SECONDS.most)
        return _Flight(self, key, question, context, now, now + lasts)

    def _join(self, flight: _Flight, context: QueryContext) -> Deferred[Answer]:
        if context.trace is not None:
            context.trace.note(self.now(), "coalesce", "joined", waiters=len(flight.waiters))
        if len(flight.waiters) >= _MOST_WAITERS:
            return fail(Refused(f"more than {_MOST_WAITERS} wait for {flight.question}"))
        if context.flight is not None and flight.leadsTo(context.flight):
            return fail(ServerFailed(f"{flight.question} waits for itself: its delegations or aliases go round in a circle"))
        waiter: Deferred[Answer] = Deferred(flight.leave)
        flight.take(waiter, context)
        return waiter

    def _start(self, flight: _Flight, context: QueryContext) -> None:
        self._flights[flight.key] = flight
        if len(context.variant) > 1:
            question = flight.question
            self._variants[question.key] = self._variants.get(question.key, 0) + 1
        wishes = context.detached(flight.deadline)
        wishes.flight = flight
        if self._budget is not None:
            wishes.budget = self._budget()
        inner = flight.inner = self._inner.answer(flight.question, wishes)
        arrived = flight.arrived
        inner.addCallbacks(arrived, arrived)

    # -- for the flights

    def board(self, waiter: Deferred[Answer], question: Question, context: QueryContext) -> _Flight:
        """
        Let one who already waits go over to a new flight, or to the one that another has begun.
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
        @return: whether it was the flight's time that was up, and not that of who came with these wishes.
        """
        now = self.now()
        return now >= flight.deadline - _SLACK and context.deadline > now + _SLACK and not self._closed

    def heldFor(self, flight: _Flight, now: float) -> float:
        """
        @return: seconds for which its question has waited to be sent.
        """
        held, since = self.holds.get(flight, (0.0, None))
        return held if since is None else held + now - since

    def land(self, flight: _Flight) -> None:
        """
        From now on nobody joins this flight.
        """
        flight.done = True
        if self.holds:
            self.holds.pop(flight, None)
        if self._flights.get(flight.key) is flight and not self._variants:
            # Nearly always.
            del self._flights[flight.key]
            return
        self._unlist(flight)
        self._older.discard(flight)

    def startAnew(self) -> None:
        """
        From now on nobody joins what is under way: it may bring what a cache was just told to forget. Those who wait for it go on waiting.
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
        Have this called once nobody waits for anything any more, which may be now. Whoever goes on asking with what came, as a search does,
        has done so by then.
        """
        self.idle = callback
        self.rest()

    def rest(self) -> None:
        """
        Tell whoever wants to know that nothing is under way, if so.
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
    Have nobody join what is under way now in C{source} or whatever stands behind it.
    """
    if isinstance(source, CoalescingSource):
        source.startAnew()
    for inner in source.sources():
        startAnew(inner)
