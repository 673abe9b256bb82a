"""
A race of several sources for one question; the first answer wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import (
    CallerFault,
    Closed,
    DNSFault,
    PeerFault,
    PolicyFault,
    ServerFailed,
    TimedOut,
    TrustFault,
    Unknown,
    Unreachable,
)
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import HEDGE_SECONDS
from twisted_ext.resolver.ask import unknown
from twisted_ext.resolver.forward.failures import Abandoned, together
from twisted_ext.resolver.sources import JoiningSource
from twisted_ext.wire.message import Question

__all__ = ["RaceSource"]

#: How informative a failure is; the first matching class counts.
_RANKS: Final = (
    (Unknown, 0),
    (Closed, 0),
    (Unreachable, 1),
    (TimedOut, 2),
    (PolicyFault, 3),
    (ServerFailed, 5),
    (TrustFault, 6),
    (PeerFault, 4),
)

#: A programming error is never hidden behind another source's timeout.
_MISTAKE: Final = 7


@implementer(IAnswerSource)
class RaceSource(JoiningSource):
    """
    Queries the first source; if it takes too long or fails, queries the next one as well. The first answer wins, including a denial, and
    the pending look-ups are cancelled. If all fail, the most informative failure is raised.
    """

    __slots__ = ("_clock", "_delay", "_races", "_order")

    def __init__(
        self,
        sources: Sequence[IAnswerSource],
        clock: IReactorTime,
        *,
        delay: float | None = None,
        order: Callable[[], Sequence[IAnswerSource]] | None = None,
    ) -> None:
        """
        @param delay: seconds that each source has before the next one is queried; 0 queries all at once.
        @param order: returns the sources in the order in which to query them now; by default the order of C{sources}.

        @raise CallerFault: C{sources} is empty.
        """
        if not sources:
            raise CallerFault("a race needs at least one source")
        super().__init__(sources)
        self._clock = clock
        self._delay = HEDGE_SECONDS.pick(delay)
        self._order = order
        self._races: set[_Race] = set()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        starts: dict[IAnswerSource, Start] = {}
        for source in self._sources:
            try:
                found = source.ask(question, context)
            except DNSFault as fault:
                starts[source] = partial(_fail, fault)
                continue
            if isinstance(found, Answer):
                return found
            starts[source] = partial(_fail, unknown(source, question)) if found is None else found
        return partial(self._start, starts)

    def _start(self, starts: Mapping[IAnswerSource, Start], context: QueryContext) -> Deferred[Answer]:
        sources = self._sources if self._order is None else self._order()
        race = _Race([starts[source] for source in sources], self._clock, self._delay, context)
        self._races.add(race)
        race.goOn()
        return race.result.addBoth(self._cbOver, race)

    def _cbOver(self, result: Answer | Failure, race: _Race) -> Answer | Failure:
        self._races.discard(race)
        return result

    def close(self) -> Deferred[None]:
        # The callbacks of one race may end another.
        while self._races:
            self._races.pop().end()
        return super().close()


class _Race:
    """
    One question being looked up in several sources.
    """

    def __init__(self, starts: list[Start], clock: IReactorTime, delay: float, context: QueryContext) -> None:
        self.result: Deferred[Answer] = Deferred(self._cancelled)
        self._waiting = starts[::-1]
        self._running: list[Deferred[Answer]] = []
        self._clock = clock
        self._delay = delay
        self._context = context
        self._timer: IDelayedCall | None = None
        self._worst: Failure | None = None
        self._faults: list[DNSFault] = []
        self._over = False

    def goOn(self) -> None:
        """
        Query the next source, and schedule the one after it.
        """
        self._dropTimer()
        while self._waiting and not self._over:
            running = self._waiting.pop()(self._context)
            self._running.append(running)
            running.addCallbacks(self._cbAnswer, self._ebFault, (running,), {}, (running,), {})
            if running in self._running and self._delay > 0:
                break
        if self._over:
            return
        if self._waiting:
            self._timer = self._clock.callLater(self._delay, self._due)
        elif not self._running:
            self._lost()

    def end(self) -> None:
        self._stop()
        self.result.errback(Closed("the resolver was closed"))

    def _due(self) -> None:
        self._timer = None
        if self._context.trace is not None:
            self._context.trace.note(self._clock.seconds(), "race", "hedged", delay=self._delay)
        self.goOn()

    def _cbAnswer(self, answer: Answer, running: Deferred[Answer]) -> None:
        self._running.remove(running)
        if not self._over:
            self._stop()
            self.result.callback(answer)

    def _ebFault(self, failure: Failure, running: Deferred[Answer]) -> None:
        self._running.remove(running)
        fault = failure.value
        if isinstance(fault, Abandoned):
            # The look-up was cancelled; report the fault that a timeout would have raised.
            fault = fault.fault
        if isinstance(fault, DNSFault):
            self._faults.append(fault)
        if self._over:
            return
        if self._worst is None or _rank(failure.value) >= _rank(self._worst.value):
            self._worst = failure
        if self._timer is not None:
            self.goOn()
        elif not self._running and not self._waiting:
            self._lost()

    def _lost(self) -> None:
        self._stop()
        assert self._worst is not None
        worst = self._worst.value
        self.result.errback(together(self._faults, worst) if isinstance(worst, DNSFault) else self._worst)

    def _cancelled(self, result: Deferred[Answer]) -> None:
        self._stop()
        if self._faults:
            worst = max(self._faults, key=_rank)
            result.errback(Abandoned(together(self._faults, worst)))

    def _dropTimer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop(self) -> None:
        self._over = True
        self._dropTimer()
        for running in list(self._running):
            running.cancel()


def _fail(fault: DNSFault, context: QueryContext) -> Deferred[Answer]:
    return fail(fault)


def _rank(fault: BaseException | None) -> int:
    return next((rank for kind, rank in _RANKS if isinstance(fault, kind)), _MISTAKE)
