"""
Look up an answer with everything that it takes to validate it.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.answers import Answer, QueryContext, Security
from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.evidence import Evidence, Step, aliasTarget, followed
from twisted_ext.dnssec.limits import EVIDENCE_ANSWERS, EVIDENCE_STEPS
from twisted_ext.dnssec.trustanchors import Anchor, TrustAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.verdicts import BOGUS, Verdict
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["collectEvidence"]

_MOST_ANSWERS: Final = int(EVIDENCE_ANSWERS.default)
_MOST_STEPS: Final = int(EVIDENCE_STEPS.default)


async def collectEvidence(
    source: IAnswerSource,
    question: Question,
    context: QueryContext,
    anchors: TrustAnchors,
    now: int,
    profile: Profile = STANDARD,
) -> Evidence:
    """
    Look up a question, the targets of its aliases, and all keys and DS records that validation asks for.

    @param source: one that does not validate, such as a forwarder or a L{RecursiveSource
        <twisted_ext.resolver.recursive.source.RecursiveSource>}.
    @param now: seconds since 1970.

    @raise DNSFault: the question, or the target of an alias, could not be answered.
    """
    validator = Validator(lambda name, _: anchors.closest(name), profile)
    wishes = context.but(dnssecOk=True, checkingDisabled=True, authenticData=False)
    support: dict[Question, Answer | DNSFault] = {}
    steps: list[Step] = []
    verdicts: list[Verdict] = []
    seen: set[bytes] = set()
    work = Work()
    while True:
        answer = await lookUp(source, question, wishes)
        steps.append(Step(question, answer))
        validation = validator.validate(question, answer, now, work)
        try:
            needed = next(validation)
            while True:
                found = support.get(needed)
                if found is None:
                    found = await _fetched(source, needed, wishes, len(support))
                    support[needed] = found
                needed = validation.send(found)
        except StopIteration as done:
            verdicts.append(done.value.verdict)
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
        for zone in anchors.zones()
        for rrType, rdatas in ((DS, zone.digests), (DNSKEY, zone.keys))
        for rdata in rdatas
    ]
    return Evidence(steps, support, trusted, now, followed(verdicts))


async def _fetched(source: IAnswerSource, needed: Question, context: QueryContext, number: int) -> Answer | DNSFault:
    if number >= _MOST_ANSWERS:
        return ServerFailed(f"more than {_MOST_ANSWERS} answers would be needed")
    try:
        return await lookUp(source, needed, context)
    except DNSFault as fault:
        return fault
