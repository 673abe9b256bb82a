"""
The UDP sockets that queries are sent from: the system's own, or ports of reactors without file descriptors (in-memory networks, IOCP).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr
from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.interfaces import IListeningPort, IReactorTime, IReactorUDP, IUDPTransport
from twisted.internet.protocol import DatagramProtocol

from twisted_ext.errors import Unreachable
from twisted_ext.limits import DATAGRAM_SIZE, PORT_TRIES
from twisted_ext.native import chosen
from twisted_ext.transport.exchange import PendingQuery
from twisted_ext.transport.faultlog import FaultLog
from twisted_ext.transport.pollers import Poller
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server

if TYPE_CHECKING:
    from twisted_ext.transport.datagram import DatagramExchange

__all__ = ["PortMaker", "PortSocket", "QuerySocket", "RawMaker", "RawSocket", "SIZE", "unreachable"]

#: Maximum octets of a UDP reply; a longer one is truncated, fails to parse, and is requested over TCP.
SIZE: Final = int(DATAGRAM_SIZE.default)

#: Linux constants that Python lacks: let routers fragment if necessary, and ignore ICMP messages about the path MTU, since an attacker can
#: forge them to get replies fragmented (RFC 9715).
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_OMIT: Final = 5

#: Creates a nonblocking socket in one system call, where the platform can.
_NONBLOCKING: Final[int] = getattr(socket, "SOCK_NONBLOCK", 0)
_KIND: Final = socket.SOCK_DGRAM | _NONBLOCKING


class QuerySocket:
    """
    One socket on a random port, connected to one server. Subclasses implement sending, closing (C{shut}) and no longer reading (C{mute}).

    @ivar keys: maps the ids of all queries sent to their pending queries, or to L{None} for queries no longer pending, so that a late or
        duplicate reply is not counted as a forgery attempt.
    @ivar send: sends octets to the server; raises L{OSError} if the kernel reports an error for this datagram or an earlier one.
    @ivar held: queries that the outbox holds back.
    @ivar live: the number of pending queries.
    @ivar misses: replies from the right address to the right port with a wrong id or question.
    @ivar retired: whether it takes no more queries.
    @ivar deaf: whether incoming datagrams are ignored because too many were wrong.
    """

    __slots__ = ("exchange", "keys", "live", "misses", "retired", "closed", "deaf", "held", "send")

    def __init__(self, exchange: DatagramExchange, send: Callable[[bytes], object]) -> None:
        self.exchange = exchange
        self.send = send
        self.held: list[bytes] = []
        self.keys: dict[bytes, PendingQuery | None] = {}
        self.live = 0
        self.misses = 0
        self.retired = False
        self.closed = False
        self.deaf = False

    def shut(self) -> None:
        raise NotImplementedError

    def mute(self) -> None:
        raise NotImplementedError

    def arrived(self, octets: bytes, now: float) -> None:
        """
        Handle a datagram from the server's address, which may be spoofed.
        """
        if self.deaf:
            return
        key = octets[:2]
        try:
            asking = self.keys[key]
        except KeyError:
            self.missed(now)
            return
        if asking is not None and not asking.replied(octets, now, self, key):
            self.missed(now)

    def missed(self, now: float) -> None:
        """
        Count a reply that matches no pending query: a forgery attempt, or a faulty server.
        """
        if self.closed:
            return
        self.misses += 1
        exchange = self.exchange
        exchange.retire(self)
        if self.misses == exchange.nearMisses:
            for key, asking in list(self.keys.items()):
                # The callback of one query may end another.
                if asking is not None and self.keys.get(key) is asking:
                    asking.doubted(now, self, key)
        if not self.live:
            # No pending query remains whose release would close the socket.
            self.close()
        elif self.misses >= exchange.nearMissesHeard and not self.closed:
            self.deaf = True
            self.mute()

    def broken(self, error: OSError, now: float) -> None:
        """
        Fail all pending queries: the server is unreachable. On a connected socket the kernel reports only ICMP errors about this socket's
        own datagrams, so an off-path attacker cannot end a look-up with forged ICMP.
        """
        fault = unreachable(self.exchange.server, error)
        self.close()
        for key, asking in list(self.keys.items()):
            # The callback of one query may end another.
            if asking is not None and self.keys.get(key) is asking:
                self.release(key)
                asking.failed(fault, now, self, key)

    def sendHeld(self, now: float) -> None:
        """
        Send the queries that were held back. One that the kernel has no room for is equivalent to a lost one.
        """
        held, self.held = self.held, []
        if self.closed:
            return
        try:
            self.sendAll(held)
        except OSError as error:
            self.broken(error, now)

    def sendAll(self, datagrams: list[bytes]) -> None:
        for octets in datagrams:
            try:
                self.send(octets)
            except BlockingIOError:
                pass

    def release(self, key: bytes) -> None:
        keys = self.keys
        if keys.get(key) is None:
            return
        keys[key] = None
        live = self.live = self.live - 1
        exchange = self.exchange
        exchange.live -= 1
        if not live and self.retired:
            self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.exchange.retire(self)
            self.shut()


def unreachable(server: Server, error: OSError) -> Unreachable:
    fault = Unreachable(f"{server.label} cannot be reached: {error.strerror or error}", server=server.label)
    fault.refused = isinstance(error, ConnectionRefusedError)
    return fault


class RawSocket(QuerySocket):
    """
    A socket that bypasses the reactor's UDP support and is drained by a poller.
    """

    __slots__ = ("_socket", "_batches", "_poller", "_descriptor")

    def __init__(self, exchange: DatagramExchange, made: socket.SocketType, poller: Poller) -> None:
        super().__init__(exchange, made.send)
        self._socket = made
        self._batches = chosen.batches
        self._poller = poller
        self._descriptor = made.fileno()
        poller.watch(self._descriptor, self)

    def gather(self, now: float) -> list[bytes]:
        """
        Read all pending datagrams without handling them yet.
        """
        replies: list[bytes] = []
        try:
            # At most as many datagrams as replies are pending; the poller calls again if there are more.
            self._batches.receiveConnected(self._socket, self.live or 1, SIZE, replies)
        except OSError as error:
            self.broken(error, now)
        return replies

    def sendAll(self, datagrams: list[bytes]) -> None:
        if not self.deaf:
            self._batches.sendConnected(self._socket, datagrams)

    def shut(self) -> None:
        # Only once: the kernel may soon reuse its number.
        if self._descriptor >= 0:
            self._poller.forget(self._descriptor)
            self._descriptor = -1
            self._socket.close()

    def mute(self) -> None:
        # Closing the descriptor removes it from the epoll set. This socket is not read again.
        self.shut()
        self.send = _nowhere


def _nowhere(octets: bytes) -> None:
    """
    Discard octets: the socket is no longer read, so no reply could arrive.
    """


class RawMaker:
    def __init__(self, poller: Poller, draw: Draw) -> None:
        self._poller = poller
        self._draw = draw

    def make(self, exchange: DatagramExchange) -> QuerySocket:
        """
        @raise Unreachable: the system has no socket, port or route.
        """
        try:
            made = self._open(exchange.server)
            try:
                return RawSocket(exchange, made, self._poller)
            except OSError:
                # The kernel did not watch it, which may have been a moment's shortage. Without a second socket the look-up would go on to
                # another server, if there is one.
                made.close()
            made = self._open(exchange.server)
            try:
                return RawSocket(exchange, made, self._poller)
            except BaseException:
                made.close()
                raise
        except OSError as error:
            raise unreachable(exchange.server, error) from error

    def _open(self, server: Server) -> socket.SocketType:
        family = server.family
        made = socket.SocketType(family, _KIND)
        try:
            if not _NONBLOCKING:
                made.setblocking(False)
            if sys.platform == "linux":
                if family == socket.AF_INET:
                    made.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_OMIT)
                else:
                    made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT)
            self._bind(made, "" if family == socket.AF_INET else "::")
            made.connect(server.socketAddress())
        except BaseException:
            made.close()
            raise
        return made

    def _bind(self, made: socket.SocketType, wildcard: str) -> None:
        for tries in range(int(PORT_TRIES.default), -1, -1):
            try:
                made.bind((wildcard, self._draw.port()))
                return
            except OSError:
                # The port is in use or not permitted; another one may be free.
                if not tries:
                    raise


class PortSocket(QuerySocket):
    """
    A UDP port of the reactor, connected to the server.
    """

    __slots__ = ("_port", "_receiver")

    def __init__(self, exchange: DatagramExchange, port: IListeningPort, protocol: _Receiver) -> None:
        super().__init__(exchange, protocol.write)
        self._port = port
        self._receiver = protocol

    def shut(self) -> None:
        self._receiver.socket = None
        self._port.stopListening()

    def mute(self) -> None:
        self._receiver.socket = None


@mypyc_attr(native_class=False)  # Twisted's class has its attributes in the class.
class _Receiver(DatagramProtocol):
    noisy = False
    transport: IUDPTransport

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self.socket: PortSocket | None = None

    def write(self, octets: bytes) -> None:
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


class _Unread(Exception):
    """
    The reactor does not read a port.
    """

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason)
        self.reason = reason


class PortMaker:
    def __init__(self, reactor: IReactorUDP, draw: Draw, faults: FaultLog) -> None:
        """
        @param faults: logs that the reactor did not read a port.
        """
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._draw = draw
        self._faults = faults

    def make(self, exchange: DatagramExchange) -> QuerySocket:
        """
        @raise Unreachable: the system has no socket, port or route.
        """
        server = exchange.server
        try:
            try:
                return self._open(exchange)
            except _Unread as unread:
                self._faults.note("opening a port for replies", unread.reason, self._clock.seconds())
            return self._open(exchange)
        except _Unread as unread:
            raise unreachable(server, unread.reason) from unread
        except OSError as error:
            raise unreachable(server, error) from error

    def _open(self, exchange: DatagramExchange) -> QuerySocket:
        server = exchange.server
        interface = "" if server.family == socket.AF_INET else "::"
        protocol = _Receiver(self._clock)
        for tries in range(int(PORT_TRIES.default), -1, -1):
            try:
                port = self._reactor.listenUDP(self._draw.port(), protocol, interface, SIZE)
                break
            except CannotListenError as error:
                if not tries:
                    raise OSError(str(error)) from error
            except OSError as error:
                # The port is open, but the reactor does not read it.
                if IListeningPort.providedBy(protocol.transport):
                    protocol.transport.stopListening()
                raise _Unread(error) from error
        try:
            protocol.transport.connect(server.address, server.port)
        except OSError:
            port.stopListening()
            raise
        made = protocol.socket = PortSocket(exchange, port, protocol)
        return made
