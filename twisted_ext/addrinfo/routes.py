"""
The scope of addresses, and what the kernel knows: the addresses of this host (rtnetlink(7)), and the source address for a destination.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from twisted_ext.resolver.system.interfaces import interfaceAddresses
from twisted_ext.transport.servers import scopeNumber

__all__ = ["GLOBAL", "Own", "SourceFor", "ownAddresses", "packed", "scopeOf", "sourceFor"]

#: Returns the source address that the kernel selects for a destination, or L{None} if there is no route.
SourceFor = Callable[[str], "str | None"]

#: Scopes (RFC 4291, section 2.7; RFC 6724, section 3.1).
_LINK_LOCAL: Final = 0x2
_SITE_LOCAL: Final = 0x5
GLOBAL: Final = 0xE

_MAPPED: Final = bytes(10) + b"\xff\xff"

_DEPRECATED: Final = 0x20

#: For each packed address: its prefix length, and whether it is deprecated.
Own = dict[bytes, tuple[int, bool]]


def packed(address: str) -> bytes:
    """
    Return an address as sixteen octets, IPv4 as an IPv4-mapped address (RFC 6724, section 3.2). A scope id is ignored.

    @raise OSError: this is not a valid address.
    """
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return _MAPPED + socket.inet_pton(socket.AF_INET, address)


def scopeOf(address: bytes) -> int:
    """
    Return the scope of a packed address (RFC 6724, sections 3.1 and 3.2).
    """
    if address[0] == 0xFF:
        return address[1] & 0xF
    if address.startswith(_MAPPED):
        return _LINK_LOCAL if address[12] == 127 or address[12:14] == b"\xa9\xfe" else GLOBAL
    first = address[0] << 8 | address[1]
    if address == b"\x00" * 15 + b"\x01" or first & 0xFFC0 == 0xFE80:
        return _LINK_LOCAL
    return _SITE_LOCAL if first & 0xFFC0 == 0xFEC0 else GLOBAL


def sourceFor(address: str) -> str | None:
    """
    Ask the kernel for the source address of packets to C{address}. Nothing is sent.
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


def ownAddresses() -> Own:
    """
    Return the addresses of all interfaces; empty if the system has no rtnetlink.
    """
    return {packed: (bits, bool(flags & _DEPRECATED)) for packed, bits, flags, _ in interfaceAddresses()}
