"""
Tests of what look-ups of names below others cost, with L{twisted_ext.testing.internet}: servers are asked for a shortened name once
(RFC 9156).
"""

from __future__ import annotations

from tests.attacks.recursing import RecursingTestCase, addressesIn, repliesWith
from twisted_ext.recursion.delegations import Delegations
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME

_DEEP = "\n".join([f"n{number}.p1.p2.p3.p4 300 A 192.0.2.80" for number in range(40)])


class PassedNamesTests(RecursingTestCase):
    """
    Tests of the zone C{test.example}, with names five labels below its own.
    """

    def setUp(self) -> None:
        super().setUp()
        self.zone = self.internet.zone("test.example", _DEEP + "\nx.y.alias A 192.0.2.1\nz.y.alias A 192.0.2.1", ["ns.test.example"])
        self.start()

    def total(self, count: int = 20) -> int:
        """
        Return how many packets look-ups of names below C{p1.p2.p3.p4} take.
        """
        packets = 0
        for number in range(count):
            self.assertEqual(addressesIn(self.look(f"n{number}.p1.p2.p3.p4.test.example")), ["192.0.2.80"])
            packets += self.packets("test.example")
        return packets

    def test_namesBelowOneCostAPacketEach(self) -> None:
        """
        Twenty names four labels down take four packets and one for each, besides one for the keys of a signed zone.
        """
        self.assertEqual(self.total(), 24 + self.signed)

    def test_withoutMemoryEachCostsFive(self) -> None:
        """
        Without the memory they would take a hundred.
        """
        self.patch(Delegations, "labelsPassed", lambda delegations, name, labels, delegation, now: delegation.labels)
        self.assertEqual(self.total(), 100 + self.signed)

    def test_newZoneIsFound(self) -> None:
        """
        A zone that is delegated at a name that was passed is found at once: its parent's servers refer to it.
        """
        self.total(1)
        self.internet.zone("p3.p4.test.example", "n30.p1.p2 A 192.0.2.30\nn31.p1.p2 A 192.0.2.31", ["ns.p3.p4.test.example"])
        for number in (30, 31):
            self.assertEqual(addressesIn(self.look(f"n{number}.p1.p2.p3.p4.test.example")), [f"192.0.2.{number}"])

    def test_memoryEnds(self) -> None:
        """
        A name is asked for again when the TTL of its denial has passed, or when delegations are forgotten.
        """
        self.total(1)
        self.look("n1.p1.p2.p3.p4.test.example")
        self.assertEqual(self.packets("test.example"), 1)
        self.recursive.delegations.forget()
        self.look("n2.p1.p2.p3.p4.test.example")
        self.assertEqual(self.packets("test.example"), 5)
        self.internet.advance(86_400 * 2)
        self.look("n3.p1.p2.p3.p4.test.example")
        self.assertEqual(self.packets("test.example"), 5 + self.signed)

    def test_otherTypesAndTheNamesThemselves(self) -> None:
        """
        The memory denies nothing: a record that appears at a name that was passed is found, as is one below an alias.
        """
        self.total(1)
        self.zone.add("p3.p4 A 192.0.2.3")
        self.assertEqual(addressesIn(self.look("p3.p4.test.example")), ["192.0.2.3"])
        for name in ("x.y.alias", "x.y.alias", "z.y.alias"):
            self.assertEqual(addressesIn(self.look(f"{name}.test.example")), ["192.0.2.1"])


class AliasTests(RecursingTestCase):
    """
    Tests of servers that have an alias, and names below it.
    """

    def test_endlessAliases(self) -> None:
        """
        Thirty look-ups of aliases without an end take twelve packets each, and those for the names above once.
        """

        def sectionsFor(question: Question) -> list[list[RRSet]] | None:
            name = question.key[:-4]
            if not name.endswith(nameFromText("p1.p2.test.example")) or name[1:2] != b"e":
                return None
            number = int(name[2 : name[0] + 1]) + 1
            target = nameFromText(f"e{number}.p1.p2.test.example")
            return [[RRSet(question.name, CNAME, 1, 300, (target,))], [], []]

        self.internet.zone("test.example", "n0.p1.p2 A 192.0.2.1", ["ns.test.example"])
        self.start()
        repliesWith(self.internet.servers[nameFromText("ns.test.example")], sectionsFor)
        packets = 0
        for number in range(30):
            self.look(f"e{number * 1000}.p1.p2.test.example")
            packets += self.packets()
        self.assertEqual(packets, 3 + 2 + 30 * 12)

    def test_endlessAliasesBelowADeniedName(self) -> None:
        """
        Aliases without an end take twelve packets for each look-up also if the server wrongly denies the name above them.
        """

        def sectionsFor(question: Question) -> list[list[RRSet]] | None:
            name = question.key[:-4]
            if not name.endswith(nameFromText("denied.test.example")) or name[1:2] != b"e":
                return None
            target = nameFromText(f"e{int(name[2 : name[0] + 1]) + 1}.denied.test.example")
            return [[RRSet(question.name, CNAME, 1, 300, (target,))], [], []]

        self.internet.zone("test.example", "www A 192.0.2.80", ["ns.test.example"])
        self.start()
        repliesWith(self.internet.servers[nameFromText("ns.test.example")], sectionsFor)
        packets = 0
        for number in range(30):
            self.look(f"e{number * 1000}.denied.test.example")
            packets += self.packets()
        # The root's servers and those of two zones are learned, and the name is denied, once.
        self.assertEqual(packets, 4 + 30 * 12)

    def test_aliasOnTheWay(self) -> None:
        """
        A name below an alias, which RFC 1034 forbids, is found each time if its server has it: the alias counts for itself alone.
        """
        self.internet.zone("test.example", "n0.alias A 192.0.2.80\nn1.alias A 192.0.2.80\nother A 192.0.2.81", ["ns.test.example"])
        alias = nameFromText("alias.test.example")

        def sectionsFor(question: Question) -> list[list[RRSet]] | None:
            if question.key[:-4] != alias:
                return None
            return [[RRSet(question.name, CNAME, 1, 300, (nameFromText("other.test.example"),))], [], []]

        self.start()
        repliesWith(self.internet.servers[nameFromText("ns.test.example")], sectionsFor)
        found = [addressesIn(self.look(f"{name}.test.example")) for name in ("n0.alias", "n1.alias", "alias")]
        self.assertEqual(found, [["192.0.2.80"], ["192.0.2.80"], ["192.0.2.81"]])


class SignedTests(PassedNamesTests):
    """
    The same with signed zones: answers are valid as before.
    """

    signed = True
