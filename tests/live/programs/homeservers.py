"""
A whole released Synapse with our resolver in its configuration, and other homeservers for it to find.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from tests.certificates import certificateFor, written
from tests.live.programs.federating import DOMAIN
from tests.patience import PATIENCE
from tests.test_architecture import ROOT

__all__ = ["fetch", "homeserver", "otherHomeservers"]

#: Seconds between two checks whether it answers.
_LOOK_EVERY: Final = 0.05


class _Local(HTTPConnection):
    """
    A connection through a Unix socket, which no other process can take.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """
        Connect.
        """
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def fetch(path: Path, page: str) -> tuple[int, object]:
    """
    Return the status and the body of a page.

    @param path: the socket of a homeserver.
    """
    connection = _Local(path)
    try:
        # Synapse expects a proxy on such a socket, which names the client.
        connection.request("GET", page, headers={"X-Forwarded-For": "127.0.0.1"})
        with connection.getresponse() as response:
            return response.status, json.loads(response.read())
    finally:
        connection.close()


class _Profiles(BaseHTTPRequestHandler):
    """
    Reply to every profile request with the server that was named.
    """

    def do_GET(self) -> None:
        """
        Reply.
        """
        said = json.dumps({"displayname": f"of {self.headers['Host']}"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *values: object) -> None:
        """
        Log nothing.
        """


@contextmanager
def otherHomeservers(folder: Path) -> Iterator[int]:
    """
    Serve as all homeservers of the domain, at one port of 127.0.0.1.

    @return: the port.
    """
    (folder / "others.pem").write_bytes(certificateFor(f"*.{DOMAIN}"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "others.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Profiles) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = Thread(target=server.serve_forever, args=(_LOOK_EVERY,))
        serving.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            serving.join()


@contextmanager
def homeserver(folder: Path, resolver: str) -> Iterator[Path]:
    """
    Run Synapse until the context ends.

    @param folder: an empty one, for all its files.
    @param resolver: the description of its resolver.
    @return: the socket for its clients.
    """
    path, log = folder / "socket", folder / "log"
    configuration = {
        "server_name": f"here.{DOMAIN}",
        "listeners": [{"path": str(path), "type": "http", "resources": [{"names": ["client"]}]}],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "database")}},
        "log_config": str(folder / "logging"),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "key"),
        "macaroon_secret_key": "a",
        "form_secret": "b",
        "report_stats": False,
        "trusted_key_servers": [],
        "ip_range_whitelist": ["127.0.0.1"],
        "federation_custom_ca_list": [str(written(folder))],
        "modules": [{"module": "twisted_ext.integrations.synapse.FederationResolver", "config": {"resolver": resolver}}],
    }
    logging = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"all": {"class": "logging.StreamHandler"}},
        "root": {"level": "INFO", "handlers": ["all"]},
    }
    # JSON is YAML.
    (folder / "configuration").write_text(json.dumps(configuration))
    (folder / "logging").write_text(json.dumps(logging))
    command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(folder / "configuration")]
    subprocess.run([*command, "--generate-keys"], check=True, capture_output=True, cwd=ROOT)
    with log.open("wb") as writing:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, cwd=ROOT)
    try:
        giveUp = time.monotonic() + PATIENCE
        while not _answers(path):
            if process.poll() is not None or time.monotonic() > giveUp:
                raise OSError(f"Synapse does not answer:\n{log.read_text()}")
            time.sleep(_LOOK_EVERY)
        yield path
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(path: Path) -> bool:
    try:
        return fetch(path, "/_matrix/client/versions")[0] == 200
    except OSError:
        return False
