"""
A player of scenarios through an answer source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, QueryContext
from twisted_ext.errors import DNSFault, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.outcomes import answerFromMessage
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.scenarios.matching import Mismatch, Query, Unsupported, checkWords, mismatches, queryMatches
from twisted_ext.testing.scenarios.reading import Entry, Scenario, Step
from twisted_ext.testing.sources import atHand
from twisted_ext.wire import codes
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.records import RRSet

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

__all__ = ["Mismatch", "Unsupported", "Player", "Upstream"]

def replyOf(entry: Entry, question: Question, queryId: int = 0) -> Message:
    """
    Return the message that an upstream sends.
    """
    asked = entry.question
    answer = entry.records("ANSWER")
    if "copy_query" in entry.adjust and asked is not None:
        answer = tuple(
            [
                RRSet(question.name, each.rrType, each.rrClass, each.ttl, each.rdatas)
                if each.name.lower() == asked.name.lower() == question.name.lower()
                else each
                for each in answer
            ]
        )
    return Message(
        queryId,
        entry.flags | entry.opcode << 11 | entry.rcode & 15,
        (question,),
        answer,
        entry.records("AUTHORITY"),
        entry.records("ADDITIONAL"),
        EDNS(flags=codes.DO if entry.dnssecOk else 0, extendedRcode=entry.rcode >> 4),
    )


@implementer(IAnswerSource)
class Upstream:
    """
    Give the replies of the scenario's ranges for the current step.

    @ivar step: its number.
    @ivar asked: the questions, with the step in which they came.
    @ivar last: whether the last matching reply counts, as in Stelline, or the first one, as in the others.
    """

    def __init__(self, scenario: Scenario, *, last: bool) -> None:
        self._scenario = scenario
        self.step = 0
        self.last = last
        self.asked: list[tuple[int, Question]] = []

    def ask(self, question: Question, context: QueryContext) -> Start:
        return partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        self.asked.append((self.step, question))
        flags = 0
        for wanted, bit in (
            (context.recursionDesired, codes.RD),
            (context.authenticData, codes.AD),
            (context.checkingDisabled, codes.CD),
        ):
            flags |= bit if wanted else 0
        query = Query(question, flags, context.dnssecOk, context.stream)
        matching = [e for e in self._scenario.active(self.step) if queryMatches(e, query)]
        result: Deferred[Answer] = Deferred()
        if not matching:
            return fail(Unreachable(f"the scenario has no reply to {question!r} in step {self.step}"))
        message = replyOf(matching[-1 if self.last else 0], question)
        try:
            result.callback(answerFromMessage(question, message, Origin("udp", "192.0.2.53:53")))
        except DNSFault as fault:
            result.errback(fault)
        return result

    def close(self) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


class Player:
    """
    Play the steps of a scenario against a source that is built over its upstream.

    @ivar upstream: counts the queries that pass through.
    """

    def __init__(
        self,
        scenario: Scenario,
        build: Callable[[IAnswerSource, Clock], IAnswerSource],
        *,
        last: bool = False,
        now: float = 1.7e9,
    ) -> None:
        """
        @param build: makes the source to be tested.

        @raise Unsupported: the scenario uses a feature that the player does not support.
        """
        checkWords(scenario)
        self.clock = Clock()
        self.clock.rightNow = now
        self.scenario = scenario
        self.upstream = Upstream(scenario, last=last)
        self.source = build(self.upstream, self.clock)
        self._given: Answer | DNSFault | None = None
        self._asked: tuple[Question, QueryContext] | None = None

    def play(self) -> None:
        """
        Play all steps.

        @raise Mismatch: a result differs; with the step, the expected and the actual result.
        @raise Unsupported: the scenario uses a feature that the player does not support.
        """
        for step in self.scenario.steps:
            self.upstream.step = step.number
            run = getattr(self, f"step_{step.kind}", None)
            if run is None:
                raise Unsupported(f"{step}")
            run(step)

    def step_TIME_PASSES(self, step: Step) -> None:
        if step.words[:1] != ["ELAPSE"]:
            raise Unsupported(f"{step}: {step.words}")
        self.clock.advance(float(step.words[1]))

    def step_QUERY(self, step: Step) -> None:
        entry = step.entry
        question = entry.question if entry is not None else None
        if entry is None or question is None:
            raise Unsupported(f"{step} without a question")
        if entry.opcode != codes.Opcode.QUERY:
            raise Unsupported(f"{step}: opcode {entry.opcode.name}; a source of answers takes queries only")
        context = QueryContext(
            self.clock.seconds() + 60,
            recursionDesired="RD" in entry.reply,
            dnssecOk=entry.dnssecOk,
            checkingDisabled="CD" in entry.reply,
            authenticData="AD" in entry.reply,
        )
        self._asked = question, context
        self._given = self._ask(question, context)

    def _ask(self, question: Question, context: QueryContext) -> Answer | DNSFault:
        """
        Ask in both ways, which must agree.
        """
        now: Answer | DNSFault | None
        try:
            now = atHand(self.source, question, context)
        except DNSFault as fault:
            now = fault
        outcomes: list[Answer | Failure] = []
        lookUp(self.source, question, context).addBoth(outcomes.append)
        if not outcomes:
            raise Mismatch(f"{question!r}: no answer in step {self.upstream.step}")
        outcome = outcomes[0]
        later: Answer | DNSFault
        if isinstance(outcome, Answer):
            later = outcome
        elif isinstance(outcome.value, DNSFault):
            later = outcome.value
        else:
            outcome.raiseException()
        if now is not None:
            if type(now) is not type(later) or (isinstance(later, Answer) and isinstance(now, Answer) and differences(now, later)):
                raise Mismatch(f"{question!r}: at hand {now!r}, looked up {later!r}")
        return later

    def step_CHECK_ANSWER(self, step: Step) -> None:
        entry, given = step.entry, self._given
        if entry is None or given is None or self._asked is None:
            raise Unsupported(f"{step} without a query or an entry")
        question, _ = self._asked
        if isinstance(given, Answer):
            reply = Message(0, given.flags & ~15 | given.rcode & 15, (question,), given.answer, given.authority, given.additional)
            problems = mismatches(entry, reply)
        else:
            problems = mismatches(entry, Message(0, codes.QR | given.rcode & 15, (question,)), 0)
        if problems:
            raise Mismatch(f"{step}: " + "; ".join(problems))


def differences(one: Answer, other: Answer) -> list[str]:
    """
    Return the names of the fields that differ between two answers.
    """
    different = [label for label in ("outcome", "rcode", "flags", "ede") if getattr(one, label) != getattr(other, label)]
    return different + [
        label for label in ("answer", "authority", "additional") if set(getattr(one, label)) != set(getattr(other, label))
    ]
