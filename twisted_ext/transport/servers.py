"""
Server addresses: an IP address in canonical form, and a port.
"""

from __future__ import annotations

import socket
from typing import Final

from twisted_ext.errors import BadDescription

__all__ = ["Server", "DNS_PORT", "scopeNumber"]

#: The default port of DNS servers (RFC 1035, section 4.2).
DNS_PORT: Final = 53

_MAPPED: Final = bytes(10) + b"\xff\xff"

#: Maximum interface number that sockets accept.
_MOST_SCOPE: Final = 0xFFFFFFFF


class Server:
    """
    The address of a server.

    Spelling is normalized: C{2001:DB8:0:0::53} and C{2001:db8::53} are equal.

    @ivar address: the address in its shortest form, with the scope after C{%} if there is one; mapped IPv4 addresses are converted to IPv4.
    @ivar port: 1 to 65535.
    @ivar family: C{socket.AF_INET} or C{socket.AF_INET6}.
    @ivar label: address and port for display: C{"192.0.2.1:53"}, C{"[2001:db8::1]:53"}.
    """

    __slots__ = ("address", "port", "family", "label", "_key", "_pair")

    def __init__(self, address: str, port: int = DNS_PORT) -> None:
        """
        @raise BadDescription: C{address} is not an IP address, or the port is out of range.
        """
        self.family, packed, scope = _parsed(address)
        if not 0 < port < 65536:
            raise BadDescription(f"{port} is not a valid port; it takes a number from 1 to 65535")
        plain = socket.inet_ntop(self.family, packed)
        self.address = f"{plain}%{scope}" if scope else plain
        # Also of a port that says more, such as that it was given.
        self.port = port = int(port)
        self.label = f"[{self.address}]:{port}" if self.family == socket.AF_INET6 else f"{plain}:{port}"
        self._key = (packed, scope, port)
        self._pair = (self.address, port)

    @classmethod
    def fromText(cls, text: str, port: int = DNS_PORT) -> Server:
        """
        Parse C{192.0.2.1}, C{192.0.2.1:5353}, C{2001:db8::1}, C{[2001:db8::1]:5353} or C{fe80::1%eth0}; a port may also follow C{#}, where
        an IPv6 address needs no brackets.

        @param port: the port if the text has none.

        @raise BadDescription: the text is none of these.
        """
        address = text.strip()
        digits: str | None = None
        if "#" in address:
            address, _, digits = address.partition("#")
            if address.startswith("[") and address.endswith("]"):
                address = address[1:-1]
        elif address.startswith("["):
            address, bracket, rest = address[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                raise BadDescription(f"{text!r} is not a valid server: after [address] comes nothing, or :port")
            digits = rest[1:] if rest else None
        elif address.count(":") == 1:
            address, _, digits = address.partition(":")
        if digits is None:
            return cls(address, port)
        if not digits:
            raise BadDescription(f"{text!r} is not a valid server: the port is missing")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 5):
            raise BadDescription(f"{text!r} is not a valid server: {digits!r} is not a valid port")
        return cls(address, int(digits))

    def socketAddress(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """
        Return the address to connect a socket of C{family} to.

        @raise OSError: the scope names an interface that does not exist at present.
        """
        if self.family == socket.AF_INET:
            return self._pair
        return self.address.partition("%")[0], self.port, 0, scopeNumber(self._key[1])

    def isAt(self, address: str, port: int) -> bool:
        """
        Return whether a datagram from this address and port is from this server. Addresses are compared by value; scopes only if both have
        one.
        """
        if port != self.port:
            return False
        try:
            _, packed, scope = _parsed(address)
        except BadDescription:
            return False
        return packed == self._key[0] and (not scope or not self._key[1] or scope == self._key[1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Server):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"<Server {self.label}>"


def scopeNumber(scope: str) -> int:
    """
    Return the number of an interface; 0 for the empty text.

    @param scope: an interface by name or number, or the empty text.

    @raise OSError: the interface does not exist at present.
    """
    if not scope:
        return 0
    if _isNumber(scope):
        return min(int(scope[:11]), _MOST_SCOPE)
    try:
        return socket.if_nametoindex(scope)
    except ValueError as error:
        raise OSError(str(error)) from None


def _isNumber(scope: str) -> bool:
    return scope.isascii() and scope.isdigit()


def _parsed(address: str) -> tuple[int, bytes, str]:
    plain, _, scope = address.partition("%")
    try:
        if ":" not in plain:
            return socket.AF_INET, socket.inet_pton(socket.AF_INET, address), ""
        packed = socket.inet_pton(socket.AF_INET6, plain)
        if _isNumber(scope) and int(scope[:11]) > _MOST_SCOPE:
            raise ValueError
    except (OSError, ValueError):
        raise BadDescription(f"{address!r} is not an IP address, such as 192.0.2.1 or 2001:db8::1") from None
    if packed.startswith(_MAPPED):
        return socket.AF_INET, packed[12:], ""
    return socket.AF_INET6, packed, scope
