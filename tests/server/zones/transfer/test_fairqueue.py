"""
Tests of sharing slots among servers.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.zones.transfer.fairqueue import Slots


class SlotsTests(SynchronousTestCase):
    """
    Tests for L{Slots}.
    """

    def setUp(self) -> None:
        self.slots = Slots(4)
        self.got: list[str] = []

    def acquire(self, server: str, times: int = 1) -> None:
        """
        Request slots for a server.
        """
        for _ in range(times):
            self.slots.acquire(server).addCallback(lambda _: self.got.append(server))

    def test_busyServerLeavesRoom(self) -> None:
        """
        A server with many requests leaves slots for others, and the servers take turns.
        """
        self.acquire("hanging", 100)
        self.assertEqual((self.got, self.slots.running), (["hanging"] * 3, 3))
        self.acquire("one", 2)
        self.acquire("two", 2)
        self.assertEqual(self.got[3:], ["one"])
        for server in ("one", "one", "two"):
            self.slots.release(server)
        self.assertEqual(self.got[4:], ["one", "two", "two"])
        self.slots.release("two")
        self.assertEqual((self.got[7:], self.slots.running), ([], 3))
        self.slots.release("hanging")
        self.assertEqual(self.got[7:], ["hanging"])

    def test_cancelledRequestTakesNoSlot(self) -> None:
        """
        A cancelled request takes no slot.
        """
        self.acquire("one", 3)
        waiting = self.slots.acquire("one")
        self.acquire("one")
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.slots.release("one")
        self.assertEqual((self.got, self.slots.running), (["one"] * 4, 3))

    def test_singleSlotIsForAllServers(self) -> None:
        """
        A single slot is available to every server.
        """
        slots = Slots(1)
        self.successResultOf(slots.acquire("one"))
        waiting = slots.acquire("two")
        self.assertNoResult(waiting)
        slots.release("one")
        self.successResultOf(waiting)
