"""
Tests of L{twisted_ext.resolver.policy.rules.verdict}.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.resolver.policy.rules.table import BELOW, EXCEPT, IMPORTANT, SELF, PolicyTable, RuleList, TableBuilder
from twisted_ext.resolver.policy.rules.verdict import OwnRules, Verdict, decided
from twisted_ext.wire.names import nameFromText

_LISTS = [RuleList(f"block:/lists/{number}") for number in range(4)]

_LABELS = st.sampled_from([b"a", b"b", b"c", b"example"])
_DOMAINS = st.lists(_LABELS, min_size=1, max_size=4).map(b".".join)
_WORDS = st.builds(
    lambda holds, rank: holds | rank,
    st.sampled_from([SELF, BELOW, SELF | BELOW]),
    st.sampled_from([0, 0, 0, EXCEPT, IMPORTANT, IMPORTANT | EXCEPT]),
)
_RULES = st.dictionaries(st.tuples(_DOMAINS, st.integers(0, 3)), _WORDS, max_size=12)


def tableOf(rules: Mapping[tuple[bytes, int], int]) -> PolicyTable:
    """
    Return a table of rules, by name and list; each has its place among them as its line.
    """
    builder = TableBuilder()
    for line, ((name, source), word) in enumerate(rules.items(), 1):
        builder.add([name], word | source, [line])
    return PolicyTable(b"".join(builder.pack(_LISTS)))


def naive(name: bytes, blocked: set[bytes], excepted: set[bytes], rules: Mapping[tuple[bytes, int], int], mask: int) -> tuple[object, ...]:
    """
    Return what rules say, looking at each of them; nothing if none is about the name.
    """

    def isAbout(domain: bytes, word: int) -> bool:
        return bool(word & SELF and name == domain or word & BELOW and name.endswith(b"." + domain))

    own = [(domain.count(b"."), domain in excepted, domain) for domain in blocked | excepted if isAbout(domain, SELF | BELOW)]
    if own:
        _, isException, domain = max(own)
        return (not isException, domain, 0)
    found: list[tuple[bool, bool, int, int, int, bytes]] = []
    for line, ((domain, source), word) in enumerate(rules.items(), 1):
        if isAbout(domain, word) and mask >> source & 1:
            found.append((bool(word & IMPORTANT), bool(word & EXCEPT), domain.count(b"."), -source, line, domain))
    if not found:
        return ()
    highest = max(found)
    return (not highest[1], highest[5], highest[4])


def shown(verdict: Verdict | None) -> tuple[object, ...]:
    return () if verdict is None else (verdict.blocked, verdict.domain, verdict.line)


@given(_RULES, st.sets(_DOMAINS, max_size=2), st.sets(_DOMAINS, max_size=2), st.integers(0, 15), st.lists(_DOMAINS, min_size=1, max_size=8))
def test_sameAsLookingAtEachRule(
    rules: dict[tuple[bytes, int], int], blocked: set[bytes], excepted: set[bytes], mask: int, names: list[bytes]
) -> None:
    """
    The rule that decides is that which a search through all of them finds, with any lists switched off.
    """
    table = tableOf(rules)
    own = OwnRules([each.decode() for each in blocked], [each.decode() for each in excepted])
    for name in names:
        verdict = decided(nameFromText(name.decode()), own, table, mask)
        assert shown(verdict) == naive(name, blocked, excepted, rules, mask)
        if verdict is not None:
            assert verdict.labels == name.count(b".") - verdict.domain.count(b".")


def test_manyNames() -> None:
    """
    The same holds for 50,000 random names and 20,000 rules.
    """
    dice = random.Random(5)
    rules: dict[tuple[bytes, int], int] = {}
    for _ in range(20_000):
        domain = b".".join([b"%x" % dice.getrandbits(4) for _ in range(dice.randrange(1, 5))])
        word = dice.choice([SELF, BELOW, SELF | BELOW]) | dice.choice([0, 0, 0, 0, EXCEPT, IMPORTANT, IMPORTANT | EXCEPT])
        rules[domain, dice.randrange(4)] = word
    byName: dict[bytes, dict[tuple[bytes, int], int]] = {}
    lines = {rule: line for line, rule in enumerate(rules, 1)}
    for (domain, source), word in rules.items():
        byName.setdefault(domain, {})[domain, source] = word
    table = tableOf(rules)
    own = OwnRules((), ())
    different = 0
    for _ in range(50_000):
        name = b".".join([b"%x" % dice.getrandbits(4) for _ in range(dice.randrange(1, 6))])
        mask = dice.getrandbits(4)
        labels = name.split(b".")
        near = {key: word for at in range(len(labels)) for key, word in byName.get(b".".join(labels[at:]), {}).items()}
        expected = naive(name, set(), set(), near, mask)
        if expected:
            expected = (*expected[:2], lines[[*near][int(str(expected[2])) - 1]])
        different += shown(decided(nameFromText(name.decode()), own, table, mask)) != expected
    assert different == 0


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ({(b"ads.example", 1): SELF}, "/lists/1:1"),
        ({(b"ads.example", 2): SELF, (b"ads.example", 1): SELF | BELOW}, "/lists/1:2"),
        ({(b"example", 2): BELOW | EXCEPT, (b"ads.example", 1): SELF}, "/lists/2:1"),
        ({(b"example", 2): BELOW | EXCEPT, (b"ads.example", 1): SELF | IMPORTANT}, "/lists/1:2"),
        ({(b"example", 2): BELOW | EXCEPT | IMPORTANT, (b"ads.example", 1): SELF | IMPORTANT}, "/lists/2:1"),
    ],
)
def test_place(rules: dict[tuple[bytes, int], int], place: str) -> None:
    """
    A verdict names the list and the line.
    """
    verdict = decided(nameFromText("ads.example"), OwnRules((), ()), tableOf(rules))
    assert verdict is not None
    assert verdict.place == place


@pytest.mark.parametrize("written", ["ads.example", "Ads.EXAMPLE.", "*.ads.example"])
def test_ownSpellings(written: str) -> None:
    """
    The operator may write a domain in any case of letters, with a final dot, and with C{*.} before it.
    """
    for own in (OwnRules([written], []), OwnRules(["example"], [written])):
        for name in ("ads.example", "x.ads.example"):
            verdict = decided(nameFromText(name), own, None)
            assert verdict is not None and verdict.domain == b"ads.example"


def test_ownPlaces() -> None:
    """
    A verdict by a setting names the setting.
    """
    own = OwnRules(["ads.example"], ["good.ads.example"])
    verdicts = [decided(nameFromText(name), own, None) for name in ("x.ads.example", "good.ads.example", "example")]
    assert [None if each is None else each.place for each in verdicts] == ["block", "block-except", None]
