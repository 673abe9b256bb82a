"""
HTTP for untrusted clients in the process that answers queries: limits on connections, on reading, and on the time spent.

A connection is read from only while its next request is incomplete. Complete requests wait in a queue that all connections share. The
queue handles at most one request of one connection at a time, and then rests for a multiple of the time that it took. So the reactor
spends no more than a known share of its time here, whatever clients send.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request

from twisted_ext.server.limits import (
    WEB_ACCEPTS,
    WEB_CLIENTS,
    WEB_CLIENTS_PER_PEER,
    WEB_REPLY_SECONDS,
    WEB_REQUEST_OCTETS,
    WEB_REQUEST_SECONDS,
    WEB_REQUESTS,
    WEB_SECONDS,
    WEB_SHARE,
)
from twisted_ext.server.operations.http import BoundedRequest, BoundedSite
from twisted_ext.server.reply.ratelimit import siteOf

if TYPE_CHECKING:
    from twisted.internet.protocol import Protocol
    from twisted.python.failure import Failure

__all__ = ["PublicSite", "SharedBytes"]

#: Seconds between two looks at the deadlines of all connections.
_SWEEP: Final = 0.5

#: Seconds over which new connections are counted: short, so that a new one can send its request before many others have come.
_WINDOW: Final = 0.1

#: The most seconds that the queue rests after one turn: a turn during which this process was not scheduled is not the client's doing.
_LONGEST_REST: Final = 0.5

#: The end of the header of a request. Requests here have no body.
_END: Final = b"\r\n\r\n"

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_NEVER: Final = float("inf")


class PublicSite(BoundedSite):
    """
    A site whose connections take turns.

    @ivar turnedAway: connections that were refused or closed to make room for others.
    """

    def __init__(
        self,
        resource: IResource,
        clock: IReactorTime,
        request: type[Request] = BoundedRequest,
        *,
        share: float | None = None,
        timer: Callable[[], float] = perf_counter,
    ) -> None:
        """
        @param share: of the time of this process that turns may take, see L{WEB_SHARE}.
        @param timer: measures how long a turn takes, in seconds.
        """
        # Deadlines of its own are in force here, so there are none of Twisted's.
        super().__init__(resource, clock, None, request)
        self.protocol = cast("Callable[[], Protocol]", _Channel)
        self.clock = clock
        self.turnedAway = 0
        self._share = WEB_SHARE.pick(share)
        self._timer = timer
        self._channels: set[_Channel] = set()
        self._peers: dict[str, set[_Channel]] = {}
        self._queue: deque[_Channel] = deque()
        self._turn: IDelayedCall | None = None
        self._rested = 0.0
        self._sweeping: IDelayedCall | None = None
        self._port: IPushProducer | None = None
        self._most = max(1, int(WEB_ACCEPTS.default * _WINDOW))
        self._accepted = 0
        self._window = 0.0
        self._accepting: IDelayedCall | None = None

    def listens(self, port: object) -> None:
        """
        @param port: what connections come from: it is paused while there are too many new ones.
        """
        self._port = IPushProducer(port, None)
        self._boundBatch()

    def _boundBatch(self) -> None:
        # Twisted takes a hundred connections and more in a row otherwise, paused or not.
        if self._port is not None:
            vars(self._port).update(numberAccepts=self._most)

    # -- connections

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        @return: L{None}, which closes the connection, where there are enough and none gives way.
        """
        self._count()
        peer = siteOf(getattr(addr, "host", ""))
        theirs = self._peers.get(peer, ())
        if len(theirs) >= WEB_CLIENTS_PER_PEER.default and not self._makeRoom(theirs):
            return None
        if len(self._channels) >= WEB_CLIENTS.default and not self._makeRoom(self._channels):
            return None
        channel = super().buildProtocol(addr)
        assert isinstance(channel, _Channel)
        channel.begin(self, peer)
        return channel

    def _count(self) -> None:
        """
        Stop accepting for a while where there are too many new connections: the system keeps the others.
        """
        now = self.clock.seconds()
        if not 0 <= now - self._window < _WINDOW:
            self._window, self._accepted = now, 0
        self._accepted += 1
        if self._accepted >= self._most and self._port is not None and self._accepting is None:
            self._port.pauseProducing()
            self._accepting = self.clock.callLater(self._window + _WINDOW - now, self._acceptAgain)

    def _acceptAgain(self) -> None:
        self._accepting = None
        self._boundBatch()
        if self._port is not None:
            self._port.resumeProducing()

    def _makeRoom(self, channels: Iterable[_Channel]) -> bool:
        """
        Close one connection. Those without a complete request give way first, the one that has waited longest before the others; then
        those that have had the most requests answered. A first request never gives way.

        @return: whether there is room now.
        """
        self.turnedAway += 1
        idle = [channel for channel in channels if channel.isWaiting]
        if idle:
            min(idle, key=lambda channel: channel.since).end()
            return True
        known = [channel for channel in channels if channel.isQueued and channel.served]
        if known:
            max(known, key=lambda channel: channel.served).end()
            return True
        return False

    def opened(self, channel: _Channel, peer: str) -> None:
        """
        A connection has begun.
        """
        self._channels.add(channel)
        self._peers.setdefault(peer, set()).add(channel)
        if self._sweeping is None:
            self._sweeping = self.clock.callLater(_SWEEP, self._sweep)

    def closed(self, channel: _Channel, peer: str) -> None:
        """
        A connection has ended.
        """
        if channel not in self._channels:
            return
        self._channels.discard(channel)
        theirs = self._peers[peer]
        theirs.discard(channel)
        if not theirs:
            del self._peers[peer]
        if not self._channels and self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    def _sweep(self) -> None:
        self._sweeping = self.clock.callLater(_SWEEP, self._sweep)
        now = self.clock.seconds()
        for channel in [channel for channel in self._channels if channel.deadline <= now]:
            channel.end()

    def end(self) -> None:
        """
        Close all connections.
        """
        self._port = None
        for channel in list(self._channels):
            channel.end()
        self._queue.clear()
        for call in (self._turn, self._accepting):
            if call is not None and call.active():
                call.cancel()
        self._turn = self._accepting = None

    # -- turns

    def enqueue(self, channel: _Channel) -> None:
        """
        Give a connection a turn when it is the first in the queue.
        """
        self._queue.append(channel)
        self._go()

    def _go(self) -> None:
        if self._turn is None and self._queue:
            self._turn = self.clock.callLater(max(0.0, self._rested - self.clock.seconds()), self._next)

    def _next(self) -> None:
        channel = self._queue.popleft()
        began = self._timer()
        try:
            channel.turn()
        finally:
            took = self._timer() - began
            self._rested = self.clock.seconds() + min(took * (1 / self._share - 1), _LONGEST_REST)
            # Only now, so that a connection which queues again during its turn waits as well.
            self._turn = None
            self._go()


class _Channel(HTTPChannel):
    """
    One connection.

    Its states: waiting for a request, queued for its turn, replying until the reply is written, and ended.

    @ivar deadline: when it is closed, in seconds of the clock.
    @ivar since: when it began to wait for a request.
    @ivar served: requests that it had.
    """

    totalHeadersSize = int(WEB_REQUEST_OCTETS.default)
    deadline = _NEVER
    since = 0.0
    served = 0
    isWaiting = False
    isQueued = False
    _replying = False
    _unread = False
    _ended = False
    _site: PublicSite
    _peer = ""

    def begin(self, site: PublicSite, peer: str) -> None:
        """
        @param peer: what connections of one client have in common.
        """
        self._site = site
        self._peer = peer
        self._received = bytearray()
        self._wait()
        site.opened(self, peer)

    def _wait(self) -> None:
        self.isWaiting = True
        self.since = self._site.clock.seconds()
        self.deadline = self.since + WEB_SECONDS.default

    def dataReceived(self, data: bytes) -> None:
        """
        Keep what has come, and read no more before it had its turn.
        """
        if self._ended:
            return
        if not self._received and self.isWaiting:
            self.deadline = min(self.deadline, self._site.clock.seconds() + WEB_REQUEST_SECONDS.default)
        self._received += data
        self._line()

    def _line(self) -> None:
        """
        Queue for a turn, unless this connection is queued already or has to wait for its client to read.
        """
        if self.isQueued or self._replying or self._unread or self._ended:
            return
        self.isQueued = True
        self._read(False)
        self._site.enqueue(self)

    def _read(self, on: bool) -> None:
        if self._ended or self.transport is None:
            return
        producer = cast(IPushProducer, self.transport)
        if on:
            producer.resumeProducing()
        else:
            producer.pauseProducing()

    def turn(self) -> None:
        """
        Take the next request, if all of it is there.
        """
        self.isQueued = False
        if self._ended:
            return
        received = self._received
        end = received.find(_END)
        length = len(received) if end < 0 else end + len(_END)
        if end < 0 and length < WEB_REQUEST_OCTETS.default:
            self._read(True)
            return
        self.isWaiting = False
        self.deadline = self._site.clock.seconds() + WEB_REPLY_SECONDS.default
        if length > WEB_REQUEST_OCTETS.default or end < 0:
            assert self.transport is not None
            self.transport.write(_TOO_LARGE)
            self.loseConnection()
            return
        octets = bytes(received[:length])
        del received[:length]
        super().dataReceived(octets)
        if not self._replying:
            # The reply has been made, or there was no request in it.
            self._goOn()

    def _goOn(self) -> None:
        """
        Turn to the next request, once the client has read enough of the reply.
        """
        if self._unread or self._ended:
            return
        if not self.isWaiting:
            self._wait()
        if self._received:
            self._line()
        else:
            self._read(True)

    def allContentReceived(self) -> None:
        """
        All of a request is there, which is replied to now.
        """
        self._replying = True
        self.served += 1
        super().allContentReceived()

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """
        @return: whether there may be another request after this one.
        """
        more = super().checkPersistence(request, version)
        if more and self.served + 1 >= WEB_REQUESTS.default:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return more

    def requestDone(self, request: Request) -> None:
        """
        The reply has been written, though the client may not have read it.
        """
        super().requestDone(request)
        # Reading goes on when there is room for another reply, and not at once.
        self._read(False)
        self._replying = False
        self._goOn()

    def pauseProducing(self) -> None:
        """
        The client does not read what is written for it.
        """
        self._unread = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """
        The client has read what was written for it.
        """
        self._unread = False
        super().resumeProducing()
        if not self._replying:
            self._read(False)
            self._goOn()

    def loseConnection(self) -> None:
        """
        Close the connection when its client has read what is written, within the time for that.
        """
        self._received.clear()
        self._ended = True
        self.isWaiting = False
        super().loseConnection()

    def end(self) -> None:
        """
        Close the connection at once.
        """
        self._ended = True
        self.isWaiting = False
        self._site.closed(self, self._peer)
        if self.transport is not None:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection has gone.
        """
        self._ended = True
        self._site.closed(self, self._peer)
        super().connectionLost(reason)


class SharedBytes:
    """
    Octets that are made for the first request, and given to all requests within some seconds.
    """

    def __init__(self, make: Callable[[], Deferred[bytes]], clock: IReactorTime, seconds: float) -> None:
        """
        @param make: makes it anew.
        @param seconds: for how long it is given.
        """
        self._make = make
        self._clock = clock
        self._seconds = seconds
        self._made = b""
        self._until = -_NEVER
        self._waiting: list[Deferred[bytes]] | None = None

    def get(self) -> Deferred[bytes]:
        """
        @return: fires with it, or fails with the reason why it could not be made. Cancelling one does not concern others.
        """
        if self._clock.seconds() < self._until:
            return succeed(self._made)
        asked: Deferred[bytes] = Deferred()
        if self._waiting is not None:
            self._waiting.append(asked)
            return asked
        self._waiting = [asked]
        maybeDeferred(self._make).addCallbacks(self._cbMade, self._ebMade)
        return asked

    def _cbMade(self, made: bytes) -> None:
        self._made = made
        self._until = self._clock.seconds() + self._seconds
        waiting, self._waiting = self._waiting or [], None
        for asked in waiting:
            asked.callback(made)

    def _ebMade(self, failure: Failure) -> None:
        waiting, self._waiting = self._waiting or [], None
        for asked in waiting:
            asked.errback(failure)
