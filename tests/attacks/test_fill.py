"""
Attack 21: memory filled with useless names, so that useful ones are evicted (CVE-2026-11622).
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.attacks.whole import WholeServerTestCase, storeOf
from tests.packetcache.lanes import again, forgetAll
from tests.packetcache.test_table import replyOf
from tests.queries import queryOf
from twisted_ext.answers import Epoch
from twisted_ext.cache.store import Store
from twisted_ext.limits import Limit
from twisted_ext.packetcache import table
from twisted_ext.packetcache.table import Entry, Table

#: The budget of the cache and of the packet cache in octets, far below the default, and names for ten times as much.
ROOM = 1 << 16
NAMES = 3200

HOT = "hot.test.example"


class Filled:
    """
    The results of an attack.

    @ivar cache: the most octets that the cache took by its own count.
    @ivar packetCache: the same for the packet cache.
    @ivar growth: blocks of memory that the process took for the second half of the names, and those for the first.
    @ivar fetched: upstream queries for the useful name.
    @ivar beyond: how often the packet cache did not have it.
    """

    def __init__(self) -> None:
        self.cache = self.packetCache = self.fetched = self.beyond = 0
        self.growth = (0, 0)


class FillTests(WholeServerTestCase):
    """
    Tests with names whose records are valid for a day, each queried often enough to be cached.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(table, "LANE_BYTES", Limit(default=ROOM, least=1 << 10, most=1 << 30))
        self.upstream.otherwise = "192.0.2.1"

        # A TTL of a day instead of the canned server's five minutes.
        def longer(octets: bytes, way: str) -> list[bytes]:
            return [octets.replace(b"\x00\x01\x00\x01\x00\x00\x01\x2c", b"\x00\x01\x00\x01\x00\x01\x51\x80")]

        self.upstream.tamper = longer

    def fill(self, *, bare: bool = False, often: int = 3, every: int = 25) -> Filled:
        """
        Query the useful name now and then, and all the others in between.

        @param bare: without the packet cache.
        @param often: how often each of the others is queried.
        @param every: others between two queries for the useful name. The cache has room for some three hundred of them.
        """
        service = self.run_(cacheSize=ROOM, prefetch=False)
        if bare:
            forgetAll(service.packetCache)
        filled = Filled()
        for _ in range(4):
            self.secondsToAnswer(HOT)
        blocks: list[int] = []
        for start in range(0, NAMES, 25):
            if start in (0, NAMES // 2):
                gc.collect()
                blocks.append(sys.getallocatedblocks())
            names = [f"x{number}.test.example" for number in range(start, start + 25)]
            for _ in range(often):
                self.flood(names)
                self.network.advance(0.03)
            before = service.counters.udpBeyond
            if start % every == 0:
                self.assertIsNotNone(self.secondsToAnswer(HOT))
            filled.beyond += service.counters.udpBeyond - before
            filled.cache = max(filled.cache, storeOf(service).octets)
            filled.packetCache = max(filled.packetCache, service.frontend.packetCache.octets)
            self.network.sent.clear()
            filled.fetched += len([each for each in self.upstream.asked if each.question.key.startswith(b"\x03hot")])
            self.upstream.asked.clear()
            self.said.clear()
        gc.collect()
        blocks.append(sys.getallocatedblocks())
        filled.growth = (blocks[2] - blocks[1], blocks[1] - blocks[0])
        self.stop(service)
        return filled

    def test_usefulNameStaysInBothCaches(self) -> None:
        """
        Neither cache exceeds its budget, memory does not grow once they are full, and the useful name stays in both: it is fetched once,
        and the cache is never asked for it again.
        """
        filled = self.fill()
        self.assertLessEqual(filled.cache, ROOM)
        self.assertGreater(filled.cache, ROOM * 0.8)
        self.assertLessEqual(filled.packetCache, 2 * ROOM)
        self.assertGreater(filled.packetCache, ROOM * 0.4)
        self.assertLess(filled.growth[0], 2500)
        self.assertEqual((filled.fetched, filled.beyond), (1, 0))

    def test_usefulNameStaysInCacheAlone(self) -> None:
        """
        The useful name stays in the cache without the packet cache too.
        """
        filled = self.fill(bare=True, often=1, every=500)
        self.assertEqual((filled.packetCache, filled.fetched), (0, 1))
        self.assertLessEqual(filled.cache, ROOM)

    @pytest.mark.long
    def test_withoutEvictionBothGrow(self) -> None:
        """
        Without eviction both caches grow with each name.
        """
        self.patch(Store, "_makePackedRoom", lambda store, now: None)
        self.patch(table, "LANE_BYTES", Limit(default=1 << 30, least=1 << 10, most=1 << 30))
        filled = self.fill()
        self.assertGreater(filled.cache, 7 * ROOM)
        self.assertGreater(filled.packetCache, 20 * ROOM)
        self.assertGreater(filled.growth[0], 12_000)

    @pytest.mark.long
    def test_withoutProvenEntriesNameIsEvicted(self) -> None:
        """
        If repeatedly queried names were not kept apart, the cache would fetch the useful name again and again.
        """
        make: Callable[..., None] = Store.__init__

        def alike(store: Store, *given: float, **more: float) -> None:
            make(store, *given, **more)
            store._proven = store._fresh
            store._readyMost = 0

        self.patch(Store, "__init__", alike)
        self.assertGreater(self.fill(bare=True, often=1, every=500).fetched, 3)

    @pytest.mark.long
    def test_withoutSecondGenerationNameIsEvicted(self) -> None:
        """
        Without the second generation of the packet cache, the useful name is lost each time that it is full.
        """
        put = Table._put

        def forgetful(replies: Table, key: bytes, entry: table.Entry, shaped: bool) -> None:
            put(replies, key, entry, shaped)
            replies._old.clear()

        self.patch(Table, "_put", forgetful)
        self.assertGreater(self.fill().beyond, 5)

    def test_expiredEntriesMakeRoom(self) -> None:
        """
        Expired entries are removed at once and are not kept in place of valid ones.
        """
        self.upstream.tamper = None
        service = self.run_(cacheSize=ROOM, stale=0, prefetch=False)
        forgetAll(service.packetCache)
        store = storeOf(service)
        for start in range(0, 300, 25):
            for _ in range(3):
                self.flood([f"x{number}.test.example" for number in range(start, start + 25)])
                self.network.advance(0.03)
        self.assertGreater(len(store), 200)
        self.network.advance(301)
        for number in range(300):
            # Expired entries are removed on access.
            self.assertIsNone(store.find(queryOf(f"x{number}.test.example")[12:], self.here.seconds()))
        self.assertEqual(len(store), 0)


class TableTests(SynchronousTestCase):
    """
    Tests of the table of the packet cache alone.
    """

    def flood(self, sights: int | None, often: int) -> tuple[int, int]:
        """
        Query a hot name between a hundred thousand cold ones.

        @return: how often the hot one was missing, and the most octets that were taken.
        """
        epoch = Epoch()
        table = Table(1 << 18, sights=sights)
        hot = queryOf()
        for _ in range(2):
            table.offer(hot, replyOf(hot, epoch))
        missed = most = 0
        for number in range(20_000):
            cold = queryOf(f"n{number}.test.example")
            for _ in range(often):
                table.offer(cold, replyOf(cold, epoch))
            if number % 20 == 0:
                missed += again(table, hot, 1.0) is None
            most = max(most, table.octets)
        return missed, most

    def test_namesQueriedOnceTakeNoMemory(self) -> None:
        """
        Names that are queried once take no memory.
        """
        missed, most = self.flood(None, 1)
        self.assertEqual(missed, 0)
        self.assertLess(most, 1 << 15)
        # With the defense off they take everything.
        self.assertGreater(self.flood(0, 1)[1], 1 << 17)

    def test_hotNameStaysAmongRepeatedOnes(self) -> None:
        """
        Cold names that are queried several times are cached, but the hot name stays.
        """
        missed, most = self.flood(None, 3)
        self.assertEqual(missed, 0)
        self.assertLessEqual(most, 1 << 18)

    def test_withoutSecondGenerationHotNameIsLost(self) -> None:
        """
        Without the second generation the hot name is evicted.
        """
        put = Table._put

        def forgetful(table: Table, key: bytes, entry: Entry, shaped: bool) -> None:
            put(table, key, entry, shaped)
            table._old.clear()

        self.patch(Table, "_put", forgetful)
        self.assertGreater(self.flood(None, 3)[0], 0)
