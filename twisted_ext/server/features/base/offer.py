"""
What a server offers over encrypted transports, and the records that designate it (RFC 9461, RFC 9462).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.transport.servers import Server
from twisted_ext.transport.urls import DEFAULT_PATH, PORTS, ServerURL, canonicalHost, isAddress
from twisted_ext.wire.codes import IN
from twisted_ext.wire.escapes import ipv4FromText, ipv6FromText
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.types.svcb import SVCB
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, A
from twisted_ext.wire.rrtypes import SVCB as SVCB_TYPE

__all__ = ["DESIGNATED_TTL", "Offer"]

#: TTL of the records, in seconds: clients keep what they found, so a listener that is gone should be forgotten soon.
DESIGNATED_TTL: Final = 300

#: ALPN identifiers (RFC 7858, RFC 9250, RFC 8484).
_ALPN: Final = {"tls": ("dot",), "quic": ("doq",), "https": ("h2",)}

_ITSELF: Final = nameFromText("_dns.resolver.arpa")


@dataclass(frozen=True, slots=True)
class Offer:
    """
    The encrypted listeners of one server.

    @ivar name: what its certificates name, and clients connect to: a host name, or an address.
    @ivar urls: one for each listener, the preferred one first; C{name} is the host of each.
    @ivar addresses: where the name leads, in their shortest form; those of this machine's listeners.
    @ivar http3: where a listener speaks HTTP/3: one of these URLs, or another one, of the scheme C{https} as well; L{None} if none does.
    """

    name: str
    urls: tuple[ServerURL, ...]
    addresses: tuple[str, ...] = ()
    http3: ServerURL | None = None

    @classmethod
    def of(cls, urls: Iterable[str | ServerURL], addresses: Iterable[str] = (), *, http3: ServerURL | None = None) -> Offer:
        """
        @param urls: such as C{tls://dns.example} and C{https://dns.example/dns-query}. The host of one like C{tls://192.0.2.53#dns.example}
            is one of the addresses.

        @raise BadDescription: one of them is not valid, an address has a scope, there are no URLs, they are for servers of different
            names, or several have the same transport.
        """
        places = [Server(each).address for each in addresses]
        found: list[ServerURL] = []
        for each in urls:
            url = ServerURL.fromText(each) if isinstance(each, str) else each
            if url.address is not None:
                places.append(url.address.address)
            elif url.name:
                raise BadDescription(f"{url}: clients would look up {url.host} and expect {url.name}; write {url.scheme}://{url.name}")
            found.append(ServerURL(url.scheme, url.identity, url.port, "", url.path))
        if not found and http3 is None:
            raise BadDescription("nothing is offered; write a URL such as tls://dns.example")
        for place in places:
            if "%" in place:
                raise BadDescription(f"{place!r}: an address with a scope has a meaning on one machine only; leave it out")
        name = (found[0] if http3 is None else http3).host
        for url in found:
            if url.host != name:
                raise BadDescription(f"{url} is for another server than {found[0]}; write the URLs of one server")
            if sum(url.scheme == other.scheme for other in found) > 1:
                raise BadDescription(f"{url.scheme} is given twice")
        return cls(name, tuple(found), tuple(dict.fromkeys(places)), http3)

    @classmethod
    def ofListeners(
        cls, name: str, listeners: Iterable[tuple[str, Server]], path: str = DEFAULT_PATH, *, http3: Server | None = None
    ) -> Offer | None:
        """
        Make the offer of what really listens.

        @param name: what the certificates name.
        @param listeners: the scheme and the address of each, the preferred one first. One that has the scheme of an earlier one but another
            port is left out. Addresses that stand for all of the machine, and those that mean another one to each machine, are not
            offered: clients look the name up.
        @param path: of C{https}.
        @param http3: the address of the listener of HTTP/3; L{None} if there is none.

        @return: L{None} if nothing listens.
        """
        urls: dict[str, ServerURL] = {}
        addresses: list[str] = []
        for scheme, server in listeners:
            url = ServerURL(scheme, canonicalHost(name), server.port, "", path if scheme == "https" else "")
            if urls.setdefault(scheme, url) == url and _leadsHere(server.address):
                addresses.append(server.address)
        if http3 is None:
            return cls.of(urls.values(), addresses) if urls else None
        if _leadsHere(http3.address):
            addresses.append(http3.address)
        return cls.of(urls.values(), addresses, http3=ServerURL("https", canonicalHost(name), http3.port, "", path))

    def url(self, scheme: str) -> ServerURL | None:
        return next((each for each in self.urls if each.scheme == scheme), None)

    @property
    def ownHTTP3(self) -> ServerURL | None:
        """
        Where HTTP/3 is spoken, if none of the URLs leads there.
        """
        return None if self.http3 in self.urls else self.http3

    @property
    def hasHostName(self) -> bool:
        return not isAddress(self.name)

    def designations(self) -> RRSet:
        """
        Return the SVCB records for C{_dns.resolver.arpa}, which tell clients of the plain server of the encrypted listeners.

        @raise BadDescription: the server has no host name, which is the target of the records.
        """
        if not self.hasHostName:
            raise BadDescription(f"{self.name} is an address; records can only designate a server with a host name")
        target = nameFromText(self.name)
        found = [(url, _ALPN[url.scheme] + (("h3",) if url == self.http3 else ())) for url in self.urls]
        if self.ownHTTP3 is not None:
            found.append((self.ownHTTP3, ("h3",)))
        rdatas = [SVCB(number, target, self._parameters(*each)).wire for number, each in enumerate(found, 1)]
        return RRSet(_ITSELF, SVCB_TYPE, IN, DESIGNATED_TTL, tuple(rdatas))

    def addressRecords(self) -> list[RRSet]:
        """
        Return the addresses of the designated name, for the additional section.
        """
        target = nameFromText(self.name)
        sets = [(A, _packed(self.addresses, 4)), (AAAA, _packed(self.addresses, 6))]
        return [RRSet(target, rrType, IN, DESIGNATED_TTL, tuple(rdatas)) for rrType, rdatas in sets if rdatas]

    def zoneLines(self) -> str:
        """
        Return the records for the zone of the server's name (RFC 9462, section 5), in master file format: with them, clients that know the
        name find all transports.

        @raise BadDescription: as for L{designations}.
        """
        found = self.designations()
        owner = f"_dns.{nameToText(nameFromText(self.name))}"
        return "".join([f"{owner} {found.ttl} IN SVCB {SVCB.fromWire(rdata).toText()}\n" for rdata in found.rdatas])

    def _parameters(self, url: ServerURL, protocols: tuple[str, ...]) -> tuple[tuple[int, bytes], ...]:
        found = [(1, b"".join([bytes([len(each)]) + each.encode("ascii") for each in protocols]))]
        if url.port != PORTS[url.scheme]:
            found.append((3, url.port.to_bytes(2, "big")))
        for key, version in ((4, 4), (6, 6)):
            hints = _packed(self.addresses, version)
            if hints:
                found.append((key, b"".join(hints)))
        if url.path:
            found.append((7, _template(url.path).encode("utf-8")))
        return tuple(found)


def _leadsHere(address: str) -> bool:
    """
    Return whether other machines reach this one at an address of a listener.
    """
    from ipaddress import ip_address

    found = ip_address(address)
    return not (found.is_unspecified or found.is_loopback or found.is_link_local)


def _template(path: str) -> str:
    """
    Return a path with the expression that a record has to have (RFC 9461, section 5).
    """
    if path.endswith("}"):
        return path
    return path + ("{&dns}" if "?" in path else "{?dns}")


def _packed(addresses: Sequence[str], version: int) -> list[bytes]:
    """
    Return the addresses of one IP version.
    """
    if version == 4:
        return [ipv4FromText(each) for each in addresses if ":" not in each]
    return [ipv6FromText(each) for each in addresses if ":" in each]
