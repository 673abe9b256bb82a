"""
The hosts of the application under test, the faults that these can have, and addresses that follow from a seed and the name of a host.
"""

from __future__ import annotations

from collections.abc import Container
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import TYPE_CHECKING, Final

from twisted_ext.testing.internet.faults import Fault

if TYPE_CHECKING:
    from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["MEASUREMENTS", "OwnHost", "addressFor"]

_FAULTS: Final = (Fault.DEAD, Fault.CLOSED)

#: The prefix reserved for measurements of networks (RFC 2544).
MEASUREMENTS: Final = IPv4Network("198.18.0.0/15")

#: A part of the prefix for documentation (RFC 3849).
_IPV6: Final = int(IPv6Address("2001:db8:5300::"))
_IPV6_HOSTS: Final = 1 << 64


def addressFor(seed: int, host: bytes, family: int, taken: Container[str], network: IPv4Network = MEASUREMENTS) -> str:
    """
    Return the address of a host.

    @param host: its folded name.
    @param family: 4 or 6.
    @param taken: addresses of other hosts, which are avoided.
    @param network: where IPv4 addresses are from.
    """
    number = 0
    while True:
        digest = sha256(b"%d/%d/%d/%b" % (seed, family, number, host)).digest()
        place = int.from_bytes(digest[:8], "big")
        # The first address of a network is not given to a host.
        if family == 4:
            address = str(IPv4Address(int(network.network_address) + 1 + place % (network.num_addresses - 2)))
        else:
            address = str(IPv6Address(_IPV6 + 1 + place % (_IPV6_HOSTS - 2)))
        if address not in taken:
            return address
        number += 1


class OwnHost:
    """
    A host that is no name server, such as a web server or a client of the test.

    @ivar addresses: its addresses.
    """

    def __init__(self, reactor: MemoryReactor) -> None:
        self.addresses = reactor.addresses
        self._reactor = reactor

    def begin(self, fault: Fault) -> None:
        """
        @raise ValueError: the fault is one of name servers.
        """
        if fault not in _FAULTS:
            known = " and ".join([each.name for each in _FAULTS])
            raise ValueError(f"{fault.name} is for name servers; the host at {self.addresses[0]} can have {known}")
        self._set(fault, True)

    def end(self, fault: Fault | None) -> None:
        """
        @param fault: L{None} for all.
        """
        for each in _FAULTS if fault is None else (fault,):
            self._set(each, False)

    def _set(self, fault: Fault, on: bool) -> None:
        if fault is Fault.DEAD:
            dead = self._reactor.network.dead
            (dead.update if on else dead.difference_update)(self.addresses)
        elif fault is Fault.CLOSED:
            self._reactor.closed = on
