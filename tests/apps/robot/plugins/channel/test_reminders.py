"""
Tests of L{twisted_ext.apps.robot.plugins.channel.reminders}.
"""

from __future__ import annotations

from twisted.internet.defer import fail
from twisted.logger import capturedLogs, formatEvent

from tests.apps.robot.memory import RobotCase
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.limits import REMINDERS, REMINDERS_AT_ONCE, REMINDERS_OF_PERSON
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.errors import StorageFault

__all__: list[str] = []


class RemindersTests(RobotCase):
    plugins = ("reminders",)

    def setUp(self) -> None:
        super().setUp()
        self.allow()

    def allow(self) -> None:
        """
        Let everyone remind themselves.
        """
        self.robot.access._commands.update(dict.fromkeys(("remind", "unremind"), "anyone"))

    def again(self) -> None:
        self.restart()
        self.allow()

    def remind(self, text: str = "in 1h sign the zone", nick: str = "bob", channel: str = "#dns") -> str:
        ((_, said),) = self.write(nick, f"!remind me {text}", channel)
        return said

    def listed(self, nick: str = "bob", channel: str = "#dns") -> list[str]:
        return [text for _, text in self.write(nick, "!reminders", channel)]

    def wait(self, seconds: float) -> list[tuple[str, str]]:
        """
        Let time pass in steps of ten seconds, and return what is said meanwhile.
        """
        self.clock.pump([10.0] * int(seconds / 10))
        return self.said()

    def test_saidAtTheTime(self) -> None:
        """
        A reminder is said once, at its time, where it was asked for, with the nick.
        """
        self.assertEqual(self.remind(), "reminder 1 is set for 1970-01-01 01:00 UTC")
        self.assertEqual(self.wait(3590), [])
        self.assertEqual(self.wait(20), [("#dns", "bob: sign the zone")])
        self.assertEqual(self.wait(7200), [])
        self.assertEqual(self.listed(), ["you have no reminders here"])
        # The robot was not waiting for any.
        self.remind("in 1m x")
        self.assertEqual(self.wait(70), [("#dns", "bob: x")])

    def test_atADate(self) -> None:
        """
        A date and time is one of the time zone of the settings.
        """
        self.stop()
        self.start({"reminders": {"time-zone": "Europe/Berlin"}})
        self.allow()
        self.assertEqual(self.remind("at 1970-01-01 02:00 look"), "reminder 1 is set for 1970-01-01 02:00 CET")
        self.assertEqual(self.wait(3610), [("#dns", "bob: look")])

    def test_inPrivate(self) -> None:
        """
        A reminder that was asked for in private is said in private.
        """
        self.remind("in 1m x", channel="")
        self.assertEqual(self.wait(70), [("bob", "bob: x")])

    def test_survivesTheRobot(self) -> None:
        """
        Another robot on the same database says a reminder at its time.
        """
        self.remind()
        self.wait(1800)
        self.again()
        self.assertEqual(self.wait(1810), [("#dns", "bob: sign the zone")])

    def test_lateWithANote(self) -> None:
        """
        A reminder that was due while the robot was not running is said when it is, with a note.
        """
        self.remind("in 1m x")
        self.stop()
        self.clock.advance(3600)
        self.start()
        self.assertEqual(self.wait(20), [("#dns", "bob: x (late: it was due at 1970-01-01 00:01 UTC)")])

    def test_waitsForTheChannel(self) -> None:
        """
        A reminder waits while the robot is not in the channel; those of other places do not wait with it.
        """
        self.remind("in 1m x")
        self.front.ready = False
        self.assertEqual(self.wait(3600), [])
        self.front.ready = True
        self.assertEqual(self.wait(10), [("#dns", "bob: x (late: it was due at 1970-01-01 00:01 UTC)")])

    def test_waitsForTheNetwork(self) -> None:
        """
        A reminder is kept while there is no such network.
        """
        self.remind("in 1m x")
        front = self.robot.fronts.pop("net")
        self.wait(120)
        self.robot.join(front)
        self.assertEqual(len(self.wait(10)), 1)

    def test_fewAtOnce(self) -> None:
        """
        Of many that are due in a place, some are said, and the others later, each once and in order.
        """
        self.patch(REMINDERS_AT_ONCE, "default", 2)
        for number in range(5):
            self.remind(f"in 1m {number}")
        rounds = [[text[-1] for _, text in self.wait(10)] for _ in range(10)]
        self.assertEqual([each for each in rounds if each], [["0", "1"], ["2", "3"], ["4"]])

    def test_listed(self) -> None:
        """
        A person gets a list of the own reminders in a channel, and in private of all.
        """
        self.remind("in 2h second")
        self.remind("in 1h first")
        self.remind("in 3h secret", channel="")
        self.remind("in 4h other", nick="eve")
        shown = ["2: 1970-01-01 01:00 UTC: first", "1: 1970-01-01 02:00 UTC: second"]
        self.assertEqual(self.listed(), shown)
        self.assertEqual(self.listed(channel=""), [*shown, "3: 1970-01-01 03:00 UTC: secret"])
        self.assertEqual(self.listed("carol", ""), ["you have no reminders here"])

    def test_cancelled(self) -> None:
        """
        A person cancels the own reminders, others do not, and the owner of the robot may.
        """
        self.remind()
        self.remind()
        self.assertEqual(self.write("eve", "!unremind 1"), [("#dns", "you have no reminder 1; reminders lists yours")])
        self.assertEqual(self.write("bob", "!unremind 1"), [("#dns", "reminder 1 is cancelled")])
        self.assertEqual(self.write("bob", "!unremind 1"), [("#dns", "you have no reminder 1; reminders lists yours")])
        self.assertEqual(self.write("owner", "!unremind 2"), [("#dns", "reminder 2 is cancelled")])
        self.assertEqual(self.wait(3700), [])

    def test_ofTheAccount(self) -> None:
        """
        A reminder of a person with an account belongs to the account: one who has only the nick neither sees nor cancels it, and one whose
        nick is the name of the account does not either.
        """
        bob = Person("net", "bobby", "user", "bob.example", "bob")
        place = Place("net", "#dns")
        self.robot.receive(Message(bob, place, "!remind me in 1h x"))
        self.said()
        for nick in ("bobby", "bob"):
            self.assertEqual(self.listed(nick), ["you have no reminders here"])
            self.assertIn("no reminder 1", self.write(nick, "!unremind 1")[0][1])
        self.robot.receive(Message(Person("net", "bob2", "user", "bob.example", "BOB"), place, "!unremind 1"))
        self.assertEqual(self.said(), [("#dns", "reminder 1 is cancelled")])

    def test_perNetwork(self) -> None:
        """
        A person of the same nick on another network neither sees nor cancels them.
        """
        self.remind()
        front = type(self.front)("other")
        self.robot.join(front)
        for text in ("!reminders", "!unremind 1"):
            self.robot.receive(Message(Person("other", "bob"), Place("other", "bob", True), text))
        self.assertEqual(front.said, [("bob", "you have no reminders here"), ("bob", "you have no reminder 1; reminders lists yours")])

    def test_bounded(self) -> None:
        """
        One person, and all together, may not have more reminders than the limits.
        """
        self.patch(REMINDERS_OF_PERSON, "default", 2)
        self.patch(REMINDERS, "default", 3)
        said = [self.remind(nick=nick) for nick in ("bob", "bob", "bob", "eve", "eve")]
        self.assertEqual(said[2], "there are 2 reminders of yours already; unremind cancels one")
        self.assertEqual(said[4], "there are 3 reminders already; unremind cancels one")

    def test_refused(self) -> None:
        """
        What is not a reminder is refused in one line that says what would be.
        """
        for text, said in (
            ("soon x", "write in 2h30m TEXT"),
            ("in 0s x", "1970-01-01 00:00 UTC is over"),
            ("at 1969-12-31 09:00 x", "1969-12-31 09:00 UTC is over"),
            ("in 999999w x", "a reminder is due within 1830 days"),
            (f"in {'999999w' * 50} x", "a reminder is due within 1830 days"),
            (f"in 1h {'x' * 351}", "a reminder takes at most 350 characters"),
        ):
            self.assertIn(said, self.remind(text))
        self.assertIn("only you can be reminded", self.write("bob", "!remind eve in 1h x")[0][1])
        self.assertEqual(self.listed(), ["you have no reminders here"])

    def test_notWhereTheRobotOnlyReplies(self) -> None:
        """
        A place where nothing can be said later, such as the webhook, takes no reminders.
        """
        self.front.ready = False
        self.assertEqual(self.remind(), "reminders are not possible here: the robot only replies in this place")

    def test_onlyWithARole(self) -> None:
        """
        Without a role in the settings, only the owner may be reminded.
        """
        self.robot.access._commands.clear()
        self.assertIn("only the owner may call it", self.remind())

    def test_expires(self) -> None:
        """
        A reminder that could not be said for the days of the limit is dropped, and the log says so.
        """
        self.remind("in 1m x")
        self.front.ready = False
        with capturedLogs() as logs:
            self.clock.pump([86400.0] * 62)
        self.front.ready = True
        self.assertEqual(self.wait(20), [])
        self.assertIn("1 reminders were dropped: they could not be said for 60 days", [formatEvent(each) for each in logs])

    def test_keptIfTheDatabaseFails(self) -> None:
        """
        A reminder is kept if the database fails at its time.
        """
        self.remind("in 1m x")
        write = self.database.write
        self.patch(self.database, "write", lambda *arguments: fail(StorageFault("locked")))
        self.assertEqual(self.wait(70), [])
        self.patch(self.database, "write", write)
        self.assertEqual(self.wait(10), [("#dns", "bob: x")])

    def test_hostileText(self) -> None:
        """
        Line ends, active characters and SQL in a reminder are plain text on one line, also in the list.
        """
        text = "a\r\nQUIT :x\x01'); DROP TABLE reminders; --\u202e{nick}"
        shown = r"a\x0d\x0aQUIT :x\x01'); DROP TABLE reminders; --\u202e{nick}"
        self.remind(f"in 1m {text}")
        self.assertEqual(self.listed(), [f"1: 1970-01-01 00:01 UTC: {shown}"])
        self.assertEqual(self.wait(70), [("#dns", f"bob: {shown}")])
