"""
Send queries over HTTPS (RFC 8484): HTTP/2 on TLS connections, or HTTP/3 on those of QUIC, one per server, many queries in flight on each.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConnector, IHandshakeListener, IProtocolFactory, IReactorTCP, IReactorTime
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.errors import BadMessage, CallerFault, Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.limits import HTTP3_HANDSHAKE, QUIC_CREDIT, STREAM_WAIT, TLS_KEPT
from twisted_ext.transport.exchange import Dialer, KeptExchange, PendingQuery
from twisted_ext.transport.https.alternatives import AUTO, FIRST, NEVER, ONLY, Alternatives
from twisted_ext.transport.https.core import H2, HTTPSConnection
from twisted_ext.transport.https.proxy import TunnelFactory
from twisted_ext.transport.https.requests import Outcome, Trouble
from twisted_ext.transport.padding import padded
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.secured import Secured
from twisted_ext.transport.tls.terms import TLSDetails, TLSHandshake, TLSTerms
from twisted_ext.transport.urls import ServerURL

if TYPE_CHECKING:
    from aioquic.tls import SessionTicket

    from twisted_ext.transport.https.h3link import HTTP3Link, HTTP3Requests
    from twisted_ext.transport.quic.link import QuicLink

__all__ = ["HTTPS", "HTTPSExchange", "httpsTerms"]

#: Octets of the keys that identify queries, none of which is used twice; HTTP needs no ids.
_KEY_OCTETS: Final = 8

#: Makes the terms for the server of a URL from its C{identity}. Its certificate has to be for that, so pins are required in addition and do
#: not replace it; its protocol has to be HTTP/2.
httpsTerms: Final = partial(
    TLSTerms, protocols=(H2,), protocolNeeded=True, protocolAdvice="queries are sent over HTTP/2 or HTTP/3, not over HTTP/1.1"
)


class HTTPS:
    """
    Queries over HTTPS.
    """

    kind = "https"

    def __init__(
        self,
        url: ServerURL,
        terms: TLSTerms,
        *,
        get: bool = False,
        keep: float | None = None,
        proxied: bool = False,
        http3: str = NEVER,
    ) -> None:
        """
        @param get: send queries by GET, which HTTP caches can answer. POST sends less, and leaves no names in the logs of web servers.
        @param keep: seconds for which idle connections are kept; 0 closes each after its last reply.
        @param proxied: whether the servers of exchanges are HTTP proxies, through which the one in the URL is reached.
        @param http3: when to use HTTP/3, see L{MODES<twisted_ext.transport.https.alternatives.MODES>}. C{"auto"} is C{"no"} for proxies,
            and without the extra C{quic}.

        @raise CallerFault: HTTP/3 cannot be used, but has to be.
        """
        if http3 in (FIRST, ONLY) and proxied:
            raise CallerFault("HTTP/3 does not go through proxies: leave out proxy or http3")
        if http3 != NEVER and find_spec("aioquic") is None:
            if http3 != AUTO:
                raise CallerFault("HTTP/3 needs the extra quic: pip install 'twisted-ext[quic]'")
            http3 = NEVER
        self._http3 = NEVER if proxied else http3
        self.url = url
        self.terms = terms
        self._get = get
        self._keep = TLS_KEPT.pick(keep)
        self._proxied = proxied

    def exchange(self, reactor: IReactorTime, draw: Draw, server: Server) -> IExchange:
        return HTTPSExchange(
            IReactorTCP(reactor),
            server,
            self.url,
            self.terms,
            get=self._get,
            keep=self._keep,
            proxied=self._proxied,
            http3=self._http3,
        )


@implementer(IExchange)
class HTTPSExchange(KeptExchange):
    """
    Queries to one server over HTTPS.

    A query that the server says it has not processed is sent again until it is, within the query's deadline, as long as the server
    processes others on each connection. A connection that the server retires delivers its last replies while further queries already use
    another one. If HTTP/3 cannot be established, its queries are sent over HTTP/2.

    @ivar ticket: a session for the next connection over HTTP/3.
    """

    kind = "https"

    def __init__(
        self,
        reactor: IReactorTCP,
        server: Server,
        url: ServerURL,
        terms: TLSTerms,
        *,
        get: bool = False,
        keep: float | None = None,
        inFlight: int | None = None,
        proxied: bool = False,
        http3: str = NEVER,
    ) -> None:
        """
        @param inFlight: queries on one connection at the same time.
        @param proxied: whether C{server} is an HTTP proxy.
        @param http3: see L{HTTPS}.
        """
        super().__init__(server, IReactorTime(reactor), TLS_KEPT.pick(keep))
        self.ticket: SessionTicket | None = None
        self._alternatives = Alternatives(http3, url.host, server.port)
        at = f"{url.authority} {'by the proxy' if proxied else 'at'} {server.label}"
        self._title = server.label if url.address == server else at
        self._proxied = proxied
        self._url = url
        self._get = get
        self._inFlight = inFlight
        self._terms = terms
        self._reactor = cast(Dialer, reactor)
        self._count = 0
        #: The connection that carries each query which was sent.
        self._sent: dict[bytes, _AnyLink] = {}
        self._link: _AnyLink | None = None
        #: Connections that take no more queries but owe replies, and those that are being closed.
        self._retired: set[_AnyLink] = set()
        self._leaving: set[_AnyLink] = set()
        self._closed: list[Deferred[None]] = []
        # Whether replies are being handled; queries that they lead to are written together afterwards.
        self._receiving = False
        # Whether a query has been given up since.
        self._doubted = False
        self._pausedUntil = 0.0
        self._pause = ""

    @property
    def details(self) -> TLSDetails | None:
        """
        Return the outcome of the TLS handshake, while there is a connection.
        """
        link = self._link
        return None if link is None or link.http is None else link.details

    def ask(self, asking: PendingQuery, now: float) -> tuple[HTTPSExchange, bytes]:
        keys = self.keys
        self._expectRoom(self._title)
        if now < self._pausedUntil:
            left = self._pausedUntil - now
            raise Unreachable(f"{self._title} {self._pause}; it is asked again in {left:.0f} s", server=self.label)
        if not keys:
            self._watch(now)
        self._count += 1
        key = self._count.to_bytes(_KEY_OCTETS, "big")
        if not keys and not self._doubted:
            self._quietSince = now
        keys[key] = asking
        self._unsent.append(key)
        if self._link is None:
            self._connect()
        elif not self._receiving:
            self._flush()
        return self, key

    def release(self, key: bytes) -> None:
        if self.keys.pop(key, None) is None:
            return
        self._again.pop(key, None)
        link = self._sent.pop(key, None)
        if link is not None and link.http is not None:
            self._doubted = True
            link.http.cancel(key)
        if self.keys and self._link is not None and self.clock.seconds() - self._quietSince >= STREAM_WAIT.default:
            # The kernel may need a quarter of an hour to notice that a connection is dead.
            self._replace(self._link)
        if link is not None:
            self._after(link)

    def settle(self) -> None:
        if self.keys:
            return
        link = self._link
        if link is None or link.http is None or not self.keep or self._doubted:
            self._drop()
            return
        self._idle.start(self.keep)

    def close(self) -> Deferred[None]:
        self._drop()
        if not self._leaving:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._closed.append(done)
        return done

    # -- connections

    def _connect(self) -> None:
        self._quietSince = self.clock.seconds()
        self._idle.start(STREAM_WAIT.default)
        self._doubted = False
        self._alternatives.connecting()
        port = self._alternatives.port(self._quietSince)
        if port is not None:
            self._connectByQUIC(port)
            return
        link = _Link(self, self._terms.handshake(self.server, self.clock.seconds))
        self._link = link
        factory = TLSMemoryBIOFactory(link.handshake, True, link, self.clock)
        factory.protocol = Secured
        outer: IProtocolFactory = factory
        if self._proxied:
            url = self._url
            authority = f"[{url.host}]:{url.port}" if ":" in url.host else f"{url.host}:{url.port}"
            outer = TunnelFactory(factory, authority, partial(self.lost, link))
        # No timeout here: the pending queries have their own.
        link.connector = self._reactor.connectTCP(self.server.address, self.server.port, outer, timeout=None)

    def _connectByQUIC(self, port: int) -> None:
        # Only here: it takes an extra.
        from twisted_ext.transport.https.h3link import HTTP3Link

        ticket, self.ticket = self.ticket, None
        link = HTTP3Link(self, self.clock, Server(self.server.address, port), self._terms, ticket)
        self._link = link
        link.begin(patient=self._alternatives.mode == ONLY)

    def _drop(self) -> None:
        """
        Close all connections.
        """
        self._idle.stop()
        links = list(self._retired)
        self._retired.clear()
        link = self._link
        if link is not None:
            if link.isHTTP3 and link.http is None and self.clock.seconds() - self._quietSince >= HTTP3_HANDSHAKE.default / 2:
                # Its queries did not wait for the end of the handshake, but it was long enough.
                self._alternatives.failed(self.clock.seconds())
            links.append(link)
            self._link = None
        self._unsent.clear()
        self._sent.clear()
        for link in links:
            self._leave(link)

    def _leave(self, link: _AnyLink) -> None:
        self._leaving.add(link)
        link.leave()

    def _expired(self) -> None:
        link = self._link
        http = None if link is None or not link.isHTTP3 or not self._pending() else link.http
        if link is not None and http is not None and http.answered and http.free <= 0 and not http.inFlight:
            # No stream is in use whose end would permit another one.
            http.retire("permits no more streams")
            self._after(link)
        else:
            super()._expired()

    def _stalled(self) -> None:
        link = self._link
        if link is not None and link.http is not None and link.http.answered:
            self._replace(link)

    def _replace(self, link: _AnyLink) -> None:
        """
        Reconnect: the connection is dead.
        """
        waiting = [key for key, carrier in self._sent.items() if carrier is link]
        for key in waiting:
            del self._sent[key]
        self._unsent.extendleft(reversed(waiting))
        self._link = None
        self._leave(link)
        self._connect()

    def _flush(self) -> None:
        link = self._link
        if link is None or link.http is None:
            return
        http = link.http
        unsent = self._unsent
        free = http.free
        if self._takes:
            free = min(free, self._room(http.answered) - http.inFlight)
        while unsent and free > 0:
            key = unsent.popleft()
            asking = self.keys.get(key)
            if asking is not None:
                self._sent[key] = link
                http.ask(key, padded(asking.query, False))
                free -= 1
        if unsent:
            self._delayed()
            if link.isHTTP3 and not http.inFlight:
                self._idle.start(QUIC_CREDIT.default)
        link.write()

    def _after(self, link: _AnyLink) -> None:
        """
        Send what a connection has to send, close it if nothing more is expected of it, and give waiting queries to one that has room.
        """
        http = link.http
        if http is None:
            return
        if http.closing and link is self._link:
            self._link = None
            self._retired.add(link)
            self._idle.stop()
        link.write()
        if link in self._retired and not http.inFlight:
            self._retired.remove(link)
            self._leave(link)
        if self._link is not None:
            self._flush()
        elif self._pending():
            # Each connection processes at least one of them, or counts for all that it carries, none of which is carried a third time then,
            # so this ends.
            self._connect()

    def _pending(self) -> bool:
        unsent = self._unsent
        while unsent and unsent[0] not in self.keys:
            unsent.popleft()
        return bool(unsent)

    # -- called by connections

    def connected(self, link: _AnyLink) -> None:
        if link is self._link:
            self._quietSince = self.clock.seconds()
            self._flush()
        else:
            link.leave()

    def relieved(self, link: _AnyLink) -> None:
        """
        Send queries that have waited for a stream, if the server permits more of them now.
        """
        if link is self._link and self._unsent:
            self._flush()

    def received(self, link: _AnyLink, outcomes: list[Outcome]) -> None:
        now = self.clock.seconds()
        if outcomes:
            self._quietSince = now
            self._doubted = False
            if link.http is not None:
                self._alternatives.learn(link.http.alternatives, now)
                if 0 < self._takes < link.http.answered:
                    self._tookMore()
        self._receiving = True
        try:
            for key, result in outcomes:
                if self._sent.get(key) is not link:
                    continue
                del self._sent[key]
                asking = self.keys[key]
                if isinstance(result, Trouble):
                    self._troubled(link, key, result, now)
                    continue
                if not asking.replied(result, now, self, key) and self.keys.get(key) is asking:
                    # The server itself has sent it, so no better reply will follow.
                    self._fail([key], BadMessage(f"{self._title} did not answer the question over HTTPS", server=self.label))
        finally:
            self._receiving = False
        self._after(link)

    def _troubled(self, link: _AnyLink, key: bytes, trouble: Trouble, now: float) -> None:
        failed = [key]
        if trouble.pause:
            self._pausedUntil = max(self._pausedUntil, now + trouble.pause)
            self._pause = trouble.text
            failed.extend(self._unsent)
            self._unsent.clear()
        elif trouble.unprocessed and link.http is not None and (link.http.accepted or key not in self._again):
            if not link.http.accepted:
                self._again[key] = 1
            # Before queries that were never sent: a server that takes a number of requests on each connection takes the first ones.
            self._unsent.appendleft(key)
            return
        elif trouble.stumbled and link.http is not None and key not in self._again:
            self._again[key] = 1
            if not link.http.inFlight or not self._retired:
                # Those in flight may still be answered on it. One such connection at a time: names that the server cannot answer must not
                # cost a connection each.
                link.http.retire(trouble.text)
            self._unsent.appendleft(key)
            return
        kind = BadMessage if trouble.malformed else Unreachable
        self._fail(failed, kind(f"{self._title} {trouble.text}", server=self.label))

    def lost(self, link: _AnyLink, reason: str, violation: str = "") -> None:
        """
        The connection was lost, or could not be established.

        @param violation: what the server did wrong if we have closed the connection for that.
        """
        if link in self._leaving:
            self._leaving.discard(link)
            if not self._leaving:
                closed, self._closed = self._closed, []
                for done in closed:
                    done.callback(None)
            return
        self._retired.discard(link)
        if isinstance(link, _Link):
            # It refers to the link.
            link.connector = None
        http = link.http
        if http is None and link.isHTTP3 and self._alternatives.mode != ONLY:
            self._alternatives.failed(self.clock.seconds())
            if link is self._link:
                self._link = None
                if self._pending():
                    self._connect()
            return
        failed = [key for key, carrier in self._sent.items() if carrier is link]
        for key in failed:
            del self._sent[key]
        if http is None:
            what = f"cannot be reached over {'HTTP/3' if link.isHTTP3 else 'HTTPS'}"
        else:
            what = "closed the connection before it answered"
            failed = self._sendAgain(failed, http.answered)
        if link is self._link:
            self._link = None
            self._idle.stop()
            if http is None:
                failed.extend(self._unsent)
                self._unsent.clear()
        if self._link is None and self._pending():
            self._connect()
        if failed:
            if violation:
                self._fail(failed, BadMessage(f"{self._title} {violation}", server=self.label))
            else:
                self._fail(failed, Unreachable(f"{self._title} {what}: {reason}", server=self.label))

    def begin(self) -> HTTPSConnection:
        return HTTPSConnection(self._url, get=self._get, most=self._inFlight)

    def beginHTTP3(self, link: QuicLink) -> HTTP3Requests:
        from twisted_ext.transport.https.h3link import HTTP3Requests

        return HTTP3Requests(link, self._url, get=self._get, most=self._inFlight)


class _Link(ClientFactory):
    """
    One connection, from the attempt to its loss.

    @ivar http: what speaks HTTP/2 on it, once the server is authenticated. Nothing may be sent before.
    @ivar secured: the TLS layer, once TCP is connected.
    """

    noisy = False
    isHTTP3 = False

    def __init__(self, exchange: HTTPSExchange, handshake: TLSHandshake) -> None:
        self.exchange = exchange
        self.handshake = handshake
        self.connector: IConnector | None = None
        self.secured: Secured | None = None
        self.http: HTTPSConnection | None = None

    def buildProtocol(self, addr: object) -> Protocol:
        return _Connection(self)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.exchange.lost(self, reason.getErrorMessage())

    @property
    def details(self) -> TLSDetails | None:
        return self.handshake.details()

    def write(self) -> None:
        if self.http is not None and self.secured is not None:
            octets = self.http.take()
            if octets:
                (self.secured.writeNow if self.http.inFlight == 1 else self.secured.write)(octets)

    def leave(self) -> None:
        """
        Close the connection, without waiting for the server.
        """
        secured = self.secured
        if secured is None:
            if self.connector is not None:
                self.connector.disconnect()
        elif self.http is None or self.http.inFlight:
            secured.abortConnection()
        else:
            secured.loseConnection()
            # Some servers never answer the alert that closes TLS.
            assert secured.transport is not None
            secured.transport.loseConnection()


if TYPE_CHECKING:
    _AnyLink = _Link | HTTP3Link


@implementer(IHandshakeListener)
class _Connection(Protocol):
    transport: Secured

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._violation = ""

    def connectionMade(self) -> None:
        self._link.secured = self.transport
        transport = self.transport.transport
        assert transport is not None
        transport.setTcpNoDelay(True)

    def handshakeCompleted(self) -> None:
        link = self._link
        if link.handshake.finish():
            self.transport.abortConnection()
            return
        self.transport.begin()
        link.http = link.exchange.begin()
        link.exchange.connected(link)

    def dataReceived(self, data: bytes) -> None:
        link = self._link
        http = link.http
        if http is None:
            return
        try:
            outcomes = http.received(data)
        except BadMessage as fault:
            self._violation = str(fault)
            self.transport.abortConnection()
            return
        link.exchange.received(link, outcomes)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        link = self._link
        done = link.http is not None
        why = link.handshake.failure(reason, done)
        link.handshake.over(done)
        link.secured = None
        link.exchange.lost(link, why, self._violation)
