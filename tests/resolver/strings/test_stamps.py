"""
Tests of descriptions that are DNS stamps.
"""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings import descriptions
from twisted_ext.resolver.strings.descriptions import BUILT_IN, LazyParser, Site, sourceFromString

__all__: list[str] = []

_PLAIN = "sdns://AAcAAAAAAAAADDguOC44Ljg6ODA1Mw"
_TLS = "sdns://AwcAAAAAAAAADDEuMS4xLjE6ODg1MyDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5BJjbG91ZGZsYXJlLWRucy5jb20"
_DIGEST = "c3846bf24b9e93ca64274c0ec67c1ecc5e024ffcacd2d74019350e81fe546ae4"


def tls(site: Site, server: str, *, hashes: str = "", keep: str = "") -> ForwardingSource:
    """
    Stand in for a transport, and show what it was given.
    """
    raise BadDescription(f"built {server} {hashes} {keep}")


def lax(site: Site, server: str) -> ForwardingSource:
    """
    Stand in for a transport that cannot check digests.
    """
    raise AssertionError("it must not be built")


def test_plainStamp() -> None:
    """
    The stamp of a plain server queries it over UDP, with options of that prefix; it works within other descriptions.
    """
    for description in (_PLAIN, f"{_PLAIN}:mixCase=yes"):
        source = sourceFromString(Clock(), description)
        assert isinstance(source, ForwardingSource)
        assert [upstream.server.label for upstream in source.upstreams] == ["8.8.8.8:8053"]
    sourceFromString(Clock(), f"chain:(hosts):({_PLAIN})").close()


def test_pinnedStamp(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The digests of a stamp reach the transport, and a transport that does not know them is an error.
    """
    monkeypatch.setattr(descriptions, "BUILT_IN", (LazyParser("tls", __name__, "tls", ""), *BUILT_IN))
    with pytest.raises(BadDescription, match=f"built tls://1.1.1.1:8853#cloudflare-dns.com {_DIGEST} 1:2"):
        sourceFromString(Clock(), f"{_TLS}:keep=1\\:2")
    monkeypatch.setattr(descriptions, "BUILT_IN", (LazyParser("tls", __name__, "lax", ""), *BUILT_IN))
    with pytest.raises(BadDescription, match="tls has no option 'hashes'"):
        sourceFromString(Clock(), _TLS)


@pytest.mark.parametrize(
    ("description", "wrong"),
    [
        ("sdns:", "is not a stamp"),
        ("sdns://", "column 1: the stamp is empty"),
        ("sdns://AAcAAAAAAAAADDguOC44Ljg6ODA1Mw/x", "relays are not supported"),
        ("cache:sdns://gQ", "column 7: the stamp is for a DNSCrypt relay"),
        (f"{_PLAIN}:mixcase=yes", "udp has no option 'mixcase'; did you mean 'mixCase'?"),
        (f"{_PLAIN}:53", "not base64url"),
        (f"{_PLAIN}:x", "this is one argument too many"),
    ],
)
def test_wrongStamps(description: str, wrong: str) -> None:
    """
    A wrong stamp is an error of one line that says where it is.
    """
    with pytest.raises(BadDescription) as caught:
        sourceFromString(Clock(), description)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)
