"""
Record types for authenticated denial of existence: the chain of names and their types.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import fromBase32Hex, fromHex, toBase32Hex
from twisted_ext.wire.rdata.bitmaps import TypeBits, bitmapOf, bitsIn, typeNumbersFrom
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, Text
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["NSEC", "NSEC3", "NSEC3PARAM", "NXT"]

#: Octets of a SHA-1 hash.
_SHA1: Final = 20


class NSEC(Rdata):
    """
    The next name in the zone, and the types of this one (RFC 4034, section 4).
    """

    next = Name()
    types = TypeBits()


class _Counted(Text):
    """
    Up to 255 octets preceded by their length.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        count = data[position] if position < len(data) else -1
        end = position + 1 + count
        if count < 0 or end > len(data):
            raise BadMessage("it is cut off")
        return data[position + 1 : end], end


def _saltFromText(text: str) -> bytes:
    salt = b"" if text == "-" else fromHex(text)
    if len(salt) > 255 or not text:
        raise ValueError(text)
    return salt


class _Salt(_Counted):
    """
    A salt in hex, or a hyphen if it is empty (RFC 5155, section 3.3).
    """

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        return tokens.parsed("the salt, up to 255 octets in hex or a hyphen,", _saltFromText)

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return value.hex().upper() or "-"


class _Hash(_Counted):
    """
    The hash of a name in base 32 with the extended hex alphabet.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        value, end = super().read(data, position, before)
        if not value:
            raise BadMessage("a hash has one octet at least")
        return value, end

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        expected = "the hash of the next name, in base 32 with the extended hex alphabet,"
        text = tokens.take(expected)
        try:
            value = fromBase32Hex(text)
        except ValueError:
            raise tokens.bad(text, expected) from None
        if text[-1:] == "=":
            tokens.remarks.append(badRecord("a hash is written without = at its end (RFC 5155, section 3.3)", tokens.column))
        elif before[0] == 1 and len(value) != _SHA1:
            tokens.remarks.append(badRecord(f"a hash of {len(value)} octets; those by SHA-1 have {_SHA1}", tokens.column))
        if not 1 <= len(value) <= 255:
            raise tokens.bad(text, expected)
        return value

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return toBase32Hex(value)


class NSEC3PARAM(Rdata):
    """
    The parameters for hashing the zone's names (RFC 5155, section 4).
    """

    algorithm = Number(1, {"SHA-1": 1, "SHA1": 1})
    flags = Number(1)
    iterations = Number()
    salt = _Salt()


class NSEC3(NSEC3PARAM):
    """
    The next hashed name in the zone, and the types of this one (RFC 5155, section 3).
    """

    next = _Hash()
    types = TypeBits()

    @property
    def optOut(self) -> bool:
        """
        Whether there may be unsigned delegations between this name and the next (RFC 5155, section 6).
        """
        return bool(self.flags & 1)


class _OldBits(TypeBits):
    """
    Types 1 to 127 as a bitmap of up to sixteen octets (RFC 2535, section 5.2).
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[tuple[int, ...], int]:
        bits = data[position:]
        if not 1 <= len(bits) <= 16 or bits[0] & 0x80 or not bits[-1]:
            raise BadMessage("types are not as one to sixteen octets of bits")
        return tuple(bitsIn(bits)), len(data)

    def write(self, value: Iterable[int], before: Sequence[object]) -> bytes:
        numbers = sorted(value)
        for number in numbers:
            if not 1 <= number <= 127:
                raise badRecord(f"{typeName(number)} cannot be in an NXT record, which has room for types 1 to 127")
        return bitmapOf(numbers)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[int, ...]:
        return typeNumbersFrom(tokens, numbered=True)


class NXT(Rdata):
    """
    The predecessor of NSEC (RFC 2535, section 5; RFC 3755).
    """

    next = Name(expanded=True, folded=True)
    types = _OldBits()
