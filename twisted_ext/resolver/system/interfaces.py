"""
The network interfaces of this host and their addresses, as the kernel knows them (rtnetlink(7)).
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from twisted_ext.errors import BadDescription

__all__ = ["InterfaceAddress", "addressesOf", "interfaceAddresses", "readAddresses"]

#: Octets read from the kernel about the addresses of this host, some 80 for each of them.
_INTERFACE_OCTETS: Final = 1 << 20

_GET_ADDRESSES: Final = 22
_ADDRESS: Final = 20
_DONE: Final = 3
_REQUEST_ALL: Final = 0x301
_PEER: Final = 1
_LOCAL: Final = 2

#: Flags of IPv6 addresses that sockets cannot be bound to, or not for long: temporary ones (RFC 8981), duplicates, and those that are still
#: being checked for duplicates.
_UNBINDABLE: Final = 0x01 | 0x08 | 0x40

_MESSAGE: Final = struct.Struct("=IHHII")
_ABOUT: Final = struct.Struct("=BBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_REQUEST: Final = _MESSAGE.pack(17, _GET_ADDRESSES, _REQUEST_ALL, 1, 0) + b"\x00"


#: An address of an interface: its four or sixteen octets, the length of its prefix, the flags of ifaddrmsg, and the interface's number.
InterfaceAddress = tuple[bytes, int, int, int]


def interfaceAddresses() -> list[InterfaceAddress]:
    """
    Return the addresses of all interfaces; empty if the system has no rtnetlink.
    """
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        return []
    found: list[InterfaceAddress] = []
    heard = 0
    try:
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as kernel:
            # The kernel's complete reply is available as soon as the request is sent.
            kernel.setblocking(False)
            kernel.send(_REQUEST)
            while heard < _INTERFACE_OCTETS:
                octets = kernel.recv(65536)
                heard += len(octets)
                if readAddresses(octets, found):
                    break
    except OSError:
        pass
    return found


def readAddresses(octets: bytes, found: list[InterfaceAddress]) -> bool:
    """
    Parse netlink messages, and append the addresses in them to C{found}. Return whether the last message was among them.
    """
    at = 0
    while at + 16 <= len(octets):
        length, kind = _MESSAGE.unpack_from(octets, at)[:2]
        if kind == _DONE or length < 16:
            return True
        if kind == _ADDRESS and length >= 24 and at + length <= len(octets):
            _, bits, flags, _, index = _ABOUT.unpack_from(octets, at + 16)
            said = _attributes(octets[at + 24 : at + length])
            address = said.get(_LOCAL) or said.get(_PEER)
            if address:
                found.append((address, bits, flags, index))
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


def addressesOf(interface: str) -> list[str]:
    """
    Return the addresses of an interface to which sockets can be bound, IPv4 first, link-local ones with their scope.

    @raise BadDescription: there is no such interface, or it has no address; says which there are.
    """
    try:
        names = {name: index for index, name in socket.if_nameindex()}
    except OSError as error:
        # A sandbox without netlink sockets.
        said = error.strerror or error
        raise BadDescription(f"{interface!r}: the system does not list its interfaces ({said}); write addresses") from None
    if interface not in names:
        raise BadDescription(f"there is no interface {interface!r}; there are {', '.join(names)}")
    ours = [(packed, flags) for packed, _, flags, index in interfaceAddresses() if index == names[interface]]
    found = [socket.inet_ntop(socket.AF_INET, packed) for packed, _ in ours if len(packed) == 4]
    for packed, flags in ours:
        if len(packed) == 16 and not flags & _UNBINDABLE:
            text = socket.inet_ntop(socket.AF_INET6, packed)
            found.append(f"{text}%{interface}" if packed[0] == 0xFE and packed[1] & 0xC0 == 0x80 else text)
    if not found:
        raise BadDescription(f"the interface {interface!r} has no address that a server can listen at")
    return found
