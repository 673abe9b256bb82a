"""
A source that can be replaced while look-ups are in progress.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire.message import Question

__all__ = ["ReplaceableSource"]


class _Former:
    """
    A replaced source and its unfinished look-ups.
    """

    __slots__ = ("source", "running", "retired")

    def __init__(self, source: IAnswerSource) -> None:
        self.source = source
        self.running = 0
        self.retired = False


@implementer(IAnswerSource)
class ReplaceableSource:
    """
    Delegates to one source, which can be replaced. Look-ups in progress finish on the source they began with, which is closed after the
    last of them.
    """

    def __init__(self, source: IAnswerSource) -> None:
        self._current = _Former(source)
        self._retired: set[_Former] = set()
        self._closed = False

    @property
    def source(self) -> IAnswerSource:
        return self._current.source

    def replace(self, source: IAnswerSource) -> None:
        before, self._current = self._current, _Former(source)
        before.retired = True
        self._retired.add(before)
        self._drop(before)

    def _drop(self, former: _Former) -> None:
        if former.retired and not former.running and former in self._retired:
            self._retired.discard(former)
            former.source.close()

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return self._current.source.answerNow(question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed("the resolver was closed"))
        current = self._current
        current.running += 1
        return current.source.answer(question, context).addBoth(self._cbDone, current)

    def _cbDone(self, result: Answer | Failure, former: _Former) -> Answer | Failure:
        former.running -= 1
        if former.retired:
            self._drop(former)
        return result

    def close(self) -> Deferred[None]:
        self._closed = True
        retired, self._retired = self._retired, set()
        closing = [former.source.close() for former in [*retired, self._current]]
        return gatherResults(closing, consumeErrors=True).addCallback(lambda _: None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._current.source,)
