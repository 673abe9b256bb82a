"""
Extensible delegations (draft-ietf-deleg): DELEG, and DELEGPARAM, which DELEG records may refer to. Both use the format of SVCB parameters,
with keys of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, cast

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import ipv4FromText, ipv6FromText, quoted
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import plainName
from twisted_ext.wire.rdata.keyed import MANDATORY, Keyed, KeyedValues, addressesIn, checkAddresses, numbersIn

__all__ = ["DELEG", "DELEGPARAM"]

_IPV4: Final = 1
_IPV6: Final = 2
_NAMES: Final = (3, 4)

_KEYS: Final = {"mandatory": MANDATORY, "server-ipv4": _IPV4, "server-ipv6": _IPV6, "server-name": 3, "include-delegparam": 4}

#: Octets of an address in a list of them.
_SIZES: Final = {_IPV4: 4, _IPV6: 16}

#: An item of a list of names: escaped commas are part of it.
_ITEM: Final = re.compile(r"((?:[^,\\]|\\.)+)(?:,(?=.)|\Z)", re.DOTALL)


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


class _Infos(KeyedValues):
    def check(self, key: int, value: bytes) -> None:
        if key == MANDATORY:
            numbers = numbersIn(value)
            if not value or len(value) % 2 or numbers != sorted(set(numbers)) or MANDATORY in numbers:
                raise BadMessage("mandatory keys out of order, or one that cannot be among them")
        elif key in _SIZES:
            checkAddresses(value, _SIZES[key])
        elif key in _NAMES and not _names(value):
            raise BadMessage("no names")

    def valueFromText(self, key: int, text: str, origin: bytes | None) -> bytes:
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
        if key == MANDATORY:
            return b"".join([number.to_bytes(2, "big") for number in sorted([self.keyNumber(part) for part in parts])])
        return b"".join([ipv4FromText(part) if key == _IPV4 else ipv6FromText(part) for part in parts])

    def valueToText(self, key: int, value: bytes) -> str:
        if key in _NAMES:
            items = [nameToText(name).replace(",", "\\,") for name in _names(value)]
        elif key == MANDATORY:
            items = [self.keyName(number) for number in numbersIn(value)]
        elif key in _SIZES:
            items = addressesIn(value, _SIZES[key])
        else:
            return "=" + quoted(value) if value else ""
        return "=" + ",".join(items)


class DELEG(Rdata):
    """
    Parameters of a delegation, possibly none, in the parent zone.

    @ivar infos: C{(key, octets)} in order of their keys.
    """

    infos = _Infos(_KEYS, _KEYS.values(), "a parameter such as server-ipv4=192.0.2.1,")

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        return cls.infos.absent(dict(cast("tuple[Keyed, ...]", values[0])))


class DELEGPARAM(DELEG):
    """
    Parameters shared by the delegations that refer to it.
    """
