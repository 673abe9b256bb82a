"""
Address ranges, and the reverse-mapping names of addresses (RFC 1035, section 3.5; RFC 3596, section 2.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from twisted_ext.errors import BadName, CallerFault
from twisted_ext.wire.names import nameToText

__all__ = ["AddressRange", "BadAddress", "reverseName", "reverseNameOf"]

#: Addresses in one range, so that a /64 written by mistake is an error and does not run for a thousand years.
_RANGE_ADDRESSES: Final = 2**32

_IPV4: Final = b"\x07in-addr\x04arpa\x00"
_IPV6: Final = b"\x03ip6\x04arpa\x00"
_OCTETS: Final = [bytes([len(str(octet))]) + str(octet).encode() for octet in range(256)]
_NIBBLES: Final = {digit: b"\x01" + digit.encode() for digit in "0123456789abcdef"}


class BadAddress(CallerFault):
    """
    The text is neither an address nor a range of addresses.
    """


def reverseNameOf(packed: bytes) -> bytes:
    """
    Return the reverse-mapping name of an address, in wire form.

    @param packed: the four or sixteen octets of the address.
    """
    if len(packed) == 4:
        return b"".join([_OCTETS[octet] for octet in packed[::-1]]) + _IPV4
    return b"".join([_NIBBLES[digit] for digit in packed.hex()[::-1]]) + _IPV6


def reverseName(address: str) -> str:
    """
    Return the name that holds the PTR records of an address (RFC 1035, section 3.5; RFC 3596, section 2.5), such as
    C{"1.2.0.192.in-addr.arpa"}.

    @param address: an IPv4 or IPv6 address; a scope is ignored.

    @raise BadName: it is not a valid address.
    """
    try:
        packed = inet_pton(AF_INET6, address.partition("%")[0]) if ":" in address else inet_pton(AF_INET, address)
    except (OSError, ValueError):
        raise BadName(f"{address!r} is not an IP address, such as 192.0.2.1 or 2001:db8::1") from None
    return nameToText(reverseNameOf(packed), final=False)


class AddressRange:
    """
    Consecutive addresses of one family: C{192.0.2.0/24}, C{2001:db8::/120}, C{192.0.2.3-192.0.2.9} or one address.

    @ivar count: the number of addresses.
    """

    def __init__(self, first: IPv4Address | IPv6Address, last: IPv4Address | IPv6Address) -> None:
        self._version = first.version
        self._first = int(first)
        self.count = int(last) - self._first + 1

    @classmethod
    def fromText(cls, text: str) -> AddressRange:
        """
        @raise BadAddress: the text is not an address or a range, or the range has more than C{_RANGE_ADDRESSES} addresses.
        """
        try:
            if "/" in text:
                self = cls._fromNetwork(text)
            elif "-" in text:
                low, _, high = text.partition("-")
                first, last = ip_address(low.strip()), ip_address(high.strip())
                if first.version != last.version or int(last) < int(first):
                    raise BadAddress(f"{text!r}: the second address must be of the same family and not below the first")
                self = cls(first, last)
            else:
                address = ip_address(text)
                self = cls(address, address)
        except BadAddress:
            raise
        except ValueError:
            right = "192.0.2.1, 2001:db8::1, 192.0.2.0/24 or 192.0.2.3-192.0.2.9"
            raise BadAddress(f"{text!r} is not a valid address; write {right}") from None
        most = _RANGE_ADDRESSES
        if self.count > most:
            raise BadAddress(f"{text!r} has {self.count} addresses; a range may have {most}")
        return self

    @classmethod
    def _fromNetwork(cls, text: str) -> AddressRange:
        network: IPv4Network | IPv6Network = ip_network(text, strict=False)
        if ip_address(text.partition("/")[0]) != network.network_address:
            raise BadAddress(f"{text!r} begins in the middle of a network; write {network} for all of it")
        return cls(network.network_address, network.broadcast_address)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """
        Yield the addresses in order, each as text and as reverse-mapping name in wire form.
        """
        first, end = self._first, self._first + self.count
        if self._version == 6:
            for number in range(first, end):
                packed = number.to_bytes(16, "big")
                yield str(IPv6Address(packed)), reverseNameOf(packed)
            return
        for block in range(first & ~0xFF, end, 256):
            prefix = f"{block >> 24}.{block >> 16 & 255}.{block >> 8 & 255}."
            suffix = _OCTETS[block >> 8 & 255] + _OCTETS[block >> 16 & 255] + _OCTETS[block >> 24] + _IPV4
            for octet in range(max(first - block, 0), min(end - block, 256)):
                yield f"{prefix}{octet}", _OCTETS[octet] + suffix
