"""
What processes that answer queries tell a recorder, over a Unix socket: frames with a length of four octets, written by L{marshal}, which
takes a third of a microsecond for a query. Both ends are of one installation and one interpreter; a handshake makes sure of that.

The recorder answers with numbers of L{COUNT_OCTETS} octets: how many more batches are written, or are counted as those that could not be.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Iterator
from struct import Struct
from typing import Any, Final

__all__ = ["COUNT_OCTETS", "FRAME_OCTETS", "Handshake", "Unframed", "framed", "handshake"]

#: The first frame of each connection: the name of what is told, the version of its batches, and that of Python.
Handshake = tuple[str, int, tuple[int, int]]

#: Octets of the largest frame: 512 queries with replies of 65,535 octets are less.
FRAME_OCTETS: Final = 1 << 26

#: Octets of the numbers that the recorder answers with.
COUNT_OCTETS: Final = 4

_LENGTH: Final = Struct(">I")


def handshake(name: str, version: int) -> Handshake:
    return name, version, sys.version_info[:2]


def framed(value: list[Any] | tuple[Any, ...]) -> bytes:
    octets = marshal.dumps(value)
    return _LENGTH.pack(len(octets)) + octets


class Unframed:
    """
    Takes frames apart.
    """

    def __init__(self) -> None:
        self._octets = bytearray()

    def feed(self, octets: bytes) -> Iterator[Any]:
        """
        Take octets, and return the values of the frames that they complete.

        @raise ValueError: a frame is too large, or not what the other end writes.
        """
        held = self._octets
        held += octets
        start = 0
        while len(held) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(held, start)
            if length > FRAME_OCTETS:
                raise ValueError(f"a frame of {length} octets")
            end = start + _LENGTH.size + length
            if len(held) < end:
                break
            try:
                yield marshal.loads(memoryview(held)[start + _LENGTH.size : end].tobytes())
            except (EOFError, TypeError, ValueError) as error:
                raise ValueError(f"a frame is damaged: {error}") from None
            start = end
        del held[:start]
