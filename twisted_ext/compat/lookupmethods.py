"""
Look-up methods by record type, created from the type registry (L{twisted_ext.wire.rrtypes}): those of twisted.names, and one named after
each type: C{lookupMailExchange} and C{lookupMX}, C{lookupTLSA}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

from twisted.internet.defer import Deferred

from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.errors import BadRecord
from twisted_ext.wire import rrtypes

if TYPE_CHECKING:
    from twisted_ext.compat._lookupnames import _Methods
else:
    _Methods = object

__all__ = ["LOOKUP_METHODS", "LOOKUP_NAMES", "Lookup", "Lookups", "askable", "lookupName", "typeOfLookup"]


class Lookup(Protocol):
    def __call__(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        """
        Look up the records of one type.

        @param name: without a final dot, the system's search list may be applied; special characters are escaped (RFC 1035, section 5.1).

        @return: fires with answer, authority and additional records; empty lists if the name has no record of this type.
        """


def askable(number: int) -> bool:
    """
    Return whether records of this type can be looked up; those of ANY can.
    """
    return number == rrtypes.ANY or not rrtypes.isMeta(number)


def lookupName(mnemonic: str) -> str:
    return "lookup" + mnemonic.replace("-", "")


def typeOfLookup(name: str) -> int | None:
    """
    Return the type that a method such as C{lookupMX} looks up, also one registered later; L{None} if there is no such method.
    """
    if not name.startswith("lookup") or name == "lookup":
        return None
    return next((number for word, number in rrtypes.TYPE_NUMBERS.items() if askable(number) and lookupName(word) == name), None)


#: Maps types to the look-up method that subclasses override: the one of twisted.names if there is one, else the one named after the type.
LOOKUP_NAMES: Final = {
    **{number: lookupName(word) for word, number in rrtypes.TYPE_NUMBERS.items() if askable(number)},
    **rrtypes.TWISTED_LOOKUPS,
}


#: The names of all look-up methods.
LOOKUP_METHODS: Final = [*LOOKUP_NAMES.values(), *[lookupName(rrtypes.typeName(number)) for number in rrtypes.TWISTED_LOOKUPS]]


def _asking(rrType: int, method: str) -> Lookup:
    def lookup(self: Lookups, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        return self._look(name, rrType, timeout)

    lookup.__name__ = lookup.__qualname__ = method
    lookup.__dict__["rrType"] = rrType
    # Lookup is the type of the bound method.
    return cast(Lookup, lookup)


def _renamed(rrType: int, primary: str) -> Lookup:
    """
    Create the look-up named after a type's mnemonic if twisted.names has another name for it. It calls that one, so a class that overrides
    that one overrides both.
    """

    def lookup(self: object, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        return cast(Lookup, getattr(self, primary))(name, timeout)

    lookup.__name__ = lookup.__qualname__ = lookupName(rrtypes.typeName(rrType))
    lookup.__dict__["rrType"] = rrType
    return cast(Lookup, lookup)


class Lookups(_Methods):
    """
    The look-up methods, for classes that implement C{_look} and C{lookupZone}.
    """

    def _look(self, name: str | bytes, rrType: int, timeout: Timeout = None) -> Deferred[Result]:
        raise NotImplementedError("subclasses of Lookups implement _look() and lookupZone()")

    def lookupZone(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        """
        Transfer a whole zone.
        """
        raise NotImplementedError("subclasses of Lookups implement _look() and lookupZone()")

    def lookup(self, name: str | bytes, rrType: int | str = rrtypes.A, timeout: Timeout = None) -> Deferred[Result]:
        """
        Look up records of any type: C{lookup("example.com", "MX")}.

        @param name: as for the other look-ups.
        @param rrType: a mnemonic in any case, C{TYPE65280}, or a number.

        @return: fires as the other look-ups do; for C{AXFR} with a whole zone.

        @raise TypeError: C{rrType} is neither text nor a number.
        @raise ValueError: the type is unknown, or cannot be looked up.
        """
        number = rrtypes.expectType(rrType)
        if number == rrtypes.AXFR:
            return self.lookupZone(name, timeout)
        if not askable(number):
            raise BadRecord(f"{rrtypes.typeName(number)} is not a type that can be looked up")
        method = LOOKUP_NAMES.get(number)
        return self._look(name, number, timeout) if method is None else getattr(self, method)(name, timeout)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            # Types that were registered later.
            rrType = typeOfLookup(name)
            if rrType is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return lambda name, timeout=None: self.lookup(name, rrType, timeout)


for _number, _name in LOOKUP_NAMES.items():
    setattr(Lookups, _name, _asking(_number, _name))
for _number, _name in rrtypes.TWISTED_LOOKUPS.items():
    setattr(Lookups, lookupName(rrtypes.typeName(_number)), _renamed(_number, _name))
