"""
Clients that overload the status page: pipelined requests, and headers that dribble in. Real sockets, one process for the page and for DNS.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from unittest.mock import patch
from urllib.request import urlopen

import pytest

from tests.live import twistds
from tests.live.twistds import Twistd
from tests.peers import freePort
from tests.test_architecture import ROOT
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD

#: DNS queries during the attack, the seconds between two, and the seconds after which a reply is late.
_PROBES: Final = 100
_EVERY: Final = 0.03
_LATE: Final = 1.0

#: Seconds for the page under attack, for one that never comes, which is over twice what it takes otherwise, and for the end of the server.
_PAGE: Final = 10.0
_NEVER: Final = 4.0
_END: Final = 5.0

#: Megabytes that the server may grow by.
_GROWTH: Final = 40.0

#: A server without the limits: like Twisted's own with a limit on connections and on idle ones.
_UNDEFENDED: Final = """
from twisted_ext.web.status import service
from twisted_ext.server.operations.boundedhttp import BoundedSite, ConnectionLimit
class Undefended(ConnectionLimit):
    def __init__(self, root, clock, request, timer):
        super().__init__(BoundedSite(root, clock, 20, request), 64)
    def listens(self, port):
        pass
service.PublicSite = Undefended
service.SharedBytes = type("Unshared", (), {"__init__": lambda self, make, *_: setattr(self, "get", make)})
from twisted.scripts.twistd import run
run()
"""

#: Pipelines requests without end, or sends a header a little at a time. Replies are discarded.
_ATTACKER: Final = """
import select, socket, sys, time
port, dribbles, count = int(sys.argv[1]), sys.argv[2] == "dribble", int(sys.argv[3])
many = b"GET /status.json HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n" * 500
left = {}
while True:
    while len(left) < count:
        try:
            made = socket.create_connection(("127.0.0.1", port), 0.5)
        except OSError:
            break
        made.setblocking(False)
        left[made] = b"GET / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n" if dribbles else many
    readable, writable, _ = select.select(left, left, [], 0.2)
    for each in set(readable) | set(writable):
        try:
            if each in readable and not each.recv(1 << 20):
                raise ConnectionError
            if each in writable:
                left[each] = left[each][each.send(left[each]):] or (b"X: y\\r\\n" if dribbles else many)
        except BlockingIOError:
            pass
        except OSError:
            each.close()
            del left[each]
    time.sleep(0.2 if dribbles else 0)
"""


@contextmanager
def attack(port: int, *words: str) -> Iterator[None]:
    """
    Attack the page at this port meanwhile.
    """
    with subprocess.Popen([sys.executable, "-c", _ATTACKER, str(port), *words]) as attacker:
        try:
            time.sleep(2)
            yield
        finally:
            attacker.kill()


def lateProbes(port: int) -> int:
    """
    Return how many queries over UDP got no reply in time.
    """
    query = buildQuery(RD, questionOf("www.example.org").toWire(), b"")
    waiting: dict[bytes, float] = {}
    late = 0

    def hear(until: float) -> None:
        nonlocal late
        while (left := until - time.monotonic()) > 0:
            if select.select([asking], [], [], left)[0]:
                with suppress(OSError):
                    began = waiting.pop(asking.recv(4096)[:2], 0.0)
                    late += time.monotonic() - began > _LATE

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", port))
        for number in range(_PROBES):
            id = number.to_bytes(2, "big")
            waiting[id] = time.monotonic()
            asking.send(id + query)
            hear(time.monotonic() + _EVERY)
        if waiting:
            hear(time.monotonic() + _LATE)
    return late + len(waiting)


def residentMegabytes(process: int) -> float:
    """
    Return the memory of a process.
    """
    return int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def pageSeconds(port: int, patience: float) -> float:
    """
    Return how long it takes to get the page, infinite where it does not come in that time.
    """
    began = time.monotonic()
    while time.monotonic() - began < patience:
        with suppress(OSError):
            assert b"<html" in urlopen(f"http://127.0.0.1:{port}/", timeout=patience).read()
            return time.monotonic() - began
        time.sleep(0.2)
    return float("inf")


class _Outcome:
    """
    The results of an attack.
    """

    def __init__(self, folder: Path, *words: str, patience: float = _PAGE) -> None:
        page = freePort("127.0.0.1")
        server = Twistd(
            folder,
            *("--http", f"127.0.0.1:{page}", "--local", "www.example.org A 192.0.2.1"),
            environment={"PYTHONPATH": str(ROOT)},
        )
        with server:
            before = residentMegabytes(server.pid)
            with attack(page, *words):
                self.late = lateProbes(server.port)
                self.page = pageSeconds(page, patience)
                self.growth = residentMegabytes(server.pid) - before
                began = time.monotonic()
                server.stop()
                self.end = time.monotonic() - began

    def __str__(self) -> str:
        return f"{self.late} late, page after {self.page:.2f} s, {self.growth:+.0f} MB, ended after {self.end:.2f} s"


@pytest.mark.parametrize(("way", "count"), [("pipeline", "16"), ("dribble", "200")])
def test_attackedPageDoesNotAffectDNS(way: str, count: str, tmp_path: Path) -> None:
    """
    DNS loses nothing, the page is served, the server does not grow, and it stops on SIGTERM.
    """
    outcome = _Outcome(tmp_path, way, count)
    assert outcome.late == 0, outcome
    assert outcome.page < _PAGE, outcome
    assert outcome.growth < _GROWTH, outcome
    assert outcome.end < _END, outcome


@pytest.mark.long
@pytest.mark.parametrize(("way", "count"), [("pipeline", "16"), ("dribble", "200")])
def test_withoutLimitsPageAttackSucceeds(way: str, count: str, tmp_path: Path) -> None:
    """
    Without the limits the page is not served while headers dribble in, and pipelined requests make the server grow or answer late.
    """
    with patch.object(twistds, "twistd", lambda *words: [sys.executable, "-c", _UNDEFENDED, *words]):
        outcome = _Outcome(tmp_path, way, count, patience=_NEVER)
    if way == "pipeline":
        assert outcome.late or outcome.growth > _GROWTH, outcome
    else:
        assert outcome.page == float("inf"), outcome
