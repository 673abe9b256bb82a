"""
Split DNS: different sources for different domains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import nothingOn
from twisted_ext.resolver.policy.localanswers import closeAll
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

__all__ = ["RouteSource"]


@implementer(IAnswerSource)
class RouteSource:
    """
    Queries the source with the longest matching suffix, by whole labels. Its failure is final: a question for one network is never sent to
    another.
    """

    __slots__ = ("_routes", "_default", "_sources")

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

    def sourceFor(self, question: Question) -> IAnswerSource | None:
        routes = self._routes
        name = question.key[:-4]
        while name != b"\x00":
            source = routes.get(name)
            if source is not None:
                return source
            name = name[name[0] + 1 :]
        return self._default

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        source = self.sourceFor(question)
        return None if source is None else source.ask(question, context)

    def unknown(self, question: Question) -> Unknown:
        return nothingOn("no route", question)

    def close(self) -> Deferred[None]:
        return closeAll(self._sources)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return self._sources
