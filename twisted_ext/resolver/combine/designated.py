"""
Forward to a plain server by the encrypted transports that it designates (DDR, RFC 9462).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.aliases import found as followed
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed, DNSFault, QueueFull, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import DESIGNATED_LEAST_SECONDS, DESIGNATED_SECONDS, LOOKUPS_WAITING
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.ddr import DesignatedServers, Designation
from twisted_ext.resolver.sources import WrappingSource, closeAll
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, NS, A

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.wire.records import RRSet

__all__ = ["DesignatedSource"]

_log = Logger()

_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}

#: What is looked up to see that a server is a resolver: it says nothing about this client.
_PROBE: Final = Question(ROOT, NS)


@implementer(IAnswerSource)
class DesignatedSource(WrappingSource):
    """
    Forwards to one server: encrypted if the server designates an encrypted one that proves to have the plain server's address in its
    certificate, else in the clear, or not at all.

    Look-ups wait for the discovery. A server that was verified is used for all of them from then on, and its failures are theirs. Only if
    it cannot be reached and its record has expired, the discovery begins again: otherwise, an attacker who drops packets could switch the
    encryption off at any time, and not only while a discovery is under way.

    @ivar why: why the last discovery found nothing to use; C{""} if it has.
    """

    __slots__ = (
        "why", "_reactor", "_server", "_build", "_servers", "_strict", "_encrypted", "_pending", "_waiting", "_discovery", "_closed",
    )  # fmt: skip

    def __init__(
        self,
        reactor: IReactorTime,
        server: Server,
        plain: IAnswerSource,
        build: Callable[[str], IAnswerSource],
        *,
        protocols: Sequence[str] = ("dot", "doq", "h2"),
        strict: bool = False,
    ) -> None:
        """
        @param plain: the source that queries C{server} in the clear; closed with this one.
        @param build: makes a source from the description of an encrypted server.
        @param protocols: as for L{DesignatedServers}.
        @param strict: never send anything but the discovery's queries in the clear.
        """
        super().__init__(plain)
        self.why = ""
        self._reactor = reactor
        self._server = server
        self._build = build
        self._servers = DesignatedServers(server, SystemRandom(), protocols)
        self._strict = strict
        self._encrypted: IAnswerSource | None = None
        self._pending = 0
        # The look-ups that wait for the discovery, with the timers of those that end before it.
        self._waiting: dict[Deferred[None], IDelayedCall | None] = {}
        self._discovery: Deferred[None] | None = None
        self._closed = False

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._discovery is None and (self._encrypted is not None or not self._servers.due(self._reactor.seconds())):
            return self._forward(question, context)
        return partial(self._wait, question)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return super().sources() if self._encrypted is None else (self._encrypted, *super().sources())

    def close(self) -> Deferred[None]:
        self._closed = True
        if self._discovery is not None:
            self._discovery.cancel()
        return closeAll(self.sources())

    def _forward(self, question: Question, context: QueryContext) -> Answer | Start | None:
        encrypted = self._encrypted
        if encrypted is None:
            if self._strict:
                raise Unreachable(f"{self._server.label} has no encrypted server to use: {self.why}", server=self._server.label)
            return self._inner.ask(question, context)
        found = encrypted.ask(question, context)
        return partial(self._start, found, encrypted) if callable(found) else found

    def _start(self, start: Start, encrypted: IAnswerSource, context: QueryContext) -> Deferred[Answer]:
        self._pending += 1
        return start(context).addBoth(self._ended, encrypted)

    def _ended(self, result: Answer | Failure, encrypted: IAnswerSource) -> Answer | Failure:
        self._pending -= 1
        if isinstance(result, Failure) and isinstance(result.value, Unreachable | TimedOut) and not self._pending:
            current = self._servers.current
            now = self._reactor.seconds()
            if current is not None and now >= current.expires and self._encrypted is encrypted:
                self._servers.refused(now, current)
                self._encrypted = None
                encrypted.close()
        return result

    # -- discovery

    def _wait(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed("the resolver is closed"))
        if len(self._waiting) >= LOOKUPS_WAITING.default:
            return fail(QueueFull(f"{len(self._waiting)} look-ups wait for the servers that {self._server.label} designates"))
        waiter: Deferred[None] = Deferred(self._givenUp)
        now = self._reactor.seconds()
        early = context.deadline < now + DESIGNATED_SECONDS.default
        self._waiting[waiter] = self._reactor.callLater(max(0.0, context.deadline - now), self._late, waiter) if early else None
        answered = waiter.addCallback(lambda _: self._afterwards(question, context))
        if self._discovery is None:
            # Nothing may end it before it is known here.
            begin: Deferred[None] = Deferred()
            self._discovery = begin.addCallback(lambda _: Deferred.fromCoroutine(self._discover())).addBoth(self._discovered)
            begin.callback(None)
        return answered

    def _afterwards(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            raise Closed("the resolver was closed while the look-up ran")
        if self._encrypted is not None or not self._strict:
            return lookUp(self, question, context)
        raise Unreachable(f"{self._server.label} has no encrypted server to use: {self.why}", server=self._server.label)

    def _late(self, waiter: Deferred[None]) -> None:
        self._waiting[waiter] = None
        self._givenUp(waiter)
        waiter.errback(TimedOut(f"the deadline came while {self._server.label} was asked what it designates", server=self._server.label))

    def _givenUp(self, waiter: Deferred[None]) -> None:
        if waiter not in self._waiting:
            # The discovery has ended: one of those that waited for it gives up another one.
            return
        timer = self._waiting.pop(waiter)
        if timer is not None:
            timer.cancel()
        if not self._waiting and self._discovery is not None:
            self._discovery.cancel()

    def _discovered(self, result: object) -> None:
        self._discovery = None
        if isinstance(result, Failure):
            if isinstance(result.value, CancelledError):
                self._servers.interrupted(self._reactor.seconds())
            else:
                _log.failure("discovery of the servers that {server} designates", result, server=self._server.label)
                self._servers.unanswered(self._reactor.seconds())
        waiting, self._waiting = self._waiting, {}
        for timer in waiting.values():
            if timer is not None:
                timer.cancel()
        for waiter in list(waiting):
            if not waiter.called:
                waiter.callback(None)

    async def _discover(self) -> None:
        servers = self._servers
        context = QueryContext(self._reactor.seconds() + DESIGNATED_SECONDS.default)
        self.why = "it designates none"
        try:
            while True:
                question = servers.question
                answer = await lookUp(self._inner, question, context)
                rdatas, owner, _ = followed(question, answer)
                ttl = min([rrset.ttl for rrset in answer.answer or answer.authority], default=int(DESIGNATED_LEAST_SECONDS.default))
                if servers.learned(self._reactor.seconds(), owner, rdatas, ttl, _addresses(answer.additional)):
                    break
        except DNSFault as fault:
            self.why = f"its designations cannot be looked up: {fault}"
            servers.unanswered(self._reactor.seconds())
            return
        for designation in list(servers.candidates):
            if self._reactor.seconds() >= context.deadline:
                # Those that are left were not tried.
                servers.unanswered(self._reactor.seconds())
                return
            await self._try(designation, context)
            if self._encrypted is not None:
                return

    async def _try(self, designation: Designation, context: QueryContext) -> None:
        servers = self._servers
        source: IAnswerSource | None = None
        try:
            if not designation.addresses:
                designation = servers.located(designation, await self._locate(designation.host, context))
            source = self._build(designation.description())
            await lookUp(source, _PROBE, context)
        except DNSFault as fault:
            self.why = f"{designation}: {fault}"
            servers.refused(self._reactor.seconds(), designation)
            if source is not None:
                source.close()
        except CancelledError:
            if source is not None:
                source.close()
            raise
        else:
            self.why = ""
            self._encrypted = source
            servers.verified(designation)

    async def _locate(self, host: str, context: QueryContext) -> list[str]:
        found: list[str] = []
        for rrType in _FAMILIES:
            try:
                answer = await lookUp(self._inner, Question(nameFromText(host), rrType), context)
            except DNSFault:
                continue
            found += [address for addresses in _addresses(answer.answer).values() for address in addresses]
        return found

    def __repr__(self) -> str:
        return f"<Designated by {self._server.label}>"


def _addresses(rrsets: Sequence[RRSet]) -> dict[str, list[str]]:
    """
    Return the addresses in a section, by their owners in lower case.
    """
    found: dict[str, list[str]] = {}
    for rrset in rrsets:
        if rrset.rrType in _FAMILIES:
            owner = nameToText(rrset.name, final=False).lower()
            found.setdefault(owner, []).extend([socket.inet_ntop(_FAMILIES[rrset.rrType], rdata) for rdata in rrset.rdatas])
    return found
