"""
Tests of the replies of zones on the fast lane, which are given with as few steps as may be, and of what makes them void.
"""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.queries import queryOf
from twisted_ext.answers import Epoch
from twisted_ext.metrics.counters import Counters
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
        self.lane = PacketCache(Clients(lambda address, now: Client(address, self.group)), (self.group,), quick=True)
        self.zone = Epoch()
        self.counters = Counters()
        self.now = 1000.0
        self.beyond: list[bytes] = []

    def offer(self, name: str, said: bytes = b"first", *, rcode: int = 0, epoch: Epoch | None = None) -> bytes:
        """
        Have a reply kept, as long as a zone stays as it is.

        @return: the query.
        """
        query = queryOf(name)
        octets = query[:2] + bytes([0x85, rcode]) + query[4:] + said
        self.group.datagrams.offer(query, Reply(octets, (), 0.0, 0, FOREVER, epoch or self.zone, len(query), whole=True, known=True))
        return query

    def ask(self, *queries: bytes) -> list[bytes]:
        """
        @return: what is replied to queries that come together, behind the question.
        """
        arrived = iter(queries)
        sent: list[bytes] = []

        def receive(size: int) -> tuple[bytes, tuple[str, int]]:
            for query in arrived:
                return query, ADDRESS
            raise BlockingIOError

        def send(octets: bytes, address: object) -> None:
            sent.append(octets)

        self.lane.drain(receive, send, 4096, self.now, lambda query, *others: self.beyond.append(query), self.counters)
        return [octets[len(queries[0]) :] for octets in sent]

    def test_given(self) -> None:
        """
        A reply is given again and again under the id of each query, and counted.
        """
        query = self.offer("www.example.test")
        for _ in range(3):
            self.assertEqual(self.ask(query, query), [b"first", b"first"])
            self.now += 100_000
        self.assertEqual(list(self.group.datagrams.quick), [query[2:]])
        self.assertEqual((self.counters.udp, self.counters.replies[0], self.counters.udpBeyond), (6, 6, 0))

    def test_voided(self) -> None:
        """
        It is void with the next query after its zone has changed; a change of another zone costs one look more.
        """
        query = self.offer("www.example.test")
        self.ask(query)
        other = Epoch()
        other.bump()
        self.assertEqual(self.ask(query), [b"first"])
        self.zone.bump()
        self.assertEqual((self.ask(query), self.beyond), ([], [query]))
        self.offer("www.example.test", b"later")
        self.assertEqual([self.ask(query), self.ask(query)], [[b"later"], [b"later"]])

    def test_voidedNotWithoutDefense(self) -> None:
        """
        Were changes not looked at, what a zone has not any more would be given forever.
        """
        query = self.offer("www.example.test")
        self.ask(query)
        self.zone.bump()
        with mock.patch.object(Table, "freshen", lambda table: None):
            self.assertEqual(self.ask(query), [b"first"])

    def test_others(self) -> None:
        """
        Denials are counted as what they are, and what ends by itself ends.
        """
        query = self.offer("no.example.test", rcode=3)
        self.ask(query, query)
        self.assertEqual((self.counters.replies[3], self.group.datagrams.quick), (2, {}))
        query = queryOf("www.example.test")
        octets = query[:2] + b"\x85\x00" + query[4:] + b"soon"
        self.group.datagrams.offer(query, Reply(octets, (), self.now, 0, self.now + 1, self.zone, len(query), known=True))
        self.assertEqual(self.ask(query), [b"soon"])
        self.now += 2
        self.assertEqual(self.ask(query), [])

    def test_bounded(self) -> None:
        """
        However many replies there are, no more are kept than there is room for, and what is asked for within a generation stays.
        """
        hot = self.offer("www.example.test")
        for number in range(1000):
            query = self.offer(f"h{number}.example.test", bytes(100))
            self.ask(query, query)
            if number % 20 == 0:
                self.assertEqual(len(self.ask(hot, hot)), 2, number)
        self.assertLess(self.group.datagrams.octets, (1 << 16) + 1)
        self.assertLess(len(self.group.datagrams.quick), 200)
        self.assertEqual(self.beyond, [])
        self.group.clear()
        self.assertEqual(self.ask(hot), [])
