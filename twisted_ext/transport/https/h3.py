"""
HTTP/3 as DNS needs it, for both ends (RFC 9114): no pushes, and headers without tables that grow (RFC 9204).

Needs the extra C{quic}.
"""

from __future__ import annotations

from typing import Final

from aioquic._buffer import Buffer, BufferReadError
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, Setting
from aioquic.h3.events import H3Event
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import StopSendingReceived, StreamDataReceived, StreamReset
from pylsqpack import Decoder, Encoder

__all__ = [
    "ALPN", "EXCESSIVE_LOAD", "INTERNAL_ERROR", "NO_ERROR", "PROTOCOL_ERROR", "REQUEST_CANCELLED", "REQUEST_REJECTED", "HTTP3", "codeName",
]  # fmt: skip

#: The protocol name of HTTP/3 in the TLS handshake (RFC 9114, section 3.1).
ALPN: Final = "h3"

# Error codes of streams and connections (RFC 9114, section 8.1).
NO_ERROR: Final = int(ErrorCode.H3_NO_ERROR)
PROTOCOL_ERROR: Final = int(ErrorCode.H3_GENERAL_PROTOCOL_ERROR)
INTERNAL_ERROR: Final = int(ErrorCode.H3_INTERNAL_ERROR)
EXCESSIVE_LOAD: Final = int(ErrorCode.H3_EXCESSIVE_LOAD)
REQUEST_REJECTED: Final = int(ErrorCode.H3_REQUEST_REJECTED)
REQUEST_CANCELLED: Final = int(ErrorCode.H3_REQUEST_CANCELLED)

_NAMES: Final = {int(code): code.name for code in ErrorCode}

#: Unidirectional streams that a peer may open: three are needed, and some peers open more to see them ignored (RFC 9114, section 6.2.3).
_UNIDIRECTIONAL: Final = 16

#: Octets of the longest number (RFC 9000, section 16).
_VARIABLE: Final = 8

#: A table that stays empty is the same for all connections.
_encoder: Final = Encoder()


def codeName(code: int) -> str:
    """
    Return the name of an error code of HTTP/3, or its number.
    """
    return _NAMES.get(code) or hex(code)


class HTTP3(H3Connection):
    """
    One connection.

    @ivar goneAt: the first of our streams whose request the server does not process, once it has announced that it takes no more (GOAWAY).
    """

    goneAt: int | None = None

    def __init__(self, connection: QuicConnection, mostHead: int) -> None:
        """
        @param mostHead: octets of a header.
        """
        self._mostHead = mostHead
        self._goaways = _GoawayReader()
        super().__init__(connection)

    def _init_connection(self) -> None:
        # With a table, one octet of a header could stand for thousands.
        self._max_table_capacity = self._blocked_streams = 0
        self._decoder = Decoder(0, 0)
        self._max_push_id = None
        super()._init_connection()

    def _get_local_settings(self) -> dict[int, int]:
        return {
            Setting.QPACK_MAX_TABLE_CAPACITY: 0,
            Setting.QPACK_BLOCKED_STREAMS: 0,
            Setting.MAX_FIELD_SECTION_SIZE: self._mostHead,
        }

    def _encode_headers(self, stream_id: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        return _encoder.encode(stream_id, headers)[1]

    @property
    def refused(self) -> bool:
        """
        Whether the connection was closed because the peer violated the protocol.
        """
        return self._is_done

    def feed(self, stream: int, data: bytes, end: bool) -> list[H3Event]:
        """
        Take what has arrived on a stream. The connection closes itself if that violates the protocol.
        """
        if stream & 2 and stream >> 2 >= _UNIDIRECTIONAL:
            self.refuse(ErrorCode.H3_EXCESSIVE_LOAD, "too many unidirectional streams")
            return []
        known = self._stream.get(stream)
        # Octets of a stream whose type is not complete.
        untyped = b"" if known is None or known.stream_type is not None else known.buffer
        isControl = stream == self._peer_control_stream_id
        events = self.handle_event(StreamDataReceived(data=data, end_stream=end, stream_id=stream))
        if self._is_client and stream == self._peer_control_stream_id and not self._is_done:
            try:
                self._read(data if isControl else _behindType(untyped + data))
            except _BadGoaway as bad:
                self.refuse(bad.code, str(bad))
                return []
        known = self._stream.get(stream)
        if known is not None and len(known.buffer) > self._mostHead:
            # Only incomplete headers and settings stay here.
            self.refuse(ErrorCode.H3_EXCESSIVE_LOAD, f"a header has at most {self._mostHead} octets")
            return []
        return events

    def _read(self, data: bytes) -> None:
        """
        Note what the server announces on its control stream.
        """
        for stream in self._goaways.read(data):
            if stream & 3:
                raise _BadGoaway(ErrorCode.H3_ID_ERROR, "GOAWAY names a stream that is not one of requests")
            if self.goneAt is not None and stream > self.goneAt:
                raise _BadGoaway(ErrorCode.H3_ID_ERROR, "GOAWAY takes back an earlier one")
            self.goneAt = stream

    def refuse(self, code: int, reason: str) -> None:
        """
        Close the connection because of what the peer did.
        """
        self._is_done = True
        self._quic.close(error_code=code, reason_phrase=reason)

    def abandoned(self, stream: int, code: int, *, reset: bool) -> None:
        """
        Take note that the peer has given a stream up.
        """
        kind = StreamReset if reset else StopSendingReceived
        self.handle_event(kind(error_code=code, stream_id=stream))

    def forget(self, stream: int) -> None:
        """
        Forget a stream that was reset in both directions.
        """
        self._stream.pop(stream, None)


class _BadGoaway(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class _GoawayReader:
    """
    Reads the streams in GOAWAY frames, whose content aioquic drops.
    """

    __slots__ = ("_kept", "_left")

    def __init__(self) -> None:
        #: The beginning of a frame's header, or of a GOAWAY.
        self._kept = b""
        #: Octets that are still to come of another frame.
        self._left = 0

    def read(self, data: bytes) -> list[int]:
        """
        @param data: the next octets of the control stream, without its type.

        @raise _BadGoaway: a GOAWAY has a wrong form.
        """
        found: list[int] = []
        skipped = min(self._left, len(data))
        self._left -= skipped
        data = self._kept + data[skipped:]
        self._kept = b""
        while data:
            buffer = Buffer(data=data)
            try:
                kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
            except BufferReadError:
                self._kept = data
                break
            start = buffer.tell()
            behind = start + length
            if kind == FrameType.GOAWAY:
                if length > _VARIABLE:
                    raise _BadGoaway(ErrorCode.H3_FRAME_ERROR, "GOAWAY has a wrong length")
                if len(data) < behind:
                    self._kept = data
                    break
                found.append(_streamIn(data[start:behind]))
            else:
                self._left = max(behind - len(data), 0)
            data = data[behind:]
        return found


def _streamIn(payload: bytes) -> int:
    buffer = Buffer(data=payload)
    try:
        stream = buffer.pull_uint_var()
    except BufferReadError:
        stream = -1
    if stream < 0 or not buffer.eof():
        raise _BadGoaway(ErrorCode.H3_FRAME_ERROR, "GOAWAY has a wrong length")
    return stream


def _behindType(data: bytes) -> bytes:
    """
    Return what follows the type at the beginning of a stream.
    """
    buffer = Buffer(data=data)
    buffer.pull_uint_var()
    return data[buffer.tell() :]
