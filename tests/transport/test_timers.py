"""
Tests of the one timer.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.transport.timers import Timetable


class Waiter:
    """
    Waits, and notes when it was called.
    """

    def __init__(self, table: Timetable, due: float, then: Callable[[Waiter, float], None] | None = None) -> None:
        self.due = due
        self.called: list[float] = []
        self._table = table
        self._then = then
        table.add(self)

    def overdue(self, now: float) -> None:
        self.called.append(now)
        if self._then is None:
            self.leave()
        else:
            self._then(self, now)

    def leave(self) -> None:
        """
        Wait no more.
        """
        self._table.waiting.discard(self)
        if not self._table.waiting:
            self._table.settle()


class TimetableTests(SynchronousTestCase):
    """
    Tests for L{Timetable}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.table = Timetable(self.clock)

    def test_oneCall(self) -> None:
        """
        However many wait, there is one delayed call, and each is called at its time.
        """
        waiters = [Waiter(self.table, due) for due in (3.0, 1.0, 2.0, 1.0)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.pump([0.5] * 8)
        self.assertEqual([waiter.called for waiter in waiters], [[3.0], [1.0], [2.0], [1.0]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothingLeft(self) -> None:
        """
        When the last one leaves, no delayed call is left.
        """
        first, second = Waiter(self.table, 1.0), Waiter(self.table, 2.0)
        first.leave()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        second.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again(self) -> None:
        """
        Whoever moves its time when called is called again then.
        """

        def move(waiter: Waiter, now: float) -> None:
            waiter.due = now + 2.0
            if len(waiter.called) == 3:
                waiter.leave()

        waiter = Waiter(self.table, 1.0, move)
        self.clock.pump([0.5] * 20)
        self.assertEqual(waiter.called, [1.0, 3.0, 5.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_earlier(self) -> None:
        """
        Whoever moves its time to an earlier one and says so is called then.
        """
        waiter = Waiter(self.table, 5.0)
        waiter.due = 1.0
        self.table.add(waiter)
        self.clock.pump([0.5] * 4)
        self.assertEqual(waiter.called, [1.0])

    def test_newOnesMeanwhile(self) -> None:
        """
        One that begins to wait while another is called is not forgotten, not even when that was the last.
        """
        begun: list[Waiter] = []

        def begin(waiter: Waiter, now: float) -> None:
            waiter.leave()
            begun.append(Waiter(self.table, now + 1.0))

        Waiter(self.table, 1.0, begin)
        self.clock.pump([0.5] * 6)
        self.assertEqual(begun[0].called, [2.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_leavesMeanwhile(self) -> None:
        """
        One that another's call makes leave is not called any more.
        """
        waiters: list[Waiter] = []

        def end(waiter: Waiter, now: float) -> None:
            for each in waiters:
                each.leave()

        waiters += [Waiter(self.table, 1.0, end), Waiter(self.table, 1.0, end)]
        self.clock.advance(1.0)
        self.assertEqual(sum([len(waiter.called) for waiter in waiters]), 1)

    def test_many(self) -> None:
        """
        With very many waiters, the looks at them are not made as often as there are waiters.
        """
        calls: list[float] = []

        def note(waiter: Waiter, now: float) -> None:
            calls.append(now)
            waiter.leave()

        for number in range(5000):
            Waiter(self.table, 1.0 + number * 1e-6, note)
        self.clock.pump([1e-4] * 11_000)
        self.assertEqual(len(calls), 5000)
        self.assertLess(len(set(calls)), 20)

    def test_mistake(self) -> None:
        """
        A mistake in one of those that wait leaves the others their time.
        """

        def mistake(waiter: Waiter, now: float) -> None:
            waiter.leave()
            raise ZeroDivisionError

        Waiter(self.table, 1.0, mistake)
        other = Waiter(self.table, 2.0, lambda waiter, now: waiter.leave())
        self.assertRaises(ZeroDivisionError, self.clock.advance, 1.0)
        self.clock.advance(1.0)
        self.assertEqual(other.called, [2.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forEver(self) -> None:
        """
        What is never due needs no timer.
        """
        Waiter(self.table, 1.0, lambda waiter, now: setattr(waiter, "due", inf))
        self.clock.advance(1.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
