"""
Tests of L{twisted_ext.resolver.ask}.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast
from unittest.mock import patch

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import classImplements

from tests.compat.fakes import data, nodata, question, rrset
from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import (
    DeferredQuery,
    Query,
    QueryStart,
    Waiter,
    askedOn,
    begun,
    furthered,
    lookUp,
    queryOf,
)
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.testing.sources import CannedSource
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet


def unresolvedAlias(name: str, target: str) -> Answer:
    """
    Return an alias whose target the server has not resolved.
    """
    return nodata(rrset(name, "CNAME", target), soa=False)


class AskedOnTests(SynchronousTestCase):
    """
    Tests of L{askedOn}.
    """

    def ask(self, known: Mapping[str, Answer], effort: int = 10) -> list[Question]:
        """
        Return the questions from C{a.example} on, including the first one.
        """
        self.answers = {question(name): answer for name, answer in known.items()}
        self.contexts: list[QueryContext] = []
        first = question("a.example.")
        context = QueryContext(5.0, relative=True)
        following = Deferred.fromCoroutine(askedOn(self.answer, first, self.answers[first], context, effort))
        steps = self.successResultOf(following)
        for asked, answer in steps:
            self.assertIs(answer, self.answers[asked])
        self.assertEqual(len(self.contexts), len(steps) - 1)
        return [asked for asked, _ in steps]

    def answer(self, asked: Question, context: QueryContext) -> Deferred[Answer]:
        """
        Answer from C{answers}.
        """
        self.contexts.append(context)
        answer = self.answers.get(asked)
        return fail(ServerFailed("no", rcode=2)) if answer is None else succeed(answer)

    def test_unresolvedAliasesAreFollowed(self) -> None:
        """
        Each unresolved alias is asked for within the same deadline, and its target is not searched.
        """
        known = {
            "a.example.": unresolvedAlias("a.example.", "b.example."),
            "b.example.": unresolvedAlias("b.example.", "c.example."),
            "c.example.": data(rrset("c.example.", "A", "192.0.2.1")),
        }
        self.assertEqual(self.ask(known), [question(name) for name in known])
        self.assertEqual([(context.relative, context.deadline) for context in self.contexts], [(False, 5.0)] * 2)

    def test_completeAnswerIsNotFollowed(self) -> None:
        """
        No further question is asked if the first answer is complete.
        """
        for answer in (data(rrset("a.example.", "A", "192.0.2.1")), nodata(), nodata(rrset("a.example.", "CNAME", "b."))):
            self.assertEqual(self.ask({"a.example.": answer}), [question("a.example.")])

    def test_aliasLoopEnds(self) -> None:
        """
        No name is asked for twice.
        """
        self.assertEqual(self.ask({"a.example.": unresolvedAlias("a.example.", "A.example.")}), [question("a.example.")])
        known = {"a.example.": unresolvedAlias("a.example.", "b.example."), "b.example.": unresolvedAlias("b.example.", "a.example.")}
        self.assertEqual(self.ask(known), [question(name) for name in known])

    def test_longChainStopsAtTheLimit(self) -> None:
        """
        A long chain of aliases is followed up to the limit.
        """
        known = {
            f"{'abcdef'[at]}.example.": unresolvedAlias(f"{'abcdef'[at]}.example.", f"{'abcdefg'[at + 1]}.example.") for at in range(6)
        }
        for effort in range(5):
            self.assertEqual(len(self.ask(known, effort)), 1 + effort)

    def test_classOfQuestionIsKept(self) -> None:
        """
        The target of an alias is asked for in the class of the question.
        """
        first = Question(nameFromText("a.example."), 16, 3)
        self.answers = {Question(nameFromText("b.example."), 16, 3): nodata()}
        self.contexts = []
        asking = askedOn(self.answer, first, unresolvedAlias("a.example.", "b.example."), QueryContext(5.0), 10)
        self.assertEqual([asked.rrClass for asked, _ in self.successResultOf(Deferred.fromCoroutine(asking))], [3, 3])

    def test_failureOnTheWayIsRaised(self) -> None:
        """
        The failure of a look-up on the way is raised.
        """
        first = question("a.example.")
        self.answers = {}
        self.contexts = []
        asking = askedOn(self.answer, first, unresolvedAlias("a.example.", "b.example."), QueryContext(5.0), 10)
        self.failureResultOf(Deferred.fromCoroutine(asking), ServerFailed)


class Heard:
    """
    A waiter that records what it is told.
    """

    def __init__(self) -> None:
        self.outcomes: list[Answer | Exception] = []

    def callback(self, answer: Answer, /) -> None:
        self.outcomes.append(answer)

    def errback(self, fault: Exception, /) -> None:
        self.outcomes.append(fault)


async def _coroutine() -> Answer:
    return nodata()


class WrongResultsTests(SynchronousTestCase):
    """
    What a source of an application returns by mistake is an error at once, which names the source, what came, and what is right.
    """

    def wrong(self, start: object) -> list[str]:
        """
        Return the errors of a look-up, with a Deferred and without.
        """
        heard = Heard()
        queryOf(cast("Start", start), heard, QueryContext(5.0)).begin(0.0)
        (fault,) = heard.outcomes
        self.assertIsInstance(fault, TypeError)
        failure = self.failureResultOf(begun(cast("Start", start), QueryContext(5.0)), TypeError)
        return [str(fault), str(failure.value)]

    def test_firedWithSomethingElse(self) -> None:
        """
        A Deferred that fires with something else than an answer, as with a forgotten C{return}.
        """
        for result, shown in ((None, "None"), ("192.0.2.1", "an object of type str"), ([], "an object of type list")):

            def start(context: QueryContext, result: object = result) -> Deferred[object]:
                return succeed(result)

            for said in self.wrong(start):
                self.assertIn("tests.resolver.test_ask.WrongResultsTests.test_firedWithSomethingElse", said)
                self.assertIn(f"the Deferred of a look-up fired with {shown}; right is a twisted_ext.answers.Answer", said)

    def test_noDeferred(self) -> None:
        """
        A function that returns no Deferred, and one that is a coroutine, which Python would only remark on later.
        """
        for found, shown in ((None, "None"), (nodata(), "an object of type Answer"), (_coroutine(), "an object of type coroutine")):

            def start(context: QueryContext, found: object = found) -> object:
                return found

            for said in self.wrong(start):
                self.assertIn(f"calling what ask() returned gave {shown}; right is a Deferred", said)

    def test_payloadsThatAreNotValid(self) -> None:
        """
        A record whose payload is not valid for its type would make the whole reply malformed.
        """
        good = rrset("www.example.", "A", "192.0.2.1")
        bad = RRSet(good.name, good.rrType, good.rrClass, good.ttl, (good.rdatas[0][:3],))
        for answer in (data(bad), data(good).having((good,), (bad,))):
            for said in self.wrong(lambda context, answer=answer: succeed(answer)):
                self.assertIn("tests.resolver.test_ask.WrongResultsTests", said)
                self.assertIn("the answer has www.example. A with the rdata c00002: ", said)
                self.assertIn("; right are the octets that", said)

    def test_askReturnedSomethingElse(self) -> None:
        """
        C{ask} itself returned something else: a text, a Deferred, a coroutine.
        """
        waiting: Deferred[Answer] = Deferred()
        for found, shown in (("192.0.2.1", "str"), (waiting, "Deferred"), (_coroutine(), "coroutine")):
            for said in self.wrong(found):
                self.assertIn(f"ask() returned an object of type {shown}; right is an Answer, None, or a function that takes", said)


def shownAs(waiting: Deferred[Answer], context: QueryContext) -> Deferred[Answer]:
    """
    A start that counts as one of this package.
    """
    return waiting


shownAs.__module__ = "twisted_ext.example"


class FixedSource(LocalSource):
    """
    A source of an application with one look-up.
    """

    def __init__(self, start: Start) -> None:
        self._start = start

    def ask(self, asked: Question, context: QueryContext) -> Start:
        return self._start


classImplements(FixedSource, IAnswerSource)


class QueryOfTests(SynchronousTestCase):
    """
    Tests of L{queryOf} with a source that returns a Deferred.
    """

    def setUp(self) -> None:
        self.heard = Heard()
        self.cancelled: list[object] = []
        self.deferred: Deferred[Answer] = Deferred(self.cancelled.append)
        self.contexts: list[QueryContext] = []
        self.query = queryOf(self.start, self.heard, QueryContext(5.0))

    def start(self, context: QueryContext) -> Deferred[Answer]:
        self.contexts.append(context)
        return self.deferred

    def test_nothingIsStartedBeforeItBegins(self) -> None:
        """
        The look-up starts when the query begins, not when it is prepared, and a query that has not begun can be cancelled.
        """
        self.assertEqual(self.contexts, [])
        self.query.cancel()
        self.query.begin(0.0)
        self.assertEqual([context.deadline for context in self.contexts], [5.0])

    def test_waiterGetsTheOutcome(self) -> None:
        """
        The waiter gets the answer, or the fault itself.
        """
        self.query.begin(0.0)
        answer = nodata()
        self.deferred.callback(answer)
        self.assertEqual(self.heard.outcomes, [answer])
        fault = ServerFailed("no", rcode=2)
        queryOf(lambda context: fail(fault), self.heard, QueryContext(5.0)).begin(0.0)
        self.assertEqual(self.heard.outcomes, [answer, fault])

    def test_sourceWithoutDeadline(self) -> None:
        """
        A Deferred that has not fired at the deadline fails the look-up with an error that names the source, and is cancelled. If it fires
        later, that is dropped.
        """
        clock = Clock()
        query = queryOf(self.start, self.heard, QueryContext(5.0))
        assert isinstance(query, DeferredQuery)
        query.begin(0.0)
        query.endInTime(clock)
        clock.advance(4.9)
        self.assertEqual(self.heard.outcomes, [])
        clock.advance(0.2)
        (fault,) = self.heard.outcomes
        self.assertIsInstance(fault, TimedOut)
        self.assertIn("tests.resolver.test_ask.QueryOfTests.start: its Deferred had not fired", str(fault))
        self.assertEqual((self.cancelled, len(self.heard.outcomes)), ([self.deferred], 1))

    def test_timerEndsWithTheLookup(self) -> None:
        """
        No timer is left when the answer is there, and sources of this package, which keep to their deadlines, need none.
        """
        clock = Clock()
        query = queryOf(self.start, self.heard, QueryContext(5.0))
        assert isinstance(query, DeferredQuery)
        query.begin(0.0)
        query.endInTime(clock)
        self.deferred.callback(nodata())
        self.assertEqual(clock.getDelayedCalls(), [])
        waiting: Deferred[Answer] = Deferred()
        own = queryOf(partial(shownAs, waiting), self.heard, QueryContext(5.0))
        assert isinstance(own, DeferredQuery)
        own.begin(0.0)
        own.endInTime(clock)
        self.assertEqual(clock.getDelayedCalls(), [])
        waiting.cancel()

    def test_coalescedLookupEnds(self) -> None:
        """
        A shared look-up ends by its deadline as well.
        """
        clock = Clock()
        source = CoalescingSource(FixedSource(self.start), clock, seconds=5.0)
        looking = lookUp(source, question("www.example."), QueryContext(5.0))
        clock.advance(5.1)
        self.failureResultOf(looking, TimedOut)
        self.assertEqual(self.cancelled, [self.deferred])

    def test_cancelledQueryCancelsTheDeferred(self) -> None:
        """
        Cancelling a query cancels the Deferred, once.
        """
        self.query.begin(0.0)
        self.query.cancel()
        self.query.cancel()
        self.assertEqual(self.cancelled, [self.deferred])
        (fault,) = self.heard.outcomes
        self.assertIsInstance(fault, CancelledError)

    def test_neverFires(self) -> None:
        """
        A look-up whose Deferred never fires fails at its deadline, and is cancelled; what comes later is dropped. That holds for a resolver
        without a cache around the source, too.
        """
        clock = Clock()
        waiting: list[Deferred[Answer]] = []

        class Silent(CannedSource):
            def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
                return self._wait

            def _wait(self, context: QueryContext) -> Deferred[Answer]:
                waiting.append(Deferred())
                return waiting[-1]

        resolver = NamesResolver(Silent({}), clock, timeout=(2,))
        answer = resolver.lookUp(question("www.test.example"), resolver.contextFor())
        asked: list[Deferred[Any]] = [resolver.lookupAddress("www.test.example"), answer]
        clock.advance(1.9)
        for each in asked:
            self.assertNoResult(each)
        clock.advance(0.2)
        for each in asked:
            said = str(self.failureResultOf(each).value)
            self.assertIn("Silent._wait: its Deferred had not fired at the deadline of the look-up", said)
        for late in waiting:
            late.callback(nodata())
        self.assertEqual(clock.getDelayedCalls(), [])


class Held(QueryStart):
    """
    A look-up that a test answers, without a Deferred.
    """

    def __init__(self, time: float = 0.0) -> None:
        self.time = time
        self.began: list[float] = []
        self.cancelled = False

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        self.waiter, self.context = waiter, context
        return self

    def begin(self, now: float) -> None:
        self.began.append(now)

    def cancel(self) -> None:
        self.cancelled = True

    def now(self) -> float:
        return self.time


class FurtheredTests(SynchronousTestCase):
    """
    What goes on from an answer, with a further look-up or without one.
    """

    def begin(self, found: object) -> tuple[Query, Heard, QueryContext]:
        heard, context = Heard(), QueryContext(5.0)
        query = queryOf(cast("Start", found), heard, context)
        query.begin(0.0)
        return query, heard, context

    def test_withoutAFurtherOne(self) -> None:
        """
        An answer that is there is changed at once, and another one when it arrives; without one there is nothing to change.
        """
        self.assertIsNone(furthered(None, lambda answer: answer))
        first, second = nodata(), nodata()
        self.assertIs(furthered(first, lambda answer, other: other, second), second)
        held = Held()
        _, heard, _ = self.begin(furthered(held, lambda answer, other: other if answer is first else answer, second))
        held.waiter.callback(first)
        self.assertEqual(heard.outcomes, [second])

    def test_furtherLookUp(self) -> None:
        """
        The further look-up gets the same context and begins at the time of its own source; its answer, or its fault, is that of the whole.
        """
        answer, fault = nodata(), ServerFailed("no")
        for outcome in (answer, fault):
            held, further = Held(1.0), Held(2.0)
            _, heard, context = self.begin(furthered(held, lambda answer, further: further, further))
            held.waiter.callback(nodata())
            self.assertEqual((further.began, heard.outcomes), ([2.0], []))
            self.assertIs(further.context, context)
            if isinstance(outcome, Answer):
                further.waiter.callback(outcome)
            else:
                further.waiter.errback(outcome)
            self.assertEqual(heard.outcomes, [outcome])

    def test_faults(self) -> None:
        """
        A fault of the first look-up goes through, and what the change raises is the fault of the whole.
        """
        held, fault = Held(), ServerFailed("no")
        _, heard, _ = self.begin(furthered(held, lambda answer: self.fail("there is none")))
        held.waiter.errback(fault)
        self.assertEqual(heard.outcomes, [fault])

        def broken(answer: Answer) -> Answer:
            raise fault

        held = Held()
        _, heard, _ = self.begin(furthered(held, broken))
        held.waiter.callback(nodata())
        self.assertEqual(heard.outcomes, [fault])

    def test_cancelled(self) -> None:
        """
        A cancellation reaches the look-up that is under way: the first one, then the further one.
        """
        held, further = Held(), Held()
        query, _, _ = self.begin(furthered(held, lambda answer: further))
        query.cancel()
        self.assertEqual((held.cancelled, further.cancelled), (True, False))
        held = Held()
        query, _, _ = self.begin(furthered(held, lambda answer: further))
        held.waiter.callback(nodata())
        query.cancel()
        self.assertEqual((held.cancelled, further.cancelled), (False, True))

    def test_aliasesTakeNoDeferred(self) -> None:
        """
        The target of an alias is looked up without a Deferred, whether its answer is there at once or not.
        """
        alias = data(rrset("www.example.", "CNAME", "other.example."))
        alias.outcome = Outcome.NODATA
        address = data(rrset("other.example.", "A", "192.0.2.1"))
        for later in (False, True):
            held, further = Held(), Held()
            found: dict[bytes, object] = {b"\x03www": held, b"\x05other": further if later else address}
            source = AliasFollower(FixedSource(cast("Start", held)))
            with patch.object(FixedSource, "ask", lambda self, asked, context, found=found: found[asked.name.partition(b"\x07")[0]]):
                started = source.ask(question("www.example", "A"), QueryContext(5.0))
                with patch.object(Deferred, "__init__", lambda *_: self.fail("a Deferred was made")):
                    _, heard, _ = self.begin(started)
                    held.waiter.callback(alias)
                    if later:
                        further.waiter.callback(address)
            (answer,) = heard.outcomes
            assert isinstance(answer, Answer)
            self.assertEqual([each.rrType for each in answer.answer], [5, 1])
