"""
The test case for connections to hosts on a memory network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from tests.addrinfo.routes import reachFrom
from tests.networks import NetworkTestCase
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints.endpoints import TargetsEndpoint
from twisted_ext.testing.sources import CannedSource, Entry

__all__ = ["Client", "ReachingTestCase", "RecordingProtocol"]


class RecordingProtocol(Protocol):
    """
    One end of a connection, which is closed with the test.
    """

    lost: Failure | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason

    @property
    def peer(self) -> str:
        """
        Return the address and port of the other end.
        """
        assert self.transport is not None
        where = self.transport.getPeer()
        return f"{getattr(where, 'host', '')} {getattr(where, 'port', '')}"


class Client(Factory[RecordingProtocol]):
    """
    Builds and remembers protocols.

    @ivar built: all protocols so far.
    """

    noisy = False
    protocol = RecordingProtocol

    def __init__(self) -> None:
        self.built: list[RecordingProtocol] = []

    def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
        made = RecordingProtocol()
        self.built.append(made)
        return made


class ReachingTestCase(NetworkTestCase):
    """
    Connections between hosts with known addresses, with ten milliseconds of delay each way.

    @ivar dials: the time and address of each attempt.
    """

    def setUp(self) -> None:
        super().setUp()
        self.startRecording()

    def startRecording(self) -> None:
        """
        Record the connection attempts of the client's host.
        """

        def source(address: str) -> str:
            return self.here.sourceFor(address, "0.0.0.0")

        reachFrom(self, source)
        self.client = Client()
        self.dials: list[tuple[float, str]] = []
        real = self.here.connectTCP

        def connectTCP(host: str, *rest: object, **named: object) -> object:
            self.dials.append((round(self.here.seconds(), 6), host))
            return cast("Callable[..., object]", real)(host, *rest, **named)

        self.patch(self.here, "connectTCP", connectTCP)

    def zone(self, records: Mapping[tuple[str, str], Entry]) -> NamesResolver:
        """
        Return a resolver with these records and no others.
        """
        self.source = CannedSource(records, [])
        return NamesResolver(self.source, self.here)

    def listen(self, *addresses: str, port: int = 80) -> None:
        """
        Accept connections, at a host for each address.
        """
        for address in addresses:
            there = self.network.reactor(address)
            factory = ServerFactory()
            factory.noisy = False
            factory.protocol = Protocol
            there.listenTCP(port, factory, interface="::" if ":" in address else "0.0.0.0")

    def refuse(self, *addresses: str) -> None:
        """
        Create hosts that refuse connections.
        """
        for address in addresses:
            self.network.reactor(address)

    def connect(self, endpoint: IStreamClientEndpoint) -> Deferred[IProtocol]:
        """
        Start to connect.
        """
        return endpoint.connect(self.client)

    def reached(self, connecting: Deferred[IProtocol]) -> str:
        """
        Close the connection and return the address that it led to.
        """
        protocol = cast(RecordingProtocol, self.successResultOf(connecting))
        peer = protocol.peer
        assert protocol.transport is not None
        protocol.transport.loseConnection()
        self.network.advance(1.0)
        return peer

    def targets(self, *hosts: str, priorities: tuple[int, ...] = ()) -> list[Target]:
        """
        Return targets for these hosts, at port 80.
        """
        ranks = priorities or (0,) * len(hosts)
        return [Target(host, 80, rank) for host, rank in zip(hosts, ranks, strict=True)]

    def endpoint(self, *hosts: str, resolver: NamesResolver | None = None, priorities: tuple[int, ...] = ()) -> TargetsEndpoint:
        """
        Return an endpoint for these hosts.
        """
        return TargetsEndpoint(self.here, self.targets(*hosts, priorities=priorities), resolver=resolver or self.zone({}))
