"""
The servers and transports that the arguments of C{txdns upstream} stand for. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.apps.cli.terminal.encryption import Encryption
from twisted_ext.errors import BadDescription
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.transport.stamps import Stamp
from twisted_ext.transport.urls import PORTS, ServerURL, canonicalHost, hostPort, isAddress

__all__ = ["TRANSPORTS", "InspectedServer", "Target", "serversIn", "titleOf"]

#: All transports, in the order of the output, with their default ports.
TRANSPORTS: Final = {"udp": DNS_PORT, "tcp": DNS_PORT, "tls": PORTS["tls"], "https": PORTS["https"], "http3": PORTS["https"],
                     "quic": PORTS["quic"]}  # fmt: skip

#: The names of transports that are not the words in capitals.
_TITLES: Final = {"http3": "HTTP/3"}

_PLAIN: Final = ("udp", "tcp")


def titleOf(transport: str) -> str:
    return _TITLES.get(transport, transport.upper())


@dataclass(frozen=True, slots=True)
class Target:
    """
    One transport of a server.

    @ivar given: whether the user has named it: an error if it does not answer.
    """

    transport: str
    server: Server
    description: str
    given: bool

    @property
    def encrypted(self) -> bool:
        return self.transport not in _PLAIN

    @property
    def kind(self) -> str:
        """
        The transport as in L{twisted_ext.answers.Origin.source}.
        """
        return "https" if self.transport == "http3" else self.transport

    @property
    def title(self) -> str:
        return titleOf(self.transport)


@dataclass(slots=True)
class InspectedServer:
    """
    A server as the arguments describe it.

    @ivar host: its name, or its address.
    @ivar address: its address if that is known besides its name, or C{""}.
    @ivar name: what its certificate has to be for, if that is not C{host}.
    @ivar path: of HTTPS.
    @ivar hashes: of certificates, from a stamp.
    @ivar ports: those of the transports that were given; empty if only the host was.
    """

    host: str
    address: str = ""
    name: str = ""
    path: str = ""
    hashes: tuple[bytes, ...] = ()
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def known(self) -> str:
        """
        The address, or C{""} if the name has to be looked up.
        """
        return self.address or (self.host if isAddress(self.host) else "")

    def targets(self, address: str, encryption: Encryption, only: bool) -> list[Target]:
        """
        Return the transports to try.

        @param address: the server's address.
        @param encryption: what its certificate has to prove.
        @param only: leave out the transports that were not given, if any was.
        """
        found: list[Target] = []
        for transport, usual in TRANSPORTS.items():
            given = transport in self.ports
            # A URL of HTTPS is for HTTP/3 as well, if the server offers that.
            named = "https" if transport == "http3" else transport
            if named in self.ports or not (only and self.ports):
                server = Server(address, self.ports.get(named, usual))
                found.append(Target(transport, server, self._description(transport, server, encryption), given))
        return found

    def _description(self, transport: str, server: Server, encryption: Encryption) -> str:
        if transport in _PLAIN:
            bracketed = f"[{server.address}]" if ":" in server.address else server.address
            # An idle connection is kept, so that several queries can be compared.
            return f"{transport}:{bracketed}:{server.port}" + (":keep=10" if transport == "tcp" else "")
        encryption = encryption.copy()
        encryption.transport, encryption.path = "https" if transport == "http3" else transport, self.path
        encryption.http3 = transport == "http3"
        encryption.name = encryption.name or self.name
        named = "" if isAddress(self.host) else self.host
        hashes = f":hashes={','.join([each.hex() for each in self.hashes])}" if self.hashes else ""
        # Compare HTTP/2 and HTTP/3: do not change over when the server offers the latter.
        fixed = ":http3=no" if transport == "https" else ""
        return encryption.description(None, named, [server]) + hashes + fixed


def serversIn(words: Iterable[str]) -> list[InspectedServer]:
    """
    Return the servers of arguments: addresses, names, URLs and stamps, each with an optional port. Those with the same host are one server.

    @raise BadDescription: one of them is not valid.
    """
    found: dict[str, InspectedServer] = {}
    for word in words:
        one = _serverIn(word)
        before = found.get(one.host)
        if before is None:
            found[one.host] = one
            continue
        before.ports |= one.ports
        before.path, before.name, before.address = one.path or before.path, one.name or before.name, one.address or before.address
        before.hashes += one.hashes
    return list(found.values())


def _serverIn(word: str) -> InspectedServer:
    scheme, mark, rest = word.partition("://")
    scheme = scheme.lower()
    if not mark:
        host, port = _placeIn(word)
        if not host:
            raise BadDescription(f"{word!r:.80}: the host is missing; write one such as 192.0.2.53, dns.example or tls://dns.example")
        return InspectedServer(canonicalHost(host), ports=dict.fromkeys(_PLAIN, port) if port else {})
    if scheme == "sdns":
        stamp = Stamp.fromText(word)
        ports = dict.fromkeys(_PLAIN, stamp.port) if stamp.kind == "udp" else {stamp.kind: stamp.port}
        return InspectedServer(stamp.host or stamp.address, stamp.address, "", stamp.path, stamp.hashes, ports)
    if scheme in _PLAIN:
        host, port = hostPort(rest.removesuffix("/"), DNS_PORT)
        return InspectedServer(canonicalHost(host), ports={scheme: port})
    if scheme not in PORTS:
        raise BadDescription(f"{word!r:.80}: unknown scheme; write {'://, '.join([*_PLAIN, *PORTS])}:// or sdns://")
    url = ServerURL.fromText(word)
    return InspectedServer(url.host, "", url.name, url.path, ports={scheme: url.port})


def _placeIn(word: str) -> tuple[str, int]:
    """
    Return host and port; 0 if there is no port.
    """
    try:
        return Server(word).address, 0
    except BadDescription:
        pass
    try:
        server = Server.fromText(word)
    except BadDescription:
        return hostPort(word, 0)
    bare = word.startswith("[") and word.endswith("]")
    return server.address, 0 if bare else server.port
