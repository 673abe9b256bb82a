"""
What clients notice while a worker is killed, and while settings are read again: over UDP, TCP, TLS and HTTPS.

Eight clients, each on a connection of its own, ask one query after the other. A client whose connection ends opens another one and asks
again, as resolvers do; a query is lost if it has no right answer after that.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.encrypted.processes import TLSClient, clientContext, shaken
from benchmarks.encrypted.servers import NAME, Ports, oursWith
from benchmarks.loads import addressOf, query, right
from benchmarks.peering import CORES, zoneServer
from benchmarks.servers import Server

__all__ = ["EVENTS", "TRANSPORTS", "Disturbed", "HTTPSClient", "clientFor", "measure"]

TRANSPORTS: Final = ("udp", "tcp", "tls", "https")
EVENTS: Final = ("kill", "reload")

_CLIENTS: Final = 8
_NAMES: Final = 100

#: Seconds to wait for an answer, and for a new connection.
_PATIENCE: Final = 2.0

#: Seconds between two queries of a client.
_PAUSE: Final = 0.005


@dataclass(frozen=True)
class Disturbed:
    """
    What came of it.

    @ivar asked: queries.
    @ivar again: those asked once more, on a new connection or since no answer came.
    @ivar lost: those without a right answer.
    @ivar events: how often it happened.
    @ivar slowest: seconds that the slowest answer took, with a new connection.
    """

    event: str
    transport: str
    asked: int
    again: int
    lost: int
    events: int
    slowest: float


#: Asks for a name by its number; returns whether the answer is right, or raises OSError.
Ask = Callable[[int], bool]


class HTTPSClient:
    """
    One connection over HTTPS, with h2 as its client.
    """

    def __init__(self, authority: Path, port: int) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._tls = shaken(clientContext(authority, "h2"), port, seconds=_PATIENCE)
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._tls.send(self._h2.data_to_send())

    def asks(self, number: int, seconds: float = _PATIENCE) -> bool:
        """
        Ask for a name of the zone.

        @return: whether the reply was right.

        @raise OSError: there was none.
        """
        from h2.events import DataReceived, StreamEnded

        asked = query(0, f"h{number}.example.test")
        stream = self._h2.get_next_available_stream_id()
        head = [(":method", "POST"), (":scheme", "https"), (":authority", NAME), (":path", "/dns-query")]
        self._h2.send_headers(stream, [*head, ("content-type", "application/dns-message"), ("content-length", str(len(asked)))])
        self._h2.send_data(stream, asked, end_stream=True)
        self._tls.send(self._h2.data_to_send())
        body = b""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            select.select([self._tls.socket], [], [], 0.1)
            plain = self._tls.step()
            if plain is None:
                raise ConnectionError("closed")
            for event in self._h2.receive_data(plain) if plain else ():
                if isinstance(event, DataReceived):
                    body += event.data
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded) and event.stream_id == stream:
                    return right(asked, body, addressOf(number))
            self._tls.send(self._h2.data_to_send())
        raise TimeoutError

    def close(self) -> None:
        self._tls.close()


class _TLS:
    def __init__(self, authority: Path, port: int) -> None:
        self._client: TLSClient = shaken(clientContext(authority), port, seconds=_PATIENCE)

    def asks(self, number: int) -> bool:
        if not self._client.asks(number, _PATIENCE):
            raise ConnectionError("no answer")
        return True

    def close(self) -> None:
        self._client.close()


class _Plain:
    def __init__(self, isStream: bool, port: int) -> None:
        self._isStream = isStream
        self._socket = socket.socket(type=socket.SOCK_STREAM if isStream else socket.SOCK_DGRAM)
        self._socket.settimeout(_PATIENCE)
        self._socket.connect(("127.0.0.1", port))

    def asks(self, number: int) -> bool:
        asked = query(random.getrandbits(16), f"h{number}.example.test")
        if not self._isStream:
            self._socket.send(asked)
            return right(asked, self._socket.recv(4096), addressOf(number))
        self._socket.sendall(len(asked).to_bytes(2, "big") + asked)
        got = b""
        while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):
            piece = self._socket.recv(4096)
            if not piece:
                raise ConnectionError("closed")
            got += piece
        return right(asked, got[2:], addressOf(number))

    def close(self) -> None:
        self._socket.close()


Client = HTTPSClient | _TLS | _Plain


def clientFor(transport: str, ports: Ports, plain: int) -> Client:
    """
    Return a client with a connection.

    @raise OSError: there is none.
    """
    if transport == "https":
        return HTTPSClient(ports.authority, ports.https)
    if transport == "tls":
        return _TLS(ports.authority, ports.tls)
    return _Plain(transport == "tcp", plain)


class _Asking(threading.Thread):
    """
    One client.
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        super().__init__(daemon=True)
        self.asked = self.again = self.lost = 0
        self.slowest = 0.0
        self.going = True
        self._connect = connect

    def run(self) -> None:
        client: Client | None = None
        while self.going:
            number = self.asked % _NAMES
            self.asked += 1
            began = time.monotonic()
            isRight = False
            for attempt in range(3):
                self.again += attempt > 0
                try:
                    client = client or self._connect()
                    isRight = client.asks(number)
                    break
                except OSError:
                    if client is not None:
                        client.close()
                    client = None
            self.lost += not isRight
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(_PAUSE)
        if client is not None:
            client.close()


_askedBy, _againBy, _lostBy = attrgetter("asked"), attrgetter("again"), attrgetter("lost")


def measure(event: str, transport: str, seconds: float, more: tuple[str, ...] = ()) -> Disturbed:
    """
    @param event: C{kill}, of a worker; or C{reload}, by SIGHUP.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="txdns-encrypted-")))
        zone = stack.enter_context(zoneServer(1000))
        os.sched_setaffinity(0, set(CORES))
        ports = Ports.made(folder)
        server = stack.enter_context(Server(oursWith(ports, "--workers", "2", *more), zone.server, CORES))
        clients = [_Asking(lambda: clientFor(transport, ports, server.port)) for _ in range(_CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(1)
        events = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            parent, *workers = server.processes
            if event == "reload":
                os.kill(parent, signal.SIGHUP)
                events += 1
            elif len(workers) == 2:
                with suppress(ProcessLookupError):
                    os.kill(workers[events % 2], signal.SIGKILL)
                    events += 1
            time.sleep(2)
        for client in clients:
            client.going = False
        for client in clients:
            client.join(30)
        asked, again, lost = (sum([each(client) for client in clients]) for each in (_askedBy, _againBy, _lostBy))
        return Disturbed(event, transport, asked, again, lost, events, max([client.slowest for client in clients]))
