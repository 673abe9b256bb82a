"""
Pad queries to a multiple of 128 octets (RFC 8467), so that observers of an encrypted connection do not learn the length of names.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from twisted_ext.wire.names import nameEnd

__all__ = ["padded"]


#: Queries over encrypted transports are padded to multiples of so many octets, which hides the length of the name (RFC 8467, section 4.1).
_BLOCK: Final = 128

_KEEPALIVE: Final = 11
_PADDING: Final = 12

#: Octets of the id, which queries do not have yet, and of the head of an option.
_ID_OCTETS: Final = 2
_HEAD_OCTETS: Final = 4

#: Octets of an OPT record up to its options, and up to their length.
_OPT_OCTETS: Final = 11
_UP_TO_LENGTH: Final = 9

#: The first octet of a compressed name's end, and octets of a record between its name and its data.
_POINTER: Final = 192
_FIXED_OCTETS: Final = 10

_MOST_OCTETS: Final = 65535


def padded(query: bytes, keepalive: bool) -> bytes:
    """
    Add the padding option to a query, and the keepalive option if wanted (RFC 7828). Options that the query has already are left alone.

    @param query: a message without its id. It is returned unchanged if OPT is not its only additional record, or if there are other records
        than one of the authority section, as in IXFR.
    """
    if query[8:10] != b"\x00\x01":
        return query
    opt = nameEnd(query, 10) + 4
    length = len(query)
    if query[4:8] == b"\x00\x00\x00\x01":
        opt = _recordEnd(query, opt)
    if query[opt : opt + 3] != b"\x00\x00\x29":
        return query
    if opt + _OPT_OCTETS == length:
        # Nearly all queries: the record has no options.
        return query[:-2] + _tail(length % _BLOCK, keepalive)
    options = query[opt + _OPT_OCTETS :]
    codes = _codes(options)
    if keepalive and _KEEPALIVE not in codes:
        options += _option(_KEEPALIVE, b"")
    if _PADDING not in codes:
        room = _BLOCK - (opt + _OPT_OCTETS + len(options) + _ID_OCTETS + _HEAD_OCTETS) % _BLOCK
        options += _option(_PADDING, bytes(room % _BLOCK))
    if opt + _OPT_OCTETS + len(options) + _ID_OCTETS > _MOST_OCTETS:
        return query
    return query[: opt + _UP_TO_LENGTH] + len(options).to_bytes(2, "big") + options


@cache
def _tail(remainder: int, keepalive: bool) -> bytes:
    """
    Return the length of the options and the options for a query without any.

    @param remainder: that of the query's length after a division by the block.
    """
    options = _option(_KEEPALIVE, b"") if keepalive else b""
    room = _BLOCK - (remainder + len(options) + _ID_OCTETS + _HEAD_OCTETS) % _BLOCK
    options += _option(_PADDING, bytes(room % _BLOCK))
    return len(options).to_bytes(2, "big") + options


def _recordEnd(query: bytes, position: int) -> int:
    """
    Return the offset behind a record.

    @raise IndexError: it is cut off.
    """
    while 0 < query[position] < _POINTER:
        position += query[position] + 1
    fixed = position + (2 if query[position] else 1)
    return fixed + _FIXED_OCTETS + int.from_bytes(query[fixed + _FIXED_OCTETS - 2 : fixed + _FIXED_OCTETS], "big")


def _option(code: int, octets: bytes) -> bytes:
    return code.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets


def _codes(options: bytes) -> set[int]:
    codes: set[int] = set()
    index = 0
    while index + _HEAD_OCTETS <= len(options):
        codes.add(int.from_bytes(options[index : index + 2], "big"))
        index += _HEAD_OCTETS + int.from_bytes(options[index + 2 : index + 4], "big")
    return codes
