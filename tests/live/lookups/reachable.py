"""
Servers on loopback addresses that can be reached, and others that fail in different ways.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol as Shape
from typing import cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IReactorTCP, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, ServerFactory, connectionDone
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from tests.certificates import certificateFor
from twisted_ext.client import Resolver
from twisted_ext.compat.install import globalReactor
from twisted_ext.testing.servers import CannedServer, Reply, whereOf

__all__ = ["FOUR", "SIX", "RecordingFactory", "Setup", "ClientProtocol", "needsIPv6"]

#: The addresses of all servers.
FOUR, SIX = "127.0.0.1", "::1"

#: Connections that wait for a server that never accepts. One fills the queue.
_FILLING = 6


def needsIPv6() -> None:
    """
    Skip a test on a machine without a loopback address of IPv6.
    """
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((SIX, 0))
    except OSError:
        pytest.skip("this machine has no loopback address of IPv6")


class _HasPort(Shape):
    """
    An address with a port.
    """

    port: int


class ClientProtocol(Protocol):
    """
    One end of a connection.

    @ivar lost: fires when it is gone.
    @ivar heard: fires when something has been heard.
    """

    def __init__(self) -> None:
        self.lost: Deferred[None] = Deferred()
        self.heard: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if not self.heard.called:
            self.heard.callback(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)

    def peer(self) -> tuple[str, int]:
        """
        Return the address of the other end.
        """
        assert self.transport is not None
        where = self.transport.getPeer()
        return str(getattr(where, "host", "")), int(getattr(where, "port", 0))

    async def close(self) -> tuple[str, int]:
        """
        Close it.

        @return: where the other end was.
        """
        where = self.peer()
        assert self.transport is not None
        self.transport.loseConnection()
        await self.lost
        return where


class RecordingFactory(Factory[ClientProtocol]):
    """
    Build protocols and remember them.
    """

    noisy = False

    def __init__(self) -> None:
        self.built: list[ClientProtocol] = []

    def buildProtocol(self, addr: object) -> ClientProtocol:
        self.built.append(ClientProtocol())
        return self.built[-1]


class _AcceptingFactory(ServerFactory):
    """
    Accept connections and remember their protocols.
    """

    noisy = False

    def __init__(self, words: bytes) -> None:
        self.words = words
        self.taken: list[Protocol] = []

    def buildProtocol(self, addr: object) -> Protocol:
        return _GreetingProtocol(self)


class _GreetingProtocol(Protocol):
    """
    Send the greeting of its server.
    """

    def __init__(self, taking: _AcceptingFactory) -> None:
        self._taking = taking

    def connectionMade(self) -> None:
        assert self.transport is not None
        self._taking.taken.append(self)
        if self._taking.words:
            self.transport.write(self._taking.words)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._taking.taken.remove(self)


class Setup:
    """
    Everything that one test has set up. It is closed after the test.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._ports: list[IListeningPort] = []
        self._canned: list[CannedServer] = []
        self._resolvers: list[Resolver] = []
        self._taking: list[_AcceptingFactory] = []

    async def __aenter__(self) -> Setup:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        for port in self._ports:
            await cast("Deferred[None]", port.stopListening())
        for taking in self._taking:
            for protocol in list(taking.taken):
                cast(ITCPTransport, protocol.transport).abortConnection()
        for resolver in self._resolvers:
            await resolver.close()
        for canned in self._canned:
            await canned.close()

    def _socket(self, address: str, port: int = 0) -> socket.socket:
        made = self._stack.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
        made.bind((address, port))
        return made

    def dead(self, address: str = FOUR, port: int = 0) -> int:
        """
        Start a server that neither accepts nor refuses connections: its queue is full, and later ones are dropped.

        @return: its port.
        """
        return int(self._full(address, port).getsockname()[1])

    def _full(self, address: str, port: int = 0) -> socket.socket:
        server = self._socket(address, port)
        server.listen(0)
        for _ in range(_FILLING):
            filling = self._stack.enter_context(socket.socket(server.family))
            filling.setblocking(False)
            filling.connect_ex(server.getsockname())
        return server

    def slow(self, address: str = FOUR, seconds: float = 0.4) -> int:
        """
        Start a server that accepts connections after a while: the kernel repeats those that were dropped until then.

        @return: its port.
        """
        server = self._full(address)
        taking = _AcceptingFactory(b"hello")
        self._taking.append(taking)
        reactor = globalReactor()

        def begin() -> None:
            server.setblocking(False)
            apply = cast(_Adopting, reactor).adoptStreamPort
            self._ports.append(apply(server.fileno(), server.family, taking))

        timer = reactor.callLater(seconds, begin)

        def end() -> None:
            if timer.active():
                timer.cancel()

        self._stack.callback(end)
        return int(server.getsockname()[1])

    def refusing(self, address: str = FOUR) -> int:
        """
        Reserve a port on which no program listens.

        @return: the port.
        """
        return int(self._socket(address).getsockname()[1])

    def accepting(self, address: str = FOUR, port: int = 0, certificate: str = "", speaking: bool = True) -> int:
        """
        Have a server.

        @param certificate: the host that it has one for; C{""} for no TLS.
        @param speaking: whether it says anything at all.

        @return: its port.
        """
        taking = _AcceptingFactory(b"hello" if speaking else b"")
        self._taking.append(taking)
        factory: ServerFactory = taking
        if certificate:
            own = cast("Callable[[bytes], PrivateCertificate]", PrivateCertificate.loadPEM)(certificateFor(certificate))
            options = CertificateOptions(own.privateKey.original, own.original)
            factory = cast(ServerFactory, TLSMemoryBIOFactory(options, False, taking, globalReactor()))
        listening = IReactorTCP(globalReactor()).listenTCP(port, factory, interface=address)
        self._ports.append(listening)
        return whereOf(listening.getHost())[1]

    def resolverWith(self, records: Mapping[tuple[str, str], Reply]) -> Resolver:
        """
        Return a resolver whose server has these records.
        """
        resolver = Resolver(servers=[(FOUR, self.server(records).port)])
        self._resolvers.append(resolver)
        return resolver

    def server(self, records: Mapping[tuple[str, str], Reply]) -> _HasPort:
        """
        Return the address of a server that has only these records.
        """
        canned = CannedServer(records, otherwise=[])
        self._canned.append(canned)
        return canned.listen(globalReactor(), 0, FOUR)


class _Adopting(Shape):
    """
    A reactor that takes over sockets.
    """

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: ServerFactory) -> IListeningPort:
        """
        Accept connections there.
        """
