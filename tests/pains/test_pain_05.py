"""
Pain 5: the cache. No size limit, no negative answers, entries that never expire (Twisted #6895; Scrapy #905 and #5125; Synapse #11703).
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import denied
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.cache.store import Store
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import CannedSource, answerOf, questionOf
from twisted_ext.wire.message import Question

SOA = "test. 3600 IN SOA ns.test. admin.test. 1 7200 3600 1209600 600"


class CachePainTests(SynchronousTestCase):
    """
    The needs of a crawler that never restarts its cache.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.inner = CannedSource(otherwise=lambda question: answerOf(question, "192.0.2.80"))
        self.cache = CachedSource(self.inner, self.clock, store=Store(2**20))

    def ask(self, question: Question) -> Answer:
        return self.successResultOf(lookUp(self.cache, question, QueryContext(1e9)))

    def test_cacheNeverExceedsItsBudget(self) -> None:
        """
        The cache stays within its memory budget, however many names there are, and needs no timer for any of them.
        """
        for number in range(12_000):
            self.ask(questionOf(f"host{number}.test"))
        stats = self.cache.stats
        self.assertLessEqual(stats.octets, 2**20)
        self.assertGreater(stats.entries, 2000)
        self.assertEqual(stats.entries + stats.evictions, 12_000)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        # Without that limit all entries would stay.
        self.cache = CachedSource(self.inner, self.clock, store=Store(2**30))
        for number in range(12_000):
            self.ask(questionOf(f"host{number}.test"))
        self.assertEqual(self.cache.stats.entries, 12_000)
        self.assertGreater(self.cache.stats.octets, 2**21)

    def test_denialsAreCached(self) -> None:
        """
        A name that does not exist is queried once, not once for each link, and A and AAAA share the denial.
        """
        self.inner.set("gone.test", "A", denied(Outcome.NXDOMAIN, SOA))
        for _ in range(10):
            for rrType in ("A", "AAAA"):
                self.assertIs(self.ask(questionOf("gone.test", rrType)).outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.inner.asked, 1)
        # The same with a cache of answers with data only:
        learn = CachedSource.learn

        def dataOnly(cache: CachedSource, question: Question, context: QueryContext, answer: Answer) -> None:
            if answer.outcome is Outcome.DATA:
                learn(cache, question, context, answer)

        self.patch(CachedSource, "learn", dataOnly)
        self.cache = CachedSource(self.inner, self.clock)
        for _ in range(10):
            self.ask(questionOf("gone.test"))
        self.assertEqual(self.inner.asked, 11)

    def test_entriesExpireWithTheirTTL(self) -> None:
        """
        A server that moves is found again when its TTL ends, without a restart of the program.
        """
        moving = questionOf("moving.test")
        self.inner.set("moving.test", "A", answerOf(moving, "192.0.2.1", 60))
        self.ask(moving)
        self.inner.set("moving.test", "A", answerOf(moving, "192.0.2.2", 60))
        for _ in range(59):
            self.clock.advance(1)
            self.assertEqual(self.ask(moving).answer[0].rdatas, (b"\xc0\x00\x02\x01",))
        self.clock.advance(1)
        self.assertEqual(self.ask(moving).answer[0].rdatas, (b"\xc0\x00\x02\x02",))
        # If the time were ignored, the entry would stay for ever.
        self.inner.set("moving.test", "A", answerOf(moving, "192.0.2.3", 60))
        self.patch(self.cache, "now", lambda: 60.0)
        self.clock.advance(10**6)
        self.assertEqual(self.ask(moving).answer[0].rdatas, (b"\xc0\x00\x02\x02",))
