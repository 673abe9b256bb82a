"""
What tests of endpoints connect with and to: hosts on a memory network.
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

__all__ = ["Client", "ReachingTestCase", "Told"]


class Told(Protocol):
    """
    One end of a connection, which is closed with the test.
    """

    lost: Failure | None = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason

    @property
    def peer(self) -> str:
        """
        Where the other end is.
        """
        assert self.transport is not None
        where = self.transport.getPeer()
        return f"{getattr(where, 'host', '')} {getattr(where, 'port', '')}"


class Client(Factory[Told]):
    """
    Builds and remembers.

    @ivar built: all that it has built.
    """

    noisy = False
    protocol = Told

    def __init__(self) -> None:
        self.built: list[Told] = []

    def buildProtocol(self, addr: IAddress | None) -> Told:
        made = Told()
        self.built.append(made)
        return made


class ReachingTestCase(NetworkTestCase):
    """
    Connections from one host to others, whose addresses are known at once. What is on its way takes ten milliseconds each way.

    @ivar dials: when attempts began, and where to.
    """

    def setUp(self) -> None:
        super().setUp()
        self.watch()

    def watch(self) -> None:
        """
        Connect from the client's host, as it is now.
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
        @return: a resolver that knows these, and that other names have no records.
        """
        self.source = CannedSource(records, [])
        return NamesResolver(self.source, self.here)

    def listen(self, *addresses: str, port: int = 80) -> None:
        """
        Accept connections there, each on a host of its own.
        """
        for address in addresses:
            there = self.network.reactor(address)
            factory = ServerFactory()
            factory.noisy = False
            factory.protocol = Protocol
            there.listenTCP(port, factory, interface="::" if ":" in address else "0.0.0.0")

    def refuse(self, *addresses: str) -> None:
        """
        Have hosts there that accept no connection.
        """
        for address in addresses:
            self.network.reactor(address)

    def connect(self, endpoint: IStreamClientEndpoint) -> Deferred[IProtocol]:
        """
        Begin to connect.
        """
        return endpoint.connect(self.client)

    def reached(self, connecting: Deferred[IProtocol]) -> str:
        """
        @return: where a connection leads, which is closed then.
        """
        told = cast(Told, self.successResultOf(connecting))
        peer = told.peer
        assert told.transport is not None
        told.transport.loseConnection()
        self.network.advance(1.0)
        return peer

    def targets(self, *places: str, priorities: tuple[int, ...] = ()) -> list[Target]:
        """
        @param places: hosts, at port 80.
        """
        ranks = priorities or (0,) * len(places)
        return [Target(place, 80, rank) for place, rank in zip(places, ranks, strict=True)]

    def endpoint(self, *places: str, resolver: NamesResolver | None = None, priorities: tuple[int, ...] = ()) -> TargetsEndpoint:
        """
        @return: an endpoint for these.
        """
        return TargetsEndpoint(self.here, self.targets(*places, priorities=priorities), resolver=resolver or self.zone({}))
