"""
C{+showsearch}: shows the reply to each name of a search, not only the last one.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import ServerFailed
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.message import Question

__all__ = ["ShownSearch"]


@implementer(IAnswerSource)
class ShownSearch(WrappingSource):
    """
    Shows each reply when the next query begins: the caller shows the last one.
    """

    __slots__ = ("_display", "_before")

    def __init__(self, inner: IAnswerSource, display: Callable[[Answer | ServerFailed], object]) -> None:
        super().__init__(inner)
        self._display = display
        self._before: Answer | ServerFailed | None = None

    def ask(self, question: Question, context: QueryContext) -> Start:
        def start(context: QueryContext) -> Deferred[Answer]:
            return Deferred.fromCoroutine(self._ask(question, context))

        return start

    async def _ask(self, question: Question, context: QueryContext) -> Answer:
        if self._before is not None:
            self._display(self._before)
            self._before = None
        try:
            self._before = answer = await lookUp(self._inner, question, context)
        except ServerFailed as fault:
            self._before = fault
            raise
        return answer
