"""
Tests of workers that hang, with real processes: some are stopped, some continue in time.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.live.twistds import Twistd, wait, workersOf
from tests.live.zones.test_updates import ServerAddress, exchange
from tests.live.zones.test_workerzones import answers, updatable, update
from twisted_ext.wire.codes import Rcode

#: Seconds within which another worker serves: four until the hang is noticed, and the start on a busy machine.
_REPLACED = 12.0

#: Queries from as many ports, each of which reaches one of two workers.
_PORTS = 24


def stopWorker(server: Twistd) -> tuple[int, float]:
    """
    Stop one of two workers.

    @return: its process, and the time of the stop.
    """
    wait(lambda: server.text().count(" serves as process ") == 2, server)
    process = workersOf(server)[0]
    os.kill(process, signal.SIGSTOP)
    return process, time.monotonic()


def test_hungWorkerIsReplaced(tmp_path: Path) -> None:
    """
    A stopped worker of a forwarder is replaced within seconds, the log has the reason, and all clients are answered again.
    """
    with Twistd(tmp_path, "--workers", "2", "--local", "www.example.org A 192.0.2.1") as server:
        process, began = stopWorker(server)
        wait(lambda: process not in workersOf(server) and server.text().count(" serves as process ") == 3, server)
        assert time.monotonic() - began < _REPLACED, server.text()
        for _ in range(_PORTS):
            assert server.ask() == ["192.0.2.1"]
        assert "hangs: it has answered no heartbeat for" in server.text()
        assert "s and is stopped; another one replaces it" in server.text()


def test_updateDoesNotWaitForHungWorker(tmp_path: Path) -> None:
    """
    An update waits for a stopped worker no longer than the heartbeat allows. All workers serve it from then on.
    """
    server = ServerAddress(tmp_path)
    with Twistd(tmp_path, *updatable(tmp_path), port=server.port) as twistd:
        _, began = stopWorker(twistd)
        reply = None
        while reply is None:
            # The update may reach the stopped worker.
            try:
                reply = exchange(server, update("new.example.org", "192.0.2.77"))
            except TimeoutError:
                assert time.monotonic() - began < _REPLACED, twistd.text()
        assert reply.rcode == Rcode.NOERROR
        assert time.monotonic() - began < _REPLACED, twistd.text()
        assert answers(twistd, "new.example.org") == {("192.0.2.77",)}


def test_busyWorkerIsKept(tmp_path: Path) -> None:
    """
    A worker that does not answer for the length of a garbage collection is kept.
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
