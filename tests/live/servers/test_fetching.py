"""
Tests of C{twistd txdns} with lists that it fetches, from a server with a certificate.
"""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.certificates import authority, certificateFor
from tests.live.twistds import Twistd, exchange, wait
from tests.live.upstreams import Upstream

__all__: list[str] = []


class _Lists(ThreadingHTTPServer):
    """
    @ivar lists: what it sends, by path.
    @ivar tags: the header C{If-None-Match} of each request.
    """

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.lists: dict[str, bytes] = {}
        self.tags: list[str | None] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Lists

    def do_GET(self) -> None:
        body = self.server.lists.get(self.path)
        tag = self.headers.get("If-None-Match")
        self.server.tags.append(tag)
        if body is None:
            self.send_error(404)
        elif tag == f'"{len(body)}"':
            self.send_response(304)
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{len(body)}"')
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _serving(folder: Path) -> Iterator[_Lists]:
    certificate = folder / "lists.pem"
    certificate.write_bytes(certificateFor("lists.lan"))
    with _Lists(certificate) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield web
        finally:
            web.shutdown()
            thread.join()


def _rcodes(server: Twistd, name: str) -> set[int]:
    # Each worker answers some of these: the source port of a query decides which.
    return {exchange(server.port, name).flags & 15 for _ in range(10)}


def _control(path: Path, *words: str) -> str:
    command = [sys.executable, "-P", "-m", "twisted_ext", "control", "--socket", str(path), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_listsAreFetched(tmp_path: Path) -> None:
    """
    Lists are fetched with a certificate, by a host that one of them blocks, and all workers apply them. A list that is gone stays in force,
    also for the next server, which begins while the host is down.
    """
    trusted = tmp_path / "authority.pem"
    trusted.write_bytes(authority()[0])
    control = tmp_path / "control.sock"
    with Upstream(otherwise="192.0.2.80") as upstream, _serving(tmp_path) as web:
        place = f"https://lists.lan:{web.server_address[1]}"
        web.lists = {"/ads": b"ads.example\nlists.lan\n", "/games": b"||games.example^\n"}
        words = ["--upstream", upstream.label, "--local", "lists.lan A 127.0.0.1", "--local-domain", "lan", "--workers", "2"]
        words += ["--list", f"ads={place}/ads", "--list", f"games={place}/games", "--lists", "ads", "--lists", "games"]
        words += ["--state", str(tmp_path / "state"), "--control", str(control)]
        environment = {"SSL_CERT_FILE": str(trusted)}
        with Twistd(tmp_path, *words, environment=environment) as server:
            wait(lambda: _rcodes(server, "x.ads.example") == {3} and _rcodes(server, "games.example") == {3}, server)
            assert "list ads: 2 rules in 22 octets from https://lists.lan" in server.text()
            assert _rcodes(server, "www.example.org") == {0}
            web.lists = {"/ads": b"ads.example\nmore.example\n"}
            assert _control(control, "lists", "fetch", "ads").startswith("list ads: it is to be fetched; ")
            wait(lambda: _rcodes(server, "more.example") == {3}, server)
            _control(control, "lists", "fetch", "games")
            wait(lambda: "list games: lists.lan: it replied with the status 404; the copy of " in server.text(), server)
            _control(control, "lists", "fetch", "ads")
            wait(lambda: "list ads: it has not changed" in server.text(), server)
            assert _rcodes(server, "games.example") == {3}
            assert "games (https://lists.lan" in _control(control, "status")
            assert server.process is not None
            server.process.kill()
        assert [tag for tag in web.tags if tag] == ['"22"', '"17"', '"25"']
    with Upstream(otherwise="192.0.2.80") as upstream:
        words[1] = upstream.label
        with Twistd(tmp_path, *words, environment=environment) as server:
            assert (_rcodes(server, "more.example"), _rcodes(server, "games.example")) == ({3}, {3})
            assert "unchanged since the last start" in server.text()
