"""
Short constructors for questions, query contexts, records and answers.
"""

from __future__ import annotations

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber

__all__ = ["answered", "denied", "question", "records", "wishes"]


def question(text: str, rrType: str = "A") -> Question:
    """
    Return the question for a name and a type.
    """
    number = typeNumber(rrType)
    assert number is not None
    return Question(nameFromText(text), number)


def wishes(
    deadline: float = 1e9, *, dnssecOk: bool = False, checkingDisabled: bool = False, recursionDesired: bool = True
) -> QueryContext:
    """
    Return the context of a query with plenty of time.
    """
    return QueryContext(
        deadline, dnssecOk=dnssecOk, checkingDisabled=checkingDisabled, recursionDesired=recursionDesired
    )


def records(*lines: str) -> tuple[RRSet, ...]:
    """
    Return one record set for each line. C{|} separates several rdata of one set.
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
    Return an answer with these records.
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
    Return a denial.

    @param soa: The authority section.
    """
    return Answer(
        outcome,
        records(*answer),
        records(*soa),
        rcode=3 if outcome is Outcome.NXDOMAIN else 0,
        flags=0x8180,
        origin=Origin("udp", "192.0.2.1:53"),
    )
