"""
Programs on the real reactor, which look names up through an installed resolver and connect over loopback.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol as Shape
from typing import cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IListeningPort, IReactorPluggableResolver, IReactorTCP
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from twisted_ext.edges.install import globalReactor
from twisted_ext.edges.resolvers import Resolver
from twisted_ext.testing.servers import CannedServer

__all__: list[str] = []

RECORDS = {
    ("four.example", "A"): "127.0.0.1",
    ("both.example", "A"): "127.0.0.1",
    ("both.example", "AAAA"): "::1",
    ("six.example", "AAAA"): "::1",
}


def _hasIPv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class _Page(Resource):
    """
    Says by which address it was reached.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        @return: the address.
        """
        return str(getattr(request.client, "host", "")).encode()


class _Connecting(ClientFactory):
    """
    Tells what becomes of a connection: the address, or why there is none.
    """

    noisy = False

    def __init__(self) -> None:
        self.done: Deferred[str] = Deferred()

    def buildProtocol(self, addr: object) -> Protocol:
        factory = self

        class Brief(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.loseConnection()

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                factory.done.callback(str(getattr(addr, "host", "")))

        return Brief()

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.done.errback(reason)


class _Body(Protocol):
    """
    Collects what a web server says.
    """

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(b"".join(self._parts))


class _Response(Shape):
    """
    What the web client gives.
    """

    def deliverBody(self, protocol: Protocol) -> None:
        """
        Tell a protocol what comes.
        """


_agent: Callable[..., IAgent] = Agent
_pool: Callable[..., object] = HTTPConnectionPool
_site = cast(Callable[..., ServerFactory], Site)


class Rig:
    """
    A web server on both families and a name server that knows it, on the real reactor.
    """

    def __init__(self) -> None:
        self.reactor = globalReactor()
        self.tcp = cast(IReactorTCP, self.reactor)
        self.server = CannedServer(RECORDS)
        where = self.server.listen(self.reactor, 0, "127.0.0.1")
        self.resolver = Resolver(servers=[(where.address, where.port)], reactor=self.reactor)
        site = _site(_Page())
        site.noisy = False
        first = self.tcp.listenTCP(0, site, interface="127.0.0.1")
        self.port = int(getattr(first.getHost(), "port", 0))
        self.listening: list[IListeningPort] = [first, self.tcp.listenTCP(self.port, site, interface="::1")]

    async def connectTCP(self, name: str) -> str:
        """
        @return: the address that C{connectTCP} connects to.
        """
        connecting = _Connecting()
        self.tcp.connectTCP(name, self.port, connecting)
        return await connecting.done

    async def connectEndpoint(self, name: str) -> str:
        """
        @return: the address that an endpoint connects to.
        """
        connecting = _Connecting()
        await HostnameEndpoint(self.reactor, name, self.port).connect(connecting)
        return await connecting.done

    async def fetch(self, name: str) -> str:
        """
        @return: what the web server says.
        """
        response = await _agent(self.reactor, pool=_pool(self.reactor, persistent=False)).request(
            b"GET", f"http://{name}:{self.port}/".encode()
        )
        body = _Body()
        cast(_Response, response).deliverBody(body)
        return (await body.done).decode()

    async def close(self) -> None:
        """
        Leave nothing behind.
        """
        await self.resolver.close()
        await self.server.close()
        for port in self.listening:
            await cast("Deferred[None]", port.stopListening())


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """
    Set everything up and take it down again.
    """
    if not _hasIPv6():
        pytest.skip("this machine has no IPv6 loopback")
    made = Rig()
    try:
        yield made
    finally:
        await made.close()


@pytest_twisted.ensureDeferred
async def test_installed() -> None:
    """
    With C{install}, endpoints and Twisted's web client reach hosts of either family and of both.
    """
    async with rig() as made:
        undo = made.resolver.install()
        try:
            for name, addresses in (
                ("four.example", ["127.0.0.1"]),
                ("six.example", ["::1"]),
                ("both.example", ["::1", "127.0.0.1"]),
            ):
                assert await made.connectEndpoint(name) in addresses
                assert await made.fetch(name) in addresses
            assert await made.connectEndpoint("both.example") == "::1"
        finally:
            undo()


@pytest_twisted.ensureDeferred
async def test_connectTCP() -> None:
    """
    With C{install}, C{connectTCP} reaches hosts of IPv4 and of both, and fails clearly where there is IPv6 only.
    """
    async with rig() as made:
        undo = made.resolver.install()
        try:
            assert await made.connectTCP("four.example") == "127.0.0.1"
            assert await made.connectTCP("both.example") == "127.0.0.1"
            with pytest.raises(DNSLookupError):
                await made.connectTCP("six.example")
        finally:
            undo()


@pytest_twisted.ensureDeferred
async def test_bare() -> None:
    """
    The line of Twisted's tour: C{installResolver} alone serves C{connectTCP} and endpoints to hosts that have IPv4. To one that has
    not, C{connectTCP} fails at once, and says why.
    """
    async with rig() as made:
        reactor = cast(IReactorPluggableResolver, made.reactor)
        before = reactor.installResolver(made.resolver)
        try:
            for name in ("four.example", "both.example"):
                assert await made.connectTCP(name) == "127.0.0.1"
                assert await made.connectEndpoint(name) == "127.0.0.1"
            assert await made.connectEndpoint("six.example") == "::1"
            with pytest.raises(DNSLookupError, match="no address of IPv4"):
                await made.connectTCP("six.example")
        finally:
            reactor.installResolver(before)
