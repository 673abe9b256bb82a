"""
Look-ups against authoritative servers: data, denials, aliases, refusals, replies too long for a datagram.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import pytest_twisted
from twisted.internet.error import DNSLookupError
from twisted.names import dns, error

from tests.live.asking import addressesOf, ask, resolverFrom, resolving, textsOf, zoneOf
from tests.peers import LivePeer, bind, nsd
from twisted_ext.answers import Outcome
from twisted_ext.compat.conversion.errors import DNSNameError, DNSQueryRefusedError
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AAAA, CNAME, SOA

__all__: list[str] = []

#: The first labels of names of 255 octets, the largest size.
LONG = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 45])

ZONE = zoneOf(
    {
        "www": "A 192.0.2.80",
        "both": "A 192.0.2.81\nboth AAAA 2001:db8::81",
        "six": "AAAA 2001:db8::86",
        "one": "CNAME two",
        "two": "CNAME three",
        "three": "CNAME four",
        "four": "CNAME www",
        "outside": "CNAME www.elsewhere.example.",
        "loop": "CNAME pool",
        "pool": "CNAME loop",
        "dangling": "CNAME nothing",
        "*.wild": "A 192.0.2.82",
        "below": "DNAME wild",
        "a\\.b": "A 192.0.2.90",
        "a.b": "A 192.0.2.91",
        "\\000\\255": "A 192.0.2.92",
        "with\\032space": "A 192.0.2.93",
        "UPPER": "A 192.0.2.94",
        "_443._tcp": "A 192.0.2.95",
        "quo\\\"te\\;\\(\\)\\@\\$": "A 192.0.2.96",
        LONG: "A 192.0.2.97",
        "64/26": "A 192.0.2.98",
        **{f"big TXT {number:0200d}\nbig": f"TXT {number + 20:0200d}" for number in range(20)},
    }
)

#: A zone, and the same under names that hosts cannot have.
PLAIN = zoneOf({"www": "A 192.0.2.80", **{f"host{number}": "A 192.0.2.1" for number in range(9)}})
ODD = "".join(
    [
        f'zone:\n  name: "{name}"\n  zonefile: "plain.example.zone"\n  provide-xfr: 127.0.0.0/8 NOKEY\n'
        for name in ("a\\.b.odd.example", "0/25.2.0.192.in-addr.arpa", "_under_.example")
    ]
)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, LivePeer]]:
    """
    Start NSD and BIND with this zone, at addresses of both families.
    """
    zones = {"answers.example": ZONE, "plain.example": PLAIN}
    with ExitStack() as stack:
        yield {
            "nsd": stack.enter_context(nsd(zones, extra=ODD)),
            "named": stack.enter_context(bind(zones, zoneExtra="check-names ignore;")),
            "nsd6": stack.enter_context(nsd(zones, address="::1")),
        }


@pytest.fixture(params=["nsd", "named", "nsd6"])
def server(servers: dict[str, LivePeer], request: pytest.FixtureRequest) -> LivePeer:
    """
    Return each of these servers.
    """
    return servers[str(request.param)]


@pytest_twisted.ensureDeferred
async def test_recordsComeWithTTLAndServer(server: LivePeer) -> None:
    """
    Records come over UDP with their TTL and with the server that sent them.
    """
    async with resolving(server) as resolver:
        result = await resolver.lookupAddress("www.answers.example")
        assert addressesOf(result) == ["192.0.2.80"]
        assert [header.ttl for header in result[0]] == [300]
        assert result.server.endswith(f":{server.port}")
        answer = await ask(resolver, "www.answers.example")
        assert answer.origin is not None
        assert (answer.origin.source, answer.origin.attempts) == ("udp", 1)
        assert answer.origin.server.endswith(f":{server.port}")
        assert await resolver.getHostByName("both.answers.example") == "192.0.2.81"
        assert await resolver.getHostByName("six.answers.example") == "2001:db8::86"


@pytest_twisted.ensureDeferred
async def test_nxdomainFailsAndNodataIsEmpty(server: LivePeer) -> None:
    """
    A name that does not exist is an error with the SOA record. A name without records of the type gives empty lists.
    """
    async with resolving(server) as resolver:
        with pytest.raises(error.DNSNameError) as caught:
            await resolver.lookupAddress("nothing.answers.example")
        assert isinstance(caught.value, DNSNameError)
        assert isinstance(caught.value, DNSLookupError)
        assert caught.value.rcode == dns.ENAME
        assert caught.value.server.endswith(f":{server.port}")
        assert caught.value.answer is not None
        assert [rrset.rrType for rrset in caught.value.answer.authority] == [SOA]
        answers, authority, _ = await resolver.lookupMailExchange("www.answers.example")
        assert (answers, [header.type for header in authority]) == ([], [dns.SOA])
        with pytest.raises(DNSLookupError):
            await resolver.getHostByName("big.answers.example")


@pytest_twisted.ensureDeferred
async def test_foreignZoneIsRefused(server: LivePeer) -> None:
    """
    A server refuses names outside its zones. The refusal is an error of its own.
    """
    async with resolving(server) as resolver:
        with pytest.raises(DNSQueryRefusedError) as caught:
            await resolver.lookupAddress("www.refused.invalid")
        assert caught.value.server.endswith(f":{server.port}")


@pytest_twisted.ensureDeferred
async def test_aliasChainIsFollowed(server: LivePeer) -> None:
    """
    A chain of aliases comes whole, in order, with the records at its end. A dangling or circular chain fails.
    """
    async with resolving(server) as resolver:
        answer = await ask(resolver, "one.answers.example")
        owners = [nameToText(rrset.name).partition(".")[0] for rrset in answer.answer]
        assert owners == ["one", "two", "three", "four", "www"]
        assert textsOf(answer)[-1] == "192.0.2.80"
        assert await resolver.getHostByName("one.answers.example") == "192.0.2.80"
        result = await resolver.lookupCanonicalName("one.answers.example")
        assert [str(header.payload) for header in result[0]] == ["<CNAME name=two.answers.example ttl=300>"]
        below = await ask(resolver, "x.below.answers.example")
        assert textsOf(below) == ["wild.answers.example.", "x.wild.answers.example.", "192.0.2.82"]
        outside = await ask(resolver, "outside.answers.example")
        assert (outside.outcome, [rrset.rrType for rrset in outside.answer]) == (Outcome.NODATA, [CNAME])
        for name in ("loop", "dangling", "outside"):
            with pytest.raises(DNSLookupError):
                await resolver.getHostByName(f"{name}.answers.example")


@pytest_twisted.ensureDeferred
async def test_labelsHoldAnyOctets(server: LivePeer) -> None:
    """
    Labels may hold any octets. An escaped dot does not separate labels, and case does not matter.
    """
    async with resolving(server) as resolver:
        for name, address in (
            ("a\\.b", 90),
            ("a.b", 91),
            ("\\000\\255", 92),
            ("with\\032space", 93),
            ("with space", 93),
            ("upper", 94),
            ("uPPeR", 94),
            ("_443._tcp", 95),
            ('quo\\"te\\;\\(\\)\\@\\$', 96),
            (LONG.upper(), 97),
            ("64/26", 98),
            ("any.thing.wild", 82),
        ):
            result = await resolver.lookupAddress(f"{name}.answers.example")
            assert addressesOf(result) == [f"192.0.2.{address}"], name
        with pytest.raises(DNSNameError):
            await resolver.lookupAddress(f"b.{LONG[2:]}.answers.example")


@pytest_twisted.ensureDeferred
async def test_zonesWithOddNames(servers: dict[str, LivePeer]) -> None:
    """
    Zones may have names that hosts cannot have, and can be transferred.
    """
    async with resolving(servers["nsd"]) as resolver:
        for zone in ("a\\.b.odd.example", "0/25.2.0.192.in-addr.arpa", "_under_.example"):
            assert addressesOf(await resolver.lookupAddress(f"www.{zone}")) == ["192.0.2.80"]
            records, _, _ = await resolver.lookupZone(zone)
            assert records[0].type == records[-1].type == dns.SOA
            assert records[0].name == records[-1].name
            assert len(records) == 13
        with pytest.raises(DNSQueryRefusedError):
            await resolver.lookupAddress("www.a.b.odd.example")


@pytest_twisted.ensureDeferred
async def test_truncatedReplyIsFetchedOverTCP(server: LivePeer) -> None:
    """
    A reply that does not fit into a datagram is fetched whole over TCP without action by the caller.
    """
    async with resolving(server) as resolver:
        answer = await ask(resolver, "big.answers.example", "TXT")
        assert answer.origin is not None
        assert (answer.origin.source, answer.origin.attempts) == ("tcp", 2)
        assert sorted([text.strip('"') for text in textsOf(answer)]) == [f"{number:0200d}" for number in range(40)]
        result = await resolver.lookupText("big.answers.example")
        assert len(result[0]) == 40
        message = await resolver.queryUDP([dns.Query("big.answers.example", dns.TXT)])
        assert (len(message.answers), message.trunc) == (40, 0)


@pytest_twisted.ensureDeferred
async def test_TCPGivesTheSameAnswers(server: LivePeer) -> None:
    """
    A server gives the same answers over TCP. Two hundred queries share one connection.
    """
    async with resolving(server) as resolver:
        message = await resolver.queryTCP([dns.Query("www.answers.example", dns.A)])
        assert [header.type for header in message.answers] == [dns.A]
        assert message.rCode == dns.OK
        message = await resolver.queryTCP([dns.Query("nothing.answers.example", dns.A)])
        assert message.rCode == dns.ENAME
    address = f"[{server.address}]"
    async with resolverFrom(f"tcp:{address}:{server.port}") as streaming:
        asked = [ask(streaming, f"n{number}.wild.answers.example") for number in range(200)]
        answers = [await each for each in asked]
        assert [nameToText(answer.answer[0].name) for answer in answers] == [f"n{number}.wild.answers.example." for number in range(200)]
        assert {answer.origin.source for answer in answers if answer.origin is not None} == {"tcp"}


@pytest.mark.parametrize("spelt", ["0000:0000:0000:0000:0000:0000:0000:0001", "0:0::0:1", "::0.0.0.1", "::1"])
@pytest_twisted.ensureDeferred
async def test_spellingOfAddressDoesNotMatter(servers: dict[str, LivePeer], spelt: str) -> None:
    """
    Replies from an IPv6 address are accepted in every spelling of that address, over UDP and TCP.
    """
    async with resolving((spelt, servers["nsd6"].port)) as resolver:
        assert addressesOf(await resolver.lookupAddress("www.answers.example")) == ["192.0.2.80"]
        answer = await ask(resolver, "both.answers.example", "AAAA", stream=True)
        assert [(rrset.rrType, len(rrset.rdatas)) for rrset in answer.answer] == [(AAAA, 1)]
        assert len((await resolver.lookupText("big.answers.example"))[0]) == 40


@pytest_twisted.ensureDeferred
async def test_IPv4MappedAddress(servers: dict[str, LivePeer]) -> None:
    """
    An IPv4-mapped IPv6 address reaches the IPv4 server.
    """
    async with resolving((f"::ffff:{servers['nsd'].address}", servers["nsd"].port)) as resolver:
        assert addressesOf(await resolver.lookupAddress("www.answers.example")) == ["192.0.2.80"]


@pytest_twisted.ensureDeferred
async def test_serversKeepMixedCase(server: LivePeer) -> None:
    """
    Servers echo the case of a question, so mixed case (0x20) makes forged replies harder.
    """
    async with resolverFrom(f"udp:[{server.address}]:{server.port}:mixCase=yes") as resolver:
        for number in range(20):
            assert addressesOf(await resolver.lookupAddress(f"mixed{number}.wild.answers.example")) == ["192.0.2.82"]
