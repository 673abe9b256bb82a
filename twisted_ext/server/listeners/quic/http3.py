"""
DNS over HTTPS with HTTP/3 (RFC 8484, RFC 9114): connections on top of the limits of QUIC, and the requests of HTTP/2.

A stream is collected until it ends, and then read at once: requests are small. Header blocks refer to no table that changes, so the meaning
of each is kept for all connections, as for HTTP/2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from aioquic.h3.connection import ErrorCode
from pylsqpack import Decoder, DecompressionFailed, Encoder, StreamBlocked

from twisted_ext.limits import MESSAGE_SIZE
from twisted_ext.server.limits import HTTPS_FIELDS, HTTPS_HEAD
from twisted_ext.server.listeners.https.headers import headOf
from twisted_ext.server.listeners.https.request import (
    BAD_MESSAGE,
    HEADER_TOO_LARGE,
    MEDIA_TYPE,
    TOO_EARLY,
    TOO_LARGE,
    Head,
    Status,
    fieldsOf,
    freshFor,
)
from twisted_ext.server.listeners.quic.serving import Codes, QuicServing
from twisted_ext.transport.https.h3 import (
    ALPN,
    EXCESSIVE_LOAD,
    HTTP3,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REQUEST_CANCELLED,
)
from twisted_ext.transport.quic.wire import StreamMessage, isClients
from twisted_ext.wire.message import HEADER_OCTETS

if TYPE_CHECKING:
    from aioquic.quic.connection import NetworkAddress

    from twisted_ext.server.listeners.https.headers import HeadMemory
    from twisted_ext.server.listeners.quic.servings import MakeQuicServing, QuicServings
    from twisted_ext.transport.quic.link import WatchedConnection

__all__ = ["ALPN", "HTTP3Serving", "StreamFault", "http3Serving", "requestIn"]

_CODES: Final = Codes(
    NO_ERROR, PROTOCOL_ERROR, REQUEST_CANCELLED, EXCESSIVE_LOAD, INTERNAL_ERROR, int(ErrorCode.H3_REQUEST_INCOMPLETE)
)

_DATA: Final = 0
_HEADERS: Final = 1

#: Frames that have no place on a stream with a request (RFC 9114, section 7.2), and those of HTTP/2 that HTTP/3 does not have.
_MISPLACED: Final = frozenset((0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0x9, 0xD))

_LARGEST: Final = int(MESSAGE_SIZE.default)

#: Octets of a stream: the largest message, its header, and some that mean nothing.
_STREAM: Final = _LARGEST + int(HTTPS_HEAD.default) + 1024

#: The number of HTTP/3's table among those of L{HeadMemory}, none of which is negative.
_TABLE: Final = -3

#: Octets that a header field takes besides its name and value (RFC 9114, section 4.2.2).
_FIELD: Final = 32

#: Written headers that are kept.
_WRITTEN: Final = 4096

_decoder = Decoder(0, 0)
_encoder: Final = Encoder()
_written: Final[dict[int, bytes]] = {}


class StreamFault(Exception):
    """
    A request that violates the protocol.

    @ivar code: the error code.
    @ivar whole: whether it ends the connection, and not only its stream.
    """

    def __init__(self, code: int, reason: str, *, whole: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.whole = whole


def _number(octets: bytes, at: int) -> tuple[int, int]:
    """
    Read an integer (RFC 9000, section 16).

    @return: the integer, and the position behind it.
    """
    first = octets[at]
    size = 1 << (first >> 6)
    if size == 1:
        return first, at + 1
    if at + size > len(octets):
        raise IndexError
    return int.from_bytes(octets[at : at + size], "big") & ((1 << 8 * size - 2) - 1), at + size


def _numbered(number: int) -> bytes:
    """
    Write an integer.
    """
    if number < 1 << 6:
        return bytes((number,))
    return (number | 1 << 14).to_bytes(2, "big") if number < 1 << 14 else (number | 1 << 31).to_bytes(4, "big")


def requestIn(octets: bytes) -> tuple[bytes, bytes]:
    """
    Split a whole stream into header block and body.

    @raise StreamFault: it is not a request.
    """
    block: bytes | None = None
    pieces: list[bytes] = []
    trailers = False
    at = 0
    end = len(octets)
    try:
        while at < end:
            kind, at = _number(octets, at)
            length, at = _number(octets, at)
            stop = at + length
            if stop > end:
                raise IndexError
            if kind == _DATA or kind == _HEADERS:
                if trailers or (kind == _DATA and block is None):
                    raise StreamFault(ErrorCode.H3_FRAME_UNEXPECTED, "frames are out of order", whole=True)
                if kind == _DATA:
                    pieces.append(octets[at:stop])
                elif block is None:
                    block = octets[at:stop]
                else:
                    trailers = True
            elif kind in _MISPLACED:
                raise StreamFault(ErrorCode.H3_FRAME_UNEXPECTED, f"a frame of type {kind} on a stream with a request", whole=True)
            at = stop
    except IndexError:
        raise StreamFault(ErrorCode.H3_FRAME_ERROR, "the stream ends within a frame", whole=True) from None
    if block is None:
        raise StreamFault(ErrorCode.H3_REQUEST_INCOMPLETE, "a stream without a header")
    return block, pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _fields(block: bytes) -> list[tuple[bytes, bytes]]:
    """
    @raise StreamFault: the block cannot be decompressed.
    """
    global _decoder
    try:
        return _decoder.feed_header(0, block)[1]
    except (DecompressionFailed, StreamBlocked):
        # It may remember the stream.
        _decoder = Decoder(0, 0)
        raise StreamFault(ErrorCode.QPACK_DECOMPRESSION_FAILED, "a header cannot be decompressed", whole=True) from None


def _headers(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """
    Return the frame with a header.
    """
    block = _encoder.encode(0, list(fields))[1]
    return bytes((_HEADERS,)) + _numbered(len(block)) + block


def _messageHead(length: int, seconds: int) -> bytes:
    """
    Return what precedes a reply with a DNS message.
    """
    key = seconds << 16 | length
    head = _written.get(key)
    if head is None:
        if len(_written) >= _WRITTEN:
            _written.clear()
        fields = [
            (b":status", b"200"),
            (b"content-type", MEDIA_TYPE),
            (b"content-length", b"%d" % length),
            (b"cache-control", b"max-age=%d" % seconds),
        ]
        head = _written[key] = _headers(fields) + bytes((_DATA,)) + _numbered(length)
    return head


class HTTP3Serving(QuicServing):
    """
    One HTTP/3 connection.
    """

    alpn = ALPN
    codes = _CODES

    def __init__(self, memory: HeadMemory, servings: QuicServings, address: NetworkAddress, connection: WatchedConnection) -> None:
        super().__init__(servings, address, connection)
        self._memory = memory
        self._http: HTTP3 | None = None
        # Streams that were answered before they ended; the rest of them is ignored.
        self._refused: set[int] = set()

    def negotiated(self, protocol: str | None) -> None:
        super().negotiated(protocol)
        if not self._over:
            self._http = HTTP3(self.link.connection, int(HTTPS_HEAD.default))

    def received(self, stream: int, data: bytes, end: bool) -> None:
        if self._over:
            return
        if not isClients(stream):
            self._control(stream, data, end)
            return
        now = self._seconds()
        message = self._partial.pop(stream, None)
        if message is None:
            if end and len(data) <= _STREAM:
                self._request(stream, data, now)
                return
            message = StreamMessage(now)
        else:
            self._partialOctets -= len(message)
        if stream not in self._refused:
            message.put(data)
            if len(message) > _STREAM:
                message.take()
                # The client need not send the rest; until it has stopped, its time runs.
                self._refused.add(stream)
                self.link.refuse(stream, NO_ERROR)
                self._respond(stream, TOO_LARGE)
        if not end:
            self._partial[stream] = message
            self._hold(len(message))
        elif stream in self._refused:
            self._refused.discard(stream)
        else:
            self._request(stream, message.take(), now)

    def _control(self, stream: int, data: bytes, end: bool) -> None:
        http = self._http
        if http is None or not stream & 2:
            self.close(int(ErrorCode.H3_STREAM_CREATION_ERROR), "requests take streams of the client")
        else:
            http.feed(stream, data, end)

    def abandoned(self, stream: int, code: int, *, reset: bool) -> None:
        if not isClients(stream):
            if self._http is not None and not self._over:
                self._http.abandoned(stream, code, reset=reset)
            return
        self._refused.discard(stream)
        super().abandoned(stream, code, reset=reset)

    # -- requests

    def _request(self, stream: int, octets: bytes, now: float) -> None:
        try:
            block, body = requestIn(octets)
            head = self._headOf(block)
            if head.length is not None and head.length != len(body):
                raise StreamFault(ErrorCode.H3_MESSAGE_ERROR, "the content-length is wrong")
        except StreamFault as fault:
            if fault.whole:
                self.close(fault.code, str(fault))
            else:
                self.link.reset(stream, fault.code)
            return
        if head.status is not None:
            self._respond(stream, head.status, head.bare)
            return
        query = body if head.query is None else head.query
        if len(query) < HEADER_OCTETS:
            self._respond(stream, BAD_MESSAGE)
        elif len(query) > _LARGEST:
            self._respond(stream, TOO_LARGE)
        else:
            self._ask(stream, query, now, head.path)

    def _headOf(self, block: bytes) -> Head:
        """
        @raise StreamFault: it is not the header of a request.
        """
        memory = self._memory
        key = (_TABLE, block)
        head = memory.find(key) or memory.findOld(key)
        if head is not None:
            return head
        if len(block) > HTTPS_HEAD.default:
            return Head(status=HEADER_TOO_LARGE)
        fields = _fields(block)
        if sum([len(name) + len(value) + _FIELD for name, value in fields]) > HTTPS_FIELDS.default:
            return Head(status=HEADER_TOO_LARGE)
        head = headOf(fields, memory.endpoint)
        if head is None:
            raise StreamFault(ErrorCode.H3_MESSAGE_ERROR, "the header is not that of a request")
        memory.keep(key, head)
        return head

    # -- replies

    def _reply(self, stream: int, message: bytes) -> None:
        self._write(stream, _messageHead(len(message), freshFor(message)) + message, True)

    def _respond(self, stream: int, status: Status, bare: bool = False) -> None:
        octets = _headers([(b":status", b"%d" % status.code), *fieldsOf(status)])
        if status.text and not bare:
            octets += bytes((_DATA,)) + _numbered(len(status.text)) + status.text
        self._write(stream, octets, True)

    def _tooEarly(self, stream: int, octets: bytes) -> None:
        self._respond(stream, TOO_EARLY)

    def _notRequest(self, stream: int) -> None:
        self._respond(stream, BAD_MESSAGE)

    def flow(self, stream: int, messages: Iterator[bytes]) -> None:
        # No operation replies with several messages over HTTPS; this would be a mistake of ours.
        close = getattr(messages, "close", None)
        if close is not None:
            close()
        self.waiting -= 1
        if not self._over and stream in self._open:
            self._open.remove(stream)
            self.link.reset(stream, INTERNAL_ERROR)

    def __repr__(self) -> str:
        return f"<HTTP3Serving {self.host}:{self.port}>"


def http3Serving(memory: HeadMemory) -> MakeQuicServing:
    """
    Return what makes the connections of a listener.

    @param memory: the paths served, and the headers known to all connections.
    """
    return partial(HTTP3Serving, memory)
