"""
Type bitmaps: sets of record types as windows of bits (RFC 4034, section 4.1.2).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.fields import Field
from twisted_ext.wire.rdata.fieldtypes import takeOctets
from twisted_ext.wire.rrtypes import typeName, typeNumber
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["TypeBits", "bitmapOf", "bitsIn", "typeNumbersFrom"]


def bitsIn(octets: bytes) -> list[int]:
    """
    Return the numbers of the bits that are set; the highest bit of the first octet is 0.
    """
    return [index * 8 + bit for index, octet in enumerate(octets) if octet for bit in range(8) if octet & 0x80 >> bit]


def bitmapOf(numbers: Collection[int]) -> bytes:
    """
    Return as few octets as possible with these bits set.
    """
    octets = bytearray(max(numbers) // 8 + 1 if numbers else 0)
    for number in numbers:
        octets[number // 8] |= 0x80 >> number % 8
    return bytes(octets)


def typeNumbersFrom(tokens: Tokens, *, numbered: bool = False) -> tuple[int, ...]:
    """
    Parse the remaining words as record types, and return these in order.

    @param numbered: whether types may also be given as plain numbers.

    @raise BadRecord: a word is not a record type.
    """
    numbers: set[int] = set()
    while tokens.more():
        text = tokens.take("a record type")
        number = int(text) if numbered and text.isascii() and text.isdigit() and len(text) <= 3 else typeNumber(text)
        if number is None:
            raise tokens.bad(text, "a record type")
        numbers.add(number)
    return tuple(sorted(numbers))


class TypeBits(Field[tuple[int, ...]]):
    """
    Record types up to the end of the rdata.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[tuple[int, ...], int]:
        numbers: list[int] = []
        last = -1
        while position < len(data):
            window, count = takeOctets(data, position, 2)
            if window <= last:
                raise BadMessage("the windows of types are not in order")
            if not 1 <= count <= 32:
                raise BadMessage(f"a window of types with {count} octets; 1 to 32 are allowed")
            bits = takeOctets(data, position + 2, count)
            if not bits[-1]:
                raise BadMessage("a window of types with zeros at its end")
            numbers += [window << 8 | number for number in bitsIn(bits)]
            last = window
            position += 2 + count
        return tuple(numbers), position

    def write(self, value: Iterable[int], before: Sequence[object]) -> bytes:
        windows: dict[int, list[int]] = {}
        for number in sorted(value):
            if not 0 <= number <= 0xFFFF:
                raise badRecord(f"the type {number!r}; a number from 0 to 65535 was expected")
            windows.setdefault(number >> 8, []).append(number & 255)
        parts = [(window, bitmapOf(numbers)) for window, numbers in windows.items()]
        return b"".join([bytes([window, len(bits)]) + bits for window, bits in parts])

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[int, ...]:
        return typeNumbersFrom(tokens)

    def toText(self, value: Iterable[int], before: Sequence[object]) -> str:
        return " ".join([typeName(number) for number in value])
