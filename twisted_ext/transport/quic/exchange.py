"""
Send queries over QUIC (RFC 9250): one connection per server, a stream for each query.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_ext.errors import BadMessage, CallerFault, Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.limits import QUIC_CREDIT, STREAM_IN_FLIGHT, STREAM_WAIT, TLS_KEPT
from twisted_ext.transport.exchange import KeptExchange, PendingQuery
from twisted_ext.transport.padding import padded
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server

if TYPE_CHECKING:
    from aioquic.tls import SessionTicket

    from twisted_ext.transport.quic.attempt import QuicAttempt
    from twisted_ext.transport.tls.terms import TLSDetails, TLSTerms

__all__ = ["QUIC", "QUIC_PORT", "QuicExchange"]

#: The port of DNS over QUIC (RFC 9250, section 4.1.1).
QUIC_PORT: Final = 853


class QUIC:
    """
    Queries over QUIC.
    """

    kind = "quic"

    def __init__(self, terms: TLSTerms, keep: float | None = None, names: Mapping[Server, str] = MappingProxyType({})) -> None:
        """
        @param terms: how servers are authenticated; C{protocols} is not used.
        @param keep: seconds for which idle connections are kept; 0 closes each after its last reply.
        @param names: the names of servers that have others than C{terms}.

        @raise CallerFault: the extra C{quic} is not installed.
        """
        _required()
        self.terms = terms
        self._keep = TLS_KEPT.pick(keep)
        self._names = names

    def exchange(self, reactor: IReactorTime, draw: Draw, server: Server) -> IExchange:
        return QuicExchange(reactor, server, draw, self.terms, keep=self._keep, name=self._names.get(server, ""))


def _required() -> None:
    if find_spec("aioquic") is None:
        raise CallerFault("queries over QUIC need the extra quic: pip install 'twisted-ext[quic]'")


@implementer(IExchange)
class QuicExchange(KeptExchange):
    """
    Queries to one server over QUIC.

    A query is padded and sent only after the handshake. If the server falls silent, or is silent when a query is given up, the queries are
    sent again on a new connection after a while.

    @ivar ticket: a session for the next connection.
    """

    kind = "quic"

    def __init__(
        self,
        reactor: IReactorTime,
        server: Server,
        draw: Draw,
        terms: TLSTerms,
        *,
        keep: float | None = None,
        inFlight: int | None = None,
        name: str = "",
    ) -> None:
        """
        @param keep: seconds to keep an idle connection.
        @param name: the server's name, if it has another one than C{terms}.
        """
        super().__init__(server, reactor, TLS_KEPT.pick(keep))
        self.terms = terms
        self.name = name
        self.ticket: SessionTicket | None = None
        self._most = int(STREAM_IN_FLIGHT.pick(inFlight))
        self._draw = draw
        self._sent: dict[bytes, int] = {}
        self._answered = 0
        # Whether the server was seen to permit no more streams than at first.
        self._isSparing = False
        self._streams: dict[int, bytes] = {}
        self._attempt: QuicAttempt | None = None

    @property
    def details(self) -> TLSDetails | None:
        """
        Return the outcome of the handshake, while there is a connection.
        """
        attempt = self._attempt
        return attempt.details if attempt is not None and attempt.complete else None

    # -- for look-ups

    def ask(self, asking: PendingQuery, now: float) -> tuple[QuicExchange, bytes]:
        keys = self.keys
        self._expectRoom(self.label)
        key = self._draw.take(2)
        while key in keys:
            key = self._draw.take(2)
        if not keys:
            self._quietSince = now
        if self._attempt is None:
            self._connect()
        if not keys:
            self._watch(now)
        keys[key] = asking
        self._unsent.append(key)
        self._flush()
        return self, key

    def release(self, key: bytes) -> None:
        if self.keys.pop(key, None) is None:
            return
        self._again.pop(key, None)
        stream = self._sent.pop(key, None)
        attempt = self._attempt
        if stream is not None and attempt is not None:
            del self._streams[stream]
            attempt.cancel(stream)
        if self.clock.seconds() - self._quietSince >= STREAM_WAIT.default:
            self._replace()

    def settle(self) -> None:
        attempt = self._attempt
        if attempt is None or self.keys:
            return
        if self.keep > 0 and attempt.complete:
            self._idle.start(self.keep)
        else:
            self._drop()

    def close(self) -> Deferred[None]:
        # Sockets of datagrams close at once.
        self._drop()
        return succeed(None)

    # -- the connection

    def _connect(self) -> None:
        """
        @raise Unreachable: there is no socket, or no route.
        """
        from twisted_ext.transport.quic.attempt import QuicAttempt

        self._quietSince = self.clock.seconds()
        self._answered = 0
        attempt = QuicAttempt(self, self.clock)
        attempt.start()
        self._attempt = attempt
        self._idle.start(STREAM_WAIT.default)

    def _drop(self) -> None:
        self._idle.stop()
        attempt, self._attempt = self._attempt, None
        self._sent.clear()
        self._streams.clear()
        self._unsent.clear()
        if attempt is not None:
            attempt.leave()

    def _expired(self) -> None:
        attempt = self._attempt
        if self.keys and self._unsent and not self._sent and attempt is not None and attempt.complete and attempt.isUsedUp:
            # No stream is in use whose end would permit another one.
            self._isSparing = True
            self._replace()
        else:
            super()._expired()

    def _stalled(self) -> None:
        if self._answered:
            self._replace()

    def _replace(self) -> None:
        """
        Reconnect: the server has been silent, so it may have forgotten the connection.
        """
        if self._attempt is None:
            return
        waiting = [key for key in (*self._sent, *self._unsent) if key in self.keys]
        self._drop()
        if waiting:
            self._unsent.extend(waiting)
            self._reconnect()

    def _reconnect(self) -> None:
        try:
            self._connect()
        except Unreachable as fault:
            self._unsent.clear()
            self._fail([*self.keys], fault)

    def _flush(self) -> None:
        attempt = self._attempt
        if attempt is None or not attempt.complete:
            return
        unsent = self._unsent
        sent = self._sent
        keys = self.keys
        wrote = False
        most = self._most
        if self._takes:
            most = min(most, self._room(self._answered))
        while unsent and len(sent) < most and attempt.mayWrite:
            key = unsent.popleft()
            asking = keys.get(key)
            if asking is not None:
                stream = attempt.write(padded(asking.query, False))
                sent[key] = stream
                self._streams[stream] = key
                wrote = True
        if unsent:
            self._delayed()
            if not sent and attempt.isUsedUp:
                self._idle.start(0.0 if self._isSparing else QUIC_CREDIT.default)
        if wrote:
            attempt.flush()

    # -- for the attempt

    def connected(self, attempt: QuicAttempt) -> None:
        if attempt is self._attempt:
            self._quietSince = self.clock.seconds()
            self._flush()

    def flush(self, attempt: QuicAttempt) -> None:
        """
        Send queries that have waited for a stream.
        """
        if attempt is self._attempt and self._unsent:
            self._flush()

    def heard(self) -> None:
        self._quietSince = self.clock.seconds()

    def received(self, attempt: QuicAttempt, stream: int, octets: bytes) -> None:
        """
        Handle the reply of a stream, which has ended.
        """
        if attempt is not self._attempt:
            return
        key = self._streams.pop(stream, None)
        if key is None:
            return
        self._sent.pop(key, None)
        self._answered += 1
        if 0 < self._takes < self._answered:
            self._tookMore()
        asking = self.keys.get(key)
        if asking is not None:
            now = self.clock.seconds()
            if not asking.replied(octets, now, self, key) and self.keys.get(key) is asking:
                # The stream comes from the server itself, so no better reply will follow.
                self._fail([key], BadMessage(f"{self.label} did not answer the question over QUIC", server=self.label))
        self._flush()

    def refused(self, attempt: QuicAttempt, stream: int, reason: str, *, stumbled: bool) -> None:
        """
        Handle the end of a stream without a reply.

        @param stumbled: whether the server had a reason of its own, which another connection may not have.
        """
        key = self._streams.pop(stream, None)
        if attempt is not self._attempt or key is None:
            return
        self._sent.pop(key, None)
        if stumbled and key in self.keys and key not in self._again:
            self._again[key] = 1
            self._unsent.appendleft(key)
            # Others in flight would have to begin again: then it is sent on this connection, once all that has arrived is handled.
            if not self._sent:
                self._replace()
            return
        self._fail([key], Unreachable(f"{self.label} did not answer over QUIC: {reason}", server=self.label))
        self._flush()

    def lost(self, attempt: QuicAttempt, reason: str) -> None:
        """
        The connection was lost, or could not be established.
        """
        if attempt is not self._attempt:
            return
        self._attempt = None
        self._idle.stop()
        keys = self.keys
        if not attempt.complete:
            failed = [*keys]
            self._unsent.clear()
        else:
            failed = self._sendAgain(self._sent, self._answered)
        self._sent.clear()
        self._streams.clear()
        what = "closed the connection before it answered" if attempt.complete else "cannot be reached over QUIC"
        if len(keys) > len(failed):
            self._reconnect()
        self._fail(failed, Unreachable(f"{self.label} {what}: {reason}", server=self.label))
