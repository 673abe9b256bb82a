"""
QUIC servers and clients on a memory network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import QuicEvent
from aioquic.quic.packet import QuicTransportParameters, pull_quic_transport_parameters
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import authority, certificateFor
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.doors import Door
from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.request import Endpoint
from twisted_ext.server.listeners.quic.listener import QuicListener
from twisted_ext.server.listeners.quic.serving import QuicReplySource, QuicServing
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.requests import Send
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import CannedSource, questionOf
from twisted_ext.transport.quic.wire import ALPN
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

__all__ = ["NAME", "QuicTestCase", "RawClient", "RudeSource", "certified", "query"]

#: The server's name.
NAME = "dns.example"

_ADDRESS = "192.0.2.53"
_PORT = 853


@cache
def certified(name: str = NAME) -> Pair:
    """
    Return a certificate of the test authority.
    """
    pem = certificateFor(name)
    return Pair(pem, pem, name)


def query(name: str = "www.test.example", number: int = 0, flags: int = 0x100) -> bytes:
    """
    Return the octets of a query.
    """
    return buildMessage(Message(number, flags, (questionOf(name),)))


class RawClient(DatagramProtocol):
    """
    A client that does what it is told, right or wrong.

    @ivar connection: aioquic's connection, for what the other methods do not do.
    @ivar events: all its events.
    """

    noisy = False

    def __init__(self, reactor: MemoryReactor, alpn: str = ALPN, window: int = 1 << 20) -> None:
        """
        @param window: octets that it lets the server send on a stream.
        """
        configuration = QuicConfiguration(
            alpn_protocols=[alpn], is_client=True, server_name=NAME, cadata=authority()[0], max_stream_data=window
        )
        self.tickets: list[object] = []
        self.connection = QuicConnection(configuration=configuration, session_ticket_handler=self.tickets.append)
        self.events: list[QuicEvent] = []
        self._reactor = reactor
        self._server = (_ADDRESS, _PORT)
        self._timer: IDelayedCall | None = None
        self._port = reactor.listenUDP(0, self, maxPacketSize=65535)

    def connect(self) -> None:
        self.connection.connect(self._server, self._reactor.seconds())
        self.flush()

    def ask(self, octets: bytes, end: bool = True) -> int:
        """
        Write octets to a new stream.

        @return: its number.
        """
        stream = self.connection.get_next_available_stream_id()
        self.connection.send_stream_data(stream, octets, end)
        self.flush()
        return stream

    def flush(self) -> None:
        assert self.transport is not None
        now = self._reactor.seconds()
        for datagram, _ in self.connection.datagrams_to_send(now):
            self.transport.write(datagram, self._server)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        until = self.connection.get_timer()
        if until is not None:
            self._timer = self._reactor.callLater(max(until - now, 0.001), self._tick)
        while (event := self.connection.next_event()) is not None:
            self.events.append(event)

    def _tick(self) -> None:
        self._timer = None
        self.connection.handle_timer(self._reactor.seconds())
        self.flush()

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        self.connection.receive_datagram(datagram, self._server, self._reactor.seconds())
        self.flush()

    @property
    def port(self) -> int:
        return self._port.port

    @property
    def parameters(self) -> QuicTransportParameters:
        """
        The transport parameters of the server.
        """
        (octets,) = [octets for kind, octets in self.connection.tls.received_extensions or () if kind == 0x39]
        return pull_quic_transport_parameters(Buffer(data=octets))

    def move(self, reactor: MemoryReactor) -> None:
        """
        Go on from another address, without noticing it.
        """
        self._port.stopListening()
        self._port = reactor.listenUDP(0, self, maxPacketSize=65535)

    def vanish(self) -> None:
        """
        Disappear without a word.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._port.stopListening()

    def of(self, kind: type[QuicEvent]) -> list[QuicEvent]:
        return [event for event in self.events if type(event) is kind]


class RudeSource:
    """
    Does with each query what a test says; by default, nothing.

    @ivar queries: the messages that have arrived.
    """

    def __init__(self, act: Callable[[QuicServing, int, bytes], None] = lambda serving, stream, octets: None) -> None:
        self.counters = Counters()
        self.transport = "quic"
        self.queries: list[bytes] = []
        self._act = act

    def finderAt(self, door: Door) -> Callable[[bytes, str, float, str], bytes | None]:
        return lambda octets, address, now, transport: None

    def isDropped(self, host: str, /) -> bool:
        return False

    def isAlike(self, host: str, other: str, door: Door, /) -> bool:
        return True

    def take(self, octets: bytes, serving: QuicServing, send: Send, flow: Callable[[Iterator[bytes]], None], door: Door) -> bool:
        self.queries.append(octets)
        self._act(serving, 0, octets)
        return True


class QuicTestCase(SynchronousTestCase):
    """
    Tests with a QUIC server on a memory network. Each test must leave nothing open on any host.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.network.shape(delay=0.01)
        self.there: MemoryReactor = self.network.reactor(_ADDRESS)
        self.here: MemoryReactor = self.network.reactor("192.0.2.7")
        self.server = Server(_ADDRESS, _PORT)
        self.clients: list[RawClient] = []
        self.listener: QuicListener | None = None

    def tearDown(self) -> None:
        for client in self.clients:
            client.vanish()
        if self.listener is not None:
            self.stop()
            servings = self.listener.servings
            self.assertEqual((len(servings), servings.halfOpen, servings.routes, servings.held), (0, 0, 0, 0))
            self.assertEqual(servings.replies.counters.tcpOpen, 0)
            self.assertEqual(servings.replies.counters.faults, 0)
        self.network.advance(0.1)
        self.assertEqual([*self.here.pending(), *self.there.pending()], [])

    def serve(
        self,
        source: IAnswerSource | None = None,
        certificate: Pair | None = None,
        *,
        most: int | None = None,
        perPeer: int | None = None,
        halfOpen: int | None = None,
        http3: bool = False,
        **access: list[str],
    ) -> QuicListener:
        """
        Start the server.

        @param http3: serve HTTP/3 instead of DNS over QUIC.
        @param access: the other lists of clients.
        """
        self.certificates = Certificates([certificate or certified()], self.there.seconds)
        known = source or CannedSource({("www.test.example", "A"): "192.0.2.80"})
        responder = Responder(known, self.there, packetCache=packetCacheFor(Access({"allow": ["any"], **access})))
        heads = HeadMemory(Endpoint()) if http3 else None
        made = QuicListener(
            self.there, responder, self.certificates, _ADDRESS, _PORT, most=most, perPeer=perPeer, halfOpen=halfOpen, heads=heads
        )
        self.successResultOf(made.start())
        self.listener = made
        return made

    def rude(self, source: QuicReplySource) -> QuicListener:
        """
        Start a server with a source of raw replies.
        """
        made = self.serve()
        made.servings.replies = source
        return made

    def stop(self) -> None:
        assert self.listener is not None
        self.successResultOf(self.listener.stop())

    def client(self, address: str = "192.0.2.7", *, alpn: str = ALPN, connected: bool = True) -> RawClient:
        """
        Return a client.

        @param connected: let it complete the handshake.
        """
        host = self.network.hostAt(address) or self.network.reactor(address)
        made = RawClient(host, alpn)
        self.clients.append(made)
        if connected:
            made.connect()
            self.network.advance(0.2)
        return made

    def framed(self, name: str = "www.test.example", number: int = 0, flags: int = 0x100) -> bytes:
        return frame(query(name, number, flags))
