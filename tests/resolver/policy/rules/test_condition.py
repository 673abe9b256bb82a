"""
Tests of L{twisted_ext.resolver.policy.rules.condition}.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.resolver.policy.rules.condition import Condition
from twisted_ext.wire.rrtypes import AAAA, A

_TEXTS = st.text("ab.", min_size=1, max_size=8).map(lambda text: re.sub(r"\.+", ".", text).strip(".")).filter(bool)
_PATTERNS = st.text("ab.**", min_size=1, max_size=6)


@given(_PATTERNS, st.booleans(), _TEXTS)
def test_patternsAsExpressions(pattern: str, anchored: bool, text: str) -> None:
    """
    A pattern matches all of what a name has before the domain, or what follows any dot in it, with any characters for each C{*}.
    """
    expression = ".*".join(map(re.escape, pattern.split("*")))
    expected = re.fullmatch(expression if anchored else rf"(.*\.)?{expression}", text) is not None
    condition = Condition(pattern=pattern.encode(), anchored=anchored)
    assert condition.holds(f"{text}.example".encode(), len(text) + 1, A, b"") is expected


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        # What a part has matched is not matched again by the next one.
        ("a*a", "aa aba", "a"),
        ("x*ab*b", "xabb xab.b", "xab"),
        ("ab*ba", "abba abxba", "aba"),
        # Without an asterisk it is all of the name.
        ("ads", "ads", "adsx xads"),
    ],
)
def test_patterns(pattern: str, matches: str, others: str) -> None:
    """
    The parts of a pattern are found one after the other.
    """
    condition = Condition(pattern=pattern.encode(), anchored=True)
    for texts, expected in ((matches, True), (others, False)):
        for text in texts.split():
            assert condition.holds(f"{text}.example".encode(), len(text) + 1, A, b"") is expected, text


def test_patternNeedsSomethingAbove() -> None:
    """
    A pattern is about names below the domain: the domain itself has nothing that it could match.
    """
    assert not Condition(pattern=b"ads").holds(b"example", 0, A, b"")
    assert not Condition(pattern=b"ads", anchored=True).holds(b"ads.example", 0, A, b"")


def test_excludedDomains() -> None:
    """
    Excluded domains are so with all names below them, but names that only end alike are not.
    """
    condition = Condition(excluded=(b"other.example", b"good.example"))
    for name, expected in (("good.example", False), ("x.good.example", False), ("xgood.example", True), ("example", True)):
        assert condition.holds(name.encode(), 0, A, b"") is expected, name


def test_allConditions() -> None:
    """
    A rule is about a question if each of its conditions is. Packed behind others it is read back.
    """
    condition = Condition(types=(A,), excluded=(b"good.example",), pattern=b"ads*", views=(b"children",))
    for name, rrType, view, expected in (
        ("ads1.example", A, "children", True),
        ("ads1.example", AAAA, "children", False),
        ("ads1.example", A, "", False),
        ("x1.example", A, "children", False),
    ):
        assert condition.holds(name.encode(), len(name) - len("example"), rrType, view.encode()) is expected
    first = Condition(others=(AAAA,), voids=True, expression=b"^a").pack(3)
    assert Condition.unpack(first + condition.pack(7), len(first)) == (7, condition)
