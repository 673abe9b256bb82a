"""
Tests of work that leaves most of the time to the reactor.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import TimedOut
from twisted_ext.server.process.jobs.subprocess import SparingThread


class SparingTests(SynchronousTestCase):
    """
    Tests with a clock that the work advances.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.now = 0.0
        self.done: list[float] = []
        self.sparing = SparingThread(self.clock, lambda: self.now)

    def work(self, seconds: float) -> Deferred[object]:
        def do() -> float:
            self.now += seconds
            self.done.append(seconds)
            return seconds

        return self.sparing(do)

    def test_rests(self) -> None:
        """
        Work that waits begins after a rest of three times as long as the work before it took, but of a second at most.
        """
        self.assertEqual(self.successResultOf(self.work(0.1)), 0.1)
        second, third = self.work(5.0), self.work(0.2)
        self.clock.advance(0.29)
        self.assertNoResult(second)
        self.clock.advance(0.02)
        self.assertEqual(self.successResultOf(second), 5.0)
        self.assertNoResult(third)
        self.clock.advance(1.0)
        self.assertEqual(self.successResultOf(third), 0.2)

    def test_failures(self) -> None:
        """
        Work that fails makes room for the next, as other work does.
        """
        self.failureResultOf(self.sparing(lambda: 1 // 0), ZeroDivisionError)
        self.clock.advance(0.0)
        self.assertEqual(self.successResultOf(self.work(0.1)), 0.1)

    def test_tooMuch(self) -> None:
        """
        Of a flood most is refused at once.
        """
        begun = [self.work(0.1) for _ in range(30)]
        self.assertEqual(len(self.done), 1)
        refused = begun[17:]
        for each in refused:
            self.failureResultOf(each, TimedOut)
        self.clock.pump([0.31] * 16)
        self.assertEqual(len(self.done), 17)
