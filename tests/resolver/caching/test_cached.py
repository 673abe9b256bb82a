"""
Tests of L{twisted_ext.resolver.caching.cached}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import answered, denied, question, wishes
from twisted_ext.answers import Answer, Outcome, QueryContext, Security, Trace
from twisted_ext.cache.lifetimes import Lifetimes
from twisted_ext.cache.store import Store
from twisted_ext.errors import BadRecord, ServerFailed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.testing.sources import CannedSource, HeldSource, atHand
from twisted_ext.wire.names import nameFromText

WWW = question("www.example.com")
ANSWER = answered("www.example.com. 300 IN A 192.0.2.1", flags=0x8580)
SOA = "example.com. 3600 IN SOA ns.example.com. admin.example.com. 1 7200 3600 1209600 600"


class CachingCase(SynchronousTestCase):
    """
    A cache in front of canned answers.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1000.0
        self.inner = CannedSource({("www.example.com", "A"): ANSWER})
        self.cache = CachedSource(self.inner, self.clock, today=self.clock.seconds)

    def ask(self, text: str = "www.example.com", rrType: str = "A", context: QueryContext | None = None) -> Answer:
        """
        Return the answer, which must be the same at hand and from a look-up.
        """
        asked = question(text, rrType)
        context = wishes() if context is None else context
        now = atHand(self.cache, asked, context)
        answer = self.successResultOf(lookUp(self.cache, asked, context))
        if now is not None:
            self.assertEqual((now.outcome, now.answer), (answer.outcome, answer.answer))
            self.assertEqual((now.authority, now.additional), (answer.authority, answer.additional))
        return answer


class BoundsTests(CachingCase):
    """
    Tests for bounds of TTLs.
    """

    def test_denialsAreBounded(self) -> None:
        """
        A denial has no longer TTL than the bound, from the first caller on; with a bound of 0 it is not cached here, nor by clients.
        """
        self.inner.set("www.example.com", "A", denied(Outcome.NXDOMAIN, SOA))
        for most in (60, 0):
            self.cache = CachedSource(self.inner, self.clock, store=Store(lifetimes=Lifetimes(mostDenial=most)))
            before = self.inner.asked
            self.assertEqual([self.ask().authority[0].ttl, self.ask().authority[0].ttl], [most, most])
            self.assertEqual(self.inner.asked - before, 1 if most else 2)


class PositiveTests(CachingCase):
    """
    Tests for answers with data.
    """

    def test_providesIAnswerSource(self) -> None:
        """
        The cache is an answer source and lists its inner source.
        """
        verifyObject(IAnswerSource, self.cache)
        (sharing,) = self.cache.sources()
        self.assertEqual(sharing.sources(), (self.inner,))

    def test_hitAsksNoSource(self) -> None:
        """
        A cached question is not asked again while its answer holds.
        """
        self.assertIs(self.ask(), ANSWER)
        for _ in range(3):
            self.assertEqual(self.ask().answer, ANSWER.answer)
        self.assertEqual(self.inner.asked, 1)

    def test_ttlsCountDown(self) -> None:
        """
        TTLs go down by the second, and the answer expires with them.
        """
        self.ask()
        for passed, left in ((0, 300), (0.5, 300), (0.5, 299), (10, 289), (288.5, 1)):
            self.clock.advance(passed)
            self.assertEqual([rrset.ttl for rrset in self.ask().answer], [left])
        self.assertEqual(self.inner.asked, 1)
        self.clock.advance(0.5)
        self.assertEqual([rrset.ttl for rrset in self.ask().answer], [300])
        self.assertEqual(self.inner.asked, 2)

    def test_hitsWithinASecondShareTheAnswer(self) -> None:
        """
        Frequent hits within a second get the same object, so that a hit allocates nothing.
        """
        self.ask()
        self.ask()
        self.assertIs(self.ask(), self.ask())

    def test_cachedAnswerHasOriginAndNoAuthority(self) -> None:
        """
        A cached answer names its origin and age, keeps the extended errors, and does not claim to be authoritative.
        """
        answer = answered("www.example.com. 300 IN A 192.0.2.1", flags=0x85A0)
        answer.ede = ((4, "forged by policy"),)
        self.inner.set("www.example.com", "A", answer)
        self.ask()
        self.clock.advance(7)
        kept = self.ask()
        self.assertEqual((kept.authoritative, kept.authenticated, kept.security), (False, True, Security.INDETERMINATE))
        self.assertEqual((kept.ede, kept.outcome, kept.rcode), (((4, "forged by policy"),), Outcome.DATA, 0))
        assert kept.origin is not None
        self.assertEqual((kept.origin.source, kept.origin.server, kept.origin.age), ("cache", "192.0.2.1:53", 7.0))

    def test_zeroTTLIsNotCached(self) -> None:
        """
        An answer with a TTL of 0 is not cached.
        """
        self.inner.set("www.example.com", "A", answered("www.example.com. 0 IN A 192.0.2.1"))
        self.ask()
        self.ask()
        self.assertEqual(self.inner.asked, 2)

    def test_flagsAreCachedApart(self) -> None:
        """
        Answers to queries with CD or DO are not given to queries without, nor the other way around.
        """
        for context in (wishes(), wishes(checkingDisabled=True), wishes(dnssecOk=True)):
            self.ask(context=context)
        self.assertEqual(self.inner.asked, 3)

    def test_queriesWithOptionsBypassTheCache(self) -> None:
        """
        A query with EDNS options goes to the source, and its answer is not given to other queries.
        """
        for _ in range(2):
            self.ask(context=QueryContext(1e9, options=((3, b""),)))
        self.ask()
        self.assertEqual(self.inner.asked, 3)

    def test_otherClassesAreNotCached(self) -> None:
        """
        Classes other than IN are passed through.
        """
        from twisted_ext.wire.message import Question

        chaos = Question(WWW.name, 16, 3)
        inner = CannedSource(otherwise=answered('www.example.com. 300 CH TXT "a"'))
        cache = CachedSource(inner, self.clock)
        for _ in range(2):
            self.successResultOf(lookUp(cache, chaos, wishes()))
        self.assertEqual(inner.asked, 2)

    def test_clockSetBackProlongsNothing(self) -> None:
        """
        A clock that is set back does not prolong an answer.
        """
        self.ask()
        self.clock.rightNow -= 500
        self.ask()
        self.assertEqual(self.inner.asked, 2)

    def test_innerAnswerNowIsUsed(self) -> None:
        """
        An answer that the inner source has at hand is given at once.
        """
        outer = CachedSource(self.cache, self.clock)
        self.ask()
        self.assertIsNotNone(atHand(outer, WWW, wishes()))

    def test_traceShowsHitAndMiss(self) -> None:
        """
        The trace of a look-up shows a hit or a miss.
        """
        notes = []
        for _ in range(2):
            trace = Trace()
            self.ask(context=QueryContext(1e9, trace=trace))
            notes.append([note.event for note in trace.notes])
        self.assertEqual(notes, [["miss", "kept"], ["hit", "hit"]])

    def test_statisticsCountHitsAndMisses(self) -> None:
        """
        The statistics count hits, misses and entries.
        """
        self.ask()
        for _ in range(3):
            self.ask()
        stats = self.cache.stats
        self.assertEqual((stats.hits, stats.misses, stats.kept, stats.entries), (6, 1, 1, 1))
        self.assertIn("hits=6", repr(stats))
        self.assertEqual(self.cache.stats.hits, 6)


class DenialTests(CachingCase):
    """
    Tests for answers without data (RFC 2308).
    """

    def deny(self, outcome: Outcome, *soa: str, name: str = "www.example.com", rrType: str = "A") -> None:
        """
        Set the denial that the inner source gives.
        """
        self.inner.set(name, rrType, denied(outcome, *soa))

    def test_nxdomainHoldsForAllTypes(self) -> None:
        """
        NXDOMAIN is cached for all types of the name.
        """
        self.deny(Outcome.NXDOMAIN, SOA)
        self.ask()
        for rrType in ("A", "AAAA", "MX"):
            self.assertEqual(self.ask(rrType=rrType).outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.inner.asked, 1)

    def test_nodataHoldsForOneType(self) -> None:
        """
        NODATA is cached for one type only.
        """
        self.deny(Outcome.NODATA, SOA)
        self.inner.set("www.example.com", "AAAA", answered("www.example.com. 300 IN AAAA 2001:db8::1"))
        self.ask()
        self.assertEqual(self.ask().outcome, Outcome.NODATA)
        self.assertEqual(self.ask(rrType="AAAA").outcome, Outcome.DATA)
        self.assertEqual(self.inner.asked, 2)

    def test_denialHoldsForLesserOfTTLAndMinimum(self) -> None:
        """
        A denial is cached for the lesser of the SOA record's TTL and MINIMUM field, and its TTL counts down.
        """
        self.deny(Outcome.NODATA, SOA)
        self.ask()
        self.clock.advance(599)
        self.assertEqual([rrset.ttl for rrset in self.ask().authority], [1])
        self.clock.advance(1)
        self.ask()
        self.assertEqual(self.inner.asked, 2)

    def test_answerReplacesDenial(self) -> None:
        """
        An answer replaces the cached denial of its name.
        """
        self.deny(Outcome.NXDOMAIN, SOA)
        self.ask()
        self.cache.store.keep(WWW, b"", ANSWER, self.clock.seconds())
        self.assertEqual(self.ask().outcome, Outcome.DATA)
        self.assertIsNone(atHand(self.cache, question("www.example.com", "AAAA"), wishes()))

    def test_provedNXDOMAINCoversNamesBelow(self) -> None:
        """
        A validated NXDOMAIN covers all names below (RFC 8020). One that is not validated does not.
        """
        for security, expected in ((Security.SECURE, 1), (Security.INDETERMINATE, 3)):
            answer = denied(Outcome.NXDOMAIN, SOA)
            answer.security = security
            inner = CannedSource(otherwise=answer)
            cache = CachedSource(inner, self.clock)
            for name in ("gone.example.com", "a.gone.example.com", "b.a.gone.example.com"):
                given = self.successResultOf(lookUp(cache, question(name), wishes()))
                self.assertIs(given.outcome, Outcome.NXDOMAIN)
            self.assertEqual(inner.asked, expected)
            self.assertIsNone(atHand(cache, question("notgone.example.com"), wishes()))
            self.assertIsNone(atHand(cache, question("a.gone.example.com"), wishes(dnssecOk=True)))

    def test_aliasToMissingNameStaysForOtherTypes(self) -> None:
        """
        An alias whose target does not exist is not denied for other types (RFC 6604).
        """
        alias = "www.example.com. 300 IN CNAME gone.example.com."
        self.inner.set("www.example.com", "A", denied(Outcome.NXDOMAIN, SOA, answer=(alias,)))
        self.ask()
        self.assertEqual(self.ask().outcome, Outcome.NXDOMAIN)
        self.assertIsNone(atHand(self.cache, question("www.example.com", "CNAME"), wishes()))


class FailureTests(CachingCase):
    """
    Tests for cached failures (RFC 9520; attack 11).
    """

    def askOften(self, times: int) -> int:
        """
        Return how many of several look-ups in a row reached the source.
        """
        before = self.inner.asked
        for _ in range(times):
            self.failureResultOf(lookUp(self.cache, WWW, wishes()))
        return self.inner.asked - before

    def test_failureIsCachedWithItsReason(self) -> None:
        """
        A failed question is not sent again at once, and the caller gets the original reason.
        """
        self.inner.set("www.example.com", "A", ServerFailed("192.0.2.1:53 answered REFUSED", server="192.0.2.1:53", rcode=5))
        self.assertEqual(self.askOften(5), 1)
        fault = self.failureResultOf(lookUp(self.cache, WWW, wishes()), ServerFailed).value
        self.assertEqual((fault.rcode, fault.server, fault.ede), (5, "192.0.2.1:53", ((0, "192.0.2.1:53 answered REFUSED"), (13, ""))))
        self.assertRaises(ServerFailed, self.cache.ask, WWW, wishes())
        self.clock.advance(5)
        self.assertEqual(self.askOften(5), 1)
        self.assertGreater(self.cache.stats.failures, 0)

    def test_withoutDefenseEveryLookupGoesOut(self) -> None:
        """
        Every look-up would go out without the cache of failures.
        """
        self.cache.store.failures.first = 0.0
        self.inner.set("www.example.com", "A", ServerFailed("no"))
        self.assertEqual(self.askOften(5), 5)

    def test_failuresBackOff(self) -> None:
        """
        The interval between attempts grows with each failure, up to half a minute.
        """
        self.inner.set("www.example.com", "A", ServerFailed("no"))
        tried = []
        for second in range(120):
            if self.askOften(1):
                tried.append(second)
            self.clock.advance(1)
        self.assertEqual(tried, [0, 5, 15, 35, 65, 95])

    def test_answerResetsBackoff(self) -> None:
        """
        An answer resets the backoff.
        """
        self.inner.set("www.example.com", "A", ServerFailed("no"))
        self.askOften(1)
        self.clock.advance(5)
        self.inner.set("www.example.com", "A", answered("www.example.com. 1 IN A 192.0.2.1"))
        self.ask()
        self.clock.advance(1)
        self.inner.set("www.example.com", "A", ServerFailed("no"))
        self.askOften(1)
        self.clock.advance(5)
        self.assertEqual(self.askOften(1), 1)

    def test_timeoutWithoutTimeIsNotCached(self) -> None:
        """
        A look-up that had no time left says nothing about the servers and is not cached as a failure.
        """
        self.inner.set("www.example.com", "A", TimedOut("no time"))
        self.assertEqual(self.askOften(3), 3)

    def test_realTimeoutIsCached(self) -> None:
        """
        A timeout after a long enough wait is cached as a failure.
        """
        held = HeldSource()
        cache = CachedSource(held, self.clock)
        first = lookUp(cache, WWW, wishes())
        self.clock.advance(2)
        held.release(TimedOut("silence"))
        self.failureResultOf(first, TimedOut)
        self.failureResultOf(lookUp(cache, WWW, wishes()), TimedOut)
        self.assertEqual(held.asked, 1)

    def test_sharedTimeoutIsCachedOnce(self) -> None:
        """
        A shared look-up fails once, when it ends, however many callers have timed out before. Until then new callers join it.
        """
        held = HeldSource()
        cache = CachedSource(held, self.clock)
        hurried = [lookUp(cache, WWW, wishes(1002.5 + number / 2)) for number in range(3)]
        patient = lookUp(cache, WWW, wishes(1005.0))
        self.clock.pump([2.5, 0.5, 0.5])
        for waiter in hurried:
            self.failureResultOf(waiter, TimedOut)
        joined = lookUp(cache, WWW, wishes(1005.0))
        self.assertNoResult(joined)
        self.clock.advance(1.5)
        held.release(TimedOut("silence"))
        for waiter in (patient, joined, lookUp(cache, WWW, wishes())):
            self.failureResultOf(waiter, TimedOut)
        self.clock.advance(5)
        self.assertNoResult(lookUp(cache, WWW, wishes()))
        self.assertEqual(held.asked, 2)

    def test_unreachableIsCachedForASecond(self) -> None:
        """
        A network that cannot be reached is cached as a failure for one second.
        """
        self.inner.set("www.example.com", "A", Unreachable("no route"))
        self.assertEqual(self.askOften(3), 1)
        self.clock.advance(1)
        self.assertEqual(self.askOften(3), 1)

    def test_callersMistakeIsNotCached(self) -> None:
        """
        A mistake of the caller is not cached as a failure.
        """
        self.inner.set("www.example.com", "A", BadRecord("no"))
        self.assertEqual(self.askOften(3), 3)

    def test_eachCallerGetsItsOwnException(self) -> None:
        """
        Each caller gets its own exception object.
        """
        self.inner.set("www.example.com", "A", ServerFailed("no"))
        faults = [self.failureResultOf(lookUp(self.cache, WWW, wishes())).value for _ in range(3)]
        self.assertEqual(len({id(fault) for fault in faults}), 3)


class UpkeepTests(CachingCase):
    """
    Tests for flushing, dumping and loading.
    """

    def test_flushedNamesAreAskedAgain(self) -> None:
        """
        Flushed names are asked for again.
        """
        self.ask()
        self.assertEqual(self.cache.flush(nameFromText("example.com")), 0)
        self.assertEqual(self.cache.flush(nameFromText("Example.com"), subtree=True), 1)
        self.ask()
        self.assertEqual(self.cache.flush(), 1)
        self.ask()
        self.assertEqual(self.inner.asked, 3)

    def test_answerInFlightIsNotCachedAfterFlush(self) -> None:
        """
        An answer that was in flight during a flush is given to its caller, but not cached.
        """
        held = HeldSource()
        cache = CachedSource(held, self.clock)
        waiter = lookUp(cache, WWW, wishes())
        cache.flush()
        held.release(ANSWER)
        self.assertIs(self.successResultOf(waiter), ANSWER)
        self.assertIsNone(atHand(cache, WWW, wishes()))

    def test_lookupAfterFlushJoinsNoEarlierOne(self) -> None:
        """
        A look-up after a flush does not join one from before it. Without this defense it would.
        """
        held = HeldSource()
        cache = CachedSource(CoalescingSource(held, self.clock), self.clock)
        for defended in (True, False):
            if not defended:
                self.patch(CoalescingSource, "startAnew", lambda source: None)
            before = lookUp(cache, WWW, wishes())
            cache.flush()
            after = lookUp(cache, WWW, wishes())
            self.assertEqual(len(held.held), 2 if defended else 1)
            held.release(ANSWER)
            self.successResultOf(before)
            self.successResultOf(after)
            cache.flush()

    def test_failureInFlightIsNotCachedAfterFlush(self) -> None:
        """
        A failure that was in flight during a flush is not cached.
        """
        held = HeldSource()
        cache = CachedSource(held, self.clock)
        waiter = lookUp(cache, WWW, wishes())
        cache.flush()
        held.release(ServerFailed("no"))
        self.failureResultOf(waiter, ServerFailed)
        lookUp(cache, WWW, wishes())
        self.assertEqual(held.asked, 2)

    def test_dumpAndLoad(self) -> None:
        """
        A cache that was dumped and loaded elsewhere answers as if no time had been lost.
        """
        self.ask()
        lines = list(self.cache.dump())
        self.clock.advance(100)
        other = CachedSource(self.inner, self.clock, today=self.clock.seconds)
        self.assertEqual(other.load(lines).answers, 1)
        kept = atHand(other, WWW, wishes())
        assert kept is not None
        self.assertEqual([(rrset.ttl, rrset.rdatas) for rrset in kept.answer], [(200, (b"\xc0\x00\x02\x01",))])
