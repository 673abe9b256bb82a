"""
Read the addresses of this host from the kernel (rtnetlink(7)).
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from twisted_ext.limits import INTERFACE_OCTETS

__all__ = ["Own", "ownAddresses", "readAddresses"]

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
    Parse a netlink message.

    @param octets: the message from the kernel.
    @param found: the addresses are added to it.

    @return: whether this was the last message.
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
