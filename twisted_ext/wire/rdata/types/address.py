"""
Record types that hold one Internet address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted_ext.wire.escapes import ipv4FromText, ipv4ToText, ipv6FromText, ipv6ToText
from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import takeOctets
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["A", "AAAA", "Address4", "Address6"]


class _Address(Field[str]):
    size: int
    example: str
    encoded: Callable[[str], bytes]
    decoded: Callable[[bytes], str]

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[str, int]:
        return self.decoded(takeOctets(data, position, self.size)), position + self.size

    def write(self, value: str, before: Sequence[object]) -> bytes:
        try:
            return self.encoded(value)
        except (ValueError, AttributeError):
            raise badRecord(f"{self.expected()} is {value!r}; {self.example} was expected") from None

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> str:
        text = tokens.take(self.example)
        try:
            self.encoded(text)
        except ValueError:
            raise tokens.bad(text, self.example) from None
        return text

    def toText(self, value: str, before: Sequence[object]) -> str:
        return value


class Address4(_Address):
    size = 4
    example = "an IPv4 address such as 192.0.2.1"
    encoded = staticmethod(ipv4FromText)
    decoded = staticmethod(ipv4ToText)


class Address6(_Address):
    size = 16
    example = "an IPv6 address such as 2001:db8::1"
    encoded = staticmethod(ipv6FromText)
    decoded = staticmethod(ipv6ToText)


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
