# What is used here of Twisted's connections in memory, which have no types.

from twisted.internet.interfaces import IProtocol, ITCPTransport
from zope.interface import implementer

@implementer(ITCPTransport)
class FakeTransport:
    disconnecting: bool

class IOPump:
    def flush(self) -> bool: ...

def makeFakeClient(clientProtocol: IProtocol) -> FakeTransport: ...
def makeFakeServer(serverProtocol: IProtocol) -> FakeTransport: ...
def connect(
    serverProtocol: IProtocol, serverTransport: FakeTransport, clientProtocol: IProtocol, clientTransport: FakeTransport
) -> IOPump: ...
