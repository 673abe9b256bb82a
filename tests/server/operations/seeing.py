"""
A server to inspect, and an HTTP client that talks to it without a socket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.web.server import Site as WebSite

from tests.cache.canned import question, wishes
from tests.metrics.samples import busy
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features, Keepers
from twisted_ext.server.operations.status import Answering, Status
from twisted_ext.testing.sources import CannedSource

if TYPE_CHECKING:
    from twisted_ext.metrics.counters import Counters
    from twisted_ext.packetcache.packetcache import PacketCache
    from twisted_ext.server.sources.recursor import Recursor
    from twisted_ext.server.sources.trusting import Trusting

__all__ = ["TODAY", "Answers", "Peer", "Response", "SeenServer", "objectIn", "seenServer", "talk"]

_T = TypeVar("_T")

#: The time when the server starts, in seconds since 1970.
TODAY: Final = 1.7e9


@dataclass
class Answers:
    """
    A stand-in for a responder, which only has a source.
    """

    source: IAnswerSource
    around: Callable[[IAnswerSource], IAnswerSource] | None = None


@dataclass
class _Backend:
    views: Sequence[str]
    caching: CachedSource


class SeenServer:
    """
    A stand-in for a process that answers queries.

    @ivar changes: how often the packet cache was invalidated.
    @ivar observed: how often it was to find out who looks at queries.
    @ivar reloading: returns the result of a reload.
    """

    def __init__(
        self,
        clock: IReactorTime,
        counters: Counters,
        today: Callable[[], float] = time,
        names: Iterable[str] = (),
        settings: Settings | None = None,
    ) -> None:
        """
        @param names: names that have an address.
        """
        inForce = settings or Settings.of(role="serve")
        inner = CannedSource({(name, "A"): "192.0.2.1" for name in (*names, "www.example.com", "a.sub.example.com")})
        self.counters = counters
        self.caching: CachedSource | None = CachedSource(inner, clock, today=today)
        self.source: IAnswerSource = self.caching
        self.responder: Answering = Answers(self.caching)
        self.recursor: Recursor | None = None
        self.trusting: Trusting | None = None
        self.views: Mapping[str, IAnswerSource] = {}
        self.features = Features(Site(clock, inForce))
        self.packetCache: PacketCache | None = None
        self.listening = ("udp 127.0.0.1:5300", "tcp 127.0.0.1:5300")
        self.changes = self.observed = 0
        self.reloading: Callable[[], Deferred[list[str]]] = lambda: succeed(["nothing has changed"])
        self.status = Status(clock, self, keepers=Keepers(clock, inForce), today=today)

    @property
    def backends(self) -> Sequence[_Backend]:
        """
        Its cache, if it has one.
        """
        return [] if self.caching is None else [_Backend([""], self.caching)]

    def changed(self) -> None:
        """
        Count the call.
        """
        self.changes += 1

    def observe(self) -> None:
        """
        Count the call: there are no observers.
        """
        self.observed += 1

    def reload(self) -> Deferred[list[str]]:
        """
        Return the result that was given.
        """
        return self.reloading()

    def inTurn(self, work: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        """
        Do it at once: there is no other reload.
        """
        return work()

    def goOverTo(self, settings: Settings) -> list[str]:
        """
        Make the features anew.
        """
        former = self.features
        self.features = Features(replace(former.site, settings=settings), former)
        return []

    def remember(self, *names: str) -> None:
        """
        Look names up, so that they are in the cache.
        """
        assert self.caching is not None
        for name in names:
            lookUp(self.caching, question(name), wishes())


def seenServer(clock: Clock, *names: str) -> SeenServer:
    """
    Return a server with a cache and non-zero statistics.

    @param names: names that are in the cache already.
    """
    server = SeenServer(clock, busy(), lambda: TODAY + clock.seconds(), names)
    server.remember(*names)
    return server


class Response:
    """
    An HTTP response.

    @ivar code: the status.
    @ivar headers: the headers; their names are in lower case.
    @ivar cookies: the value of each cookie that is set.
    @ivar body: the body, with chunked encoding removed.
    """

    def __init__(self, octets: bytes) -> None:
        head, _, body = octets.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.code = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in [line.partition(":") for line in lines]}
        told = [line.partition(":")[2].partition(";")[0].strip() for line in lines if line.lower().startswith("set-cookie:")]
        self.cookies = dict([each.partition("=")[::2] for each in told])
        self.body = _unchunked(body) if self.headers.get("transfer-encoding") == "chunked" else body

    @property
    def json(self) -> JSON:
        """
        The body, parsed as JSON.
        """
        value: JSON = json.loads(self.body)
        return value


def _unchunked(body: bytes) -> bytes:
    pieces: list[bytes] = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        pieces.append(body[:length])
        body = body[length + 2 :]
    return b"".join(pieces)


_begin: Final[Callable[..., None]] = StringTransportWithDisconnection.__init__
_write: Final[Callable[[StringTransportWithDisconnection, bytes], None]] = StringTransportWithDisconnection.write
_written: Final[Callable[[StringTransportWithDisconnection], bytes]] = StringTransportWithDisconnection.value
_lose: Final[Callable[[StringTransportWithDisconnection], None]] = StringTransportWithDisconnection.loseConnection


class _LimitedTransport(StringTransportWithDisconnection):
    """
    A transport that pauses its producer after a number of octets, until the test reads them.
    """

    protocol: IProtocol
    producer: IPushProducer | None

    def __init__(self, room: int, address: str) -> None:
        _begin(self, hostAddress=IPv4Address("TCP", "127.0.0.1", 80), peerAddress=IPv4Address("TCP", address, 9))
        self.room = room

    def write(self, data: bytes) -> None:
        """
        @see: L{ITransport.write<twisted.internet.interfaces.ITransport.write>}
        """
        _write(self, data)
        self.room -= len(data)
        if self.room <= 0 and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        @see: L{ITransport.writeSequence<twisted.internet.interfaces.ITransport.writeSequence>}
        """
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """
        @see: L{ITransport.loseConnection<twisted.internet.interfaces.ITransport.loseConnection>}
        """
        # As with a real transport, data that arrives after this is ignored.
        self.disconnecting = True
        _lose(self)


class Peer:
    """
    The client's end of a connection.
    """

    def __init__(self, site: Factory[Any], clock: Clock, room: int = 1 << 30, address: str = "127.0.0.1") -> None:
        """
        @param site: the server's factory.
        @param room: the number of octets that the transport accepts before the client reads them.
        @param address: the client's address.
        @raise ConnectionRefusedError: the factory refuses the connection.
        """
        self._transport = _LimitedTransport(room, address)
        self._clock = clock
        self._room = room
        protocol = site.buildProtocol(IPv4Address("TCP", address, 9))
        if protocol is None:
            raise ConnectionRefusedError
        self._transport.protocol = protocol
        protocol.makeConnection(self._transport)

    def say(self, octets: bytes) -> None:
        """
        Send octets, and let the server process them.
        """
        self._transport.protocol.dataReceived(octets)
        self._clock.advance(0)

    @property
    def heard(self) -> bytes:
        """
        Everything that the server has sent.
        """
        return _written(self._transport)

    @property
    def reading(self) -> bool:
        """
        Whether the server reads from the connection.
        """
        return self._transport.producerState == "producing"

    @property
    def connected(self) -> bool:
        """
        Whether the connection is still open.
        """
        return bool(self._transport.connected)

    def read(self) -> None:
        """
        Read everything that has arrived, which makes room for more.
        """
        self._transport.room = self._room
        assert self._transport.producer is not None
        self._transport.producer.resumeProducing()
        self._clock.advance(0)

    def leave(self) -> None:
        """
        Close the connection.
        """
        _lose(self._transport)


def talk(
    site: WebSite,
    clock: Clock,
    target: str,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    address: str = "127.0.0.1",
) -> Response:
    """
    Send one request from an address and return the response.
    """
    said = {"Host": "localhost", "Connection": "close", **({"Content-Length": str(len(body))} if body else {}), **(headers or {})}
    head = f"{method} {target} HTTP/1.1\r\n" + "".join([f"{name}: {value}\r\n" for name, value in said.items()]) + "\r\n"
    peer = Peer(site, clock, address=address)
    peer.say(head.encode("latin-1") + body)
    return Response(peer.heard)


def objectIn(value: JSON) -> dict[str, JSON]:
    """
    Return the value, which must be a JSON object.
    """
    assert isinstance(value, dict), value
    return value
