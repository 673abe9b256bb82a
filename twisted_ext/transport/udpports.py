"""
UDP sockets for queries on reactors without file descriptors: in-memory networks, IOCP.
"""

from __future__ import annotations

import socket

from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.interfaces import IListeningPort, IReactorTime, IReactorUDP, IUDPTransport
from twisted.internet.protocol import DatagramProtocol

from twisted_ext.limits import PORT_TRIES
from twisted_ext.transport.datagram import DatagramExchange
from twisted_ext.transport.random import Draw
from twisted_ext.transport.udpsockets import SIZE, QuerySocket, unreachable

__all__ = ["PortMaker", "PortSocket"]


class PortSocket(QuerySocket):
    """
    A UDP port of the reactor, connected to the server.
    """

    __slots__ = ("_port", "_protocol")

    def __init__(self, exchange: DatagramExchange, port: IListeningPort, protocol: _Receiver) -> None:
        super().__init__(exchange, protocol.write)
        self._port = port
        self._protocol = protocol

    def shut(self) -> None:
        self._protocol.socket = None
        self._port.stopListening()

    def mute(self) -> None:
        self._protocol.socket = None


class _Receiver(DatagramProtocol):
    noisy = False
    transport: IUDPTransport

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self.socket: PortSocket | None = None

    def write(self, octets: bytes) -> None:
        """
        Send to the server that the port is connected to.
        """
        try:
            self.transport.write(octets, None)
        except MessageLengthError as error:
            raise OSError(str(error)) from error

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        receiver = self.socket
        if receiver is not None and receiver.exchange.server.isAt(addr[0], addr[1]):
            receiver.arrived(datagram[:SIZE], self.clock.seconds())

    def connectionRefused(self) -> None:
        receiver = self.socket
        if receiver is not None:
            receiver.broken(ConnectionRefusedError("connection refused"), self.clock.seconds())


class PortMaker:
    """
    Makes connected UDP ports with random numbers.
    """

    def __init__(self, reactor: IReactorUDP, draw: Draw) -> None:
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._draw = draw

    def make(self, exchange: DatagramExchange) -> QuerySocket:
        server = exchange.server
        interface = "" if server.family == socket.AF_INET else "::"
        protocol = _Receiver(self._clock)
        for tries in range(int(PORT_TRIES.default), -1, -1):
            try:
                port = self._reactor.listenUDP(self._draw.port(), protocol, interface, SIZE)
                break
            except CannotListenError as error:
                if not tries:
                    raise unreachable(server, OSError(str(error))) from error
        try:
            protocol.transport.connect(server.address, server.port)
        except OSError as error:
            port.stopListening()
            raise unreachable(server, error) from error
        made = protocol.socket = PortSocket(exchange, port, protocol)
        return made
