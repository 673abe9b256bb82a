"""
DNS messages on QUIC streams, for both ends (RFC 9250): each stream carries one query, and its replies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.limits import MESSAGE_SIZE
from twisted_ext.wire.message import HEADER_OCTETS, Message

__all__ = [
    "ALPN", "EXCESSIVE_LOAD", "INTERNAL_ERROR", "NO_ERROR", "PROTOCOL_ERROR", "REQUEST_CANCELLED", "UNSPECIFIED_ERROR",
    "ERROR_RESERVED", "Initial", "StreamMessage", "codeName", "initialOf", "isClients", "isReplayable", "reservedVersion", "versionProbe",
    "versionsIn", "wantsKeepalive",
]  # fmt: skip

#: The protocol name of DNS over QUIC in the TLS handshake.
ALPN: Final = "doq"

# Error codes of streams and connections (RFC 9250, section 4.3).
NO_ERROR: Final = 0
INTERNAL_ERROR: Final = 1
PROTOCOL_ERROR: Final = 2
REQUEST_CANCELLED: Final = 3
EXCESSIVE_LOAD: Final = 4
UNSPECIFIED_ERROR: Final = 5
#: Only for tests of how peers handle unknown codes.
ERROR_RESERVED: Final = 0xD098EA5E

_NAMES: Final = {
    NO_ERROR: "DOQ_NO_ERROR",
    INTERNAL_ERROR: "DOQ_INTERNAL_ERROR",
    PROTOCOL_ERROR: "DOQ_PROTOCOL_ERROR",
    REQUEST_CANCELLED: "DOQ_REQUEST_CANCELLED",
    EXCESSIVE_LOAD: "DOQ_EXCESSIVE_LOAD",
    UNSPECIFIED_ERROR: "DOQ_UNSPECIFIED_ERROR",
    ERROR_RESERVED: "DOQ_ERROR_RESERVED",
}

#: Version 2 of QUIC (RFC 9369), which numbers the types of packets otherwise.
_VERSION_2: Final = 0x6B3343CF

#: Octets of a connection id at most (RFC 9000, section 17.2).
_MOST_ID: Final = 20

#: Octets of the smallest datagram that may begin a connection (RFC 9000, section 14.1).
_LEAST: Final = 1200

_PREFIX: Final = 2
_MOST: Final = int(MESSAGE_SIZE.most)
_KEEPALIVE: Final = 11


def codeName(code: int) -> str:
    """
    Return the name of an error code of DNS over QUIC, or its number.
    """
    return _NAMES.get(code) or hex(code)


@dataclass(frozen=True, slots=True)
class Initial:
    """
    The start of a datagram with a long header (RFC 8999, section 5.1).

    @ivar first: whether it is an Initial packet, which may open a connection.
    @ivar token: that of an Initial packet; C{b""} if there is none.
    """

    version: int
    destination: bytes
    source: bytes
    first: bool
    token: bytes


def initialOf(datagram: bytes) -> Initial | None:
    """
    Parse a long header of any version; L{None} if it is malformed.
    """
    if len(datagram) < 7:
        return None
    version = int.from_bytes(datagram[1:5], "big")
    position = 5
    ids: list[bytes] = []
    for _ in range(2):
        length = datagram[position] if position < len(datagram) else _MOST_ID + 1
        position += 1
        if length > _MOST_ID or position + length > len(datagram):
            return None
        ids.append(datagram[position : position + length])
        position += length
    first = datagram[0] >> 4 & 3 == (1 if version == _VERSION_2 else 0)
    token = b""
    if first and position < len(datagram):
        octets = 1 << (datagram[position] >> 6)
        length = int.from_bytes(datagram[position : position + octets], "big") & ((1 << 8 * octets - 2) - 1)
        position += octets
        if position + length > len(datagram):
            return None
        token = datagram[position : position + length]
    return Initial(version, ids[0], ids[1], first, token)


def reservedVersion(number: int) -> int:
    """
    Return one of the versions that no protocol has (RFC 9000, section 15). Peers ignore them.

    @param number: 16 bits that are part of it.
    """
    nibbles = [number >> shift & 15 for shift in (12, 8, 4, 0)]
    return int.from_bytes(bytes([nibble << 4 | 10 for nibble in nibbles]), "big")


def versionProbe(destination: bytes, source: bytes) -> bytes:
    """
    Return a datagram that each QUIC server answers with its versions (RFC 9000, section 6), without any other effect.

    @param destination: made up, as for a first datagram.
    @param source: what the reply is addressed to.
    """
    ids = b"%c%b%c%b" % (len(destination), destination, len(source), source)
    return (b"\xc0" + reservedVersion(0).to_bytes(4, "big") + ids).ljust(_LEAST, b"\x00")


def versionsIn(datagram: bytes, destination: bytes, source: bytes) -> list[int]:
    """
    Return the versions in a reply to L{versionProbe}; empty if it is no such reply.
    """
    ids = b"%c%b%c%b" % (len(source), source, len(destination), destination)
    start = 5 + len(ids)
    if datagram[:1] < b"\x80" or datagram[1:start] != bytes(4) + ids:
        return []
    return [int.from_bytes(datagram[at : at + 4], "big") for at in range(start, len(datagram) - 3, 4)]


class StreamMessage:
    """
    Collects the one message of a stream, or the octets of a request.

    @ivar began: when its first octets arrived.
    """

    __slots__ = ("_octets", "began")

    def __init__(self, began: float) -> None:
        self.began = began
        self._octets = bytearray()

    def __len__(self) -> int:
        return len(self._octets)

    def put(self, data: bytes) -> None:
        """
        Add received data of a stream whose message has another form.
        """
        self._octets += data

    def take(self) -> bytes:
        """
        Return what L{put} has added, and forget it.
        """
        octets, self._octets = bytes(self._octets), bytearray()
        return octets

    def feed(self, data: bytes, end: bool) -> bytes | None:
        """
        Add received data.

        @param end: whether the peer has ended the stream.

        @return: the message, without its length, once the stream has ended.

        @raise BadMessage: the stream contains anything but one whole message.
        """
        octets = self._octets
        if octets or not end:
            octets += data
            if len(octets) > _PREFIX + int.from_bytes(octets[:_PREFIX], "big") and len(octets) >= _PREFIX:
                raise BadMessage("a stream with octets after its only message")
            if not end:
                return None
            data = bytes(octets)
        length = len(data) - _PREFIX
        if length < HEADER_OCTETS or length > _MOST or data[0] << 8 | data[1] != length:
            raise BadMessage(f"a stream of {len(data)} octets that is not one whole message")
        return data[_PREFIX:]


def isClients(stream: int) -> bool:
    """
    Return whether a stream is bidirectional and opened by the client, as all streams of queries are.
    """
    return not stream & 3


def isReplayable(query: bytes) -> bool:
    """
    Return whether a message may be processed before the handshake is complete, when an attacker could have replayed it (RFC 9250,
    section 4.5): only queries, since updates and notifications change something.
    """
    return not query[2] & 0xF8


def wantsKeepalive(octets: bytes) -> bool:
    """
    Return whether a message has the keepalive option of TCP, which must not be sent over QUIC (RFC 9250, section 5.5.2).
    """
    # Parse only messages that contain the option's code anywhere.
    if b"\x00\x0b\x00" not in octets:
        return False
    try:
        edns = Message.fromWire(octets).edns
    except BadMessage:
        return False
    return edns is not None and edns.option(_KEEPALIVE) is not None
