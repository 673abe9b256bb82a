"""
The shape of a query: a cache key made only of what its reply depends on.

Queries for the same data may differ in the case of the name (0x20), in the client's cookie, and in options and sizes that do not affect the
reply. This module parses such queries by hand in as few steps as possible; queries with anything unusual are left to the full parser.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Shape", "shapeOf"]

#: Section counts of a message with one question and nothing else, and of one with an OPT record as well.
_PLAIN: Final = b"\x00\x01\x00\x00\x00\x00\x00\x00"
_EDNS: Final = b"\x00\x01\x00\x00\x00\x00\x00\x01"

#: Owner and type of an OPT record.
_OPT: Final = b"\x00\x00\x29"
_COOKIE: Final = 10
_NSID: Final = 3
_EXPIRE: Final = 9
_KEEPALIVE: Final = 11

#: The most options that a plain query has.
_FEW: Final = 4

_LEAST: Final = 512
_MOST: Final = 1232


class Shape:
    """
    The parts of a query that its reply depends on.

    @ivar key: equal for queries with equal replies, apart from what the other attributes cover. A datagram may have the same octets as a
        key, so tables keep replies by shape apart from replies by datagram.
    @ivar questionEnd: the offset in the datagram where the question ends.
    @ivar size: the largest reply in octets.
    @ivar cookie: the octets of the cookie option, L{None} without one.
    """

    __slots__ = ("key", "questionEnd", "size", "cookie")

    def __init__(self, key: bytes, questionEnd: int, size: int, cookie: bytes | None) -> None:
        self.key = key
        self.questionEnd = questionEnd
        self.size = size
        self.cookie = cookie


def shapeOf(datagram: bytes) -> Shape | None:
    """
    Return the shape, or L{None} if the query is not plain or the datagram is not a query.
    """
    counts = datagram[4:12]
    edns = counts == _EDNS
    if not edns and counts != _PLAIN:
        return None
    try:
        position = 12
        while length := datagram[position]:
            if length > 63:
                return None
            position += length + 1
        end = position + 5
        # The type is not text, so do not fold its octets. A mark in front distinguishes plain DNS, EDNS, and EDNS with DO.
        if not edns:
            if end != len(datagram):
                return None
            return Shape(b"\xff" + datagram[2:4] + datagram[12:position].lower() + datagram[position:end], end, _LEAST, None)
        if datagram[end : end + 3] != _OPT or datagram[end + 5] or datagram[end + 6]:
            return None
        size = datagram[end + 3] << 8 | datagram[end + 4]
        size = _LEAST if size < _LEAST else size if size < _MOST else _MOST
        mark = b"\xfe" if datagram[end + 7] & 0x80 else b"\xfd"
        key = mark + datagram[2:4] + datagram[12:position].lower() + datagram[position:end]
        position = end + 11
        last = len(datagram)
        if position + (datagram[end + 9] << 8 | datagram[end + 10]) != last:
            return None
        cookie: bytes | None = None
        count = 0
        while position < last:
            code = datagram[position] << 8 | datagram[position + 1]
            start = position + 4
            position = start + (datagram[position + 2] << 8 | datagram[position + 3])
            count += 1
            if position > last or count > _FEW or code == _NSID or code == _EXPIRE or code == _KEEPALIVE:
                return None
            if code == _COOKIE:
                if cookie is not None:
                    return None
                cookie = datagram[start:position]
        return Shape(key, end, size, cookie)
    except IndexError:
        return None
