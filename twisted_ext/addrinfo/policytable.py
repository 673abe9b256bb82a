"""
The policy table for address selection (RFC 6724, section 2.1), as configured by gai.conf(5).
"""

from __future__ import annotations

import socket
from typing import Final

from twisted_ext.resolver.policy.localanswers import Complaints

__all__ = ["GAI_CONF", "Policies"]

#: The path of gai.conf(5) on Linux.
GAI_CONF: Final = "/etc/gai.conf"

#: The default table of prefixes and values, used unless the file has entries of the kind.
_PRECEDENCES: Final = (
    ("::1/128", 50),
    ("::/0", 40),
    ("::ffff:0:0/96", 35),
    ("2002::/16", 30),
    ("2001::/32", 5),
    ("fc00::/7", 3),
    ("::/96", 1),
    ("fec0::/10", 1),
    ("3ffe::/16", 1),
)
_LABELS: Final = (
    ("::1/128", 0),
    ("::/0", 1),
    ("::ffff:0:0/96", 4),
    ("2002::/16", 2),
    ("2001::/32", 5),
    ("fc00::/7", 13),
    ("::/96", 3),
    ("fec0::/10", 11),
    ("3ffe::/16", 12),
)


#: Prefix as a number, number of bits after it, value; longest prefix first.
_Table = list[tuple[int, int, int]]


class Policies:
    """
    The policy table: precedence and label of each address.

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
        self._precedences = _table(said["precedence"], _PRECEDENCES, 40)
        self._labels = _table(said["label"], _LABELS, 1)
        self._scopes = _table(said["scopev4"], (), 14) if said["scopev4"] else []
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
        """
        @param number: an address as a number of 128 bits; IPv4 addresses are IPv4-mapped.
        """
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


def _table(said: dict[tuple[int, int], int], otherwise: tuple[tuple[str, int], ...], rest: int) -> _Table:
    if not said:
        said = {_prefix(text): value for text, value in otherwise}
    table = [(prefix, shift, value) for (prefix, shift), value in said.items()]
    if (0, 128) not in said:
        table.append((0, 128, rest))
    return sorted(table, key=lambda row: row[1])
