"""
Forward to a server that proves its identity by TLSA records (DANE, RFC 7671): look these up first, and take only what DNSSEC proves.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed, DNSFault, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.sources import WrappingSource, closeAll
from twisted_ext.transport.tls.dane import TLSASet
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import TLSA

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.transport.tls.dane import Dane

__all__ = ["DaneSource"]

#: Seconds for which TLSA records are used at most, whatever their TTL.
_DANE_SECONDS: Final = 86400

#: Seconds before the TLSA records of a server are looked up again because it showed no certificate that they match: it may have renewed it.
_DANE_AGAIN: Final = 10


@implementer(IAnswerSource)
class DaneSource(WrappingSource):
    """
    Forwards to one server over TLS. Its TLSA records are looked up when the first query comes, again once their TTL is over, and after the
    server has shown a certificate that none matches. Without secure records each look-up fails: nothing is sent to the server.

    @ivar dane: where the transport finds the records.
    """

    __slots__ = ("dane", "_records", "_reactor", "_until", "_again", "_closed")

    def __init__(self, reactor: IReactorTime, dane: Dane, records: IAnswerSource, inner: IAnswerSource) -> None:
        """
        @param records: the source for the records, which has to validate; closed with this one. It must not ask the server itself, which is
            not known to be the right one before.
        @param inner: queries the server, and checks its certificate by C{dane}.
        """
        super().__init__(inner)
        self.dane = dane
        self._records = CoalescingSource(records, reactor)
        self._reactor = reactor
        self._until = 0.0
        self._again = 0.0
        self._closed = False

    def ask(self, question: Question, context: QueryContext) -> Start:
        return partial(self._start, question)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (*super().sources(), self._records)

    def close(self) -> Deferred[None]:
        self._closed = True
        return closeAll(self.sources())

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed("the resolver is closed"))
        if self._reactor.seconds() < self._until:
            return self._forward(None, question, context)
        found = lookUp(
            self._records, Question(nameFromText(self.dane.owner), TLSA), QueryContext(context.deadline, trace=context.trace)
        )
        return found.addCallbacks(self._found, self._notFound).addCallback(self._forward, question, context)

    def _found(self, answer: Answer) -> None:
        found = TLSASet.of(self.dane.owner, answer)
        if found.problem:
            raise self._fault(found.problem if found.exists else f"{found.problem}; add one, or leave out dane")
        self.dane.records = found.usable
        now = self._reactor.seconds()
        self._until = now + min(_DANE_SECONDS, found.ttl)
        self._again = now + _DANE_AGAIN

    def _notFound(self, failure: Failure) -> Failure:
        if not isinstance(failure.value, DNSFault) or isinstance(failure.value, Closed):
            return failure
        raise self._fault(f"the TLSA records of {self.dane.owner} cannot be looked up: {failure.getErrorMessage()}")

    def _fault(self, why: str) -> Unreachable:
        # Records that were secure once are not a reason to trust the next connection.
        self.dane.records = ()
        self._until = 0.0
        return Unreachable(f"{self.dane.host} cannot be authenticated by DANE: {why}", server=self.dane.host)

    def _forward(self, _: None, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed("the resolver was closed while the look-up ran"))
        return lookUp(self._inner, question, context).addErrback(self._failed)

    def _failed(self, failure: Failure) -> Failure:
        if isinstance(failure.value, Unreachable | TimedOut) and self._reactor.seconds() >= self._again:
            # It may have another certificate now.
            self._until = 0.0
        return failure

    def __repr__(self) -> str:
        return f"<Dane {self.dane.owner}>"
