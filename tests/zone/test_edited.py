"""
Tests of the answers of zones after changes.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.live.zones.authorities import ORIGIN, ZONE, questions
from tests.zone.plain import answer
from twisted_ext.answers import Answer, Question
from twisted_ext.wire.names import MOST_OCTETS, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.nodes import keyBelow
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

#: The first labels of new names.
_LABELS = [b"\x01*", b"\x01a", b"\x03new", b"\x03sub", b"\x04deep", b""]


def randomSets(random: Random, name: bytes) -> tuple[RRSet, ...]:
    """
    Return record sets that affect the names above and below, or none.
    """
    return random.choice(
        [
            (),
            (RRSet(name, 1, 1, 300, (bytes(4),)),),
            (RRSet(name, 2, 1, 300, (b"\x02ns" + name,)),),
            (RRSet(name, 5, 1, 300, (nameFromText("www.example"),)),),
            (RRSet(name, 39, 1, 300, (nameFromText("grove.example"),)),),
        ]
    )


def contentOf(found: Answer) -> tuple[object, ...]:
    """
    Return everything that matters of an answer.
    """
    return found.rcode, found.flags, found.outcome, set(found.answer), set(found.authority), set(found.additional)


class EditedTests(SynchronousTestCase):
    """
    Tests with a zone that is changed in steps and one with the same records that is built at once.
    """

    def change(self, random: Random, version: Version, content: dict[bytes, tuple[RRSet, ...]]) -> Version:
        """
        Change a few names in the version and in C{content}.
        """
        changes = {}
        for _ in range(random.randint(1, 5)):
            key = random.choice(list(content))
            if random.random() < 0.4 and key:
                key = key[key[0] + 1 :]
            key = random.choice(_LABELS) + key
            if key and len(key) + len(version.apex) < MOST_OCTETS - 10:
                changes[key] = randomSets(random, key + version.apexName)
        for key, sets in changes.items():
            if sets:
                content[key] = sets
            else:
                content.pop(key, None)
        return version.edited(changes)

    def test_editedZoneAnswersLikeFreshZone(self) -> None:
        """
        A zone answers the same after changes to delegations, DNAME records, wildcards and names as one built from the resulting
        records.
        """
        base = Zone.fromText(ZONE, ORIGIN).current
        for seed in range(20):
            random = Random(seed)
            version = base
            content = {node.key: node.sets for node in base.nodes() if node.sets}
            for _ in range(random.randint(1, 6)):
                version = self.change(random, version, content)
            fresh = Zone.fromRecords(ORIGIN, [rrset for sets in content.values() for rrset in sets]).current
            names = sorted({node.key + base.apex for each in (base, fresh) for node in each.nodes()})
            for asked in questions(names, base.apex, 200, seed):
                if keyBelow(asked.name, version.apex) is None:
                    continue
                question = Question(asked.name, asked.rrType)
                found = answer(version, question, dnssecOk=asked.dnssecOk)
                self.assertEqual(
                    contentOf(found), contentOf(answer(fresh, question, dnssecOk=asked.dnssecOk)), f"{question} with seed {seed}"
                )
