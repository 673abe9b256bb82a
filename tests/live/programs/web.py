"""
A web server on both families, and clients that connect to it by name, on the real reactor.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol as Shape
from typing import cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IListeningPort, IReactorTCP
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent
from twisted.web.server import Request

from tests.pages import Page, siteOf
from twisted_ext.client import NamesResolver
from twisted_ext.compat.install import globalReactor
from twisted_ext.testing.servers import whereOf

__all__ = ["Rig", "rig"]


def _hasIPv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class _Page(Page):
    """
    A page that names the address that it was reached by.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Return the address.
        """
        return str(getattr(request.client, "host", "")).encode()


class _Connecting(ClientFactory):
    """
    Record the result of a connection: the address, or the failure.
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
    Collect the body of a response.
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
    A response of the web client.
    """

    def deliverBody(self, protocol: Protocol) -> None:
        """
        Deliver the body to a protocol.
        """


_agent: Callable[..., IAgent] = Agent
_pool: Callable[..., object] = HTTPConnectionPool


class Rig:
    """
    A web server on both families whose page names the address that it was reached by.

    @ivar resolver: the resolver of the programs, which is closed with the rest.
    @ivar port: the port of the web server.
    """

    def __init__(self, resolver: NamesResolver) -> None:
        self.reactor = globalReactor()
        self.tcp = cast(IReactorTCP, self.reactor)
        self.resolver = resolver
        site = siteOf(_Page())
        first = self.tcp.listenTCP(0, site, interface="127.0.0.1")
        self.port = whereOf(first.getHost())[1]
        self.listening: list[IListeningPort] = [first, self.tcp.listenTCP(self.port, site, interface="::1")]

    async def withoutIPv6(self) -> None:
        """
        Listen on IPv4 alone from now on.
        """
        await cast("Deferred[None]", self.listening.pop().stopListening())

    async def connectTCP(self, name: str) -> str:
        """
        Return the address that C{connectTCP} connects to.
        """
        connecting = _Connecting()
        self.tcp.connectTCP(name, self.port, connecting)
        return await connecting.done

    async def connectEndpoint(self, name: str) -> str:
        """
        Return the address that an endpoint connects to.
        """
        connecting = _Connecting()
        await HostnameEndpoint(self.reactor, name, self.port).connect(connecting)
        return await connecting.done

    async def fetch(self, name: str) -> str:
        """
        Return the page.
        """
        response = await _agent(self.reactor, pool=_pool(self.reactor, persistent=False)).request(
            b"GET", f"http://{name}:{self.port}/".encode()
        )
        body = _Body()
        cast(_Response, response).deliverBody(body)
        return (await body.done).decode()

    async def close(self) -> None:
        """
        Close everything.
        """
        await self.resolver.close()
        for port in self.listening:
            await cast("Deferred[None]", port.stopListening())


@asynccontextmanager
async def rig(resolver: NamesResolver) -> AsyncIterator[Rig]:
    """
    Start everything, and stop it afterwards.
    """
    if not _hasIPv6():
        pytest.skip("this machine has no IPv6 loopback")
    made = Rig(resolver)
    try:
        yield made
    finally:
        await made.close()
