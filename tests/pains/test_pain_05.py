"""
Pain 5: the cache. Never bounded, no negative answers, entries that never expire (Twisted #6895; Scrapy #905 and #5125; Synapse #11703).
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import denied
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.cache.store import Store
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import CannedSource, answerOf, questionOf
from twisted_ext.wire.message import Question

SOA = "test. 3600 IN SOA ns.test. admin.test. 1 7200 3600 1209600 600"


class CachePainTests(SynchronousTestCase):
    """
    What a crawler needs of a cache that it never restarts.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.inner = CannedSource(otherwise=lambda question: answerOf(question, "192.0.2.80"))
        self.cache = CachedSource(self.inner, self.clock, store=Store(2**20))

    def ask(self, question: Question) -> Answer:
        return self.successResultOf(self.cache.answer(question, QueryContext(1e9)))

    def test_bounded(self) -> None:
        """
        It takes the memory that it was given, however many names there are, and no timer for any of them.
        """
        for number in range(20_000):
            self.ask(questionOf(f"host{number}.test"))
        stats = self.cache.stats
        self.assertLessEqual(stats.octets, 2**20)
        self.assertGreater(stats.entries, 2000)
        self.assertEqual(stats.entries + stats.evictions, 20_000)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        # Without that bound they would all be there.
        self.cache = CachedSource(self.inner, self.clock, store=Store(2**30))
        for number in range(20_000):
            self.ask(questionOf(f"host{number}.test"))
        self.assertEqual(self.cache.stats.entries, 20_000)
        self.assertGreater(self.cache.stats.octets, 2**21)

    def test_negative(self) -> None:
        """
        A name that does not exist is asked for once, not once for each page that links there, and A and AAAA count as one.
        """
        self.inner.set("gone.test", "A", denied(Outcome.NXDOMAIN, SOA))
        for _ in range(10):
            for rrType in ("A", "AAAA"):
                self.assertIs(self.ask(questionOf("gone.test", rrType)).outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.inner.asked, 1)
        # As a cache has it that keeps answers with data only:
        learn = CachedSource.learn

        def dataOnly(cache: CachedSource, question: Question, context: QueryContext, answer: Answer) -> None:
            if answer.outcome is Outcome.DATA:
                learn(cache, question, context, answer)

        self.patch(CachedSource, "learn", dataOnly)
        self.cache = CachedSource(self.inner, self.clock)
        for _ in range(10):
            self.ask(questionOf("gone.test"))
        self.assertEqual(self.inner.asked, 11)

    def test_expires(self) -> None:
        """
        A server that moves is found again when its TTL is over, and not when the program is restarted.
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
        # For one that does not look at the time it would be there for ever.
        self.inner.set("moving.test", "A", answerOf(moving, "192.0.2.3", 60))
        self.patch(self.cache, "_seconds", lambda: 60.0)
        self.clock.advance(10**6)
        self.assertEqual(self.ask(moving).answer[0].rdatas, (b"\xc0\x00\x02\x02",))
