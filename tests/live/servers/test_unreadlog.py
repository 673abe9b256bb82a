"""
Tests of servers whose log is written to a pipe that is not read, or not for a while.
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

from tests.live.twistds import PATIENCE, Twistd, exchange, twistd, wait, workersOf
from tests.peers import freePort
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD

#: Queries: their lines are more than a pipe takes, and more than may wait.
_MANY: Final = 2_000
_TOO_MANY: Final = 12_000

#: Queries that are under way at a time.
_WINDOW: Final = 100

#: Seconds within which a server ends whose last lines are not taken.
_END: Final = 10.0


@contextmanager
def unread(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
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


def lost(port: int, count: int) -> int:
    """
    Ask for C{q0.test}, C{q1.test} and so on.

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
def test_unread(tmp_path: Path, workers: str) -> None:
    """
    All queries are answered while the pipe is full, and the server ends when it is told to.
    """
    with unread(tmp_path, "--workers", workers) as (process, port):
        assert lost(port, _MANY) == 0
        began = time.monotonic()
        process.terminate()
        process.wait(PATIENCE)
        assert time.monotonic() - began < _END


def test_readLater(tmp_path: Path) -> None:
    """
    Lines that there is no room for are dropped, and the log says how many where they are missing; all others come in order, the last ones
    of a server that ends too.
    """
    with unread(tmp_path) as (process, port):
        assert lost(port, _TOO_MANY) == 0
        assert process.stdout is not None
        text = b""
        while b"are missing here" not in text:
            assert select.select([process.stdout], [], [], PATIENCE)[0]
            text += os.read(process.stdout.fileno(), 1 << 20)
        assert lost(port, 1) == 0
        process.terminate()
        text += process.stdout.read()
    before, _, after = text.partition(b"are missing here")
    missing = re.search(rb"(\d+) lines of the log $", before)
    assert missing is not None
    numbers = [int(number) for number in re.findall(rb"q(\d+)\.test", before)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) + int(missing[1]) == _TOO_MANY
    assert re.findall(rb"q(\d+)\.test", after) == [b"0"], after
    assert b"Server Shut Down" in after


def test_parentStopped(tmp_path: Path) -> None:
    """
    Workers answer while their parent is stopped, which reads nothing of what they log.
    """
    with Twistd(tmp_path, "--workers", "2", "--query-log", "--local", "*.test A 192.0.2.1") as server:
        wait(lambda: server.text().count(" serves as process ") == 2, server)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            for _ in range(8):
                assert lost(server.port, _MANY // 2) == 0
        finally:
            os.kill(server.pid, signal.SIGCONT)
        wait(lambda: server.text().count("q999.test") >= 2, server)
        assert len(workersOf(server)) == 2
