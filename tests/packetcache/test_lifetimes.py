"""
Tests of how long the packet cache keeps replies, and of the memory that they take.
"""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, again
from tests.packetcache.test_table import replyOf, ttlOf
from tests.queries import mixedCase, queryOf
from twisted_ext.answers import BlockedReply, Epoch
from twisted_ext.packetcache.clients import Client, Clients, Group
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import Reply, Table

#: The memory of a table whose generations hold some fifty replies each.
_SMALL = 1 << 16


def octetsOf(table: Table) -> int:
    """
    Return the octets of all entries of a table.
    """
    generations = (table._young, table._old, table._youngShapes, table._oldShapes)
    return sum([entry.octets for entries in generations for entry in entries.values()])


class _GenerationsTestCase(SynchronousTestCase):
    """
    A table of two small generations.
    """

    def setUp(self) -> None:
        self.epoch = Epoch()
        self.table = Table(_SMALL, sights=0)

    def offer(self, query: bytes, *, ttl: int = 10, age: int = 0, varies: bool = False) -> None:
        """
        Store a reply whose records were learned this many seconds before 100.
        """
        self.table.offer(query, replyOf(query, self.epoch, ttl, 100.0 - age, age), varies=varies)

    def fill(self, ttl: int = 10) -> list[bytes]:
        """
        Store replies until those that are there have become the old generation; return their queries.
        """
        queries: list[bytes] = []
        former = self.table._old
        while self.table._old is former:
            query = queryOf(f"fill{len(queries)}.test.example")
            self.offer(query, ttl=ttl)
            queries.append(query)
        return queries


class ClockTests(_GenerationsTestCase):
    """
    Tests of a clock that is set back.
    """

    def test_clockSetBackProlongsNoOldReply(self) -> None:
        """
        A reply of the old generation is not used when the clock is set back to before it was stored: its TTL would go up.
        """
        query, shaped = queryOf(), queryOf("shape.test.example")
        for now, ttl in ((106.0, 4), (100.0, 10), (99.0, None), (50.0, None), (-1000.0, None)):
            self.table = Table(_SMALL, sights=0)
            self.offer(query, age=3)
            self.offer(shaped, age=3, varies=True)
            self.fill()
            self.assertEqual((query[2:] in self.table._old, len(self.table._oldShapes)), (True, 1))
            for datagram in (query, mixedCase(shaped, 0x5555)):
                self.assertEqual(ttlOf(again(self.table, datagram, now)), ttl)
                self.assertEqual(ttlOf(again(self.table, datagram, 109.5)), None if ttl is None else 1)

    def test_replyStaysThroughItsFirstSecond(self) -> None:
        """
        A reply of the old generation is used in the second in which it was stored, with its full TTL.
        """
        self.offer(queryOf(), age=3)
        self.fill()
        self.assertEqual(ttlOf(again(self.table, queryOf(), 100.9)), 10)
        self.assertIsNotNone(self.table.find(queryOf()[2:]))

    def test_oldReplyWithoutTTLsExpires(self) -> None:
        """
        A reply of the old generation without records expires at its time, neither before nor after, with a new epoch at once.
        """
        query = queryOf()
        reply = Reply(query[:2] + b"\x81\x80" + query[4:], (), 100.0, 0, 130.0, self.epoch, len(query), whole=True)
        for now, bumps, kept in (
            (100.0, False, True),
            (129.9, False, True),
            (130.0, False, False),
            (129.9, True, False),
        ):
            self.table = Table(_SMALL, sights=0)
            self.table.offer(query, reply)
            self.fill()
            if bumps:
                self.epoch.bump()
            self.assertEqual(again(self.table, query, now) is not None, kept)

    def test_ttlsOfRepliesByShapeCountDown(self) -> None:
        """
        TTLs of a reply that is found by its shape go down with each full second, to the moment, and the reply expires with them.
        """
        query = queryOf()
        self.offer(query, age=3, varies=True)
        for now, ttl in ((100.0, 10), (100.5, 10), (101.0, 9), (102.0, 8), (102.5, 8), (109.5, 1), (110.0, None)):
            self.assertEqual(ttlOf(again(self.table, mixedCase(query, 0x5555), now)), ttl)

    def test_shortTTLEndsAtZero(self) -> None:
        """
        In a reply that is valid for longer than one of its records, the TTL of that record goes down to 0 and stays there.
        """
        query = queryOf()
        octets = replyOf(query, self.epoch, 2).octets
        self.table.offer(query, Reply(octets, ((len(query) + 6, 2),), 100.0, 0, 110.0, self.epoch, len(query)))
        for now, ttl in ((101.0, 1), (102.0, 0), (103.0, 0), (109.0, 0), (110.0, None)):
            self.assertEqual(ttlOf(again(self.table, query, now)), ttl)

    def test_replyIsGoodUntilItsNextSecond(self) -> None:
        """
        A reply can be sent as it is until its TTLs change, also if its records had been in the cache for long.
        """
        query = queryOf()
        self.offer(query, age=50, ttl=100)
        entry = self.table.find(query[2:])
        assert entry is not None
        self.assertEqual(entry.until, 101.0)

    def test_replyOfHalfSecondExpires(self) -> None:
        """
        A reply that expires within a second is not sent after that, from the packet cache's first look-up on.
        """
        query = queryOf()
        self.table.offer(query, Reply(query, ((12, 1),), 100.0, 0, 100.5, self.epoch, len(query)))
        entry = self.table.find(query[2:])
        assert entry is not None
        self.assertEqual(entry.until, 100.5)
        self.table.offer(query, Reply(query, ((12, 3),), 100.0, 0, 102.5, self.epoch, len(query)))
        self.assertIsNotNone(again(self.table, query, 102.25))
        entry = self.table.find(query[2:])
        assert entry is not None
        self.assertEqual(entry.until, 102.5)
        self.assertIsNone(again(self.table, query, 102.5))


class ExpiryTests(_GenerationsTestCase):
    """
    Tests of replies whose time has come.
    """

    def test_expiredRepliesTakeNoMemory(self) -> None:
        """
        Expired replies are removed when they are requested, from both generations, and their memory is free again.
        """
        shapes = [queryOf(f"shape{number}.test.example") for number in range(20)]
        for query in shapes[:10]:
            self.offer(query, varies=True)
        queries = self.fill()
        for query in shapes[10:]:
            self.offer(query, varies=True)
        self.assertEqual((len(self.table._oldShapes), len(self.table._youngShapes)), (10, 10))
        self.assertEqual(len(self.table), len(queries) + 20)
        self.assertEqual(self.table.octets, octetsOf(self.table))
        for query in [*queries, *shapes]:
            self.assertIsNone(again(self.table, query, 110.0))
        self.assertEqual((len(self.table), self.table.octets), (0, 0))

    def test_invalidRepliesTakeNoMemory(self) -> None:
        """
        Replies of a source that has changed are removed in the same way when they are requested.
        """
        self.offer(queryOf("shape.test.example"), varies=True)
        queries = [*self.fill(), queryOf("shape.test.example")]
        self.epoch.bump()
        for query in queries:
            self.assertIsNone(again(self.table, query, 100.5))
        self.assertEqual((len(self.table), self.table.octets), (0, 0))

    def test_memoryIsThatOfTheReplies(self) -> None:
        """
        The memory that the operator sees is that of the replies in both generations, whatever is requested, replaced and dropped.
        """
        for number in range(400):
            query = queryOf(f"n{number % 90}.test.example")
            self.offer(query, ttl=number % 7 + 1, varies=bool(number & 1))
            again(self.table, queryOf(f"n{number * 7 % 90}.test.example"), 100.0 + number / 100)
            again(self.table, queryOf(f"n{number * 11 % 90}.test.example"), 100.0 + number / 100)
            self.assertEqual(self.table.octets, octetsOf(self.table))
            self.assertLessEqual(self.table.octets, _SMALL)
        self.assertTrue(self.table._old and self.table._oldShapes)
        for number in range(90):
            for shaped in (False, True):
                # The shape of a query in small letters without EDNS is its own octets.
                self.table.drop(queryOf(f"n{number}.test.example")[2:], shaped)
                self.assertEqual(self.table.octets, octetsOf(self.table))
        self.assertEqual((len(self.table), self.table.octets), (0, 0))

    def test_longRepliesCountWithTheirOctets(self) -> None:
        """
        Each octet of a reply, of its query, and each TTL counts toward the memory that a table may take.
        """
        query = queryOf()
        self.offer(query)
        octets = self.table.octets
        self.table.offer(query, replyOf(query, self.epoch, padding=500))
        self.assertEqual(self.table.octets, octets + 500)
        self.table.offer(query, Reply(query, (), 0.0, 0, 1e9, self.epoch, len(query)))
        short = self.table.octets
        self.table.offer(query, Reply(query + bytes(300), (), 0.0, 0, 1e9, self.epoch, len(query)))
        self.assertEqual(self.table.octets, short + 300)
        self.table.offer(query, Reply(query, ((12, 5), (13, 5)), 0.0, 0, 1e9, self.epoch, len(query)))
        self.assertGreater(self.table.octets, short + 100)

    def test_newReplyReplacesTheOldOne(self) -> None:
        """
        A new reply to the same query replaces the one of the old generation, which takes no memory any longer and is not sent when the new
        one has expired.
        """
        for shaped in (False, True):
            self.table = Table(_SMALL, sights=0)
            self.offer(queryOf(), ttl=1000, varies=shaped)
            self.fill()
            count, octets = len(self.table), self.table.octets
            self.offer(queryOf(), ttl=5, varies=shaped)
            self.assertEqual((len(self.table), self.table.octets), (count, octets))
            self.assertEqual(ttlOf(again(self.table, queryOf(), 104.0)), 1)
            for now in (105.0, 105.5):
                self.assertIsNone(again(self.table, queryOf(), now))

    def test_requestedReplyMovesToYoungGeneration(self) -> None:
        """
        A reply that is requested moves to the young generation with all that is needed to find it: by its octets or by its shape.
        """
        query, shaped = queryOf(), queryOf("shape.test.example")
        self.offer(query, ttl=100)
        self.offer(shaped, ttl=100, varies=True)
        for now in range(101, 130):
            self.fill(ttl=100)
            for datagram in (query, mixedCase(shaped, now)):
                self.assertEqual(ttlOf(again(self.table, datagram, float(now))), 200 - now)
            self.assertIsNotNone(self.table.find(query[2:]))
            self.assertEqual(len(self.table._youngShapes), 1)
            self.table.clear()
            self.offer(query, ttl=100)
            self.offer(shaped, ttl=100, varies=True)


class AdmissionTests(SynchronousTestCase):
    """
    Tests of which replies a table admits.
    """

    def test_octetsAndShapesAreSeenApart(self) -> None:
        """
        A reply is kept by its shape when it was offered twice so, whether or not it was offered by its octets before: names that clients
        invent take no memory.
        """
        table, query, epoch = Table(), queryOf(), Epoch()
        table.offer(query, replyOf(query, epoch))
        for count in (0, 1):
            table.offer(query, replyOf(query, epoch), varies=True)
            self.assertEqual(len(table), count)

    def test_droppedReplyIsNotSent(self) -> None:
        """
        A reply that is dropped is not sent by the shortest path either.
        """
        table, query = Table(sights=0), queryOf()
        table.offer(query, replyOf(query, Epoch()))
        table.quick[query[2:]] = b"reply"
        table.drop(query[2:], True)
        self.assertEqual((len(table), len(table.quick)), (1, 1))
        table.drop(query[2:])
        self.assertEqual((len(table), len(table.quick)), (0, 0))


class StreamLifetimeTests(SynchronousTestCase):
    """
    Tests of replies over streams.
    """

    def setUp(self) -> None:
        self.epoch = Epoch()
        self.group = Group(
            "allowed",
            "allow",
            Table(sights=0),
            Table(sights=0, stream=True),
            Table(sights=0, stream=True, exact=True),
        )
        self.packetCache = PacketCache(Clients(lambda address, now, door: Client(address, self.group)), (self.group,))

    def test_streamRepliesExpire(self) -> None:
        """
        TTLs of replies over TCP and over encrypted transports go down with each full second, and the reply expires with them.
        """
        query = queryOf()
        for table, find in (
            (self.group.messages, self.packetCache.find),
            (self.group.encrypted, partial(self.packetCache.find, transport="tls")),
        ):
            table.offer(query, replyOf(query, self.epoch, 10, 100.0))
            for now, ttl in ((100.5, 10), (101.0, 9), (105.0, 5), (109.9, 1), (110.0, None)):
                self.assertEqual(ttlOf(find(query, NEAR, now)), ttl)

    def test_newEpochInvalidatesStreamReplies(self) -> None:
        """
        A reply of a source that has changed is sent over no stream.
        """
        query = queryOf()
        for table, find in (
            (self.group.messages, self.packetCache.find),
            (self.group.encrypted, partial(self.packetCache.find, transport="tls")),
        ):
            table.offer(query, replyOf(query, self.epoch))
            self.assertIsNotNone(find(query, NEAR, 0.5))
            self.epoch.bump()
            self.assertIsNone(find(query, NEAR, 0.5))

    def test_transportsHaveRepliesOfTheirOwn(self) -> None:
        """
        A reply is sent over the transport that it was made for only: one over TCP may be too large for UDP, one over TLS is padded.
        """
        query = queryOf()

        def found() -> list[bool]:
            entry = self.group.datagrams.find(query[2:])
            return [
                entry is not None,
                self.packetCache.find(query, NEAR, 0.5) is not None,
                self.packetCache.find(query, NEAR, 0.5, "tls") is not None,
            ]

        for number, table in enumerate(self.group.tables):
            self.packetCache.clear()
            table.offer(query, replyOf(query, self.epoch))
            self.assertEqual(found(), [index == number for index in range(3)])
            self.assertEqual((self.packetCache.entries, self.packetCache.octets), (1, table.octets))
        self.packetCache.clear()
        self.assertEqual((found(), self.packetCache.entries), ([False] * 3, 0))

    def test_blockedStreamRepliesAreCounted(self) -> None:
        """
        A reply for a blocked name counts as blocked over each stream, whether it is an address, as 0.0.0.0, or a denial, also when its
        TTLs were counted down.
        """
        for rcode in (0, 3):
            query = queryOf(f"ads{rcode}.test.example")
            octets = query[:2] + bytes([0x81, 0x80 | rcode]) + query[4:]
            reply = Reply(octets, ((len(octets) - 4, 60),), 0.0, 0, 60.0, self.epoch, len(query), blocked=True)
            for table, find in (
                (self.group.messages, self.packetCache.find),
                (self.group.encrypted, partial(self.packetCache.find, transport="tls")),
            ):
                table.offer(query, reply)
                for now in (0.5, 0.5, 2.0, 5.0):
                    before = self.packetCache.blocked
                    self.assertIsInstance(find(query, NEAR, now), BlockedReply)
                    self.assertEqual(self.packetCache.blocked, before + 1)

    def test_newGroupsKeepTheCount(self) -> None:
        """
        The number of blocked replies never goes down: what groups of clients have counted stays counted when others replace them, and
        counts once when some of them stay.
        """
        other = Group("other")
        query = queryOf("ads.test.example")
        octets = query[:2] + b"\x81\x83" + query[4:]
        reply = Reply(octets, (), 0.0, 0, 1e9, self.epoch, len(query), whole=True, blocked=True)
        self.group.messages.offer(query, reply, varies=True)
        for _ in range(3):
            self.assertIsNotNone(self.packetCache.find(mixedCase(query, 0x5555), NEAR, 0.5))
        self.assertEqual(self.packetCache.blocked, 3)
        for groups in ((self.group, other), (other,), (other,)):
            self.packetCache.regroup(groups)
            self.assertEqual((self.packetCache.blocked, len(self.packetCache.clients)), (3, 0))
