"""
Tests of what files of the history count, beside a look at each row.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Final
from unittest.mock import patch

import pytest

from tests.server.features.queryhistory.recorder.histories import BEGIN, rowOf
from twisted_ext.server.features.queryhistory.recorder import tallies as counting
from twisted_ext.server.features.queryhistory.recorder.rows import CLIENT, NAME, RULE, STATUSES, Row
from twisted_ext.server.features.queryhistory.recorder.search import Filter, search, tallies
from twisted_ext.server.features.queryhistory.recorder.segments import Writer, finish, segmentsIn
from twisted_ext.server.features.queryhistory.recorder.tallies import HOUR, Tally
from twisted_ext.server.process.jobs.subprocess import pythonCommand

_KINDS: Final = {CLIENT: "client", NAME: "name", RULE: "rule"}

_BLOCKED: Final = STATUSES.index("blocked")


def _rows(count: int, seconds: float, seed: int = 1) -> list[Row]:
    """
    Return rows of some names, clients and rules, in the order of time but for some.
    """
    chance = Random(seed)
    rows: list[Row] = []
    for number in range(count):
        status = chance.choice(("cached", "blocked", "local"))
        at = BEGIN + number * seconds / count - (0 if number % 50 else chance.random() * 7200)
        client, rule = chance.choice(("192.0.2.1", "192.0.2.2", "")), f"ads:{chance.randrange(9)}" if status == "blocked" else ""
        rows.append(rowOf(f"n{int(chance.random() ** 3 * 40)}.example", at, status=status, client=client, rule=rule))
    return rows


def _counted(rows: Iterable[Row], kind: int, since: int) -> dict[str, tuple[int, int]]:
    found, blocked = Counter[str](), Counter[str]()
    for row in rows:
        text = getattr(row, _KINDS[kind])
        if row.at >= since and (text or kind == NAME):
            found[text] += 1
            blocked[text] += row.status == _BLOCKED
    return {text: (count, blocked[text]) for text, count in found.items()}


def _compare(folder: Path, rows: list[Row]) -> None:
    for since in (0, (BEGIN + 5000) * 1_000_000, (BEGIN + 9000) * 1_000_000, (BEGIN + 10**6) * 1_000_000):
        begin = since - since % HOUR
        for kind in _KINDS:
            found = tallies(str(folder), kind, since, pytest.fail)
            assert {text: (each.queries, each.blocked) for text, each in found.items()} == _counted(rows, kind, begin), (kind, since)
        last: dict[str, int] = {}
        for row in rows:
            if row.at >= begin and row.client:
                last[row.client] = max(row.at, last.get(row.client, 0))
        assert {client: each.last for client, each in tallies(str(folder), CLIENT, since, pytest.fail).items()} == last


def _write(folder: Path, rows: list[Row], each: int) -> str:
    writer = Writer(str(folder), BEGIN)
    for place in range(0, len(rows), each):
        writer.write(rows[place : place + each])
    return writer.close()


@pytest.mark.parametrize("most", [1, 40, 50_000])
@pytest.mark.parametrize("each", [7, 100, 3000])
def test_countedAsByLookingAtEachRow(tmp_path: Path, each: int, most: int) -> None:
    """
    Clients, rules and names have the counts that a look at each row finds: in a file that is written, in one that is finished, and in
    both, however many rows were written at a time, and however often counts were.
    """
    rows = _rows(3000, 20_000)
    with patch.object(counting, "_MOST", most):
        path = _write(tmp_path, rows, each)
        with sqlite3.connect(path) as sql:
            (counted,) = sql.execute("SELECT count(*) FROM tally").fetchone()
        sql.close()
        assert bool(counted) is (each < 3000)
        _compare(tmp_path, rows)
        assert finish(path)
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as sql:
            assert sql.execute("SELECT value FROM about WHERE key = 'tallied'").fetchone() == (3000,)
        sql.close()
        _compare(tmp_path, rows)
        more = _rows(1000, 30_000, 2)
        _write(tmp_path, more, each)
    _compare(tmp_path, rows + more)


@pytest.mark.parametrize("most", [1, 2, 50_000])
def test_lastOfAClient(tmp_path: Path, most: int) -> None:
    """
    What is told late, as by another process, is not the last that a client has asked.
    """
    rows = [rowOf("a.example", BEGIN + seconds, client="192.0.2.1") for seconds in (90, 30, 60)]
    with patch.object(counting, "_MOST", most):
        path = _write(tmp_path, rows, 1)
    for _ in range(2):
        _compare(tmp_path, rows)
        assert finish(path)


@pytest.mark.parametrize("batch", [100, 3000, 5000])
def test_allIsCountedInTheEnd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """
    A file that is finished has counted all, however many rows are read at a time.
    """
    rows = _rows(3000, 3000)
    monkeypatch.setattr(counting, "_BATCH", batch)
    path = _write(tmp_path, rows, 3000)
    assert finish(path)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as sql:
        assert sql.execute("SELECT value FROM about WHERE key = 'tallied'").fetchone() == (3000,)
    sql.close()
    _compare(tmp_path, rows)


@pytest.mark.parametrize("isFinished", [False, True])
def test_earlierVersions(tmp_path: Path, isFinished: bool) -> None:
    """
    The rows of a file that an earlier version has written are looked at; one that it has left is counted when it is finished.
    """
    rows = _rows(500, 20_000)
    path = _write(tmp_path, rows, 100)
    with sqlite3.connect(path) as sql:
        sql.executescript("DROP TABLE tally; DELETE FROM about WHERE key = 'tallied'")
    sql.close()
    _compare(tmp_path, rows)
    if isFinished:
        assert finish(path)
        _compare(tmp_path, rows)
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as sql:
            assert sql.execute("SELECT value FROM about WHERE key = 'tallied'").fetchone() == (500,)
        sql.close()


def test_failedWritesAreNotCounted(tmp_path: Path) -> None:
    """
    Rows that could not be written are not counted, and what was to be written with them is written with the next ones.
    """
    rows = _rows(600, 20_000)
    writer = Writer(str(tmp_path), BEGIN)
    with patch.object(counting, "_MOST", 1):
        for place in range(0, 600, 100):
            with pytest.raises(OverflowError):
                writer.write([*rows[place : place + 100], rowOf(type=1 << 70)])
            writer.write(rows[place : place + 100])
    _compare(tmp_path, rows)
    assert finish(writer.close())
    _compare(tmp_path, rows)


def test_namesThatAreAskedForMost(tmp_path: Path) -> None:
    """
    Of 3,000 names of an hour the 200 that are blocked most and the 200 others that are asked for most are kept.
    """
    rows = [rowOf(f"n{number}.example", status=status, client="192.0.2.1") for number in range(1500) for status in ("local", "blocked")]
    rows += [rowOf(f"n{number}.example", status="local") for number in range(200)]
    rows += [rowOf(f"n{number}.example", status="blocked") for number in range(1300, 1500)]
    assert finish(_write(tmp_path, rows, 1000))
    found = tallies(str(tmp_path), NAME, 0, pytest.fail)
    assert {found[f"example.n{number}"].queries - found[f"example.n{number}"].blocked for number in range(200)} == {2}
    assert {found[f"example.n{number}"].blocked for number in range(1300, 1500)} == {2}
    assert sum([each.queries for each in found.values()]) == 200 * 2 + 200 * 2
    assert tallies(str(tmp_path), CLIENT, 0, pytest.fail)["192.0.2.1"] == Tally(3000, 1500, BEGIN * 1_000_000)


_WRITES: Final = """
import sys
from random import Random
from tests.server.features.queryhistory.recorder.histories import BEGIN
from tests.server.features.queryhistory.recorder.test_tallies import _rows
from twisted_ext.server.features.queryhistory.recorder import tallies
from twisted_ext.server.features.queryhistory.recorder.segments import Writer
tallies._MOST = 300
rows = _rows(100_000, 400_000, int(sys.argv[2]))
writer = Writer(sys.argv[1], BEGIN)
print(flush=True)
for place in range(0, len(rows), 50):
    writer.write(rows[place : place + 50])
"""


def _afterKills(folder: Path, times: int) -> None:
    for number in range(times):
        words = pythonCommand("-c", _WRITES, str(folder), str(number))
        writes = subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()})
        assert writes.stdout is not None
        with writes.stdout:
            writes.stdout.readline()
        time.sleep(Random(number).random() * 0.3)
        writes.send_signal(signal.SIGKILL)
        writes.wait()
    rows = [each.row for each in search(str(folder), Filter(), pytest.fail)]
    assert len({segment.number for segment in segmentsIn(str(folder))}) == times
    assert len(rows) > times * 50
    _compare(folder, rows)
    for segment in segmentsIn(str(folder)):
        assert finish(segment.path)
    _compare(folder, rows)


def test_killed(tmp_path: Path) -> None:
    """
    What is left by processes that were killed while they wrote is counted once.
    """
    _afterKills(tmp_path, 3)


@pytest.mark.long
def test_killedOften(tmp_path: Path) -> None:
    _afterKills(tmp_path, 30)
