"""
The octets of HTTP/2: frames, their types and flags, error codes, settings (RFC 9113, sections 4 to 7).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = [
    "ACK", "COMPRESSION_ERROR", "CONTINUATION", "DATA", "ENABLE_PUSH", "END_HEADERS", "END_STREAM", "ENHANCE_YOUR_CALM",
    "FLOW_CONTROL_ERROR", "FRAME_HEADER", "FRAME_MOST", "FRAME_SIZE", "FRAME_SIZE_ERROR", "GOAWAY", "HEADERS", "HEADER_TABLE_SIZE",
    "INITIAL_WINDOW_SIZE", "MAX_CONCURRENT_STREAMS", "MAX_FRAME_SIZE", "MAX_HEADER_LIST_SIZE", "NO_ERROR", "PADDED", "PING", "PREFACE",
    "PRIORITIZED", "PRIORITY", "PROTOCOL_ERROR", "PUSH_PROMISE", "REFUSED_STREAM", "RST_STREAM", "SETTINGS", "STREAM_CLOSED", "WINDOW",
    "WINDOW_MOST", "WINDOW_UPDATE", "ConnectionFailed", "frameAt", "frame", "long", "setting", "unpadded",
]

#: What a client sends first.
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# Frame types.
DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

# Flags.
ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITIZED: Final = 0x20

# Error codes.
NO_ERROR: Final = 0
PROTOCOL_ERROR: Final = 1
FLOW_CONTROL_ERROR: Final = 3
STREAM_CLOSED: Final = 5
FRAME_SIZE_ERROR: Final = 6
REFUSED_STREAM: Final = 7
COMPRESSION_ERROR: Final = 9
ENHANCE_YOUR_CALM: Final = 11

# Settings.
HEADER_TABLE_SIZE: Final = 1
ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

#: The first octets of a frame: length in 8 and 16 bits, type, flags, stream.
_FRAME: Final = Struct(">BHBBI")
frame: Final = _FRAME.pack
frameAt: Final = _FRAME.unpack_from
FRAME_HEADER: Final = _FRAME.size

setting: Final = Struct(">HI")
long: Final = Struct(">I")

#: The initial size of windows and frames, which SETTINGS and WINDOW_UPDATE change.
WINDOW: Final = 65_535
FRAME_SIZE: Final = 16_384

WINDOW_MOST: Final = 2**31 - 1
FRAME_MOST: Final = 2**24 - 1


class ConnectionFailed(Exception):
    """
    An error of the connection.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def unpadded(flags: int, payload: bytes) -> bytes:
    """
    Return a payload without its padding.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFailed(PROTOCOL_ERROR, "padding is longer than the frame")
    return payload[1 : len(payload) - payload[0]]
