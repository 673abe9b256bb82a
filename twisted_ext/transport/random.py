"""
Draws unpredictable numbers, such as IDs and ports, from the operating system's generator (RFC 5452, section 9.2; RFC 4086).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final
from weakref import WeakSet

from mypy_extensions import mypyc_attr

__all__ = ["Draw"]

#: Lower ports belong to services and need privileges.
_LOWEST_PORT: Final = 1024

#: Octets fetched at a time: a system call for each query would be a tenth of its cost.
_BLOCK: Final = 4096

#: Octets of one lot.
_LOT: Final = 3

_lots: Final[Callable[[bytes], Iterator[tuple[bytes, int]]]] = Struct(">2sB").iter_unpack


@mypyc_attr(native_class=False)  # It is referred to weakly.
class Draw:
    """
    Random octets, fetched in blocks.

    @param urandom: returns the given number of unpredictable octets.
    @ivar lots: an iterator of pairs: two octets and a number from 0 to 255. When it is exhausted, C{refill} returns more.
    """

    __slots__ = ("lots", "_urandom", "_octets", "_position", "__weakref__")

    def __init__(self, urandom: Callable[[int], bytes] = os.urandom) -> None:
        self._urandom = urandom
        self._octets = b""
        self._position = 0
        self.lots: Iterator[tuple[bytes, int]] = iter(())
        _draws.add(self)

    def refill(self) -> tuple[bytes, int]:
        """
        Fetch more lots.

        @return: the first of them.
        """
        self.lots = _lots(self._urandom(_BLOCK // _LOT * _LOT))
        return next(self.lots)

    def take(self, count: int) -> bytes:
        """
        Return random octets.

        @param count: up to 4096.
        """
        position = self._position
        behind = position + count
        octets = self._octets[position:behind]
        if len(octets) != count:
            self._octets = self._urandom(_BLOCK)
            self._position = count
            return self._octets[:count]
        self._position = behind
        return octets

    def port(self) -> int:
        """
        Return a port from 1024 to 65535, uniformly distributed.
        """
        while True:
            port = int.from_bytes(self.take(2), "big")
            if port >= _LOWEST_PORT:
                return port

    def forget(self) -> None:
        self._octets = b""
        self._position = 0
        self.lots = iter(())


_draws: Final[WeakSet[Draw]] = WeakSet()


def _forked() -> None:
    # Otherwise parent and child would use the same octets.
    for draw in _draws:
        draw.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
