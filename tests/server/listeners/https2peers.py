"""
Helpers for tests of DNS over HTTPS: messages, and a client of HTTP/2 by the h2 library, which is independent of the server's framing.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from struct import pack

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from hpack import NeverIndexedHeaderTuple

from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.http2 import HTTP2
from twisted_ext.server.listeners.https.request import Endpoint

__all__ = ["GET", "POST", "CorePeer", "HTTP2Client", "Result", "answer", "goneIn", "query", "target"]

_Fields = list[tuple[bytes, bytes]]

_START: _Fields = [(b":scheme", b"https"), (b":authority", b"dns.example")]


def query(name: bytes = b"www", octets: int = 0) -> bytes:
    """
    Return a query for the A record of a name of one label.

    @param octets: the length, reached by zeros behind the message.
    """
    message = pack(">HHHHHH", 0, 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name + b"\x00\x00\x01\x00\x01"
    return message.ljust(octets, b"\x00")


def answer(message: bytes, ttl: int = 300, octets: int = 0) -> bytes:
    """
    Return a reply with one A record.

    @param octets: the length, reached by a TXT record of zeros in addition.
    """
    end = message.index(b"\x00\x00\x01\x00\x01", 12) + 5
    made = message[:2] + pack(">HHHHH", 0x8180, 1, 1, 0, 0) + message[12:end] + pack(">HHHIHL", 0xC00C, 1, 1, ttl, 4, 0xC0000201)
    room = octets - len(made) - 12
    if room < 0:
        return made
    return made[:6] + pack(">H", 2) + made[8:] + pack(">HHHIH", 0xC00C, 16, 1, ttl + 1, room) + b"\x00" * room


def target(message: bytes) -> bytes:
    """
    Return the path of a GET request for a query.
    """
    return b"/dns-query?dns=" + urlsafe_b64encode(message).rstrip(b"=")


def GET(path: bytes) -> _Fields:
    """
    Return the fields of a GET request. As nghttp2 does, the path is not added to the table.
    """
    return [(b":method", b"GET"), *_START, NeverIndexedHeaderTuple(b":path", path), (b"accept", b"application/dns-message")]


def POST(length: int | None, kind: bytes = b"application/dns-message", path: bytes = b"/dns-query") -> _Fields:
    """
    Return the fields of a POST request.
    """
    fields = [(b":method", b"POST"), *_START, (b":path", path), (b"content-type", kind)]
    return fields if length is None else [*fields, (b"content-length", b"%d" % length)]


@dataclass(slots=True, eq=False)
class Result:
    """
    What a client received on a stream.
    """

    fields: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.fields.get(b":status", b"0"))


class HTTP2Client:
    """
    A client, without I/O.

    @ivar results: what was received, by stream.
    @ivar gone: the error code and the reason of the server's GOAWAY, or L{None}.
    @ivar events: all events.
    """

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False))
        self.results: dict[int, Result] = {}
        self.gone: tuple[int, bytes] | None = None
        self.events: list[Event] = []
        self.h2.initiate_connection()

    def ask(self, fields: _Fields, body: bytes | None = None) -> int:
        """
        Send a request.

        @return: its stream.
        """
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, fields, end_stream=body is None)
        if body is not None:
            for start in range(0, len(body), 16384):
                self.h2.send_data(stream, body[start : start + 16384])
            self.h2.end_stream(stream)
        return stream

    def take(self) -> bytes:
        """
        Return the octets to send.
        """
        return self.h2.data_to_send()

    def receive(self, data: bytes, *, grant: bool = True) -> None:
        """
        @param grant: whether to let the server send as many octets again.
        """
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, ConnectionTerminated):
                self.gone = (int(event.error_code or 0), event.additional_data or b"")
                continue
            stream = getattr(event, "stream_id", None)
            if not stream:
                continue
            result = self.results.setdefault(stream, Result())
            if isinstance(event, ResponseReceived):
                result.fields.update((bytes(name), bytes(value)) for name, value in event.headers or ())
            elif isinstance(event, DataReceived):
                result.body += event.data or b""
                if grant and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, StreamEnded):
                result.ended = True
            elif isinstance(event, StreamReset):
                result.reset = int(event.error_code)


def goneIn(data: bytes) -> tuple[int, bytes] | None:
    """
    Return the error code and the reason of the GOAWAY among a server's frames, or L{None}. The h2 library would not read frames of streams
    that it has not opened itself.
    """
    while data:
        length = int.from_bytes(data[:3], "big")
        if data[3] == 7:
            return int.from_bytes(data[13:17], "big"), data[17 : 9 + length]
        data = data[9 + length :]
    return None


class CorePeer(HTTP2Client):
    """
    A client joined to the server's side of a connection, without a network.

    @ivar queries: the queries that the server found, in order, with their streams.
    @ivar now: the time.
    @ivar answering: whether the queries are answered at once.
    """

    def __init__(self, memory: HeadMemory | None = None, *, most: int = 100) -> None:
        super().__init__()
        self.now = 0.0
        self.answering = True
        self.queries: list[tuple[int, bytes]] = []
        self.server = HTTP2(HeadMemory(Endpoint()) if memory is None else memory, self.now, most=most)

    def exchange(self, *, grant: bool = True) -> None:
        """
        Pass octets in both directions until there are none.
        """
        while True:
            self.serve(self.take())
            out = self.drain()
            if not out:
                return
            self.receive(out, grant=grant)

    def serve(self, data: bytes) -> None:
        """
        Pass octets to the server.
        """
        found = self.server.receive(data, self.now, 256)
        while True:
            self.queries += found
            if self.answering:
                for stream, message in found:
                    self.server.reply(stream, answer(message), self.now)
            if not self.server.more:
                return
            found = self.server.receive(b"", self.now, 256)

    def drain(self) -> bytes:
        out = b"".join(self.server.out)
        self.server.out.clear()
        return out

    def frame(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        """
        Send a frame that the h2 library would not send.
        """
        self.serve(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)
