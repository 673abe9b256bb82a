"""
Find the name servers of the zone that contains a name, so that each of them can be queried directly.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from twisted_ext.addrinfo.routes import SourceFor, sourceFor
from twisted_ext.answers import Question
from twisted_ext.compat.conversion.errors import argumentError, errorFromFault
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.lookups.follow import ServiceLookups, nameOf
from twisted_ext.errors import DNSFault, Unknown
from twisted_ext.watch.limits import ZONE_NAMES, ZONE_SERVERS
from twisted_ext.wire.escapes import ipv4ToText, ipv6ToText
from twisted_ext.wire.names import ROOT, nameToText, parentOf
from twisted_ext.wire.rrtypes import AAAA, NS, A

__all__ = ["zoneServers"]


def zoneServers(
    name: str | bytes, *, resolver: object = None, timeout: Timeout = None, source: SourceFor = sourceFor
) -> Deferred[list[str]]:
    """
    Find the authoritative servers for a name, for C{waitFor}, which takes the list as its C{resolver}.

    Addresses without a route from this host are left out, such as IPv6 addresses on a host without IPv6.

    @param resolver: see L{resolverOf<twisted_ext.compat.lookups.ask.resolverOf>}.
    @param timeout: for all the look-ups together.
    @param source: returns the local source address for a destination, L{None} if there is none.

    @return: fires with descriptions such as C{"udp:192.0.2.1"}, one for each address. It fails with
        L{DomainError<twisted_ext.compat.conversion.errors.DomainError>} if there is none.
    """
    return Deferred.fromCoroutine(_zoneServers(name, resolver, timeout, source))


async def _zoneServers(name: str | bytes, resolver: object, timeout: Timeout, source: SourceFor) -> list[str]:
    try:
        wire = nameOf(name)
        asking = ServiceLookups(resolver, timeout)
    except DNSFault as fault:
        raise argumentError(fault) from fault
    try:
        hosts = await _hosts(asking, wire)
        addresses: dict[str, None] = {}
        for host in hosts:
            for rrType, text, size in ((A, ipv4ToText, 4), (AAAA, ipv6ToText, 16)):
                found = await asking.records(host, rrType)
                addresses.update(dict.fromkeys([text(rdata) for rdata in found.rdatas if len(rdata) == size]))
            if len(addresses) >= ZONE_SERVERS.default:
                break
    finally:
        await asking.close()
    reached = [address for address in addresses if source(address) is not None][: int(ZONE_SERVERS.default)]
    if not reached:
        unreached = Unknown("none of the name servers of its zone has an address that is reachable from here")
        raise errorFromFault(unreached, Question(wire, NS))
    return [f"udp:[{address}]" if ":" in address else f"udp:{address}" for address in reached]


async def _hosts(asking: ServiceLookups, name: bytes) -> list[bytes]:
    """
    Return the name servers of the closest enclosing zone.
    """
    for _ in range(int(ZONE_NAMES.default)):
        found = await asking.records(name, NS)
        # NS records at the end of an alias are those of the target's zone, but a change to the alias happens in its own zone.
        if found.rdatas and not found.aliases:
            return list(dict.fromkeys([rdata.lower() for rdata in found.rdatas]))
        if name == ROOT:
            break
        name = parentOf(name)
    raise errorFromFault(Unknown(f"{nameToText(name)}: no name servers"), Question(name, NS))
