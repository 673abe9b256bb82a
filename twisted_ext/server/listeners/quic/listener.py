"""
The QUIC listener: a UDP port whose datagrams belong to connections, of DNS over QUIC (RFC 9250) or HTTP/3 (RFC 9114).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IReactorSocket, IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol

from twisted_ext.packetcache.doors import Door
from twisted_ext.server.config.places import labelOf
from twisted_ext.server.listeners.quic.serving import QuicServing
from twisted_ext.server.listeners.quic.servings import QuicServings
from twisted_ext.transport.quic.wire import ALPN

if TYPE_CHECKING:
    from socket import socket as Socket

    from aioquic.quic.connection import NetworkAddress

    from twisted_ext.server.listeners.https.headers import HeadMemory
    from twisted_ext.server.listeners.quic.servings import MakeQuicServing
    from twisted_ext.server.listeners.tls.certificates import Certificates
    from twisted_ext.server.reply.requests import Send
    from twisted_ext.server.reply.respond import Responder

__all__ = ["QuicListener", "QuicResponder"]

#: Octets of the largest datagram that is read; peers learn that they may send larger ones than 1200 only if we said so.
_DATAGRAM: Final = 2048


class QuicResponder:
    """
    Adapts a responder to L{QuicReplySource<twisted_ext.server.listeners.quic.serving.QuicReplySource>}.
    """

    def __init__(self, responder: Responder, transport: str = "quic") -> None:
        """
        @param transport: see L{Request<twisted_ext.server.reply.requests.Request>}.
        """
        self.counters = responder.counters
        self._responder = responder
        self.transport = transport
        self._packetCache = responder.packetCache
        self.finderAt = responder.packetCache.finderAt

    def isDropped(self, host: str) -> bool:
        return self._packetCache.clients.find(host, self._responder.seconds()).group.action == "drop"

    def isAlike(self, host: str, other: str, door: Door) -> bool:
        now = self._responder.seconds()
        clients = self._packetCache.at(door)
        return clients.find(host, now).group is clients.find(other, now).group

    def take(self, octets: bytes, serving: QuicServing, send: Send, flow: Callable[[Iterator[bytes]], None], door: Door) -> bool:
        client = self._packetCache.at(door).find(serving.host, self._responder.seconds())
        if client.group.action == "drop":
            # Over UDP these clients get no reply. Here the connection is closed, so that they need not wait for one.
            self.counters.dropped += 1
            return False
        where = (serving.host, serving.port)
        return self._responder.take(octets, where, self.transport, send, serving.local, client, flow, door=door)


class _Port(DatagramProtocol):
    noisy = False

    def __init__(self, listener: QuicListener) -> None:
        self._listener = listener

    def datagramReceived(self, datagram: bytes, addr: NetworkAddress) -> None:
        self._listener.heard += 1
        self._listener.servings.received(datagram, addr)

    def stopProtocol(self) -> None:
        self._listener.lose()


class QuicListener:
    """
    Serves QUIC at one address and port.

    Connections are those of one process: with several workers on sockets that share a port (SO_REUSEPORT), the kernel passes each client
    address and port to the same worker. A client whose address or port changes then has to connect again. With one process its connection
    goes on.

    @ivar address: the listening address, as it was given.
    @ivar way: the transport's name for display.
    @ivar heard: the number of datagrams received.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        responder: Responder,
        certificates: Certificates,
        address: str = "",
        port: int = 853,
        *,
        socket: Socket | None = None,
        lost: Callable[[str], object] = lambda reason: None,
        most: int | None = None,
        perPeer: int | None = None,
        halfOpen: int | None = None,
        idle: float | None = None,
        heads: HeadMemory | None = None,
        secret: bytes = b"",
    ) -> None:
        """
        @param secret: of this server, the same for all of its processes and after they were replaced.
        @param heads: the paths of HTTPS, and the headers known to all its connections, to serve HTTP/3 instead of DNS over QUIC.
        @param address: an address of this machine. C{""} stands for all, but works only for the one from which the system sends replies.
        @param port: 0 for any free port.
        @param socket: a bound socket to use instead; the caller closes it.
        @param lost: called with a line if the reactor gives up listening although L{stop} was not called.
        """
        self.address = address
        self.way = "quic"
        self.heard = 0
        make: MakeQuicServing = QuicServing
        alpn = ALPN
        transport = "quic"
        if heads is not None:
            # Only here: it takes another extra.
            from twisted_ext.server.listeners.quic.http3 import HTTP3Serving, http3Serving

            self.way, transport = "http3", "https"
            make, alpn = http3Serving(heads), HTTP3Serving.alpn
        self.servings = QuicServings(
            QuicResponder(responder, transport),
            reactor,
            certificates,
            self._write,
            make=make,
            alpn=alpn,
            # Each process has a socket of its own, which it leaves to the one that replaces it. If they shared a secret, attackers could
            # make one tell the clients of another that their connections have ended.
            secret=b"" if socket is None or not secret else secret + b"%d" % os.fstat(socket.fileno()).st_ino,
            most=most,
            perPeer=perPeer,
            halfOpen=halfOpen,
            idle=idle,
        )
        self._reactor = reactor
        self._counters = responder.counters
        self._port = port
        self._socket = socket
        self._lost = lost
        self._protocol = _Port(self)
        self._listening: IListeningPort | None = None

    def start(self) -> Deferred[None]:
        """
        Start listening.

        @return: fires when it listens; fails with L{CannotListenError<twisted.internet.error.CannotListenError>}.
        """
        if self._socket is not None:
            adopt = IReactorSocket(self._reactor).adoptDatagramPort
            listening = maybeDeferred(adopt, self._socket.fileno(), self._socket.family, self._protocol, _DATAGRAM)
        else:
            listening = maybeDeferred(IReactorUDP(self._reactor).listenUDP, self._port, self._protocol, self.address, _DATAGRAM)
        return listening.addCallback(self._listens)

    def _listens(self, port: IListeningPort) -> None:
        self._listening = port
        # Kept because a lost port cannot report its number any more.
        self._port = self.port
        self.servings.local = (self.address, self._port)

    @property
    def port(self) -> int:
        """
        The listening port; 0 while it does not listen.
        """
        return 0 if self._listening is None else int(getattr(self._listening.getHost(), "port", 0))

    def _write(self, datagram: bytes, address: NetworkAddress) -> None:
        transport = self._protocol.transport
        if transport is not None:
            try:
                transport.write(datagram, address)
            except OSError:
                # Equivalent to packet loss.
                self._counters.unsent += 1

    def lose(self) -> None:
        """
        Handle the loss of the port: the reactor has stopped listening.
        """
        if self._listening is not None:
            self._listening = None
            self._lost(f"nothing listens at {labelOf(self.address or 'any address', self._port)} over {self.way.upper()} any more")

    def stop(self) -> Deferred[None]:
        """
        Close all connections, with notices to their clients, and stop listening.
        """
        self.servings.close()
        listening, self._listening = self._listening, None
        return succeed(None) if listening is None else maybeDeferred(listening.stopListening).addCallback(lambda _: None)

    def __repr__(self) -> str:
        return f"<QuicListener {labelOf(self.address, self._port)}>"
