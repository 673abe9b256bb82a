# What is used here of Twisted's wrappers of protocols, which have no types.

from typing import TypeVar

from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, ITCPTransport
from twisted.internet.protocol import ClientFactory, Protocol
from zope.interface import implementer

_W = TypeVar("_W", bound=ProtocolWrapper)

@implementer(ITCPTransport)
class ProtocolWrapper(Protocol):
    transport: ITCPTransport | None
    disconnecting: bool
    wrappedProtocol: IProtocol
    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...

class WrappingFactory(ClientFactory[_W]):
    protocols: dict[_W, int]
    def __init__(self, wrappedFactory: IProtocolFactory) -> None: ...
    def doStart(self) -> None: ...
    def doStop(self) -> None: ...
    def buildProtocol(self, addr: IAddress | None) -> _W | None: ...
