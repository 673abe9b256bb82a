"""
Sort the addresses of a host for connection attempts (RFC 6724, section 6), like getaddrinfo(3), by the policy table of gai.conf(5). Data
from the kernel is cached for a second.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import Final

from twisted_ext.addrinfo.routes import GLOBAL, Own, SourceFor, ownAddresses, packed, scopeOf, sourceFor
from twisted_ext.limits import ADDRESSES_SORTED, CONFIGURATION_OCTETS, LOOK_SECONDS, ROUTES_REMEMBERED
from twisted_ext.resolver.local.localanswers import Complaints, FollowedFile

__all__ = ["GAI_CONF", "Order", "Policies"]

#: The path of gai.conf(5) on Linux.
GAI_CONF: Final = "/etc/gai.conf"

#: The default table: prefix, precedence and label. Its values are used unless the file has entries of the kind.
_DEFAULTS: Final = (
    ("::1/128", 50, 0),
    ("::/0", 40, 1),
    ("::ffff:0:0/96", 35, 4),
    ("2002::/16", 30, 2),
    ("2001::/32", 5, 5),
    ("fc00::/7", 3, 13),
    ("::/96", 1, 3),
    ("fec0::/10", 1, 11),
    ("3ffe::/16", 1, 12),
)

_PAUSE: Final = LOOK_SECONDS.default
_MAPPED: Final = 0xFFFF << 32
_LOOPBACK: Final = bytes(15) + b"\x01"

#: The /64 of the IPv6 loopback address and of IPv4-mapped addresses.
_SPECIAL: Final = bytes(8)

#: Represents any IPv4 address.
_SOME_IPV4: Final = bytes((192, 0, 2, 1))

#: Sort key for rules 1, 2, 3, 5, 6, 8 and 9; smaller is better.
_Key = tuple[bool, bool, bool, bool, int, int, int]


class Order:
    """
    Sorts addresses. Source addresses and configuration are cached for a second: one entry for each IPv4 /24 and each IPv6 /64, except
    within networks that this host is attached to.

    Rules 4 and 7 are not applied, as they need data that only the kernel has. Rule 9 applies to IPv4 only within one network.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        path: str | None = None,
        *,
        source: SourceFor | None = None,
        own: Callable[[], Own] | None = None,
    ) -> None:
        """
        @param path: the path of C{gai.conf}; L{None} for the system's.
        @param source: returns the source address for a destination; L{None} to ask the kernel.
        @param own: returns the addresses of this host; L{None} to ask the kernel.
        """
        self._seconds = seconds
        self._file = FollowedFile(path or GAI_CONF)
        self._sourceFor = source or sourceFor
        self._ownAddresses = own or ownAddresses
        self._until = float("-inf")
        self._policies = Policies()
        self._own: Own = {}
        self._modern = False
        self._near: set[bytes] = set()
        # Large networks that this host is attached to.
        self._wide4: list[tuple[int, int]] = []
        self._wide6: list[tuple[int, int]] = []
        self._keys: dict[bytes, _Key] = {}
        self._mostSorted = int(ADDRESSES_SORTED.default)
        self._most = int(ROUTES_REMEMBERED.default)

    def refresh(self) -> None:
        """
        Discard cached data older than a second.
        """
        now = self._seconds()
        if 0.0 < self._until - now <= _PAUSE:
            return
        self._until = now + _PAUSE
        self._keys.clear()
        self._own = own = self._ownAddresses()
        self._modern = any(len(each) == 16 and each != _LOOPBACK for each in own)
        self._near = {_SPECIAL, *[each[:3] if len(each) == 4 else each[:8] for each in own]}
        self._wide4 = [
            (24 - bits, int.from_bytes(each[:3], "big") >> (24 - bits)) for each, (bits, _) in own.items() if len(each) == 4 and bits < 24
        ]
        self._wide6 = [
            (64 - bits, int.from_bytes(each[:8], "big") >> (64 - bits)) for each, (bits, _) in own.items() if len(each) == 16 and bits < 64
        ]
        if self._file.changed():
            data = self._file.read(int(CONFIGURATION_OCTETS.default), Complaints())
            self._policies = Policies((data or b"").decode("utf-8", "replace"))

    def inOrder(self, addresses: Sequence[bytes]) -> list[bytes]:
        """
        Return the addresses in the order in which to try them. Sorting is stable. Addresses after the first L{ADDRESSES_SORTED} stay at the
        end.

        @param addresses: packed, four or sixteen octets each. Sixteen may be followed by a scope id, which is used to look up the route.
        """
        if len(addresses) < 2:
            return list(addresses)
        self.refresh()
        if len(addresses) > 2:
            most = self._mostSorted
            return sorted(addresses[:most], key=self._key) + list(addresses[most:])
        one, other = addresses
        key = self._key(other)
        if len(one) == 4 and len(other) != 4 and not (key[0] or key[1] or key[2] or key[3]):
            mapped = int.from_bytes(one, "big") | _MAPPED
            if -key[4] > self._policies.precedence(mapped):
                # No IPv4 address precedes this one, whatever its route.
                return [other, one]
        return [other, one] if key < self._key(one) else [one, other]

    def textsInOrder(self, addresses: Sequence[str]) -> list[str]:
        """
        Return the addresses in order, as L{inOrder} does, without duplicates.

        @param addresses: as text, IPv6 addresses with or without a scope id.

        @raise OSError: one of them is not a valid address.
        """
        texts = {_octets(text): text for text in addresses}
        return [texts[each] for each in self.inOrder(list(texts))]

    def comeFirst(self, addresses: Sequence[str]) -> bool:
        """
        Return whether these addresses precede any possible IPv4 address.

        @param addresses: IPv6 addresses, as text; at least one.

        @raise OSError: one of them is not a valid address.
        """
        self.refresh()
        last = max([self._key(_octets(text)) for text in addresses[: self._mostSorted]])
        if not any(last[:4]) and -last[4] > self._policies.precedence(int.from_bytes(_SOME_IPV4, "big") | _MAPPED):
            return True
        return last <= self._key(_SOME_IPV4)

    def _key(self, address: bytes) -> _Key:
        short = len(address) == 4
        place = address[:3] if short else address[:8]
        if place in self._near or len(address) > 16 or self._policies.fine:
            place = address
        else:
            wide = self._wide4 if short else self._wide6
            if wide:
                number = int.from_bytes(place, "big")
                for shift, prefix in wide:
                    if number >> shift == prefix:
                        place = address
                        break
        key = self._keys.get(place)
        if key is None:
            if len(self._keys) >= self._most:
                self._keys.clear()
            key = self._keys[place] = self._weigh(address)
        return key

    def _source(self, address: bytes, scopeId: str, number: int) -> bytes | None:
        if len(address) == 4:
            text = self._sourceFor(socket.inet_ntop(socket.AF_INET, address))
            return None if text is None else packed(text)[12:]
        if self._own and not self._modern and address != _LOOPBACK and number >> 32 != 0xFFFF:
            # No source address: the destination is unreachable.
            return None
        host = socket.inet_ntop(socket.AF_INET6, address)
        text = self._sourceFor(f"{host}%{scopeId}" if scopeId else host)
        return None if text is None else packed(text)

    def _weigh(self, address: bytes) -> _Key:
        short = len(address) == 4
        address, scopeId = address[:16], os.fsdecode(address[16:])
        number = int.from_bytes(address, "big") | (_MAPPED if short else 0)
        precedence = self._policies.precedence(number)
        scope = self._scope(address, number)
        source = self._source(address, scopeId, number)
        if source is None:
            return True, True, True, True, -precedence, scope, 0
        ours = int.from_bytes(source, "big") | (_MAPPED if short else 0)
        # The C library has no prefix lengths on a host without IPv6 addresses.
        bits, deprecated = self._own.get(source, (0, False)) if self._modern else (0, False)
        common = 128 - (number ^ ours).bit_length()
        if short and common < 96 + (bits or 32):
            common = 96
        return (
            False,
            self._scope(source, ours) != scope,
            deprecated,
            self._policies.label(ours) != self._policies.label(number),
            -precedence,
            scope,
            -common,
        )

    def _scope(self, address: bytes, number: int) -> int:
        if len(address) == 16:
            # IPv4-mapped addresses do not get the scope of their IPv4 address.
            return GLOBAL if number >> 32 == 0xFFFF else scopeOf(address)
        said = self._policies.scope(number)
        return scopeOf(number.to_bytes(16, "big")) if said is None else said


def _octets(address: str) -> bytes:
    """
    Parse an address to the form that L{Order.inOrder} takes.
    """
    return packed(address) + os.fsencode(address.partition("%")[2]) if ":" in address else packed(address)[12:]


class Policies:
    """
    The policy table (RFC 6724, section 2.1): precedence and label of each address.

    @ivar complaints: the lines of the file that could not be parsed, and why.
    @ivar fine: whether addresses within an IPv4 /24 or an IPv6 /64 may differ.
    """

    __slots__ = ("complaints", "fine", "_precedences", "_labels", "_scopes")

    def __init__(self, text: str = "") -> None:
        """
        @param text: the contents of C{gai.conf}.
        """
        self.complaints = Complaints()
        said: dict[str, dict[tuple[int, int], int]] = {"label": {}, "precedence": {}, "scopev4": {}}
        for number, line in enumerate(text.split("\n"), 1):
            words = line.partition("#")[0].split()
            if not words or words[0] == "reload":
                continue
            try:
                table = said[words[0]]
                prefix, value = words[1:]
                table.setdefault(_prefix(prefix), int(value))
            except (KeyError, ValueError, OSError):
                self.complaints.add(number, f"{line.strip()[:80]!r} is not label, precedence or scopev4 with a prefix and a number")
        self._precedences = _table(said["precedence"] or {_prefix(text): value for text, value, _ in _DEFAULTS}, 40)
        self._labels = _table(said["label"] or {_prefix(text): value for text, _, value in _DEFAULTS}, 1)
        self._scopes = _table(said["scopev4"], 14) if said["scopev4"] else []
        self.fine = any(_isFine(number, shift) for table in said.values() for number, shift in table)

    def precedence(self, number: int) -> int:
        """
        @param number: an address as a number of 128 bits; IPv4 addresses are IPv4-mapped.
        """
        for prefix, shift, value in self._precedences:
            if number >> shift == prefix:
                return value
        return 0

    def label(self, number: int) -> int:
        for prefix, shift, value in self._labels:
            if number >> shift == prefix:
                return value
        return 0

    def scope(self, number: int) -> int | None:
        """
        Return the configured scope of an IPv4-mapped address, or L{None}.
        """
        return next((value for prefix, shift, value in self._scopes if number >> shift == prefix), None)


def _isFine(number: int, shift: int) -> bool:
    """
    Return whether a prefix is longer than an IPv4 /24 or an IPv6 /64.
    """
    return bool(shift < 64 and number >> (64 - shift)) or (shift < 8 and number >> (32 - shift) == 0xFFFF)


def _prefix(text: str) -> tuple[int, int]:
    """
    Return the prefix as a number, and the number of bits after it.
    """
    address, slash, bits = text.partition("/")
    count = int(bits) if slash else 128
    if not 0 <= count <= 128:
        raise ValueError(text)
    return int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big") >> (128 - count), 128 - count


def _table(said: dict[tuple[int, int], int], rest: int) -> list[tuple[int, int, int]]:
    """
    Return prefixes as numbers, the number of bits after each, and values; the longest prefix first.

    @param rest: the value for all other addresses.
    """
    table = [(prefix, shift, value) for (prefix, shift), value in said.items()]
    if (0, 128) not in said:
        table.append((0, 128, rest))
    return sorted(table, key=lambda row: row[1])
