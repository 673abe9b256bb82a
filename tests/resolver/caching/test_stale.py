"""
Tests of stale answers.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, denied, question, wishes
from twisted_ext.answers import Outcome, Security
from twisted_ext.errors import ServerFailed, TrustFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import HeldSource, atHand

WWW = question("www.example.com")
ANSWER = answered("www.example.com. 300 IN A 192.0.2.1", flags=0x8580)
SOA = "example.com. 3600 IN SOA ns.example.com. admin.example.com. 1 7200 3600 1209600 600"


class StaleTests(SynchronousTestCase):
    """
    Tests for stale answers (RFC 8767; attack 35).
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1000.0
        self.held = HeldSource()
        self.cache = CachedSource(self.held, self.clock, stale=86400)
        first = lookUp(self.cache, WWW, wishes())
        self.held.release(ANSWER)
        self.successResultOf(first)

    def test_offByDefault(self) -> None:
        """
        Stale answers are given only if that is configured.
        """
        cache = CachedSource(self.held, self.clock)
        first = lookUp(cache, WWW, wishes())
        self.held.release(ANSWER)
        self.successResultOf(first)
        self.clock.advance(300)
        again = lookUp(cache, WWW, wishes())
        self.held.release(ServerFailed("no"))
        self.failureResultOf(again, ServerFailed)

    def test_slowServersLeadToStaleAnswer(self) -> None:
        """
        A stale answer with an extended error is given if servers do not answer within 1.8 seconds. The fresh answer replaces it
        when it arrives.
        """
        self.clock.advance(400)
        waiter = lookUp(self.cache, WWW, wishes())
        self.clock.advance(1.7)
        self.assertNoResult(waiter)
        self.clock.advance(0.1)
        stale = self.successResultOf(waiter)
        self.assertEqual([rrset.ttl for rrset in stale.answer], [30])
        self.assertEqual([code for code, _ in stale.ede], [3])
        assert stale.origin is not None
        self.assertEqual(stale.origin.source, "stale")
        self.held.release(answered("www.example.com. 300 IN A 192.0.2.2"))
        fresh = atHand(self.cache, WWW, wishes())
        assert fresh is not None
        self.assertEqual(fresh.answer[0].rdatas, (b"\xc0\x00\x02\x02",))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_uncacheableFreshAnswerDropsStaleOne(self) -> None:
        """
        The stale answer is used only on failure once servers have given a fresh answer that must not be cached.
        """
        self.clock.advance(400)
        waiter = lookUp(self.cache, WWW, wishes())
        self.clock.advance(2)
        self.assertEqual(self.successResultOf(waiter).answer[0].ttl, 30)
        moved = answered("www.example.com. 0 IN A 192.0.2.2")
        self.held.release(moved)
        self.assertIsNone(atHand(self.cache, WWW, wishes()))
        waiter = lookUp(self.cache, WWW, wishes())
        self.held.release(moved)
        self.assertIs(self.successResultOf(waiter), moved)
        waiter = lookUp(self.cache, WWW, wishes())
        self.held.release(ServerFailed("no"))
        self.assertEqual(self.successResultOf(waiter).answer[0].ttl, 30)

    def test_quickServersPreventStaleAnswer(self) -> None:
        """
        No stale answer is given if servers answer in time.
        """
        self.clock.advance(400)
        waiter = lookUp(self.cache, WWW, wishes())
        self.clock.advance(1)
        self.held.release(ANSWER)
        self.assertIs(self.successResultOf(waiter), ANSWER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failingServersLeadToStaleAnswerAtOnce(self) -> None:
        """
        A stale answer is given at once if servers fail, and for half a minute without asking them again.
        """
        self.clock.advance(400)
        waiter = lookUp(self.cache, WWW, wishes())
        self.held.release(ServerFailed("no"))
        stale = self.successResultOf(waiter)
        for _ in range(29):
            self.clock.advance(1)
            self.assertIs(self.successResultOf(lookUp(self.cache, WWW, wishes())), stale)
        self.assertEqual(self.held.asked, 2)
        self.clock.advance(1)
        again = lookUp(self.cache, WWW, wishes())
        self.assertEqual(self.held.asked, 3)
        self.held.release(ServerFailed("no"))
        self.successResultOf(again)
        self.assertEqual(self.cache.stats.stale, 31)

    def test_packedStaleAnswerIsGivenAgain(self) -> None:
        """
        The stale answer is given while the failure is cached, even if it was packed in the meantime.
        """
        self.clock.advance(400)
        failed = lookUp(self.cache, WWW, wishes())
        self.held.release(ServerFailed("no"))
        self.successResultOf(failed)
        asked = self.held.asked
        del self.cache.store.ready[WWW.key]
        self.cache.store.keep(WWW, b"", ANSWER, self.clock.seconds() - 400)
        again = atHand(self.cache, WWW, wishes())
        assert again is not None
        self.assertEqual(([code for code, _ in again.ede], self.held.asked), ([3], asked))
        self.cache.store.drop(WWW.key)
        self.assertRaises(ServerFailed, self.cache.ask, WWW, wishes())

    def test_staleDenialHasItsOwnCode(self) -> None:
        """
        A stale NXDOMAIN has its own extended error code.
        """
        gone = question("gone.example.com")
        first = lookUp(self.cache, gone, wishes())
        self.held.release(denied(Outcome.NXDOMAIN, SOA))
        self.successResultOf(first)
        self.clock.advance(700)
        waiter = lookUp(self.cache, question("gone.example.com", "AAAA"), wishes())
        self.held.release(ServerFailed("no"))
        self.assertEqual([code for code, _ in self.successResultOf(waiter).ede], [19])

    def test_newerDenialWinsOverStaleAddress(self) -> None:
        """
        A stale NXDOMAIN wins over an older address that is still cached.
        """
        self.clock.advance(400)
        other = lookUp(self.cache, question("www.example.com", "AAAA"), wishes())
        self.held.release(denied(Outcome.NXDOMAIN, SOA))
        self.successResultOf(other)
        self.clock.advance(700)
        waiter = lookUp(self.cache, WWW, wishes())
        self.held.release(ServerFailed("no"))
        stale = self.successResultOf(waiter)
        self.assertEqual((stale.outcome, [code for code, _ in stale.ede]), (Outcome.NXDOMAIN, [19]))
        asked = self.held.asked
        self.assertIs(atHand(self.cache, WWW, wishes()), stale)
        self.assertEqual(self.held.asked, asked)

    def test_freshDenialWinsWhileWaiting(self) -> None:
        """
        A caller that waits gets the fresh denial if the name is denied in the meantime.
        """
        self.clock.advance(400)
        waiter = lookUp(self.cache, WWW, wishes())
        lookUp(self.cache, question("www.example.com", "AAAA"), wishes())
        self.held.release(denied(Outcome.NXDOMAIN, SOA), question("www.example.com", "AAAA"))
        self.clock.advance(2)
        answer = self.successResultOf(waiter)
        self.assertEqual((answer.outcome, answer.ede, answer.authority[0].ttl), (Outcome.NXDOMAIN, (), 598))

    def test_flushedAnswerIsNeverStale(self) -> None:
        """
        A flushed answer is not given as a stale one, not even to callers that waited before the flush.
        """
        self.clock.advance(400)
        waiter = lookUp(self.cache, WWW, wishes())
        self.assertEqual(self.cache.flush(WWW.name), 1)
        self.clock.advance(3)
        self.assertNoResult(waiter)
        self.held.release(ServerFailed("no"))
        self.failureResultOf(waiter, ServerFailed)

    def test_staleAnswerExpiresAfterADay(self) -> None:
        """
        A stale answer is not given after a day.
        """
        self.clock.advance(300 + 86400)
        waiter = lookUp(self.cache, WWW, wishes())
        self.held.release(ServerFailed("no"))
        self.failureResultOf(waiter, ServerFailed)

    def test_bogusAnswerIsNotHiddenByStaleOne(self) -> None:
        """
        A failed validation is not hidden by a stale answer.
        """
        self.clock.advance(400)
        waiter = lookUp(self.cache, WWW, wishes())
        self.held.release(TrustFault("bogus"))
        self.failureResultOf(waiter, TrustFault)

    def test_bogusAnswerIsNeverCached(self) -> None:
        """
        A bogus answer is never cached, so it can never become stale.
        """
        forged = answered("www.example.com. 300 IN A 192.0.2.66")
        forged.security = Security.BOGUS
        self.cache.flush()
        waiter = lookUp(self.cache, WWW, wishes())
        self.held.release(forged)
        self.successResultOf(waiter)
        self.assertEqual(len(self.cache.store), 0)
        forged.security = Security.INDETERMINATE
        waiter = lookUp(self.cache, WWW, wishes())
        self.held.release(forged)
        self.assertEqual(len(self.cache.store), 1)

    def test_cancelLeavesNoTimer(self) -> None:
        """
        Cancelling ends the query and leaves no timer.
        """
        self.clock.advance(400)
        waiter = lookUp(self.cache, WWW, wishes())
        waiter.cancel()
        self.failureResultOf(waiter)
        self.assertEqual((len(self.held.cancelled), self.clock.getDelayedCalls()), (1, []))
