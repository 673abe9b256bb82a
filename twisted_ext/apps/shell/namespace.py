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

__all__ = ["Helpers", "PlainText"]


class PlainText(str):
    """
    Text that the shell displays unquoted.
    """

    def __repr__(self) -> str:
        return str(self)


class Helpers:
    """
    Functions with short names for look-ups.
    """

    def __init__(self, resolver: NamesResolver) -> None:
        self._resolver = resolver

    def lookup(self, name: str, type: int | str = "A") -> Deferred[Result]:
        """
        Look up records of any type.

        @param type: a mnemonic or a number.

        @raise BadRecord: C{type} is not a mnemonic of a record type.
        """
        number = typeNumber(type) if isinstance(type, str) else type
        if number is None:
            raise BadRecord(f"{type!r} is not a record type; write a mnemonic such as A, AAAA or MX, or TYPE65280")
        if number == AXFR:
            return self._resolver.lookupZone(name)
        return self._resolver._look(name, number)

    def address(self, name: str) -> Deferred[str]:
        """
        Look up one address of a host, IPv4 if there is one, else IPv6.
        """
        return self._resolver.getHostByName(name)

    def reverse(self, address: str) -> Deferred[Result]:
        """
        Look up the name of an IPv4 or IPv6 address.
        """
        from twisted_ext.client import reverseName

        return self._resolver.lookupPointer(reverseName(address))

    def explain(self, name: str, type: int | str = "A") -> Deferred[PlainText]:
        """
        Look up a name and describe the steps of the look-up.
        """

        def tell(explanation: Explanation) -> PlainText:
            return PlainText(explanation.text)

        return self._resolver.explain(name, type).addCallback(tell)
