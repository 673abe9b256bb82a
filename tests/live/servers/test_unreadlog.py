"""
Tests of servers whose log goes to a pipe that is never read, or read late.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import Twistd, exchange, twistd, wait, workersOf
from tests.patience import PATIENCE
from tests.peers import freePort
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD

#: Queries whose lines exceed the buffer of a pipe, and the limit of waiting lines.
_MANY: Final = 2_000
_TOO_MANY: Final = 12_000

#: Outstanding queries.
_WINDOW: Final = 100

#: Seconds within which a server with unread log lines ends.
_END: Final = 10.0


@contextmanager
def serverWithUnreadLog(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """
    Start a server that logs each query to a pipe.

    @return: its process, and the port.
    """
    port = freePort("127.0.0.1")
    where = ["-i", "127.0.0.1", "-p", str(port), "--control", "", "--hosts-file", "", "--query-log", "--local", "*.test A 192.0.2.1"]
    command = twistd("-n", "--pidfile", "", "txdns", *where, *words)
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:

            def answers() -> bool:
                with suppress(OSError):
                    return bool(exchange(port, "localhost"))
                return False

            wait(answers)
            yield process, port
        finally:
            process.kill()


def countLost(port: int, count: int) -> int:
    """
    Query C{q0.test}, C{q1.test} and so on.

    @return: how many queries get no reply.
    """
    waiting: set[bytes] = set()
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", port))
        while sent < count or waiting:
            while sent < count and len(waiting) < _WINDOW:
                id = sent.to_bytes(2, "big")
                asking.send(id + buildQuery(RD, questionOf(f"q{sent}.test").toWire(), b""))
                waiting.add(id)
                sent += 1
            if not select.select([asking], [], [], 5.0)[0]:
                break
            waiting.discard(asking.recv(4096)[:2])
    return len(waiting) + count - sent


@pytest.mark.parametrize("workers", ["1", "2"])
def test_fullPipeDoesNotStopAnswers(tmp_path: Path, workers: str) -> None:
    """
    All queries are answered while the pipe is full, and the server stops on SIGTERM.
    """
    with serverWithUnreadLog(tmp_path, "--workers", workers) as (process, port):
        assert countLost(port, _MANY) == 0
        began = time.monotonic()
        process.terminate()
        process.wait(PATIENCE)
        assert time.monotonic() - began < _END


def test_droppedLinesAreCounted(tmp_path: Path) -> None:
    """
    Lines without room are dropped, and the log has their number in their place. All others come in order, including the last ones of a
    server that ends.
    """
    with serverWithUnreadLog(tmp_path) as (process, port):
        assert countLost(port, _TOO_MANY) == 0
        assert process.stdout is not None
        text = b""
        while b"were dropped here" not in text:
            assert select.select([process.stdout], [], [], PATIENCE)[0]
            text += os.read(process.stdout.fileno(), 1 << 20)
        assert countLost(port, 1) == 0
        process.terminate()
        text += process.stdout.read()
    before, _, after = text.partition(b"were dropped here")
    missing = re.search(rb"(\d+) log lines $", before)
    assert missing is not None
    numbers = [int(number) for number in re.findall(rb"q(\d+)\.test", before)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) + int(missing[1]) == _TOO_MANY
    assert re.findall(rb"q(\d+)\.test", after) == [b"0"], after
    assert b"Server Shut Down" in after


def test_stoppedParentDoesNotStopAnswers(tmp_path: Path) -> None:
    """
    Workers answer while their parent is stopped and does not read their logs.
    """
    with Twistd(tmp_path, "--workers", "2", "--query-log", "--local", "*.test A 192.0.2.1") as server:
        wait(lambda: server.text().count(" serves as process ") == 2, server)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            for _ in range(8):
                assert countLost(server.port, _MANY // 2) == 0
        finally:
            os.kill(server.pid, signal.SIGCONT)
        wait(lambda: server.text().count("q999.test") >= 2, server)
        assert len(workersOf(server)) == 2
