"""
Tests of L{twisted_ext.resolver.caching.coalescing}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import answered, question, wishes
from tests.patching import skipExtending
from twisted_ext.answers import Answer, QueryContext, Question, Trace
from twisted_ext.errors import Closed, DNSFault, Refused, ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FLIGHT_VARIANTS
from twisted_ext.resolver.ask import Waiter, lookUp
from twisted_ext.resolver.caching import coalescing
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource, Deadlines
from twisted_ext.testing.sources import CannedSource, HeldSource

WWW = question("www.example")
OTHER = question("other.example")
ANSWER = answered("www.example. 300 IN A 192.0.2.1")


class CoalescingTests(SynchronousTestCase):
    """
    Tests for L{CoalescingSource}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.held = HeldSource()
        self.source = CoalescingSource(self.held, self.clock, seconds=5)

    def ask(self, deadline: float = 5.0) -> Deferred[Answer]:
        """
        Begin a look-up of L{WWW}.
        """
        return lookUp(self.source, WWW, wishes(deadline))

    def test_providesIAnswerSource(self) -> None:
        """
        The source is an answer source and lists its inner source.
        """
        verifyObject(IAnswerSource, self.source)
        self.assertEqual(self.source.sources(), (self.held,))

    def test_sameQuestionsShareOneQuery(self) -> None:
        """
        Callers with the same question cause one query, and all of them get its answer.
        """
        waiters = [self.ask() for _ in range(3)]
        self.assertEqual(self.held.asked, 1)
        self.held.release(ANSWER)
        self.assertEqual([self.successResultOf(each) for each in waiters], [ANSWER] * 3)

    def test_partOfALookupEndsWithIt(self) -> None:
        """
        A look-up that another one causes has the other one's deadline, and needs no timer. A later caller who joins it keeps its own
        time: the question is asked again for it.
        """
        self.ask()
        inside = self.held.contexts[0]
        self.clock.advance(2)
        part = lookUp(self.source, OTHER, inside)
        self.assertEqual(self.held.contexts[1].deadline, inside.deadline)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        joined = lookUp(self.source, OTHER, wishes(7))
        self.clock.advance(3)
        self.held.release(TimedOut("silence"), OTHER)
        self.failureResultOf(part, TimedOut)
        self.assertNoResult(joined)
        self.held.release(ANSWER, OTHER)
        self.assertEqual(self.successResultOf(joined), ANSWER)

    def test_resultIsCachedOnceBeforeCallersGetIt(self) -> None:
        """
        The result is handed to the cache once, before the callers get it. An error of the cache is logged and does not withhold the
        answer.
        """
        skipExtending(CachedSource)
        learned: list[object] = []

        class Memory(CachedSource):
            def __init__(self) -> None:
                pass

            def learn(self, question: Question, context: QueryContext, answer: Answer) -> None:
                learned.append(answer)
                raise RuntimeError("no room")

            def learnFault(self, question: Question, context: QueryContext, fault: DNSFault, asked: float) -> None:
                learned.append((str(fault), asked))

        self.source.learning = Memory()
        for waiter in [self.ask() for _ in range(3)]:
            waiter.addCallback(learned.append)
        self.held.release(ANSWER)
        self.assertEqual(learned, [ANSWER] * 4)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        del learned[:]
        self.clock.advance(1)
        waiters = [self.ask(9.0) for _ in range(3)]
        self.held.release(ServerFailed("no"))
        for waiter in waiters:
            self.failureResultOf(waiter, ServerFailed)
        self.assertEqual(learned, [("no", 1.0)])

    def test_caseOfNameIsIgnored(self) -> None:
        """
        Names that differ in letter case only share one query.
        """
        self.ask()
        lookUp(self.source, question("WWW.Example"), wishes())
        self.assertEqual(self.held.asked, 1)

    def test_callersAfterStartAnewJoinNoEarlierLookup(self) -> None:
        """
        Callers after C{startAnew} do not join earlier look-ups. All callers get their answers, and closing ends all look-ups.
        """
        before = self.ask()
        self.source.startAnew()
        after, joined = self.ask(), self.ask()
        self.assertEqual(self.held.asked, 2)
        self.held.release(ANSWER)
        for waiter in (before, after, joined):
            self.assertEqual(self.successResultOf(waiter), ANSWER)
        before = self.ask()
        self.source.startAnew()
        after = self.ask()
        before.cancel()
        self.failureResultOf(before)
        self.assertEqual((len(self.held.cancelled), len(self.held.held)), (1, 1))
        self.source.startAnew()
        self.source.close()
        self.failureResultOf(after, Closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeoutCountsQueriesOfAllLookups(self) -> None:
        """
        The timeout of a caller that took part in several shared look-ups counts the queries of all of them.
        """
        waiter = self.ask(12.0)
        for _ in range(2):
            self.clock.advance(5)
            self.assertNoResult(waiter)
            self.held.release(TimedOut("silence", server="192.0.2.53:53", attempts=4))
        self.clock.advance(2)
        self.failureResultOf(waiter, TimedOut)
        waiter = self.ask(22.0)
        self.clock.advance(5)
        self.held.release(TimedOut("silence", server="192.0.2.53:53", attempts=4))
        self.clock.advance(5)
        self.held.release(TimedOut("silence", server="192.0.2.53:53", attempts=3))
        fault = self.failureResultOf(waiter, TimedOut).value
        self.assertEqual((fault.attempts, fault.server, str(fault)), (7, "192.0.2.53:53", "silence, nor before that; 7 queries in all"))

    def test_ownWaitsProlongTheLookup(self) -> None:
        """
        A caller with its own wait for each attempt has all attempts in one look-up, even if that takes longer than usual.
        """
        waiter = lookUp(self.source, WWW, QueryContext(7.0, waits=(3.0, 4.0)))
        self.assertEqual(self.held.contexts[0].deadline, 7.0)
        self.clock.advance(6.9)
        self.assertNoResult(waiter)
        self.held.release(TimedOut("silence", attempts=2))
        self.assertEqual(self.failureResultOf(waiter, TimedOut).value.attempts, 2)
        self.assertEqual(self.held.asked, 1)
        waiter = lookUp(self.source, WWW, QueryContext(20.0, waits=(0.5,)))
        self.assertEqual(self.held.contexts[1].deadline, 11.9)
        self.held.release(ANSWER)
        self.successResultOf(waiter)

    def test_differentFlagsAreNotShared(self) -> None:
        """
        Callers with different flags do not share a query.
        """
        for context in (wishes(), wishes(dnssecOk=True), wishes(checkingDisabled=True), wishes(recursionDesired=False)):
            lookUp(self.source, WWW, context)
        self.assertEqual(self.held.asked, 4)

    def test_nothingIsCached(self) -> None:
        """
        A caller after the answer starts a new query, because this source caches nothing.
        """
        self.ask()
        self.held.release(ANSWER)
        self.ask()
        self.assertEqual(self.held.asked, 2)

    def test_immediateAnswerLeavesNothingBehind(self) -> None:
        """
        An answer that the inner source gives at once is passed on at once, and no timer is left.
        """
        source = CoalescingSource(CannedSource({("www.example", "A"): ANSWER}), self.clock)
        for _ in range(2):
            self.assertIs(self.successResultOf(lookUp(source, WWW, wishes())), ANSWER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelEndsOneCallerOnly(self) -> None:
        """
        Cancelling ends the look-up of one caller, not that of the others.
        """
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first)
        self.assertEqual(len(self.held.cancelled), 0)
        self.held.release(ANSWER)
        self.assertIs(self.successResultOf(second), ANSWER)

    def test_cancelOfLastCallerEndsTheQuery(self) -> None:
        """
        The query ends when the last caller cancels, and a later caller starts again.
        """
        waiters = [self.ask(), self.ask(deadline=1)]
        for waiter in waiters:
            waiter.cancel()
            self.failureResultOf(waiter)
        self.assertEqual(len(self.held.cancelled), 1)
        self.ask()
        self.assertEqual(self.held.asked, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_eachCallerHasItsOwnDeadline(self) -> None:
        """
        Each caller times out at its own deadline and does not affect the others.
        """
        hurried, patient = self.ask(deadline=1), self.ask(deadline=4)
        self.clock.advance(1)
        self.failureResultOf(hurried, TimedOut)
        self.assertNoResult(patient)
        self.held.release(ANSWER)
        self.assertIs(self.successResultOf(patient), ANSWER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_sharedQueryHasNoClientAndOwnDeadline(self) -> None:
        """
        The shared query has its own deadline and belongs to no client.
        """
        lookUp(self.source, WWW, QueryContext(0.5, client="192.0.2.9"))
        context = self.held.contexts[0]
        self.assertEqual((context.deadline, context.client, context.budget), (5.0, None, None))

    def test_patientCallersNeedNoTimer(self) -> None:
        """
        Callers with as much time as the shared query need no timer.
        """
        for _ in range(3):
            self.ask()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_manyDeadlinesShareOneTimer(self) -> None:
        """
        Any number of callers with less time share one timer.
        """
        waiters = [self.ask(deadline=1 + number / 100) for number in range(100)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.pump([0.5] * 5)
        for waiter in waiters:
            self.failureResultOf(waiter, TimedOut)
        self.assertEqual(len(self.held.cancelled), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lateCallerContinuesInNewQuery(self) -> None:
        """
        A caller that joined shortly before the shared query timed out continues in a new query.
        """
        first = self.ask(deadline=5)
        self.clock.advance(4.5)
        late = self.ask(deadline=9.5)
        self.clock.advance(0.5)
        self.held.release(TimedOut("silence"))
        self.failureResultOf(first, TimedOut)
        self.assertNoResult(late)
        self.assertEqual(self.held.asked, 2)
        self.held.release(ANSWER)
        self.assertIs(self.successResultOf(late), ANSWER)

    def test_lateCallerCanCancelNewQuery(self) -> None:
        """
        A caller that continues in a new query can cancel that one as well.
        """
        first = self.ask(deadline=5)
        self.clock.advance(4.5)
        late = self.ask(deadline=9.5)
        self.clock.advance(0.5)
        self.held.release(TimedOut("silence"))
        self.failureResultOf(first, TimedOut)
        late.cancel()
        self.failureResultOf(late)
        self.assertEqual(len(self.held.cancelled), 1)

    def test_eachCallerGetsItsOwnException(self) -> None:
        """
        All callers get the failure, each as its own exception object.
        """
        waiters = [self.ask() for _ in range(3)]
        self.held.release(ServerFailed("no", server="192.0.2.1:53", rcode=5, ede=((22, "nobody there"),)))
        faults = []
        for waiter in waiters:
            failure: Failure = self.failureResultOf(waiter, ServerFailed)
            fault = failure.value
            assert isinstance(fault, ServerFailed)
            self.assertEqual((str(fault), fault.server, fault.rcode, fault.ede), ("no", "192.0.2.1:53", 5, ((22, "nobody there"),)))
            faults.append(fault)
        self.assertEqual(len({id(fault) for fault in faults}), 3)

    def test_callbackMayAskAndCancel(self) -> None:
        """
        A callback may start the same look-up again or cancel another caller.
        """
        first, second, third = self.ask(), self.ask(), self.ask()
        again: list[Deferred[Answer]] = []

        def answered(answer: Answer) -> Answer:
            second.cancel()
            again.append(self.ask())
            return answer

        first.addCallback(answered)
        self.held.release(ANSWER)
        self.failureResultOf(second)
        self.assertIs(self.successResultOf(third), ANSWER)
        self.assertNoResult(again[0])
        self.assertEqual(self.held.asked, 2)

    def test_circularLookupFailsAtOnce(self) -> None:
        """
        A look-up that depends on itself fails at once, not at its deadline.
        """
        outer = self.ask()
        inner = lookUp(self.source, OTHER, self.held.contexts[0].but(deadline=4))
        back = lookUp(self.source, WWW, self.held.contexts[1].but(deadline=3))
        self.failureResultOf(back, ServerFailed)
        self.assertNoResult(inner)
        self.held.release(ANSWER)
        self.successResultOf(inner)
        self.successResultOf(outer)

    def test_joiningAnotherLookupIsNoCircle(self) -> None:
        """
        A look-up may join another one that does not depend on it, more than once.
        """
        self.ask()
        lookUp(self.source, OTHER, wishes())
        joined = [lookUp(self.source, OTHER, self.held.contexts[0]) for _ in range(2)]
        joined[0].cancel()
        self.failureResultOf(joined[0])
        self.assertNoResult(joined[1])
        self.held.release(ANSWER)
        self.successResultOf(joined[1])

    def test_variantsOfAQuestionAreLimited(self) -> None:
        """
        Variants of one question, such as client subnets, cause a limited number of queries (CVE-2025-5994).
        """
        most = int(FLIGHT_VARIANTS.default)
        waiters = [
            lookUp(self.source, WWW, QueryContext(1e9, options=((8, number.to_bytes(4, "big")),))) for number in range(most + 5)
        ]
        self.assertEqual(self.held.asked, most)
        for waiter in waiters[most:]:
            self.failureResultOf(waiter, Refused)
        self.held.release(ANSWER)
        lookUp(self.source, WWW, QueryContext(1e9, options=((8, b"more"),)))
        self.assertEqual(self.held.asked, most + 1)

    def test_callersPerQueryAreLimited(self) -> None:
        """
        The number of callers that wait for one query is limited.
        """
        self.patch(coalescing, "_MOST_WAITERS", 2)
        waiters = [self.ask() for _ in range(3)]
        self.failureResultOf(waiters[2], Refused)
        self.assertNoResult(waiters[1])

    def test_closeEndsLookupsAndInnerSource(self) -> None:
        """
        Closing fails all look-ups and closes the inner source. A second close does nothing.
        """
        waiters = [self.ask(), self.ask(deadline=1)]
        self.successResultOf(self.source.close())
        self.successResultOf(self.source.close())
        for waiter in waiters:
            self.failureResultOf(waiter, Closed)
        self.failureResultOf(self.ask(), Closed)
        self.assertEqual((len(self.held.cancelled), self.held.asked), (1, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_traceShowsJoining(self) -> None:
        """
        The trace of a caller that joins a query says so.
        """
        self.ask()
        trace = Trace()
        lookUp(self.source, WWW, QueryContext(5.0, trace=trace))
        self.assertEqual([(note.source, note.event) for note in trace.notes], [("coalesce", "joined")])


class DeadlinesTests(SynchronousTestCase):
    """
    Tests for L{Deadlines}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.late: list[Waiter] = []

    def wait(self, deadline: float) -> Deferred[Answer]:
        """
        Add a deadline and return its Deferred.
        """
        waiter: Deferred[Answer] = Deferred()
        self.deadlines.add(deadline, waiter, self.late.append)
        return waiter

    def test_deadlinesExpireInOrderOnOneTimer(self) -> None:
        """
        Each deadline expires at its time, in any order of addition, with at most one timer.
        """
        third, first, second = self.wait(3), self.wait(1), self.wait(2)
        for expected in ([first], [first, second], [first, second, third]):
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.clock.advance(1)
            self.assertEqual(self.late, expected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_discardedDeadlineDoesNotExpire(self) -> None:
        """
        A discarded deadline does not expire, and the timer ends with the last one.
        """
        leaving, stays = self.wait(1), self.wait(2)
        self.deadlines.discard(leaving)
        self.deadlines.discard(leaving)
        self.clock.advance(1.5)
        self.assertEqual(self.late, [])
        self.deadlines.discard(stays)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_discardedDeadlinesAreFreed(self) -> None:
        """
        Discarded deadlines are freed even if an earlier one remains.
        """
        self.wait(1000)
        for _ in range(5000):
            self.deadlines.discard(self.wait(500))
        self.assertEqual(len(self.deadlines.waiting), 1)
        self.clock.advance(1000)
        self.assertEqual(len(self.late), 1)

    def test_pastDeadlineExpiresAtOnce(self) -> None:
        """
        A deadline in the past expires as soon as possible.
        """
        self.clock.advance(10)
        self.wait(5)
        self.clock.advance(0)
        self.assertEqual(len(self.late), 1)

    def test_callbackMayAddADeadline(self) -> None:
        """
        A callback may add a deadline.
        """
        self.deadlines.add(1, Deferred(), lambda waiter: self.wait(2))
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(len(self.late), 1)

    def test_callbackMayAddALaterDeadline(self) -> None:
        """
        A later deadline that a callback adds does not delay the existing ones.
        """
        self.deadlines.add(1, Deferred(), lambda waiter: self.wait(10))
        self.wait(2)
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(len(self.late), 1)
        self.clock.advance(8)
        self.assertEqual((len(self.late), self.clock.getDelayedCalls()), (2, []))
