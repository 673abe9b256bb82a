"""
Tests of C{twistd txdns} with a history of queries: its process is killed, stopped, or outlives the server's.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.live.twistds import Load, Twistd, exchange, wait
from tests.live.upstreams import Upstream
from twisted_ext.server.features.queryhistory.recorder.rows import STATUSES, shownName
from twisted_ext.server.features.queryhistory.recorder.search import Filter, Found, search

__all__: list[str] = []

#: Runs txdns from this checkout.
TXDNS = [sys.executable, "-c", "import sys; from twisted_ext.apps.cli.main import main; sys.exit(main())"]


def _server(folder: Path, upstream: Upstream, *words: str) -> Twistd:
    given = ["--upstream", upstream.label, "--state", str(folder / "state"), "--query-history", "--client-rate", "0", *words]
    return Twistd(folder, *given, "--control", str(folder / "control"))


def _history(folder: Path) -> Path:
    return folder / "state" / "history"


def _found(folder: Path) -> list[Found]:
    try:
        return list(search(str(_history(folder)), Filter(), lambda line: None))
    except OSError:
        return []


def _hosts(folder: Path) -> list[Found]:
    return [each for each in _found(folder) if each.row.name.startswith("org.example.h")]


def _log(folder: Path, *words: str) -> list[str]:
    """
    Return the lines of C{txdns log}, which asks the server for the folder.
    """
    command = [*TXDNS, "log", *words, "--socket", str(folder / "control")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _recordersOf(server: Twistd) -> list[int]:
    """
    Return the process IDs of its recorder: one, or none.
    """
    found: list[int] = []
    for path in Path(f"/proc/{server.pid}/task").glob("*/children"):
        for child in path.read_text().split():
            with suppress(OSError):
                if b"twisted_ext.server.features.queryhistory.recorder" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    found.append(int(child))
    return found


def _begin(folder: Path, server: Twistd) -> None:
    """
    Wait until queries are in the history: those before its process listens are dropped.
    """
    wait(lambda: server.ask("localhost") is not None and _found(folder), server)


def _hasEnded(process: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True


def test_everyQueryOnce(tmp_path: Path) -> None:
    """
    With two workers, each query is in the history once: look-ups, hits of the packet cache and blocked names, with their causes.
    """
    with Upstream(otherwise="192.0.2.80") as upstream, _server(tmp_path, upstream, "--workers", "2", "--block", "ads.example") as server:
        _begin(tmp_path, server)
        for _ in range(5):
            for number in range(200):
                exchange(server.port, f"h{number}.example.org")
            assert exchange(server.port, "x.ads.example").flags & 15 == 3
        wait(lambda: len([each for each in _found(tmp_path) if each.row.name != "localhost"]) >= 1005, server)
        rows = [each.row for each in _found(tmp_path) if each.row.name != "localhost"]
        names = Counter([shownName(row.name) for row in rows])
        assert names == {**{f"h{number}.example.org.": 5 for number in range(200)}, "x.ads.example.": 5}
        assert {row.client for row in rows} == {"127.0.0.1"}
        statuses = Counter([STATUSES[row.status] for row in rows])
        assert statuses["blocked"] == 5 and statuses["cached"] >= 600 and statuses["forwarded"] >= 200
        assert sum(statuses.values()) == 1005
        blocked = [row for row in rows if row.name == "example.ads.x"]
        assert {(row.rcode, row.rule) for row in blocked} == {(3, blocked[0].rule)} and blocked[0].rule
        told = [json.loads(line) for line in _log(tmp_path, "--status", "blocked", "+json")]
        assert [each["name"] for each in told] == 5 * ["x.ads.example."]
        why = _log(tmp_path, "why", told[0]["id"])
        assert why[1] == f"  decided by {blocked[0].rule}" and why[-1] == "The rcode is the same now."
        (recorder,) = _recordersOf(server)
        os.kill(server.pid, signal.SIGTERM)
        wait(lambda: _hasEnded(recorder))
        assert len([each for each in _found(tmp_path) if each.row.name != "localhost"]) == 1005
        assert [path.stat().st_mode & 0o777 for path in _history(tmp_path).glob("*.sqlite")] == [0o400]


def test_recorderIsKilled(tmp_path: Path) -> None:
    """
    While queries come the recorder is killed: no reply is lost, another one begins, and the log and the figures say so. All queries are in
    the history, also those that it had not written, and those that come first after it was killed while none came; each file can be read.
    """
    with Upstream(otherwise="192.0.2.80") as upstream:
        for number in range(50):
            upstream.canned.set(f"h{number}.example.org", "A", f"192.0.2.{number}")
        with _server(tmp_path, upstream) as server:
            _begin(tmp_path, server)
            (first,) = _recordersOf(server)
            with Load(server.port) as load:
                before = len(_found(tmp_path))
                os.kill(first, signal.SIGKILL)
                wait(lambda: _recordersOf(server) not in ([], [first]), server)
                wait(lambda: len(_found(tmp_path)) > before + 1000, server)
            assert (load.lost, load.wrong) == (0, 0)
            wait(lambda: len(_hosts(tmp_path)) == load.asked, server)
            (second,) = _recordersOf(server)
            os.kill(second, signal.SIGKILL)
            wait(lambda: _recordersOf(server) not in ([], [second]), server)
            for number in range(300):
                exchange(server.port, f"h{number % 50}.example.org")
            wait(lambda: len(_hosts(tmp_path)) == load.asked + 300, server)
            assert "the recorder of the history has ended" in server.text()
    for path in _history(tmp_path).glob("*.sqlite"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as sql:
            assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        sql.close()
    assert not list(_history(tmp_path).glob("*.damaged"))


def test_recorderStands(tmp_path: Path) -> None:
    """
    While the recorder is stopped queries are answered as before, and are dropped from the history above a bound; it goes on afterwards.
    """
    with Upstream(otherwise="192.0.2.80") as upstream:
        for number in range(50):
            upstream.canned.set(f"h{number}.example.org", "A", f"192.0.2.{number}")
        with _server(tmp_path, upstream) as server:
            _begin(tmp_path, server)
            (recorder,) = _recordersOf(server)
            os.kill(recorder, signal.SIGSTOP)
            with Load(server.port) as load:
                time.sleep(0.6)
            assert (load.lost, load.wrong) == (0, 0) and load.asked > 200
            os.kill(recorder, signal.SIGCONT)
            # Nothing was dropped yet: 8 MB are some seconds.
            wait(lambda: len(_hosts(tmp_path)) == load.asked, server)


def test_serverIsKilled(tmp_path: Path) -> None:
    """
    When the server is killed its recorder writes what it was told, finishes the file, and ends.
    """
    with Upstream(otherwise="192.0.2.80") as upstream:
        with _server(tmp_path, upstream) as server:
            _begin(tmp_path, server)
            (recorder,) = _recordersOf(server)
            os.kill(server.pid, signal.SIGKILL)
            wait(lambda: _hasEnded(recorder))
            assert [path.stat().st_mode & 0o777 for path in _history(tmp_path).glob("*.sqlite")] == [0o400]


def test_withoutAState(tmp_path: Path) -> None:
    """
    A history without a folder is an error before anything starts.
    """
    done = subprocess.run([*TXDNS, "forward", "--query-history", "--port", "0"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 78
    assert "query-history needs a folder where it is kept; set state" in done.stderr
