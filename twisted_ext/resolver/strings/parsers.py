"""
The functions behind the built-in prefixes. Their signatures define the arguments; see L{twisted_ext.resolver.strings.descriptions}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import AAAA, A

if TYPE_CHECKING:
    from twisted_ext.wire.tsig import Key

__all__ = [
    "Addresses",
    "Domain",
    "Domains",
    "Engines",
    "Families",
    "Paths",
    "Port",
    "SharedKey",
    "parseCache",
    "parseChain",
    "parseCoalesce",
    "parseFilter",
    "parseHosts",
    "parseLocalDomain",
    "parsePolicy",
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

_FAMILIES: Final = {"A": A, "AAAA": AAAA}


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
                hint = "" if "." in address else "; write one with colons in square brackets"
                raise BadDescription(f"{error}{hint}") from None
            found.append((address, Port.fromText(port) if at else None))
        return cls(found)

    def servers(self, port: int) -> list[Server]:
        """
        @param port: the port for addresses without one.
        """
        return [Server(address, own or port) for address, own in self]


class SharedKey:
    """
    A TSIG key, in a file or written out.
    """

    def __init__(self, key: Key) -> None:
        self.key = key

    @classmethod
    def fromText(cls, text: str) -> SharedKey:
        """
        @raise BadDescription: it is not valid, or the file cannot be used.
        """
        from twisted_ext.resolver.system.tsigkeys import readKeys
        from twisted_ext.wire.tsig import Key

        if ":" in text and not text.startswith((".", "/")):
            return cls(Key.fromText(text))
        keys, _ = readKeys(text)
        if len(keys) != 1:
            raise BadDescription(f"{text}: the file holds {len(keys)} keys instead of one")
        return cls(keys[0])


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


class Domain:
    """
    A domain name.
    """

    def __init__(self, name: bytes) -> None:
        self.name = name

    @classmethod
    def fromText(cls, text: str) -> Domain:
        """
        @raise BadName: this is not a valid domain name.
        """
        return cls(nameFromText(text))


_NO_DOMAIN: Final = Domain(ROOT)


class Families(tuple[int, ...]):
    """
    The types of addresses, separated by commas.
    """

    @classmethod
    def fromText(cls, text: str) -> Families:
        """
        @raise BadDescription: there is another type than A and AAAA.
        """
        types = [_FAMILIES.get(item.strip().upper()) for item in text.split(",")]
        if None in types:
            raise BadDescription(f"types takes A, AAAA or A,AAAA, not {text!r}")
        return cls([each for each in types if each is not None])


class Paths(tuple[str, ...]):
    """
    Comma-separated paths of files.
    """

    @classmethod
    def fromText(cls, text: str) -> Paths:
        return cls([item.strip() for item in text.split(",") if item.strip()])


class Engines(tuple[str, ...]):
    """
    Comma-separated search engines.
    """

    @classmethod
    def fromText(cls, text: str) -> Engines:
        """
        @raise BadDescription: there is another one than those that are known.
        """
        from twisted_ext.resolver.policy.rules.safesearch import ENGINES

        engines = [item.strip() for item in text.split(",") if item.strip()]
        for each in engines:
            if each not in ENGINES:
                raise BadDescription(f"safe takes search engines, not {each!r}; there are {', '.join(ENGINES)}")
        return cls(engines)


_NO_PATHS: Final = Paths()
_NO_ENGINES: Final = Engines()


def parseSystem(
    site: Site,
    *,
    resolvConf: str | None = None,
    hosts: str | None = None,
    mostBytes: int | None = None,
    stale: float = 0,
) -> IAnswerSource:
    """
    Use the machine's configuration: hosts file, special names, search list, cache and the servers of C{resolv.conf}, which is reloaded when
    it changes. C{client.getResolver()} returns this. It does not support other modules of nsswitch (mDNS, LDAP); C{threaded} does.

    @param resolvConf: a file to use instead of the system's.
    @param hosts: a hosts file to use instead of the system's.
    @param mostBytes: the size of the cache in bytes.
    @param stale: how many seconds after its expiry an answer may be used if no other is available.

    @return: L{System<twisted_ext.resolver.system.configured.System>}
    """
    from twisted_ext.resolver.system.configured import System

    return System(site.reactor, resolvConf, hosts, mostBytes=mostBytes, stale=stale)


def parseHosts(site: Site, path: str | None = None, *more: str, ttl: int | None = None, expand: Domain = _NO_DOMAIN) -> IAnswerSource:
    """
    Answer from a hosts file, the system's or others, with both families, aliases, and reverse look-ups. Changes take effect at once.

    @param path: a file to use instead of the system's.
    @param more: further files, whose addresses are joined with those of the first: C{hosts:/etc/hosts:/etc/hosts.lan}.
    @param ttl: the TTL of their records in seconds.
    @param expand: a domain that names of one label have as well: with C{lan}, C{nas} is also C{nas.lan}.

    @return: L{Hosts<twisted_ext.resolver.local.hosts.Hosts>}
    """
    from twisted_ext.resolver.local.hosts import Hosts

    return Hosts(site.reactor, path if path is None else [path, *more], ttl=ttl, expand=expand.name)


def parseLocalDomain(site: Site, domains: Domains, source: IAnswerSource, *, ttl: int | None = None) -> IAnswerSource:
    """
    Answer for domains whose names are only in a hosts file: those that are not do not exist, and no server is asked about them. It goes in
    front of the servers: C{chain:(localdomain:lan:hosts):udp:192.0.2.53}.

    @param domains: separated by commas.
    @param source: the hosts file.
    @param ttl: how many seconds a denial may be cached, an hour by default.

    @return: L{LocalDomains<twisted_ext.resolver.local.localdomains.LocalDomains>}
    """
    from twisted_ext.limits import LOCAL_TTL
    from twisted_ext.resolver.combine.chain import ChainSource
    from twisted_ext.resolver.local.hosts import Hosts
    from twisted_ext.resolver.local.localdomains import LocalDomains

    if not isinstance(source, Hosts):
        raise CallerFault("a local domain takes the hosts file with its names, such as localdomain:lan:hosts")
    if not domains:
        raise CallerFault("a local domain needs a name, such as localdomain:lan:hosts")
    return ChainSource([source, LocalDomains(domains, ttl=int(LOCAL_TTL.pick(ttl)), hosts=source.current)])


def parseFilter(site: Site, types: Families, source: IAnswerSource) -> IAnswerSource:
    """
    Remove the addresses of one family, for networks in which it does not work: C{filter:AAAA:udp:192.0.2.53}. A name that has no others has
    no data. Address hints of HTTPS records are removed as well.

    @param types: C{A}, C{AAAA} or both, separated by a comma.

    @return: L{TypeFilter<twisted_ext.resolver.policy.typefilter.TypeFilter>}
    """
    from twisted_ext.resolver.policy.typefilter import TypeFilter

    return TypeFilter(source, types)


def parsePolicy(
    site: Site,
    files: Paths,
    source: IAnswerSource,
    *,
    exceptions: Paths = _NO_PATHS,
    reply: str = "nxdomain",
    safe: Engines = _NO_ENGINES,
    rewrite: bool = False,
) -> IAnswerSource:
    """
    Answer for the names that lists block, as a server does: C{policy:/etc/ads.txt:cache:udp:192.0.2.53}. The files are read again when they
    have changed. It goes around the cache.

    @param files: paths of lists, separated by commas: domains, hosts files, and rules of ad blockers.
    @param exceptions: paths of lists whose names are not blocked.
    @param reply: what programs get: C{nxdomain}, C{null} for the addresses 0.0.0.0 and ::, or an address.
    @param safe: search engines that leave out what is for adults, separated by commas: C{safe=google,bing}.
    @param rewrite: C{yes} lets the lists give names other answers.

    @return: L{FollowedLists<twisted_ext.resolver.policy.rules.followed.FollowedLists>}
    """
    from twisted_ext.resolver.policy.rules.followed import FollowedLists
    from twisted_ext.resolver.policy.rules.safesearch import safeHosts

    if not files and not safe:
        raise CallerFault("a policy needs a list, such as policy:/etc/ads.txt:udp:192.0.2.53, or safe=google")
    hosts = safeHosts(safe)
    return FollowedLists(source, site.reactor, files, exceptions=exceptions, reply=reply, safe=hosts, rewrite=rewrite)


def parseSpecial(site: Site, *, local: bool = False) -> IAnswerSource:
    """
    Answer queries for C{localhost}, C{.onion}, C{.invalid} and IP literals, which never leave the machine then. C{system} includes it.

    @param local: C{yes} sends names below C{local} to the servers.

    @return: L{Special<twisted_ext.resolver.local.specialnames.Special>}
    """
    from twisted_ext.resolver.local.specialnames import Special

    return Special(local=local)


def parseUDP(
    site: Site,
    addresses: Addresses,
    port: Port = _DNS,
    *,
    mixCase: bool = False,
    cookies: bool = False,
    tries: int | None = None,
    keep: float | None = None,
    tsig: SharedKey | None = None,
) -> IAnswerSource:
    """
    Query certain servers over UDP, and over TCP if a reply is truncated or may be forged. Several servers are measured, and the fastest is
    queried.

    @param addresses: separated by commas, with C{@port} after an address that has another port: C{udp:192.0.2.53,192.0.2.54@5353}.
    @param port: the port of addresses without one, 53 by default.
    @param mixCase: C{yes} sends names in mixed case, which forgers have to guess.
    @param cookies: C{yes} sends DNS cookies, and believes only replies with the right one from servers that support them (RFC 7873).
    @param tries: limits the queries to one server in one look-up, 12 by default.
    @param keep: the number of seconds that an idle TCP connection is kept open.
    @param tsig: a file with a key that signs queries, and has to sign the replies (TSIG, RFC 8945), as C{txdns zone keygen} writes it; or
        the key itself in square brackets: C{tsig=[hmac-sha256:name:secret]}.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}
    """
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.transport.exchange import TCP

    key = None if tsig is None else tsig.key
    return ForwardingSource(
        site.reactor, addresses.servers(port), mixCase=mixCase, cookies=cookies, tries=tries, transport=TCP(keep), key=key
    )


def parseTCP(
    site: Site, addresses: Addresses, port: Port = _DNS, *, keep: float | None = None, tsig: SharedKey | None = None
) -> IAnswerSource:
    """
    Query servers over TCP, for networks in which UDP is blocked or not trusted. Queries share a connection and do not wait for each other's
    replies. The first one takes an additional round trip.

    @param addresses: as for C{udp}.
    @param port: as for C{udp}.
    @param keep: as for C{udp}.
    @param tsig: as for C{udp}.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}
    """
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.transport.exchange import TCP

    key = None if tsig is None else tsig.key
    return ForwardingSource(site.reactor, addresses.servers(port), stream=True, transport=TCP(keep), key=key)


def parseThreaded(site: Site, *, threads: int | None = None, ttl: int | None = None) -> IAnswerSource:
    """
    Use the operating system's own resolver. It supports addresses and their names only, no other record types. It runs in threads of its
    own, not in the reactor's pool.

    @param threads: the number of threads; about as many look-ups run at once.
    @param ttl: the TTL of results in seconds, because the system reports none.

    @return: L{ThreadedSource<twisted_ext.resolver.system.threaded.ThreadedSource>}
    """
    from twisted_ext.resolver.system.threaded import ThreadedSource

    return ThreadedSource(site.reactor, threads=threads, ttl=ttl)


def parseCache(
    site: Site,
    source: IAnswerSource,
    *,
    mostBytes: int | None = None,
    stale: float = 0,
    prefetch: bool = False,
    minTTL: int | None = None,
    maxTTL: int | None = None,
    maxNegativeTTL: int | None = None,
) -> IAnswerSource:
    """
    Cache answers, denials and failures as long as their zones allow, within a limit in bytes. Nearly every resolver needs this. Concurrent
    look-ups of the same question are sent once.

    @param mostBytes: the size of the cache in bytes.
    @param stale: how many seconds after its expiry an answer may be used if no other is available.
    @param prefetch: C{yes} refreshes popular answers shortly before they expire; then queries are sent while no client waits for them.
    @param minTTL: how many seconds answers are cached although their TTL is shorter, but not signed ones.
    @param maxTTL: the longest TTL of answers in seconds.
    @param maxNegativeTTL: the longest TTL of denials in seconds.

    @return: L{CachedSource<twisted_ext.resolver.caching.cached.CachedSource>}
    """
    from twisted_ext.cache.lifetimes import Lifetimes
    from twisted_ext.cache.store import Store
    from twisted_ext.resolver.caching.cached import CachedSource

    store = Store(mostBytes, lifetimes=Lifetimes(maxTTL, minTTL, maxNegativeTTL))
    return CachedSource(source, site.reactor, store=store, stale=stale, prefetch=prefetch)


def parseCoalesce(site: Site, source: IAnswerSource) -> IAnswerSource:
    """
    Send one query for all callers that ask the same question at the same time. C{cache} does that as well.

    @return: L{CoalescingSource<twisted_ext.resolver.caching.coalescing.CoalescingSource>}
    """
    from twisted_ext.resolver.caching.coalescing import CoalescingSource

    return CoalescingSource(source, site.reactor)


def parseChain(site: Site, *sources: IAnswerSource) -> IAnswerSource:
    """
    Query several sources in order. The next source is queried if one has no information or fails. A denial (NXDOMAIN) is an answer and ends
    the chain. The time left is divided among the remaining sources, so that one that never answers does not use up all of it. Aliases that
    lead out of a C{zone} are followed in the other sources.

    @return: L{ChainSource<twisted_ext.resolver.combine.chain.ChainSource>}
    """
    from twisted_ext.resolver.combine.chain import chained

    return chained(sources, site.reactor)


def parseZone(site: Site, /, **files: str) -> IAnswerSource:
    """
    Answer from master files, with wildcards and denials, as an authoritative server would. The files are read once. In a C{chain}, names
    below a delegation are looked up in the other sources.

    @param files: names of zones and the paths of their master files: C{zone:example.org=/etc/zones/example.org}.

    @return: L{ZonesSource<twisted_ext.resolver.local.localzones.ZonesSource>}
    """
    from twisted_ext.resolver.local.localzones import ZonesSource, zoneFromFile

    if not files:
        raise CallerFault("a zone needs its name and its file, such as example.org=/etc/zones/example.org")
    return ZonesSource([zoneFromFile(nameFromText(name), path) for name, path in files.items()])


def parseRace(site: Site, *sources: IAnswerSource, delay: float | None = None) -> IAnswerSource:
    """
    Query the next source as well if one takes long, and use the first answer; for when delay matters more than traffic.

    @param delay: seconds before the next source is queried as well, a quarter of a second by default; 0 queries all of them at once.

    @return: L{RaceSource<twisted_ext.resolver.combine.race.RaceSource>}
    """
    from twisted_ext.resolver.combine.race import RaceSource

    return RaceSource(sources, site.reactor, delay=delay)


def parseRoute(site: Site, default: IAnswerSource | None = None, /, **routes: IAnswerSource) -> IAnswerSource:
    """
    Query one source for each domain, for example for names of a company's network. Only the route with the longest matching suffix of the
    name is queried.

    @param default: the source for all other names.
    @param routes: any number of C{domain=(source)}.

    @return: L{RouteSource<twisted_ext.resolver.combine.route.RouteSource>}
    """
    from twisted_ext.resolver.combine.route import RouteSource

    if not routes and default is None:
        raise CallerFault("a route needs at least one domain=(source)")
    return RouteSource({nameFromText(domain): source for domain, source in routes.items()}, default)


def parseSearch(site: Site, domains: Domains, source: IAnswerSource, *, ndots: int | None = None) -> IAnswerSource:
    """
    Complete short names from a search list. C{system} includes the list of C{resolv.conf}.

    @param domains: separated by commas.
    @param ndots: a name with so many dots or more is tried as written first, and then in the domains if it does not exist or no server
        answers.

    @return: L{SearchListSource<twisted_ext.resolver.combine.searchlist.SearchListSource>}
    """
    from twisted_ext.resolver.combine.searchlist import SearchListSource

    return SearchListSource(source, domains, ndots)
