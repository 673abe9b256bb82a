"""
The function behind the prefix C{quic}.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.encrypted import EncryptedServers, Hashes, Pins, reached
from twisted_ext.resolver.strings.parsers import Addresses, Port
from twisted_ext.transport.quic.exchange import QUIC, QUIC_PORT
from twisted_ext.transport.tls.terms import TLSTerms

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
    crl: str = "",
    dane: IAnswerSource | None = None,
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
    @param crl: as for C{tls}.
    @param dane: as for C{tls}; the records are those of UDP, such as C{_853._udp.dns.example}.
    @param keep: the number of seconds that an idle connection is kept open, 10 by default.
    @param bootstrap: servers that are asked, in the clear, for the address of a server given by its name; by default those of the system.
        Only this address is asked for.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}, or
        L{BootstrappedSource<twisted_ext.resolver.combine.bootstrap.BootstrappedSource>} in front of it; with C{dane},
        L{DaneSource<twisted_ext.resolver.combine.dane.DaneSource>} in front of these.
    """
    first = servers[0]
    name = servers.nameWith(name, pins)
    place = servers.place(dane, name, port, "udp")
    terms = TLSTerms(name, pins=pins or (), hashes=hashes or (), ca=ca, crl=crl, dane=place)
    names = servers.names(port)
    return reached(site, first.host, first.port or port, names, QUIC(terms, keep, names), bootstrap, dane, place)
