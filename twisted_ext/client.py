"""
Looking names up: the functions and classes of L{twisted.names.client}, under the same names and with the same parameters, and what
it lacks.

C{lookupAddress(name)} and its like ask the resolver of this process: the one that L{getResolver} makes, when it is first needed, of
what the machine is configured to use. They fire with a L{Result<twisted_ext.edges.conversion.results.Result>} or fail with an exception of
L{twisted_ext.edges.codes}; all of them can be cancelled. A C{timeout} is a number, the seconds until the answer, or a sequence,
the seconds to wait for each attempt, their sum being the seconds until the answer.

Where a service is, C{serverTargets}, C{bindingTargets}, C{mailTargets} and their siblings find out; they are those of
L{twisted_ext.edges.services}. What a name stands for is followed by C{watch} and C{waitFor}: L{twisted_ext.edges.watching}.

Importing this starts nothing and reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IResolver, IResolverSimple
from zope.interface import moduleProvides

from twisted_ext.edges.adapting import resolverFromSource, sourceFromResolver
from twisted_ext.edges.addresses.reversing import reverseName
from twisted_ext.edges.conversion.results import Result
from twisted_ext.edges.install import globalReactor
from twisted_ext.edges.lookups import Lookup
from twisted_ext.edges.names import NamesResolver
from twisted_ext.edges.resolution.deadlines import Timeout
from twisted_ext.edges.resolvers import Resolver, ThreadedResolver

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorPluggableNameResolver
    from twisted.names.dns import Query

    from twisted_ext.edges.addresses.addressing import Host
    from twisted_ext.edges.addresses.hints import AddressInfo, Port, SocketAddress
    from twisted_ext.edges.resolution.explaining import Explanation

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
    "lookupAFSDatabase",
    "lookupAMTRELAY",
    "lookupAPL",
    "lookupATMA",
    "lookupAVC",
    "lookupAddress",
    "lookupAddress6",
    "lookupAllRecords",
    "lookupAuthority",
    "lookupBRID",
    "lookupCAA",
    "lookupCDNSKEY",
    "lookupCDS",
    "lookupCERT",
    "lookupCSYNC",
    "lookupCanonicalName",
    "lookupDHCID",
    "lookupDLV",
    "lookupDNAME",
    "lookupDNSKEY",
    "lookupDOA",
    "lookupDS",
    "lookupDSYNC",
    "lookupEUI48",
    "lookupEUI64",
    "lookupGPOS",
    "lookupHHIT",
    "lookupHIP",
    "lookupHTTPS",
    "lookupHostInfo",
    "lookupIPSECKEY",
    "lookupIPV6Address",
    "lookupISDN",
    "lookupKEY",
    "lookupKX",
    "lookupL32",
    "lookupL64",
    "lookupLOC",
    "lookupLP",
    "lookupMD",
    "lookupMF",
    "lookupMailBox",
    "lookupMailExchange",
    "lookupMailGroup",
    "lookupMailRename",
    "lookupMailboxInfo",
    "lookupNID",
    "lookupNINFO",
    "lookupNSAP",
    "lookupNSAPPTR",
    "lookupNSEC",
    "lookupNSEC3",
    "lookupNSEC3PARAM",
    "lookupNameservers",
    "lookupNamingAuthorityPointer",
    "lookupNull",
    "lookupOPENPGPKEY",
    "lookupPX",
    "lookupPointer",
    "lookupRESINFO",
    "lookupRKEY",
    "lookupRRSIG",
    "lookupRT",
    "lookupResponsibility",
    "lookupSIG",
    "lookupSMIMEA",
    "lookupSSHFP",
    "lookupSVCB",
    "lookupSenderPolicy",
    "lookupService",
    "lookupTA",
    "lookupTALINK",
    "lookupTLSA",
    "lookupText",
    "lookupURI",
    "lookupWALLET",
    "lookupWellKnownServices",
    "lookupX25",
    "lookupZONEMD",
    "lookupZone",
    "mailTargets",
    "numberURIs",
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

#: What the functions below ask. Set it to another resolver, or to L{None} to have it made anew.
theResolver: NamesResolver | None = None


def resolverFromString(reactor: IReactorTime, description: str, timeout: Timeout = None) -> NamesResolver:
    """
    Make a resolver of a description, such as C{"system"}, C{"udp:192.0.2.1"} or C{"cache:race:(udp:192.0.2.1):(tcp:192.0.2.2)"}.

    @param timeout: for look-ups that do not bring their own.

    @raise twisted_ext.errors.BadDescription: what is wrong with it, where, and what would be right.
    """
    from twisted_ext.resolver.descriptions import sourceFromString

    return NamesResolver(sourceFromString(reactor, description), reactor, timeout=timeout)


def createResolver(
    servers: Sequence[tuple[str, int]] | None = None,
    resolvconf: str | bytes | None = None,
    hosts: str | bytes | None = None,
) -> NamesResolver:
    """
    Make a resolver with a cache that looks into the hosts file first and answers special names itself.

    @param servers: addresses and ports of the servers to ask: these and no others. L{None} for those of C{resolvconf}.
    @param resolvconf: a path, or L{None} for the system's. It is followed: a change counts at once.
    @param hosts: a path, or L{None} for the system's.

    @raise twisted_ext.errors.BadDescription: a server that is no address.
    """
    from twisted_ext.edges.resolvers import sourceFor

    reactor = globalReactor()
    return NamesResolver(sourceFor(reactor, servers, resolvconf, hosts), reactor)


def getResolver() -> NamesResolver:
    """
    @return: the resolver of this process, made when it is first asked for, and anew when it was closed.
    """
    global theResolver
    if theResolver is None or theResolver.closed:
        theResolver = createResolver()
    return theResolver


def install(reactor: IReactorPluggableNameResolver | None = None) -> Callable[[], None]:
    """
    Let the reactor look up every name with the resolver of this process.

    @param reactor: L{None} for the global one.

    @return: call it to give back what was there before.
    """
    return getResolver().install(reactor)


def explain(name: str | bytes, rrType: int | str | None = None) -> Deferred[Explanation]:
    """
    Look something up and tell how that went, step by step.

    @param rrType: a number or a mnemonic; L{None} for the addresses of IPv4.
    """
    return getResolver().explain(name, rrType)


def getHostByName(name: str | bytes, timeout: Timeout = None, effort: int = 10) -> Deferred[str]:
    """
    Find one address: of IPv4 where there is one, else of IPv6.

    @param effort: aliases to follow where the server leaves that to us.
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
    Find addresses to connect to, as C{socket.getaddrinfo} does, of a host and of a service, both of them names or numbers.

    @param host: L{None} for this machine.
    @param port: L{None} for none.
    @param resolver: see L{twisted_ext.edges.resolution.asking.resolverOf}.

    @return: fires with tuples of family, kind, protocol, canonical name and address, in the order in which to try them; or fails with a
        C{socket.gaierror}.
    """
    asked = getResolver() if resolver is None else _resolverOf(resolver)
    return asked.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags, timeout=timeout)


def getnameinfo(
    sockaddr: SocketAddress, flags: int = 0, *, resolver: object = None, timeout: Timeout = None
) -> Deferred[tuple[str, str]]:
    """
    Find the names of a host and of a service, as C{socket.getnameinfo} does.

    @param sockaddr: address and port, and for IPv6 flow label and scope id if they are known.
    @param resolver: see L{twisted_ext.edges.resolution.asking.resolverOf}.

    @return: fires with both of them, numbers where there are no names; or fails with a C{socket.gaierror}.
    """
    return (getResolver() if resolver is None else _resolverOf(resolver)).getnameinfo(sockaddr, flags, timeout=timeout)


def _resolverOf(resolver: object) -> NamesResolver:
    from twisted_ext.edges.resolution.asking import resolverOf

    return resolverOf(resolver)


def query(query: Query, timeout: Timeout = None) -> Deferred[Result]:
    """
    Ask for any type.
    """
    return getResolver().query(query, timeout)


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


lookupAddress = _asking("lookupAddress")
lookupIPV6Address = _asking("lookupIPV6Address")
lookupAddress6 = _asking("lookupAddress6")
lookupMailExchange = _asking("lookupMailExchange")
lookupNameservers = _asking("lookupNameservers")
lookupCanonicalName = _asking("lookupCanonicalName")
lookupMailBox = _asking("lookupMailBox")
lookupMailGroup = _asking("lookupMailGroup")
lookupMailRename = _asking("lookupMailRename")
lookupPointer = _asking("lookupPointer")
lookupAuthority = _asking("lookupAuthority")
lookupNull = _asking("lookupNull")
lookupWellKnownServices = _asking("lookupWellKnownServices")
lookupService = _asking("lookupService")
lookupHostInfo = _asking("lookupHostInfo")
lookupMailboxInfo = _asking("lookupMailboxInfo")
lookupText = _asking("lookupText")
lookupSenderPolicy = _asking("lookupSenderPolicy")
lookupResponsibility = _asking("lookupResponsibility")
lookupAFSDatabase = _asking("lookupAFSDatabase")
lookupNamingAuthorityPointer = _asking("lookupNamingAuthorityPointer")
lookupAllRecords = _asking("lookupAllRecords")
lookupMD = _asking("lookupMD")
lookupMF = _asking("lookupMF")
lookupX25 = _asking("lookupX25")
lookupISDN = _asking("lookupISDN")
lookupRT = _asking("lookupRT")
lookupNSAP = _asking("lookupNSAP")
lookupNSAPPTR = _asking("lookupNSAPPTR")
lookupSIG = _asking("lookupSIG")
lookupKEY = _asking("lookupKEY")
lookupPX = _asking("lookupPX")
lookupGPOS = _asking("lookupGPOS")
lookupLOC = _asking("lookupLOC")
lookupATMA = _asking("lookupATMA")
lookupKX = _asking("lookupKX")
lookupCERT = _asking("lookupCERT")
lookupDNAME = _asking("lookupDNAME")
lookupAPL = _asking("lookupAPL")
lookupDS = _asking("lookupDS")
lookupSSHFP = _asking("lookupSSHFP")
lookupIPSECKEY = _asking("lookupIPSECKEY")
lookupRRSIG = _asking("lookupRRSIG")
lookupNSEC = _asking("lookupNSEC")
lookupDNSKEY = _asking("lookupDNSKEY")
lookupDHCID = _asking("lookupDHCID")
lookupNSEC3 = _asking("lookupNSEC3")
lookupNSEC3PARAM = _asking("lookupNSEC3PARAM")
lookupTLSA = _asking("lookupTLSA")
lookupSMIMEA = _asking("lookupSMIMEA")
lookupHIP = _asking("lookupHIP")
lookupNINFO = _asking("lookupNINFO")
lookupRKEY = _asking("lookupRKEY")
lookupTALINK = _asking("lookupTALINK")
lookupCDS = _asking("lookupCDS")
lookupCDNSKEY = _asking("lookupCDNSKEY")
lookupOPENPGPKEY = _asking("lookupOPENPGPKEY")
lookupCSYNC = _asking("lookupCSYNC")
lookupZONEMD = _asking("lookupZONEMD")
lookupSVCB = _asking("lookupSVCB")
lookupHTTPS = _asking("lookupHTTPS")
lookupDSYNC = _asking("lookupDSYNC")
lookupHHIT = _asking("lookupHHIT")
lookupBRID = _asking("lookupBRID")
lookupNID = _asking("lookupNID")
lookupL32 = _asking("lookupL32")
lookupL64 = _asking("lookupL64")
lookupLP = _asking("lookupLP")
lookupEUI48 = _asking("lookupEUI48")
lookupEUI64 = _asking("lookupEUI64")
lookupURI = _asking("lookupURI")
lookupCAA = _asking("lookupCAA")
lookupAVC = _asking("lookupAVC")
lookupDOA = _asking("lookupDOA")
lookupAMTRELAY = _asking("lookupAMTRELAY")
lookupRESINFO = _asking("lookupRESINFO")
lookupWALLET = _asking("lookupWALLET")
lookupTA = _asking("lookupTA")
lookupDLV = _asking("lookupDLV")


if TYPE_CHECKING:
    from twisted_ext.edges.nameservers import zoneServers
    from twisted_ext.edges.services import (
        bindingTargets,
        mailTargets,
        numberURIs,
        rewrittenTargets,
        rewrittenURIs,
        serverTargets,
        tlsaOf,
        urisOf,
    )
    from twisted_ext.edges.watching import waitFor, watch
else:

    def _finding(function, module="services"):
        """
        @return: the function of L{twisted_ext.edges.services}, or of another module there, imported when it is first called.
        """

        def find(*args, **kwargs):
            from importlib import import_module

            return getattr(import_module(f"twisted_ext.edges.{module}"), function)(*args, **kwargs)

        find.__name__ = find.__qualname__ = function
        find.__doc__ = f"See twisted_ext.edges.{module}.{function}."
        return find

    bindingTargets = _finding("bindingTargets")
    mailTargets = _finding("mailTargets")
    numberURIs = _finding("numberURIs")
    rewrittenTargets = _finding("rewrittenTargets")
    rewrittenURIs = _finding("rewrittenURIs")
    serverTargets = _finding("serverTargets")
    tlsaOf = _finding("tlsaOf")
    urisOf = _finding("urisOf")
    waitFor = _finding("waitFor", "watching")
    watch = _finding("watch", "watching")
    zoneServers = _finding("zoneServers", "nameservers")


def __getattr__(name: str) -> object:
    """
    Find the classes of L{twisted.names.client} that have nothing to do with how names are looked up here, and belong to its own
    protocols.
    """
    if name in ("AXFRController", "DNSClientFactory"):
        from twisted.names import client

        found: object = getattr(client, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
