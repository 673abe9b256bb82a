"""
Forward to a plain server over the encrypted transports that it designates (DDR, RFC 9462).
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
from twisted_ext.resolver.combine.replaceable import ReplaceableSource
from twisted_ext.resolver.forward.ddr import DesignatedServers, Designation
from twisted_ext.resolver.sources import FailingSource, WrappingSource, closeAll
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, NS, A

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.wire.records import RRSet

__all__ = ["DesignatedSource"]

_log = Logger(__name__)

_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}

#: What is looked up to see that a server is a resolver: it says nothing about this client.
_PROBE: Final = Question(ROOT, NS)


@implementer(IAnswerSource)
class DesignatedSource(WrappingSource):
    """
    Forwards to one server: encrypted if the server designates an encrypted one that proves to have the plain server's address in its
    certificate, else in the clear, or not at all.

    Look-ups wait for the discovery. A server that was verified is used for all of them from then on, and its failures are theirs. When its
    record has expired, it is asked itself, encrypted, whether it is still designated; if neither it nor the plain server says so, the
    discovery begins again. If it cannot be reached then, that happens as well, but not before: otherwise, an attacker who drops packets
    could switch the encryption off at any time, and not only while a discovery is under way.

    @ivar why: why the last discovery found nothing to use; C{""} if it has.
    @ivar unverified: whether the server in use has proved nothing.
    """

    __slots__ = (
        *("why", "unverified", "_reactor", "_server", "_build", "_servers", "_strict", "_accept", "_encrypted", "_replaceable", "_pending"),
        *("_waiting", "_discovery", "_checking", "_closed"),
    )

    def __init__(
        self,
        reactor: IReactorTime,
        server: Server,
        plain: IAnswerSource,
        build: Callable[[str], IAnswerSource],
        *,
        strict: bool = False,
        accept: Callable[[Designation], IAnswerSource] | None = None,
    ) -> None:
        """
        @param plain: the source that queries C{server} in the clear; closed with this one.
        @param build: makes a source from the description of an encrypted server.
        @param strict: never send anything but the discovery's queries in the clear.
        @param accept: makes a source for a server that cannot be verified, at the same private address (opportunistic discovery, RFC 9462,
            section 4.3); L{None} to use no such server.
        """
        super().__init__(plain)
        self.why = ""
        self._reactor = reactor
        self._server = server
        self._build = build
        self._servers = DesignatedServers(server, SystemRandom())
        self._strict = strict
        self._accept = accept
        self.unverified = False
        self._encrypted: IAnswerSource | None = None
        # What look-ups go through, so that a server that is left has time for those under way.
        self._replaceable = ReplaceableSource(FailingSource(self._none))
        self._checking: Deferred[None] | None = None
        self._pending = 0
        # The look-ups that wait for the discovery, with the timers of those that end before it.
        self._waiting: dict[Deferred[None], IDelayedCall | None] = {}
        self._discovery: Deferred[None] | None = None
        self._closed = False

    @property
    def state(self) -> str:
        """
        Describe how the server is asked at present, in one line.
        """
        designation = self._servers.current
        if self._encrypted is not None and designation is not None:
            how = "not verified" if self.unverified else f"verified as {designation.identity}"
            return f"{self._server.label} by {designation}, {how}"
        if self._discovery is not None or not self.why:
            return f"{self._server.label}: not yet asked what it designates"
        return f"{self._server.label}: {'not asked' if self._strict else 'in the clear'}, {self.why}"

    def _none(self) -> Unreachable:
        return Unreachable(f"{self._server.label} has no encrypted server to use: {self.why}", server=self._server.label)

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._discovery is None:
            due = self._servers.due(self._reactor.seconds())
            if self._encrypted is not None:
                if due and self._checking is None:
                    self._check(self._encrypted)
                return self._forward(question, context)
            if not due:
                return self._forward(question, context)
        return partial(self._wait, question)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return super().sources() if self._encrypted is None else (self._encrypted, *super().sources())

    def close(self) -> Deferred[None]:
        self._closed = True
        for running in (self._discovery, self._checking):
            if running is not None:
                running.cancel()
        return closeAll([self._replaceable, *super().sources()])

    def _forward(self, question: Question, context: QueryContext) -> Answer | Start | None:
        encrypted = self._encrypted
        if context.trace is not None:
            context.trace.note(self._reactor.seconds(), "designated", "clear" if encrypted is None else "encrypted", upstream=self.state)
        if encrypted is None:
            if self._strict:
                raise self._none()
            return self._inner.ask(question, context)
        found = self._replaceable.ask(question, context)
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
                self._servers.interrupted(now)
                self._use(None)
        return result

    def _use(self, source: IAnswerSource | None, unverified: bool = False) -> None:
        """
        Send look-ups to another encrypted server, or to none.
        """
        if self._closed:
            if source is not None:
                source.close()
            return
        self._encrypted = source
        self.unverified = unverified
        self._replaceable.replace(FailingSource(self._none) if source is None else source)

    # -- checking that a server is still designated

    def _check(self, encrypted: IAnswerSource) -> None:
        begin: Deferred[None] = Deferred()
        self._checking = begin.addCallback(lambda _: Deferred.fromCoroutine(self._ask(encrypted))).addBoth(self._checked, encrypted)
        begin.callback(None)

    async def _ask(self, encrypted: IAnswerSource) -> None:
        """
        Ask a verified server what it designates: its reply cannot be forged. If that is not the server itself, ask the plain one as well:
        some know of their designations only there.
        """
        servers = self._servers
        before = servers.current
        context = QueryContext(self._reactor.seconds() + DESIGNATED_SECONDS.default)
        await self._learn(encrypted, context)
        if servers.current is None and before is not None:
            servers.verified(before)
            await self._learn(self._inner, context)

    def _checked(self, result: object, encrypted: IAnswerSource) -> None:
        self._checking = None
        if self._closed or self._encrypted is not encrypted:
            return
        now = self._reactor.seconds()
        if isinstance(result, Failure):
            # It stays in use: perhaps an attacker drops the replies.
            self._servers.unanswered(now)
            if not isinstance(result.value, DNSFault | CancelledError):
                _log.failure("asking {server} what it designates", result, server=self._server.label)
        elif self._servers.current is None:
            _log.info("{server} does not designate the encrypted server any more; looking for another", server=self._server.label)
            self._servers.interrupted(now)
            self._use(None)

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
        raise self._none()

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

    async def _learn(self, source: IAnswerSource, context: QueryContext) -> None:
        """
        Look the designations up.

        @raise DNSFault: that fails.
        """
        servers = self._servers
        while True:
            question = servers.question
            answer = await lookUp(source, question, context)
            rdatas, owner, _ = followed(question, answer)
            ttl = min([rrset.ttl for rrset in answer.answer or answer.authority], default=int(DESIGNATED_LEAST_SECONDS.default))
            if servers.learned(self._reactor.seconds(), owner, rdatas, ttl, _addresses(answer.additional)):
                return

    async def _discover(self) -> None:
        servers = self._servers
        before = self.why
        context = QueryContext(self._reactor.seconds() + DESIGNATED_SECONDS.default)
        self.why = "it designates none"
        try:
            await self._learn(self._inner, context)
        except DNSFault as fault:
            self.why = f"its designations cannot be looked up: {fault}"
            servers.unanswered(self._reactor.seconds())
            self._report(before)
            return
        refused: list[Designation] = []
        for designation in list(servers.candidates):
            if self._reactor.seconds() >= context.deadline:
                # Those that are left were not tried.
                servers.unanswered(self._reactor.seconds())
                break
            tried = await self._try(designation, context)
            if self._encrypted is not None:
                break
            refused.append(tried)
        for designation in refused if self._encrypted is None and self._accept is not None else ():
            if designation.protocol == "dot" and servers.mayGoUnverified(designation):
                await self._try(designation, context, self._accept)
                if self._encrypted is not None:
                    break
        self._report(before)

    def _report(self, before: str) -> None:
        """
        Log the outcome of a discovery, if it differs from the one before.
        """
        if self._encrypted is not None:
            _log.info("encrypted: {state}", state=self.state)
        elif self.why != before:
            _log.info("not encrypted: {state}", state=self.state)

    async def _try(
        self, designation: Designation, context: QueryContext, accept: Callable[[Designation], IAnswerSource] | None = None
    ) -> Designation:
        """
        Use a server if it can be reached and proves its identity.

        @param accept: makes the source if it need not prove that.

        @return: the designation with its addresses.
        """
        servers = self._servers
        source: IAnswerSource | None = None
        try:
            if not designation.addresses:
                designation = servers.located(designation, await self._locate(designation.host, context))
            source = self._build(designation.description()) if accept is None else accept(designation)
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
            servers.verified(designation)
            self._use(source, accept is not None)
        return designation

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
