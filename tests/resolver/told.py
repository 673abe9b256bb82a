"""
A source with given answers.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

__all__ = ["Mistaken", "Said", "Told", "addresses", "asked", "said"]

#: An address in an answer, a denial, or a failure.
Said = str | Outcome | DNSFault


def asked(question: Question) -> str:
    """
    Return a question as tests write it, such as C{"www.example A"}.
    """
    return f"{nameToText(question.name, final=False)} {typeName(question.rrType)}"


def said(about: Question, what: str | Outcome) -> Answer:
    """
    Return an answer with this address, or this denial.
    """
    if isinstance(what, Outcome):
        return Answer(what, rcode=3 if what is Outcome.NXDOMAIN else 0, origin=Origin("told"))
    packed = socket.inet_pton(socket.AF_INET6 if ":" in what else socket.AF_INET, what)
    return Answer(
        Outcome.DATA, (RRSet(about.name, about.rrType, about.rrClass, 300, (packed,)),), origin=Origin("told")
    )


def addresses(answer: Answer) -> list[str]:
    """
    Return the addresses of an answer as text.
    """
    return [
        socket.inet_ntop(socket.AF_INET if len(rdata) == 4 else socket.AF_INET6, rdata)
        for rrset in answer.answer
        for rdata in rrset.rdatas
    ]


@implementer(IAnswerSource)
class Told:
    """
    A source with given answers and NXDOMAIN for everything else.

    @ivar asked: The questions, each as C{"www.example A"}, without those answered at hand.
    @ivar contexts: The contexts of the questions.
    @ivar ready: Whether the answers are at hand.
    @ivar closed: The number of calls of C{close}.
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

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return self._say(question) if self.ready else partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
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
    A source whose code raises an unexpected exception.
    """

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        return fail(ZeroDivisionError())
