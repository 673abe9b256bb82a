"""
Tests of L{Watch<twisted_ext.compat.lookups.watch.Watch>}.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.compat.lookups.watched import DENIED, NAME, WatchTestCase, recordsWithTTL
from twisted_ext import client
from twisted_ext.answers import Answer, Outcome, Question
from twisted_ext.compat.conversion.errors import LookupFailed, ResolverError
from twisted_ext.compat.lookups import watch as watching
from twisted_ext.compat.lookups.watch import Watch
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import CallerFault, ServerFailed, TimedOut
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, rrsetOf
from twisted_ext.watch.limits import WATCH_ALIASES
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import CNAME

__all__: list[str] = []


class WatchTests(WatchTestCase):
    """
    Tests of L{Watch}.
    """

    def test_currentRecordsComeFirst(self) -> None:
        """
        The first change holds the current records and comes at once.
        """
        change = self.successResultOf(self.nextChange(self.newWatch()))
        self.assertEqual((change.before, change.texts, change.error), (None, ("192.0.2.1",), None))
        assert change.answer is not None
        self.assertIs(change.answer.outcome, Outcome.DATA)

    def test_changeIsReportedAfterTTL(self) -> None:
        """
        A change is reported when the TTL has expired; unchanged records are not reported again.
        """
        self.record(self.newWatch())
        self.advance(59)
        self.assertEqual(self.source.asked, 1)
        self.advance(61)
        self.assertEqual(self.source.asked, 3)
        self.setRecord(recordsWithTTL(59, "192.0.2.2"))
        self.advance(60)
        self.assertEqual(self.recorded, ["192.0.2.1", "192.0.2.2 (was 192.0.2.1)"])
        self.setRecord(recordsWithTTL(59))
        self.advance(60)
        self.assertEqual(self.recorded[2:], ["no such records (was 192.0.2.2)"])

    def test_denialIsRepeatedAfterItsTTL(self) -> None:
        """
        A denial is looked up again when the TTL from its SOA record has expired.
        """
        self.setRecord(DENIED)
        self.record(self.newWatch())
        self.setRecord("192.0.2.1")
        self.advance(29)
        self.assertEqual((self.source.asked, self.recorded), (1, ["no such name"]))
        self.advance(1)
        self.assertEqual(self.recorded[1:], ["192.0.2.1 (was no such name)"])

    def test_timerOnlyWhileWaiting(self) -> None:
        """
        There is one timer while a caller waits, and none otherwise.
        """
        watch = self.newWatch()
        self.successResultOf(self.nextChange(watch))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        waiting = self.nextChange(watch)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.setRecord(recordsWithTTL(59, "192.0.2.2"))
        self.advance(60)
        self.assertEqual(self.successResultOf(waiting).texts, ("192.0.2.2",))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_busyCallerGetsLatestState(self) -> None:
        """
        No query is sent while the caller does not wait. The next wait gives the current state at once.
        """
        watch = self.newWatch()
        self.successResultOf(self.nextChange(watch))
        self.setRecord(recordsWithTTL(59, "192.0.2.2"))
        self.advance(100)
        self.setRecord(recordsWithTTL(59, "192.0.2.3"))
        self.advance(100)
        self.assertEqual(self.source.asked, 1)
        change = self.successResultOf(self.nextChange(watch))
        self.assertEqual(str(change), "192.0.2.3 (was 192.0.2.1)")

    def test_failureIsReportedOnce(self) -> None:
        """
        A failing look-up is reported once and does not end the watch; its end is reported, too. Look-ups slow down in the meantime.
        """
        self.record(self.newWatch())
        self.setRecord(TimedOut("silence"))
        self.advance(60)
        self.assertEqual(self.recorded[1:], [f"not known: {NAME}: silence (was 192.0.2.1)"])
        for asked, seconds in ((3, 5), (4, 10), (5, 20), (6, 40), (7, 60), (8, 60)):
            self.advance(seconds)
            self.assertEqual(self.source.asked, asked)
        self.setRecord(recordsWithTTL(59, "192.0.2.1"))
        self.advance(60)
        self.assertEqual(self.recorded[2:], [f"192.0.2.1 (was not known: {NAME}: silence)"])

    def test_raisingEndsWithFirstFailure(self) -> None:
        """
        A watch with C{raising} fails with the exception of the first failed look-up and is closed.
        """
        for entry in (ServerFailed("no"), Answer(Outcome.NODATA, rcode=5)):
            self.setRecord(recordsWithTTL(59, "192.0.2.1"))
            watch = self.newWatch(raising=True)
            ended = self.record(watch)
            self.setRecord(entry)
            self.advance(60)
            self.failureResultOf(ended, LookupFailed)
            self.assertTrue(watch.closed)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closedResolverEndsTheWatch(self) -> None:
        """
        A closed resolver ends the watch.
        """
        ended = self.record(self.newWatch())
        self.resolver.close()
        self.advance(60)
        self.failureResultOf(ended, ResolverError)

    def test_closeEndsTheLoop(self) -> None:
        """
        Closing ends the loop over the watch, and its timer or look-up.
        """
        held = HeldSource()
        for resolver in (self.resolver, NamesResolver(held, self.clock)):
            watch = self.newWatch(resolver)
            ended = self.record(watch)
            self.assertNoResult(ended)
            self.successResultOf(Deferred.fromCoroutine(watch.aclose()))
            self.successResultOf(ended)
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.failureResultOf(self.nextChange(watch), StopAsyncIteration)
        self.assertEqual(len(held.cancelled), 1)

    def test_cancelLeavesTheWatchOpen(self) -> None:
        """
        Canceling a wait stops timer and look-up, and the watch can be continued.
        """
        held = HeldSource()
        for resolver in (self.resolver, NamesResolver(held, self.clock)):
            watch = self.newWatch(resolver)
            ended = self.record(watch)
            ended.cancel()
            self.failureResultOf(ended, CancelledError)
            self.assertEqual((self.clock.getDelayedCalls(), held.held, watch.closed), ([], [], False))
        waiting = self.nextChange(watch)
        held.release(answerOf(held.questions[0], ("192.0.2.2",), 59))
        self.assertEqual(self.successResultOf(waiting).texts, ("192.0.2.2",))

    def test_leavingTheContextCloses(self) -> None:
        """
        Leaving the loop leaves nothing open, and leaving the context closes the watch.
        """
        watch = self.newWatch()

        async def first() -> str:
            async with watch:
                async for change in watch:
                    return str(change)
            return ""

        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(first())), "192.0.2.1")
        self.assertEqual((watch.closed, self.clock.getDelayedCalls()), (True, []))

    def test_secondWaitIsRefused(self) -> None:
        """
        A second wait at the same time is refused, as each change is reported once.
        """
        watch = self.newWatch()
        self.record(watch)
        self.failureResultOf(self.nextChange(watch), RuntimeError)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_cacheIsBypassedAfterTTL(self) -> None:
        """
        The cache is bypassed once its entry has expired, and not before.
        """
        resolver = NamesResolver(CachedSource(self.source, self.clock), self.clock)
        self.advance(5)
        self.successResultOf(resolver.lookupAddress(NAME))
        self.advance(20)
        self.record(self.newWatch(resolver))
        self.setRecord(recordsWithTTL(59, "192.0.2.2"))
        self.advance(39)
        self.assertEqual((self.source.asked, self.recorded), (1, ["192.0.2.1"]))
        self.advance(1)
        self.assertEqual((self.source.asked, len(self.recorded)), (2, 2))

    def test_intervalFlushesTheNameOnly(self) -> None:
        """
        A watch with an interval drops the cached records of its own name only. A change would otherwise be noticed only when the TTL has
        expired.
        """
        source = self.source
        source.set("other.example.org", "A", "192.0.2.9")
        resolver = NamesResolver(CachedSource(source, self.clock), self.clock)
        self.successResultOf(resolver.lookupAddress("other.example.org"))
        self.record(self.newWatch(resolver, interval=2))
        self.setRecord(recordsWithTTL(59, "192.0.2.2"))
        self.advance(2)
        self.assertEqual(self.recorded, ["192.0.2.1", "192.0.2.2 (was 192.0.2.1)"])
        self.successResultOf(resolver.lookupAddress("other.example.org"))
        self.assertEqual([question.name for question in source.questions].count(nameFromText("other.example.org")), 1)
        self.patch(watching, "behind", lambda source, kind: ())
        self.setRecord(recordsWithTTL(59, "192.0.2.3"))
        self.advance(57)
        self.assertEqual(len(self.recorded), 2)

    def test_aliasesAreFollowed(self) -> None:
        """
        Aliases that the server does not follow are followed here, and the shortest TTL counts.
        """
        target = nameFromText("host.example.net")
        alias = rrsetOf(nameFromText(NAME), CNAME, "host.example.net.", 19)
        self.setRecord(Answer(Outcome.NODATA, (alias,)))
        self.source.set("host.example.net", "A", recordsWithTTL(59, "192.0.2.1"))
        watch = self.newWatch()
        self.assertEqual(self.successResultOf(self.nextChange(watch)).texts, ("192.0.2.1",))
        assert watch.state is not None and watch.state.answer is not None
        self.assertEqual([each.name for each in watch.state.answer.answer], [alias.name, target])
        self.source.set("host.example.net", "A", recordsWithTTL(59, "192.0.2.2"))
        waiting = self.nextChange(watch)
        self.advance(20)
        self.assertEqual(self.successResultOf(waiting).texts, ("192.0.2.2",))

    def test_aliasChainsEnd(self) -> None:
        """
        Alias loops and endless alias chains end with no records.
        """
        self.source = CannedSource(otherwise=lambda question: _aliasTo(question, len(self.source.questions)))
        watch = self.newWatch(NamesResolver(self.source, self.clock))
        self.assertEqual(str(self.successResultOf(self.nextChange(watch))), "no such records")
        self.assertEqual(self.source.asked, 1 + WATCH_ALIASES.default)
        self.source = CannedSource({(NAME, "A"): lambda question: _aliasTo(question, -1)})
        watch = self.newWatch(NamesResolver(self.source, self.clock))
        self.assertEqual(str(self.successResultOf(self.nextChange(watch))), "no such records")
        self.assertLess(self.source.asked, 4)

    def test_describedResolverIsClosedEachTime(self) -> None:
        """
        A described resolver is created again for each look-up and closed after it, so that nothing stays open.
        """
        made: list[CannedSource] = []

        def resolverOf(given: object) -> NamesResolver:
            made.append(CannedSource({(NAME, "A"): recordsWithTTL(59, f"192.0.2.{len(made)}")}))
            return NamesResolver(made[-1], self.clock)

        self.patch(watching, "resolverOf", resolverOf)
        self.record(Watch(NAME, resolver="udp:192.0.2.53", draw=lambda: 0.0))
        self.advance(60)
        self.assertEqual(self.recorded, ["192.0.2.1", "192.0.2.2 (was 192.0.2.1)"])
        self.assertEqual([each.closed for each in made], [True] * 3)


def _aliasTo(question: Question, number: int) -> Answer:
    """
    Return an alias to a name with this number, or to itself for -1.
    """
    target = NAME if number < 0 else f"h{number}.example.org"
    return Answer(Outcome.NODATA, (rrsetOf(question.name, CNAME, f"{target}.", 60),))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("a..b",), "label"),
        ((5,), "5 is not a name"),
        ((NAME, "BOGUS"), "'BOGUS' is not a record type"),
        ((NAME, 70000), "70000 is not a record type"),
        ((NAME, "AXFR"), "AXFR is not a type that a name has records of"),
    ],
)
def test_invalidArgumentsAreRefused(words: Sequence[str], expected: str) -> None:
    """
    A watch for an invalid name or type is refused at once.
    """
    with pytest.raises(CallerFault, match=expected):
        client.watch(*words, resolver=NamesResolver(CannedSource(), Clock()))
