"""
The order in which to try the addresses of a host (RFC 6724, section 6), as getaddrinfo gives them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Final

from twisted_ext.transport.servers import scopeNumber

__all__ = ["inOrder", "packed", "policyOf", "scopeOf", "sourceFor"]

#: A route from here to an address: which of our own addresses it begins at, or L{None} where there is no route.
SourceFor = Callable[[str], "str | None"]

#: Scopes (RFC 4291, section 2.7; RFC 6724, section 3.1).
LINK_LOCAL: Final = 0x2
ADMIN_LOCAL: Final = 0x4
SITE_LOCAL: Final = 0x5
GLOBAL: Final = 0xE

_MAPPED: Final = bytes(10) + b"\xff\xff"


def _prefix(text: str, bits: int, precedence: int, label: int) -> tuple[int, int, int, int]:
    number = int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
    return number >> (128 - bits), 128 - bits, precedence, label


#: Prefix, bits behind it, precedence, label (RFC 6724, section 2.1), the longest prefix first.
_POLICIES: Final = (
    _prefix("::1", 128, 50, 0),
    _prefix("::ffff:0:0", 96, 35, 4),
    _prefix("::", 96, 1, 3),
    _prefix("2001::", 32, 5, 5),
    _prefix("2002::", 16, 30, 2),
    _prefix("3ffe::", 16, 1, 12),
    _prefix("fec0::", 10, 1, 11),
    _prefix("fc00::", 7, 3, 13),
    _prefix("::", 0, 40, 1),
)


def packed(address: str) -> bytes:
    """
    @return: sixteen octets; IPv4 as mapped addresses (RFC 6724, section 3.2). A scope id is left out.

    @raise OSError: this is no address.
    """
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return _MAPPED + socket.inet_pton(socket.AF_INET, address)


def policyOf(address: bytes) -> tuple[int, int]:
    """
    @return: precedence and label of a packed address.
    """
    number = int.from_bytes(address, "big")
    return next((precedence, label) for prefix, shift, precedence, label in _POLICIES if number >> shift == prefix)


def scopeOf(address: bytes) -> int:
    """
    @return: how far a packed address reaches (RFC 6724, section 3.1 and 3.2).
    """
    if address[0] == 0xFF:
        return address[1] & 0xF
    if address.startswith(_MAPPED):
        return LINK_LOCAL if address[12] == 127 or address[12:14] == b"\xa9\xfe" else GLOBAL
    first = address[0] << 8 | address[1]
    if address == b"\x00" * 15 + b"\x01" or first & 0xFFC0 == 0xFE80:
        return LINK_LOCAL
    return SITE_LOCAL if first & 0xFFC0 == 0xFEC0 else GLOBAL


def sourceFor(address: str) -> str | None:
    """
    Ask the system which of our addresses a packet to C{address} would carry. Nothing is sent.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as probe:
            if family == socket.AF_INET6:
                host, _, scope = address.partition("%")
                probe.connect((host, 9, 0, scopeNumber(scope)))
            else:
                probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _commonBits(one: bytes, other: bytes) -> int:
    # Not beyond the half that names a network (RFC 6724, section 2.2).
    return 64 - (int.from_bytes(one[:8], "big") ^ int.from_bytes(other[:8], "big")).bit_length()


def _key(address: str, source: str | None) -> tuple[bool, bool, bool, int, int, int]:
    """
    Rules 1, 2, 5, 6, 8 and 9, the better value the smaller one. Rules 3, 4 and 7 need to know what only the kernel does.
    """
    destination = packed(address)
    precedence, label = policyOf(destination)
    scope = scopeOf(destination)
    if source is None:
        return True, True, True, -precedence, scope, 0
    origin = packed(source)
    common = 0 if destination.startswith(_MAPPED) else _commonBits(destination, origin)
    return False, scopeOf(origin) != scope, policyOf(origin)[1] != label, -precedence, scope, -common


def inOrder(addresses: Sequence[str], source: SourceFor = sourceFor) -> list[str]:
    """
    @param addresses: of both families, as text.
    @param source: which of our own addresses each would be reached from.

    @return: the same, those to be tried first at the beginning; what is equally good stays in its order.
    """
    if len(addresses) < 2:
        return list(addresses)
    return sorted(addresses, key=lambda address: _key(address, source(address)))
