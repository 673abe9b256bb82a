"""
The answer source that validates what another one answers. When answers fail, it finds out whether the clock of this machine is the reason,
and logs it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from copy import copy
from functools import partial
from time import time
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Security
from twisted_ext.cache.choice import EVERYTHING, Choice
from twisted_ext.cache.store import Store
from twisted_ext.cache.variants import madePlainer
from twisted_ext.dnssec.anchors.sentinel import refusesSentinel, sentinelOf
from twisted_ext.dnssec.chains import PAUSE
from twisted_ext.dnssec.clockcheck import clockComplaint
from twisted_ext.dnssec.denial.aggressive import DenialStore, Synthesis
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validated, Validator
from twisted_ext.dnssec.verdicts import EXPIRED, NOT_YET_VALID, Verdict
from twisted_ext.dnssec.work import ENDLESS, Work
from twisted_ext.errors import DNSFault, ServerFailed, TimedOut, TrustFault, WorkSpent
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import Query, lookUp, queryOf, then, unknown
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.recursive.configured import Trust, disclosed
from twisted_ext.resolver.recursive.rollovers import AnchorRollovers
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import AD, IN, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNSKEY, DS, NSEC, NSEC3, RRSIG, SOA

__all__ = ["ClockWatch", "ValidatingSource"]

#: Members of Enums that are compared with in each look-up: to look up one in its class takes as long as ten attributes.
_BOGUS: Final = Security.BOGUS
_SECURE: Final = Security.SECURE

#: Seconds that no TTL exceeds.
_LONG: Final = 1 << 31

#: Octets for keys and DS records, beside those that the validator remembers as verified.
_SUPPORT_CACHE: Final = 4 << 20

#: Zones whose keys are looked for one by one in that cache, a millisecond each.
_FEW_ZONES: Final = 16

_log: Final = Logger(__name__)

#: Seconds after which a wrong clock is logged again.
_QUIET: Final = 3600.0

#: Signed sets of failed answers that are remembered: an answer from a zone without signatures fails as well, and says nothing of the time.
_REMEMBERED: Final = 8

#: Octets of an RRSIG before the signer's name.
_HEAD: Final = 18

_Window = tuple[int, int]


class ClockWatch:
    """
    Judges the clock by signatures that are not valid now.
    """

    __slots__ = ("_seconds", "_windows", "_logged")

    def __init__(self, seconds: Callable[[], float]) -> None:
        """
        @param seconds: returns the time of the reactor's clock, which no change of the date affects.
        """
        self._seconds = seconds
        self._windows: dict[tuple[bytes, bytes], _Window] = {}
        self._logged: float | None = None

    def complaint(self, answer: Answer, keys: Answer | None, now: int) -> str | None:
        """
        Return a line that says that the clock is wrong, if that is why a signature has expired or is not valid yet.

        @param answer: the bogus answer.
        @param keys: the keys of the zone with the trust anchor: if these are valid now, so is the clock.
        @param now: what the clock says, in seconds since 1970.
        """
        anchored = {} if keys is None else _windowsIn(keys)
        windows = self._windows
        if any(begins <= now <= ends for begins, ends in anchored.values()):
            # Scenarios of tests are played in the past.
            windows.clear()
            return None
        if anchored:
            windows |= _windowsIn(answer)
            while len(windows) > _REMEMBERED:
                del windows[next(iter(windows))]
        # Without the anchor's own keys, several zones with old signatures would be enough.
        found = clockComplaint(now, [*anchored.values(), *[windows[each] for each in windows if each not in anchored]] if anchored else ())
        if found is None:
            windows.clear()
            return None
        logged = self._logged
        if logged is None or self._seconds() - logged >= _QUIET:
            self._logged = self._seconds()
            _log.error("{complaint}", complaint=found)
        return found


def _windowsIn(answer: Answer) -> dict[tuple[bytes, bytes], _Window]:
    """
    Return inception and expiration of one signature of each set, by owner and type.
    """
    found: dict[tuple[bytes, bytes], _Window] = {}
    for rrset in (*answer.answer, *answer.authority):
        if rrset.rrType == RRSIG and len(rrset.rdatas[0]) > _HEAD:
            rdata = rrset.rdatas[0]
            times = int.from_bytes(rdata[12:16], "big"), int.from_bytes(rdata[8:12], "big")
            found.setdefault((rrset.name.lower(), rdata[:2]), times)
    return found


@implementer(IAnswerSource)
class ValidatingSource(WrappingSource):
    """
    Asks the inner source with DO and CD, and returns only answers that are secure, or provably not signed. A bogus one is a L{TrustFault}.

    Queries with CD are passed on as they are (RFC 6840, section 5.9).

    @ivar support: the keys and DS records, behind a cache.
    @ivar verdicts: how many answers were found to be what.
    @ivar rollovers: keeps the trust anchors up to date until this source is closed, if they are to be kept so.
    """

    def __init__(
        self,
        inner: IAnswerSource,
        reactor: IReactorTime,
        validator: Validator,
        today: Callable[[], float] = time,
        *,
        distrust: Callable[[bytes], object] | None = None,
        aggressive: bool = True,
        sentinel: bool = True,
    ) -> None:
        """
        @param sentinel: answer names that ask which keys of the root are trusted as RFC 8509 says.
        @param aggressive: answer by what the denials of other names prove (RFC 8198).
        @param distrust: called with a name for which a server has sent bogus data: the inner source forgets what it has from there, and
            avoids the servers in C{Work.avoided}. L{None} if it cannot.
        @param today: returns seconds since 1970, for the validity of signatures.
        """
        super().__init__(inner)
        self.inner = inner
        self.validator = validator
        self.seconds = reactor.seconds
        self.callLater = reactor.callLater
        self.today = today
        self.distrust = distrust
        self._sentinel = sentinel
        self.denials = DenialStore(iterations=validator.chains.iterations) if aggressive else None
        self.verdicts = dict.fromkeys(Security, 0)
        self.rollovers: AnchorRollovers | None = None
        self.trust: Trust | None = None
        self._reactor = reactor
        self.supportFrom(inner)
        self._clock = ClockWatch(reactor.seconds)

    def forget(self, name: bytes | None, subtree: bool, choice: Choice = EVERYTHING) -> None:
        """
        Forget what is known of the keys and denials of a name, or of all names for L{None}.

        @param name: folded.
        @param choice: which of that.
        """
        if choice.hasKeys:
            self.validator.chains.forget(name)
        elif choice.isBogus:
            zones = self.validator.chains.bogus(name)
            for zone in zones:
                self.validator.chains.forget(zone)
            # Their keys were taken for good until they were tried. To look for many takes longer than to ask again.
            for each in zones if len(zones) <= _FEW_ZONES else [None]:
                self.support.flush(each)
        self.support.flush(name, subtree, choice)
        denials = self.denials
        if denials is not None and choice.hasDenials:
            gone = denials.flush(name or ROOT, below=name is None or subtree)
            # The zone that the name is in denies it as well.
            above = name or ROOT
            while not gone and above != ROOT:
                above = parentOf(above)
                gone = denials.flush(above)

    def supportFrom(self, source: IAnswerSource) -> None:
        """
        Ask a source for keys and DS records. By default, this is the inner one.
        """
        self._supporting = source
        self.support = CachedSource(source, self._reactor, store=Store(_SUPPORT_CACHE))
        if self.rollovers is not None:
            self.rollovers.source = source

    def trusting(self, anchorsFor: Callable[[bytes, int], ZoneAnchors | None]) -> ValidatingSource:
        """
        Return a source that asks the same servers, goes by other trust anchors, and has nothing cached. It is not to be closed.
        """
        found = ValidatingSource(
            self.inner, self._reactor, Validator(anchorsFor), self.today, distrust=self.distrust, aggressive=False, sentinel=False
        )
        found.supportFrom(self._supporting)
        return found

    def close(self) -> Deferred[None]:
        closing = [self._inner.close()]
        if self.rollovers is not None:
            closing.append(self.rollovers.close())
        return gatherResults(closing, consumeErrors=True).addCallback(lambda _: None)

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if context.checkingDisabled:
            return then(self._inner.ask(question, context), self._unchecked, question, context)
        suspended = None if self.trust is None else self.trust.suspended(question.key[:-4], int(self.today()))
        if suspended is not None:
            found = self._inner.ask(question, context.but(checkingDisabled=True))
            return then(then(found, self._unchecked, question, context), disclosed, suspended)
        if self.denials is not None:
            synthesis = self.denials.deny(question.name, question.rrType, self.seconds())
            if synthesis is not None and question.rrClass == IN:
                refusal = self.sentinel(question, True)
                if refusal is not None:
                    raise refusal
                return self._synthesized(question, context, synthesis)
        wishes = _wishes(context)
        found = self._inner.ask(question, wishes)
        if found is None:
            return None
        return partial(self._start, question, found, wishes)

    @staticmethod
    def _unchecked(answer: Answer, question: Question, context: QueryContext) -> Answer:
        return plainerFor(question, context, answer)

    def sentinel(self, question: Question, secure: bool) -> DNSFault | None:
        """
        Return the failure with which a question is answered that asks whether a key of the root is trusted (RFC 8509); else L{None}.
        """
        if not self._sentinel or sentinelOf(question.name) is None:
            return None
        anchors = self.validator.anchorsFor(ROOT, int(self.today()))
        tags = () if anchors is None else anchors.tags()
        if not refusesSentinel(question.name, question.rrType, tags, secure, False):
            return None
        return ServerFailed(f"{question} is answered by a failure, which tells the keys that are trusted")

    def clockComplaint(self, question: Question, answer: Answer, verdict: Verdict, context: QueryContext) -> str | None:
        """
        Return a line that says that the clock is wrong, if that is why an answer is bogus.
        """
        if not any(code == EXPIRED or code == NOT_YET_VALID for code, _ in verdict.reasons):
            return None
        now = int(self.today())
        anchors = self.validator.anchorsFor(question.key[:-4], now)
        found: Answer | Start | None = None
        # A failure to fetch the keys may be cached.
        with suppress(DNSFault):
            found = None if anchors is None else self.support.ask(Question(anchors.zone, DNSKEY), _wishes(context))
        return self._clock.complaint(answer, found if isinstance(found, Answer) else None, now)

    def keep(self, validated: Validated) -> None:
        """
        Remember what the sets of a secure answer say of other names.
        """
        store = self.denials
        if store is not None:
            now = self.seconds()
            # Denials are used no longer than the zone has negative answers cached (RFC 9077, section 3).
            negative = min([_negativeTTL(each[1]) for each in validated.kept if each[1].rrType == SOA], default=_LONG)
            for zone, rrset, signatures, ttl, wildcard in validated.kept:
                if rrset.rrType == SOA:
                    store.addSOA(zone, rrset, signatures, ttl, now)
                elif rrset.rrType in (NSEC, NSEC3):
                    store.add(zone, rrset, signatures, min(ttl, negative), now, wildcard)
                elif wildcard is not None:
                    store.addWildcard(zone, wildcard, rrset, signatures, ttl, now)

    def _synthesized(self, question: Question, context: QueryContext, synthesis: Synthesis) -> Answer:
        rcode = Rcode.NXDOMAIN if synthesis.outcome is Outcome.NXDOMAIN else Rcode.NOERROR
        aliased = question.rrType != CNAME and any(rrset.rrType == CNAME for rrset in synthesis.answer)
        answer = Answer(
            Outcome.NODATA if aliased else synthesis.outcome,
            synthesis.answer,
            synthesis.authority,
            rcode=rcode,
            flags=AD,
            security=_SECURE,
            origin=Origin("denials"),
        )
        if context.trace is not None:
            context.trace.note(self.seconds(), "denials", "synthesized", outcome=synthesis.outcome.value)
        return plainerFor(question, context, answer)

    def _start(self, question: Question, found: Answer | Start, wishes: QueryContext, context: QueryContext) -> Deferred[Answer]:
        validation = _Validation(self, question, context, wishes)
        deferred = validation.deferred
        validation.begin(found)
        return deferred


def _negativeTTL(soa: RRSet) -> int:
    """
    Return the seconds for which negative answers of a zone may be cached (RFC 2308, section 5).
    """
    return min(soa.ttl, int.from_bytes(soa.rdatas[0][-4:], "big"))


def _leadingTo(name: bytes) -> Iterator[Question]:
    """
    Return the questions for the keys and DS records of all zones that a name may be in, but for the root.
    """
    while name != ROOT:
        yield Question(name, DS)
        yield Question(name, DNSKEY)
        name = parentOf(name)


def _wishes(context: QueryContext) -> QueryContext:
    return context.validating()


class _Validation:
    """
    The look-up of one answer, and then of what it takes to validate it.

    @ivar deferred: fires with the answer.
    """

    __slots__ = (
        *("deferred", "_source", "_question", "_context", "_wishes", "_work", "_steps", "_answer", "_current", "_verdict"),
        *("_server", "_began", "_paused"),
    )

    def __init__(self, source: ValidatingSource, question: Question, context: QueryContext, wishes: QueryContext) -> None:
        """
        @param wishes: the context that the inner source was asked with. It is brought up to date here.
        """
        self._source = source
        self._question = question
        self._context = context
        budget = context.budget
        self._work = work = budget if isinstance(budget, Work) else Work()
        if work.turnEnd == ENDLESS:
            work.beginTurn()
        self._wishes = wishes
        wishes.deadline = context.deadline
        wishes.client = context.client
        wishes.trace = context.trace
        wishes.flight = context.flight
        wishes.budget = work
        self._steps: Generator[Question, Answer | DNSFault, Validated] | None = None
        self._current: Query | Deferred[Answer] | None = None
        self._verdict: Verdict | None = None
        self._server = ""
        self._began = source.seconds()
        self._paused: IDelayedCall | None = None
        self.deferred: Deferred[Answer] = Deferred(self._cancel)

    def begin(self, found: Answer | Start) -> None:
        """
        @param found: what the inner source has found.
        """
        if isinstance(found, Answer):
            self.callback(found)
            return
        try:
            query = self._current = queryOf(found, self, self._wishes)
        except DNSFault as fault:
            self.errback(fault)
            return
        query.begin(self._began)

    def callback(self, answer: Answer, /) -> None:
        """
        Validate what the inner source has answered.
        """
        self._current = None
        self._answer = answer
        # From now on, it asks for what it takes to validate this.
        self._wishes.depth = self._context.depth + 1
        self._steps = self._source.validator.validate(self._question, answer, int(self._source.today()), self._work)
        self._advance(None)

    def errback(self, fault: Exception | Failure, /) -> None:
        """
        Fail as the inner source has.
        """
        self._current = None
        deferred = self.deferred
        del self.deferred
        deferred.errback(fault)

    def _failed(self, failure: Failure) -> None:
        self.errback(failure)

    def _advance(self, result: Answer | DNSFault | None) -> None:
        steps = self._steps
        assert steps is not None
        source = self._source
        wishes = self._wishes
        while True:
            try:
                question = next(steps) if result is None else steps.send(result)
            except StopIteration as done:
                self._finish(done.value)
                return
            if question is PAUSE:
                # The reactor serves others before the next signatures are checked.
                self._paused = source.callLater(0, self._resume)
                return
            if source.seconds() >= self._context.deadline:
                result = TimedOut(f"{question}: the time for the look-up was over")
                continue
            # Most DS records came with the referral: these take no Deferred.
            try:
                found = source.support.ask(question, wishes)
            except DNSFault as fault:
                result = fault
                continue
            if found is None:
                result = unknown(source.support, question)
            elif isinstance(found, Answer):
                result = found
            else:
                current = self._current = found(wishes)
                current.addCallbacks(self._fetched, self._unfetched)
                return

    def _resume(self) -> None:
        self._paused = None
        self._work.beginTurn()
        self._advance(None)

    def _fetched(self, answer: Answer) -> None:
        self._current = None
        self._advance(answer)

    def _unfetched(self, failure: Failure) -> None:
        self._current = None
        fault = failure.value
        if isinstance(fault, DNSFault):
            self._advance(fault)
        else:
            self._failed(failure)

    def _finish(self, validated: Validated) -> None:
        verdict = validated.verdict
        context = self._context
        if verdict.security is not _BOGUS:
            if context.trace is not None:
                self._noteVerdict(validated)
            deferred = self.deferred
            del self.deferred
            refusal = self._source.sentinel(self._question, verdict.security is _SECURE)
            if refusal is None:
                deferred.callback(self._judged(self._answer, validated))
            else:
                deferred.errback(refusal)
            return
        if context.trace is not None:
            self._noteVerdict(validated)
        if self._verdict is None:
            complaint = self._source.clockComplaint(self._question, self._answer, verdict, self._context)
            if complaint is not None:
                # No other server has better signatures.
                self._refuse(Verdict(_BOGUS, ((verdict.reasons[0][0], complaint), *verdict.reasons)))
                return
            self._verdict, self._server = validated.blamed, validated.sender
        if not self._retry(validated.server):
            self._refuse(self._verdict)

    def _refuse(self, verdict: Verdict) -> None:
        deferred = self.deferred
        del self.deferred
        self._source.verdicts[_BOGUS] += 1
        why = verdict.reasons[0][1] if verdict.reasons else "no reason"
        if self._work.exhausted and self._context.aliases:
            # The aliases that led here have used it up, so nothing is known of this name.
            deferred.errback(WorkSpent(f"{self._question} is not validated: {why}", ede=verdict.reasons))
            return
        deferred.errback(TrustFault(f"{self._question} is bogus: {why}", server=self._server, ede=verdict.reasons))

    def _retry(self, server: str) -> bool:
        """
        Ask other servers than the one that sent bogus data. Return whether that was begun.
        """
        source = self._source
        distrust = source.distrust
        if distrust is None or not self._work.avoid(server):
            return False
        name = self._question.key[:-4]
        source.validator.chains.forgetBogus(name)
        distrust(name)
        # A hostile zone can have this done as often as it likes, so the cache must not be searched.
        # Another one, since look-ups that others wait for as well may have begun with the former.
        wishes = self._wishes = self._wishes.but(depth=self._context.depth)
        source.support.forget(_leadingTo(name), wishes)
        current = self._current = lookUp(source.inner, self._question, wishes)
        current.addCallbacks(self.callback, self._unbettered)
        return True

    def _unbettered(self, failure: Failure) -> None:
        self._current = None
        verdict = self._verdict
        if verdict is not None and isinstance(failure.value, DNSFault):
            self._refuse(verdict)
        else:
            self._failed(failure)

    def _judged(self, answer: Answer, validated: Validated) -> Answer:
        security = validated.verdict.security
        self._source.verdicts[security] += 1
        secure = security is _SECURE
        ttl = validated.ttl
        authority, additional = answer.authority, answer.additional
        judged = answer.having(
            _shortened(answer.answer, ttl),
            _shortened(authority, ttl) if authority else authority,
            _shortened(additional, ttl) if additional else additional,
        )
        judged.flags = answer.flags | AD if secure else answer.flags & ~AD
        judged.security = security
        judged.ede += validated.verdict.reasons
        judged.origin = self._counted(answer.origin)
        if secure and validated.kept:
            self._source.keep(validated)
        return plainerFor(self._question, self._context, judged)

    def _counted(self, origin: Origin | None) -> Origin | None:
        """
        Return the origin with the work that was done, which includes what a client's query has caused before.
        """
        work = self._work
        if origin is None or not work.packets:
            return origin
        if origin.work is not work:
            # A cache in between may keep it.
            origin = copy(origin)
            origin.work = work
        origin.attempts = work.packets
        origin.elapsed = self._source.seconds() - self._began
        return origin

    def _noteVerdict(self, validated: Validated) -> None:
        """
        Note the proof in short: the zones of the chain with their security, and why it is not secure.
        """
        trace = self._context.trace
        assert trace is not None
        verdict = validated.verdict
        zones = self._source.validator.chains.above(self._question.key[:-4])
        trace.note(
            self._source.seconds(),
            "validate",
            verdict.security.value,
            chain=", ".join([f"{nameToText(zone.zone)} {zone.security.value}" for zone in zones]),
            signatures=self._work.verifications,
            why=verdict.reasons[0][1] if verdict.reasons else None,
            server=validated.sender if verdict.security is _BOGUS else None,
        )

    def _cancel(self, deferred: Deferred[Answer]) -> None:
        if self._steps is not None:
            self._steps.close()
        if self._paused is not None:
            self._paused.cancel()
        current = self._current
        if current is not None:
            if isinstance(current, Deferred):
                current.addErrback(lambda _: None)
            current.cancel()


def plainerFor(question: Question, context: QueryContext, answer: Answer) -> Answer:
    """
    Return the answer without signatures and proofs if the caller does not want them.
    """
    if context.dnssecOk:
        return answer
    plainer = madePlainer(question, context, answer)
    if plainer is None:
        return answer
    plainer.security = answer.security
    return plainer


def _shortened(sets: tuple[RRSet, ...], ttl: int) -> tuple[RRSet, ...]:
    for rrset in sets:
        if rrset.ttl > ttl:
            return tuple([rrset if rrset.ttl <= ttl else rrset.withTTL(ttl) for rrset in sets])
    return sets
