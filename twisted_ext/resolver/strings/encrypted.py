"""
The functions behind the prefixes of encrypted transports, and the types of their arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.parsers import Addresses, Port, SharedKey
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.transport.tls.stream import TLS, TLS_PORT
from twisted_ext.transport.tls.terms import TLSTerms, pinFromText
from twisted_ext.transport.urls import ServerURL, canonicalHost, isAddress

if TYPE_CHECKING:
    from twisted_ext.transport.exchange import StreamTransport
    from twisted_ext.transport.tls.dane import Dane

__all__ = [
    "EncryptedServers",
    "Hashes",
    "Pins",
    "QUICOptions",
    "ServerOptions",
    "TLSOptions",
    "authenticated",
    "daneFor",
    "parseTLS",
    "reached",
    "reachedByList",
    "termsFor",
]

_PORT: Final = Port(TLS_PORT)

#: Octets of a SHA-256 digest.
_DIGEST_OCTETS: Final = 32


def daneFor(records: IAnswerSource | None, names: Collection[str], ports: Collection[int], protocol: str = "tcp") -> Dane | None:
    """
    Return what TLSA records are looked up for.

    @param records: the source for them; L{None} to use no DANE.
    @param names: those of all servers.
    @param ports: those of all servers.

    @raise CallerFault: DANE cannot be used for these.
    """
    if records is None:
        return None
    from twisted_ext.resolver.recursive.validating import ValidatingSource
    from twisted_ext.transport.tls.dane import Dane

    if len(set(names)) > 1 or len(set(ports)) > 1:
        raise CallerFault("dane is for servers with one name and one port: write a description for each of the others")
    name = canonicalHost(next(iter(names)) or "192.0.2.53")
    if isAddress(name):
        raise CallerFault("dane needs the server's name, at which its TLSA records are: write #dns.example behind its address")
    if next(behind(records, ValidatingSource), None) is None:
        raise CallerFault("dane needs a source that validates with DNSSEC: write dane=(recursive) or dane=(validate:udp:192.0.2.1)")
    return Dane(name, next(iter(ports)), protocol)


def authenticated(site: Site, source: IAnswerSource, dane: Dane | None, records: IAnswerSource | None) -> IAnswerSource:
    """
    Return a source that looks TLSA records up before C{source} needs them; C{source} itself without DANE.
    """
    if dane is None or records is None:
        return source
    from twisted_ext.resolver.combine.dane import DaneSource

    return DaneSource(site.reactor, dane, records, source)


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


# The options of prefixes, which C{parseTLS} documents. A prefix shows them in the order of the bases, then of the keys.


class _Naming(TypedDict, total=False):
    """
    The name in the certificates of servers that have none in the description.
    """

    name: str


class _Proofs(TypedDict, total=False):
    """
    What proves the identity of a server.
    """

    pins: Pins
    hashes: Hashes
    ca: str
    crl: str
    dane: IAnswerSource


class _Handshakes(TypedDict, total=False):
    """
    What a client shows, and how it begins a connection.
    """

    certificate: str
    key: str
    minimum: str
    resume: bool


class _Reaching(TypedDict, total=False):
    """
    How long connections are kept, and where the address is looked up.
    """

    keep: float
    bootstrap: Addresses


class ServerOptions(_Proofs, _Handshakes, _Reaching, total=False):
    """
    Those that C{tls} and C{https} share.
    """


class TLSOptions(_Naming, ServerOptions, total=False):
    """
    The options of C{tls}.
    """

    tsig: SharedKey


class QUICOptions(_Naming, _Proofs, _Reaching, total=False):
    """
    The options of C{quic}, all of which C{tls} has as well.
    """


def termsFor(
    options: ServerOptions, name: str, place: Dane | None, make: type[TLSTerms] | partial[TLSTerms] = TLSTerms
) -> TLSTerms:
    """
    Return what is expected of a server.

    @param place: where its TLSA records are.
    @param make: makes the terms.
    """
    return make(
        name,
        pins=options.get("pins", ()),
        hashes=options.get("hashes", ()),
        ca=options.get("ca", ""),
        crl=options.get("crl", ""),
        dane=place,
        certificate=options.get("certificate", ""),
        key=options.get("key", ""),
        minimum=options.get("minimum", "1.2"),
        resume=options.get("resume", True),
    )


def reached(
    site: Site,
    host: str,
    port: int,
    known: Iterable[Server],
    forward: Callable[[Sequence[Server]], ForwardingSource],
    options: ServerOptions,
) -> IAnswerSource:
    """
    Build the source for servers at known addresses, or else for the one with this host name and port.

    @param forward: makes the source for servers.
    @param options: C{bootstrap} are the servers that are asked for its address; without them C{dane} is, or the system's configuration.
    """
    servers = list(known)
    bootstrap = options.get("bootstrap")
    if servers:
        if bootstrap is not None:
            raise CallerFault("bootstrap is for a server given by its name; leave it out with an address")
        return forward(servers)

    from twisted_ext.resolver.combine.bootstrap import BootstrappedSource

    finder = options.get("dane")
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
    return BootstrappedSource(site.reactor, host, finder, lambda addresses: forward([Server(each, port) for each in addresses]))


def reachedByList(
    site: Site,
    servers: EncryptedServers,
    port: Port,
    transport: Callable[[TLSTerms, float | None, Mapping[Server, str]], StreamTransport],
    protocol: str = "tcp",
    **options: Unpack[TLSOptions],
) -> IAnswerSource:
    """
    Build the source for servers of a list.

    @param transport: makes the transport from the terms, the seconds to keep a connection, and the names of servers.
    @param protocol: the one in the name of TLSA records.
    """
    first = servers[0]
    dane = options.get("dane")
    tsig = options.get("tsig")
    name = servers.nameWith(options.get("name", ""), options.get("pins"))
    place = servers.place(dane, name, port, protocol)
    names = servers.names(port)
    way = transport(termsFor(options, name, place), options.get("keep"), names)
    forward = partial(ForwardingSource, site.reactor, transport=way, key=None if tsig is None else tsig.key)
    return authenticated(site, reached(site, first.host, first.port or port, names, forward, options), place, dane)


def parseTLS(site: Site, servers: EncryptedServers, port: Port = _PORT, **options: Unpack[TLSOptions]) -> IAnswerSource:
    """
    Query servers over TLS, which hides queries and replies from observers, and protects them from changes. Each server has to prove its
    identity. If it cannot, or cannot be reached over TLS, the look-up fails: nothing is sent in the clear instead. Queries share a
    connection, and are padded.

    @param servers: addresses separated by commas, each with C{@port} and C{#name} if needed: C{tls:192.0.2.53#dns.example}; or a URL:
        C{tls://192.0.2.53#dns.example}, C{tls://dns.example}.
    @param port: the port of servers without one, 853 by default.
    @keyword name: the name in the certificates of servers without C{#name}. Without any name, the certificate has to be for the address.
    @keyword pins: digests of public keys in base64, separated by commas. With pins and without a name, the server's key has to be one of
        them, and its certificate does not matter otherwise.
    @keyword hashes: digests of certificates in hexadecimal, as in DNS stamps; one of them has to be among those that prove the name.
    @keyword ca: a file with the certificates of authorities to trust instead of the system's.
    @keyword crl: a file with the revocation lists of all authorities from the server's to the root, in PEM. A certificate that one of them
        revokes is refused, and so is one for which the file has no list that is still valid. The file is read again when it has changed.
    @keyword dane: a source that validates, in parentheses, for the server's TLSA records (DANE), which say what its certificate has to be:
        C{dane=(recursive)}. They have to be secure by DNSSEC; otherwise the look-up fails. This source looks up the server's address as
        well, unless C{bootstrap} does, so it must not query this server by its name itself.
    @keyword certificate: a file with the client's own certificate, for servers that demand one.
    @keyword key: a file with its key, if that is not in the same file.
    @keyword minimum: the lowest TLS version to accept, 1.2 or 1.3.
    @keyword resume: C{no} begins each connection with a full handshake.
    @keyword keep: the number of seconds that an idle connection is kept open, 10 by default.
    @keyword bootstrap: servers that are asked, in the clear, for the address of a server given by its name; by default those of the system.
        Only this address is asked for.
    @keyword tsig: a file with a TSIG key, or the key, as for C{udp}.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}, or
        L{BootstrappedSource<twisted_ext.resolver.combine.bootstrap.BootstrappedSource>} in front of it; with C{dane},
        L{DaneSource<twisted_ext.resolver.combine.dane.DaneSource>} in front of these.
    """
    return reachedByList(site, servers, port, TLS, **options)
