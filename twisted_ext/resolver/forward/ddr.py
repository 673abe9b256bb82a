"""
Discover the encrypted servers that a plain one designates (DDR, RFC 9462).

This module sends no queries and reads no clock. The caller looks up L{DesignatedServers.question} at the plain server when it is
C{due}, passes the outcome to C{learned} or C{unanswered}, connects to the C{candidates} in turn and reports the first that its handshake
has proved by C{verified}, and each other by C{refused}.

The reply is not authenticated; what makes a designation safe is the check of the certificate: it must be valid and name the IP address of
the plain server (section 4.2), or the name from which the discovery started (section 5). So each L{Designation} carries that identity, and
its description fails at a server that cannot prove it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final

from twisted_ext.discovery.svcb import ServiceBinding
from twisted_ext.discovery.targets import Target
from twisted_ext.discovery.weights import ShufflingSource
from twisted_ext.errors import BadDescription, NotOffered, UnusableRecords
from twisted_ext.limits import DESIGNATED_LEAST_SECONDS, DESIGNATED_MOST_SECONDS, DESIGNATED_RETRY_SECONDS, DESIGNATIONS
from twisted_ext.transport.servers import Server
from twisted_ext.transport.urls import PORTS, ServerURL, escaped
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

__all__ = ["PROTOCOLS", "Designation", "DesignatedServers"]

#: The schemes of ALPN identifiers (RFC 9461, section 4.1), in the order of preference within one record: all protect equally, and what
#: comes first needs the least work for each look-up.
PROTOCOLS: Final = {"dot": "tls", "doq": "quic", "h2": "https", "h3": "https"}

#: The name that asks a resolver about itself (RFC 9462, section 4).
_ITSELF: Final = "resolver.arpa"

_PORT: Final = 3
_DOHPATH: Final = 7


@dataclass(frozen=True, slots=True)
class Designation:
    """
    One way to reach a designated server.

    @ivar protocol: a key of L{PROTOCOLS}.
    @ivar identity: the name or address that the server's certificate must have. It is never the name of the record's target, which an
        attacker on the path can replace.
    @ivar host: the target, whose addresses are to be looked up if C{addresses} is empty.
    @ivar path: the template of C{https}.
    @ivar expires: when the record does.
    """

    protocol: str
    identity: str
    host: str
    port: int
    addresses: tuple[str, ...] = ()
    path: str = ""
    expires: float = 0.0

    @property
    def url(self) -> ServerURL:
        """
        The URL of the server: its host is the identity, because neither requests nor the handshake may show another name (RFC 9462, section
        6.3).
        """
        return ServerURL(PROTOCOLS[self.protocol], self.identity, self.port, "", self.path)

    def description(self) -> str:
        """
        Return the description of the server.

        @raise BadDescription: C{addresses} is empty.
        """
        if not self.addresses:
            raise BadDescription(f"{self.host}: the addresses of this designated server have to be looked up first")
        if self.path:
            return self.url.description(address=",".join(self.addresses), http3="only" if self.protocol == "h3" else "")
        scheme = PROTOCOLS[self.protocol]
        places = ",".join([f"[{each}]" if ":" in each else each for each in self.addresses])
        port = f":{self.port}" if self.port != PORTS[scheme] else ""
        return f"{scheme}:{places}{port}:name={escaped(self.identity)}"

    def __str__(self) -> str:
        return f"{self.protocol} at {self.host}:{self.port}"


class DesignatedServers:
    """
    What is known of the encrypted servers that one server designates.

    @ivar candidates: the designations to try, in this order. One without addresses is replaced by L{located} first.
    @ivar current: the designation that was verified.
    """

    def __init__(self, origin: Server | str, rng: ShufflingSource, protocols: Sequence[str] = tuple(PROTOCOLS)) -> None:
        """
        @param origin: the plain server, or the name of an encrypted one whose other transports are discovered.
        @param protocols: the supported ones among L{PROTOCOLS}, the preferred ones first.
        """
        self._plain = origin if isinstance(origin, Server) else None
        self._host = _ITSELF if isinstance(origin, Server) else origin
        self.identity = origin.address.partition("%")[0] if isinstance(origin, Server) else origin.rstrip(".").lower()
        self._rng = rng
        self._protocols = tuple(protocols)
        self._next = 0.0
        self._expires = 0.0
        self.candidates: list[Designation] = []
        self.current: Designation | None = None
        self._begin()

    def _begin(self) -> None:
        self._binding = ServiceBinding("dns", self._host, None, self._rng, protocols=self._protocols, understood=(_DOHPATH,))

    @property
    def question(self) -> Question:
        """
        What to look up next: at the server itself, or at any if the discovery started from a name.
        """
        return Question(self._binding.name, self._binding.rrType)

    def due(self, now: float) -> bool:
        """
        Return whether it is time to look up C{question}.
        """
        return now >= self._next

    def unanswered(self, now: float) -> None:
        """
        The look-up failed: try again later. A designation that is in use remains so.
        """
        self._begin()
        self._next = now + DESIGNATED_RETRY_SECONDS.default

    def interrupted(self, now: float) -> None:
        """
        The discovery was given up before all candidates were tried: begin again with the next look-up.
        """
        self._begin()
        self._next = now

    def learned(self, now: float, owner: bytes, rdatas: Sequence[bytes], ttl: int, addresses: Mapping[str, Sequence[str]] = {}) -> bool:
        """
        Process the records found for C{question}.

        @param owner: as for L{ServiceBinding.learned}.
        @param rdatas: empty if the server designates none.
        @param ttl: of the records, or of their denial.
        @param addresses: those of hosts in the same reply, by their names in lower case without final dot.

        @return: whether this is complete; otherwise, C{question} is another one now, which is due at once.
        """
        binding = self._binding
        try:
            binding.learned(owner, rdatas)
            if not binding.done:
                return False
            targets = binding.targets(fallback=False)
        except (NotOffered, UnusableRecords):
            targets = []
        kept = min(max(ttl, DESIGNATED_LEAST_SECONDS.default), DESIGNATED_MOST_SECONDS.default)
        self._next = self._expires = now + kept
        found = [each for target in targets for each in self._designations(target, addresses)]
        self.candidates = found[: int(DESIGNATIONS.default)]
        current = self.current
        if current is not None:
            # The verified one stays in use while it is designated.
            same = [each for each in found if replace(each, addresses=current.addresses, expires=current.expires) == current]
            self.current = replace(same[0], addresses=current.addresses) if same else None
        self._begin()
        return True

    def _designations(self, target: Target, addresses: Mapping[str, Sequence[str]]) -> list[Designation]:
        host = target.host.lower()
        if self._plain is not None and (host == _ITSELF or host.endswith(f".{_ITSELF}")):
            # This name has no addresses, and must not be shown to servers (RFC 9462, section 6.3).
            return []
        places = tuple(dict.fromkeys([*target.addresses, *addresses.get(host, ())]))
        path = _templateIn(target.parameters.get(_DOHPATH))
        found: list[Designation] = []
        schemes: set[str] = set()
        # There is no default protocol: a record without alpn is not usable (RFC 9461, section 4.1).
        for protocol in sorted(target.alpn, key=self._protocols.index):
            scheme = PROTOCOLS[protocol]
            if scheme == "https" and not path or protocol in schemes:
                continue
            schemes.add(protocol)
            port = target.port if _PORT in target.parameters else PORTS[scheme]
            where = path if scheme == "https" else ""
            found.append(Designation(protocol, self.identity, host, port, places, where, self._expires))
        return found

    def located(self, designation: Designation, addresses: Sequence[str]) -> Designation:
        """
        Return a designation with the addresses of its host, which were looked up.
        """
        found = replace(designation, addresses=tuple(addresses))
        self.candidates = [found if each == designation else each for each in self.candidates]
        return found

    def verified(self, designation: Designation) -> None:
        """
        The server has proved its identity: use it from now on.
        """
        self.current = designation

    def refused(self, now: float, designation: Designation) -> None:
        """
        The server could not be reached or not prove its identity: do not try it again until its record expires (RFC 9462, section 4.2).
        """
        self.candidates = [each for each in self.candidates if each != designation]
        if self.current == designation:
            self.current = None

    def mayGoUnverified(self, designation: Designation) -> bool:
        """
        Return whether a client that wants so may use the server although its certificate proves nothing (opportunistic discovery, RFC 9462,
        section 4.3): only at the address of the plain server, and only if that is not a public one.
        """
        plain = self._plain
        if plain is None or not designation.addresses:
            return False
        return _isLocal(plain.address) and all(Server(each).address == plain.address for each in designation.addresses)


def _templateIn(value: bytes | None) -> str:
    """
    Return the path of a record's template (RFC 9461, section 5), C{""} if it is not usable.
    """
    try:
        text = (value or b"").decode("utf-8")
        if not text.startswith("/") or "dns}" not in text:
            return ""
        return ServerURL.fromText(f"https://x{text}").path
    except (UnicodeDecodeError, BadDescription):
        return ""


def _isLocal(address: str) -> bool:
    """
    Return whether an address is private, unique local, link-local or that of this machine.
    """
    from ipaddress import ip_address

    found = ip_address(address.partition("%")[0])
    return found.is_loopback or found.is_link_local or any(found.version == each.version and found in each for each in _localNetworks())


@cache
def _localNetworks() -> tuple[IPv4Network | IPv6Network, ...]:
    from ipaddress import ip_network

    # RFC 1918 and RFC 4193. Not those shared by customers of a provider (RFC 6598).
    return tuple([ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")])
