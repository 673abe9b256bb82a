"""
Tests of L{twisted_ext.apps.robot.plugins.channel.quotes}.
"""

from __future__ import annotations

from typing import cast

from tests.apps.robot.memory import RobotCase
from twisted_ext.apps.robot.commands import Access
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.limits import QUOTES, QUOTES_OF_CHANNEL, QUOTES_SHOWN
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugins.channel.quotes import Quotes

__all__: list[str] = []


class QuotesTests(RobotCase):
    plugins = ("quotes",)

    def setUp(self) -> None:
        super().setUp()
        self.robot.access._commands.update(dict.fromkeys(("addquote", "delquote"), "anyone"))

    def ask(self, text: str, nick: str = "bob", channel: str = "#dns") -> list[str]:
        return [said for _, said in self.write(nick, f"!{text}", channel)]

    def test_shownByNumber(self) -> None:
        """
        A quote is shown by its number, with the person who added it and the day, also by another robot on the same database.
        """
        self.assertEqual(self.ask("addquote <ada> it is always DNS"), ["this is quote 1"])
        self.assertEqual(self.ask("quote 1", "eve"), ["[1] <ada> it is always DNS (bob, 1970-01-01)"])
        self.restart()
        self.assertEqual(self.ask("quote 1"), ["[1] <ada> it is always DNS (bob, 1970-01-01)"])
        self.assertEqual(self.ask("quote 2"), ["there is no quote 2"])

    def test_anyOne(self) -> None:
        """
        Without a number, any quote of the channel is shown.
        """
        self.assertEqual(self.ask("quote"), ["there is no quote"])
        for text in "abc":
            self.ask(f"addquote {text}")
        self.ask("addquote d", channel="#other")
        plugin = cast(Quotes, self.robot.plugins._loaded["quotes"].actual)
        asked: list[int] = []

        def second(count: int) -> int:
            asked.append(count)
            return 1

        plugin.pick = second
        self.assertEqual(self.ask("quote"), ["[2] b (bob, 1970-01-01)"])
        self.assertEqual(asked, [3])

    def test_search(self) -> None:
        """
        The newest quotes with some words are shown, whatever the case, and not more than the limit.
        """
        self.patch(QUOTES_SHOWN, "default", 2)
        for text in ("Ärger one", "other", "ärger two", "ÄRGER 100%"):
            self.ask(f"addquote {text}")
        self.assertEqual([each[:4] for each in self.ask("quote ärger")], ["[4] ", "[3] "])
        self.assertEqual(self.ask("quote %"), ["[4] ÄRGER 100% (bob, 1970-01-01)"])
        self.assertEqual(self.ask("quote none"), ["there is no quote none"])

    def test_onlyInTheirChannel(self) -> None:
        """
        What was said in one channel is neither shown nor removed in another one or in private.
        """
        self.ask("addquote secret")
        for text in ("quote", "quote 1", "quote secret"):
            self.assertIn("there is no quote", self.ask(text, channel="#other")[0])
            self.assertEqual(self.ask(text, channel=""), ["quotes belong to a channel: write this there"])
        self.assertEqual(self.ask("delquote 1", channel="#other"), ["there is no quote 1 that you may remove"])
        self.assertEqual(self.ask("quote 1", channel="#DNS"), ["[1] secret (bob, 1970-01-01)"])

    def test_removed(self) -> None:
        """
        A quote is removed by the person who added it, or by the owner of the robot; its number is not used again.
        """
        self.ask("addquote a")
        self.ask("addquote b")
        self.assertEqual(self.ask("delquote 1", "eve"), ["there is no quote 1 that you may remove"])
        self.assertEqual(self.ask("delquote 1"), ["quote 1 is removed"])
        self.assertEqual(self.ask("delquote 2", "owner"), ["quote 2 is removed"])
        self.assertEqual(self.ask("delquote 2", "owner"), ["there is no quote 2 that you may remove"])
        self.assertEqual(self.ask("addquote c"), ["this is quote 3"])

    def test_removedByOperators(self) -> None:
        """
        The setting names the role that may remove the quotes of others.
        """
        self.ask("addquote a")
        self.stop()
        self.start({"quotes": {"operators": "team"}})
        self.robot.settings.access = Access({"team": ["net/eve!*@*"]}, {"delquote": "anyone"})
        self.assertEqual(self.ask("delquote 1", "mallory"), ["there is no quote 1 that you may remove"])
        self.assertEqual(self.ask("delquote 1", "eve"), ["quote 1 is removed"])

    def test_ofTheAccount(self) -> None:
        """
        A quote that a person with an account has added is not removed by one who has only the nick.
        """
        self.robot.receive(Message(Person("net", "bob", "user", "bob.example", "bob"), Place("net", "#dns"), "!addquote a"))
        self.said()
        self.assertEqual(self.ask("delquote 1"), ["there is no quote 1 that you may remove"])

    def test_bounded(self) -> None:
        """
        A channel, and all together, have no more quotes than the limits.
        """
        self.patch(QUOTES_OF_CHANNEL, "default", 1)
        self.patch(QUOTES, "default", 2)
        said = [self.ask("addquote a", channel=channel) for channel in ("#a", "#a", "#b", "#c")]
        self.assertEqual(said[1], ["there are 1 quotes of this channel already, which are the most"])
        self.assertEqual(said[3], ["there are 2 quotes already, which are the most"])

    def test_refused(self) -> None:
        """
        A quote that is too long is refused, and one of a person without the role.
        """
        self.assertEqual(self.ask(f"addquote {'x' * 351}"), ["a quote takes at most 350 characters"])
        self.robot.access._commands.clear()
        for text in ("addquote a", "delquote 1"):
            self.assertIn("only the owner may call it", self.ask(text)[0])

    def test_hostileText(self) -> None:
        """
        Line ends, active characters and SQL in a quote are plain text on one line.
        """
        self.ask("addquote a\r\nQUIT :x\x01\u202e'); DROP TABLE quotes; --")
        self.assertEqual(self.ask("quote 1"), [r"[1] a\x0d\x0aQUIT :x\x01\u202e'); DROP TABLE quotes; -- (bob, 1970-01-01)"])
        self.assertEqual(self.ask("quote ' OR 1 --"), ["there is no quote ' OR 1 --"])
        self.assertEqual(self.ask(f"quote {'9' * 400}"), [f"there is no quote {'9' * 60}"])
