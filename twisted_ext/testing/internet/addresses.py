"""
Addresses that follow from a seed and a host's name.
"""

from __future__ import annotations

from collections.abc import Container
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Final

__all__ = ["MEASUREMENTS", "addressFor"]

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
