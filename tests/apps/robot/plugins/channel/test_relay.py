"""
Tests of L{twisted_ext.apps.robot.plugins.channel.relay}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.apps.robot.ircnetworks import Echo, Network, robotWith
from twisted_ext.apps.robot.interfaces import IDiscriminating
from twisted_ext.apps.robot.people import Person
from twisted_ext.apps.robot.plugins.channel.relay import Relay

__all__: list[str] = []

_ALICE = ":alice!al@host.example"


@implementer(IDiscriminating)
class _Ignoring:
    """
    Ignores all persons called mallory.
    """

    def isIgnored(self, person: Person) -> bool:
        return person.nick == "mallory"

    def ignore(self, mask: str, seconds: float | None = None) -> Deferred[None]:
        return succeed(None)

    def unignore(self, mask: str) -> Deferred[bool]:
        return succeed(False)

    def masks(self) -> list[str]:
        return []


class RelayTests(SynchronousTestCase):
    """
    Tests of L{Relay}.
    """

    def setUp(self) -> None:
        self.clock = Clock()

    def linked(self, nick: str = "txbot", interval: float = 0, **table: object) -> tuple[Network, Network]:
        """
        Return the channels of two networks that a robot joins to one.
        """
        relay = {"links": ["one/#dns = two/#dns"], **table}
        self.robot = robotWith(self.clock, [Relay(), Echo()], relay=relay)
        found = [Network(self.robot, self.clock, {"name": name, "nick": nick, "interval": interval}) for name in ("one", "two")]
        found[0].welcome(nick)
        found[1].welcome(nick, members="carol dave")
        for network in found:
            network.heard()
        return found[0], found[1]

    def said(self, network: Network) -> list[str]:
        """
        Return what the robot has said in the channel.
        """
        found = [line.removeprefix("PRIVMSG #dns :") for line in network.heard()]
        return [text for text in found if not text.startswith("P")]

    def test_relays(self) -> None:
        """
        Messages and actions appear on the other network, in order, and notices and private messages do not.
        """
        one, two = self.linked()
        one.says(*[f"{_ALICE} PRIVMSG #DNS :line {number}" for number in range(50)])
        one.says(f"{_ALICE} PRIVMSG #dns :\x01ACTION waves\x01", f"{_ALICE} NOTICE #dns :no", f"{_ALICE} PRIVMSG txbot :no")
        two.says(":carol!c@host PRIVMSG #dns :hello")
        self.assertEqual(self.said(two), [*[f"<alice> line {number}" for number in range(50)], "* alice waves"])
        self.assertEqual(self.said(one)[-1:], ["<carol> hello"])

    def test_commands(self) -> None:
        """
        A command and the robot's reply appear on the other network, in this order.
        """
        one, two = self.linked()
        one.says(f"{_ALICE} PRIVMSG #dns :!echo yes")
        self.assertEqual(self.said(one), ["yes"])
        self.assertEqual(self.said(two), ["<alice> !echo yes", "<txbot> yes"])

    def test_replyDoesNotWaitForRelayedLines(self) -> None:
        """
        The reply to a command is sent within seconds while 200 relayed lines wait for the same channel.
        """
        one, two = self.linked(interval=2.0)
        self.clock.advance(60)
        two.heard()
        for number in range(200):
            one.says(f"{_ALICE} PRIVMSG #dns :line {number}")
            self.clock.advance(0.05)
        self.assertLess(len(self.said(two)), 50)
        two.says(":carol!c@host PRIVMSG #dns :!echo yes")
        self.clock.pump([1.0] * 4)
        self.assertEqual(self.said(two)[0], "yes")

    def test_collisions(self) -> None:
        """
        A nick that someone else has in the other channel is marked with its network; so is the robot's own.
        """
        one, two = self.linked()
        one.says(":Carol!x@host PRIVMSG #dns :it is me", ":dave_!x@host PRIVMSG #dns :me too")
        self.assertEqual(self.said(two), ["<Carol@one> it is me", "<dave_> me too"])

    def test_secondRelay(self) -> None:
        """
        Two relays in the same channels repeat nothing of each other.
        """
        first, second = self.linked("txbot"), self.linked("other")
        counts = [0, 0]
        pending = [(0, "alice", "hello"), (0, "alice", "[x] a rather longer line"), (1, "carol", "hi")]
        while pending and sum(counts) < 100:
            side, nick, text = pending.pop(0)
            for robot in (first, second):
                if robot[side].front.nick != nick:
                    robot[side].says(f":{nick}!x@host PRIVMSG #dns :{text}")
            for robot in (first, second):
                for each in (0, 1):
                    for line in self.said(robot[each]):
                        counts[each] += 1
                        pending.append((each, robot[each].front.nick, line))
        self.assertEqual(counts, [2, 4])

    def test_otherRelays(self) -> None:
        """
        A relay that writes in any other form does not make a loop either: what repeats one of our lines is not repeated.
        """
        one, two = self.linked()
        one.says(f"{_ALICE} PRIVMSG #dns :hello")
        for _ in range(10):
            for here, there in ((two, one), (one, two)):
                for line in self.said(here):
                    there.says(f":relay!r@host PRIVMSG #dns :two | {line}")
        self.assertEqual((self.said(one), self.said(two)), ([], []))

    def test_sameTextAgain(self) -> None:
        """
        Persons may say what others have said.
        """
        one, two = self.linked()
        for nick in ("alice", "bob", "alice"):
            one.says(f":{nick}!x@host PRIVMSG #dns :ok", f":{nick}!x@host PRIVMSG #dns :alice: ok")
        self.assertEqual(len(self.said(two)), 6)

    def test_otherSideDown(self) -> None:
        """
        What is said while the other network is down arrives, in order and once, when it is back.
        """
        one, two = self.linked()
        two.drop()
        one.says(*[f"{_ALICE} PRIVMSG #dns :line {number}" for number in range(100)])
        self.clock.advance(2)
        two.says(":irc.example 001 txbot :Welcome")
        one.says(f"{_ALICE} PRIVMSG #dns :line 100")
        two.says(":txbot!~txbot@robot.example JOIN #dns")
        self.assertEqual([each for each in self.said(two) if "line" in each], [f"<alice> line {number}" for number in range(101)])

    def test_bounded(self) -> None:
        """
        While the other network is away for long, no more than 500 lines wait.
        """
        one, two = self.linked()
        two.drop()
        one.says(*[f"{_ALICE} PRIVMSG #dns :line {number}" for number in range(1000)])
        self.clock.advance(2)
        two.says(":irc.example 001 txbot :Welcome", ":txbot!~txbot@robot.example JOIN #dns")
        self.assertEqual(len([each for each in self.said(two) if "line" in each]), 500)

    def test_joins(self) -> None:
        """
        Who comes and goes is reported only if the settings say so.
        """
        lines = [
            ":erin!e@host JOIN #dns",
            ":erin!e@host NICK :eve",
            ":eve!e@host PART #dns :bye",
            f"{_ALICE} KICK #dns bob :out",
            f"{_ALICE} QUIT :gone",
        ]
        one, two = self.linked()
        one.says(*lines)
        self.assertEqual(self.said(two), [])
        one, two = self.linked(joins=True)
        one.says(*lines)
        self.assertEqual(
            self.said(two),
            [
                "-- erin has joined one/#dns",
                "-- erin is now eve",
                "-- eve has left one/#dns (bye)",
                "-- bob was kicked from one/#dns by alice (out)",
                "-- alice has quit (gone)",
            ],
        )

    def test_netsplit(self) -> None:
        """
        A netsplit is one line, and so is its end.
        """
        one, two = self.linked(joins=True)
        nicks = [f"user{number}" for number in range(30)]
        one.says(*[f":{nick}!u@host JOIN #dns" for nick in nicks])
        self.assertEqual(len(self.said(two)), 30)
        one.says(*[f":{nick}!u@host QUIT :hub.example leaf.example" for nick in nicks])
        self.clock.advance(6)
        one.says(*[f":{nick}!u@host JOIN #dns" for nick in nicks])
        self.clock.advance(6)
        shown = ", ".join(nicks[:8])
        self.assertEqual(
            self.said(two),
            [
                f"-- {shown} and 22 others are gone in a netsplit (hub.example leaf.example)",
                f"-- {shown} and 22 others are back after the netsplit",
            ],
        )

    def test_ignored(self) -> None:
        """
        Persons whom the robot ignores are not relayed.
        """
        one, two = self.linked()
        self.robot.add(IDiscriminating, _Ignoring())
        one.says(":mallory!m@host PRIVMSG #dns :spam", f"{_ALICE} PRIVMSG #dns :hello")
        self.assertEqual(self.said(two), ["<alice> hello"])

    def test_unload(self) -> None:
        """
        When the plugin is unloaded, it leaves no timer and says nothing more.
        """
        one, two = self.linked(joins=True)
        one.says(f"{_ALICE} QUIT :hub.example leaf.example")
        before = len(self.clock.getDelayedCalls())
        self.successResultOf(Deferred.fromCoroutine(self.robot.plugins.unload("relay")))
        self.assertEqual(len(self.clock.getDelayedCalls()), before - 1)
        one.says(":bob!b@host PRIVMSG #dns :hello")
        self.assertEqual(self.said(two), [])
