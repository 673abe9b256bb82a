"""
The answer source that reports failures of another one (RFC 9567).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.recursion.reporting import Reporter
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.message import Question

__all__ = ["ReportingSource"]


#: Seconds for one report.
_SECONDS: Final = 10.0

#: Reports under way.
_WAITING: Final = 32


@implementer(IAnswerSource)
class ReportingSource(WrappingSource):
    """
    Passes everything on, and resolves the names of reports for failures. What comes of a report does not matter.
    """

    def __init__(self, inner: IAnswerSource, reporter: Reporter, reactor: IReactorTime) -> None:
        super().__init__(inner)
        self._reporter = reporter
        self._seconds = reactor.seconds
        self._sent: set[Deferred[Answer]] = set()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        found = self._inner.ask(question, context)
        if found is None or isinstance(found, Answer):
            return found
        return partial(self._start, question, found)

    def _start(self, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        return start(context).addErrback(self._failed, question, context)

    def _failed(self, failure: Failure, question: Question, context: QueryContext) -> Failure:
        fault = failure.value
        if isinstance(fault, DNSFault) and fault.ede and len(self._sent) < _WAITING:
            now = self._seconds()
            report = self._reporter.reportOf(question, fault.ede[0][0], now)
            if report is not None:
                if context.trace is not None:
                    context.trace.note(now, "recursion", "reported", name=str(report))
                sent = lookUp(self._inner, report, QueryContext(now + _SECONDS))
                self._sent.add(sent)
                sent.addBoth(self._over, sent)
        return failure

    def _over(self, result: object, sent: Deferred[Answer]) -> None:
        self._sent.discard(sent)

    def close(self) -> Deferred[None]:
        for sent in list(self._sent):
            sent.cancel()
        return super().close()
