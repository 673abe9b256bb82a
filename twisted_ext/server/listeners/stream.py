"""
Requests by TCP: many on one connection, answered in whatever order the answers come (RFC 7766).

A connection has three time limits: for its first message, for one message from its first octet to its last, and between messages. One
sweep a second sees to all connections. When there are too many of them, the one that has been idle longest makes room, one that never
said anything before all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.errors import BadMessage
from twisted_ext.limits import (
    CLIENT_STREAM_IDLE,
    CLIENT_STREAM_IN_FLIGHT,
    CLIENT_STREAM_MESSAGE,
    CLIENT_STREAM_STALLED,
    CLIENT_STREAM_TURN,
    CLIENT_STREAM_UNREAD,
    CLIENT_STREAMS,
    CLIENT_STREAMS_PER_PEER,
)
from twisted_ext.wire.framing import StreamBuffer

if TYPE_CHECKING:
    from twisted_ext.metrics.counters import Counters

__all__ = ["Answering", "StreamServing", "StreamServings"]

#: Seconds between two looks at all connections.
_SWEEP: Final = 0.5

#: Octets of replies that are gathered before they are written.
_WINDOW: Final = 65536

#: Share of the idle connections that make room at once, so that looking for them is not done for each newcomer.
_MAKE_ROOM: Final = 16

#: Octets of an address of IPv6 that say whose it is: whoever has one has all of a /64.
_SITE: Final = 8

Send = Callable[[bytes], None]


class Answering(Protocol):
    """
    What a connection asks for replies.

    @ivar counters: what is counted.
    """

    counters: Counters

    def find(self, octets: bytes, stream: StreamServing, now: float) -> bytes | None:
        """
        @return: the reply to octets that have been answered before, without its id; L{None} where there is none.
        """

    def take(self, octets: bytes, stream: StreamServing, send: Send) -> bool:
        """
        Answer a message, by calling C{send} now or later.

        @return: whether C{send} was called or will be. Whoever sends something else than requests is not talked to any longer.
        """


@implementer(IHalfCloseableProtocol, IPushProducer)
class StreamServing(StreamProtocol):
    """
    One connection.

    A client that sends requests and does not read the replies is not read from either. Neither is one that has very many requests
    waiting.

    @ivar host: the client's address, or C{""} where the connection has none, as by a socket file.
    @ivar port: its port, or 0.
    @ivar local: our address and port, or L{None}.
    @ivar table: the fast lane's table for this client, for L{Answering.find} to keep here.
    @ivar heard: whether a whole message has come yet.
    @ivar waiting: requests that have no reply yet.
    @ivar since: when something happened that counts, or the connection was made.
    """

    transport: ITCPTransport
    _sink: IConsumer
    _spring: IPushProducer

    def __init__(self, servings: StreamServings, address: IAddress | None, key: bytes) -> None:
        self.host: str = getattr(address, "host", "")
        self.port: int = getattr(address, "port", 0)
        self.local: tuple[str, int] | None = None
        self.table: object = None
        self.key = key
        self.heard = False
        self.waiting = 0
        self.since = servings.seconds()
        self._servings = servings
        self._answering = servings.answering
        self._seconds = servings.seconds
        buffer = StreamBuffer()
        self._buffer = buffer
        self._feed = buffer.feed
        # When the message began that is not whole yet.
        self._began: float | None = None
        # Messages that are not looked at yet.
        self._held: list[bytes] = []
        self._out: list[bytes] | None = None
        # Since when the client has not read what there is, and how much was written in spite of that.
        self._pausedAt: float | None = None
        self._unread = 0
        self._ending = False
        self._silent = False
        self._turn: IDelayedCall | None = None

    def connectionMade(self) -> None:
        here = self.transport.getHost()
        if hasattr(here, "host") and hasattr(here, "port"):
            self.local = (here.host, here.port)
        self._sink = cast(IConsumer, self.transport)
        self._spring = cast(IPushProducer, self.transport)
        self._sink.registerProducer(self, True)
        self._servings.opened(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ending = True
        self._held.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._servings.closed(self)
        self._servings.gone()

    # -- what comes

    def dataReceived(self, data: bytes) -> None:
        if self._ending:
            return
        try:
            messages = self._feed(data)
        except BadMessage:
            self.end()
            return
        now = self._seconds()
        partial = self._buffer.partial
        if messages:
            self.heard = True
            self.since = now
            self._answering.counters.tcp += len(messages)
            self._began = now if partial else None
            if self._held:
                self._held += messages
            else:
                self._process(messages, now)
        elif partial and self._began is None:
            self._began = now

    def _process(self, messages: list[bytes], now: float) -> None:
        """
        Answer messages, as many as may be now.
        """
        servings = self._servings
        end = len(messages)
        turn = servings.mostPerTurn
        position = 0
        while (
            position < end
            and position < turn
            and self._pausedAt is None
            and self.waiting < servings.mostInFlight
            and not self._ending
        ):
            position = self._batch(messages, position, min(end, turn), now)
        if self._ending:
            self._held.clear()
        elif position < end:
            if not self._held:
                self._spring.pauseProducing()
            self._held = messages[position:]
            if position >= turn and self._turn is None:
                self._turn = servings.clock.callLater(0, self._takeTurn)
        elif self._held:
            self._held = []
            if self._pausedAt is None:
                self._spring.resumeProducing()
        self._leave()

    def _batch(self, messages: list[bytes], position: int, end: int, now: float) -> int:
        """
        Answer messages, and write the replies that are there at once in one piece.

        @return: the position of the first message that has not been looked at.
        """
        answering = self._answering
        counters = answering.counters
        find = answering.find
        replies = counters.replies
        most = self._servings.mostInFlight
        self._out = out = []
        size = 0
        understood = True
        try:
            while position < end and size < _WINDOW:
                octets = messages[position]
                reply = find(octets, self, now)
                if reply is not None:
                    length = len(reply)
                    replies[reply[1] & 15] += 1
                    out.append((length + 2).to_bytes(2, "big") + octets[:2] + reply)
                    size += length
                elif self.waiting >= most:
                    break
                else:
                    counters.tcpBeyond += 1
                    before = len(out)
                    self.waiting += 1
                    if not answering.take(octets, self, self.send):
                        self.waiting -= 1
                        understood = False
                        break
                    for each in out[before:]:
                        size += len(each)
                position += 1
        finally:
            self._out = None
        if out:
            self._write(out[0] if len(out) == 1 else b"".join(out))
        if not understood:
            self.end()
        return position

    def _takeTurn(self) -> None:
        self._turn = None
        self._continue()

    def _continue(self) -> None:
        """
        Go on with what is held, if nothing is in the way any more.
        """
        if self._held and self._turn is None and self._out is None and self._pausedAt is None and not self._ending:
            self._process(self._held, self._seconds())

    # -- what goes

    def send(self, octets: bytes) -> None:
        """
        Send a reply.
        """
        if self.waiting:
            self.waiting -= 1
        if self._ending:
            return
        framed = len(octets).to_bytes(2, "big") + octets
        out = self._out
        if out is not None:
            out.append(framed)
            return
        self.since = self._seconds()
        self._write(framed)
        if self._held:
            self._continue()
        else:
            self._leave()

    def writeMessage(self, message: _Writable) -> None:
        """
        Send a message of twisted.names, as its L{DNSProtocol<twisted.names.dns.DNSProtocol>} does.
        """
        self.send(message.toStr())

    def _write(self, octets: bytes) -> None:
        if self._pausedAt is not None:
            self._unread += len(octets)
            if self._unread > self._servings.mostUnread:
                self._answering.counters.tcpIdled += 1
                self.abort()
                return
        self.transport.write(octets)

    # -- the transport's buffer

    def pauseProducing(self) -> None:
        if self._pausedAt is None:
            self._pausedAt = self._seconds()
            self._unread = 0
            self._spring.pauseProducing()

    def resumeProducing(self) -> None:
        if self._pausedAt is None:
            return
        self._pausedAt = None
        self.since = self._seconds()
        if self._held:
            self._continue()
        elif not self._ending:
            self._spring.resumeProducing()

    def stopProducing(self) -> None:
        self._held.clear()

    # -- the end

    def readConnectionLost(self) -> None:
        """
        The client has nothing more to say, but may still listen.
        """
        if self._ending:
            return
        self._silent = True
        self._leave()

    def writeConnectionLost(self) -> None:
        self.abort()

    def overdue(self, now: float) -> bool:
        """
        @return: whether this connection has had its time.
        """
        servings = self._servings
        if self._pausedAt is not None:
            return now - self._pausedAt >= servings.stalled
        if self._began is not None and now - self._began >= servings.message:
            return True
        if self.waiting:
            # Everything that answers has a deadline of its own; this is for what does not keep it.
            return now - self.since >= servings.patience
        return now - self.since >= (servings.idle if self.heard else servings.message)

    @property
    def spare(self) -> bool:
        """
        Whether nothing is lost if this connection ends.
        """
        return not (self.waiting or self._held or self._ending)

    def end(self) -> None:
        """
        Close the connection once what was written is read.
        """
        if not self._ending:
            self._ending = True
            # Whoever does not even read what is left gets as long as others who do not read.
            if self._pausedAt is None:
                self._pausedAt = self._seconds()
            self._sink.unregisterProducer()
            self.transport.loseConnection()

    def _leave(self) -> None:
        """
        End if the client has said that nothing more will come, and has got everything.
        """
        if self._silent and not self.waiting and not self._held:
            self.end()

    def abort(self) -> None:
        """
        Close the connection now.
        """
        self._ending = True
        # It makes room at once, not when the transport has noticed.
        self._servings.closed(self)
        self.transport.abortConnection()

    def __repr__(self) -> str:
        return f"<StreamServing {self.host}:{self.port}>"


class _Writable(Protocol):
    """
    A message of twisted.names.
    """

    def toStr(self) -> bytes:
        """
        @return: its octets.
        """


class StreamServings(ServerFactory):
    """
    All connections of a listener, or of several: who may have one more, and whose time is up.

    @ivar idle: seconds between messages.
    @ivar message: seconds for the first message, and for each one from its first octet to its last.
    @ivar stalled: seconds for a client that does not read.
    @ivar patience: seconds for a reply.
    """

    noisy = False

    def __init__(
        self,
        answering: Answering,
        clock: IReactorTime,
        *,
        most: int | None = None,
        perPeer: int | None = None,
        inFlight: int | None = None,
        perTurn: int | None = None,
        unread: int | None = None,
        idle: float | None = None,
        message: float | None = None,
        stalled: float | None = None,
    ) -> None:
        self.answering = answering
        self.clock = clock
        self.seconds: Callable[[], float] = clock.seconds
        self.most = int(CLIENT_STREAMS.pick(most))
        self.mostPerPeer = int(CLIENT_STREAMS_PER_PEER.pick(perPeer))
        self.mostInFlight = int(CLIENT_STREAM_IN_FLIGHT.pick(inFlight))
        self.mostPerTurn = int(CLIENT_STREAM_TURN.pick(perTurn))
        self.mostUnread = int(CLIENT_STREAM_UNREAD.pick(unread))
        self.idle = CLIENT_STREAM_IDLE.pick(idle)
        self.message = CLIENT_STREAM_MESSAGE.pick(message)
        self.stalled = CLIENT_STREAM_STALLED.pick(stalled)
        self.patience = max(self.idle, CLIENT_STREAM_STALLED.most)
        self._streams: set[StreamServing] = set()
        self._peers: dict[bytes, set[StreamServing]] = {}
        self._spare: list[StreamServing] = []
        self._timer: IDelayedCall | None = None
        self._alive = 0
        self._ended: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._streams)

    def buildProtocol(self, addr: IAddress | None) -> StreamServing | None:
        counters = self.answering.counters
        key = _keyOf(getattr(addr, "host", ""))
        theirs = self._peers.get(key, ())
        if len(theirs) >= self.mostPerPeer:
            counters.tcpTurnedAway += 1
            if not _endOldest(theirs, 1):
                return None
        if len(self._streams) >= self.most:
            counters.tcpTurnedAway += 1
            if not _endOldest(self._streams, 1 + self.most // _MAKE_ROOM):
                return None
        return None if self._ended is not None else StreamServing(self, addr, key)

    def opened(self, stream: StreamServing) -> None:
        """
        A connection is there.
        """
        counters = self.answering.counters
        counters.tcpOpened += 1
        counters.tcpOpen += 1
        self._alive += 1
        self._streams.add(stream)
        self._peers.setdefault(stream.key, set()).add(stream)
        if self._timer is None:
            self._timer = self.clock.callLater(_SWEEP, self._sweep)

    def closed(self, stream: StreamServing) -> None:
        """
        And gone.
        """
        if stream not in self._streams:
            return
        self.answering.counters.tcpOpen -= 1
        self._streams.discard(stream)
        theirs = self._peers[stream.key]
        theirs.discard(stream)
        if not theirs:
            del self._peers[stream.key]
        if not self._streams and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        self._timer = self.clock.callLater(_SWEEP, self._sweep)
        now = self.seconds()
        for stream in [stream for stream in self._streams if stream.overdue(now)]:
            self.answering.counters.tcpIdled += 1
            stream.abort()

    def gone(self) -> None:
        """
        One connection's transport has gone as well.
        """
        self._alive -= 1
        if not self._alive and self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    def close(self) -> Deferred[None]:
        """
        End all connections; new ones are not taken any more.

        @return: fires when nothing is left.
        """
        if self._ended is None:
            self._ended = Deferred()
            for stream in list(self._streams):
                stream.abort()
            if not self._alive:
                self._ended.callback(None)
        done: Deferred[None] = Deferred()
        self._ended.chainDeferred(done)
        self._ended.addCallback(lambda _: None)
        return done


def _keyOf(host: str) -> bytes:
    """
    @return: the same for all addresses of one peer.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.encode()
    if address.version == 6 and address.ipv4_mapped is not None:
        return address.ipv4_mapped.packed
    return address.packed[:_SITE]


def _endOldest(streams: Iterable[StreamServing], count: int) -> int:
    """
    End connections that nothing is lost with: those that never said anything first, then those that were silent longest.

    @return: how many ended.
    """
    spare = sorted([stream for stream in streams if stream.spare], key=lambda stream: (stream.heard, stream.since))[
        :count
    ]
    for stream in spare:
        stream.abort()
    return len(spare)
