"""
What a running server offers over encrypted transports, as its sockets and certificates show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias

from twisted_ext.errors import BadDescription
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.server.features.designation.feature import DesignationSettings
from twisted_ext.transport.servers import Server
from twisted_ext.transport.urls import PORTS, canonicalHost, isAddress

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.listeners.https.request import Status
    from twisted_ext.server.listeners.sockets import Bound
    from twisted_ext.server.listeners.tls.certificates import Certificates

__all__ = ["SetUp", "nameFor", "offerOf", "offeredBy"]

#: Makes the pages that tell clients of HTTPS how to use the server, by their paths, from what it offers; the certificate of its private
#: authority, as DER, or no octets; the pin of a self-signed certificate, or C{""}; and a function that returns the name of an authority
#: that is neither known nor trusted by the system, or C{""}.
SetUp: TypeAlias = "Callable[[Offer | None, bytes, str, Callable[[], str]], Mapping[bytes, Status]]"


def nameFor(settings: Settings, names: Sequence[str]) -> str:
    """
    Return the name by which clients know the encrypted listeners, C{""} if there is none.

    @param names: those of the first certificate. Clients cannot verify those of one that the server has made itself, so they do not count.
    """
    given = settings[DesignationSettings].designatedName
    if given or settings.selfSigned:
        return given
    return next((name for name in names if "." in name and _isHost(name)), "")


def offerOf(settings: Settings, bound: Iterable[Bound], names: Sequence[str]) -> Offer | None:
    """
    Return what the listeners with these sockets offer, L{None} if that is nothing that clients could use.

    @param bound: the sockets of all listeners; HTTP/3 is offered with HTTPS if it has the same port, and by itself if not. Encrypted ones
        that only this machine reaches are left out, unless that is so of all others too.
    @param names: the host names of the first certificate.
    """
    name = nameFor(settings, names)
    if not name:
        return None
    sockets = list(bound)
    inside = all(_isLoopback(each.address) for each in sockets if not each.encryption)
    usable = [each for each in sockets if inside or not _isLoopback(each.address)]
    found = [(each.encryption, Server(each.address, each.port)) for each in usable if each.encryption in PORTS]
    places = [Server(each.address, each.port) for each in usable if each.encryption == "http3"]
    https = next((server.port for scheme, server in found if scheme == "https"), 0)
    http3 = next((each for each in places if each.port == https), places[0] if places else None)
    return Offer.ofListeners(name, found, settings.httpsPath, http3=http3)


def offeredBy(
    settings: Settings, bound: Iterable[Bound], certificates: Certificates
) -> tuple[Offer | None, bytes, str, Callable[[], str]]:
    """
    Return what a server with these certificates offers, as L{SetUp} takes it.
    """
    pair = certificates.pairs[0]
    offer = offerOf(settings, bound, pair.names)
    if settings.selfSigned:
        return offer, pair.authority, pair.pin, str
    return offer, pair.authority, "", str if pair.authority else pair.untrustedIssuer


def _isHost(name: str) -> bool:
    """
    Return whether clients can connect to a name of a certificate, which may be anything, such as C{*.example.org}.
    """
    try:
        return not isAddress(canonicalHost(name))
    except BadDescription:
        return False


def _isLoopback(address: str) -> bool:
    return bool(address) and ip_address(address.partition("%")[0]).is_loopback
