"""
Tests of what a server offers over encrypted transports.
"""

from __future__ import annotations

from random import Random

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.forward.ddr import DesignatedServers
from twisted_ext.server.features.base.offer import DESIGNATED_TTL, Offer
from twisted_ext.transport.servers import Server
from twisted_ext.transport.urls import ServerURL
from twisted_ext.wire.rdata.types.svcb import SVCB

__all__: list[str] = []


def test_addressesInURLs() -> None:
    """
    A URL with an address and a name offers the name at that address.
    """
    offer = Offer.of(["tls://192.0.2.53#dns.example"], ["2001:DB8:0::53", "192.0.2.53"])
    assert offer.name == "dns.example"
    assert offer.urls == (ServerURL("tls", "dns.example", 853),)
    assert offer.addresses == ("2001:db8::53", "192.0.2.53")
    assert offer.url("tls") == offer.urls[0]
    assert offer.url("https") is None


@pytest.mark.parametrize(
    ("urls", "addresses", "wrong"),
    [
        ([], [], "nothing is offered"),
        (["dns.example"], [], "is not the URL of a server"),
        (["tls://a.example", "https://b.example"], [], "is for another server than tls://a.example"),
        (["tls://a.example", "tls://a.example:8853"], [], "tls is given twice"),
        (["tls://a.example#b.example"], [], "write tls://b.example"),
        (["tls://a.example"], ["a.example"], "is not an IP address"),
        (["tls://a.example"], ["fe80::1%eth0"], "an address with a scope"),
        (["tls://[fe80::1%25eth0]#a.example"], [], "an address with a scope"),
    ],
)
def test_wrongOffers(urls: list[str], addresses: list[str], wrong: str) -> None:
    """
    URLs that cannot be those of one server are refused.
    """
    with pytest.raises(BadDescription, match=wrong):
        Offer.of(urls, addresses)


def test_records() -> None:
    """
    There is a record for each listener, the preferred one first, with all that clients need.
    """
    http3 = ServerURL.fromText("https://dns.example:8443/q")
    offer = Offer.of(
        ["https://dns.example:8443/q", "tls://dns.example", "quic://dns.example"], ["192.0.2.53", "2001:db8::53"], http3=http3
    )
    assert [SVCB.fromWire(each).toText() for each in offer.designations().rdatas] == [
        '1 dns.example. alpn="h2,h3" port=8443 ipv4hint=192.0.2.53 ipv6hint=2001:db8::53 dohpath="/q{?dns}"',
        '2 dns.example. alpn="dot" ipv4hint=192.0.2.53 ipv6hint=2001:db8::53',
        '3 dns.example. alpn="doq" ipv4hint=192.0.2.53 ipv6hint=2001:db8::53',
    ]
    assert [(each.ttl, len(each.rdatas)) for each in offer.addressRecords()] == [(DESIGNATED_TTL, 1), (DESIGNATED_TTL, 1)]
    assert offer.zoneLines().splitlines()[1] == (
        '_dns.dns.example. 300 IN SVCB 2 dns.example. alpn="dot" ipv4hint=192.0.2.53 ipv6hint=2001:db8::53'
    )


@pytest.mark.parametrize("urls", [[], ["https://dns.example/q"], ["tls://dns.example"]])
def test_recordsOfHTTP3(urls: list[str]) -> None:
    """
    HTTP/3 on a port of its own has a record of its own, also if there is nothing else; clients find it there.
    """
    offer = Offer.of(urls, ["192.0.2.53"], http3=ServerURL.fromText("https://dns.example:8443/q"))
    found = offer.designations()
    texts = [SVCB.fromWire(each).toText() for each in found.rdatas]
    assert texts[-1] == f'{len(urls) + 1} dns.example. alpn="h3" port=8443 ipv4hint=192.0.2.53 dohpath="/q{{?dns}}"'
    assert len(texts) == len(urls) + 1 and all("h3" not in text for text in texts[:-1])
    servers = DesignatedServers(Server("192.0.2.53"), Random(1))
    assert servers.learned(0.0, found.name, found.rdatas, found.ttl)
    assert servers.candidates[-1].description().startswith("https://192.0.2.53:8443/q{?dns}:address=192.0.2.53")


def test_noAddressesNoHints() -> None:
    """
    Without known addresses there are no hints, and clients look the name up.
    """
    offer = Offer.of(["https://dns.example/?k=1"])
    assert [SVCB.fromWire(each).toText() for each in offer.designations().rdatas] == ['1 dns.example. alpn="h2" dohpath="/?k=1{&dns}"']
    assert offer.addressRecords() == []


def test_addressesCannotBeDesignated() -> None:
    """
    A record needs a host name.
    """
    with pytest.raises(BadDescription, match="server with a host name"):
        Offer.of(["tls://192.0.2.53"]).designations()


def test_clientsUnderstand() -> None:
    """
    A client that discovers a server by its records finds each listener.
    """
    offer = Offer.of(["tls://dns.example:8853", "https://dns.example/q", "quic://dns.example"], ["192.0.2.53"])
    found = offer.designations()
    servers = DesignatedServers(Server("192.0.2.53"), Random(1))
    assert servers.learned(0.0, found.name, found.rdatas, found.ttl)
    assert [each.description() for each in servers.candidates] == [
        "tls:192.0.2.53:8853:name=192.0.2.53",
        "https://192.0.2.53/q{?dns}:address=192.0.2.53",
        "quic:192.0.2.53:name=192.0.2.53",
    ]


def test_listeners() -> None:
    """
    What listens is offered once for each transport, with the addresses that lead to this machine.
    """
    found = Offer.ofListeners(
        "Dns.Example.",
        [
            ("tls", Server("192.0.2.53", 853)),
            ("tls", Server("2001:db8::53", 853)),
            ("tls", Server("192.0.2.54", 8853)),
            ("https", Server("0.0.0.0", 443)),
            ("https", Server("192.0.2.53", 443)),
            ("quic", Server("127.0.0.1", 853)),
            ("quic", Server("fe80::1%1", 853)),
        ],
        "/q",
    )
    assert found is not None
    assert [str(url) for url in found.urls] == ["tls://dns.example", "https://dns.example/q", "quic://dns.example"]
    assert found.addresses == ("192.0.2.53", "2001:db8::53")


def test_nothingListens() -> None:
    """
    A server without encrypted listeners offers nothing.
    """
    assert Offer.ofListeners("dns.example", []) is None
