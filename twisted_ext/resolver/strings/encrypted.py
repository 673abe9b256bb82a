"""
The functions behind the prefixes of encrypted transports, and the types of their arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.parsers import Addresses, Port
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.transport.tls.stream import TLS, TLS_PORT
from twisted_ext.transport.tls.terms import TLSTerms, pinFromText
from twisted_ext.transport.urls import ServerURL, canonicalHost, isAddress

__all__ = ["EncryptedServers", "Hashes", "Pins", "bootstrapped", "parseTLS"]

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
        Return the servers with the names in their certificates, if they have one.
        """
        return {Server(each.host, each.port or port): each.name for each in self}


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


def bootstrapped(site: Site, host: str, bootstrap: Addresses | None, build: Callable[[Sequence[str]], ForwardingSource]) -> IAnswerSource:
    """
    Build the source for a server given by its name.

    @param bootstrap: the servers that are asked for its address; L{None} for the system's configuration.
    """
    from twisted_ext.resolver.combine.bootstrap import BootstrappedSource

    if bootstrap is None:
        finder = site.source("system")
    else:
        finder = ForwardingSource(site.reactor, bootstrap.servers(DNS_PORT))
    return BootstrappedSource(site.reactor, host, finder, build)


def parseTLS(
    site: Site,
    servers: EncryptedServers,
    port: Port = _PORT,
    *,
    name: str = "",
    pins: Pins | None = None,
    hashes: Hashes | None = None,
    ca: str = "",
    certificate: str = "",
    key: str = "",
    minimum: str = "1.2",
    resume: bool = True,
    keep: float | None = None,
    bootstrap: Addresses | None = None,
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
    @param certificate: a file with the client's own certificate, for servers that demand one.
    @param key: a file with its key, if that is not in the same file.
    @param minimum: the lowest TLS version to accept, 1.2 or 1.3.
    @param resume: C{no} begins each connection with a full handshake.
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
    elif pins and not name and any(each.name for each in servers):
        raise CallerFault("with pins, write #name behind each server, or behind none")
    terms = TLSTerms(
        name, pins=pins or (), hashes=hashes or (), ca=ca, certificate=certificate, key=key, minimum=minimum, resume=resume
    )
    if named:

        def build(addresses: Sequence[str]) -> ForwardingSource:
            found = [Server(address, first.port or port) for address in addresses]
            return ForwardingSource(site.reactor, found, transport=TLS(terms, keep))

        return bootstrapped(site, named, bootstrap, build)
    if bootstrap is not None:
        raise CallerFault("bootstrap is for a server given by its name; here is its address already")
    names = servers.names(port)
    return ForwardingSource(site.reactor, list(names), transport=TLS(terms, keep, names))
