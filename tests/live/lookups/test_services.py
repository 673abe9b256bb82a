"""
Service discovery over real sockets, in a zone that NSD serves.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorFDSet

from tests.peers import LivePeer, nsd
from twisted_ext import client
from twisted_ext.compat.conversion.errors import ServiceNotAvailable, UnusableService
from twisted_ext.discovery.targets import Target

__all__: list[str] = []

ZONE = (
    r"""$ORIGIN test.example.
$TTL 300
@ IN SOA ns admin 1 3600 900 604800 300
@ IN NS ns
ns IN A 192.0.2.1
_x._tcp IN SRV 20 0 5222 c
_x._tcp IN SRV 10 30 5222 a
_x._tcp IN SRV 10 0 5222 b
_alias._tcp IN CNAME _x._tcp
_none._tcp IN SRV 0 0 0 .
_odd._tcp IN SRV 0 0 22 127.0.0.1.
@ IN MX 20 b
@ IN MX 10 a
nomail IN MX 0 .
@ IN HTTPS 0 www
www IN CNAME web
web IN HTTPS 1 . alpn=h2 port=8443 ipv4hint=192.0.2.80 ipv6hint=2001:db8::80
_dns IN SVCB 1 resolver alpn=dot,doq port=853
@ IN NAPTR 10 10 "s" "x:tcp" "" _x._tcp
1.2.3 IN NAPTR 10 10 "u" "E2U+sip" "!^\\+(.*)$!sip:\\1@test.example!" .
_http._tcp IN URI 10 1 "https://www.test.example/"
_443._tcp.www IN TLSA 3 1 1 """
    + "ab" * 32
    + "\n"
    + "".join([f"_many._tcp IN SRV {number} 0 {number + 1} host{number}.with.a.long.name\n" for number in range(300)])
)


@pytest.fixture(scope="module")
def peer() -> Iterator[LivePeer]:
    """
    Start NSD with a zone of services.
    """
    with nsd({"test.example": ZONE}) as server:
        yield server


def describe(peer: LivePeer) -> str:
    """
    Return the description of a resolver that uses this server.
    """
    address, port = peer.server
    return f"udp:{address}:{port}"


def hostsAndPorts(targets: list[Target]) -> list[str]:
    """
    Return hosts and ports without the name of the zone.
    """
    return [str(target).replace(".test.example", "") for target in targets]


def ourReaders() -> list[object]:
    """
    Return the readers of this package in the reactor.
    """
    readers = IReactorFDSet(reactor).getReaders()
    return [reader for reader in readers if type(reader).__module__.startswith("twisted_ext")]


@ensureDeferred
async def test_SRVRecordsLeadToTargets(peer: LivePeer) -> None:
    """
    SRV records lead to targets, also behind an alias. Three hundred of them, which need TCP, lead to the first few.
    """
    resolver = describe(peer)
    found = hostsAndPorts(await client.serverTargets("_x._tcp.test.example", resolver=resolver))
    assert sorted(found[:2]) == ["a:5222", "b:5222"] and found[2:] == ["c:5222"]
    assert hostsAndPorts(await client.serverTargets("_alias._tcp.test.example", resolver=resolver))[2:] == ["c:5222"]
    many = await client.serverTargets("_many._tcp.test.example", resolver=resolver)
    assert [target.port for target in many] == list(range(1, 33))
    assert await client.serverTargets("_nosuch._tcp.test.example", resolver=resolver) == []
    with pytest.raises(ServiceNotAvailable):
        await client.serverTargets("_none._tcp.test.example", resolver=resolver)
    with pytest.raises(UnusableService):
        await client.serverTargets("_odd._tcp.test.example", resolver=resolver)
    assert ourReaders() == []


@ensureDeferred
async def test_HTTPSAndSVCBLeadToTargets(peer: LivePeer) -> None:
    """
    HTTPS and SVCB records lead to targets through their own aliases and CNAME records.
    """
    resolver = describe(peer)
    found = await client.bindingTargets("https", "test.example", protocols=("h2", "http/1.1"), resolver=resolver)
    assert hostsAndPorts(found) == ["web:8443", "www:443", "test.example:443"]
    assert (found[0].alpn, found[0].addresses) == (("h2", "http/1.1"), ("2001:db8::80", "192.0.2.80"))
    found = await client.bindingTargets("dns", "test.example", protocols=("dot",), resolver=resolver)
    assert (hostsAndPorts(found[:1]), found[0].alpn) == (["resolver:853"], ("dot",))
    assert ourReaders() == []


@ensureDeferred
async def test_MXNAPTRURIAndTLSA(peer: LivePeer) -> None:
    """
    MX, NAPTR, URI and TLSA records lead to mail servers, services, URIs and certificates.
    """
    resolver = describe(peer)
    assert hostsAndPorts(await client.mailTargets("test.example", resolver=resolver)) == ["a:25", "b:25"]
    assert hostsAndPorts(await client.mailTargets("ns.test.example", resolver=resolver)) == ["ns:25"]
    with pytest.raises(ServiceNotAvailable):
        await client.mailTargets("nomail.test.example", resolver=resolver)
    found = await client.rewrittenTargets("test.example", "X", ["TCP"], resolver=resolver)
    assert [target.protocol for target in found] == ["TCP"] * 3
    assert await client.numberURIs("+321", suffix="test.example", resolver=resolver) == ["sip:321@test.example"]
    assert await client.urisOf("_http._tcp.test.example", resolver=resolver) == ["https://www.test.example/"]
    assert await client.tlsaOf("www.test.example", 443, resolver=resolver) == []
    (record,) = await client.tlsaOf("www.test.example", 443, requireAD=False, resolver=resolver)
    assert (record.usage, record.certificate) == (3, bytes.fromhex("ab" * 32))
    assert ourReaders() == []
