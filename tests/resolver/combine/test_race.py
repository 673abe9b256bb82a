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
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.race import RaceSource
from twisted_ext.testing.sources import HeldSource, atHand

WWW = question("www.example")


class RaceTests(SynchronousTestCase):
    """
    Tests for L{RaceSource}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.runners = [HeldSource(), HeldSource(), HeldSource()]

    def race(self, delay: float = 1.0) -> Deferred[Answer]:
        """
        Begin a race.
        """
        return lookUp(RaceSource(self.runners, self.clock, delay=delay), WWW, wishes())

    def lookupCounts(self) -> list[int]:
        """
        Return the number of look-ups of each source.
        """
        return [runner.asked for runner in self.runners]

    def test_providesIAnswerSource(self) -> None:
        """
        The race is an answer source and lists its sources. It needs at least one.
        """
        racing = RaceSource(self.runners, self.clock)
        verifyObject(IAnswerSource, racing)
        self.assertEqual(racing.sources(), tuple(self.runners))
        self.assertRaises(CallerFault, RaceSource, [], self.clock)

    def test_timelySourceRunsAlone(self) -> None:
        """
        A source that answers in time is the only one asked.
        """
        asking = self.race()
        self.clock.advance(0.9)
        self.runners[0].release(said(WWW, "192.0.2.1"))
        self.assertEqual(addresses(self.successResultOf(asking)), ["192.0.2.1"])
        self.clock.advance(10)
        self.assertEqual(self.lookupCounts(), [1, 0, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slowSourceIsHedged(self) -> None:
        """
        A slow source is joined by the next ones, the first answer wins, and the others are cancelled.
        """
        asking = self.race()
        self.clock.pump([1.0, 1.0])
        self.assertEqual(self.lookupCounts(), [1, 1, 1])
        self.runners[1].release(said(WWW, "192.0.2.2"))
        self.assertEqual(addresses(self.successResultOf(asking)), ["192.0.2.2"])
        self.assertEqual([len(runner.cancelled) for runner in self.runners], [1, 0, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_zeroDelayAsksAllAtOnce(self) -> None:
        """
        All sources are asked at once if the delay is 0.
        """
        self.race(0)
        self.assertEqual(self.lookupCounts(), [1, 1, 1])

    def test_denialWins(self) -> None:
        """
        A denial is an answer and wins the race.
        """
        asking = self.race()
        self.runners[0].release(said(WWW, Outcome.NXDOMAIN))
        self.assertIs(self.successResultOf(asking).outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.lookupCounts(), [1, 0, 0])

    def test_failureStartsNextAtOnce(self) -> None:
        """
        The next source is asked without delay if one fails.
        """
        asking = self.race()
        self.runners[0].release(ServerFailed("no"))
        self.assertEqual(self.lookupCounts(), [1, 1, 0])
        self.clock.advance(0.5)
        self.runners[1].release(Unknown("nothing"))
        self.assertEqual(self.lookupCounts(), [1, 1, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.runners[2].release(said(WWW, "192.0.2.3"))
        self.assertEqual(addresses(self.successResultOf(asking)), ["192.0.2.3"])

    def test_mostTellingFailureIsRaised(self) -> None:
        """
        The failure that says most about the question is raised if all sources fail.
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
            asking = lookUp(RaceSource(runners, self.clock, delay=0), WWW, wishes())
            for runner, fault in zip(runners, faults, strict=True):
                runner.release(fault)
            failure = self.failureResultOf(asking)
            self.assertIs(failure.value, expected)

    def test_bugIsNotHiddenByTimeout(self) -> None:
        """
        An error in the code of one source is not hidden by the timeout of another.
        """
        racing = RaceSource([Mistaken(), Told(otherwise=TimedOut("late"))], self.clock, delay=0)
        self.failureResultOf(lookUp(racing, WWW, wishes()), ZeroDivisionError)

    def test_immediateSourcesEndTheRaceAtOnce(self) -> None:
        """
        Sources that answer or fail at once do so in a race.
        """
        sources = [Told(otherwise=ServerFailed("no")), Told({"www.example A": "192.0.2.2"}), self.runners[0]]
        answer = self.successResultOf(lookUp(RaceSource(sources, self.clock), WWW, wishes()))
        self.assertEqual(addresses(answer), ["192.0.2.2"])
        failing = RaceSource([Told(otherwise=TimedOut("late")), Told(otherwise=Unknown(""))], self.clock)
        self.failureResultOf(lookUp(failing, WWW, wishes()), TimedOut)
        self.assertEqual(self.lookupCounts(), [0, 0, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answerAtHandOfAnySourceWins(self) -> None:
        """
        An answer at hand in any source wins without a race.
        """
        cached = Told({"www.example A": "192.0.2.2"}, ready=True)
        racing = RaceSource([self.runners[0], Told(otherwise=Unknown(""), ready=True), cached], self.clock)
        answer = atHand(racing, WWW, wishes())
        assert answer is not None
        self.assertEqual(answer.answer, self.successResultOf(lookUp(racing, WWW, wishes())).answer)
        self.assertEqual(self.lookupCounts(), [0, 0, 0])

    def test_cancelEndsAllRunners(self) -> None:
        """
        Cancelling ends all running look-ups.
        """
        asking = self.race()
        self.clock.advance(1.0)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual([len(runner.cancelled) for runner in self.runners], [1, 1, 0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_traceShowsHedging(self) -> None:
        """
        The trace says when the next source was started.
        """
        trace = Trace()
        lookUp(RaceSource(self.runners, self.clock, delay=1.0), WWW, QueryContext(9.0, trace=trace))
        self.clock.advance(1.0)
        self.assertEqual([(note.source, note.event, note.at) for note in trace.notes], [("race", "hedged", 1.0)])

    def test_closeEndsRunnersAndSources(self) -> None:
        """
        Closing ends the running look-ups and closes all sources. A second close does nothing.
        """
        racing = RaceSource(self.runners, self.clock)
        asking = lookUp(racing, WWW, wishes())
        self.successResultOf(racing.close())
        self.successResultOf(racing.close())
        self.clock.advance(10)
        self.assertEqual([runner.closed for runner in self.runners], [True] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.failureResultOf(asking, Closed)
        self.assertEqual(self.lookupCounts(), [1, 0, 0])
