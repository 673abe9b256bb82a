"""
HTTP/2 servers for tests: one without I/O, and one on a memory network.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Message

__all__ = ["Handler", "HTTPSPeer", "HTTPSServer", "Request", "TYPE", "frame"]

TYPE = (b"content-type", b"application/dns-message")


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """
    Return an HTTP/2 frame.
    """
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@dataclass(eq=False)
class Request:
    """
    A request.

    @ivar peer: the connection.
    @ivar stream: the number of its stream.
    @ivar fields: pseudo-headers and headers, by name.
    @ivar body: the content.
    """

    peer: HTTPSPeer
    stream: int
    fields: dict[str, str]
    body: bytes = b""

    @property
    def message(self) -> bytes:
        """
        The DNS message in it.
        """
        if self.fields[":method"] == "POST":
            return self.body
        encoded = self.fields[":path"].rpartition("dns=")[2]
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


class HTTPSPeer:
    """
    The server's end of a connection.

    @ivar requests: the complete requests.
    @ivar resets: the streams that the client has reset.
    @ivar http: the HTTP/2 connection.
    """

    def __init__(self, settings: dict[int, int] | None = None) -> None:
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        if settings:
            values = {SettingCodes(code): value for code, value in settings.items()}
            self.http.local_settings = Settings(client=False, initial_values=values)
        self.http.initiate_connection()
        self.requests: list[Request] = []
        self.resets: list[int] = []
        self._open: dict[int, Request] = {}

    def receive(self, data: bytes) -> list[Request]:
        """
        Return the requests that are complete now.
        """
        complete: list[Request] = []
        for event in self.http.receive_data(data):
            if isinstance(event, RequestReceived):
                self._open[event.stream_id] = Request(self, event.stream_id, {str(k): str(v) for k, v in event.headers})
            elif isinstance(event, DataReceived):
                self._open[event.stream_id].body += event.data
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                complete.append(self._open.pop(event.stream_id))
            elif isinstance(event, StreamReset):
                self.resets.append(event.stream_id)
        self.requests.extend(complete)
        return complete

    def respond(
        self, stream: int, octets: bytes, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = (TYPE,), end: bool = True
    ) -> None:
        """
        Send a response.
        """
        self.http.send_headers(stream, [(b":status", b"%d" % status), *headers])
        self.http.send_data(stream, octets, end_stream=end)


#: What a server does with a request.
Handler = Callable[[Request], None]


class HTTPSServer:
    """
    A server on a memory network, which answers like a L{CannedServer}.

    @ivar handle: called with each request; answers by default.
    @ivar peers: all connections, in order.
    @ivar requests: all requests, in order.
    @ivar held: the requests that are not answered while C{holds}.
    @ivar greeting: octets that each connection begins with instead of HTTP/2.
    """

    def __init__(self, canned: CannedServer, settings: dict[int, int] | None = None) -> None:
        self.canned = canned
        self.settings = settings
        self.handle: Handler = self.answer
        self.peers: list[HTTPSPeer] = []
        self.requests: list[Request] = []
        self.held: list[Request] = []
        self.holds = False
        self.greeting = b""
        self.connections: set[_Connection] = set()

    def listen(self, reactor: MemoryReactor, creator: IOpenSSLServerConnectionCreator, port: int = 443) -> Server:
        """
        Start listening.
        """
        server = self

        class Factory(ServerFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                return _Connection(server)

        reactor.listenTCP(port, cast("ServerFactory", TLSMemoryBIOFactory(creator, False, Factory(), reactor)))
        return Server(reactor.addresses[0], port)

    def answer(self, request: Request) -> None:
        """
        Answer a request, or hold it.
        """
        if self.holds:
            self.held.append(request)
        else:
            request.peer.respond(request.stream, self.canned.repliesTo(Message.fromWire(request.message), "tcp")[0])

    def release(self) -> None:
        """
        Answer what was held, the last first.
        """
        self.holds = False
        held, self.held = self.held, []
        for request in reversed(held):
            self.answer(request)
        self.flush()

    def flush(self) -> None:
        """
        Send what tests have written to connections.
        """
        for connection in list(self.connections):
            connection.flush()

    def cut(self) -> None:
        """
        Close all connections.
        """
        for connection in list(self.connections):
            connection.transport.loseConnection()


class _Connection(Protocol):
    transport: TLSMemoryBIOProtocol

    def __init__(self, server: HTTPSServer) -> None:
        self._server = server
        self._peer = HTTPSPeer(server.settings)

    def connectionMade(self) -> None:
        self._server.peers.append(self._peer)
        self._server.connections.add(self)
        if self._server.greeting:
            self.transport.write(self._server.greeting)
        else:
            self.flush()

    def dataReceived(self, data: bytes) -> None:
        try:
            requests = self._peer.receive(data)
        except H2Error:
            self.transport.loseConnection()
            return
        for request in requests:
            self._server.requests.append(request)
            self._server.handle(request)
        self.flush()

    def flush(self) -> None:
        octets = self._peer.http.data_to_send()
        if octets:
            self.transport.write(octets)

    def connectionLost(self, reason: object = None) -> None:
        self._server.connections.discard(self)
