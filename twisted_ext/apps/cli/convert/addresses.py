"""
Addresses, domains and servers, as other programs write them, in the forms of this one's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from twisted_ext.errors import BadName
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["NAT64", "Upstream", "described", "isAddress", "labelOf", "nameFrom", "namesAbove", "networkFrom", "portFrom", "reverseDomains"]

#: The prefix of a NAT64 that programs have by default.
NAT64: Final = "64:ff9b::/96"

#: Files with the certificates of the authorities that systems trust, which are the default here.
_SYSTEM_AUTHORITIES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/ca-bundle.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/usr/local/etc/ssl/cert.pem",
    "system",
)


@dataclass(frozen=True, slots=True)
class Upstream:
    """
    @ivar name: the name in its certificate, C{""} for none.
    """

    address: str
    port: int = 0
    name: str = ""

    @property
    def text(self) -> str:
        """
        The server as descriptions have it.
        """
        host = f"[{self.address}]" if ":" in self.address else self.address
        port = f"@{self.port}" if self.port else ""
        return f"{host}{port}{f'#{self.name}' if self.name else ''}"


def isAddress(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def namesAbove(name: str) -> Iterator[str]:
    """
    Iterate over a name, with or without its final dot, and the names above it.
    """
    while name:
        yield name
        name = name.partition(".")[2]
    yield "."


def nameFrom(text: str) -> str | None:
    """
    Return a name in lower case with its final dot, L{None} if it is not valid.
    """
    try:
        return nameToText(nameFromText(text)).lower() if text else None
    except BadName:
        return None


def reverseDomains(network: IPv4Network | IPv6Network) -> Iterator[str]:
    """
    Iterate over the reverse domains of a network, without final dots: the octets or digits that the prefix ends within make several.
    """
    step = 8 if network.version == 4 else 4
    for each in network.subnets(new_prefix=max(-(-network.prefixlen // step) * step, step)):
        pointer = each.network_address.reverse_pointer.split(".")
        yield ".".join(pointer[(each.max_prefixlen - each.prefixlen) // step :])


def networkFrom(text: str) -> str | None:
    """
    Return a network without the bits of a host in it, L{None} if it is not valid.
    """
    address, slash, length = text.strip().partition("/")
    # named completes "10/8".
    if slash and ":" not in address and address.replace(".", "").isdecimal():
        address += ".0" * (3 - address.count("."))
    try:
        return str(ip_network(f"{address}{slash}{length}", strict=False))
    except ValueError:
        return None


def portFrom(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) < 65536 else None


def labelOf(address: str, port: int, usual: int = 53) -> str:
    """
    Return an address, with its port if that is not the usual one.
    """
    if port in (0, usual):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def described(servers: Iterable[Upstream], transport: str = "udp", authorities: str = "", *, validated: bool = False) -> str:
    """
    Return the description of a group of servers.

    @param transport: C{udp}, C{tcp} or C{tls}.
    @param authorities: the path of the file of the authorities that are trusted, C{""} for those of the system.
    @param validated: whether their answers have to be validated.
    """
    text = f"{transport}:{','.join([server.text for server in servers])}"
    if transport == "tls" and authorities and authorities not in _SYSTEM_AUTHORITIES:
        text += f":ca={_escaped(authorities)}"
    return f"validate:{text}" if validated else text


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:")
