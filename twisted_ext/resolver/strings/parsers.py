"""
The functions behind the built-in prefixes. Their signatures define the arguments; see L{twisted_ext.resolver.strings.descriptions}.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.names import nameFromText

__all__ = [
    "Addresses",
    "Domains",
    "Port",
    "parseCache",
    "parseChain",
    "parseCoalesce",
    "parseHosts",
    "parseRace",
    "parseRoute",
    "parseSearch",
    "parseSpecial",
    "parseSystem",
    "parseTCP",
    "parseThreaded",
    "parseUDP",
    "parseZone",
]


class Port(int):
    """
    A number from 1 to 65535.
    """

    @classmethod
    def fromText(cls, text: str) -> Port:
        """
        @raise BadDescription: it is not a number from 1 to 65535.
        """
        if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
            raise BadDescription(f"a port takes a number from 1 to 65535, not {text!r}")
        return cls(text)


_DNS: Final = Port(DNS_PORT)


class Addresses(tuple[tuple[str, int | None], ...]):
    """
    Comma-separated server addresses: C{192.0.2.1,192.0.2.2@5353,[2001:db8::1]@5353}. The brackets may be left out if no colon in the
    description needs to be protected.
    """

    @classmethod
    def fromText(cls, text: str) -> Addresses:
        """
        @raise BadDescription: one of them is not a valid IP address, or has no valid port after its C{@}.
        """
        found: list[tuple[str, int | None]] = []
        for item in text.split(","):
            address, at, port = item.strip().partition("@")
            if address.startswith("[") and address.endswith("]"):
                address = address[1:-1]
            try:
                # Raise the error here, where the column is known.
                Server(address)
            except BadDescription as error:
                hint = "" if "." in address else "; one with colons stands in square brackets"
                raise BadDescription(f"{error}{hint}") from None
            found.append((address, Port.fromText(port) if at else None))
        return cls(found)

    def servers(self, port: int) -> list[Server]:
        """
        @param port: the port for addresses without one.
        """
        return [Server(address, own or port) for address, own in self]


class Domains(tuple[bytes, ...]):
    """
    Comma-separated domain names.
    """

    @classmethod
    def fromText(cls, text: str) -> Domains:
        """
        @raise BadName: one of them is not a valid domain name.
        """
        return cls([nameFromText(item.strip()) for item in text.split(",") if item.strip()])


def parseSystem(
    site: Site,
    *,
    resolvConf: str | None = None,
    hosts: str | None = None,
    mostBytes: int | None = None,
    stale: float = 0,
) -> IAnswerSource:
    """
    C{system[:resolvConf=path][:hosts=path][:mostBytes=number][:stale=seconds]}
    """
    from twisted_ext.resolver.system.configured import System

    return System(site.reactor, resolvConf, hosts, mostBytes=mostBytes, stale=stale)


def parseHosts(site: Site, path: str | None = None, *, ttl: int | None = None) -> IAnswerSource:
    """
    C{hosts[:path][:ttl=seconds]}
    """
    from twisted_ext.resolver.system.hosts import Hosts

    return Hosts(site.reactor, path, ttl=ttl)


def parseSpecial(site: Site, *, local: bool = False) -> IAnswerSource:
    """
    C{special[:local=yes]}
    """
    from twisted_ext.resolver.policy.specialnames import Special

    return Special(local=local)


def parseUDP(
    site: Site,
    addresses: Addresses,
    port: Port = _DNS,
    *,
    mixCase: bool = False,
    tries: int | None = None,
    keep: float | None = None,
) -> IAnswerSource:
    """
    C{udp:address[,address...][:port][:mixCase=yes][:tries=number][:keep=seconds]}
    """
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.transport.exchange import TCP

    return ForwardingSource(site.reactor, addresses.servers(port), mixCase=mixCase, tries=tries, transport=TCP(keep))


def parseTCP(site: Site, addresses: Addresses, port: Port = _DNS, *, keep: float | None = None) -> IAnswerSource:
    """
    C{tcp:address[,address...][:port][:keep=seconds]}
    """
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.transport.exchange import TCP

    return ForwardingSource(site.reactor, addresses.servers(port), stream=True, transport=TCP(keep))


def parseThreaded(site: Site, *, threads: int | None = None, ttl: int | None = None) -> IAnswerSource:
    """
    C{threaded[:threads=number][:ttl=seconds]}
    """
    from twisted_ext.resolver.system.threaded import ThreadedSource

    return ThreadedSource(site.reactor, threads=threads, ttl=ttl)


def parseCache(
    site: Site, source: IAnswerSource, *, mostBytes: int | None = None, stale: float = 0, prefetch: bool = False
) -> IAnswerSource:
    """
    C{cache[:mostBytes=number][:stale=seconds][:prefetch=yes]:source}. Concurrent look-ups of the same question are sent once.
    """
    from twisted_ext.cache.store import Store
    from twisted_ext.resolver.caching.cached import CachedSource

    return CachedSource(source, site.reactor, store=Store(mostBytes), stale=stale, prefetch=prefetch)


def parseCoalesce(site: Site, source: IAnswerSource) -> IAnswerSource:
    """
    C{coalesce:source}
    """
    from twisted_ext.resolver.caching.coalescing import CoalescingSource

    return CoalescingSource(source, site.reactor)


def parseChain(site: Site, *sources: IAnswerSource) -> IAnswerSource:
    """
    C{chain:(source):(source)...}. The remaining time is shared among the remaining sources; aliases of zones are followed into the others.
    """
    from twisted_ext.resolver.combine.chain import chained

    return chained(sources, site.reactor)


def parseZone(site: Site, /, **files: str) -> IAnswerSource:
    """
    C{zone:name=path...}: zones from master files, which are read once.
    """
    from twisted_ext.resolver.policy.localzones import ZonesSource, zoneFromFile

    if not files:
        raise CallerFault("a zone needs its name and its file, such as example.org=/etc/zones/example.org")
    return ZonesSource([zoneFromFile(nameFromText(name), path) for name, path in files.items()])


def parseRace(site: Site, *sources: IAnswerSource, delay: float | None = None) -> IAnswerSource:
    """
    C{race[:delay=seconds]:(source):(source)...}
    """
    from twisted_ext.resolver.combine.race import RaceSource

    return RaceSource(sources, site.reactor, delay=delay)


def parseRoute(site: Site, default: IAnswerSource | None = None, /, **routes: IAnswerSource) -> IAnswerSource:
    """
    C{route:domain=(source)...[:source]}, the last one for all other names.
    """
    from twisted_ext.resolver.combine.route import RouteSource

    if not routes and default is None:
        raise CallerFault("a route needs at least one domain=(source)")
    return RouteSource({nameFromText(domain): source for domain, source in routes.items()}, default)


def parseSearch(site: Site, domains: Domains, source: IAnswerSource, *, ndots: int | None = None) -> IAnswerSource:
    """
    C{search[:ndots=number]:domain[,domain...]:source}
    """
    from twisted_ext.resolver.combine.searchlist import SearchListSource

    return SearchListSource(source, domains, ndots)
