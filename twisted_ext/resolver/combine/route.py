"""
Split DNS: different sources for different domains.
"""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Unknown
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import nothingOn
from twisted_ext.resolver.sources import JoiningSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, parentOf
from twisted_ext.wire.rrtypes import DS

__all__ = ["ParentsElsewhere", "RouteSource"]


@implementer(IAnswerSource)
class RouteSource(JoiningSource):
    """
    Queries the source with the longest matching suffix, by whole labels. Its failure is final: a question for one network is never sent to
    another.
    """

    __slots__ = ("_routes", "_default")

    def __init__(self, routes: Mapping[bytes, IAnswerSource], default: IAnswerSource | None = None) -> None:
        """
        @param routes: sources by domain; the root matches everything.
        @param default: for names outside these domains; L{None} leaves them unanswered.
        """
        self._routes = {name.lower(): source for name, source in routes.items()}
        self._default = self._routes.get(b"\x00", default)
        # One source may serve several domains and is closed once.
        super().__init__(dict.fromkeys([*self._routes.values(), *([] if default is None else [default])]))

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


@implementer(IAnswerSource)
class ParentsElsewhere(JoiningSource):
    """
    Finds keys and DS records for a routed domain: those of zones in it at the domain's server, and those of its parents, with the DS
    records of the domain itself, where other names are looked up. The server need not know more than its own zones.
    """

    __slots__ = ("_domain", "_inner", "_others")

    def __init__(self, domain: bytes, inner: IAnswerSource, others: RouteSource) -> None:
        """
        @param domain: folded.
        """
        super().__init__((inner, others))
        self._domain = domain
        self._inner = inner
        self._others = others

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        name = question.key[:-4]
        if name == self._domain and question.rrType == DS:
            above = self._others.sourceFor(Question(parentOf(name), DS))
            return None if above is None else above.ask(question, context)
        source: IAnswerSource = self._inner if isBelow(name, self._domain) else self._others
        return source.ask(question, context)
