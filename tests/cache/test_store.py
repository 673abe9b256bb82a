"""
Tests of the cache's memory limit and of what is evicted first (attacks 20 and 21).
"""

from __future__ import annotations

import gc
import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, denied, question
from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.cache import store as stores
from twisted_ext.cache.entries import denialKey
from twisted_ext.cache.store import Store
from twisted_ext.errors import ServerFailed
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

SOA = "example.com. 3600 IN SOA ns.example.com. admin.example.com. 1 7200 3600 1209600 600"


def numbered(number: int, *, count: int = 1, ttl: int = 86400) -> tuple[Question, Answer]:
    """
    Return a numbered question with an answer of C{count} addresses.
    """
    asked = question(f"n{number}.example.com")
    rdatas = tuple([(number * 1000 + each).to_bytes(4, "big") for each in range(count)])
    return asked, Answer(Outcome.DATA, (RRSet(asked.name, 1, 1, ttl, rdatas),), origin=Origin("udp", "192.0.2.1:53"))


class StoreTests(SynchronousTestCase):
    """
    Tests for L{Store}.
    """

    def fill(self, store: Store, numbers: range, *, ttl: int = 86400, now: float = 0.0) -> None:
        """
        Store one answer for each number.
        """
        for number in numbers:
            asked, answer = numbered(number, ttl=ttl)
            store.keep(asked, b"", answer, now)

    def isHit(self, store: Store, number: int, now: float = 1.0) -> bool:
        """
        Look an entry up and count the hit, as the caching source does.
        """
        entry = store.find(numbered(number)[0].key, now)
        if entry is not None:
            entry.hits += 1
        return entry is not None and entry.kept.answer[0].rdatas[0] == (number * 1000).to_bytes(4, "big")

    def test_cacheStaysWithinItsLimit(self) -> None:
        """
        The counted memory stays within the limit, however much is stored.
        """
        store = Store(256 * 1024)
        for number in range(20):
            self.fill(store, range(number * 500, number * 500 + 500))
            self.assertLessEqual(store.octets, 256 * 1024)
        self.assertGreater(store.octets, 200 * 1024)
        self.assertEqual(store.statistics().entries + store.statistics().evictions, 10_000)

    def test_otherLimit(self) -> None:
        """
        With a lower limit, what has no room any more is evicted at once, that in use and that in store; with a higher one there is more.
        """
        for hits in (0, 3):
            store = Store(1 << 20)
            self.fill(store, range(2000))
            for _ in range(hits):
                for number in range(1000, 2000):
                    self.isHit(store, number)
            store.resize(256 * 1024, 2.0)
            self.assertLessEqual(store.octets, 256 * 1024)
            self.assertLessEqual(store._readyBytes, 32 * 1024)
            self.assertGreater(len(store), 100)
            before = len(store)
            store.resize(1 << 20, 2.0)
            self.fill(store, range(5000, 5200))
            self.assertEqual(len(store), before + 200)

    def test_failuresLeaveRoomForAnswers(self) -> None:
        """
        Cached failures count toward the limit, and most of the memory is left to answers.
        """
        store = Store(256 * 1024)
        for number in range(20):
            for each in range(300):
                store.failures.note(b"%d.%d" % (number, each), ServerFailed("no"), 1.0, 0.0)
            self.fill(store, range(number * 500, number * 500 + 500))
            self.assertLessEqual(store.octets, 256 * 1024)
        self.assertGreater(store.octets - store.failures.octets, 192 * 1024)
        self.assertGreater(len(store.failures), 0)

    def test_countedMemoryMatchesAllocations(self) -> None:
        """
        The counted memory is what the interpreter has allocated or a little more, never less.
        """
        for most in (2**20, 2**26):
            tracemalloc.start()
            try:
                store = Store(most, readyMost=2**20)
                before = tracemalloc.get_traced_memory()[0]
                self.fill(store, range(4000))
                gc.collect()
                taken = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            self.assertLess(taken, store.octets * 1.05)
            self.assertGreater(taken, store.octets * 0.6)

    def test_newestEntriesAreKept(self) -> None:
        """
        The newest entries are kept if none is asked for again, packed or unpacked.
        """
        store = Store(256 * 1024)
        self.fill(store, range(5000))
        self.assertTrue(all(self.isHit(store, number) for number in range(4990, 5000)))
        self.assertTrue(self.isHit(store, 4800))
        self.assertFalse(self.isHit(store, 10))

    def test_partsKeepTheirSizes(self) -> None:
        """
        All parts of the table keep nearly the same size, however keys are hashed: in an empty one, new entries would be dropped at once.
        """
        store = Store(256 * 1024)
        for number in range(20_000):
            self.fill(store, range(number, number + 1))
            if number > 5000 and number % 1000 == 0:
                sizes = [len(part) for part in store._fresh.parts]
                self.assertGreater(min(sizes), sum(sizes) / len(sizes) / 2, sizes)

    def test_allPartsAreLookedThrough(self) -> None:
        """
        The look for the oldest entries goes through all parts, also if room is made each time.
        """
        store = Store(1 << 20)
        self.fill(store, range(1000))
        table = store._fresh
        seen: set[bytes] = set()
        for _ in table.parts:
            seen.update(table.oldest(1000))
            table.evict(1)
        self.assertGreater(len(seen), 900)

    def test_floodDoesNotEvictUsedEntries(self) -> None:
        """
        A flood of names that are asked for once does not evict entries that have been hit.
        """
        store = Store(256 * 1024)
        self.fill(store, range(20))
        for number in range(20):
            self.assertTrue(self.isHit(store, number))
        for number in range(20, 20_000):
            self.fill(store, range(number, number + 1))
            if number % 10 == 0:
                hot = store.find(numbered(0)[0].key, 1.0)
                assert hot is not None
                hot.hits += 1
        self.assertIn(numbered(0)[0].key, store.ready)
        self.assertTrue(all(self.isHit(store, number) for number in range(20)))

    def test_withoutDefenseFloodEvictsUsedEntries(self) -> None:
        """
        The flood would evict entries in use if they were not kept apart.
        """
        store = Store(256 * 1024)
        store._proven = store._fresh
        self.fill(store, range(20))
        for number in range(20):
            self.assertTrue(self.isHit(store, number))
        self.fill(store, range(20, 20_000))
        self.assertFalse(any(self.isHit(store, number) for number in range(20)))

    def test_expiredEntriesAreEvictedFirst(self) -> None:
        """
        Expired entries are evicted first, even if they have been hit.
        """
        store = Store(256 * 1024)
        self.fill(store, range(2000), ttl=10)
        for number in range(2000):
            self.isHit(store, number)
        self.fill(store, range(2000, 12_000), now=20.0)
        self.assertFalse(any(learned < 20 for learned in [entry.learned for entry in store.ready.values()]))
        self.assertGreater(len([key for key in store.keys() if self.isHit(store, int(key[2 : 1 + key[0]]), 21.0)]), 800)

    def test_lookupDropsExpiredEntry(self) -> None:
        """
        A look-up that finds an expired entry drops it.
        """
        store = Store()
        self.fill(store, range(1), ttl=10)
        self.assertFalse(self.isHit(store, 0, 10.0))
        self.assertEqual((len(store), store.octets), (0, Store().octets))

    def test_largeAnswersShareAnEighth(self) -> None:
        """
        Answers with very many records share an eighth of the memory, the oldest being evicted first, and displace no other answers.
        They would take all of it without that limit.
        """
        for share, kept in ((8, 28), (1, 300)):
            self.patch(stores, "_LARGE_SHARE", share)
            store = Store(4 * 2**20)
            self.fill(store, range(1000, 6000))
            for number in range(300):
                asked, answer = numbered(number, count=3000)
                self.assertTrue(store.keep(asked, b"", answer, 0.0))
            large = [number for number in range(300) if self.isHit(store, number)]
            self.assertEqual(large[-1], 299)
            self.assertLessEqual(len(large), kept)
            self.assertLessEqual(store.octets, 4 * 2**20)
            others = sum([self.isHit(store, number) for number in range(1000, 6000)])
            self.assertEqual(others == 5000, share == 8, others)

    def test_largeAnswersAreCountedExactly(self) -> None:
        """
        The memory of large answers is counted exactly while they are replaced, found and dropped.
        """
        store = Store(4 * 2**20)
        for number in range(500):
            asked, answer = numbered(number % 40, count=2000 + number)
            store.keep(asked, b"", answer, 0.0)
            self.isHit(store, number % 7)
            self.assertEqual(sum(store._large.values()), store._largeBytes)
            self.assertLessEqual(store._largeBytes, 2**19)
        store.clear()
        self.assertEqual((store.octets, store._largeBytes, store._large), (Store(4 * 2**20).octets, 0, {}))

    def test_oversizedAnswerIsNotCached(self) -> None:
        """
        An answer larger than the limit for one entry is not cached.
        """
        asked = question("big.example.com", "TXT")
        large = Answer(Outcome.DATA, (RRSet(asked.name, 16, 1, 60, tuple([bytes([250]) * 250 + bytes([n]) for n in range(90)])),))
        store = Store(entryBytes=8192)
        self.assertFalse(store.keep(asked, b"", large, 0.0))
        self.assertTrue(Store(entryBytes=65536).keep(asked, b"", large, 0.0))

    def test_countReturnsToZero(self) -> None:
        """
        The count of octets returns to its start when every entry has been dropped.
        """
        store = Store(256 * 1024)
        self.fill(store, range(3000))
        for number in range(0, 3000, 7):
            self.isHit(store, number)
        for key in store.keys():
            self.assertTrue(store.drop(key))
        self.assertEqual((len(store), store.octets), (0, Store(256 * 1024).octets))

    def test_nxdomainReplacesAnswersOfAllTypes(self) -> None:
        """
        NXDOMAIN is cached once for all types and replaces an earlier answer to the question.
        """
        store = Store()
        asked = question("www.example.com")
        store.keep(asked, b"", answered("www.example.com. 300 IN A 192.0.2.1"), 0.0)
        store.keep(asked, b"", denied(Outcome.NXDOMAIN, SOA), 1.0)
        self.assertEqual(store.keys(), [denialKey(asked.key, b"")])
        store.keep(question("www.example.com", "AAAA"), b"", denied(Outcome.NXDOMAIN, SOA), 1.0)
        self.assertEqual(len(store), 1)
        store.keep(asked, b"", answered("www.example.com. 300 IN A 192.0.2.1"), 2.0)
        self.assertEqual(store.keys(), [asked.key])

    def test_unrelatedRecordsAreNotCached(self) -> None:
        """
        Records of other names in a reply are not cached under those names (MaginotDNS; RFC 2181, section 5.4.1).
        """
        store = Store()
        poisoned = answered(
            "www.example.com. 300 IN CNAME victim.example.",
            "victim.example. 300 IN A 203.0.113.66",
            authority=("victim.example. 300 IN NS evil.example.",),
        )
        store.keep(question("www.example.com"), b"", poisoned, 0.0)
        for name, rrType in (("victim.example", "A"), ("victim.example", "NS"), ("evil.example", "A")):
            self.assertIsNone(store.find(question(name, rrType).key, 1.0))

    def test_flushDropsAnswersBehindAliases(self) -> None:
        """
        Flushing a name also drops the answers whose aliases lead to it, packed or unpacked.
        """
        for packed in (False, True):
            store = Store(256 * 1024)
            chain = answered("www.example.com. 90000 IN CNAME a.example.org.", "a.example.org. 90000 IN A 192.0.2.1")
            store.keep(question("www.example.com"), b"", chain, 0.0)
            if packed:
                self.fill(store, range(200))
                self.assertNotIn(question("www.example.com").key, store.ready)
            self.assertEqual(store.flush(nameFromText("le.org"), subtree=True), 0)
            self.assertEqual(store.flush(nameFromText("example.org"), subtree=True), 1)
            self.assertIsNone(store.find(question("www.example.com").key, 1.0))
