"""
Look up an answer with everything that it takes to validate it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Final

from twisted.internet.defer import Deferred

from twisted_ext.answers import Answer, QueryContext, Security
from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.evidence import Evidence, Step, aliasTarget, followed
from twisted_ext.dnssec.limits import EVIDENCE_ANSWERS, EVIDENCE_STEPS
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, Anchor, TrustAnchors, ZoneAnchors
from twisted_ext.dnssec.validation import Validated, Validator
from twisted_ext.dnssec.verdicts import BOGUS, Verdict
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault, PeerFault, ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["AnchorsFor", "collectEvidence", "proved"]


_MOST_ANSWERS: Final = int(EVIDENCE_ANSWERS.default)
#: Look-ups that are repeated while evidence is collected because a server did not answer: with a tenth of all packets lost, an answer with
#: four zones above it needs one.
_MOST_RETRIES: Final = 4
_MOST_STEPS: Final = int(EVIDENCE_STEPS.default)

#: Returns the trust anchors that apply to a folded name at a time in seconds since 1970.
AnchorsFor = Callable[[bytes, int], ZoneAnchors | None]


async def collectEvidence(
    source: IAnswerSource,
    question: Question,
    context: QueryContext,
    anchors: TrustAnchors | AnchorsFor,
    now: int,
    profile: Profile = STANDARD,
) -> Evidence:
    """
    Look up a question, the targets of its aliases, and all keys and DS records that validation asks for.

    All of it is one L{Work}. A look-up that fails because servers do not answer, or answer with an error, is repeated a few times.

    @param source: one that does not validate queries with CD, such as a forwarder or a L{RecursiveSource
        <twisted_ext.resolver.recursive.source.RecursiveSource>}.
    @param now: seconds since 1970.

    @raise DNSFault: the question, or the target of an alias, could not be answered.
    """
    collector = _Collector(source, context, anchors, now, profile)
    return await collector.run(question)


def proved(source: IAnswerSource, question: Question, context: QueryContext, now: int | None = None) -> Deferred[Evidence]:
    """
    Collect evidence with the trust anchors and the clock of a source that validates; with those of the root that are built in, and the
    system's clock, if it does not.

    @param now: seconds since 1970, for another time than the present.
    """
    anchors: TrustAnchors | AnchorsFor = TrustAnchors(ROOT_ANCHORS)
    today: Callable[[], float] = time
    for validating in behind(source, ValidatingSource):
        anchors, today = validating.validator.anchorsFor, validating.today
        break
    return Deferred.fromCoroutine(collectEvidence(source, question, context, anchors, int(today()) if now is None else now))


class _Collector:
    """
    Collects one evidence.
    """

    def __init__(
        self, source: IAnswerSource, context: QueryContext, anchors: TrustAnchors | AnchorsFor, now: int, profile: Profile
    ) -> None:
        self._source = source
        self._work = Work()
        self._context = context.but(dnssecOk=True, checkingDisabled=True, authenticData=False, budget=self._work)
        self._anchors = anchors
        self._now = now
        self._validator = Validator(self._anchorsFor, profile)
        self._support: dict[Question, Answer | DNSFault] = {}
        self._used: dict[bytes, ZoneAnchors] = {}
        self._retries = _MOST_RETRIES
        self._recursive: RecursiveSource | None = next(behind(source, RecursiveSource), None)

    async def run(self, question: Question) -> Evidence:
        steps: list[Step] = []
        verdicts: list[Verdict] = []
        seen: set[bytes] = set()
        while True:
            answer, verdict = await self._judged(question, await self._lookUp(question))
            steps.append(Step(question, answer))
            verdicts.append(verdict)
            target = aliasTarget(question, answer)
            if target is None:
                break
            seen.add(question.key)
            question = Question(target, question.rrType, question.rrClass)
            if question.key in seen or len(steps) >= _MOST_STEPS:
                text = f"{nameToText(target)}: the aliases are a loop, or more than {_MOST_STEPS}"
                verdicts.append(Verdict(Security.BOGUS, ((BOGUS, text),)))
                break
        trusted = [
            Anchor(zone.zone, rrType, rdata, False)
            for zone in self._used.values()
            for rrType, rdatas in ((DS, zone.digests), (DNSKEY, zone.keys))
            for rdata in rdatas
        ]
        return Evidence(steps, self._support, trusted, self._now, followed(verdicts))

    def _anchorsFor(self, name: bytes, now: int) -> ZoneAnchors | None:
        anchors = self._anchors
        found = anchors.closest(name) if isinstance(anchors, TrustAnchors) else anchors(name, now)
        if found is not None:
            self._used[found.zone] = found
        return found

    async def _judged(self, question: Question, answer: Answer) -> tuple[Answer, Verdict]:
        """
        Validate an answer. In place of one that is bogus, that of another server is taken if it is not, as the resolver does.
        """
        validated = await self._validated(question, answer)
        bogus = answer, validated.blamed, self._support
        while validated.verdict.security is Security.BOGUS:
            recursive = self._recursive
            if recursive is None or not self._work.avoid(validated.server):
                answer, verdict, self._support = bogus
                return answer, verdict
            # Neither what came from that server counts, nor what caches have of it.
            self._source = recursive
            self._support = {needed: found for needed, found in self._support.items() if self._counts(found)}
            name = question.key[:-4]
            recursive.distrust(name)
            self._validator.chains.forgetBogus(name)
            self._context = self._context.but(depth=self._context.depth)
            try:
                answer = await self._lookUp(question)
            except DNSFault:
                answer, verdict, self._support = bogus
                return answer, verdict
            validated = await self._validated(question, answer)
        return answer, validated.blamed

    def _counts(self, found: Answer | DNSFault) -> bool:
        return isinstance(found, Answer) and (found.origin is None or found.origin.server not in self._work.avoided)

    async def _validated(self, question: Question, answer: Answer) -> Validated:
        validation = self._validator.validate(question, answer, self._now, self._work)
        try:
            needed = next(validation)
            while True:
                found = self._support.get(needed)
                if found is None:
                    found = self._support[needed] = await self._fetched(needed)
                needed = validation.send(found)
        except StopIteration as done:
            validated: Validated = done.value
            return validated

    async def _fetched(self, needed: Question) -> Answer | DNSFault:
        if len(self._support) >= _MOST_ANSWERS:
            return ServerFailed(f"more than {_MOST_ANSWERS} answers would be needed")
        try:
            return await self._lookUp(needed)
        except DNSFault as fault:
            return fault

    async def _lookUp(self, question: Question) -> Answer:
        while True:
            try:
                return await lookUp(self._source, question, self._context)
            except PeerFault:
                # After the deadline, or with an exhausted budget, the next one fails at once.
                if not self._retries:
                    raise
                self._retries -= 1
