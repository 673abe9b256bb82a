"""
Watches look-ups, and tells those that are to be sent as spans.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from math import inf
from typing import TYPE_CHECKING, Final

from zope.interface import classImplements

from twisted_ext.answers import Answer, Security, UpstreamWatch
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import begun
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import Rcode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from twisted_ext.answers import QueryContext
    from twisted_ext.interfaces import Start
    from twisted_ext.server.process.recorders.gathering import Gathering
    from twisted_ext.server.reply.requests import Refusal, Request
    from twisted_ext.wire.message import Question

__all__ = ["LookupWatch", "ParentGate", "SpannedSource"]

#: The code of the EDNS option TRACEPARENT that PowerDNS and dnsdist use, one of those for experiments, and its form:
#: U{https://github.com/PowerDNS/draft-edns-otel-trace-ids}.
_TRACEPARENT: Final = 65500
_HEADER: Final = b"\0\0"
_OCTETS: Final = 27

#: Queries to other servers of one look-up that are told. A resolver takes some dozens at most for a name whose zones it does not know.
_QUERIES: Final = 64

#: Octets of a query that are told: the header and the longest question.
_QUERY_OCTETS: Final = 271


class ParentGate:
    """
    Takes the parent that a client has for the look-up of its query. It lets every request pass.
    """

    name = "traceparent"

    def __init__(self, trusted: Iterable[str]) -> None:
        """
        @param trusted: networks whose clients may.
        """
        self._trusted: list[IPv4Network | IPv6Network] = [
            network for each in trusted for network in (map(ip_network, ("0.0.0.0/0", "::/0")) if each == "any" else [ip_network(each)])
        ]
        self._question: object = None
        self._parent = b""

    def __call__(self, request: Request, now: float) -> Refusal | None:
        self._question = None
        edns = request.edns
        if edns is not None and edns.options:
            given = edns.option(_TRACEPARENT)
            # A malformed one is ignored, as is one of a client that is not trusted.
            if given is not None and given[:2] == _HEADER[: len(given)] and len(given) in (0, _OCTETS) and self._trusts(request.client):
                self._question, self._parent = request.question, given[2:]
        return None

    def _trusts(self, client: str) -> bool:
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)

    def parentOf(self, question: Question) -> bytes | None:
        """
        Return the parent of the look-up of a question that has just passed: C{b""} for one without; L{None} if the client wants no span.
        """
        return self._parent if question is self._question else None


class LookupWatch(UpstreamWatch):
    """
    Keeps the queries to other servers of one look-up.

    @ivar sentQueries: as L{Sent<twisted_ext.server.features.otlp.exporter.batches.Sent>}, times of the reactor.
    @ivar more: how many more there were.
    """

    def __init__(self, outer: UpstreamWatch | None) -> None:
        """
        @param outer: is told as well.
        """
        self.sentQueries: list[tuple[float, float, str, str, int, bool, bytes, bytes, int]] = []
        self.more = 0
        self._outer = outer
        self._ended = inf

    def end(self, now: float) -> None:
        """
        The look-up is over; what comes later is no part of it. The reply that has ended it is told after that.
        """
        self._ended = now

    def sent(self, query: bytes, kind: str, server: tuple[str, int], authoritative: bool, now: float) -> None:
        if self._outer is not None:
            self._outer.sent(query, kind, server, authoritative, now)
        if self._ended != inf:
            return
        if len(self.sentQueries) >= _QUERIES:
            self.more += 1
            return
        self.sentQueries.append((now, 0.0, kind, server[0], server[1], authoritative, query[:_QUERY_OCTETS], b"", 0))

    def came(self, octets: bytes, kind: str, server: tuple[str, int], authoritative: bool, sentAt: float, now: float) -> None:
        if self._outer is not None:
            self._outer.came(octets, kind, server, authoritative, sentAt, now)
        if now > self._ended:
            return
        for place in range(len(self.sentQueries) - 1, -1, -1):
            began, ended, way, address, port, authority, query, _, _ = self.sentQueries[place]
            isIts = began == sentAt and not ended and way == kind and (address, port) == server
            # Over HTTPS and QUIC the ID of the query is not known; there are no two queries of one look-up to one server at once.
            if isIts and query[:2] in (octets[:2], b"\0\0"):
                self.sentQueries[place] = (began, now, way, address, port, authority, query, octets[:4], len(octets))
                return


class SpannedSource(WrappingSource):
    """
    Watches the look-ups of another source.
    """

    __slots__ = ("_gathering", "_parents", "_sample", "_slow", "_skip")

    def __init__(
        self, inner: IAnswerSource, gathering: Gathering, parents: Callable[[Question], bytes | None] | None, sample: int, slow: float
    ) -> None:
        """
        @param parents: returns the parent of a look-up, see L{ParentGate.parentOf}; L{None} if no client is trusted.
        @param sample: tell one look-up of so many; 0 for none.
        @param slow: tell those that take so many seconds; 0 for none.
        """
        super().__init__(inner)
        self._gathering = gathering
        self._parents = parents
        self._sample = sample
        self._slow = slow
        self._skip = 0

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        parent = None if self._parents is None else self._parents(question)
        why = ""
        if parent is not None:
            why = "asked"
        elif self._sample:
            if self._skip:
                self._skip -= 1
            else:
                self._skip = self._sample - 1
                why = "sampled"
        if not why and not self._slow:
            return self._inner.ask(question, context)
        began = self._gathering.seconds()
        watch = LookupWatch(context.watch)
        context.watch = watch
        given = parent or b""
        try:
            found = self._inner.ask(question, context)
        except DNSFault as fault:
            self._over(question, context, watch, began, why, given, None, fault)
            raise
        if isinstance(found, Answer):
            self._over(question, context, watch, began, why, given, found, None)
            return found
        return None if found is None else partial(self._start, question, found, watch, began, why, given)

    def _start(
        self, question: Question, start: Start, watch: LookupWatch, began: float, why: str, parent: bytes, context: QueryContext
    ) -> Deferred[Answer]:
        def answered(answer: Answer) -> Answer:
            self._over(question, context, watch, began, why, parent, answer, None)
            return answer

        def failed(failure: Failure) -> Failure:
            self._over(question, context, watch, began, why, parent, None, failure.value)
            return failure

        return begun(start, context).addCallbacks(answered, failed)

    def _over(
        self,
        question: Question,
        context: QueryContext,
        watch: LookupWatch,
        began: float,
        why: str,
        parent: bytes,
        answer: Answer | None,
        fault: BaseException | None,
    ) -> None:
        gathering = self._gathering
        now = gathering.seconds()
        watch.end(now)
        if not why:
            if now - began < self._slow:
                return
            why = "slow"
        source = server = security = ede = said = ""
        rcode = int(Rcode.SERVFAIL)
        if answer is not None:
            rcode = int(answer.rcode)
            ede = answer.ede[0][1] if answer.ede else ""
            security = "" if answer.security is Security.INDETERMINATE else answer.security.value
            if answer.origin is not None:
                source, server = answer.origin.source, answer.origin.server
        elif isinstance(fault, DNSFault):
            rcode, said = int(fault.rcode), str(fault)
        elif fault is not None:
            said = type(fault).__name__
        offset = gathering.offset()
        told = (
            *(began + offset, now + offset, question.name, question.rrType, context.client or "", context.transport, why, rcode),
            *(source, server, security, ede, said, parent),
        )
        gathering.addLater(partial(_completed, told, watch, offset))


classImplements(SpannedSource, IAnswerSource)


def _completed(told: tuple[object, ...], watch: LookupWatch, offset: float) -> tuple[object, ...]:
    """
    Return what is told of a look-up, with its queries.
    """
    sent = [(each[0] + offset, each[1] + offset if each[1] else 0.0, *each[2:]) for each in watch.sentQueries]
    return (*told, sent, watch.more)
