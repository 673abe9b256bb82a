"""
Tests of the settings for clients.
"""

from __future__ import annotations

import configparser
import json
import plistlib

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.transport.stamps import Stamp
from twisted_ext.transport.urls import ServerURL
from twisted_ext.web.setup.documents import DOCUMENTS, documentFor, documentsFor

__all__: list[str] = []

_BOTH = ("https://dns.example/q{?dns}", "tls://dns.example", "quic://dns.example")
_ADDRESSES = ("192.0.2.53", "2001:db8::53")


def settingsFor(client: str, *urls: str, addresses: tuple[str, ...] = _ADDRESSES) -> str:
    """
    Return the settings for a client of a server with these URLs.
    """
    return documentFor(client, Offer.of(urls or _BOTH, addresses)).text


def test_allClients() -> None:
    """
    A server with all transports can be used by all kinds of clients; each has a title, advice and settings that end with a line break.
    """
    found = dict(documentsFor(Offer.of(_BOTH, _ADDRESSES)))
    assert set(found) == set(DOCUMENTS)
    for document in found.values():
        assert document.title
        assert document.advice.strip() == document.advice
        assert document.text.endswith("\n")


def test_appleOverHTTPS() -> None:
    """
    The profile has the URL as a template, and the addresses; it may be removed.
    """
    profile = plistlib.loads(settingsFor("apple").encode())
    assert profile["PayloadType"] == "Configuration"
    assert profile["PayloadRemovalDisallowed"] is False
    (payload,) = profile["PayloadContent"]
    assert payload["PayloadType"] == "com.apple.dnsSettings.managed"
    assert payload["DNSSettings"] == {
        "DNSProtocol": "HTTPS",
        "ServerURL": "https://dns.example/q{?dns}",
        "ServerAddresses": list(_ADDRESSES),
    }
    assert len({profile["PayloadUUID"], payload["PayloadUUID"]}) == 2
    assert profile["PayloadIdentifier"] == "example.dns"


def test_appleOverTLS() -> None:
    """
    The profile is for DNS over TLS if that is preferred; addresses are left out if they are not known.
    """
    profile = plistlib.loads(settingsFor("apple", "tls://dns.example", "https://dns.example", addresses=()).encode())
    assert profile["PayloadContent"][0]["DNSSettings"] == {"DNSProtocol": "TLS", "ServerName": "dns.example"}


def test_appleProfilesReplaceEachOther() -> None:
    """
    The same server always gets the same identifiers, another server others.
    """
    assert settingsFor("apple") == settingsFor("apple")
    one, other = (plistlib.loads(settingsFor("apple", url).encode()) for url in ("tls://a.example", "tls://b.example"))
    assert one["PayloadUUID"] != other["PayloadUUID"]


def test_appleInstallsAuthority() -> None:
    """
    The certificate of a private authority is a part of the profile.
    """
    document = documentFor("apple", Offer.of(["tls://dns.example"]), b"\x30\x00")
    settings, authority = plistlib.loads(document.text.encode())["PayloadContent"]
    assert authority["PayloadType"] == "com.apple.security.root"
    assert authority["PayloadContent"] == b"\x30\x00"
    assert authority["PayloadUUID"] != settings["PayloadUUID"]
    assert document.fileName == "dns.example.mobileconfig"
    assert document.mediaType == "application/x-apple-aspen-config"


def test_android() -> None:
    """
    Android takes the host name and nothing else.
    """
    document = documentFor("android", Offer.of(_BOTH))
    assert document.text == "dns.example\n"
    assert document.code == "dns.example"


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("tls://dns.example", "192.0.2.53#dns.example 2001:db8::53#dns.example"),
        ("tls://dns.example:8853", "192.0.2.53:8853#dns.example [2001:db8::53]:8853#dns.example"),
        ("tls://192.0.2.53:8853", "192.0.2.53:8853 [2001:db8::53]:8853"),
    ],
)
def test_systemdResolved(url: str, servers: str) -> None:
    """
    All names are sent to the server over TLS, never in the clear; a server without a host name proves its address.
    """
    parser = configparser.ConfigParser()
    parser.read_string(settingsFor("systemd-resolved", url))
    assert dict(parser["Resolve"]) == {"dns": servers, "dnsovertls": "yes", "domains": "~."}


@pytest.mark.parametrize(
    ("url", "template", "addresses"),
    [
        ("https://dns.example/q{?dns}", "https://dns.example/q", ("192.0.2.53", "2001:db8::53")),
        ("https://192.0.2.53:8443/q", "https://192.0.2.53:8443/q", ("192.0.2.53",)),
    ],
)
def test_windows(url: str, template: str, addresses: tuple[str, ...]) -> None:
    """
    Windows learns the template of each address, and uses these servers only; a template with an address is for that address alone.
    """
    *known, used = settingsFor("windows", url).splitlines()
    assert known == [
        f"Add-DnsClientDohServerAddress -ServerAddress '{address}' -DohTemplate '{template}' -AllowFallbackToUdp $False -AutoUpgrade $True"
        for address in addresses
    ]
    assert used.partition(" -ServerAddresses ")[2].replace("'", "").split(",") == list(addresses)


def test_firefox() -> None:
    """
    Firefox uses the server only, at a known address, by the URL without its expression.
    """
    policies = json.loads(settingsFor("firefox"))["policies"]
    assert policies["DNSOverHTTPS"] == {"Enabled": True, "ProviderURL": "https://dns.example/q", "Fallback": False, "Locked": False}
    assert policies["Preferences"]["network.trr.bootstrapAddr"]["Value"] == "192.0.2.53"
    assert "Preferences" not in json.loads(settingsFor("firefox", addresses=()))["policies"]


def test_chromium() -> None:
    """
    Chromium uses the server only.
    """
    assert json.loads(settingsFor("chromium")) == {
        "DnsOverHttpsMode": "secure",
        "DnsOverHttpsTemplates": "https://dns.example/q{?dns}",
    }


def test_stamps() -> None:
    """
    There is a stamp for each transport.
    """
    urls = [Stamp.fromText(line).url() for line in settingsFor("stamp", addresses=()).splitlines()]
    assert urls == [ServerURL.fromText(each) for each in _BOTH]
    assert Stamp.fromText(settingsFor("stamp", "tls://dns.example").strip()).address == "192.0.2.53"


@pytest.mark.parametrize(
    ("client", "urls", "addresses", "wrong"),
    [
        ("androit", _BOTH, (), "there are no settings for 'androit'; did you mean 'android'"),
        ("apple", ("quic://dns.example",), (), "apple: DNS over HTTPS or TLS is needed; add https://dns.example"),
        ("apple", ("tls://dns.example:8853",), (), "listen at port 853"),
        ("apple", ("tls://192.0.2.53",), (), "needs a host name; 192.0.2.53 is an address"),
        ("android", ("https://dns.example",), (), "android: DNS over TLS is needed; add tls://dns.example"),
        ("android", ("tls://dns.example:8853",), (), "listen at port 853"),
        ("android", ("tls://192.0.2.53",), (), "needs a host name"),
        ("systemd-resolved", ("https://dns.example",), _ADDRESSES, "DNS over TLS is needed"),
        ("systemd-resolved", ("tls://dns.example",), (), "the server's address is needed"),
        ("windows", ("tls://dns.example",), _ADDRESSES, "windows: DNS over HTTPS is needed; add https://dns.example"),
        ("windows", ("https://dns.example",), (), "windows: the server's address is needed"),
        ("firefox", ("tls://dns.example",), (), "firefox: DNS over HTTPS is needed; add https://dns.example"),
        ("chromium", ("tls://dns.example",), (), "chromium: DNS over HTTPS is needed"),
        ("zone", ("tls://192.0.2.53",), (), "server with a host name"),
    ],
)
def test_clientsThatCannot(client: str, urls: tuple[str, ...], addresses: tuple[str, ...], wrong: str) -> None:
    """
    Clients that cannot use a server are refused in one line that says what they need, and left out where all are listed.
    """
    offer = Offer.of(urls, addresses)
    with pytest.raises(BadDescription) as caught:
        documentFor(client, offer)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)
    assert client not in dict(documentsFor(offer))
