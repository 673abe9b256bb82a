"""
Batches of datagrams with one system call for each, on any system.
"""

from __future__ import annotations

import socket
from struct import Struct
from typing import TYPE_CHECKING, Final, TypeVar, cast

if TYPE_CHECKING:
    from twisted_ext.packetcache.packetcache import Address

__all__ = [
    "Place",
    "addressOf",
    "joined",
    "receive",
    "receiveConnected",
    "receiveEverywhere",
    "send",
    "sendConnected",
    "sendEverywhere",
    "sendReplies",
    "sendRepliesEverywhere",
]

#: Where a datagram came from, and where the reply goes. The client's IP address comes first, as text or octets; what follows is known to
#: L{addressOf} and the function that sends the reply.
Place = tuple[str | bytes, *tuple[object, ...]]

_P = TypeVar("_P")

_Ancillary = list[tuple[int, int, bytes]]

_ANCILLARY: Final = 256
_PKTINFO: Final = getattr(socket, "IP_PKTINFO", 8)
_PKTINFO6: Final = getattr(socket, "IPV6_PKTINFO", 50)
_in: Final = Struct("=I4s4s")
_in6: Final = Struct("=16sI")

#: Local addresses whose ancillary data for replies is kept.
_MOST_LOCAL: Final = 256

_replying: Final[dict[bytes, _Ancillary]] = {}


def receive(made: socket.SocketType, most: int, size: int) -> list[tuple[bytes, Place]]:
    """
    Read datagrams that have arrived at a nonblocking socket. Octets beyond the size are dropped.

    @param most: the most datagrams to read.

    @return: all that have arrived, if fewer than C{most}. An error that the socket reports is one of an earlier send, which concerns only
        that receiver.
    """
    arrived: list[tuple[bytes, Place]] = []
    add = arrived.append
    read = made.recvfrom
    try:
        for _ in range(most):
            add(read(size))
    except OSError:
        pass
    except Exception:
        # Such as lack of memory. What has been read is not lost.
        if not arrived:
            raise
    return arrived


def send(made: socket.SocketType, datagrams: list[tuple[bytes, Place]]) -> int:
    """
    Send datagrams from a nonblocking socket. One that the kernel refuses does not keep the others from being sent.

    @return: how many were not sent: this is equivalent to packet loss, or the socket has been closed.
    """
    lost = 0
    write = made.sendto
    for octets, place in datagrams:
        try:
            write(octets, place)
        except OSError:
            lost += 1
    return lost


def receiveEverywhere(made: socket.SocketType, most: int, size: int) -> list[tuple[bytes, Place]]:
    """
    Read as L{receive} does from a wildcard socket that reports where each datagram was sent to.
    """
    arrived: list[tuple[bytes, Place]] = []
    read = made.recvmsg
    try:
        for _ in range(most):
            datagram, ancillary, _flags, address = read(size, _ANCILLARY)
            replying: _Ancillary = []
            if ancillary:
                told = ancillary[0][2]
                replying = _replying.get(told) or _replyingTo(told, ancillary)
            arrived.append((datagram, (address[0], address, replying)))
    except OSError:
        pass
    except Exception:
        if not arrived:
            raise
    return arrived


def _replyingTo(told: bytes, ancillary: _Ancillary) -> _Ancillary:
    """
    Return the ancillary data for replies to queries that arrived with this ancillary data.
    """
    found: _Ancillary = []
    for level, kind, octets in ancillary:
        if level == socket.IPPROTO_IP and kind == _PKTINFO:
            _, ours, _ = _in.unpack(octets[: _in.size])
            # Interface 0: routing picks the interface, which need not be the one that the query came in by.
            found.append((level, kind, _in.pack(0, ours, bytes(4))))
        elif level == socket.IPPROTO_IPV6 and kind == _PKTINFO6:
            address, interface = _in6.unpack(octets[: _in6.size])
            linkLocal = address[0] == 0xFE and address[1] & 0xC0 == 0x80
            found.append((level, kind, _in6.pack(address, interface if linkLocal else 0)))
    if len(_replying) >= _MOST_LOCAL:
        _replying.clear()
    _replying[told] = found
    return found


def sendEverywhere(made: socket.SocketType, datagrams: list[tuple[bytes, Place]]) -> int:
    """
    Send as L{send} does. Replies leave from the address that the query was sent to; clients would not accept others.
    """
    lost = 0
    write = made.sendmsg
    for octets, (_, address, replying) in cast("list[tuple[bytes, tuple[str, Address, _Ancillary]]]", datagrams):
        try:
            write((octets,), replying, 0, address)
        except OSError:
            lost += 1
    return lost


def joined(queries: list[tuple[bytes, _P]], replies: list[bytes]) -> list[tuple[bytes, _P]]:
    """
    Return datagrams with replies to these queries.

    @param replies: the replies without their first two octets: the ID, which is that of the query.
    """
    return [(query[:2] + reply, place) for (query, place), reply in zip(queries, replies, strict=True)]


def sendReplies(made: socket.SocketType, queries: list[tuple[bytes, Place]], replies: list[bytes]) -> int:
    """
    Send replies to datagrams that L{receive} has returned, as L{send} does.

    @param replies: see L{joined}.
    """
    return send(made, joined(queries, replies))


def sendRepliesEverywhere(made: socket.SocketType, queries: list[tuple[bytes, Place]], replies: list[bytes]) -> int:
    """
    Send as L{sendReplies} does, from the addresses that the queries were sent to.
    """
    return sendEverywhere(made, joined(queries, replies))


def addressOf(place: Place) -> Address:
    """
    Return the socket address of the client.
    """
    second = cast("tuple[object, object]", place)[1]
    return cast("Address", second if isinstance(second, tuple) else place)


def receiveConnected(made: socket.SocketType, most: int, size: int, arrived: list[bytes]) -> None:
    """
    Read as L{receive} does from a connected socket.

    @param arrived: what is read is appended to this list.
    @raise OSError: the socket reports an error, which may come after some datagrams.
    """
    read = made.recv
    try:
        for _ in range(most):
            arrived.append(read(size))
    except BlockingIOError:
        pass


def sendConnected(made: socket.SocketType, datagrams: list[bytes]) -> int:
    """
    Send datagrams from a connected, nonblocking socket.

    @return: how many were not sent since the socket had no room for them.
    @raise OSError: the peer is unreachable, as far as the kernel knows. Nothing else is sent.
    """
    lost = 0
    for octets in datagrams:
        try:
            made.send(octets)
        except BlockingIOError:
            lost += 1
    return lost
