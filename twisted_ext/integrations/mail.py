"""
Lets Twisted's mail delivery use this resolver::

    MXCalculator(resolver=MailResolver())

Any resolver of this package can be used there. L{MailResolver} also works around three limitations of C{MXCalculator}: exchanges of equal
preference, domains that accept no mail (null MX), and domains written in a different case than in the cache.
"""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.names import dns

from twisted_ext.compat.conversion.errors import errorFromFault
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.lookups.ask import resolverOf
from twisted_ext.errors import NotOffered

if TYPE_CHECKING:
    from random import Random

__all__ = ["MailExchange", "MailResolver"]

_chance: Final = SystemRandom()


class MailExchange(dns.Record_MX):
    """
    An MX record that can be sorted among others of the same preference. Twisted's own class has no order, so C{MXCalculator} fails with a
    C{TypeError} for every domain with two equal preferences.
    """

    def __lt__(self, other: object) -> bool:
        # Sorting is stable, so they stay in their random order.
        return False if isinstance(other, dns.Record_MX) else NotImplemented


class MailResolver:
    """
    A resolver for C{MXCalculator}.
    """

    def __init__(self, resolver: object = None, rng: Random | None = None) -> None:
        """
        @param resolver: a resolver of this package, a description, or L{None} for the resolver of this process.
        @param rng: orders exchanges of equal preference.
        """
        self._resolver = resolverOf(resolver)
        self._rng = _chance if rng is None else rng

    def lookupMailExchange(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        """
        Look up the MX records of a domain.

        @return: fires with the records in random order, or fails with
            L{ServiceNotAvailable<twisted_ext.compat.conversion.errors.ServiceNotAvailable>} if the domain accepts no mail (RFC 7505). After
            that error, C{MXCalculator} does not try the domain itself.
        """
        return self._resolver.lookupMailExchange(name, timeout).addCallback(self._cbExchanges, name)

    def getHostByName(self, name: str | bytes, timeout: Timeout = None, effort: int = 10) -> Deferred[str]:
        """
        Find the address of a domain without MX records.
        """
        return self._resolver.getHostByName(name, timeout, effort)

    def _cbExchanges(self, result: Result, name: str | bytes) -> Result:
        asked = dns.Name(name)
        owner = asked.name.rstrip(b".").lower()
        exchanges: list[MailExchange] = []
        for header in result[0]:
            if header.name.name.lower() == owner:
                # MXCalculator compares case-sensitively.
                header.name = asked
            payload: object = header.payload
            if isinstance(payload, dns.Record_MX):
                exchanges.append(_orderly(payload))
                header.payload = exchanges[-1]
        if len(exchanges) == 1 and exchanges[0].name == dns.Name():
            raise errorFromFault(NotOffered(f"{asked}: the domain says that it takes no mail"))
        self._rng.shuffle(result[0])
        return result


def _orderly(record: dns.Record_MX) -> MailExchange:
    made = object.__new__(MailExchange)
    vars(made).update(vars(record))
    return made
