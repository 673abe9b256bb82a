"""
A local copy of the root zone (RFC 8806), from which a recursive resolver takes the delegations of top-level domains.

The copy is transferred when the root is first needed, and refreshed by the timers of its SOA record when it is used. No timer runs: a
resolver that gets no queries transfers nothing. A copy counts if its ZONEMD record is secure and matches (RFC 8976).
Without a copy, or when it has expired, the servers of the root are queried.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from random import random
from time import time
from typing import Final, TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, QueryContext, Security
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validated, Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadMessage, BudgetSpent, DNSFault, ServerFailed, Unknown
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.rrtypes import NS, SOA, ZONEMD
from twisted_ext.zone.check.zonemd import Verdict, verify
from twisted_ext.zone.query.answers import answerAcross
from twisted_ext.zone.store.changeset import applied
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.serials import isNewer, serialIn
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.ingest import gathered
from twisted_ext.zone.transfer.receiver import TransferKind, TransferReceiver, settled
from twisted_ext.zone.transfer.refresh import RefreshState, RefreshStep

__all__ = ["LocalRoot"]

#: Seconds for a transfer of the root zone. The servers of the root are queried meanwhile.
_LOCAL_ROOT_SECONDS: Final = 120

#: Octets of a transfer of the root zone (RFC 8806). It has two million; ten times as many leave room to grow.
_LOCAL_ROOT_OCTETS: Final = 20_000_000

#: Seconds for the reply to a query for the SOA record.
_PROBE: Final = 5.0

_SOA: Final = Question(ROOT, SOA, IN)
_ZONEMD: Final = Question(ROOT, ZONEMD, IN)

_Result = TypeVar("_Result")

_log: Final = Logger(__name__)


class LocalRoot:
    """
    A copy of the root zone, in memory.

    @ivar version: the copy; L{None} if there is none that may be used.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        servers: Sequence[str],
        pool: ServerPool,
        anchors: Callable[[bytes, int], ZoneAnchors | None] | None = None,
        today: Callable[[], float] = time,
        *,
        port: int = DNS_PORT,
    ) -> None:
        """
        @param reactor: provides L{IReactorTCP<twisted.internet.interfaces.IReactorTCP>} as well.
        @param servers: addresses of servers that transfer the root zone.
        @param pool: queries them for their SOA record.
        @param anchors: returns the trust anchors for a name, as for L{Validator}; L{None} to accept the digest without its signature.
        @param today: returns seconds since 1970.
        """
        self.version: Version | None = None
        self._reactor = reactor
        self._servers = [Server(address, port) for address in servers]
        self._pool = pool
        self._anchors = anchors
        self._today = today
        self._refreshing = RefreshState(len(self._servers), random, today())
        self._flight: Deferred[None] | None = None
        self._closed = False
        # Whether it has been reported that there is no copy.
        self._complained = False

    @property
    def busy(self) -> bool:
        """
        Whether a transfer or a refresh is under way.
        """
        return self._flight is not None

    def answer(self, question: Question, dnssecOk: bool) -> Answer | None:
        """
        Answer as a server of the root. This begins a transfer or a refresh that is due.

        @param dnssecOk: add signatures and proofs.

        @return: L{None} if there is no copy.
        """
        now = self._today()
        refreshing = self._refreshing
        if now >= refreshing.nextAt or (refreshing.serving and now >= refreshing.expiresAt):
            self._look(now)
        version = self.version
        if version is None or question.rrClass != IN:
            return None
        # The addresses of the root's servers are for priming.
        return answerAcross(lambda name: version, question, dnssecOk=dnssecOk, minimal=question.rrType != NS)

    def close(self) -> Deferred[None]:
        """
        End a transfer under way.

        @return: fires when it has ended.
        """
        self._closed = True
        self.version = None
        flight = self._flight
        if flight is None:
            return succeed(None)
        ended: Deferred[None] = Deferred()
        flight.addBoth(lambda _: ended.callback(None))
        flight.cancel()
        return ended

    # -- refreshing

    def _look(self, now: float) -> None:
        if self._closed:
            return
        step = self._refreshing.wake(now)
        if self.version is not None and not self._refreshing.serving:
            self.version = None
            self._complain("no server has confirmed it for too long")
        if step is not None and self._flight is None:
            flight = Deferred.fromCoroutine(self._run(step))
            if not flight.called:
                self._flight = flight
            flight.addErrback(_unlessCancelled)

    async def _run(self, first: RefreshStep) -> None:
        step: RefreshStep | None = first
        try:
            while step is not None and not self._closed:
                server = self._servers[step.primary % len(self._servers)]
                try:
                    step = await (self._fetch(step, server) if step.fetch else self._probe(server))
                except CancelledError:
                    raise
                except (DNSFault, OSError) as fault:
                    step = self._refreshing.failed(self._today())
                    if step is None and not self._refreshing.serving:
                        self._complain(str(fault))
                except Exception:
                    # An error of ours must not end the refresh cycle.
                    _log.failure("while transferring the root zone")
                    step = self._refreshing.failed(self._today())
        finally:
            self._flight = None

    def _complain(self, reason: str) -> None:
        if not self._complained:
            self._complained = True
            _log.warn("the local copy of the root zone is not used: {reason}; the servers of the root are queried", reason=reason)

    async def _probe(self, server: Server) -> RefreshStep | None:
        context = QueryContext(self._pool.seconds() + _PROBE, recursionDesired=False)
        reply = await self._pool.lookUp((server.address,), _SOA, context)
        for rrset in reply.answer:
            if rrset.rrType == SOA and rrset.name == ROOT:
                return self._refreshing.probed(self._today(), serialIn(rrset.rdatas[0]))
        raise ServerFailed(f"{server.label} does not serve the root zone", server=server.label)

    async def _fetch(self, step: RefreshStep, server: Server) -> RefreshStep | None:
        current = self.version if step.serial is not None else None
        messages: list[bytes] = []
        received = await fetchZone(
            self._reactor, server, ROOT, messages.append, soa=None if current is None else current.soa, edns=False, today=self._today,
            most=_LOCAL_ROOT_OCTETS, seconds=_LOCAL_ROOT_SECONDS,
        )  # fmt: skip
        refreshing = self._refreshing
        if received.kind is TransferKind.CURRENT or (refreshing.serving and not isNewer(received.serial, refreshing.serial)):
            return refreshing.unchanged(self._today(), received.serial)
        version = await self._aside(lambda: _built(current, received, messages))
        self._prove(version, server.label)
        digested = await self._aside(lambda: verify(version))
        if digested.verdict is not Verdict.VERIFIED:
            raise BadMessage(f"the root zone of {server.label} with serial {version.serial} is wrong: {digested.text}", server=server.label)
        if self._closed:
            return None
        self.version = version
        self._complained = False
        _log.info("root zone {serial} from {server}: {octets} octets", serial=version.serial, server=server.label, octets=received.octets)
        return refreshing.received(self._today(), version.soa.rdatas[0])

    def _prove(self, version: Version, label: str) -> None:
        """
        Validate the ZONEMD record of a copy.

        @raise BadMessage: it is not secure.
        """
        now = int(self._today())
        if self._anchors is None or self._anchors(ROOT, now) is None:
            return
        steps = Validator(self._anchors).validate(_ZONEMD, _answered(version, _ZONEMD), now, Work())
        verdict = _driven(steps, version).verdict
        if verdict.security is not Security.SECURE:
            reason = verdict.reasons[0][1] if verdict.reasons else verdict.security.value
            raise BadMessage(f"the root zone of {label} with serial {version.serial} is not secure: {reason}", server=label)

    def _aside(self, work: Callable[[], _Result]) -> Deferred[_Result]:
        """
        Run work in a thread, if the reactor has any: the whole zone takes tenths of a second.
        """
        reactor = self._reactor
        if IReactorThreads.providedBy(reactor):
            return cast("Deferred[_Result]", deferToThreadPool(reactor, reactor.getThreadPool(), work))
        return maybeDeferred(work)

    def __repr__(self) -> str:
        return f"<LocalRoot {self._refreshing.state.value} {0 if self.version is None else self.version.serial}>"


def _built(current: Version | None, received: TransferReceiver, messages: Sequence[bytes]) -> Version:
    if received.kind is TransferKind.CHANGES:
        assert current is not None
        version = applied(current, settled(current, received.differences))
        if version.crowded:
            raise BudgetSpent("the root zone has changed so much that all of it is transferred again")
        return version
    return Version(Image(gathered(ROOT, messages).finish()))


def _answered(version: Version, question: Question) -> Answer:
    answer = answerAcross(lambda name: version, question, dnssecOk=True)
    if answer is None:
        raise Unknown(f"the root zone has nothing for {question}")
    return answer


def _driven(steps: Generator[Question, Answer | DNSFault, Validated], version: Version) -> Validated:
    try:
        question = next(steps)
        while True:
            question = steps.send(_answered(version, question))
    except StopIteration as done:
        return cast("Validated", done.value)


def _unlessCancelled(failure: Failure) -> Failure | None:
    return None if isinstance(failure.value, CancelledError) else failure
