"""
Tests of L{twisted_ext.apps.cli.terminal.encryption}.
"""

from __future__ import annotations

import pytest

from tests.queries import parseQuery
from twisted_ext.apps.cli.terminal.encryption import isURL, trustHint, urlIn
from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.transport.servers import Server
from twisted_ext.transport.stamps import Stamp

PIN = "A" * 43 + "="


def described(words: str, *servers: str, host: str = "", port: int = 853) -> str:
    """
    Return the description of servers with the arguments of a query.
    """
    options = parseQuery(words.split())
    return options.encryption.description(urlIn(options.target), host, [Server(each, port) for each in servers or ["192.0.2.53"]])


@pytest.mark.parametrize(
    ("words", "description"),
    [
        ("+tls", "tls:192.0.2.53@853"),
        ("+quic", "quic:192.0.2.53@853"),
        ("+tls +quic", "quic:192.0.2.53@853"),
        ("+tls-ca", "tls:192.0.2.53@853"),
        ("+tls-ca=x.pem", "tls:192.0.2.53@853:ca=x.pem"),
        (f"+tls-pin={PIN} +tls-pin=sha256/{PIN}", f"tls:192.0.2.53@853:pins={PIN},{PIN}"),
        (f"+tls-pin={PIN} +tls-ca=x.pem", f"tls:192.0.2.53@853:name=192.0.2.53:pins={PIN}:ca=x.pem"),
        (f"+tls-ca +tls-pin={PIN}", f"tls:192.0.2.53@853:name=192.0.2.53:pins={PIN}"),
        ("+quic +tls-hostname=DNS.Example.", "quic:192.0.2.53@853:name=dns.example"),
        ("+tls +tls-certfile=a:b.pem +tls-keyfile=c.pem", "tls:192.0.2.53@853:certificate=a\\:b.pem:key=c.pem"),
        ("+https", "https://192.0.2.53:853/dns-query"),
        ("+https=/q", "https://192.0.2.53:853/q"),
        ("+https-get=/q?x=1 +tls-hostname=dns.example", "https://dns.example:853/q?x=1:address=192.0.2.53:method=GET"),
        ("+https-get +https-post", "https://192.0.2.53:853/dns-query"),
        ("+http3", "https://192.0.2.53:853/dns-query:http3=only"),
        ("+tls +http3 +https-get=/q", "https://192.0.2.53:853/q:method=GET:http3=only"),
        ("+https-get=/q +http3", "https://192.0.2.53:853/q:method=GET:http3=only"),
        ("+https=/q +http3 +nohttp3", "https://192.0.2.53:853/q"),
        ("+http3=/q +tls", "tls:192.0.2.53@853"),
        ("+http3=/q +nohttp3 +tls", "tls:192.0.2.53@853"),
        ("https://192.0.2.53/q +http3", "https://192.0.2.53:853/q:http3=only"),
        ("@tls://192.0.2.53#dns.example", "tls:192.0.2.53@853:name=dns.example"),
        ("tls://192.0.2.53#dns.example +tls-hostname=other.example", "tls:192.0.2.53@853:name=other.example"),
        ("https://192.0.2.53/q{?dns} +https-get", "https://192.0.2.53:853/q{?dns}:method=GET"),
        ("https://192.0.2.53/q +https=/other", "https://192.0.2.53:853/other"),
    ],
)
def test_optionsBecomeADescription(words: str, description: str) -> None:
    """
    The options of dig and kdig give the description of a server with everything that they require; the last transport counts.
    """
    assert described(words) == description


def test_nameAfterTheMarkIsExpected() -> None:
    """
    A server that is given by its name has to have a certificate for it, whatever its addresses are.
    """
    assert described("+tls", "192.0.2.53", "2001:db8::53", host="dns.example") == (
        "tls:192.0.2.53@853,\\[2001\\:db8\\:\\:53\\]@853:name=dns.example"
    )
    assert described("+https", "192.0.2.53", "2001:db8::53", host="dns.example", port=443) == (
        "https://dns.example/dns-query:address=192.0.2.53,\\[2001\\:db8\\:\\:53\\]"
    )
    with pytest.raises(ExitError) as caught:
        described("+https", "192.0.2.53", "192.0.2.54")
    assert caught.value.line == "+https needs the server's name: write @https://dns.example or +tls-hostname=dns.example"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("+tls=x", "+tls=x: +tls takes no value; the server is written @192.0.2.53 or @dns.example"),
        ("+https=dns.example", "+https=dns.example: the path begins with a slash: +https=/dns-query; the server is written @192.0.2.53 or "
         "@dns.example"),
        ("+tls-pin", "+tls-pin needs the SHA-256 digest of the server's key in base64: +tls-pin=VALUE"),
        ("+tls-pin=x", "+tls-pin: 'x' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters"),
        ("+tls-hostname=", "+tls-hostname needs the name in the server's certificate, such as dns.example: +tls-hostname=VALUE"),
        ("+tls-hostname=a..b", "+tls-hostname: 'a..b' is not a valid host name or IP address, such as dns.example or 192.0.2.53"),
        ("@tls://192.0.2.53 +quic", "+quic contradicts @tls://192.0.2.53; leave out one of them"),
        ("+quic +tls-certfile=x", "+tls-certfile works over TLS and HTTPS only; leave it out"),
        ("@tls://192.0.2.53 +http3", "+http3 contradicts @tls://192.0.2.53; leave out one of them"),
        ("@tls://", "@tls://: 'tls://': the host is missing; write tls://dns.example"),
        ("tls://192.0.2.53/x", "@tls://192.0.2.53/x: '/x': a URL of tls has no path; only https has one"),
        ("@192.0.2.1 tls://192.0.2.53", "two servers, @192.0.2.1 and @tls://192.0.2.53; write one, or both in one argument: "
         "@udp:192.0.2.1,192.0.2.2"),
    ],
)  # fmt: skip
def test_mistakesAreExplained(words: str, line: str) -> None:
    """
    A wrong value, and options that contradict the URL, are one line that says what would be right.
    """
    with pytest.raises(ExitError) as caught:
        described(words)
    assert (caught.value.code, caught.value.line) == (USAGE, line)


def test_descriptionsTakeTheProofs() -> None:
    """
    A description of an encrypted transport, and a stamp, are extended by the proofs; others are refused with them.
    """

    def added(words: str) -> str:
        options = parseQuery(words.split())
        assert urlIn(options.target) is None
        return options.encryption.added(options.target)

    assert added(f"@tls:192.0.2.53#a +tls-pin={PIN}") == f"tls:192.0.2.53#a:pins={PIN}"
    assert added("@tls://192.0.2.53:keep=0 +tls-ca=x") == "tls://192.0.2.53:keep=0:ca=x"
    stamp = Stamp("tls", "192.0.2.53", host="dns.example").toText()
    assert added(f"{stamp} +tls-ca=x") == f"{stamp}:ca=x"
    plain = Stamp("udp", "192.0.2.53").toText()
    assert added(plain) == plain
    assert added("@udp:192.0.2.53") == "udp:192.0.2.53"
    for words, line in (
        ("@udp:192.0.2.53 +tls", "+tls cannot be combined with @udp:192.0.2.53; give an address, a name or a URL"),
        ("@cache:system +tls-ca", "+tls-ca cannot be combined with @cache:system; give an address, a name or a URL"),
        (f"{plain} +tls", f"+tls contradicts @{plain}, which is for plain DNS; leave out one of them"),
        (f"{plain} +tls-pin={PIN}", f"+tls-pin contradicts @{plain}, which is for plain DNS; leave out one of them"),
        (f"{stamp}:keep=0 +quic", f"+quic contradicts @{stamp}:keep=0; leave out one of them"),
        ("sdns://x +tls", "@sdns://x: the stamp is damaged: it is not base64url"),
        ("@tls:192.0.2.53 +https", "+https contradicts @tls:192.0.2.53; leave out one of them"),
    ):
        with pytest.raises(ExitError) as caught:
            added(words)
        assert caught.value.line == line


def test_onlyEncryptedServersAreURLs() -> None:
    """
    URLs of other schemes are names to look up, which they cannot be.
    """
    assert [isURL(each) for each in ("tls://x", "HTTPS://x", "quic://x", "sdns://x", "http://x", "tls:x", "x")] == [True] * 4 + [False] * 3


def test_hintIsOnlyForProofs() -> None:
    """
    Only a server that has not proved its identity has the hint with the options for that.
    """
    assert "+tls-ca=FILE" in trustHint("expected a certificate for 'x', its certificate is self-signed")
    assert "replaces the certificate" in trustHint("expected a certificate for 'x' and a key with the pin x")
    assert trustHint("expected a key with the pin x, it showed one with the pin y") == ""
    assert trustHint("Connection refused") == ""
    for late in ("expired on 2026-11-20 at 21:27 UTC", "is valid only from 2026-11-22 at 21:27 UTC"):
        assert trustHint(f"expected a certificate for 'x' from an authority that the system trusts, its certificate {late}").startswith(
            "; check the clock"
        )
