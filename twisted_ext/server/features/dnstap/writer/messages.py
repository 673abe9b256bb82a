"""
Messages of dnstap: U{https://dnstap.info}, protocol buffers by the schema dnstap.proto.

They are written here and not by a library, since every query is one or two of them: that of Google takes half as long again, and would be
needed by nothing else. Fields are in the order of their numbers, as all libraries write them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from struct import Struct
from typing import Any, Final

__all__ = ["Messages"]

#: Types of messages: that of a query of each kind, and one more for replies.
_QUERY: Final = {"auth": 1, "resolver": 3, "client": 5, "forwarder": 7, "update": 13}

#: Values of C{SocketProtocol}.
_PROTOCOLS: Final = {"udp": 1, "tcp": 2, "tls": 3, "https": 4, "quic": 7}

#: The opcode of updates.
_UPDATE: Final = 5

#: Addresses that are kept in the form of messages.
_ADDRESSES: Final = 10_000

#: How IPv4 addresses begin at sockets for both families.
_MAPPED: Final = "::ffff:"

_NANOS: Final = 1_000_000_000

_fixed: Final = Struct("<I").pack
_length: Final = Struct(">I").pack


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 127:
        octets.append(number & 127 | 128)
        number >>= 7
    octets.append(number)
    return bytes(octets)


#: Of lengths and ports, most are small.
_VARINTS: Final = tuple([_varint(number) for number in range(1 << 16)])


def _text(key: bytes, octets: bytes) -> bytes:
    return key + _VARINTS[len(octets)] + octets


def _moment(time: float) -> tuple[bytes, bytes]:
    """
    Return a time as that of a query, and as that of a reply.
    """
    seconds, nanos = divmod(round(time * _NANOS), _NANOS)
    whole, part = _varint(seconds), _fixed(nanos)
    return b"\x40" + whole + b"\x4d" + part, b"\x60" + whole + b"\x6d" + part


def _addressOf(place: tuple[Any, ...]) -> tuple[Any, ...]:
    """
    Return address and port of where a datagram came from, as the loops of L{twisted_ext.native} tell it; only the address of a stream.
    """
    if len(place) > 1:
        second = place[1]
        if isinstance(second, tuple):
            return second
        if isinstance(second, bytes):
            # A socket address of the system, struct sockaddr_in or sockaddr_in6.
            four = int.from_bytes(second[:2], sys.byteorder) == AF_INET
            host = inet_ntop(AF_INET, second[4:8]) if four else inet_ntop(AF_INET6, second[8:24])
            return host, second[2] << 8 | second[3]
    return place


class Messages:
    """
    Makes frames of what was told.
    """

    def __init__(self, identity: str, version: str, kinds: Collection[str], recurses: bool) -> None:
        """
        @param kinds: those that are wanted, of the keys of C{_QUERY}.
        @param recurses: whether clients that want recursion get it.
        """
        self._head = b"".join([_text(key, text.encode()[:255]) for key, text in ((b"\x0a", identity), (b"\x12", version)) if text])
        self._kinds = frozenset(kinds)
        self._recurses = recurses
        # The family and the octets of addresses, by whether they are those of servers.
        self._known: tuple[dict[str, tuple[bytes, bytes]], dict[str, tuple[bytes, bytes]]] = ({}, {})
        self._ways: dict[str, Callable[[tuple[Any, ...]], Iterator[bytes]]] = {
            "h": self._hits,
            "r": self._replied,
            "u": self._sent,
            "v": self._came,
        }

    def of(self, batch: object) -> list[bytes]:
        """
        Return the frames for a batch.

        @raise ValueError: it is not valid.
        """
        if not isinstance(batch, list):
            raise ValueError("a batch that is not a list")
        try:
            return [self._framed(message) for told in batch for message in self._ways[told[0]](told)]
        except (IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a batch that is not valid: {error!r}") from None

    def _framed(self, message: bytes) -> bytes:
        size = _varint(len(message))
        head = self._head
        return b"".join((_length(len(head) + 1 + len(size) + len(message) + 2), head, b"\x72", size, message, b"\x78\x01"))

    def _address(self, text: str, isServer: bool) -> tuple[bytes, bytes]:
        """
        Return the field for the family of an address, and that for itself.
        """
        known = self._known[isServer]
        found = known.get(text)
        if found is None:
            if len(known) >= _ADDRESSES:
                known.clear()
            plain = text.partition("%")[0]
            if plain.startswith(_MAPPED) and "." in plain:
                plain = plain.removeprefix(_MAPPED)
            key = b"\x2a" if isServer else b"\x22"
            try:
                if ":" in plain:
                    found = b"\x10\x02", key + b"\x10" + inet_pton(AF_INET6, plain)
                else:
                    found = b"\x10\x01", key + b"\x04" + inet_pton(AF_INET, plain)
            except OSError:
                # That of a Unix socket.
                found = b"", b""
            known[text] = found
        return found

    def _kindOf(self, query: bytes) -> str:
        if query[2] >> 3 & 15 == _UPDATE:
            return "update"
        return "client" if self._recurses and query[2] & 1 else "auth"

    def _hits(self, told: tuple[Any, ...]) -> Iterator[bytes]:
        _, time, transport, queries, replies, port, address = told
        asked, answered = _moment(time)
        for (query, place), reply in zip(queries, replies, strict=True):
            yield from self._both(transport, query, query[:2] + reply, _addressOf(place), port, address, asked, answered)

    def _replied(self, told: tuple[Any, ...]) -> Iterator[bytes]:
        _, time, arrived, transport, query, reply, client, port, address = told
        yield from self._both(transport, query, reply, client, port, address, _moment(arrived)[0], _moment(time)[1])

    def _both(
        self,
        transport: str,
        query: bytes,
        reply: bytes,
        client: tuple[Any, ...],
        port: int,
        address: str,
        asked: bytes,
        answered: bytes,
    ) -> Iterator[bytes]:
        """
        Return the message for a query of a client, and that for its reply if there is one.
        """
        kind = self._kindOf(query)
        if kind not in self._kinds:
            return
        family, host = self._address(client[0], False)
        start = family + b"\x18" + _VARINTS[_PROTOCOLS[transport]] + host
        if address:
            start += self._address(address, True)[1]
        if len(client) > 1 and client[1]:
            start += b"\x30" + _VARINTS[client[1]]
        if port:
            start += b"\x38" + _VARINTS[port]
        start += asked
        number = _QUERY[kind]
        yield b"".join((b"\x08", _VARINTS[number], start, b"\x52", _VARINTS[len(query)], query))
        if reply:
            yield b"".join((b"\x08", _VARINTS[number + 1], start, answered, b"\x72", _VARINTS[len(reply)], reply))

    def _sent(self, told: tuple[Any, ...]) -> Iterator[bytes]:
        _, time, kind, transport, server, query = told
        if kind in self._kinds:
            start = self._upstream(_QUERY[kind], transport, server)
            yield b"".join((start, _moment(time)[0], b"\x52", _VARINTS[len(query)], query))

    def _came(self, told: tuple[Any, ...]) -> Iterator[bytes]:
        _, time, sent, kind, transport, server, reply = told
        if kind in self._kinds:
            start = self._upstream(_QUERY[kind] + 1, transport, server)
            yield b"".join((start, _moment(sent)[0], _moment(time)[1], b"\x72", _VARINTS[len(reply)], reply))

    def _upstream(self, number: int, transport: str, server: tuple[str, int]) -> bytes:
        family, host = self._address(server[0], True)
        return b"".join((b"\x08", _VARINTS[number], family, b"\x18", _VARINTS[_PROTOCOLS[transport]], host, b"\x38", _VARINTS[server[1]]))
