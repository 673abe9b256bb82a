"""
A TCP connection from a client: pipelined requests, answered out of order (RFC 7766).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol, cast

from mypy_extensions import mypyc_attr
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Server
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import classImplements

from twisted_ext.errors import BadMessage, DNSFault
from twisted_ext.packetcache.doors import NOWHERE, Door, doorAt
from twisted_ext.server.limits import CLIENT_STREAM_YIELDS
from twisted_ext.server.reply.ratelimit import networkOf
from twisted_ext.wire.framing import StreamBuffer

if TYPE_CHECKING:
    from twisted_ext.metrics.counters import Counters
    from twisted_ext.server.config.keys import TLSPeer
    from twisted_ext.server.listeners.stream import StreamFactory

__all__ = ["ReplySource", "Send", "StreamPeer", "StreamServing"]

#: Octets of replies that are gathered before they are written.
_WINDOW: Final = 65536

#: Seconds for which a connection counts as new: its first request may be on its way, or not have been read yet.
_NEW: Final = 1.0

#: Octets of a reply of many messages that are written in one reactor turn: some milliseconds' worth, so that other clients get their turn.
_FLOW_TURN: Final = 1 << 19

_log: Final = Logger(__name__)

Send = Callable[[bytes], None]


class StreamPeer(Protocol):
    """
    The client of a request.

    @ivar host: its address, or C{""} on a Unix socket.
    @ivar port: its port, or 0.
    @ivar local: the server's address and port, or L{None}.
    @ivar peer: what it has proved over TLS; L{None} in the clear.
    @ivar door: how it came in.
    """

    host: str
    port: int
    local: tuple[str, int] | None
    peer: TLSPeer | None
    door: Door

    def flow(self, messages: Iterator[bytes]) -> None:
        """
        Send a reply of many messages.
        """


class ReplySource(Protocol):
    """
    The source of a connection's replies.
    """

    counters: Counters
    transport: str

    def finderAt(self, door: Door) -> Callable[[bytes, str, float, str], bytes | None]:
        """
        Return what looks up replies in the packet cache for clients that came in by a door. It takes a message, the address of the client,
        the time and the transport, and returns the reply without its message ID, or L{None}.
        """

    def take(self, octets: bytes, stream: StreamPeer, send: Send) -> bool:
        """
        Answer a message, by calling C{send} now or later.

        @return: whether C{send} was called or will be. If not, the message was not a request, and the connection is closed.
        """


@mypyc_attr(allow_interpreted_subclasses=True)
class StreamServing(StreamProtocol):
    """
    The protocol of one connection.

    It stops reading from a client that does not read its replies, and from one that has too many requests waiting.

    @ivar host: the client's address, or C{""} on a Unix socket.
    @ivar port: the client's port, or 0.
    @ivar local: the server's address and port, or L{None}.
    @ivar site: the key of the client (see L{siteOf<twisted_ext.server.reply.ratelimit.siteOf>}).
    @ivar heard: whether a whole message was received.
    @ivar network: the key of the client's network (see L{networkOf<twisted_ext.server.reply.ratelimit.networkOf>}).
    @ivar waiting: the number of requests without a reply.
    @ivar asked: when C{waiting} last rose from 0.
    @ivar since: the time of the last activity, at first that of the connection's start.
    @ivar counted: whether it is counted among its listener's connections.
    @ivar doubtful: whether it may be the server's own self-test, and so is not in the counts of clients' connections and handshakes yet.
    @ivar shaken: whether it has completed a handshake.
    @ivar peer: what the client has proved over TLS; L{None} in the clear.
    @ivar door: how it came in.
    """

    transport: ITCPTransport
    peer: TLSPeer | None = None
    door: Door = NOWHERE
    _sink: IConsumer
    _spring: IPushProducer

    def __init__(self, servings: StreamFactory, address: IAddress | None, site: str) -> None:
        self.host: str = getattr(address, "host", "")
        self.port: int = getattr(address, "port", 0)
        self.local: tuple[str, int] | None = None
        self.site = site
        self.network = networkOf(self.host)
        self.heard = False
        self.waiting = 0
        self.asked = 0.0
        self.counted = False
        self.doubtful = False
        self.shaken = False
        self.since = servings.seconds()
        self._servings = servings
        self._replySource = servings.replySource
        self._seconds = servings.seconds
        buffer = StreamBuffer()
        self._buffer = buffer
        self._feed = buffer.feed
        # When the first octet of an incomplete message arrived.
        self._began: float | None = None
        # Messages not processed yet.
        self._held: list[bytes] = []
        self._out: list[bytes] | None = None
        # When the client stopped reading, and the octets written since then.
        self._pausedAt: float | None = None
        self._unread = 0
        self._ending = False
        self._silent = False
        self._turn: IDelayedCall | None = None
        # Replies of many messages; the first is being sent.
        self._flows: deque[Iterator[bytes]] = deque()
        self._pumping: IDelayedCall | None = None
        # Writes to the socket directly; set while the transport's buffer is empty.
        self._direct: Callable[[bytes], int | BaseException] | None = None

    def connectionMade(self) -> None:
        try:
            self._connected()
        except Exception as error:
            self._broken(error)

    def _connected(self) -> None:
        here = self.transport.getHost()
        if hasattr(here, "host") and hasattr(here, "port"):
            self.local = (here.host, here.port)
            self.door = doorAt(here.host, here.port)
        self._sink = cast(IConsumer, self.transport)
        self._spring = cast(IPushProducer, self.transport)
        self._sink.registerProducer(self, True)
        if hasattr(self.transport, "setTcpNoDelay"):
            # With Nagle's algorithm, a reply would wait for the client's delayed acknowledgment of what was sent before, such as another
            # reply, or the tickets of TLS: 40 milliseconds.
            self.transport.setTcpNoDelay(True)
        if type(self.transport) is Server:
            # Going through the transport's buffer registers and unregisters a writer with the reactor: a third of the cost of a request.
            self._direct = self.transport.writeSomeData
        self._servings.opened(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ending = True
        self._held.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._dropFlows()
        self._servings.closed(self)
        if self.counted:
            self._servings.gone()

    # -- input

    def dataReceived(self, data: bytes) -> None:
        if self._ending:
            return
        try:
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
                self._replySource.counters.tcp += len(messages)
                self._began = now if partial else None
                if self._held:
                    self._held += messages
                else:
                    self._process(messages, now)
            elif partial and self._began is None:
                self._began = now
        except Exception as error:
            self._broken(error)

    def _broken(self, error: Exception) -> None:
        self._servings.faults.note("serving a connection", error, self._seconds())
        self.abort()

    def _process(self, messages: list[bytes], now: float) -> None:
        """
        Answer as many messages as the limits allow now, and hold the rest.
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
        self._endIfServed()

    def _batch(self, messages: list[bytes], position: int, end: int, now: float) -> int:
        """
        Answer messages, and write the replies that are ready at once in one piece.

        @return: the position of the first message that was not processed.
        """
        answering = self._replySource
        counters = answering.counters
        find, transport = answering.finderAt(self.door), answering.transport
        host = self.host
        replies = counters.replies
        most = self._servings.mostInFlight
        self._out = out = []
        size = hits = 0
        hit = answer = b""
        understood = True
        try:
            while position < end and size < _WINDOW:
                octets = messages[position]
                reply = find(octets, host, now, transport)
                if reply is not None:
                    length = len(reply)
                    hits += 1
                    hit = octets
                    answer = reply
                    replies[reply[1] & 15] += 1
                    out.append((length + 2).to_bytes(2, "big") + octets[:2] + reply)
                    size += length
                elif self.waiting >= most:
                    break
                else:
                    counters.tcpBeyond += 1
                    before = len(out)
                    if not self.waiting:
                        self.asked = now
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
        if hits:
            counters.sampled(hit, hits)
            counters.observed(hit, hits, host, transport, answer, now)
        if not understood:
            self.end()
        return position

    def _takeTurn(self) -> None:
        self._turn = None
        self._continue()

    def _continue(self) -> None:
        if self._held and self._turn is None and self._out is None and self._pausedAt is None and not self._ending:
            self._process(self._held, self._seconds())

    # -- output

    def send(self, octets: bytes) -> None:
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
            self._endIfServed()

    def flow(self, messages: Iterator[bytes]) -> None:
        """
        Send a reply of many messages, as fast as the client reads them.

        @param messages: its C{close}, if it has one, is called when the connection ends first.
        """
        self._servings.transferred(self.site)
        self._flows.append(messages)
        if self._ending:
            self._dropFlows()
        elif len(self._flows) == 1 and self._pumping is None:
            self._pumping = self._servings.clock.callLater(0, self._pump)

    def _pump(self) -> None:
        self._pumping = None
        budget = _FLOW_TURN
        flows = self._flows
        while flows and self._pausedAt is None and not self._ending:
            if budget <= 0:
                self._pumping = self._servings.clock.callLater(0, self._pump)
                return
            try:
                message = next(flows[0], None)
            except DNSFault as fault:
                _log.error("a reply of many messages to {client} could not be finished: {fault}", client=self.host, fault=fault)
                self.abort()
                return
            except Exception:
                _log.failure("a reply of many messages could not be finished")
                self.abort()
                return
            self.since = self._seconds()
            if message is None:
                flows.popleft()
                self.waiting -= 1
                self._continue()
                self._endIfServed()
            else:
                budget -= len(message)
                self._write(len(message).to_bytes(2, "big") + message)

    def _dropFlows(self) -> None:
        if self._pumping is not None:
            self._pumping.cancel()
            self._pumping = None
        while self._flows:
            close = getattr(self._flows.popleft(), "close", None)
            if close is not None:
                close()

    def writeMessage(self, message: _Writable) -> None:
        """
        Send a message of twisted.names, as its L{DNSProtocol<twisted.names.dns.DNSProtocol>} does.
        """
        self.send(message.toStr())

    def _write(self, octets: bytes) -> None:
        if self._pausedAt is not None:
            self._unread += len(octets)
            if self._unread > self._servings.mostUnread:
                self._replySource.counters.tcpIdled += 1
                self.abort()
                return
        direct = self._direct
        if direct is not None:
            sent = direct(octets)
            if sent == len(octets):
                return
            # The rest and all later replies go through the transport's buffer, in order, until the transport resumes this producer.
            self._direct = None
            if isinstance(sent, int) and sent > 0:
                octets = octets[sent:]
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
        if type(self.transport) is Server:
            self._direct = self.transport.writeSomeData
        if self._flows and self._pumping is None:
            self._pumping = self._servings.clock.callLater(0, self._pump)
        if self._held:
            self._continue()
        elif not self._ending:
            self._spring.resumeProducing()

    def stopProducing(self) -> None:
        self._held.clear()
        self._dropFlows()

    # -- the end

    def readConnectionLost(self) -> None:
        """
        Handle a half-close: the client sends no more requests, but may still read replies.
        """
        if self._ending:
            return
        self._silent = True
        self._endIfServed()

    def writeConnectionLost(self) -> None:
        self.abort()

    def overdue(self, now: float) -> bool:
        servings = self._servings
        if self._pausedAt is not None:
            return now - self._pausedAt >= servings.stalled
        if self._began is not None and now - self._began >= servings.message:
            return True
        if self.waiting:
            # Every source has its own deadline; this catches those that exceed it.
            return now - self.since >= servings.patience
        return now - self.since >= (servings.idle if self.heard else servings.message)

    def worth(self, now: float) -> tuple[int, float] | None:
        """
        Rank this connection for closing in favor of a new one.

        @return: a rank, lowest first, and the time since which it holds: 0 for a connection that never sent a message, 1 idle, 2 waiting
            for replies, 3 a new one whose request may not have been read yet. L{None} where it must not be closed: it has waited for less
            than L{CLIENT_STREAM_YIELDS}, a reply of many messages is under way, or it is closing already.
        """
        if self._ending or self._flows:
            return None
        if not self.waiting and not self._held:
            if not self.heard and now - self.since < _NEW:
                return 3, self.since
            return int(self.heard), self.since
        since = self.asked if self.waiting else self.since
        return (2, since) if now - since >= CLIENT_STREAM_YIELDS.default else None

    def end(self) -> None:
        """
        Close the connection after all written data is sent.
        """
        if not self._ending:
            self._ending = True
            if self._direct is not None and self._pausedAt is None:
                # The buffer is empty, so the connection closes in the next reactor turn: free its slot at once.
                self._servings.closed(self)
            self._direct = None
            # A client that does not read the remaining data is subject to the time limit of clients that do not read.
            if self._pausedAt is None:
                self._pausedAt = self._seconds()
            self._sink.unregisterProducer()
            self.transport.loseConnection()

    def _endIfServed(self) -> None:
        if self._silent and not self.waiting and not self._held:
            self.end()

    def giveWay(self) -> None:
        """
        Close the connection now, to make room for a new one. Without a reset where possible: that would make the client's kernel discard a
        reply that was just sent.
        """
        if self.waiting or self._held or self._pausedAt is not None or self._direct is None:
            # Data is lost anyway, or sending it would take time.
            self.abort()
            return
        self.end()

    def abort(self) -> None:
        self._ending = True
        # Free its slot at once, before the transport calls connectionLost.
        self._servings.closed(self)
        self.transport.abortConnection()

    def __repr__(self) -> str:
        return f"<StreamServing {self.host}:{self.port}>"


classImplements(StreamServing, IHalfCloseableProtocol, IPushProducer)


class _Writable(Protocol):
    """
    A message of twisted.names.
    """

    def toStr(self) -> bytes: ...
