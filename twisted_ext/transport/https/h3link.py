"""
One HTTP/3 connection to a server of DNS over HTTPS (RFC 8484, RFC 9114), as L{HTTPSExchange} uses those over HTTP/2.

Needs the extra C{quic}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioquic.h3.events import DataReceived, HeadersReceived
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_ext.errors import Unreachable
from twisted_ext.limits import HTTP3_HANDSHAKE, HTTPS_HEADERS, MESSAGE_SIZE
from twisted_ext.transport.https.h3 import (
    ALPN,
    EXCESSIVE_LOAD,
    HTTP3,
    INTERNAL_ERROR,
    NO_ERROR,
    REQUEST_CANCELLED,
    REQUEST_REJECTED,
    codeName,
)
from twisted_ext.transport.https.requests import (
    Outcome,
    Requests,
    Trouble,
    ageOf,
    alternativesIn,
    declined,
    requestFields,
)
from twisted_ext.transport.quic.client import QuicClient
from twisted_ext.transport.servers import Server

if TYPE_CHECKING:
    from aioquic.tls import SessionTicket

    from twisted_ext.transport.https.exchange import HTTPSExchange
    from twisted_ext.transport.quic.link import QuicLink
    from twisted_ext.transport.tls.terms import TLSTerms
    from twisted_ext.transport.urls import ServerURL

__all__ = ["HTTP3Link", "HTTP3Requests"]

#: Octets of a stream: the longest message, its headers, and the headers of frames.
_STREAM: Final = int(MESSAGE_SIZE.default) + int(HTTPS_HEADERS.default) + 64

#: Octets that a server sends without a reply between them, after which the connection is closed.
_USELESS: Final = 4 * _STREAM


class HTTP3Requests(Requests):
    """
    Queries over HTTP/3.
    """

    def __init__(self, link: QuicLink, url: ServerURL, *, get: bool, most: int | None) -> None:
        super().__init__(url, get=get, most=most)
        self._link = link
        self._useless = 0
        self._post = [*requestFields(url, b"POST", url.postTarget), (b"content-type", b"application/dns-message")]
        self._http = HTTP3(link.connection, int(HTTPS_HEADERS.default))

    @property
    def free(self) -> int:
        return 0 if self.closing else min(self._most - len(self._responses), self._link.openable)

    @property
    def violated(self) -> bool:
        """
        Whether the connection was closed because the server violated the protocol.
        """
        return self._http.refused

    def ask(self, key: bytes, query: bytes) -> None:
        stream = self._link.connection.get_next_available_stream_id()
        message, target = self._begin(stream, key, query)
        if target is not None:
            self._http.send_headers(stream, requestFields(self._url, b"GET", target), True)
            return
        self._http.send_headers(stream, [*self._post, (b"content-length", b"%d" % len(message))])
        self._http.send_data(stream, message, True)

    def received(self, stream: int, data: bytes, end: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        self._useless += len(data)
        if self._useless > _USELESS:
            self._http.refuse(EXCESSIVE_LOAD, f"more than {_USELESS} octets without a reply")
            return outcomes
        for event in self._http.feed(stream, data, end):
            if isinstance(event, HeadersReceived):
                self._begun(event, outcomes)
            elif isinstance(event, DataReceived):
                self._take(event.stream_id, event.data, outcomes, reset=True)
                if event.stream_ended:
                    self._judge(event.stream_id, outcomes)
        if self._http.goneAt is not None:
            self._goneAway(self._http.goneAt, outcomes)
        return outcomes

    def _goneAway(self, first: int, outcomes: list[Outcome]) -> None:
        """
        @param first: the first stream whose request the server does not process, nor those of later ones (RFC 9114, section 5.2).
        """
        if not self.closing:
            self._close("closed the connection (GOAWAY)")
        self.accepted = self.accepted or first > 0
        for stream in [stream for stream in self._responses if stream >= first]:
            self._end(stream, Trouble("closed the connection (GOAWAY)", unprocessed=True), outcomes, reset=True)

    def _begun(self, event: HeadersReceived, outcomes: list[Outcome]) -> None:
        response = self._responses.get(event.stream_id)
        if response is None:
            return
        headers = event.headers
        if not response.begun:
            # Responses before the final one say nothing.
            if any(name == b":status" and value[:1] == b"1" for name, value in headers):
                return
            response.begun = True
            alternatives = alternativesIn(headers)
            if alternatives is not None:
                self.alternatives = alternatives
            trouble = declined(headers)
            if trouble is not None:
                # The rest of it is for human readers.
                self._end(event.stream_id, trouble, outcomes, reset=not event.stream_ended)
                return
            response.age = ageOf(headers)
        if event.stream_ended:
            self._judge(event.stream_id, outcomes)

    def abandoned(self, stream: int, code: int, *, reset: bool) -> list[Outcome]:
        """
        Handle that the server has given a stream up.
        """
        self._http.abandoned(stream, code, reset=reset)
        outcomes: list[Outcome] = []
        if reset and stream in self._responses:
            unprocessed = code == REQUEST_REJECTED
            if unprocessed:
                # It rejects the next request on this connection as well.
                self._close(f"rejects queries ({codeName(code)})")
            stumbled = code in (REQUEST_CANCELLED, INTERNAL_ERROR)
            trouble = Trouble(f"gave up the query ({codeName(code)})", unprocessed=unprocessed, stumbled=stumbled)
            self._end(stream, trouble, outcomes, reset=True)
        return outcomes

    def _end(self, stream: int, result: bytes | Trouble, outcomes: list[Outcome], *, reset: bool) -> None:
        self._useless = 0
        super()._end(stream, result, outcomes, reset=reset)

    def _reset(self, stream: int) -> None:
        self._link.reset(stream, REQUEST_CANCELLED)
        self._link.refuse(stream, REQUEST_CANCELLED)
        self._http.forget(stream)


class HTTP3Link(QuicClient):
    """
    @ivar http: the queries on it, once the server is authenticated.
    @ivar isHTTP3: always set.
    """

    isHTTP3 = True
    noError = NO_ERROR

    def __init__(
        self, exchange: HTTPSExchange, reactor: IReactorTime, server: Server, terms: TLSTerms, ticket: SessionTicket | None
    ) -> None:
        """
        @param server: with the UDP port.
        """
        super().__init__(reactor, server, terms, ALPN, ticket=ticket, streamOctets=_STREAM)
        self.http: HTTP3Requests | None = None
        self._exchange = exchange
        self._late: IDelayedCall | None = None

    def begin(self, *, patient: bool) -> None:
        """
        Begin the handshake. If it cannot begin, the exchange learns so later, as for TCP.

        @param patient: leave it to the queries for how long they wait; otherwise the handshake has to be quick.
        """
        try:
            self.start()
        except Unreachable as fault:
            self._late = self._reactor.callLater(0, self._stopped, str(fault))
            return
        if not patient:
            self._late = self._reactor.callLater(HTTP3_HANDSHAKE.default, self._stopped, "it did not reply")

    def _stopped(self, reason: str) -> None:
        self._late = None
        self._link.drop()
        self.fail(reason)

    def _stopWaiting(self) -> None:
        late, self._late = self._late, None
        if late is not None:
            late.cancel()

    # -- for the exchange

    def write(self) -> None:
        if self.http is not None:
            self.flush()

    def leave(self) -> None:
        self._stopWaiting()
        super().leave()
        self._exchange.lost(self, "")

    # -- events of the connection

    def authenticated(self) -> None:
        self._stopWaiting()
        self.http = self._exchange.beginHTTP3(self._link)
        self._exchange.connected(self)

    def received(self, stream: int, data: bytes, end: bool) -> None:
        http = self.http
        if http is not None and not self._over:
            self._took(http.received(stream, data, end))

    def abandoned(self, stream: int, code: int, *, reset: bool) -> None:
        http = self.http
        if http is not None and not self._over:
            self._took(http.abandoned(stream, code, reset=reset))

    def _took(self, outcomes: list[Outcome]) -> None:
        self._exchange.received(self, outcomes)

    def resumable(self, ticket: SessionTicket) -> None:
        self._exchange.ticket = ticket

    def codeName(self, code: int) -> str:
        return codeName(code)

    def pumped(self) -> None:
        self._exchange.relieved(self)

    def lost(self, reason: str) -> None:
        self._stopWaiting()
        violation = f"violated HTTP/3: {reason}" if self.http is not None and self.http.violated else ""
        self._exchange.lost(self, reason, violation)
