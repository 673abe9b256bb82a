"""
Unbound and BIND as forwarders: they ask other servers, cache the answers and report failures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred, gatherResults
from twisted.names import dns, error

from tests.live.asking import addressesOf, ask, moment, questionOf, resolverFrom, resolving, textsOf, zoneOf
from tests.peers import LivePeer, bind, nsd, unbound
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.client import Resolver
from twisted_ext.compat.conversion.errors import DNSNameError, DNSServerError
from twisted_ext.compat.install import globalReactor
from twisted_ext.errors import ServerFailed
from twisted_ext.wire.codes import AA, DO, RA
from twisted_ext.wire.rrtypes import CNAME, A

__all__: list[str] = []

ZONE = zoneOf(
    {
        "www": "A 192.0.2.80\nwww AAAA 2001:db8::80",
        "alias": "CNAME next",
        "next": "CNAME www.second.example.",
        "*.wild": "A 192.0.2.81",
        "a\\.b": "A 192.0.2.82",
        **{f"big TXT {number:0200d}\nbig": f"TXT {number + 20:0200d}" for number in range(20)},
    }
)

SECOND = zoneOf({"www": "A 192.0.2.90"})

#: A zone whose file is missing, which gives SERVFAIL.
BROKEN = 'zone:\n  name: "broken.example"\n  zonefile: "missing.zone"\n'


@pytest.fixture(scope="module")
def upstream() -> Iterator[LivePeer]:
    """
    Start the server that the forwarders ask.
    """
    with nsd({"first.example": ZONE, "second.example": SECOND}, extra=BROKEN) as running:
        yield running


@pytest.fixture(scope="module")
def forwarders(upstream: LivePeer) -> Iterator[dict[str, LivePeer]]:
    """
    Start Unbound and BIND as forwarders to it.
    """
    with ExitStack() as stack:
        yield {
            "unbound": stack.enter_context(unbound(forwardTo=[upstream.server], extra="ede: yes")),
            "unbound6": stack.enter_context(unbound(forwardTo=[upstream.server], address="::1")),
            "named": stack.enter_context(bind(forwardTo=[upstream.server])),
        }


@pytest.fixture(params=["unbound", "unbound6", "named"])
def server(forwarders: dict[str, LivePeer], request: pytest.FixtureRequest) -> LivePeer:
    """
    Return each of these forwarders.
    """
    return forwarders[str(request.param)]


@pytest_twisted.ensureDeferred
async def test_answersAreAsFromTheUpstream(server: LivePeer) -> None:
    """
    Data, aliases into another zone, denials, odd names and long replies arrive as they do from the upstream itself.
    """
    async with resolving(server) as resolver:
        result = await resolver.lookupAddress("www.first.example")
        assert addressesOf(result) == ["192.0.2.80"]
        assert result.flags & (RA | AA) == RA
        answer = await ask(resolver, "alias.first.example")
        assert [rrset.rrType for rrset in answer.answer] == [CNAME, CNAME, A]
        assert textsOf(answer) == ["next.first.example.", "www.second.example.", "192.0.2.90"]
        assert await resolver.getHostByName("alias.first.example") == "192.0.2.90"
        with pytest.raises(DNSNameError):
            await resolver.lookupAddress("nothing.first.example")
        answers, authority, _ = await resolver.lookupMailExchange("www.first.example")
        assert (answers, [header.type for header in authority]) == ([], [dns.SOA])
        assert addressesOf(await resolver.lookupAddress("a\\.b.first.example")) == ["192.0.2.82"]
        with pytest.raises(DNSNameError):
            await resolver.lookupAddress("a.b.first.example")
        assert len((await resolver.lookupText("big.first.example"))[0]) == 40


@pytest_twisted.ensureDeferred
async def test_EDNSFollowsTheQuery(server: LivePeer) -> None:
    """
    A query with EDNS gets a reply with EDNS, DO included. A query without EDNS gets a reply without it.
    """
    async with resolving(server) as resolver:
        answer = await ask(resolver, "www.first.example")
        assert answer.message is not None
        assert answer.message.edns is not None
        assert answer.message.edns.payloadSize >= 512
        question = questionOf("www.first.example", "AAAA")
        deadline = globalReactor().seconds() + 5
        signed = await resolver.lookUp(question, QueryContext(deadline, dnssecOk=True))
        assert signed.message is not None
        assert signed.message.edns is not None
        assert signed.message.edns.flags & DO
        plain = await resolver.lookUp(question, QueryContext(deadline, edns=False))
        assert plain.message is not None
        assert plain.message.edns is None
        assert textsOf(plain) == textsOf(signed) == ["2001:db8::80"]


@pytest_twisted.ensureDeferred
async def test_servfailOfUpstreamIsServfail(server: LivePeer) -> None:
    """
    SERVFAIL of the upstream arrives as SERVFAIL and is never taken for a denial.
    """
    async with resolving(server) as resolver:
        for _ in range(2):
            with pytest.raises(error.DNSServerError) as caught:
                await resolver.lookupAddress("www.broken.example")
            assert isinstance(caught.value, DNSServerError)
            assert caught.value.rcode == 2
            assert caught.value.server.endswith(f":{server.port}")


@pytest_twisted.ensureDeferred
async def test_extendedErrorIsKept(upstream: LivePeer) -> None:
    """
    The error of a look-up holds the extended DNS error of a validating resolver.
    """
    anchor = f'trust-anchor: "first.example. DS 60485 13 2 {"AB" * 32}"'
    with unbound(forwardTo=[upstream.server], extra=f"ede: yes\n{anchor}") as server:
        async with resolving(server) as resolver:
            with pytest.raises(DNSServerError) as caught:
                await resolver.lookupAddress("www.first.example")
            assert caught.value.rcode == 2
            assert [code for code, _ in caught.value.ede] == [9]
            assert addressesOf(await resolver.lookupAddress("www.second.example")) == ["192.0.2.90"]


@pytest_twisted.ensureDeferred
async def test_thousandNamesAtOnce(server: LivePeer) -> None:
    """
    A thousand names at once, half of which do not exist, all get the right answer.
    """
    again: list[str] = []

    async def asked(resolver: Resolver, name: str) -> Answer:
        try:
            return await ask(resolver, name, seconds=20)
        except ServerFailed as failed:
            # On a busy machine BIND once answered one of the thousand with SERVFAIL, which must arrive as such. A second query succeeds.
            if failed.rcode != 2:
                raise
            again.append(name)
            return await ask(resolver, name, seconds=20)

    async with resolving(server) as resolver:
        names = [f"n{number}.{'wild' if number % 2 else 'no'}.first.example" for number in range(1000)]
        answers = await gatherResults([ensureDeferred(asked(resolver, name)) for name in names], consumeErrors=True)
        assert len(again) <= 5, again
        assert [textsOf(answer) for answer in answers] == [["192.0.2.81"] if number % 2 else [] for number in range(1000)]
        assert [answer.rcode for answer in answers] == [0 if number % 2 else 3 for number in range(1000)]


@pytest_twisted.ensureDeferred
async def test_cacheAnswersWithoutServer(server: LivePeer) -> None:
    """
    A local cache answers the second look-up without the server. TTLs have counted down in both caches.
    """
    async with resolverFrom(f"cache:udp:[{server.address}]:{server.port}") as resolver:
        first = await resolver.lookupAddress("www.first.example")
        await moment(1.1)
        with pytest.raises(DNSNameError):
            await resolver.lookupAddress("nothing.first.example")
        server.pause()
        try:
            second = await resolver.lookupAddress("www.first.example")
            with pytest.raises(DNSNameError):
                await resolver.lookupAddress("nothing.first.example")
        finally:
            server.resume()
        assert addressesOf(first) == addressesOf(second) == ["192.0.2.80"]
        assert first[0][0].ttl is not None and second[0][0].ttl is not None
        # Their TTL has counted down since an earlier test, too.
        assert second[0][0].ttl < first[0][0].ttl <= 300


@pytest_twisted.ensureDeferred
async def test_hangingResolverLosesTheRace(forwarders: dict[str, LivePeer]) -> None:
    """
    A hanging resolver does not delay a race of two.
    """
    both = "".join([f":(udp:[{forwarders[name].address}]:{forwarders[name].port})" for name in ("unbound", "named")])
    async with resolverFrom(f"race:delay=0.1{both}") as resolver:
        forwarders["unbound"].pause()
        try:
            for _ in range(5):
                assert addressesOf(await resolver.lookupAddress("www.first.example", 1.0)) == ["192.0.2.80"]
        finally:
            forwarders["unbound"].resume()


@pytest_twisted.ensureDeferred
async def test_domainIsRoutedToItsServer(forwarders: dict[str, LivePeer], upstream: LivePeer) -> None:
    """
    Names of a routed domain go to its server, all other names to the default one.
    """
    inner = f"udp:{upstream.address}:{upstream.port}"
    outer = f"udp:{forwarders['named'].address}:{forwarders['named'].port}"
    async with resolverFrom(f"route:first.example=({inner}):{outer}") as resolver:
        assert (await resolver.lookupAddress("www.first.example")).server == f"{upstream.address}:{upstream.port}"
        assert (await resolver.lookupAddress("www.second.example")).server.endswith(f":{forwarders['named'].port}")
