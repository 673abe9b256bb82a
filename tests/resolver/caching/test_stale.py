"""
Tests of answers past their end.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, denied, question, wishes
from twisted_ext.answers import Outcome, Security
from twisted_ext.errors import ServerFailed, TrustFault
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import HeldSource

WWW = question("www.example.com")
ANSWER = answered("www.example.com. 300 IN A 192.0.2.1", flags=0x8580)
SOA = "example.com. 3600 IN SOA ns.example.com. admin.example.com. 1 7200 3600 1209600 600"


class StaleTests(SynchronousTestCase):
    """
    Tests for answers past their end (RFC 8767; attack 35).
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1000.0
        self.held = HeldSource()
        self.cache = CachedSource(self.held, self.clock, stale=86400)
        first = self.cache.answer(WWW, wishes())
        self.held.release(ANSWER)
        self.successResultOf(first)

    def test_offByDefault(self) -> None:
        """
        Nobody gets old answers without having asked for it.
        """
        cache = CachedSource(self.held, self.clock)
        first = cache.answer(WWW, wishes())
        self.held.release(ANSWER)
        self.successResultOf(first)
        self.clock.advance(300)
        again = cache.answer(WWW, wishes())
        self.held.release(ServerFailed("no"))
        self.failureResultOf(again, ServerFailed)

    def test_slowServers(self) -> None:
        """
        Where servers do not answer within 1.8 seconds, an old answer is given and says that it is one; the fresh one takes its place
        when it comes.
        """
        self.clock.advance(400)
        waiter = self.cache.answer(WWW, wishes())
        self.clock.advance(1.7)
        self.assertNoResult(waiter)
        self.clock.advance(0.1)
        stale = self.successResultOf(waiter)
        self.assertEqual([rrset.ttl for rrset in stale.answer], [30])
        self.assertEqual([code for code, _ in stale.ede], [3])
        assert stale.origin is not None
        self.assertEqual(stale.origin.source, "stale")
        self.held.release(answered("www.example.com. 300 IN A 192.0.2.2"))
        fresh = self.cache.answerNow(WWW, wishes())
        assert fresh is not None
        self.assertEqual(fresh.answer[0].rdatas, (b"\xc0\x00\x02\x02",))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_freshUnkept(self) -> None:
        """
        Where they then give one that may not be kept, they are asked again by the next one, who has the old one only if they fail.
        """
        self.clock.advance(400)
        waiter = self.cache.answer(WWW, wishes())
        self.clock.advance(2)
        self.assertEqual(self.successResultOf(waiter).answer[0].ttl, 30)
        moved = answered("www.example.com. 0 IN A 192.0.2.2")
        self.held.release(moved)
        self.assertIsNone(self.cache.answerNow(WWW, wishes()))
        waiter = self.cache.answer(WWW, wishes())
        self.held.release(moved)
        self.assertIs(self.successResultOf(waiter), moved)
        waiter = self.cache.answer(WWW, wishes())
        self.held.release(ServerFailed("no"))
        self.assertEqual(self.successResultOf(waiter).answer[0].ttl, 30)

    def test_quickServers(self) -> None:
        """
        Where they do, nobody sees an old one.
        """
        self.clock.advance(400)
        waiter = self.cache.answer(WWW, wishes())
        self.clock.advance(1)
        self.held.release(ANSWER)
        self.assertIs(self.successResultOf(waiter), ANSWER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failingServers(self) -> None:
        """
        Where they fail, the old one is given at once, and for half a minute without bothering them again.
        """
        self.clock.advance(400)
        waiter = self.cache.answer(WWW, wishes())
        self.held.release(ServerFailed("no"))
        stale = self.successResultOf(waiter)
        for _ in range(29):
            self.clock.advance(1)
            self.assertIs(self.successResultOf(self.cache.answer(WWW, wishes())), stale)
        self.assertEqual(self.held.asked, 2)
        self.clock.advance(1)
        again = self.cache.answer(WWW, wishes())
        self.assertEqual(self.held.asked, 3)
        self.held.release(ServerFailed("no"))
        self.successResultOf(again)
        self.assertEqual(self.cache.stats.stale, 31)

    def test_packed(self) -> None:
        """
        While a failure is remembered the old answer is given again, also where it had to make room for others among those that are ready.
        """
        self.clock.advance(400)
        failed = self.cache.answer(WWW, wishes())
        self.held.release(ServerFailed("no"))
        self.successResultOf(failed)
        asked = self.held.asked
        del self.cache.store.ready[WWW.key]
        self.cache.store.keep(WWW, b"", ANSWER, self.clock.seconds() - 400)
        again = self.cache.answerNow(WWW, wishes())
        assert again is not None
        self.assertEqual(([code for code, _ in again.ede], self.held.asked), ([3], asked))
        self.cache.store.drop(WWW.key)
        self.assertRaises(ServerFailed, self.cache.answerNow, WWW, wishes())

    def test_denied(self) -> None:
        """
        That a name was not there is said in the same way, under a number of its own.
        """
        gone = question("gone.example.com")
        first = self.cache.answer(gone, wishes())
        self.held.release(denied(Outcome.NXDOMAIN, SOA))
        self.successResultOf(first)
        self.clock.advance(700)
        waiter = self.cache.answer(question("gone.example.com", "AAAA"), wishes())
        self.held.release(ServerFailed("no"))
        self.assertEqual([code for code, _ in self.successResultOf(waiter).ede], [19])

    def test_deniedSince(self) -> None:
        """
        Where a name was denied after it had an address, that is what is said of it, though the address is still known.
        """
        self.clock.advance(400)
        other = self.cache.answer(question("www.example.com", "AAAA"), wishes())
        self.held.release(denied(Outcome.NXDOMAIN, SOA))
        self.successResultOf(other)
        self.clock.advance(700)
        waiter = self.cache.answer(WWW, wishes())
        self.held.release(ServerFailed("no"))
        stale = self.successResultOf(waiter)
        self.assertEqual((stale.outcome, [code for code, _ in stale.ede]), (Outcome.NXDOMAIN, [19]))
        asked = self.held.asked
        self.assertIs(self.cache.answerNow(WWW, wishes()), stale)
        self.assertEqual(self.held.asked, asked)

    def test_deniedMeanwhile(self) -> None:
        """
        Where the name is denied while somebody waits, that is what he is told in the end, and that it is fresh.
        """
        self.clock.advance(400)
        waiter = self.cache.answer(WWW, wishes())
        self.cache.answer(question("www.example.com", "AAAA"), wishes())
        self.held.release(denied(Outcome.NXDOMAIN, SOA), question("www.example.com", "AAAA"))
        self.clock.advance(2)
        answer = self.successResultOf(waiter)
        self.assertEqual((answer.outcome, answer.ede, answer.authority[0].ttl), (Outcome.NXDOMAIN, (), 598))

    def test_flushed(self) -> None:
        """
        What was to be forgotten is not given any more, not to those either who had been waiting before.
        """
        self.clock.advance(400)
        waiter = self.cache.answer(WWW, wishes())
        self.assertEqual(self.cache.flush(WWW.name), 1)
        self.clock.advance(3)
        self.assertNoResult(waiter)
        self.held.release(ServerFailed("no"))
        self.failureResultOf(waiter, ServerFailed)

    def test_tooOld(self) -> None:
        """
        After a day it is no longer given.
        """
        self.clock.advance(300 + 86400)
        waiter = self.cache.answer(WWW, wishes())
        self.held.release(ServerFailed("no"))
        self.failureResultOf(waiter, ServerFailed)

    def test_untrusted(self) -> None:
        """
        When the fresh answer is forged, the old one does not cover that up.
        """
        self.clock.advance(400)
        waiter = self.cache.answer(WWW, wishes())
        self.held.release(TrustFault("bogus"))
        self.failureResultOf(waiter, TrustFault)

    def test_bogus(self) -> None:
        """
        An answer that was found to be forged is never kept, so it can never be an old one.
        """
        forged = answered("www.example.com. 300 IN A 192.0.2.66")
        forged.security = Security.BOGUS
        self.cache.flush()
        waiter = self.cache.answer(WWW, wishes())
        self.held.release(forged)
        self.successResultOf(waiter)
        self.assertEqual(len(self.cache.store), 0)
        forged.security = Security.INDETERMINATE
        waiter = self.cache.answer(WWW, wishes())
        self.held.release(forged)
        self.assertEqual(len(self.cache.store), 1)

    def test_cancel(self) -> None:
        """
        Giving up while waiting ends the work and leaves no timer.
        """
        self.clock.advance(400)
        waiter = self.cache.answer(WWW, wishes())
        waiter.cancel()
        self.failureResultOf(waiter)
        self.assertEqual((len(self.held.cancelled), self.clock.getDelayedCalls()), (1, []))
