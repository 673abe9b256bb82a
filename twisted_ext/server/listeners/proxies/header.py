"""
The header that proxies put in front of a connection or a datagram: the PROXY protocol of HAProxy, versions 1 and 2.

No I/O. The format is that of https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.server.limits import PROXY_HEADER

__all__ = ["ProxyHeader", "headerIn"]

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"

#: Octets before the addresses: the signature, version and command, family and protocol, and the length of the rest.
_FIXED: Final = 16

_FIRST: Final = b"PROXY "

#: Octets of the longest header of version 1, with its line break.
_LINE: Final = 107

_LOCAL: Final = 0
_PROXY: Final = 1

#: Octets of the addresses and ports by family: unspecified, IPv4, IPv6, Unix.
_ADDRESSES: Final = (0, 12, 36, 216)

_FAMILIES: Final = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}

_MOST: Final = int(PROXY_HEADER.default)


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """
    @ivar octets: its length; 0 if there is no header.
    @ivar host: the client's address, C{""} if the header names no client that has one.
    @ivar port: the client's port.
    """

    octets: int = 0
    host: str = ""
    port: int = 0


_NONE: Final = ProxyHeader()


def headerIn(data: bytes) -> ProxyHeader | None:
    """
    Parse the header at the start of some octets.

    @return: L{None} if that takes more octets.

    @raise BadMessage: it is malformed.
    """
    start = data[: len(_SIGNATURE)]
    if _SIGNATURE.startswith(start):
        return _second(data) if len(data) >= _FIXED else None
    if start[: len(_FIRST)] == _FIRST:
        return _first(data)
    return None if _FIRST.startswith(start) else _NONE


def _first(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _LINE)
    if end < 0:
        if len(data) >= _LINE:
            raise BadMessage(f"a PROXY header of version 1 has at most {_LINE} octets")
        return None
    words = data[len(_FIRST) : end].split(b" ")
    octets = end + 2
    if words[0] == b"UNKNOWN":
        return ProxyHeader(octets)
    make = _FAMILIES.get(words[0])
    if make is None or len(words) != 5:
        raise BadMessage("a PROXY header of version 1 has a family, two addresses and two ports")
    try:
        source, _ = [str(make(word.decode("ascii"))) for word in words[1:3]]
        port, _ = [_portIn(word) for word in words[3:]]
    except ValueError as error:
        raise BadMessage(f"a PROXY header has no valid address or port: {error}") from None
    return ProxyHeader(octets, source, port)


def _portIn(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65535 or (word[:1] == b"0" and word != b"0"):
        raise ValueError(f"{word!r} is not a port")
    return int(word)


def _second(data: bytes) -> ProxyHeader | None:
    version, command = data[12] >> 4, data[12] & 15
    family, protocol = data[13] >> 4, data[13] & 15
    length = data[14] << 8 | data[15]
    if version != 2 or command not in (_LOCAL, _PROXY):
        raise BadMessage(f"a PROXY header has version {version} and command {command}, not 2 and 0 or 1")
    octets = _FIXED + length
    if octets > _MOST:
        raise BadMessage(f"a PROXY header has {octets} octets, more than {_MOST}")
    if len(data) < octets:
        return None
    if command == _LOCAL:
        # The proxy itself, such as to find out whether the server is there. The rest has no meaning.
        return ProxyHeader(octets)
    if family >= len(_ADDRESSES) or protocol > 2:
        raise BadMessage(f"a PROXY header has family {family} and protocol {protocol}, which do not exist")
    size = _ADDRESSES[family]
    if length < size:
        raise BadMessage(f"a PROXY header has {length} octets of addresses, not {size}")
    if family not in (1, 2) or not protocol:
        return ProxyHeader(octets)
    half = (size - 4) // 2
    source = ip_address(data[_FIXED : _FIXED + half])
    at = _FIXED + 2 * half
    return ProxyHeader(octets, str(source), data[at] << 8 | data[at + 1])
