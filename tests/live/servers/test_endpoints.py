"""
Tests of C{twistd txdns} at Unix sockets and at sockets that systemd passes for encrypted transports.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import REPLY, Twistd, twistd, wait, workersOf
from tests.queries import queryOf
from tests.server.listeners.https2peers import target
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

_QUERY: Final = queryOf("www.example.org")

_GOOD: Final = "198.51.100.7"
_BAD: Final = "203.0.113.1"

_WORDS: Final = ("--no-recursive", "--local", "www.example.org A 192.0.2.80", "--allow", "198.51.100.0/24", "--allow", "127.0.0.0/8")

#: Starts a command with sockets from descriptor 3 on, as sd_listen_fds(3) describes.
_HAND_DOWN: Final = """
import os, sys
several = [int(each) for each in sys.argv[1].split(",")]
for number, descriptor in enumerate(several):
    os.dup2(descriptor, 100 + number)
for number in range(len(several)):
    os.dup2(100 + number, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(several)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=REPLY)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(REPLY)
        self.sock.connect(str(self._path))


def _ask(path: Path, header: bytes = b"", **fields: str) -> tuple[int, int]:
    """
    Return status and rcode of the reply to a request at a Unix socket.

    @param header: one of the PROXY protocol to send first.
    """
    connection = _UnixConnection(path)
    try:
        connection.connect()
        connection.sock.sendall(header)
        connection.request("GET", target(_QUERY).decode(), headers={name.replace("_", "-"): text for name, text in fields.items()})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    return response.status, Message.fromWire(body).rcode if response.status == 200 else -1


@pytest.mark.parametrize("workers", [1, 2])
def test_unixSocket(tmp_path: Path, workers: int) -> None:
    """
    A reverse proxy at a Unix socket names its clients, to which the access list applies; without one it is refused. A worker that ends
    leaves the socket to the others, and the server removes it in the end.
    """
    path = tmp_path / "doh"
    words = ("--https-clear", f"unix:{path}:mode=600", "--trusted-proxies", "unix", "--workers", str(workers))
    with Twistd(tmp_path, *_WORDS, *words) as server:
        assert path.stat().st_mode & 0o777 == 0o600
        for _ in range(4):
            assert _ask(path, X_Forwarded_For=_GOOD) == (200, 0)
            assert _ask(path, Forwarded=f"for={_BAD}") == (200, 5)
            assert _ask(path) == (200, 5)
            assert _ask(path, b"PROXY TCP4 %b 192.0.2.1 4711 443\r\n" % _GOOD.encode()) == (200, 0)
            assert _ask(path, b"PROXY TCP4 %b 192.0.2.1 4711 443\r\n" % _BAD.encode(), X_Forwarded_For=_GOOD) == (200, 5)
        if workers > 1:
            ended = workersOf(server)[0]
            os.kill(ended, 15)
            wait(lambda: ended not in workersOf(server))
            assert _ask(path, X_Forwarded_For=_GOOD) == (200, 0)
    assert not path.exists()


def test_socketsOfSystemd(tmp_path: Path) -> None:
    """
    TLS and HTTPS listen at the sockets that systemd passes for them; plain DNS has the others.
    """
    path = tmp_path / "doh"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain,
        socket.create_server(("127.0.0.1", 0)) as tls,
        socket.socket(socket.AF_UNIX) as doh,
    ):
        plain.bind(("127.0.0.1", 0))
        doh.bind(str(path))
        doh.listen()
        several = (plain, tls, doh)
        words = ["-n", "--pidfile", "", "txdns", "--control", "", "--hosts-file", "", "--self-signed", "--trusted-proxies", "unix", *_WORDS]
        words += ["--tls", "systemd:domain=INET:index=1", "--https-clear", "systemd:name=doh", "--state", str(tmp_path)]
        command = [sys.executable, "-c", _HAND_DOWN, ",".join([str(each.fileno()) for each in several]), "dns:dot:doh", *twistd(*words)]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, pass_fds=[each.fileno() for each in several])
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                # The sockets queue what comes before the server runs.
                asking.settimeout(10 * REPLY)
                asking.sendto(_QUERY, plain.getsockname())
                assert Message.fromWire(asking.recv(4096)).rcode == 0, (tmp_path / "log").read_text()
            assert _ask(path, X_Forwarded_For=_GOOD) == (200, 0)
            assert _ask(path, X_Forwarded_For=_BAD) == (200, 5)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(tls.getsockname(), REPLY) as clear, context.wrap_socket(clear) as encrypted:
                encrypted.sendall(frame(_QUERY))
                with encrypted.makefile("rb") as reading:
                    assert Message.fromWire(reading.read(int.from_bytes(reading.read(2), "big"))).rcode == 0
        finally:
            process.terminate()
            process.wait(10 * REPLY)
        # It belongs to systemd.
        assert path.exists()
