"""
Tests of L{twisted_ext.apps.cli.upstream.targets}.
"""

from __future__ import annotations

import pytest

from twisted_ext.apps.cli.terminal.encryption import Encryption
from twisted_ext.apps.cli.upstream.targets import serversIn
from twisted_ext.errors import BadDescription
from twisted_ext.transport.stamps import Stamp


def given(*words: str) -> list[tuple[str, dict[str, int]]]:
    """
    Return the hosts of arguments, with the ports that they name.
    """
    return [(each.host, each.ports) for each in serversIn(words)]


def test_hostAlone() -> None:
    """
    An address or a name alone names no transport: all are tried, and none has to answer.
    """
    assert given("192.0.2.53") == [("192.0.2.53", {})]
    assert given("2001:DB8::53", "[2001:db8::53]", "DNS.Example.") == [("2001:db8::53", {}), ("dns.example", {})]
    (server,) = serversIn(["192.0.2.53"])
    assert [(each.transport, each.server.port, each.given) for each in server.targets("192.0.2.53", Encryption(), True)] == [
        ("udp", 53, False), ("tcp", 53, False), ("tls", 853, False), ("https", 443, False),
        ("http3", 443, False), ("quic", 853, False),
    ]  # fmt: skip


def test_portsAndURLs() -> None:
    """
    A port is that of UDP and TCP; a URL names its transport. All with one host are one server.
    """
    assert given("192.0.2.53:5353") == [("192.0.2.53", {"udp": 5353, "tcp": 5353})]
    assert given("dns.example:5353", "udp://dns.example") == [("dns.example", {"udp": 53, "tcp": 5353})]
    assert given("tls://192.0.2.53:8853", "https://192.0.2.53/q", "QUIC://192.0.2.54", "tcp://[2001:db8::53]:54") == [
        ("192.0.2.53", {"tls": 8853, "https": 443}), ("192.0.2.54", {"quic": 853}), ("2001:db8::53", {"tcp": 54})
    ]  # fmt: skip
    (server,) = serversIn(["tls://192.0.2.53:8853", "https://192.0.2.53/q"])
    found = server.targets("192.0.2.53", Encryption(), True)
    assert [(each.transport, each.description, each.given) for each in found] == [
        ("tls", "tls:192.0.2.53@8853", True), ("https", "https://192.0.2.53/q:http3=no", True),
        ("http3", "https://192.0.2.53/q:http3=only", False),
    ]  # fmt: skip
    assert len(server.targets("192.0.2.53", Encryption(), False)) == 6


def test_namesOfCertificates() -> None:
    """
    Each encrypted transport has to prove the name of the URL; the options add to that.
    """
    encryption = Encryption()
    encryption.ca = "x.pem"
    (server,) = serversIn(["tls://192.0.2.53#dns.example"])
    tls, https, http3, quic = server.targets("192.0.2.53", encryption, False)[2:]
    assert tls.description == "tls:192.0.2.53@853:name=dns.example:ca=x.pem"
    assert https.description == "https://dns.example/dns-query:address=192.0.2.53:ca=x.pem:http3=no"
    assert http3.description == "https://dns.example/dns-query:address=192.0.2.53:http3=only:ca=x.pem"
    assert quic.description == "quic:192.0.2.53@853:name=dns.example:ca=x.pem"
    (server,) = serversIn(["https://dns.example/q"])
    assert server.known == ""
    udp, tcp, tls, https, _, _ = server.targets("2001:db8::53", Encryption(), False)
    assert (udp.description, tcp.description) == ("udp:[2001:db8::53]:53", "tcp:[2001:db8::53]:53:keep=10")
    assert tls.description == "tls:\\[2001\\:db8\\:\\:53\\]@853:name=dns.example"
    assert https.description == "https://dns.example/q:address=\\[2001\\:db8\\:\\:53\\]:http3=no"


def test_stamps() -> None:
    """
    A stamp gives the transport, the address and the hashes of certificates.
    """
    stamp = Stamp("tls", "192.0.2.53", host="dns.example", hashes=(bytes(32),)).toText()
    (server,) = serversIn([stamp])
    assert (server.host, server.known, server.ports) == ("dns.example", "192.0.2.53", {"tls": 853})
    (tls,) = server.targets("192.0.2.53", Encryption(), True)
    assert tls.description == f"tls:192.0.2.53@853:name=dns.example:hashes={'00' * 32}"
    assert given("sdns://AAcAAAAAAAAABzguOC44Ljg") == [("8.8.8.8", {"udp": 53, "tcp": 53})]


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("", "the host is missing"),
        (":53", "the host is missing"),
        ("a..b", "is not a valid host name or IP address"),
        ("192.0.2.53:0", "a port takes a number from 1 to 65535"),
        ("http://192.0.2.53", "unknown scheme; write udp://, tcp://, tls://, https://, quic:// or sdns://"),
        ("tls://", "the host is missing; write tls://dns.example"),
        ("udp://192.0.2.53/x", "is not a valid host name or IP address"),
        ("sdns://x", "the stamp"),
        ("tls://192.0.2.53/x", "a URL of tls has no path"),
    ],
)
def test_mistakesAreExplained(word: str, part: str) -> None:
    """
    An argument that is not valid is an error of one line.
    """
    with pytest.raises(BadDescription) as caught:
        serversIn([word])
    assert part in str(caught.value) and "\n" not in str(caught.value)
