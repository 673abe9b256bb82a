"""
Tests of the files of a history: damaged ones, torn ones, and those that a process has left.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from threading import Timer

import pytest

from tests.server.features.queryhistory.recorder.histories import BEGIN, historyOf, rowOf
from twisted_ext.server.features.queryhistory.recorder.search import Filter, Place, extent, rowAt, search
from twisted_ext.server.features.queryhistory.recorder.segments import Writer, finish, segmentsIn, unclosed


def _names(folder: Path, complaints: list[str] | None = None) -> list[str]:
    return [each.row.name for each in search(str(folder), Filter(), print if complaints is None else complaints.append)]


def test_finishedOnesAreNotWrittenAgain(tmp_path: Path) -> None:
    """
    A file that is finished has its indexes, nothing beside it, and no permission to write.
    """
    (path,) = historyOf(tmp_path, [rowOf("a.example"), rowOf("b.example", BEGIN + 5)])
    assert os.listdir(tmp_path) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o400
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as sql:
        assert {name for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''")} == {
            "words", "byname", "byclient", "byrcode", "byrule",
        }  # fmt: skip
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        plan = str(sql.execute("EXPLAIN QUERY PLAN SELECT * FROM query WHERE name = 1").fetchall())
    sql.close()
    assert "byname" in plan
    assert extent(str(tmp_path)) == {
        "segments": 1, "octets": path.stat().st_size, "rows": 2, "first": float(BEGIN), "last": BEGIN + 5.0
    }  # fmt: skip
    assert list(unclosed(str(tmp_path))) == []


def test_finishedWhileItIsRead(tmp_path: Path) -> None:
    """
    A file that is read at the moment is finished once the reader is done.
    """
    (path,) = historyOf(tmp_path, [rowOf("a.example"), rowOf("b.example", BEGIN + 5)], isOpen=True)
    reader = sqlite3.connect(path, check_same_thread=False)
    reading = reader.execute("SELECT * FROM query")
    assert reading.fetchone() is not None

    def end() -> None:
        reading.close()
        reader.close()

    done = Timer(0.3, end)
    done.start()
    assert finish(str(path))
    done.join()
    assert (os.listdir(tmp_path), path.stat().st_mode & 0o777) == ([path.name], 0o400)


def test_afterAKill(tmp_path: Path) -> None:
    """
    A file whose process was killed can be read, and is finished by the next one; what was written with the last transaction is there.
    """
    paths = historyOf(tmp_path, [rowOf("a.example")], [rowOf("b.example")], isOpen=True)
    assert _names(tmp_path) == ["example.b", "example.a"]
    assert list(unclosed(str(tmp_path))) == [str(paths[1])]
    assert finish(str(paths[1]))
    assert list(unclosed(str(tmp_path))) == []
    assert _names(tmp_path) == ["example.b", "example.a"]


def test_killedWhileItIsMade(tmp_path: Path) -> None:
    """
    A file that a process was killed in the middle of making has nothing: no search complains of it, and the next process removes it.
    """
    (path,) = historyOf(tmp_path, [rowOf("a.example")])
    left = [tmp_path / f"{number:08}.sqlite" for number in (2, 3)]
    left[0].touch()
    with sqlite3.connect(left[1], isolation_level=None) as sql:
        sql.executescript("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; BEGIN; PRAGMA user_version = 2; CREATE TABLE word (id)")
        complaints: list[str] = []
        assert (_names(tmp_path, complaints), complaints) == (["example.a"], [])
        assert extent(str(tmp_path))["rows"] == 1
        assert [rowAt(str(tmp_path), Place(number, 1)) is None for number in (1, 2, 3)] == [False, True, True]
        sql.execute("ROLLBACK")
    sql.close()
    assert list(unclosed(str(tmp_path))) == [str(each) for each in left]
    for each in left:
        assert finish(str(each))
    assert os.listdir(tmp_path) == [path.name]


def test_killedWhileItIsFinished(tmp_path: Path) -> None:
    """
    A file whose process was killed while it was finished is read as it was before.
    """
    (path,) = historyOf(tmp_path, [rowOf("a.example"), rowOf("b.example")])
    path.chmod(0o600)
    copy, journal = tmp_path / "copy", path.with_name(f"{path.name}-journal")
    with sqlite3.connect(path, isolation_level=None) as sql:
        # So many pages that some of them are written before the end.
        sql.executescript(
            "PRAGMA cache_size = 1; BEGIN; UPDATE query SET name = 0; DELETE FROM word; CREATE TABLE other (value);"
            "INSERT INTO other VALUES (zeroblob(1000000));"
        )
        copy.write_bytes(path.read_bytes())
        left = journal.read_bytes()
        sql.execute("ROLLBACK")
    sql.close()
    copy.replace(path)
    journal.write_bytes(left)
    complaints: list[str] = []
    assert (_names(tmp_path, complaints), complaints) == (["example.b", "example.a"], [])


def test_numbersAreNotUsedTwice(tmp_path: Path) -> None:
    """
    A new file has a higher number than all that there are, damaged ones included.
    """
    historyOf(tmp_path, [rowOf()])
    (tmp_path / "00000007.sqlite.damaged").touch()
    (tmp_path / "notes.sqlite").touch()
    writer = Writer(str(tmp_path), BEGIN)
    assert writer.path.endswith("/00000008.sqlite")
    writer.drop()
    assert [each.number for each in segmentsIn(str(tmp_path))] == [1]


def test_allRowsOrNone(tmp_path: Path) -> None:
    """
    When rows cannot be written, none of them is, and words that were new among them are new again.
    """
    writer = Writer(str(tmp_path), BEGIN)
    with pytest.raises(sqlite3.Error):
        writer.write([rowOf("a.example", alias="example.cdn"), rowOf("b.example", type=None)])
    assert (writer.rows, writer.words) == (0, 0)
    writer.write([rowOf("b.example"), rowOf("a.example", alias="example.cdn")])
    writer.close()
    assert _names(tmp_path) == ["example.a", "example.b"]
    assert [each.row.alias for each in search(str(tmp_path), Filter(), print)] == ["example.cdn", ""]


@pytest.mark.parametrize("isOpen", [False, True])
def test_tornFiles(tmp_path: Path, isOpen: bool) -> None:
    """
    A file that ends at any page is searched as far as it goes or named, and finished or set aside; the file before it is searched.
    """
    rows = [rowOf(f"n{number}.example", BEGIN + number) for number in range(3000)]
    _, path = historyOf(tmp_path, [rowOf("first.example")], rows, isOpen=isOpen)
    wal = path.with_name(f"{path.name}-wal")
    if isOpen:
        # What a copy of a running server's folder may miss.
        finish(str(path))
        path.chmod(0o600)
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), 4096):
        damaged = path.with_name(f"{path.name}.damaged")
        damaged.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        wal.unlink(missing_ok=True)
        path.write_bytes(whole[:length])
        complaints: list[str] = []
        names = _names(tmp_path, complaints)
        assert names[-1] == "example.first"
        assert len(names) == 3001 or all(line.startswith(f"{path}: ") for line in complaints)
        refused += len(complaints)
        # One without octets has nothing, and is removed.
        assert finish(str(path)) == (path.exists() or not length)
        assert _names(tmp_path, complaints)[-1] == "example.first"
    assert refused


def test_whatIsNoHistory(tmp_path: Path) -> None:
    """
    Other databases, and other files, are set aside and not opened again.
    """
    path = tmp_path / "00000001.sqlite"
    with sqlite3.connect(":memory:") as sql:
        sql.execute("CREATE TABLE query (id)")
        other = sql.serialize()
    sql.close()
    for octets in (b"x" * 100_000, other):
        path.write_bytes(octets)
        assert not finish(str(path))
        assert segmentsIn(str(tmp_path)) == []
        path.with_name(f"{path.name}.damaged").unlink()
