# What is used here of Twisted's TLS, which has no types.

from OpenSSL.SSL import Connection
from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

class TLSMemoryBIOProtocol(ProtocolWrapper):
    negotiatedProtocol: bytes | None
    def getHandle(self) -> Connection: ...
    def _tlsShutdownFinished(self, reason: Failure | None) -> None: ...
    def failVerification(self, reason: Failure) -> None: ...

class TLSMemoryBIOFactory(WrappingFactory[TLSMemoryBIOProtocol]):
    def __init__(
        self, contextFactory: object, isClient: bool, wrappedFactory: IProtocolFactory, clock: IReactorTime | None = None
    ) -> None: ...
