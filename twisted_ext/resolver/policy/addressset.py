"""
Sets of networks, in which an address is found at once whatever their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

__all__ = ["AddressSet"]


class AddressSet:
    """
    A set of networks of both families.
    """

    __slots__ = ("_prefixes",)

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        # By the octets of an address: of each length of prefixes, the longest first, by how many bits an address is shifted to compare with
        # them, and the prefixes.
        found: dict[int, dict[int, set[int]]] = {4: {}, 16: {}}
        for each in networks:
            shift = each.max_prefixlen - each.prefixlen
            found[each.max_prefixlen // 8].setdefault(shift, set()).add(int(each.network_address) >> shift)
        self._prefixes = {octets: sorted(by.items(), key=_shiftOf) for octets, by in found.items()}

    def __bool__(self) -> bool:
        return any(self._prefixes.values())

    def find(self, packed: bytes) -> IPv4Network | IPv6Network | None:
        """
        Return the longest network that has an address; L{None} if none has.

        @param packed: four or sixteen octets; of another length it is in none.
        """
        number = int.from_bytes(packed, "big")
        for shift, prefixes in self._prefixes.get(len(packed), ()):
            bits = number >> shift
            if bits in prefixes:
                size = 8 * len(packed)
                kind = IPv4Network if size == 32 else IPv6Network
                return kind((bits << shift, size - shift))
        return None


def _shiftOf(item: tuple[int, set[int]]) -> int:
    return item[0]
