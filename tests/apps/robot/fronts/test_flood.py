"""
Tests of L{twisted_ext.apps.robot.fronts.irc}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.apps.robot.fronts.irc import Outbox
from twisted_ext.apps.robot.interfaces import Urgency

__all__: list[str] = []


class OutboxTests(SynchronousTestCase):
    """
    Tests of L{Outbox}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[str] = []
        self.closed: set[str] = set()
        self.outbox = Outbox(self.clock, "net", self.sent.append, lambda target: target not in self.closed)

    def test_expire(self) -> None:
        """
        Lines that have waited for five minutes are dropped.
        """
        self.outbox.put("#a", "old")
        self.clock.advance(200)
        self.outbox.put("#a", "new")
        self.clock.advance(200)
        self.outbox.open()
        self.assertEqual(self.sent, ["new"])

    def test_droppedOnce(self) -> None:
        """
        The log says once that lines are dropped, and how many they were when it is over.
        """
        with capturedLogs() as logs:
            for number in range(1000):
                self.outbox.put("#a", str(number))
            self.outbox.open()
        self.assertEqual((len(self.sent), len(logs), logs[-1]["count"]), (500, 2, 500))

    def test_total(self) -> None:
        """
        No more than 10,000 lines wait, however many targets they are for.
        """
        looked: list[object] = []
        self.patch(self.outbox, "_expire", lambda waiting, queue: looked.append(queue))
        for number in range(11_000):
            self.outbox.put(f"nick{number}", "x")
        # Those that wait are not looked through for each line that is dropped.
        self.assertEqual(len(looked), 10_000)
        self.outbox.open()
        self.assertEqual(len(self.sent), 10_000)

    def test_oldLinesMakeRoom(self) -> None:
        """
        Lines for a channel that the robot cannot enter keep no room from newer ones when their time is over.
        """
        self.closed.add("#a")
        for _ in range(500):
            self.outbox.put("#a", "old")
        self.clock.advance(301)
        self.outbox.put("#a", "new")
        self.closed.clear()
        self.outbox.open()
        self.assertEqual(self.sent, ["new"])

    def test_notReady(self) -> None:
        """
        A target that is not ready keeps no other one waiting, and gets its lines later, in order.
        """
        self.closed.add("#a")
        self.outbox.open()
        for line in ("1", "2"):
            self.outbox.put("#A", line)
            self.outbox.put("#b", line * 2)
        self.closed.clear()
        self.outbox.pump()
        self.assertEqual(self.sent, ["11", "22", "1", "2"])

    def test_longLines(self) -> None:
        """
        Long lines count for more: after five short ones a server is ten seconds behind, and so it is after two long ones.
        """
        self.outbox.burst, self.outbox.interval = 5, 2.0
        self.outbox.open()
        self.clock.advance(100)
        for _ in range(20):
            self.outbox.put("#a", "x" * 450)
        self.assertEqual(len(self.sent), 2)
        self.clock.advance(60)
        self.assertLess(len(self.sent), 15)

    def test_commandsFirst(self) -> None:
        """
        Commands go before all lines, and those of an old connection are forgotten.
        """
        self.outbox.interval = 1.0
        self.outbox.open()
        self.clock.advance(10)
        for number in range(3):
            self.outbox.put("#a", str(number))
        self.outbox.command("JOIN #b")
        self.clock.pump([1.0] * 2)
        self.outbox.command("JOIN #c")
        self.outbox.close(False)
        self.outbox.command("JOIN #d")
        self.clock.pump([1.0] * 5)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.outbox.open()
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.sent, ["0", "JOIN #b", "1", "2"])

    def test_repliesDoNotWaitForRelay(self) -> None:
        """
        Replies go before notices, and both before relayed lines, in the same channel too.
        """
        self.outbox.interval = 2.0
        self.outbox.open()
        self.clock.advance(10)
        for number in range(200):
            self.outbox.put("#a", f"relay {number}", Urgency.RELAY)
            self.clock.advance(0.05)
        self.outbox.put("#a", "notice", Urgency.NOTICE)
        self.outbox.put("#a", "reply", Urgency.REPLY)
        before = len(self.sent)
        self.clock.pump([2.5] * 4)
        self.assertEqual(self.sent[before : before + 2], ["reply", "notice"])
        self.assertEqual(self.sent[before + 2], f"relay {before}")

    def test_relayTakesNoRoomOfReplies(self) -> None:
        """
        A reply is kept although as many relayed lines wait as may wait.
        """
        for number in range(600):
            self.outbox.put("#a", f"relay {number}", Urgency.RELAY)
        self.outbox.put("#a", "reply", Urgency.REPLY)
        self.outbox.open()
        self.assertEqual((self.sent[0], len(self.sent)), ("reply", 501))

    def test_repliesAreSentAgainFirst(self) -> None:
        """
        What was sent to a silent server keeps its urgency when it is sent again.
        """
        self.outbox.open()
        self.outbox.put("#a", "relay", Urgency.RELAY)
        self.outbox.put("#a", "reply", Urgency.REPLY)
        self.outbox.close(True)
        self.outbox.open()
        self.assertEqual(self.sent, ["relay", "reply", "reply", "relay"])
