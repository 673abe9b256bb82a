"""
A QUIC connection from a client: a query on each stream, replies as they become ready (RFC 9250).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from twisted.logger import Logger

from twisted_ext.errors import BadMessage, DNSFault
from twisted_ext.packetcache.doors import NOWHERE, Door, doorAt, foldedName
from twisted_ext.server.reply.ratelimit import networkOf, siteOf
from twisted_ext.transport.quic.link import QuicLink, WatchedConnection
from twisted_ext.transport.quic.wire import (
    ALPN,
    EXCESSIVE_LOAD,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REQUEST_CANCELLED,
    UNSPECIFIED_ERROR,
    StreamMessage,
    isClients,
    isReplayable,
    wantsKeepalive,
)
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import HEADER

if TYPE_CHECKING:
    from aioquic.quic.connection import NetworkAddress

    from twisted_ext.metrics.counters import Counters
    from twisted_ext.server.listeners.quic.servings import QuicServings
    from twisted_ext.server.reply.requests import Send

__all__ = ["DOQ", "Codes", "QuicReplySource", "QuicServing"]

#: Octets of a reply of many messages that are written ahead of what the client accepts.
_FLOW_WINDOW: Final = 65536

#: The opcode in a header's flags.
_OPCODE: Final = 0x7800

#: Codes of QUIC from this one on are alerts of TLS (RFC 9001, section 4.8), and the one for no protocol in common.
_CRYPTO_ERROR: Final = 0x100
_NO_PROTOCOL: Final = _CRYPTO_ERROR + 120

#: The maximum number of characters of a client's words in the log.
_REASON: Final = 200

_log: Final = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Codes:
    """
    The error codes of what runs on QUIC, for connections and streams.

    @ivar slow: for clients that exceed a time limit.
    """

    none: int
    protocol: int
    cancelled: int
    load: int
    internal: int
    slow: int


DOQ: Final = Codes(NO_ERROR, PROTOCOL_ERROR, REQUEST_CANCELLED, EXCESSIVE_LOAD, INTERNAL_ERROR, UNSPECIFIED_ERROR)


class QuicReplySource(Protocol):
    """
    The source of a connection's replies.
    """

    counters: Counters
    transport: str

    def finderAt(self, door: Door) -> Callable[[bytes, str, float, str], bytes | None]:
        """
        See L{ReplySource.finderAt<twisted_ext.server.listeners.connection.ReplySource.finderAt>}.
        """

    def isDropped(self, host: str, /) -> bool:
        """
        Return whether a client gets no reply at all, so that it is not worth a handshake.
        """

    def isAlike(self, host: str, other: str, door: Door, /) -> bool:
        """
        Return whether two clients that come in by the same door have the same rights, and get the same replies.
        """

    def take(self, octets: bytes, serving: QuicServing, send: Send, flow: Callable[[Iterator[bytes]], None], door: Door) -> bool:
        """
        Answer a message, by calling C{send} or C{flow} now or later.

        @param door: how the client came in, with the path of this request.

        @return: whether the message was a request. If not, the connection is closed.
        """


class _Way:
    """
    Sends the reply to one stream.
    """

    __slots__ = ("_serving", "_stream")

    def __init__(self, serving: QuicServing, stream: int) -> None:
        self._serving = serving
        self._stream = stream

    def __call__(self, octets: bytes) -> None:
        self._serving.send(self._stream, octets)

    def flow(self, messages: Iterator[bytes]) -> None:
        self._serving.flow(self._stream, messages)


class QuicServing:
    """
    One connection of DNS over QUIC, and the base of others.

    @ivar alpn: the protocol of the connection.
    @ivar codes: its error codes.
    @ivar host: the client's address, by which it has rights and is shown.
    @ivar port: the client's port when it connected, or when its address changed.
    @ivar rebinding: whether datagrams have come from another address, whose path may not be validated yet.
    @ivar local: the server's address and port, or L{None}.
    @ivar door: how the client came in.
    @ivar site: the key of the client that has connected (see L{siteOf<twisted_ext.server.reply.ratelimit.siteOf>}), for which the
        connection counts to the end.
    @ivar network: the key of its network.
    @ivar complete: whether the handshake is complete, and with it the client's address validated.
    @ivar waiting: the number of requests without a reply, including those that the client has cancelled.
    @ivar since: the time of the last request or reply, at first that of the connection's start.
    @ivar ids: the ids by which the client addresses this connection.
    @ivar counted: the octets that L{QuicServings} has counted as held for this connection.
    """

    alpn = ALPN
    codes = DOQ

    def __init__(self, servings: QuicServings, address: NetworkAddress, connection: WatchedConnection) -> None:
        self.host: str = address[0]
        self.port: int = address[1]
        self.local = servings.local
        self.door = (NOWHERE if servings.local is None else doorAt(*servings.local))._replace(isEncrypted=True)
        self.site = siteOf(self.host)
        self.network = networkOf(self.host)
        self.complete = False
        self.rebinding = False
        self.waiting = 0
        self.since = self._opened = servings.clock.seconds()
        self.ids: set[bytes] = set()
        self.counted = 0
        self.link = QuicLink(servings.clock, connection, servings.send, self)
        self._servings = servings
        self._replies = servings.replies
        self._seconds = servings.clock.seconds
        # Streams whose message is incomplete, in the order of their first octets, and the octets of all of these.
        self._partial: dict[int, StreamMessage] = {}
        self._partialOctets = 0
        # Streams whose reply is not written yet.
        self._open: set[int] = set()
        # Cancelled streams, less those answered.
        self._cancels = 0
        self._flows: dict[int, Iterator[bytes]] = {}
        self._over = False

    # -- events of the connection

    def negotiated(self, protocol: str | None) -> None:
        self.door = self.door._replace(serverName=foldedName(getattr(self.link.connection, "serverName", "")))
        if protocol != self.alpn:
            self.close(self.codes.protocol, f"the protocol has to be {self.alpn}")

    def handshaken(self, resumed: bool) -> None:
        self.complete = True
        self._servings.completed(self)

    def received(self, stream: int, data: bytes, end: bool) -> None:
        if self._over:
            return
        if not isClients(stream):
            self.close(PROTOCOL_ERROR, "queries take bidirectional streams")
            return
        now = self._seconds()
        message = self._partial.pop(stream, None)
        if message is None:
            message = StreamMessage(now)
        else:
            self._partialOctets -= len(message)
        try:
            octets = message.feed(data, end)
        except BadMessage as fault:
            self.close(PROTOCOL_ERROR, str(fault))
            return
        if octets is not None:
            self._take(stream, octets, now)
            return
        self._partial[stream] = message
        self._hold(len(message))

    def _hold(self, octets: int) -> None:
        """
        Count octets of an unfinished message.
        """
        self._partialOctets += octets
        if self._partialOctets > self._servings.mostPartial:
            self.close(self.codes.load, "too many unfinished messages")
        else:
            self._servings.account(self)

    def abandoned(self, stream: int, code: int, *, reset: bool) -> None:
        if self._over:
            return
        message = self._partial.pop(stream, None)
        if message is not None:
            self._partialOctets -= len(message)
            if not reset:
                # The client does not read the reply, so the rest of the query is not needed.
                self.link.refuse(stream, self.codes.cancelled)
        elif stream not in self._open and stream not in self._flows:
            # The reply is on its way already.
            return
        self._open.discard(stream)
        self._dropFlow(stream)
        if reset:
            # The other direction has to end as well: only then may the client open another stream.
            self.link.reset(stream, self.codes.cancelled)
        # The request is still being answered, so it stays in self.waiting: otherwise clients could have any number of them answered.
        self._cancels += 1
        if self._cancels > self._servings.mostCancels:
            self.close(self.codes.load, "too many cancelled queries")

    def ended(self, code: int, reason: str, byApplication: bool) -> None:
        if not self.complete and not self._over:
            self._servings.failures.noteReason(self.host, partial(_failure, code, reason, byApplication, self.alpn), self._seconds())
        self._finish()

    def broken(self, error: Exception) -> None:
        self._servings.broken(error, self)

    def issued(self, connectionId: bytes) -> None:
        self._servings.route(connectionId, self)

    def retired(self, connectionId: bytes) -> None:
        self._servings.unroute(connectionId, self)

    def rebind(self) -> None:
        """
        Take over the address of the path in use, once it is validated.
        """
        path = self.link.validated
        if path is not None:
            self.rebinding = False
            if path[0] != self.host:
                self.host, self.port = path[:2]

    # -- requests

    def _take(self, stream: int, octets: bytes, now: float) -> None:
        if octets[0] or octets[1]:
            self.close(PROTOCOL_ERROR, "the message ID has to be 0")
            return
        if wantsKeepalive(octets):
            self.close(PROTOCOL_ERROR, "edns-tcp-keepalive is not for QUIC")
            return
        self._ask(stream, octets, now)

    def _ask(self, stream: int, octets: bytes, now: float, path: str = "") -> None:
        """
        Answer a message, now or later.

        @param path: that of a view, over HTTP/3; C{""} for the usual one.
        """
        door = self.door._replace(path=path) if path else self.door
        self.since = now
        replies = self._replies
        counters = replies.counters
        counters.tcp += 1
        reply = replies.finderAt(door)(octets, self.host, now, replies.transport)
        if reply is not None:
            counters.replies[reply[1] & 15] += 1
            counters.sampled(octets, 1)
            counters.observed(octets, 1, self.host, replies.transport, reply, now)
            self._answered()
            self._reply(stream, octets[:2] + reply)
            return
        counters.tcpBeyond += 1
        if not (self.complete or isReplayable(octets)):
            self._tooEarly(stream, octets)
            return
        if not self.link.isWritable(stream):
            # The client has cancelled the query before it was complete, or in the same datagram, and does not wait for the answer.
            return
        if self.waiting >= self._servings.mostInFlight:
            self.link.reset(stream, self.codes.load)
            return
        self.waiting += 1
        self._open.add(stream)
        way = _Way(self, stream)
        if not replies.take(octets, self, way, way.flow, door):
            self.waiting -= 1
            self._open.discard(stream)
            self._notRequest(stream)

    def _reply(self, stream: int, message: bytes) -> None:
        """
        Write the only reply of a stream.
        """
        self._write(stream, frame(message), True)

    def _tooEarly(self, stream: int, octets: bytes) -> None:
        """
        Refuse a message that came in early data, although it changes something.
        """
        self._reply(stream, _refused(octets))

    def _notRequest(self, stream: int) -> None:
        self.close(PROTOCOL_ERROR, "the message is not a request")

    def send(self, stream: int, octets: bytes) -> None:
        """
        Send the only reply of a stream.
        """
        self.waiting -= 1
        if self._over or stream not in self._open:
            return
        self._open.remove(stream)
        self.since = self._seconds()
        self._answered()
        self._reply(stream, octets)
        self.link.pump()

    def flow(self, stream: int, messages: Iterator[bytes]) -> None:
        """
        Send a reply of many messages, as fast as the client reads them.

        @param messages: its C{close}, if it has one, is called when the stream ends first.
        """
        self.waiting -= 1
        self._flows[stream] = messages
        if self._over or stream not in self._open:
            self._dropFlow(stream)
            return
        self._open.remove(stream)
        self.link.flowing = True
        self.link.pump()

    def more(self) -> bool:
        link = self.link
        wrote = False
        for stream, messages in list(self._flows.items()):
            while link.unsent < _FLOW_WINDOW:
                try:
                    message = next(messages, None)
                except DNSFault as fault:
                    _log.error("a reply of many messages to {client} could not be finished: {fault}", client=self.host, fault=fault)
                    self._failFlow(stream)
                    break
                except Exception:
                    _log.failure("a reply of many messages could not be finished")
                    self._failFlow(stream)
                    break
                wrote = True
                self.since = self._seconds()
                if message is None:
                    link.write(stream, b"", True)
                    self._dropFlow(stream)
                    self._answered()
                    break
                link.write(stream, frame(message), False)
        return wrote

    def _failFlow(self, stream: int) -> None:
        self.link.reset(stream, self.codes.internal)
        self._dropFlow(stream)

    def _dropFlow(self, stream: int) -> None:
        messages = self._flows.pop(stream, None)
        if messages is not None:
            close = getattr(messages, "close", None)
            if close is not None:
                close()
        self.link.flowing = bool(self._flows)

    def _answered(self) -> None:
        if self._cancels:
            self._cancels -= 1

    def _write(self, stream: int, octets: bytes, end: bool) -> None:
        link = self.link
        link.write(stream, octets, end)
        if link.unsent > self._servings.mostUnread:
            # The client asks, but does not let the replies through.
            self.overflow()
        else:
            self._servings.account(self)

    def overflow(self) -> None:
        """
        Close the connection because the server holds too much for it.
        """
        self._replies.counters.tcpIdled += 1
        self.close(self.codes.load, "too many unread replies" if self.link.unsent > self._partialOctets else "too many unfinished messages")

    # -- the end

    def overdue(self, now: float) -> bool:
        """
        Return whether a time limit has passed.
        """
        servings = self._servings
        if not self.complete:
            return now - self._opened >= servings.message
        for message in self._partial.values():
            # The first is the oldest, or has grown since; one octet now and then is not enough.
            if now - message.began >= servings.message:
                return True
        if self.waiting:
            # Every source has its own deadline; this catches those that exceed it.
            return now - self.since >= servings.patience
        return now - self.since >= servings.idle

    @property
    def held(self) -> int:
        """
        The octets of unfinished requests and unread replies.
        """
        return self.link.unsent + self._partialOctets

    @property
    def open(self) -> int:
        """
        The number of streams whose client waits for a reply.
        """
        return len(self._open)

    @property
    def resting(self) -> bool:
        """
        Whether no request is under way, so that the connection may be closed to make room for others.
        """
        return not self.waiting and not self._flows and not self._partial

    def expire(self) -> None:
        """
        Close the connection because of a time limit.
        """
        if not self.complete:
            # Its address is not validated: send no more than it has caused already.
            self.drop()
        else:
            self.close(self.codes.slow if self._partial or self.waiting else self.codes.none)

    def leave(self) -> None:
        """
        Close the connection because the server needs its place, or stops.
        """
        if self.complete:
            self.close(self.codes.none)
        else:
            self.drop()

    def close(self, code: int, reason: str = "") -> None:
        if not self._over:
            self.link.close(code, reason)
            self._finish()

    def drop(self) -> None:
        if not self._over:
            self.link.drop()
            self._finish()

    def _finish(self) -> None:
        self._over = True
        self._partial.clear()
        self._partialOctets = 0
        self._open.clear()
        for stream in list(self._flows):
            self._dropFlow(stream)
        self._servings.closed(self)

    def __repr__(self) -> str:
        return f"<QuicServing {self.host}:{self.port}>"


def _failure(code: int, reason: str, byApplication: bool, alpn: str) -> str:
    """
    Describe in words why a handshake has failed.

    @param reason: the words of this end or of the client.
    """
    said = printable(reason[:_REASON])
    if code == _NO_PROTOCOL and not byApplication:
        return f"the client does not offer {alpn} (ALPN), which this listener has"
    if code >= _CRYPTO_ERROR and not byApplication:
        return f"TLS alert {code - _CRYPTO_ERROR}{f' ({said})' if said else ''}"
    return said or f"error {code:#x}{'' if byApplication else ' of QUIC'}"


def _refused(query: bytes) -> bytes:
    """
    Return the reply to a message that arrived too early to be carried out: a header is enough for other opcodes than QUERY.
    """
    flags = int.from_bytes(query[2:4], "big") & _OPCODE | QR | Rcode.REFUSED
    return HEADER.pack(0, flags, 0, 0, 0, 0)
