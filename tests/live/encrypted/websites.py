"""
A web server with one page, for clients that find it by name.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

__all__ = ["Website"]

_TEXT: Final = "<!doctype html><title>found</title><p>found by its name"


class _Server(ThreadingHTTPServer):
    """
    @ivar agents: the clients by which the page was loaded, in the order of their requests.
    """

    agents: list[str]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/":
            self.send_error(404)
            return
        assert isinstance(self.server, _Server)
        self.server.agents.append(self.headers.get("User-Agent", ""))
        octets = _TEXT.encode("ascii")
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, format: str, *args: object) -> None:
        """
        Log nothing.
        """


class Website:
    """
    A running server at 127.0.0.1.

    @ivar text: its page.
    """

    text: Final = _TEXT

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.agents = []
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def agents(self) -> list[str]:
        """
        The clients that have loaded the page.
        """
        return self._server.agents

    def url(self, host: str) -> str:
        """
        Return the URL of the page under the name of a host.
        """
        return f"http://{host}:{self._server.server_port}/"
