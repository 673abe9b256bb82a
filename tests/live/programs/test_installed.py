"""
Programs on the real reactor that look up names in NSD through an installed resolver and connect over loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Protocol as Shape
from typing import cast

import pytest
import pytest_twisted
import treq
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorPluggableResolver
from twisted.mail.relaymanager import MXCalculator
from twisted.names import dns, resolve
from twisted.names import error as names_error

from tests.live.asking import HEAD, addressesOf, resolving
from tests.live.programs.web import Rig, rig
from tests.peers import LivePeer, nsd
from tests.typed import newServer
from twisted_ext import client
from twisted_ext.client import Resolver
from twisted_ext.testing.servers import whereOf

__all__: list[str] = []

ZONE = f"""\
{HEAD}
four  A    127.0.0.1
both  A    127.0.0.1
both  AAAA ::1
six   AAAA ::1
text  TXT  "no address"
alias CNAME both
far   CNAME alias
mail4 MX   20 four
mail4 MX   10 both
mail6 MX   10 six
mail6 MX   20 four
mailalias CNAME mail6
void  MX   0 .
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, LivePeer]]:
    """
    Start NSD at an IPv4 and at an IPv6 address.
    """
    zones = {"programs.example": ZONE}
    with ExitStack() as stack:
        yield {address: stack.enter_context(nsd(zones, address=address)) for address in ("127.0.0.1", "::1")}


@pytest.fixture(params=["127.0.0.1", "::1"])
def peer(servers: dict[str, LivePeer], request: pytest.FixtureRequest) -> LivePeer:
    """
    Return each of these servers.
    """
    return servers[str(request.param)]


class _Exchanges(Shape):
    """
    The mail exchange calculator.
    """

    def getMX(self, domain: str) -> Deferred[dns.Record_MX]:
        """
        Return a Deferred with the mail exchange.
        """


_calculator: Callable[..., _Exchanges] = MXCalculator
_chain = cast("Callable[..., Resolver]", resolve.ResolverChain)


@pytest_twisted.ensureDeferred
async def test_installServesEndpointsAndWebClient(peer: LivePeer) -> None:
    """
    After C{install}, endpoints and Twisted's web client reach hosts of either family and of both, also through aliases.
    """
    async with rig(Resolver(servers=[peer.server])) as made:
        undo = made.resolver.install()
        try:
            for name, addresses in (
                ("four.programs.example", ["127.0.0.1"]),
                ("six.programs.example", ["::1"]),
                ("both.programs.example", ["::1", "127.0.0.1"]),
                ("far.programs.example", ["::1", "127.0.0.1"]),
            ):
                assert await made.connectEndpoint(name) in addresses
                assert await made.fetch(name) in addresses
            assert await made.connectEndpoint("both.programs.example") == "::1"
            for name in ("nothing.programs.example", "text.programs.example"):
                with pytest.raises(DNSLookupError):
                    await made.connectEndpoint(name)
                with pytest.raises(DNSLookupError):
                    await made.fetch(name)
        finally:
            undo()


@pytest_twisted.ensureDeferred
async def test_installServesTreq(peer: LivePeer) -> None:
    """
    After C{install}, treq reaches hosts of either family, also through aliases.
    """
    async with rig(Resolver(servers=[peer.server])) as made:
        undo = made.resolver.install()
        try:
            for name, addresses in (("four", ["127.0.0.1"]), ("six", ["::1"]), ("far", ["::1", "127.0.0.1"])):
                url = f"http://{name}.programs.example:{made.port}/"
                response = await treq.get(url, persistent=False)
                assert await treq.text_content(response) in addresses
            with pytest.raises(DNSLookupError):
                await treq.get(f"http://nothing.programs.example:{made.port}/", persistent=False)
        finally:
            undo()


@pytest_twisted.ensureDeferred
async def test_fallsBackToIPv4(peer: LivePeer) -> None:
    """
    A host of both families is reached when only IPv4 works.
    """
    async with rig(Resolver(servers=[peer.server])) as made:
        undo = made.resolver.install()
        try:
            await made.withoutIPv6()
            assert await made.connectEndpoint("both.programs.example") == "127.0.0.1"
            assert await made.fetch("both.programs.example") == "127.0.0.1"
            with pytest.raises(ConnectError):
                await made.connectEndpoint("six.programs.example")
        finally:
            undo()


@pytest_twisted.ensureDeferred
async def test_connectTCPNeedsIPv4(peer: LivePeer) -> None:
    """
    After C{install}, C{connectTCP} reaches hosts with IPv4, and fails with a clear error for IPv6-only hosts.
    """
    async with rig(Resolver(servers=[peer.server])) as made:
        undo = made.resolver.install()
        try:
            for name in ("four", "both", "far"):
                assert await made.connectTCP(f"{name}.programs.example") == "127.0.0.1"
            for name in ("six", "text", "nothing"):
                with pytest.raises(DNSLookupError):
                    await made.connectTCP(f"{name}.programs.example")
        finally:
            undo()


@pytest_twisted.ensureDeferred
async def test_installResolverAloneServesIPv4(peer: LivePeer) -> None:
    """
    C{installResolver(createResolver(servers=...))}, the line of Twisted's tour, serves C{connectTCP} and endpoints for hosts with IPv4.
    C{connectTCP} to an IPv6-only host fails at once with the reason.
    """
    async with rig(client.createResolver(servers=[peer.server])) as made:
        reactor = cast(IReactorPluggableResolver, made.reactor)
        before = reactor.installResolver(made.resolver)
        try:
            for name in ("four.programs.example", "both.programs.example", "far.programs.example"):
                assert await made.connectTCP(name) == "127.0.0.1"
                assert await made.connectEndpoint(name) == "127.0.0.1"
                assert await made.fetch(name) == "127.0.0.1"
            assert await made.connectEndpoint("six.programs.example") == "::1"
            with pytest.raises(DNSLookupError, match="no IPv4 address"):
                await made.connectTCP("six.programs.example")
            with pytest.raises(DNSLookupError):
                await made.connectEndpoint("nothing.programs.example")
        finally:
            reactor.installResolver(before)


@pytest_twisted.ensureDeferred
async def test_installServesIPv6OnlyHosts(peer: LivePeer) -> None:
    """
    After C{install} of the resolver of C{createResolver}, IPv6-only hosts and names of this machine are reached.
    """
    async with rig(client.createResolver(servers=[peer.server])) as made:
        reactor = cast(IReactorPluggableNameResolver, made.reactor)
        before = reactor.nameResolver
        undo = made.resolver.install()
        try:
            assert await made.connectEndpoint("six.programs.example") == "::1"
            assert await made.fetch("six.programs.example") == "::1"
            assert await made.connectEndpoint("localhost") in ("::1", "127.0.0.1")
            assert await made.connectEndpoint("127.0.0.1") == "127.0.0.1"
            assert await made.connectEndpoint("::1") == "::1"
        finally:
            undo()
        assert reactor.nameResolver is before


@pytest_twisted.ensureDeferred
async def test_moduleFunctionsUseInstalledResolver(peer: LivePeer) -> None:
    """
    The functions of the module use the resolver of the process, which C{install} puts into the reactor.
    """
    before = client.theResolver
    async with rig(Resolver(servers=[peer.server])) as made:
        client.theResolver = made.resolver
        try:
            undo = client.install()
            try:
                assert await made.connectEndpoint("six.programs.example") == "::1"
            finally:
                undo()
            assert addressesOf(await client.lookupAddress("four.programs.example")) == ["127.0.0.1"]
            assert await client.getHostByName("six.programs.example") == "::1"
            assert await client.getHostByName("both.programs.example") == "127.0.0.1"
            records, _, _ = await client.lookupZone("programs.example")
            assert len(records) == 16
            told = await client.explain("far.programs.example", "AAAA")
            assert "::1" in told.text
        finally:
            client.theResolver = before


async def _deliver(made: Rig, domain: str) -> tuple[str, str]:
    """
    Return the mail exchange of a domain, and the address at which it is reached.
    """
    exchange = await _calculator(made.resolver).getMX(domain)
    return str(exchange.name), await made.connectEndpoint(str(exchange.name))


@pytest_twisted.ensureDeferred
async def test_mailFindsItsExchange(peer: LivePeer) -> None:
    """
    Mail goes to the best exchange of either family, through aliases, or to the host itself without MX records. It is returned where there
    is no host.
    """
    async with rig(Resolver(servers=[peer.server])) as made:
        undo = made.resolver.install()
        try:
            assert await _deliver(made, "mail4.programs.example") == ("both.programs.example", "::1")
            assert await _deliver(made, "mail6.programs.example") == ("six.programs.example", "::1")
            assert await _deliver(made, "mailalias.programs.example") == ("six.programs.example", "::1")
            assert await _deliver(made, "four.programs.example") == ("127.0.0.1", "127.0.0.1")
            assert await _deliver(made, "six.programs.example") == ("::1", "::1")
            for domain in ("nothing.programs.example", "text.programs.example"):
                with pytest.raises(DNSLookupError):
                    await _calculator(made.resolver).getMX(domain)
        finally:
            undo()


@pytest_twisted.ensureDeferred
async def test_twistedServerForwardsToUs(peer: LivePeer) -> None:
    """
    Twisted's name server forwards queries to our resolver, alone or in a chain.
    """
    resolver = Resolver(servers=[peer.server])
    async with rig(resolver) as made:
        for clients in ([resolver], [_chain([resolver])]):
            factory = newServer(clients=clients)
            factory.noisy = False
            port = made.tcp.listenTCP(0, factory, interface="127.0.0.1")
            made.listening.append(port)
            where = ("127.0.0.1", whereOf(port.getHost())[1])
            async with resolving(where) as asking:
                message = await asking.queryTCP([dns.Query("four.programs.example", dns.A)])
                assert [str(each.payload) for each in message.answers] == ["<A address=127.0.0.1 ttl=300>"]
                message = await asking.queryTCP([dns.Query("nothing.programs.example", dns.A)])
                assert message.rCode == dns.ENAME


@pytest_twisted.ensureDeferred
async def test_twistedChainUsesOurAnswers(peer: LivePeer) -> None:
    """
    A chain of Twisted resolvers uses our answers and our name errors.
    """
    async with rig(Resolver(servers=[peer.server])) as made:
        chain = _chain([made.resolver])
        assert addressesOf(await chain.lookupAddress("four.programs.example")) == ["127.0.0.1"]
        with pytest.raises(names_error.DomainError):
            await chain.lookupAddress("nothing.programs.example")
