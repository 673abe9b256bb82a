"""
Tests of L{twisted_ext.resolver.policy.rules.compiler}.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from twisted_ext.limits import Limit
from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules import compiler
from twisted_ext.resolver.policy.rules.compiler import compileLists, digestOf
from twisted_ext.resolver.policy.rules.listfile import ListedRules, parseList
from twisted_ext.resolver.policy.rules.table import BELOW, EXCEPT, SELF, PolicyTable, RuleList


class Compiling:
    """
    Compiles lists in a folder, one table after the other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self.former = ""

    def __call__(self, *words: str, now: int = 0) -> tuple[list[RuleList], PolicyTable]:
        """
        @param now: the time of files in nanoseconds.
        """
        self.count += 1
        path = str(self.folder / f"{self.count}.rules")
        found = compileLists(path, self.former, words, now=lambda: now)
        self.former = path
        table = PolicyTable.map(path)
        assert [each.list for each in table.lists] == [each.list for each in found] == list(words)
        return found, table


@pytest.fixture
def compiling(tmp_path: Path) -> Compiling:
    return Compiling(tmp_path)


def test_allListsInOneTable(compiling: Compiling, tmp_path: Path) -> None:
    """
    Names of all lists are in one table, exceptions marked as such.
    """
    (tmp_path / "ads").write_text("0.0.0.0 alone.example\nads.example\n")
    (tmp_path / "good").write_text("good.ads.example\n")
    lists, table = compiling(f"block:{tmp_path}/ads", f"except:{tmp_path}/good")
    assert [(each.names, each.wrong, each.kept) for each in lists] == [(2, 0, False), (1, 0, False)]
    assert table.rulesFor(b"alone.example") == [(SELF, 1)]
    assert table.rulesFor(b"ads.example") == [(SELF | BELOW, 2)]
    assert table.rulesFor(b"good.ads.example") == [(1 | SELF | BELOW | EXCEPT, 1)]


@pytest.mark.parametrize("hostile", ["gone", "folder", "loop", "pipe", "page", "binary", "device", "secret/list"])
def test_unusableListKeepsItsNames(compiling: Compiling, tmp_path: Path, hostile: str) -> None:
    """
    A list that has disappeared or become something else keeps the names that it had; the other lists change.
    """
    ads, other = tmp_path / "ads", tmp_path / "other"
    ads.write_text("ads.example\n")
    other.write_text("old.example\n")
    words = (f"block:{other}", f"block:{ads}")
    compiling(*words)
    ads.unlink()
    other.write_text("new.example\n")
    if hostile == "folder":
        ads.mkdir()
    elif hostile == "loop":
        ads.symlink_to(ads)
    elif hostile == "pipe":
        os.mkfifo(ads)
    elif hostile == "page":
        ads.write_text("<html>\n<h1>503 Service Unavailable</h1>\n</html>\n")
    elif hostile == "binary":
        ads.write_bytes(bytes(range(256)) * 1000)
    elif hostile == "device":
        ads.symlink_to("/dev/zero")
    elif hostile == "secret/list":
        ads.symlink_to(tmp_path / "missing")
    lists, table = compiling(*words)
    assert (lists[1].names, lists[1].kept) == (1, True)
    assert lists[1].said
    found = [table.rulesFor(name) for name in (b"ads.example", b"old.example", b"new.example")]
    assert found == [[(1 | SELF | BELOW, 1)], [], [(SELF | BELOW, 1)]]


def test_missingAtFirst(compiling: Compiling, tmp_path: Path) -> None:
    """
    A list that was never there blocks nothing, and does not keep others from it.
    """
    (tmp_path / "ads").write_text("ads.example\n")
    lists, table = compiling(f"block:{tmp_path}/none", f"block:{tmp_path}/ads")
    assert (lists[0].names, lists[0].wrong, lists[0].kept) == (0, 0, True)
    assert lists[0].said == "cannot be read: No such file or directory"
    assert table.rulesFor(b"ads.example") == [(1 | SELF | BELOW, 1)]


def test_emptyListIsWanted(compiling: Compiling, tmp_path: Path) -> None:
    """
    A list with comments only is taken as it is: it has been emptied on purpose.
    """
    ads = tmp_path / "ads"
    ads.write_text("ads.example\n")
    compiling(f"block:{ads}")
    ads.write_text("# nothing today\n")
    lists, table = compiling(f"block:{ads}")
    assert (lists[0].names, lists[0].kept, table.count) == (0, False, 0)


def test_tooLargeFile(compiling: Compiling, tmp_path: Path) -> None:
    """
    A file of 2 GB is refused without being read.
    """
    ads = tmp_path / "ads"
    with open(ads, "wb") as file:
        file.truncate(2 << 30)
    lists, table = compiling(f"block:{ads}")
    assert (lists[0].said, table.count) == ("has more than 536870912 octets", 0)


def test_tooManyNames(compiling: Compiling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A list that exceeds the number of all names is left out whole; the others are used.
    """
    monkeypatch.setattr(compiler, "BLOCK_NAMES", Limit(default=2, least=1, most=10))
    (tmp_path / "few").write_text("one.example\n")
    (tmp_path / "many").write_text("two.example\nthree.example\n")
    lists, table = compiling(f"block:{tmp_path}/few", f"block:{tmp_path}/many")
    assert [each.names for each in lists] == [1, 0]
    assert "has more names than fit" in lists[1].said
    assert table.count == 1


def test_growingFile(compiling: Compiling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A file that another process writes to without end while it is read is left out; the list keeps the rules that it had.
    """
    ads = tmp_path / "ads"
    ads.write_text("ads.example\n")
    compiling(f"block:{ads}")
    ads.write_text("new.example\n")

    def parse(file: BinaryIO, complaints: Complaints) -> Iterator[ListedRules]:
        with open(ads, "ab") as writing:
            writing.write(b"more.example\n" * 1000)
        return parseList(file, complaints)

    monkeypatch.setattr(compiler, "parseList", parse)
    monkeypatch.setattr(compiler, "BLOCK_LIST_OCTETS", Limit(default=1000, least=1, most=10_000))
    lists, table = compiling(f"block:{ads}")
    assert (lists[0].said, lists[0].kept) == ("has grown beyond 1000 octets while it was read", True)
    assert [len(table.rulesFor(name)) for name in (b"ads.example", b"new.example", b"more.example")] == [1, 0, 0]


def test_copyIsReadOnce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The copy of a list that was fetched is not read again, however young it is: it never changes.
    """
    copy = tmp_path / "copy"
    copy.write_text("ads.example\n")
    with open(copy, "rb") as file:
        copies = {"block:ads=https://lists.example/ads": (str(copy), digestOf(file))}
    first, second = str(tmp_path / "1.rules"), str(tmp_path / "2.rules")
    compileLists(first, "", [*copies], copies)
    monkeypatch.delattr(compiler, "parseList")
    (made,) = compileLists(second, first, [*copies], copies)
    assert (made.names, made.kept, PolicyTable.map(second).count) == (1, False, 1)


def test_damagedTable(compiling: Compiling, tmp_path: Path) -> None:
    """
    If the table in force is damaged or gone, all lists are read, as at the first start.
    """
    (tmp_path / "ads").write_text("ads.example\n")
    for octets in (None, b"", b"txrules3 and nothing else"):
        compiling.former = str(tmp_path / "former")
        if octets is not None:
            Path(compiling.former).write_bytes(octets)
        (made,), table = compiling(f"block:{tmp_path}/ads")
        assert (made.names, made.kept, table.rulesFor(b"ads.example")) == (1, False, [(SELF | BELOW, 1)])


def test_slowList(tmp_path: Path) -> None:
    """
    A list that takes too long, such as one that is full of errors, is left out; the lists after it are read.
    """
    (tmp_path / "slow").write_text("one.example\n" * 200_000)
    (tmp_path / "next").write_text("two.example\n")
    times = iter([0.0, 1.0, 121.0, 130.0, 131.0])
    words = [f"block:{tmp_path}/slow", f"block:{tmp_path}/next"]
    lists = compileLists(str(tmp_path / "table"), "", words, clock=lambda: next(times))
    assert [(each.names, each.said) for each in lists] == [(0, "takes more than 120 s to read"), (1, "")]
    table = PolicyTable.map(str(tmp_path / "table"))
    assert (table.count, table.rulesFor(b"two.example")) == (1, [(1 | SELF | BELOW, 1)])


def test_unchangedListIsNotReadAgain(compiling: Compiling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A list whose file is the same is taken from the former table, also with another number. One that had changed just before it was read is
    read again: it may have changed once more in the same instant.
    """
    ads, more = tmp_path / "ads", tmp_path / "more"
    ads.write_text("# title\nads.example\nads.example\nbad line\n")
    more.write_text("more.example\n")
    words = f"block:{ads}", f"block:{more}"
    later = time.time_ns() + 3_000_000_000
    first, _ = compiling(*words, now=later)
    read: list[str] = []

    def parse(file: BinaryIO, complaints: Complaints) -> Iterator[ListedRules]:
        read.append(Path(file.name).name)
        return parseList(file, complaints)

    monkeypatch.setattr(compiler, "parseList", parse)
    second, table = compiling(*words[::-1], now=later)
    assert read == []
    assert [(each.names, each.wrong, each.said) for each in second[::-1]] == [(each.names, each.wrong, each.said) for each in first]
    assert (second[1].names, second[1].wrong) == (2, 1)
    assert table.rulesFor(b"ads.example") == [(1 | SELF | BELOW, 2)]
    more.write_text("less.example\n")
    _, table = compiling(*words, now=time.time_ns())
    assert read == ["more"]
    assert [table.rulesFor(name) for name in (b"more.example", b"less.example")] == [[], [(1 | SELF | BELOW, 1)]]
    compiling(*words, now=later)
    assert read == ["more", "more"]
    compiling(*words, now=later)
    assert read == ["more", "more"]
