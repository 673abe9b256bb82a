"""
Tests of L{twisted_ext.apps.robot.plugins.channel.ignore}.
"""

from __future__ import annotations

from tests.apps.robot.memory import RobotCase
from twisted_ext.apps.robot.interfaces import IDiscriminating
from twisted_ext.apps.robot.limits import IGNORED
from twisted_ext.apps.robot.people import Person

__all__: list[str] = []


class IgnoreTests(RobotCase):
    plugins = ("help", "ignore")

    def answers(self, nick: str) -> bool:
        """
        Return whether the robot answers a command of a person.
        """
        return bool(self.write(nick, "!help"))

    def test_componentComesWithThePlugin(self) -> None:
        """
        The plugin adds the component, and removes it when it is unloaded.
        """
        component = IDiscriminating(self.robot)
        self.assertTrue(IDiscriminating.providedBy(component))
        self.result(self.robot.plugins.unload("ignore"))
        self.assertIs(IDiscriminating(self.robot, None), None)

    def test_nick(self) -> None:
        """
        The robot takes no commands from a nick that is ignored, whatever its case, and takes those of others.
        """
        self.assertEqual(self.write("owner", "!ignore Eve"), [("#dns", "net/Eve!*@* is ignored")])
        self.assertEqual((self.answers("eVe"), self.answers("bob")), (False, True))

    def test_mask(self) -> None:
        """
        A mask is ignored on its network only.
        """
        self.write("owner", "!ignore other/*!*@eve.example")
        self.assertTrue(self.answers("eve"))
        self.write("owner", "!ignore */*!*@eve.example")
        self.assertFalse(self.answers("eve"))

    def test_survivesTheRobot(self) -> None:
        """
        Another robot on the same database ignores the same persons.
        """
        self.write("owner", "!ignore eve")
        self.restart()
        self.assertFalse(self.answers("eve"))

    def test_forSomeHours(self) -> None:
        """
        Who is ignored for some hours is so until then, also after a restart.
        """
        self.write("owner", "!ignore eve 1.5")
        self.clock.advance(3600)
        self.restart()
        self.assertFalse(self.answers("eve"))
        self.clock.advance(1800)
        self.assertTrue(self.answers("eve"))
        self.assertEqual(self.write("owner", "!ignored"), [("#dns", "no mask is ignored")])

    def test_unignore(self) -> None:
        """
        Who is not ignored any more is answered, also after a restart.
        """
        self.write("owner", "!ignore eve")
        self.assertEqual(self.write("owner", "!ignored"), [("#dns", "net/eve!*@*")])
        self.assertEqual(self.write("owner", "!unignore eve"), [("#dns", "net/eve!*@* is not ignored any more")])
        self.restart()
        self.assertTrue(self.answers("eve"))
        self.assertEqual(self.write("owner", "!unignore eve"), [("#dns", "net/eve!*@* is not ignored; ignored lists the masks")])

    def test_ownersAreNotIgnored(self) -> None:
        """
        An owner is not ignored by any mask, and can undo it.
        """
        self.write("owner", "!ignore */*!*@*")
        self.assertEqual((self.answers("bob"), self.answers("owner")), (False, True))

    def test_onlyOwners(self) -> None:
        """
        Others may not ignore persons.
        """
        for text in ("!ignore bob", "!unignore bob", "!ignored"):
            self.assertIn("only the owner may call it", self.write("eve", text)[0][1])

    def test_wrongMasks(self) -> None:
        """
        Masks and times that are not valid are refused in one line.
        """
        for text, said in (
            ("!ignore net/eve", "is not a mask; write NETWORK/account:NAME or NETWORK/NICK!USER@HOST"),
            ("!ignore eve -1", "a time above 0"),
            ("!ignore eve soon", "hours takes a number"),
        ):
            self.assertIn(said, self.write("owner", text)[0][1])
        self.assertEqual(IDiscriminating(self.robot).masks(), [])

    def test_manyStars(self) -> None:
        """
        A mask with many stars does not stop the robot: if each were tried at each place, this would take years.
        """
        self.write("owner", f"!ignore */{'*a' * 50}b!*@*")
        self.assertTrue(self.answers("a" * 200))
        self.assertFalse(self.answers("a" * 200 + "b"))

    def test_brackets(self) -> None:
        """
        Brackets in a mask are parts of a nick.
        """
        self.write("owner", "!ignore [eve]")
        self.assertEqual((self.answers("[eve]"), self.answers("e")), (False, True))

    def test_masksAreBounded(self) -> None:
        """
        Not more masks are kept than may be; those whose time is over do not count.
        """
        self.patch(IGNORED, "default", 2)
        for nick in ("a", "b"):
            self.write("owner", f"!ignore {nick} 1")
        self.assertIn("2 masks are ignored already", self.write("owner", "!ignore c")[0][1])
        self.clock.advance(3600)
        self.assertIn("is ignored", self.write("owner", "!ignore c")[0][1])

    def test_forOtherPlugins(self) -> None:
        """
        Any plugin can ask the component, and have persons ignored.
        """
        discriminating = IDiscriminating(self.robot)
        person = Person("net", "eve", "user", "eve.example", "evil")
        self.successResultOf(discriminating.ignore("net/account:evil", 60))
        self.assertTrue(discriminating.isIgnored(person))
        self.assertTrue(self.successResultOf(discriminating.unignore("net/account:evil")))
        self.assertFalse(discriminating.isIgnored(person))
