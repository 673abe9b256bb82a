"""
Tests of fetching answers ahead of their end.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, question, wishes
from twisted_ext.errors import ServerFailed
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import HeldSource

WWW = question("www.example.com")
ANSWER = answered("www.example.com. 300 IN A 192.0.2.1", flags=0x8580)


class PrefetchTests(SynchronousTestCase):
    """
    Tests for fetching ahead.
    """

    def build(self, prefetch: bool) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1000.0
        self.held = HeldSource()
        self.cache = CachedSource(self.held, self.clock, prefetch=prefetch)
        first = self.cache.answer(WWW, wishes())
        self.held.release(ANSWER)
        self.successResultOf(first)

    def hit(self, times: int) -> None:
        for _ in range(times):
            self.assertIsNotNone(self.cache.answerNow(WWW, wishes()))
            self.clock.advance(1)

    def test_ahead(self) -> None:
        """
        What is asked for often is fetched once shortly before its end, and nobody ever waits for it again.
        """
        self.build(True)
        self.hit(285)
        self.assertEqual(self.held.asked, 2)
        self.held.release(answered("www.example.com. 300 IN A 192.0.2.2"))
        self.hit(280)
        self.assertEqual(self.cache.stats.prefetches, 2)

    def test_oneAtATime(self) -> None:
        """
        However often it is asked for meanwhile, it is fetched once, and by a query that does not depend on who asked.
        """
        self.build(True)
        self.hit(299)
        self.assertEqual(self.held.asked, 2)
        self.assertEqual(self.held.contexts[1].deadline, 1270 + 5)

    def test_unpopular(self) -> None:
        """
        What is hardly ever asked for is not.
        """
        self.build(True)
        self.hit(1)
        self.clock.advance(280)
        self.hit(1)
        self.assertEqual(self.held.asked, 1)

    def test_off(self) -> None:
        """
        By default nothing is sent unless somebody waits for it.
        """
        self.build(False)
        self.hit(299)
        self.assertEqual(self.held.asked, 1)

    def test_fails(self) -> None:
        """
        A failure ahead of time harms nobody.
        """
        self.build(True)
        self.hit(285)
        self.held.release(ServerFailed("no"))
        self.hit(15)
        self.assertEqual(self.held.asked, 2)
        self.assertIsNone(self.cache.answerNow(WWW, wishes()))

    def test_close(self) -> None:
        """
        Closing ends what nobody waits for.
        """
        self.build(True)
        self.hit(285)
        self.successResultOf(self.cache.close())
        self.successResultOf(self.cache.close())
        self.assertEqual((len(self.held.cancelled), self.held.closed), (1, True))
