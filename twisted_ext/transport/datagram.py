"""
Send queries over UDP from connected sockets on random ports, each used for a few queries and then closed (RFC 5452).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFDSet, IReactorTime, IReactorUDP
from zope.interface import classImplements

from twisted_ext.errors import Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.limits import NEAR_MISSES_HEARD, POOL_SOCKETS, SOCKET_QUERIES
from twisted_ext.transport.exchange import Channel, PendingQuery
from twisted_ext.transport.pollers import outboxOf, pollerFor
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.udpsockets import PortMaker, QuerySocket, RawMaker, unreachable

__all__ = ["DatagramExchange", "Datagrams"]

#: Replies from the right address and port but with a wrong id or question (near misses of spoofing attempts), after which the query is sent
#: over TCP (same number as PowerDNS).
_NEAR_MISSES: Final = 1

#: Compiled code would look it up in its module for each query.
_next: Final = next

#: Queries under way for each socket; with more, another socket is opened.
_QUERIES_PER_WIDTH: Final = 4


class DatagramExchange:
    """
    Queries to one server over UDP.

    @ivar live: the number of queries under way.
    """

    kind = "udp"
    reliable = False

    def __init__(self, datagrams: Datagrams, server: Server) -> None:
        self.server = server
        self.label = server.label
        self.live = 0
        self.queriesEach = datagrams.queriesEach
        self.nearMisses = datagrams.nearMisses
        self.nearMissesHeard = datagrams.nearMissesHeard
        self._make = datagrams.make
        self._outbox = datagrams.outbox
        self._draw = datagrams.draw
        self._width = datagrams.width
        self._taking: list[QuerySocket] = []

    def ask(self, asking: PendingQuery, now: float) -> tuple[QuerySocket, bytes]:
        taking = self._taking
        count = len(taking)
        live = self.live
        if not count or (count < self._width and count * _QUERIES_PER_WIDTH <= live):
            taking.append(self._make(self))
            count += 1
        draw = self._draw
        try:
            key, number = _next(draw.lots)
        except StopIteration:
            key, number = draw.refill()
        socket = taking[number % count]
        keys = socket.keys
        while key in keys:
            key = draw.take(2)
        if self._outbox.open:
            self._outbox.hold(socket, not socket.held)
            socket.held.append(key + asking.query)
        else:
            try:
                socket.send(key + asking.query)
            except BlockingIOError:
                pass  # Equivalent to packet loss: the query will be retransmitted.
            except OSError as error:
                socket.broken(error, now)
                raise unreachable(self.server, error) from error
        keys[key] = asking
        socket.live += 1
        self.live = live + 1
        if len(keys) >= self.queriesEach:
            self.retire(socket)
        return socket, key

    def askAgain(self, asking: PendingQuery, now: float, channels: Iterable[Channel]) -> tuple[QuerySocket, bytes]:
        """
        Send another query of the same look-up from another port, so that an attacker who has found one port has to guess the ID of one
        query instead of any of several.

        @param channels: the channels of the earlier queries; these sockets take no more queries.
        """
        for channel in channels:
            if isinstance(channel, QuerySocket) and channel.exchange is self:
                self.retire(channel)
        return self.ask(asking, now)

    def retire(self, socket: QuerySocket) -> None:
        """
        Assign no more queries to this socket. It is closed when its last pending query is done.
        """
        socket.retired = True
        if socket in self._taking:
            self._taking.remove(socket)

    def settle(self) -> None:
        for socket in list(self._taking):
            if not socket.live:
                socket.close()

    def close(self) -> Deferred[None]:
        # Sockets close at once.
        self.settle()
        return succeed(None)


classImplements(DatagramExchange, IExchange)


class Datagrams:
    """
    The UDP sockets of one resolver.

    On reactors with file descriptors the sockets are read in batches; on others C{listenUDP} makes them.

    @ivar make: opens a socket; raises L{Unreachable} if there is none available.
    @ivar draw: the source of IDs and ports.
    @ivar width: sockets per server that take queries at the same time.
    @ivar queriesEach: maximum queries of a socket.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        draw: Draw | None = None,
        width: int | None = None,
        queriesEach: int | None = None,
        nearMissesHeard: int | None = None,
    ) -> None:
        """
        @param reactor: without file descriptors and C{listenUDP}, as with a L{Clock<twisted.internet.task.Clock>} in a test, no server can
            be reached.
        """
        self.draw = draw or Draw()
        self.width = int(POOL_SOCKETS.pick(width))
        self.queriesEach = int(SOCKET_QUERIES.pick(queriesEach))
        self.nearMisses = _NEAR_MISSES
        self.nearMissesHeard = int(NEAR_MISSES_HEARD.pick(nearMissesHeard))
        self.outbox = outboxOf(reactor)
        self.make = self._maker(reactor)

    def _maker(self, reactor: IReactorTime) -> Callable[[DatagramExchange], QuerySocket]:
        if IReactorFDSet.providedBy(reactor):
            return RawMaker(pollerFor(reactor, self.outbox), self.draw).make
        if IReactorUDP.providedBy(reactor):
            return PortMaker(reactor, self.draw, self.outbox.faults).make

        def refuse(exchange: DatagramExchange) -> QuerySocket:
            label = exchange.server.label
            text = f"{label} cannot be reached: {reactor!r:.80} cannot do UDP; give a reactor that provides IReactorFDSet or IReactorUDP"
            raise Unreachable(text, server=label)

        return refuse
