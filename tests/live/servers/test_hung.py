"""
Tests of workers that hang, with real processes: stopped ones, and some that go on in time.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.live.twistds import Twistd, wait, workersOf
from tests.live.zones.test_updates import Served, exchange
from tests.live.zones.test_workerzones import answers, update, updated
from twisted_ext.wire.codes import Rcode

#: Seconds within which another worker serves: four until it is noticed, and the start on a machine that has other things to do.
_REPLACED = 12.0

#: Questions from as many ports, each of which goes to one of two workers.
_PORTS = 24


def stopped(server: Twistd) -> tuple[int, float]:
    """
    Stop one of two workers.

    @return: its process, and when that was.
    """
    wait(lambda: server.text().count(" serves as process ") == 2, server)
    process = workersOf(server)[0]
    os.kill(process, signal.SIGSTOP)
    return process, time.monotonic()


def test_forwarder(tmp_path: Path) -> None:
    """
    A stopped worker of a server without zones is replaced within seconds, the log has the reason, and all clients are answered again.
    """
    with Twistd(tmp_path, "--workers", "2", "--local", "www.example.org A 192.0.2.1") as server:
        process, began = stopped(server)
        wait(lambda: process not in workersOf(server) and server.text().count(" serves as process ") == 3, server)
        assert time.monotonic() - began < _REPLACED, server.text()
        for _ in range(_PORTS):
            assert server.ask() == ["192.0.2.1"]
        assert "hangs: it has answered no heartbeat for" in server.text()
        assert "s and is stopped; another one replaces it" in server.text()


def test_updates(tmp_path: Path) -> None:
    """
    An update does not wait longer for a stopped worker than it takes to notice that, and all workers answer with it from then on.
    """
    server = Served(tmp_path)
    with Twistd(tmp_path, *updated(tmp_path), port=server.port) as twistd:
        _, began = stopped(twistd)
        reply = None
        while reply is None:
            # The worker that is stopped may be the one that is asked.
            try:
                reply = exchange(server, update("new.example.org", "192.0.2.77"))
            except TimeoutError:
                assert time.monotonic() - began < _REPLACED, twistd.text()
        assert reply.rcode == Rcode.NOERROR
        assert time.monotonic() - began < _REPLACED, twistd.text()
        assert answers(twistd, "new.example.org") == {("192.0.2.77",)}


def test_busy(tmp_path: Path) -> None:
    """
    A worker that does nothing for as long as a collection of garbage takes is left alone.
    """
    with Twistd(tmp_path, "--workers", "2", "--local", "www.example.org A 192.0.2.1") as server:
        wait(lambda: server.text().count(" serves as process ") == 2, server)
        before = workersOf(server)
        for process in before:
            os.kill(process, signal.SIGSTOP)
        time.sleep(1.5)
        for process in before:
            os.kill(process, signal.SIGCONT)
        time.sleep(4)
        assert workersOf(server) == before, server.text()
        assert server.ask() == ["192.0.2.1"]
