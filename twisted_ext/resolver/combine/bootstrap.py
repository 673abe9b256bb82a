"""
Forward to a server that is given by its name: look its addresses up elsewhere first.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import BOOTSTRAP_ADDRESSES, BOOTSTRAP_SECONDS
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.sources import WrappingSource, closeAll
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA, A

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.resolver.forward.forwarder import ForwardingSource

__all__ = ["BootstrappedSource"]

_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}


@implementer(IAnswerSource)
class BootstrappedSource(WrappingSource):
    """
    Forwards to the server with a name. Its addresses are looked up when the first query comes, and again once it cannot be reached at those
    known. These are the only queries that go to C{bootstrap}, and they are about no other name.

    @ivar host: the server's name.
    """

    __slots__ = ("host", "_reactor", "_build", "_current", "_goodUntil", "_closed")

    def __init__(
        self, reactor: IReactorTime, host: str, bootstrap: IAnswerSource, build: Callable[[Sequence[str]], ForwardingSource]
    ) -> None:
        """
        @param bootstrap: the source for the addresses; closed with this one.
        @param build: makes the source that queries the server at these addresses.
        """
        super().__init__(CoalescingSource(bootstrap, reactor))
        self.host = host
        self._reactor = reactor
        self._build = build
        self._current: ForwardingSource | None = None
        self._goodUntil = 0.0
        self._closed = False

    def ask(self, question: Question, context: QueryContext) -> Start:
        return partial(self._start, question)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return super().sources() if self._current is None else (self._current, *super().sources())

    def close(self) -> Deferred[None]:
        self._closed = True
        return closeAll(self.sources())

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed("the resolver is closed"))
        current = self._current
        if current is not None:
            return self._forward(current, question, context)
        name = nameFromText(self.host)
        asked = QueryContext(context.deadline, trace=context.trace)
        found = [lookUp(self._inner, Question(name, rrType), asked) for rrType in _FAMILIES]
        both = DeferredList(found, consumeErrors=True)
        return both.addCallback(self._found, question, context)

    def _found(self, results: list[tuple[bool, Answer]], question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed("the resolver was closed while the look-up ran"))
        current = self._current
        # Another look-up may have been first.
        if current is None:
            addresses = [address for fine, answer in results if fine for address in _addressesIn(answer)]
            if not addresses:
                return fail(Unreachable(f"{self.host} cannot be reached: {self._why(results)}", server=self.host))
            self._goodUntil = self._reactor.seconds() + BOOTSTRAP_SECONDS.default
            current = self._current = self._build(addresses[: int(BOOTSTRAP_ADDRESSES.default)])
        return self._forward(current, question, context)

    def _why(self, results: Sequence[tuple[bool, object]]) -> str:
        for _, result in results:
            if isinstance(result, Failure):
                return f"its address cannot be looked up: {result.getErrorMessage()}"
        return "it has no address"

    def _forward(self, current: ForwardingSource, question: Question, context: QueryContext) -> Deferred[Answer]:
        return lookUp(current, question, context).addErrback(self._failed, current)

    def _failed(self, failure: Failure, current: ForwardingSource) -> Failure:
        old = self._reactor.seconds() >= self._goodUntil
        if old and self._current is current and not current.waiting and isinstance(failure.value, Unreachable | TimedOut):
            # It may have moved.
            self._current = None
            current.close()
        return failure

    def __repr__(self) -> str:
        return f"<Bootstrapped {self.host}>"


def _addressesIn(answer: Answer) -> list[str]:
    return [
        socket.inet_ntop(_FAMILIES[rrset.rrType], rdata) for rrset in answer.answer if rrset.rrType in _FAMILIES for rdata in rrset.rdatas
    ]
