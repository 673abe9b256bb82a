"""
Tests of the shared timer, and of that of idle connections.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.transport.timers import IdleTimer, Timetable


class Waiter:
    """
    Wait, and record the calls.
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
        Stop waiting.
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

    def test_waitersShareOneDelayedCall(self) -> None:
        """
        All waiters share one delayed call, and each is called at its time.
        """
        waiters = [Waiter(self.table, due) for due in (3.0, 1.0, 2.0, 1.0)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.pump([0.5] * 8)
        self.assertEqual([waiter.called for waiter in waiters], [[3.0], [1.0], [2.0], [1.0]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lastWaiterCancelsTheCall(self) -> None:
        """
        No delayed call is left after the last waiter has left.
        """
        first, second = Waiter(self.table, 1.0), Waiter(self.table, 2.0)
        first.leave()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        second.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_movedWaiterIsCalledAgain(self) -> None:
        """
        A waiter that moves its time when it is called is called again then.
        """

        def move(waiter: Waiter, now: float) -> None:
            waiter.due = now + 2.0
            if len(waiter.called) == 3:
                waiter.leave()

        waiter = Waiter(self.table, 1.0, move)
        self.clock.pump([0.5] * 20)
        self.assertEqual(waiter.called, [1.0, 3.0, 5.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_earlierTimeIsKept(self) -> None:
        """
        A waiter that moves to an earlier time and is added again is called then.
        """
        waiter = Waiter(self.table, 5.0)
        waiter.due = 1.0
        self.table.add(waiter)
        self.clock.pump([0.5] * 4)
        self.assertEqual(waiter.called, [1.0])

    def test_waiterAddedDuringCallIsCalled(self) -> None:
        """
        A waiter that is added while another is called is called, even when that was the last one.
        """
        begun: list[Waiter] = []

        def begin(waiter: Waiter, now: float) -> None:
            waiter.leave()
            begun.append(Waiter(self.table, now + 1.0))

        Waiter(self.table, 1.0, begin)
        self.clock.pump([0.5] * 6)
        self.assertEqual(begun[0].called, [2.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waiterRemovedDuringCallIsSkipped(self) -> None:
        """
        A waiter that leaves because of another's call is not called.
        """
        waiters: list[Waiter] = []

        def end(waiter: Waiter, now: float) -> None:
            for each in waiters:
                each.leave()

        waiters += [Waiter(self.table, 1.0, end), Waiter(self.table, 1.0, end)]
        self.clock.advance(1.0)
        self.assertEqual(sum([len(waiter.called) for waiter in waiters]), 1)

    def test_manyWaitersNeedFewCalls(self) -> None:
        """
        Very many waiters need far fewer calls of the timer than there are waiters.
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

    def test_exceptionSparesOtherWaiters(self) -> None:
        """
        An exception in one waiter does not affect the others.
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

    def test_infiniteTimeNeedsNoTimer(self) -> None:
        """
        A waiter that is never due needs no timer.
        """
        Waiter(self.table, 1.0, lambda waiter, now: setattr(waiter, "due", inf))
        self.clock.advance(1.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class IdleTimerTests(SynchronousTestCase):
    """
    Tests for L{IdleTimer}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.ended: list[float] = []
        self.timer = IdleTimer(self.clock, lambda: self.ended.append(self.clock.seconds()))

    def test_endsAfterTheTime(self) -> None:
        """
        The connection ends once it has been idle long enough, and no delayed call is left.
        """
        self.timer.start(2.0)
        self.clock.pump([0.5] * 8)
        self.assertEqual(self.ended, [2.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeBeginsAgain(self) -> None:
        """
        A connection that was used meanwhile is kept for the whole time again, by the same delayed call.
        """
        self.timer.start(2.0)
        (call,) = self.clock.getDelayedCalls()
        self.clock.advance(1.5)
        self.timer.until = inf
        self.timer.start(2.0)
        self.assertEqual(self.clock.getDelayedCalls(), [call])
        self.clock.pump([0.5] * 8)
        self.assertEqual(self.ended, [3.5])

    def test_busyConnectionIsKept(self) -> None:
        """
        A connection that is in use when the time is over does not end; once idle, it is kept for the whole time.
        """
        self.timer.start(2.0)
        self.timer.until = inf
        self.clock.advance(5.0)
        self.assertEqual((self.ended, self.clock.getDelayedCalls()), ([], []))
        self.timer.start(2.0)
        self.clock.pump([0.5] * 8)
        self.assertEqual(self.ended, [7.0])

    def test_shorterTime(self) -> None:
        """
        A shorter time, which a server may demand, counts at once.
        """
        self.timer.start(9.0)
        self.timer.start(1.0)
        self.clock.pump([0.5] * 4)
        self.assertEqual(self.ended, [1.0])

    def test_stopping(self) -> None:
        """
        A timer that was stopped leaves no delayed call, and can be started again.
        """
        self.timer.start(2.0)
        self.timer.stop()
        self.timer.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.timer.start(3.0)
        self.clock.pump([0.5] * 8)
        self.assertEqual(self.ended, [3.0])
