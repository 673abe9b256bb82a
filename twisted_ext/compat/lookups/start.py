"""
Start the look-ups of a L{NamesResolver<twisted_ext.compat.names.NamesResolver>} and convert their answers. Every look-up of a client passes
through this module, so it is optimized for speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.compat.conversion.errors import argumentError, errorFromAnswer, errorFromFault
from twisted_ext.compat.conversion.names import expectName
from twisted_ext.compat.conversion.results import Result, resultFromAnswer
from twisted_ext.compat.conversion.timeouts import Timeout, secondsAndWaits
from twisted_ext.errors import Closed, DNSFault, WrongType
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import Query, QueryStart, begun, unknown
from twisted_ext.wire.names import ROOT, isAbsolute, nameFromText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import Start

__all__ = ["NameLookups", "PendingResult", "ebAnswer", "nameFrom", "notText"]

#: Parsed names that a resolver caches, so that repeated look-ups of the same name need no parsing.
_QUESTIONS_REMEMBERED: Final = 1024

_NXDOMAIN: Final = Outcome.NXDOMAIN

#: Look-ups that begin within this many seconds may share a deadline.
_SAME_MOMENT: Final = 0.001


class NameLookups:
    """
    Looks up names with one source.

    @ivar ask: the source's method.
    @ivar questions: parsed names, with a context to ask with.
    @ivar absolute: the context to ask with for names without a search list. Before a look-up starts, its deadline does not matter.
    @ivar mostQuestions: the number of names to keep parsed.
    """

    __slots__ = ("source", "ask", "absolute", "questions", "mostQuestions", "_clock", "_relative", "_recent", "_now", "_seconds", "_waits")

    def __init__(self, source: IAnswerSource, clock: IReactorTime, timeout: Timeout) -> None:
        """
        @raise CallerFault: C{timeout} is not valid.
        """
        self._clock = clock
        self._now: Callable[[], float] = clock.seconds
        self.setTimeout(timeout)
        self.use(source)
        self.absolute = QueryContext(inf)
        self._relative = QueryContext(inf, relative=True)
        # The context of the previous look-up; contexts are not changed once they have been passed on.
        self._recent = self.absolute
        self.questions: dict[tuple[object, int], tuple[Question, QueryContext]] = {}
        self.mostQuestions = _QUESTIONS_REMEMBERED

    def use(self, source: IAnswerSource) -> None:
        self.source = source
        # Bound once: every look-up calls it.
        self.ask = source.ask

    def setTimeout(self, timeout: Timeout) -> None:
        """
        Set the timeout of look-ups without one of their own.

        @raise CallerFault: it is not valid.
        """
        self._seconds, self._waits = secondsAndWaits(timeout)

    def close(self) -> None:
        self.ask = _refuse

    def learn(self, name: object, rrType: int) -> tuple[Question, QueryContext]:
        """
        Parse a name, and cache the result.

        @raise BadName: C{name} is not a valid domain name.
        @raise WrongType: C{name} is not text.
        """
        if isinstance(name, bytes):
            text = name
        elif not isinstance(name, str):
            raise notText(name)
        elif name.isascii():
            text = name.encode()
        else:
            return self._remember(name, rrType, nameFromText(name), isAbsolute(name))
        wire = nameFromText(text) if text else ROOT
        absolute = expectName(wire, text)
        return self._remember(name, rrType, wire, isAbsolute(text) if absolute is None else absolute)

    def _remember(self, name: object, rrType: int, wire: bytes, absolute: bool) -> tuple[Question, QueryContext]:
        known = Question(wire, rrType), self.absolute if absolute else self._relative
        questions = self.questions
        if len(questions) >= self.mostQuestions:
            questions.clear()
        questions[name, rrType] = known
        return known

    def contextFor(self, timeout: Timeout, relative: bool, stream: bool) -> QueryContext:
        """
        @raise CallerFault: C{timeout} is not valid.
        """
        seconds, waits = self._seconds, self._waits
        if timeout is not None:
            given, itsWaits = secondsAndWaits(timeout)
            if itsWaits or not isinstance(timeout, Sequence):
                seconds, waits = given, itsWaits
        return QueryContext(self._now() + seconds, relative=relative, waits=waits, stream=stream)

    def look(self, name: object, rrType: int, timeout: Timeout) -> Deferred[Result]:
        """
        Look up the records of a type.

        @param name: text; the result fails if it is something else.
        """
        try:
            known = self.questions.get((name, rrType))
            if known is None:
                known = self.learn(name, rrType)
            question, context = known
            if timeout is not None:
                # An invalid timeout fails even if the answer is cached.
                secondsAndWaits(timeout)
            found = self.ask(question, context)
        except DNSFault as fault:
            return fail(argumentError(fault))
        except TypeError:
            if isinstance(name, str | bytes):
                raise
            return fail(notText(name))
        if not isinstance(found, Answer):
            return self._wait(question, timeout, context.relative, found)
        if found.rcode or found.outcome is _NXDOMAIN:
            return fail(errorFromAnswer(question, found))
        return succeed(resultFromAnswer(found))

    def lookAbsolute(self, question: Question, timeout: Timeout) -> Deferred[Result]:
        """
        @raise DNSFault: the look-up cannot begin.
        """
        if timeout is not None:
            secondsAndWaits(timeout)
        found = self.ask(question, self.absolute)
        if not isinstance(found, Answer):
            return self._wait(question, timeout, False, found)
        if found.rcode or found.outcome is _NXDOMAIN:
            return fail(errorFromAnswer(question, found))
        return succeed(resultFromAnswer(found))

    def _wait(self, question: Question, timeout: Timeout, relative: bool, start: Start | None) -> Deferred[Result]:
        if start is None:
            return fail(errorFromFault(unknown(self.source, question), question))
        now = self._now()
        if timeout is None:
            deadline = now + self._seconds
            context = self._recent
            if not 0 <= deadline - context.deadline < _SAME_MOMENT or context.relative is not relative:
                context = self._recent = QueryContext(deadline, relative=relative, waits=self._waits)
        else:
            try:
                context = self.contextFor(timeout, relative, False)
            except DNSFault as fault:
                return fail(argumentError(fault))
        if not isinstance(start, QueryStart):
            asked = (question,)
            return begun(start, context, self._clock).addCallbacks(_cbAnswer, ebAnswer, asked, {}, asked)
        pending = PendingResult(question)
        deferred: Deferred[Result] = Deferred(pending.cancel)
        pending.deferred = deferred
        try:
            query = pending.query = start.prepare(pending, context)
        except DNSFault as fault:
            return fail(errorFromFault(fault, question))
        query.begin(now)
        return deferred


class PendingResult:
    """
    The waiter of one look-up. It converts the answer before its Deferred fires, which costs less than a callback that does so.

    @ivar query: the look-up.
    """

    __slots__ = ("question", "deferred", "query")

    deferred: Deferred[Result]
    query: Query

    def __init__(self, question: Question) -> None:
        self.question = question

    def callback(self, answer: Answer, /) -> None:
        if answer.rcode or answer.outcome is _NXDOMAIN:
            self.deferred.errback(errorFromAnswer(self.question, answer))
            return
        try:
            result = resultFromAnswer(answer)
        except Exception:
            self.deferred.errback()
            return
        self.deferred.callback(result)

    def errback(self, fault: Exception, /) -> None:
        self.deferred.errback(errorFromFault(fault, self.question) if isinstance(fault, DNSFault) else fault)

    def cancel(self, deferred: Deferred[Result]) -> None:
        self.query.cancel()


def _cbAnswer(answer: Answer, question: Question) -> Result:
    if answer.rcode or answer.outcome is _NXDOMAIN:
        raise errorFromAnswer(question, answer)
    return resultFromAnswer(answer)


def ebAnswer(failure: Failure, question: Question) -> Failure:
    fault = failure.value
    if isinstance(fault, DNSFault):
        raise errorFromFault(fault, question)
    return failure


def _refuse(question: Question, context: QueryContext) -> None:
    raise Closed("the resolver was closed")


def notText(name: object) -> WrongType:
    return WrongType(f"{name!r:.80} is not a name; write it as text")


def nameFrom(name: object) -> bytes:
    """
    Parse a name that a program has given. Compiled functions of which the signature has the types would refuse others in words of the
    compiler.

    @raise BadName: it is not a valid domain name.
    @raise WrongType: it is not text.
    """
    if not isinstance(name, str | bytes):
        raise notText(name)
    return nameFromText(name)
