"""
Tests of L{twisted_ext.resolver.blocking.table}.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from twisted_ext.errors import BadImage
from twisted_ext.resolver.blocking.table import BELOW, EXCEPT, BlockTable, TableBuilder


def tableOf(names: dict[bytes, int], sources: tuple[str, ...] = ("block:a", "block:b")) -> BlockTable:
    builder = TableBuilder()
    for name, bits in names.items():
        builder.add([name], bits)
    return BlockTable(b"".join(builder.pack(sources)))


def test_eachNameIsFoundWithItsBits() -> None:
    """
    Every name that was added is found with its list, and no other one.
    """
    names = {b"n%d.example" % number: number % 2 | (BELOW if number % 3 else 0) for number in range(5000)}
    table = tableOf(names)
    assert table.count == 5000
    assert all(table.bitsFor(name) == [bits] for name, bits in names.items())
    assert not any(table.bitsFor(b"x%d.example" % number) for number in range(5000))


def test_sameNameInTwoLists() -> None:
    """
    A name of two lists is found in both, and one that a list repeats is kept once.
    """
    builder = TableBuilder()
    builder.add([b"ads.example", b"ads.example"], 0)
    builder.add([b"ads.example"], 1 | EXCEPT)
    table = BlockTable(b"".join(builder.pack(["block:a", "except:b"])))
    assert table.bitsFor(b"ads.example") == [0, 1 | EXCEPT]
    assert (table.count, table.excepting, table.single) == (2, True, False)


def test_emptyTable() -> None:
    """
    A table without names finds nothing.
    """
    table = BlockTable(b"".join(TableBuilder().pack([])))
    assert table.bitsFor(b"ads.example") == []
    assert (table.count, table.excepting, table.single) == (0, False, False)


def test_keysDiffer() -> None:
    """
    Two tables of the same names have other digests, so that authors of lists cannot choose names that look like others.
    """
    assert b"".join(TableBuilder().pack([])) != b"".join(TableBuilder().pack([]))
    one, other = tableOf({b"ads.example": 0}), tableOf({b"ads.example": 0})
    assert next(one.entriesFrom("block:a", 0))[:8] != next(other.entriesFrom("block:a", 0))[:8]


def test_entriesOfOneListAreCopied() -> None:
    """
    The names of one list can be taken over into the next table, where it has another number.
    """
    former = tableOf({b"one.example": 0, b"two.example": 1 | BELOW, b"top": 1 | BELOW})
    builder = TableBuilder(former.key)
    assert builder.copy(former, "block:b", 0) == 2
    assert builder.copy(former, "block:gone", 1) == 0
    table = BlockTable(b"".join(builder.pack(["block:b"])))
    assert [table.bitsFor(name) for name in (b"one.example", b"two.example", b"top")] == [[], [BELOW], [BELOW]]
    assert table.single


def test_rewind() -> None:
    """
    What was added since a mark can be dropped.
    """
    builder = TableBuilder()
    builder.add([b"one.example"], 0)
    mark = builder.mark()
    builder.add([b"n%d.example" % number for number in range(1000)], 1)
    builder.rewind(mark)
    table = BlockTable(b"".join(builder.pack(["block:a", "block:b"])))
    assert (table.count, builder.count) == (1, 1)
    assert table.bitsFor(b"one.example") == [0]


def test_damagedFiles(tmp_path: Path) -> None:
    """
    A file that is not a table, or not a whole one, is refused.
    """
    good = b"".join(TableBuilder().pack(["block:a"]))
    path = tmp_path / "table"
    for data in (b"", b"txblock1", good[:200_000], good[:-3], b"x" + good[1:], good[:24] + b"\xff" + good[25:]):
        path.write_bytes(data)
        with pytest.raises(BadImage):
            BlockTable.map(str(path))
    path.write_bytes(good)
    table = BlockTable.map(str(path))
    path.unlink()
    assert table.bitsFor(b"ads.example") == []
