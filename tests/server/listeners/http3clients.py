"""
A client of HTTP/3 on a memory network, by aioquic's own HTTP/3.
"""

from __future__ import annotations

from collections.abc import Sequence

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

from tests.transport.quic.peers import RawClient
from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["HTTP3Client", "Reply", "fieldsFor"]

#: The type of DNS messages.
TYPE = (b"content-type", b"application/dns-message")


def fieldsFor(method: bytes = b"POST", path: bytes = b"/dns-query", *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """
    Return the headers of a request.
    """
    pseudo = [(b":method", method), (b":scheme", b"https"), (b":authority", b"dns.example"), (b":path", path)]
    return [*pseudo, *((TYPE,) if method == b"POST" else ()), *more]


class Reply:
    """
    What has arrived on a stream.
    """

    def __init__(self) -> None:
        self.fields: dict[bytes, bytes] = {}
        self.body = b""
        self.ended = False
        self.reset: int | None = None

    @property
    def status(self) -> bytes | None:
        return self.fields.get(b":status")


class HTTP3Client(RawClient):
    """
    @ivar replies: by stream.
    """

    def __init__(self, reactor: MemoryReactor) -> None:
        super().__init__(reactor, "h3")
        self.http: H3Connection | None = None
        self.replies: dict[int, Reply] = {}
        self._seen = 0

    def connect(self) -> None:
        super().connect()
        self.http = H3Connection(self.connection)

    def flush(self) -> None:
        super().flush()
        if self.http is None:
            return
        fresh = self.events[self._seen :]
        self._seen = len(self.events)
        for event in fresh:
            self._handle(event)
        if fresh:
            super().flush()

    def _handle(self, event: QuicEvent) -> None:
        assert self.http is not None
        if isinstance(event, StreamReset):
            self.replies.setdefault(event.stream_id, Reply()).reset = event.error_code
        for each in self.http.handle_event(event):
            if isinstance(each, HeadersReceived):
                reply = self.replies.setdefault(each.stream_id, Reply())
                reply.fields = dict(each.headers)
                reply.ended = each.stream_ended
            elif isinstance(each, DataReceived):
                reply = self.replies[each.stream_id]
                reply.body += each.data
                reply.ended = each.stream_ended

    def request(self, fields: Sequence[tuple[bytes, bytes]], body: bytes | None = None, *, end: bool = True) -> int:
        """
        Send a request.

        @return: its stream.
        """
        assert self.http is not None
        stream = self.connection.get_next_available_stream_id()
        self.http.send_headers(stream, list(fields), end_stream=end and body is None)
        if body is not None:
            self.http.send_data(stream, body, end)
        self.flush()
        return stream

    @property
    def closed(self) -> tuple[int, str] | None:
        """
        Code and reason with which the server has closed the connection.
        """
        for event in self.events:
            if isinstance(event, ConnectionTerminated):
                return event.error_code, event.reason_phrase
        return None
