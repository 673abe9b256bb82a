"""
Small runs of the benchmarks of encrypted transports, which count instead of measuring time: idle connections, resets, and look-ups while
the server or one of its workers is killed. Each starts several programs, so it takes some seconds.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest

from benchmarks.encrypted import idle, leaks, resets, workers
from benchmarks.encrypted.servers import Transport
from tests.peers import peer


@pytest.fixture(autouse=True)
def _unchanged() -> Iterator[None]:
    """
    Undo what benchmarks change of their process.
    """
    peer("nsd")
    cores, files = os.sched_getaffinity(0), resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    os.sched_setaffinity(0, cores)
    resource.setrlimit(resource.RLIMIT_NOFILE, files)


def test_idleConnectionsAreKept() -> None:
    """
    As many idle connections as the settings allow are kept, and another client is answered.
    """
    found = idle.measure(600)
    assert (found.opened, found.kept, found.wrong) == (600, 600, 0)
    # Without the setting there would be 512; a buffer of TLS that is not released would be 32 kB more.
    assert found.each < 60


def test_attack32_resetsEndTheConnection() -> None:
    """
    5,000 queries that are reset at once end in GOAWAY, hardly any reaches the upstream, nothing of them is left, and another client is
    answered.
    """
    found = resets.measure()
    assert (found.code, found.pending, found.other) == ("ENHANCE_YOUR_CALM", 0, True)
    assert found.asked <= 100


@pytest.mark.parametrize("transport", ["tls", "https"])
def test_killedWorkerLosesNothing(transport: str) -> None:
    """
    Clients whose worker is killed connect again, and each query gets its answer.
    """
    found = workers.measure("kill", transport, 2)
    assert found.events
    assert found.again
    assert found.lost == 0


@pytest.mark.parametrize("transport", leaks.TRANSPORTS)
def test_nothingIsLeftBehind(transport: Transport) -> None:
    """
    After look-ups that succeed, fail and are cancelled, while the server is killed and gets other settings and certificates, neither side
    holds a socket, timer, request or connection.
    """
    found = leaks.measure(transport, 3000, 0.3)
    assert found.disturbed[0] and found.failed
    assert found.faults() == []
