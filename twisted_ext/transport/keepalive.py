"""
Negotiates how long a TCP connection stays open: the edns-tcp-keepalive option (RFC 7828).
"""

from __future__ import annotations

from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.message import Message

__all__ = ["secondsAllowed", "wishing"]

_KEEPALIVE: Final = 11

#: Octets of an OPT record before its options.
_OPT_OCTETS: Final = 11


def wishing(query: bytes) -> bytes:
    """
    Add the keepalive option to a query, which may only be sent over TCP (section 3.2.1).

    @param query: a message without its ID. It is returned unchanged if it has no OPT record.
    """
    if query[8:10] != b"\x00\x01":
        return query
    position = 10
    while query[position]:
        position += query[position] + 1
    opt = position + 5
    options = query[opt + _OPT_OCTETS :]
    length = len(options) + 4
    return query[: opt + _OPT_OCTETS - 2] + length.to_bytes(2, "big") + options + _KEEPALIVE.to_bytes(2, "big") + b"\x00\x00"


def secondsAllowed(reply: bytes) -> float | None:
    """
    Return how many seconds the server lets the connection be idle; 0 if it requests that the connection be closed (section 3.4); L{None} if
    the option is absent.
    """
    try:
        edns = Message.fromWire(reply).edns
    except BadMessage:
        return None
    octets = None if edns is None else edns.option(_KEEPALIVE)
    return int.from_bytes(octets, "big") / 10 if octets is not None and len(octets) == 2 else None
