"""
Helpers for tests of HTTPS connections: clients on a memory network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, ServerFactory, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from tests.server.listeners.https2peers import HTTP2Client, goneIn
from tests.server.listeners.streams import StreamTestCase
from tests.server.listeners.tlsstreams import PAIR, Contexts
from tests.typed import clientOf
from twisted_ext.server.listeners.connection import StreamServing
from twisted_ext.server.listeners.https.frames import PREFACE
from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.request import Endpoint
from twisted_ext.server.listeners.https.serving import ALPN, httpsServing
from twisted_ext.server.listeners.stream import StreamFactory
from twisted_ext.server.listeners.tls.certificates import Certificates, ContextFactory
from twisted_ext.testing.streams import MemoryConnection

__all__ = ["HTTPSTestCase", "PlainPeer", "RawClient", "WebClient"]

_P = TypeVar("_P", bound=Protocol)


class WebClient(Protocol, HTTP2Client):
    """
    A client of HTTP/2 on the memory network.

    @ivar reads: whether it lets the server go on sending.
    @ivar lost: whether the connection has ended.
    """

    transport: MemoryConnection

    def __init__(self) -> None:
        HTTP2Client.__init__(self)
        self.reads = True
        self.lost = False

    def connectionMade(self) -> None:
        self.flush()

    def flush(self) -> None:
        """
        Send what there is to send.
        """
        data = self.take()
        if data and not self.lost:
            self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        self.receive(data, grant=self.reads)
        self.flush()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True


class PlainPeer(Protocol):
    """
    A client that sends octets.

    @ivar received: what it received.
    @ivar lost: whether the connection has ended.
    """

    transport: MemoryConnection

    def __init__(self) -> None:
        self.received = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True


class RawClient(PlainPeer):
    """
    A client that sends frames of HTTP/2 as a test says.
    """

    def connectionMade(self) -> None:
        self.transport.write(PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")

    @property
    def gone(self) -> tuple[int, bytes] | None:
        """
        Return the error code and the reason of the server's GOAWAY, or L{None}.
        """
        return goneIn(self.received)


class _Port(ServerFactory):
    noisy = False

    def __init__(self, servings: StreamFactory, memory: HeadMemory, contexts: ContextFactory | None = None) -> None:
        self._servings = servings
        self._make = httpsServing(servings.replySource, memory, contexts)

    def buildProtocol(self, addr: IAddress | None) -> StreamServing | None:
        return self._servings.buildProtocol(addr, self._make)


class HTTPSTestCase(StreamTestCase):
    """
    Tests with an HTTPS server, without TLS at port 443 and with it at 444. Each test must leave nothing open on the server's host.
    """

    def serve(self, **bounds: int) -> StreamFactory:
        servings = super().serve(**bounds)
        self.memory = HeadMemory(Endpoint())
        self.there.listenTCP(443, _Port(servings, self.memory))
        contexts = Certificates([PAIR], self.there.seconds).contextFactory(ALPN)
        self.there.listenTCP(444, _Port(servings, self.memory, contexts))
        return servings

    def dial(self, make: Callable[[], _P], address: str = "192.0.2.7") -> _P:
        """
        Return a connected client.
        """
        reactor = self.network.hostAt(address) or self.network.reactor(address)
        client = make()
        reactor.connectTCP("192.0.2.53", 443, clientOf(lambda: client))
        self.network.advance(0.01)
        return client

    def shake(self, make: Callable[[], _P], protocol: bytes) -> _P:
        """
        Return a client that is connected over TLS, and that has chosen this protocol.
        """
        reactor = self.network.hostAt("192.0.2.7") or self.network.reactor("192.0.2.7")
        client = make()
        inner: Factory = clientOf(lambda: client)
        reactor.connectTCP("192.0.2.53", 444, TLSMemoryBIOFactory(Contexts(alpn=[protocol]), True, inner, reactor))
        self.network.advance(0.1)
        return client
