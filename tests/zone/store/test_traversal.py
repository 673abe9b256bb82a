"""
Tests of L{twisted_ext.zone.store.traversal}: two images are compared, against a comparison of all their records.
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zone.changing import ZONE, textsOf, versionOf
from twisted_ext.zone.store.traversal import candidates, difference
from twisted_ext.zone.store.version import Version

_NAMES = 1_100


def versionWith(lines: list[str]) -> Version:
    """
    Return a version with some records.
    """
    return versionOf(ZONE + "\n".join(lines) + "\n")


def expectDifference(before: list[str], after: list[str]) -> None:
    """
    Expect that versions with these records differ in what is in one of them only, and that other names are not looked at twice.
    """
    old, new = versionWith(before), versionWith(after)
    found = difference(old, new)
    removed, added = [
        {(rrset.name.lower(), rrset.rrType, rrset.ttl, rdata) for rrset in several for rdata in rrset.rdatas}
        for several in (found.removed, found.added)
    ]
    olds, news = textsOf(old), textsOf(new)
    assert (removed, added) == (olds - news, news - olds)
    names = {each[0] for each in olds ^ news}
    nodes = [old.find(key) or new.find(key) for key in candidates(old, new) if key is not None]
    # Empty non-terminals come and go with names.
    assert len([node for node in nodes if node is not None and node.sets]) <= len(names) + 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, _NAMES - 1), st.sampled_from(["change", "ttl", "remove", "insert", "below", "type"])), max_size=6),
    st.integers(0, 3),
)
def test_differingNames(changes: list[tuple[int, str]], moved: int) -> None:
    """
    Names that come, go and change are found wherever they are, also if others are in another order.
    """
    before = [f"h{number} 60 A 192.0.2.1" for number in range(_NAMES)]
    after: list[str | None] = [*before]
    inserted: dict[int, str] = {}
    for number, what in changes:
        if what == "remove":
            after[number] = None
        elif what in ("insert", "below"):
            inserted[number] = f"new{number} 60 A 192.0.2.1" if what == "insert" else f"x.y.h{number} 60 A 192.0.2.1"
        else:
            changed = {"change": "60 A 192.0.2.2", "ttl": "61 A 192.0.2.1", "type": "60 AAAA ::1"}[what]
            after[number] = f"h{number} {changed}"
    lines = []
    for number, line in enumerate(after):
        lines += [each for each in (line, inserted.get(number)) if each is not None]
    for each in range(moved):
        place = Random(each).randrange(len(lines))
        lines.append(lines.pop(place))
    expectDifference(before, lines)
    expectDifference(lines, before)


def test_sameOctetsOtherNames() -> None:
    """
    Names are told apart by where each of them ends, not only by their octets in a row.
    """
    for before, after in ((["a", "b.c"], ["a.b", "c"]), (["a", "b", "c.d"], ["a.b", "c", "d"]), (["b.a", "b"], ["b", "a.b"])):
        expectDifference(*[[f"{name} 60 A 192.0.2.1" for name in names] for names in (before, after)])


def test_orderIsNoDifference() -> None:
    """
    The same records in any order are no difference.
    """
    lines = [f"h{number} 60 A 192.0.2.1" for number in range(_NAMES)]
    others = [*lines]
    Random(1).shuffle(others)
    expectDifference(lines, others)
    expectDifference(lines, [*lines[500:], *lines[:500]])
