"""
Clients that overload the console: a thousand connections, passwords that are guessed, forms that dribble in, and large pages again and
again. Its site is that of the status page, where L{tests.attacks.test_statuspage} shows what happens without its limits.
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
from urllib.parse import urlencode

import pytest

from tests.attacks.test_statuspage import lateProbes, residentMegabytes
from tests.live.console.test_console import PASSWORD, Browser, Console
from tests.live.twistds import wait

#: Seconds for a client at another address under attack, and megabytes that the server may grow by: 64 forms of 1 MiB at most.
_PATIENCE: Final = 15.0
_GROWTH: Final = 90.0

#: Sends these octets again and again over each connection, or one octet of them a second.
_ATTACKER: Final = """
import resource, select, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
port, count, addresses, dribbles = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "dribble"
octets = sys.stdin.buffer.read()
left, made = {}, 0
poll = select.epoll()
while True:
    for _ in range(50):
        if len(left) >= count:
            break
        made += 1
        each = socket.socket()
        each.setblocking(False)
        try:
            each.bind((f"127.0.9.{made % addresses + 1}", 0))
            each.connect_ex(("127.0.0.1", port))
        except OSError:
            each.close()
            break
        left[each.fileno()] = [each, octets]
        poll.register(each, select.EPOLLIN | select.EPOLLOUT)
    for number, events in poll.poll(0.2):
        each = left[number]
        try:
            if events & select.EPOLLIN and not each[0].recv(1 << 20):
                raise ConnectionError
            if events & select.EPOLLOUT:
                each[1] = each[1][each[0].send(each[1]):] or (b"x" if dribbles else octets)
        except BlockingIOError:
            pass
        except OSError:
            poll.unregister(each[0])
            each[0].close()
            del left[number]
    time.sleep(1 if dribbles else 0.001)
"""


@contextmanager
def attack(port: int, octets: bytes, how: str, count: int, addresses: int) -> Iterator[None]:
    """
    Attack a site with so many connections from so many addresses.
    """
    words = [sys.executable, "-c", _ATTACKER, str(port), str(count), str(addresses), how]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as attacker:
        assert attacker.stdin is not None
        attacker.stdin.write(octets)
        attacker.stdin.close()
        try:
            time.sleep(2)
            yield
        finally:
            attacker.kill()


def request(port: int, method: str, path: str, body: bytes = b"", *, length: int | None = None, cookie: str = "") -> bytes:
    """
    Return a request as a browser sends it.

    @param length: what it says of the body, if that is something else.
    """
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Origin: http://127.0.0.1:{port}", f"Cookie: {cookie}"]
    lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body) if length is None else length}", "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    lines = "\n".join([f"h{number} 60 A 192.0.2.{number % 250}" for number in range(14_000)])
    with (tmp_path / "example.org").open("a") as file:
        file.write(lines)
    made.begin()
    yield made
    made.twistd.stop()


@pytest.mark.parametrize(
    ("what", "count", "addresses"), [("guesses", 40, 1), ("texts", 40, 1), ("guesses", 1000, 250), ("forms", 1000, 250)]
)
def test_queriesAreAnswered(console: Console, what: str, count: int, addresses: int) -> None:
    """
    No query is answered late, and the server does not grow, whatever the attacker does with so many connections. From one address, it
    keeps no user from the console.
    """
    browser = Browser(console, "guest")
    octets, how = {
        "guesses": (request(console.port, "POST", "/signin", urlencode({"name": "anna", "password": "guess"}).encode()) * 20, "flood"),
        "forms": (request(console.port, "POST", "/signin", b"name=", length=1_000_000), "dribble"),
        "texts": (request(console.port, "GET", "/zones/example.org./text", cookie=browser.cookie) * 20, "flood"),
    }[what]
    process = console.twistd.process
    assert process is not None
    assert browser.get("/zones/example.org./text") == 200
    before = residentMegabytes(process.pid)
    with attack(console.port, octets, how, count, addresses):
        assert lateProbes(console.server.port) == 0
        if addresses == 1:
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=_PATIENCE, source_address=("127.0.0.2", 0))
            connection.request("GET", "/", headers={"Cookie": browser.cookie})
            with connection.getresponse() as reply:
                assert reply.status == 200
            connection.close()
            assert time.monotonic() - began < _PATIENCE
    assert residentMegabytes(process.pid) - before < _GROWTH
    wait(lambda: _answers(browser), console.twistd)
    assert "Traceback" not in console.twistd.text()
    assert PASSWORD not in console.twistd.text()


def _answers(browser: Browser) -> bool:
    try:
        return browser.get("/") == 200
    except OSError:
        return False
