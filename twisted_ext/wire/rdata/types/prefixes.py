"""
Record types that hold parts of addresses: prefixes and suffixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import ipv4FromText, ipv4ToText, ipv6FromText, ipv6ToText
from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, plainName, takeOctets
from twisted_ext.wire.rdata.types.address import Address6
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["A6", "APL", "Prefix"]


class _Suffix(Field[str]):
    """
    The suffix of an address: as many octets as the bits beyond the prefix need (RFC 2874, section 3.1).
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[str, int]:
        prefix = cast(int, before[0])
        if prefix > 128:
            raise BadMessage(f"a prefix of {prefix} bits; at most 128 are allowed")
        count = (135 - prefix) // 8
        taken = takeOctets(data, position, count)
        if count and taken[0] >> (8 - prefix % 8) and prefix % 8:
            raise BadMessage("bits of the prefix are set in the suffix")
        return ipv6ToText(bytes(16 - count) + taken), position + count

    def write(self, value: str, before: Sequence[object]) -> bytes:
        count = max(0, 135 - cast(int, before[0])) // 8
        try:
            return ipv6FromText(value)[16 - count :]
        except (ValueError, AttributeError):
            raise badRecord(f"{self.expected()} is {value!r}; an IPv6 address was expected") from None

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> str:
        if before[0] == 128:
            return "::"
        return Address6().fromText(tokens, before)

    def toText(self, value: str, before: Sequence[object]) -> str:
        return "" if before[0] == 128 else value


class _PrefixName(Name):
    """
    The name with the prefix; absent, and so the root, if the prefix has no bits.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        return plainName(data, position) if before[0] else (b"\x00", position)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        return super().write(value, before) if before[0] else b""

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        return super().fromText(tokens, before) if before[0] else b"\x00"

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return super().toText(value, before) if before[0] else ""

    def canonical(self, value: bytes, before: Sequence[object]) -> bytes:
        return value.lower() if before[0] else b""


class A6(Rdata):
    """
    An IPv6 address, or its suffix and the name that has the prefix; historic (RFC 2874; RFC 6563).
    """

    prefixLength = Number(1)
    suffix = _Suffix()
    prefix = _PrefixName(folded=True)


class Prefix:
    """
    One item of an address prefix list (RFC 3123).

    @ivar family: 1 for IPv4, 2 for IPv6, or another address family number.
    @ivar length: prefix length in bits.
    @ivar negated: whether addresses with the prefix are excluded.
    @ivar address: its octets, without trailing zeros.
    """

    __slots__ = ("family", "length", "negated", "address")

    def __init__(self, family: int, length: int, negated: bool, address: bytes) -> None:
        self.family = family
        self.length = length
        self.negated = negated
        self.address = address

    def __str__(self) -> str:
        if self.family == 1:
            address = ipv4ToText(self.address.ljust(4, b"\x00"))
        elif self.family == 2:
            address = ipv6ToText(self.address.ljust(16, b"\x00"))
        else:
            address = self.address.hex()
        return f"{'!' if self.negated else ''}{self.family}:{address}/{self.length}"

    def __repr__(self) -> str:
        return f"<Prefix {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prefix):
            return NotImplemented
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


#: Octets of an address and maximum prefix length, by family.
_FAMILIES: Final = {1: (4, 32), 2: (16, 128)}


class _Prefixes(Field[tuple[Prefix, ...]]):
    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[tuple[Prefix, ...], int]:
        prefixes: list[Prefix] = []
        while position < len(data):
            head = takeOctets(data, position, 4)
            count = head[3] & 0x7F
            address = takeOctets(data, position + 4, count)
            family = head[0] << 8 | head[1]
            octets, bits = _FAMILIES.get(family, (127, 255))
            if count > octets or head[2] > bits:
                raise BadMessage(f"a prefix of {count} octets and {head[2]} bits, too long for family {family}")
            if address[-1:] == b"\x00":
                raise BadMessage("zeros at the end of a prefix, which have to be left out")
            prefixes.append(Prefix(family, head[2], head[3] > 127, address))
            position += 4 + count
        return tuple(prefixes), position

    def write(self, value: tuple[Prefix, ...], before: Sequence[object]) -> bytes:
        parts: list[bytes] = []
        for prefix in value:
            address = prefix.address.rstrip(b"\x00")
            if len(address) > 127 or not 0 <= prefix.length <= 255 or not 0 <= prefix.family <= 0xFFFF:
                raise badRecord(f"{prefix} is not a valid prefix")
            parts.append(prefix.family.to_bytes(2, "big") + bytes([prefix.length, prefix.negated << 7 | len(address)]) + address)
        return b"".join(parts)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[Prefix, ...]:
        prefixes: list[Prefix] = []
        while tokens.more():
            expected = "a prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"
            text = tokens.take(expected)
            family, _, rest = text.removeprefix("!").partition(":")
            address, _, length = rest.rpartition("/")
            try:
                octets = ipv4FromText(address) if family == "1" else ipv6FromText(address) if family == "2" else b""
            except ValueError:
                raise tokens.bad(text, expected) from None
            if not octets or not (length.isascii() and length.isdigit()) or int(length[:4]) > len(octets) * 8:
                raise tokens.bad(text, expected)
            prefixes.append(Prefix(int(family), int(length), text.startswith("!"), octets.rstrip(b"\x00")))
        return tuple(prefixes)

    def toText(self, value: tuple[Prefix, ...], before: Sequence[object]) -> str | None:
        if any(prefix.family not in _FAMILIES for prefix in value):
            return None
        return " ".join([str(prefix) for prefix in value])


class APL(Rdata):
    """
    A list of address prefixes (RFC 3123).
    """

    prefixes = _Prefixes()
