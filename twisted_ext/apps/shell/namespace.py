"""
The names predefined in the shell, in addition to the package itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from twisted_ext.errors import BadRecord
from twisted_ext.wire.rrtypes import AXFR, typeNumber

if TYPE_CHECKING:
    from twisted_ext.compat.conversion.results import Result
    from twisted_ext.compat.explain import Explanation
    from twisted_ext.compat.names import NamesResolver

__all__ = ["Helpers", "Told"]


class Told(str):
    """
    A text that is shown as it is, not as Python would write it.
    """

    def __repr__(self) -> str:
        return str(self)


class Helpers:
    """
    Short words for look-ups.
    """

    def __init__(self, resolver: NamesResolver) -> None:
        self._resolver = resolver

    def lookup(self, name: str, type: int | str = "A") -> Deferred[Result]:
        """
        Look up records of any type.

        @param type: a mnemonic or a number.

        @raise BadRecord: no type is called that.
        """
        number = typeNumber(type) if isinstance(type, str) else type
        if number is None:
            raise BadRecord(f"{type!r} is not a record type; write A, AAAA, MX... or TYPE65280")
        if number == AXFR:
            return self._resolver.lookupZone(name)
        return self._resolver._look(name, number)

    def address(self, name: str) -> Deferred[str]:
        """
        Find one address: of IPv4 where there is one, else of IPv6.
        """
        return self._resolver.getHostByName(name)

    def reverse(self, address: str) -> Deferred[Result]:
        """
        Find the name of an address of either family.
        """
        from twisted_ext.client import reverseName

        return self._resolver.lookupPointer(reverseName(address))

    def explain(self, name: str, type: int | str = "A") -> Deferred[Told]:
        """
        Look something up and tell how that went.
        """

        def tell(explanation: Explanation) -> Told:
            return Told(explanation.text)

        return self._resolver.explain(name, type).addCallback(tell)
