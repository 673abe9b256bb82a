"""
Service binding record types (RFC 9460): SVCB and HTTPS, each of whose parameters has its own value format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, cast

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import fromBase64, ipv4FromText, ipv6FromText, quoted, toBase64, unescaped
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, takeOctets
from twisted_ext.wire.rdata.keyed import MANDATORY, Keyed, KeyedValues, addressesIn, checkAddresses, numbersIn

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

#: Octets of an address in a list of them.
_HINTS: Final = {_IPV4HINT: 4, _IPV6HINT: 16}

#: An item of a value list; commas and backslashes in it are escaped by a backslash (RFC 9460, appendix A.1).
_ITEM: Final = re.compile(rb"((?:[^,\\]|\\[,\\])*)(,|\Z)")



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


class _Parameters(KeyedValues):
    def check(self, key: int, value: bytes) -> None:
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
        elif key in _HINTS:
            checkAddresses(value, _HINTS[key])
        elif key in (MANDATORY, _GROUPS):
            numbers = numbersIn(value)
            if not length or length % 2:
                raise BadMessage(f"a list of {length} octets; a multiple of 2 was expected")
            if len(set(numbers)) != len(numbers):
                raise BadMessage("a list with duplicate items")
            if key == MANDATORY and (numbers != sorted(numbers) or MANDATORY in numbers):
                raise BadMessage("mandatory keys out of order, or one that cannot be among them")
        elif key == _ECH and not length:
            raise BadMessage("it needs a value")

    def valueFromText(self, key: int, text: str, origin: bytes | None) -> bytes:
        value = unescaped(text)
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
        if key == MANDATORY:
            keys = [self.keyNumber(part) for part in parts]
            if len(set(keys)) != len(keys):
                raise ValueError("a key is given twice")
            return b"".join([number.to_bytes(2, "big") for number in sorted(keys)])
        if key == _GROUPS:
            return b"".join([_numberFromText(part).to_bytes(2, "big") for part in parts])
        return b"".join([ipv4FromText(part) if key == _IPV4HINT else ipv6FromText(part) for part in parts])

    def valueToText(self, key: int, value: bytes) -> str:
        if key in (_ALPN, _DOCPATH) and value:
            items = [item.replace(b"\\", b"\\\\").replace(b",", b"\\,") for item in _strings(value)]
            return "=" + quoted(b",".join(items))
        if key == MANDATORY:
            return "=" + ",".join([self.keyName(number) for number in numbersIn(value)])
        if key in (_PORT, _GROUPS):
            return "=" + ",".join([str(number) for number in numbersIn(value)])
        if key in _HINTS:
            return "=" + ",".join(addressesIn(value, _HINTS[key]))
        if key == _ECH:
            return "=" + toBase64(value)
        return "=" + quoted(value) if value else ""


class SVCB(Rdata):
    """
    The parameters for connecting to a service (RFC 9460). Priority 0 means an alias, whose parameters are kept and ignored.

    @ivar parameters: C{(key, octets)} in order of their keys; properties give the known ones as typed values.
    """

    priority = Number()
    target = Name()
    parameters = _Parameters(PARAMETERS, (MANDATORY, _DOHPATH), "a parameter such as port=853")

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        keys = dict(cast("tuple[Keyed, ...]", values[2]))
        absent = cls.parameters.absent(keys)
        if absent:
            return absent
        if _NO_DEFAULT_ALPN in keys and _ALPN not in keys:
            return "no-default-alpn without alpn"
        return ""

    def parameter(self, key: int) -> bytes | None:
        """
        Return the value of a parameter in wire form, or L{None} if it is absent.
        """
        return dict(self.parameters).get(key)

    @property
    def mandatory(self) -> tuple[int, ...]:
        """
        The keys that a client has to understand to use the record.
        """
        return tuple(numbersIn(self.parameter(MANDATORY) or b""))

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
        return tuple(addressesIn(self.parameter(_IPV4HINT) or b"", 4))

    @property
    def ipv6hint(self) -> tuple[str, ...]:
        """
        IPv6 addresses to use until those of the target are known.
        """
        return tuple(addressesIn(self.parameter(_IPV6HINT) or b"", 16))

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
