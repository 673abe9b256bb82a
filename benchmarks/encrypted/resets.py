"""
Queries over HTTPS that are reset as soon as they are sent: the connection ends with ENHANCE_YOUR_CALM, and little of it reaches the
upstream.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated
from h2.exceptions import H2Error

from benchmarks.encrypted.churn import figures
from benchmarks.encrypted.processes import clientContext, shaken
from benchmarks.encrypted.servers import NAME, Ports, oursWith
from benchmarks.encrypted.workers import HTTPSClient
from benchmarks.loads import query
from benchmarks.peering import CORES
from benchmarks.servers import Server

__all__ = ["Resets", "measure"]

_COUNT: Final = 5000

#: Seconds to wait for the end of the connection, and for requests to end.
_PATIENCE: Final = 10.0


@dataclass(frozen=True)
class Resets:
    """
    What came of it.

    @ivar sent: queries that were sent and reset until the connection ended.
    @ivar code: the reason of GOAWAY.
    @ivar asked: queries that the upstream got.
    @ivar pending: requests that the server still holds some seconds later.
    @ivar other: whether another client was answered meanwhile.
    """

    sent: int
    code: str
    asked: int
    pending: int
    other: bool


class _Silent(threading.Thread):
    """
    An upstream that counts queries and never answers.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.seen: set[bytes] = set()
        self._going = True
        self.start()

    def run(self) -> None:
        while self._going:
            with suppress(TimeoutError):
                self.seen.add(self.socket.recv(4096)[12:].lower())

    def close(self) -> None:
        self._going = False
        self.join()
        self.socket.close()


def measure(count: int = _COUNT) -> Resets:
    """
    Send so many queries with their resets on one connection.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="txdns-encrypted-")))
        os.sched_setaffinity(0, set(CORES))
        silent = _Silent()
        stack.callback(silent.close)
        ports = Ports.made(folder)
        # The answer by which the server counts as started, and that of the other client.
        words = ("--local", "h1.example.test 300 A 10.0.0.1")
        server = stack.enter_context(Server(oursWith(ports, *words), silent.socket.getsockname(), {CORES[0]}))
        assert server.processes
        tls = shaken(clientContext(ports.authority, "h2"), ports.https)
        stack.callback(tls.close)
        h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        h2.initiate_connection()
        head = [(":method", "POST"), (":scheme", "https"), (":authority", NAME), (":path", "/dns-query")]
        sent = 0
        code = ""
        end = time.monotonic() + _PATIENCE
        while not code and time.monotonic() < end:
            with suppress(H2Error):
                for _ in range(50 if sent < count else 0):
                    asked = query(0, f"n{sent}.silent.test")
                    stream = h2.get_next_available_stream_id()
                    length = ("content-length", str(len(asked)))
                    h2.send_headers(stream, [*head, ("content-type", "application/dns-message"), length])
                    h2.send_data(stream, asked, end_stream=True)
                    h2.reset_stream(stream, ErrorCodes.CANCEL)
                    sent += 1
            tls.send(h2.data_to_send())
            select.select([tls.socket], [], [], 0.005)
            plain = tls.step()
            if plain is None:
                code = "closed"
            for event in h2.receive_data(plain) if plain else ():
                if isinstance(event, ConnectionTerminated):
                    code = ErrorCodes(event.error_code or 0).name
        other = HTTPSClient(ports.authority, ports.https)
        stack.callback(other.close)
        isAnswered = other.asks(1)
        pending = 1
        giveUp = time.monotonic() + _PATIENCE
        while pending and time.monotonic() < giveUp:
            time.sleep(0.2)
            pending = int(figures(ports.web)["txdns_pending"])
        return Resets(sent, code, len(silent.seen), pending, isAnswered)
