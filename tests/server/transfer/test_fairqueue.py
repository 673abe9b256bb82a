"""
Tests of sharing places among servers.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.transfer.fairqueue import Slots


class SlotsTests(SynchronousTestCase):
    """
    Tests for L{Slots}.
    """

    def setUp(self) -> None:
        self.slots = Slots(4)
        self.got: list[str] = []

    def want(self, server: str, times: int = 1) -> None:
        """
        Ask for places.
        """
        for _ in range(times):
            self.slots.acquire(server).addCallback(lambda _: self.got.append(server))

    def test_shared(self) -> None:
        """
        A server for which there is much to do leaves room for others, and they take turns.
        """
        self.want("hanging", 100)
        self.assertEqual((self.got, self.slots.running), (["hanging"] * 3, 3))
        self.want("one", 2)
        self.want("two", 2)
        self.assertEqual(self.got[3:], ["one"])
        for server in ("one", "one", "two"):
            self.slots.release(server)
        self.assertEqual(self.got[4:], ["one", "two", "two"])
        self.slots.release("two")
        self.assertEqual((self.got[7:], self.slots.running), ([], 3))
        self.slots.release("hanging")
        self.assertEqual(self.got[7:], ["hanging"])

    def test_givenUp(self) -> None:
        """
        Whoever does not wait any more takes no place.
        """
        self.want("one", 3)
        waiting = self.slots.acquire("one")
        self.want("one")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.slots.release("one")
        self.assertEqual((self.got, self.slots.running), (["one"] * 4, 3))

    def test_single(self) -> None:
        """
        One place is for everybody.
        """
        slots = Slots(1)
        self.successResultOf(slots.acquire("one"))
        waiting = slots.acquire("two")
        self.assertNoResult(waiting)
        slots.release("one")
        self.successResultOf(waiting)
