"""
Tests of L{twisted_ext.resolver.policy.rules.table}.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from twisted_ext.errors import BadImage
from twisted_ext.resolver.policy.rules.table import (
    BELOW,
    EXCEPT,
    IMPORTANT,
    SELF,
    PolicyTable,
    RuleList,
    TableBuilder,
    rankOf,
)

_LISTS = (RuleList("block:a"), RuleList("block:b"))


def tableOf(rules: dict[bytes, int]) -> PolicyTable:
    """
    Return a table of rules; that of the name with the number N is in line N.
    """
    builder = TableBuilder()
    for line, (name, word) in enumerate(rules.items(), 1):
        builder.add([name], word, [line])
    return PolicyTable(b"".join(builder.pack(_LISTS)))


@pytest.mark.parametrize("count", [1, 11, 12, 300, 5000, 70_000])
def test_eachRuleIsFound(count: int) -> None:
    """
    Every name that was added is found with its list and line, whatever the number of buckets, and no other one.
    """
    rules = {b"n%d.example" % number: number % 2 | SELF | (BELOW if number % 3 else 0) for number in range(count)}
    builder = TableBuilder()
    for word in {*rules.values()}:
        names = [name for name, each in rules.items() if each == word]
        builder.add(names, word, [int(name[1:-8]) + 1 for name in names])
    table = PolicyTable(b"".join(builder.pack(_LISTS)))
    assert table.count == count
    assert all(table.rulesFor(name) == [(word, line)] for line, (name, word) in enumerate(rules.items(), 1))
    assert not any(table.rulesFor(b"x%d.example" % number) for number in range(5000))


def test_sameNameInTwoLists() -> None:
    """
    A name of two lists is found in both; one that a list repeats is kept once, with its first line.
    """
    builder = TableBuilder()
    builder.add([b"ads.example", b"ads.example"], SELF, [7, 3])
    builder.add([b"ads.example"], 1 | SELF | EXCEPT, [5])
    table = PolicyTable(b"".join(builder.pack(_LISTS)))
    assert sorted(table.rulesFor(b"ads.example")) == [(SELF, 3), (1 | SELF | EXCEPT, 5)]
    assert (table.count, table.highest, table.single) == (2, rankOf(EXCEPT), False)


def test_ranks() -> None:
    """
    A table says what the highest rank in it is, and whether a name has one label: what decides where a search may end.
    """
    words = [0, EXCEPT, IMPORTANT, IMPORTANT | EXCEPT]
    assert [tableOf({b"a.example": SELF, b"b.example": word | BELOW}).highest for word in words] == [0, 1, 2, 3]
    assert [tableOf({name: BELOW}).single for name in (b"top", b"ads.top")] == [True, False]


def test_emptyTable() -> None:
    """
    A table without names finds nothing.
    """
    table = tableOf({})
    assert table.rulesFor(b"ads.example") == []
    assert (table.count, table.highest, table.single) == (0, 0, False)


def test_memory() -> None:
    """
    A rule takes 15 octets, of which one is a share of the buckets; an empty table takes less than a page.
    """
    builder = TableBuilder()
    builder.add([b"n%d.example" % number for number in range(100_000)], SELF, range(100_000))
    assert sum(map(len, builder.pack(_LISTS))) < 15 * 100_000
    assert sum(map(len, TableBuilder().pack(()))) < 4096


def test_keysDiffer() -> None:
    """
    Two tables of the same names have other digests, so that authors of lists cannot choose names that look like others.
    """
    assert b"".join(TableBuilder().pack(())) != b"".join(TableBuilder().pack(()))
    one, other = [b"".join(tableOf({b"ads.example": SELF}).pieces()) for _ in range(2)]
    assert one[:8] != other[:8]
    assert one[8:] == other[8:]


def test_rulesOfOneListAreCopied() -> None:
    """
    The rules of one list can be taken over into the next table, where it has another number; their lines stay.
    """
    former = tableOf({b"one.example": SELF, b"two.example": 1 | BELOW | EXCEPT, b"top": 1 | BELOW})
    assert [former.numberOf(name) for name in ("block:b", "block:gone")] == [1, -1]
    builder = TableBuilder(former.key)
    builder.copy(former, 1, 0)
    assert builder.count == 2
    table = PolicyTable(b"".join(builder.pack(_LISTS[1:])))
    expected = [[], [(BELOW | EXCEPT, 2)], [(BELOW, 3)]]
    assert [table.rulesFor(name) for name in (b"one.example", b"two.example", b"top")] == expected
    assert (table.single, table.highest) == (True, rankOf(EXCEPT))


def test_rewind() -> None:
    """
    What was added since a mark can be dropped.
    """
    builder = TableBuilder()
    builder.add([b"one.example"], SELF, [1])
    mark = builder.mark()
    builder.add([b"n%d.example" % number for number in range(1000)], 1 | SELF, range(1000))
    builder.rewind(mark)
    assert builder.count == 1
    table = PolicyTable(b"".join(builder.pack(_LISTS)))
    assert table.count == 1
    assert table.rulesFor(b"one.example") == [(SELF, 1)]


def test_damagedFiles(tmp_path: Path) -> None:
    """
    A file that is not a table, or not a whole one, is refused.
    """
    builder = TableBuilder()
    builder.add([b"n%d.example" % number for number in range(1000)], SELF, range(1000))
    good = b"".join(builder.pack([RuleList("block:a")]))
    path = tmp_path / "table"
    more = good[:24] + b"\xff" + good[25:]
    unknown = good[:-2] + b', "color": 1}]'
    for data in (b"", good[:8], good[:60], good[:2000], good[:-3], b"x" + good[1:], more, good[:28] + b"\xff" + good[29:], unknown):
        path.write_bytes(data)
        with pytest.raises(BadImage):
            PolicyTable.map(str(path))
    path.write_bytes(good)
    table = PolicyTable.map(str(path))
    path.unlink()
    assert table.rulesFor(b"n5.example") == [(SELF, 5)]
    assert table.rulesFor(b"ads.example") == []


def test_damagedBounds() -> None:
    """
    A file that was cut off in its buckets, or whose first or last bucket is elsewhere, is refused: names would no longer be found in it.
    """
    builder = TableBuilder()
    builder.add([b"n%d.example" % number for number in range(1000)], SELF, range(1000))
    header, offsets, *rest = builder.pack([RuleList("block:a")])
    first, last = len(header), len(header) + len(offsets)
    good = b"".join([header, offsets, *rest])
    assert PolicyTable(good).count == 1000
    for data in (
        good[:first],
        good[: first + 6],
        good[:last],
        good[:first] + b"\x00" + good[first + 1 :],
        good[: last - 4] + b"\x00" + good[last - 3 :],
    ):
        with pytest.raises(BadImage, match="not a whole table"):
            PolicyTable(data)
