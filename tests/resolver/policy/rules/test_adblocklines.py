"""
Tests of L{twisted_ext.resolver.policy.rules.adblocklines} and L{twisted_ext.resolver.policy.rules.condition}: what the rules of ad blockers
decide, as their documentation says, and as a plain matcher of regular expressions finds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.limits import BLOCK_NAMES
from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules.adblocklines import adblockRule
from twisted_ext.resolver.policy.rules.compiler import compileLists
from twisted_ext.resolver.policy.rules.condition import Condition
from twisted_ext.resolver.policy.rules.listfile import parseList
from twisted_ext.resolver.policy.rules.table import BELOW, CONDITIONAL, SELF, PolicyTable, RuleList, TableBuilder
from twisted_ext.resolver.policy.rules.verdict import OwnRules, decided
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA, TXT, A, typeNumber

_NOTHING = OwnRules((), ())


def tableOf(*lists: str) -> PolicyTable:
    """
    Return the table of lists with these lines.
    """
    builder = TableBuilder()
    for number, text in enumerate(lists):
        for found in parseList(BytesIO(text.encode()), Complaints()):
            for word, (names, lines) in found.plain.items():
                builder.add(names, word | number, lines)
            for name, word, line, condition in found.conditional:
                builder.addConditional(name, word | number, line, condition)
    return PolicyTable(b"".join(builder.pack([RuleList(f"block:/{number}") for number in range(len(lists))])))


def blocked(table: PolicyTable, name: str, rrType: int = A, mask: int = -1) -> bool:
    """
    Return whether a question is blocked.
    """
    verdict = decided(nameFromText(name).lower(), _NOTHING, table, mask, rrType)
    return verdict is not None and verdict.blocked


#: Rules, questions that they block, and questions that they do not block.
CASES: Final = (
    # -- what a rule is about
    ("||example.org^", "example.org www.example.org a.b.example.org", "example.com myexample.org example.org.uk org"),
    ("||example.org", "example.org www.example.org", "example.com notexample.org"),
    ("||example.org|", "example.org www.example.org", "example.org.uk"),
    ("||example.org^|", "example.org www.example.org", "example.org.uk"),
    ("|example.org^", "example.org", "www.example.org example.org.uk"),
    ("|example.org|", "example.org", "www.example.org"),
    ("|www.example.org^|", "www.example.org", "example.org a.www.example.org"),
    ("example.org", "example.org www.example.org", "example.com"),
    ("example.org^", "example.org www.example.org", "example.com"),
    ("0.0.0.0 example.org", "example.org", "www.example.org"),
    ("||EXAMPLE.Org^", "example.org WWW.EXAMPLE.ORG", "example.com"),
    ("||ex_ample.org^", "ex_ample.org a.ex_ample.org", "example.org"),
    ("||org^", "org example.org www.example.org", "example.com"),
    # -- exceptions and their rank
    ("||example.org^\n@@||good.example.org^", "example.org www.example.org", "good.example.org www.good.example.org"),
    ("||example.org^\n@@|example.org^", "www.example.org", "example.org"),
    ("@@||example.org^\n||www.example.org^", "", "www.example.org example.org"),
    ("@@||example.org^\n||www.example.org^$important", "www.example.org", "example.org"),
    ("@@||example.org^$important\n||www.example.org^$important", "", "www.example.org example.org"),
    ("@@||example.org^$important\n||example.org^", "", "example.org"),
    ("@@||example.org^|\n||example.org^", "", "example.org a.example.org"),
    ("||example.org^$important\n@@||example.org^", "example.org", ""),
    ("@@example.org\n||example.org^", "", "example.org"),
    # -- patterns
    ("||*.example.org^", "www.example.org a.b.example.org", "example.org"),
    ("||ad*.example.org^", "ad.example.org ads.example.org ad1.x.example.org x.ads.example.org", "example.org bad.example.org"),
    ("||ad*s.example.org^", "ads.example.org ad-servers.example.org", "ad.example.org bads.example.org"),
    ("|ad*.example.org^", "ad1.example.org ad.x.example.org", "x.ad1.example.org bad.example.org example.org"),
    ("||*ad.example.org^", "ad.example.org bad.example.org x.ad.example.org x.bad.example.org", "ads.example.org example.org"),
    ("*ad.example.org^", "ad.example.org bad.example.org", "ads.example.org example.org"),
    ("||a*b*c.example.org^", "abc.example.org axbxc.example.org a.b.c.example.org", "acb.example.org ab.example.org c.example.org"),
    ("||ads.*.example.org^", "ads.x.example.org a.ads.x.y.example.org", "ads.example.org xads.y.example.org"),
    ("||*-ads.com^", "x-ads.com a.x-ads.com", "ads.com x-ads.org"),
    ("@@||ad*.example.org^\n||example.org^", "www.example.org", "ads.example.org"),
    ("||ads*.example.org^$important\n@@||example.org^", "ads1.example.org", "www.example.org"),
    ("||ads*.example.org", "ads1.example.org", "example.org"),
    ("||a**b.example.org^", "ab.example.org axb.example.org", "a.example.org"),
    # -- types
    ("||example.org^$dnstype=A", "example.org www.example.org", "example.org/AAAA example.org/TXT"),
    ("||example.org^$dnstype=AAAA", "example.org/AAAA", "example.org"),
    ("||example.org^$dnstype=A|AAAA", "example.org example.org/AAAA", "example.org/HTTPS"),
    ("||example.org^$dnstype=~A", "example.org/AAAA example.org/TXT", "example.org"),
    ("||example.org^$dnstype=~A|~CNAME", "example.org/AAAA", "example.org example.org/CNAME"),
    ("||example.org^$dnstype=A|~AAAA", "example.org", "example.org/AAAA example.org/TXT"),
    ("||example.org^$dnstype=aaaa", "example.org/AAAA", "example.org"),
    ("||example.org^$dnstype=TYPE65", "example.org/HTTPS", "example.org"),
    ("||example.org^\n@@||example.org^$dnstype=TXT", "example.org", "example.org/TXT"),
    ("|example.org^$dnstype=MX", "example.org/MX", "example.org www.example.org/MX"),
    ("||example.org^$dnstype=A,important\n@@||example.org^", "example.org", "example.org/AAAA"),
    ("||ad*.example.org^$dnstype=A", "ad.example.org", "ad.example.org/AAAA www.example.org"),
    ("example.org$dnstype=AAAA", "example.org/AAAA", "example.org"),
    # -- domains that a rule is not for
    ("||example.org^$denyallow=good.example.org", "example.org www.example.org", "good.example.org a.good.example.org"),
    ("||example.org^$denyallow=good.example.org|ok.example.org", "example.org", "good.example.org x.ok.example.org"),
    ("||example.org^$denyallow=d.example.org", "bad.example.org xd.example.org", "d.example.org"),
    ("||org^$denyallow=example.org", "example.com.org org", "example.org www.example.org"),
    ("@@||example.org^$denyallow=bad.example.org\n||example.org^", "bad.example.org a.bad.example.org", "example.org www.example.org"),
    ("||example.org^$denyallow=a.example.org,dnstype=A", "example.org", "a.example.org example.org/AAAA"),
    ("||example.org^$denyallow=a.example.org,important\n@@||example.org^", "example.org", "a.example.org"),
    # -- rules that take others out of force
    ("||example.org^\n||example.org^$badfilter", "", "example.org www.example.org"),
    ("||example.org^$badfilter\n||example.org^", "", "example.org"),
    ("||example.org^\n|example.org^$badfilter", "example.org", ""),
    ("||example.org^$important\n||example.org^$badfilter", "example.org", ""),
    ("||example.org^$important\n||example.org^$important,badfilter", "", "example.org"),
    ("||example.org^$important\n||example.org^$badfilter,important", "", "example.org"),
    ("@@||example.org^\n||example.org^\n@@||example.org^$badfilter", "example.org", ""),
    ("||example.org^$dnstype=A\n||example.org^$badfilter", "example.org", ""),
    ("||example.org^$dnstype=A\n||example.org^$dnstype=A,badfilter", "", "example.org"),
    ("||example.org^$dnstype=A\n||example.org^$dnstype=AAAA,badfilter", "example.org", ""),
    ("||ad*.example.org^\n||ad*.example.org^$badfilter", "", "ad1.example.org"),
    ("||ad*.example.org^\n||ab*.example.org^$badfilter", "ad1.example.org", ""),
    ("||www.example.org^\n||example.org^\n||www.example.org^$badfilter", "www.example.org", ""),
    ("||example.org^$badfilter", "", "example.org"),
    ("||example.org^$all", "example.org", "example.com"),
    # -- what cannot be used is left out as a whole
    ("/example", "", "example.org"),
    ("@@/example(/\n||example.org^", "example.org", ""),
    ("||example.org^$third-party", "", "example.org"),
    ("||example.org^$client=192.0.2.1", "", "example.org"),
    ("||example.org^$ctag=device_pc", "", "example.org"),
    ("||example.org^$dnstype=A,app=x", "", "example.org"),
    ("||example.org^$dnstype=NOPE", "", "example.org"),
    ("||example.org^$dnstype=", "", "example.org"),
    ("||example.org^$denyallow=", "", "example.org"),
    ("||example.org^$denyallow=a..b", "", "example.org"),
    ("||example.org^$important=1", "", "example.org"),
    ("||example.org^$", "", "example.org"),
    ("||example.*^", "", "example.org"),
    ("||*^", "", "example.org"),
    ("*", "", "example.org"),
    ("||example*", "", "example.org example"),
    ("*$denyallow=org", "", "example.com"),
    ("||exam", "", "exam example.org"),
    ("||example.", "", "example example.org"),
    ("|example.org", "", "example.org"),
    ("||example.org/banner^", "", "example.org"),
    ("||example.org:8080^", "", "example.org"),
    ("example.org##.banner", "", "example.org"),
    ("example.org#@#.banner", "", "example.org"),
    ("example.org$$script[x]", "", "example.org"),
    ("||exa mple.org^", "", "example.org"),
    ("! ||example.org^", "", "example.org"),
    ("# ||example.org^", "", "example.org"),
)


@pytest.mark.parametrize(("rules", "blocks", "passes"), CASES)
def test_rules(rules: str, blocks: str, passes: str) -> None:
    """
    A rule is about what the documentation of ad blockers says, and one that cannot be used is about nothing.
    """
    table = tableOf(rules)
    for text, expected in ((blocks, True), (passes, False)):
        for each in text.split():
            name, _, kind = each.partition("/")
            assert blocked(table, name, typeNumber(kind or "A") or 0) is expected, each


def test_numberOfCases() -> None:
    """
    The table above has questions enough.
    """
    assert sum(len(f"{blocks} {passes}".split()) for _, blocks, passes in CASES) >= 200


def test_rulesOfListsThatDoNotApply() -> None:
    """
    A list takes rules of others out of force only where it applies itself.
    """
    table = tableOf("||example.org^\n", "||example.org^$badfilter\n")
    assert [blocked(table, "example.org", mask=mask) for mask in (1, 2, 3)] == [True, False, False]


def test_decidingLine() -> None:
    """
    The verdict has the line of a rule with a condition.
    """
    table = tableOf("# first\n\n||ad*.example.org^$dnstype=A\n")
    verdict = decided(nameFromText("ads.example.org"), _NOTHING, table)
    assert verdict is not None and (verdict.line, verdict.domain, verdict.labels) == (3, b"example.org", 1)


def test_conditionsOfFormerTable(tmp_path: Path) -> None:
    """
    A list that is not read again keeps the conditions of its rules, whatever their places in the new table.
    """
    (tmp_path / "a").write_text("||a*.example.org^\n")
    (tmp_path / "b").write_text("||example.com^$dnstype=A\n||b*.example.com^$denyallow=bc.example.com\n")
    words = [f"block:{tmp_path}/a", f"block:{tmp_path}/b"]
    compileLists(str(tmp_path / "1"), "", words, now=lambda: 1 << 62)
    (tmp_path / "a").write_text("||a*.example.org^\n||b*.example.org^\n")
    compileLists(str(tmp_path / "2"), str(tmp_path / "1"), words[::-1], now=lambda: 1 << 62)
    table = PolicyTable.map(str(tmp_path / "2"))
    assert blocked(table, "a1.example.org") and blocked(table, "b1.example.org")
    assert blocked(table, "example.com") and not blocked(table, "example.com", TXT)
    assert blocked(table, "b1.example.com", TXT) and not blocked(table, "bc.example.com", TXT)


def test_manyConditionsForOneName(tmp_path: Path) -> None:
    """
    So many rules for one name that each look-up would take long are left out, and counted; the others hold.
    """
    (tmp_path / "a").write_text("".join([f"||a{number}-*.com^\n" for number in range(10_000)]) + "||b*.example.org^\n")
    (found,) = compileLists(str(tmp_path / "table"), "", [f"block:{tmp_path}/a"])
    assert (found.names, found.wrong) == (65, 10_000 - 64)
    assert "is one rule too many with conditions for com" in found.said
    table = PolicyTable.map(str(tmp_path / "table"))
    assert [blocked(table, f"a{number}-x.com") for number in (0, 63, 64)] == [True, True, False]
    assert len(table.rulesFor(b"com")) == 64
    assert blocked(table, "b1.example.org")


def test_listThatFailsTakesNoRoom(tmp_path: Path) -> None:
    """
    A list that cannot be used keeps the rules with conditions that it had, however many were read before that; so do the others.
    """
    patterns = "".join([f"||a{number}-*.com^\n" for number in range(64)])
    (tmp_path / "a").write_text(patterns)
    (tmp_path / "b").write_text(patterns.replace("a", "b"))
    words = [f"block:{tmp_path}/a", f"block:{tmp_path}/b"]
    compileLists(str(tmp_path / "1"), "", words, now=lambda: 1 << 62)
    (tmp_path / "a").write_text(patterns + "c.example\n" * 200)
    with patch.object(BLOCK_NAMES, "default", 130):
        found = compileLists(str(tmp_path / "2"), str(tmp_path / "1"), words)
    assert [each.kept for each in found] == [True, False]
    table = PolicyTable.map(str(tmp_path / "2"))
    assert all(blocked(table, f"{list}{number}-x.com") for list in "ab" for number in range(64))


def test_manyTypes(tmp_path: Path) -> None:
    """
    A line with as many types and domains as it can have, each often or all different, is a rule as others.
    """
    often = "||a.example^$dnstype=" + "|".join(["a"] * 490)
    different = "||b.example^$dnstype=" + "|".join([f"type{number}" for number in range(1, 105)])
    domains = "||c.example^$denyallow=" + "|".join([f"x{number}.a" for number in range(150)])
    assert all(700 < len(line) <= 1024 for line in (often, different, domains)), [len(line) for line in (often, different, domains)]
    (tmp_path / "a").write_text(f"{often}\n{different}\n{domains}\nads.example\n")
    (found,) = compileLists(str(tmp_path / "table"), "", [f"block:{tmp_path}/a"])
    assert (found.names, found.wrong) == (4, 0)
    table = PolicyTable.map(str(tmp_path / "table"))
    assert [blocked(table, f"{name}.example", kind) for name in "ab" for kind in (A, 300)] == [True, False, True, False]
    assert (blocked(table, "ads.example"), blocked(table, "c.example"), blocked(table, "x7.a")) == (True, True, False)


def test_starsInComments() -> None:
    """
    What is a rule of an ad blocker is no comment of another format.
    """
    table = tableOf("0.0.0.0 ads.example # *bad* for $5\nmore.example # a star *\n*.wild.example # really *\n")
    assert [blocked(table, name) for name in ("ads.example", "more.example", "x.wild.example")] == [True] * 3


def test_damagedConditions() -> None:
    """
    A condition that cannot be read does not hold.
    """
    builder = TableBuilder()
    builder.addConditional(b"example.org", SELF | BELOW, 1, Condition(types=(A, AAAA)))
    parts = builder.pack([RuleList("block:/0")])
    assert blocked(PolicyTable(b"".join(parts)), "example.org")
    size = len(parts[-2])
    for cut in (bytes(size), b"\xff" * size):
        parts[-2] = cut
        table = PolicyTable(b"".join(parts))
        assert table.rulesFor(b"example.org")[0][0] == SELF | BELOW | CONDITIONAL
        decided(nameFromText("example.org"), _NOTHING, table)
    assert not blocked(table, "example.org")


_CONDITIONS = st.builds(
    Condition,
    st.booleans(),
    st.lists(st.integers(1, 65535), max_size=3).map(tuple),
    st.lists(st.integers(1, 65535), max_size=3).map(tuple),
    st.lists(st.sampled_from([b"a", b"a.b", b"example.org"]), max_size=3).map(tuple),
    st.sampled_from([b"", b"a*", b"*.b"]),
    st.booleans(),
)


@given(_CONDITIONS, st.integers(0, 1 << 31))
def test_conditionsArePacked(condition: Condition, line: int) -> None:
    """
    What is packed is unpacked, wherever it stands.
    """
    assert Condition.unpack(b"xyz" + condition.pack(line) + b"more", 3) == (line, condition)


#: What rules are made of, and what they are not.
_PIECES: Final = b"|| | @@ ^ $ , * . a example dnstype= a|aaaa ~ denyallow= badfilter \xff /".split()


@given(st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(_PIECES), max_size=20).map(b"".join)))
def test_anyLine(line: bytes) -> None:
    """
    Any octets are a rule that a table can have, or raise L{ValueError}.
    """
    try:
        name, word, condition = adblockRule(line.lower().strip())
    except ValueError:
        return
    assert name and not name.startswith(b".") and word & (SELF | BELOW)
    assert condition is None or Condition.unpack(condition.pack(7), 0) == (7, condition)


# -- a plain matcher


@dataclass
class Naive:
    """
    A rule as a regular expression.
    """

    exception: bool
    important: bool
    about: re.Pattern[str]
    types: frozenset[str]
    denied: tuple[str, ...]
    text: str
    bad: bool


def naive(line: str) -> Naive:
    """
    Translate a rule as the documentation says: C{||} is the beginning or a dot, C{*} is anything, C{^} and C{|} are the end.
    """
    body, _, modifiers = line.partition("$")
    words = modifiers.split(",") if modifiers else []
    exception = body.startswith("@@")
    body = body.removeprefix("@@")
    begin = "" if body.startswith("|") and not body.startswith("||") else r"(?:.*\.)?"
    inner = ".*".join([re.escape(part) for part in body.strip("|^").split("*")])
    types = next((word.removeprefix("dnstype=") for word in words if word.startswith("dnstype=")), "")
    denied = next((word.removeprefix("denyallow=") for word in words if word.startswith("denyallow=")), "")
    rest = sorted([word for word in words if word != "badfilter"])
    return Naive(
        exception,
        "important" in words,
        re.compile(f"{begin}{inner}", re.S),
        frozenset(types.split("|")) - {""},
        tuple(denied.split("|")) if denied else (),
        f"{'@@' if exception else ''}{body}${','.join(rest)}",
        "badfilter" in words,
    )


def naively(rules: Sequence[str], name: str, kind: str) -> bool:
    """
    Return whether a question is blocked, by looking at each rule.
    """
    all = [naive(rule) for rule in rules]
    bad = [rule.text for rule in all if rule.bad]
    holding = [
        rule
        for rule in all
        if not rule.bad
        and rule.text not in bad
        and rule.about.fullmatch(name)
        and (not rule.types or kind in rule.types)
        and not any(name == each or name.endswith(f".{each}") for each in rule.denied)
    ]
    best = max([(rule.important, rule.exception) for rule in holding], default=(False, True))
    return not best[1]


_LABELS = st.sampled_from(["a", "b", "ab", "ba", "aab"])
_NAMES = st.lists(_LABELS, min_size=1, max_size=4).map(".".join)
_STARRED = st.builds("{}{}.{}".format, st.sampled_from(["*a", "a*", "a*b", "*", "b.*", "*a*", "a*.b"]), st.sampled_from(["", "b"]), _NAMES)
_MODIFIERS = st.lists(
    st.sampled_from(["important", "dnstype=A", "dnstype=A|TXT", "denyallow=a", "denyallow=a.b|b.a", "badfilter"]),
    max_size=3,
    unique_by=lambda word: word.partition("=")[0],
)
_RULES = st.builds(
    lambda exception, begin, name, modifiers: f"{exception}{begin}{name}^{'$' if modifiers else ''}{','.join(modifiers)}",
    st.sampled_from(["", "", "@@"]),
    st.sampled_from(["||", "||", "|"]),
    st.one_of(_NAMES, _STARRED),
    _MODIFIERS,
)


@given(st.lists(_RULES, max_size=12), st.lists(_NAMES, min_size=1, max_size=12), st.sampled_from(["A", "AAAA", "TXT"]))
def test_likePlainMatcher(rules: Sequence[str], names: Sequence[str], kind: str) -> None:
    """
    Random rules decide about random names as a matcher that looks at each rule.
    """
    table = tableOf("\n".join(rules))
    for name in names:
        assert blocked(table, name, typeNumber(kind) or 0) == naively(rules, name, kind), name
