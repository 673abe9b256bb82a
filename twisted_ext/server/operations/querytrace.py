"""
Traces live queries step by step, while an operator has that turned on.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext, Question, Trace
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.ask import begun
from twisted_ext.server.limits import TRACES_KEPT, TRACES_TAKEN
from twisted_ext.wire.codes import Rcode, className, rcodeName
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.interfaces import Start

__all__ = ["TracedSource", "QueryTracer"]


class QueryTracer:
    """
    Keeps the traces of the last look-ups. Off by default.
    """

    log = Logger(__name__)

    def __init__(self) -> None:
        self.on = False
        self._below: bytes | None = None
        self._left = 0
        self._kept: deque[dict[str, JSON]] = deque(maxlen=int(TRACES_KEPT.default))

    def turnOn(self, below: bytes | None = None) -> None:
        """
        Trace look-ups from now on, until L{turnOff} or the limit L{TRACES_TAKEN}.
        """
        self._below = None if below is None else below.lower()
        self._left = int(TRACES_TAKEN.default)
        self.on = True

    def turnOff(self) -> None:
        """
        Stop tracing. The traces taken so far are kept.
        """
        self.on = False

    def begin(self, question: Question, now: float) -> Trace | None:
        if not self.on or (self._below is not None and not isBelow(question.name.lower(), self._below)):
            return None
        self._left -= 1
        if self._left <= 0:
            self.on = False
        return Trace(now)

    def finish(self, question: Question, trace: Trace, client: str, rcode: int, now: float) -> None:
        """
        Keep and log the trace of a finished look-up.
        """
        kept: dict[str, JSON] = {
            "name": nameToText(question.name),
            "type": typeName(question.rrType),
            "class": className(question.rrClass),
            "client": client,
            "rcode": rcodeName(rcode),
            "seconds": round(now - trace.began, 6),
            "steps": [
                {"at": round(note.at - trace.began, 6), "source": note.source, "event": note.event, "details": {**note.details}}
                for note in trace.notes
            ],
        }
        self._kept.append(kept)
        self.log.info(
            "traced {name} {type} for {client}: {rcode}",
            name=kept["name"],
            type=kept["type"],
            client=client,
            rcode=kept["rcode"],
            trace=kept,
        )

    def kept(self) -> list[JSON]:
        return list(self._kept)


@implementer(IAnswerSource)
class TracedSource:
    """
    Traces look-ups. It is placed before the server's source only while tracing is on, so that tracing costs nothing otherwise. Queries
    answered from the packet cache do not get here.
    """

    def __init__(self, inner: IAnswerSource, tracing: QueryTracer, clock: IReactorTime) -> None:
        self.inner = inner
        self._tracer = tracing
        self._seconds = clock.seconds

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        trace = context.trace = self._tracer.begin(question, self._seconds())
        if trace is None:
            return self.inner.ask(question, context)
        try:
            found = self.inner.ask(question, context)
        except DNSFault as fault:
            self._over(question, context, fault.rcode)
            raise
        if isinstance(found, Answer):
            self._over(question, context, found.rcode)
            return found
        return None if found is None else partial(self._start, question, found)

    def _start(self, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        def answered(answer: Answer) -> Answer:
            self._over(question, context, answer.rcode)
            return answer

        def failed(failure: Failure) -> Failure:
            fault = failure.value
            self._over(question, context, fault.rcode if isinstance(fault, DNSFault) else Rcode.SERVFAIL)
            return failure

        return begun(start, context).addCallbacks(answered, failed)

    def _over(self, question: Question, context: QueryContext, rcode: int) -> None:
        if context.trace is not None:
            self._tracer.finish(question, context.trace, context.client or "", rcode, self._seconds())

    def close(self) -> Deferred[None]:
        return self.inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self.inner,)
