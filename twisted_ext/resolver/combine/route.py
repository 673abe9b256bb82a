"""
Split DNS: different sources for different domains.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.policy.localanswers import closeAll, unknown
from twisted_ext.wire.message import Question

__all__ = ["RouteSource"]


@implementer(IAnswerSource)
class RouteSource:
    """
    Queries the source with the longest matching suffix, by whole labels. Its failure is final: a question for one network is never sent to
    another.

    @ivar immediate: whether all sources are. See L{IAnswerSource}.
    """

    __slots__ = ("immediate", "_routes", "_default", "_sources")

    def __init__(self, routes: Mapping[bytes, IAnswerSource], default: IAnswerSource | None = None) -> None:
        """
        @param routes: sources by domain; the root matches everything.
        @param default: for names outside these domains; L{None} leaves them unanswered.
        """
        self._routes = {name.lower(): source for name, source in routes.items()}
        self._default = self._routes.get(b"\x00", default)
        # One source may serve several domains and is closed once.
        distinct = dict.fromkeys([*self._routes.values(), *([] if default is None else [default])])
        self._sources = tuple(distinct)
        self.immediate = all(getattr(source, "immediate", False) for source in self._sources)

    def sourceFor(self, question: Question) -> IAnswerSource | None:
        routes = self._routes
        name = question.key[:-4]
        while name != b"\x00":
            source = routes.get(name)
            if source is not None:
                return source
            name = name[name[0] + 1 :]
        return self._default

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        source = self.sourceFor(question)
        return None if source is None else source.answerNow(question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        source = self.sourceFor(question)
        if source is None:
            return fail(unknown("no route", question))
        return source.answer(question, context)

    def close(self) -> Deferred[None]:
        return closeAll(self._sources)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return self._sources
