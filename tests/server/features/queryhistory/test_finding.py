"""
Tests of searches in a process of its own.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest

from tests.server.features.queryhistory.recorder.histories import BEGIN, historyOf, rowOf
from twisted_ext.server.features.queryhistory import finding
from twisted_ext.server.features.queryhistory.finding import answered
from twisted_ext.server.features.queryhistory.recorder.rows import Row
from twisted_ext.server.features.queryhistory.searching import FIELDS
from twisted_ext.server.process.jobs.subprocess import pythonCommand

_EMPTY: Final = dict.fromkeys(FIELDS, "")

_ROWS: Final = [
    rowOf("www.example", BEGIN, client="192.0.2.7"),
    rowOf("ads.example", BEGIN + 1, client="192.0.2.7", status="blocked", rule="ads:12"),
    rowOf("ads.example", BEGIN + 2, client="192.0.2.8", status="blocked", rule="ads:12"),
    rowOf("more.example", BEGIN + 3, client="192.0.2.7", status="blocked", rule="ads:70"),
    rowOf("own.example", BEGIN + 4, client="192.0.2.7", status="blocked", rule="block"),
    rowOf("www.example", BEGIN + 5, client="192.0.2.7", rule="home:1"),
    rowOf("www.example", BEGIN + 6, client="192.0.2.7", type=28),
]  # fmt: skip


def _ask(folder: Path | str, kind: str, **job: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answered(json.dumps({"folder": str(folder), "kind": kind, **job}).encode()))
    return found


def test_process(tmp_path: Path) -> None:
    """
    A search in a process finds what one in this process finds, without the reactor being loaded.
    """
    historyOf(tmp_path, _ROWS)
    job = json.dumps({"folder": str(tmp_path), "kind": "found", "given": {**_EMPTY, "name": "example"}, "most": 3}).encode()
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(pythonCommand("-m", finding.__name__), input=job, capture_output=True, check=True, env=environment)
    assert done.stdout == answered(job)
    assert [Row(*row) for _, _, row in json.loads(done.stdout)["found"]] == _ROWS[:3:-1]
    code = f"import sys, os, {finding.__name__} as finding; sys.stdin.close(); "
    code += "finding.answered = lambda written: b'found'; sys.stdin = open(os.devnull); finding.main()"
    code += "; sys.exit(any(name in sys.modules for name in ('twisted', 'asyncio', 'ssl')))"
    done = subprocess.run(pythonCommand("-c", code), capture_output=True, check=True, env=environment)
    assert done.stdout == b"found"


def test_mostOfEach(tmp_path: Path) -> None:
    """
    There is most of: blocked names, names, clients, and lists that block, by the places of their rules.
    """
    historyOf(tmp_path, _ROWS)
    assert _ask(tmp_path, "top", since=0, most=2) == {
        "blocked": [["ads.example.", 2], ["more.example.", 1]],
        "names": [["www.example.", 3], ["ads.example.", 2]],
        "clients": [["192.0.2.7", 6], ["192.0.2.8", 1]],
        "lists": [["ads", 3], ["block", 1]],
        "wrong": [],
    }


def test_clients(tmp_path: Path) -> None:
    """
    Those that have asked most, and how much all have asked.
    """
    historyOf(tmp_path, _ROWS)
    said = _ask(tmp_path, "clients", since=0, most=1)
    assert said == {"queries": 7, "clients": [["192.0.2.7", 6, 3, (BEGIN + 6) * 1_000_000]], "wrong": []}


def test_namesOfAClient(tmp_path: Path) -> None:
    """
    The latest names of a client, each type of one once.
    """
    historyOf(tmp_path, _ROWS)
    said = _ask(tmp_path, "names", client="192.0.2.7", most=3)
    assert [each[:2] for each in said["names"]] == [["www.example.", 28], ["www.example.", 1], ["own.example.", 1]]
    assert said["names"][1][2] == (BEGIN + 5) * 1_000_000


@pytest.mark.parametrize(
    ("kind", "job", "said"),
    [
        ("found", {"given": {**_EMPTY, "name": "a..b"}, "most": 1}, "a..b"),
        ("found", {"given": {**_EMPTY, "since": "soon"}, "most": 1}, "'soon' is not a time"),
        ("found", {"given": {**_EMPTY, "outcome": "odd"}, "most": 1}, "odd"),
        ("names", {"client": "<b>", "most": 1}, "'<b>' is not an address"),
    ],
)
def test_notValid(tmp_path: Path, kind: str, job: dict[str, Any], said: str) -> None:
    """
    What is not valid is named, for the form.
    """
    assert said in _ask(tmp_path, kind, **job)["invalid"]


def test_notReadable(tmp_path: Path) -> None:
    """
    A folder that cannot be read is the failure of a search; a file that cannot be read is a complaint.
    """
    assert _ask(tmp_path / "none", "top", since=0, most=1) == {"failed": "No such file or directory"}
    first, _ = historyOf(tmp_path, _ROWS[:1], _ROWS[1:])
    first.chmod(0o600)
    first.write_bytes(b"not a database" * 1000)
    said = _ask(tmp_path, "clients", since=0, most=9)
    assert (said["queries"], [line.partition(":")[0] for line in said["wrong"]]) == (6, [str(first)])
    with patch.object(finding, "tallies", side_effect=sqlite3.OperationalError("disk I/O error")):
        assert _ask(tmp_path, "clients", since=0, most=9) == {"failed": "disk I/O error"}
