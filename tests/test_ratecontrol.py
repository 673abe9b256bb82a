"""
Tests of L{twisted_ext.ratecontrol}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.ratecontrol import Rate, Window


def play(window: Window, rounds: int, isLost: Callable[[int, int], bool], seconds: float = 0.01) -> list[int]:
    """
    Simulate rounds of look-ups, each as large as the window, and return the window after each round.

    @param isLost: takes the number of a look-up within its round and the window, and returns whether it is lost.
    """
    sizes = []
    now = 0.0
    for _ in range(rounds):
        size = window.size
        for number in range(size):
            now += seconds / size
            window.note(now, isLost(number, size))
        sizes.append(window.size)
    return sizes


class WindowTests(SynchronousTestCase):
    """
    Tests for L{Window}.
    """

    def test_windowDoublesWithoutLoss(self) -> None:
        """
        The window doubles up to its maximum while nothing is lost and throughput grows.
        """
        self.assertEqual(play(Window(32, most=500), 5, lambda number, size: False), [64, 128, 256, 500, 500])

    def test_windowStopsWithoutGain(self) -> None:
        """
        Doubling ends when it brings no throughput, since a larger window only adds waiting.
        """
        window = Window(32, most=1000)
        now = 0.0
        for _ in range(3000):
            now += 0.001  # A thousand a second, whatever the window.
            window.note(now, False)
        self.assertLess(window.size, 300)

    def test_windowSettlesAtCapacity(self) -> None:
        """
        The window settles near the capacity of a server that drops everything beyond it.
        """
        sizes = play(Window(32, most=10_000), 200, lambda number, size: number >= 300)
        self.assertGreater(min(sizes[10:]), 100)
        self.assertLess(max(sizes[10:]), 400)

    def test_windowHalvesOncePerRound(self) -> None:
        """
        The window halves when too many of a round are lost, and once for a round.
        """
        window = Window(100, least=10)
        for _ in range(20):
            window.note(1.0, True)
        self.assertLess(window.size, 100)
        self.assertGreaterEqual(window.size, 25)

    def test_deadNamesKeepWindowOpen(self) -> None:
        """
        The window does not collapse if a third of all names has no working server.
        """
        sizes = play(Window(64, most=1000), 300, lambda number, size: number % 3 == 0)
        self.assertGreater(sizes[-1], 64)

    def test_deadNamesCollapseItWithoutTolerance(self) -> None:
        """
        The same names collapse the window without the tolerance.
        """
        window = Window(64, most=1000)
        for _ in range(300):
            play(window, 1, lambda number, size: number % 3 == 0)
            window.tolerated = 0.05
            window._shrunk = None
        self.assertEqual(window.size, window.least)

    def test_deadServerGetsTheMinimum(self) -> None:
        """
        A server without replies gets a window near the minimum.
        """
        window = Window(500, least=8)
        play(window, 100, lambda number, size: True)
        self.assertLess(window.size, 20)

    def test_windowStaysInItsBounds(self) -> None:
        """
        The window never leaves its bounds.
        """
        self.assertEqual(Window(32, most=4).size, 4)
        self.assertEqual(Window(32, most=10**9).most, 20_000)
        self.assertEqual(Window(0).size, 8)


class RateTests(SynchronousTestCase):
    """
    Tests for L{Rate}.
    """

    def test_rateIsEven(self) -> None:
        """
        The allowed number of look-ups starts within ten seconds, without bursts of more than a twentieth of a second's worth.
        """
        rate = Rate(100)
        began = []
        now = 0.0
        while now < 10:
            wait = rate.take(now)
            if wait:
                now += wait
            else:
                began.append(now)
        self.assertTrue(990 <= len(began) <= 1010, len(began))
        self.assertLessEqual(max(sum(1 for each in began if at <= each < at + 0.05) for at in began[:200]), 11)

    def test_idleTimeGivesNoBurst(self) -> None:
        """
        Idle time is not saved up for a burst.
        """
        rate = Rate(100)
        self.assertEqual(rate.take(0.0), 0.0)
        atOnce = 0
        while not rate.take(1000.0):
            atOnce += 1
        self.assertLessEqual(atOnce, 7)
