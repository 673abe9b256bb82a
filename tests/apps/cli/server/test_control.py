"""
Tests of C{txdns control} against a server in another process.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.controlled import Controlled, controlled
from tests.patience import PATIENCE
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.server.client import ControlChannel
from twisted_ext.apps.cli.server.report import anchorLines, delegationLines, duration, octets, statLines, statusLines
from twisted_ext.metrics.figures import JSON, Figures

__all__ = ["CommandResult", "runCommand"]


class CommandResult:
    """
    The output and the exit code of a command.
    """

    def __init__(self, code: int, output: str, error: str) -> None:
        self.code = code
        self.output = output
        self.error = error


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controlled]:
    """
    Return a server for all tests of this file.
    """
    with controlled(tmp_path_factory.mktemp("control")) as running:
        yield running


def runCommand(capfd: pytest.CaptureFixture[str], *words: str) -> CommandResult:
    """
    Run C{txdns} with these arguments.
    """
    code = main(words)
    captured = capfd.readouterr()
    return CommandResult(code, captured.out, captured.err)


def control(server: Controlled, capfd: pytest.CaptureFixture[str], *words: str) -> CommandResult:
    """
    Run C{txdns control} with these arguments.
    """
    return runCommand(capfd, "control", "--socket", str(server.path), *words)


def test_statusShowsListeners(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{status} shows the server and its listening addresses.
    """
    result = control(server, capfd, "status")
    assert (result.code, result.error) == (0, "")
    assert "listening: udp 127.0.0.1:5300" in result.output


def test_socketFromTheEnvironment(server: Controlled, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The environment variable names the socket for all commands.
    """
    monkeypatch.setenv("TXDNS_CONTROL", str(server.path))
    assert runCommand(capfd, "control", "status").code == 0
    assert "TXDNS_CONTROL" in runCommand(capfd, "control", "--help").output


def test_statsOmitZeroFigures(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{stats} shows the figures for users, except for zeros.
    """
    result = control(server, capfd, "stats")
    lines = {line[:24].strip(): line[24:].strip() for line in result.output.splitlines()}
    assert lines["by TCP"] == "100"
    assert lines["mean latency"].endswith(" ms") and "look-ups" in lines and "latency of look-ups:" in lines
    assert lines["reply NXDOMAIN"] == "40"
    assert lines["declined by access"] == "1"
    assert "late" not in lines
    assert "up to 20 ms" in result.output


def test_everyAnswerAsJSON(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    Every answer is available as JSON.
    """
    shows = ("stats", "status", "upstreams", "types", "clients", "history")
    for words in (*shows, "cache show www.example.com", "explain www.example.com", "trace show"):
        result = control(server, capfd, *words.split(), "+json")
        assert isinstance(json.loads(result.output), dict), words


def test_hostileNamesAreEscaped(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    Control characters in names are escaped.
    """
    for words in (["stats"], ["trace", "show"], ["stats", "+json"]):
        result = control(server, capfd, *words)
        assert "own" in result.output
        assert [line for line in result.output.splitlines() if not line.isprintable()] == [], words


def test_upstreamsShowHealth(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{upstreams} shows the upstream servers with their health.
    """
    up, down = control(server, capfd, "upstreams").output.splitlines()
    assert up.split() == ["192.0.2.1:53", "udp", "12.5", "ms", "up"]
    assert down.endswith("not measured  down, next attempt in 2.0 s, 3 without reply")


def test_typesHaveShares(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{types} shows queries by type with their shares.
    """
    assert control(server, capfd, "types").output.split() == ["A", "11", "100.0%"]


def test_clientsAndTheirNames(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{clients} shows the most active clients with their shares, and with an address the latest names of one, escaped.
    """
    first, second = control(server, capfd, "clients").output.splitlines()
    assert first.split()[:3] == ["2001:db8:1234:5678:9abc:def0:1234:5678", "30", "75.0%"]
    assert second.split()[:3] == ["192.0.2.77", "10", "25.0%"]
    assert "<img/src/onerror=id='own'>." in control(server, capfd, "clients", "192.0.2.77").output
    assert control(server, capfd, "clients", "192.0.2.1").output == "no query from 192.0.2.1 is known\n"
    assert control(server, capfd, "clients", "a", "b").code == 1


def test_historyInLines(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{history} shows the last hour or the last day in lines with queries, hit rate, failures and latency.
    """
    end = time.monotonic() + PATIENCE
    while "empty" in control(server, capfd, "history").output and time.monotonic() < end:
        time.sleep(0.2)
    for words in (["history"], ["history", "hour"], ["history", "day"]):
        head, *lines = control(server, capfd, *words).output.splitlines()
        assert head.split()[:4] == ["from", "queries", "hit", "rate"]
        assert lines and all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:00 ", line) for line in lines)
    result = control(server, capfd, "history", "week")
    assert (result.code, result.error) == (1, "txdns control: write: txdns control history [hour | day]\n")


def test_cacheCommands(server: Controlled, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The cache can be shown, dumped, flushed and loaded.
    """
    assert "192.0.2.1" in control(server, capfd, "cache", "show", "WWW.example.com").output
    path = tmp_path / "cache"
    assert control(server, capfd, "cache", "dump", str(path)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert control(server, capfd, "cache", "flush", "--below", "example.com").output == "2 answers forgotten\n"
    assert control(server, capfd, "cache", "show", "www.example.com").output == "there are no cached answers for this name\n"
    assert control(server, capfd, "cache", "load", str(path)).output == "2 answers loaded\n"
    assert control(server, capfd, "cache", "dump").output.splitlines()[1:] != []
    assert control(server, capfd, "cache", "flush", "--all").output == "2 answers forgotten\n"
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert control(server, capfd, "cache", "load", "-").output == "2 answers loaded\n"


def test_loadFromPipe(server: Controlled, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A cache file can come through a pipe of unknown length.
    """
    dump = control(server, capfd, "cache", "dump").output
    control(server, capfd, "cache", "flush", "--all")
    reading, writing = os.pipe()
    os.write(writing, dump.encode())
    os.close(writing)
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert control(server, capfd, "cache", "load", "-").output == "2 answers loaded\n"


def test_damagedLinesAreSkipped(server: Controlled, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    Damaged lines of a cache file are skipped, counted and named. A file of another kind is refused.
    """
    good = tmp_path / "good"
    assert control(server, capfd, "cache", "dump", str(good)).code == 0
    first, *rest = good.read_text().splitlines(keepends=True)
    (tmp_path / "damaged").write_text("".join([first, "{}\n", *rest, *["[]\n"] * 30]))
    result = control(server, capfd, "cache", "load", str(tmp_path / "damaged"))
    assert result.code == 0
    lines = result.output.splitlines()
    assert lines[0] == "2 answers loaded, 31 lines skipped:"
    assert lines[1].startswith("  line 2: ") and lines[2] == f"  line {len(rest) + 3}: a JSON object is needed"
    assert lines[-1] == "  and 11 more"
    (tmp_path / "junk").write_text("junk\n")
    result = control(server, capfd, "cache", "load", str(tmp_path / "junk"))
    assert result.code == 1
    assert "line 1" in result.error and result.error.count("\n") == 1


def test_explainShowsTheSource(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{explain} makes the server look a name up and shows where the answer came from.
    """
    for words in (("www.example.com", "A"), ("www.example.com",), ("www.example.com", "192.0.2.7"), ("www.example.com", "a", "::1")):
        result = control(server, capfd, "explain", *words)
        assert "cache" in result.output and "192.0.2.1" in result.output


def test_reloadReportsEachMistake(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{reload} reads the settings again, and reports each mistake on a line, with an exit code.
    """
    assert control(server, capfd, "reload").output == "nothing has changed\n"
    (server.path.parent / "broken").touch()
    result = control(server, capfd, "reload")
    first, second = "txdns.toml:3: port takes a number, not 'x'", "txdns.toml:4: prot: there is no such setting"
    assert (result.code, result.error) == (1, f"txdns control: {first}\ntxdns control: {second}\n")


@pytest.mark.parametrize(("failed", "code"), [(False, 0), (True, 2)])
def test_failedZoneReloadHasExitCode(failed: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A failed reload of a zone has an exit code and shows the reason.
    """
    monkeypatch.setattr(ControlChannel, "ask", lambda *words: {"said": ["example.org:5: nonsense"], "failed": failed})
    assert main(["control", "--socket", "control.sock", "zone", "reload", "example.org"]) == code
    assert capsys.readouterr().out == "example.org:5: nonsense\n"


def test_zonesAreThoseThatAreNamed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{zones} asks for one zone or for those of a kind, not for both; a zone that is not there is an error.
    """
    asked: list[object] = []

    def ask(channel: ControlChannel, method: str, path: str, given: dict[str, str]) -> dict[str, JSON]:
        asked.append((method, path, given))
        return {"zones": [], "count": 0, "more": 0}

    monkeypatch.setattr(ControlChannel, "ask", ask)
    start = ["control", "--socket", "control.sock", "zones"]
    for words in (["a", "b"], ["a", "--broken"], ["a", "--all"]):
        assert main([*start, *words]) == 1
        assert "write: txdns control zones [NAME], or: txdns control zones [--broken] [--all]" in capsys.readouterr().err
    assert asked == []
    assert main([*start, "a.example"]) == 1
    assert capsys.readouterr().err == "txdns control: the server has no zone a.example\n"
    assert main([*start, "--broken"]) == main([*start, "--all", "--broken"]) == 0
    given = [{"name": "a.example"}, {"broken": "1"}, {"broken": "1", "begin": "0"}]
    assert asked == [("GET", "zones", each) for each in given]


def test_misspelledCommandIsGuessed(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A misspelled command gets a suggestion, and C{help} is a command.
    """
    assert main(["control", "upstreans"]) == 1
    assert capsys.readouterr().err == "txdns control: unknown command 'upstreans'; did you mean upstreams?\n"
    assert main(["control", "help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: txdns control")


def test_traceFollowsQueries(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    C{trace} follows live queries between on and off.
    """
    assert control(server, capfd, "trace", "on", "example.com").code == 0
    assert "tracing live queries" in control(server, capfd, "status").output
    assert control(server, capfd, "trace", "off").code == 0
    assert "NXDOMAIN" in control(server, capfd, "trace", "show").output


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["statu"],
        ["status", "more"],
        ["cache"],
        ["cache", "flush"],
        ["cache", "flush", "--bellow"],
        ["cache", "flush", "--al"],
        ["cache", "show", "a", "b"],
        ["cache", "dump", "a", "b"],
        ["explain"],
        ["explain", "a", "NOTYPE"],
        ["explain", "a", "A", "AAAA"],
        ["explain", "a", "192.0.2.1", "192.0.2.2"],
        ["explain", "a..b"],
        ["trace"],
        ["trace", "on", "a", "b"],
        ["--socket"],
    ],
    ids=" ".join,
)
def test_invalidArgumentsAreRefused(server: Controlled, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """
    Invalid arguments are refused with one line that says what is valid.
    """
    result = control(server, capfd, *words)
    assert (result.code, result.output) == (1, "")
    assert result.error.startswith("txdns control: ") and result.error.count("\n") == 1


def test_missingServerIsReported(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    A missing socket, a stale one and a path that is not a socket are reported in one line.
    """
    left = tmp_path / "left"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(left))
    (tmp_path / "file").write_text("")
    nothing = "is not a socket; name the server's socket"
    for name, words in (("none", "no server listens at"), ("left", "no longer runs"), ("file", nothing), ("", nothing)):
        result = runCommand(capfd, "control", "--socket", str(tmp_path / name), "status")
        assert result.code == 9 and result.error.count("\n") == 1 and words in result.error


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "closed the connection without a reply"),
        (b"junk\r\n\r\n", "is not a txdns server: its reply is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\njunk\n", "is not a txdns server: its reply is not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "cannot display the server's reply"),
    ],
)
def test_foreignServerIsReported(capfd: pytest.CaptureFixture[str], tmp_path: Path, reply: bytes, words: str) -> None:
    """
    A reply that is not from a txdns server is reported.
    """
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
        sock.listen(1)

        def answer() -> None:
            peer, _ = sock.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        result = runCommand(capfd, "control", "--socket", str(tmp_path / "sock"), "status")
        thread.join()
    assert result.code == 9 and result.error.count("\n") == 1 and words in result.error


def test_brokenDumpKeepsTheOldFile(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    A dump that breaks off leaves the previous file unchanged.
    """
    (tmp_path / "cache").write_text("the last one")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
        sock.listen(1)

        def answer() -> None:
            peer, _ = sock.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        result = runCommand(capfd, "control", "--socket", str(tmp_path / "sock"), "cache", "dump", str(tmp_path / "cache"))
        thread.join()
    assert result.code == 9 and "is incomplete" in result.error
    assert (tmp_path / "cache").read_text() == "the last one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "sock"]


def test_unusableFileIsReported(server: Controlled, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    A file that cannot be read or written is a one-line error with its own exit code.
    """
    for words in (["dump", str(tmp_path / "none" / "cache")], ["load", str(tmp_path / "none")], ["load", str(tmp_path)]):
        result = control(server, capfd, "cache", *words)
        assert result.code == 8 and result.error.count("\n") == 1 and str(tmp_path) in result.error


def test_foreignSocketIsRefused(server: Controlled, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A socket that belongs to another user is refused: that user may impersonate the server.
    """
    owner = server.path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 12345)
    if owner == 0:
        os.chown(server.path, 54321, -1)
    try:
        result = control(server, capfd, "status")
    finally:
        if owner == 0:
            os.chown(server.path, 0, -1)
    assert (result.code, "belongs to another user" in result.error) == (9, True)


def test_durationsAndSizes() -> None:
    """
    Durations have at most two units, and sizes one.
    """
    assert [duration(seconds) for seconds in (0, 59.9, 60, 3725, 90061)] == ["0 s", "59 s", "1 min", "1 h 2 min", "1 d 1 h"]
    assert [octets(count) for count in (0, 999, 1000, 12.34e6, 5e12)] == ["0 B", "999 B", "1.0 KB", "12.3 MB", "5000.0 GB"]


def test_closedOutputEndsQuietly(server: Controlled, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A closed output ends the command without an error.
    """

    class Closed(io.TextIOWrapper):
        hasReader = False

        def flush(self) -> None:
            if not self.hasReader:
                raise BrokenPipeError

    output = Closed(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr("twisted_ext.apps.cli.main._writeNoMore", lambda: None)
    assert main(["control", "--socket", str(server.path), "status"]) == 141
    # Python 3.13 reports an exception of a finalizer.
    output.hasReader = True


@pytest.mark.parametrize("words", [["anchors"], ["delegations"], ["nta", "add", "example.com=+1d"], ["nta", "remove", "example.com"]])
def test_forwardersHaveNoAnchors(server: Controlled, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """
    A server that does not resolve from the root says so.
    """
    result = control(server, capfd, *words)
    assert (result.code, result.output) == (1, "")
    assert "recurse" in result.error


@pytest.mark.parametrize("words", [["nta"], ["nta", "add"], ["nta", "list", "a"], ["nta", "add", "a", "b"], ["delegations", "a", "b"]])
def test_wrongCommandsOfRecursionAreRefused(server: Controlled, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """
    What cannot be a command for anchors or delegations is refused with what is right.
    """
    result = control(server, capfd, *words)
    assert (result.code, result.output) == (1, "")
    assert "write: txdns control" in result.error


def test_recursionIsShown() -> None:
    """
    Delegations are shown with their servers, and anchors with the names that are not validated.
    """
    zones: list[JSON] = [
        {"zone": "a.", "left": 10.4, "signed": True, "fixed": False, "servers": [{"name": "ns.a.", "addresses": ["192.0.2.1"]}]},
        {"zone": "b.", "left": None, "signed": None, "fixed": True, "servers": [{"name": "b.", "addresses": []}]},
    ]
    assert list(delegationLines({"delegations": zones, "more": 3})) == [
        "a. 10 s left, signed",
        "  ns.a. 192.0.2.1",
        "b. no end, configured",
        "  b. without a known address",
        "and 3 more; name a domain to list those below it",
    ]
    anchor: JSON = {"zone": ".", "type": "DS", "record": "20326 8 2 E06D", "tag": 20326}
    negative: JSON = {"name": "c.", "until": "2026-12-01T12:00:00Z"}
    assert list(anchorLines({"validates": True, "anchors": [anchor], "negative": [negative]})) == [
        ". DS 20326 8 2 E06D ; key 20326",
        "c. is not validated until 2026-12-01T12:00:00Z",
    ]
    followed: list[JSON] = [
        {"zone": ".", "tag": 20326, "state": "valid", "since": None, "next": "2026-12-01T12:00:00Z"},
        {"zone": ".", "tag": 38696, "state": "add pending", "since": "2026-11-01T12:00:00Z", "next": None},
    ]
    assert list(anchorLines({"validates": True, "anchors": [], "negative": [], "followed": followed})) == [
        ". key 20326 is valid, queried for again at 2026-12-01T12:00:00Z",
        ". key 38696 is add pending since 2026-11-01T12:00:00Z",
    ]
    assert list(anchorLines({"validates": False, "anchors": [], "negative": []})) == ["answers are not validated"]


def test_statusOfFeatures() -> None:
    """
    The status has the lines that features say of themselves.
    """
    said: dict[str, JSON] = {
        "version": "1",
        "process": 7,
        "uptime": 1,
        "listening": [],
        "perSecond": 0,
        "ferries": {"count": 2, "said": ["ferries: 2", "  anna: in port"]},
        "harbor": "open",
    }
    assert list(statusLines(said))[2:] == [
        "  ferries: 2",
        "    anna: in port",
    ]


def test_numbersOfFeatures() -> None:
    """
    Numbers of features are shown by the words that the server has for them, unless they are zero.
    """
    said = Figures().toJSON()
    said["numbers"] = {**Figures().numbers, "ferries": 3, "harbors": 0}
    said["words"] = {"ferries": "ferries", "harbors": "harbors"}
    lines = list(statLines(said))
    assert f"{'ferries':<24} {3:>14}" in lines
    assert not any("harbors" in line for line in lines)
    del said["words"]
    assert not any("ferries" in line for line in statLines(said))
