"""
One connection of DNS over QUIC to a server (RFC 9250).

Needs the extra C{quic}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from twisted_ext.errors import BadMessage
from twisted_ext.transport.quic.client import QuicClient
from twisted_ext.transport.quic.wire import (
    ALPN,
    INTERNAL_ERROR,
    PROTOCOL_ERROR,
    REQUEST_CANCELLED,
    StreamMessage,
    codeName,
    isClients,
)
from twisted_ext.wire.framing import frame

if TYPE_CHECKING:
    from aioquic.tls import SessionTicket

    from twisted_ext.transport.quic.exchange import QuicExchange

__all__ = ["QuicAttempt"]


class QuicAttempt(QuicClient):
    """
    The connection of an exchange: a query and its reply on each stream.
    """

    def __init__(self, exchange: QuicExchange, reactor: IReactorTime) -> None:
        self._exchange = exchange
        # Streams whose reply is expected.
        self._messages: dict[int, StreamMessage] = {}
        ticket, exchange.ticket = exchange.ticket, None
        super().__init__(reactor, exchange.server, exchange.terms, ALPN, name=exchange.name, ticket=ticket)

    # -- for the exchange

    @property
    def mayWrite(self) -> bool:
        """
        Whether the server permits another stream.
        """
        return self._link.openable > 0

    @property
    def isUsedUp(self) -> bool:
        """
        Whether the server has permitted streams, and permits no more.
        """
        return self._link.openable <= 0 and self._connection.get_next_available_stream_id() > 0

    def write(self, query: bytes) -> int:
        """
        Write a query, which is without its id: over QUIC it is 0 (RFC 9250, section 4.2.1).

        @return: its stream.
        """
        stream = self._connection.get_next_available_stream_id()
        self._messages[stream] = StreamMessage(0.0)
        self._link.write(stream, frame(b"\x00\x00" + query), True)
        return stream

    def cancel(self, stream: int) -> None:
        """
        Tell the server that the reply on a stream is not needed any more.
        """
        self._messages.pop(stream, None)
        if not self._over:
            self._link.reset(stream, REQUEST_CANCELLED)
            self._link.refuse(stream, REQUEST_CANCELLED)
            self._link.pump()

    # -- events of the connection

    def authenticated(self) -> None:
        self._exchange.connected(self)

    def pumped(self) -> None:
        self._exchange.flush(self)

    def lost(self, reason: str) -> None:
        self._messages.clear()
        self._exchange.lost(self, reason)

    def resumable(self, ticket: SessionTicket) -> None:
        self._exchange.ticket = ticket

    def codeName(self, code: int) -> str:
        return codeName(code)

    def received(self, stream: int, data: bytes, end: bool) -> None:
        if self._over:
            return
        if not isClients(stream):
            self._violated("it opened a stream")
            return
        self._exchange.heard()
        message = self._messages.get(stream)
        if message is None:
            # The rest of a reply to a query that was cancelled.
            return
        try:
            octets = message.feed(data, end)
            if octets is not None and (octets[0] or octets[1]):
                raise BadMessage("a message whose ID is not 0")
        except BadMessage as fault:
            self._violated(f"it sent {fault}")
            return
        if octets is not None:
            del self._messages[stream]
            self._exchange.received(self, stream, octets)

    def abandoned(self, stream: int, code: int, *, reset: bool) -> None:
        if reset and not self._over:
            self._messages.pop(stream, None)
            stumbled = code in (REQUEST_CANCELLED, INTERNAL_ERROR)
            self._exchange.refused(self, stream, f"it reset the stream with {codeName(code)}", stumbled=stumbled)

    def _violated(self, what: str) -> None:
        self.fail(f"{what}, which DNS over QUIC forbids", PROTOCOL_ERROR)
