"""
Tests of what the packet cache notes of the clients it answers.
"""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from tests.queries import queryOf
from tests.server.operations.seeing import objectIn
from twisted_ext.metrics.activity import Activity
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.figures import JSON
from twisted_ext.packetcache.clients import Client, Clients, Group
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import CookieOptions, Reply, Table


class _Ending(CookieOptions):
    """
    Replies to all cookies with the same.
    """

    def __init__(self, ending: bytes | None) -> None:
        self._ending = ending

    def optionFor(self, client: str, octets: bytes, now: float) -> bytes | None:
        return self._ending


class SamplingTests(SynchronousTestCase):
    """
    Tests of L{PacketCache.drain} with an L{Activity}.
    """

    def setUp(self) -> None:
        self.group = Group("allowed", "allow", Table(1 << 16, sights=0))
        self.packetCache = PacketCache(Clients(lambda address, now, door: Client(address, self.group)), (self.group,))
        self.counters = Counters()
        self.counters.activity = self.activity = Activity()
        self.query = queryOf("www.test.example")
        octets = self.query[:2] + b"\x81\x83" + self.query[4:]
        self.group.datagrams.offer(self.query, Reply(octets, (), 0.0, 0, 1e9, self.packetCache.epoch, len(self.query)))

    def drain(self, arrived: list[tuple[bytes, str]], now: float) -> None:
        """
        Receive datagrams from these addresses together.
        """
        places = [(octets, (address, 4000)) for octets, address in arrived]
        self.packetCache.drain(lambda: places, lambda queries, replies: 0, now, lambda *others: None, self.counters)

    def test_oneOfEachBatchStandsForIt(self) -> None:
        """
        One cached answer of each batch is noted with its own client, although another client's query came last, and stands for all.
        """
        miss = queryOf("other.test.example")
        self.activity.live.watch(0.0)
        self.drain([(self.query, "192.0.2.1"), (bytes(bytearray(self.query)), "192.0.2.2"), (miss, "192.0.2.3")], 1.0)
        self.assertEqual(self.activity.clients.most(), [("192.0.2.2", 2, 1.0)])
        shown = objectIn(cast("list[JSON]", self.activity.live.after(0)["queries"])[0])
        self.assertEqual(
            {name: shown[name] for name in ("client", "name", "rcode", "status", "count")},
            {"client": "192.0.2.2", "name": "www.test.example.", "rcode": "NXDOMAIN", "status": "cached", "count": 2},
        )

    def test_batchesAreTold(self) -> None:
        """
        Who asks is told of each batch after it was sent: queries, bodies and clients side by side, without those that were not answered;
        and of each hit of a stream, with its transport.
        """
        told: list[object] = []
        self.packetCache.told = lambda queries, bodies, clients, transport, now, door: told.append(
            ([query for query, _ in queries], bodies, [client.address for client in clients], transport, now)
        )
        miss, again = queryOf("other.test.example"), bytes(bytearray(self.query))
        self.drain([(self.query, "192.0.2.1"), (miss, "192.0.2.3"), (again, "192.0.2.2")], 1.0)
        body = b"\x81\x83" + self.query[4:]
        self.assertEqual(told, [([self.query, again], [body, body], ["192.0.2.1", "192.0.2.2"], "udp", 1.0)])
        self.drain([(miss, "192.0.2.3")], 1.5)
        self.assertEqual(len(told), 1)
        for table in (self.group.messages, self.group.encrypted):
            octets = self.query[:2] + b"\x81\x83" + self.query[4:]
            table.offer(self.query, Reply(octets, (), 0.0, 0, 1e9, self.packetCache.epoch, len(self.query), known=True))
        for transport in ("tcp", "tls", "https"):
            del told[:]
            self.assertEqual(self.packetCache.find(self.query, "192.0.2.4", 2.0, transport), body)
            self.assertIsNone(self.packetCache.find(miss, "192.0.2.4", 2.0, transport))
            self.assertEqual(told, [([self.query], [body], ["192.0.2.4"], transport, 2.0)])

    def test_blockedNameIsRecognizedWithoutEDNS(self) -> None:
        """
        A cached reply for a blocked name is shown as blocked although it has no extended error: found by its octets, by its shape, by a
        stream, and after its TTLs were counted down. It is counted once.
        """
        self.activity.live.watch(0.0)
        query = queryOf("ads.test.example")
        octets = query[:2] + b"\x81\x80" + query[4:]
        for table, ttls in ((self.group.datagrams, [(len(query) - 4, 60)]), (self.group.messages, [])):
            table.offer(query, Reply(octets, ttls, 0.0, 0, 1e9, self.packetCache.epoch, len(query), known=True, blocked=True))
        shaped = queryOf("shape.test.example")
        octets = shaped[:2] + b"\x81\x80" + shaped[4:]
        reply = Reply(octets, (), 0.0, 0, 1e9, self.packetCache.epoch, len(shaped), whole=True, blocked=True)
        self.group.datagrams.offer(shaped, reply, varies=True)
        for now, datagram in ((0.5, query), (1.5, query), (2.5, queryOf("SHAPE.test.example"))):
            self.drain([(datagram, "192.0.2.1")], now)
        found = self.packetCache.find(query, "192.0.2.1", 3.5)
        self.activity.hit(query, 1, "192.0.2.1", "tcp", found, 3.5)
        shown = [objectIn(each)["status"] for each in cast("list[JSON]", self.activity.live.after(0)["queries"])]
        self.assertEqual(shown, ["blocked"] * 4)
        self.assertEqual(self.counters.blocked + self.packetCache.blocked, 4)

    def test_manyBatchesAreSampled(self) -> None:
        """
        Batches that follow quickly are noted together.
        """
        for number in range(100):
            self.drain([(self.query, "192.0.2.1")], 1.0 + number / 1_000_000)
        self.assertEqual(self.activity.clients.total, 1)
        self.drain([(self.query, "192.0.2.1")], 2.0)
        self.assertEqual(self.activity.clients.total, 101)

    def test_blockedRepliesAreCountedOnce(self) -> None:
        """
        A reply for a blocked name, found by the shape of its query, counts once, also if its client is noted.
        """
        query = queryOf("ads.test.example")
        octets = query[:2] + b"\x81\x83" + query[4:]
        reply = Reply(octets, (), 0.0, 0, 1e9, self.packetCache.epoch, len(query), whole=True, blocked=True)
        self.group.datagrams.offer(query, reply, varies=True)
        cased = queryOf("ADS.test.example")
        for activity in (None, self.activity):
            self.counters.activity = activity
            before = self.packetCache.blocked
            self.drain([(cased, "192.0.2.1")], 1.0)
            self.assertEqual(self.packetCache.blocked - before, 1)

    def test_blockedRepliesThatDoNotFitAreNotCounted(self) -> None:
        """
        A reply with options of its own is composed anew for a client with a cookie, so the packet cache does not count it.
        """
        opt = bytes.fromhex("00 0029 04d0 00000000 000c 000a 0008 0102030405060708")
        query = queryOf("ads.test.example", opt=opt)
        octets = query[:2] + b"\x81\x83" + query[4:]
        reply = Reply(octets, (), 0.0, 0, 1e9, self.packetCache.epoch, len(query) - len(opt), whole=True, blocked=True)
        table = self.group.datagrams
        table.offer(query, reply, varies=True, personal=True)
        self.assertIsNone(table.again(query, query[2:], 1.0, "192.0.2.1", _Ending(b"\x00\x0c\x00\x0a\x00\x08clientA1")))
        self.assertEqual(table.blocked, 0)
        self.assertIsNotNone(table.again(query, query[2:], 1.0, "192.0.2.1", _Ending(None)))
        self.assertEqual(table.blocked, 1)

    def test_nothingIsNotedByDefault(self) -> None:
        """
        Without the setting, clients are not noted.
        """
        self.counters.activity = None
        self.drain([(self.query, "192.0.2.1")], 1.0)
        self.assertEqual((self.activity.clients.total, self.counters.udp), (0, 1))
