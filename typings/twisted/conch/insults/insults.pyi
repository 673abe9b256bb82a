# What is used here of conch's terminals, which have no types.

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol

class modes:
    IRM: int

class ServerProtocol(Protocol):
    transport: ITransport
    def __init__(self, protocolFactory: Callable[..., object] | None = None, *args: object, **named: object) -> None: ...
    def write(self, data: bytes) -> None: ...
    def nextLine(self) -> None: ...
    def resetModes(self, modes: Sequence[int]) -> None: ...
    def loseConnection(self) -> None: ...
