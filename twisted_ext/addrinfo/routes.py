"""
The scope of addresses, and what the kernel knows: the addresses of this host (rtnetlink(7)), and the source address for a destination.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Final

from twisted_ext.limits import INTERFACE_OCTETS
from twisted_ext.transport.servers import scopeNumber

__all__ = ["GLOBAL", "Own", "SourceFor", "ownAddresses", "packed", "readAddresses", "scopeOf", "sourceFor"]

#: Returns the source address that the kernel selects for a destination, or L{None} if there is no route.
SourceFor = Callable[[str], "str | None"]

#: Scopes (RFC 4291, section 2.7; RFC 6724, section 3.1).
_LINK_LOCAL: Final = 0x2
_SITE_LOCAL: Final = 0x5
GLOBAL: Final = 0xE

_MAPPED: Final = bytes(10) + b"\xff\xff"

_GET_ADDRESSES: Final = 22
_ADDRESS: Final = 20
_DONE: Final = 3
_REQUEST_ALL: Final = 0x301
_PEER: Final = 1
_LOCAL: Final = 2
_DEPRECATED: Final = 0x20

_MESSAGE: Final = struct.Struct("=IHHII")
_ABOUT: Final = struct.Struct("=BBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_REQUEST: Final = _MESSAGE.pack(17, _GET_ADDRESSES, _REQUEST_ALL, 1, 0) + b"\x00"

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
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        return {}
    found: Own = {}
    heard = 0
    try:
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as kernel:
            # The kernel's complete reply is available as soon as the request is sent.
            kernel.setblocking(False)
            kernel.send(_REQUEST)
            while heard < INTERFACE_OCTETS.default:
                octets = kernel.recv(65536)
                heard += len(octets)
                if readAddresses(octets, found):
                    break
    except OSError:
        pass
    return found


def readAddresses(octets: bytes, found: Own) -> bool:
    """
    Parse netlink messages, and add the addresses in them to C{found}. Return whether the last message was among them.
    """
    at = 0
    while at + 16 <= len(octets):
        length, kind = _MESSAGE.unpack_from(octets, at)[:2]
        if kind == _DONE or length < 16:
            return True
        if kind == _ADDRESS and length >= 24 and at + length <= len(octets):
            _, bits, flags, _, _ = _ABOUT.unpack_from(octets, at + 16)
            said = _attributes(octets[at + 24 : at + length])
            address = said.get(_LOCAL) or said.get(_PEER)
            if address:
                found[address] = bits, bool(flags & _DEPRECATED)
        at += length + 3 & ~3
    return False


def _attributes(octets: bytes) -> dict[int, bytes]:
    said: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(octets):
        length, kind = _ATTRIBUTE.unpack_from(octets, at)
        if length < 4:
            break
        said[kind] = octets[at + 4 : at + length]
        at += length + 3 & ~3
    return said
