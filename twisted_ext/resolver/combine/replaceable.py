"""
A source that can be replaced while look-ups are in progress.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.sources import closeAll
from twisted_ext.wire.message import Question

__all__ = ["ReplaceableSource"]


@dataclass(slots=True, eq=False)
class _Former:
    """
    A replaced source and its unfinished look-ups.
    """

    source: IAnswerSource
    running: int = 0


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
        self._retired.add(before)
        self._drop(before)

    def _drop(self, former: _Former) -> None:
        if former in self._retired and not former.running:
            self._retired.discard(former)
            former.source.close()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._closed:
            raise Closed("the resolver was closed")
        current = self._current
        found = current.source.ask(question, context)
        return found if found is None or isinstance(found, Answer) else partial(self._start, current, question, found)

    def _start(self, current: _Former, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        if current is not self._current or self._closed:
            # The source has been replaced since it was asked, and may be closed by now.
            return lookUp(self, question, context)
        current.running += 1
        return start(context).addBoth(self._cbDone, current)

    def _cbDone(self, result: Answer | Failure, former: _Former) -> Answer | Failure:
        former.running -= 1
        self._drop(former)
        return result

    def close(self) -> Deferred[None]:
        self._closed = True
        retired, self._retired = self._retired, set()
        return closeAll([former.source for former in [*retired, self._current]])

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._current.source,)
