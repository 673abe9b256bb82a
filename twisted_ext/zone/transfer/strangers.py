"""
Records of a transfer that are outside of its zone: they are left out, as by BIND, Knot DNS and NSD, and told of. No I/O.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.names import nameToText

__all__ = ["Strangers"]

#: Names that are told; the number says how many records there were.
_NAMED: Final = 3


class Strangers:
    """
    The records of one transfer that are outside of its zone.

    @ivar count: how many there are.
    """

    __slots__ = ("count", "_names")

    def __init__(self) -> None:
        self.count = 0
        self._names: list[bytes] = []

    def add(self, name: bytes) -> None:
        """
        Count a record.

        @param name: its owner.
        """
        self.count += 1
        if len(self._names) < _NAMED and name.lower() not in self._names:
            self._names.append(name.lower())

    def check(self, others: int) -> None:
        """
        @param others: the number of the transfer's records that are in the zone.

        @raise BadMessage: there are more outside of it: this is probably another zone.
        """
        if self.count > others:
            raise BadMessage(f"{self} are outside of the zone, and only {others} in it")

    def __str__(self) -> str:
        """
        Return how many there are, and the first names; empty if there are none.
        """
        if not self.count:
            return ""
        names = ", ".join([nameToText(name) for name in self._names])
        return f"{self.count} record{'' if self.count == 1 else 's'} ({names}{', ...' if self.count > len(self._names) else ''})"
