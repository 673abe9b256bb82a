"""
Tests of dividing work among turns.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.listeners.stream import Turns


class _Turning(Clock):
    """
    A clock whose seconds are turns of a reactor.
    """

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        return super().callLater(delay + 1, callable, *args, **kw)


class TurnsTests(SynchronousTestCase):
    """
    Tests of L{Turns}.
    """

    def setUp(self) -> None:
        self.clock = _Turning()
        self.turns = Turns(self.clock, 3)
        self.done: list[int] = []

    def work(self, number: int, isNeeded: bool = True) -> None:
        def do() -> bool:
            if isNeeded:
                self.done.append(number)
            return isNeeded

        if self.turns.admit(do):
            do()

    def test_eachTurnHasItsShare(self) -> None:
        """
        A turn has three pieces of work, in the order in which they came, and none is left over.
        """
        for number in range(8):
            self.work(number)
        self.assertEqual(self.done, [0, 1, 2])
        self.clock.advance(1)
        self.work(8)
        self.assertEqual(self.done, list(range(6)))
        self.clock.advance(1)
        self.assertEqual(self.done, list(range(9)))
        self.clock.advance(1)
        self.assertEqual((len(self.turns), self.clock.getDelayedCalls()), (0, []))

    def test_needlessWorkTakesNoShare(self) -> None:
        """
        Work that is not needed any more leaves its share to others.
        """
        for number in range(10):
            self.work(number, number < 3 or number > 6)
        self.clock.advance(1)
        self.assertEqual(self.done, [0, 1, 2, 7, 8, 9])

    def test_closingForgetsWork(self) -> None:
        """
        Once closed, nothing waits and no timer is left.
        """
        for number in range(5):
            self.work(number)
        self.turns.close()
        self.assertEqual((self.clock.getDelayedCalls(), len(self.turns)), ([], 0))
