"""
Extensible delegations (draft-ietf-deleg): DELEG, and DELEGPARAM, which DELEG records may refer to. Both use the format of SVCB parameters,
with keys of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, cast

from twisted_ext.errors import BadMessage, BadName
from twisted_ext.wire.escapes import quoted, unescaped
from twisted_ext.wire.literals import ipv4FromText, ipv4ToText, ipv6FromText, ipv6ToText
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import plainName
from twisted_ext.wire.rdata.keyed import Keyed, KeyedValues
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["DELEG", "DELEGPARAM", "DelegationInfos"]

_MANDATORY: Final = 0
_IPV4: Final = 1
_IPV6: Final = 2
_NAMES: Final = (3, 4)

_KEYS: Final = {"mandatory": _MANDATORY, "server-ipv4": _IPV4, "server-ipv6": _IPV6, "server-name": 3, "include-delegparam": 4}

_KEY_NAMES: Final = {number: name for name, number in _KEYS.items()}

_GENERIC: Final = re.compile("key(0|[1-9][0-9]{0,4})")

#: An item of a list of names: escaped commas are part of it.
_ITEM: Final = re.compile(r"((?:[^,\\]|\\.)+)(?:,(?=.)|\Z)", re.DOTALL)


def _keyName(key: int) -> str:
    return _KEY_NAMES.get(key) or f"key{key}"


def _keyNumber(text: str) -> int:
    """
    @raise ValueError: there is no such key.
    """
    number = _KEYS.get(text)
    if number is None:
        match = _GENERIC.fullmatch(text)
        if match is None or int(match[1]) > 0xFFFF:
            raise ValueError(text)
        number = int(match[1])
    return number


def _names(value: bytes) -> list[bytes]:
    """
    @raise BadMessage: the octets are not a sequence of names.
    """
    found: list[bytes] = []
    position = 0
    while position < len(value):
        name, position = plainName(value, position)
        found.append(name)
    return found


def _check(key: int, value: bytes) -> None:
    """
    @raise BadMessage: the value is not valid for the key.
    """
    length = len(value)
    if key == _MANDATORY:
        numbers = [int.from_bytes(value[at : at + 2], "big") for at in range(0, length, 2)]
        if not length or length % 2 or numbers != sorted(set(numbers)) or _MANDATORY in numbers:
            raise BadMessage("mandatory keys out of order, or one that cannot be among them")
    elif key in (_IPV4, _IPV6):
        size = 4 if key == _IPV4 else 16
        if not length or length % size:
            raise BadMessage(f"addresses of {length} octets; a multiple of {size} was expected")
    elif key in _NAMES and not _names(value):
        raise BadMessage("no names")


class DelegationInfos(KeyedValues):
    """
    Parameters of a delegation up to the end of the rdata, as C{(key, octets)} sorted by key.
    """

    def keyName(self, key: int) -> str:
        return _keyName(key)

    def check(self, key: int, value: bytes) -> None:
        _check(key, value)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[Keyed, ...]:
        found: dict[int, bytes] = {}
        while tokens.more():
            expected = "a parameter such as server-ipv4=192.0.2.1,"
            text = tokens.take(expected)
            name, _, rest = text.partition("=")
            try:
                key = _keyNumber(name)
            except ValueError:
                raise tokens.bad(text, expected) from None
            if key in found:
                raise badRecord(f"{name} is given twice", tokens.column)
            try:
                value = unescaped(rest) if name.startswith("key") else _valueFromText(key, rest, tokens.origin)
                _check(key, value)
            except (BadName, BadMessage) as error:
                raise badRecord(f"{name}: {error.text}", tokens.column) from None
            except ValueError:
                raise tokens.bad(text, f"a value of {name}") from None
            found[key] = value
        return tuple(sorted(found.items()))

    def toText(self, value: Iterable[Keyed], before: Sequence[object]) -> str:
        return " ".join([_keyName(key) + _valueToText(key, octets) for key, octets in value])


def _valueFromText(key: int, text: str, origin: bytes | None) -> bytes:
    """
    @raise ValueError: the value is not valid for the key.
    """
    if key in _NAMES:
        items: list[str] = []
        position = 0
        while position < len(text):
            match = _ITEM.match(text, position)
            if match is None:
                raise ValueError(text)
            items.append(match[1])
            position = match.end()
        return b"".join([nameFromText(item, origin) for item in items])
    parts = text.split(",")
    if key == _MANDATORY:
        return b"".join([number.to_bytes(2, "big") for number in sorted([_keyNumber(part) for part in parts])])
    return b"".join([ipv4FromText(part) if key == _IPV4 else ipv6FromText(part) for part in parts])


def _valueToText(key: int, value: bytes) -> str:
    """
    Return the value with its equals sign; empty if there is no value.
    """
    if key in _NAMES:
        items = [nameToText(name).replace(",", "\\,") for name in _names(value)]
    elif key == _MANDATORY:
        items = [_keyName(int.from_bytes(value[at : at + 2], "big")) for at in range(0, len(value), 2)]
    elif key == _IPV4:
        items = [ipv4ToText(value[at : at + 4]) for at in range(0, len(value), 4)]
    elif key == _IPV6:
        items = [ipv6ToText(value[at : at + 16]) for at in range(0, len(value), 16)]
    else:
        return "=" + quoted(value) if value else ""
    return "=" + ",".join(items)


class DELEG(Rdata):
    """
    Parameters of a delegation, possibly none, in the parent zone.

    @ivar infos: C{(key, octets)} in order of their keys.
    """

    infos = DelegationInfos()

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        infos = dict(cast("tuple[Keyed, ...]", values[0]))
        value = infos.get(_MANDATORY, b"")
        for at in range(0, len(value), 2):
            number = int.from_bytes(value[at : at + 2], "big")
            if number not in infos:
                return f"mandatory names {_keyName(number)}, which is absent"
        return ""


class DELEGPARAM(DELEG):
    """
    Parameters shared by the delegations that refer to it.
    """
