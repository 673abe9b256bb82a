"""
Use the C extension where it was built, and Python otherwise.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted_ext.native import loops, siphash
from twisted_ext.native.loops import Place

if TYPE_CHECKING:
    from twisted_ext.packetcache.packetcache import Address

__all__ = ["Batches", "batches", "sipHash"]


class Batches(Protocol):
    """
    The functions of L{loops<twisted_ext.native.loops>}.
    """

    def receive(self, made: socket.SocketType, most: int, size: int, /) -> list[tuple[bytes, Place]]: ...

    def receiveEverywhere(self, made: socket.SocketType, most: int, size: int, /) -> list[tuple[bytes, Place]]: ...

    def receiveConnected(self, made: socket.SocketType, most: int, size: int, arrived: list[bytes], /) -> None: ...

    def send(self, made: socket.SocketType, datagrams: list[tuple[bytes, Place]], /) -> int: ...

    def sendEverywhere(self, made: socket.SocketType, datagrams: list[tuple[bytes, Place]], /) -> int: ...

    def sendReplies(self, made: socket.SocketType, queries: list[tuple[bytes, Place]], replies: list[bytes], /) -> int: ...

    def sendRepliesEverywhere(self, made: socket.SocketType, queries: list[tuple[bytes, Place]], replies: list[bytes], /) -> int: ...

    def sendConnected(self, made: socket.SocketType, datagrams: list[bytes], /) -> int: ...

    def addressOf(self, place: Place, /) -> Address: ...


batches: Batches = loops
sipHash: Callable[[bytes, bytes], bytes] = siphash.sipHash

if os.environ.get("TXDNS_PURE") != "1":
    try:
        from twisted_ext.native import _extension
    except ImportError:
        # It is only built on request, and not for every system.
        pass
    else:
        batches = _extension
        sipHash = _extension.sipHash
