"""
Tests of L{twisted_ext.apps.robot.plugins.channel.tell}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail

from tests.apps.robot.memory import RobotCase
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.limits import TELL_EACH, TELL_KEPT
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.errors import StorageFault

__all__: list[str] = []

_GIVEN = "bob: owner said on 1970-01-01 00:00 UTC: the zone is signed"


class TellTests(RobotCase):
    plugins = ("tell",)

    def tell(self, nick: str = "bob", text: str = "the zone is signed", channel: str = "#dns") -> str:
        ((_, said),) = self.write("owner", f"!tell {nick} {text}", channel)
        return said

    def kept(self) -> int:
        rows = self.successResultOf(self.database.read(lambda connection: connection.execute("SELECT * FROM told").fetchall()))
        return len(rows)

    def test_whenTheReceiverSpeaks(self) -> None:
        """
        A message is said once when its receiver speaks, whatever the nick's case, and not to others.
        """
        self.assertEqual(self.tell("BOB"), "BOB gets your message when the robot sees them speak or join")
        self.assertEqual(self.write("eve", "hello"), [])
        self.assertEqual(self.write("bob", "hello"), [("#dns", _GIVEN)])
        self.assertEqual(self.write("bob", "thanks"), [])
        self.assertEqual(self.joins("bob"), [])

    def test_whenTheReceiverJoins(self) -> None:
        """
        A message is said when its receiver joins.
        """
        self.tell()
        self.assertEqual(self.joins("bob"), [("#dns", _GIVEN)])

    def test_keptUntilAcknowledged(self) -> None:
        """
        A message is said again when the receiver joins later, until the receiver has spoken after it was said.
        """
        self.tell()
        for _ in range(2):
            self.assertEqual(self.joins("bob"), [("#dns", _GIVEN)])
            # Joining over and over does not make the robot flood.
            self.assertEqual(self.joins("bob"), [])
            self.clock.advance(3600)
            self.restart()
        self.assertEqual(self.kept(), 1)
        self.assertEqual(self.write("bob", "thanks"), [])
        self.assertEqual((self.joins("bob"), self.kept()), ([], 0))

    def test_survivesTheRobot(self) -> None:
        """
        Another robot on the same database gives the messages.
        """
        self.tell()
        self.restart()
        self.assertEqual(self.write("bob", "hello"), [("#dns", _GIVEN)])

    def test_otherNetwork(self) -> None:
        """
        A person of the same nick on another network does not get it.
        """
        self.tell()
        self.robot.receive(Message(Person("other", "bob"), Place("other", "#dns"), "hello"))
        self.assertEqual((self.said(), self.kept()), ([], 1))

    def test_notInOtherChannels(self) -> None:
        """
        What was written in one channel, or in private, is said in private when the receiver speaks in another one.
        """
        for channel in ("#secret", ""):
            self.tell(channel=channel)
            self.assertEqual(self.write("bob", "hello"), [("bob", _GIVEN)])
            self.write("bob", "thanks")

    def test_fewAtOnce(self) -> None:
        """
        Of many messages, the first ones are said, in the order in which they came, and the next ones when the receiver speaks again.
        """
        for number in range(7):
            self.tell(text=str(number))
        first, second = self.write("bob", "hello"), self.write("bob", "thanks")
        self.assertEqual([text[-1] for _, text in first + second], list("0123456"))
        self.assertEqual(len(first), 5)
        self.write("bob", "thanks")
        self.assertEqual(self.kept(), 0)

    def test_expires(self) -> None:
        """
        A message that could not be given is dropped after the days of the setting.
        """
        self.stop()
        self.start({"tell": {"days": 2}})
        self.tell()
        for kept in (1, 1, 0):
            self.assertEqual(self.kept(), kept)
            self.clock.advance(86400)
            self.clock.advance(60)
        self.assertEqual(self.write("bob", "hello"), [])

    def test_boundedPerReceiver(self) -> None:
        """
        Not more messages wait for one person than may.
        """
        self.patch(TELL_EACH, "default", 2)
        for sender in ("a", "b"):
            self.from_(sender)
        self.assertIn("2 messages for this person wait already", self.tell())

    def test_boundedPerSender(self) -> None:
        """
        Not more messages of one sender wait than may, and those of others still do.
        """
        self.patch(TELL_EACH, "default", 2)
        for nick in ("a", "b"):
            self.tell(nick)
        self.assertIn("2 messages from you wait already", self.tell("c"))
        self.from_("eve")
        self.assertEqual(self.kept(), 3)

    def test_boundedInAll(self) -> None:
        """
        Not more messages wait than may.
        """
        self.patch(TELL_KEPT, "default", 2)
        for sender in ("a", "b"):
            self.from_(sender)
        self.assertIn("2 messages wait already", self.tell("c"))

    def from_(self, sender: str) -> None:
        """
        Write a message as another sender, who has the right to.
        """
        self.robot.access._commands["tell"] = "anyone"
        self.assertIn("gets your message", self.write(sender, "!tell bob hello")[0][1])

    def test_onlyOwners(self) -> None:
        """
        Others may not write messages without a role for it.
        """
        self.assertIn("only the owner may call it", self.write("eve", "!tell bob hello")[0][1])

    def test_refused(self) -> None:
        """
        Messages for the robot, without a text, and of more characters than a line has, are refused in one line.
        """
        for nick, text, said in (
            ("TxBot", "hello", "that is the robot itself"),
            ("bob", "", "text is missing"),
            ("bob", "x" * 351, "a message takes at most 350 characters"),
            ("b" * 101, "hello", "and a nick 100"),
        ):
            self.assertIn(said, self.tell(nick, text))
        self.assertEqual(self.kept(), 0)

    def test_notAcknowledgedIfNotStored(self) -> None:
        """
        If the disk is full, the sender is told so, without the path of the database.
        """

        def refuse(function: Callable[..., object], *arguments: object) -> Deferred[None]:
            return fail(StorageFault("/var/lib/robot.sqlite3: disk is full"))

        write = self.database.write
        self.patch(self.database, "write", refuse)
        self.assertEqual(self.tell(), "the robot's database does not work; its log has the reason")
        self.patch(self.database, "write", write)

    def test_keptIfNotRemoved(self) -> None:
        """
        If the database fails while a message is given, it is kept.
        """
        self.tell()
        write = self.database.write
        self.patch(self.database, "write", lambda *arguments: fail(StorageFault("locked")))
        self.assertEqual(self.write("bob", "hello"), [])
        self.patch(self.database, "write", write)
        self.assertEqual(self.write("bob", "hello"), [("#dns", _GIVEN)])

    def test_notTwiceAtATime(self) -> None:
        """
        A person who speaks several times while the database is read gets a message once.
        """
        self.tell()
        write = self.database.write
        held: list[Deferred[object]] = []

        def hold(function: Callable[..., object], *arguments: object) -> Deferred[object]:
            waiting: Deferred[object] = Deferred()
            held.append(waiting)
            return waiting.addCallback(lambda _: write(function, *arguments))

        self.patch(self.database, "write", hold)
        for _ in range(3):
            self.write("bob", "hello")
        self.patch(self.database, "write", write)
        self.assertEqual(len(held), 1)
        held[0].callback(None)
        self.assertEqual(self.said(), [("#dns", _GIVEN)])

    def test_writtenWhileGiving(self) -> None:
        """
        A message that is written while another one is given is given the next time.
        """
        self.tell()
        write = self.database.write
        held: list[Deferred[object]] = []

        def hold(function: Callable[..., object], *arguments: object) -> Deferred[object]:
            if held:
                return write(function, *arguments)
            result = write(function, *arguments)
            held.append(Deferred())
            return held[0].addCallback(lambda _: result)

        self.write("bob", "hello")
        self.patch(self.database, "write", hold)
        # Bob acknowledges the first one, and no more seem to be kept.
        self.write("bob", "thanks")
        self.tell(text="the key is new")
        self.patch(self.database, "write", write)
        held[0].callback(None)
        self.assertEqual(self.write("bob", "hello")[0][1][-14:], "the key is new")

    def test_reload(self) -> None:
        """
        Messages survive that the plugin is loaded again, and its job runs once.
        """
        self.tell()
        self.result(self.robot.plugins.reload("tell"))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(self.write("bob", "hello"), [("#dns", _GIVEN)])

    def test_hostileText(self) -> None:
        """
        Active characters are escaped when a message is given, and formats and SQL are plain text.
        """
        self.tell(text="%s {0} '); DROP TABLE told; -- \x03,1\x1b[2J\u202e")
        ((_, said),) = self.write("bob", "hello")
        self.assertTrue(said.endswith(r"UTC: %s {0} '); DROP TABLE told; -- \x03,1\x1b[2J\u202e"), said)
