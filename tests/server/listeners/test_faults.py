"""
Tests of listeners whose work fails unexpectedly: a lack of memory, or a bug.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.networks import NetworkTestCase
from tests.packetcache.lanes import RECORDS, denial
from tests.queries import queryOf
from tests.server.listeners.streams import StreamTestCase, request
from tests.server.listeners.test_datagram import Readers
from twisted_ext.packetcache.clients import Client, Clients
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.server.listeners.connection import StreamServing
from twisted_ext.server.listeners.datagram import DatagramListener, _Reader
from twisted_ext.server.listeners.stream import StreamFactory
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message

_BAD = b"\x03bad"


class BrokenGate:
    """
    Raises L{MemoryError} for names that start with C{bad}.
    """

    name = "broken"

    def __call__(self, request: Request, now: float) -> Refusal | None:
        if request.question.name.startswith(_BAD):
            raise MemoryError
        return None


class DatagramTests(SynchronousTestCase):
    """
    Tests of L{DatagramListener} with its own sockets.
    """

    @contextmanager
    def listening(self, address: str = "127.0.0.1") -> Iterator[tuple[DatagramListener, Readers]]:
        """
        Listen, and let requests for some names fail.
        """
        clock = Readers()
        responder = Responder(CachedSource(CannedSource(RECORDS, denial), clock), clock)
        responder.gates = (BrokenGate(), *responder.gates)
        listener = DatagramListener(clock, responder, address, 0)
        listener.start()
        try:
            yield listener, clock
        finally:
            self.successResultOf(listener.stop())

    def exchange(self, listener: DatagramListener, clock: Readers, *queries: bytes) -> dict[int, int]:
        """
        Send queries so that they arrive together, and return the RCODEs of the replies by ID.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", listener.port))
            client.setblocking(False)
            for query in queries:
                client.send(query)
            self.assertIsNone(clock.readers[0].doRead())
            found: dict[int, int] = {}
            try:
                while True:
                    reply = Message.fromWire(client.recv(4096)).check()
                    self.assertNotIn(reply.id, found)
                    found[reply.id] = reply.rcode
            except BlockingIOError:
                return found

    def queries(self) -> list[bytes]:
        """
        Return four queries, of which every second one fails.
        """
        return [queryOf("bad.test.example" if number & 1 else "www.test.example", id=number) for number in range(4)]

    def test_failingRequestGetsSERVFAIL(self) -> None:
        """
        A request that fails gets SERVFAIL, and the others of its batch get their answers. Each failure is counted; the traceback is logged
        once.
        """
        for address in ("127.0.0.1", "0.0.0.0"):
            with self.listening(address) as (listener, clock):
                for _ in range(3):
                    found = self.exchange(listener, clock, *self.queries())
                    self.assertEqual(found, {0: Rcode.NOERROR, 1: Rcode.SERVFAIL, 2: Rcode.NOERROR, 3: Rcode.SERVFAIL})
                self.assertEqual(listener.responder.counters.faults, 6)
                self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)

    def test_failingRefusalIsNotSent(self) -> None:
        """
        A request gets no reply if SERVFAIL cannot be built either; the others of its batch are answered.
        """

        def fail(request: Request, refusal: Refusal) -> NoReturn:
            raise MemoryError

        with self.listening() as (listener, clock):
            self.patch(listener.responder.replyBuilder, "refusal", fail)
            self.assertEqual(self.exchange(listener, clock, *self.queries()), {0: Rcode.NOERROR, 2: Rcode.NOERROR})
            self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 2)

    def test_failureAfterReplySendsNoSecond(self) -> None:
        """
        A failure after the reply was sent does not send a second reply.
        """
        with self.listening() as (listener, clock):
            self.patch(listener.responder, "_offer", lambda *everything: 1 // 0)
            self.exchange(listener, clock, queryOf())
            found = self.exchange(listener, clock, *[queryOf(id=number) for number in range(4)])
            self.assertEqual(found, dict.fromkeys(range(4), Rcode.NOERROR))
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_failingCacheLookupSparesBatch(self) -> None:
        """
        A failure before the request is parsed spares the others of its batch.
        """
        with self.listening() as (listener, clock):
            packetCache = listener.responder.packetCache
            find = packetCache.clients.find
            failing = [False, True, False, True]

            def sometimes(address: str, now: float, door: Door = NOWHERE) -> Client:
                if failing.pop(0):
                    raise MemoryError
                return find(address, now)

            self.patch(packetCache, "clients", Clients(sometimes))
            self.patch(Clients, "find", lambda clients, address, now: sometimes(address, now))
            found = self.exchange(listener, clock, *[queryOf(id=number) for number in range(4)])
            self.assertEqual(found, {0: Rcode.NOERROR, 2: Rcode.NOERROR})
            self.assertEqual(listener.responder.counters.faults, 2)
            self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)

    def test_failingReceiveSparesBatch(self) -> None:
        """
        Datagrams that cannot be received spare those behind them.
        """
        with self.listening() as (listener, clock):
            reader = listener._reader
            assert reader is not None
            receive = reader._receive
            failing = [True, False]

            def sometimes() -> object:
                if failing.pop(0):
                    raise MemoryError
                return receive()

            self.patch(reader, "_receive", sometimes)
            self.assertEqual(self.exchange(listener, clock, *[queryOf(id=number) for number in range(4)]), {})
            before = listener.responder.counters.udp
            clock.readers[0].doRead()
            self.assertEqual(listener.responder.counters.udp, before + 4)
            self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)

    def test_exceptionReachesReactorUndefended(self) -> None:
        """
        Without this defense the exception would reach the reactor, which would stop reading from the socket.
        """

        def escape(reader: object, error: Exception, *others: object) -> NoReturn:
            raise error

        with self.listening() as (listener, clock):
            self.patch(_Reader, "_failed", escape)
            self.patch(Responder, "_broken", escape)
            self.assertRaises(MemoryError, self.exchange, listener, clock, *self.queries())


class LaterTests(SynchronousTestCase):
    """
    Tests of L{Responder} with answers that arrive later.
    """

    def test_failingLateAnswerGetsSERVFAIL(self) -> None:
        """
        A request gets SERVFAIL if its answer arrives and cannot be sent, and does not count as waiting any more.
        """
        clock = Clock()
        source = HeldSource()
        responder = Responder(source, clock)
        sent: list[bytes] = []
        for transport in ("udp", "tcp"):
            self.assertTrue(responder.take(queryOf(), ("127.0.0.1", 4000), transport, sent.append))
        self.patch(responder.replyBuilder, "answer", lambda request, answer: 1 // 0)
        source.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.assertEqual([Message.fromWire(octets).rcode for octets in sent], [Rcode.SERVFAIL] * 2)
        self.assertEqual((responder.counters.pending, responder.counters.faults), (0, 2))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class MemoryTests(NetworkTestCase):
    """
    Tests of L{DatagramListener} on a reactor without file descriptors.
    """

    def test_failingRequestGetsSERVFAIL(self) -> None:
        """
        A request that fails gets SERVFAIL, and the port continues to answer.
        """
        host = self.network.reactor("192.0.2.1")
        source = CannedSource(RECORDS, denial)
        responder = Responder(source, host)
        # Skip the access gate, since these addresses are not allowed.
        responder.gates = (BrokenGate(), *responder.gates[1:])
        listener = DatagramListener(host, responder, "192.0.2.1", 53)
        listener.start()
        client = self.forward(Server("192.0.2.1", 53))
        for _ in range(2):
            self.assertIn("SERVFAIL", str(self.fault(client, "bad.test.example", seconds=3.0)))
            self.assertEqual(self.find(client), ["192.0.2.80"])
        self.assertGreater(responder.counters.faults, 1)
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)
        self.successResultOf(listener.stop())


class StreamTests(StreamTestCase):
    """
    Tests of connections.
    """

    def breakFind(self) -> None:
        """
        Raise L{MemoryError} for messages that start with C{bad}.
        """
        find = self.parrot.find

        def sometimes(octets: bytes, address: str, now: float, transport: str) -> bytes | None:
            if octets[2:5] == b"bad":
                raise MemoryError
            return find(octets, address, now, transport)

        self.patch(self.parrot, "find", sometimes)

    def test_failingMessageEndsItsConnection(self) -> None:
        """
        A message that fails ends its connection. Other connections continue, new ones are accepted, and the memory is released.
        """
        self.breakFind()
        other = self.connect("192.0.2.8")
        for _ in range(3):
            client = self.connect()
            client.ask(request(1, b"lane"), request(2, b"bad"), request(3, b"lane"))
            self.network.advance(0.1)
            self.assertTrue(client.lost)
        other.ask(request(7, b"lane"))
        self.network.advance(0.1)
        self.assertEqual((other.replies, other.lost), ([7], False))
        self.assertEqual((self.parrot.counters.faults, self.parrot.counters.tcpOpen), (3, 1))
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)

    def test_failedConnectionIsRefused(self) -> None:
        """
        A connection that fails to open for lack of memory is closed, and the next one is accepted.
        """
        with_ = StreamFactory.opened

        def fail(servings: StreamFactory, stream: StreamServing) -> NoReturn:
            raise MemoryError

        self.patch(StreamFactory, "opened", fail)
        client = self.connect()
        self.assertTrue(client.lost)
        self.patch(StreamFactory, "opened", with_)
        client = self.connect()
        client.ask(request(1, b"lane"))
        self.network.advance(0.1)
        self.assertEqual(client.replies, [1])
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)
