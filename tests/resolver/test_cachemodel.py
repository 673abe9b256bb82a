"""
The cache against a model of it that is too simple to be wrong.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import question, wishes
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.cache.store import Store
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.sources import CannedSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, parentOf
from twisted_ext.wire.records import RRSet

NAMES = 4
TYPES = ("A", "AAAA")
SOA_NUMBERS = bytes(16)

#: Asking for a name and type with wishes, letting time pass, flushing a name or the zone, filling up with names that nobody knows.
asking = st.tuples(st.just("ask"), st.integers(0, NAMES - 1), st.integers(0, 1), st.booleans())
passing = st.tuples(st.just("pass"), st.sampled_from([0.25, 1.0, 3.0, 20.0]), st.just(0), st.just(False))
flushing = st.tuples(st.just("flush"), st.integers(0, NAMES), st.just(0), st.just(False))
flooding = st.tuples(st.just("flood"), st.integers(1, 150), st.just(0), st.just(False))
calm = st.one_of(asking, asking, asking, passing, flushing)
stormy = st.one_of(asking, asking, passing, flooding)


def replyFor(asked: Question, serial: int) -> Answer:
    """
    What the upstream says, differently each time: by the name's number an address, a denial of the type or of the name, or nothing that
    may be kept. TTLs are from 0 to 10.
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


def shown(answer: Answer) -> tuple[int, Outcome, list[tuple[bytes, ...]]]:
    """
    @return: the least TTL, the outcome and all rdata.
    """
    sets = (*answer.answer, *answer.authority)
    return min([rrset.ttl for rrset in sets], default=0), answer.outcome, [rrset.rdatas for rrset in sets]


class Model:
    """
    Every reply with its time, and nothing else.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[bytes, int, bool], tuple[float, int, Answer]] = {}

    def find(self, asked: Question, context: QueryContext, now: float) -> list[tuple[int, Answer]]:
        """
        @return: seconds left and the answer, for all that hold; the first one is what is to be given where nothing had to be forgotten.
        """
        holding: list[tuple[int, Answer]] = []
        # A wish for signatures answers a plain one, not the other way round.
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

    def play(self, steps: list[tuple[str, float, int, bool]], most: float, exact: bool) -> None:
        clock = Clock()
        clock.rightNow = 1e6
        serial = 0
        said: list[Answer] = []

        def reply(asked: Question) -> Answer:
            nonlocal serial
            serial += 1
            said.append(replyFor(asked, serial))
            return said[-1]

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
                    self.successResultOf(cache.answer(question(f"flood{serial}x{number}.other"), wishes()))
            else:
                asked = question(f"n{chr(48 + int(amount))}.test", TYPES[kind])
                context = wishes(dnssecOk=dnssecOk)
                now = clock.seconds()
                expected = model.find(asked, context, now)
                before = len(said)
                atHand = cache.answerNow(asked, context)
                given = self.successResultOf(cache.answer(asked, context))
                if len(said) == before:
                    assert atHand is not None
                    self.assertEqual(shown(given), shown(atHand))
                    self.assertIn(shown(given), [(left, *shown(each)[1:]) for left, each in expected[: 1 if exact else None]])
                else:
                    self.assertIsNone(atHand)
                    self.assertFalse(expected and exact, f"{asked} should have been kept")
                    model.learn(asked, context, now, said[-1])
            self.assertLessEqual(cache.store.octets, cache.store.mostBytes)

    @given(st.lists(calm, min_size=20, max_size=80))
    def test_withRoom(self, steps: list[tuple[str, float, int, bool]]) -> None:
        """
        With room for everything it knows what it was told, for as long as it was told, and not a moment longer.
        """
        self.play(steps, 2**25, True)

    @given(st.lists(stormy, min_size=10, max_size=40))
    @settings(max_examples=30)
    def test_withoutRoom(self, steps: list[tuple[str, float, int, bool]]) -> None:
        """
        With hardly any room it may have forgotten something; what it still knows is right.
        """
        self.play(steps, 2**16, False)
