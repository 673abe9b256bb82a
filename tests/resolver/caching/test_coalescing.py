"""
Tests of asking once for many.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import answered, question, wishes
from twisted_ext.answers import Answer, QueryContext, Question, Trace
from twisted_ext.errors import Closed, DNSFault, Refused, ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FLIGHT_VARIANTS
from twisted_ext.resolver.caching import coalescing
from twisted_ext.resolver.caching.coalescing import CoalescingSource
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
        return self.source.answer(WWW, wishes(deadline))

    def test_interface(self) -> None:
        """
        It can stand wherever something answers questions.
        """
        verifyObject(IAnswerSource, self.source)
        self.assertEqual(self.source.sources(), (self.held,))

    def test_oneFlight(self) -> None:
        """
        Callers with the same question cost one query, and all of them get its answer.
        """
        waiters = [self.ask() for _ in range(3)]
        self.assertEqual(self.held.asked, 1)
        self.held.release(ANSWER)
        self.assertEqual([self.successResultOf(each) for each in waiters], [ANSWER] * 3)

    def test_remembered(self) -> None:
        """
        What came is remembered once, however many wait for it, and before they get it; that this cannot be done is no reason to keep it
        from them, and is logged.
        """
        told: list[object] = []

        class Memory:
            def learn(self, question: Question, context: QueryContext, answer: Answer) -> None:
                told.append(answer)
                raise RuntimeError("no room")

            def learnFault(self, question: Question, context: QueryContext, fault: DNSFault, asked: float) -> None:
                told.append((str(fault), asked))

        self.source.learning = Memory()
        for waiter in [self.ask() for _ in range(3)]:
            waiter.addCallback(told.append)
        self.held.release(ANSWER)
        self.assertEqual(told, [ANSWER] * 4)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        del told[:]
        self.clock.advance(1)
        waiters = [self.ask(9.0) for _ in range(3)]
        self.held.release(ServerFailed("no"))
        for waiter in waiters:
            self.failureResultOf(waiter, ServerFailed)
        self.assertEqual(told, [("no", 1.0)])

    def test_spellings(self) -> None:
        """
        A name in other letters is the same name.
        """
        self.ask()
        self.source.answer(question("WWW.Example"), wishes())
        self.assertEqual(self.held.asked, 1)

    def test_startAnew(self) -> None:
        """
        Who comes after a new start joins nobody who was there before. All get their answers, and a close ends them all.
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

    def test_queriesInAll(self) -> None:
        """
        Whoever has so much time that several look-ups were made for it is told of the queries of all of them.
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

    def test_waits(self) -> None:
        """
        Somebody who says for how long to wait each time has as many attempts in one look-up, though they take longer than others do.
        """
        waiter = self.source.answer(WWW, QueryContext(7.0, waits=(3.0, 4.0)))
        self.assertEqual(self.held.contexts[0].deadline, 7.0)
        self.clock.advance(6.9)
        self.assertNoResult(waiter)
        self.held.release(TimedOut("silence", attempts=2))
        self.assertEqual(self.failureResultOf(waiter, TimedOut).value.attempts, 2)
        self.assertEqual(self.held.asked, 1)
        waiter = self.source.answer(WWW, QueryContext(20.0, waits=(0.5,)))
        self.assertEqual(self.held.contexts[1].deadline, 11.9)
        self.held.release(ANSWER)
        self.successResultOf(waiter)

    def test_wishesApart(self) -> None:
        """
        Callers who want something else do not get what others wanted.
        """
        for context in (wishes(), wishes(dnssecOk=True), wishes(checkingDisabled=True), wishes(recursionDesired=False)):
            self.source.answer(WWW, context)
        self.assertEqual(self.held.asked, 4)

    def test_afterwards(self) -> None:
        """
        Who comes after the answer starts anew: nothing is kept here.
        """
        self.ask()
        self.held.release(ANSWER)
        self.ask()
        self.assertEqual(self.held.asked, 2)

    def test_atOnce(self) -> None:
        """
        An inner source that answers at once does so through this one, too, and nothing is left behind.
        """
        source = CoalescingSource(CannedSource({("www.example", "A"): ANSWER}), self.clock)
        for _ in range(2):
            self.assertIs(self.successResultOf(source.answer(WWW, wishes())), ANSWER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelOne(self) -> None:
        """
        Who gives up does so for himself alone.
        """
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first)
        self.assertEqual(len(self.held.cancelled), 0)
        self.held.release(ANSWER)
        self.assertIs(self.successResultOf(second), ANSWER)

    def test_cancelLast(self) -> None:
        """
        When nobody waits any more the work ends, and a later caller begins again.
        """
        waiters = [self.ask(), self.ask(deadline=1)]
        for waiter in waiters:
            waiter.cancel()
            self.failureResultOf(waiter)
        self.assertEqual(len(self.held.cancelled), 1)
        self.ask()
        self.assertEqual(self.held.asked, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ownDeadlines(self) -> None:
        """
        Each waiter keeps to its own deadline; the hurry of one is nobody else's.
        """
        hurried, patient = self.ask(deadline=1), self.ask(deadline=4)
        self.clock.advance(1)
        self.failureResultOf(hurried, TimedOut)
        self.assertNoResult(patient)
        self.held.release(ANSWER)
        self.assertIs(self.successResultOf(patient), ANSWER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_flightsDeadline(self) -> None:
        """
        What is shared has a deadline of its own, and is on nobody's behalf.
        """
        self.source.answer(WWW, QueryContext(0.5, client="192.0.2.9"))
        context = self.held.contexts[0]
        self.assertEqual((context.deadline, context.client, context.budget), (5.0, None, None))

    def test_noTimer(self) -> None:
        """
        Callers with as much time as the shared look-up cost no timer.
        """
        for _ in range(3):
            self.ask()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_oneTimer(self) -> None:
        """
        Any number of callers with less time cost one timer.
        """
        waiters = [self.ask(deadline=1 + number / 100) for number in range(100)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.pump([0.5] * 5)
        for waiter in waiters:
            self.failureResultOf(waiter, TimedOut)
        self.assertEqual(len(self.held.cancelled), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lateComer(self) -> None:
        """
        Who joined shortly before the shared look-up ran out of time goes on in a new one.
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

    def test_lateComerCancelled(self) -> None:
        """
        It can give up there as well.
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

    def test_failureEach(self) -> None:
        """
        All learn of a failure, each by an exception of its own that nobody else adds to.
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

    def test_reentrant(self) -> None:
        """
        A waiter may ask again, or make another one leave, from within its answer.
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

    def test_waitsForItself(self) -> None:
        """
        A look-up whose own questions lead back to it fails at once instead of in five seconds.
        """
        outer = self.ask()
        inner = self.source.answer(OTHER, self.held.contexts[0].but(deadline=4))
        back = self.source.answer(WWW, self.held.contexts[1].but(deadline=3))
        self.failureResultOf(back, ServerFailed)
        self.assertNoResult(inner)
        self.held.release(ANSWER)
        self.successResultOf(inner)
        self.successResultOf(outer)

    def test_waitsForOther(self) -> None:
        """
        Joining a look-up that does not lead back is no circle, however often it is done.
        """
        self.ask()
        self.source.answer(OTHER, wishes())
        joined = [self.source.answer(OTHER, self.held.contexts[0]) for _ in range(2)]
        joined[0].cancel()
        self.failureResultOf(joined[0])
        self.assertNoResult(joined[1])
        self.held.release(ANSWER)
        self.successResultOf(joined[1])

    def test_variants(self) -> None:
        """
        One question in very many variants, client subnets for example, does not become very many queries (CVE-2025-5994).
        """
        most = int(FLIGHT_VARIANTS.default)
        waiters = [
            self.source.answer(WWW, QueryContext(1e9, options=((8, number.to_bytes(4, "big")),))) for number in range(most + 5)
        ]
        self.assertEqual(self.held.asked, most)
        for waiter in waiters[most:]:
            self.failureResultOf(waiter, Refused)
        self.held.release(ANSWER)
        self.source.answer(WWW, QueryContext(1e9, options=((8, b"more"),)))
        self.assertEqual(self.held.asked, most + 1)

    def test_waiters(self) -> None:
        """
        No more wait for one answer than memory is set aside for.
        """
        self.patch(coalescing, "_MOST_WAITERS", 2)
        waiters = [self.ask() for _ in range(3)]
        self.failureResultOf(waiters[2], Refused)
        self.assertNoResult(waiters[1])

    def test_close(self) -> None:
        """
        Closing tells everybody who waits, and closes what is behind; doing it again does nothing more.
        """
        waiters = [self.ask(), self.ask(deadline=1)]
        self.successResultOf(self.source.close())
        self.successResultOf(self.source.close())
        for waiter in waiters:
            self.failureResultOf(waiter, Closed)
        self.failureResultOf(self.ask(), Closed)
        self.assertEqual((len(self.held.cancelled), self.held.asked), (1, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_trace(self) -> None:
        """
        Who joins is told so.
        """
        self.ask()
        trace = Trace()
        self.source.answer(WWW, QueryContext(5.0, trace=trace))
        self.assertEqual([(note.source, note.event) for note in trace.notes], [("coalesce", "joined")])
