"""
The recursive resolver of a server, built from its settings, and what operators see and change of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.cache.choice import EVERYTHING, Choice
from twisted_ext.dnssec.clockcheck import clockComplaint
from twisted_ext.dnssec.times import timeToText
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.recursion.delegations import Delegation, Delegations, FixedDelegation
from twisted_ext.recursion.reporting import Reporter
from twisted_ext.resolver.ask import then
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.recursive.bailiwick import WithinDomain
from twisted_ext.resolver.recursive.configured import (
    Trust,
    disclosed,
    optionsFor,
    readRoot,
    transferServersFrom,
    usableFor,
)
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.resolver.recursive.reporting import ReportingSource
from twisted_ext.resolver.recursive.rollovers import AnchorRollovers
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.resolver.recursive.stubs import stubDelegation
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.server.limits import CONTROL_SHOWN
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.sources.trusting import Trusted, anchorsOf, applyNegatives, readTrusted
from twisted_ext.server.sources.upstreamfigures import authoritiesOf, poolNumbers
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.sources.upstreams import ListenAddresses

__all__ = ["Given", "Recursor", "readGiven", "stubsOf"]

_log: Final = Logger(__name__)

#: Settings whose change takes a new resolver.
_BUILT: Final = tuple(
    """
    validate local-root stub minimize opportunistic query-ipv6 query-localhost query-cookies mixed-case error-reports
    trust-anchor-rollover trust-anchor-signaling root-key-sentinel
    """.split()
)

#: Delegations that are shown at once.
_SHOWN: Final = int(CONTROL_SHOWN.default)


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """
    What the settings and the files that they name say.

    @ivar root: servers of the root.
    """

    settings: Settings
    root: Delegation
    trusted: Trusted

    def servers(self) -> dict[bytes, tuple[str, ...]]:
        return {server.name: server.addresses for server in self.root.servers}


def stubsOf(settings: Settings) -> dict[bytes, tuple[str, ...]]:
    """
    Return the authoritative servers that the settings name, by the folded name of their zone.
    """
    found: dict[bytes, tuple[str, ...]] = {}
    for stub in settings.stub:
        domain, _, addresses = stub.partition("=")
        zone = nameFromText(domain).lower()
        found[zone] = (*found.get(zone, ()), *addresses.split(","))
    return found


def readGiven(settings: Settings, today: Callable[[], float] = time) -> Given:
    """
    Read the files of hints and of trust anchors.

    @raise BadDescription: one of them cannot be used; one line for each error.
    """
    complaint = clockComplaint(int(today()), ()) if settings.validate else None
    if complaint is not None:
        _log.error("{complaint}", complaint=complaint)
    return Given(settings, readRoot(settings.rootHints), readTrusted(settings, int(today())) if settings.validate else Trusted())


def _anchorFolder(settings: Settings) -> str:
    folder = settings.stateFolder() if settings.trustAnchorRollover else ""
    return os.path.join(folder, "anchors") if folder else ""


@implementer(IAnswerSource)
class _AnchoredSource(WrappingSource):
    """
    Validates the names that a trust anchor covers. Other names are not validated, not even by denials of zones above them: the root denies
    a private zone whose servers are configured.
    """

    __slots__ = ("_trust", "_today")

    def __init__(self, validating: ValidatingSource, trust: Trust, today: Callable[[], float]) -> None:
        super().__init__(validating)
        self._trust = trust
        self._today = today

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        name, now = question.key[:-4], int(self._today())
        if context.checkingDisabled or self._trust.at(name, now) is not None:
            return self._inner.ask(question, context)
        found = self._inner.ask(question, context.but(checkingDisabled=True))
        suspended = self._trust.suspended(name, now)
        return found if suspended is None else then(found, disclosed, suspended)


@implementer(IAnswerSource)
class _Lent(WrappingSource):
    """
    A source that others use as well. To close it is to give it back.
    """

    __slots__ = ("_giveBack",)

    def __init__(self, inner: IAnswerSource, giveBack: Callable[[], Deferred[None]]) -> None:
        super().__init__(inner)
        self._giveBack: Callable[[], Deferred[None]] | None = giveBack

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return self._inner.ask(question, context)

    def close(self) -> Deferred[None]:
        giveBack, self._giveBack = self._giveBack, None
        return succeed(None) if giveBack is None else giveBack()


class Recursor:
    """
    The recursive resolver of a server.

    @ivar trust: the trust anchors.
    @ivar today: returns seconds since 1970.
    @ivar rollovers: keeps them up to date; L{None} without validation.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        given: Given,
        listening: ListenAddresses,
        former: Recursor | None = None,
        *,
        pool: ServerPool | None = None,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param listening: where the server itself listens: it does not query itself.
        @param former: the one that this one replaces.
        @param pool: the authoritative servers; for tests.
        """
        settings = given.settings
        self.given = given
        self.today = today
        stubs = stubsOf(settings)
        primaries = transferServersFrom(settings.localRoot)
        named = [address for addresses in (*given.servers().values(), *stubs.values(), primaries) for address in addresses]
        if pool is None:
            usable = usableFor(named, ipv6=settings.queryIpv6, loopback=settings.queryLocalhost)
            guarded = listening.guarding(usable)
            pool = ServerPool(reactor, usable=guarded, cookies=settings.queryCookies, mixCase=settings.mixedCase)
        if settings.opportunistic:
            from twisted_ext.resolver.recursive.encrypted import EncryptedAuthorities

            elsewhere = partial(inThread, reactor)
            pool.encryption = EncryptedAuthorities(reactor, settings.stateFolder(), today=today, elsewhere=elsewhere)
        self._recursive = RecursiveSource(reactor, given.root, options=optionsFor(settings.minimize, settings.queryIpv6), pool=pool)
        fixed = [stubDelegation(zone, targets) for zone, targets in stubs.items()]
        self._recursive.delegations = Delegations(given.root, fixed=fixed)
        self.trust: Trust = Trust(given.trusted.anchors, None if former is None else former.trust.negatives, stubs)
        applyNegatives(self.trust.negatives, None if former is None else former.given.trusted, given.trusted, int(today()))
        if primaries:
            from twisted_ext.resolver.recursive.localroot import LocalRoot

            anchors = self.trust.at if settings.validate else None
            self._recursive.localRoot = LocalRoot(reactor, primaries, pool, anchors, today)
        self._validating: ValidatingSource | None = None
        self.rollovers: AnchorRollovers | None = None
        inner: IAnswerSource = self._recursive
        if settings.validate:
            distrust = self._recursive.distrust
            validating = self._validating = ValidatingSource(
                inner, reactor, Validator(self.trust.at), today, distrust=distrust, sentinel=settings.rootKeySentinel
            )
            self.rollovers = validating.rollovers = AnchorRollovers(
                reactor,
                self.trust,
                self._recursive,
                given.trusted.anchors,
                _anchorFolder(settings),
                signals=settings.trustAnchorSignaling,
                today=today,
                elsewhere=partial(inThread, reactor),
                changed=validating.validator.chains.forget,
            )
            inner = _AnchoredSource(validating, self.trust, today)
        if settings.errorReports:
            reporter = self._recursive.reporter = Reporter()
            inner = ReportingSource(inner, reporter, reactor)
        self._inner = inner
        self._lent = 0

    def lend(self) -> AliasFollower:
        """
        Return a source that answers questions, and follows aliases. The resolver ends when all of them are closed.
        """
        self._lent += 1
        return AliasFollower(_Lent(self._inner, self._returned), Work)

    def _returned(self) -> Deferred[None]:
        self._lent -= 1
        return succeed(None) if self._lent else self._inner.close()

    def beside(self, upstream: IAnswerSource, domain: bytes) -> AliasFollower:
        """
        Return a source that asks an upstream about a domain, beside this resolver for all other names.

        @param domain: folded.
        """
        return AliasFollower(WithinDomain(upstream, domain), Work)

    def started(self) -> None:
        """
        Called once the server listens, with the rights that it keeps: follow the rollovers of trust anchors, and load what is known of
        authoritative servers that support TLS.
        """
        encryption = self._recursive.pool.encryption
        if encryption is not None:
            encryption.load()
        rollovers = self.rollovers
        if rollovers is not None:
            settings = self.given.settings
            if rollovers.start() and settings.trustAnchorRollover and not settings.stateFolder():
                _log.info("trust anchors are fixed: their rollovers (RFC 5011) are followed only with a state folder; set state")

    def isBuiltFor(self, given: Given) -> bool:
        """
        Return whether other settings can be applied by L{apply}.
        """
        now, then = self.given.settings, given.settings
        return self.given.servers() == given.servers() and not any(setting.name in _BUILT for setting in now.differing(then))

    def apply(self, given: Given) -> bool:
        """
        Trust the anchors of other settings.

        @return: whether anything has changed, so that earlier answers may be judged differently.
        """
        before, self.given = self.given, given
        changed = before.trusted.anchors != given.trusted.anchors
        if self.rollovers is not None:
            # Their state is read again as well.
            self.rollovers.configure(given.trusted.anchors)
        changed = applyNegatives(self.trust.negatives, before.trusted, given.trusted, int(self.today())) or changed
        if changed:
            self.forget()
        return changed

    def serversOf(self, name: bytes, answer: Answer | None) -> tuple[list[bytes], list[bytes]]:
        """
        See L{RecursiveSource.serversOf}.
        """
        return self._recursive.serversOf(name, answer)

    # -- for operators

    def forget(self, name: bytes | None = None, subtree: bool = True, choice: Choice = EVERYTHING) -> None:
        """
        Forget what is known of a name and those below it: servers, keys and addresses of servers; of all names for L{None}.

        @param choice: which of that.
        """
        folded = None if name is None else name.lower()
        if choice.hasDelegations:
            self._recursive.delegations.forget(folded)
        if choice.hasAddresses:
            self._recursive.addresses.flush(folded, subtree)
        if self._validating is not None:
            self._validating.forget(folded, subtree, choice)

    def numbers(self, now: float) -> dict[str, float]:
        """
        Return counters and gauges: answers by their security, servers and queries, delegations, negative trust anchors.
        """
        numbers = poolNumbers(self._recursive.pool, now)
        numbers["delegations"] = len(self._recursive.delegations)
        if self._validating is not None:
            numbers.update({security.value: count for security, count in self._validating.verdicts.items()})
            numbers["negativeAnchors"] = len(self.trust.negatives.listed(int(self.today())))
        return numbers

    def authorities(self, now: float) -> list[dict[str, JSON]]:
        """
        Describe the authoritative servers that were asked most.
        """
        return authoritiesOf(self._recursive.pool, now)

    def delegations(self, below: bytes) -> dict[str, JSON]:
        """
        Describe the delegations at and below a name.

        @return: C{delegations}, each with C{zone}, C{left} in seconds (L{None} without limit), C{servers} with C{name} and C{addresses},
            C{signed} (whether the parent has sent a DS set, L{None} if it sent no proof), and C{fixed}; C{count}; and C{more}, how many are
            left out.
        """
        from math import isinf

        from twisted_ext.wire.names import isBelow
        from twisted_ext.wire.rrtypes import DS

        now = self._recursive.seconds()
        found = [each for each in self._recursive.delegations if isBelow(each.zone, below) and now < each.expires]
        shown: list[JSON] = []
        for each in islice(found, _SHOWN):
            shown.append(
                {
                    "zone": nameToText(each.zone),
                    "left": None if isinf(each.expires) else round(each.expires - now, 3),
                    "servers": [{"name": nameToText(server.name), "addresses": [*server.addresses]} for server in each.servers],
                    "signed": any(rrset.rrType == DS for rrset in each.proof) if each.proof else None,
                    "fixed": isinstance(each, FixedDelegation),
                }
            )
        return {"delegations": shown, "count": len(found), "more": len(found) - len(shown)}

    def anchors(self) -> dict[str, JSON]:
        """
        Describe the trust anchors, see L{anchorsOf}; and as C{followed} the keys whose rollovers are followed, each with C{zone}, C{tag},
        C{state}, C{since}, and C{next}, when the keys are queried for next.
        """
        now = int(self.today())
        followed: list[JSON] = [
            {
                "zone": nameToText(point.zone),
                "tag": key.tag,
                "state": key.state.name.lower().replace("_", " "),
                "since": timeToText(key.since) if key.since else None,
                "next": None if point.deleted else timeToText(max(point.nextQuery, now)),
            }
            for point in (() if self.rollovers is None else self.rollovers.points())
            for key in point.keys.values()
        ]
        return {**anchorsOf(self.trust, now), "validates": self._validating is not None, "followed": followed}
