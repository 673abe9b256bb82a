"""
The caching answer source.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import classImplements

from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.cache.choice import EVERYTHING, Choice
from twisted_ext.cache.entries import Entry, denialKey
from twisted_ext.cache.store import Statistics, Store
from twisted_ext.cache.variants import kinOf, madePlainer, needsNoSignatures, unsignedOf
from twisted_ext.errors import BudgetSpent, DNSFault, PeerFault, TrustFault, WorkSpent
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import FLIGHT_SECONDS, STALE_SECONDS, STALE_WAIT
from twisted_ext.resolver.ask import Query, QueryStart, Waiter, behind, lookUp, queryOf
from twisted_ext.resolver.caching.coalescing import CoalescingSource, LearningSource
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.cache.dump import LoadResult

__all__ = ["CachedSource"]

#: TTL of stale answers (RFC 8767, section 4).
_STALE_TTL: Final = 30

#: Seconds after a failure during which stale answers are used at once, without a query (RFC 8767, section 5).
_STALE_RECHECK: Final = 30

#: Remaining share of an answer's TTL below which a request for it starts a prefetch.
_PREFETCH_SHARE: Final = 0.1

#: Requests for an answer before it is prefetched.
_PREFETCH_HITS: Final = 3

#: Parallel prefetches.
_PREFETCHES: Final = 64


NO_STORES: Final[Mapping[str, Store]] = {}


class CachedSource(LearningSource):
    """
    Caches the inner source's answers, including denials and failures, and serves them until they expire.

    Concurrent look-ups of the same question are sent once: see L{CoalescingSource}.

    An answer is used for its own question only: other records in the reply stay part of that answer, so a server cannot inject data for
    names that it was not asked about.
    """

    def __init__(
        self,
        inner: IAnswerSource,
        clock: IReactorTime,
        *,
        store: Store | None = None,
        stale: float = 0,
        staleWait: float | None = None,
        prefetch: bool = False,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param stale: seconds past expiry for which an answer is served if no fresh one is available (RFC 8767); 0 for never.
        @param staleWait: seconds to wait for a fresh answer before that.
        @param prefetch: refresh popular answers shortly before they expire. Queries are then sent at times when no caller is waiting for
            them.
        @param today: returns seconds since 1970, for cache files; C{clock} may start at the boot of the host.
        """
        self.store = Store() if store is None else store
        if stale:
            self.store.keepStale = STALE_SECONDS.pick(stale)
        if not isinstance(inner, CoalescingSource) or inner.learning is not None:
            # A coalescing source reports to one cache only.
            inner = CoalescingSource(inner, clock)
        inner.learning = self
        super().__init__(inner)
        self._coalescing: CoalescingSource = inner
        self._clock = clock
        self.now = clock.seconds
        self._today = today
        self._ready = self.store.ready
        self._staleWait = STALE_WAIT.pick(staleWait)
        self._prefetchShare = _PREFETCH_SHARE if prefetch else 0.0
        self._fetching: dict[bytes, Deferred[Answer]] = {}
        self._closed = False
        self._misses = self._refused = self._prefetches = self._staleGiven = 0

    # -- look-ups

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        key = question.key + context.variant
        entry = self._ready.get(key)
        now = self.now()
        if entry is not None and entry.since <= now < entry.until:
            entry.hits += 1
            if context.trace is not None:
                self._trace(entry, context, now)
            return entry.answer
        if entry is not None or not self.store.lacks(question, context.variant):
            answer = self._find(key, question, context, now)
            if answer is not None:
                return answer
        found = self._coalescing.ask(question, context)
        if found is None or isinstance(found, Answer):
            return found
        fault = self.store.failures.find(key, now)
        if fault is not None:
            # A stale answer that was served for this failure may have been packed since.
            if self.store.keepStale and isinstance(fault, PeerFault | BudgetSpent):
                answer = self._giveStale(question, context)
                if answer is not None:
                    return answer
            self._refused += 1
            if context.trace is not None:
                context.trace.note(now, "cache", "failed before", error=str(fault))
            raise fault
        return _Miss(self, question, found)

    def missed(self, question: Question, start: Start, context: QueryContext) -> Start:
        """
        Count a look-up that begins. Return how it begins: if there is an expired answer, it is kept ready.
        """
        self._misses += 1
        if context.trace is not None:
            context.trace.note(self.now(), "cache", "miss")
        store = self.store
        if store.keepStale and not store.lacks(question, context.variant):
            return partial(self._startOrStale, question, start)
        return start

    def _startOrStale(self, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        flight = start(context)
        now = self.now()
        if self._own(question, context, now) is not None or self._adopt(question, context, now):
            return self._freshOrStale(flight, question, context, now)
        return flight

    def _find(self, key: bytes, question: Question, context: QueryContext, now: float) -> Answer | None:
        entry = self._entryFor(key, question, context, now)
        if entry is None:
            return None
        if not entry.since <= now < entry.until:
            if now >= entry.expires:
                return None
            self.store.show(entry, now)
            if self._prefetchShare and not entry.fetched:
                self._considerPrefetch(entry, question, context, now)
        self.store.given(entry)
        if context.trace is not None:
            self._trace(entry, context, now)
        return entry.answer

    def _entryFor(self, key: bytes, question: Question, context: QueryContext, now: float) -> Entry | None:
        """
        Return the entry that answers the question: its own, a denial of its name, an entry for richer flags, or a proved denial of a name
        above it; without any of these, the most recently learned expired entry.
        """
        store = self.store
        variant = context.variant
        own = store.find(key, now)
        if own is not None and now < own.expires:
            return own
        if store.denies:
            denial = store.find(denialKey(question.key, variant), now)
            if denial is not None and now < denial.expires:
                return denial
            own = _later(own, denial)
        if len(store.variants) > 1 or variant not in store.variants:
            kin = self._fromKin(question, context, now)
            if kin is not None:
                return kin
        if store.proves:
            cut = store.cut(question, variant, now)
            if cut is not None:
                return cut
        return own

    def _fromKin(self, question: Question, context: QueryContext, now: float) -> Entry | None:
        if not context.recursionDesired and context.client is not None:
            # A client without RD must neither learn what others have queried nor trigger a prefetch.
            return None
        store = self.store
        for variant in kinOf(context.variant, store.variants):
            for key in (question.key + variant, denialKey(question.key, variant)):
                richer = store.find(key, now)
                if richer is None or now >= richer.expires:
                    continue
                plainer = madePlainer(question, context, richer.kept)
                if plainer is not None and store.keep(question, context.variant, plainer, richer.learned):
                    return self._own(question, context, now)
        return None

    def _trace(self, entry: Entry, context: QueryContext, now: float) -> None:
        if context.trace is not None:
            event = "stale" if entry.stale else "hit"
            context.trace.note(now, "cache", event, age=round(now - entry.learned, 3), left=round(entry.expires - now, 3))

    # -- learning, called by the coalescing source with the context of the caller that began the look-up

    def learn(self, question: Question, context: QueryContext, answer: Answer) -> Answer | None:
        """
        Return the answer to deliver instead: the same with the TTLs that it is cached with; L{None} for the answer itself.
        """
        if context.options:
            return None
        store = self.store
        now = self.now()
        seconds = store.keep(question, context.variant, answer, now)
        if not seconds and store.keepStale:
            self._endStale(question, context, now)
        if len(store.failures):
            store.failures.forget(question.key + context.variant)
        if context.trace is not None:
            context.trace.note(now, "cache", "kept" if seconds else "not kept", seconds=seconds)
        # Where denials are not cached, clients must not cache them for longer either.
        bounded = seconds or (not store.lifetimes.mostDenial and answer.outcome is not Outcome.DATA)
        return store.lifetimes.given(answer) if bounded else None

    def learnFault(self, question: Question, context: QueryContext, fault: DNSFault, asked: float) -> None:
        if isinstance(fault, WorkSpent) and (context.aliases or context.depth):
            # What led to this question has used up the work: an alias of an attacker's must not make its target fail for others.
            return
        if not (context.options or self._closed):
            now = self.now()
            self.store.failures.note(question.key + context.variant, fault, now, asked)
            if self.store.keepStale and isinstance(fault, TrustFault):
                # An expired answer must not hide that its successor is bogus, not even if that took long to find out.
                # Nor must one that could be adopted.
                variants = self.store.variants
                for variant in (context.variant, *kinOf(context.variant, variants), *unsignedOf(context.variant, variants)):
                    for key in (question.key + variant, denialKey(question.key, variant)):
                        entry = self.store.find(key, now)
                        if entry is not None and now >= entry.expires:
                            self.store.drop(key)

    # -- stale answers

    def _own(self, question: Question, context: QueryContext, now: float) -> Entry | None:
        """
        Return the entry for exactly this question, expired or not, unpacked, because a stale answer is served for a while.
        """
        find = self.store.find
        variant = context.variant
        return _later(find(question.key + variant, now, ready=True), find(denialKey(question.key, variant), now, ready=True))

    def _adopt(self, question: Question, context: QueryContext, now: float) -> bool:
        """
        Keep an expired answer to the question with other flags for these ones too, if it contains the answer for them. Return whether there
        is one.
        """
        if not context.recursionDesired and context.client is not None:
            # As for answers that have not expired, see _fromKin.
            return False
        store = self.store
        variant = context.variant
        richest: Entry | None = None
        for other in kinOf(variant, store.variants):
            richest = _later(richest, self._expired(question, other, now))
        for other in unsignedOf(variant, store.variants):
            entry = self._expired(question, other, now)
            if entry is not None and needsNoSignatures(question, entry.kept):
                richest = _later(richest, entry)
        made = None if richest is None else madePlainer(question, context, richest.kept)
        if richest is None or made is None:
            return False
        return store.keep(question, variant, made, richest.learned) > 0

    def _expired(self, question: Question, variant: bytes, now: float) -> Entry | None:
        """
        Return the expired entry for a question with some flags.
        """
        find = self.store.find
        entry = _later(find(question.key + variant, now), find(denialKey(question.key, variant), now))
        return entry if entry is not None and now >= entry.expires else None

    def _freshOrStale(
        self, flight: Deferred[Answer], question: Question, context: QueryContext, now: float
    ) -> Deferred[Answer]:
        """
        Return the result of C{flight} if it arrives in time, otherwise the stale answer; the flight then continues for the next caller (RFC
        8767, section 5).

        If the servers fail, the stale answer is served at once; but not if the fresh answer failed validation, because that would hide an
        attack.
        """
        # A caller with a shorter timeout gets the stale answer rather than none.
        wait = min(self._staleWait, max(context.deadline - now, 0) * 0.9)
        timers: list[IDelayedCall] = []

        def stop() -> None:
            for timer in timers:
                if timer.active():
                    timer.cancel()

        def cancelled(_: object) -> None:
            stop()
            flight.cancel()

        result: Deferred[Answer] = Deferred(cancelled)

        def arrived(outcome: Answer | Failure) -> None:
            stop()
            if result.called:
                return
            stale = None
            if isinstance(outcome, Failure) and isinstance(outcome.value, PeerFault | BudgetSpent):
                stale = self._giveStale(question, context)
            result.callback(outcome if stale is None else stale)

        def waited() -> None:
            stale = self._giveStale(question, context)
            if stale is not None:
                result.callback(stale)

        flight.addBoth(arrived)
        if not result.called:
            timers.append(self._clock.callLater(wait, waited))
        return result

    def _giveStale(self, question: Question, context: QueryContext) -> Answer | None:
        """
        Return the stale answer; L{None} if it is too old by now, or was flushed.
        """
        now = self.now()
        entry = self._own(question, context, now)
        if entry is None:
            return None
        if now < entry.expires:
            # Another look-up has meanwhile found that the name does not exist.
            self.store.given(entry)
            return self.store.show(entry, now)
        answer = entry.showStale(now, min(_STALE_TTL, self.store.lifetimes.most), now + _STALE_RECHECK)
        self._staleGiven += 1
        if context.trace is not None:
            self._trace(entry, context, now)
        return answer

    def _endStale(self, question: Question, context: QueryContext, now: float) -> None:
        """
        Handle that the servers reply again, although with nothing cacheable: the next caller queries them, and gets the stale answer only
        if they fail.
        """
        for key in (question.key + context.variant, denialKey(question.key, context.variant)):
            entry = self._ready.get(key)
            if entry is not None and entry.stale:
                entry.until = now

    # -- prefetching

    def _considerPrefetch(self, entry: Entry, question: Question, context: QueryContext, now: float) -> None:
        if entry.expires - now > (entry.expires - entry.learned) * self._prefetchShare or entry.asked < _PREFETCH_HITS:
            return
        key = question.key + context.variant
        if key in self._fetching or len(self._fetching) >= _PREFETCHES or context.options or self._closed:
            return
        entry.fetched = True
        self._prefetches += 1
        wishes = context.detached(now + FLIGHT_SECONDS.default)
        wishes.trace = None
        flight = lookUp(self._inner, question, wishes)
        self._fetching[key] = flight
        # The result is ignored: a failure shows when the entry expires.
        flight.addBoth(self._fetched, key)

    def _fetched(self, outcome: object, key: bytes) -> None:
        self._fetching.pop(key, None)

    # -- management

    @property
    def stats(self) -> Statistics:
        counted = self.store.statistics()
        counted.misses = self._misses
        counted.failures = self._refused
        counted.prefetches = self._prefetches
        counted.stale += self._staleGiven
        return counted

    def flush(self, name: bytes | None = None, subtree: bool = False, choice: Choice = EVERYTHING) -> int:
        """
        Remove answers from the cache, and return their number.

        @param name: remove only this name; L{None} for everything.
        @param subtree: remove all names below it as well.
        @param choice: see L{Store.flush}.
        """
        for each in behind(self._inner, CoalescingSource):
            each.startAnew()
        return self.store.flush(name, subtree, choice)

    def forget(self, questions: Iterable[Question], context: QueryContext) -> None:
        """
        Remove the answers to some questions, as they are asked with a context. Unlike L{flush}, this does not search the cache.
        """
        for each in behind(self._inner, CoalescingSource):
            each.startAnew()
        store = self.store
        for question in questions:
            key = question.key + context.variant
            store.drop(key)
            store.drop(denialKey(question.key, context.variant))
            store.failures.forget(key)

    def tune(self, *, stale: float, staleWait: float, prefetch: bool) -> None:
        self.store.keepStale = STALE_SECONDS.pick(stale) if stale else 0
        self._staleWait = STALE_WAIT.pick(staleWait)
        self._prefetchShare = _PREFETCH_SHARE if prefetch else 0.0

    def dump(self, view: str = "") -> Iterator[str]:
        """
        Yield the lines of a cache file, with line ends. Changes made during the iteration may or may not be in it.

        @param view: the view of a server that has this cache of its own; C{""} for none.
        """
        from twisted_ext.cache.dump import dumpLines

        return dumpLines(self.store, self.now(), self._today(), view)

    def load(self, lines: Iterable[str], source: str = "cache file") -> LoadResult:
        """
        Load the output of L{dump}, skipping invalid lines.

        @param source: the source of the lines, for errors.

        @raise twisted_ext.errors.CallerFault: the first line is not that of a cache file.
        """
        from twisted_ext.cache.dump import loadLines

        return loadLines(self.store, lines, self.now(), self._today(), source)

    def loading(
        self, lines: Iterable[str], source: str = "cache file", views: Mapping[str, Store] = NO_STORES
    ) -> Generator[None, None, LoadResult]:
        """
        Do the work of L{load} in steps of a few milliseconds, so that a server can keep serving.

        @param views: the caches of views that have one of their own: a dump of one is only loaded into it.
        """
        from twisted_ext.cache.dump import loading

        return loading({"": self.store, **views}, lines, self.now(), self._today(), source)

    def close(self) -> Deferred[None]:
        self._closed = True
        for fetching in list(self._fetching.values()):
            fetching.cancel()
        self._fetching.clear()
        return self._inner.close()


classImplements(CachedSource, IAnswerSource)


class _Miss(QueryStart):
    """
    Starts a look-up of what the cache does not have.
    """

    __slots__ = ("_source", "_question", "_start")

    def __init__(self, source: CachedSource, question: Question, start: Start) -> None:
        self._source = source
        self._question = question
        self._start = start

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        return queryOf(self._source.missed(self._question, self._start, context), waiter, context)

    def now(self) -> float:
        return self._source.now()


def _later(one: Entry | None, other: Entry | None) -> Entry | None:
    """
    Return the more recently learned of two expired entries: a name may have been denied after it had data of a type.
    """
    return one if other is None or (one is not None and one.learned >= other.learned) else other
