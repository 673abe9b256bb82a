"""
UDP ports of an in-memory network.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.interfaces import IListeningPort, IUDPTransport
from twisted.internet.protocol import AbstractDatagramProtocol
from zope.interface import implementer

from twisted_ext.testing.lifecycles import DatagramReceiver, newCannotListen
from twisted_ext.testing.links import Datagram
from twisted_ext.testing.network import normal

if TYPE_CHECKING:
    from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["MemoryPort"]

#: The largest payload of a UDP datagram in octets.
_MOST = 65507


@implementer(IListeningPort, IUDPTransport)
class MemoryPort:
    """
    A UDP port of one host.
    """

    def __init__(self, reactor: MemoryReactor, port: int, protocol: AbstractDatagramProtocol, interface: str, maxPacketSize: int) -> None:
        self.protocol = protocol
        self._receiving = cast(DatagramReceiver, protocol)
        self.interface = normal(interface) if interface else "0.0.0.0"
        self.maxPacketSize = maxPacketSize
        self.port = port
        self.peer: tuple[str, int] | None = None
        self._reactor = reactor
        self._listening = False

    def startListening(self) -> None:
        self.port = self._reactor.bindDatagram(self, self.port)
        self._listening = True
        self.protocol.makeConnection(self)

    def stopListening(self) -> Deferred[None]:
        if self._listening:
            self._listening = False
            self._reactor.unbindDatagram(self)
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
        if ip_address(self.interface).is_unspecified:
            return (":" in address) == (":" in self.interface)
        return address == self.interface

    def received(self, datagram: Datagram) -> None:
        """
        Handle a datagram for this port.
        """
        host, port = datagram.source
        addr = (host, port) if ":" not in host else (host, port, 0, 0)
        self._receiving.datagramReceived(datagram.octets[: self.maxPacketSize], addr)

    def refused(self, destination: tuple[str, int]) -> None:
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


def taken(interface: str, port: int) -> CannotListenError:
    """
    Return the error that a reactor raises when a port is in use.
    """
    return newCannotListen(interface, port, OSError(98, "Address already in use"))

