"""
Answers as response policy zones say, in place of the servers' answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Withheld
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import furthered, lookUp, then
from twisted_ext.resolver.local.localanswers import emptySOA, lastTime
from twisted_ext.resolver.policy.rules.policy import Policy
from twisted_ext.resolver.policy.rules.source import BLOCKED_EDE, FORGED_EDE, PolicySource, behindAlias, late
from twisted_ext.resolver.policy.zones.actions import DROP, NODATA, NXDOMAIN, PASSTHRU, TCP_ONLY
from twisted_ext.resolver.policy.zones.policy import TRIGGERS, ZonePolicy
from twisted_ext.resolver.policy.zones.rules import NAME
from twisted_ext.resolver.policy.zones.verdict import Hit
from twisted_ext.wire.codes import IN, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import MOST_OCTETS, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME

__all__ = ["PolicyZoneSource"]

#: The most seconds for which clients keep that there is nothing: after so many they see that a rule is no longer there.
_DENIED_TTL = 60


@implementer(IAnswerSource)
class PolicyZoneSource(PolicySource):
    """
    Answers by response policy zones, and by lists behind these. Rules about the client or the name come first, those of zones before those
    of lists; then those about what the answer has, again those of zones before those of lists. A rule of a zone that lets a name through
    does so whatever lists say.
    """

    __slots__ = ("_zones",)

    def __init__(self, inner: IAnswerSource, zones: ZonePolicy, clock: IReactorTime, policy: Policy | None = None) -> None:
        """
        @param policy: the rules of lists; by default none.
        """
        super().__init__(inner, Policy() if policy is None else policy, clock)
        self._zones = zones

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        zones, policy = self._zones, self._policy
        if not zones.given or question.rrClass != IN:
            return super().ask(question, context)
        if zones.waits or policy.waits:
            return partial(self._startLater, question)
        clients = zones.ofClient(context.client)
        number = max(zones.number, policy.number)
        entry = None if clients or zones.isTrying else self._ready.get(question.key + context.variant)
        if entry is not None and entry.unmet == number:
            answer = self._inner.ask(question, context)
            # Another answer, as after the end of this one, may lead elsewhere.
            return answer if answer is entry.answer else furthered(answer, self._looked, question, context, None, True)
        first = zones.before(question.name, clients)
        isLeft = True
        if first is None:
            found = policy.verdict(question.key[:-4], question.rrType) if policy.given else None
            if found is not None and found.blocked:
                zones.tryOut(question, context.client, None)
                return self._ruled(question, context, found)
            if found is not None:
                self._noteException(context, found)
                isLeft = False
        elif not zones.waitsFor(first):
            zones.tryOut(question, context.client, None)
            return self._applied(first, None, question, context)
        answer = self._inner.ask(question, context)
        if entry is not None and first is None and isLeft and answer is entry.answer:
            hit = zones.after(question, entry.answer, None)
            decided = self._decided(hit, entry.answer, question, context, True)
            # A rule that lets an answer through over TCP does not over UDP.
            entry.unmet = number if hit is None and decided is answer else 0
            return decided
        return furthered(answer, self._looked, question, context, first, isLeft)

    def _startLater(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if not self._zones.waits:
            return super()._startLater(question, context)
        if context.trace is not None:
            context.trace.note(self._clock.seconds(), "policy", "waiting", reason="the policy zones are being read")
        left = max(context.deadline - self._clock.seconds(), 0.0)
        waits = self._zones.wait().addTimeout(left, self._clock, partial(late, "the policy zones"))
        return waits.addCallback(lambda _: lookUp(self, question, context))

    def _looked(
        self, answer: Answer, question: Question, context: QueryContext, first: Hit | None, isLeft: bool
    ) -> Answer | Start:
        """
        Look at what an answer has.

        @param first: the rule that decides unless another one about the answer does.
        @param isLeft: whether lists have a say in it, too.
        """
        self._zones.tryOut(question, context.client, answer)
        return self._decided(self._zones.after(question, answer, first), answer, question, context, isLeft)

    def _decided(
        self, hit: Hit | None, answer: Answer, question: Question, context: QueryContext, isLeft: bool
    ) -> Answer | Start:
        """
        Return what a rule about an answer makes of it.

        @param hit: the rule; L{None} for none.
        @param isLeft: see L{_looked}.
        """
        policy = self._policy
        if hit is not None:
            applied = self._applied(hit, answer, question, context)
            return answer if applied is None else applied
        if not policy.given:
            return answer
        if isLeft:
            return self._passed(answer, question, context)
        return self._settled(answer, question) if policy.resting else answer

    def _applied(self, hit: Hit, truth: Answer | None, question: Question, context: QueryContext) -> Answer | Start | None:
        """
        Do what a rule says.

        @param truth: the answer of the servers; L{None} if it was not needed.
        """
        zones, action = self._zones, hit.action
        zones.count(hit)
        place = zones.placeOf(hit)
        if context.trace is not None:
            name = nameToText(hit.name)
            context.trace.note(
                lastTime(context.trace), "policy", action.kind, rule=place, about=TRIGGERS[hit.trigger], name=name
            )
        if action.kind == PASSTHRU or (action.kind == TCP_ONLY and not context.datagram):
            return self._inner.ask(question, context) if truth is None else truth
        if action.kind in (DROP, TCP_ONLY):
            said, isTruncated = f"{question}: the rule {place} withholds the answer", action.kind == TCP_ONLY
            if context.datagram:
                raise Withheld(said, place, isTruncated=isTruncated)
            # A connection would wait for a reply, and after some of them take no more queries.
            raise Withheld(said, place, rcode=Rcode.REFUSED, ede=BLOCKED_EDE)
        origin = self._originOf(place, truth, isGiven=action.kind not in (NXDOMAIN, NODATA))
        before = _aliasesTo(hit.name, truth, question)
        target = action.aliasFor(hit.name)
        if len(target) > MOST_OCTETS:
            # As with DNAME.
            said = f"{question}: the alias of the rule {place} is longer than names may be"
            raise Withheld(said, place, rcode=Rcode.YXDOMAIN, ede=FORGED_EDE)
        if target and question.rrType != CNAME:
            alias = RRSet(hit.name, CNAME, IN, action.ttl, (target,))
            led = Answer(Outcome.DATA, (*before, alias), origin=origin)
            found = None if target.lower() == question.key[:-4] else self._inner.ask(Question(target, question.rrType, IN), context)
            return led if found is None else then(found, behindAlias, led)
        sets = _setsFor(hit, question.rrType)
        if sets:
            return Answer(Outcome.DATA, (*before, *sets), ede=FORGED_EDE, origin=origin)
        soa = emptySOA(hit.found.name if hit.trigger == NAME else hit.name, min(action.ttl, _DENIED_TTL))
        if action.kind == NXDOMAIN:
            return Answer(Outcome.NXDOMAIN, before, (soa,), rcode=Rcode.NXDOMAIN, ede=BLOCKED_EDE, origin=origin)
        return Answer(Outcome.NODATA, before, (soa,), ede=BLOCKED_EDE, origin=origin)

    def _originOf(self, place: str, truth: Answer | None, *, isGiven: bool) -> Origin:
        origin = Origin("rewritten" if isGiven else "blocked", place)
        if truth is None:
            origin.epoch = self._zones.epoch
        elif truth.origin is not None:
            # It holds for as long as what the rule was found by.
            origin.learned, origin.expires = truth.origin.learned, truth.origin.expires
        return origin


def _aliasesTo(name: bytes, truth: Answer | None, question: Question) -> tuple[RRSet, ...]:
    """
    Return the aliases of an answer that lead to a name.
    """
    if truth is None:
        return ()
    aliases = {rrset.name.lower(): rrset for rrset in truth.answer if rrset.rrType == CNAME and rrset.rdatas}
    found: list[RRSet] = []
    at = question.name.lower()
    while at != name.lower() and len(found) < len(aliases):
        rrset = aliases.get(at)
        if rrset is None:
            # It is the host of a service.
            return ()
        found.append(rrset)
        at = rrset.rdatas[0].lower()
    return tuple(found)


def _setsFor(hit: Hit, rrType: int) -> Sequence[RRSet]:
    """
    Return the records that a rule gives for a type.
    """
    kinds: dict[int, list[bytes]] = {}
    for each, _, rdata in hit.action.records:
        if rrType in (each, ANY):
            rdata = hit.action.aliasFor(hit.name) if each == CNAME else rdata
            kinds.setdefault(each, []).append(rdata)
    return [RRSet(hit.name, each, IN, hit.action.ttl, tuple(dict.fromkeys(rdatas))) for each, rdatas in kinds.items()]


