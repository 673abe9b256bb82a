"""
DNS over HTTPS for clients: connections of HTTP/2 and HTTP/1.1 on top of the limits, gates and packet cache of TCP (RFC 8484).

Over TLS the version is that of ALPN; without ALPN, as some proxies connect, it is HTTP/1.1. Without TLS, as between a reverse proxy and a
server on one machine, the first octets decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from OpenSSL.SSL import Error
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_ext.server.listeners.connection import ReplySource, StreamPeer, StreamServing
from twisted_ext.server.listeners.https.frames import PREFACE
from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.http1 import HTTP1
from twisted_ext.server.listeners.https.http2 import HTTP2
from twisted_ext.server.listeners.https.request import BAD_MESSAGE
from twisted_ext.server.listeners.tls.serving import HandshakeLog, TLSServing

if TYPE_CHECKING:
    from twisted_ext.server.config.keys import TLSPeer
    from twisted_ext.server.listeners.https.request import HTTPConnection
    from twisted_ext.server.listeners.proxies.trusted import TrustedProxies
    from twisted_ext.server.listeners.stream import MakeServing, StreamFactory
    from twisted_ext.server.listeners.tls.certificates import ContextFactory

__all__ = ["ALPN", "EncryptedServing", "HTTPSServing", "httpsServing"]

#: The protocols for ALPN, the preferred one first.
ALPN: Final = (b"h2", b"http/1.1")


#: The content of the largest TLS record, and octets that encryption adds to a record at most.
_RECORD: Final = 16384
_EXTRA: Final = 256


class HTTPSServing(StreamServing):
    """
    The protocol of one connection.

    @ivar memory: the paths served, and the headers known to all connections.
    """

    memory: HeadMemory

    def __init__(self, servings: StreamFactory, address: IAddress | None, site: str) -> None:
        super().__init__(servings, address, site)
        self._http: HTTPConnection | None = None
        # The first octets, until they show the version.
        self._first = b""
        self._inside = False

    def use(self, answering: ReplySource, memory: HeadMemory) -> None:
        """
        Set the source of the replies, and what all connections share, or all of trusted proxies.
        """
        self._replySource = answering
        self.memory = memory

    # -- input

    def dataReceived(self, data: bytes) -> None:
        if self._ending:
            return
        try:
            self._receive(data, self._seconds())
        except Exception as error:
            self._broken(error)

    def _receive(self, data: bytes, now: float) -> None:
        http = self._http
        if http is None:
            data = self._first + data
            http = self._choose(data, now)
            if http is None:
                self._first = data
                if self._began is None:
                    self._began = now
                return
            self._first = b""
        queries = http.receive(data, now, self._servings.mostPerTurn)
        if queries:
            self._answer(http, queries, now)
        self._settle(http)

    def negotiated(self) -> bytes | None:
        """
        Return the protocol of ALPN, C{b""} if the client named none, or L{None} without TLS.
        """
        return None

    def _choose(self, data: bytes, now: float) -> HTTPConnection | None:
        """
        Start the version of HTTP that the client speaks, or return L{None} if that takes more octets.
        """
        protocol = self.negotiated()
        if protocol is not None:
            second = protocol == b"h2"
        elif PREFACE.startswith(data) and len(data) < len(PREFACE):
            return None
        else:
            second = data.startswith(PREFACE)
        direct = protocol is not None
        self._http = (
            HTTP2(self.memory, now, most=self._servings.mostInFlight, direct=direct)
            if second
            else HTTP1(self.memory.endpoint, direct=direct)
        )
        return self._http

    def _answerNamed(self, http: HTTPConnection, queries: list[tuple[int, bytes]], now: float) -> None:
        """
        Answer queries of the clients of a proxy, each of which counts as one, and those at the paths of views.
        """
        answering = self._replySource
        counters = answering.counters
        self.heard = True
        self.since = now
        counters.tcp += len(queries)
        self._inside = True
        try:
            for stream, octets in queries:
                client = _Client(self, *http.named.pop(stream, ("", "")))
                reply = answering.finderAt(client.door)(octets, client.host, now, answering.transport)
                if reply is not None:
                    counters.replies[reply[1] & 15] += 1
                    counters.sampled(octets)
                    counters.observed(octets, 1, client.host, answering.transport, reply, now)
                    http.reply(stream, octets[:2] + reply, now)
                    continue
                self._pass(http, stream, octets, client, now)
        finally:
            self._inside = False

    def _answer(self, http: HTTPConnection, queries: list[tuple[int, bytes]], now: float) -> None:
        if http.named or self.memory.endpoint.proxies is not None:
            self._answerNamed(http, queries, now)
            return
        answering = self._replySource
        counters = answering.counters
        find, transport = answering.finderAt(self.door), answering.transport
        host = self.host
        replies = counters.replies
        self.heard = True
        self.since = now
        counters.tcp += len(queries)
        hits = 0
        hit = answer = b""
        self._inside = True
        try:
            for stream, octets in queries:
                reply = find(octets, host, now, transport)
                if reply is not None:
                    hits += 1
                    hit = octets
                    answer = reply
                    replies[reply[1] & 15] += 1
                    http.reply(stream, octets[:2] + reply, now)
                    continue
                self._pass(http, stream, octets, self, now)
        finally:
            self._inside = False
        if hits:
            counters.sampled(hit, hits)
            counters.observed(hit, hits, host, transport, answer, now)

    def _pass(self, http: HTTPConnection, stream: int, octets: bytes, client: StreamPeer, now: float) -> None:
        """
        Pass on a query that the packet cache does not answer.
        """
        self._replySource.counters.tcpBeyond += 1
        if not self.waiting:
            self.asked = now
        self.waiting += 1
        if not self._replySource.take(octets, client, partial(self._reply, stream)):
            self.waiting -= 1
            http.refuse(stream, BAD_MESSAGE)

    def _reply(self, stream: int, octets: bytes) -> None:
        if self.waiting:
            self.waiting -= 1
        http = self._http
        if self._ending or http is None:
            return
        now = self._seconds()
        http.reply(stream, octets, now)
        if not self._inside:
            self.since = now
            self._settle(http)

    def _settle(self, http: HTTPConnection) -> None:
        """
        Send what there is, and arrange for what is left.
        """
        out = http.out
        if out:
            http.out = []
            self.writePieces(out)
        self._began = http.since
        if self._ending:
            return
        if http.closing:
            self.end()
        elif http.queued > self._servings.mostUnread:
            self._replySource.counters.tcpIdled += 1
            self.abort()
        elif http.more and self._turn is None and self._pausedAt is None:
            self._spring.pauseProducing()
            self._turn = self._servings.clock.callLater(0, self._takeTurn)
        elif not http.queued and not http.more:
            self._endIfServed()

    def _takeTurn(self) -> None:
        self._turn = None
        if self._ending or self._http is None:
            return
        if self._pausedAt is None:
            self._spring.resumeProducing()
        # The octets were decrypted when they arrived, so they are not passed through TLS again.
        HTTPSServing.dataReceived(self, b"")

    def resumeProducing(self) -> None:
        super().resumeProducing()
        if self._http is not None and self._http.more and not self._ending and self._turn is None:
            self._turn = self._servings.clock.callLater(0, self._takeTurn)

    # -- the end

    def _endIfServed(self) -> None:
        # A client that sends no more may wait for the replies to requests that have not been parsed yet.
        if self._http is None or not self._http.more:
            super()._endIfServed()

    def overdue(self, now: float) -> bool:
        http = self._http
        if http is not None and http.stalled is not None and now - http.stalled >= self._servings.stalled:
            return True
        return super().overdue(now)

    def sayGoodbye(self) -> None:
        """
        Tell the client which requests were received, before the connection is closed.
        """
        http = self._http
        if http is not None and not self._ending:
            http.goAway()
            out, http.out = http.out, []
            if out and self._pausedAt is None:
                self.writePieces(out)

    def writePieces(self, pieces: list[bytes]) -> None:
        """
        Send octets, each reply in a piece of its own.
        """
        self._write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def end(self) -> None:
        self.sayGoodbye()
        super().end()

    def flow(self, messages: Iterator[bytes]) -> None:
        # No operation replies with several messages over HTTPS; this would be a mistake of ours.
        close = getattr(messages, "close", None)
        if close is not None:
            close()
        self.abort()

    def abort(self) -> None:
        if not self._ending and not self.waiting and self._pausedAt is None and self._http is not None and not self._http.queued:
            # An idle client learns that the server closes the connection, so that it does not lose a request that it sends meanwhile.
            self.end()
            return
        super().abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._http = None
        super().connectionLost(reason)

    def __repr__(self) -> str:
        return f"<HTTPSServing {self.host}:{self.port}>"


class _Client:
    """
    A client that a proxy names, or one that queries at the path of a view.
    """

    __slots__ = ("host", "port", "local", "flow", "peer", "door")

    def __init__(self, serving: HTTPSServing, host: str, path: str) -> None:
        self.host = host or serving.host
        self.port = 0 if host else serving.port
        self.local = serving.local
        self.flow = serving.flow
        # What a proxy has proved says nothing of its clients.
        self.peer: TLSPeer | None = None if host else serving.peer
        self.door = serving.door._replace(path=path)


class EncryptedServing(TLSServing, HTTPSServing):
    """
    The protocol of one TLS connection.
    """

    def negotiated(self) -> bytes | None:
        return self._tls.get_alpn_proto_negotiated()

    def writePieces(self, pieces: list[bytes]) -> None:
        size = 0
        for piece in pieces:
            length = len(piece)
            size += length
            if length > _RECORD:
                super().writePieces(pieces)
                return
        # Each reply has a TLS record of its own: dnsperf loses all but one of those that it decrypts together.
        tls = self._tls
        most = size + len(pieces) * _EXTRA
        try:
            send = tls.send
            for piece in pieces:
                send(piece)
            sealed = tls.bio_read(most)
        except Error:
            # The client's end is broken.
            self.abort()
            return
        super(TLSServing, self)._write(sealed)

    def end(self) -> None:
        # Before TLS ends.
        self.sayGoodbye()
        super().end()


def httpsServing(
    answering: ReplySource,
    memory: HeadMemory,
    contexts: ContextFactory | None = None,
    isDropped: Callable[[str], bool] = lambda host: False,
    proxies: TrustedProxies | None = None,
) -> MakeServing:
    """
    Return what makes the protocols of connections, see L{StreamListener<twisted_ext.server.listeners.stream.StreamListener>}.

    @param memory: the paths served, and the headers known to all connections.
    @param contexts: makes the server's side of TLS, with the protocols of L{ALPN}; L{None} for connections without TLS.
    @param isDropped: returns whether a client gets no reply at all.
    @param proxies: whose requests name their clients.
    """
    failures = HandshakeLog()
    behind = memory

    def memoryFor(host: str) -> HeadMemory:
        nonlocal behind
        if proxies is None or not proxies.trusts(host):
            return memory
        if behind is memory:
            behind = HeadMemory(memory.endpoint.behind(proxies), 0)
        return behind

    def make(servings: StreamFactory, address: IAddress | None, site: str) -> StreamServing | None:
        host = getattr(address, "host", "")
        # To access lists, a client without an address may ask everything: it has to be a proxy that names its clients.
        if isDropped(host) or (not host and contexts is None and (proxies is None or not proxies.trusts(host))):
            answering.counters.dropped += 1
            return None
        serving = (
            HTTPSServing(servings, address, site)
            if contexts is None
            else EncryptedServing(servings, address, site, answering, contexts, failures)
        )
        serving.use(answering, memoryFor(host))
        return serving

    return make
