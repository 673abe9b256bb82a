"""
The function behind the prefix C{quic}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_ext.errors import CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.encrypted import EncryptedServers, Hashes, Pins, bootstrapped
from twisted_ext.resolver.strings.parsers import Addresses, Port
from twisted_ext.transport.quic.exchange import QUIC, QUIC_PORT
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSTerms
from twisted_ext.transport.urls import isAddress

__all__ = ["parseQUIC"]

_PORT: Final = Port(QUIC_PORT)


def parseQUIC(
    site: Site,
    servers: EncryptedServers,
    port: Port = _PORT,
    *,
    name: str = "",
    pins: Pins | None = None,
    hashes: Hashes | None = None,
    ca: str = "",
    keep: float | None = None,
    bootstrap: Addresses | None = None,
) -> IAnswerSource:
    """
    Query servers over QUIC, which hides queries and replies from observers, and protects them from changes. Unlike over TLS, a lost packet
    delays only the replies that are in it. Each server has to prove its identity. If it cannot, or cannot be reached over QUIC, the look-up
    fails: nothing is sent in another way instead. Needs the extra C{quic}.

    @param servers: addresses separated by commas, each with C{@port} and C{#name} if needed: C{quic:192.0.2.53#dns.example}; or a URL:
        C{quic://192.0.2.53#dns.example}, C{quic://dns.example}.
    @param port: the port of servers without one, 853 by default.
    @param name: the name in the certificates of servers without C{#name}. Without any name, the certificate has to be for the address.
    @param pins: digests of public keys in base64, separated by commas. With pins and without a name, the server's key has to be one of
        them, and its certificate does not matter otherwise.
    @param hashes: digests of certificates in hexadecimal, as in DNS stamps; one of them has to be among those that prove the name.
    @param ca: a file with the certificates of authorities to trust instead of the system's.
    @param keep: the number of seconds that an idle connection is kept open, 10 by default.
    @param bootstrap: servers that are asked, in the clear, for the address of a server given by its name; by default those of the system.
        Only this address is asked for.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}, or
        L{BootstrappedSource<twisted_ext.resolver.combine.bootstrap.BootstrappedSource>} in front of it.
    """
    first = servers[0]
    named = "" if isAddress(first.host) else first.host
    if named and not name:
        name = first.name or named
    elif not name and all(each.name for each in servers):
        name = first.name
    terms = TLSTerms(name, pins=pins or (), hashes=hashes or (), ca=ca)
    if named:
        transport = QUIC(terms, keep)

        def build(addresses: Sequence[str]) -> ForwardingSource:
            found = [Server(address, first.port or port) for address in addresses]
            return ForwardingSource(site.reactor, found, transport=transport)

        return bootstrapped(site, named, bootstrap, build)
    if bootstrap is not None:
        raise CallerFault("bootstrap is for a server given by its name; here is its address already")
    names = servers.names(port)
    return ForwardingSource(site.reactor, list(names), transport=QUIC(terms, keep, names))
