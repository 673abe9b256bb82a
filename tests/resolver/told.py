"""
A source that knows what a test told it.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from tests.cache.canned import question
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Closed, DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeName

__all__ = ["Mistaken", "Said", "Told", "addresses", "asked", "said"]

#: An address in an answer, a denial, or a failure.
Said = str | Outcome | DNSFault


def asked(question: Question) -> str:
    """
    @return: a question as tests write it: C{"www.example A"}.
    """
    return f"{nameToText(question.name, final=False)} {typeName(question.rrType)}"


def said(about: Question, what: str | Outcome) -> Answer:
    """
    @return: an answer with this address, or this denial.
    """
    if isinstance(what, Outcome):
        return Answer(what, rcode=3 if what is Outcome.NXDOMAIN else 0, origin=Origin("told"))
    packed = socket.inet_pton(socket.AF_INET6 if ":" in what else socket.AF_INET, what)
    return Answer(
        Outcome.DATA, (RRSet(about.name, about.rrType, about.rrClass, 300, (packed,)),), origin=Origin("told")
    )


def addresses(answer: Answer) -> list[str]:
    """
    @return: the addresses in it, as text.
    """
    return [
        socket.inet_ntop(socket.AF_INET if len(rdata) == 4 else socket.AF_INET6, rdata)
        for rrset in answer.answer
        for rdata in rrset.rdatas
    ]


@implementer(IAnswerSource)
class Told:
    """
    Says what it was told, and that there is no such name of everything else.

    @ivar asked: what it was asked, each as C{"www.example A"}; what it had at hand is not in there.
    @ivar contexts: with which wishes.
    @ivar ready: have everything at hand.
    @ivar closed: how many times it was closed.
    """

    def __init__(
        self, known: Mapping[str, Said] | None = None, *, otherwise: Said = Outcome.NXDOMAIN, ready: bool = False
    ) -> None:
        self.known = {asked(question(*line.split())): what for line, what in (known or {}).items()}
        self.otherwise = otherwise
        self.ready = ready
        self.asked: list[str] = []
        self.contexts: list[QueryContext] = []
        self.closed = 0

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return self._say(question) if self.ready else None

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self.closed:
            return fail(Closed("closed"))
        self.asked.append(asked(question))
        self.contexts.append(context)
        try:
            return succeed(self._say(question))
        except DNSFault as fault:
            return fail(fault)

    def _say(self, question: Question) -> Answer:
        what = self.known.get(asked(Question(question.key[:-4], question.rrType)), self.otherwise)
        if isinstance(what, DNSFault):
            raise what
        return said(question, what)

    def close(self) -> Deferred[None]:
        self.closed += 1
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


class Mistaken(Told):
    """
    Has a mistake in it.
    """

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        return fail(ZeroDivisionError())
