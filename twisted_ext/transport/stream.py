"""
Send queries over TCP: one connection per server, many queries in flight, replies in any order (RFC 7766). The edns-tcp-keepalive option
(RFC 7828) negotiates how long it stays open.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import ClassVar, Final, cast

from mypy_extensions import mypyc_attr
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConnector, IProtocolFactory, IReactorTCP, IReactorTime, ITCPTransport
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import classImplements

from twisted_ext.errors import BadMessage, Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.limits import STREAM_IN_FLIGHT, STREAM_KEPT, STREAM_WAIT
from twisted_ext.transport.exchange import Dialer, KeptExchange, PendingQuery
from twisted_ext.transport.random import Draw
from twisted_ext.transport.replymatch import hasOtherQuestion
from twisted_ext.transport.servers import Server
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameEnd

__all__ = ["Attempt", "Connection", "StreamExchange", "secondsAllowed", "wishing"]

_KEEPALIVE: Final = 11

#: The option's code and length in replies. A message without these octets need not be parsed.
_ALLOWANCE: Final = b"\x00\x0b\x00\x02"

#: Replies with other questions that are ignored on one connection. One or two may come by mistake; a server that sends more of them is of
#: no use, and its queries have to go elsewhere in time.
_STRAYS: Final = 3

#: Octets of an OPT record before its options.
_OPT_OCTETS: Final = 11


@mypyc_attr(allow_interpreted_subclasses=True)
class StreamExchange(KeptExchange):
    """
    Queries to one server over TCP.

    If the connection falls silent, or is silent when a query is given up, the queries on it are sent again on a new one after a while: the
    kernel may need a quarter of an hour to notice that a connection is dead.

    Subclasses run over something else than plain TCP: they override C{attempt}, C{factory}, C{write} and
    C{prepared}.

    @param keep: seconds to keep an idle connection, if the server allows that many (RFC 7828).
    @cvar way: the transport's name in errors.
    """

    kind: ClassVar[str] = "tcp"
    way: ClassVar[str] = "TCP"

    def __init__(self, reactor: IReactorTCP, server: Server, draw: Draw, *, keep: float | None = None, inFlight: int | None = None) -> None:
        super().__init__(server, IReactorTime(reactor), STREAM_KEPT.pick(keep))
        self._most = int(STREAM_IN_FLIGHT.pick(inFlight))
        self._reactor = cast(Dialer, reactor)
        self._draw = draw
        # In the order in which they were sent.
        self._sent: dict[bytes, None] = {}
        self._answered = 0
        # Replies on the connection with the question of none.
        self._strays = 0
        # The number of sent queries that are no longer pending.
        self._orphans = 0
        self._attempt: Attempt | None = None
        self._leaving: set[Attempt] = set()
        self._closed: list[Deferred[None]] = []
        self._allowed = inf
        # Whether queries are collected, to be written at once.
        self._collecting = False

    def ask(self, asking: PendingQuery, now: float) -> tuple[StreamExchange, bytes]:
        keys = self.keys
        self._expectRoom(self.label)
        if not keys:
            self._watch(now)
        key = self._draw.take(2)
        while key in keys or key in self._sent:
            key = self._draw.take(2)
        if not keys and not self._sent:
            self._quietSince = now
        keys[key] = asking
        self._unsent.append(key)
        if self._attempt is None:
            self._connect()
        elif not self._collecting:
            self._flush()
        return self, key

    def collect(self, receive: Callable[[], None]) -> None:
        """
        Write all queries that are sent while C{receive} handles replies at once.
        """
        outer = self._collecting
        self._collecting = True
        try:
            receive()
        finally:
            self._collecting = outer
            if not outer:
                self._flush()

    def release(self, key: bytes) -> None:
        if self.keys.pop(key, None) is None:
            return
        self._again.pop(key, None)
        if key in self._sent:
            # The id stays reserved until the reply arrives or the connection ends, so that a late reply matches no other query.
            self._orphans += 1
        if self._orphans * 2 > self._most or self.clock.seconds() - self._quietSince >= STREAM_WAIT.default:
            self._replace()

    def settle(self) -> None:
        attempt = self._attempt
        if attempt is None or self.keys:
            return
        keep = min(self.keep, self._allowed)
        if keep > 0 and attempt.transport is not None and not self._sent:
            self._idle.start(keep)
        else:
            self._drop()

    def _keptFor(self) -> float:
        return min(self.keep, self._allowed)

    def close(self) -> Deferred[None]:
        self._drop()
        if not self._leaving:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._closed.append(done)
        return done

    def _drop(self) -> None:
        self._idle.stop()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            unanswered = bool(self._sent)
            self._sent.clear()
            self._orphans = 0
            self._unsent.clear()
            self._leaving.add(attempt)
            attempt.leave(unanswered)

    def _stalled(self) -> None:
        if self._answered:
            self._replace()

    def _replace(self) -> None:
        """
        Reconnect: the connection is dead, or full of queries that the server does not answer.
        """
        attempt = self._attempt
        if attempt is None:
            return
        keys = self.keys
        waiting = [key for key in (*self._sent, *self._unsent) if key in keys]
        self._drop()
        if waiting:
            self._unsent.extend(waiting)
            self._connect()

    def _connect(self) -> None:
        # The server's limit applied to the previous connection.
        self._allowed = inf
        self._answered = 0
        self._strays = 0
        self._quietSince = self.clock.seconds()
        self._idle.start(STREAM_WAIT.default)
        attempt = self._attempt = self.attempt()
        # No timeout here: the pending queries have their own.
        attempt.connector = self._reactor.connectTCP(self.server.address, self.server.port, self.factory(attempt), timeout=None)

    def attempt(self) -> Attempt:
        return Attempt(self)

    def factory(self, attempt: Attempt) -> IProtocolFactory:
        """
        Return what is connected over TCP: the attempt, or a wrapper around it.
        """
        return attempt

    def write(self, transport: ITCPTransport, attempt: Attempt, framed: list[bytes]) -> None:
        transport.write(b"".join(framed))

    def prepared(self, query: bytes) -> bytes:
        """
        Add to a query, which is without its id, what is sent over this transport only.
        """
        return wishing(query) if self.keep else query

    def _flush(self) -> None:
        attempt = self._attempt
        if attempt is None or attempt.transport is None:
            return
        unsent = self._unsent
        sent = self._sent
        keys = self.keys
        framed: list[bytes] = []
        most = self._most
        if self._takes:
            most = min(most, self._room(self._answered))
        while unsent and len(sent) < most:
            key = unsent.popleft()
            asking = keys.get(key)
            if asking is not None:
                sent[key] = None
                framed.append(frame(key + self.prepared(asking.query)))
        if unsent:
            self._delayed()
        if framed:
            self.write(attempt.transport, attempt, framed)

    def connected(self, attempt: Attempt) -> None:
        if attempt is self._attempt:
            self._quietSince = self.clock.seconds()
            self._flush()
        else:
            attempt.leave(True)

    def received(self, attempt: Attempt, messages: list[bytes]) -> None:
        self.collect(lambda: self._received(attempt, messages))

    def _received(self, attempt: Attempt, messages: list[bytes]) -> None:
        now = self.clock.seconds()
        for octets in messages:
            if attempt is not self._attempt:
                return
            self._quietSince = now
            key = octets[:2]
            asking = self.keys.get(key)
            if key in self._sent:
                del self._sent[key]
                self._answered += 1
                if 0 < self._takes < self._answered:
                    self._tookMore()
                if asking is None:
                    self._orphans -= 1
            if self.keep and _ALLOWANCE in octets:
                allowed = secondsAllowed(octets)
                if allowed is not None:
                    self._allowed = allowed
            if asking is None:
                continue
            if asking.replied(octets, now, self, key) or self.keys.get(key) is not asking:
                continue
            if hasOtherQuestion(octets, asking.query) and self._strays < _STRAYS:
                # A late reply, perhaps, of a server or a load balancer that mixes up its clients: the right one may follow.
                self._strays += 1
                self._sent[key] = None
                self._answered -= 1
                continue
            # Otherwise the stream comes from the server itself, so no better reply will follow.
            strays = self._strays
            self._fail([key], BadMessage(f"{self.label} did not answer the question over {self.way}", server=self.label))
            if strays >= _STRAYS and attempt is self._attempt:
                self._replace()
                return

    def lost(self, attempt: Attempt, reason: str) -> None:
        """
        The connection was lost, or could not be established.
        """
        # It refers to the attempt.
        attempt.connector = None
        if attempt is not self._attempt:
            self._leaving.discard(attempt)
            if not self._leaving:
                closed, self._closed = self._closed, []
                for done in closed:
                    done.callback(None)
            return
        self._attempt = None
        self._idle.stop()
        keys = self.keys
        if attempt.transport is None:
            failed = [*keys]
            self._unsent.clear()
        else:
            failed = self._sendAgain(self._sent, self._answered)
        self._sent.clear()
        self._orphans = 0
        if len(keys) > len(failed):
            self._connect()
        if failed:
            what = f"cannot be reached over {self.way}" if attempt.transport is None else "closed the connection before it answered"
            self._fail(failed, Unreachable(f"{self.label} {what}: {reason}", server=self.label))


classImplements(StreamExchange, IExchange)


@mypyc_attr(allow_interpreted_subclasses=True)
class Attempt(ClientFactory):
    """
    One connection, from the attempt to its loss.

    @ivar transport: where queries can be written; L{None} before.
    """

    noisy = False

    def __init__(self, exchange: StreamExchange) -> None:
        self.exchange = exchange
        self.connector: IConnector | None = None
        self.transport: ITCPTransport | None = None

    def buildProtocol(self, addr: object) -> Protocol:
        return Connection(self)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.exchange.lost(self, reason.getErrorMessage())

    def leave(self, abort: bool) -> None:
        """
        Close the connection. Without unanswered queries everything written has been sent, so a clean close does not wait for the peer.
        """
        if self.transport is None:
            if self.connector is not None:
                self.connector.disconnect()
        elif abort:
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()


@mypyc_attr(allow_interpreted_subclasses=True)
class Connection(Protocol):
    transport: ITCPTransport

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._buffer = StreamBuffer()

    def connectionMade(self) -> None:
        attempt = self._attempt
        attempt.transport = self.transport
        self.transport.setTcpNoDelay(True)
        attempt.exchange.connected(attempt)

    def dataReceived(self, data: bytes) -> None:
        try:
            messages = self._buffer.feed(data)
        except BadMessage:
            self.transport.abortConnection()
            return
        if messages:
            self._attempt.exchange.received(self._attempt, messages)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._attempt.exchange.lost(self._attempt, reason.getErrorMessage())


def wishing(query: bytes) -> bytes:
    """
    Add the keepalive option to a query, which may only be sent over TCP (RFC 7828, section 3.2.1).

    @param query: a message without its ID. It is returned unchanged if it has no OPT record.
    """
    if query[8:10] != b"\x00\x01":
        return query
    opt = nameEnd(query, 10) + 4
    if query[opt : opt + 3] != b"\x00\x00\x29":
        return query
    options = query[opt + _OPT_OCTETS :]
    length = len(options) + 4
    return query[: opt + _OPT_OCTETS - 2] + length.to_bytes(2, "big") + options + _KEEPALIVE.to_bytes(2, "big") + b"\x00\x00"


def secondsAllowed(reply: bytes) -> float | None:
    """
    Return how many seconds the server lets the connection be idle; 0 if it requests that the connection be closed (RFC 7828, section 3.4);
    L{None} if the option is absent.
    """
    opt = reply.rfind(b"\x00\x00\x29")
    if opt > 0 and reply[opt + _OPT_OCTETS :].startswith(_ALLOWANCE) and len(reply) - opt - _OPT_OCTETS == int.from_bytes(
        reply[opt + _OPT_OCTETS - 2 : opt + _OPT_OCTETS], "big"
    ):
        # Nearly always the OPT record is the last one, and this option the first.
        return int.from_bytes(reply[opt + _OPT_OCTETS + 4 : opt + _OPT_OCTETS + 6], "big") / 10
    try:
        edns = Message.fromWire(reply).edns
    except BadMessage:
        return None
    octets = None if edns is None else edns.option(_KEEPALIVE)
    return int.from_bytes(octets, "big") / 10 if octets is not None and len(octets) == 2 else None
