"""
Key-value parameters at the end of rdata: those of SVCB (RFC 9460, section 2.2) and of types modeled on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.fields import Field
from twisted_ext.wire.rdata.fieldtypes import takeOctets
from twisted_ext.wire.tokens import badRecord

__all__ = ["Keyed", "KeyedValues"]

#: A key and the octets of its value.
Keyed = tuple[int, bytes]


class KeyedValues(Field[tuple[Keyed, ...]]):
    """
    Key-value pairs up to the end of the rdata, sorted by unique key.
    """

    def keyName(self, key: int) -> str:
        """
        Return the name of a key.
        """
        raise NotImplementedError

    def check(self, key: int, value: bytes) -> None:
        """
        @raise BadMessage: the value is not valid for the key.
        """
        raise NotImplementedError

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
