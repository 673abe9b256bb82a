"""
Tests of UDP listeners.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.networks import NetworkTestCase
from tests.packetcache.lanes import RECORDS, denial
from tests.queries import optOf, queryOf
from twisted_ext.errors import CallerFault, Unreachable
from twisted_ext.native.loops import Place, joined
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.server.listeners import datagram
from twisted_ext.server.listeners.datagram import DatagramListener, datagramSocket
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.sources import CannedSource
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Message


class MemoryTests(NetworkTestCase):
    """
    Tests for L{DatagramListener} on a reactor without file descriptors.
    """

    def test_forwardedAnswerIsCached(self) -> None:
        """
        A client's query is forwarded once; repeated queries are answered from the cache.
        """
        canned, upstream = self.serve()
        host = self.network.reactor("192.0.2.1")
        source = CachedSource(ForwardingSource(host, [upstream]), host)
        responder = Responder(source, host, packetCache=packetCacheFor(Access({"allow": ["192.0.2.0/24"]})))
        listener = DatagramListener(host, responder, "192.0.2.1", 53)
        listener.start()
        client = self.forward(Server("192.0.2.1", 53))
        for _ in range(6):
            self.assertEqual(self.find(client), ["192.0.2.80"])
        self.assertEqual(len(canned.asked), 1)
        counters = responder.counters
        self.assertEqual((counters.udp, counters.hits), (6, 3))
        self.assertIn("192.0.2.1:53", repr(listener))
        self.successResultOf(listener.stop())
        self.successResultOf(listener.stop())
        responder.close()
        self.successResultOf(source.close())
        self.assertEqual(host.pending(), [])

    def test_reactorWithoutUDPIsReported(self) -> None:
        """
        A reactor without UDP is an error that says so.
        """
        clock = Clock()
        listener = DatagramListener(clock, Responder(CannedSource(), clock), "192.0.2.1")
        self.assertIn("cannot do UDP", str(self.assertRaises(CallerFault, listener.start)))


@implementer(IReactorFDSet)
class Readers(Clock):
    """
    A clock that records readers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[IReadDescriptor] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        self.readers.remove(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        raise AssertionError("nothing is written later")

    removeWriter = addWriter

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        return list(self.readers)

    def getReaders(self) -> list[IReadDescriptor]:
        return self.readers

    def getWriters(self) -> list[IWriteDescriptor]:
        return []


class SocketTests(SynchronousTestCase):
    """
    Tests for L{DatagramListener} with its own sockets, on loopback addresses.
    """

    @contextmanager
    def listening(self, address: str, made: socket.socket | None = None) -> Iterator[tuple[DatagramListener, Readers]]:
        """
        Listen at an address, on any free port.
        """
        clock = Readers()
        source = CannedSource(RECORDS, denial)
        listener = DatagramListener(clock, Responder(CachedSource(source, clock), clock), address, 0, socket=made)
        listener.start()
        try:
            yield listener, clock
        finally:
            self.successResultOf(listener.stop())
            self.assertEqual(clock.readers, [])
            self.assertEqual(listener.fileno(), -1)

    def exchange(self, clock: Readers, where: tuple[str, int], count: int = 8) -> None:
        """
        Send queries from a connected socket, which receives replies only from the address that it asked.
        """
        family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.connect(where)
            for number in range(count):
                client.send(queryOf(id=number, opt=optOf()))
                clock.readers[0].doRead()
                reply = Message.fromWire(client.recv(4096)).check()
                self.assertEqual((reply.id, reply.answer[0].rdatas), (number, (b"\xc0\x00\x02\x50",)))

    def test_bothFamiliesAreAnswered(self) -> None:
        """
        Queries over IPv4 and IPv6 are answered, by the responder and from the packet cache.
        """
        for address in ("127.0.0.1", "::1"):
            with self.listening(address) as (listener, clock):
                verifyObject(IReadDescriptor, clock.readers[0])
                self.exchange(clock, (address, listener.port))
                self.assertGreater(listener.responder.counters.hits, 3)

    def test_replyLeavesFromQueriedAddress(self) -> None:
        """
        A server that listens at all addresses replies from the address that the client asked; clients would ignore the reply otherwise.
        """
        with self.listening("0.0.0.0") as (listener, clock):
            for address in ("127.0.0.1", "127.0.0.2", "127.5.5.5"):
                self.exchange(clock, (address, listener.port))
            # Without a source address the kernel sends from another address than the one that was asked.
            reader = listener._reader
            assert reader is not None
            made = reader.socket
            addressOf = reader._addressOf

            def send(queries: list[tuple[bytes, Place]], replies: list[bytes]) -> int:
                return sum([made.sendto(octets, addressOf(place)) for octets, place in joined(queries, replies)]) & 0

            self.patch(reader, "_sendReplies", send)
            self.assertRaises(TimeoutError, self.exchange, clock, ("127.5.5.5", listener.port), 1)
        with self.listening("::") as (listener, clock):
            self.exchange(clock, ("::1", listener.port))

    def test_everyReadIsHeard(self) -> None:
        """
        For the watchdog each turn counts in which something was read, however many datagrams that were, also if the last read found none.
        """
        with self.listening("127.0.0.1") as (listener, clock), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", listener.port))
            for turn, count in enumerate((1, 7, 8, 9, 10, 20, 40, 64), 1):
                for number in range(count):
                    client.send(queryOf(id=number))
                clock.readers[0].doRead()
                self.assertEqual(listener.heard, turn, count)
            clock.readers[0].doRead()
            self.assertEqual(listener.heard, 8)

    def test_batchIsBounded(self) -> None:
        """
        Waiting datagrams are answered in one turn up to a limit, so that other events get their turn.
        """
        self.patch(datagram, "_BATCHES", 4)
        with self.listening("127.0.0.1") as (listener, clock), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", listener.port))
            for number in range(400):
                client.send(queryOf(id=number))
            clock.readers[0].doRead()
            counters = listener.responder.counters
            self.assertEqual(counters.udp, 256)
            clock.readers[0].doRead()
            self.assertEqual(counters.udp, 400)

    def test_givenSocketIsUsed(self) -> None:
        """
        A socket that the caller has bound is used with its address and port.
        """
        made = datagramSocket("127.0.0.1", 0)
        port = made.getsockname()[1]
        with self.listening("ignored", made) as (listener, clock):
            self.assertEqual((listener.address, listener.port), ("127.0.0.1", port))
            self.exchange(clock, ("127.0.0.1", port))

    def test_bindErrorIsOneLine(self) -> None:
        """
        A port that is in use and an invalid address are errors in one line.
        """
        with datagramSocket("127.0.0.1", 0) as first:
            port = first.getsockname()[1]
            error = self.assertRaises(Unreachable, datagramSocket, "127.0.0.1", port)
            self.assertEqual(str(error), f"cannot listen at 127.0.0.1:{port} over UDP: Address already in use")
        self.assertIn("192.0.2.1", str(self.assertRaises(Unreachable, datagramSocket, "192.0.2.1", 0)))
        self.assertIn("is not an address", str(self.assertRaises(CallerFault, datagramSocket, "nowhere", 0)))

    def test_portIsSharedOnRequest(self) -> None:
        """
        Several processes may bind the same port if all of them ask for it.
        """
        with datagramSocket("127.0.0.1", 0, shared=True) as first:
            port = first.getsockname()[1]
            datagramSocket("127.0.0.1", port, shared=True).close()
            self.assertRaises(Unreachable, datagramSocket, "127.0.0.1", port)
