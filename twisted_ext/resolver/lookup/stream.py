"""
Streams of look-ups with callbacks, thousands in parallel: the basis of L{twisted_ext.bulk} and C{txdns bulk}.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_ext.aliases import found, together
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import BULK_ALIASES, BULK_KEPT_BACK, LOOKUP_SECONDS
from twisted_ext.ratecontrol import Rate, Window
from twisted_ext.resolver.ask import askedOn, lookUp, unknown
from twisted_ext.wire.message import Question

__all__ = ["InOrder", "Run", "OrderSlot"]

Item = TypeVar("Item")

#: Look-ups that begin within this many seconds share one deadline, so the last of them get that much less time than the first.
_SHARED: Final = 0.1


class Run(Generic[Item]):
    """
    Begins look-ups as earlier ones end, with callbacks in place of an iterator.

    @ivar underway: the number of look-ups in progress, C{window} at most.
    @ivar held: while true, no look-up is begun, because the consumer of the results cannot take more. Call L{fill} when it can.
    """

    def __init__(
        self,
        source: IAnswerSource,
        clock: IReactorTime,
        *,
        pull: Callable[[], tuple[Item, Question | Exception] | None],
        done: Callable[[Item, Answer | Exception], object],
        window: Window,
        seconds: float | None = None,
        rate: Rate | None = None,
    ) -> None:
        """
        @param pull: returns the next item and its question, or an exception that is already its result; L{None} if there is none now. Call
            L{fill} when there is.
        @param done: called with each result, exactly once: an answer, or an exception.
        """
        self.underway = 0
        self.window = window
        self.held = False
        self._source = source
        self._clock = clock
        self._pull = pull
        self._done = done
        self._seconds = LOOKUP_SECONDS.pick(seconds)
        self._rate = rate
        self._context = QueryContext(0.0)
        self._renewAt = float("-inf")
        self._flights: dict[Deferred[Answer], None] = {}
        self._filling = self._closed = False
        self._timer: IDelayedCall | None = None

    def fill(self) -> None:
        """
        Begin as many look-ups as there is room for.
        """
        if self._filling or self._closed:
            return
        self._filling = True
        window = self.window
        source = self._source
        seconds = self._clock.seconds
        try:
            while self.underway < window.size and not self.held:
                if self._rate is not None and not self._mayBegin(self._rate):
                    break
                pulled = self._pull()
                if pulled is None:
                    break
                item, question = pulled
                if isinstance(question, Exception):
                    self._done(item, question)
                    continue
                now = seconds()
                if now >= self._renewAt:
                    self._renewAt = now + _SHARED
                    self._context = QueryContext(self._renewAt + self._seconds)
                self.underway += 1
                try:
                    answer = source.ask(question, self._context)
                    if not isinstance(answer, Answer):
                        flight = fail(unknown(source, question)) if answer is None else answer(self._context)
                        self._flights[flight] = None
                        arguments = (item, question, flight)
                        flight.addCallbacks(self._answered, self._failed, callbackArgs=arguments, errbackArgs=arguments)
                        continue
                except Exception as fault:
                    # If the source fails at once, the item still gets its result.
                    self._end(item, fault, True)
                else:
                    self._took(answer, item, question, self._context)
        finally:
            self._filling = False

    def _mayBegin(self, rate: Rate) -> bool:
        if self._timer is not None:
            return False
        wait = rate.take(self._clock.seconds())
        if not wait:
            return True
        self._timer = self._clock.callLater(wait, self._again)
        return False

    def _again(self) -> None:
        self._timer = None
        self.fill()

    def _answered(self, answer: Answer, item: Item, question: Question, flight: Deferred[Answer]) -> None:
        del self._flights[flight]
        if answer.outcome is Outcome.NODATA and answer.answer:
            self._took(answer, item, question, self._context)
            return
        # The rest is _end, inlined, since it is called for every name.
        self.underway -= 1
        origin = answer.origin
        self.window.note(self._clock.seconds(), origin is not None and origin.attempts > 1)
        self._done(item, answer)
        if not self._filling:
            self.fill()

    def _failed(self, failure: Failure, item: Item, question: Question, flight: Deferred[Answer]) -> None:
        self._flights.pop(flight, None)
        if self._closed:
            return
        fault = failure.value
        self._end(item, fault if isinstance(fault, Exception) else DNSFault(repr(fault)), True)

    def _took(self, answer: Answer, item: Item, question: Question, context: QueryContext) -> None:
        """
        Handle an answer; if its aliases lead out of it, look up the target.
        """
        if answer.outcome is Outcome.NODATA and answer.answer and found(question, answer)[2] is not None:
            flight = Deferred.fromCoroutine(self._follow(question, answer, context))
            self._flights[flight] = None
            flight.addCallbacks(self._followed, self._failed, callbackArgs=(item, flight), errbackArgs=(item, question, flight))
            return
        origin = answer.origin
        self._end(item, answer, origin is not None and origin.attempts > 1)

    async def _follow(self, question: Question, answer: Answer, context: QueryContext) -> Answer:
        steps = await askedOn(partial(lookUp, self._source), question, answer, context, int(BULK_ALIASES.default))
        if found(*steps[-1])[2] is not None:
            raise Unknown(f"its aliases form a loop, or are more than {BULK_ALIASES.default:.0f}")
        return together([each for _, each in steps])

    def _followed(self, answer: Answer, item: Item, flight: Deferred[Answer]) -> None:
        del self._flights[flight]
        self._end(item, answer, False)

    def _end(self, item: Item, result: Answer | Exception, lost: bool) -> None:
        self.underway -= 1
        self.window.note(self._clock.seconds(), lost)
        self._done(item, result)
        if not self._filling:
            self.fill()

    def close(self) -> None:
        """
        Cancel all look-ups in progress; C{done} is not called for them.
        """
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        flights, self._flights = self._flights, {}
        for flight in flights:
            flight.addErrback(lambda failure: None)
            flight.cancel()


@dataclass(eq=False)
class InOrder(Generic[Item]):
    """
    Holds back results until those of all earlier items have been delivered. It is placed between a L{Run} and its two callbacks.
    """

    _pull: Callable[[], tuple[Item, Question | Exception] | None]
    _done: Callable[[Item, Answer | Exception], object]
    _slots: deque[OrderSlot[Item]] = field(default_factory=deque)

    def pull(self) -> tuple[OrderSlot[Item], Question | Exception] | None:
        if len(self._slots) >= BULK_KEPT_BACK.default:
            # So many look-ups are in progress or held back.
            return None
        pulled = self._pull()
        if pulled is None:
            return None
        slot = OrderSlot(pulled[0])
        self._slots.append(slot)
        return slot, pulled[1]

    def done(self, slot: OrderSlot[Item], result: Answer | Exception) -> None:
        slot.result = result
        slots = self._slots
        while slots and (ready := slots[0].result) is not None:
            self._done(slots.popleft().item, ready)


@dataclass(slots=True, eq=False)
class OrderSlot(Generic[Item]):
    """
    The position of one item in the order.

    @ivar result: L{None} while the look-up is in progress.
    """

    item: Item
    result: Answer | Exception | None = None
