"""
An HTTP/3 server on a memory network, by aioquic's own HTTP/3.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionIdIssued, ConnectionTerminated, HandshakeCompleted, QuicEvent
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.protocol import DatagramProtocol

from tests.transport.https.httpsservers import TYPE
from twisted_ext.server.listeners.tls.certificates import Pair
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.quic.wire import initialOf
from twisted_ext.wire.message import Message

__all__ = ["HTTP3Peer", "HTTP3Request", "HTTP3Server"]


class HTTP3Request:
    """
    A request.

    @ivar fields: its headers by name.
    """

    def __init__(self, peer: HTTP3Peer, stream: int, fields: dict[bytes, bytes]) -> None:
        self.peer = peer
        self.stream = stream
        self.fields = fields
        self.body = b""

    @property
    def message(self) -> bytes:
        if self.fields[b":method"] == b"POST":
            return self.body
        encoded = self.fields[b":path"].rpartition(b"dns=")[2]
        return urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))


class HTTP3Peer:
    """
    The server's end of a connection.

    @ivar events: all events of QUIC.
    @ivar ids: the ids by which the client addresses it.
    """

    def __init__(self, server: HTTP3Server, address: tuple[str, int], quic: QuicConnection) -> None:
        self.server = server
        self.address = address
        self.quic = quic
        self.http: H3Connection | None = None
        self.events: list[QuicEvent] = []
        self.timer: IDelayedCall | None = None
        self.ids: set[bytes] = set()
        self._open: dict[int, HTTP3Request] = {}

    def respond(
        self, stream: int, octets: bytes, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = (TYPE,), end: bool = True
    ) -> None:
        assert self.http is not None
        self.http.send_headers(stream, [(b":status", b"%d" % status), *headers])
        self.http.send_data(stream, octets, end)

    def flush(self) -> None:
        reactor = self.server.reactor
        now = reactor.seconds()
        while (event := self.quic.next_event()) is not None:
            self.events.append(event)
            self._handle(event)
        for datagram, address in self.quic.datagrams_to_send(now):
            self.server.send(datagram, address)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        until = self.quic.get_timer()
        if until is not None:
            self.timer = reactor.callLater(max(until - now, 0.001), self._tick)

    def _tick(self) -> None:
        self.timer = None
        self.quic.handle_timer(self.server.reactor.seconds())
        self.flush()

    def _handle(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionIdIssued):
            self.ids.add(event.connection_id)
        if isinstance(event, HandshakeCompleted):
            self.http = H3Connection(self.quic)
        if isinstance(event, ConnectionTerminated):
            self.server.peers.remove(self)
            self.server.gone.append(self)
        if self.http is None:
            return
        for each in self.http.handle_event(event):
            if isinstance(each, HeadersReceived):
                self._open[each.stream_id] = HTTP3Request(self, each.stream_id, dict(each.headers))
            elif isinstance(each, DataReceived):
                self._open[each.stream_id].body += each.data
            if isinstance(each, HeadersReceived | DataReceived) and each.stream_ended:
                request = self._open.pop(each.stream_id)
                self.server.requests.append(request)
                self.server.handle(request)


class HTTP3Server(DatagramProtocol):
    """
    A server that answers like a L{CannedServer}.

    @ivar handle: called with each request; answers by default.
    @ivar peers: the connections that are open.
    @ivar gone: those that were closed.
    """

    noisy = False

    def __init__(self, reactor: MemoryReactor, canned: CannedServer, pair: Pair, port: int = 443, alpn: str = "h3") -> None:
        self.reactor = reactor
        self.canned = canned
        self.handle: Callable[[HTTP3Request], None] = self.answer
        self.requests: list[HTTP3Request] = []
        self.peers: list[HTTP3Peer] = []
        self.gone: list[HTTP3Peer] = []
        self._configuration = QuicConfiguration(
            alpn_protocols=[alpn], is_client=False, certificate=pair.leaf, certificate_chain=list(pair.chain), private_key=pair.key
        )
        self._port: IListeningPort = reactor.listenUDP(port, self, maxPacketSize=65535)

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        address = (addr[0], addr[1])
        header = initialOf(datagram) if datagram[0] & 0x80 else None
        destination = datagram[1:9] if header is None else header.destination
        peer = next((each for each in self.peers if destination in each.ids), None)
        if peer is None:
            if header is None or not header.first:
                return
            connection = QuicConnection(configuration=self._configuration, original_destination_connection_id=header.destination)
            peer = HTTP3Peer(self, address, connection)
            peer.ids.update((header.destination, connection.host_cid))
            self.peers.append(peer)
        peer.quic.receive_datagram(datagram, address, self.reactor.seconds())
        peer.flush()

    def send(self, datagram: bytes, address: object) -> None:
        assert self.transport is not None
        assert isinstance(address, tuple)
        self.transport.write(datagram, address)

    def answer(self, request: HTTP3Request) -> None:
        request.peer.respond(request.stream, self.canned.repliesTo(Message.fromWire(request.message), "tcp")[0])

    def flush(self) -> None:
        for peer in list(self.peers):
            peer.flush()

    def stop(self) -> None:
        for peer in (*self.peers, *self.gone):
            if peer.timer is not None:
                peer.timer.cancel()
                peer.timer = None
        self._port.stopListening()
