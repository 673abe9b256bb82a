"""
A chain of sources, queried in turn until one of them answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import classImplements

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import CallerFault, DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import behind, shown
from twisted_ext.resolver.sources import JoiningSource
from twisted_ext.wire.message import Question

__all__ = ["ChainSource", "chained"]


class ChainSource(JoiningSource):
    """
    Queries the next source if one has no answer or fails. A denial is an answer and ends the chain. If no source answers, the last failure
    other than L{Unknown} is raised.
    """

    __slots__ = ("_asks", "_last", "_clock")

    def __init__(self, sources: Sequence[IAnswerSource], clock: IReactorTime | None = None) -> None:
        """
        @param clock: divide the remaining time among the remaining sources, so that one that never answers does not use all of it; L{None}
            gives each of them all the remaining time.

        @raise CallerFault: C{sources} is empty.
        """
        if not sources:
            raise CallerFault("a chain needs at least one source")
        super().__init__(sources)
        # Bind what each look-up needs once.
        self._asks = [source.ask for source in sources]
        self._last = len(self._asks) - 1
        self._clock = clock

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        fault: DNSFault | None = None
        for index, ask in enumerate(self._asks):
            try:
                found = ask(question, context)
            except DNSFault as raised:
                fault = _moreTelling(fault, raised)
                continue
            if found is None:
                continue
            if isinstance(found, Answer) or (index == self._last and fault is None):
                return found
            return partial(self._start, index, found, fault, question)
        if fault is not None:
            raise fault
        return None

    def _start(
        self, index: int, start: Start, fault: DNSFault | None, question: Question, context: QueryContext
    ) -> Deferred[Answer]:
        return Deferred.fromCoroutine(self._wait(index, start, fault, question, context))

    async def _wait(self, index: int, start: Start, fault: DNSFault | None, question: Question, context: QueryContext) -> Answer:
        found: Answer | Start | None = start
        while True:
            wishes = context
            if self._clock is not None and index < self._last:
                now = self._clock.seconds()
                wishes = context.but(deadline=now + (context.deadline - now) / (self._last - index + 1))
            try:
                if isinstance(found, Answer):
                    return found
                if found is not None:
                    return await found(wishes)
            except DNSFault as raised:
                fault = _moreTelling(fault, raised)
            index += 1
            if index > self._last:
                break
            try:
                found = self._asks[index](question, context)
            except DNSFault as raised:
                fault = _moreTelling(fault, raised)
                found = None
        raise fault if fault is not None and not isinstance(fault, Unknown) else self.unknown(question)

    def unknown(self, question: Question) -> Unknown:
        return Unknown(f"none of {len(self._sources)} sources has information on {shown(question)}")


classImplements(ChainSource, IAnswerSource)


def chained(sources: Sequence[IAnswerSource], clock: IReactorTime | None = None) -> IAnswerSource:
    """
    Create a L{ChainSource}; if zones are among the sources, one that follows the zones' aliases into the other sources.
    """
    chain = ChainSource(sources, clock)
    if not any(getattr(each, "leadsOn", False) for source in sources for each in behind(source, object)):
        return chain
    from twisted_ext.resolver.local.localzones import FollowingChain

    return FollowingChain(chain)


def _moreTelling(before: DNSFault | None, after: DNSFault) -> DNSFault:
    return before if before is not None and isinstance(after, Unknown) else after
