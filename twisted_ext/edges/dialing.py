"""
One attempt to connect: to one address, by TCP, with TLS on top where that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import NoProtocol, TimeoutError
from twisted.internet.interfaces import IHandshakeListener, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.services.targets import Target

if TYPE_CHECKING:
    from twisted.internet.interfaces import (
        IAddress,
        IDelayedCall,
        IOpenSSLClientConnectionCreator,
        IProtocol,
        IReactorTime,
    )
    from twisted.protocols.tls import TLSMemoryBIOProtocol

__all__ = ["BindAddress", "Building", "Secure", "dial"]

#: What to connect from: an address; or a pair of it and a port, in which the address may be empty; L{None} leaves it to the system. See
#: L{IReactorTCP.connectTCP<twisted.internet.interfaces.IReactorTCP.connectTCP>}.
BindAddress: TypeAlias = "str | tuple[str, int] | None"

#: Says how to secure the connection to a target; L{None} for not at all.
Secure: TypeAlias = "Callable[[Target], IOpenSSLClientConnectionCreator | None]"

_failureOf: Final[Callable[[BaseException], Failure]] = Failure
_newTimeout: Final[Callable[..., TimeoutError]] = TimeoutError


@implementer(IProtocolFactory)
class Building:
    """
    Builds protocols with the caller's factory, and remembers if that fails: no other target would help then.

    @ivar failure: what the factory raised.
    """

    noisy = False

    def __init__(self, factory: IProtocolFactory) -> None:
        self.failure: Failure | None = None
        self._factory = factory

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        try:
            return self._factory.buildProtocol(addr)
        except BaseException as error:
            self.failure = _failureOf(error)
            raise

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()


def dial(
    reactor: IReactorTime,
    address: str,
    target: Target,
    building: Building,
    timeout: float,
    bindAddress: tuple[str, int] | None,
    secure: Secure | None,
) -> Deferred[IProtocol]:
    """
    Connect to an address of a target.

    @param timeout: seconds, for TLS as well.

    @return: fires with the protocol that the factory has built; where there is TLS, once that stands. Cancelling it leaves nothing open.
    """
    creator = None if secure is None else secure(target)
    kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
    endpoint = kind(reactor, address, target.port, timeout, bindAddress)
    if creator is None:
        return endpoint.connect(building)
    return _Handshake(reactor, building, timeout).begin(endpoint, creator)


@implementer(IProtocolFactory)
class _Handing:
    """
    Hands a handshake to the connection that it is for.
    """

    noisy = False

    def __init__(self, handshake: _Handshake, building: Building) -> None:
        self._handshake = handshake
        self._building = building

    def buildProtocol(self, addr: IAddress) -> IProtocol:
        self._handshake.address = addr
        return self._handshake

    def doStart(self) -> None:
        self._building.doStart()

    def doStop(self) -> None:
        self._building.doStop()


@implementer(IHandshakeListener)
class _Handshake(Protocol):
    """
    Stands for the caller's protocol until there is TLS. Before that the caller's factory is not asked, so that a server with a certificate
    that is wrong is passed over as one is that refuses.

    @ivar address: the server's.
    """

    address: IAddress

    def __init__(self, reactor: IReactorTime, building: Building, timeout: float) -> None:
        self._reactor = reactor
        self._building = building
        self._result: Deferred[IProtocol] = Deferred(self._canceled)
        self._over = False
        self._timer: IDelayedCall = reactor.callLater(timeout, self._late)
        self._dialing: Deferred[IProtocol] | None = None

    def begin(
        self, endpoint: TCP4ClientEndpoint | TCP6ClientEndpoint, creator: IOpenSSLClientConnectionCreator
    ) -> Deferred[IProtocol]:
        """
        Connect, and shake hands.
        """
        from twisted.protocols.tls import TLSMemoryBIOFactory

        factory = TLSMemoryBIOFactory(creator, True, _Handing(self, self._building), self._reactor)
        self._dialing = endpoint.connect(factory)
        self._dialing.addErrback(self._failed)
        return self._result

    def handshakeCompleted(self) -> None:
        tls = cast("TLSMemoryBIOProtocol", self.transport)
        if self._over or tls.disconnecting:
            return
        try:
            protocol = self._building.buildProtocol(self.address)
            if protocol is None:
                raise NoProtocol()
            tls.wrappedProtocol = protocol
            protocol.makeConnection(tls)
            if IHandshakeListener.providedBy(protocol):
                protocol.handshakeCompleted()
        except BaseException as error:
            self._failed(_failureOf(error))
            tls.abortConnection()
            return
        self._end()
        self._result.callback(protocol)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._failed(reason)

    def _failed(self, failure: Failure) -> None:
        if not self._over:
            self._end()
            self._result.errback(failure)

    def _late(self) -> None:
        self._failed(_failureOf(_newTimeout() if self.transport is None else _newTimeout(string="TLS took too long")))
        self._close()

    def _canceled(self, result: Deferred[IProtocol]) -> None:
        self._end()
        self._close()

    def _end(self) -> None:
        self._over = True
        if self._timer.active():
            self._timer.cancel()

    def _close(self) -> None:
        if self.transport is not None:
            cast("TLSMemoryBIOProtocol", self.transport).abortConnection()
        elif self._dialing is not None:
            self._dialing.cancel()
