"""
Answer sources with canned answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Closed, DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

__all__ = ["CannedSource", "Entry", "HeldSource", "answerOf", "atHand", "questionOf", "rrsetOf"]

#: An answer: an L{Answer}, a fault to raise, the text of one or several rdatas, or a function that returns one of these.
Entry = Answer | DNSFault | str | Sequence[str] | Callable[[Question], "Answer | DNSFault | str | Sequence[str]"]

_TTL = 300


def questionOf(name: str, rrType: str = "A") -> Question:
    """
    Return the question for it.

    @param name: such as C{"www.example.org"}.
    @param rrType: a mnemonic.
    """
    number = typeNumber(rrType)
    if number is None:
        raise ValueError(f"{rrType!r} is not a record type")
    return Question(nameFromText(name), number)


def rrsetOf(name: bytes, rrType: int, rdatas: str | Sequence[str], ttl: int = _TTL) -> RRSet:
    """
    Return an RRset of them.

    @param rdatas: the text of one or several rdatas.
    """
    from twisted_ext.wire.rdata.registry import rdataFromText

    texts = [rdatas] if isinstance(rdatas, str) else rdatas
    return RRSet(name, rrType, 1, ttl, tuple([rdataFromText(rrType, text) for text in texts]))


def answerOf(question: Question, rdatas: str | Sequence[str] = (), ttl: int = _TTL) -> Answer:
    """
    Return an answer with records of this data, or NODATA without any.
    """
    origin = Origin("canned")
    if not rdatas:
        return Answer(Outcome.NODATA, origin=origin)
    return Answer(Outcome.DATA, (rrsetOf(question.name, question.rrType, rdatas, ttl),), origin=origin)


def atHand(source: IAnswerSource, question: Question, context: QueryContext) -> Answer | None:
    """
    Return the answer that a source gives without waiting, or L{None}.
    """
    found = source.ask(question, context)
    return found if isinstance(found, Answer) else None


class _RecordingSource:
    """
    @ivar questions: the questions of look-ups that were started, in order.
    @ivar contexts: their contexts.
    @ivar closed: whether it was closed.
    """

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.contexts: list[QueryContext] = []
        self.closed = False

    @property
    def asked(self) -> int:
        """
        The number of look-ups that were started.
        """
        return len(self.questions)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


@implementer(IAnswerSource)
class CannedSource(_RecordingSource):
    """
    Returns canned answers at once, and counts the questions.

    @param answers: the answers by name and type: C{{("www.example.org", "A"): "192.0.2.80"}}.
    @param otherwise: the answer to all other questions; L{None} for C{Unknown}.
    @param now: whether the answers are available without waiting.
    """

    def __init__(
        self, answers: Mapping[tuple[str, str], Entry] | None = None, otherwise: Entry | None = None, *, now: bool = False
    ) -> None:
        super().__init__()
        self._answers = {questionOf(name, rrType).key: entry for (name, rrType), entry in (answers or {}).items()}
        self._otherwise = otherwise
        self._now = now

    def set(self, name: str, rrType: str, entry: Entry) -> None:
        """
        Set the answer to a question.
        """
        self._answers[questionOf(name, rrType).key] = entry

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return self._find(question) if self._now and question.key in self._answers else partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        self.questions.append(question)
        self.contexts.append(context)
        if self.closed:
            return fail(Closed("the canned source is closed"))
        try:
            return succeed(self._find(question))
        except DNSFault as fault:
            return fail(fault)

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)

    def _find(self, question: Question) -> Answer:
        entry = self._answers.get(question.key, self._otherwise)
        if callable(entry):
            entry = entry(question)
        if entry is None:
            raise Unknown(f"nothing is canned for {question!r}")
        if isinstance(entry, DNSFault):
            raise entry
        return entry if isinstance(entry, Answer) else answerOf(question, entry)


@implementer(IAnswerSource)
class HeldSource(_RecordingSource):
    """
    Holds all questions until the test releases answers.

    @ivar cancelled: questions whose callers cancelled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[Question] = []
        self._held: list[tuple[Question, Deferred[Answer]]] = []

    @property
    def held(self) -> list[Question]:
        """
        The questions waiting for an answer.
        """
        return [question for question, _ in self._held]

    def ask(self, question: Question, context: QueryContext) -> Start:
        return partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        self.questions.append(question)
        self.contexts.append(context)

        def cancel(deferred: Deferred[Answer]) -> None:
            self._held = [(each, other) for each, other in self._held if other is not deferred]
            self.cancelled.append(question)

        waiting: Deferred[Answer] = Deferred(cancel)
        self._held.append((question, waiting))
        return waiting

    def release(self, result: Answer | DNSFault, question: Question | None = None) -> int:
        """
        Answer all waiting questions, or all that equal C{question}.

        @return: how many were answered.
        """
        ready = [(each, waiting) for each, waiting in self._held if question is None or each == question]
        self._held = [pair for pair in self._held if pair not in ready]
        told = 0
        for _, waiting in ready:
            if waiting.called:
                # A callback of an earlier Deferred has cancelled this one.
                continue
            told += 1
            if isinstance(result, DNSFault):
                waiting.errback(result)
            else:
                waiting.callback(result)
        return told

    def close(self) -> Deferred[None]:
        self.closed = True
        self.release(Closed("the held source was closed"))
        return succeed(None)
