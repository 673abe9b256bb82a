"""
The function behind the prefix C{ddr}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.forward.ddr import Designation
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.parsers import Addresses, Port
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.transport.urls import escaped

if TYPE_CHECKING:
    from twisted_ext.resolver.system.resolvconf import SystemConfiguration

__all__ = ["PlainServers", "parseDDR", "upgraded"]

_DNS: Final = Port(DNS_PORT)


class PlainServers(Addresses):
    """
    Server addresses as in L{Addresses}; or none for the word C{system}.
    """

    @classmethod
    def fromText(cls, text: str) -> PlainServers:
        """
        @raise BadDescription: as for L{Addresses.fromText}.
        """
        return cls() if text == "system" else cls(Addresses.fromText(text))


def upgraded(
    site: Site,
    servers: Iterable[Server],
    plain: Callable[[Server], IAnswerSource],
    *,
    strict: bool = False,
    opportunistic: bool = False,
    ca: str = "",
) -> IAnswerSource:
    """
    Build the source that queries servers over the encrypted transports that they designate.

    @param plain: makes the source that queries one of them in the clear.
    """
    from twisted_ext.resolver.combine.designated import DesignatedSource
    from twisted_ext.resolver.combine.race import RaceSource

    options = f":ca={escaped(ca)}" if ca else ""

    def build(description: str) -> IAnswerSource:
        return site.source(description + options)

    def accept(designation: Designation) -> IAnswerSource:
        from twisted_ext.resolver.forward.forwarder import ForwardingSource
        from twisted_ext.transport.tls.opportunistic import OpportunisticTLS

        places = [Server(address, designation.port) for address in designation.addresses]
        return ForwardingSource(site.reactor, places, transport=OpportunisticTLS())

    sources = [
        DesignatedSource(site.reactor, server, plain(server), build, strict=strict, accept=accept if opportunistic else None)
        for server in dict.fromkeys(servers)
    ]
    return sources[0] if len(sources) == 1 else RaceSource(sources, site.reactor)


def parseDDR(
    site: Site,
    addresses: PlainServers,
    port: Port = _DNS,
    *,
    strict: bool = False,
    opportunistic: bool = False,
    ca: str = "",
    resolvConf: str | None = None,
) -> IAnswerSource:
    """
    Query servers over the encrypted transports that they designate (DDR, RFC 9462), if these prove in their certificates to have the plain
    server's address; otherwise in the clear. A server that has proved it is not queried in the clear again while it can be reached, or its
    designation is valid. An attacker who is present when the discovery takes place can prevent encryption: where that matters, name the
    encrypted server, as in C{tls}, or use C{strict}.

    @param addresses: of the plain servers, as for C{udp}; each is asked for its own. With several, the next one is queried as well if one
        takes long. C{system} stands for those of C{resolv.conf}, with all else that the prefix C{system} does.
    @param port: the port of addresses without one, 53 by default.
    @param strict: C{yes} fails look-ups where no encrypted server can be used. Only the discovery itself is in the clear.
    @param opportunistic: C{yes} also uses a server over TLS that cannot prove anything, if it is at the same address as the plain one, and
        that is a private one, such as that of a router (RFC 9462, section 4.3). This hides queries from observers, but not from attackers.
    @param ca: a file with the certificates of authorities to trust instead of the system's.
    @param resolvConf: a file to use instead of the system's, with C{ddr:system}.

    @return: L{DesignatedSource<twisted_ext.resolver.combine.designated.DesignatedSource>}, several of them in a
        L{RaceSource<twisted_ext.resolver.combine.race.RaceSource>}, or L{System<twisted_ext.resolver.system.configured.System>} in front
        of these.
    """
    from twisted_ext.resolver.forward.forwarder import ForwardingSource

    if strict and opportunistic:
        raise CallerFault("strict takes servers that have proved their identity; leave out opportunistic")

    def plain(server: Server) -> IAnswerSource:
        return ForwardingSource(site.reactor, [server])

    forwarding = partial(upgraded, site, plain=plain, strict=strict, opportunistic=opportunistic, ca=ca)

    if addresses:
        if resolvConf is not None:
            raise CallerFault("resolvConf is for ddr:system; leave it out where the servers are given")
        return forwarding(addresses.servers(port))

    from twisted_ext.resolver.system.configured import System

    def upstream(configuration: SystemConfiguration) -> IAnswerSource:
        return forwarding(configuration.servers)

    return System(site.reactor, resolvConf, upstream=upstream)
