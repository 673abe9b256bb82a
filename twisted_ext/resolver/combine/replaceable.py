"""
A source that can be replaced while look-ups are in progress.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import Deferred
from zope.interface import classImplements

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import Query, Waiter, WaitingStart, lookUp, queryOf
from twisted_ext.resolver.sources import closeAll
from twisted_ext.wire.message import Question

__all__ = ["ReplaceableSource"]


@dataclass(slots=True, eq=False)
class Former:
    """
    A source, which may have been replaced, and its unfinished look-ups.
    """

    source: IAnswerSource
    running: int = 0


class ReplaceableSource:
    """
    Delegates to one source, which can be replaced. Look-ups in progress finish on the source they began with, which is closed after the
    last of them.
    """

    def __init__(self, source: IAnswerSource) -> None:
        self._current = Former(source)
        self._retired: set[Former] = set()
        self._closed = False

    @property
    def source(self) -> IAnswerSource:
        return self._current.source

    def replace(self, source: IAnswerSource) -> None:
        before, self._current = self._current, Former(source)
        self._retired.add(before)
        self._drop(before)

    def _drop(self, former: Former) -> None:
        if former in self._retired and not former.running:
            self._retired.discard(former)
            former.source.close()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._closed:
            raise Closed("the resolver was closed")
        current = self._current
        found = current.source.ask(question, context)
        return found if found is None or isinstance(found, Answer) else _Delegated(self, current, question, found)

    def isCurrent(self, former: Former) -> bool:
        return former is self._current and not self._closed

    def finished(self, former: Former) -> None:
        former.running -= 1
        self._drop(former)

    def close(self) -> Deferred[None]:
        self._closed = True
        retired, self._retired = self._retired, set()
        return closeAll([former.source for former in [*retired, self._current]])

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._current.source,)


classImplements(ReplaceableSource, IAnswerSource)


class _Delegated(WaitingStart):
    """
    One look-up, counted at the source it began with.
    """

    __slots__ = ("_source", "_former", "_question")

    def __init__(self, source: ReplaceableSource, former: Former, question: Question, start: Start) -> None:
        self._source = source
        self._former = former
        self._question = question
        self._start = start

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        if not self._source.isCurrent(self._former):
            # The source has been replaced since it was asked, and may be closed by now.
            return queryOf(partial(lookUp, self._source, self._question), waiter, context)
        self._query = queryOf(self._start, self, context)
        self._waiter = waiter
        return self

    def begin(self, now: float) -> None:
        self._former.running += 1
        self._query.begin(now)

    def _ended(self) -> Waiter:
        waiter = self._waiter
        del self._waiter, self._query
        self._source.finished(self._former)
        return waiter
