"""
Tests of C{twistd txdns} with dnstap: the programs of others read what it writes, and it goes on when they do not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from dnstap_pb.dnstap_pb2 import Dnstap

from tests.live.twistds import Load, Twistd, exchange, wait
from tests.live.upstreams import Upstream
from tests.peers import freePort, peer
from tests.server.features.dnstap.collectors import framesIn
from tests.server.features.dnstap.test_messages import TYPES
from twisted_ext.wire.message import Message

__all__: list[str] = []


def _state(folder: Path) -> list[str]:
    # One that is killed with its writer would leave a folder elsewhere.
    return ["--state", str(folder / "s")]


def _kinds(path: Path) -> Counter[str]:
    """
    Return how many messages of each type a file has, as far as it is written.
    """
    try:
        return Counter([TYPES[Dnstap.FromString(each).message.type] for each in framesIn(path, isWhole=False)])
    except (OSError, AssertionError):
        return Counter()


def _printed(path: Path) -> Counter[str]:
    """
    Return what BIND's dnstap-read prints: by kind, transport and name.
    """
    done = subprocess.run([peer("dnstap-read"), str(path)], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return Counter([f"{line[2]} {line[6]} {line[8]}" for line in lines])


@contextmanager
def _captured(path: Path, *where: str) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run the reference implementation's collector, which writes a file.
    """
    words = [str(peer("fstrm_capture")), "-t", "protobuf:dnstap.Dnstap", "-w", str(path), *where]
    with path.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def _writersOf(server: Twistd) -> list[int]:
    """
    Return the process IDs of its writer: one, or none.
    """
    found: list[int] = []
    for path in Path(f"/proc/{server.pid}/task").glob("*/children"):
        for child in path.read_text().split():
            with suppress(OSError):
                if b"twisted_ext.server.features.dnstap.writer" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    found.append(int(child))
    return found


def _hasEnded(process: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True


def _stop(server: Twistd) -> None:
    """
    End a server, and wait until its writer has written what it has.
    """
    (writer,) = _writersOf(server)
    os.kill(server.pid, signal.SIGTERM)
    wait(lambda: _hasEnded(writer))


@pytest.mark.parametrize("workers", [1, 2])
def test_everyMessageOnce(tmp_path: Path, workers: int) -> None:
    """
    Each query of a client is there once with its reply, over UDP and TCP, from the cache or not; so are those to the upstream. A collector
    at a Unix socket, one over TCP and a file get the same; BIND's dnstap-read, dnstap-ldns and fstrm_dump read it.
    """
    tap, port = tmp_path / "file.tap", freePort("127.0.0.1")
    captured, overTCP = tmp_path / "captured.tap", tmp_path / "tcp.tap"
    where = ["--dnstap", f"unix:{tmp_path}/sock", "--dnstap", f"file:{tap}", "--dnstap", f"tcp:127.0.0.1:{port}", *_state(tmp_path)]
    with (
        Upstream(otherwise="192.0.2.80") as upstream,
        _captured(captured, "-u", str(tmp_path / "sock")),
        _captured(overTCP, "-a", "127.0.0.1", "-p", str(port)),
    ):
        with Twistd(tmp_path, "--upstream", upstream.label, "--client-rate", "0", "--workers", str(workers), *where) as server:
            wait(lambda: exchange(server.port, "begun.example.org") and "FORWARDER_QUERY" in _kinds(tap), server)
            for _ in range(3):
                for number in range(20):
                    exchange(server.port, f"h{number}.example.org")
                    exchange(server.port, f"h{number}.example.org", stream=True)
            asked = upstream.asked.copy()
            _stop(server)
    printed = [_printed(path) for path in (tap, captured, overTCP)]
    for found in printed:
        for number in range(20):
            name = f"h{number}.example.org/IN/A"
            assert [found[f"{kind} {way} {name}"] for kind in ("CQ", "CR") for way in ("UDP", "TCP")] == [3, 3, 3, 3]
            sent = sum([count for (_, asked_, _), count in asked.items() if asked_.lower().startswith(f"h{number}.example.org")])
            assert found[f"FQ UDP {name}"] == found[f"FR UDP {name}"] == sent
    assert printed[0] == printed[1] == printed[2]
    done = subprocess.run([peer("dnstap-ldns"), "-q", "-r", str(tap)], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == printed[0].total()
    assert done.stdout.count('"h7.example.org." IN A') == sum([count for key, count in printed[0].items() if "h7.example.org/" in key])


def test_kinds(tmp_path: Path) -> None:
    """
    Those who want recursion, updates, and queries to servers for their own zones are told apart.
    """
    zone = tmp_path / "zone"
    zone.write_text("example. 300 SOA ns.example. h.example. 1 3600 600 86400 60\nexample. 300 NS ns.example.\nns.example. 300 AAAA ::1\n")
    tap = tmp_path / "file.tap"
    with Twistd(tmp_path, *_state(tmp_path), "--dnstap", f"file:{tap}", "serve", "--zone", f"example={zone}") as server:
        wait(lambda: _kinds(tap)["AUTH_RESPONSE"] or not exchange(server.port, "ns.example"), server)
        assert set(_kinds(tap)) == {"AUTH_QUERY", "AUTH_RESPONSE"}
    tap.unlink()
    with Upstream(otherwise="192.0.2.80") as upstream:
        words = ["recurse", "--no-validate", "--stub", f"example.org={upstream.label}", "--allow", "127.0.0.1"]
        with Twistd(tmp_path, *_state(tmp_path), "--dnstap", f"file:{tap}", *words) as server:
            wait(lambda: exchange(server.port, "www.example.org") and _kinds(tap)["RESOLVER_RESPONSE"], server)
            assert set(_kinds(tap)) == {"CLIENT_QUERY", "CLIENT_RESPONSE", "RESOLVER_QUERY", "RESOLVER_RESPONSE"}


def test_writerIsKilled(tmp_path: Path) -> None:
    """
    While queries come the writer is killed: no reply is lost, another one begins, keeps the file of the first, and writes on.
    """
    tap = tmp_path / "file.tap"
    with Upstream(otherwise="192.0.2.80") as upstream:
        for number in range(50):
            upstream.canned.set(f"h{number}.example.org", "A", f"192.0.2.{number}")
        with Twistd(tmp_path, "--upstream", upstream.label, "--client-rate", "0", "--dnstap", f"file:{tap}") as server:
            wait(lambda: exchange(server.port, "begun.example.org") and _kinds(tap), server)
            (first,) = _writersOf(server)
            with Load(server.port) as load:
                os.kill(first, signal.SIGKILL)
                wait(lambda: _writersOf(server) not in ([], [first]), server)
                wait(lambda: _kinds(tap)["CLIENT_RESPONSE"] > 1000, server)
            assert (load.lost, load.wrong) == (0, 0)
            assert "the process that writes dnstap has ended" in server.text()
            (second,) = _writersOf(server)
            folders = [Path(f"/proc/{second}/cmdline").read_bytes().split(b"\0")[-2]]
        wait(lambda: _hasEnded(second))
        assert not Path(os.fsdecode(folders[0])).exists()
    assert _kinds(tmp_path / "file.tap.1")
    assert framesIn(tap)


def test_collectorStands(tmp_path: Path) -> None:
    """
    While a collector does not read queries are answered as before; when it reads again it gets what waited, and what comes.
    """
    captured = tmp_path / "captured.tap"
    with Upstream(otherwise="192.0.2.80") as upstream, _captured(captured, "-u", str(tmp_path / "sock")) as collector:
        for number in range(50):
            upstream.canned.set(f"h{number}.example.org", "A", f"192.0.2.{number}")
        wait(lambda: (tmp_path / "sock").exists())
        where = ["--dnstap", f"unix:{tmp_path}/sock", "--dnstap", f"file:{tmp_path}/file.tap", *_state(tmp_path)]
        with Twistd(tmp_path, "--upstream", upstream.label, "--client-rate", "0", *where) as server:
            # The writer is there.
            wait(lambda: exchange(server.port, "begun.example.org") and _kinds(tmp_path / "file.tap"), server)
            collector.send_signal(signal.SIGSTOP)
            with Load(server.port) as load:
                time.sleep(0.6)
            assert (load.lost, load.wrong) == (0, 0) and load.asked > 200
            collector.send_signal(signal.SIGCONT)
            _stop(server)
    # All of it waited: some 20,000 queries, and their replies, are less than 8 MB.
    assert _kinds(captured)["CLIENT_RESPONSE"] >= load.asked


def test_reloaded(tmp_path: Path) -> None:
    """
    A reload adds targets, removes them, and changes what is written; the file that is no target any more is whole.
    """
    first, second = tmp_path / "first.tap", tmp_path / "second.tap"
    config = tmp_path / "txdns.toml"

    def configure(*lines: str) -> None:
        config.write_text("\n".join(["client-rate = 0", f'upstream = ["{upstream.label}"]', *lines]))

    with Upstream(otherwise="192.0.2.80") as upstream:
        configure()
        with Twistd(tmp_path, "--config", str(config), *_state(tmp_path)) as server:
            assert _writersOf(server) == []
            configure(f'dnstap = ["file:{first}"]')
            os.kill(server.pid, signal.SIGHUP)
            wait(lambda: exchange(server.port, "a.example.org") and _kinds(first)["CLIENT_RESPONSE"], server)
            (writer,) = _writersOf(server)
            configure(f'dnstap = ["file:{second}"]', 'dnstap-messages = ["forwarder"]')
            os.kill(server.pid, signal.SIGHUP)
            names = iter(range(1_000_000))
            wait(lambda: exchange(server.port, f"b{next(names)}.example.org") and _kinds(second)["FORWARDER_QUERY"], server)
            assert set(_kinds(second)) == {"FORWARDER_QUERY", "FORWARDER_RESPONSE"}
            wait(lambda: _isWhole(first), server)
            assert _writersOf(server) == [writer]
            configure()
            os.kill(server.pid, signal.SIGHUP)
            wait(lambda: _writersOf(server) == [], server)
            wait(lambda: _isWhole(second), server)
            assert isinstance(exchange(server.port, "c.example.org"), Message)


def _isWhole(path: Path) -> bool:
    try:
        framesIn(path)
    except AssertionError:
        return False
    return True


def test_wrongPlace(tmp_path: Path) -> None:
    """
    A place that is not valid is an error before anything starts, which says what is.
    """
    server = Twistd(tmp_path, "--dnstap", "udp:192.0.2.1")
    done = subprocess.run(server.command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode != 0
    assert "write unix:PATH, tcp:ADDRESS:PORT, tls:ADDRESS:PORT#NAME or file:PATH" in done.stderr + done.stdout
