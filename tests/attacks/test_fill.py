"""
Attack 21: filling memory with names that nobody wants, so that those that somebody wants are not there any more (CVE-2026-11622).
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.attacks.whole import WholeServerTestCase, storeOf
from tests.packetcache.test_table import replyOf
from tests.queries import queryOf
from twisted_ext.cache.store import Store
from twisted_ext.limits import Limit
from twisted_ext.packetcache import table
from twisted_ext.packetcache.epochs import Epoch
from twisted_ext.packetcache.table import Entry, Table

#: Octets that cache and fast lane may take here, a small part of what they have otherwise, and names for ten times as much.
ROOM = 1 << 16
NAMES = 3200

HOT = "hot.example.test"


class Filled:
    """
    What came of it.

    @ivar cache: the most octets that the cache took by its own count.
    @ivar lane: the same of the fast lane.
    @ivar growth: blocks of memory that the process took for the second half of the names, and those for the first.
    @ivar fetched: how often the upstream was asked for the name that is wanted.
    @ivar beyond: how often the fast lane did not have it.
    """

    def __init__(self) -> None:
        self.cache = self.lane = self.fetched = self.beyond = 0
        self.growth = (0, 0)


class FillTests(WholeServerTestCase):
    """
    Tests with names whose records hold for a day, each asked for often enough to get in.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(table, "LANE_BYTES", Limit(default=ROOM, least=1 << 10, most=1 << 30))
        self.upstream.otherwise = "192.0.2.1"

        # A day, where the canned server says five minutes.
        def longer(octets: bytes, way: str) -> list[bytes]:
            return [octets.replace(b"\x00\x01\x00\x01\x00\x00\x01\x2c", b"\x00\x01\x00\x01\x00\x01\x51\x80")]

        self.upstream.tamper = longer

    def fill(self, *, logging: bool = False, often: int = 3, every: int = 25) -> Filled:
        """
        Ask for the wanted name now and then, and for all the others in between.

        @param logging: with a query log, so that nothing goes by the fast lane.
        @param often: times that each of the others is asked for.
        @param every: others between two questions for the wanted name; the cache has room for some three hundred of them.
        """
        service = self.run_(cacheSize=ROOM, queryLog=logging, prefetch=False)
        filled = Filled()
        for _ in range(4):
            self.took(HOT)
        blocks: list[int] = []
        for start in range(0, NAMES, 25):
            if start in (0, NAMES // 2):
                gc.collect()
                blocks.append(sys.getallocatedblocks())
            names = [f"x{number}.example.test" for number in range(start, start + 25)]
            for _ in range(often):
                self.flood(names)
                self.network.advance(0.03)
            before = service.counters.udpBeyond
            if start % every == 0:
                self.assertIsNotNone(self.took(HOT))
            filled.beyond += service.counters.udpBeyond - before
            filled.cache = max(filled.cache, storeOf(service).octets)
            filled.lane = max(filled.lane, service._parts.lane.octets)
            self.network.sent.clear()
            filled.fetched += len([each for each in self.upstream.asked if each.question.key.startswith(b"\x03hot")])
            self.upstream.asked.clear()
            self.said.clear()
        gc.collect()
        blocks.append(sys.getallocatedblocks())
        filled.growth = (blocks[2] - blocks[1], blocks[1] - blocks[0])
        self.stop(service)
        return filled

    def test_filled(self) -> None:
        """
        Neither takes more than it may, memory does not grow once they are full, and the wanted name stays in both of them: it is fetched
        once, and the cache is never asked for it again.
        """
        filled = self.fill()
        self.assertLessEqual(filled.cache, ROOM)
        self.assertGreater(filled.cache, ROOM * 0.8)
        self.assertLessEqual(filled.lane, 2 * ROOM)
        self.assertGreater(filled.lane, ROOM * 0.4)
        self.assertLess(filled.growth[0], 2500)
        self.assertEqual((filled.fetched, filled.beyond), (1, 0))

    def test_cacheAlone(self) -> None:
        """
        The same without the fast lane: in the cache the wanted name stays by itself.
        """
        filled = self.fill(logging=True, often=1, every=500)
        self.assertEqual((filled.lane, filled.fetched), (0, 1))
        self.assertLessEqual(filled.cache, ROOM)

    def test_unbounded(self) -> None:
        """
        If no room was made, both would grow with each name.
        """
        self.patch(Store, "_makePackedRoom", lambda store, now: None)
        self.patch(table, "LANE_BYTES", Limit(default=1 << 30, least=1 << 10, most=1 << 30))
        filled = self.fill()
        self.assertGreater(filled.cache, 7 * ROOM)
        self.assertGreater(filled.lane, 20 * ROOM)
        self.assertGreater(filled.growth[0], 12_000)

    def test_cacheOfTheLast(self) -> None:
        """
        If what is asked for again was not set apart, the cache would have to fetch the wanted name time and again.
        """
        make: Callable[..., None] = Store.__init__

        def alike(store: Store, *given: float, **more: float) -> None:
            make(store, *given, **more)
            store._proven = store._fresh
            store._readyMost = 0

        self.patch(Store, "__init__", alike)
        self.assertGreater(self.fill(logging=True, often=1, every=500).fetched, 3)

    def test_laneOfTheLast(self) -> None:
        """
        If there was no second generation in the fast lane, the wanted name would be gone from it each time that it is full.
        """
        put = Table._put

        def forgetful(replies: Table, key: bytes, entry: table.Entry, shaped: bool) -> None:
            put(replies, key, entry, shaped)
            replies._old.clear()

        self.patch(Table, "_put", forgetful)
        self.assertGreater(self.fill().beyond, 5)

    def test_expired(self) -> None:
        """
        What is past its end makes room at once, wanted or not, and is not kept in place of what holds.
        """
        self.upstream.tamper = None
        service = self.run_(cacheSize=ROOM, queryLog=True, stale=0, prefetch=False)
        store = storeOf(service)
        for start in range(0, 300, 25):
            for _ in range(3):
                self.flood([f"x{number}.example.test" for number in range(start, start + 25)])
                self.network.advance(0.03)
        self.assertGreater(len(store), 200)
        self.network.advance(301)
        for number in range(300):
            # Where they are come upon, they go.
            self.assertIsNone(store.find(queryOf(f"x{number}.example.test")[12:], self.here.seconds()))
        self.assertEqual(len(store), 0)


class TableTests(SynchronousTestCase):
    """
    Tests of the fast lane's table alone.
    """

    def flood(self, sights: int | None, often: int) -> tuple[int, int]:
        """
        Ask for a hot name between a hundred thousand cold ones.

        @return: how often the hot one was not there, and the most octets that were taken.
        """
        epoch = Epoch()
        table = Table(1 << 18, sights=sights, echo=False)
        hot = queryOf()
        for _ in range(2):
            table.offer(hot, replyOf(hot, epoch))
        missed = most = 0
        for number in range(20_000):
            cold = queryOf(f"n{number}.example.test")
            for _ in range(often):
                table.offer(cold, replyOf(cold, epoch))
            if number % 20 == 0:
                missed += table.again(hot, 1.0) is None
            most = max(most, table.octets)
        return missed, most

    def test_onceEach(self) -> None:
        """
        Names asked for once take nothing.
        """
        missed, most = self.flood(None, 1)
        self.assertEqual(missed, 0)
        self.assertLess(most, 1 << 15)
        # With the defence off they take all that there is.
        self.assertGreater(self.flood(0, 1)[1], 1 << 17)

    def test_often(self) -> None:
        """
        Whoever goes to the trouble of asking for each several times gets them in, but a name that is wanted stays.
        """
        missed, most = self.flood(None, 3)
        self.assertEqual(missed, 0)
        self.assertLessEqual(most, 1 << 18)

    def test_generations(self) -> None:
        """
        It is the second generation that keeps it.
        """
        put = Table._put

        def forgetful(table: Table, key: bytes, entry: Entry, shaped: bool) -> None:
            put(table, key, entry, shaped)
            table._old.clear()

        self.patch(Table, "_put", forgetful)
        self.assertGreater(self.flood(None, 3)[0], 0)
