"""
Tests of the URLs of encrypted servers.
"""

from __future__ import annotations

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.transport.servers import Server
from twisted_ext.transport.urls import ServerURL, escaped

__all__: list[str] = []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls://1.1.1.1#cloudflare-dns.com", ServerURL("tls", "1.1.1.1", 853, "cloudflare-dns.com")),
        ("tls://1.1.1.1:8853#cloudflare-dns.com", ServerURL("tls", "1.1.1.1", 8853, "cloudflare-dns.com")),
        ("tls://DNS.Example.", ServerURL("tls", "dns.example", 853)),
        ("tls://dns.example/", ServerURL("tls", "dns.example", 853)),
        ("tls://[2001:DB8:0::53]:853#dns.example", ServerURL("tls", "2001:db8::53", 853, "dns.example")),
        ("tls://[fe80::1%25eth0]", ServerURL("tls", "fe80::1%eth0", 853)),
        ("tls://dns.example#dns.example", ServerURL("tls", "dns.example", 853)),
        ("tls://192.0.2.1#[2001:db8::53]", ServerURL("tls", "192.0.2.1", 853, "2001:db8::53")),
        ("tls://bücher.example", ServerURL("tls", "xn--bcher-kva.example", 853)),
        ("quic://dns.example", ServerURL("quic", "dns.example", 853)),
        ("https://dns.example", ServerURL("https", "dns.example", 443, "", "/dns-query")),
        ("https://dns.example/", ServerURL("https", "dns.example", 443, "", "/")),
        ("https://dns.example:8443/a/b{?dns}", ServerURL("https", "dns.example", 8443, "", "/a/b{?dns}")),
        ("https://dns.example?key=1", ServerURL("https", "dns.example", 443, "", "/?key=1")),
        ("https://dns.example/é", ServerURL("https", "dns.example", 443, "", "/%C3%A9")),
        ("HTTPS://[2001:db8::53]/q", ServerURL("https", "2001:db8::53", 443, "", "/q")),
    ],
)
def test_parsed(text: str, expected: ServerURL) -> None:
    """
    A URL gives scheme, host, port, the certificate's name and the path; its text is parsed to the same again.
    """
    found = ServerURL.fromText(text)
    assert found == expected
    assert ServerURL.fromText(str(found)) == found


def test_passwordsAreNotRepeated() -> None:
    """
    An error about the name and the password in a URL, which may end up in a log, has neither.
    """
    for text in ("https://user:secret@dns.example/", "https://user:secret@443", "tls://user:se@cret@192.0.2.1"):
        with pytest.raises(BadDescription) as caught:
            ServerURL.fromText(text)
        assert "cret" not in str(caught.value) and "leave out the part before @" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("dns.example", "is not the URL of a server"),
        ("http://dns.example/", "is not the URL of a server"),
        ("tls://", "the host is missing"),
        ("tls://:853", "the host is missing"),
        ("tls://dns.example:0", "a port takes a number from 1 to 65535, not '0'"),
        ("tls://dns.example:65536", "not '65536'"),
        ("tls://dns.example:", "not ''"),
        ("tls://dns.example:dot", "not 'dot'"),
        ("tls://dns.example:٣", "not '٣'"),
        ("tls://2001:db8::53", "square brackets"),
        ("tls://[2001:db8::53", "after [address]"),
        ("tls://[2001:db8::53]853", "after [address]"),
        ("tls://[192.0.2.1]", "square brackets are for IPv6"),
        ("tls://[2001:db8::g]", "is not an IP address"),
        ("tls://192.0.2.256", "is not a valid host name or IP address"),
        ("tls://1.1", "is not a valid host name or IP address"),
        ("tls://-dns.example", "is not a valid host name or IP address"),
        ("tls://dns..example", "is not a valid host name or IP address"),
        ("tls://dns.example#", "the name in the server's certificate"),
        ("tls://dns.example#a b", "no spaces"),
        ("tls://dns.example#192.0.2.999", "is not a valid host name or IP address"),
        ("tls://dns.example/dns-query", "has no path"),
        ("tls://dns.example?x", "has no path"),
        ("quic://dns.example/x", "a URL of quic has no path"),
        ("tls://1.1.1.1@853#cloudflare-dns.com", "write the port as 1.1.1.1:853"),
        ("tls://user:password@dns.example", "names and passwords in URLs are not supported"),
        ("https://dns.example/a b", "no spaces"),
        ("https://dns.example/a\n", None),
        ("https://dns.example/\x07a", "control characters"),
        ("https://dns.example/q#x", "leave it out"),
        ("https://dns.example/q{dns}", "{?dns} or {&dns}, not {dns}"),
        ("https://dns.example/q{?dns,x}", "not {?dns,x}"),
        ("https://dns.example/q{?dns}{?dns}", "one expression"),
        ("https://dns.example/q{?dns", "a brace has no counterpart"),
        ("https://dns.example/q{?dns}/x", "stands at the end"),
        ("https://dns.example/q?a=1{?dns}", "write {&dns}"),
        ("https://dns.example/q{&dns}", "write {&dns} after"),
        ("https://dns.example/%zz", "%25"),
    ],
)
def test_wrongURLs(text: str, wrong: str | None) -> None:
    """
    A URL that is not valid is refused in one line that says what is wrong; surrounding blanks are ignored.
    """
    if wrong is None:
        assert ServerURL.fromText(text) == ServerURL.fromText(text.strip())
        return
    with pytest.raises(BadDescription) as caught:
        ServerURL.fromText(text)
    said = str(caught.value)
    assert wrong in said
    assert "\n" not in said


def test_identity() -> None:
    """
    The certificate must name what follows the sharp, else the host.
    """
    assert ServerURL.fromText("tls://192.0.2.1#dns.example").identity == "dns.example"
    assert ServerURL.fromText("tls://192.0.2.1").identity == "192.0.2.1"
    assert ServerURL.fromText("https://dns.example/").identity == "dns.example"


def test_addressOfHost() -> None:
    """
    A host that is an address needs no look-up, a name does.
    """
    assert ServerURL.fromText("tls://192.0.2.1:8853").address == Server("192.0.2.1", 8853)
    assert ServerURL.fromText("tls://[2001:db8::1]").address == Server("2001:db8::1", 853)
    assert ServerURL.fromText("tls://dns.example").address is None
    assert ServerURL.fromText("tls://1and1.example").address is None


@pytest.mark.parametrize(
    ("path", "get", "post"),
    [
        ("/q", "/q?dns=AAA", "/q"),
        ("/q{?dns}", "/q?dns=AAA", "/q"),
        ("/q?key=1", "/q?key=1&dns=AAA", "/q?key=1"),
        ("/q?key=1{&dns}", "/q?key=1&dns=AAA", "/q?key=1"),
    ],
)
def test_targetsOfRequests(path: str, get: str, post: str) -> None:
    """
    A GET request carries the query in the variable dns, a POST request has the template without it.
    """
    url = ServerURL.fromText(f"https://dns.example{path}")
    assert url.getTarget("AAA") == get
    assert url.postTarget == post


def test_descriptionsEscape() -> None:
    """
    What has a meaning in a description is escaped in the one of a URL.
    """
    assert ServerURL.fromText("https://dns.example/a:b(c)").description(address="2001:db8::1") == (
        "https://dns.example/a\\:b\\(c\\):address=2001\\:db8\\:\\:1"
    )
    assert ServerURL.fromText("tls://192.0.2.1#dns.example").description(ca="") == "tls://192.0.2.1#dns.example"
    assert escaped("C:\\x") == "C\\:\\\\x"
