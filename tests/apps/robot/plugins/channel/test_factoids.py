"""
Tests of L{twisted_ext.apps.robot.plugins.channel.factoids}.
"""

from __future__ import annotations

from tests.apps.robot.memory import MemoryFront, RobotCase
from twisted_ext.apps.robot.commands import Access
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.interfaces import IDiscriminating
from twisted_ext.apps.robot.limits import FACTOIDS, FACTOIDS_LISTED
from twisted_ext.apps.robot.people import Person, Place

__all__: list[str] = []

_ROOT: list[str] = ["root: 13 names (owner, 1970-01-01)"]


class FactoidsTests(RobotCase):
    plugins = ("ignore", "factoids")

    def ask(self, text: str, nick: str = "bob", channel: str = "#dns") -> list[str]:
        return [said for _, said in self.write(nick, text, channel)]

    def learn(self, text: str = "root as 13 names") -> list[str]:
        return self.ask(f"!learn {text}", "owner")

    def test_learnt(self) -> None:
        """
        A factoid is shown with the person who taught it and the day, whatever the case of the name.
        """
        self.assertEqual(self.learn(), ["root is learnt"])
        for question in ("!whatis root", "!whatis ROOT", "!whatis root?", 'txbot: whatis "root"'):
            self.assertEqual(self.ask(question), _ROOT)

    def test_questions(self) -> None:
        """
        A question of the name and nothing else is answered once, in a channel, to the robot, and in private.
        """
        self.learn()
        for question in ("root?", "  Root ?  ", "!root?", "txbot: root?"):
            self.assertEqual(self.ask(question), _ROOT)
        self.assertEqual(self.ask("root?", channel=""), _ROOT)
        for other in ("root", "what is root?", "root??", "root? yes", "?", "other?"):
            self.assertEqual(self.ask(other), [], other)

    def test_questionsOfPrograms(self) -> None:
        """
        Questions in notices and actions are not answered, nor those of ignored persons.
        """
        self.learn()
        bob, place = Person("net", "bob", "user", "bob.example"), Place("net", "#dns")
        self.robot.receive(Message(bob, place, "root?", notice=True))
        self.robot.receive(Message(bob, place, "root?", action=True))
        self.successResultOf(IDiscriminating(self.robot).ignore("net/bob!*@*"))
        self.assertEqual(self.ask("root?"), [])
        self.assertEqual(self.ask("root?", "eve"), _ROOT)

    def test_questionsWhereTheCommandIsNotAllowed(self) -> None:
        """
        Where whatis is not among the commands of a channel, or takes a role, questions there are not answered, and not refused either.
        """
        self.learn()
        self.robot.settings.access = Access(channels={("net", "#dns"): frozenset(["help"])})
        self.assertEqual(self.ask("root?"), [])
        self.robot.settings.access = Access(commands={"whatis": "owner"})
        self.assertEqual(self.ask("root?"), [])

    def test_questionsAreLimited(self) -> None:
        """
        A channel gets no more answers to questions than to commands.
        """
        self.learn()
        self.assertEqual(sum(len(self.ask("root?")) for _ in range(30)), 19)

    def test_severalWords(self) -> None:
        """
        A name may have several words, and the text may have the word as.
        """
        self.learn("dns root servers AS known as a to m")
        self.assertEqual(self.ask("DNS  root servers?"), ["dns root servers: known as a to m (owner, 1970-01-01)"])

    def test_survivesTheRobot(self) -> None:
        """
        Another robot on the same database knows what this one has learnt.
        """
        self.learn()
        self.restart()
        self.assertEqual(self.ask("root?"), _ROOT)

    def test_otherNetwork(self) -> None:
        """
        Each network has its own factoids.
        """
        self.learn()
        front = MemoryFront("other")
        self.robot.join(front)
        for text in ("root?", "!factoids", "!whatis root"):
            self.robot.receive(Message(Person("other", "bob"), Place("other", "#dns"), text))
        self.assertEqual([said for _, said in front.said], ["nothing is known", "root is not known; factoids lists what is"])

    def test_notReplaced(self) -> None:
        """
        What is known is not replaced; it has to be forgotten first.
        """
        self.learn()
        self.assertEqual(self.learn("ROOT as nonsense"), ["ROOT is known already; unlearn it first"])
        self.assertEqual(self.ask("!unlearn root", "owner"), ["root is forgotten"])
        self.assertEqual(self.ask("root?"), [])
        self.assertEqual(self.ask("!unlearn root", "owner"), ["root is not known; factoids lists what is"])
        self.assertEqual(self.learn("ROOT as sense"), ["ROOT is learnt"])

    def test_otherNames(self) -> None:
        """
        Another name shows the factoid, and so does another name of that one; forgetting one name leaves the factoid, and forgetting the
        factoid all its names.
        """
        self.learn()
        self.assertEqual(self.ask('!synonym "root servers" root', "owner"), ["root servers is another name of root"])
        self.assertEqual(self.ask("!synonym roots root servers", "owner"), ["roots is another name of root"])
        self.assertEqual(self.ask("root servers?") + self.ask("roots?"), _ROOT * 2)
        self.assertEqual(self.ask("!unlearn root servers", "owner"), ["root servers is forgotten"])
        self.assertEqual(self.ask("root servers?") + self.ask("roots?"), _ROOT)
        self.ask("!unlearn root", "owner")
        self.assertEqual(self.ask("roots?") + self.ask("!whatis roots"), ["roots is not known; factoids lists what is"])
        self.assertEqual(self.ask("!synonym x root", "owner"), ["root is not known; factoids lists what is"])
        self.learn()
        self.assertEqual(self.ask("!synonym root root", "owner"), ["root is known already; unlearn it first"])

    def test_listed(self) -> None:
        """
        Names are listed, or those with a part, and the others are counted.
        """
        self.patch(FACTOIDS_LISTED, "default", 2)
        for name in ("zone", "root", "Root key"):
            self.learn(f"{name} as x")
        self.assertEqual(self.ask("!factoids"), ["root, Root key and 1 more; write factoids PART"])
        self.assertEqual(self.ask("!factoids ROOT"), ["root, Root key"])
        self.assertEqual(self.ask("!factoids %"), ["nothing is known"])

    def test_bounded(self) -> None:
        """
        A network has no more factoids than the limit, other names included.
        """
        self.patch(FACTOIDS, "default", 2)
        self.learn()
        self.ask("!synonym roots root", "owner")
        most = "2 factoids of this network are known, which are the most; unlearn some"
        self.assertEqual(self.learn("zone as x"), [most])
        self.assertEqual(self.ask("!synonym zone root", "owner"), [most])

    def test_refused(self) -> None:
        """
        Names and texts that are too long, and names with characters that cannot be seen or are no names, are refused.
        """
        name = "a name takes 1 to 50 characters that can be seen, and no question mark"
        for text, said in (
            ("root", "write learn NAME as TEXT"),
            ("root as ", "write learn NAME as TEXT"),
            (f"{'x' * 51} as y", name),
            ("a?b as y", name),
            ("? as y", name),
            ("a\u202eb as y", name),
            ("a\x02b as y", name),
            (f"x as {'y' * 351}", "a factoid takes at most 350 characters"),
        ):
            self.assertEqual(self.learn(text), [said])
        self.assertEqual(self.ask("!factoids"), ["nothing is known"])

    def test_onlyWithARole(self) -> None:
        """
        Without a role in the settings, only the owner may change what is known.
        """
        for text in ("learn a as b", "unlearn a", "synonym a b"):
            self.assertIn("only the owner may call it", self.ask(f"!{text}")[0])

    def test_hostileText(self) -> None:
        """
        Line ends, active characters and SQL in a factoid are plain text on one line.
        """
        self.learn("a'); DROP as b\r\nQUIT :x\x01\u202e'); DROP TABLE factoids; --")
        self.assertEqual(self.ask("a'); DROP?"), [r"a'); DROP: b\x0d\x0aQUIT :x\x01\u202e'); DROP TABLE factoids; -- (owner, 1970-01-01)"])

    def test_unloaded(self) -> None:
        """
        Without the plugin, its questions are unknown commands again.
        """
        self.learn()
        self.result(self.robot.plugins.unload("factoids"))
        self.assertEqual(self.ask("root?"), [])
        self.assertIn("there is no command 'root?'", self.ask("root?", channel="")[0])
