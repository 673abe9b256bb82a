"""
Helpers for tests of connections: a responder that echoes requests, and clients on a memory network.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import pack

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import clientOf
from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.doors import Door
from twisted_ext.server.listeners.connection import Send, StreamPeer
from twisted_ext.server.listeners.stream import StreamFactory
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.streams import MemoryConnection
from twisted_ext.wire.framing import StreamBuffer, frame

__all__ = ["Client", "Parrot", "StreamTestCase", "request"]


def request(number: int, text: bytes = b"", octets: int = 0) -> bytes:
    """
    Return octets that look like a request: an ID, C{text}, and zeros up to a length.
    """
    return (pack(">H", number) + text).ljust(max(octets, 12), b"\x00")


class Parrot:
    """
    Echoes requests. The text after the ID selects how: C{"lane"} replies at once as the packet cache does, C{"now"} replies at once as the
    responder does, C{"junk"} is not accepted, and any other text is answered by L{release}.

    @ivar held: the messages that wait, and where to send the replies.
    @ivar size: the length of a reply.
    @ivar seen: the number of messages that have arrived.
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self.transport = "tcp"
        self.held: list[tuple[bytes, Send]] = []
        self.size = 12
        self.seen = 0

    def finderAt(self, door: Door) -> Callable[[bytes, str, float, str], bytes | None]:
        return self.find

    def find(self, octets: bytes, address: str, now: float, transport: str, /) -> bytes | None:
        self.seen += 1
        return octets[2:].ljust(self.size - 2, b"\x00") if octets[2:6] == b"lane" else None

    def take(self, octets: bytes, stream: StreamPeer, send: Send) -> bool:
        if octets[2:6] == b"junk":
            return False
        if octets[2:5] == b"now":
            send(octets.ljust(self.size, b"\x00"))
        else:
            self.held.append((octets, send))
        return True

    def release(self) -> None:
        """
        Reply to all waiting messages, the last one first.
        """
        held, self.held = self.held, []
        for octets, send in reversed(held):
            send(octets.ljust(self.size, b"\x00"))


class Client(Protocol):
    """
    A client on the memory network.

    @ivar replies: the IDs of all replies, in the order of their arrival.
    @ivar pieces: the number of replies in each piece that arrived.
    @ivar octets: the number of octets that have arrived.
    @ivar lost: whether the connection has ended.
    """

    transport: MemoryConnection

    def __init__(self) -> None:
        self.replies: list[int] = []
        self.pieces: list[int] = []
        self.octets = 0
        self.lost = False
        self._buffer = StreamBuffer()

    def dataReceived(self, data: bytes) -> None:
        self.octets += len(data)
        messages = self._buffer.feed(data)
        self.pieces.append(len(messages))
        self.replies += [int.from_bytes(message[:2], "big") for message in messages]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True

    def ask(self, *messages: bytes) -> None:
        """
        Send messages in one piece.
        """
        self.transport.write(b"".join([frame(message) for message in messages]))


class StreamTestCase(SynchronousTestCase):
    """
    Tests with a stream server on a memory network. Each test must leave nothing open on the server's host.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.network.shape(delay=0.001)
        self.there: MemoryReactor = self.network.reactor("192.0.2.53", "2001:db8::53")
        self.parrot = Parrot()
        self.servings = self.serve()

    def tearDown(self) -> None:
        self.successResultOf(self.end())
        self.assertEqual(self.there.pending(), [])
        self.assertEqual(self.parrot.counters.tcpOpen, 0)

    def end(self) -> Deferred[None]:
        """
        Stop the server.
        """
        done = self.servings.close()
        for listener in list(self.there.listeners.values()):
            listener.stopListening()
        self.network.advance(1)
        return done

    def serve(self, **bounds: int) -> StreamFactory:
        """
        Start the server with other limits.
        """
        if self.there.listeners:
            self.end()
        self.servings = StreamFactory(self.parrot, self.there, **bounds)
        self.there.listenTCP(53, self.servings)
        self.there.listenTCP(53, self.servings, interface="::")
        return self.servings

    def connect(self, address: str = "192.0.2.7", seconds: float = 0.01, port: int = 53) -> Client:
        """
        Return a client with this address.

        @param seconds: the time to wait for the connection.
        """
        reactor = self.network.hostAt(address) or self.network.reactor(address)
        client = Client()
        factory = clientOf(lambda: client)
        reactor.connectTCP("2001:db8::53" if ":" in address else "192.0.2.53", port, factory)
        self.network.advance(seconds)
        return client
