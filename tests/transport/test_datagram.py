"""
Tests of queries over UDP.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.networks import NetworkTestCase
from tests.transport.waiting import Waiter
from twisted_ext.errors import Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.udpsockets import QuerySocket


class DatagramExchangeTests(NetworkTestCase):
    """
    Tests for L{DatagramExchange}, on a reactor without file descriptors.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.exchange = DatagramExchange(Datagrams(self.here), self.server)

    def tearDown(self) -> None:
        self.exchange.settle()
        super().tearDown()

    def send(self, waiter: Waiter) -> tuple[QuerySocket, bytes]:
        """
        Send a query.
        """
        return self.exchange.ask(waiter, self.here.seconds())

    def test_providesIExchange(self) -> None:
        """
        It provides IExchange.
        """
        verifyObject(IExchange, self.exchange)
        self.assertEqual((self.exchange.kind, self.exchange.label, self.exchange.reliable), ("udp", "192.0.2.53:53", False))

    def test_replyReachesItsWaiter(self) -> None:
        """
        A reply reaches the waiter of its query.
        """
        waiter, other = Waiter(), Waiter("other.test.example")
        self.send(waiter)
        self.send(other)
        self.network.advance(1)
        self.assertEqual([len(waiter.replies), len(other.replies), self.exchange.live], [1, 1, 0])

    def test_socketServesSixteenQueries(self) -> None:
        """
        A socket serves sixteen queries, and then another one replaces it.
        """
        for _ in range(100):
            self.send(Waiter())
            self.network.advance(0.1)
        ports = [datagram.source[1] for datagram in self.network.datagrams if datagram.destination[1] == 53]
        self.assertEqual(len(ports), 100)
        self.assertLessEqual(max([ports.count(port) for port in ports]), 16)
        self.assertGreaterEqual(len(set(ports)), 100 // 16)

    def test_socketHasSixteenOutstandingAtMost(self) -> None:
        """
        No socket has more than sixteen outstanding queries, however many wait, and consecutive queries leave from different ports.
        """
        self.canned.silent = True
        sent = [(waiter, *self.send(waiter)) for waiter in [Waiter() for _ in range(1000)]]
        ports = [datagram.source[1] for datagram in self.network.datagrams]
        self.assertLessEqual(max([ports.count(port) for port in ports]), 16)
        self.assertGreater(sum([one != two for one, two in zip(ports, ports[1:], strict=False)]), 600)
        for _, channel, key in sent:
            channel.release(key)
        self.network.advance(1)

    def test_IDsOfASocketDiffer(self) -> None:
        """
        Outstanding queries of one socket have different IDs, even when the random numbers repeat.
        """
        repeating = Draw(lambda count: (b"\x11\x11" * 300 + bytes([number % 251 for number in range(count)]))[:count])
        exchange = DatagramExchange(Datagrams(self.here, draw=repeating, width=1), self.server)
        keys = [exchange.ask(waiter, 0.0)[1] for waiter in [Waiter() for _ in range(10)]]
        self.assertEqual(len(set(keys)), 10)
        self.network.advance(1)
        exchange.settle()

    def test_noSocketStaysWithoutWaiters(self) -> None:
        """
        No socket is left when there is no waiter.
        """
        self.send(Waiter())
        self.network.advance(1)
        self.exchange.settle()
        self.assertEqual(self.here.pending(), [])

    def test_takenPortIsReplaced(self) -> None:
        """
        Another port is drawn when one is taken by another program.
        """
        from twisted.internet.protocol import DatagramProtocol

        taken = self.here.listenUDP(0x1111, DatagramProtocol())
        stubborn = Draw(lambda count: (b"\x11\x11\x22\x22\x33\x33" * count)[:count])
        exchange = DatagramExchange(Datagrams(self.here, draw=stubborn), self.server)
        waiter = Waiter()
        exchange.ask(waiter, 0.0)
        self.network.advance(1)
        self.assertEqual([datagram.source[1] for datagram in self.network.datagrams][0], 0x2222)
        self.assertEqual(len(waiter.replies), 1)
        exchange.settle()
        taken.stopListening()

    def test_lackOfPortsFails(self) -> None:
        """
        The query fails with the reason, in limited time, when all drawn ports are taken.
        """
        from twisted.internet.protocol import DatagramProtocol

        taken = self.here.listenUDP(0x1111, DatagramProtocol())
        exchange = DatagramExchange(Datagrams(self.here, draw=Draw(lambda count: b"\x11" * count)), self.server)
        fault = self.assertRaises(Unreachable, exchange.ask, Waiter(), 0.0)
        self.assertIn("192.0.2.53:53", str(fault))
        taken.stopListening()

    def test_missingFamilyIsUnreachable(self) -> None:
        """
        A server of a family that this host lacks is unreachable, and nothing stays open.
        """
        alone = self.network.reactor("192.0.2.8")
        exchange = DatagramExchange(Datagrams(alone), Server("2001:db8::53"))
        self.assertRaises(Unreachable, exchange.ask, Waiter(), 0.0)
        self.assertEqual(alone.pending(), [])

    def test_closedPortFailsAllWaiters(self) -> None:
        """
        A closed port fails all queries that wait for it.
        """
        exchange = DatagramExchange(Datagrams(self.here), Server("192.0.2.53", 54))
        waiters = [Waiter(), Waiter()]
        for waiter in waiters:
            exchange.ask(waiter, 0.0)
        self.network.advance(1)
        self.assertEqual([len(waiter.faults) for waiter in waiters], [1, 1])
        self.assertIsInstance(waiters[0].faults[0], Unreachable)
        self.assertEqual(exchange.live, 0)
        exchange.settle()

    def test_duplicateReplyIsNoForgery(self) -> None:
        """
        A duplicate of a reply does not count as a forgery.
        """
        self.network.shape(source="192.0.2.53", duplicate=1.0, delay=0.01)
        first, second = Waiter(), Waiter("other.test.example")
        self.exchange.ask(first, 0.0)
        self.send(second)
        self.network.advance(1)
        self.assertEqual([first.doubts, second.doubts, len(first.replies)], [0, 0, 1])

    def test_wrongIDRaisesDoubtOnce(self) -> None:
        """
        A reply with a wrong ID raises the doubts of all waiters on that socket, once. The genuine reply is still accepted.
        """
        self.network.shape(source="192.0.2.53", delay=0.5)
        waiter = Waiter()
        _, key = self.send(waiter)
        port = self.here.ports()[0].port
        wrong = bytes([key[0] ^ 1, key[1]])
        for _ in range(3):
            self.network.inject(wrong + b"\x81\x80" + waiter.query[2:], ("192.0.2.53", 53), ("192.0.2.7", port))
        self.assertEqual(waiter.doubts, 1)
        self.network.advance(1)
        self.assertEqual(len(waiter.replies), 1)

    def test_nearMissRetiresTheSocket(self) -> None:
        """
        A socket with a near miss gets no more queries.
        """
        self.canned.silent = True
        channel, key = self.send(Waiter())
        port = self.here.ports()[0].port
        self.network.inject(b"??", ("192.0.2.53", 53), ("192.0.2.7", port))
        for _ in range(20):
            self.send(Waiter())
        sent = [datagram.source[1] for datagram in self.network.datagrams if datagram.destination[1] == 53]
        self.assertEqual(sent.count(port), 1)
        self.network.advance(1)
        for each in list(self.here.ports()):
            each.stopListening()

    def test_manyNearMissesCloseTheSocket(self) -> None:
        """
        A socket is not read any more after some wrong IDs, so that a forger cannot try all. Without that limit the forged reply would be
        accepted.
        """
        for heard, taken in ((64, 0), (1024, 1)):
            exchange = DatagramExchange(Datagrams(self.here, nearMissesHeard=heard), self.nowhere())
            waiter = Waiter()
            channel, key = exchange.ask(waiter, 0.0)
            port = self.here.ports()[0].port
            number = int.from_bytes(key, "big")
            for guess in [(number + 1 + step) % 65536 for step in range(100)] + [number]:
                forged = guess.to_bytes(2, "big") + b"\x81\x80" + waiter.query[2:]
                self.network.inject(forged, ("192.0.2.99", 53), ("192.0.2.7", port))
            self.assertEqual(len(waiter.replies), taken)
            if not taken:
                channel.release(key)
            exchange.settle()

    def test_reactorWithoutUDPIsExplained(self) -> None:
        """
        A reactor without UDP, such as a clock in a test, reaches no server, and the error says why.
        """
        datagrams = Datagrams(Clock())
        with self.assertRaises(Unreachable) as raised:
            datagrams.make(DatagramExchange(datagrams, Server("192.0.2.53")))
        self.assertIn("cannot do UDP", str(raised.exception))
