"""
Negotiate how long a TCP connection stays open: the edns-tcp-keepalive option (RFC 7828).
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
    Add the wish to keep the connection to a query, which may only be sent on one (section 3.2.1).

    @param query: a message without its id. One without an OPT record stays as it is.
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
    @return: for how long the server lets the connection be idle; 0 where it wants it closed (section 3.4); L{None} where it says
        nothing of it.
    """
    try:
        edns = Message.fromWire(reply).edns
    except BadMessage:
        return None
    octets = None if edns is None else edns.option(_KEEPALIVE)
    return int.from_bytes(octets, "big") / 10 if octets is not None and len(octets) == 2 else None
