"""
Tests of C{txdns control}, against a server in another process.
"""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.controlled import Controlled, controlled
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.server.client import Channel
from twisted_ext.apps.cli.server.report import duration, octets

__all__ = ["Said", "say"]


class Said:
    """
    What a command wrote, and its exit code.
    """

    def __init__(self, code: int, output: str, error: str) -> None:
        self.code = code
        self.output = output
        self.error = error


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controlled]:
    """
    A server that runs for all tests of this file.
    """
    with controlled(tmp_path_factory.mktemp("control")) as running:
        yield running


def say(capfd: pytest.CaptureFixture[str], *words: str) -> Said:
    """
    Run C{txdns} with these words.
    """
    code = main(words)
    captured = capfd.readouterr()
    return Said(code, captured.out, captured.err)


def control(server: Controlled, capfd: pytest.CaptureFixture[str], *words: str) -> Said:
    """
    Run C{txdns control} with these words.
    """
    return say(capfd, "control", "--socket", str(server.path), *words)


def test_status(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    Which server this is, and where it listens.
    """
    said = control(server, capfd, "status")
    assert (said.code, said.error) == (0, "")
    assert "listening: udp 127.0.0.1:5300" in said.output


def test_environment(server: Controlled, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The socket may be named once for all commands.
    """
    monkeypatch.setenv("TXDNS_CONTROL", str(server.path))
    assert say(capfd, "control", "status").code == 0
    assert "TXDNS_CONTROL" in say(capfd, "control", "--help").output


def test_stats(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The figures, for people; what is zero is left out.
    """
    said = control(server, capfd, "stats")
    lines = {line[:24].strip(): line[24:].strip() for line in said.output.splitlines()}
    assert lines["by TCP"] == "100"
    assert lines["reply NXDOMAIN"] == "40"
    assert lines["declined by access"] == "1"
    assert "late" not in lines
    assert "up to 20 ms" in said.output


def test_json(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    Every answer can be had for programs.
    """
    for words in ("stats", "status", "upstreams", "cache show www.example.com", "explain www.example.com", "trace show"):
        said = control(server, capfd, *words.split(), "+json")
        assert isinstance(json.loads(said.output), dict), words


def test_hostileNames(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    Names that were made to steer a terminal are shown as text.
    """
    for words in (["stats"], ["trace", "show"], ["stats", "+json"]):
        said = control(server, capfd, *words)
        assert "own" in said.output
        assert [line for line in said.output.splitlines() if not line.isprintable()] == [], words


def test_upstreams(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The servers that are asked, with their health.
    """
    up, down = control(server, capfd, "upstreams").output.splitlines()
    assert up.split() == ["192.0.2.1:53", "udp", "12.5", "ms", "up"]
    assert down.endswith("not measured  down, tried again in 2.0 s, 3 without reply")


def test_cache(server: Controlled, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What the cache has is shown, written down, forgotten and taken in again.
    """
    assert "192.0.2.1" in control(server, capfd, "cache", "show", "WWW.example.com").output
    path = tmp_path / "cache"
    assert control(server, capfd, "cache", "dump", str(path)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert control(server, capfd, "cache", "flush", "--below", "example.com").output == "2 answers forgotten\n"
    assert control(server, capfd, "cache", "show", "www.example.com").output == "nothing is kept for this name\n"
    assert control(server, capfd, "cache", "load", str(path)).output == "2 answers taken in\n"
    assert control(server, capfd, "cache", "dump").output.splitlines()[1:] != []
    assert control(server, capfd, "cache", "flush", "--all").output == "2 answers forgotten\n"
    with path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert control(server, capfd, "cache", "load", "-").output == "2 answers taken in\n"


def test_loadPipe(server: Controlled, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A cache file may come through a pipe, whose length nobody knows.
    """
    dump = control(server, capfd, "cache", "dump").output
    control(server, capfd, "cache", "flush", "--all")
    reading, writing = os.pipe()
    os.write(writing, dump.encode())
    os.close(writing)
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert control(server, capfd, "cache", "load", "-").output == "2 answers taken in\n"


def test_loadDamaged(server: Controlled, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    A file of another kind is refused in a line that says why. Of one of ours the lines that cannot be used are skipped, counted and named.
    """
    good = tmp_path / "good"
    assert control(server, capfd, "cache", "dump", str(good)).code == 0
    first, *rest = good.read_text().splitlines(keepends=True)
    (tmp_path / "damaged").write_text("".join([first, "{}\n", *rest, *["[]\n"] * 30]))
    said = control(server, capfd, "cache", "load", str(tmp_path / "damaged"))
    assert said.code == 0
    lines = said.output.splitlines()
    assert lines[0] == "2 answers taken in, 31 lines skipped:"
    assert lines[1].startswith("  line 2: ") and lines[2] == f"  line {len(rest) + 3}: a JSON object is needed"
    assert lines[-1] == "  and 11 more"
    (tmp_path / "junk").write_text("junk\n")
    said = control(server, capfd, "cache", "load", str(tmp_path / "junk"))
    assert said.code == 1
    assert "line 1" in said.error and said.error.count("\n") == 1


def test_explain(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The server looks a name up, and tells how the answer came about.
    """
    said = control(server, capfd, "explain", "www.example.com", "A")
    assert "cache" in said.output and "192.0.2.1" in said.output


def test_reload(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    Settings are read again; each mistake in them is a line, and there is an exit code.
    """
    assert control(server, capfd, "reload").output == "nothing has changed\n"
    (server.path.parent / "broken").touch()
    said = control(server, capfd, "reload")
    first, second = "txdns.toml:3: port takes a number, not 'x'", "txdns.toml:4: prot: there is no such setting"
    assert (said.code, said.error) == (1, f"txdns control: {first}\ntxdns control: {second}\n")


@pytest.mark.parametrize(("failed", "code"), [(False, 0), (True, 2)])
def test_reloadZone(failed: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A script sees whether a zone could be loaded, and a person sees why not.
    """
    monkeypatch.setattr(Channel, "ask", lambda *words: {"said": ["example.org:5: nonsense"], "failed": failed})
    assert main(["control", "--socket", "control.sock", "zone", "reload", "example.org"]) == code
    assert capsys.readouterr().out == "example.org:5: nonsense\n"


def test_meant(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A command that is written wrong is guessed, and help is a command too.
    """
    assert main(["control", "upstreans"]) == 1
    assert capsys.readouterr().err == "txdns control: no command is called 'upstreans'; did you mean upstreams?\n"
    assert main(["control", "help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: txdns control")


def test_trace(server: Controlled, capfd: pytest.CaptureFixture[str]) -> None:
    """
    Live queries are followed while somebody wants to.
    """
    assert control(server, capfd, "trace", "on", "example.com").code == 0
    assert "following live queries" in control(server, capfd, "status").output
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
        ["cache", "flush", "--al"],
        ["cache", "show", "a", "b"],
        ["cache", "dump", "a", "b"],
        ["explain"],
        ["explain", "a", "NOTYPE"],
        ["explain", "a..b"],
        ["trace"],
        ["trace", "on", "a", "b"],
        ["--socket"],
    ],
    ids=" ".join,
)
def test_wrongWords(server: Controlled, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """
    Words that cannot be used give one line that says what would be right, and an exit code.
    """
    said = control(server, capfd, *words)
    assert (said.code, said.output) == (1, "")
    assert said.error.startswith("txdns control: ") and said.error.count("\n") == 1


def test_noServer(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    Where no server is, that is said in one line: with no socket, with one left behind, and with something else in its place.
    """
    left = tmp_path / "left"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(left))
    (tmp_path / "file").write_text("")
    nothing = "is not a socket; name that of the server"
    for name, words in (("none", "no server is controlled at"), ("left", "runs no more"), ("file", nothing), ("", nothing)):
        said = say(capfd, "control", "--socket", str(tmp_path / name), "status")
        assert said.code == 9 and said.error.count("\n") == 1 and words in said.error


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "has ended before it replied"),
        (b"junk\r\n\r\n", "is not a txdns server: its reply is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\njunk\n", "is not a txdns server: its reply is not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "not one that this txdns understands"),
    ],
)
def test_noneOfOurs(capfd: pytest.CaptureFixture[str], tmp_path: Path, reply: bytes, words: str) -> None:
    """
    What answers otherwise than a server would is no server, whatever it says.
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
        said = say(capfd, "control", "--socket", str(tmp_path / "sock"), "status")
        thread.join()
    assert said.code == 9 and said.error.count("\n") == 1 and words in said.error


def test_brokenDump(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    A dump that breaks off leaves the last one as it was.
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
        said = say(capfd, "control", "--socket", str(tmp_path / "sock"), "cache", "dump", str(tmp_path / "cache"))
        thread.join()
    assert said.code == 9 and "broke off" in said.error
    assert (tmp_path / "cache").read_text() == "the last one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "sock"]


def test_dumpNowhere(server: Controlled, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    A file that cannot be written, or read, is one line and an exit code of its own.
    """
    for words in (["dump", str(tmp_path / "none" / "cache")], ["load", str(tmp_path / "none")], ["load", str(tmp_path)]):
        said = control(server, capfd, "cache", *words)
        assert said.code == 8 and said.error.count("\n") == 1 and str(tmp_path) in said.error


def test_somebodyElses(server: Controlled, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A socket that belongs to another user is not talked to: they may only play the server.
    """
    owner = server.path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 12345)
    if owner == 0:
        os.chown(server.path, 54321, -1)
    try:
        said = control(server, capfd, "status")
    finally:
        if owner == 0:
            os.chown(server.path, 0, -1)
    assert (said.code, "belongs to another user" in said.error) == (9, True)


def test_words() -> None:
    """
    Durations and sizes are said in two parts at most.
    """
    assert [duration(seconds) for seconds in (0, 59.9, 60, 3725, 90061)] == ["0 s", "59 s", "1 min", "1 h 2 min", "1 d 1 h"]
    assert [octets(count) for count in (0, 999, 1000, 12.34e6, 5e12)] == ["0 B", "999 B", "1.0 KB", "12.3 MB", "5000.0 GB"]


def test_closedOutput(server: Controlled, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A dump that goes nowhere any more ends without a complaint.
    """

    class Closed(io.TextIOWrapper):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed(io.BytesIO()))
    monkeypatch.setattr("twisted_ext.apps.cli.main._writeNoMore", lambda: None)
    assert main(["control", "--socket", str(server.path), "status"]) == 141
