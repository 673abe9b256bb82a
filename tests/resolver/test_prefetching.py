"""
Tests of prefetching.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, question, wishes
from twisted_ext.errors import ServerFailed
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import HeldSource, atHand

WWW = question("www.example.com")
ANSWER = answered("www.example.com. 300 IN A 192.0.2.1", flags=0x8580)


class PrefetchTests(SynchronousTestCase):
    """
    Tests for prefetching.
    """

    def build(self, prefetch: bool) -> None:
        """
        Build a cache with one entry.
        """
        self.clock = Clock()
        self.clock.rightNow = 1000.0
        self.held = HeldSource()
        self.cache = CachedSource(self.held, self.clock, prefetch=prefetch)
        first = lookUp(self.cache, WWW, wishes())
        self.held.release(ANSWER)
        self.successResultOf(first)

    def hitOncePerSecond(self, times: int) -> None:
        """
        Ask for the entry once per second.
        """
        for _ in range(times):
            self.assertIsNotNone(atHand(self.cache, WWW, wishes()))
            self.clock.advance(1)

    def test_popularNameIsPrefetched(self) -> None:
        """
        A popular answer is fetched once shortly before it expires, so that no client waits for it again.
        """
        self.build(True)
        self.hitOncePerSecond(285)
        self.assertEqual(self.held.asked, 2)
        self.held.release(answered("www.example.com. 300 IN A 192.0.2.2"))
        self.hitOncePerSecond(280)
        self.assertEqual(self.cache.stats.prefetches, 2)

    def test_oneIndependentPrefetchAtATime(self) -> None:
        """
        An answer is prefetched once, however often it is asked for, by a query that does not depend on the caller.
        """
        self.build(True)
        self.hitOncePerSecond(299)
        self.assertEqual(self.held.asked, 2)
        self.assertEqual(self.held.contexts[1].deadline, 1270 + 5)

    def test_unpopularNameIsNotPrefetched(self) -> None:
        """
        An unpopular answer is not prefetched.
        """
        self.build(True)
        self.hitOncePerSecond(1)
        self.clock.advance(280)
        self.hitOncePerSecond(1)
        self.assertEqual(self.held.asked, 1)

    def test_offByDefault(self) -> None:
        """
        Nothing is prefetched by default.
        """
        self.build(False)
        self.hitOncePerSecond(299)
        self.assertEqual(self.held.asked, 1)

    def test_failedPrefetchIsHarmless(self) -> None:
        """
        A failed prefetch does no harm.
        """
        self.build(True)
        self.hitOncePerSecond(285)
        self.held.release(ServerFailed("no"))
        self.hitOncePerSecond(15)
        self.assertEqual(self.held.asked, 2)
        self.assertIsNone(atHand(self.cache, WWW, wishes()))

    def test_closeEndsPrefetch(self) -> None:
        """
        Closing ends a prefetch. A second close does nothing.
        """
        self.build(True)
        self.hitOncePerSecond(285)
        self.successResultOf(self.cache.close())
        self.successResultOf(self.cache.close())
        self.assertEqual((len(self.held.cancelled), self.held.closed), (1, True))
