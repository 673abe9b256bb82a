"""
Every bound that hostile or merely careless input can reach: a default, the least and the most that may be asked for, and why.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "Limit",
    "DATAGRAM_SIZE",
    "EDNS_OPTIONS",
    "MESSAGE_SIZE",
    "NAMES_COMPRESSED",
    "POINTERS_PER_NAME",
    "POINTER_HOPS",
    "LOOKUP_SECONDS",
    "TSIG_FUDGE",
    "TSIG_UNSIGNED",
    "BULK_WINDOW",
    "BULK_KEPT_BACK",
    "LOSS_SHARE",
    "RANGE_ADDRESSES",
]


class Limit:
    """
    A number with a range.

    @ivar default: what is used when nobody asks for anything.
    @ivar least: the smallest value that still works.
    @ivar most: the largest value that is still safe.
    """

    __slots__ = ("default", "least", "most")

    def __init__(self, default: float, least: float, most: float) -> None:
        self.default = default
        self.least = least
        self.most = most

    def pick(self, wanted: float | None) -> float:
        """
        Move C{wanted} inside the range.

        @return: the default where C{wanted} is L{None}.
        """
        if wanted is None:
            return self.default
        return min(max(wanted, self.least), self.most)

    def __repr__(self) -> str:
        return f"Limit(default={self.default}, least={self.least}, most={self.most})"


# -- wire

#: Octets of a message: what the two-octet length of a stream can say (RFC 1035, section 4.2.2).
MESSAGE_SIZE: Final = Limit(default=65535, least=512, most=65535)

#: Octets that we ask for and send by UDP, so that no path has to fragment (RFC 9715; the DNS flag day of 2020).
DATAGRAM_SIZE: Final = Limit(default=1232, least=512, most=4096)

#: Jumps in one name: 127 labels need no more than 126, each pointing strictly backward.
POINTERS_PER_NAME: Final = Limit(default=126, least=1, most=126)

#: Jumps in one message, chains counted in full. 65,535 octets hold 5,461 records, honest names take one to three jumps.
POINTER_HOPS: Final = Limit(default=16384, least=256, most=65535)

#: Names whose every tail is looked up when a message is built, at up to 127 look-ups each; the others get two (CVE-2024-8508).
NAMES_COMPRESSED: Final = Limit(default=120, least=0, most=4096)

#: EDNS options that are read from one OPT record (CVE-2026-41292).
EDNS_OPTIONS: Final = Limit(default=100, least=1, most=1000)

#: Seconds that clocks may differ by when we sign (RFC 8945, section 10 recommends this).
TSIG_FUDGE: Final = Limit(default=300, least=1, most=3600)

#: Unsigned messages that may come in a row inside a signed stream (RFC 8945, section 5.3.1: 99 have to be taken).
TSIG_UNSIGNED: Final = Limit(default=99, least=0, most=99)

# -- look-ups

#: Seconds from the call to the answer, everything included: search list, aliases, retries, TCP.
LOOKUP_SECONDS: Final = Limit(default=5.0, least=0.05, most=600.0)

# -- many look-ups at once

#: Look-ups under way at once. Above a few hundred a server's receive buffer is what they wait in.
BULK_WINDOW: Final = Limit(default=1000, least=1, most=20_000)

#: Answers kept back so that they come out in the order of their names; a slow name then holds up all others.
BULK_KEPT_BACK: Final = Limit(default=100_000, least=1, most=1_000_000)

#: Share of look-ups in a round that may be lost before fewer are kept under way.
LOSS_SHARE: Final = Limit(default=0.05, least=0.0, most=0.9)

#: Addresses in one range, so that a /64 written by mistake is an error and not a thousand years of work.
RANGE_ADDRESSES: Final = Limit(default=2**32, least=1, most=2**32)
