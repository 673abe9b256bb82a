"""
Lets Scrapy use this resolver, with one line in its settings::

    TWISTED_DNS_RESOLVER = "twisted_ext.integrations.scrapy.CrawlerResolver"

It looks up addresses of both families without threads, and caches them for the TTL of their records. This module does not import Scrapy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar, cast

from twisted.internet.interfaces import IReactorCore, IReactorPluggableNameResolver, IReactorTime

from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource

__all__ = ["CrawlerResolver"]

_T = TypeVar("_T")

#: Octets of cache for each name, because Scrapy's cache size is in names: addresses of both families, or negative answers.
_NAME_OCTETS: Final = 1024

#: Scrapy's priority of default settings.
_UNSET: Final = 0


class _Settings(Protocol):
    """
    The methods of Scrapy's settings that are used here. Those that convert raise L{ValueError}.
    """

    def get(self, name: str) -> object: ...

    def getbool(self, name: str) -> bool: ...

    def getint(self, name: str) -> int: ...

    def getfloat(self, name: str) -> float: ...

    def getpriority(self, name: str) -> int | None: ...


class _Crawler(Protocol):
    @property
    def settings(self) -> _Settings: ...


class CrawlerResolver(NamesResolver):
    """
    A resolver that Scrapy creates and installs. It is closed when the reactor stops.

    It reads these settings:

      - C{TXDNS_RESOLVER}: a resolver description, such as C{"system:stale=3600"}. Default: the system's configuration. A description
        configures its own cache, so the next two settings are ignored with it.
      - C{DNSCACHE_ENABLED}: whether to cache answers; default L{True}.
      - C{DNSCACHE_SIZE}: the cache size in names. Default: the default cache size of this package.
      - C{DNS_TIMEOUT}: seconds until a look-up fails, at most. Scrapy's default of 60 seconds is ignored unless set explicitly.
    """

    @classmethod
    def from_crawler(cls, crawler: _Crawler, reactor: IReactorTime) -> Self:
        """
        Create a resolver from Scrapy's settings.

        @param crawler: a crawler or a crawler process.

        @raise BadDescription: a setting is not valid.
        """
        settings = crawler.settings
        seconds = _read(settings, "DNS_TIMEOUT", settings.getfloat, "a number of seconds")
        if seconds is not None and not seconds > 0:
            raise BadDescription(f"DNS_TIMEOUT: {seconds:g} is not a valid timeout; write a number of seconds above 0")
        return cls(_source(settings, reactor), reactor, timeout=seconds)

    def install_on_reactor(self) -> None:
        """
        Make the reactor use this resolver for both families, until it stops.
        """
        reactor: object = self._reactor
        self.install(cast(IReactorPluggableNameResolver, reactor))
        cast(IReactorCore, reactor).addSystemEventTrigger("during", "shutdown", self.close)


def _source(settings: _Settings, reactor: IReactorTime) -> IAnswerSource:
    description = settings.get("TXDNS_RESOLVER")
    if description:
        from twisted_ext.resolver.strings.descriptions import sourceFromString

        if not isinstance(description, str):
            raise BadDescription(f"TXDNS_RESOLVER: {description!r:.80} is not a description such as 'system' or 'cache:udp:192.0.2.1'")
        try:
            return sourceFromString(reactor, description)
        except BadDescription as fault:
            raise BadDescription(f"TXDNS_RESOLVER: {fault}") from fault
    from twisted_ext.resolver.system.configured import System

    cached = _read(settings, "DNSCACHE_ENABLED", settings.getbool, "true or false")
    names = _read(settings, "DNSCACHE_SIZE", settings.getint, "a number of names")
    if cached is False or (names is not None and names <= 0):
        return System(reactor, cached=False)
    return System(reactor, mostBytes=None if names is None else names * _NAME_OCTETS)


def _read(settings: _Settings, name: str, get: Callable[[str], _T], what: str) -> _T | None:
    if (settings.getpriority(name) or _UNSET) <= _UNSET:
        return None
    try:
        return get(name)
    except (TypeError, ValueError):
        raise BadDescription(f"{name}: {settings.get(name)!r:.80} is not {what}") from None
