"""
Tests of L{twisted_ext.ratecontrol}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.ratecontrol import Rate, Window


def play(window: Window, rounds: int, isLost: Callable[[int, int], bool], seconds: float = 0.01) -> list[int]:
    """
    Let rounds of look-ups pass, each as large as the window then is.

    @param isLost: told the number of a look-up within its round and the window, says whether it gets lost.

    @return: the window after each round.
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

    def test_opens(self) -> None:
        """
        Where nothing gets lost and more brings more, it doubles up to the most.
        """
        self.assertEqual(play(Window(32, most=500), 5, lambda number, size: False), [64, 128, 256, 500, 500])

    def test_flat(self) -> None:
        """
        Doubling ends where it brings nothing: a window beyond that only makes others wait.
        """
        window = Window(32, most=1000)
        now = 0.0
        for _ in range(3000):
            now += 0.001  # A thousand a second, whatever the window.
            window.note(now, False)
        self.assertLess(window.size, 300)

    def test_congestion(self) -> None:
        """
        A server that drops all beyond 300 at once is kept busy, and is not asked for much more.
        """
        sizes = play(Window(32, most=10_000), 200, lambda number, size: number >= 300)
        self.assertGreater(min(sizes[10:]), 100)
        self.assertLess(max(sizes[10:]), 400)

    def test_backsOff(self) -> None:
        """
        A window halves when too many of a round are lost, and not more than once for the same round.
        """
        window = Window(100, least=10)
        for _ in range(20):
            window.note(1.0, True)
        self.assertLess(window.size, 100)
        self.assertGreaterEqual(window.size, 25)

    def test_deadNames(self) -> None:
        """
        A list where a third of all names has no living server is not mistaken for an overloaded one: the window does not collapse.
        """
        sizes = play(Window(64, most=1000), 300, lambda number, size: number % 3 == 0)
        self.assertGreater(sizes[-1], 64)

    def test_deadNamesUntolerated(self) -> None:
        """
        With that tolerance switched off, the same list does make it collapse.
        """
        window = Window(64, most=1000)
        for _ in range(300):
            play(window, 1, lambda number, size: number % 3 == 0)
            window.tolerated = 0.05
            window._shrunk = None
        self.assertEqual(window.size, window.least)

    def test_deadServer(self) -> None:
        """
        A server that answers nothing is asked as little as may be.
        """
        window = Window(500, least=8)
        play(window, 100, lambda number, size: True)
        self.assertLess(window.size, 20)

    def test_bounds(self) -> None:
        """
        It never leaves its bounds, whatever is asked for.
        """
        self.assertEqual(Window(32, most=4).size, 4)
        self.assertEqual(Window(32, most=10**9).most, 20_000)
        self.assertEqual(Window(0).size, 8)


class RateTests(SynchronousTestCase):
    """
    Tests for L{Rate}.
    """

    def test_even(self) -> None:
        """
        Over ten seconds, as many begin as were allowed, with no burst of more than a twentieth of a second's worth.
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

    def test_quiet(self) -> None:
        """
        Time in which nobody asked is not saved up for a flood.
        """
        rate = Rate(100)
        self.assertEqual(rate.take(0.0), 0.0)
        atOnce = 0
        while not rate.take(1000.0):
            atOnce += 1
        self.assertLessEqual(atOnce, 7)
