"""
A chain of sources, queried in turn until one of them answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import CallerFault, DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.policy.localanswers import closeAll, shown
from twisted_ext.wire.message import Question

__all__ = ["ChainSource", "chained"]


@implementer(IAnswerSource)
class ChainSource:
    """
    Queries the next source if one has no answer or fails. A denial is an answer and ends the chain. If no source answers, the last failure
    other than L{Unknown} is raised.

    Leading sources that answer immediately are not queried a second time if a source after them has just missed (C{QueryContext.missed}):
    they had no answer then.

    @ivar immediate: whether all sources are. See L{IAnswerSource}.
    """

    __slots__ = ("immediate", "_sources", "_steps", "_last", "_clock", "_behind")

    def __init__(self, sources: Sequence[IAnswerSource], clock: IReactorTime | None = None) -> None:
        """
        @param clock: divide the remaining time among the remaining sources, so that one that never answers does not use all of it; L{None}
            gives each of them all the remaining time.

        @raise CallerFault: C{sources} is empty.
        """
        if not sources:
            raise CallerFault("a chain needs at least one source")
        self._sources = tuple(sources)
        # Bound once: every look-up uses these.
        self._steps = [(source, source.answerNow, bool(getattr(source, "immediate", False))) for source in sources]
        self._last = len(self._steps) - 1
        self._clock = clock
        # The last source, if all before it answer immediately.
        self._behind = self._sources[-1] if all(step[2] for step in self._steps[:-1]) and not self._steps[-1][2] else None
        self.immediate = all(immediate for _, _, immediate in self._steps)

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        faulty = False
        for _, answerNow, immediate in self._steps:
            try:
                answer = answerNow(question, context)
            except DNSFault:
                faulty = True
                continue
            if answer is not None:
                return answer
            if not immediate:
                if faulty:
                    # The failure has to be reported if no source answers.
                    context.missed = None
                return None
        return None

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if context.missed is question and self._behind is not None:
            return self._behind.answer(question, context)
        fault: DNSFault | None = None
        for index, (source, answerNow, immediate) in enumerate(self._steps):
            if not immediate:
                if index == self._last and fault is None:
                    return source.answer(question, context)
                return Deferred.fromCoroutine(self._wait(index, fault, question, context))
            try:
                answer = answerNow(question, context)
            except DNSFault as raised:
                fault = _moreTelling(fault, raised)
            else:
                if answer is not None:
                    return succeed(answer)
        return fail(fault or self._nobody(question))

    async def _wait(self, first: int, fault: DNSFault | None, question: Question, context: QueryContext) -> Answer:
        """
        Query the sources from index C{first} on.
        """
        for index in range(first, self._last + 1):
            wishes = context
            if self._clock is not None and index < self._last:
                now = self._clock.seconds()
                wishes = context.but(deadline=now + (context.deadline - now) / (self._last - index + 1))
            try:
                return await self._steps[index][0].answer(question, wishes)
            except DNSFault as raised:
                fault = _moreTelling(fault, raised)
        raise fault if fault is not None and not isinstance(fault, Unknown) else self._nobody(question)

    def _nobody(self, question: Question) -> Unknown:
        return Unknown(f"none of {len(self._steps)} sources has information on {shown(question)}")

    def close(self) -> Deferred[None]:
        return closeAll(self._sources)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return self._sources


def chained(sources: Sequence[IAnswerSource], clock: IReactorTime | None = None) -> IAnswerSource:
    """
    Create a L{ChainSource}; if zones are among the sources, one that follows the zones' aliases into the other sources.
    """
    chain = ChainSource(sources, clock)
    if not any(_leadsOn(source) for source in sources):
        return chain
    from twisted_ext.resolver.policy.localzones import LeadingOn

    return LeadingOn(chain)


def _leadsOn(source: IAnswerSource) -> bool:
    return bool(getattr(source, "leadsOn", False)) or any(_leadsOn(inner) for inner in source.sources())


def _moreTelling(before: DNSFault | None, after: DNSFault) -> DNSFault:
    return before if before is not None and isinstance(after, Unknown) else after
