"""
UDP ports of an in-memory network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.interfaces import IListeningPort, IUDPTransport
from twisted.internet.protocol import AbstractDatagramProtocol
from zope.interface import implementer

from twisted_ext.testing.network import Address, Datagram, isUnspecified, normal

if TYPE_CHECKING:
    from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["MemoryPort", "newCannotListen"]

#: The largest payload of a UDP datagram in octets.
_MOST = 65507

newCannotListen: Final[Callable[[str, int, OSError], CannotListenError]] = CannotListenError


class _Receiver(Protocol):
    """
    The methods of a UDP protocol, including what Twisted's classes leave out: addresses of four elements, and refusals.
    """

    def doStop(self) -> None: ...

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None: ...

    def connectionRefused(self) -> None: ...


@implementer(IListeningPort, IUDPTransport)
class MemoryPort:
    def __init__(self, reactor: MemoryReactor, port: int, protocol: AbstractDatagramProtocol, interface: str, maxPacketSize: int) -> None:
        self.protocol = protocol
        self._receiving = cast(_Receiver, protocol)
        self.interface = normal(interface) if interface else "0.0.0.0"
        self.maxPacketSize = maxPacketSize
        self.port = port
        self.peer: Address | None = None
        self._reactor = reactor
        self._listening = False

    def startListening(self) -> None:
        self.port = self._reactor.bind(self._reactor.datagramPorts, self, self.port)
        self._listening = True
        self.protocol.makeConnection(self)

    def stopListening(self) -> Deferred[None]:
        if self._listening:
            self._listening = False
            del self._reactor.datagramPorts[self.interface, self.port]
            self._receiving.doStop()
        return succeed(None)

    loseConnection = stopListening

    def getHost(self) -> IPv4Address | IPv6Address:
        return (IPv6Address if ":" in self.interface else IPv4Address)("UDP", self.interface, self.port)

    def connect(self, host: str, port: int) -> None:
        if self.peer is not None:
            raise RuntimeError("already connected, reconnecting is not currently supported")
        self.peer = (normal(host), port)
        # Choose a route at once, as the kernel does.
        self._reactor.sourceFor(self.peer[0], self.interface)

    def write(self, packet: bytes, addr: tuple[str, int] | tuple[str, int, int, int] | None = None) -> None:
        if len(packet) > _MOST:
            raise MessageLengthError("message too long")
        if self.peer is not None:
            destination = self.peer
        elif addr is not None:
            destination = (normal(addr[0]), addr[1])
        else:
            raise ValueError("a port that is not connected needs a destination")
        source = self._reactor.sourceFor(destination[0], self.interface)
        self._reactor.network.carry(self._reactor, (source, self.port), destination, packet)

    def writeSequence(self, packet: list[bytes], addr: tuple[str, int]) -> None:
        self.write(b"".join(packet), addr)

    def takes(self, datagram: Datagram) -> bool:
        """
        Return whether a datagram is for this port: of the right family, and from the peer if the port is connected.
        """
        address = datagram.destination[0]
        if self.peer is not None and datagram.source != self.peer:
            return False
        if isUnspecified(self.interface):
            return (":" in address) == (":" in self.interface)
        return address == self.interface

    def received(self, datagram: Datagram) -> None:
        host, port = datagram.source
        addr = (host, port) if ":" not in host else (host, port, 0, 0)
        self._receiving.datagramReceived(datagram.octets[: self.maxPacketSize], addr)

    def refused(self, destination: Address) -> None:
        """
        Handle an ICMP error: no process listens at C{destination}.
        """
        if self.peer == destination:
            self._receiving.connectionRefused()

    def setBroadcastAllowed(self, enabled: bool) -> None:
        pass

    def getBroadcastAllowed(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"UDP port {self.interface}:{self.port}"
