"""
Tests of the packet cache and its table of replies.
"""

from __future__ import annotations

from struct import pack
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, SECRET, Server, again
from tests.queries import COOKIE, mixedCase, optOf, queryOf
from twisted_ext.answers import Epoch, Security
from twisted_ext.native.loops import joined
from twisted_ext.packetcache import table as module
from twisted_ext.packetcache.clients import Client, Clients, Group
from twisted_ext.packetcache.doors import Door
from twisted_ext.packetcache.shape import hasShape, shapeOf
from twisted_ext.packetcache.table import Reply, Table, isPlain, truncated
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.testing.sources import CannedSource, answerOf, questionOf
from twisted_ext.wire.codes import AD, CD, RD
from twisted_ext.wire.message import Message


def replyOf(query: bytes, epoch: Epoch, ttl: int = 60, learned: float = 0.0, age: int = 0, *, padding: int = 0) -> Reply:
    """
    Return a reply with one address.
    """
    record = b"\xc0\x0c" + pack(">HHIH", 1, 1, ttl, 4 + padding) + b"\xc0\x00\x02\x01" + bytes(padding)
    octets = query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:] + record
    return Reply(octets, ((len(query) + 6, ttl),), learned, age, learned + age + ttl, epoch, len(query), whole=True)


def test_truncated() -> None:
    """
    A reply is cut to its question, with TC and neither AA nor rcode, and with its OPT record if that has no options; others are not cut.
    """
    question = queryOf("www.test.example")[12:]
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
    for opt, kept in (
        (b"", True),
        (optOf(), True),
        (optOf(options=[(10, bytes(24))]), False),
        # A cookie that ends as an OPT record begins.
        (optOf(options=[(10, bytes(13) + optOf()[:9] + b"\x00\x01")]), False),
    ):
        additional = bytes([0, 1 if opt else 0])
        reply = b"\x84\x03\x00\x01\x00\x01\x00\x00" + additional + question + record + opt
        cut = b"\x82\x00\x00\x01\x00\x00\x00\x00" + additional + question + opt
        assert isPlain(reply) == kept
        assert not kept or truncated(reply) == cut


def ttlOf(reply: bytes | None) -> int | None:
    """
    Return the TTL of the one record of a reply without its ID.
    """
    return None if reply is None else Message.fromWire(b"\x00\x00" + reply).check().answer[0].ttl


def spentOf(table: Table) -> int:
    """
    Return how many dropped replies still use memory.
    """
    return sum([len(spent) for spent in table._spent])


class TableTests(SynchronousTestCase):
    """
    Tests for L{Table}.
    """

    def setUp(self) -> None:
        self.epoch = Epoch()
        self.table = Table(sights=0)

    def test_anyHashIsNewAtFirst(self) -> None:
        """
        Whatever the hash of a query is, it was not seen before the first time.
        """
        for mixed in (0, 1, 5 << 40, 1 << 56, -1):
            table = Table()
            self.assertEqual([table._isFirst(mixed), table._isFirst(mixed)], [True, False])

    def test_replyIsStoredWhenSeenTwice(self) -> None:
        """
        A reply is stored when its query is seen for the second time.
        """
        table = Table()
        query = queryOf()
        for kept in (False, True):
            self.assertEqual(again(table, query, 1.0) is not None, False)
            table.offer(query, replyOf(query, self.epoch))
            self.assertEqual(again(table, query, 1.0) is not None, kept)

    def test_ttlsCountDown(self) -> None:
        """
        TTLs go down with each full second since the records were learned, and the reply expires with them.
        """
        query = queryOf()
        self.table.offer(query, replyOf(query, self.epoch, ttl=10, learned=100.75))
        for now, ttl in ((100.75, 10), (101.7, 10), (101.75, 9), (103.0, 8), (105.74, 6), (110.7, 1), (110.75, None), (111.0, None)):
            self.assertEqual(ttlOf(again(self.table, query, now)), ttl)

    def test_ttlsOfCachedRecordsCountDown(self) -> None:
        """
        TTLs go down in the same way if the records had been in the cache for long.
        """
        query = queryOf()
        self.table.offer(query, replyOf(query, self.epoch, ttl=10, learned=100.0, age=50))
        for now, ttl in ((150.5, 10), (151.0, 9), (159.9, 1), (160.0, None)):
            self.assertEqual(ttlOf(again(self.table, query, now)), ttl)

    def test_clockSetBackRaisesNoTTL(self) -> None:
        """
        After the clock was set back, a reply is sent with the TTL that it had last, which does not go up, until its time is reached again.
        """
        query = queryOf()
        self.table.offer(query, replyOf(query, self.epoch, ttl=10, learned=100.0))
        self.assertEqual(ttlOf(again(self.table, query, 105.0)), 5)
        self.assertEqual(ttlOf(again(self.table, query, 50.0)), 5)
        self.assertEqual(ttlOf(again(self.table, query, 106.0)), 4)

    def test_exactTableKeepsPaddedReplyForPaddedQuery(self) -> None:
        """
        In an exact table a reply is for queries with the same octets only. By shape, a padded query would get the reply of one without
        padding, and the other way round.
        """
        plain, padded = [queryOf(opt=optOf(options=options)) for options in ([(8, b"")], [(8, b""), (12, bytes(40))])]
        for table, shared in ((Table(sights=0), True), (Table(sights=0, exact=True), False)):
            table.offer(padded, replyOf(padded, self.epoch), varies=True)
            self.assertIsNotNone(again(table, padded, 1.0))
            self.assertEqual(again(table, plain, 1.0) is not None, shared)

    def test_replyByShapeNeedsCookie(self) -> None:
        """
        In the table of clients that need a valid cookie, the reply to one that had it is not used for a query without a cookie.
        """
        withCookie, without = queryOf(opt=optOf(options=[(COOKIE, bytes(24))])), queryOf(opt=optOf())
        for shown in (False, True):
            table = Table(sights=0, shown=shown)
            table.offer(withCookie, replyOf(withCookie, self.epoch), varies=True, personal=True)
            for query in (without, mixedCase(without, 0x5555)):
                self.assertEqual(again(table, query, 1.0) is None, shown)

    def test_newEpochInvalidatesItsReplies(self) -> None:
        """
        A new epoch invalidates the replies of its source at once, by octets and by shape, and no others.
        """
        query, other = queryOf(), queryOf("other.test.example")
        elsewhere = Epoch()
        self.table.offer(query, replyOf(query, self.epoch))
        self.table.offer(query, replyOf(query, self.epoch), varies=True)
        self.table.offer(other, replyOf(other, elsewhere))
        mixed = mixedCase(query, 0x5555555555)
        self.assertIsNotNone(again(self.table, mixed, 1.0))
        self.epoch.bump()
        entry = self.table.find(query[2:])
        self.assertFalse(entry is not None and entry.epoch.value == entry.value)
        self.assertIsNone(again(self.table, query, 1.0))
        self.assertIsNone(again(self.table, mixed, 1.0))
        self.assertIsNotNone(again(self.table, other, 1.0))

    def test_tableStaysWithinItsLimit(self) -> None:
        """
        The table stays within its limit whatever is stored, and does not store a reply that is too large.
        """
        table = Table(1 << 18, sights=0)
        for number in range(3000):
            query = queryOf(f"n{number}.test.example")
            table.offer(query, replyOf(query, self.epoch, padding=number % 300))
            self.assertLessEqual(table.octets, 1 << 18)
        self.assertGreater(len(table), 100)
        query = queryOf()
        table.offer(query, replyOf(query, self.epoch, padding=40_000))
        self.assertIsNone(again(table, query, 1.0))
        held = [table.find(queryOf(f"n{number}.test.example")[2:]) for number in range(3000)]
        self.assertEqual(table.octets, sum([entry.octets for entry in {*held, *table._old.values()} if entry is not None]))
        table.clear()
        self.assertEqual((len(table), table.octets), (0, 0))

    def test_shapesAndOctetsAreKeptApart(self) -> None:
        """
        A reply stored by shape is never found by octets nor the other way around, and both count toward the limit.
        """
        query = queryOf(opt=optOf(options=[(65001, b"")]))
        key = shapeOf(query, query[2:])[0]
        self.table.offer(query, replyOf(query, self.epoch), varies=True)
        self.assertEqual((len(self.table), self.table.find(key)), (1, None))
        self.assertIsNone(again(self.table, b"id" + key, 1.0))
        self.assertIsNotNone(again(self.table, query, 1.0))
        octets = self.table.octets
        other = b"id" + key
        self.table.offer(other, replyOf(queryOf("other.test.example"), self.epoch))
        self.assertEqual((len(self.table), self.table.octets > octets), (2, True))
        self.table.drop(key)
        self.assertEqual((len(self.table), self.table.octets), (1, octets))
        self.table.clear()
        self.assertEqual((len(self.table), self.table.octets, again(self.table, query, 1.0)), (0, 0, None))

    def test_shapesShareTheLimit(self) -> None:
        """
        Replies by shape and by octets share the limit, and replies by shape stay while they are used.
        """
        table = Table(1 << 17, sights=0)
        hot = queryOf(opt=optOf(options=[(65001, b"")]))
        table.offer(hot, replyOf(hot, self.epoch), varies=True)
        for number in range(3000):
            query = queryOf(f"n{number}.test.example", opt=optOf(options=[(65001, b"")]) if number & 1 else b"")
            table.offer(query, replyOf(query, self.epoch), varies=bool(number & 1))
            self.assertLessEqual(table.octets, 1 << 17)
            if number % 20 == 0:
                self.assertIsNotNone(again(table, hot, 1.0), number)
        self.assertGreater(len(table), 50)

    def test_oneReplyCanBeDropped(self) -> None:
        """
        A single reply can be dropped.
        """
        query = queryOf()
        self.table.offer(query, replyOf(query, self.epoch))
        self.table.drop(query[2:])
        self.assertIsNone(self.table.find(query[2:]))

    def test_clearFreesEntriesGradually(self) -> None:
        """
        Clearing a table of very many replies, or dropping its older half, does not free them at once, which would take a quarter of
        a second. They are freed while new replies are stored.
        """
        count = 3000
        queries = [queryOf(b"\x05n%04d\x00" % number) for number in range(count)]

        def fill() -> None:
            for query in queries:
                self.table.offer(query, replyOf(query, self.epoch))

        for atOnce in (False, True):
            with patch.object(module, "_AT_ONCE", 10**9 if atOnce else 1000):
                fill()
                self.assertEqual((len(self.table), spentOf(self.table)), (count, 0))
                self.table.clear()
                self.assertEqual((len(self.table), self.table.octets, again(self.table, queries[0], 1.0)), (0, 0, None))
                self.assertEqual(spentOf(self.table), 0 if atOnce else count)
                fill()
                self.assertIsNotNone(again(self.table, queries[0], 1.0))
                self.assertEqual((len(self.table), spentOf(self.table)), (count, 0))
                self.table.clear()
                fill()
        self.table = Table(2 * self.table.octets // 2, sights=0)
        most = 0
        for number in range(4 * count):
            query = queryOf(b"\x05m%04d\x00" % number)
            self.table.offer(query, replyOf(query, self.epoch))
            most = max(most, len(self.table) + spentOf(self.table))
        self.assertGreater(most, 0)
        self.assertLessEqual(most, count + 10)


class ShapeTests(SynchronousTestCase):
    """
    Tests for L{shapeOf}.
    """

    def test_shapeIgnoresCaseOfNameOnly(self) -> None:
        """
        The shape ignores the letter case of the name, but not that of the type: 65 is C{A} and 97 is C{a}.
        """

        def key(query: bytes) -> bytes:
            """
            Return the key of a query's shape.
            """
            found, end, _, _ = shapeOf(query, query[2:])
            assert found and hasShape(query, end)
            return found

        self.assertEqual(key(queryOf("WWW.TEST.example", id=1)), key(queryOf("www.test.EXAMPLE", id=2)))
        self.assertNotEqual(key(queryOf(rrType=0x41)), key(queryOf(rrType=0x61)))
        self.assertNotEqual(key(queryOf(rrType=0x41, opt=optOf())), key(queryOf(rrType=0x61, opt=optOf(flags=0x8000))))
        self.assertNotEqual(key(queryOf()), key(queryOf(rrClass=3)))
        self.assertNotEqual(key(queryOf()), key(queryOf(flags=0x0110)))
        self.assertNotEqual(key(queryOf()), key(queryOf(opt=optOf())))
        self.assertNotEqual(key(queryOf(opt=optOf(flags=0x8000))), key(queryOf(opt=optOf())))
        self.assertEqual(key(queryOf(opt=optOf(options=[(12, b"\x00\x00")]))), key(queryOf(opt=optOf(4096))))

    def test_unusualQueriesHaveNoShape(self) -> None:
        """
        Queries that are not plain have no shape and are parsed in full.
        """
        for query in (
            b"",
            queryOf()[:-1],
            queryOf() + b"\x00",
            queryOf(opt=optOf() + b"\x00"),
            queryOf(opt=optOf()[:-1]),
            queryOf(opt=optOf(version=1)),
            queryOf(opt=optOf(extendedRcode=1)),
            queryOf(opt=optOf(options=[(3, b"")])),
            queryOf(opt=optOf(options=[(9, b"")])),
            queryOf(opt=optOf(options=[(COOKIE, bytes(8))] * 2)),
            queryOf(opt=optOf(options=[(65001, b"")] * 9)),
            queryOf(b"\xc0\x0c"),
            queryOf()[:5] + b"\x02" + queryOf()[6:],
            queryOf(flags=0x4100),
            queryOf(flags=0x8100),
            queryOf(flags=0x0141),
            queryOf(rrType=0x4101),
            queryOf(rrClass=0x41),
        ):
            key, end, _, _ = shapeOf(query, query[2:])
            self.assertFalse(key and hasShape(query, end), query)


class ClientsTests(SynchronousTestCase):
    """
    Tests for L{Clients}.
    """

    def test_clientsAreBounded(self) -> None:
        """
        Spoofed addresses take no more than the given room, and a client that keeps asking stays known.
        """
        group = Group("all")
        classified: list[str] = []

        def classify(address: str, now: float, door: Door) -> Client:
            classified.append(address)
            return Client(address, group)

        clients = Clients(classify, 100)
        for number in range(1000):
            clients.find(f"192.0.2.{number}", 0.0)
            clients.find(NEAR, 0.0)
            self.assertLessEqual(len(clients), 101)
        self.assertEqual(classified.count(NEAR), 1)
        self.assertEqual(clients.known(NEAR), clients.find(NEAR, 0.0))
        clients.clear()
        self.assertIsNone(clients.known(NEAR))


class PacketCacheTests(SynchronousTestCase):
    """
    Tests for L{PacketCache<twisted_ext.packetcache.packetcache.PacketCache>}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.server = Server(self.clock, cookies=Cookies(SECRET))

    def test_repliesAreCountedByRcode(self) -> None:
        """
        Replies are counted by RCODE, packets that pass the cache are counted apart, and names are sampled.
        """
        queries = [queryOf(id=number) for number in range(100)] + [queryOf("no.test.example", id=number) for number in range(50)]
        for query in queries:
            self.server.ask(query)
        counters = self.server.responder.counters
        self.assertEqual((counters.udp, counters.udpBeyond), (150, self.server.beyond))
        self.assertEqual((counters.replies[0], counters.replies[3]), (100, 50))
        self.assertEqual(counters.hits, 150 - self.server.beyond)
        self.assertLess(self.server.beyond, 10)
        self.assertEqual(len(counters.names.most(5)), 2)

    def test_authenticDataIsForThoseWhoAskForIt(self) -> None:
        """
        A reply from the packet cache has AD only for clients that send AD or DO, and data that was not checked goes to those with CD only.
        """
        proved = answerOf(questionOf("www.test.example"), "192.0.2.80")
        proved.security = Security.SECURE
        canned = CannedSource({("www.test.example", "A"): proved})
        self.server = Server(self.clock, CachedSource(canned, self.clock), eager=True)
        queries = {
            "plain": (queryOf(), 0),
            "asking": (queryOf(flags=RD | AD), AD),
            "edns": (queryOf(opt=optOf()), 0),
            "asking with edns": (queryOf(flags=RD | AD, opt=optOf()), AD),
            "dnssec": (queryOf(opt=optOf(flags=0x8000)), AD),
            "unchecked": (queryOf(flags=RD | CD), CD),
        }
        for _ in range(3):
            for query, wanted in queries.values():
                reply = self.server.ask(query)
                assert reply is not None
                self.assertEqual(Message.fromWire(reply).check().flags & (AD | CD), wanted)
        # Replies of the third round came from the packet cache.
        self.assertGreaterEqual(self.server.responder.counters.hits, len(queries))

    def test_unsentRepliesAreCounted(self) -> None:
        """
        Replies that the kernel does not take are counted.
        """
        for _ in range(4):
            self.server.ask(queryOf())
        packetCache = self.server.packetCache
        arriving = [(queryOf(id=number), (NEAR, number)) for number in range(3)]
        sent: list[int] = []

        def send(queries: list[tuple[bytes, tuple[str, int]]], replies: list[bytes]) -> int:
            sent.extend([address[1] for _, address in joined(queries, replies)])
            return 1

        counters = self.server.responder.counters
        packetCache.drain(lambda: arriving, send, self.clock.seconds(), lambda *everything: self.fail(), counters)
        self.assertEqual((sent, counters.unsent), ([0, 1, 2], 1))

    def test_flushDropsRepliesAndClients(self) -> None:
        """
        After a change no client gets an earlier reply, and clearing drops all replies and clients.
        """
        for _ in range(4):
            self.server.ask(queryOf())
            self.server.stream(queryOf())
        before = self.server.beyond
        self.server.ask(queryOf())
        self.server.stream(queryOf())
        self.assertEqual(self.server.beyond, before)
        self.assertGreater(self.server.packetCache.octets, 0)
        self.server.packetCache.epoch.bump()
        self.server.ask(queryOf())
        self.server.stream(queryOf())
        self.assertEqual(self.server.beyond, before + 2)
        self.server.packetCache.clear()
        self.assertEqual((self.server.packetCache.octets, len(self.server.packetCache.clients)), (0, 0))

    def test_popularNameIsPrefetched(self) -> None:
        """
        The cache is asked again before an answer expires, so that it can prefetch. A client never has to wait for a popular name.
        """
        self.server = Server(self.clock, prefetch=True)
        for _ in range(600):
            self.assertIsNotNone(self.server.ask(queryOf()))
            self.clock.advance(0.5)
        self.assertGreaterEqual(self.server.inner.asked, 5)
        self.assertEqual(sum(self.server.responder.counters.latency.counts), 1)
        self.assertLess(self.server.beyond, 30)
