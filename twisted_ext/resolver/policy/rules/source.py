"""
Answers as rules say, in place of the servers' answers.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_ext.aliases import targetsOf, together
from twisted_ext.answers import AliasOrigin, Answer, Origin, Outcome, QueryContext
from twisted_ext.cache.entries import Entry
from twisted_ext.errors import Refused, ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import behind, lookUp, then
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.local.localanswers import emptySOA, known, knownAddresses, lastTime
from twisted_ext.resolver.policy.rules.policy import Policy
from twisted_ext.resolver.policy.rules.verdict import Verdict
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import IN, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, CNAME, NSEC, NSEC3, RRSIG, A

__all__ = ["BLOCKED_EDE", "FORGED_EDE", "PolicySource", "behindAlias", "late", "unproved"]

#: TTL of the answers for blocked names: after so many seconds clients see that a name is not blocked any more.
_BLOCK_TTL: Final = 60

# Info codes of extended errors (RFC 8914).
_FORGED: Final = 4
_BLOCKED: Final = 15
_NOT_READY: Final = 14

#: What replies say of a name that is blocked, and of one whose records a rule gives.
BLOCKED_EDE: Final = ((_BLOCKED, ""),)
FORGED_EDE: Final = ((_FORGED, ""),)

_ADDRESSES: Final = (A, AAAA, ANY)

_PROOFS: Final = (RRSIG, NSEC, NSEC3)

@implementer(IAnswerSource)
class PolicySource(WrappingSource):
    """
    Answers for blocked names, and for names whose aliases lead to one; asks the inner source about all others.
    """

    __slots__ = ("_clock", "_policy", "_ready")

    def __init__(self, inner: IAnswerSource, policy: Policy, clock: IReactorTime) -> None:
        super().__init__(inner)
        self._policy = policy
        self._clock = clock
        # What the cache behind this source has ready: what no rule is about is marked there.
        self._ready: dict[bytes, Entry] = next((each.store.ready for each in behind(inner, CachedSource)), {})

    @property
    def inner(self) -> IAnswerSource:
        """
        The source that is asked where no rule decides.
        """
        return self._inner

    @property
    def policy(self) -> Policy:
        """
        The rules.
        """
        return self._policy

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        policy = self._policy
        if not policy.given or question.rrClass != IN:
            return self._inner.ask(question, context)
        if policy.waits:
            return partial(self._startLater, question)
        entry = self._ready.get(question.key + context.variant)
        if entry is not None and entry.unmet and entry.unmet == policy.number:
            answer = self._inner.ask(question, context)
            # Another answer, as after the end of this one, may lead elsewhere.
            return answer if answer is entry.answer else then(answer, self._passed, question, context)
        found = policy.verdict(question.key[:-4], question.rrType)
        if found is None:
            answer = self._inner.ask(question, context)
            if entry is not None and answer is entry.answer:
                passed = self._passed(entry.answer, question, context)
                entry.unmet = policy.number if passed is answer else 0
                return passed
            return then(answer, self._passed, question, context)
        if not found.blocked:
            self._noteException(context, found)
            answer = self._inner.ask(question, context)
            return then(answer, self._settled, question) if policy.resting else answer
        return self._ruled(question, context, found)

    def _noteException(self, context: QueryContext, found: Verdict) -> None:
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "block", "excepted", **_shown(found))

    def _ruled(self, question: Question, context: QueryContext, found: Verdict) -> Answer | Start | None:
        """
        Answer as a rule says that blocks a name or rewrites its answer.
        """
        return self._rewritten(question, context, found) if found.rewrites else self._answer(question, context, found, None)

    def _startLater(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if context.trace is not None:
            context.trace.note(self._clock.seconds(), "block", "waiting", reason="the block lists are being read")
        left = max(context.deadline - self._clock.seconds(), 0.0)
        waits = self._policy.wait().addTimeout(left, self._clock, partial(late, "the block lists"))
        return waits.addCallback(lambda _: lookUp(self, question, context))

    def _passed(self, answer: Answer, question: Question, context: QueryContext) -> Answer:
        for rrset in answer.answer:
            for target in targetsOf(rrset):
                found = self._policy.verdict(target.lower(), question.rrType)
                # A name in place of another one is for those who ask for that, not for all that lead there.
                if found is not None and found.blocked and not found.renames:
                    return self._answer(question, context, found, answer, target)
        return self._settled(answer, question) if self._policy.resting else answer

    def _settled(self, answer: Answer, question: Question) -> Answer:
        """
        Return an answer that clients do not keep beyond the time when they no longer get it.
        """
        targets = [target.lower() for rrset in answer.answer for target in targetsOf(rrset)]
        if not self._policy.mayBlock(question.key[:-4], targets, question.rrType):
            return answer
        most = _BLOCK_TTL
        sections = [
            tuple([rrset if rrset.ttl <= most else rrset.withTTL(most) for rrset in section])
            for section in (answer.answer, answer.authority, answer.additional)
        ]
        short = answer.having(*sections)
        origin = answer.origin
        if origin is not None:
            # Not from the cache: what the packet cache keeps has the TTLs of there.
            short.origin = Origin(origin.source, origin.server, origin.attempts, origin.elapsed, origin.age, zone=origin.zone)
        return short

    def _rewritten(self, question: Question, context: QueryContext, why: Verdict) -> Answer | Start | None:
        """
        Answer with what a rule gives clients.
        """
        host = _aliasIn(why, question)
        if host is None:
            return self._answer(question, context, why, None)
        if host.lower() == question.key[:-4]:
            # A rule for a domain may lead to a name in it.
            return self._inner.ask(question, context)
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "block", "rewritten", **_shown(why), alias=nameToText(host))
        alias = Answer(Outcome.DATA, (RRSet(question.name, CNAME, IN, _BLOCK_TTL, (host,)),))
        found = self._inner.ask(Question(host, question.rrType, IN), context)
        return then(found, self._behind, alias, question, context)

    def _behind(self, rest: Answer, alias: Answer, question: Question, context: QueryContext) -> Answer:
        """
        Return an alias of a rule with the answer for its target.
        """
        return self._passed(unproved(together((alias, rest))), question, context)

    def _answer(
        self, question: Question, context: QueryContext, why: Verdict, instead: Answer | None, alias: bytes = b""
    ) -> Answer:
        """
        @param instead: the answer that an alias in it makes a blocked one.
        @param alias: the target of that alias.
        """
        policy = self._policy
        kind = question.rrType
        if kind == ANY:
            # A subset is enough (RFC 8482, section 4.1).
            kind = next((each.rrType for each in why.rewrites), ANY)
        wanted = [each.rdata for each in why.rewrites if each.rrType == kind]
        source = "rewritten" if wanted else "blocked"
        if instead is None:
            origin = Origin(source, why.place, epoch=policy.epoch)
        else:
            origin = AliasOrigin(source, why.place, [target for rrset in instead.answer for target in targetsOf(rrset)])
            if instead.origin is not None:
                # It holds for as long as the alias is known.
                origin.learned, origin.expires = instead.origin.learned, instead.origin.expires
        if context.trace is not None:
            through = nameToText(alias) if alias else None
            context.trace.note(lastTime(context.trace), "block", why.word, **_shown(why), alias=through)
        ttl = _BLOCK_TTL
        rcode = next((each.rcode for each in why.rewrites if each.rcode), 0)
        if rcode in (Rcode.REFUSED, Rcode.SERVFAIL):
            fault = Refused if rcode == Rcode.REFUSED else ServerFailed
            raise fault(f"{question}: the rule {why.place} says so", ede=BLOCKED_EDE)
        if wanted and not rcode:
            answer = known(question, tuple(dict.fromkeys(wanted)), ttl, origin, kind)
            answer.ede = FORGED_EDE
            return answer
        if not why.rewrites and policy.reply is not None and question.rrType in _ADDRESSES:
            answer = knownAddresses(question, policy.reply, ttl, origin)
            answer.ede = BLOCKED_EDE
            if answer.outcome is Outcome.DATA:
                return answer
        # The zone of the denial: the domain in the list, or with an alias the name itself.
        zone = question.key[:-4]
        for _ in range(0 if alias else why.labels):
            zone = zone[zone[0] + 1 :]
        soa = emptySOA(zone, ttl)
        if rcode or (policy.reply is None and not why.rewrites):
            return Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3, ede=BLOCKED_EDE, origin=origin)
        return Answer(Outcome.NODATA, (), (soa,), ede=BLOCKED_EDE, origin=origin)


def _aliasIn(why: Verdict, question: Question) -> bytes | None:
    """
    Return the name whose records a rule gives clients in place of those of the name in question; L{None} if it does not.
    """
    if question.rrType in (CNAME, ANY):
        return None
    return next((each.rdata for each in why.rewrites if each.rrType == CNAME), None)


def _shown(why: Verdict) -> dict[str, str]:
    return {"rule": why.place, "domain": why.domain.decode("ascii", "replace")}


def behindAlias(rest: Answer, led: Answer) -> Answer:
    """
    Return an alias that was decided here with the answer for its target.

    @param led: the alias, whose origin says who has decided.
    """
    answer = unproved(together((led, rest)))
    origin = Origin("", "") if led.origin is None else Origin(led.origin.source, led.origin.server)
    if rest.origin is not None:
        # As records of it go back to a cache, so does how long they may be kept.
        origin.learned, origin.expires = rest.origin.learned, rest.origin.expires
    answer.origin = origin
    return answer


def unproved(answer: Answer) -> Answer:
    """
    Return an answer with an alias of a rule, which nothing proves: without the proofs of its other records.
    """
    sections = [
        tuple([rrset for rrset in section if rrset.rrType not in _PROOFS])
        for section in (answer.answer, answer.authority, answer.additional)
    ]
    other = answer.having(*sections)
    other.ede = (*answer.ede, *FORGED_EDE)
    return other


def late(what: str, result: object, seconds: float) -> None:
    """
    Fail a look-up that has waited for rules, C{what} these are.
    """
    raise TimedOut(f"{what} are still being read", ede=((_NOT_READY, f"{what} are being read"),))
