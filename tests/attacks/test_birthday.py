"""
Attacks 2 and 3: many equal questions, so that a forger has many queries to hit (the birthday attack of 2002; RebirthDay, 2025).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Refused
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FLIGHT_VARIANTS
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
    @return: the victim's name in one of its many spellings.
    """
    text = "".join([letter.upper() if number >> index & 1 else letter for index, letter in enumerate("victim.test")])
    return Question(nameFromText(text), 1)


class BirthdayTests(SynchronousTestCase):
    """
    A thousand clients ask for one name.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = HeldSource()
        self.shared = CachedSource(self.upstream, self.clock)

    def flood(self, source: IAnswerSource) -> list[Deferred[Answer]]:
        return [source.answer(spelled(number), QueryContext(4.0 + number / 1000)) for number in range(CLIENTS)]

    def test_oneQuery(self) -> None:
        """
        One query goes out for all of them, whatever the spelling, and all are answered.
        """
        waiters = self.flood(self.shared)
        self.assertEqual(self.upstream.asked, 1)
        self.upstream.release(ANSWER)
        for waiter in waiters:
            self.assertIs(self.successResultOf(waiter), ANSWER)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_defenceOff(self) -> None:
        """
        Without it a forger would have a thousand queries to hit.
        """
        self.patch(CoalescingSource, "_join", lambda source, flight, context: self.upstream.answer(flight.question, context))
        waiters = self.flood(self.shared)
        self.assertEqual(self.upstream.asked, CLIENTS)
        self.upstream.release(ANSWER)
        for waiter in waiters:
            self.successResultOf(waiter)

    def test_afterTimeOut(self) -> None:
        """
        When the query is lost, those who still have time cost one more together, and not one each.
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
    They come with a thousand different client subnets (RFC 7871), which have to be asked for one by one.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = HeldSource()

    def flood(self, source: IAnswerSource) -> list[Deferred[Answer]]:
        subnets = [b"\x00\x01\x18\x00" + number.to_bytes(3, "big") for number in range(CLIENTS)]
        return [source.answer(VICTIM, QueryContext(5.0, options=((8, subnet),))) for subnet in subnets]

    def test_bounded(self) -> None:
        """
        Only so many queries are under way for one name, however it is asked for.
        """
        waiters = self.flood(CoalescingSource(self.upstream, self.clock))
        most = int(FLIGHT_VARIANTS.default)
        self.assertEqual(self.upstream.asked, most)
        for waiter in waiters[most:]:
            self.failureResultOf(waiter, Refused)
        self.upstream.release(ANSWER)
        for waiter in waiters[:most]:
            self.successResultOf(waiter)

    def test_defenceOff(self) -> None:
        """
        With the bound off there would be a thousand.
        """
        from twisted_ext.resolver.caching import coalescing

        self.patch(coalescing, "_MOST_VARIANTS", CLIENTS)
        waiters = self.flood(CoalescingSource(self.upstream, self.clock))
        self.assertEqual(self.upstream.asked, CLIENTS)
        self.upstream.release(ANSWER)
        for waiter in waiters:
            self.successResultOf(waiter)

    def test_notKept(self) -> None:
        """
        What came for a subnet is kept for nobody, since the reply does not say whom else it would be right for.
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

    def test_notSent(self) -> None:
        """
        Nobody's subnet is sent along unless somebody asked for that.
        """
        CoalescingSource(self.upstream, self.clock).answer(VICTIM, QueryContext(5.0, client="192.0.2.9"))
        self.assertEqual((self.upstream.contexts[0].options, self.upstream.contexts[0].client), ((), None))
