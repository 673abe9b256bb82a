"""
Tests of L{twisted_ext.apps.robot.plugins.channel.seen}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from tests.apps.robot.memory import RobotCase
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.limits import SEEN_KEPT
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.errors import StorageFault

__all__: list[str] = []

_UNSEEN = "has not spoken here since the robot takes notes, or does not want to be noted"


class SeenTests(RobotCase):
    plugins = ("seen",)

    def ask(self, nick: str, channel: str = "#dns") -> str:
        ((_, said),) = self.write("asker", f"!seen {nick}", channel)
        return said

    def test_lastTime(self) -> None:
        """
        The robot tells when a person last spoke, in words and as a date.
        """
        self.clock.advance(86400 * 365)
        self.write("Bob", "hello")
        for seconds, ago in ((0, "0 s"), (59, "59 s"), (1, "1 min"), (7200, "2 h"), (86400, "1 d")):
            self.clock.advance(seconds)
            self.assertEqual(self.ask("bOB"), f"Bob last spoke {ago} ago (1971-01-01 00:00 UTC) here")
        self.write("bob", "again")
        self.assertIn("bob last spoke 0 s ago", self.ask("bob"))

    def test_neverSeen(self) -> None:
        """
        It says so of a person who has not spoken, and of one who has spoken on another network only.
        """
        self.robot.receive(Message(Person("other", "eve"), Place("other", "#dns"), "hello"))
        self.assertEqual(self.ask("eve"), f"eve {_UNSEEN}")

    def test_survivesTheRobot(self) -> None:
        """
        Another robot on the same database knows it.
        """
        self.write("bob", "hello")
        self.restart()
        self.assertIn("bob last spoke", self.ask("bob"))

    def test_otherChannels(self) -> None:
        """
        Neither the channel nor the text is told in another channel, or in private.
        """
        self.stop()
        self.start({"seen": {"text": True}})
        self.write("bob", "a secret", "#secret")
        self.assertEqual(self.ask("bob", "#secret"), "bob last spoke 0 s ago (1970-01-01 00:00 UTC) here: a secret")
        for channel in ("#dns", ""):
            self.assertEqual(self.ask("bob", channel), "bob last spoke 0 s ago (1970-01-01 00:00 UTC)")

    def test_textOnlyIfSet(self) -> None:
        """
        Without the setting, no text is stored.
        """
        self.write("bob", "a secret")
        rows = self.successResultOf(self.database.read(lambda connection: connection.execute("SELECT said FROM seen").fetchall()))
        self.assertEqual(rows, [("",)])

    def test_privateIsNotNoted(self) -> None:
        """
        What a person writes to the robot in private is not noted.
        """
        self.write("bob", "help", "")
        self.assertIn(_UNSEEN, self.ask("bob"))

    def test_optOut(self) -> None:
        """
        What is known of a person who does not want to be noted is forgotten, and nothing new is noted until the person wants it again.
        """
        self.write("bob", "hello")
        self.assertEqual(self.write("Bob", "!unseen"), [("#dns", "it is not noted any more when you speak")])
        self.write("bob", "hello")
        self.restart()
        self.write("bob", "hello")
        self.assertIn(_UNSEEN, self.ask("bob"))
        rows = self.successResultOf(self.database.read(lambda connection: connection.execute("SELECT nick FROM seen").fetchall()))
        self.assertEqual(rows, [("asker",)])
        self.assertEqual(self.write("bob", "!unseen no"), [("#dns", "it is noted again when you speak")])
        self.write("bob", "hello")
        self.assertIn("bob last spoke", self.ask("bob"))

    def test_longestSilentAreForgotten(self) -> None:
        """
        Of more persons than may be kept, those are forgotten that have been silent for longest.
        """
        self.patch(SEEN_KEPT, "default", 3)
        for nick in ("a", "b", "a", "c", "d"):
            self.clock.advance(1)
            self.write(nick, "hello")
        rows = self.successResultOf(self.database.read(lambda connection: connection.execute("SELECT nick FROM seen").fetchall()))
        self.assertEqual(sorted(rows), [("a",), ("c",), ("d",)])

    def test_writesAreCollected(self) -> None:
        """
        While one write lasts, all others wait and become one, with one row for each person; the answer has the newest.
        """
        write = self.database.write
        held: list[Deferred[None]] = []
        sizes: list[int] = []

        def hold(function: Callable[..., object], rows: list[object]) -> Deferred[None]:
            held.append(Deferred())
            sizes.append(len(rows))
            return held[-1]

        self.patch(self.database, "write", hold)
        for number in range(100):
            self.clock.advance(0.1)
            self.write(f"nick{number % 10}", "hello")
        self.assertEqual(sizes, [1])
        self.assertIn("nick9 last spoke 0 s ago", self.ask("nick9"))
        held[0].callback(None)
        # The asker as well.
        self.assertEqual(sizes, [1, 11])
        self.patch(self.database, "write", write)
        held[1].callback(None)

    def test_diskFull(self) -> None:
        """
        What cannot be written is kept, and written with what follows; each fault is one line of the log.
        """
        write = self.database.write
        fault = StorageFault("disk is full")

        def refuse(function: Callable[..., object], *arguments: object) -> Deferred[None]:
            return Deferred.fromCoroutine(self.refuse(fault))

        self.patch(self.database, "write", refuse)
        self.write("bob", "hello")
        self.patch(self.database, "write", write)
        self.write("eve", "hello")
        self.restart()
        self.assertIn("bob last spoke", self.ask("bob"))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_diskThatStaysFull(self) -> None:
        """
        While nothing can be written, not more persons are kept in memory than on the disk.
        """
        self.patch(SEEN_KEPT, "default", 3)
        write = self.database.write
        sizes: list[int] = []

        def refuse(function: Callable[..., object], rows: list[object]) -> Deferred[None]:
            sizes.append(len(rows))
            return Deferred.fromCoroutine(self.refuse(StorageFault("disk is full")))

        self.patch(self.database, "write", refuse)
        for nick in "abcdef":
            self.write(nick, "hello")
        self.patch(self.database, "write", write)
        self.assertEqual(sizes, [1, 2, 3, 3, 3, 3])

    async def refuse(self, fault: StorageFault) -> None:
        raise fault

    def test_hostileText(self) -> None:
        """
        Active characters in nicks and texts are escaped, and formats and SQL are plain text.
        """
        self.stop()
        self.start({"seen": {"text": True}})
        self.write("bob\x1b[2J", "%s {0} '); DROP TABLE seen; --\r\nQUIT \x03,1")
        said = self.ask("bob\x1b[2j")
        self.assertTrue(said.startswith("bob\\x1b[2J last spoke 0 s ago"), said)
        self.assertTrue(said.endswith(r"here: %s {0} '); DROP TABLE seen; --\x0d\x0aQUIT \x03,1"), said)
