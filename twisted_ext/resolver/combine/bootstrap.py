"""
Forward to a server that is given by its name: look its addresses up elsewhere first.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import BOOTSTRAP_SECONDS, FLIGHT_SECONDS
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.combine.replaceable import ReplaceableSource
from twisted_ext.resolver.sources import WrappingSource, closeAll
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA, A

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.resolver.forward.forwarder import ForwardingSource

__all__ = ["BootstrappedSource"]

#: Seconds for which they are used if their TTL is longer.
_BOOTSTRAP_MOST_SECONDS: Final = 86_400


_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}

#: The most addresses that are used for a server that is given by its name.
_MOST: Final = 16

#: Seconds between two look-ups of the addresses.
_AGAIN: Final = BOOTSTRAP_SECONDS.default


@implementer(IAnswerSource)
class BootstrappedSource(WrappingSource):
    """
    Forwards to the server with a name. Its addresses are looked up when the first query comes. They are looked up again once their TTL is
    over, while queries go to those known; and when the server cannot be reached at any of them: if there are others now, the look-up that
    has failed goes to these. These are the only queries that go to C{bootstrap}, and they are about no other name.

    @ivar host: the server's name.
    """

    __slots__ = ("host", "_reactor", "_build", "_current", "_addresses", "_expires", "_looked", "_renewing", "_closed")

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
        self._current: ReplaceableSource | None = None
        self._addresses: tuple[str, ...] = ()
        self._expires = 0.0
        # When the addresses were looked up last.
        self._looked = 0.0
        self._renewing: Deferred[str] | None = None
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
        if current is None:
            asked = QueryContext(context.deadline, trace=context.trace)
            return self._locate(asked).addCallback(self._located, question, context)
        now = self._reactor.seconds()
        if now >= self._expires and now - self._looked >= _AGAIN:
            self._renew(now).addErrback(lambda _: None)
        return lookUp(current, question, context).addErrback(self._failed, question, context)

    # -- the addresses

    def _locate(self, context: QueryContext) -> Deferred[str]:
        """
        Look the addresses up.

        @return: why there are none; C{""} if there are.
        """
        name = nameFromText(self.host)
        found = [lookUp(self._inner, Question(name, rrType), context) for rrType in _FAMILIES]
        return DeferredList(found, consumeErrors=True).addCallback(self._learn)

    def _learn(self, results: list[tuple[bool, Answer]]) -> str:
        if self._closed:
            return "the resolver was closed"
        answers = [answer for fine, answer in results if fine]
        # Both families in turn, so that neither is cut off.
        turns = zip_longest(*[_addressesIn(answer) for answer in answers])
        addresses = tuple(dict.fromkeys([address for turn in turns for address in turn if address]))[:_MOST]
        self._looked = now = self._reactor.seconds()
        if not addresses:
            return _why(results)
        ttl = min([rrset.ttl for answer in answers for rrset in answer.answer], default=0)
        self._expires = now + min(max(ttl, _AGAIN), _BOOTSTRAP_MOST_SECONDS)
        if set(addresses) != set(self._addresses):
            self._addresses = addresses
            source = self._build(addresses)
            if self._current is None:
                self._current = ReplaceableSource(source)
            else:
                self._current.replace(source)
        return ""

    def _located(self, why: str, question: Question, context: QueryContext) -> Deferred[Answer]:
        current = self._current
        if self._closed:
            return fail(Closed("the resolver was closed while the look-up ran"))
        if current is None:
            return fail(Unreachable(f"{self.host} cannot be reached: {why}", server=self.host))
        return lookUp(current, question, context).addErrback(self._failed, question, context)

    def _renew(self, now: float) -> Deferred[str]:
        """
        Look the addresses up again; once for all that wait.
        """
        waiter: Deferred[str] = Deferred()
        renewing = self._renewing
        if renewing is None:
            self._looked = now
            renewing = self._renewing = self._locate(QueryContext(now + FLIGHT_SECONDS.default))
            renewing.addBoth(self._renewed)
        renewing.addBoth(partial(_tell, waiter))
        return waiter

    def _renewed(self, result: str | Failure) -> str | Failure:
        self._renewing = None
        return result

    def _failed(self, failure: Failure, question: Question, context: QueryContext) -> Deferred[Answer]:
        now = self._reactor.seconds()
        if self._closed or not isinstance(failure.value, Unreachable | TimedOut):
            return fail(failure)
        if self._renewing is None and now - self._looked < _AGAIN:
            return fail(failure)
        # It may have moved.
        before = self._addresses
        return self._renew(now).addCallback(self._again, failure, before, question, context)

    def _again(
        self, result: object, failure: Failure, before: tuple[str, ...], question: Question, context: QueryContext
    ) -> Deferred[Answer]:
        current = self._current
        if self._closed or current is None or self._addresses == before or self._reactor.seconds() >= context.deadline:
            return fail(failure)
        return lookUp(current, question, context)

    def __repr__(self) -> str:
        return f"<Bootstrapped {self.host}>"


def _tell(waiter: Deferred[str], result: str | Failure) -> str | Failure:
    """
    Pass an outcome on. The waiter may have been cancelled.
    """
    if not waiter.called:
        waiter.callback("" if isinstance(result, Failure) else result)
    return result


def _why(results: Sequence[tuple[bool, object]]) -> str:
    for _, result in results:
        if isinstance(result, Failure):
            return f"its address cannot be looked up: {result.getErrorMessage()}"
    return "it has no address"


def _addressesIn(answer: Answer) -> list[str]:
    return [
        socket.inet_ntop(_FAMILIES[rrset.rrType], rdata) for rrset in answer.answer if rrset.rrType in _FAMILIES for rdata in rrset.rdatas
    ]
