"""
Tests of many deadlines on one timer.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer
from twisted_ext.resolver.lookup.deadlines import Deadlines


class DeadlinesTests(SynchronousTestCase):
    """
    Tests for L{Deadlines}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.late: list[Deferred[Answer]] = []

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
        self.assertLess(len(self.deadlines._heap), 200)
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
