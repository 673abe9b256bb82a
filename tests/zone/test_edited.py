"""
Tests of what zones answer after they were changed.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.live.zones.authorities import ORIGIN, ZONE, questions
from twisted_ext.answers import Answer, Question
from twisted_ext.wire.names import MOST_OCTETS, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.query.answers import answer
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

#: Labels that new names begin with.
_LABELS = [b"\x01*", b"\x01a", b"\x03new", b"\x03sub", b"\x04deep", b""]


def madeUp(random: Random, name: bytes) -> tuple[RRSet, ...]:
    """
    @return: records that change what is above and below a name, or none.
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


def said(found: Answer) -> tuple[object, ...]:
    """
    @return: all that matters of an answer.
    """
    return found.rcode, found.flags, found.outcome, set(found.answer), set(found.authority), set(found.additional)


class EditedTests(SynchronousTestCase):
    """
    Tests with one zone that is changed in steps, and one that is made of the same records at once.
    """

    def change(self, random: Random, version: Version, content: dict[bytes, tuple[RRSet, ...]]) -> Version:
        """
        Change a few names, in the version and in C{content} alike.
        """
        changes = {}
        for _ in range(random.randint(1, 5)):
            key = random.choice(list(content))
            if random.random() < 0.4 and key:
                key = key[key[0] + 1 :]
            key = random.choice(_LABELS) + key
            if key and len(key) + len(version.apex) < MOST_OCTETS - 10:
                changes[key] = madeUp(random, key + version.apexName)
        for key, sets in changes.items():
            if sets:
                content[key] = sets
            else:
                content.pop(key, None)
        return version.edited(changes)

    def test_asIfMadeAtOnce(self) -> None:
        """
        Cuts, DNAME records, wildcards and names come and go, and what is said is what a zone says that was never otherwise.
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
                if version.keyOf(asked.name) is None:
                    continue
                question = Question(asked.name, asked.rrType)
                found = answer(version, question, dnssecOk=asked.dnssecOk)
                self.assertEqual(
                    said(found), said(answer(fresh, question, dnssecOk=asked.dnssecOk)), f"{question} with seed {seed}"
                )
