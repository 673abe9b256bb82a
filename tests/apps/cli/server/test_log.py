"""
Tests of C{txdns log}.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.apps.controlled import controlled
from tests.server.features.queryhistory.recorder.histories import BEGIN, historyOf, rowOf
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.server.client import ControlChannel
from twisted_ext.apps.cli.server.log import follow
from twisted_ext.server.features.queryhistory import fields
from twisted_ext.server.features.queryhistory.recorder.rows import formsOf
from twisted_ext.server.features.queryhistory.recorder.search import Filter
from twisted_ext.server.features.queryhistory.recorder.segments import Writer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    The folder of a history.
    """
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    key = bytes(range(32))
    (hashed,) = [form for form in formsOf("192.0.2.9", key) if len(form) == 24]
    rows = [
        rowOf("www.example", micros=1500, upstream="192.0.2.53:53", status="forwarded", security=2),
        rowOf("www.example", BEGIN + 1, status="cached"),
        rowOf("x.ads.example", BEGIN + 2, status="blocked", rcode=3, rule="ads.txt:7", ede="Blocked", view="children", type=28),
        rowOf("\\027[2j.example", BEGIN + 3, client="192.0.2.0/24"),
        rowOf("hashed.example", BEGIN + 4, client=hashed, rcode=-1, status="dropped"),
    ]
    (tmp_path / "key").write_bytes(key)
    historyOf(tmp_path, rows[:2], rows[2:])
    return tmp_path


def _log(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, list[str], str]:
    code = main(["log", *words, "--folder", str(folder)])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err


def test_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each query is one line with its ID, the newest first, with control characters escaped.
    """
    code, lines, err = _log(capsys, folder)
    assert (code, err) == (0, "")
    assert lines == [
        f"      2.3  2023-11-14 22:13:24  {lines[0][32:56]}  dropped   no reply        0.0 ms  A      hashed.example.",
        "      2.2  2023-11-14 22:13:23  192.0.2.0/24     local     NOERROR         0.0 ms  A      \\027[2j.example.",
        "      2.1  2023-11-14 22:13:22  192.0.2.7        blocked   NXDOMAIN        0.0 ms  AAAA   x.ads.example.  by ads.txt:7",
        "      1.2  2023-11-14 22:13:21  192.0.2.7        cached    NOERROR         0.0 ms  A      www.example.",
        "      1.1  2023-11-14 22:13:20  192.0.2.7        forwarded NOERROR         1.5 ms  A      www.example.  by 192.0.2.53:53",
    ]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--name", "WWW.example"], "1.2 1.1"),
        (["--name", "ads.example."], ""),
        (["--name", "ads.example.", "--below"], "2.1"),
        (["--name", ".", "--below"], "2.3 2.2 2.1 1.2 1.1"),
        (["--part", "ADS"], "2.1"),
        (["--client", "192.0.2.7"], "2.2 2.1 1.2 1.1"),
        (["--client", "192.0.2.9"], "2.3 2.2"),
        (["--client", "192.0.2.0/28"], "2.2 2.1 1.2 1.1"),
        (["--client", "2001:db8::1"], ""),
        (["--type", "aaaa"], "2.1"),
        (["--rcode", "nxdomain"], "2.1"),
        (["--rcode", "NOERROR"], "2.2 1.2 1.1"),
        (["--rule", "ads.txt"], "2.1"),
        (["--status", "cached", "--status", "blocked"], "2.1 1.2"),
        (["--since", "2023-11-14T22:13:22"], "2.3 2.2 2.1"),
        (["--until", "2023-11-14 22:13:22"], "1.2 1.1"),
        (["--security", "secure"], "1.1"),
        (["--security", "bogus"], ""),
        (["--since", "2h"], ""),
        (["--limit", "2"], "2.3 2.2"),
        (["--part", "example", "--status", "blocked", "--type", "A"], ""),
    ],
)
def test_filters(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], wanted: str) -> None:
    """
    Each filter, alone and with others; without a query the exit code is 2.
    """
    code, lines, err = _log(capsys, folder, *words, "+json")
    assert " ".join([json.loads(line)["id"] for line in lines]) == wanted
    assert (code, err) == (0 if wanted else 2, "")


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A program gets one object for each query.
    """
    _, (line,), _ = _log(capsys, folder, "--status", "blocked", "+json")
    assert json.loads(line) == {
        "id": "2.1", "time": BEGIN + 2.0, "client": "192.0.2.7", "name": "x.ads.example.", "type": "AAAA", "rcode": "NXDOMAIN",
        "status": "blocked", "milliseconds": 0.0, "rule": "ads.txt:7", "server": "", "ede": "Blocked", "view": "children",
        "security": "", "transport": "udp", "aliasOf": [],
    }  # fmt: skip


def test_thereMayBeMore(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    When a hundred queries are shown because no limit was given, a line says so.
    """
    historyOf(tmp_path, [rowOf(f"n{number}.example") for number in range(100)])
    code, lines, err = _log(capsys, folder)
    assert (code, len(lines), err) == (0, 100, "there may be more; --limit N shows more than 100\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "a..b"], "--name: "),
        (["--type", "AAAAA"], "--type: 'AAAAA' is not a record type; write A, AAAA, MX or TYPE65280"),
        (["--rcode", "NXDOMAI"], "--rcode: 'NXDOMAI' is not an rcode; did you mean NXDOMAIN?"),
        (["--status", "stopped"], "--status: 'stopped' is not one of local, cached, forwarded, blocked, refused, failed, dropped"),
        (["--security", "good"], "--security: 'good' is not one of insecure, secure, bogus"),
        (["--since", "yesterday"], "--since: 'yesterday' is not a time; write 12h, 2d, 2026-11-24 or 2026-11-24T15:30"),
        (["--since", "9999999-01-01"], "is not a time"),
        (["--limit", "0"], "--limit: '0' is not a number from 1 to 1000000000"),
        (["--below"], "--below belongs to --name"),
        (["whi", "1.1"], "'whi' is not a command; did you mean why?"),
        (["why"], "write: txdns log why ID, with an ID that txdns log shows"),
        (["stats", "x"], "unexpected argument 'x'"),
    ],
)
def test_wrongWords(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """
    Wrong words are one error that says what would be right.
    """
    code, lines, err = _log(capsys, folder, *words)
    assert (code, lines) == (1, []) and said in err and len(err.splitlines()) == 1


def test_clientsByTheirHost(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A client may be the name of a host; all its addresses are searched for, in all forms in which they can be kept.
    """

    def found(host: str, port: None, *, type: int) -> list[tuple[object, ...]]:
        if host != "nas.lan":
            raise socket.gaierror(-2, "Name or service not known")
        return [(2, 1, 6, "", ("192.0.2.9", 0)), (10, 1, 6, "", ("2001:db8::9", 0, 0, 0))]

    monkeypatch.setattr(fields, "getaddrinfo", found)
    code, lines, _ = _log(capsys, folder, "--client", "nas.lan")
    # One is kept as a hash, the other one as a network.
    assert code == 0 and [line.split()[-1] for line in lines] == ["hashed.example.", "\\027[2j.example."]
    code, _, err = _log(capsys, folder, "--client", "printer")
    wrong = "--client: 'printer' is neither an address nor a host; write nas.lan, 192.0.2.1 or 192.0.2.0/24"
    assert code == 1 and wrong in err


def test_foldersThatCannotBeRead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A folder that is not there is named; in an empty one there is nothing.
    """
    assert _log(capsys, tmp_path / "none") == (8, [], f"txdns log: {tmp_path}/none: No such file or directory\n")
    assert _log(capsys, tmp_path) == (2, [], "")


def test_filesOfOtherVersions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A file that another version has written is named, and the others are searched.
    """
    path = folder / "00000001.sqlite"
    path.chmod(0o600)
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA user_version = 1")
    code, lines, err = _log(capsys, folder)
    assert (code, len(lines), err) == (0, 3, f"{path}: another version of txdns has written it, and only that one can read it\n")


def test_damagedFiles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A damaged file is named, and the others are searched.
    """
    path = folder / "00000002.sqlite"
    path.chmod(0o600)
    path.write_bytes(b"x" * 5000)
    code, lines, err = _log(capsys, folder)
    assert (code, len(lines), err) == (0, 2, f"{path}: file is not a database\n")
    assert _log(capsys, folder, "stats")[::2] == (8, f"txdns log: {folder}: file is not a database\n")


def test_stats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    How far back a history goes.
    """
    size = sum([path.stat().st_size for path in folder.glob("*.sqlite")])
    code, lines, _ = _log(capsys, folder, "stats")
    assert (code, lines) == (
        0,
        [f"{folder}: queries: 5, files: 2, {size / 1000:.1f} KB", "from 2023-11-14 22:13:20 to 2023-11-14 22:13:24, 4 s"],
    )
    _, (line,), _ = _log(capsys, folder, "stats", "+json")
    assert json.loads(line) == {"folder": str(folder), "segments": 2, "octets": size, "rows": 5, "first": BEGIN, "last": BEGIN + 4}


def test_why(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One query with its causes, and what a server would do now, if one runs.
    """
    monkeypatch.setenv("TXDNS_CONTROL", str(tmp_path / "none"))
    code, lines, _ = _log(capsys, folder, "why", "2.1")
    causes = ["  decided by ads.txt:7", "  extended error: Blocked", "  in the view children"]
    assert (code, lines[1:]) == (0, [*causes, "What a server would do now is not known, as none runs."])
    assert _log(capsys, folder, "why", "1.1")[1][1:3] == ["  answered by 192.0.2.53:53", "  DNSSEC: secure"]
    assert _log(capsys, folder, "why", "2.9") == (2, [], "txdns log: the history has no query 2.9; txdns log shows their IDs\n")
    (tmp_path / "server").mkdir()
    with controlled(tmp_path / "server") as server:
        _, lines, _ = _log(capsys, folder, "why", "2.1", "--socket", str(server.path))
    assert lines[4].startswith("Now: ") and lines[5].startswith(("Then NXDOMAIN, now ", "The rcode is the same"))


def test_whyWithAnAlias(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of a name that was blocked for another one it is said which that is.
    """
    monkeypatch.setenv("TXDNS_CONTROL", str(tmp_path / "none"))
    historyOf(tmp_path, [rowOf("shop.example", status="blocked", rule="ads:3", alias="example.cdn net.edge"), rowOf(alias=None)])
    _, lines, _ = _log(capsys, tmp_path, "why", "1.1")
    assert lines[1:3] == ["  decided by ads:3", "  an alias of cdn.example., edge.net."]
    _, lines, _ = _log(capsys, tmp_path, "+json")
    assert [json.loads(line)["aliasOf"] for line in lines] == [None, ["cdn.example.", "edge.net."]]


def test_textsOfOthersAreEscaped(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What upstreams, lists and a server say cannot act on the terminal: not in a line, a cause, a count, or what a server would do now.
    """
    evil = "\x1b[2J\x07\u202e"
    historyOf(tmp_path, [rowOf("x.example", rule=f"ads{evil}:7", ede=evil, upstream=evil, view=evil, client=evil)])
    said = {"outcome": "nxdomain", "rcode": f"NX{evil}", "reason": evil, "origin": {"source": "blocked", "server": evil}}
    monkeypatch.setenv("TXDNS_CONTROL", str(tmp_path / "control.sock"))
    monkeypatch.setattr(ControlChannel, "ask", lambda *_: said)
    for words, count in (("--limit 1", 1), ("why 1.1", 7), ("top clients", 1), ("top rules", 1)):
        code, lines, err = _log(capsys, tmp_path, *words.split())
        assert code == 0 and lines and all(line.isprintable() for line in [*lines, err.strip()]), (lines, err)
        assert len(lines) == count


def test_serversWithoutAHistory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Without C{--folder} it is that of the server; one that keeps none is told how to.
    """
    with controlled(tmp_path, "history") as server:
        assert main(["log", "--socket", str(server.path)]) == 1
    assert "query-history = true in its file makes it do so" in capsys.readouterr().err
    assert main(["log", "--socket", str(tmp_path / "none")]) == 9
    assert capsys.readouterr().err.endswith(", or the folder of a history with --folder PATH\n")


def test_follow(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    New queries are shown as they are written, the oldest first, across files, and no former one.
    """
    writers: list[Writer] = []

    def pause(seconds: float) -> None:
        if len(writers) == 2:
            raise KeyboardInterrupt
        writer = Writer(str(folder), BEGIN)
        writer.write([rowOf(f"new{len(writers)}.example"), rowOf("old.test"), rowOf(f"newer{len(writers)}.example")])
        writers.append(writer)

    assert follow(str(folder), Filter(part="new"), True, pause) == 0
    for writer in writers:
        writer.close()
    names = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert names == ["new0.example.", "newer0.example.", "new1.example.", "newer1.example."]


def test_nothingIsWritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A search leaves nothing in the folder of the server.
    """
    before = sorted(os.listdir(folder))
    _log(capsys, folder, "--part", "example")
    assert sorted(os.listdir(folder)) == before


def test_top(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Clients, names and rules are counted, the most frequent first, with filters and a limit.
    """
    historyOf(folder, [rowOf("b.example", number, client=f"192.0.2.{number % 3}", rule="ads.txt:9") for number in range(8)])
    assert _log(capsys, folder, "top", "names") == (
        0,
        ["           8  b.example.", "           2  www.example.", "           1  x.ads.example.", "           1  \\027[2j.example."]
        + ["           1  hashed.example."],
        "",
    )
    _, lines, _ = _log(capsys, folder, "top", "clients", "--name", "b.example", "--limit", "2")
    assert lines == ["           3  192.0.2.0", "           3  192.0.2.1"]
    assert _log(capsys, folder, "top", "rules", "+json")[1] == [
        '{"rule": "ads.txt:9", "queries": 8}',
        '{"rule": "ads.txt:7", "queries": 1}',
    ]
    historyOf(folder, [rowOf(f"n{number}.example") for number in range(12)])
    assert len(_log(capsys, folder, "top", "names")[1]) == 10
    assert _log(capsys, folder, "top", "rules", "--name", "absent.example") == (2, [], "")
    assert "write: txdns log top clients|names|rules" in _log(capsys, folder, "top")[2]
    assert "did you mean names" in _log(capsys, folder, "top", "name")[2]
