"""
Service binding record types (RFC 9460): SVCB and HTTPS, each of whose parameters has its own value format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, cast

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import fromBase64, quoted, toBase64, unescaped
from twisted_ext.wire.literals import ipv4FromText, ipv4ToText, ipv6FromText, ipv6ToText
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, takeOctets
from twisted_ext.wire.rdata.keyed import Keyed, KeyedValues
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["HTTPS", "PARAMETERS", "SVCB"]

#: Parameters by name (RFC 9460, section 14.3.2; RFC 9461; RFC 9540; RFC 9848; RFC 9953).
PARAMETERS: Final = {
    "mandatory": 0,
    "alpn": 1,
    "no-default-alpn": 2,
    "port": 3,
    "ipv4hint": 4,
    "ech": 5,
    "ipv6hint": 6,
    "dohpath": 7,
    "ohttp": 8,
    "tls-supported-groups": 9,
    "docpath": 10,
}

_MANDATORY: Final = 0
_ALPN: Final = 1
_NO_DEFAULT_ALPN: Final = 2
_PORT: Final = 3
_IPV4HINT: Final = 4
_ECH: Final = 5
_IPV6HINT: Final = 6
_DOHPATH: Final = 7
_OHTTP: Final = 8
_GROUPS: Final = 9
_DOCPATH: Final = 10

_NAMES: Final = {number: name for name, number in PARAMETERS.items()}

_KEY: Final = re.compile("key(0|[1-9][0-9]{0,4})")

#: Keys that require a value.
_NEEDING: Final = (_MANDATORY, _DOHPATH)

#: An item of a value list; commas and backslashes in it are escaped by a backslash (RFC 9460, appendix A.1).
_ITEM: Final = re.compile(rb"((?:[^,\\]|\\[,\\])*)(,|\Z)")



def _keyName(key: int) -> str:
    return _NAMES.get(key) or f"key{key}"


def _keyNumber(text: str) -> int:
    """
    @raise ValueError: there is no such parameter.
    """
    number = PARAMETERS.get(text)
    if number is None:
        match = _KEY.fullmatch(text)
        if match is None or int(match[1]) > 0xFFFF:
            raise ValueError(text)
        number = int(match[1])
    return number


def _numbers(value: bytes) -> list[int]:
    return [int.from_bytes(value[position : position + 2], "big") for position in range(0, len(value), 2)]


def _strings(value: bytes) -> list[bytes]:
    """
    @raise BadMessage: a string is truncated or empty, or there are none.
    """
    found: list[bytes] = []
    position = 0
    while position < len(value):
        count = value[position]
        string = takeOctets(value, position + 1, count)
        if not count:
            raise BadMessage("an empty string in a list")
        found.append(string)
        position += 1 + count
    if not found:
        raise BadMessage("an empty list")
    return found


def _checkValue(key: int, value: bytes) -> None:
    """
    @raise BadMessage: the value is not valid for the parameter.
    """
    length = len(value)
    if key in (_ALPN, _DOCPATH):
        if value or key == _ALPN:
            _strings(value)
    elif key in (_NO_DEFAULT_ALPN, _OHTTP):
        if length:
            raise BadMessage("it takes no value")
    elif key == _PORT:
        if length != 2:
            raise BadMessage(f"a port of {length} octets; 2 were expected")
    elif key in (_IPV4HINT, _IPV6HINT):
        size = 4 if key == _IPV4HINT else 16
        if not length or length % size:
            raise BadMessage(f"addresses of {length} octets; a multiple of {size} was expected")
    elif key in (_MANDATORY, _GROUPS):
        numbers = _numbers(value)
        if not length or length % 2:
            raise BadMessage(f"a list of {length} octets; a multiple of 2 was expected")
        if len(set(numbers)) != len(numbers):
            raise BadMessage("a list with duplicate items")
        if key == _MANDATORY and (numbers != sorted(numbers) or _MANDATORY in numbers):
            raise BadMessage("mandatory keys out of order, or one that cannot be among them")
    elif key == _ECH and not length:
        raise BadMessage("it needs a value")


def _valueToText(key: int, value: bytes) -> str:
    """
    Return the value with its equals sign; empty if there is no value.
    """
    if key in (_ALPN, _DOCPATH) and value:
        items = [item.replace(b"\\", b"\\\\").replace(b",", b"\\,") for item in _strings(value)]
        return "=" + quoted(b",".join(items))
    if key == _MANDATORY:
        return "=" + ",".join([_keyName(number) for number in _numbers(value)])
    if key in (_PORT, _GROUPS):
        return "=" + ",".join([str(number) for number in _numbers(value)])
    if key == _IPV4HINT:
        return "=" + ",".join([ipv4ToText(value[start : start + 4]) for start in range(0, len(value), 4)])
    if key == _IPV6HINT:
        return "=" + ",".join([ipv6ToText(value[start : start + 16]) for start in range(0, len(value), 16)])
    if key == _ECH:
        return "=" + toBase64(value)
    return "=" + quoted(value) if value else ""


def _parameterToText(key: int, value: bytes) -> str:
    return (_keyName(key) if value or key not in _NEEDING else f"key{key}") + _valueToText(key, value)


def _items(value: bytes) -> list[bytes]:
    """
    @raise ValueError: an item is empty, or a backslash precedes something else than a comma or a backslash.
    """
    items: list[bytes] = []
    position = 0
    while True:
        match = _ITEM.match(value, position)
        if match is None or not match[1]:
            raise ValueError("a list of items with commas between them was expected")
        items.append(match[1].replace(b"\\,", b",").replace(b"\\\\", b"\\") if b"\\" in match[1] else match[1])
        position = match.end()
        if not match[2]:
            return items


def _numberFromText(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > 0xFFFF:
        raise ValueError(text)
    return int(text)


def _valueFromText(key: int, value: bytes) -> bytes:
    """
    @param value: the text after the equals sign, unescaped.

    @raise ValueError: the value is not valid for the parameter.
    """
    if key in (_ALPN, _DOCPATH):
        if not value and key == _DOCPATH:
            return b""
        items = _items(value)
        if max(map(len, items)) > 255:
            raise ValueError("an item of more than 255 octets")
        return b"".join([bytes([len(item)]) + item for item in items])
    if key in (_NO_DEFAULT_ALPN, _OHTTP):
        raise ValueError("it takes no value, not even an empty one")
    if key == _DOHPATH:
        if not value:
            raise ValueError("it needs a value")
        return value
    text = value.decode("ascii")
    if key == _ECH:
        return fromBase64(text)
    if key == _PORT:
        return _numberFromText(text).to_bytes(2, "big")
    parts = text.split(",")
    if key == _MANDATORY:
        keys = [_keyNumber(part) for part in parts]
        if len(set(keys)) != len(keys):
            raise ValueError("a key is given twice")
        return b"".join([number.to_bytes(2, "big") for number in sorted(keys)])
    if key == _GROUPS:
        return b"".join([_numberFromText(part).to_bytes(2, "big") for part in parts])
    if key == _IPV4HINT:
        return b"".join([ipv4FromText(part) for part in parts])
    return b"".join([ipv6FromText(part) for part in parts])


class _Parameters(KeyedValues):
    """
    Parameters up to the end of the rdata, as C{(key, octets)} sorted by key.
    """

    def keyName(self, key: int) -> str:
        return _keyName(key)

    def check(self, key: int, value: bytes) -> None:
        _checkValue(key, value)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[Keyed, ...]:
        found: dict[int, bytes] = {}
        while tokens.more():
            expected = "a parameter such as port=853"
            text = tokens.take(expected)
            name, equals, rest = text.partition("=")
            try:
                key = _keyNumber(name)
            except ValueError:
                raise tokens.bad(text, expected) from None
            if key in found:
                raise badRecord(f"{name} is given twice", tokens.column)
            try:
                octets = unescaped(rest)
                # A generic key takes the octets of the wire format (RFC 9460, section 2.1).
                plain = name.startswith("key") or (not equals and key not in _NEEDING)
                value = octets if plain else _valueFromText(key, octets)
                _checkValue(key, value)
            except (ValueError, UnicodeDecodeError):
                raise tokens.bad(text, f"a value of {name}") from None
            except BadMessage as error:
                raise badRecord(f"{name}: {error.text}", tokens.column) from None
            found[key] = value
        return tuple(sorted(found.items()))

    def toText(self, value: Iterable[Keyed], before: Sequence[object]) -> str:
        return " ".join([_parameterToText(key, octets) for key, octets in value])


class SVCB(Rdata):
    """
    The parameters for connecting to a service (RFC 9460). Priority 0 means an alias, whose parameters are kept and ignored.

    @ivar parameters: C{(key, octets)} in order of their keys; properties give the known ones as typed values.
    """

    priority = Number()
    target = Name()
    parameters = _Parameters()

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        keys = dict(cast("tuple[Keyed, ...]", values[2]))
        absent = [_keyName(number) for number in _numbers(keys.get(_MANDATORY, b"")) if number not in keys]
        if absent:
            return f"mandatory names {absent[0]}, which is absent"
        if _NO_DEFAULT_ALPN in keys and _ALPN not in keys:
            return "no-default-alpn without alpn"
        return ""

    def parameter(self, key: int) -> bytes | None:
        """
        Return the value of a parameter in wire form, or L{None} if it is absent.
        """
        for each, octets in self.parameters:
            if each == key:
                return octets
        return None

    @property
    def mandatory(self) -> tuple[int, ...]:
        """
        The keys that a client has to understand to use the record.
        """
        return tuple(_numbers(self.parameter(_MANDATORY) or b""))

    @property
    def alpn(self) -> tuple[bytes, ...]:
        """
        Protocols in addition to the scheme's default one.
        """
        value = self.parameter(_ALPN)
        return tuple(_strings(value)) if value else ()

    @property
    def noDefaultALPN(self) -> bool:
        """
        Whether the scheme's default protocol is not supported.
        """
        return self.parameter(_NO_DEFAULT_ALPN) is not None

    @property
    def port(self) -> int | None:
        """
        The port, or L{None} for the scheme's default.
        """
        value = self.parameter(_PORT)
        return None if value is None else int.from_bytes(value, "big")

    @property
    def ipv4hint(self) -> tuple[str, ...]:
        """
        IPv4 addresses to use until those of the target are known.
        """
        value = self.parameter(_IPV4HINT) or b""
        return tuple([ipv4ToText(value[start : start + 4]) for start in range(0, len(value), 4)])

    @property
    def ipv6hint(self) -> tuple[str, ...]:
        """
        IPv6 addresses to use until those of the target are known.
        """
        value = self.parameter(_IPV6HINT) or b""
        return tuple([ipv6ToText(value[start : start + 16]) for start in range(0, len(value), 16)])

    @property
    def ech(self) -> bytes | None:
        """
        The configurations of Encrypted ClientHello (RFC 9848).
        """
        return self.parameter(_ECH)

    @property
    def dohpath(self) -> str | None:
        """
        The URI template of DNS over HTTPS (RFC 9461).
        """
        value = self.parameter(_DOHPATH)
        return None if value is None else value.decode("utf-8", "replace")


class HTTPS(SVCB):
    """
    SVCB for the schemes http and https (RFC 9460, section 9).
    """
