"""
Send queries over TLS (RFC 7858): a stream like that of TCP, on a connection whose server has been authenticated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from twisted.internet.interfaces import IHandshakeListener, IProtocolFactory, IReactorTCP, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.interfaces import IExchange
from twisted_ext.limits import TLS_KEPT
from twisted_ext.transport.padding import padded
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.stream import Attempt, Connection, StreamExchange
from twisted_ext.transport.tls.secured import Secured
from twisted_ext.transport.tls.terms import TLSDetails, TLSHandshake, TLSTerms

__all__ = ["TLS", "TLSExchange", "TLS_PORT"]

#: The port of DNS over TLS (RFC 7858, section 3.1).
TLS_PORT: Final = 853

#: Octets of queries that are encrypted before they are written. Twisted takes up to 32,768 from OpenSSL at a time.
_MOST_HELD: Final = 8192


class TLS:
    """
    Queries over TLS.

    @param keep: seconds for which idle connections are kept; 0 closes each after its last reply.
    @param names: the names of servers that have others than C{terms}.
    """

    kind = "tls"

    def __init__(self, terms: TLSTerms, keep: float | None = None, names: Mapping[Server, str] = MappingProxyType({})) -> None:
        self.terms = terms
        self._keep = TLS_KEPT.pick(keep)
        self.names = names

    def exchange(self, reactor: IReactorTime, draw: Draw, server: Server) -> IExchange:
        return TLSExchange(IReactorTCP(reactor), server, draw, self.terms, keep=self._keep, name=self.names.get(server, ""))


class TLSExchange(StreamExchange):
    """
    Queries to one server over TLS. A query is padded and sent only after the handshake, and never over anything else.
    """

    kind = "tls"
    way = "TLS"

    def __init__(
        self,
        reactor: IReactorTCP,
        server: Server,
        draw: Draw,
        terms: TLSTerms,
        *,
        keep: float | None = None,
        inFlight: int | None = None,
        name: str = "",
    ) -> None:
        """
        @param name: the server's name, if it has another one than C{terms}.
        """
        super().__init__(reactor, server, draw, keep=TLS_KEPT.pick(keep), inFlight=inFlight)
        self._terms = terms
        self._name = name

    @property
    def details(self) -> TLSDetails | None:
        """
        Return the outcome of the handshake, while there is a connection.
        """
        attempt = self._attempt
        if not isinstance(attempt, TLSAttempt) or attempt.transport is None:
            return None
        return attempt.handshake.details()

    def attempt(self) -> Attempt:
        return TLSAttempt(self, self._terms.handshake(self.server, self.clock.seconds, self._name))

    def factory(self, attempt: Attempt) -> IProtocolFactory:
        assert isinstance(attempt, TLSAttempt)
        factory = TLSMemoryBIOFactory(attempt.handshake, True, attempt, self.clock)
        factory.protocol = _Secured
        return factory

    def write(self, transport: ITCPTransport, attempt: Attempt, framed: list[bytes]) -> None:
        # One record for each query: NSD 4.6 reads no second one from a record before the next arrives.
        assert isinstance(attempt, TLSAttempt) and isinstance(transport, Secured)
        if len(framed) == 1 and len(self.keys) == 1:
            transport.writeNow(framed[0])
            return
        held = 0
        last = framed.pop()
        for piece in framed:
            held += len(piece)
            if held < _MOST_HELD:
                attempt.handshake.encrypt(piece)
            else:
                transport.write(piece)
                held = 0
        transport.write(last)

    def prepared(self, query: bytes) -> bytes:
        return padded(query, self.keep > 0)


class TLSAttempt(Attempt):
    """
    One connection over TLS.

    @ivar secured: the TLS layer once TCP is connected; its handshake may still be under way.
    """

    def __init__(self, exchange: TLSExchange, handshake: TLSHandshake) -> None:
        super().__init__(exchange)
        self.handshake = handshake
        self.secured: _Secured | None = None

    def buildProtocol(self, addr: object) -> Protocol:
        return _TLSConnection(self)

    def leave(self, abort: bool) -> None:
        secured = self.secured
        if secured is None:
            super().leave(abort)
        elif abort or self.transport is None:
            secured.abortConnection()
        else:
            secured.loseConnection()
            # Some servers never answer the alert that closes TLS.
            assert secured.transport is not None
            secured.transport.loseConnection()


class _Secured(Secured):
    """
    The TLS layer of a stream.
    """

    exchange: StreamExchange

    def dataReceived(self, data: bytes) -> None:
        # Many servers send each reply in a TLS record of its own.
        self.exchange.collect(partial(super().dataReceived, data))


@implementer(IHandshakeListener)
class _TLSConnection(Connection):
    def __init__(self, attempt: TLSAttempt) -> None:
        super().__init__(attempt)
        self._tls = attempt

    def connectionMade(self) -> None:
        # Only TCP is connected; no query may be written yet.
        secured = self.transport
        assert isinstance(secured, _Secured)
        secured.exchange = self._tls.exchange
        self._tls.secured = secured

    def handshakeCompleted(self) -> None:
        if self._tls.handshake.finish():
            self.transport.abortConnection()
            return
        assert self._tls.secured is not None
        self._tls.secured.begin()
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        attempt = self._tls
        done = attempt.transport is not None
        why = attempt.handshake.failure(reason, done)
        attempt.handshake.over(done)
        attempt.secured = None
        attempt.exchange.lost(attempt, why)
