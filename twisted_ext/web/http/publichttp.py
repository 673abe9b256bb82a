"""
HTTP for untrusted clients in the process that answers queries: limits on connections, on reading, and on the time spent.

A connection is read from only while its next request is incomplete. Complete requests wait in a queue that all connections share. The queue
handles at most one request of one connection at a time, and then rests for a multiple of the time that it took. So this takes no more than
a fixed share of the reactor's time, regardless of what clients send.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource

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
from twisted_ext.server.operations.boundedhttp import BoundedRequest, BoundedSite
from twisted_ext.server.reply.ratelimit import siteOf

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITCPTransport
    from twisted.python.failure import Failure
    from twisted.web.server import Request

__all__ = ["PublicSite", "SharedBytes"]

#: Seconds between two checks of all deadlines.
_SWEEP: Final = 0.5

#: Seconds over which new connections are counted: short, so that a client can send its request before many others have connected.
_WINDOW: Final = 0.1

#: Maximum rest of the queue after one turn, in seconds: a long turn may be due to this process not having been scheduled.
_LONGEST_REST: Final = 0.5

#: The end of the header of a request.
_END: Final = b"\r\n\r\n"

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)

#: Digits of a length: Twisted raises for those that Python does not convert.
_DIGITS: Final = 18

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

#: Connections that may be told so at a time, and seconds for each: others are closed without a word.
_MOST_TOLD: Final = 64
_TELLING: Final = 1.0

_NEVER: Final = float("inf")


class PublicSite(BoundedSite):
    """
    A site whose connections share a queue and take turns.

    @ivar turnedAway: connections that were refused or closed to make room for others.
    """

    def __init__(
        self,
        resource: IResource,
        clock: IReactorTime,
        request: type[BoundedRequest] = BoundedRequest,
        *,
        share: float | None = None,
        seconds: float | None = None,
        timer: Callable[[], float] = perf_counter,
    ) -> None:
        """
        @param request: limits the body.
        @param share: the share of this process's time that turns may take, see L{WEB_SHARE}.
        @param seconds: the time for a reply, see L{WEB_REPLY_SECONDS}.
        @param timer: a clock in seconds to measure turns.
        """
        # This class enforces its own deadlines instead of Twisted's.
        super().__init__(resource, clock, None, request)
        self.protocol = cast("Callable[[], Protocol]", _Channel)
        self.clock = clock
        self.turnedAway = 0
        self.bodyOctets = request.mostOctets
        self.replySeconds = WEB_REPLY_SECONDS.pick(seconds)
        self._share = WEB_SHARE.pick(share)
        self._timer = timer
        self._channels: set[_Channel] = set()
        self._peers: dict[str, set[_Channel]] = {}
        self._told: set[_Refusal] = set()
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
        Pause a listening port while there are too many new connections.
        """
        self._port = IPushProducer(port, None)
        self._boundBatch()

    def _boundBatch(self) -> None:
        # Otherwise Twisted accepts a hundred connections or more in one go, even if paused.
        if self._port is not None:
            vars(self._port).update(numberAccepts=self._most)

    # -- connections

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        Where there are too many connections and none can be closed in its favor, the client is told so; or L{None} is returned, which
        closes the connection, if many are being told.
        """
        self._count()
        peer = siteOf(getattr(addr, "host", ""))
        theirs = self._peers.get(peer, ())
        if len(theirs) >= WEB_CLIENTS_PER_PEER.default and not self._makeRoom(theirs):
            return self._refusal()
        if len(self._channels) >= WEB_CLIENTS.default and not self._makeRoom(self._channels):
            return self._refusal()
        channel = super().buildProtocol(addr)
        assert isinstance(channel, _Channel)
        channel.begin(self, peer)
        return channel

    def _refusal(self) -> Protocol | None:
        return _Refusal(self.clock, self._told) if len(self._told) < _MOST_TOLD else None

    def _count(self) -> None:
        """
        Count a new connection. Above the rate, pause accepting: the kernel queues further connections.
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
        Close one connection. Those go first whose requests are all answered, as their clients can connect again without a loss, or may have
        closed them already; then others without a complete request, each starting with the one that has waited longest; then those with the
        most requests answered. A connection with its first request is never closed.
        """
        self.turnedAway += 1
        idle = [channel for channel in channels if channel.isWaiting]
        if idle:
            min(idle, key=lambda channel: (not channel.isAnswered, channel.since)).end()
            return True
        known = [channel for channel in channels if channel.isQueued and channel.served]
        if known:
            max(known, key=lambda channel: channel.served).end()
            return True
        return False

    def opened(self, channel: _Channel, peer: str) -> None:
        self._channels.add(channel)
        self._peers.setdefault(peer, set()).add(channel)
        if self._sweeping is None:
            self._sweeping = self.clock.callLater(_SWEEP, self._sweep)

    def closed(self, channel: _Channel, peer: str) -> None:
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
        self._port = None
        for channel in list(self._channels):
            channel.end()
        for refusal in list(self._told):
            refusal.end()
        self._queue.clear()
        for call in (self._turn, self._accepting):
            if call is not None and call.active():
                call.cancel()
        self._turn = self._accepting = None

    # -- turns

    def enqueue(self, channel: _Channel) -> None:
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
            # Only now, so that a connection that is queued again during its turn waits as well.
            self._turn = None
            self._go()


class _Refusal(Protocol):
    """
    A connection for which there is no room: its first request is answered so. Closing it unread would reset it.
    """

    def __init__(self, clock: IReactorTime, told: set[_Refusal]) -> None:
        """
        @param told: all of these.
        """
        self._told = told
        self._isTold = False
        told.add(self)
        self._deadline = clock.callLater(_TELLING, self.end)

    def dataReceived(self, data: bytes) -> None:
        if self.transport is not None and not self._isTold:
            self._isTold = True
            self.transport.write(_BUSY)
            self.transport.loseConnection()

    def end(self) -> None:
        if self.transport is not None:
            cast("ITCPTransport", self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._told.discard(self)
        if self._deadline.active():
            self._deadline.cancel()


class _Channel(HTTPChannel):
    """
    One connection.

    States: waiting for a request, queued, replying until the reply is written, ended.

    @ivar deadline: when it will be closed, in seconds of the clock.
    @ivar since: when it began to wait for a request.
    @ivar served: the number of its requests so far.
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
        @param peer: the client network that the connection counts for.
        """
        self._site = site
        self._peer = peer
        self._received = bytearray()
        self._wait()
        site.opened(self, peer)

    @property
    def isAnswered(self) -> bool:
        """
        Whether all that the client has sent so far, at least one request, is answered.
        """
        return self.served > 0 and not self._received

    def _wait(self) -> None:
        self.isWaiting = True
        self.since = self._site.clock.seconds()
        self.deadline = self.since + WEB_SECONDS.default

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        if not self._received and self.isWaiting:
            self.deadline = min(self.deadline, self._site.clock.seconds() + WEB_REQUEST_SECONDS.default)
        self._received += data
        self._queueUp()

    def _queueUp(self) -> None:
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
        self.isQueued = False
        if self._ended:
            return
        received = self._received
        end = received.find(_END)
        header = len(received) if end < 0 else end + len(_END)
        found = _LENGTH.search(received, 0, header)
        digits = found[1] if found else b""
        length = header
        if end >= 0 and 0 < len(digits) <= _DIGITS and int(digits) <= self._site.bodyOctets:
            # A larger one is refused unread.
            length += int(digits)
        if header <= WEB_REQUEST_OCTETS.default and (length > len(received) or end < 0 and header < WEB_REQUEST_OCTETS.default):
            self._read(True)
            return
        self.isWaiting = False
        self.deadline = self._site.clock.seconds() + self._site.replySeconds
        if header > WEB_REQUEST_OCTETS.default or end < 0 or len(digits) > _DIGITS:
            assert self.transport is not None
            self.transport.write(_TOO_LARGE)
            self.loseConnection()
            return
        octets = bytes(received[:length])
        del received[:length]
        super().dataReceived(octets)
        if not self._replying:
            # Either the reply is done, or there was no request.
            self._goOn()

    def _goOn(self) -> None:
        """
        Continue with the next request once the client has read enough of the reply.
        """
        if self._unread or self._ended:
            return
        if not self.isWaiting:
            self._wait()
        if self._received:
            self._queueUp()
        else:
            self._read(True)

    def prolong(self) -> None:
        """
        Give the reply its time anew: it is sent while it is made, and the client reads it.
        """
        self.deadline = self._site.clock.seconds() + self._site.replySeconds

    def allContentReceived(self) -> None:
        self._replying = True
        self.served += 1
        super().allContentReceived()

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        more = super().checkPersistence(request, version)
        if more and self.served + 1 >= WEB_REQUESTS.default:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return more

    def requestDone(self, request: Request) -> None:
        """
        The reply is written, although the client may not have read it yet.
        """
        super().requestDone(request)
        # Resume reading later, when there is room for another reply.
        self._read(False)
        self._replying = False
        self._goOn()

    def pauseProducing(self) -> None:
        """
        The client does not read its reply.
        """
        self._unread = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """
        The client has read enough of its reply.
        """
        self._unread = False
        super().resumeProducing()
        if not self._replying:
            self._read(False)
            self._goOn()

    def loseConnection(self) -> None:
        self._received.clear()
        self._ended = True
        self.isWaiting = False
        super().loseConnection()

    def end(self) -> None:
        self._ended = True
        self.isWaiting = False
        self._site.closed(self, self._peer)
        if self.transport is not None:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended = True
        self._site.closed(self, self._peer)
        super().connectionLost(reason)


class SharedBytes:
    """
    Octets that are computed on demand and shared by all requests for some seconds.
    """

    def __init__(self, make: Callable[[], Deferred[bytes]], clock: IReactorTime, seconds: float) -> None:
        self._make = make
        self._clock = clock
        self._seconds = seconds
        self._made = b""
        self._until = -_NEVER
        self._waiting: list[Deferred[bytes]] | None = None

    def get(self) -> Deferred[bytes]:
        """
        @return: fires with the octets, or fails if they could not be computed. Cancelling it does not affect other callers.
        """
        if self._clock.seconds() < self._until:
            return succeed(self._made)
        asked: Deferred[bytes] = Deferred()
        if self._waiting is not None:
            self._waiting.append(asked)
            return asked
        self._waiting = [asked]
        maybeDeferred(self._make).addBoth(self._tell)
        return asked

    def _tell(self, made: bytes | Failure) -> None:
        if isinstance(made, bytes):
            self._made = made
            self._until = self._clock.seconds() + self._seconds
        waiting, self._waiting = self._waiting or [], None
        for asked in waiting:
            asked.callback(made)
