"""
The sockets that queries by UDP go out from.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import Unreachable
from twisted_ext.limits import DATAGRAM_SIZE, PORT_TRIES
from twisted_ext.transport.exchange import PendingQuery
from twisted_ext.transport.pollers import Drained, Poller
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server

if TYPE_CHECKING:
    from twisted_ext.transport.datagram import DatagramExchange

__all__ = ["QuerySocket", "RawMaker", "RawSocket", "SIZE", "unreachable"]

#: Octets that a reply by UDP may have; a longer one is cut, does not parse then, and is asked for by TCP.
SIZE: Final = int(DATAGRAM_SIZE.default)

#: Names of Linux that Python does not have: let routers fragment if they must, and believe nobody about the path's MTU, since such
#: messages can be forged to have replies fragmented (RFC 9715).
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_OMIT: Final = 5

#: Where the system can, a socket is made in one call.
_NONBLOCKING: Final[int] = getattr(socket, "SOCK_NONBLOCK", 0)
_KIND: Final = socket.SOCK_DGRAM | _NONBLOCKING


class QuerySocket:
    """
    One socket, connected to one server, at a random port. What sends and closes is a subclass's.

    @ivar exchange: whose it is.
    @ivar keys: ids of all queries that it has sent; those that nobody waits for any more lead to L{None}, so that a late copy of
        their reply is told from a guess.
    @ivar send: sends octets to the server; raises L{OSError} for what the system says against it, about this datagram or one before.
    @ivar live: queries that wait.
    @ivar misses: replies that came from the right address to the right port with a wrong id or question.
    @ivar retired: whether it takes no more queries.
    @ivar closed: whether it is gone.
    @ivar deaf: whether what arrives counts no more, since too much of it was wrong.
    """

    __slots__ = ("exchange", "keys", "live", "misses", "retired", "closed", "deaf", "send")

    def __init__(self, exchange: DatagramExchange, send: Callable[[bytes], object]) -> None:
        self.exchange = exchange
        self.send = send
        self.keys: dict[bytes, PendingQuery | None] = {}
        self.live = 0
        self.misses = 0
        self.retired = False
        self.closed = False
        self.deaf = False

    def shut(self) -> None:
        """
        Let go of the system's socket.
        """
        raise NotImplementedError

    def mute(self) -> None:
        """
        Do not read any more.
        """
        raise NotImplementedError

    def arrived(self, octets: bytes, now: float) -> None:
        """
        A datagram has come from the server, or from somebody with its address.
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
        Somebody guesses, or the server is confused.
        """
        if self.closed:
            return
        self.misses += 1
        exchange = self.exchange
        exchange.retire(self)
        if self.misses == exchange.nearMisses:
            for key, asking in list(self.keys.items()):
                # What one of them does about it may be the end of another.
                if asking is not None and self.keys.get(key) is asking:
                    asking.doubted(now, self, key)
        if not self.live:
            # Nobody is left to close it by ceasing to wait.
            self.close()
        elif self.misses >= exchange.nearMissesHeard and not self.closed:
            self.deaf = True
            self.mute()

    def broken(self, error: OSError, now: float) -> None:
        """
        The server cannot be reached. On a connected socket the system says so only for messages about this very socket's
        datagrams, so that others cannot end a look-up with ICMP of their own making.
        """
        fault = unreachable(self.exchange.server, error)
        self.close()
        for key, asking in list(self.keys.items()):
            # What one of them does about it may be the end of another.
            if asking is not None and self.keys.get(key) is asking:
                self.release(key)
                asking.failed(fault, now, self, key)

    def sendNow(self, octets: bytes, now: float) -> None:
        """
        Send what was kept back.
        """
        if self.closed:
            return
        try:
            self.send(octets)
        except BlockingIOError:
            pass  # As good as lost on the way: it will be sent again.
        except OSError as error:
            self.broken(error, now)

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
        """
        Be gone.
        """
        if not self.closed:
            self.closed = True
            self.exchange.retire(self)
            self.shut()


def unreachable(server: Server, error: OSError) -> Unreachable:
    """
    @return: the fault that says which server and why.
    """
    return Unreachable(f"{server.label} cannot be reached: {error.strerror or error}", server=server.label)


class RawSocket(QuerySocket):
    """
    A socket of our own, drained by a poller.
    """

    __slots__ = ("_socket", "_recv", "_poller", "_descriptor")

    def __init__(self, exchange: DatagramExchange, made: socket.SocketType, poller: Poller) -> None:
        super().__init__(exchange, made.send)
        self._socket = made
        self._recv = made.recv
        self._poller = poller
        self._descriptor = made.fileno()
        poller.watch(self._descriptor, self)

    def gather(self, arrivals: list[tuple[Drained, bytes]], now: float) -> None:
        # As many replies as are waited for; the poller comes again if there is more.
        recv = self._recv
        try:
            for _ in range(self.live or 1):
                arrivals.append((self, recv(SIZE)))
        except BlockingIOError:
            pass
        except OSError as error:
            self.broken(error, now)

    def shut(self) -> None:
        # Only once: its number may soon be another one's.
        if self._descriptor >= 0:
            self._poller.forget(self._descriptor)
            self._descriptor = -1
            self._socket.close()

    def mute(self) -> None:
        # Closing is what takes it out of an epoll, and nobody reads from this one again.
        self.shut()
        self.send = _nowhere


def _nowhere(octets: bytes) -> None:
    """
    Send what nobody would hear the reply to.
    """


class RawMaker:
    """
    Makes connected sockets at random ports.
    """

    def __init__(self, poller: Poller, draw: Draw) -> None:
        self._poller = poller
        self._draw = draw

    def make(self, exchange: DatagramExchange) -> QuerySocket:
        """
        @raise Unreachable: the system has no socket, no port or no route for us.
        """
        server = exchange.server
        family = server.family
        try:
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
                return RawSocket(exchange, made, self._poller)
            except BaseException:
                made.close()
                raise
        except OSError as error:
            raise unreachable(server, error) from error

    def _bind(self, made: socket.SocketType, wildcard: str) -> None:
        for tries in range(int(PORT_TRIES.default), -1, -1):
            try:
                made.bind((wildcard, self._draw.port()))
                return
            except OSError:
                # Taken by somebody, or kept from us; another number may be free.
                if not tries:
                    raise
