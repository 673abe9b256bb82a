"""
Random zones: whatever a server of the simulated internet answers from them, our own validator proves.
"""

from __future__ import annotations

from random import Random

import pytest

from twisted_ext.answers import Answer, Origin, Security
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validated, Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.outcomes import answerFromMessage
from twisted_ext.testing.internet import Internet, Params
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import typeName

LABELS = ("a", "b", "c", "*", "zz", "A1")

TYPES = ("A", "TXT", "DS", "NS", "CNAME")


def randomZone(dice: Random) -> str:
    """
    Return a master file with wildcards, aliases, empty non-terminals and delegations.
    """
    lines: dict[str, str] = {}
    for _ in range(dice.randint(1, 9)):
        name = randomName(dice, 3).lower()
        target = randomName(dice, 3)
        kinds = ["A 192.0.2.1", "TXT x", f"CNAME {target}"]
        if "*" not in name:
            kinds += [f"DNAME {target}.q", "NS ns.elsewhere.net.", f"NS ns.elsewhere.net.\n{name} DS 1 13 2 {'00' * 32}"]
        lines.setdefault(name, f"{name} {dice.choice(kinds)}")
    return "\n".join(lines.values())


def randomName(dice: Random, most: int) -> str:
    """
    Return a relative name.
    """
    return ".".join([dice.choice(LABELS) for _ in range(dice.randint(1, most))])


def asked(internet: Internet, question: Question) -> Message:
    """
    Ask a server of the question's zone.
    """
    name = question.key[:-4]
    apexes = [apex for apex in internet.zones if name.endswith(apex)]
    if typeName(question.rrType) == "DS" and name != b"\x00" and name in apexes:
        apexes.remove(name)
    server = internet.zones[max(apexes, key=len)].servers[0]
    reply = internet.ask(server, nameToText(name), typeName(question.rrType), transport="tcp")
    assert reply is not None
    return reply.check()


def judged(internet: Internet, question: Question, reply: Message) -> Validated:
    """
    Validate a reply, with all keys that this takes from the internet.
    """
    anchors = ZoneAnchors(b"\x00", tuple([recordFromText(line).rdatas[0] for line in internet.anchors.splitlines()]), ())
    validator = Validator(lambda name, now: anchors)

    def answer(question: Question, reply: Message) -> Answer:
        return answerFromMessage(question, reply, Origin("udp"))

    steps = validator.validate(question, answer(question, reply), int(internet.time()), Work())
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(answer(wanted, asked(internet, wanted)))
    except StopIteration as done:
        verdict = done.value
        assert isinstance(verdict, Validated)
        return verdict


@pytest.mark.parametrize("params", [None, Params(), Params(2, b"s")], ids=["nsec", "nsec3", "salted"])
@pytest.mark.parametrize("seed", range(30))
def test_everyAnswerIsProved(seed: int, params: Params | None) -> None:
    """
    Every authoritative answer from a random zone is secure.
    """
    dice = Random(seed)
    internet = Internet(seed=1)
    zone = randomZone(dice)
    internet.zone("example.org", zone, nsec3=params)
    for _ in range(12):
        question = questionOf(randomName(dice, 4) + ".example.org", dice.choice(TYPES))
        reply = asked(internet, question)
        if not reply.flags & AA:
            continue
        found = judged(internet, question, reply)
        assert found.verdict.security is Security.SECURE, (zone, question, found.verdict.reasons)
