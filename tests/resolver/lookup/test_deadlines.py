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
        waiter: Deferred[Answer] = Deferred()
        self.deadlines.add(deadline, waiter, self.late.append)
        return waiter

    def test_order(self) -> None:
        """
        Each is told at its own time, in whatever order they came, by never more than one timer.
        """
        third, first, second = self.wait(3), self.wait(1), self.wait(2)
        for expected in ([first], [first, second], [first, second, third]):
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.clock.advance(1)
            self.assertEqual(self.late, expected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_discarded(self) -> None:
        """
        Who left is not told, and the timer goes with the last one.
        """
        gone, stays = self.wait(1), self.wait(2)
        self.deadlines.discard(gone)
        self.deadlines.discard(gone)
        self.clock.advance(1.5)
        self.assertEqual(self.late, [])
        self.deadlines.discard(stays)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_memory(self) -> None:
        """
        Those who left leave nothing behind, though one of them stays for long.
        """
        self.wait(1000)
        for _ in range(5000):
            self.deadlines.discard(self.wait(500))
        self.assertLess(len(self.deadlines._heap), 200)
        self.clock.advance(1000)
        self.assertEqual(len(self.late), 1)

    def test_past(self) -> None:
        """
        A deadline that is over already is told as soon as may be.
        """
        self.clock.advance(10)
        self.wait(5)
        self.clock.advance(0)
        self.assertEqual(len(self.late), 1)

    def test_again(self) -> None:
        """
        Who is told may add others.
        """
        self.deadlines.add(1, Deferred(), lambda waiter: self.wait(2))
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(len(self.late), 1)

    def test_againForLater(self) -> None:
        """
        Who is told may add others that have more time than those who wait already; nobody is told late because of that.
        """
        self.deadlines.add(1, Deferred(), lambda waiter: self.wait(10))
        self.wait(2)
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(len(self.late), 1)
        self.clock.advance(8)
        self.assertEqual((len(self.late), self.clock.getDelayedCalls()), (2, []))
