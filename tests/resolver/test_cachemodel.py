"""
Tests of the cache against a simple model.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import question, wishes
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.cache.store import Store
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import CannedSource, atHand
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, parentOf
from twisted_ext.wire.records import RRSet

NAMES = 4
TYPES = ("A", "AAAA")
SOA_NUMBERS = bytes(16)

#: Steps: ask for a name and type with or without DO, let time pass, flush a name or the zone, flood the cache with random names.
asking = st.tuples(st.just("ask"), st.integers(0, NAMES - 1), st.integers(0, 1), st.booleans())
passing = st.tuples(st.just("pass"), st.sampled_from([0.25, 1.0, 3.0, 20.0]), st.just(0), st.just(False))
flushing = st.tuples(st.just("flush"), st.integers(0, NAMES), st.just(0), st.just(False))
flooding = st.tuples(st.just("flood"), st.integers(1, 150), st.just(0), st.just(False))
calm = st.one_of(asking, asking, asking, passing, flushing)
stormy = st.one_of(asking, asking, passing, flooding)


def replyFor(asked: Question, serial: int) -> Answer:
    """
    Return a reply that differs each time: an address, NODATA, NXDOMAIN or an uncacheable answer, depending on the name, with a TTL
    from 0 to 10.
    """
    number = asked.name[2] if asked.name[1:2] == b"n" else 0
    ttl = serial % 11
    zone = parentOf(asked.name)
    soa = RRSet(zone, 6, 1, 60, (zone + zone + SOA_NUMBERS + ttl.to_bytes(4, "big"),))
    origin = Origin("udp", "192.0.2.1:53")
    if number % 4 == 1:
        return Answer(Outcome.NODATA, (), (soa,), origin=origin)
    if number % 4 == 2:
        return Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3, origin=origin)
    if number % 4 == 3 and serial % 2:
        return Answer(Outcome.NODATA, origin=origin)
    size = 4 if asked.rrType == 1 else 16
    return Answer(Outcome.DATA, (RRSet(asked.name, asked.rrType, 1, ttl, (serial.to_bytes(size, "big"),)),), origin=origin)


def summaryOf(answer: Answer) -> tuple[int, Outcome, list[tuple[bytes, ...]]]:
    """
    Return the least TTL, the outcome and all rdata.
    """
    sets = (*answer.answer, *answer.authority)
    return min([rrset.ttl for rrset in sets], default=0), answer.outcome, [rrset.rdatas for rrset in sets]


class Model:
    """
    A cache without limits that keeps each reply with its time.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[bytes, int, bool], tuple[float, int, Answer]] = {}

    def find(self, asked: Question, context: QueryContext, now: float) -> list[tuple[int, Answer]]:
        """
        Return the time left and the answer for all valid replies. The first one is expected if nothing was evicted.
        """
        holding: list[tuple[int, Answer]] = []
        # The answer to a query with DO also serves one without, not the other way round.
        for dnssecOk in (context.dnssecOk, True):
            for rrType in (asked.rrType, 0):
                found = self.known.get((asked.name, rrType, dnssecOk))
                if found is not None and now < found[0] + found[1]:
                    holding.append((found[1] - int(now - found[0]), found[2]))
        return holding

    def learn(self, asked: Question, context: QueryContext, now: float, answer: Answer) -> None:
        ttl = min([rrset.ttl for rrset in (*answer.answer, *answer.authority)], default=0)
        if answer.authority:
            ttl = min(ttl, int.from_bytes(answer.authority[0].rdatas[0][-4:], "big"))
        if ttl:
            rrType = 0 if answer.outcome is Outcome.NXDOMAIN else asked.rrType
            self.known[asked.name, rrType, context.dnssecOk] = (now, ttl, answer)


class ModelTests(SynchronousTestCase):
    """
    Tests for L{CachedSource} and L{Store} together.
    """

    def runSteps(self, steps: list[tuple[str, float, int, bool]], most: float, exact: bool) -> None:
        """
        Run the steps against the cache and the model.
        """
        clock = Clock()
        clock.rightNow = 1e6
        serial = 0
        replies: list[Answer] = []

        def reply(asked: Question) -> Answer:
            nonlocal serial
            serial += 1
            replies.append(replyFor(asked, serial))
            return replies[-1]

        inner = CannedSource(otherwise=reply)
        cache = CachedSource(inner, clock, store=Store(most))
        model = Model()
        for action, amount, kind, dnssecOk in steps:
            if action == "pass":
                clock.advance(amount)
            elif action == "flush":
                name = nameFromText("test" if amount == NAMES else f"n{chr(48 + int(amount))}.test")
                cache.flush(name, subtree=amount == NAMES)
                for key in [key for key in model.known if amount == NAMES or key[0] == name]:
                    del model.known[key]
            elif action == "flood":
                for number in range(int(amount)):
                    self.successResultOf(lookUp(cache, question(f"flood{serial}x{number}.other"), wishes()))
            else:
                asked = question(f"n{chr(48 + int(amount))}.test", TYPES[kind])
                context = wishes(dnssecOk=dnssecOk)
                now = clock.seconds()
                expected = model.find(asked, context, now)
                before = len(replies)
                nowGiven = atHand(cache, asked, context)
                given = self.successResultOf(lookUp(cache, asked, context))
                if len(replies) == before:
                    assert nowGiven is not None
                    self.assertEqual(summaryOf(given), summaryOf(nowGiven))
                    self.assertIn(summaryOf(given), [(left, *summaryOf(each)[1:]) for left, each in expected[: 1 if exact else None]])
                else:
                    self.assertIsNone(nowGiven)
                    self.assertFalse(expected and exact, f"{asked} should have been kept")
                    model.learn(asked, context, now, replies[-1])
            self.assertLessEqual(cache.store.octets, cache.store.mostBytes)

    @given(st.lists(calm, min_size=20, max_size=80))
    def test_largeCacheEqualsTheModel(self, steps: list[tuple[str, float, int, bool]]) -> None:
        """
        A cache with enough memory has every answer exactly as long as its TTL.
        """
        self.runSteps(steps, 2**25, True)

    @given(st.lists(stormy, min_size=10, max_size=40))
    @settings(max_examples=30)
    def test_smallCacheIsNeverWrong(self, steps: list[tuple[str, float, int, bool]]) -> None:
        """
        A cache with little memory may have evicted an answer, but never gives a wrong one.
        """
        self.runSteps(steps, 2**16, False)
