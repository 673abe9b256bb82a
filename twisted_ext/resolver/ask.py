"""
Ask a source of answers, and wait for what it does not have at once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Final, Protocol, TypeVar

from mypy_extensions import mypyc_attr
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BadMessage, DNSFault, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.wire.message import Question

__all__ = [
    "AnsweredQuery", "Ask", "DeferredQuery", "FurtheredStart", "Query", "QueryStart", "Waiter", "WaitingStart", "askedOn", "begun",
    "behind", "furthered", "lookUp", "nothingOn", "nowOf", "queryOf", "shown", "then", "unknown",
]

_Source = TypeVar("_Source")

#: Octets of rdata that are shown in an error: enough to recognize them in a line.
_SHOWN: Final = 32

#: A function that looks up a question, such as L{NamesResolver.lookUp<twisted_ext.compat.names.NamesResolver.lookUp>}.
Ask = Callable[[Question, QueryContext], "Deferred[Answer]"]


class Waiter(Protocol):
    """
    Waits for one answer: a Deferred, or an object that costs less.
    """

    def callback(self, result: Answer, /) -> object: ...

    def errback(self, fault: Exception, /) -> object: ...


class Query(Protocol):
    """
    A look-up with one waiter.
    """

    def begin(self, now: float) -> None:
        """
        Begin it. The waiter may be called before this returns.
        """

    def cancel(self) -> None:
        """
        Give it up. The waiter may be told so.
        """


@mypyc_attr(allow_interpreted_subclasses=True)
class QueryStart:
    """
    A L{Start} that does without a Deferred for callers that can, see L{queryOf}. Like any L{Start} it is called at most once, so that it
    may be the query itself.
    """

    __slots__ = ()

    def __call__(self, context: QueryContext) -> Deferred[Answer]:
        deferred: Deferred[Answer] = Deferred(lambda _: query.cancel())
        try:
            query = self.prepare(deferred, context)
        except DNSFault as fault:
            return fail(fault)
        query.begin(self.now())
        return deferred

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        """
        Prepare the look-up, which the caller begins at once.

        @raise DNSFault: it cannot begin.
        """
        raise NotImplementedError

    def now(self) -> float:
        """
        Return the time on the clock of its source.
        """
        raise NotImplementedError


def nowOf(start: Start) -> float:
    """
    Return the time on the clock of the source that C{start} belongs to; 0 if that needs no time.
    """
    return start.now() if isinstance(start, QueryStart) else 0.0


class DeferredQuery:
    """
    The look-up of a source that returns a Deferred.
    """

    __slots__ = ("_start", "_waiter", "_context", "_deferred", "_timer")

    def __init__(self, start: Start, waiter: Waiter, context: QueryContext) -> None:
        self._start = start
        self._waiter = waiter
        self._context = context
        self._deferred: Deferred[Answer] | None = None
        self._timer: IDelayedCall | None = None

    def endInTime(self, clock: IReactorTime) -> None:
        """
        Have the look-up fail at its deadline if it is under way, and its source, of an application, may not see to that.
        """
        if self._deferred is not None and _isForeign(self._start):
            self._timer = clock.callLater(max(self._context.deadline - clock.seconds(), 0.0), self._late)

    def _late(self) -> None:
        self._timer = None
        deferred, self._deferred = self._deferred, None
        if deferred is not None:
            # It may do nothing, or call back: this look-up is over, and what comes of that is dropped.
            deferred.cancel()
            self._waiter.errback(TimedOut(_lateText(self._start)))

    def begin(self, now: float) -> None:
        deferred = self._deferred = begun(self._start, self._context)
        # It refers to this object. Without that cycle, both are freed at once.
        deferred.addBoth(self._came)

    def _came(self, outcome: Answer | Failure) -> None:
        if self._deferred is None:
            return
        self._deferred = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if isinstance(outcome, Answer):
            self._waiter.callback(outcome)
        else:
            fault = outcome.value
            assert isinstance(fault, Exception)
            self._waiter.errback(fault)

    def cancel(self) -> None:
        if self._deferred is not None:
            self._deferred.cancel()


class AnsweredQuery:
    """
    A look-up whose answer was there at once.
    """

    __slots__ = ("_answer", "_waiter")

    def __init__(self, answer: Answer, waiter: Waiter) -> None:
        self._answer = answer
        self._waiter = waiter

    def begin(self, now: float) -> None:
        self._waiter.callback(self._answer)

    def cancel(self) -> None:
        pass


def begun(start: Start, context: QueryContext, clock: IReactorTime | None = None) -> Deferred[Answer]:
    """
    Start a look-up, and check what comes of it, which may be from a source of an application.

    @param clock: has such a source end at the deadline; L{None} if the caller sees to that.

    @return: fails with L{TypeError}, which names the source, if that is no answer.
    """
    if isinstance(start, QueryStart):
        return start(context)
    deferred = _checked(start, context)
    if clock is not None and not deferred.called and _isForeign(start):
        deferred.addTimeout(max(context.deadline - clock.seconds(), 0.0), clock, partial(_late, start))
    return deferred


def _late(start: object, outcome: object, seconds: float) -> Answer:
    # Whatever the source makes of being cancelled.
    raise TimedOut(_lateText(start))


def _lateText(start: object) -> str:
    return f"{_nameOf(start)}: its Deferred had not fired at the deadline of the look-up"


def _checked(start: object, context: QueryContext) -> Deferred[Answer]:
    if callable(start):
        found = start(context)
        if isinstance(found, Deferred):
            found.addCallback(_expectAnswer, start)
            return found
        said = f"calling what ask() returned gave {_kindOf(found)}; right is a Deferred"
    else:
        found = start
        said = f"ask() returned {_kindOf(found)}; right is an Answer, None, or a function that takes a context and returns a Deferred"
    if isinstance(found, Coroutine):
        # Python would remark on it later, and elsewhere.
        found.close()
    return fail(TypeError(f"{_nameOf(start)}: {said}"))


def _expectAnswer(outcome: object, start: object) -> Answer:
    if isinstance(outcome, Answer):
        if _isForeign(start):
            _expectRecords(outcome, start)
        return outcome
    raise TypeError(f"{_nameOf(start)}: the Deferred of a look-up fired with {_kindOf(outcome)}; right is a twisted_ext.answers.Answer")


def _expectRecords(answer: Answer, start: object) -> None:
    """
    Check the payload of each record, which would make the whole reply malformed.
    """
    from twisted_ext.wire.names import nameToText
    from twisted_ext.wire.rdata.registry import rdataFromWire
    from twisted_ext.wire.rrtypes import typeName

    for rrset in (*answer.answer, *answer.authority, *answer.additional):
        for rdata in rrset.rdatas:
            try:
                rdataFromWire(rrset.rrType, rdata)
            except BadMessage as fault:
                record = f"{nameToText(rrset.name)} {typeName(rrset.rrType)} with the rdata {rdata[:_SHOWN].hex() or 'of no octets'}"
                right = "the octets that twisted_ext.wire.rdata.registry.rdataFromText returns"
                raise TypeError(f"{_nameOf(start)}: the answer has {record}: {fault}; right are {right}") from None


def _isForeign(start: object) -> bool:
    """
    Return whether the source that a function belongs to may be one of an application: those of this package keep to the rules.
    """
    while isinstance(start, partial):
        start = start.func
    # A compiled method has no module, but its object.
    module = getattr(start, "__module__", None) or type(getattr(start, "__self__", start)).__module__
    return not str(module).startswith("twisted_ext.")


def _nameOf(start: object) -> str:
    """
    Return the name of the function, or of the class of the object, that a source has returned.
    """
    kind = start if hasattr(start, "__qualname__") else type(start)
    return f"{getattr(kind, '__module__', None) or type(start).__module__}.{getattr(kind, '__qualname__', '?')}"


def _kindOf(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"


def queryOf(start: Start, waiter: Waiter, context: QueryContext) -> Query:
    """
    Prepare the look-up that C{start} starts, with a Deferred only if its source needs one.

    @raise DNSFault: it cannot begin.
    """
    return start.prepare(waiter, context) if isinstance(start, QueryStart) else DeferredQuery(start, waiter, context)


def lookUp(source: IAnswerSource, question: Question, context: QueryContext) -> Deferred[Answer]:
    """
    Ask a source, and start the look-up if the answer takes time.

    @return: fails with L{Unknown} if the source has no information on the question.
    """
    try:
        found = source.ask(question, context)
    except DNSFault as fault:
        return fail(fault)
    if isinstance(found, Answer):
        return succeed(found)
    return fail(unknown(source, question)) if found is None else begun(found, context)


def then(found: Answer | Start | None, change: Callable[..., Answer], *arguments: object) -> Answer | Start | None:
    """
    Change what a source has found: C{change(answer, *arguments)}, now or when the answer arrives.
    """
    if isinstance(found, Answer):
        return change(found, *arguments)
    return None if found is None else _Changed(found, change, arguments)


def furthered(
    found: Answer | Start | None, change: Callable[..., Answer | Start], *arguments: object
) -> Answer | Start | None:
    """
    Go on from what a source has found: C{change(answer, *arguments)}, now or when the answer arrives, is an answer, or starts a further
    look-up, which gets the same context.
    """
    if isinstance(found, Answer):
        return change(found, *arguments)
    return None if found is None else FurtheredStart(found, change, arguments)


class WaitingStart(QueryStart):
    """
    Base of the look-ups of one source that wait for another's: their waiters get its outcome.

    @ivar _start: starts the other source's.
    """

    __deletable__ = ["_waiter", "_query"]
    __slots__ = ("_start", "_waiter", "_query")

    _start: Start
    _waiter: Waiter
    _query: Query

    def now(self) -> float:
        return nowOf(self._start)

    def begin(self, now: float) -> None:
        self._query.begin(now)

    def cancel(self) -> None:
        self._query.cancel()

    def callback(self, answer: Answer, /) -> None:
        waiter = self._ended()
        waiter.callback(answer)

    def errback(self, fault: Exception, /) -> None:
        waiter = self._ended()
        waiter.errback(fault)

    def _ended(self) -> Waiter:
        """
        Return the waiter. Delete it and the query, which refer to this object: without these cycles, all of them are freed at once.
        """
        raise NotImplementedError


class _Changed(WaitingStart):
    """
    A look-up whose answer is changed.
    """

    __slots__ = ("_change", "_arguments")

    def __init__(self, start: Start, change: Callable[..., Answer], arguments: tuple[object, ...]) -> None:
        self._start = start
        self._change = change
        self._arguments = arguments

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        self._query = queryOf(self._start, self, context)
        self._waiter = waiter
        return self

    def callback(self, answer: Answer, /) -> None:
        waiter = self._ended()
        try:
            changed = self._change(answer, *self._arguments)
        except Exception as error:
            waiter.errback(error)
        else:
            waiter.callback(changed)

    def _ended(self) -> Waiter:
        waiter = self._waiter
        del self._waiter, self._query
        return waiter


class FurtheredStart(WaitingStart):
    """
    A look-up behind whose answer there may be another one. No Deferred is involved if neither source needs one.
    """

    __slots__ = ("_change", "_arguments", "_context")

    def __init__(self, start: Start, change: Callable[..., Answer | Start], arguments: tuple[object, ...]) -> None:
        """
        For the parameters see L{furthered}.
        """
        self._start = start
        self._change = change
        self._arguments = arguments

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        self._context = context
        self._query = queryOf(self._start, self, context)
        self._waiter = waiter
        return self

    def callback(self, answer: Answer, /) -> None:
        try:
            changed = self._change(answer, *self._arguments)
            if not isinstance(changed, Answer):
                self.goOn(changed)
                return
        except Exception as error:
            self._ended().errback(error)
            return
        self._ended().callback(changed)

    def goOn(self, start: Start) -> None:
        """
        Begin the further look-up. From here on, only a cancellation comes this way.
        """
        self._query = query = queryOf(start, self._waiter, self._context)
        query.begin(nowOf(start))

    def _ended(self) -> Waiter:
        waiter = self._waiter
        del self._waiter, self._query
        return waiter


async def askedOn(
    ask: Ask, question: Question, answer: Answer, context: QueryContext, effort: int, searched: bool = True
) -> list[tuple[Question, Answer]]:
    """
    Follow the aliases of an answer with further look-ups, until an answer contains the end of the chain.

    @param effort: the maximum number of further look-ups.
    @param searched: see L{found}.

    @return: the question and the answer, followed by the further ones. If the last answer's aliases still lead out of it, the chain is a
        loop or too long.

    @raise twisted_ext.errors.DNSFault: as C{ask} fails.
    """
    steps = [(question, answer)]
    seen = {question.name.lower()}
    while len(steps) <= effort:
        _, _, left = found(question, answer, searched)
        if left is None or left.lower() in seen:
            break
        seen.add(left.lower())
        question = Question(left, question.rrType, question.rrClass)
        context = context.but(relative=False)
        answer = await ask(question, context)
        steps.append((question, answer))
    return steps


def behind(source: IAnswerSource, kind: type[_Source], without: tuple[type, ...] = ()) -> Iterator[_Source]:
    """
    Find the sources of one class that a source asks, directly or not, itself among them: each once, in the order in which they are asked.

    @param without: sources of these classes are left out, with what they ask.
    """
    seen: set[int] = set()
    waiting = [source]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen and not isinstance(each, without):
            seen.add(id(each))
            waiting += each.sources()[::-1]
            if isinstance(each, kind):
                yield each


def unknown(source: IAnswerSource, question: Question) -> Unknown:
    """
    Return the fault for a question that a source has no information on. Of a wrapper, the source that it wraps is named.
    """
    while True:
        explain: Callable[[Question], Unknown] | None = getattr(source, "unknown", None)
        if explain is not None:
            return explain(question)
        inner = source.sources()
        if len(inner) != 1:
            return nothingOn("no source", question)
        source = inner[0]


def nothingOn(source: str, question: Question, more: str = "") -> Unknown:
    return Unknown(f"{source} has no information on {shown(question)}{more}")


def shown(question: Question) -> str:
    """
    Return the question for display: C{"www.example. IN A"}.
    """
    from twisted_ext.wire.codes import className
    from twisted_ext.wire.names import nameToText
    from twisted_ext.wire.rrtypes import typeName

    return f"{nameToText(question.name)} {className(question.rrClass)} {typeName(question.rrType)}"
