"""
Key-value parameters at the end of rdata: those of SVCB (RFC 9460, section 2.2) and of types modeled on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from twisted_ext.errors import BadMessage, BadName
from twisted_ext.wire.escapes import ipv4ToText, ipv6ToText, unescaped
from twisted_ext.wire.rdata.fields import Field
from twisted_ext.wire.rdata.fieldtypes import takeOctets
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["MANDATORY", "Keyed", "KeyedValues", "addressesIn", "checkAddresses", "numbersIn"]

#: A key and the octets of its value.
Keyed = tuple[int, bytes]

#: The key whose value lists the keys that a client has to understand.
MANDATORY: Final = 0

_GENERIC: Final = re.compile("key(0|[1-9][0-9]{0,4})")


def numbersIn(value: bytes) -> list[int]:
    return [int.from_bytes(value[start : start + 2], "big") for start in range(0, len(value), 2)]


def addressesIn(value: bytes, size: int) -> list[str]:
    """
    @param size: octets of an address.
    """
    toText: Callable[[bytes], str] = ipv4ToText if size == 4 else ipv6ToText
    return [toText(value[start : start + size]) for start in range(0, len(value), size)]


def checkAddresses(value: bytes, size: int) -> None:
    """
    @raise BadMessage: the value is not one or more addresses of this many octets.
    """
    if not value or len(value) % size:
        raise BadMessage(f"addresses of {len(value)} octets; a multiple of {size} was expected")


class KeyedValues(Field[tuple[Keyed, ...]]):
    """
    Key-value pairs up to the end of the rdata, as C{(key, octets)} sorted by unique key.
    """

    def __init__(self, keys: Mapping[str, int], needing: Collection[int], expected: str) -> None:
        """
        @param keys: known keys by name.
        @param needing: those that have a format for their value, and cannot be written without one.
        @param expected: a description with an example, for error messages.
        """
        self._keys = keys
        self._names = {number: name for name, number in keys.items()}
        self._needing = needing
        self._expected = expected

    def keyName(self, key: int) -> str:
        return self._names.get(key) or f"key{key}"

    def keyNumber(self, text: str) -> int:
        """
        @raise ValueError: there is no such key.
        """
        number = self._keys.get(text)
        if number is None:
            match = _GENERIC.fullmatch(text)
            if match is None or int(match[1]) > 0xFFFF:
                raise ValueError(text)
            number = int(match[1])
        return number

    def check(self, key: int, value: bytes) -> None:
        """
        @raise BadMessage: the value is not valid for the key.
        """
        raise NotImplementedError

    def valueFromText(self, key: int, text: str, origin: bytes | None) -> bytes:
        """
        @raise ValueError: the value is not valid for the key.
        """
        raise NotImplementedError

    def valueToText(self, key: int, value: bytes) -> str:
        """
        Return the value with its equals sign; empty if there is no value.
        """
        raise NotImplementedError

    def absent(self, pairs: Mapping[int, bytes]) -> str:
        """
        Return what is wrong if a mandatory key is absent, or an empty text.
        """
        for number in numbersIn(pairs.get(MANDATORY, b"")):
            if number not in pairs:
                return f"mandatory names {self.keyName(number)}, which is absent"
        return ""

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[tuple[Keyed, ...], int]:
        found: list[Keyed] = []
        last = -1
        while position < len(data):
            head = takeOctets(data, position, 4)
            key = head[0] << 8 | head[1]
            if key <= last:
                raise BadMessage(f"{self.keyName(key)} is out of order or given twice")
            value = takeOctets(data, position + 4, head[2] << 8 | head[3])
            try:
                self.check(key, value)
            except BadMessage as error:
                raise BadMessage(f"{self.keyName(key)}: {error.text}") from None
            found.append((key, value))
            last = key
            position += 4 + len(value)
        return tuple(found), position

    def write(self, value: Iterable[Keyed], before: Sequence[object]) -> bytes:
        parts: list[bytes] = []
        for key, octets in sorted(value):
            if not 0 <= key <= 0xFFFF or len(octets) > 0xFFFF:
                raise badRecord(f"{self.keyName(key)}: no such parameter can be")
            parts.append(key.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets)
        return b"".join(parts)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[Keyed, ...]:
        found: dict[int, bytes] = {}
        while tokens.more():
            text = tokens.takePair(self._expected)
            name, equals, rest = text.partition("=")
            try:
                key = self.keyNumber(name)
            except ValueError:
                raise tokens.bad(text, self._expected) from None
            if key in found:
                raise badRecord(f"{name} is given twice", tokens.column)
            # A generic key takes the octets of the wire format (RFC 9460, section 2.1).
            plain = name.startswith("key") or (not equals and key not in self._needing)
            try:
                value = unescaped(rest) if plain else self.valueFromText(key, rest, tokens.origin)
                self.check(key, value)
            except (BadName, BadMessage) as error:
                raise badRecord(f"{name}: {error.text}", tokens.column) from None
            except ValueError:
                raise tokens.bad(text, f"a value of {name}") from None
            found[key] = value
        return tuple(sorted(found.items()))

    def toText(self, value: Iterable[Keyed], before: Sequence[object]) -> str:
        words: list[str] = []
        for key, octets in value:
            name = self.keyName(key) if octets or key not in self._needing else f"key{key}"
            words.append(name + self.valueToText(key, octets))
        return " ".join(words)
