"""
Tests of asking several sources for the first answer.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import Mistaken, Told, addresses, said
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import BadMessage, CallerFault, Closed, ServerFailed, TimedOut, Unknown, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.combine.race import RaceSource
from twisted_ext.resolver.policy.specialnames import Special
from twisted_ext.testing.sources import HeldSource

WWW = question("www.example")


class RacingTests(SynchronousTestCase):
    """
    Tests for L{RaceSource}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.runners = [HeldSource(), HeldSource(), HeldSource()]

    def race(self, delay: float = 1.0) -> Deferred[Answer]:
        return RaceSource(self.runners, self.clock, delay=delay).answer(WWW, wishes())

    def running(self) -> list[int]:
        """
        @return: how many look-ups each runner was given.
        """
        return [runner.asked for runner in self.runners]

    def test_interface(self) -> None:
        """
        It can stand wherever something answers questions, and says what is in it.
        """
        racing = RaceSource(self.runners, self.clock)
        verifyObject(IAnswerSource, racing)
        self.assertEqual(racing.sources(), tuple(self.runners))
        self.assertRaises(CallerFault, RaceSource, [], self.clock)

    def test_first(self) -> None:
        """
        A source that answers in time is the only one that is asked.
        """
        asking = self.race()
        self.clock.advance(0.9)
        self.runners[0].release(said(WWW, "192.0.2.1"))
        self.assertEqual(addresses(self.successResultOf(asking)), ["192.0.2.1"])
        self.clock.advance(10)
        self.assertEqual(self.running(), [1, 0, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hedge(self) -> None:
        """
        A slow one gets company after a while, and the first answer wins; whoever still works is cancelled.
        """
        asking = self.race()
        self.clock.pump([1.0, 1.0])
        self.assertEqual(self.running(), [1, 1, 1])
        self.runners[1].release(said(WWW, "192.0.2.2"))
        self.assertEqual(addresses(self.successResultOf(asking)), ["192.0.2.2"])
        self.assertEqual([len(runner.cancelled) for runner in self.runners], [1, 0, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_blind(self) -> None:
        """
        Without a delay all are asked at once.
        """
        self.race(0)
        self.assertEqual(self.running(), [1, 1, 1])

    def test_denial(self) -> None:
        """
        A denial is an answer and wins, too.
        """
        asking = self.race()
        self.runners[0].release(said(WWW, Outcome.NXDOMAIN))
        self.assertIs(self.successResultOf(asking).outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.running(), [1, 0, 0])

    def test_failure(self) -> None:
        """
        Where one fails, the next one is asked without delay.
        """
        asking = self.race()
        self.runners[0].release(ServerFailed("no"))
        self.assertEqual(self.running(), [1, 1, 0])
        self.clock.advance(0.5)
        self.runners[1].release(Unknown("nothing"))
        self.assertEqual(self.running(), [1, 1, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.runners[2].release(said(WWW, "192.0.2.3"))
        self.assertEqual(addresses(self.successResultOf(asking)), ["192.0.2.3"])

    def test_mostTelling(self) -> None:
        """
        Where all fail, the failure that says most of the question is raised, whoever had it.
        """
        late, failed, away, nothing, broken = TimedOut(), ServerFailed(), Unreachable(), Unknown(), BadMessage()
        for faults, expected in (
            ([failed, late, nothing], failed),
            ([nothing, away], away),
            ([late, away], late),
            ([broken, late], broken),
            ([Closed(), nothing], nothing),
        ):
            runners = [HeldSource() for _ in faults]
            asking = RaceSource(runners, self.clock, delay=0).answer(WWW, wishes())
            for runner, fault in zip(runners, faults, strict=True):
                runner.release(fault)
            failure = self.failureResultOf(asking)
            self.assertIs(failure.value, expected)

    def test_mistake(self) -> None:
        """
        A mistake in the code is not hidden behind somebody's timeout.
        """
        racing = RaceSource([Mistaken(), Told(otherwise=TimedOut("late"))], self.clock, delay=0)
        self.failureResultOf(racing.answer(WWW, wishes()), ZeroDivisionError)

    def test_atOnce(self) -> None:
        """
        Sources that answer or fail at once do so in a race.
        """
        sources = [Told(otherwise=ServerFailed("no")), Told({"www.example A": "192.0.2.2"}), self.runners[0]]
        answer = self.successResultOf(RaceSource(sources, self.clock).answer(WWW, wishes()))
        self.assertEqual(addresses(answer), ["192.0.2.2"])
        failing = RaceSource([Told(otherwise=TimedOut("late")), Told(otherwise=Unknown(""))], self.clock)
        self.failureResultOf(failing.answer(WWW, wishes()), TimedOut)
        self.assertEqual(self.running(), [0, 0, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_now(self) -> None:
        """
        What any of them has at hand wins without a race.
        """
        told = Told({"www.example A": "192.0.2.2"}, ready=True)
        racing = RaceSource([self.runners[0], Told(otherwise=Unknown(""), ready=True), told], self.clock)
        answer = racing.answerNow(WWW, wishes())
        assert answer is not None
        self.assertEqual(answer.answer, self.successResultOf(racing.answer(WWW, wishes())).answer)
        self.assertEqual(self.running(), [0, 0, 0])
        self.assertTrue(RaceSource([Special()], self.clock).immediate)

    def test_cancel(self) -> None:
        """
        Cancelling ends everything that runs.
        """
        asking = self.race()
        self.clock.advance(1.0)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual([len(runner.cancelled) for runner in self.runners], [1, 1, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_trace(self) -> None:
        """
        Explaining tells when company was sent for.
        """
        trace = Trace()
        RaceSource(self.runners, self.clock, delay=1.0).answer(WWW, QueryContext(9.0, trace=trace))
        self.clock.advance(1.0)
        self.assertEqual([(note.source, note.event, note.at) for note in trace.notes], [("race", "hedged", 1.0)])

    def test_close(self) -> None:
        """
        Closing it closes all of them, ends what runs, and may be done again.
        """
        racing = RaceSource(self.runners, self.clock)
        asking = racing.answer(WWW, wishes())
        self.successResultOf(racing.close())
        self.successResultOf(racing.close())
        self.clock.advance(10)
        self.assertEqual([runner.closed for runner in self.runners], [True] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.failureResultOf(asking, Closed)
        self.assertEqual(self.running(), [1, 0, 0])
