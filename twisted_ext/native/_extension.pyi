"""
The types of the optional C extension, which are those of L{loops<twisted_ext.native.loops>} and L{siphash<twisted_ext.native.siphash>}.
"""

from __future__ import annotations

import socket
from mmap import mmap
from typing import Any

from twisted_ext.native.chosen import Mapped, Terms
from twisted_ext.native.loops import Place
from twisted_ext.packetcache.packetcache import Address
from twisted_ext.zone.store.nodes import Node

__all__ = [
    "addressOf",
    "mapped",
    "receive",
    "receiveConnected",
    "receiveEverywhere",
    "replies",
    "send",
    "sendConnected",
    "sendEverywhere",
    "sendReplies",
    "sendRepliesEverywhere",
    "sipHash",
]

def receive(made: socket.SocketType, most: int, size: int, /) -> list[tuple[bytes, Place]]: ...
def receiveEverywhere(made: socket.SocketType, most: int, size: int, /) -> list[tuple[bytes, Place]]: ...
def receiveConnected(made: socket.SocketType, most: int, size: int, arrived: list[bytes], /) -> None: ...
def send(made: socket.SocketType, datagrams: list[tuple[bytes, Place]], /) -> int: ...
def sendEverywhere(made: socket.SocketType, datagrams: list[tuple[bytes, Place]], /) -> int: ...
def sendReplies(made: socket.SocketType, queries: list[tuple[bytes, Place]], replies: list[bytes], /) -> int: ...
def sendRepliesEverywhere(made: socket.SocketType, queries: list[tuple[bytes, Place]], replies: list[bytes], /) -> int: ...
def sendConnected(made: socket.SocketType, datagrams: list[bytes], /) -> int: ...
def addressOf(place: Place, /) -> Address: ...
def sipHash(key: bytes, data: bytes, /) -> bytes: ...
def mapped(
    buffer: bytes | mmap,
    places: tuple[int, ...],
    apex: bytes,
    overlay: dict[bytes, Node | None],
    denial: tuple[bytes, int, bytes, bytes, bytes] | None,
    proves: bool,
    /,
) -> Mapped: ...
def replies(
    places: dict[bytes, Any],
    maps: dict[bytes, Mapped | None],
    depths: int,
    terms: Terms,
    now: int,
    arrived: list[tuple[bytes, Place]],
    unmapped: list[bytes],
    /,
) -> list[bytes | None]: ...
