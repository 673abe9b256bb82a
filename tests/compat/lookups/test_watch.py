"""
Tests of L{Watch<twisted_ext.compat.lookups.watch.Watch>}.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.compat.lookups.watched import DENIED, NAME, WatchTestCase, lasting
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

    def test_first(self) -> None:
        """
        What there is now is told at once.
        """
        change = self.successResultOf(self.next(self.watched()))
        self.assertEqual((change.before, change.texts, change.error), (None, ("192.0.2.1",), None))
        assert change.answer is not None
        self.assertIs(change.answer.outcome, Outcome.DATA)

    def test_changes(self) -> None:
        """
        A change is told when the TTL has ended, and what stays the same is not told again.
        """
        self.tell(self.watched())
        self.pass_(59)
        self.assertEqual(self.source.asked, 1)
        self.pass_(61)
        self.assertEqual(self.source.asked, 3)
        self.set(lasting(59, "192.0.2.2"))
        self.pass_(60)
        self.assertEqual(self.told, ["192.0.2.1", "192.0.2.2 (was 192.0.2.1)"])
        self.set(lasting(59))
        self.pass_(60)
        self.assertEqual(self.told[2:], ["no such records (was 192.0.2.2)"])

    def test_denials(self) -> None:
        """
        A denial is looked at again when it has ended, which its SOA record says.
        """
        self.set(DENIED)
        self.tell(self.watched())
        self.set("192.0.2.1")
        self.pass_(29)
        self.assertEqual((self.source.asked, self.told), (1, ["no such name"]))
        self.pass_(1)
        self.assertEqual(self.told[1:], ["192.0.2.1 (was no such name)"])

    def test_oneTimer(self) -> None:
        """
        There is one timer while somebody waits, and none while nobody does.
        """
        watch = self.watched()
        self.successResultOf(self.next(watch))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        waiting = self.next(watch)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.set(lasting(59, "192.0.2.2"))
        self.pass_(60)
        self.assertEqual(self.successResultOf(waiting).texts, ("192.0.2.2",))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_busy(self) -> None:
        """
        Whoever is busy meanwhile asks nobody, and is told at once what there is then.
        """
        watch = self.watched()
        self.successResultOf(self.next(watch))
        self.set(lasting(59, "192.0.2.2"))
        self.pass_(100)
        self.set(lasting(59, "192.0.2.3"))
        self.pass_(100)
        self.assertEqual(self.source.asked, 1)
        change = self.successResultOf(self.next(watch))
        self.assertEqual(str(change), "192.0.2.3 (was 192.0.2.1)")

    def test_failures(self) -> None:
        """
        That look-ups fail is told once, and does not end it; that they do not any more is told as well. Meanwhile they are fewer and fewer.
        """
        self.tell(self.watched())
        self.set(TimedOut("silence"))
        self.pass_(60)
        self.assertEqual(self.told[1:], [f"not known: {NAME}: silence (was 192.0.2.1)"])
        for asked, seconds in ((3, 5), (4, 10), (5, 20), (6, 40), (7, 60), (8, 60)):
            self.pass_(seconds)
            self.assertEqual(self.source.asked, asked)
        self.set(lasting(59, "192.0.2.1"))
        self.pass_(60)
        self.assertEqual(self.told[2:], [f"192.0.2.1 (was not known: {NAME}: silence)"])

    def test_raising(self) -> None:
        """
        Who asks for it gets the exception of the first look-up that fails, and that is the end.
        """
        for entry in (ServerFailed("no"), Answer(Outcome.NODATA, rcode=5)):
            self.set(lasting(59, "192.0.2.1"))
            watch = self.watched(raising=True)
            ended = self.tell(watch)
            self.set(entry)
            self.pass_(60)
            self.failureResultOf(ended, LookupFailed)
            self.assertTrue(watch.closed)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closedResolver(self) -> None:
        """
        A resolver that was closed will not come back: that ends it.
        """
        ended = self.tell(self.watched())
        self.resolver.close()
        self.pass_(60)
        self.failureResultOf(ended, ResolverError)

    def test_close(self) -> None:
        """
        Closing it ends the loop that goes through it, and stops its timer or its look-up.
        """
        held = HeldSource()
        for resolver in (self.resolver, NamesResolver(held, self.clock)):
            watch = self.watched(resolver)
            ended = self.tell(watch)
            self.assertNoResult(ended)
            self.successResultOf(Deferred.fromCoroutine(watch.aclose()))
            self.successResultOf(ended)
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.failureResultOf(self.next(watch), StopAsyncIteration)
        self.assertEqual(len(held.cancelled), 1)

    def test_cancel(self) -> None:
        """
        Cancelling whoever waits stops timer and look-up, and leaves the watch to go on later.
        """
        held = HeldSource()
        for resolver in (self.resolver, NamesResolver(held, self.clock)):
            watch = self.watched(resolver)
            ended = self.tell(watch)
            ended.cancel()
            self.failureResultOf(ended, CancelledError)
            self.assertEqual((self.clock.getDelayedCalls(), held.held, watch.closed), ([], [], False))
        waiting = self.next(watch)
        held.release(answerOf(held.questions[0], ("192.0.2.2",), 59))
        self.assertEqual(self.successResultOf(waiting).texts, ("192.0.2.2",))

    def test_break(self) -> None:
        """
        Leaving the loop leaves nothing behind, and leaving the context closes it.
        """
        watch = self.watched()

        async def first() -> str:
            async with watch:
                async for change in watch:
                    return str(change)
            return ""

        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(first())), "192.0.2.1")
        self.assertEqual((watch.closed, self.clock.getDelayedCalls()), (True, []))

    def test_twoWaiting(self) -> None:
        """
        Two cannot wait for the same changes: each is told once.
        """
        watch = self.watched()
        self.tell(watch)
        self.failureResultOf(self.next(watch), RuntimeError)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_cache(self) -> None:
        """
        A cache is asked past when what it has has ended, and not before.
        """
        resolver = NamesResolver(CachedSource(self.source, self.clock), self.clock)
        self.pass_(5)
        self.successResultOf(resolver.lookupAddress(NAME))
        self.pass_(20)
        self.tell(self.watched(resolver))
        self.set(lasting(59, "192.0.2.2"))
        self.pass_(39)
        self.assertEqual((self.source.asked, self.told), (1, ["192.0.2.1"]))
        self.pass_(1)
        self.assertEqual((self.source.asked, len(self.told)), (2, 2))

    def test_interval(self) -> None:
        """
        Who wishes for an interval has it: what the cache still holds is forgotten, for this name alone. Without that the change would be
        seen only when the TTL has ended.
        """
        source = self.source
        source.set("other.example.org", "A", "192.0.2.9")
        resolver = NamesResolver(CachedSource(source, self.clock), self.clock)
        self.successResultOf(resolver.lookupAddress("other.example.org"))
        self.tell(self.watched(resolver, interval=2))
        self.set(lasting(59, "192.0.2.2"))
        self.pass_(2)
        self.assertEqual(self.told, ["192.0.2.1", "192.0.2.2 (was 192.0.2.1)"])
        self.successResultOf(resolver.lookupAddress("other.example.org"))
        self.assertEqual([question.name for question in source.questions].count(nameFromText("other.example.org")), 1)
        self.patch(watching, "_forget", lambda source, name: None)
        self.set(lasting(59, "192.0.2.3"))
        self.pass_(57)
        self.assertEqual(len(self.told), 2)

    def test_aliases(self) -> None:
        """
        Where a server leaves it to us to follow its aliases, that is done, and the shortest TTL on the way counts.
        """
        target = nameFromText("host.example.net")
        alias = rrsetOf(nameFromText(NAME), CNAME, "host.example.net.", 19)
        self.set(Answer(Outcome.NODATA, (alias,)))
        self.source.set("host.example.net", "A", lasting(59, "192.0.2.1"))
        watch = self.watched()
        self.assertEqual(self.successResultOf(self.next(watch)).texts, ("192.0.2.1",))
        assert watch.state is not None and watch.state.answer is not None
        self.assertEqual([each.name for each in watch.state.answer.answer], [alias.name, target])
        self.source.set("host.example.net", "A", lasting(59, "192.0.2.2"))
        waiting = self.next(watch)
        self.pass_(20)
        self.assertEqual(self.successResultOf(waiting).texts, ("192.0.2.2",))

    def test_aliasesWithoutEnd(self) -> None:
        """
        Aliases that lead round in circles, or on and on, end: then there are no records.
        """
        self.source = CannedSource(otherwise=lambda question: _leading(question, len(self.source.questions)))
        watch = self.watched(NamesResolver(self.source, self.clock))
        self.assertEqual(str(self.successResultOf(self.next(watch))), "no such records")
        self.assertEqual(self.source.asked, 1 + WATCH_ALIASES.default)
        self.source = CannedSource({(NAME, "A"): lambda question: _leading(question, -1)})
        watch = self.watched(NamesResolver(self.source, self.clock))
        self.assertEqual(str(self.successResultOf(self.next(watch))), "no such records")
        self.assertLess(self.source.asked, 4)

    def test_description(self) -> None:
        """
        A description is made anew for each look and closed behind it, so that leaving at any time leaves nothing open.
        """
        made: list[CannedSource] = []

        def resolverOf(given: object) -> NamesResolver:
            made.append(CannedSource({(NAME, "A"): lasting(59, f"192.0.2.{len(made)}")}))
            return NamesResolver(made[-1], self.clock)

        self.patch(watching, "resolverOf", resolverOf)
        self.tell(Watch(NAME, resolver="udp:192.0.2.53", draw=lambda: 0.0))
        self.pass_(60)
        self.assertEqual(self.told, ["192.0.2.1", "192.0.2.2 (was 192.0.2.1)"])
        self.assertEqual([each.closed for each in made], [True] * 3)


def _leading(question: Question, number: int) -> Answer:
    """
    @return: an alias to a name with this number, or to itself for -1.
    """
    target = NAME if number < 0 else f"h{number}.example.org"
    return Answer(Outcome.NODATA, (rrsetOf(question.name, CNAME, f"{target}.", 60),))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a..b",), "label"),
        ((5,), "5 is not a name"),
        ((NAME, "BOGUS"), "'BOGUS' is not a record type"),
        ((NAME, 70000), "70000 is not a record type"),
        ((NAME, "AXFR"), "AXFR is not a type that a name has records of"),
    ],
)
def test_wrong(words: Sequence[str], said: str) -> None:
    """
    What cannot be watched is told at once.
    """
    with pytest.raises(CallerFault, match=said):
        client.watch(*words, resolver=NamesResolver(CannedSource(), Clock()))
