"""
Stub zones: those whose authoritative servers the configuration names, by address or by name, with or without a port.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.recursion.delegations import FixedDelegation, NameServer
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.names import isBelow, labelCount, labelsOf, nameFromText, nameToText

__all__ = ["stubDelegation", "stubTarget"]


class _NamedServer(NameServer):
    """
    A server whose addresses are looked up, at a port.
    """

    __slots__ = ("port",)

    def __init__(self, name: bytes, port: int) -> None:
        super().__init__(name)
        self.port = port

    def learn(self, addresses: Iterable[str], ttl: float, now: float, missing: tuple[int, ...] = ()) -> None:
        if self.port != DNS_PORT:
            addresses = [Server(address, self.port).label for address in addresses]
        super().learn(addresses, ttl, now, missing)


def stubTarget(text: str, zone: bytes) -> str:
    """
    Check a server of a stub zone: an address or a name, and a port after C{:} or C{#} if it is another one than 53.

    @param zone: folded.

    @return: it in canonical form.

    @raise BadDescription: it is neither, or it is a name inside of the zone, which only its servers could look up.
    """
    text = text.strip()
    found = _parsed(text)
    if isinstance(found, Server):
        return found.address if found.port == DNS_PORT else found.label
    name, port = found
    if isBelow(name.lower(), zone):
        raise BadDescription(f"{text!r} is in the zone {nameToText(zone)} itself: give its address")
    return nameToText(name) if port == DNS_PORT else f"{nameToText(name)}:{port}"


def stubDelegation(zone: bytes, targets: Iterable[str]) -> FixedDelegation:
    """
    @param zone: folded.
    @param targets: as from L{stubTarget}.
    """
    addresses: list[str] = []
    servers: list[NameServer] = []
    for text in targets:
        found = _parsed(text)
        if isinstance(found, Server):
            addresses.append(text)
        else:
            servers.append(_NamedServer(found[0].lower(), found[1]))
    if addresses:
        servers.insert(0, NameServer(zone, tuple(addresses), inf))
    return FixedDelegation(zone, labelCount(zone), servers)


def _parsed(text: str) -> Server | tuple[bytes, int]:
    host, separator, digits = text.replace("#", ":").rpartition(":")
    last = (host if separator else text).rstrip(".").rpartition(".")[2]
    if last.isdigit() or ":" in host or text.startswith("["):
        return Server.fromText(text)
    port = DNS_PORT
    if separator:
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
            raise BadDescription(f"{digits!r} is not a valid port; it takes a number from 1 to 65535")
        port = int(digits)
    try:
        name = nameFromText(host if separator else text)
    except CallerFault as fault:
        raise BadDescription(f"{text!r} is neither an address nor a name: {fault}") from None
    if not labelsOf(name):
        raise BadDescription(f"{text!r} is neither an address nor a name")
    return name, port
