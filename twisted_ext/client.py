"""
Look up names: the functions and classes of L{twisted.names.client}, with the same names and parameters, and additions to them.

C{lookupAddress(name)} and the other look-ups use the resolver of this process, which L{getResolver} creates from the system's configuration
on first use. They fire with a L{Result<twisted_ext.compat.conversion.results.Result>} or fail with an exception of
L{twisted_ext.compat.conversion.errors}; all of them can be cancelled. A C{timeout} is either a number of seconds for the whole look-up, or
a sequence of seconds to wait for each attempt, whose sum bounds the whole look-up.

C{serverTargets}, C{bindingTargets}, C{mailTargets} and related functions locate services; they are those of
L{twisted_ext.compat.lookups.services}. C{watch} and C{waitFor} follow changes to a name: L{twisted_ext.compat.lookups.watch}.

Importing this module starts nothing and reads no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IResolver, IResolverSimple
from zope.interface import moduleProvides

from twisted_ext.compat.adapters import resolverFromSource, sourceFromResolver
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.lookupmethods import LOOKUP_METHODS, Lookup, typeOfLookup
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import Resolver, ThreadedResolver, sourceFor
from twisted_ext.errors import WrongType
from twisted_ext.wire import addressranges

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorPluggableNameResolver
    from twisted.names.dns import Query

    from twisted_ext.addrinfo.getaddrinfo import Host
    from twisted_ext.addrinfo.hints import AddressInfo, Port, SocketAddress
    from twisted_ext.dnssec.evidence import Evidence
    from twisted_ext.resolver.lookup.explain import Explanation

__all__ = [
    "NamesResolver",
    "Resolver",
    "Result",
    "ThreadedResolver",
    "bindingTargets",
    "createResolver",
    "explain",
    "getHostByName",
    "getResolver",
    "getaddrinfo",
    "getnameinfo",
    "install",
    "lookup",
    "lookupZone",
    "mailTargets",
    "numberURIs",
    "proof",
    "query",
    "resolverFromSource",
    "resolverFromString",
    "reverseName",
    "rewrittenTargets",
    "rewrittenURIs",
    "serverTargets",
    "sourceFromResolver",
    "theResolver",
    "tlsaOf",
    "urisOf",
    "waitFor",
    "watch",
    "zoneServers",
]

moduleProvides(IResolver, IResolverSimple)

#: The resolver that the functions below use: see L{getResolver}. Set it to another resolver, of this package or any C{IResolver} or
#: C{IResolverSimple}, or to L{None} to create a new one on next use.
theResolver: object = None

#: A resolver of another package that C{theResolver} was set to, and its wrapper.
_adapted: tuple[object, NamesResolver] | None = None


def resolverFromString(reactor: IReactorTime, description: str, timeout: Timeout = None) -> NamesResolver:
    """
    Create a resolver from a description, such as C{"system"}, C{"udp:192.0.2.1"} or C{"cache:race:(udp:192.0.2.1):(tcp:192.0.2.2)"}.

    @param timeout: for look-ups without a timeout of their own.

    @raise twisted_ext.errors.BadDescription: the description is not valid; says what is wrong, where, and what would be right.
    """
    from twisted_ext.resolver.strings.descriptions import sourceFromString

    return NamesResolver(sourceFromString(reactor, description), reactor, timeout=timeout)


def createResolver(
    servers: Sequence[tuple[str, int]] | None = None,
    resolvconf: str | bytes | None = None,
    hosts: str | bytes | None = None,
) -> NamesResolver:
    """
    Create a resolver with a cache that reads the hosts file first and answers special-use names itself.

    @param servers: addresses and ports of the only servers to query. L{None} for those of C{resolvconf}.
    @param resolvconf: a path, or L{None} for the system's. Changes to the file take effect at once.
    @param hosts: a path, or L{None} for the system's.

    @raise twisted_ext.errors.BadDescription: a server is not an address.
    """
    reactor = globalReactor()
    return NamesResolver(sourceFor(reactor, servers, resolvconf, hosts), reactor)


def getResolver() -> NamesResolver:
    """
    Return the resolver of this process. It is created on first use, and again after it was closed. If C{theResolver} was set to a resolver
    of another package, return a wrapper around it: see L{twisted_ext.compat.foreign.sourceOf}.

    @raise WrongType: C{theResolver} was set to something that is not a resolver.
    """
    global theResolver, _adapted
    if theResolver is None:
        _adapted = None
    elif not isinstance(theResolver, NamesResolver):
        if _adapted is None or _adapted[0] is not theResolver or _adapted[1].closed:
            _adapted = theResolver, _resolverOf(theResolver)
        return _adapted[1]
    elif not theResolver.closed:
        return theResolver
    made = theResolver = createResolver()
    return made


def install(reactor: IReactorPluggableNameResolver | None = None) -> Callable[[], None]:
    """
    Make the reactor use the resolver of this process for all look-ups.

    @param reactor: L{None} for the global one.

    @return: a function that restores the previous resolver.
    """
    return getResolver().install(reactor)


def explain(name: str | bytes, rrType: int | str | None = None) -> Deferred[Explanation]:
    """
    Look up a name and report each step.

    @param rrType: a number or a mnemonic; L{None} for A.
    """
    return getResolver().explain(name, rrType)


def proof(name: str | bytes, rrType: int | str | None = None, timeout: Timeout = None, *, now: int | None = None) -> Deferred[Evidence]:
    """
    Look up a name with everything that it takes to validate the answer with DNSSEC. The result can be saved, and checked again without a
    network.

    @param rrType: a number or a mnemonic; L{None} for A.
    @param now: validate as if it were this time, in seconds since 1970.
    """
    return getResolver().proof(name, rrType, timeout, now=now)


def getHostByName(name: str | bytes, timeout: Timeout = None, effort: int = 10) -> Deferred[str]:
    """
    Find one address of a host: an IPv4 address if there is one, else an IPv6 address.

    @param effort: the number of aliases to follow if the server does not.
    """
    return getResolver().getHostByName(name, timeout, effort)


def getaddrinfo(
    host: Host,
    port: Port,
    *,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
    resolver: object = None,
    timeout: Timeout = None,
) -> Deferred[list[AddressInfo]]:
    """
    Resolve a host and a service, both names or numbers, like C{socket.getaddrinfo}.

    @param host: L{None} for the local host.
    @param port: L{None} for no port.
    @param resolver: see L{twisted_ext.compat.lookups.ask.resolverOf}.

    @return: fires with tuples of family, type, protocol, canonical name and address, in the order in which to try them; or fails with a
        C{socket.gaierror}.
    """
    return _resolverOf(resolver).getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags, timeout=timeout)


def getnameinfo(
    sockaddr: SocketAddress, flags: int = 0, *, resolver: object = None, timeout: Timeout = None
) -> Deferred[tuple[str, str]]:
    """
    Look up the names of a host and a service, like C{socket.getnameinfo}.

    @param sockaddr: address and port; for IPv6 optionally flow label and scope id.
    @param resolver: see L{twisted_ext.compat.lookups.ask.resolverOf}.

    @return: fires with both names, or numbers where there is no name; or fails with a C{socket.gaierror}.
    """
    return _resolverOf(resolver).getnameinfo(sockaddr, flags, timeout=timeout)


def _resolverOf(resolver: object) -> NamesResolver:
    from twisted_ext.compat.lookups.ask import resolverOf

    return resolverOf(resolver)


def reverseName(address: str) -> str:
    """
    Return the name that holds the PTR records of an address, such as C{"1.2.0.192.in-addr.arpa"}.

    @param address: an IPv4 or IPv6 address; a scope is ignored.

    @raise twisted_ext.errors.BadName: it is not a valid address.
    @raise WrongType: it is not text.
    """
    given: object = address
    if not isinstance(given, str):
        raise WrongType(f"{given!r:.80} is not an address; write it as text, such as 192.0.2.1")
    return addressranges.reverseName(given)


def query(query: Query | str | bytes, timeout: Timeout | str = None) -> Deferred[Result]:
    """
    Look up records of any type.

    @param query: a query; or an absolute name, to which no search list is applied.
    @param timeout: if C{query} is a name, this may be the mnemonic of the type instead: C{query("example.com", "MX")}.

    @raise ValueError: no type has this mnemonic.
    """
    return getResolver().query(query, timeout)


def lookup(name: str | bytes, rrType: int | str = 1, timeout: Timeout = None) -> Deferred[Result]:
    """
    Look up records of any type: C{lookup("example.com", "MX")}.

    @param rrType: a mnemonic in any case, C{TYPE65280}, or a number.

    @raise TypeError: C{rrType} is neither text nor a number.
    @raise ValueError: the type is unknown, or cannot be looked up.
    """
    return getResolver().lookup(name, rrType, timeout)


def lookupZone(name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
    """
    Transfer a whole zone (RFC 5936).
    """
    return getResolver().lookupZone(name, timeout)


def _asking(method: str) -> Lookup:
    def lookup(name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        return cast(Lookup, getattr(getResolver(), method))(name, timeout)

    lookup.__name__ = lookup.__qualname__ = method
    return lookup


if TYPE_CHECKING:
    from twisted_ext.compat._lookupnames import *  # noqa: F403
else:
    for _name in LOOKUP_METHODS:
        globals()[_name] = _asking(_name)
    __all__ += LOOKUP_METHODS


if TYPE_CHECKING:
    from twisted_ext.compat.lookups.nameservers import zoneServers
    from twisted_ext.compat.lookups.services import (
        bindingTargets,
        mailTargets,
        numberURIs,
        rewrittenTargets,
        rewrittenURIs,
        serverTargets,
        tlsaOf,
        urisOf,
    )
    from twisted_ext.compat.lookups.watch import waitFor, watch
else:

    def _finding(function, module="lookups.services"):
        """
        Return a function that imports a function of L{twisted_ext.compat.lookups.services}, or of another module there, on the first call.
        """

        def find(*args, **kwargs):
            from importlib import import_module

            return getattr(import_module(f"twisted_ext.compat.{module}"), function)(*args, **kwargs)

        find.__name__ = find.__qualname__ = function
        find.__doc__ = f"See twisted_ext.compat.{module}.{function}."
        return find

    bindingTargets = _finding("bindingTargets")
    mailTargets = _finding("mailTargets")
    numberURIs = _finding("numberURIs")
    rewrittenTargets = _finding("rewrittenTargets")
    rewrittenURIs = _finding("rewrittenURIs")
    serverTargets = _finding("serverTargets")
    tlsaOf = _finding("tlsaOf")
    urisOf = _finding("urisOf")
    waitFor = _finding("waitFor", "lookups.watch")
    watch = _finding("watch", "lookups.watch")
    zoneServers = _finding("zoneServers", "lookups.nameservers")


def __getattr__(name: str) -> object:
    """
    Support look-ups of types that were registered later, and the classes of L{twisted.names.client} that belong to its own protocols and
    are not used for look-ups here.
    """
    if typeOfLookup(name) is not None:
        return _asking(name)
    if name in ("AXFRController", "DNSClientFactory"):
        from twisted.names import client

        found: object = getattr(client, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
