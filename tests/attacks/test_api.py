"""
Clients that overload the HTTP API: wrong tokens without end, bodies that dribble in, and the whole of a zone again and again. Its site is
that of the status page, where L{tests.attacks.test_statuspage} shows what happens without its limits.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.attacks.test_statuspage import lateProbes, residentMegabytes
from tests.live.zones.test_api import Api

#: Connections of the attacker, more than one address may have.
_COUNT: Final = 40

#: Seconds for a client at another address under attack, and megabytes that the server may grow by.
_PATIENCE: Final = 10.0
_GROWTH: Final = 40.0

#: Sends these octets again and again over each connection, or one octet of them a second.
_ATTACKER: Final = """
import select, socket, sys, time
port, count, dribbles, octets = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "dribble", bytes.fromhex(sys.argv[4])
left = {}
while True:
    while len(left) < count:
        try:
            made = socket.create_connection(("127.0.0.1", port), 0.5)
        except OSError:
            break
        made.setblocking(False)
        left[made] = octets
    readable, writable, _ = select.select(left, left, [], 0.2)
    for each in set(readable) | set(writable):
        try:
            if each in readable and not each.recv(1 << 20):
                raise ConnectionError
            if each in writable:
                left[each] = left[each][each.send(left[each]):] or (b"x" if dribbles else octets)
        except BlockingIOError:
            pass
        except OSError:
            each.close()
            del left[each]
    time.sleep(1 if dribbles else 0)
"""


@contextmanager
def _attack(port: int, octets: bytes, how: str) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", _ATTACKER, str(port), str(_COUNT), how, octets.hex()]) as attacker:
        try:
            time.sleep(2)
            yield
        finally:
            attacker.kill()


def _request(method: str, path: str, secret: str, *more: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"X-API-Key: {secret}", *more, "", ""]).encode()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    lines = "\n".join([f"h{number} 60 A 192.0.2.{number % 250}" for number in range(20_000)])
    with (tmp_path / "example.org").open("a") as file:
        file.write(lines)
    made.begin()
    yield made
    made.twistd.stop()


@pytest.mark.parametrize("what", ["guesses", "bodies", "zones"])
def test_queriesAreAnswered(api: Api, what: str) -> None:
    """
    No query is answered late, other clients of the API get their replies, and the server does not grow.
    """
    zone = "/api/v1/servers/localhost/zones/example.org."
    octets, how = {
        "guesses": (_request("GET", "/api", "wrong") * 100, "flood"),
        "bodies": (_request("PATCH", zone, api.secrets["all"], "Content-Length: 4000000"), "dribble"),
        "zones": (_request("GET", zone, api.secrets["reads"]) * 100, "flood"),
    }[what]
    process = api.twistd.process
    assert process is not None
    api.ask("GET", zone)
    before = residentMegabytes(process.pid)
    with _attack(api.port, octets, how):
        assert lateProbes(api.server.port) == 0
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=_PATIENCE, source_address=("127.0.0.2", 0))
        connection.request("GET", "/api", headers={"X-API-Key": api.secrets["all"]})
        with connection.getresponse() as reply:
            assert reply.status == 200
        connection.close()
        assert time.monotonic() - began < _PATIENCE
    assert residentMegabytes(process.pid) - before < _GROWTH
    assert "Traceback" not in api.twistd.text()
