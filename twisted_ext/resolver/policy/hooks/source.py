"""
Answers as hooks decide, in place of what stands behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Unknown, Withheld
from twisted_ext.hooks.verdicts import PASS, Verdict
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import Query, QueryStart, Waiter, furthered, lookUp, nowOf, queryOf, then, unknown
from twisted_ext.resolver.local.localanswers import emptySOA
from twisted_ext.resolver.policy.hooks.called import CalledHook, Flight
from twisted_ext.resolver.policy.rules.source import behindAlias
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import IN, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME

__all__ = ["ChosenSource", "HookSource"]

#: Seconds for which clients keep that there is nothing.
_DENIED: Final = 60


@implementer(IAnswerSource)
class HookSource(WrappingSource):
    """
    Asks a hook about each name, and does what it decides.
    """

    __slots__ = ("_called", "_clock", "_isOfAnswer", "_isPersonal", "_most", "_sourceOf", "_upstreamOf")

    def __init__(
        self,
        inner: IAnswerSource,
        called: CalledHook,
        clock: IReactorTime,
        sourceOf: Callable[[str], IAnswerSource | None] = lambda view: None,
        upstreamOf: Callable[[str], IAnswerSource | None] = lambda view: None,
    ) -> None:
        """
        @param sourceOf: returns what the clients of a view are answered by.
        @param upstreamOf: returns what is asked for them, with its cache.
        """
        super().__init__(inner)
        self._called = called
        self._clock = clock
        self._isOfAnswer = called.hook.isOfAnswer
        self._isPersonal = called.hook.isPersonal
        self._sourceOf = sourceOf
        self._upstreamOf = upstreamOf
        # What is for one client must not stay longer in a cache that it shares with others.
        self._most = ceil(called.hook.keep) if self._isPersonal else None

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        called = self._called
        if called.isOff or question.rrClass != IN or (called.below and not called.covers(question)):
            return self._inner.ask(question, context)
        if context.upstream and not self._isOfAnswer:
            # A hook before this one has chosen who is asked.
            return self._inner.ask(question, context)
        if self._isPersonal and not context.client:
            if context.trace is not None:
                context.trace.note(self._clock.seconds(), "hook", "not asked", hook=called.name, why="it is about a client")
            return self._inner.ask(question, context)
        if self._isOfAnswer:
            return furthered(self._inner.ask(question, context), self._screened, question, context)
        return self._decided(None, question, context)

    def _screened(self, answer: Answer, question: Question, context: QueryContext) -> Answer | Start:
        found = self._decided(answer, question, context)
        return answer if found is None else found

    def _decided(self, answer: Answer | None, question: Question, context: QueryContext) -> Answer | Start | None:
        """
        @param answer: that which is decided about; L{None} before there is one.
        """
        called = self._called
        now = self._clock.seconds()
        found = called.decide((question, context, answer, self._inner), now)
        if isinstance(found, Flight):
            return _Undecided(self, found, question, answer)
        verdict, until = found
        # For PASS as well: what stands behind may be for these clients only.
        if verdict.word not in called.inCommon:
            self.share(context, 0.0 if self._isPersonal else until)
        if verdict is PASS and context.trace is None:
            return self._inner.ask(question, context) if answer is None else answer
        return self.applied(verdict, question, context, answer)

    def share(self, context: QueryContext, time: float) -> None:
        """
        Other clients may get the reply until then.
        """
        context.shareUntil(time)

    def applied(self, verdict: Verdict, question: Question, context: QueryContext, answer: Answer | None = None) -> Answer | Start | None:
        """
        Do what a hook has decided.

        @param answer: the answer that it has decided about.
        """
        name, word = self._called.name, verdict.word
        if context.trace is not None:
            context.trace.note(self._clock.seconds(), "hook", word, hook=name)
        if word == "view" and not self._called.view:
            source = self._sourceOf(verdict.view)
            if source is None:
                self._called.tell("unknown view", f"returned view({verdict.view!r}), which the settings do not have; the client is refused")
                raise Withheld(f"{question}: hook {name} leads to no view", f"hook {name}", rcode=Rcode.REFUSED)
            return source.ask(question, context)
        if word in ("pass", "view") or (word == "truncate" and not context.datagram):
            return self._inner.ask(question, context) if answer is None else answer
        if word in ("drop", "truncate"):
            said = f"{question}: hook {name} withholds the answer"
            if context.datagram:
                raise Withheld(said, f"hook {name}", isTruncated=word == "truncate")
            # A connection would wait for a reply, and after some of them take no more queries.
            raise Withheld(said, f"hook {name}", rcode=Rcode.REFUSED)
        if word == "upstream":
            if self._upstreamOf(verdict.view) is None:
                said = f"returned upstream({verdict.view!r}), but the settings have no such view; the client gets SERVFAIL"
                self._called.tell("unknown upstream", said)
                raise Withheld(f"{question}: hook {name} leads to no upstream", f"hook {name}", rcode=Rcode.SERVFAIL)
            return self._inner.ask(question, context.askingAt(verdict.view))
        if word == "ask":
            return partial(self._asked, verdict.resolver, question)
        if word == "refuse":
            raise Withheld(f"{question}: hook {name} refuses", f"hook {name}", rcode=verdict.rcode, ede=verdict.ede)
        return self._made(verdict, question, context)

    def _made(self, verdict: Verdict, question: Question, context: QueryContext) -> Answer | Start | None:
        origin = Origin("hook", f"hook {self._called.name}", epoch=self._called.epoch)
        sets: list[RRSet] = []
        for number, ttl, rdatas in verdict.records:
            if number in (question.rrType, CNAME) or question.rrType == ANY:
                sets.append(RRSet(question.name, number, IN, ttl if self._most is None else min(ttl, self._most), rdatas))
        if not sets:
            outcome = Outcome.NXDOMAIN if verdict.rcode else Outcome.NODATA
            most = _DENIED if self._most is None else min(_DENIED, self._most)
            return Answer(outcome, (), (emptySOA(question.name, most),), rcode=verdict.rcode, ede=verdict.ede, origin=origin)
        made = Answer(Outcome.DATA, tuple(sets), ede=verdict.ede, origin=origin)
        target = sets[0].rdatas[0]
        if sets[0].rrType != CNAME or question.rrType in (CNAME, ANY) or target.lower() == question.key[:-4]:
            return made
        found = self._inner.ask(Question(target, question.rrType, IN), context)
        return made if found is None else then(found, behindAlias, made)

    def _asked(self, resolver: object, question: Question, context: QueryContext) -> Deferred[Answer]:
        """
        Ask a resolver of the application, and what stands behind the hook if it has no information.
        """
        found = lookUp(self._called.telling.sourceOf(resolver), question, context)
        return found.addCallbacks(self._theirs, self._goesOn, callbackArgs=(), errbackArgs=(question, context))

    def _theirs(self, answer: Answer) -> Answer:
        theirs = answer.having(answer.answer, answer.authority, answer.additional)
        # Not one of a zone of this server, whichever it is for them.
        theirs.origin = Origin("hook", f"hook {self._called.name}")
        return theirs

    def _goesOn(self, failure: Failure, question: Question, context: QueryContext) -> Failure | Deferred[Answer]:
        if not isinstance(failure.value, Unknown):
            return failure
        return lookUp(self._inner, question, context)

    def seconds(self) -> float:
        """
        Return the time on its clock.
        """
        return self._clock.seconds()

    def explained(self, question: Question) -> Exception:
        """
        Return the fault for a question that what stands behind it has no information on.
        """
        return unknown(self._inner, question)


@implementer(IAnswerSource)
class ChosenSource(WrappingSource):
    """
    Asks the upstreams that a hook has chosen for a query; for others the inner source.
    """

    __slots__ = ("_upstreamOf",)

    def __init__(self, inner: IAnswerSource, upstreamOf: Callable[[str], IAnswerSource | None]) -> None:
        """
        @param upstreamOf: returns what is asked for the clients of a view, with its cache.
        """
        super().__init__(inner)
        self._upstreamOf = upstreamOf

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if not context.upstream:
            return self._inner.ask(question, context)
        chosen = self._upstreamOf(context.upstream)
        if chosen is None:
            # A reload has removed it meanwhile.
            raise unknown(self._inner, question)
        return chosen.ask(question, context)


class _Undecided(QueryStart):
    """
    A query that waits for a hook, and then for what stands behind that if it passes.
    """

    __slots__ = ("_answer", "_context", "_flight", "_query", "_question", "_source", "_waiter")

    def __init__(self, source: HookSource, flight: Flight, question: Question, answer: Answer | None) -> None:
        self._source = source
        self._flight = flight
        self._question = question
        self._answer = answer
        self._query: Query | None = None
        self._waiter: Waiter | None = None

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        self._waiter = waiter
        self._context = context
        return self

    def now(self) -> float:
        return self._source.seconds()

    def begin(self, now: float) -> None:
        flight = self._flight
        if flight.outcome is None:
            flight.waiters[self] = None
        else:
            self.decided(flight.outcome[0])

    def cancel(self) -> None:
        query, self._waiter = self._query, None
        if query is None:
            self._flight.leave(self)
        else:
            query.cancel()

    def decided(self, verdict: Verdict) -> None:
        """
        Go on.
        """
        waiter, self._waiter = self._waiter, None
        if waiter is None:
            # Cancelled.
            return
        source, question = self._source, self._question
        try:
            found = source.applied(verdict, question, self._context, self._answer)
            if found is None:
                raise source.explained(question)
            if not isinstance(found, Answer):
                self._query = query = queryOf(found, waiter, self._context)
                query.begin(nowOf(found))
                return
        except Exception as error:
            waiter.errback(error)
            return
        waiter.callback(found)
