"""
The functions behind the prefixes of encrypted transports, and the types of their arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.dane import authenticated, daneFor
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.parsers import Addresses, Port, SharedKey
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.transport.tls.stream import TLS, TLS_PORT
from twisted_ext.transport.tls.terms import TLSTerms, pinFromText
from twisted_ext.transport.urls import ServerURL, canonicalHost, isAddress

if TYPE_CHECKING:
    from twisted_ext.transport.exchange import StreamTransport
    from twisted_ext.transport.tls.dane import Dane
    from twisted_ext.wire.tsig import Key

__all__ = ["EncryptedServers", "Hashes", "Pins", "parseTLS", "reached"]

_PORT: Final = Port(TLS_PORT)

#: Octets of a SHA-256 digest.
_DIGEST_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class _Listed:
    """
    One server of a list.

    @ivar host: its address, or its name.
    @ivar port: L{None} for the one of the list.
    @ivar name: the name in its certificate, or C{""}.
    """

    host: str
    port: int | None
    name: str


class EncryptedServers(tuple[_Listed, ...]):
    """
    Comma-separated servers with the names in their certificates: C{192.0.2.1#dns.example,[2001:db8::1]@8853#dns.example}; or one URL.
    """

    @classmethod
    def fromText(cls, text: str) -> EncryptedServers:
        """
        @raise BadDescription: one of them is not valid.
        """
        if "://" in text:
            url = ServerURL.fromText(text)
            return cls([_Listed(url.host, url.port, url.name)])
        found: list[_Listed] = []
        for item in text.split(","):
            place, sharp, name = item.strip().partition("#")
            if sharp and not name:
                raise BadDescription(f"after # comes the name in the server's certificate: {place}#dns.example")
            host, at, port = place.partition("@")
            if not host:
                raise BadDescription("the address of a server is missing; write one such as 192.0.2.53#dns.example")
            found.append(_Listed(canonicalHost(host), Port.fromText(port) if at else None, canonicalHost(name) if name else ""))
        if len(found) > 1:
            for each in found:
                if not isAddress(each.host):
                    raise BadDescription(f"{each.host!r} is a name: give several servers by address, or write a description for each")
        return cls(found)

    def names(self, port: int) -> dict[Server, str]:
        """
        Return the servers given by their addresses, with the names in their certificates, if they have one.
        """
        return {Server(each.host, each.port or port): each.name for each in self if isAddress(each.host)}

    def place(self, records: IAnswerSource | None, name: str, port: int, protocol: str = "tcp") -> Dane | None:
        """
        Return what TLSA records are looked up for, as L{daneFor} does.

        @param name: as L{nameWith} returns it.
        """
        names = {each.name or name if isAddress(each.host) else name for each in self}
        return daneFor(records, names, {each.port or port for each in self}, protocol)

    def nameWith(self, name: str, pins: Pins | None) -> str:
        """
        Return the name that the servers' certificates have to be for; C{""} if they have names of their own, or none.

        @param name: the value of the option.

        @raise CallerFault: it is not clear which servers have to have one.
        """
        if name:
            return name
        first = self[0]
        if not isAddress(first.host):
            return first.name or first.host
        if all(each.name for each in self):
            return first.name
        if pins and any(each.name for each in self):
            raise CallerFault("with pins, write #name behind each server, or behind none")
        return ""


class Pins(tuple[bytes, ...]):
    """
    Comma-separated pins, as in L{pinFromText}.
    """

    @classmethod
    def fromText(cls, text: str) -> Pins:
        """
        @raise BadDescription: one of them is not valid.
        """
        return cls([pinFromText(item) for item in text.split(",")])


class Hashes(tuple[bytes, ...]):
    """
    Comma-separated SHA-256 digests of certificates in hexadecimal, as in DNS stamps.
    """

    @classmethod
    def fromText(cls, text: str) -> Hashes:
        """
        @raise BadDescription: one of them is not valid.
        """
        found: list[bytes] = []
        for item in text.split(","):
            try:
                digest = bytes.fromhex(item)
            except ValueError:
                digest = b""
            if len(digest) != _DIGEST_OCTETS:
                raise BadDescription(f"{item!r:.80} is not a valid hash: it takes a SHA-256 digest in hexadecimal, 64 digits")
            found.append(digest)
        return cls(found)


def reached(
    site: Site,
    host: str,
    port: int,
    known: Iterable[Server],
    transport: StreamTransport,
    bootstrap: Addresses | None,
    dane: IAnswerSource | None,
    place: Dane | None,
    key: Key | None = None,
) -> IAnswerSource:
    """
    Build the source for servers at known addresses, or else for the one with this host name and port.

    @param bootstrap: the servers that are asked for its address.
    @param dane: the source for TLSA records, and for the address without C{bootstrap}; L{None} for the system's configuration.
    @param place: where the TLSA records are.
    @param key: signs the queries.
    """
    servers = list(known)

    def build(addresses: Sequence[str]) -> ForwardingSource:
        return ForwardingSource(site.reactor, servers or [Server(each, port) for each in addresses], transport=transport, key=key)

    if servers:
        if bootstrap is not None:
            raise CallerFault("bootstrap is for a server given by its name; leave it out with an address")
        return authenticated(site, build(()), place, dane)

    from twisted_ext.resolver.combine.bootstrap import BootstrappedSource

    finder = dane
    if bootstrap is not None:
        plain = bootstrap.servers(DNS_PORT)
        for server in plain:
            if site.isItself(server):
                raise CallerFault(f"bootstrap={server.label} is this server itself, which would wait for {host}; name another server")
        finder = ForwardingSource(site.reactor, plain)
    elif finder is None:
        from twisted_ext.resolver.system.configured import System

        # To look up its own upstream's address, a server would wait for that upstream.
        finder = System(site.reactor, isItself=site.isItself)
    return authenticated(site, BootstrappedSource(site.reactor, host, finder, build), place, dane)


def parseTLS(
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
    certificate: str = "",
    key: str = "",
    minimum: str = "1.2",
    resume: bool = True,
    keep: float | None = None,
    bootstrap: Addresses | None = None,
    tsig: SharedKey | None = None,
) -> IAnswerSource:
    """
    Query servers over TLS, which hides queries and replies from observers, and protects them from changes. Each server has to prove its
    identity. If it cannot, or cannot be reached over TLS, the look-up fails: nothing is sent in the clear instead. Queries share a
    connection, and are padded.

    @param servers: addresses separated by commas, each with C{@port} and C{#name} if needed: C{tls:192.0.2.53#dns.example}; or a URL:
        C{tls://192.0.2.53#dns.example}, C{tls://dns.example}.
    @param port: the port of servers without one, 853 by default.
    @param name: the name in the certificates of servers without C{#name}. Without any name, the certificate has to be for the address.
    @param pins: digests of public keys in base64, separated by commas. With pins and without a name, the server's key has to be one of
        them, and its certificate does not matter otherwise.
    @param hashes: digests of certificates in hexadecimal, as in DNS stamps; one of them has to be among those that prove the name.
    @param ca: a file with the certificates of authorities to trust instead of the system's.
    @param crl: a file with the revocation lists of all authorities from the server's to the root, in PEM. A certificate that one of them
        revokes is refused, and so is one for which the file has no list that is still valid. The file is read again when it has changed.
    @param dane: a source that validates, in parentheses, for the server's TLSA records (DANE), which say what its certificate has to be:
        C{dane=(recursive)}. They have to be secure by DNSSEC; otherwise the look-up fails. This source looks up the server's address as
        well, unless C{bootstrap} does, so it must not query this server by its name itself.
    @param certificate: a file with the client's own certificate, for servers that demand one.
    @param key: a file with its key, if that is not in the same file.
    @param minimum: the lowest TLS version to accept, 1.2 or 1.3.
    @param resume: C{no} begins each connection with a full handshake.
    @param keep: the number of seconds that an idle connection is kept open, 10 by default.
    @param bootstrap: servers that are asked, in the clear, for the address of a server given by its name; by default those of the system.
        Only this address is asked for.
    @param tsig: a file with a TSIG key, or the key, as for C{udp}.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}, or
        L{BootstrappedSource<twisted_ext.resolver.combine.bootstrap.BootstrappedSource>} in front of it; with C{dane},
        L{DaneSource<twisted_ext.resolver.combine.dane.DaneSource>} in front of these.
    """
    first = servers[0]
    name = servers.nameWith(name, pins)
    place = servers.place(dane, name, port)
    terms = TLSTerms(
        name,
        pins=pins or (),
        hashes=hashes or (),
        ca=ca,
        crl=crl,
        dane=place,
        certificate=certificate,
        key=key,
        minimum=minimum,
        resume=resume,
    )
    names = servers.names(port)
    shared = None if tsig is None else tsig.key
    return reached(site, first.host, first.port or port, names, TLS(terms, keep, names), bootstrap, dane, place, shared)
