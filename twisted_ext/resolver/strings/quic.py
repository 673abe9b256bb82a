"""
The function behind the prefix C{quic}.
"""

from __future__ import annotations

from typing import Final, Unpack

from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.encrypted import EncryptedServers, QUICOptions, reachedByList
from twisted_ext.resolver.strings.parsers import Port
from twisted_ext.transport.quic.exchange import QUIC, QUIC_PORT

__all__ = ["parseQUIC"]

_PORT: Final = Port(QUIC_PORT)


def parseQUIC(site: Site, servers: EncryptedServers, port: Port = _PORT, **options: Unpack[QUICOptions]) -> IAnswerSource:
    """
    Query servers over QUIC, which hides queries and replies from observers, and protects them from changes. Unlike over TLS, a lost packet
    delays only the replies that are in it. Each server has to prove its identity. If it cannot, or cannot be reached over QUIC, the look-up
    fails: nothing is sent in another way instead. Needs the extra C{quic}.

    @param servers: addresses separated by commas, each with C{@port} and C{#name} if needed: C{quic:192.0.2.53#dns.example}; or a URL:
        C{quic://192.0.2.53#dns.example}, C{quic://dns.example}.
    @param port: the port of servers without one, 853 by default.
    @keyword name: the name in the certificates of servers without C{#name}. Without any name, the certificate has to be for the address.
    @keyword pins: digests of public keys in base64, separated by commas. With pins and without a name, the server's key has to be one of
        them, and its certificate does not matter otherwise.
    @keyword hashes: digests of certificates in hexadecimal, as in DNS stamps; one of them has to be among those that prove the name.
    @keyword ca: a file with the certificates of authorities to trust instead of the system's.
    @keyword crl: as for C{tls}.
    @keyword dane: as for C{tls}; the records are those of UDP, such as C{_853._udp.dns.example}.
    @keyword keep: the number of seconds that an idle connection is kept open, 10 by default.
    @keyword bootstrap: servers that are asked, in the clear, for the address of a server given by its name; by default those of the system.
        Only this address is asked for.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}, or
        L{BootstrappedSource<twisted_ext.resolver.combine.bootstrap.BootstrappedSource>} in front of it; with C{dane},
        L{DaneSource<twisted_ext.resolver.combine.dane.DaneSource>} in front of these.
    """
    return reachedByList(site, servers, port, QUIC, "udp", **options)
