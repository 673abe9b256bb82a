"""
Hosts that the reactor's own resolver accepts are accepted after C{install} as well: the same spellings, with the same result, on the real
reactor.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final, cast

import pytest
import pytest_twisted
from twisted.internet._resolver import GAIResolver
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorCore,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorThreads,
    IResolutionReceiver,
    IResolverSimple,
    ITCPTransport,
)
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.patience import PATIENCE
from twisted_ext.client import createResolver
from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.servers import whereOf

__all__: list[str] = []

#: Hosts as text and as octets: names of this machine, addresses in all the spellings of inet_aton(3), and invalid ones.
HOSTS: Final[tuple[str | bytes, ...]] = (
    "localhost",
    b"localhost",
    b"LOCALHOST",
    "127.0.0.1",
    b"127.0.0.1",
    "127.1",
    b"127.1",
    "0x7f.1",
    "0X7F.0x1",
    "0177.1",
    "017700000001",
    "2130706433",
    "0",
    "00",
    "::1",
    b"::1",
    "0:0::1",
    "::ffff:127.0.0.1",
    "*",
    "",
    "08.1",
    "0x",
    "256.1",
    "4294967296",
    "1.2.3.4.5",
    "127.1 ",
    "no such.invalid",
    b"\xff.invalid",
    b"nosuch.invalid",
)

_FAMILIES: Final[tuple[list[type[IAddress]] | None, ...]] = (None, [IPv4Address], [IPv6Address])

_reactor = globalReactor


@implementer(IResolutionReceiver)
class _Receiver:
    """
    Record the results of a resolution.
    """

    def __init__(self) -> None:
        self.began: list[object] = []
        self.addresses: list[IAddress] = []
        self.completed: Deferred[None] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.began.append(resolutionInProgress.name)

    def addressResolved(self, address: IAddress) -> None:
        self.addresses.append(address)

    def resolutionComplete(self) -> None:
        self.completed.callback(None)


async def _resolved(
    resolver: IHostnameResolver, host: str | bytes, types: list[type[IAddress]] | None, transport: str
) -> tuple[object, ...]:
    received = _Receiver()
    resolver.resolveHostName(received, cast(str, host), 80, types, transport)
    await received.completed.addTimeout(PATIENCE, _reactor())
    return received.began, sorted([str(address) for address in received.addresses])


def _theirs() -> GAIResolver:
    reactor = cast(IReactorThreads, _reactor())
    return GAIResolver(reactor, reactor.getThreadPool)


@pytest.fixture
def ours() -> NamesResolver:
    """
    Return a resolver whose server does not exist.
    """
    return createResolver(servers=[("127.0.0.1", 9)])


@pytest.mark.parametrize("host", HOSTS, ids=repr)
@pytest_twisted.ensureDeferred
async def test_resolveHostNameEqualsTwisted(host: str | bytes, ours: NamesResolver) -> None:
    """
    C{resolveHostName} gives the result of the reactor's own resolver, for each family and transport.
    """
    try:
        for types in _FAMILIES:
            for transport in ("TCP", "UDP"):
                expected = await _resolved(_theirs(), host, types, transport)
                assert await _resolved(ours, host, types, transport) == expected, (types, transport)
    finally:
        await ours.close()


class _Connected(Protocol):
    """
    A connection that ends as soon as it is made.
    """

    def connectionMade(self) -> None:
        cast(ITCPTransport, self.transport).abortConnection()


class _Connecting(ClientFactory):
    """
    Record the result of a connection.
    """

    noisy = False

    def __init__(self) -> None:
        self.outcome: Deferred[object] = Deferred()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        self.outcome.callback(str(addr))
        return _Connected()

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.outcome.callback(reason.type)


@pytest.fixture
def twistedResolver() -> Iterator[None]:
    """
    Give the reactor its initial resolver. Earlier programs may have left one by C{installResolver}, whose wrapper accepts no C{bytes}.
    """
    pluggable = cast(IReactorPluggableNameResolver, _reactor())
    before = pluggable.installNameResolver(_theirs())
    yield
    pluggable.installNameResolver(before)


@pytest.mark.usefixtures("twistedResolver")
@pytest.mark.parametrize("host", HOSTS, ids=repr)
@pytest_twisted.ensureDeferred
async def test_connectTCPActsAsBeforeInstall(host: str | bytes, ours: NamesResolver) -> None:
    """
    After C{install}, C{reactor.connectTCP} and C{reactor.resolve} treat every host as before, and the factory is notified.
    """
    reactor = _reactor()
    accepting = ServerFactory()
    accepting.noisy = False
    accepting.protocol = Protocol
    port = cast(IReactorTCP, reactor).listenTCP(0, accepting, interface="127.0.0.1")

    async def outcomes() -> list[object]:
        connecting = _Connecting()
        cast(IReactorTCP, reactor).connectTCP(cast(str, host), whereOf(port.getHost())[1], connecting)
        found: list[object] = [await connecting.outcome.addTimeout(PATIENCE, reactor)]
        try:
            found.append(await cast(IReactorCore, reactor).resolve(cast(str, host)).addTimeout(PATIENCE, reactor))
        except DNSLookupError:
            found.append(DNSLookupError)
        return found

    try:
        before = await outcomes()
        undo = ours.install(cast(IReactorPluggableNameResolver, reactor))
        try:
            assert await outcomes() == before
        finally:
            undo()
    finally:
        await ours.close()
        stopping = port.stopListening()
        if stopping is not None:
            await stopping


@pytest.mark.parametrize("host", ["localhost", b"localhost", "127.1", b"0x7f.1", "2130706433", "0"], ids=repr)
@pytest_twisted.ensureDeferred
async def test_getHostByNameEqualsCLibrary(host: str | bytes, ours: NamesResolver) -> None:
    """
    C{getHostByName} of L{IResolverSimple} returns what C{gethostbyname} of the C library returns.
    """
    try:
        simple = cast(IResolverSimple, ours)
        expected = socket.gethostbyname(cast(str, host))
        assert await simple.getHostByName(cast(str, host)) == expected
    finally:
        await ours.close()
