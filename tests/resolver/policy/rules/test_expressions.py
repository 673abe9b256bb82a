"""
Tests of L{twisted_ext.resolver.policy.rules.expressions}: rules of ad blockers with regular expressions.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.resolver.policy.rules.test_adblocklines import blocked, tableOf
from tests.resolver.policy.rules.test_rewriting import shown
from twisted_ext.errors import BadImage
from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules.compiler import compileLists
from twisted_ext.resolver.policy.rules.expressions import LIST_COST, costOf
from twisted_ext.resolver.policy.rules.listfile import parseList
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.resolver.policy.rules.verdict import OwnRules, decided
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA


@pytest.mark.parametrize(
    ("rules", "blocks", "passes"),
    [
        (r"/^ads?[0-9]*\./", "ad.example ads12.example AD7.example", "x.ads.example bad.example ads"),
        (r"/(^|\.)ads\.example$/", "ads.example x.ads.example", "bads.example ads.example.org"),
        (r"/BANNER/", "x.banner.example banners.example", "banne.example"),
        # In lower case these would be the opposite.
        (r"/^\S+\.\D+$/", "a.example", "a.example1"),
        (r"/^a\.b\.c$/", "a.b.c", "a.b.c.d x.a.b.c"),
        ("/ads/\n@@||good.example^", "ads.example", "ads.good.example"),
        ("||ads.example^\n@@/^www/", "ads.example", "www.ads.example"),
        ("/ads/$important\n@@||good.example^", "ads.good.example", "good.example"),
        ("/ads/\n/ads/$badfilter", "", "ads.example"),
        ("/ads/$denyallow=good.example", "ads.example", "ads.good.example"),
        ("/ads$/$dnstype=~A", "", "x.ads"),
        ("/a/b$/", "a/b", "ab"),
        # Patterns and other rules beside them go on.
        ("/ads/\n||other.example^", "ads.example x.other.example", "example"),
    ],
)
def test_rules(rules: str, blocks: str, passes: str) -> None:
    """
    An expression may match any part of a name, in any case of letters. Its modifiers and its rank are those of other rules.
    """
    table = tableOf(rules)
    assert [name for name in blocks.split() if not blocked(table, name)] == []
    assert [name for name in passes.split() if blocked(table, name)] == []


def test_dotsInsideLabels() -> None:
    """
    An expression is matched with names as text, so it is about none with a dot inside a label, which would look like another name.
    """
    for rules in (r"/^b\.example$/", r"/^example$/", r"/(^|\.)example$/"):
        table = tableOf(rules)
        assert not blocked(table, r"b\.example"), rules
        assert not blocked(table, r"b\.c.example"), rules
    assert blocked(tableOf(r"/^b\.example$/"), "b.example")


def test_types() -> None:
    """
    A rule may be for queries of some types.
    """
    table = tableOf("/ads/$dnstype=AAAA")
    assert blocked(table, "ads.example", AAAA)
    assert not blocked(table, "ads.example")


def test_decidingLine() -> None:
    """
    The line of an expression is known, and those of lists that do not apply are not looked at.
    """
    table = tableOf("# title\n||x.example^\n/ads/", "/ads[0-9]/$dnsrewrite=192.0.2.1")
    own = OwnRules((), ())
    for name, mask, expected in (
        ("ads.example", -1, "blocked /0 3"),
        ("ads1.example", -1, "rewritten /1 1 192.0.2.1"),
        ("ads1.example", 1, "blocked /0 3"),
        ("ads.example", 2, None),
    ):
        verdict = decided(nameFromText(name), own, table, mask)
        assert (None if verdict is None else shown(verdict)) == expected


def complaintsOf(text: str) -> str:
    complaints = Complaints()
    for _ in parseList(BytesIO(text.encode()), complaints):
        pass
    return str(complaints)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/ads(/", "the expression missing ): ads("),
        ("/a(?=b)/", "the expression invalid perl operator: (?="),
        (r"/(a)\1/", r"the expression invalid escape sequence: \1"),
        ("/[a-z]{1,250}x/", "steps for each octet of a name; at most 256 are allowed"),
        ("/ads/$third-party", "depends on more than the domain"),
        ("/ads", "depends on more than the name"),
        ("//", "depends on more than the name"),
        ("@@/ads", "depends on more than the name"),
    ],
)
def test_badExpressions(line: str, said: str) -> None:
    """
    A line that cannot be used is left out, and the error says why.
    """
    assert said in complaintsOf(line)


def test_manyExpressions(tmp_path: Path) -> None:
    """
    The expressions of a list have a bound, so that a name takes no longer than these may take. That one list has too many takes no room of
    another one. A table that is made of another one keeps them.
    """
    lines = [f"/^host{number}(er|ing|ed|s)?(less|ness)?[.]/" for number in range(300)]
    (tmp_path / "many").write_text("\n".join(lines))
    (tmp_path / "few").write_text("\n".join(lines[:3]))
    words = [f"block:{name}={tmp_path / name}" for name in ("many", "few")]
    many, few = compileLists(str(tmp_path / "table"), "", words)
    most = LIST_COST // costOf(lines[0][1:-1].encode())
    assert (few.names, few.wrong) == (3, 0)
    assert most * 0.8 < many.names < most * 1.2
    assert many.names + many.wrong == 300
    assert f"line {many.names + 1}: is one expression too many" in many.said
    (tmp_path / "few").unlink()
    compileLists(str(tmp_path / "again"), str(tmp_path / "table"), words[::-1])
    table = PolicyTable.map(str(tmp_path / "again"))
    assert [blocked(table, f"host{number}.example") for number in (0, many.names - 1, many.names)] == [True, True, False]
    assert not table.single


def test_withoutTheLibrary() -> None:
    """
    Without google-re2 expressions are left out, and the error says how to install it. A table that has some is not used, since names would
    get through: it is made anew.
    """
    table = tableOf("/without[0-9]/")
    with patch.dict(sys.modules, {"re2": None}):
        said = complaintsOf("/without[0-9]+/")
        assert "the expression takes google-re2, which is not installed: pip install 'twisted-ext[lists]'" in said
        with pytest.raises(BadImage, match="its expressions cannot be used"):
            PolicyTable(table._data)


_PARTS = st.sampled_from(["a", "b", "[ab]", "(a|b)", "a?", "b*", "[.]", "(ab)+", "c{1,2}", "."])
_EXPRESSIONS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "^"]), st.lists(_PARTS, min_size=1, max_size=4).map("".join), st.sampled_from(["", "$"])
)
_NAMES = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3).map(".".join)


@given(st.lists(_EXPRESSIONS, max_size=6), st.lists(_NAMES, min_size=1, max_size=6))
def test_likeOtherExpressions(expressions: Sequence[str], names: Sequence[str]) -> None:
    """
    Random expressions match what Python's do.
    """
    table = tableOf("\n".join([f"/{each}/" for each in expressions]))
    for name in names:
        assert blocked(table, name) is any(re.search(each, name) for each in expressions)
