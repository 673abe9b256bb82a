"""
Attacks 2 and 3: many equal queries that give a forger many chances (the birthday attack of 2002; RebirthDay, 2025).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Refused
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FLIGHT_VARIANTS
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText

VICTIM = questionOf("victim.test")
ANSWER = answerOf(VICTIM, "192.0.2.1")
CLIENTS = 1000


def spelled(number: int) -> Question:
    """
    Return the victim's name in one of its many spellings.
    """
    text = "".join([letter.upper() if number >> index & 1 else letter for index, letter in enumerate("victim.test")])
    return Question(nameFromText(text), 1)


class BirthdayTests(SynchronousTestCase):
    """
    A thousand clients query one name.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = HeldSource()
        self.shared = CachedSource(self.upstream, self.clock)

    def flood(self, source: IAnswerSource) -> list[Deferred[Answer]]:
        return [lookUp(source, spelled(number), QueryContext(4.0 + number / 1000)) for number in range(CLIENTS)]

    def test_equalQueriesShareOneLookup(self) -> None:
        """
        One query goes out for all clients, in whatever spelling, and all are answered.
        """
        waiters = self.flood(self.shared)
        self.assertEqual(self.upstream.asked, 1)
        self.upstream.release(ANSWER)
        for waiter in waiters:
            self.assertIs(self.successResultOf(waiter), ANSWER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_withoutCoalescingEachQueryGoesOut(self) -> None:
        """
        Without coalescing a forger has a thousand queries to hit.
        """
        self.patch(
            CoalescingSource,
            "_join",
            lambda source, flight, waiter, context: lookUp(self.upstream, flight.question, context).chainDeferred(waiter),
        )
        waiters = self.flood(self.shared)
        self.assertEqual(self.upstream.asked, CLIENTS)
        self.upstream.release(ANSWER)
        for waiter in waiters:
            self.successResultOf(waiter)

    def test_timeoutCostsOneMoreQuery(self) -> None:
        """
        Clients with time left cost one more query together when the query is lost, not one each.
        """
        shared = CoalescingSource(self.upstream, self.clock, seconds=1)
        waiters = self.flood(shared)
        self.clock.advance(1)
        from twisted_ext.errors import TimedOut

        self.upstream.release(TimedOut("silence"))
        self.assertEqual(self.upstream.asked, 2)
        self.upstream.release(ANSWER)
        for waiter in waiters:
            self.successResultOf(waiter)


class RebirthDayTests(SynchronousTestCase):
    """
    The clients have a thousand different client subnets (RFC 7871), which need separate queries.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = HeldSource()

    def flood(self, source: IAnswerSource) -> list[Deferred[Answer]]:
        subnets = [b"\x00\x01\x18\x00" + number.to_bytes(3, "big") for number in range(CLIENTS)]
        return [lookUp(source, VICTIM, QueryContext(5.0, options=((8, subnet),))) for subnet in subnets]

    def test_variantsOfOneNameAreLimited(self) -> None:
        """
        The number of outstanding queries for one name is limited, in whatever variants.
        """
        waiters = self.flood(CoalescingSource(self.upstream, self.clock))
        most = int(FLIGHT_VARIANTS.default)
        self.assertEqual(self.upstream.asked, most)
        for waiter in waiters[most:]:
            self.failureResultOf(waiter, Refused)
        self.upstream.release(ANSWER)
        for waiter in waiters[:most]:
            self.successResultOf(waiter)

    def test_withoutLimitEachVariantGoesOut(self) -> None:
        """
        Without the limit a thousand queries go out.
        """
        from twisted_ext.resolver.caching import coalescing

        self.patch(coalescing, "_MOST_VARIANTS", CLIENTS)
        waiters = self.flood(CoalescingSource(self.upstream, self.clock))
        self.assertEqual(self.upstream.asked, CLIENTS)
        self.upstream.release(ANSWER)
        for waiter in waiters:
            self.successResultOf(waiter)

    def test_subnetAnswersAreNotCached(self) -> None:
        """
        Answers for a client subnet are not cached, since the reply does not say for which other subnets they are valid.
        """
        cache = CachedSource(self.upstream, self.clock)
        waiters = self.flood(cache)
        most = int(FLIGHT_VARIANTS.default)
        for waiter in waiters[most:]:
            self.failureResultOf(waiter, Refused)
        self.upstream.release(ANSWER)
        for waiter in waiters[:most]:
            self.successResultOf(waiter)
        self.assertEqual(len(cache.store), 0)

    def test_subnetIsNotAddedToQueries(self) -> None:
        """
        Queries have no client subnet unless a caller asks for it.
        """
        lookUp(CoalescingSource(self.upstream, self.clock), VICTIM, QueryContext(5.0, client="192.0.2.9"))
        self.assertEqual((self.upstream.contexts[0].options, self.upstream.contexts[0].client), ((), None))
