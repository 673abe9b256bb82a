"""
A protocol wrapper that is transparent to the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IFileDescriptorReceiver, IHalfCloseableProtocol, IHandshakeListener, IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import directlyProvides

__all__ = ["ProtocolWrapper"]

#: Optional interfaces of protocols that transports check for.
_ASKED_FOR = (IHalfCloseableProtocol, IFileDescriptorReceiver, IHandshakeListener)


class ProtocolWrapper(Protocol):
    """
    Passes all events on to C{inner}, except C{connectionMade}: subclasses connect C{inner} to the transport themselves.

    @ivar inner: the wrapped protocol.
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
        """
        Pass the event on, if the protocol uses TLS from the start.
        """
        cast(IHandshakeListener, self.inner).handshakeCompleted()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.inner.connectionLost(reason)
