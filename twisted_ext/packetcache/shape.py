"""
The shape of a query: a cache key made only of what its reply depends on.

Queries for the same data may differ in the case of the name (0x20), in the client's cookie, and in options and sizes that do not affect the
reply. This module parses such queries by hand in as few steps as possible; queries with anything unusual are left to the full parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

__all__ = ["Shape", "hasShape", "shapeOf"]

#: The parts of a query that its reply depends on: its key, the offset in the datagram where the question ends, the largest reply in
#: octets, and the octets of the cookie option, L{None} without one. The key is equal for queries with equal replies, apart from what the
#: other parts cover, and empty for a query that is not plain. A datagram may have the same octets as a key, so tables keep replies by shape
#: apart from replies by datagram.
Shape = tuple[bytes, int, int, bytes | None]

#: Section counts of a message with one question and nothing else, and of one with an OPT record as well.
_PLAIN: Final = b"\x00\x01\x00\x00\x00\x00\x00\x00"
_EDNS: Final = b"\x00\x01\x00\x00\x00\x00\x00\x01"

#: The flags of a query whose replies are kept by shape: RD in the first octet, AD and CD in the second.
_FIRST_FLAGS: Final = 0x01
_SECOND_FLAGS: Final = 0x30

#: The end of a key with the DO flag, and that of one with a type whose octets are those of capital letters, such as HTTPS.
_DO: Final = b"\xfe"
_CAPITAL: Final = b"\xff"

_COOKIE: Final = 10
_NSID: Final = 3
_EXPIRE: Final = 9
_KEEPALIVE: Final = 11

#: The most options that a plain query has.
_FEW: Final = 4

_LEAST: Final = 512
_MOST: Final = 1232


def shapeOf(datagram: bytes, rest: bytes) -> Shape:
    """
    Return the shape of a datagram. That the key is not empty does not mean that the datagram is a query: what L{hasShape} checks once, when
    a reply is stored, is part of the key.

    @param rest: C{datagram[2:]}.
    """
    try:
        position: i64 = 12
        length: i64
        while length := datagram[position]:
            if length > 63:
                return b"", 0, 0, None
            position += length + 1
        end: i64 = position + 5
        # Letters are folded in the question as a whole, and the type is not text.
        capital = 64 < datagram[position + 2] < 91
        last: i64 = len(datagram)
        if not datagram[11]:
            if end != last:
                return b"", 0, 0, None
            return (rest.lower() + _CAPITAL if capital else rest.lower()), end, _LEAST, None
        # An OPT record of version 0.
        if datagram[end] or datagram[end + 1] or datagram[end + 2] != 41 or datagram[end + 5] or datagram[end + 6]:
            return b"", 0, 0, None
        position = end + 11
        if position + (datagram[end + 9] << 8 | datagram[end + 10]) != last:
            return b"", 0, 0, None
        cookie: bytes | None = None
        count: i64 = 0
        while position < last:
            code: i64 = datagram[position] << 8 | datagram[position + 1]
            start: i64 = position + 4
            position = start + (datagram[position + 2] << 8 | datagram[position + 3])
            count += 1
            if position > last or count > _FEW or code == _NSID or code == _EXPIRE or code == _KEEPALIVE:
                return b"", 0, 0, None
            if code == _COOKIE:
                if cookie is not None:
                    return b"", 0, 0, None
                cookie = datagram[start:position]
        key = rest[: end - 2].lower()
        if capital:
            key += _CAPITAL
        if datagram[end + 7] & 0x80:
            key += _DO
        size: i64 = datagram[end + 3] << 8 | datagram[end + 4]
        return key, end, (_LEAST if size < _LEAST else size if size < _MOST else _MOST), cookie
    except IndexError:
        return b"", 0, 0, None


def hasShape(datagram: bytes, questionEnd: int) -> bool:
    """
    Return whether the reply to a datagram can be kept by the key that L{shapeOf} has for it: it is a query of the usual flags and counts,
    and of its type and class only the type's last octet may be that of a capital letter.

    @param questionEnd: from its shape.
    """
    if datagram[2] & ~_FIRST_FLAGS or datagram[3] & ~_SECOND_FLAGS or datagram[4:12] not in (_PLAIN, _EDNS):
        return False
    others = bytes([datagram[questionEnd - 4], datagram[questionEnd - 2], datagram[questionEnd - 1]])
    return others.lower() == others
