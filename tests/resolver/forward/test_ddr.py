"""
Tests of the discovery of designated resolvers.
"""

from __future__ import annotations

from random import Random

import pytest

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.limits import (
    DESIGNATED_LEAST_SECONDS,
    DESIGNATED_MOST_SECONDS,
    DESIGNATED_RETRY_SECONDS,
    DESIGNATIONS,
    Limit,
)
from twisted_ext.resolver.forward import ddr
from twisted_ext.resolver.forward.ddr import DesignatedServers, Designation
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.types.svcb import SVCB
from twisted_ext.wire.rrtypes import SVCB as SVCB_TYPE

__all__: list[str] = []

_OWNER = nameFromText("_dns.resolver.arpa")


def rdatas(*texts: str) -> list[bytes]:
    """
    Return the rdata of these records.
    """
    return [SVCB.fromText(text).wire for text in texts]


def discovered(*texts: str, at: str = "192.0.2.53", protocols: tuple[str, ...] = ("dot", "doq", "h2", "h3")) -> list[str]:
    """
    Return what a plain server designates by these records.
    """
    servers = DesignatedServers(Server(at), Random(1), protocols)
    assert servers.learned(0.0, _OWNER, rdatas(*texts), 300)
    return [each.description() if each.addresses else str(each) for each in servers.candidates]


def test_questions() -> None:
    """
    A plain server is asked about itself; a named one by its name.
    """
    assert DesignatedServers(Server("192.0.2.53"), Random(1)).question == Question(_OWNER, SVCB_TYPE)
    assert DesignatedServers("Dns.Example.", Random(1)).question == Question(nameFromText("_dns.Dns.Example"), SVCB_TYPE)
    with pytest.raises(BadName):
        DesignatedServers("dns..example", Random(1))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("1 dns.example. alpn=dot ipv4hint=192.0.2.99", ["tls:192.0.2.99:name=192.0.2.53"]),
        ("1 dns.example. alpn=dot port=8853 ipv6hint=2001:db8::99", ["tls:[2001:db8::99]:8853:name=192.0.2.53"]),
        ("1 dns.example. alpn=doq ipv4hint=192.0.2.98", ["quic:192.0.2.98:name=192.0.2.53"]),
        (
            "1 dns.example. alpn=h2 dohpath=/q{?dns} ipv4hint=192.0.2.99",
            ["https://192.0.2.53/q{?dns}:address=192.0.2.99"],
        ),
        (
            "1 dns.example. alpn=h2 port=8443 dohpath=/q{?dns} ipv4hint=192.0.2.99",
            ["https://192.0.2.53:8443/q{?dns}:address=192.0.2.99"],
        ),
        (
            "1 dns.example. alpn=h2,dot dohpath=/q{?dns} ipv4hint=192.0.2.99",
            ["tls:192.0.2.99:name=192.0.2.53", "https://192.0.2.53/q{?dns}:address=192.0.2.99"],
        ),
        (
            "1 dns.example. alpn=h3 dohpath=/q{?dns} ipv4hint=192.0.2.99",
            ["https://192.0.2.53/q{?dns}:address=192.0.2.99:http3=only"],
        ),
        (
            "1 dns.example. alpn=h3,h2 dohpath=/q{?dns} ipv4hint=192.0.2.99",
            ["https://192.0.2.53/q{?dns}:address=192.0.2.99", "https://192.0.2.53/q{?dns}:address=192.0.2.99:http3=only"],
        ),
        ("1 dns.example. alpn=dot", ["dot at dns.example:853"]),
        ("1 dns.example. alpn=h2 ipv4hint=192.0.2.99", []),
        ("1 dns.example. alpn=h2 dohpath=q{?dns}", []),
        ("1 dns.example. alpn=h2 dohpath=/q", []),
        ("1 dns.example. alpn=h2 dohpath=/q{?dns,x}", []),
        ("1 dns.example. alpn=h2 dohpath=/\\255{?dns}", []),
        ("1 dns.example. alpn=http/1.1 dohpath=/q{?dns}", []),
        ("1 dns.example. ipv4hint=192.0.2.99", []),
        ("1 dns.example. alpn=dot mandatory=key9999 key9999=x", []),
        ("1 dns.example. alpn=dot port=0", []),
        ("1 . alpn=dot ipv4hint=192.0.2.99", []),
        ("1 x.resolver.arpa. alpn=dot ipv4hint=192.0.2.99", []),
        ("0 .", []),
    ],
)
def test_designations(record: str, expected: list[str]) -> None:
    """
    Each protocol of a record that can be used is a designation, whose certificate must have the address of the plain server, not the name
    in the record; C{resolver.arpa} itself is never the host.
    """
    assert discovered(record) == expected


def test_order() -> None:
    """
    Records are tried by priority, and the protocols of one record by the client's preference.
    """
    records = ("2 b.example. alpn=dot", "1 a.example. alpn=h2,dot,doq dohpath=/q{?dns}")
    assert discovered(*records) == ["dot at a.example:853", "doq at a.example:853", "h2 at a.example:443", "dot at b.example:853"]
    assert discovered(*records, protocols=("h2", "dot")) == ["h2 at a.example:443", "dot at a.example:853", "dot at b.example:853"]


def test_malformedSet() -> None:
    """
    One malformed record makes the whole set unusable.
    """
    servers = DesignatedServers(Server("192.0.2.53"), Random(1))
    assert servers.learned(0.0, _OWNER, [*rdatas("1 dns.example. alpn=dot"), b"\x00"], 300)
    assert servers.candidates == []


def test_identityOfName() -> None:
    """
    Servers discovered by a name have to prove that name, whatever the target is.
    """
    servers = DesignatedServers("dns.example", Random(1))
    owner = nameFromText("_dns.dns.example")
    assert servers.learned(0.0, owner, rdatas("1 evil.test. alpn=dot ipv4hint=192.0.2.66"), 300)
    assert [each.description() for each in servers.candidates] == ["tls:192.0.2.66:name=dns.example"]


def test_aliases() -> None:
    """
    An alias leads to another question, which is due at once; the identity stays.
    """
    servers = DesignatedServers(Server("192.0.2.53"), Random(1))
    assert not servers.learned(0.0, _OWNER, rdatas("0 _dns.dns.example."), 300)
    assert servers.question.name == nameFromText("_dns.dns.example")
    assert servers.due(0.0)
    assert servers.learned(0.0, servers.question.name, rdatas("1 dns.example. alpn=dot ipv4hint=192.0.2.99"), 300)
    assert servers.candidates[0].identity == "192.0.2.53"
    assert servers.question.name == _OWNER


def test_addresses() -> None:
    """
    Hints and addresses in the same reply are used; other hosts are looked up first, and their description is refused until then.
    """
    servers = DesignatedServers(Server("2001:db8::53"), Random(1))
    records = rdatas("1 DNS.example. alpn=dot ipv4hint=192.0.2.99", "2 other.example. alpn=dot")
    servers.learned(0.0, _OWNER, records, 300, {"dns.example": ["192.0.2.99", "2001:db8::99"]})
    first, second = servers.candidates
    assert first.description() == "tls:192.0.2.99,[2001:db8::99]:name=2001\\:db8\\:\\:53"
    with pytest.raises(BadDescription, match="other.example: the addresses"):
        second.description()
    found = servers.located(second, ["192.0.2.98"])
    assert servers.candidates == [first, found]
    assert found.description() == "tls:192.0.2.98:name=2001\\:db8\\:\\:53"


def test_schedule() -> None:
    """
    The question is due at first, after the TTL within bounds, and some time after a look-up that failed.
    """
    servers = DesignatedServers(Server("192.0.2.53"), Random(1))
    assert servers.due(0.0)
    servers.unanswered(0.0)
    assert not servers.due(DESIGNATED_RETRY_SECONDS.default - 1)
    assert servers.due(DESIGNATED_RETRY_SECONDS.default)
    for ttl, expected in ((0, DESIGNATED_LEAST_SECONDS.default), (3600, 3600), (2**31 - 1, DESIGNATED_MOST_SECONDS.default)):
        servers.learned(1000.0, _OWNER, [], ttl)
        assert not servers.due(1000.0 + expected - 1)
        assert servers.due(1000.0 + expected)


def test_refusedUntilExpiry() -> None:
    """
    A server that does not prove its identity is not tried again before the record expires, and the next one is.
    """
    servers = DesignatedServers(Server("192.0.2.53"), Random(1))
    servers.learned(0.0, _OWNER, rdatas("1 a.example. alpn=dot ipv4hint=192.0.2.98", "2 b.example. alpn=dot ipv4hint=192.0.2.99"), 300)
    first, second = servers.candidates
    servers.refused(1.0, first)
    assert servers.candidates == [second]
    servers.refused(2.0, second)
    assert servers.candidates == []
    assert servers.current is None
    assert not servers.due(299.0)
    assert servers.due(300.0)


def expiryOf(servers: DesignatedServers) -> float | None:
    """
    Return when the designation in use expires.
    """
    return None if servers.current is None else servers.current.expires


def test_verifiedStays() -> None:
    """
    A verified server stays in use while it is designated: a failed look-up does not end that, a reply without it does.
    """
    servers = DesignatedServers(Server("192.0.2.53"), Random(1))
    records = rdatas("1 a.example. alpn=dot ipv4hint=192.0.2.98")
    servers.learned(0.0, _OWNER, records, 300)
    servers.verified(servers.candidates[0])
    servers.unanswered(300.0)
    assert expiryOf(servers) == 300.0
    servers.learned(600.0, _OWNER, records, 300)
    assert expiryOf(servers) == 900.0
    servers.learned(900.0, _OWNER, rdatas("1 b.example. alpn=dot ipv4hint=192.0.2.98"), 300)
    assert expiryOf(servers) is None
    servers.verified(servers.candidates[0])
    servers.refused(901.0, servers.candidates[0])
    assert expiryOf(servers) is None


def test_candidatesBounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A reply with hundreds of records causes a few handshakes. Without the limit, it would cause one for each.
    """
    records = [f"{number} h{number}.example. alpn=dot,doq" for number in range(1, 30)]
    assert len(discovered(*records)) == DESIGNATIONS.default
    monkeypatch.setattr(ddr, "DESIGNATIONS", Limit(default=64, least=1, most=64))
    assert len(discovered(*records)) == 58


def test_longTTLDoesNotSuppress(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A forged reply without designations delays the next question by a day at most. Without the limit, by its TTL.
    """
    servers = DesignatedServers(Server("192.0.2.53"), Random(1))
    servers.learned(0.0, _OWNER, [], 2**31 - 1)
    assert servers.due(86_400.0)
    monkeypatch.setattr(ddr, "DESIGNATED_MOST_SECONDS", Limit(default=2**31, least=60, most=2**31))
    servers.learned(0.0, _OWNER, [], 2**31 - 1)
    assert not servers.due(86_400.0)


@pytest.mark.parametrize(
    ("plain", "designated", "expected"),
    [
        ("192.168.1.1", ("192.168.1.1",), True),
        ("fd00::1", ("fd00:0::1",), True),
        ("fe80::1%1", ("fe80::1%1",), True),
        ("192.168.1.1", ("192.168.1.2",), False),
        ("192.168.1.1", ("192.168.1.1", "192.168.1.2"), False),
        ("192.168.1.1", (), False),
        ("8.8.8.8", ("8.8.8.8",), False),
    ],
)
def test_opportunisticRule(plain: str, designated: tuple[str, ...], expected: bool) -> None:
    """
    A server that cannot be verified may be used at the private address of the plain one only.
    """
    servers = DesignatedServers(Server(plain), Random(1))
    assert servers.mayGoUnverified(Designation("dot", plain, "dns.example", 853, designated)) is expected
    named = DesignatedServers("dns.example", Random(1))
    assert not named.mayGoUnverified(Designation("dot", plain, "dns.example", 853, designated))
