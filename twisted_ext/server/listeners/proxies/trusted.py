"""
Which proxies are trusted to name their clients.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from twisted_ext.server.reply.acl import Access

__all__ = ["UNIX", "TrustedProxies"]

#: Stands for the proxies that connect to Unix sockets.
UNIX: Final = "unix"

#: Characters of an IPv6 address with all zeros.
_EXPLODED = 39


class TrustedProxies:
    """
    The networks of the proxies. Nothing that others say of their clients is believed.

    @ivar any: whether there are any.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self.configure(networks)

    def configure(self, networks: Iterable[str] = ()) -> None:
        """
        Replace the networks.

        @param networks: prefixes, and L{UNIX}.

        @raise BadDescription: a network is not valid.
        """
        listed = tuple(networks)
        self.any = bool(listed)
        self._unix = UNIX in listed
        self._access = Access({"allow": [each for each in listed if each != UNIX]})

    def trusts(self, host: str) -> bool:
        """
        @param host: an address, C{""} for a Unix socket, whose permissions decide which proxies can connect.
        """
        return self.any and (self._access.actionFor(host) == "allow" if host else self._unix)

    def isItself(self, host: str) -> bool:
        """
        Return whether an address is that of a trusted proxy as a socket reports it, and not a client that L{nameOf} has named.
        """
        if not self.any or host.startswith("::ffff:") or not self.trusts(host):
            return False
        return len(host) < _EXPLODED or str(ip_address(host)) == host

    def nameOf(self, host: str) -> str:
        """
        Return the address of a client that a proxy names, so that it can be told from a connection of the proxy itself: a client on the
        proxy's machine has the same address. It is another notation of the address, which means the same to access lists and limits.
        """
        if not host or not self.trusts(host):
            return host
        address = ip_address(host)
        return f"::ffff:{address}" if address.version == 4 else address.exploded
