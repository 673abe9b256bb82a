"""
Answer sources for tests of what stands before them.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Closed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.wire.text import recordFromText

__all__ = ["Canned", "Held", "answered", "denied", "question", "records", "wishes"]


def question(text: str, rrType: str = "A") -> Question:
    """
    @return: the question for a name and a type.
    """
    number = typeNumber(rrType)
    assert number is not None
    return Question(nameFromText(text), number)


def wishes(
    deadline: float = 1e9, *, dnssecOk: bool = False, checkingDisabled: bool = False, recursionDesired: bool = True
) -> QueryContext:
    """
    @return: what a caller with no hurry wishes.
    """
    return QueryContext(
        deadline, dnssecOk=dnssecOk, checkingDisabled=checkingDisabled, recursionDesired=recursionDesired
    )


def records(*lines: str) -> tuple[RRSet, ...]:
    """
    @return: one set per line; rdata that belong to one set are parted by C{|}.
    """
    sets: list[RRSet] = []
    for line in lines:
        head, *more = line.split("|")
        first = recordFromText(head)
        start = head.split()[:-1]
        rest = [recordFromText(" ".join([*start, each])).rdatas[0] for each in more]
        sets.append(RRSet(first.name, first.rrType, first.rrClass, first.ttl, (*first.rdatas, *rest)))
    return tuple(sets)


def answered(*lines: str, flags: int = 0x8180, authority: tuple[str, ...] = ()) -> Answer:
    """
    @return: an answer with these records.
    """
    return Answer(
        Outcome.DATA,
        records(*lines),
        records(*authority),
        flags=flags,
        origin=Origin("udp", "192.0.2.1:53"),
    )


def denied(outcome: Outcome, *soa: str, answer: tuple[str, ...] = ()) -> Answer:
    """
    @param soa: the authority section.

    @return: a denial.
    """
    return Answer(
        outcome,
        records(*answer),
        records(*soa),
        rcode=3 if outcome is Outcome.NXDOMAIN else 0,
        flags=0x8180,
        origin=Origin("udp", "192.0.2.1:53"),
    )


@implementer(IAnswerSource)
class Canned:
    """
    Says at once what it was told to say.

    @ivar replies: by question; an exception is raised, a function called.
    @ivar asked: the questions that came, in their order.
    """

    def __init__(self, replies: dict[Question, Answer | Exception | Callable[[], Answer]] | None = None) -> None:
        self.replies: dict[Question, Answer | Exception | Callable[[], Answer]] = {} if replies is None else replies
        self.asked: list[Question] = []
        self.contexts: list[QueryContext] = []

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return None

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        self.asked.append(question)
        self.contexts.append(context)
        reply = self.replies[question]
        if isinstance(reply, Exception):
            return fail(reply)
        return succeed(reply if isinstance(reply, Answer) else reply())

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


@implementer(IAnswerSource)
class Held:
    """
    Keeps everybody waiting until told otherwise.

    @ivar flights: what it owes, in the order of asking.
    @ivar cancelled: how many were cancelled.
    """

    def __init__(self) -> None:
        self.flights: list[Deferred[Answer]] = []
        self.asked: list[Question] = []
        self.contexts: list[QueryContext] = []
        self.cancelled = 0
        self.closed = 0

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return None

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        def cancelled(_: object) -> None:
            self.cancelled += 1

        flight: Deferred[Answer] = Deferred(cancelled)
        self.flights.append(flight)
        self.asked.append(question)
        self.contexts.append(context)
        return flight

    def release(self, answer: Answer) -> None:
        """
        Let everybody have this answer.
        """
        flights, self.flights = self.flights, []
        for flight in flights:
            if not flight.called:
                flight.callback(answer)

    def refuse(self, fault: Exception) -> None:
        """
        Let everybody have this failure.
        """
        flights, self.flights = self.flights, []
        for flight in flights:
            if not flight.called:
                flight.errback(fault)

    def close(self) -> Deferred[None]:
        self.closed += 1
        self.refuse(Closed("closed"))
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()
