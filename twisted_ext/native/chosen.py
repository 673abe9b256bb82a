"""
Use the C extension where it was built, and Python otherwise.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NewType, Protocol

from twisted_ext.native import loops, siphash
from twisted_ext.native.loops import Place

if TYPE_CHECKING:
    from mmap import mmap

    from twisted_ext.packetcache.packetcache import Address
    from twisted_ext.zone.store.nodes import Node

__all__ = ["Batches", "Mapped", "Mapping", "Replies", "Terms", "batches", "mapped", "replies", "sipHash"]


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


#: A version of a zone as the extension reads it.
Mapped = NewType("Mapped", object)

#: What all replies of the extension have in common: the octet of flags with RA; the OPT record of replies, and that to queries with DO; a
#: bit for each type below 256 that is left to Python; and the secret of cookies, or L{None} to leave queries with cookies to Python.
Terms = tuple[int, bytes, bytes, bytes, bytes | None]


class Mapping(Protocol):
    """
    Makes what the extension needs of a version.
    """

    def __call__(
        self,
        buffer: bytes | mmap,
        places: tuple[int, ...],
        apex: bytes,
        overlay: dict[bytes, Node | None],
        denial: tuple[bytes, int, bytes, bytes, bytes] | None,
        proves: bool,
        /,
    ) -> Mapped:
        """
        @param places: see L{Image.mapping<twisted_ext.zone.store.image.Image.mapping>}.
        @param overlay: has the keys of names that differ from the image.
        @param denial: see L{Denial<twisted_ext.server.zones.table.replying.Denial>}.
        @param proves: whether negative answers and those of wildcards have proofs if they are asked for.

        @raise ValueError: these are not the parts of an image.
        """


class Replies(Protocol):
    """
    Makes replies.
    """

    def __call__(
        self,
        places: dict[bytes, Any],
        maps: dict[bytes, Mapped | None],
        depths: int,
        terms: Terms,
        now: int,
        arrived: list[tuple[bytes, Place]],
        unmapped: list[bytes],
        /,
    ) -> list[bytes | None]:
        """
        @param places: the zones by apex.
        @param maps: those of them that are mapped; L{None} for one that is left to Python.
        @param depths: bit n is set if a zone's name has n labels, bit 63 if one has more.
        @param now: seconds since 1970, for cookies.
        @param unmapped: the apexes of zones that were asked and are not mapped are appended.

        @return: for each datagram the reply without its ID, L{None} to leave it to Python.
        """


batches: Batches = loops
mapped: Mapping | None = None
replies: Replies | None = None
sipHash: Callable[[bytes, bytes], bytes] = siphash.sipHash

if os.environ.get("TXDNS_PURE") != "1":
    try:
        from twisted_ext.native import _extension
    except ImportError:
        # It is only built on request, and not for every system.
        pass
    else:
        batches = _extension
        mapped = _extension.mapped
        replies = _extension.replies
        sipHash = _extension.sipHash
