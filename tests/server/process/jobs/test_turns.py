"""
Tests for L{twisted_ext.server.process.jobs.turns}.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.process.jobs.turns import paced


class PacedTests(SynchronousTestCase):
    """
    Tests for L{paced}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.taken: list[int] = []
        self.ended = False

    def steps(self, count: int, seconds: float) -> Iterator[None]:
        """
        Yield after each step.

        @param seconds: the duration of each step.
        """
        try:
            for number in range(count):
                self.taken.append(number)
                self.clock.rightNow += seconds
                yield
        finally:
            self.ended = True

    def test_shortWorkFinishesAtOnce(self) -> None:
        """
        Work that fits into one turn is finished at once.
        """
        self.successResultOf(paced(self.clock, self.steps(3, 0.001)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_longWorkLetsOthersRun(self) -> None:
        """
        Longer work lets other calls run between its turns, and finishes.
        """
        turns: list[int] = []

        def other() -> None:
            turns.append(len(self.taken))
            if len(self.taken) < 9:
                self.clock.callLater(0, other)

        done = paced(self.clock, self.steps(9, 0.005))
        self.assertNoResult(done)
        other()
        self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual(self.taken, list(range(9)))
        self.assertGreater(len(set(turns)), 3)

    def test_exceptionReachesCaller(self) -> None:
        """
        The caller gets an exception that a step raises, in a later turn as well.
        """

        def steps() -> Iterator[None]:
            yield from self.steps(3, 0.02)
            raise ValueError

        done = paced(self.clock, steps())
        self.assertNoResult(done)
        self.clock.pump([0, 0, 0, 0])
        self.failureResultOf(done, ValueError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelClosesIterator(self) -> None:
        """
        Cancellation stops the work and closes the iterator.
        """
        done = paced(self.clock, self.steps(9, 0.02))
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual((self.taken, self.ended, self.clock.getDelayedCalls()), ([0], True, []))

    def test_stepsThatWait(self) -> None:
        """
        A step that waits gets the result, at once if it is there, or the failure; nothing goes on after a cancellation.
        """
        said: list[object] = []
        several: list[Deferred[object]] = [Deferred(), succeed(2), Deferred(), Deferred()]

        def steps() -> Generator[object, object, None]:
            for each in several:
                try:
                    said.append((yield each))
                except ValueError:
                    said.append("wrong")

        done = paced(self.clock, steps())
        self.assertEqual(said, [])
        several[0].callback(1)
        self.assertEqual(said, [1, 2])
        several[2].errback(ValueError())
        self.assertEqual(said, [1, 2, "wrong"])
        done.cancel()
        self.failureResultOf(done, CancelledError)
        several[3].callback(4)
        self.assertEqual((said, self.clock.getDelayedCalls()), ([1, 2, "wrong"], []))
