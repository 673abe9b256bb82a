"""
Tests of C{twistd txdns} behind proxies of other projects, on real sockets.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import REPLY, Twistd, wait
from tests.peers import freePort, peer
from tests.queries import queryOf
from tests.server.listeners.https2peers import target
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

_QUERY: Final = queryOf("www.example.org")

#: A client that may ask, and one that may not.
_GOOD: Final = "127.0.0.2"
_BAD: Final = "127.0.0.3"

_HAPROXY: Final = """
defaults
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen tcp
    bind 127.0.0.1:{tcp}
    server us 127.0.0.1:{port} send-proxy-v2
listen first
    bind 127.0.0.1:{first}
    server us 127.0.0.1:{port} send-proxy
listen tls
    bind 127.0.0.1:{tls}
    server us 127.0.0.1:{ourTLS} send-proxy-v2
listen h2c
    mode http
    option forwardfor
    bind 127.0.0.1:{h2c}
    server us 127.0.0.1:{clear} proto h2
listen headed
    mode http
    bind 127.0.0.1:{headed}
    server us 127.0.0.1:{clear} send-proxy-v2
"""

_NGINX: Final = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d;
    scgi_temp_path {folder}/e;
    server {{
        listen 127.0.0.1:{plain};
        location / {{
            proxy_pass http://127.0.0.1:{clear};
            proxy_http_version 1.1;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""

_DNSDIST: Final = """
setLocal("127.0.0.1:{plain}")
setACL({{"127.0.0.0/8"}})
newServer({{address="127.0.0.1:{port}", useProxyProtocol=true}})
"""


class Behind:
    """
    A server of ours behind a proxy.

    @ivar ports: the ports of the proxy, by the names in its configuration.
    """

    def __init__(self, folder: Path) -> None:
        names = ("plain", "tcp", "first", "tls", "h2c", "headed", "ourTLS", "clear")
        self.ports = {name: freePort("127.0.0.1") for name in names}
        words = ["--tls", f"127.0.0.1:{self.ports['ourTLS']}", "--https-clear", f"127.0.0.1:{self.ports['clear']}", "--self-signed"]
        words += ["--no-recursive", "--local", "www.example.org A 192.0.2.80", "--trusted-proxies", "127.0.0.1", "--allow", f"{_GOOD}/32"]
        self.server = Twistd(folder, *words)
        self.ports["port"] = self.server.port
        self.folder = folder

    @contextmanager
    def running(self, configuration: str, port: str, *words: str) -> Iterator[None]:
        """
        Run server and proxy.

        @param port: the name of a port of the proxy, for which to wait.
        @param words: the command of the proxy, without the name of its configuration.
        """
        file = self.folder / "proxy.conf"
        file.write_text(configuration.format(folder=self.folder, **self.ports))
        with self.server, (self.folder / "proxy.log").open("wb") as log:
            process = subprocess.Popen([*words, str(file)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            try:
                wait(lambda: process.poll() is not None or self._listens(port))
                assert process.poll() is None, (self.folder / "proxy.log").read_text()
                yield
            finally:
                process.terminate()
                process.wait()

    def _listens(self, port: str) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.ports[port]), REPLY).close()
        except OSError:
            return False
        return True

    def byStream(self, port: str, client: str, encrypted: bool = False) -> int:
        """
        Return the rcode of the reply over TCP, or TLS.
        """
        with socket.create_connection(("127.0.0.1", self.ports[port]), REPLY, (client, 0)) as plain:
            connection = plain
            if encrypted:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                connection = context.wrap_socket(plain)
            with connection:
                connection.sendall(frame(_QUERY))
                got = b""
                while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):
                    more = connection.recv(65535)
                    if not more:
                        raise ConnectionError("closed")
                    got += more
        return Message.fromWire(got[2:]).rcode

    def byDatagram(self, port: str, client: str) -> int:
        """
        Return the rcode of the reply over UDP.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(REPLY)
            asking.bind((client, 0))
            asking.sendto(os.urandom(2) + _QUERY[2:], ("127.0.0.1", self.ports[port]))
            return Message.fromWire(asking.recv(65535)).rcode

    def byHTTP(self, port: str, client: str, **fields: str) -> tuple[int, int]:
        """
        Return status and rcode of the reply over HTTP, and over HTTP/2 behind the proxy if that speaks it.
        """
        connection = HTTPConnection("127.0.0.1", self.ports[port], REPLY, (client, 0))
        try:
            connection.request("GET", target(_QUERY).decode(), headers={name.replace("_", "-"): text for name, text in fields.items()})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return response.status, Message.fromWire(body).rcode if response.status == 200 else -1


@pytest.fixture
def behind(tmp_path: Path) -> Behind:
    """
    Prepare a server.
    """
    return Behind(tmp_path)


def test_haproxy(behind: Behind) -> None:
    """
    HAProxy names its clients in front of TCP, TLS and HTTP, by both versions of its header, and in each request over HTTP/2; what a client
    says of itself changes nothing.
    """
    with behind.running(_HAPROXY, "h2c", str(peer("haproxy")), "-db", "-f"):
        for client, rcode in ((_GOOD, 0), (_BAD, 5)):
            assert behind.byStream("tcp", client) == rcode
            assert behind.byStream("first", client) == rcode
            assert behind.byStream("tls", client, True) == rcode
            assert behind.byHTTP("h2c", client) == (200, rcode)
            assert behind.byHTTP("headed", client) == (200, rcode)
            assert behind.byHTTP("headed", client, Forwarded=f"for={_GOOD}") == (200, rcode)
        assert behind.byHTTP("h2c", _BAD, X_Forwarded_For=_GOOD) == (200, 5)
        assert behind.byHTTP("h2c", _BAD, Forwarded=f"for={_GOOD}") == (400, -1)


def test_nginx(behind: Behind) -> None:
    """
    Nginx names its clients in each request, whatever these say of themselves.
    """
    with behind.running(_NGINX, "plain", str(peer("nginx")), "-c"):
        for client, rcode in ((_GOOD, 0), (_BAD, 5)):
            assert behind.byHTTP("plain", client) == (200, rcode)
        assert behind.byHTTP("plain", _BAD, X_Forwarded_For=_GOOD) == (200, 5)
        assert behind.byHTTP("plain", _BAD, Forwarded=f"for={_GOOD}") == (400, -1)


def test_dnsdist(behind: Behind) -> None:
    """
    Dnsdist names its clients in front of each datagram and each connection.
    """
    with behind.running(_DNSDIST, "plain", str(peer("dnsdist")), "--supervised", "--disable-syslog", "-C"):
        # It asks no server until the server has answered a query of its own.
        wait(lambda: "as 'up'" in (behind.folder / "proxy.log").read_text())
        for _ in range(3):
            for client, rcode in ((_GOOD, 0), (_BAD, 5)):
                assert behind.byDatagram("plain", client) == rcode
                assert behind.byStream("plain", client) == rcode
