"""
Asking once for everybody who asks the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.cache.failures import again
from twisted_ext.errors import Closed, DNSFault, Refused, ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FLIGHT_SECONDS, FLIGHT_VARIANTS, FLIGHT_WAITERS
from twisted_ext.resolver.deadlines import Deadlines
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.answers import Budget

__all__ = ["Coalescing"]

_MOST_WAITERS: Final = int(FLIGHT_WAITERS.default)
_MOST_VARIANTS: Final = int(FLIGHT_VARIANTS.default)

#: Seconds by which two deadlines may differ and still be the same.
_SLACK: Final = 0.01


class _Flight:
    """
    One look-up and everybody who waits for it.

    @ivar waiters: each with the wishes that it came with.
    @ivar waitsFor: the flights that this one's own questions have joined or begun.
    """

    __slots__ = ("key", "question", "deadline", "waiters", "waitsFor", "inner", "done")

    def __init__(self, key: bytes, question: Question, deadline: float) -> None:
        self.key = key
        self.question = question
        self.deadline = deadline
        self.waiters: dict[Deferred[Answer], QueryContext] = {}
        self.waitsFor: list[_Flight] = []
        self.inner: Deferred[Answer] | None = None
        self.done = False

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


@implementer(IAnswerSource)
class Coalescing:
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
        self._now = clock.seconds
        self._lasts = FLIGHT_SECONDS.pick(seconds)
        self._budget = budget
        self._flights: dict[bytes, _Flight] = {}
        self._variants: dict[bytes, int] = {}
        self._byWaiter: dict[Deferred[Answer], _Flight] = {}
        self._deadlines = Deadlines(clock, self._late)
        self._closed = False

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return self._inner.answerNow(question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        waiter: Deferred[Answer] = Deferred(self._cancelled)
        self._board(waiter, question, context)
        return waiter

    def _board(self, waiter: Deferred[Answer], question: Question, context: QueryContext) -> None:
        """
        Let C{waiter} wait for a flight, a new one where there is none.
        """
        variant = context.variant
        key = question.key + variant
        flight = self._flights.get(key)
        if flight is not None:
            self._join(flight, waiter, context)
            return
        if self._closed:
            waiter.errback(Closed("the resolver has been closed"))
            return
        if len(variant) > 1:
            count = self._variants.get(question.key, 0)
            if count >= _MOST_VARIANTS:
                waiter.errback(Refused(f"more than {_MOST_VARIANTS} look-ups for {question!r} that differ in their options"))
                return
            self._variants[question.key] = count + 1
        deadline = self._now() + self._lasts
        flight = self._flights[key] = _Flight(key, question, deadline)
        flight.waiters[waiter] = context
        self._byWaiter[waiter] = flight
        if context.deadline < deadline - _SLACK:
            self._deadlines.add(context.deadline, waiter)
        wishes = context.detached(deadline)
        if isinstance(context.flight, _Flight):
            context.flight.waitsFor.append(flight)
        wishes.flight = flight
        if self._budget is not None:
            wishes.budget = self._budget()
        inner = flight.inner = self._inner.answer(question, wishes)
        inner.addBoth(self._arrived, flight)

    def _join(self, flight: _Flight, waiter: Deferred[Answer], context: QueryContext) -> None:
        if context.trace is not None:
            context.trace.note(self._now(), "coalesce", "joined", waiters=len(flight.waiters))
        if len(flight.waiters) >= _MOST_WAITERS:
            waiter.errback(Refused(f"more than {_MOST_WAITERS} wait for {flight.question!r}"))
            return
        parent = context.flight
        if isinstance(parent, _Flight):
            if flight.leadsTo(parent):
                waiter.errback(ServerFailed(f"{flight.question!r} waits for itself: its delegations or aliases go round in a circle"))
                return
            parent.waitsFor.append(flight)
        flight.waiters[waiter] = context
        self._byWaiter[waiter] = flight
        if context.deadline < flight.deadline - _SLACK:
            self._deadlines.add(context.deadline, waiter)

    def _leave(self, waiter: Deferred[Answer]) -> None:
        """
        Take C{waiter} off its flight, and cancel that when it was the last one.
        """
        flight = self._byWaiter.pop(waiter, None)
        if flight is None:
            return
        context = flight.waiters.pop(waiter)
        if isinstance(context.flight, _Flight):
            context.flight.waitsFor.remove(flight)
        if not flight.waiters and not flight.done:
            self._land(flight)
            if flight.inner is not None:
                flight.inner.cancel()

    def _land(self, flight: _Flight) -> None:
        flight.done = True
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
            if self._variants:
                count = self._variants.get(flight.question.key, 0) - 1
                if count > 0:
                    self._variants[flight.question.key] = count
                elif len(flight.key) > len(flight.question.key) + 1:
                    self._variants.pop(flight.question.key, None)

    def _cancelled(self, waiter: Deferred[Answer]) -> None:
        self._deadlines.discard(waiter)
        self._leave(waiter)

    def _late(self, waiter: Deferred[Answer]) -> None:
        flight = self._byWaiter.get(waiter)
        if flight is not None:
            question = flight.question
            self._leave(waiter)
            waiter.errback(TimedOut(f"{question!r} was not answered in time"))

    def _arrived(self, outcome: Answer | Failure, flight: _Flight) -> None:
        if not flight.done:
            self._land(flight)
        if isinstance(outcome, Failure):
            self._settle(flight, None, outcome.value)
        else:
            self._settle(flight, outcome, None)

    def _settle(self, flight: _Flight, answer: Answer | None, fault: BaseException | None) -> None:
        waiters = flight.waiters
        # One after the other: what a waiter does with its answer may make another one leave.
        while waiters:
            waiter = next(iter(waiters))
            context = waiters.pop(waiter)
            del self._byWaiter[waiter]
            self._deadlines.discard(waiter)
            if isinstance(context.flight, _Flight):
                context.flight.waitsFor.remove(flight)
            if answer is not None:
                waiter.callback(answer)
            elif isinstance(fault, TimedOut) and self._hasTime(flight, context):
                # The flight's time was up, but not this waiter's, who came to it late.
                self._board(waiter, flight.question, context)
            elif isinstance(fault, DNSFault):
                waiter.errback(again(fault))
            else:
                waiter.errback(Closed("the look-up was given up") if isinstance(fault, CancelledError) else fault)

    def _hasTime(self, flight: _Flight, context: QueryContext) -> bool:
        now = self._now()
        return now >= flight.deadline - _SLACK and context.deadline > now + _SLACK and not self._closed

    def close(self) -> Deferred[None]:
        if not self._closed:
            self._closed = True
            for flight in list(self._flights.values()):
                self._land(flight)
                self._settle(flight, None, Closed("the resolver was closed"))
                if flight.inner is not None:
                    flight.inner.cancel()
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)


