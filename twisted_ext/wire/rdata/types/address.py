"""
Record types that hold one Internet address.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_ext.wire.literals import ipv4FromText, ipv4ToText, ipv6FromText, ipv6ToText
from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import takeOctets
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["A", "AAAA", "Address4", "Address6"]


class Address4(Field[str]):
    """
    An IPv4 address.
    """

    size = 4

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[str, int]:
        return ipv4ToText(takeOctets(data, position, 4)), position + 4

    def write(self, value: str, before: Sequence[object]) -> bytes:
        try:
            return ipv4FromText(value)
        except (ValueError, AttributeError):
            raise badRecord(f"{self.expected()} is {value!r}; an IPv4 address such as 192.0.2.1 was expected") from None

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> str:
        expected = "an IPv4 address such as 192.0.2.1"
        text = tokens.take(expected)
        try:
            ipv4FromText(text)
        except ValueError:
            raise tokens.bad(text, expected) from None
        return text

    def toText(self, value: str, before: Sequence[object]) -> str:
        return value


class Address6(Field[str]):
    """
    An IPv6 address.
    """

    size = 16

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[str, int]:
        return ipv6ToText(takeOctets(data, position, 16)), position + 16

    def write(self, value: str, before: Sequence[object]) -> bytes:
        try:
            return ipv6FromText(value)
        except (ValueError, AttributeError):
            raise badRecord(f"{self.expected()} is {value!r}; an IPv6 address such as 2001:db8::1 was expected") from None

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> str:
        expected = "an IPv6 address such as 2001:db8::1"
        text = tokens.take(expected)
        try:
            ipv6FromText(text)
        except ValueError:
            raise tokens.bad(text, expected) from None
        return text

    def toText(self, value: str, before: Sequence[object]) -> str:
        return value


class A(Rdata):
    """
    An IPv4 address (RFC 1035, section 3.4.1).
    """

    address = Address4()


class AAAA(Rdata):
    """
    An IPv6 address (RFC 3596).
    """

    address = Address6()
