"""
Tests of what the sockets and certificates of a running server offer.
"""

from __future__ import annotations

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.listeners.offered import nameFor, offerOf
from twisted_ext.server.listeners.sockets import Bound

__all__: list[str] = []

_PLAIN = Bound("192.0.2.53", 53)
_TLS = Bound("192.0.2.53", 8853, encryption="tls")
_NAMES = ("*.example", "box", "dns.example", "other.example")


def test_nameIsThatOfTheCertificate() -> None:
    """
    Clients are told the first name of the certificate that a server can have, or the name of the settings; none if the certificate is
    self-signed, as clients cannot verify it.
    """
    assert nameFor(Settings.of(), _NAMES) == "dns.example"
    assert nameFor(Settings.of(), _NAMES[:2]) == ""
    assert nameFor(Settings.of(selfSigned=True), _NAMES) == ""
    for selfSigned in (False, True):
        assert nameFor(Settings.of(designatedName="Mine.example.", selfSigned=selfSigned), _NAMES) == "mine.example"


@pytest.mark.parametrize("name", ["a b.example", "<b>.example", "a..b", f"x.{'y' * 80}.example", ".example", "192.0.2.53"])
def test_namesThatAreNoHostsAreLeftOut(name: str) -> None:
    """
    A certificate may have names to which no client connects; the settings may not.
    """
    assert nameFor(Settings.of(), [name, "dns.example"]) == "dns.example"
    with pytest.raises(BadDescription, match="host name"):
        Settings.of(designatedName=name)


def test_listenersAreOffered() -> None:
    """
    Each encrypted listener is offered with its port, HTTPS with its path, in the order of the sockets.
    """
    bound = [_PLAIN, _TLS, Bound("0.0.0.0", 443, encryption="https"), Bound("0.0.0.0", 853, encryption="quic")]
    offer = offerOf(Settings.of(httpsPath="/private"), bound, _NAMES)
    assert offer is not None
    assert list(map(str, offer.urls)) == ["tls://dns.example:8853", "https://dns.example/private", "quic://dns.example"]
    assert offer.addresses == ("192.0.2.53",)
    for port in (443, 8443):
        offer = offerOf(Settings.of(), [*bound, Bound("0.0.0.0", port, encryption="http3")], _NAMES)
        assert offer is not None
        own = None if port == 443 else "https://dns.example:8443/dns-query"
        assert (None if offer.ownHTTP3 is None else str(offer.ownHTTP3)) == own
        assert offer.http3 is not None and len(offer.urls) == 3
    # By itself, but not where only this machine reaches it.
    offer = offerOf(Settings.of(), [_PLAIN, Bound("0.0.0.0", 443, encryption="http3")], _NAMES)
    assert offer is not None
    assert (offer.urls, str(offer.ownHTTP3), offer.addresses) == ((), "https://dns.example/dns-query", ())
    assert offerOf(Settings.of(), [_PLAIN, Bound("127.0.0.1", 443, encryption="http3")], _NAMES) is None


def test_nothingIsOffered() -> None:
    """
    Without encrypted listeners, or without a name, nothing is offered; neither are listeners without TLS for a reverse proxy.
    """
    assert offerOf(Settings.of(), [_PLAIN], _NAMES) is None
    assert offerOf(Settings.of(), [_PLAIN, _TLS], ()) is None
    assert offerOf(Settings.of(), [_PLAIN, Bound("192.0.2.53", 80, encryption="https-clear")], _NAMES) is None


def test_listenersInsideAreForThisMachine() -> None:
    """
    A listener that only this machine reaches is not offered to clients elsewhere, but is if no listener is for them.
    """
    inside = Bound("127.0.0.1", 853, encryption="tls")
    assert offerOf(Settings.of(), [_PLAIN, inside], _NAMES) is None
    assert offerOf(Settings.of(), [Bound("::", 53), inside], _NAMES) is None
    offer = offerOf(Settings.of(), [Bound("::1", 53), inside], _NAMES)
    assert offer is not None
    assert offer.addresses == ()
