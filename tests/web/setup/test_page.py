"""
Tests of the page that tells people how to use the server.
"""

from __future__ import annotations

import plistlib
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.certificates import authority
from tests.test_architecture import ROOT
from twisted_ext.errors import CallerFault
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.web.setup import page as module
from twisted_ext.web.setup.page import POLICY, SETUP, setupPages

__all__: list[str] = []

_VOID = frozenset(("meta", "path"))


class _Outline(HTMLParser):
    """
    @ivar tags: the elements, in order.
    @ivar wrong: end tags without their start.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)


def outlineOf(text: bytes) -> _Outline:
    outline = _Outline()
    outline.feed(text.decode())
    outline.close()
    return outline


def test_allTransports() -> None:
    """
    With all transports there are settings for all clients, files to download for those that take files, and codes to scan.
    """
    offer = Offer.of(["tls://dns.example", "https://dns.example", "quic://dns.example"], ["192.0.2.53"])
    first, *files = setupPages(offer)
    text = first.body.decode()
    assert (first.path, first.mediaType, first.fileName) == (SETUP, "text/html; charset=utf-8", "")
    assert re.findall('<section id="([a-z-]+)">', text) == [
        "apple", "android", "windows", "systemd-resolved", "firefox", "chromium", "stamp",
    ]  # fmt: skip
    for url in map(str, offer.urls):
        assert f"<code>{url}</code>" in text
    assert [page.path for page in files] == [f"/setup/{client}" for client in ("apple", "systemd-resolved", "firefox", "chromium")]
    for page in files:
        assert f'href="{page.path}"' in text
    assert files[0].mediaType == "application/x-apple-aspen-config"
    assert plistlib.loads(files[0].body)["PayloadType"] == "Configuration"
    assert [page.fileName for page in files] == ["", "dns.example.conf", "policies.json", "dns.json"]
    assert text.count("<svg") == 5
    assert "<figcaption><code>https://dns.example/setup/apple</code>" in text
    assert "pip install" not in text


def test_pageIsWellFormed() -> None:
    """
    The page needs no script and no other file, its policy permits its style alone, and all its elements are closed.
    """
    for offer in (None, Offer.of(["https://dns.example:8443/q?k=1"]), Offer.of(["tls://192.0.2.53"]), Offer.of(["quic://dns.example"])):
        body = setupPages(offer)[0].body
        outline = outlineOf(body)
        assert (outline.wrong, outline.open) == ([], [])
        assert not {"script", "img", "link", "iframe"} & set(outline.tags)
        assert b"style=" not in body
        style = re.search(b"<style>(.*)</style>", body, re.DOTALL)
        assert style is not None
        assert f"'sha256-{b64encode(sha256(style[1]).digest()).decode()}'" in POLICY


def test_onlyWhatListens() -> None:
    """
    Clients for which nothing listens are not on the page, and a port other than the usual one is part of the address of the profile.
    """
    text = setupPages(Offer.of(["tls://dns.example"]))[0].body.decode()
    assert 'id="firefox"' not in text
    assert 'id="android"' in text
    text = setupPages(Offer.of(["https://dns.example:8443"]))[0].body.decode()
    assert 'id="android"' not in text
    assert "https://dns.example:8443/setup/apple" in text


def test_textIsEscaped() -> None:
    """
    A path with characters of HTML does not change the page.
    """
    (first, *_) = setupPages(Offer.of(["https://dns.example/a&amp;b'c"]))
    assert b"/a&amp;amp;b&#x27;c" in first.body
    assert b"/a&amp;b'" not in first.body


def test_withoutCodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without the package for QR codes the page says how to get it, once.
    """

    def missing(text: str) -> str:
        raise CallerFault("a QR code needs segno")

    monkeypatch.setattr(module, "qrSVG", missing)
    text = setupPages(Offer.of(["https://dns.example", "tls://dns.example"]))[0].body.decode()
    assert "<svg" not in text
    assert text.count("pip install") == 1


def test_everyClientIsNamed() -> None:
    """
    Clients that cannot use what listens are named, with what they need.
    """
    text = setupPages(Offer.of(["tls://dns.example:8853", "https://dns.example:8443"]))[0].body.decode()
    assert 'id="apple"' in text
    assert "<li>android: the port of tls://dns.example:8853 cannot be set; listen at port 853</li>" in text
    assert "<li>windows: the server&#x27;s address is needed, such as 192.0.2.53</li>" in text
    assert 'id="others"' not in setupPages(Offer.of(["tls://dns.example", "https://dns.example"], ["192.0.2.53"]))[0].body.decode()


@pytest.mark.parametrize("urls", [("tls://dns.example:8853", "https://dns.example:8443"), ("https://dns.example:8443", "tls://dns.example")])
def test_profileHasAURLThatAppleTakes(urls: tuple[str, str]) -> None:
    """
    A profile has the first URL that Apple's devices can use; a TLS listener at another port is left out.
    """
    pages = {page.path: page.body for page in setupPages(Offer.of(urls))}
    settings = plistlib.loads(pages["/setup/apple"])["PayloadContent"][0]["DNSSettings"]
    assert settings == {"DNSProtocol": "HTTPS", "ServerURL": "https://dns.example:8443/dns-query"}


def test_privateAuthority() -> None:
    """
    The page offers the certificate of a private authority, and the profile contains it. Without it, the page says what is missing.
    """
    der = x509.load_pem_x509_certificate(authority()[0]).public_bytes(Encoding.DER)
    offer = Offer.of(["https://dns.example"])
    pages = {page.path: page for page in setupPages(offer, der)}
    assert x509.load_pem_x509_certificate(pages["/setup/ca.pem"].body).public_bytes(Encoding.DER) == der
    assert pages["/setup/ca.pem"].fileName == "ca.pem"
    assert b'href="/setup/ca.pem"' in pages["/setup"].body
    assert plistlib.loads(pages["/setup/apple"].body)["PayloadContent"][1]["PayloadContent"] == der
    pages = {page.path: page for page in setupPages(offer, issuer="CN=Home <CA>")}
    assert b"The certificate comes from CN=Home &lt;CA&gt;, an authority" in pages["/setup"].body
    assert "/setup/ca.pem" not in pages


def test_selfSigned() -> None:
    """
    The page says that clients reject a certificate that the server has made itself, and shows its pin, but no settings that cannot work.
    """
    pages = setupPages(Offer.of(["https://dns.example", "tls://dns.example"], ["192.0.2.53"]), pin="ab+/cd=")
    assert len(pages) == 1
    assert b"<section" not in pages[0].body
    for offer in (None, Offer.of(["https://dns.example"])):
        body = setupPages(offer, pin="ab+/cd=")[0].body
        assert b"pin-sha256=&quot;ab+/cd=&quot;" in body
        assert b"self-signed" not in setupPages(offer)[0].body


def test_nothingOffered() -> None:
    """
    A server without a name for clients says so, instead of settings that do not work.
    """
    (page,) = setupPages(None)
    assert b"designated-name" in page.body
    assert b"<section" not in page.body


def test_containerHasCodes() -> None:
    """
    The image of the container has the extra for QR codes.
    """
    found = re.search(r"twisted-ext\[([a-z,]+)\]", (ROOT / "contrib" / "container" / "Containerfile").read_text("utf-8"))
    assert found is not None and "qr" in found[1].split(",")
