"""
Tests of the shortest path of the packet cache, for the replies of zones, and of what invalidates them.
"""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.queries import queryOf
from twisted_ext.answers import Epoch
from twisted_ext.metrics.counters import Counters
from twisted_ext.native.loops import joined
from twisted_ext.packetcache.clients import Client, Clients, Group
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import Reply, Table

FOREVER = float("inf")
ADDRESS = ("127.0.0.1", 4000)


class QuickTests(SynchronousTestCase):
    """
    Tests of L{PacketCache} with zones.
    """

    def setUp(self) -> None:
        self.group = Group("allowed", "allow", Table(1 << 16), Table(1 << 16, stream=True))
        self.packetCache = PacketCache(Clients(lambda address, now, door: Client(address, self.group)), (self.group,), quick=True)
        self.zone = Epoch()
        self.counters = Counters()
        self.now = 1000.0
        self.beyond: list[bytes] = []

    def offer(self, name: str, body: bytes = b"first", *, rcode: int = 0, epoch: Epoch | None = None) -> bytes:
        """
        Store a reply that is valid until its zone changes, and return the query.
        """
        query = queryOf(name)
        octets = query[:2] + bytes([0x85, rcode]) + query[4:] + body
        self.group.datagrams.offer(query, Reply(octets, (), 0.0, 0, FOREVER, epoch or self.zone, len(query), whole=True, known=True))
        return query

    def ask(self, *queries: bytes) -> list[bytes]:
        """
        Receive queries together and return what follows the question in each reply.
        """
        arrived = [(query, ADDRESS) for query in queries]
        sent: list[bytes] = []

        def send(queries: list[tuple[bytes, tuple[str, int]]], replies: list[bytes]) -> int:
            sent.extend([octets for octets, _ in joined(queries, replies)])
            return 0

        self.packetCache.drain(lambda: arrived, send, self.now, lambda query, *others: self.beyond.append(query), self.counters)
        return [octets[len(queries[0]) :] for octets in sent]

    def test_repeatedQueriesAreAnsweredAndCounted(self) -> None:
        """
        Each repeated query gets the reply with its own ID and is counted.
        """
        query = self.offer("www.test.example")
        for _ in range(3):
            self.assertEqual(self.ask(query, query), [b"first", b"first"])
            self.now += 100_000
        self.assertEqual(list(self.group.datagrams.quick), [query[2:]])
        self.assertEqual((self.counters.udp, self.counters.replies[0], self.counters.udpBeyond), (6, 6, 0))

    def test_zoneChangeInvalidatesReply(self) -> None:
        """
        A changed zone invalidates its replies with the next query. A change of another zone does not.
        """
        query = self.offer("www.test.example")
        self.ask(query)
        other = Epoch()
        other.bump()
        self.assertEqual(self.ask(query), [b"first"])
        self.zone.bump()
        self.assertEqual((self.ask(query), self.beyond), ([], [query]))
        self.offer("www.test.example", b"later")
        self.assertEqual([self.ask(query), self.ask(query)], [[b"later"], [b"later"]])

    def test_withoutFreshenStaleReplyIsGiven(self) -> None:
        """
        An outdated reply would be given if changes were not checked.
        """
        query = self.offer("www.test.example")
        self.ask(query)
        self.zone.bump()
        with mock.patch.object(Table, "freshen", lambda table: None):
            self.assertEqual(self.ask(query), [b"first"])

    def test_batchesLookAtNoGroups(self) -> None:
        """
        While nothing changes, a batch costs the same however many groups there are.
        """
        self.packetCache.regroup([self.group, *[Group(f"view{number}", "allow", Table(1)) for number in range(100)]])
        query = self.offer("www.test.example")
        self.ask(query)
        looked: list[Table] = []
        with mock.patch.object(Table, "freshen", lambda table: looked.append(table)):
            self.assertEqual([self.ask(query), self.ask(query)], [[b"first"], [b"first"]])
            self.assertEqual(looked, [])
            self.zone.bump()
            self.ask(query)
            self.ask(query)
        self.assertEqual(len(looked), 101)

    def test_denialsAreCountedAndTTLsExpire(self) -> None:
        """
        Denials are counted by their RCODE, and replies with a TTL expire.
        """
        query = self.offer("no.test.example", rcode=3)
        self.ask(query, query)
        self.assertEqual((self.counters.replies[3], self.group.datagrams.quick), (2, {}))
        query = queryOf("www.test.example")
        octets = query[:2] + b"\x85\x00" + query[4:] + b"soon"
        self.group.datagrams.offer(query, Reply(octets, (), self.now, 0, self.now + 1, self.zone, len(query), known=True))
        self.assertEqual(self.ask(query), [b"soon"])
        self.now += 2
        self.assertEqual(self.ask(query), [])

    def test_memoryIsBoundedAndHotRepliesStay(self) -> None:
        """
        The stored replies stay within the memory limit, and a reply that is often used stays.
        """
        hot = self.offer("www.test.example")
        for number in range(1000):
            query = self.offer(f"h{number}.test.example", bytes(100))
            self.ask(query, query)
            if number % 20 == 0:
                self.assertEqual(len(self.ask(hot, hot)), 2, number)
        self.assertLess(self.group.datagrams.octets, (1 << 16) + 1)
        self.assertLess(len(self.group.datagrams.quick), 200)
        self.assertEqual(self.beyond, [])
        self.group.clear()
        self.assertEqual(self.ask(hot), [])
