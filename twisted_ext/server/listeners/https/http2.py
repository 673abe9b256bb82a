"""
HTTP/2 as a DNS server needs it (RFC 9113): small requests, replies of one message each, no push, no priorities.

No I/O, and the time is an argument. The h2 library takes 73 µs for a request and its reply on a machine where Unbound's DNS over HTTPS
takes 15 µs in all, so the framing is our own. The tests speak to it by the h2 library.

A client is disconnected with ENHANCE_YOUR_CALM if it resets too many streams, or causes the server to reset them, sends too many frames
that carry no request, or too large a header. A stream that a client resets while its query is looked up keeps its place among the
concurrent streams until the look-up ends, so resetting streams starts no further look-ups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.limits import MESSAGE_SIZE
from twisted_ext.packetcache.clients import Bucket
from twisted_ext.server.limits import (
    CLIENT_STREAM_IN_FLIGHT,
    HTTPS_BODIES,
    HTTPS_CONTINUATIONS,
    HTTPS_CONTROLS,
    HTTPS_FIELDS,
    HTTPS_HEAD,
    HTTPS_RESETS,
)
from twisted_ext.server.listeners.https.frames import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_HEADER,
    FRAME_MOST,
    FRAME_SIZE,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PREFACE,
    PRIORITIZED,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW,
    WINDOW_MOST,
    WINDOW_UPDATE,
    ConnectionFailed,
    frame,
    frameAt,
    long,
    setting,
    unpadded,
)
from twisted_ext.server.listeners.https.headers import (
    BadBlock,
    HeadMemory,
    HeadReader,
    OversizedBlock,
    alternativesBlock,
    messageBlock,
    statusBlock,
)
from twisted_ext.server.listeners.https.request import BAD_MESSAGE, TOO_LARGE, Head, Query, Status, freshFor
from twisted_ext.wire.message import HEADER_OCTETS

__all__ = ["HTTP2"]

#: Values in one SETTINGS frame. RFC 9113 defines six.
_HTTPS_SETTINGS: Final = 32

#: How many of them are forgiven per second. nghttp2 has the same number.
_HTTPS_RESET_RATE: Final = 33.0

#: How many of them are forgiven per second. Each request forgives a few more: clients send WINDOW_UPDATE and PRIORITY frames with it.
_HTTPS_CONTROL_RATE: Final = 100.0

#: The size of an HPACK table if no setting says otherwise.
_TABLE: Final = 4096

_LARGEST: Final = int(MESSAGE_SIZE.default)

#: Frames without a request that each request forgives.
_FORGIVEN: Final = 4.0


@dataclass(slots=True, eq=False)
class _Body:
    """
    A request whose body is incomplete.

    @ivar extra: octets that the client has added to the stream's window for the reply.
    """

    head: Head
    began: float
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    extra: int = 0


@dataclass(slots=True, eq=False)
class _Sending:
    """
    A reply that waits for the client's flow control.

    @ivar extra: octets that the client has added to the stream's window, less those sent.
    """

    octets: bytes
    extra: int
    sent: int = 0


class HTTP2:
    """
    A connection, as L{HTTPConnection<twisted_ext.server.listeners.https.request.HTTPConnection>}.
    """

    def __init__(self, memory: HeadMemory, now: float, *, most: int | None = None, direct: bool = True) -> None:
        """
        @param most: concurrent streams.
        @param direct: whether the client has connected to this server itself, and not to a proxy.
        """
        self._offer = alternativesBlock(memory.endpoint.alternatives) if direct else b""
        self.out: list[bytes] = []
        self.closing = False
        self.more = False
        self.stalled: float | None = None
        self.queued = 0
        self.named: dict[int, tuple[str, str]] = {}
        self._reader = HeadReader(memory)
        self._most = int(CLIENT_STREAM_IN_FLIGHT.pick(most))
        self._mostHead = int(HTTPS_HEAD.default)
        self._resets = Bucket(HTTPS_RESETS.default, now)
        self._controls = Bucket(HTTPS_CONTROLS.default, now)
        # Received octets of an incomplete frame: their number, and that needed to go on.
        self._pieces: list[bytes] = []
        self._have = 0
        self._need = len(PREFACE)
        self._started = False
        self._settled = False
        self._partial: float | None = None
        # The header block that CONTINUATION frames go on with: stream, flags, pieces.
        self._block: tuple[int, int, list[bytes]] | None = None
        self._blockSize = 0
        self._queries: list[Query] = []
        # Requests handled in one call.
        self._handled = 0
        self._last = 0
        # Streams by what they wait for: the rest of the request, the reply (with octets added to their windows), the client's window.
        self._bodies: dict[int, _Body] = {}
        self._waiting: dict[int, int] = {}
        self._sending: dict[int, _Sending] = {}
        # Streams that were reset while their query is looked up.
        self._abandoned: set[int] = set()
        # Octets that may be sent on the connection, and at first on each stream.
        self._window = WINDOW
        self._streamWindow = WINDOW
        # Octets that the client may send, and those to be granted again.
        self._credit = int(HTTPS_BODIES.default)
        self._owed = 0
        # Precedes the next header block, after the client has made its table smaller.
        self._resize = b""
        settings = (
            (MAX_CONCURRENT_STREAMS, self._most),
            (INITIAL_WINDOW_SIZE, _LARGEST + 1),
            (MAX_HEADER_LIST_SIZE, int(HTTPS_FIELDS.default)),
        )
        self._send(SETTINGS, 0, 0, b"".join([setting.pack(*each) for each in settings]))
        self._grant(0, self._credit - WINDOW)

    def __len__(self) -> int:
        return len(self._bodies) + len(self._waiting) + len(self._sending) + len(self._abandoned)

    @property
    def since(self) -> float | None:
        for body in self._bodies.values():
            return body.began if self._partial is None else min(body.began, self._partial)
        return self._partial

    # -- input

    def receive(self, data: bytes, now: float, most: int) -> list[Query]:
        if self.closing:
            return []
        if self.named:
            # What is left is of streams that were reset.
            self.named.clear()
        if self._pieces:
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            data = b"".join(self._pieces)
            self._pieces.clear()
        queries: list[Query] = []
        self._queries = queries
        self.more = False
        try:
            position = self._frames(data, now, most) if self._started else self._preface(data, now, most)
        except ConnectionFailed as failed:
            self._fail(failed.code, str(failed))
            return []
        rest = len(data) - position
        if rest:
            self._pieces.append(data[position:])
        else:
            self._need = FRAME_HEADER
        self._have = rest
        if not rest and self._block is None:
            self._partial = None
        elif self._partial is None or queries:
            self._partial = now
        if self._abandoned and queries:
            # Some may have been reset before they were looked up.
            self._abandoned.difference_update([stream for stream, _ in queries])
            queries = [query for query in queries if query[0] in self._waiting]
        return queries

    def _preface(self, data: bytes, now: float, most: int) -> int:
        start = data[: len(PREFACE)]
        if not PREFACE.startswith(start):
            raise ConnectionFailed(PROTOCOL_ERROR, "not HTTP/2")
        if len(start) < len(PREFACE):
            return 0
        self._started = True
        return self._frames(data, now, most, len(PREFACE))

    def _frames(self, data: bytes, now: float, most: int, position: int = 0) -> int:
        """
        Handle the complete frames in these octets, until there are enough requests.

        @return: the position of the first octet that was not handled.
        """
        end = len(data)
        self._handled = 0
        while end - position >= FRAME_HEADER:
            high, length, kind, flags, stream = frameAt(data, position)
            if high or length > FRAME_SIZE:
                raise ConnectionFailed(FRAME_SIZE_ERROR, f"frames have at most {FRAME_SIZE} octets")
            stop = position + FRAME_HEADER + length
            if stop > end:
                self._need = stop - position
                return position
            if self._handled >= most:
                self.more = True
                self._need = 0
                return position
            stream &= WINDOW_MOST
            payload = data[position + FRAME_HEADER : stop]
            position = stop
            if self._block is not None and (kind != CONTINUATION or stream != self._block[0]):
                raise ConnectionFailed(PROTOCOL_ERROR, "a header is incomplete")
            if kind == HEADERS:
                self._headers(stream, flags, payload, now)
            elif kind == DATA:
                self._data(stream, flags, payload, now)
            elif kind == SETTINGS:
                self._settings(stream, flags, payload, now)
            elif not self._settled:
                raise ConnectionFailed(PROTOCOL_ERROR, "SETTINGS come first")
            else:
                _OTHERS.get(kind, HTTP2._unknown)(self, stream, flags, payload, now)
        self._need = FRAME_HEADER
        return position

    def _headers(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        if not stream & 1 or not self._settled:
            raise ConnectionFailed(PROTOCOL_ERROR, "HEADERS need a stream of the client, after SETTINGS")
        if flags & (PADDED | PRIORITIZED):
            payload = unpadded(flags, payload)
            if flags & PRIORITIZED:
                if len(payload) < 5:
                    raise ConnectionFailed(FRAME_SIZE_ERROR, "a priority has five octets")
                payload = payload[5:]
        if len(payload) > self._mostHead:
            raise ConnectionFailed(ENHANCE_YOUR_CALM, f"a header has at most {self._mostHead} octets")
        if flags & END_HEADERS:
            self._request(stream, flags, payload, now)
        else:
            self._block = (stream, flags, [payload])
            self._blockSize = len(payload)

    def _continuation(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        if self._block is None:
            raise ConnectionFailed(PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        _, first, pieces = self._block
        pieces.append(payload)
        self._blockSize += len(payload)
        if self._blockSize > self._mostHead or len(pieces) > 1 + int(HTTPS_CONTINUATIONS.default):
            raise ConnectionFailed(ENHANCE_YOUR_CALM, f"a header has at most {self._mostHead} octets")
        if flags & END_HEADERS:
            self._block = None
            self._request(stream, first, b"".join(pieces), now)

    def _request(self, stream: int, flags: int, block: bytes, now: float) -> None:
        """
        Handle a complete header block.
        """
        self._handled += 1
        ended = flags & END_STREAM
        if stream <= self._last:
            self._trailers(stream, ended, block, now)
            return
        try:
            head = self._reader.read(block)
        except BadBlock as error:
            raise _blockError(error) from error
        self._last = stream
        if len(self) >= self._most:
            self._reset(stream, REFUSED_STREAM, now)
        elif head is None:
            self._reset(stream, PROTOCOL_ERROR, now)
        elif not ended:
            self._bodies[stream] = _Body(head, now)
            if head.status is not None:
                # The rest of the request changes nothing, so it need not be sent.
                self._refuseEarly(stream, head.status, now)
        elif head.length:
            self._reset(stream, PROTOCOL_ERROR, now)
        elif head.status is not None:
            self._waiting[stream] = 0
            self._refuse(stream, head.status, head.bare, now)
        elif head.query is None:
            self._waiting[stream] = 0
            self.refuse(stream, BAD_MESSAGE)
        else:
            self._forgive()
            self._waiting[stream] = 0
            if head.client or head.path:
                self.named[stream] = head.client, head.path
            self._queries.append((stream, head.query))

    def _trailers(self, stream: int, ended: int, block: bytes, now: float) -> None:
        try:
            fine = self._reader.skip(block)
        except BadBlock as error:
            raise _blockError(error) from error
        body = self._bodies.get(stream)
        if body is None:
            if stream in self._waiting or stream in self._sending:
                # The client had ended the stream.
                raise ConnectionFailed(STREAM_CLOSED, "HEADERS after the end of the stream")
            # They were sent before the client learned that the stream was reset.
            self._charge(self._resets, now, "too many frames for streams that are closed")
        elif not fine or not ended:
            self._reset(stream, PROTOCOL_ERROR, now)
        else:
            self._ended(stream, body, now)

    def _data(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        length = len(payload)
        body = self._bodies.get(stream)
        if body is None and (not stream & 1 or stream > self._last):
            raise ConnectionFailed(PROTOCOL_ERROR, "DATA without HEADERS")
        self._credit -= length
        if self._credit < 0:
            raise ConnectionFailed(FLOW_CONTROL_ERROR, "the window of the connection is exceeded")
        if flags & PADDED:
            payload = unpadded(flags, payload)
        if body is None:
            self._owe(length)
            if stream in self._waiting or stream in self._sending:
                raise ConnectionFailed(STREAM_CLOSED, "DATA after the end of the stream")
            self._charge(self._controls, now, "too many frames for streams that are closed")
            return
        size = len(payload)
        # Padding needs no memory.
        self._owe(length - size)
        body.size += size
        body.pieces.append(payload)
        expected = body.head.length
        if expected is not None and body.size > expected:
            self._reset(stream, PROTOCOL_ERROR, now)
        elif body.size > _LARGEST:
            self._refuseEarly(stream, TOO_LARGE, now)
        elif flags & END_STREAM:
            self._ended(stream, body, now)
        elif size < 64:
            # So small a piece costs more time than it carries octets.
            self._charge(self._controls, now, "too many small pieces")

    def _ended(self, stream: int, body: _Body, now: float) -> None:
        """
        Handle the end of a request with a body.
        """
        head = body.head
        if head.length is not None and body.size != head.length:
            self._reset(stream, PROTOCOL_ERROR, now)
            return
        del self._bodies[stream]
        self._waiting[stream] = body.extra
        self._owe(body.size)
        query = body.pieces[0] if len(body.pieces) == 1 else b"".join(body.pieces)
        if head.query is not None:
            query = head.query
        if len(query) < HEADER_OCTETS:
            self.refuse(stream, BAD_MESSAGE)
            return
        self._forgive()
        if head.client or head.path:
            self.named[stream] = head.client, head.path
        self._queries.append((stream, query))

    def _settings(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        if stream:
            raise ConnectionFailed(PROTOCOL_ERROR, "SETTINGS have no stream")
        if flags & ACK:
            if payload:
                raise ConnectionFailed(FRAME_SIZE_ERROR, "an acknowledgment of SETTINGS is empty")
            self._charge(self._controls, now, "too many SETTINGS")
            return
        if len(payload) % setting.size:
            raise ConnectionFailed(FRAME_SIZE_ERROR, "SETTINGS have six octets each")
        if len(payload) > setting.size * _HTTPS_SETTINGS:
            raise ConnectionFailed(ENHANCE_YOUR_CALM, "too many SETTINGS")
        self._charge(self._controls, now, "too many SETTINGS")
        self._settled = True
        for name, value in setting.iter_unpack(payload):
            self._set(name, value)
        self._send(SETTINGS, ACK, 0)
        self._pump(now)

    def _set(self, name: int, value: int) -> None:
        if name == HEADER_TABLE_SIZE:
            # Replies do not use the table, but a client that makes its table smaller has to be told that it is used no more (RFC 7541,
            # section 4.2).
            if value < _TABLE:
                self._resize = b"\x20"
        elif name == ENABLE_PUSH:
            if value > 1:
                raise ConnectionFailed(PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        elif name == INITIAL_WINDOW_SIZE:
            if value > WINDOW_MOST:
                raise ConnectionFailed(FLOW_CONTROL_ERROR, "a window has less than 2^31 octets")
            self._streamWindow = value
            self._checkWindows()
        elif name == MAX_FRAME_SIZE:
            if not FRAME_SIZE <= value <= FRAME_MOST:
                raise ConnectionFailed(PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of range")
            # Larger frames have no use here.

    def _checkWindows(self) -> None:
        most = WINDOW_MOST - self._streamWindow
        extras = [each.extra for each in self._sending.values()] + [each.extra for each in self._bodies.values()]
        if any(extra > most for extra in (*self._waiting.values(), *extras)):
            raise ConnectionFailed(FLOW_CONTROL_ERROR, "a window has less than 2^31 octets")

    def _ping(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        if stream:
            raise ConnectionFailed(PROTOCOL_ERROR, "PING has no stream")
        if len(payload) != 8:
            raise ConnectionFailed(FRAME_SIZE_ERROR, "PING has eight octets")
        self._charge(self._controls, now, "too many PINGs")
        if not flags & ACK:
            self._send(PING, ACK, 0, payload)

    def _windowUpdate(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        if len(payload) != 4:
            raise ConnectionFailed(FRAME_SIZE_ERROR, "WINDOW_UPDATE has four octets")
        self._charge(self._controls, now, "too many WINDOW_UPDATEs")
        added = long.unpack(payload)[0] & WINDOW_MOST
        if not stream:
            if not added:
                raise ConnectionFailed(PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
            self._window += added
            if self._window > WINDOW_MOST:
                raise ConnectionFailed(FLOW_CONTROL_ERROR, "a window has less than 2^31 octets")
        else:
            self._known(stream)
            sending, body = self._sending.get(stream), self._bodies.get(stream)
            if sending is not None:
                extra = sending.extra = sending.extra + added
            elif body is not None:
                extra = body.extra = body.extra + added
            elif stream in self._waiting:
                extra = self._waiting[stream] = self._waiting[stream] + added
            else:
                return
            if not added:
                self._reset(stream, PROTOCOL_ERROR, now)
            elif self._streamWindow + extra > WINDOW_MOST:
                self._reset(stream, FLOW_CONTROL_ERROR, now)
        self._pump(now)

    def _resetByClient(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        if len(payload) != 4:
            raise ConnectionFailed(FRAME_SIZE_ERROR, "RST_STREAM has four octets")
        self._known(stream)
        self._forget(stream)
        self._charge(self._resets, now, "too many streams are reset")

    def _priority(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        if not stream:
            raise ConnectionFailed(PROTOCOL_ERROR, "PRIORITY needs a stream")
        if len(payload) != 5:
            raise ConnectionFailed(FRAME_SIZE_ERROR, "PRIORITY has five octets")
        self._charge(self._controls, now, "too many PRIORITYs")

    def _goneAway(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        if stream:
            raise ConnectionFailed(PROTOCOL_ERROR, "GOAWAY has no stream")
        self._charge(self._controls, now, "too many GOAWAYs")

    def _pushed(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        raise ConnectionFailed(PROTOCOL_ERROR, "clients do not push")

    def _unknown(self, stream: int, flags: int, payload: bytes, now: float) -> None:
        self._charge(self._controls, now, "too many frames of unknown types")

    def _known(self, stream: int) -> None:
        if not stream & 1 or stream > self._last:
            raise ConnectionFailed(PROTOCOL_ERROR, "the stream has not begun")

    # -- defenses

    def _charge(self, bucket: Bucket, now: float, reason: str) -> None:
        if bucket is self._resets:
            bucket.fill(now, _HTTPS_RESET_RATE, HTTPS_RESETS.default)
        else:
            bucket.fill(now, _HTTPS_CONTROL_RATE, HTTPS_CONTROLS.default)
        bucket.tokens -= 1.0
        if bucket.tokens < 0.0:
            raise ConnectionFailed(ENHANCE_YOUR_CALM, reason)

    def _forgive(self) -> None:
        tokens = self._controls.tokens + _FORGIVEN
        if tokens < HTTPS_CONTROLS.default:
            self._controls.tokens = tokens

    def _forget(self, stream: int) -> None:
        body = self._bodies.pop(stream, None)
        if body is not None:
            self._owe(body.size)
        elif self._waiting.pop(stream, None) is not None:
            self._abandoned.add(stream)
        else:
            sending = self._sending.pop(stream, None)
            if sending is not None:
                self.queued -= len(sending.octets)

    def _reset(self, stream: int, code: int, now: float) -> None:
        """
        Reset a stream because of what the client did.
        """
        self._forget(stream)
        self._send(RST_STREAM, 0, stream, long.pack(code))
        self._charge(self._resets, now, "too many streams had to be reset")

    def _fail(self, code: int, reason: str) -> None:
        self._send(GOAWAY, 0, 0, long.pack(self._last) + long.pack(code) + reason.encode())
        self._close()

    def _close(self) -> None:
        self.closing = True
        self.more = False
        self.queued = 0
        self.stalled = self._partial = self._block = None
        for each in (self._pieces, self._bodies, self._waiting, self._sending):
            each.clear()

    def goAway(self) -> None:
        if not self.closing:
            self._fail(NO_ERROR, "")

    # -- output

    def _send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self.out.append(frame(0, len(payload), kind, flags, stream) + payload)

    def _grant(self, stream: int, octets: int) -> None:
        if octets > 0:
            self._send(WINDOW_UPDATE, 0, stream, long.pack(octets))

    def _owe(self, octets: int) -> None:
        """
        Let the client send these octets again, once they are worth a frame.
        """
        self._owed = owed = self._owed + octets
        if owed >= WINDOW // 2:
            self._credit += owed
            self._owed = 0
            self._grant(0, owed)

    def reply(self, stream: int, message: bytes, now: float) -> None:
        extra = self._waiting.pop(stream, None)
        if extra is None:
            self._abandoned.discard(stream)
            return
        length = len(message)
        block = messageBlock(length, freshFor(message)) + self._offer
        if self._resize:
            block, self._resize = self._resize + block, b""
        head = frame(0, len(block), HEADERS, END_HEADERS, stream) + block
        if length <= self._window and length <= self._streamWindow + extra and length <= FRAME_SIZE and not self._sending:
            self._window -= length
            self.out.append(head + frame(0, length, DATA, END_STREAM, stream) + message)
            return
        self.out.append(head)
        self._sending[stream] = _Sending(message, extra)
        self.queued += length
        self._pump(now)

    def refuse(self, stream: int, status: Status) -> None:
        self._refuse(stream, status, False, 0.0)

    def _refuse(self, stream: int, status: Status, bare: bool, now: float) -> None:
        extra = self._waiting.pop(stream, None)
        if extra is None:
            self._abandoned.discard(stream)
            return
        block, self._resize = self._resize + statusBlock(status), b""
        text = b"" if bare else status.text
        if text and status.code == 200:
            self._send(HEADERS, END_HEADERS, stream, block)
            self._sending[stream] = _Sending(text, extra)
            self.queued += len(text)
            self._pump(now)
            return
        fits = len(text) <= self._window and len(text) <= self._streamWindow + extra
        # Without a window the text is left out rather than queued: the code says enough.
        self._send(HEADERS, END_HEADERS if fits and text else END_HEADERS | END_STREAM, stream, block)
        if fits and text:
            self._window -= len(text)
            self._send(DATA, END_STREAM, stream, text)

    def _refuseEarly(self, stream: int, status: Status, now: float) -> None:
        """
        Refuse a request whose body has not arrived, and ask the client not to send it.
        """
        body = self._bodies.pop(stream)
        self._owe(body.size)
        self._waiting[stream] = body.extra
        self._refuse(stream, status, body.head.bare, now)
        self._send(RST_STREAM, 0, stream, long.pack(NO_ERROR))
        self._charge(self._resets, now, "too many requests are refused")

    def _pump(self, now: float) -> None:
        """
        Send what the client's windows allow, the oldest reply first.
        """
        for stream, sending in list(self._sending.items()):
            if self._window <= 0:
                break
            octets = sending.octets
            left = len(octets) - sending.sent
            allowed = min(left, self._window, self._streamWindow + sending.extra)
            while allowed > 0:
                piece = octets[sending.sent : sending.sent + min(allowed, FRAME_SIZE)]
                size = len(piece)
                sending.sent += size
                sending.extra -= size
                self._window -= size
                allowed -= size
                left -= size
                self.stalled = now
                self._send(DATA, 0 if left else END_STREAM, stream, piece)
            if not left:
                del self._sending[stream]
                self.queued -= len(octets)
        if not self._sending:
            self.stalled = None
        elif self.stalled is None:
            self.stalled = now


_OTHERS: Final[dict[int, Callable[[HTTP2, int, int, bytes, float], None]]] = {
    PRIORITY: HTTP2._priority,
    RST_STREAM: HTTP2._resetByClient,
    PUSH_PROMISE: HTTP2._pushed,
    PING: HTTP2._ping,
    GOAWAY: HTTP2._goneAway,
    WINDOW_UPDATE: HTTP2._windowUpdate,
    CONTINUATION: HTTP2._continuation,
}


def _blockError(error: BadBlock) -> ConnectionFailed:
    if isinstance(error, OversizedBlock):
        return ConnectionFailed(ENHANCE_YOUR_CALM, f"the fields of a header have at most {int(HTTPS_FIELDS.default)} octets")
    return ConnectionFailed(COMPRESSION_ERROR, "a header cannot be decompressed")
