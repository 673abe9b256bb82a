"""
Make one connection attempt: to one address, over TCP, optionally with TLS. Wrap protocols and factories transparently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast
from typing import Protocol as Shape

from twisted.internet.defer import Deferred
from twisted.internet.error import NoProtocol, TimeoutError
from twisted.internet.interfaces import (
    IFileDescriptorReceiver,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
)
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

if TYPE_CHECKING:
    from twisted.internet.interfaces import (
        IAddress,
        IConnector,
        IDelayedCall,
        IOpenSSLClientConnectionCreator,
        IReactorTCP,
        IReactorTime,
        ITCPTransport,
    )
    from twisted.protocols.tls import TLSMemoryBIOProtocol

__all__ = [
    "BindAddress",
    "ConnectorFactory",
    "Dialing",
    "Handshake",
    "ProtocolWrapper",
    "RecordingFactory",
    "Securing",
    "dial",
    "failureOf",
    "newTimeout",
]

#: The local address: an address; or a pair of address and port, where the address may be empty; L{None} leaves it to the kernel. See
#: L{IReactorTCP.connectTCP<twisted.internet.interfaces.IReactorTCP.connectTCP>}.
BindAddress: TypeAlias = "str | tuple[str, int] | None"

_T = TypeVar("_T")

#: Makes the TLS handshake of one attempt from the reactor, the factory of the caller's protocol, the seconds for the attempt, and the
#: address and port of the server.
Securing: TypeAlias = "Callable[[IReactorTime, RecordingFactory, float, str, int], Handshake]"

#: Optional interfaces of protocols that transports check for.
_ASKED_FOR: Final = (IHalfCloseableProtocol, IFileDescriptorReceiver, IHandshakeListener)

failureOf: Final[Callable[[BaseException], Failure]] = Failure
newTimeout: Final[Callable[..., TimeoutError]] = TimeoutError


class ConnectorFactory(Shape):
    """
    What connectors call of a L{ClientFactory<twisted.internet.protocol.ClientFactory>}, with types.
    """

    def doStart(self) -> None: ...

    def doStop(self) -> None: ...

    def startedConnecting(self, connector: IConnector) -> None: ...

    def buildProtocol(self, addr: IAddress) -> IProtocol | None: ...

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None: ...

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None: ...


class ProtocolWrapper(Protocol):
    """
    Passes all events on to C{inner}, except C{connectionMade}: subclasses connect C{inner} to the transport themselves.
    """

    def __init__(self, inner: IProtocol) -> None:
        self.inner = inner
        directlyProvides(self, *[each for each in _ASKED_FOR if each.providedBy(inner)])

    def logPrefix(self) -> str:
        prefix: Callable[[], str] | None = getattr(self.inner, "logPrefix", None)
        return type(self.inner).__name__ if prefix is None else prefix()

    def dataReceived(self, data: bytes) -> None:
        self.inner.dataReceived(data)

    def fileDescriptorReceived(self, descriptor: int) -> None:
        cast(IFileDescriptorReceiver, self.inner).fileDescriptorReceived(descriptor)

    def readConnectionLost(self) -> None:
        cast(IHalfCloseableProtocol, self.inner).readConnectionLost()

    def writeConnectionLost(self) -> None:
        cast(IHalfCloseableProtocol, self.inner).writeConnectionLost()

    def handshakeCompleted(self) -> None:
        cast(IHandshakeListener, self.inner).handshakeCompleted()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.inner.connectionLost(reason)


class _Forwarding:
    """
    The part of a factory that starts and stops with another one.
    """

    noisy = False
    _factory: IProtocolFactory

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()


@implementer(IProtocolFactory)
class RecordingFactory(_Forwarding):
    """
    Builds protocols with the caller's factory, and records an exception that it raises: trying other targets would not help then.
    """

    def __init__(self, factory: IProtocolFactory) -> None:
        self.failure: Failure | None = None
        self._factory = factory

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        return self.call(self._factory.buildProtocol, addr)

    def call(self, function: Callable[..., _T], *arguments: object) -> _T:
        try:
            return function(*arguments)
        except BaseException as error:
            self.failure = failureOf(error)
            raise


def dial(
    reactor: IReactorTime,
    address: str,
    port: int,
    building: RecordingFactory,
    timeout: float,
    bindAddress: tuple[str, int] | None,
    securing: Securing | None,
) -> Deferred[IProtocol]:
    """
    Connect to an address.

    @param timeout: seconds for the attempt, including the TLS handshake.
    @param securing: makes the TLS handshake; L{None} for plain TCP.

    @return: fires with the factory's protocol after its C{makeConnection}, with TLS after the handshake. Cancelling it closes the
        connection.
    """
    def connect(dialing: Dialing) -> Deferred[IProtocol]:
        return dialing.begin(cast("IReactorTCP", reactor).connectTCP(address, port, dialing, timeout, bindAddress))

    if securing is None:
        return connect(Dialing(building, building.call))
    return securing(reactor, building, timeout, address, port).begin(connect)


class Dialing(_Forwarding, ClientFactory):
    """
    A connection being established. Twisted's endpoints do the same, but if the protocol's C{makeConnection} raises, their Deferred never
    fires and cannot be canceled.
    """

    def __init__(self, factory: IProtocolFactory, call: Callable[..., object]) -> None:
        self.call = call
        self._factory = factory
        self._result: Deferred[IProtocol] = Deferred(self._canceled)
        self._connector: IConnector | None = None
        self._arrived = self._over = False

    def begin(self, connector: IConnector) -> Deferred[IProtocol]:
        self._connector = connector
        return self._result

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        if self._over:
            return None
        self._arrived = True
        try:
            protocol = self._factory.buildProtocol(cast("IAddress", addr))
            if protocol is None:
                raise NoProtocol()
        except BaseException as error:
            self.failed(failureOf(error))
            return None
        # The factory may have canceled it.
        return None if self._over else _Beginning(self, protocol)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.failed(reason)

    def made(self, protocol: IProtocol) -> None:
        if not self._over:
            self._over = True
            self._result.callback(protocol)

    def failed(self, failure: Failure) -> None:
        if not self._over:
            self._over = True
            self._result.errback(failure)

    def _canceled(self, result: Deferred[IProtocol]) -> None:
        self._over = True
        connector = self._connector
        if connector is not None and self._arrived:
            connector.disconnect()
        elif connector is not None:
            connector.stopConnecting()


class _Beginning(ProtocolWrapper):
    """
    Reports whether the inner protocol's C{makeConnection} succeeds.
    """

    def __init__(self, dialing: Dialing, inner: IProtocol) -> None:
        super().__init__(inner)
        self._dialing = dialing

    def connectionMade(self) -> None:
        try:
            self._dialing.call(self.inner.makeConnection, self.transport)
        except BaseException as error:
            self._dialing.failed(failureOf(error))
            cast("ITCPTransport", self.transport).abortConnection()
        else:
            self._dialing.made(self.inner)


@implementer(IProtocolFactory)
class _Handing(_Forwarding):
    def __init__(self, handshake: Handshake, building: RecordingFactory) -> None:
        self._handshake = handshake
        self._factory = building

    def buildProtocol(self, addr: IAddress) -> IProtocol:
        self._handshake.address = addr
        return self._handshake


@implementer(IHandshakeListener)
class Handshake(Protocol):
    """
    Takes the place of the caller's protocol until the TLS handshake is complete. The caller's factory is called only then, so that a server
    with an invalid certificate is skipped like one that refuses the connection.

    @ivar isOver: whether the attempt has succeeded, failed or been cancelled.
    """

    address: IAddress

    def __init__(
        self, reactor: IReactorTime, building: RecordingFactory, timeout: float, creator: IOpenSSLClientConnectionCreator
    ) -> None:
        """
        @param building: builds the caller's protocol.
        @param timeout: seconds for the attempt.
        @param creator: the TLS settings.
        """
        self._reactor = reactor
        self._recordingFactory = building
        self._creator = creator
        self._result: Deferred[IProtocol] = Deferred(self._canceled)
        self.isOver = False
        self._timer: IDelayedCall = reactor.callLater(timeout, self._late)
        self._dialing: Deferred[IProtocol] | None = None

    def begin(self, connect: Callable[[Dialing], Deferred[IProtocol]]) -> Deferred[IProtocol]:
        """
        Connect.

        @return: fires with the caller's protocol when the connection is secured.
        """
        self._dialing = connect(Dialing(self.wrapped(), _called))
        self._dialing.addErrback(self.failed)
        return self._result

    def wrapped(self) -> IProtocolFactory:
        """
        Return the factory for the protocol on TCP, which is that of TLS.
        """
        return self.encrypting()

    def encrypting(self) -> IProtocolFactory:
        """
        Return the factory for TLS, which builds this protocol inside.
        """
        from twisted.protocols.tls import TLSMemoryBIOFactory

        factory: IProtocolFactory = TLSMemoryBIOFactory(self._creator, True, _Handing(self, self._recordingFactory), self._reactor)
        return factory

    def refusal(self) -> BaseException | None:
        """
        Return why the server is not used although the handshake is complete, or L{None}.
        """
        return None

    def described(self, reason: Failure) -> Failure:
        """
        Return the failure of the attempt, given why the connection has ended during the handshake.
        """
        return reason

    def handshakeCompleted(self) -> None:
        tls = cast("TLSMemoryBIOProtocol", self.transport)
        if self.isOver or tls.disconnecting:
            return
        refusal = self.refusal()
        if refusal is not None:
            self.failed(failureOf(refusal))
            tls.abortConnection()
            return
        try:
            protocol = self._recordingFactory.buildProtocol(self.address)
            if protocol is None:
                raise NoProtocol()
            tls.wrappedProtocol = protocol
            self._recordingFactory.call(protocol.makeConnection, tls)
            if IHandshakeListener.providedBy(protocol):
                self._recordingFactory.call(protocol.handshakeCompleted)
        except BaseException as error:
            self.failed(failureOf(error))
            tls.abortConnection()
            return
        self.done(protocol)

    def done(self, protocol: IProtocol) -> None:
        """
        Note that the caller's protocol has been connected.
        """
        self.ended()
        self._result.callback(protocol)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.failed(self.described(reason))

    def failed(self, failure: Failure) -> None:
        """
        End the attempt, unless it is over.
        """
        if not self.isOver:
            self.ended()
            self._result.errback(failure)

    def _late(self) -> None:
        self.failed(failureOf(newTimeout() if self.transport is None else newTimeout(string="TLS took too long")))
        self.close()

    def _canceled(self, result: Deferred[IProtocol]) -> None:
        self.ended()
        self.close()

    def ended(self) -> None:
        """
        Note that the attempt is over, successful or not.
        """
        self.isOver = True
        if self._timer.active():
            self._timer.cancel()

    def close(self) -> None:
        """
        Close the connection, or stop connecting.
        """
        if self.transport is not None:
            cast("TLSMemoryBIOProtocol", self.transport).abortConnection()
        elif self._dialing is not None:
            self._dialing.cancel()


def _called(function: Callable[..., _T], *arguments: object) -> _T:
    return function(*arguments)
