"""
Tests of DNS stamps.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.certificates import authority, certificateFor
from twisted_ext.errors import BadDescription
from twisted_ext.limits import STAMP_CHARACTERS
from twisted_ext.transport.servers import Server
from twisted_ext.transport.stamps import DNSSEC, NO_FILTER, NO_LOGS, Stamp, inChain
from twisted_ext.transport.urls import ServerURL

__all__: list[str] = []

_ALL = DNSSEC | NO_LOGS | NO_FILTER
_DIGEST = bytes.fromhex("c3846bf24b9e93ca64274c0ec67c1ecc5e024ffcacd2d74019350e81fe546ae4")

#: Written by the stamps' reference implementation, or published by operators.
_KNOWN = [
    ("sdns://AAcAAAAAAAAABzguOC44Ljg", Stamp("udp", "8.8.8.8", 53, properties=_ALL), "udp:8.8.8.8"),
    ("sdns://AAcAAAAAAAAADDguOC44Ljg6ODA1Mw", Stamp("udp", "8.8.8.8", 8053, properties=_ALL), "udp:8.8.8.8:8053"),
    (
        "sdns://AgcAAAAAAAAABzEuMC4wLjEAEmRucy5jbG91ZGZsYXJlLmNvbQovZG5zLXF1ZXJ5",
        Stamp("https", "1.0.0.1", 443, "dns.cloudflare.com", "/dns-query", properties=_ALL),
        "https://dns.cloudflare.com/dns-query:address=1.0.0.1",
    ),
    (
        "sdns://AgcAAAAAAAAACTEyNy4wLjAuMSDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5AtleGFtcGxlLmNvbQovZG5zLXF1ZXJ5",
        Stamp("https", "127.0.0.1", 443, "example.com", "/dns-query", (_DIGEST,), properties=_ALL),
        f"https://example.com/dns-query:hashes={_DIGEST.hex()}:address=127.0.0.1",
    ),
    (
        "sdns://AwcAAAAAAAAADDEuMS4xLjE6ODg1MyDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5BJjbG91ZGZsYXJlLWRucy5jb20",
        Stamp("tls", "1.1.1.1", 8853, "cloudflare-dns.com", hashes=(_DIGEST,), properties=_ALL),
        f"tls://1.1.1.1:8853#cloudflare-dns.com:hashes={_DIGEST.hex()}",
    ),
    (
        "sdns://BAcAAAAAAAAADDEuMS4xLjE6ODg1MyDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5BJjbG91ZGZsYXJlLWRucy5jb20",
        Stamp("quic", "1.1.1.1", 8853, "cloudflare-dns.com", hashes=(_DIGEST,), properties=_ALL),
        f"quic://1.1.1.1:8853#cloudflare-dns.com:hashes={_DIGEST.hex()}",
    ),
]

_START = b"\x07" + bytes(7)


def stampOf(octets: bytes) -> str:
    """
    Return the stamp with these octets.
    """
    return "sdns://" + urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def item(octets: bytes, more: bool = False) -> bytes:
    """
    Return octets with their length.
    """
    return bytes([len(octets) | more << 7]) + octets


@pytest.mark.parametrize(("text", "stamp", "description"), _KNOWN)
def test_knownStamps(text: str, stamp: Stamp, description: str) -> None:
    """
    Stamps that other programs wrote are read, written as they were, and turned into descriptions that require the same.
    """
    assert Stamp.fromText(text) == stamp
    assert stamp.toText() == text
    assert stamp.description() == description


def test_portWithTheName() -> None:
    """
    The port of a DoH server may follow its name; it is written there only if it is not the usual one.
    """
    found = Stamp.fromText("sdns://AgYAAAAAAAAACDkuOS45LjEwABJkbnM5LnF1YWQ5Lm5ldDo0NDMKL2Rucy1xdWVyeQ")
    assert found == Stamp("https", "9.9.9.10", 443, "dns9.quad9.net", "/dns-query", properties=NO_LOGS | NO_FILTER)
    assert Stamp.fromText(Stamp("https", "", 8443, "dns.example", "/q").toText()).port == 8443
    onlyPort = stampOf(b"\x02" + _START + item(b":8443") + b"\x00" + item(b"dns.example") + item(b"/q"))
    assert Stamp.fromText(onlyPort) == Stamp("https", "", 8443, "dns.example", "/q", properties=_ALL)


def test_bootstrapServers() -> None:
    """
    Bootstrap servers are part of the description if the address is not known, and unused otherwise.
    """
    octets = b"\x03" + _START + item(b"") + b"\x00" + item(b"dns.example") + item(b"192.0.2.1", more=True) + item(b"2001:db8::1")
    found = Stamp.fromText(stampOf(octets))
    assert found.bootstrap == (Server("192.0.2.1"), Server("2001:db8::1"))
    assert found.description() == "tls://dns.example:bootstrap=192.0.2.1,\\[2001\\:db8\\:\\:1\\]"
    other = Stamp("tls", "", 853, "dns.example", bootstrap=(Server("192.0.2.1", 5353),))
    assert Stamp.fromText(other.toText()) == other
    assert other.description() == "tls://dns.example:bootstrap=192.0.2.1@5353"
    known = Stamp("tls", "192.0.2.7", 853, "dns.example", bootstrap=(Server("192.0.2.1"),))
    assert known.description() == "tls://192.0.2.7#dns.example"


def test_internationalNames() -> None:
    """
    A name is in Unicode in the stamp and in ASCII outside.
    """
    stamp = Stamp("tls", "", 853, "xn--bcher-kva.example")
    assert "bücher".encode() in _octetsOf(stamp)
    assert Stamp.fromText(stamp.toText()) == stamp


def _octetsOf(stamp: Stamp) -> bytes:
    from base64 import urlsafe_b64decode

    word = stamp.toText().removeprefix("sdns://")
    return urlsafe_b64decode(word + "=" * (-len(word) % 4))


@pytest.mark.parametrize(
    ("url", "address", "expected"),
    [
        ("tls://192.0.2.1#dns.example", "", Stamp("tls", "192.0.2.1", 853, "dns.example")),
        ("tls://dns.example", "2001:db8::1", Stamp("tls", "2001:db8::1", 853, "dns.example")),
        ("https://dns.example:8443/q{?dns}", "", Stamp("https", "", 8443, "dns.example", "/q{?dns}")),
        ("https://192.0.2.1/q", "", Stamp("https", "192.0.2.1", 443, "192.0.2.1", "/q")),
        ("https://[2001:db8::1]/q", "", Stamp("https", "2001:db8::1", 443, "2001:db8::1", "/q")),
        ("quic://192.0.2.1", "", Stamp("quic", "192.0.2.1", 853, "192.0.2.1")),
    ],
)
def test_stampsOfURLs(url: str, address: str, expected: Stamp) -> None:
    """
    The stamp of a URL is read as that URL again.
    """
    made = Stamp.ofURL(ServerURL.fromText(url), address)
    assert made == expected
    assert Stamp.fromText(made.toText()) == made
    if not address:
        assert str(made.url()) == url


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("https://dns.example", "is not a stamp"),
        ("sdns:AAcAAAAAAAAABzguOC44Ljg", "is not a stamp"),
        ("sdns://", "is empty"),
        ("sdns://A", "not base64url"),
        ("sdns://AAcAAAAAAAAABzguOC44Ljh", "not base64url"),
        ("sdns://AAcAAAAA+AAABzguOC44Ljg", "not base64url"),
        ("sdns://AAcAAAAAé", "not base64url"),
        ("sdns://" + "A" * int(STAMP_CHARACTERS.default), "are the most"),
        ("sdns://AQcAAAAAAAAACTEyNy4wLjAuMSDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5BkyLmRuc2NyeXB0LWNlcnQubG9jYWxob3N0", "DNSCrypt"),
        ("sdns://BQcAAAAAAAAAEG9kb2guZXhhbXBsZS5jb20HL3RhcmdldA", "Oblivious DoH"),
        ("sdns://gQ", "a DNSCrypt relay"),
        ("sdns://hQ", "an Oblivious DoH relay"),
        ("sdns://hQcAAAAAAAAAB1s6OjFdOjE/BQEAAAAAAAAAEG9kb2gu", "relays are not supported"),
        (stampOf(b"\x77"), "is for an unknown protocol"),
        (stampOf(b"\x00" + _START[:-1]), "cut off in its properties"),
        (stampOf(b"\x00" + _START), "cut off in its address"),
        (stampOf(b"\x00" + _START + b"\x09192.0.2"), "cut off in its address"),
        (stampOf(b"\x00" + _START + item(b"")), "needs the server's address"),
        (stampOf(b"\x00" + _START + item(b"dns.example")), "is not an IP address"),
        (stampOf(b"\x00" + _START + item(b"192.0.2.1:0")), "a port takes a number"),
        (stampOf(b"\x00" + _START + item(b"2001:db8::1")), "square brackets"),
        (stampOf(b"\x00" + _START + item(b"192.0.2.1") + b"x"), "1 octets too many"),
        (stampOf(b"\x00" + _START + item(b"\xff")), "the address in the stamp is not a text"),
        (stampOf(b"\x00" + _START + item(b"192.0.2.1\n")), "the address in the stamp is not a text"),
        (stampOf(b"\x03" + _START + item(b"192.0.2.1")), "cut off in its digest"),
        (stampOf(b"\x03" + _START + item(b"192.0.2.1") + item(b"abc") + item(b"dns.example")), "has 32 octets"),
        (stampOf(b"\x03" + _START + item(b"192.0.2.1") + b"\xa0" + _DIGEST), "cut off in its digest"),
        (stampOf(b"\x03" + _START + item(b"192.0.2.1") + b"\x00"), "cut off in its host name"),
        (stampOf(b"\x03" + _START + item(b"192.0.2.1") + b"\x00" + item(b"")), "is not a valid host name"),
        (stampOf(b"\x03" + _START + item(b"192.0.2.1") + b"\x00" + item(b"a b")), "is not a valid host name"),
        (stampOf(b"\x03" + _START + item(b"192.0.2.1:853") + b"\x00" + item(b"dns.example:854")), "two ports: 853"),
        (stampOf(b"\x03" + _START + item(b"192.0.2.1") + b"\x00" + item(b"dns.example") + item(b"x")), "'x' is not an IP address"),
        (stampOf(b"\x02" + _START + item(b"192.0.2.1") + b"\x00" + item(b"dns.example")), "cut off in its path"),
        (stampOf(b"\x02" + _START + item(b"192.0.2.1") + b"\x00" + item(b"dns.example") + item(b"q")), "paths begin with a slash"),
        (stampOf(b"\x02" + _START + item(b"192.0.2.1") + b"\x00" + item(b"dns.example") + item(b"/q#x")), "leave it out"),
    ],
)
def test_wrongStamps(text: str, wrong: str) -> None:
    """
    A stamp that is not valid, or for a protocol that is not supported, is refused in one line.
    """
    with pytest.raises(BadDescription) as caught:
        Stamp.fromText(text)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=80), st.sampled_from([b"\x00", b"\x02", b"\x03", b"\x04"]))
def test_anyOctets(octets: bytes, kind: bytes) -> None:
    """
    Any octets are a stamp that is written again to the same effect, or refused with a description's error.
    """
    try:
        stamp = Stamp.fromText(stampOf(kind + octets))
    except BadDescription:
        return
    assert Stamp.fromText(stamp.toText()) == stamp


def test_tooLongToWrite() -> None:
    """
    A path that does not fit into a stamp is refused.
    """
    with pytest.raises(BadDescription, match="at most 255 octets"):
        Stamp("https", "", 443, "dns.example", "/" + "x" * 255).toText()
    with pytest.raises(BadDescription, match="has 32 octets"):
        Stamp("tls", "", 853, "dns.example", hashes=(b"short",))


def test_digestsOfCertificates() -> None:
    """
    A digest is that of the signed part of any certificate in the chain, not that of a whole certificate or of its key.
    """
    chain = [x509.load_pem_x509_certificate(pem) for pem in (certificateFor("dns.example"), authority()[0])]
    encoded = [each.public_bytes(Encoding.DER) for each in chain]
    for each in chain:
        assert inChain([_DIGEST, sha256(each.tbs_certificate_bytes).digest()], encoded)
    assert not inChain([_DIGEST, *[sha256(each).digest() for each in encoded]], encoded)
    assert not inChain([sha256(chain[1].tbs_certificate_bytes).digest()], encoded[:1])
    assert not inChain([], encoded)
