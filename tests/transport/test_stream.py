"""
Tests of queries over TCP.
"""

from __future__ import annotations

from zope.interface.verify import verifyObject

from tests.networks import NetworkTestCase
from tests.transport.waiting import Waiter
from twisted_ext.errors import BadMessage, Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.random import Draw
from twisted_ext.transport.stream import StreamExchange, secondsAllowed, wishing
from twisted_ext.wire.builder import buildMessage, buildQuery
from twisted_ext.wire.message import EDNS, Message

WIRE = questionOf("www.test.example").toWire()


def replyWithKeepalive(octets: bytes) -> bytes:
    """
    Return a reply with this value of its keepalive option.
    """
    return buildMessage(Message(7, 0x8180, (questionOf("www.test.example"),), edns=EDNS(1232, options=((11, octets),))))


class StreamExchangeTests(NetworkTestCase):
    """
    Tests for L{StreamExchange}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.exchange = StreamExchange(self.here, self.server, Draw())

    def tearDown(self) -> None:
        closed = self.exchange.close()
        self.network.advance(1)
        self.successResultOf(closed)
        super().tearDown()

    def ask_(self, *waiters: Waiter) -> list[bytes]:
        """
        Send queries.

        @return: their IDs.
        """
        return [self.exchange.ask(waiter, self.here.seconds())[1] for waiter in waiters]

    @property
    def dialed(self) -> int:
        """
        The number of connections that were made.
        """
        return self.network.dialed[self.server.address, self.server.port]

    def test_providesIExchange(self) -> None:
        """
        It provides IExchange.
        """
        verifyObject(IExchange, self.exchange)
        self.assertEqual((self.exchange.kind, self.exchange.label, self.exchange.reliable), ("tcp", "192.0.2.53:53", True))

    def test_queriesShareOneConnection(self) -> None:
        """
        Many queries share one connection, and none waits for another's reply.
        """
        waiters = [Waiter(f"host{number}.test.example") for number in range(50)]
        self.ask_(*waiters)
        self.network.advance(0.045)
        self.assertEqual((self.dialed, [len(waiter.replies) for waiter in waiters]), (1, [1] * 50))

    def test_repliesMayComeInAnyOrder(self) -> None:
        """
        Replies may come in any order, and each reaches its own query.
        """
        held: list[bytes] = []

        def reverse(reply: bytes, transport: str) -> list[bytes]:
            held.append(reply)
            return held[::-1] if len(held) == 5 else []

        self.canned.tamper = reverse
        waiters = [Waiter(f"host{number}.test.example") for number in range(5)]
        keys = self.ask_(*waiters)
        self.network.advance(1)
        self.assertEqual([waiter.replies[0][:2] for waiter in waiters], keys)

    def test_fragmentedStreamIsRead(self) -> None:
        """
        Any fragmentation of the stream is read.
        """
        self.network.shape(source="192.0.2.53", delay=0.01, fragment=1)
        waiters = [Waiter(f"host{number}.test.example") for number in range(3)]
        self.ask_(*waiters)
        self.network.advance(1)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1, 1, 1])

    def test_outstandingQueriesAreLimited(self) -> None:
        """
        The number of outstanding queries is limited. The others follow when replies come.
        """
        exchange = StreamExchange(self.here, self.server, Draw(), inFlight=2)
        self.canned.delay = 1.0
        waiters = [Waiter(f"host{number}.test.example") for number in range(6)]
        for waiter in waiters:
            exchange.ask(waiter, 0.0)
        for expected in (2, 4, 6):
            self.network.advance(1.02)
            self.assertEqual(len(self.canned.asked), expected)
        self.network.advance(1)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1] * 6)
        exchange.settle()

    def test_connectionClosesWithoutWaiters(self) -> None:
        """
        The connection is closed in good order when there is no waiter, and a later query opens a new one.
        """
        self.ask_(Waiter())
        self.network.advance(1)
        self.exchange.settle()
        self.network.advance(0.1)
        self.assertEqual((self.here.pending(), self.canned.connections), ([], 0))
        waiter = Waiter()
        self.ask_(waiter)
        self.network.advance(1)
        self.assertEqual((len(waiter.replies), self.dialed), (1, 2))

    def test_keptConnectionIsReused(self) -> None:
        """
        With keepalive, the connection stays for that time after the last query, is reused, and then closes.
        """
        exchange = StreamExchange(self.here, self.server, Draw(), keep=10.0)
        for _ in range(2):
            waiter = Waiter()
            exchange.ask(waiter, 0.0)
            self.network.advance(1)
            exchange.settle()
            self.assertEqual(len(waiter.replies), 1)
            self.network.advance(8)
        self.assertEqual((self.dialed, self.canned.connections), (1, 1))
        self.network.advance(3)
        self.assertEqual(self.here.pending(), [])

    def test_keepTimerIsNotRestarted(self) -> None:
        """
        Queries between which a connection is kept share one timer, and the connection closes that long after the last one.
        """
        exchange = StreamExchange(self.here, self.server, Draw(), keep=10.0)
        for _ in range(5):
            exchange.ask(Waiter(), 0.0)
            self.network.advance(1)
            exchange.settle()
            timers = self.here.getDelayedCalls()
            self.network.advance(1)
        self.assertEqual(len(timers), 1)
        self.network.advance(8.9)
        self.assertEqual(self.canned.connections, 1)
        self.network.advance(0.2)
        self.assertEqual((self.canned.connections, self.here.pending()), (0, []))

    def test_releasedQueryIsNotSent(self) -> None:
        """
        A released query is not sent, and a late reply to it does no harm.
        """
        self.canned.delay = 1.0
        sent, unsent, other = Waiter("sent.test"), Waiter("unsent.test"), Waiter()
        keys = self.ask_(sent, other)
        self.network.advance(0.5)
        self.exchange.release(keys[0])
        exchange = StreamExchange(self.here, self.server, Draw())
        exchange.release(exchange.ask(unsent, 0.0)[1])
        exchange.settle()
        self.network.advance(2)
        self.assertEqual([len(each.replies) for each in (sent, unsent, other)], [0, 0, 1])
        self.assertEqual(len(self.canned.asked), 2)

    def test_lostQueriesAreSentAgain(self) -> None:
        """
        Queries of a lost connection are sent once more.
        """
        self.canned.closesAfter = 0
        first = Waiter()
        self.ask_(first)
        self.network.advance(0.035)
        self.canned.closesAfter = None
        self.network.advance(1)
        self.assertEqual((len(first.replies), len(first.faults), self.dialed), (1, 0, 2))

    def test_secondLossIsUnreachable(self) -> None:
        """
        A server that drops the connection again is unreachable.
        """
        self.canned.closesAfter = 0
        waiter = Waiter()
        self.ask_(waiter)
        self.network.advance(2)
        self.assertEqual((len(waiter.replies), len(waiter.faults), self.dialed), (0, 1, 2))
        self.assertIsInstance(waiter.faults[0], Unreachable)

    def test_serverThatClosesOftenAnswersAll(self) -> None:
        """
        A server that closes each connection after a few replies answers all queries that were sent together, and gets no more of them on
        a connection than it answers.
        """
        for replies in (1, 3, 20):
            canned, server = self.serve(f"192.0.2.{100 + replies}")
            canned.closesAfter = replies
            exchange = StreamExchange(self.here, server, Draw())
            waiters = [Waiter(f"host{number}.test.example") for number in range(60)]
            for waiter in waiters:
                exchange.ask(waiter, self.here.seconds())
            self.network.advance(4)
            self.assertEqual([(len(waiter.replies), waiter.faults) for waiter in waiters], [(1, [])] * 60)
            self.assertLessEqual(self.network.dialed[server.address, server.port], 60 // replies + 2)
            exchange.settle()
            self.network.advance(1)

    def test_roomIsFoundAgain(self) -> None:
        """
        A server that closed a connection early once gets many queries at a time again, when it answers more of them.
        """
        self.canned.closesAfter = 1
        self.exchange = StreamExchange(self.here, self.server, Draw(), keep=10.0)
        self.ask_(*[Waiter(f"host{number}.test.example") for number in range(3)])
        self.network.advance(0.035)
        self.canned.closesAfter = None
        self.network.advance(0.2)
        self.exchange.settle()
        self.network.advance(1)
        waiters = [Waiter(f"host{number}.test.example") for number in range(400)]
        self.ask_(*waiters)
        self.network.advance(0.35)
        self.assertEqual(([len(waiter.replies) for waiter in waiters], self.dialed), ([1] * 400, 2))

    def test_badQueryFailsAlone(self) -> None:
        """
        Queries that make the server close the connection fail, and the others on it are answered, whatever the server does first.
        """
        for bad, whole in (((0,), False), ((30,), False), ((30,), True), ((59,), True), (tuple(range(9, 15)), False)):
            canned, server = self.serve(f"192.0.2.{100 + len(bad) + bad[-1] + whole}")
            there = self.network.hostAt(server.address)
            assert there is not None

            def close(reply: bytes, transport: str, there: MemoryReactor = there) -> list[bytes]:
                if b"bad" in reply:
                    for connection in list(there.connections):
                        connection.abortConnection()
                    return []
                return [reply]

            canned.tamper = close
            # Replies that are under way are lost as well.
            canned.delay = 0.01 * whole
            exchange = StreamExchange(self.here, server, Draw())
            waiters = [Waiter(f"{'bad' if number in bad else 'host'}{number}.test.example") for number in range(60)]
            for waiter in waiters:
                exchange.ask(waiter, self.here.seconds())
            self.network.advance(4)
            outcomes = [(len(waiter.replies), len(waiter.faults)) for waiter in waiters]
            self.assertEqual(outcomes, [(0, 1) if number in bad else (1, 0) for number in range(60)])
            exchange.settle()
            self.network.advance(1)

    def test_unansweredQueryHoldsUpNone(self) -> None:
        """
        A query that the server does not answer, on a connection that it may close after one, does not hold up the others.
        """
        self.canned.closesAfter = 1
        first = Waiter("first.test.example")
        dropped = Waiter("dropped.test.example")
        keys = self.ask_(first, dropped)
        self.network.advance(0.035)
        self.canned.closesAfter = None
        self.canned.tamper = lambda reply, transport: [] if b"dropped" in reply else [reply]
        waiters = [Waiter(f"host{number}.test.example") for number in range(9)]
        self.ask_(*waiters)
        self.network.advance(1)
        self.assertEqual(([len(waiter.replies) for waiter in waiters], self.dialed), ([1] * 9, 2))
        self.exchange.release(keys[1])

    def test_idleLossIsInvisible(self) -> None:
        """
        An idle connection that the server closes is replaced for the next query, which does not notice.
        """
        self.canned.closesAfter = 1
        exchange = StreamExchange(self.here, self.server, Draw(), keep=60.0)
        for _ in range(3):
            waiter = Waiter()
            exchange.ask(waiter, 0.0)
            self.network.advance(1)
            exchange.settle()
            self.assertEqual((len(waiter.replies), len(waiter.faults)), (1, 0))
        self.assertEqual(self.here.pending(), [])

    def test_closedPortFailsAllWaiters(self) -> None:
        """
        A closed port fails all waiting queries.
        """
        self.canned.close()
        self.network.advance()
        waiters = [Waiter(), Waiter()]
        self.ask_(*waiters)
        self.network.advance(1)
        self.assertEqual([type(waiter.faults[0]) for waiter in waiters], [Unreachable, Unreachable])

    def test_connectingEndsWithoutWaiters(self) -> None:
        """
        A pending connection is abandoned when there is no waiter.
        """
        exchange = StreamExchange(self.here, self.nowhere(), Draw())
        exchange.release(exchange.ask(Waiter(), 0.0)[1])
        exchange.settle()
        self.network.advance()
        self.assertEqual(self.here.pending(), [])

    def test_replyWithOtherQuestionIsIgnored(self) -> None:
        """
        A reply to another question is ignored, and the right one behind it is the answer.
        """
        self.canned.tamper = lambda reply, transport: [reply[:13] + b"x" + reply[14:], reply]
        waiter = Waiter()
        self.ask_(waiter)
        self.network.advance(1)
        self.assertEqual([[reply[12:16] for reply in waiter.replies], waiter.faults], [[b"\3www"], []])

    def test_manyOtherQuestionsFail(self) -> None:
        """
        After a few replies with other questions, the query fails and others get a new connection. A reply that only lacks its question
        fails the query at once.
        """
        other = iter([b"x"] * 4)
        self.canned.tamper = lambda reply, transport: [reply[:13] + next(other, reply[13:14]) + reply[14:]]
        waiters = [Waiter() for _ in range(5)]
        self.ask_(*waiters)
        self.network.advance(1)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1, 1, 1, 0, 1])
        self.assertEqual(([type(fault) for fault in waiters[3].faults], self.dialed), ([BadMessage], 2))
        self.canned.tamper = lambda reply, transport: [reply[:4] + bytes(8)]
        waiter = Waiter()
        self.ask_(waiter)
        self.network.advance(1)
        self.assertEqual([type(fault) for fault in waiter.faults], [BadMessage])

    def test_invalidStreamIsReconnected(self) -> None:
        """
        A server whose stream is invalid gets a new connection.
        """
        self.canned.tamper = lambda reply, transport: []
        waiter = Waiter()
        self.ask_(waiter)
        self.network.advance(0.1)
        there = self.network.hostAt("192.0.2.53")
        assert there is not None
        for connection in list(there.connections):
            connection.write(b"\x00\x00")
        self.network.advance(0.1)
        self.assertEqual(self.dialed, 2)
        self.exchange.release(next(iter(self.exchange.keys)))

    def test_queueOfConnectionIsLimited(self) -> None:
        """
        The number of queries that wait for a pending connection is limited.
        """
        exchange = StreamExchange(self.here, self.nowhere(), Draw())
        keys: list[bytes] = []

        def fill() -> None:
            while True:
                keys.append(exchange.ask(Waiter(), 0.0)[1])

        self.assertRaises(Unreachable, fill)
        self.assertEqual(len(keys), 20000)
        for key in keys:
            exchange.release(key)
        exchange.settle()

    def test_deadConnectionIsReplaced(self) -> None:
        """
        A silently dead connection is replaced after a while: all waiting and later queries use a new one. It stays as long as anything
        arrives.
        """
        self.ask_(Waiter())
        self.network.advance(1)
        self.network.shape(silent=True)
        first, second = Waiter("first.test.example"), Waiter("second.test.example")
        self.ask_(first)
        self.network.advance(2)
        self.ask_(second)
        self.network.advance(0.4)
        self.network.shape(delay=0.01)
        self.assertEqual(self.dialed, 1)
        self.network.advance(1)
        self.assertEqual(([len(each.replies) for each in (first, second)], second.faults, self.dialed), ([1, 1], [], 2))
        self.canned.delay = 2.0
        for number in range(10):
            self.ask_(Waiter(f"host{number}.test.example"))
            self.network.advance(1)
            self.exchange.release(self.ask_(Waiter())[0])
        self.assertEqual(self.dialed, 2)
        self.network.advance(5)

    def test_stalledConnectionIsReplaced(self) -> None:
        """
        A kept connection on which nothing comes any more is replaced in time for the query on it to be answered, with a single server.
        """
        exchange = StreamExchange(self.here, self.server, Draw(), keep=10.0)
        exchange.ask(Waiter(), 0.0)
        self.network.advance(1)
        exchange.settle()
        self.network.shape(silent=True)
        waiter = Waiter()
        exchange.ask(waiter, self.here.seconds())
        self.network.advance(1)
        self.network.shape(delay=0.01)
        self.assertEqual(self.dialed, 1)
        self.network.advance(1.6)
        self.assertEqual((len(waiter.replies), waiter.faults, self.dialed), (1, [], 2))
        exchange.settle()
        exchange.close()
        self.network.advance(1)

    def test_slowConnectIsRetried(self) -> None:
        """
        A pending connection is tried again when a query that waits for it times out.
        """
        exchange = StreamExchange(self.here, self.nowhere(), Draw())
        keys = [exchange.ask(Waiter(), 0.0)[1] for _ in range(3)]
        for key, dialed in zip(keys, (2, 3, 3), strict=True):
            self.network.advance(2.5)
            exchange.release(key)
            self.assertEqual(self.network.dialed["192.0.2.99", 53], dialed)
        self.network.advance()
        self.assertEqual(self.here.pending(), [])

    def test_droppedQueriesFreeTheirPlaces(self) -> None:
        """
        Queries that the server drops, while it answers others, do not use up the connection.
        """
        exchange = StreamExchange(self.here, self.server, Draw(), inFlight=4)
        self.canned.tamper = lambda reply, transport: [] if b"dropped" in reply else [reply]
        for _ in range(10):
            channel, key = exchange.ask(Waiter("dropped.test.example"), self.here.seconds())
            waiter = Waiter()
            exchange.ask(waiter, self.here.seconds())
            self.network.advance(0.1)
            channel.release(key)
            self.network.advance(0.1)
            self.assertEqual((len(waiter.replies), waiter.faults), (1, []))
        self.assertEqual(self.network.dialed["192.0.2.53", 53], 4)
        exchange.settle()


class KeepingTests(NetworkTestCase):
    """
    Tests for L{wishing}, L{secondsAllowed} and their use in L{StreamExchange}.
    """

    def test_keepaliveOptionIsAdded(self) -> None:
        """
        The keepalive option follows the existing options, and a query without EDNS is unchanged.
        """
        for options in ((), ((10, b"12345678"),)):
            query = wishing(buildQuery(0x0100, WIRE, EDNS(1232, 0, options).toWire()))
            message = Message.fromWire(b"\x00\x07" + query).check()
            assert message.edns is not None
            self.assertEqual(message.edns.options, (*options, (11, b"")))
        plain = buildQuery(0x0100, WIRE, b"")
        self.assertEqual(wishing(plain), plain)

    def test_secondsAreReadFromReply(self) -> None:
        """
        The allowed time is read in tenths of seconds. Invalid options are ignored.
        """
        self.assertEqual(secondsAllowed(replyWithKeepalive(b"\x00\x64")), 10.0)
        self.assertEqual(secondsAllowed(replyWithKeepalive(b"\x00\x00")), 0.0)
        for octets in (replyWithKeepalive(b""), replyWithKeepalive(b"\x00\x00\x00"), b"", replyWithKeepalive(b"\x00\x64")[:-1]):
            self.assertIsNone(secondsAllowed(octets))
        edns = EDNS(1232, options=((3, b"\x00\x00\x29"), (12, bytes(300)), (11, b"\x00\x64")))
        self.assertEqual(secondsAllowed(buildMessage(Message(7, 0x8180, (questionOf("www.test.example"),), edns=edns))), 10.0)
        edns = EDNS(1232, options=((11, b"\x00\x64"), (12, bytes(300))))
        self.assertEqual(secondsAllowed(buildMessage(Message(7, 0x8180, (questionOf("www.test.example"),), edns=edns))), 10.0)

    def test_serverLimitsTheLifetime(self) -> None:
        """
        A connection stays no longer than the server allows, and is closed at once where it allows nothing.
        """
        canned, server = self.serve()
        for octets, stays in ((b"\x00\x14", 2.0), (b"\x00\x00", 0.0), (b"\xff\xff", 10.0)):
            canned.tamper = lambda reply, transport, octets=octets: [reply[:2] + replyWithKeepalive(octets)[2:]]
            exchange = StreamExchange(self.here, server, Draw(), keep=10.0)
            waiter = Waiter()
            waiter.query = buildQuery(0x0100, waiter.wire, EDNS(1232).toWire())
            exchange.ask(waiter, 0.0)
            self.network.advance(1)
            self.assertEqual(len(waiter.replies), 1)
            self.assertIsNotNone(canned.asked[-1].message.edns and canned.asked[-1].message.edns.option(11))
            exchange.settle()
            if stays:
                self.network.advance(stays - 0.1)
                self.assertNotEqual(self.here.pending(), [])
            self.network.advance(0.2)
            self.assertEqual(self.here.pending(), [])
