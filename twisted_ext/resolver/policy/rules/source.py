"""
Answers as rules say, in place of the servers' answers.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_ext.aliases import together
from twisted_ext.answers import Answer, Epoch, Origin, Outcome, QueryContext
from twisted_ext.cache.entries import Entry
from twisted_ext.errors import BadDescription, Refused, ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import behind, lookUp, then
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.local.localanswers import emptySOA, known, knownAddresses, lastTime
from twisted_ext.resolver.policy.rules.rewriting import Rewrite
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.resolver.policy.rules.verdict import OwnRules, Verdict, decided
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import IN, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import labelsOf, nameEnd, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, CNAME, HTTPS, NSEC, NSEC3, RRSIG, SVCB, A

__all__ = ["BlockReply", "Policy", "PolicySource", "readReply"]

#: TTL of the answers for blocked names: after so many seconds clients see that a name is not blocked any more.
_BLOCK_TTL: Final = 60

# Info codes of extended errors (RFC 8914).
_FORGED: Final = 4
_BLOCKED: Final = 15
_NOT_READY: Final = 14

_EDE: Final = ((_BLOCKED, ""),)
_FORGED_EDE: Final = ((_FORGED, ""),)

#: The setting that has clients use the hosts of search engines that leave out what is for adults.
_SAFE: Final = "safe-search"

#: Those of no engine.
_NO_HOSTS: Final[Mapping[bytes, bytes]] = {}

_ADDRESSES: Final = (A, AAAA, ANY)

_PROOFS: Final = (RRSIG, NSEC, NSEC3)

#: The addresses to answer with, packed; L{None} to deny that the name exists.
BlockReply = tuple[bytes, ...] | None


def readReply(text: str) -> BlockReply:
    """
    Parse C{nxdomain}, C{null} for the addresses 0.0.0.0 and ::, or addresses with commas between them.

    @raise BadDescription: it is none of these.
    """
    if text == "nxdomain":
        return None
    if text == "null":
        return (bytes(4), bytes(16))
    packed: list[bytes] = []
    for each in text.split(","):
        try:
            packed.append(socket.inet_pton(socket.AF_INET6 if ":" in each else socket.AF_INET, each.strip()))
        except (OSError, ValueError):
            raise BadDescription(f"{each!r} is not an address; write nxdomain, null, or addresses with commas between them") from None
    return tuple(packed)


#: Numbers of rules.
_numbers: Final = count(1)


class Policy:
    """
    The rules in force, and how blocked names are answered. It stays the same object when lists or settings change.

    @ivar table: the rules of lists, if there are lists and they have been read.
    @ivar epoch: changes with each of them.
    @ivar given: whether there may be rules.
    @ivar paused: whether all names are let through.
    @ivar resting: whether other rules than now may apply later without a change of the settings, as after a pause.
    @ivar number: that of these rules as they apply now, which no others have.
    """

    def __init__(self, view: str = "") -> None:
        """
        @param view: the name of the clients' view; C{""} for none.
        """
        self._view = view.lower().encode("utf-8")
        self._safe = _NO_HOSTS
        self.table: PolicyTable | None = None
        self.epoch = Epoch()
        self.given = self.resting = False
        self.number = 0
        self.reply: BlockReply = None
        self._own = OwnRules((), ())
        self._lists: frozenset[str] = frozenset()
        # Those that apply now, and the mask of these.
        self._chosen = self._lists
        self._mask = 0
        # The sets of lists of which each may apply at some time, and the masks of those that may apply instead of these.
        self._states: Sequence[frozenset[str]] = ()
        self._others: Sequence[int] = ()
        self.paused = False
        self._waiting: dict[Deferred[None], None] | None = None

    @property
    def waits(self) -> bool:
        """
        Whether lists are being read for the first time, and names have to wait for them.
        """
        return self._waiting is not None and not self.paused

    def apply(
        self,
        domains: Iterable[str],
        exceptions: Iterable[str],
        reply: str,
        lists: Collection[str],
        safe: Mapping[bytes, bytes] = _NO_HOSTS,
        states: Sequence[frozenset[str]] = (),
    ) -> None:
        """
        Apply settings.

        @param domains: blocked, with all names below them.
        @param exceptions: not blocked, with all names below them.
        @param lists: those that apply, as L{RuleList<twisted_ext.resolver.policy.rules.table.RuleList>} has them. Until the first of their
            tables is used, names wait for it.
        @param safe: for hosts of search engines those to use in their place, folded.
        @param states: if not all lists apply always, sets of them. A question that is blocked at some time is blocked by the lists of one
            of these sets.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        answers = readReply(reply)
        self._own = OwnRules(domains, exceptions)
        self.reply = answers
        self._safe = safe
        self._lists = self._chosen = frozenset(lists)
        self._states = states or (self._lists,)
        if lists and self.table is None and self._waiting is None:
            self._waiting = {}
        elif not lists:
            self.table = None
            self._go()
        self._changed()

    def use(self, table: PolicyTable | None) -> None:
        """
        Use the rules of lists; L{None} if these could not be read.
        """
        if table is not None:
            self.table = table
        self._changed()
        self._go()

    def select(self, lists: frozenset[str]) -> bool:
        """
        Apply only these of the lists, until further notice.

        @return: whether that is a change.
        """
        if lists == self._chosen:
            return False
        self._chosen = lists
        self._changed()
        return True

    def pause(self, paused: bool) -> None:
        """
        Let all names through, or no longer.
        """
        if paused != self.paused:
            self.paused = paused
            self._changed()
            if paused:
                # They need the lists no longer.
                waiting, self._waiting = self._waiting, None if self._waiting is None else {}
                _continue(waiting)

    def _changed(self) -> None:
        self._mask = self._maskOf(self._chosen)
        others = dict.fromkeys(map(self._maskOf, self._states))
        self._others = [mask for mask in others if self.paused or mask != self._mask]
        self.given = bool(self._own or self._safe) or self.table is not None or self._waiting is not None
        self.resting = self.given and bool(self._others)
        self.number = next(_numbers)
        self.epoch.bump()

    def _go(self) -> None:
        waiting, self._waiting = self._waiting, None
        _continue(waiting)

    def wait(self) -> Deferred[None]:
        """
        @return: fires when the lists have been read.
        """
        waiting = self._waiting
        assert waiting is not None
        waits: Deferred[None] = Deferred(lambda done: waiting.pop(done, None))
        waiting[waits] = None
        return waits

    def verdict(self, name: bytes, rrType: int) -> Verdict | None:
        """
        Return what the rules say about a question; L{None} if none is about it.

        @param name: folded.
        """
        return None if self.paused else self._decided(name, self._mask, rrType)

    def verdictWith(self, name: bytes, lists: frozenset[str], rrType: int = A) -> Verdict | None:
        """
        Return what the rules would say if just these lists applied.

        @param name: folded.
        """
        return self._decided(name, self._maskOf(lists & self._lists), rrType)

    def _decided(self, name: bytes, mask: int, rrType: int) -> Verdict | None:
        verdict = decided(name, self._own, self.table, mask, rrType, self._view)
        if name in self._safe and (verdict is None or (verdict.line and not verdict.blocked)):
            # An exception in a list is one to what lists block.
            host = Rewrite(0, CNAME, self._safe[name])
            return Verdict(True, b".".join(labelsOf(name)), _SAFE, 0, 0, (host,))
        return verdict

    def _maskOf(self, lists: frozenset[str]) -> int:
        known = () if self.table is None else self.table.lists
        return sum([1 << number for number, each in enumerate(known) if each.list in lists])

    def mayBlock(self, name: bytes, targets: Sequence[bytes], rrType: int) -> bool:
        """
        Return whether an answer that clients get now may be withheld from them later.

        @param name: the name in question, folded.
        @param targets: the names that clients go on to from the answer, folded.
        """
        for mask in self._others:
            verdict = self._decided(name, mask, rrType)
            if verdict is not None:
                if verdict.blocked:
                    return True
                continue
            for target in targets:
                verdict = self._decided(target, mask, rrType)
                if verdict is not None and verdict.blocked and not verdict.renames:
                    return True
        return False


def _continue(waiting: dict[Deferred[None], None] | None) -> None:
    # What continues may cancel others that wait.
    while waiting:
        waiting.popitem()[0].callback(None)


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
            if context.trace is not None:
                context.trace.note(lastTime(context.trace), "block", "excepted", **_shown(found))
            answer = self._inner.ask(question, context)
            return then(answer, self._settled, question) if policy.resting else answer
        return self._rewritten(question, context, found) if found.rewrites else self._answer(question, context, found, None)

    def _startLater(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if context.trace is not None:
            context.trace.note(self._clock.seconds(), "block", "waiting", reason="the block lists are being read")
        left = max(context.deadline - self._clock.seconds(), 0.0)
        waits = self._policy.wait().addTimeout(left, self._clock, _late)
        return waits.addCallback(lambda _: lookUp(self, question, context))

    def _passed(self, answer: Answer, question: Question, context: QueryContext) -> Answer:
        for rrset in answer.answer:
            for target in _targets(rrset):
                found = self._policy.verdict(target.lower(), question.rrType)
                # A name in place of another one is for those who ask for that, not for all that lead there.
                if found is not None and found.blocked and not found.renames:
                    return self._answer(question, context, found, answer, target)
        return self._settled(answer, question) if self._policy.resting else answer

    def _settled(self, answer: Answer, question: Question) -> Answer:
        """
        Return an answer that clients do not keep beyond the time when they no longer get it.
        """
        targets = [target.lower() for rrset in answer.answer for target in _targets(rrset)]
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
        answer = together((alias, rest))
        sections = [
            tuple([rrset for rrset in section if rrset.rrType not in _PROOFS])
            for section in (answer.answer, answer.authority, answer.additional)
        ]
        # Not as a whole: nothing proves the alias.
        unproved = answer.having(*sections)
        unproved.ede = (*answer.ede, *_FORGED_EDE)
        return self._passed(unproved, question, context)

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
        origin = Origin("rewritten" if wanted else "blocked", why.place)
        if instead is None:
            origin.epoch = policy.epoch
        elif instead.origin is not None:
            # It holds for as long as the alias is known.
            origin.learned, origin.expires = instead.origin.learned, instead.origin.expires
        if context.trace is not None:
            through = nameToText(alias) if alias else None
            context.trace.note(lastTime(context.trace), "block", why.word, **_shown(why), alias=through)
        ttl = _BLOCK_TTL
        rcode = next((each.rcode for each in why.rewrites if each.rcode), 0)
        if rcode in (Rcode.REFUSED, Rcode.SERVFAIL):
            fault = Refused if rcode == Rcode.REFUSED else ServerFailed
            raise fault(f"{question}: the rule {why.place} says so", ede=_EDE)
        if wanted and not rcode:
            answer = known(question, tuple(dict.fromkeys(wanted)), ttl, origin, kind)
            answer.ede = _FORGED_EDE
            return answer
        if not why.rewrites and policy.reply is not None and question.rrType in _ADDRESSES:
            answer = knownAddresses(question, policy.reply, ttl, origin)
            answer.ede = _EDE
            if answer.outcome is Outcome.DATA:
                return answer
        # The zone of the denial: the domain in the list, or with an alias the name itself.
        zone = question.key[:-4]
        for _ in range(0 if alias else why.labels):
            zone = zone[zone[0] + 1 :]
        soa = emptySOA(zone, ttl)
        if rcode or (policy.reply is None and not why.rewrites):
            return Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3, ede=_EDE, origin=origin)
        return Answer(Outcome.NODATA, (), (soa,), ede=_EDE, origin=origin)


def _aliasIn(why: Verdict, question: Question) -> bytes | None:
    """
    Return the name whose records a rule gives clients in place of those of the name in question; L{None} if it does not.
    """
    if question.rrType in (CNAME, ANY):
        return None
    return next((each.rdata for each in why.rewrites if each.rrType == CNAME), None)


def _targets(rrset: RRSet) -> Sequence[bytes]:
    """
    Return the names that clients go on to from a record set: those of aliases, and those of services (RFC 9460), whose addresses may be
    beside them as hints.
    """
    if rrset.rrType == CNAME:
        return rrset.rdatas
    if rrset.rrType in (HTTPS, SVCB):
        return [rdata[2 : nameEnd(rdata, 2)] for rdata in rrset.rdatas if len(rdata) > 2 and rdata[2]]
    return ()


def _shown(why: Verdict) -> dict[str, str]:
    return {"rule": why.place, "domain": why.domain.decode("ascii", "replace")}


def _late(result: object, seconds: float) -> None:
    raise TimedOut("the block lists are still being read", ede=((_NOT_READY, "the block lists are being read"),))
