"""
TCP on an in-memory network: listening ports, connectors, connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError, UserError
from twisted.internet.interfaces import (
    IConnector,
    IConsumer,
    IDelayedCall,
    IListeningPort,
    IProducer,
    IProtocol,
    IProtocolFactory,
    IPullProducer,
    IPushProducer,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.endpoints.dial import ConnectorFactory, failureOf, newTimeout
from twisted_ext.testing.datagrams import normal

if TYPE_CHECKING:
    from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["MemoryConnection", "MemoryConnector", "MemoryListener"]

#: Octets in flight at which a producer is paused.
_WINDOW: Final = 65536

#: Seconds that a stream is delayed by a lost packet.
_RESEND: Final = 1.0

_newRefusal: Final[Callable[..., ConnectionRefusedError]] = ConnectionRefusedError
_newUserError: Final[Callable[[], UserError]] = UserError


def _address(host: str, port: int) -> IPv4Address | IPv6Address:
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)


@implementer(IListeningPort)
class MemoryListener:
    def __init__(self, reactor: MemoryReactor, port: int, factory: IProtocolFactory, interface: str) -> None:
        self.interface = normal(interface) if interface else "0.0.0.0"
        self.factory = factory
        self.port = port
        self._reactor = reactor
        self._listening = False

    def startListening(self) -> None:
        self.port = self._reactor.bind(self._reactor.listeners, self, self.port)
        self._listening = True
        self.factory.doStart()

    def stopListening(self) -> Deferred[None]:
        if self._listening:
            self._listening = False
            del self._reactor.listeners[self.interface, self.port]
            self.factory.doStop()
        return succeed(None)

    loseConnection = stopListening

    def getHost(self) -> IPv4Address | IPv6Address:
        return _address(self.interface, self.port)

    def __repr__(self) -> str:
        return f"TCP listener {self.interface}:{self.port}"


@implementer(IConnector)
class MemoryConnector:
    def __init__(self, reactor: MemoryReactor, host: str, port: int, factory: ConnectorFactory, timeout: float | None) -> None:
        self.factory = factory
        self.state = "disconnected"
        self.transport: MemoryConnection | None = None
        self._reactor = reactor
        self._host = host
        self._port = port
        self._timeout = timeout
        self._timer: IDelayedCall | None = None
        self._tries = 0

    def connect(self) -> None:
        if self.state != "disconnected":
            raise RuntimeError("can't connect in this state")
        self.state = "connecting"
        self._tries += 1
        self._reactor.connectors.append(self)
        self.factory.doStart()
        self.factory.startedConnecting(self)
        if self.state != "connecting":
            return
        if self._timeout is not None:
            self._timer = self._reactor.callLater(self._timeout, self._failed, self._tries, newTimeout())
        tries = self._tries
        self._reactor.resolve(self._host).addCallbacks(
            lambda address: self._dial(tries, normal(address)), lambda failure: self._failed(tries, failure.value)
        )

    def disconnect(self) -> None:
        if self.state == "connecting":
            self.stopConnecting()
        elif self.transport is not None:
            self.transport.loseConnection()

    def stopConnecting(self) -> None:
        if self.state != "connecting":
            raise RuntimeError("not connecting")
        self._failed(self._tries, _newUserError())

    def getDestination(self) -> IPv4Address | IPv6Address:
        return _address(self._host, self._port)

    def _dial(self, tries: int, address: str) -> None:
        if self._over(tries):
            return
        reactor = self._reactor
        network = reactor.network
        later = network.clock.callLater
        network.dialed[address, self._port] += 1
        try:
            source = reactor.sourceFor(address, "0.0.0.0")
        except OSError as error:
            later(0, self._failed, tries, _newRefusal(str(error)))
            return
        there = network.linkBetween(source, address)
        back = network.linkBetween(address, source)
        if not there.silent and not back.silent and self._port not in there.blocked:
            later(there.delay, self._arrive, tries, source, address, back.delay)

    def _arrive(self, tries: int, source: str, address: str, delay: float) -> None:
        if self._over(tries):
            return
        reactor = self._reactor
        later = reactor.network.clock.callLater
        host = reactor.network.hostAt(address, reactor)
        if host is None:
            return
        listener = host.listenerFor(address, self._port)
        if listener is None:
            later(delay, self._failed, tries, _newRefusal())
            return
        near = MemoryConnection(reactor, _address(source, reactor.ephemeral()), _address(address, self._port))
        far = MemoryConnection(host, near.peer, near.host)
        near.other, far.other = far, near
        later(delay, self._connected, tries, near)
        protocol = listener.factory.buildProtocol(near.host)
        if protocol is None:
            far.abortConnection()
        else:
            far.begin(protocol, None)

    def _connected(self, tries: int, connection: MemoryConnection) -> None:
        if self._over(tries):
            connection.abortConnection()
            return
        self._stopTimer()
        self._reactor.connectors.remove(self)
        self.state = "connected"
        self.transport = connection
        protocol = self.factory.buildProtocol(connection.peer)
        if protocol is None:
            connection.abortConnection()
            self._lost(failureOf(ConnectionDone()))
        else:
            connection.begin(protocol, self._lost)

    def _lost(self, reason: Failure) -> None:
        self.state = "disconnected"
        self.transport = None
        self.factory.clientConnectionLost(self, reason)
        if self.state == "disconnected":
            self.factory.doStop()

    def _failed(self, tries: int, error: BaseException) -> None:
        if self._over(tries):
            return
        self._stopTimer()
        self._reactor.connectors.remove(self)
        self.state = "disconnected"
        self.factory.clientConnectionFailed(self, failureOf(error))
        if self.state == "disconnected":
            self.factory.doStop()

    def _over(self, tries: int) -> bool:
        return tries != self._tries or self.state != "connecting"

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def __repr__(self) -> str:
        return f"connecting to {self._host}:{self._port} over TCP"


@implementer(ITCPTransport, IConsumer, IPushProducer)
class MemoryConnection:
    """
    One end of a connection.

    @ivar host: the local address and port.
    @ivar peer: the remote address and port.
    """

    other: MemoryConnection

    def __init__(self, reactor: MemoryReactor, host: IPv4Address | IPv6Address, peer: IPv4Address | IPv6Address) -> None:
        self.host = host
        self.peer = peer
        self.connected = False
        self.disconnecting = False
        self.protocol: IProtocol | None = None
        self._reactor = reactor
        self._clock = reactor.network.clock
        self._onLost: Callable[[Failure], None] | None = None
        self._over = False
        self._paused = False
        self._held: list[Callable[[], None]] = []
        self._lastArrival = 0.0
        self._flying = 0
        self._producer: IProducer | None = None
        self._pushing: IPushProducer | None = None
        self._pulling: IPullProducer | None = None
        self._producerPaused = False

    def begin(self, protocol: IProtocol, onLost: Callable[[Failure], None] | None) -> None:
        if self._over:
            return
        self.protocol = protocol
        self._onLost = onLost
        self.connected = True
        self._reactor.connections.append(self)
        protocol.makeConnection(self)
        self._release()

    # -- ITransport

    def write(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError("Data must not be str" if isinstance(data, str) else "Data must be bytes")
        if self._over or not data:
            return
        network = self._reactor.network
        for piece in network.linkBetween(self.host.host, self.peer.host).pieces(data):
            self._flying += len(piece)
            self._send(partial(self.other.arrived, piece))
        if self._pushing is not None and self._flying > _WINDOW and not self._producerPaused:
            self._producerPaused = True
            self._pushing.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        if self._over or self.disconnecting:
            return
        self.disconnecting = True
        if self._producer is None:
            self._finish(ConnectionDone(), ConnectionDone())

    def loseWriteConnection(self) -> None:
        """
        Does nothing: this network does not carry a half-close to the peer.
        """

    def abortConnection(self) -> None:
        if not self._over:
            self._finish(ConnectionAborted(), ConnectionLost())

    def getPeer(self) -> IPv4Address | IPv6Address:
        return self.peer

    def getHost(self) -> IPv4Address | IPv6Address:
        return self.host

    def getTcpNoDelay(self) -> bool:
        return False

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def getTcpKeepAlive(self) -> bool:
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass

    # -- IConsumer, IPushProducer

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        if self._over:
            producer.stopProducing()
            return
        self._producer = producer
        self._pushing = cast(IPushProducer, producer) if streaming else None
        self._pulling = None if streaming else cast(IPullProducer, producer)
        if not streaming:
            self._clock.callLater(0, self._pull)

    def unregisterProducer(self) -> None:
        self._producer = self._pushing = self._pulling = None
        self._producerPaused = False
        if self.disconnecting and not self._over:
            self._finish(ConnectionDone(), ConnectionDone())

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._release()

    def stopProducing(self) -> None:
        self.loseConnection()

    # -- events caused by the peer

    def arrived(self, octets: bytes) -> None:
        self._hold(lambda: self._take(octets))

    def ended(self, error: BaseException) -> None:
        self._hold(lambda: self._close(error))

    def acknowledged(self, count: int) -> None:
        self._flying -= count
        if self._over:
            return
        if self._pulling is not None:
            self._clock.callLater(0, self._pull)
        elif self._pushing is not None and self._producerPaused and self._flying <= _WINDOW // 2:
            self._producerPaused = False
            self._pushing.resumeProducing()

    def _take(self, octets: bytes) -> None:
        self.other.acknowledged(len(octets))
        if self.protocol is not None:
            self.protocol.dataReceived(octets)

    def _hold(self, event: Callable[[], None]) -> None:
        self._held.append(event)
        self._release()

    def _release(self) -> None:
        while self._held and self.connected and not self._paused and not self._over:
            self._held.pop(0)()

    def _pull(self) -> None:
        if self._pulling is not None and not self._over and self._flying <= _WINDOW:
            self._pulling.resumeProducing()

    def _send(self, event: Callable[[], None]) -> None:
        network = self._reactor.network
        link = network.linkBetween(self.host.host, self.peer.host)
        if link.silent:
            return
        delay = link.delay
        while link.loss and network.dice.random() < min(link.loss, 0.99):
            delay += _RESEND
        self._lastArrival = max(self._lastArrival, self._clock.seconds() + delay)
        self._clock.callLater(max(0.0, self._lastArrival - self._clock.seconds()), event)

    def _finish(self, ours: BaseException, theirs: BaseException) -> None:
        self._over = True
        self._send(lambda: self.other.ended(theirs))
        self._clock.callLater(0, self._end, ours)

    def _close(self, error: BaseException) -> None:
        self._over = True
        self._end(error)

    def _end(self, error: BaseException) -> None:
        if not self.connected:
            return
        self.connected = False
        self._reactor.connections.remove(self)
        producer = self._producer
        self._producer = self._pushing = self._pulling = None
        if producer is not None:
            producer.stopProducing()
        reason = failureOf(error)
        # As Twisted's own connections, which keep nothing alive after their end.
        protocol, self.protocol = self.protocol, None
        onLost, self._onLost = self._onLost, None
        if protocol is not None:
            protocol.connectionLost(reason)
        if onLost is not None:
            onLost(reason)

    def __repr__(self) -> str:
        return f"TCP connection {self.host.host}:{self.host.port} to {self.peer.host}:{self.peer.port}"
