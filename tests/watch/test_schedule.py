"""
Tests of L{twisted_ext.watch.schedule}.
"""

from __future__ import annotations

from math import inf, nan

import pytest
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome
from twisted_ext.errors import CallerFault
from twisted_ext.testing.sources import answerOf, questionOf, rrsetOf
from twisted_ext.watch.limits import WATCH_JITTER, WATCH_MOST_SECONDS, WATCH_RETRY_SECONDS, WATCH_SECONDS
from twisted_ext.watch.schedule import Pace, secondsOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import SOA

__all__: list[str] = []

QUESTION = questionOf("www.example.org")


def noJitter() -> float:
    """
    Return the value for no jitter.
    """
    return 0.0


class SecondsOfTests(SynchronousTestCase):
    """
    Tests of L{secondsOf}.
    """

    def test_answerHoldsForItsTTL(self) -> None:
        """
        An answer holds for its TTL, however many records it has.
        """
        self.assertEqual(secondsOf(QUESTION, answerOf(QUESTION, "192.0.2.1", 77)), 77)
        many = [f"192.0.2.{number}" for number in range(200)]
        self.assertEqual(secondsOf(QUESTION, answerOf(QUESTION, many, 77)), 77)

    def test_denialHoldsForLesserOfTTLAndMinimum(self) -> None:
        """
        A denial holds for the lesser of its SOA record's TTL and MINIMUM field (RFC 2308, section 5).
        """
        for ttl, last, holds in ((900, 60, 60), (40, 60, 40)):
            soa = rrsetOf(nameFromText("example.org"), SOA, f"ns. mail. 1 2 3 4 {last}", ttl)
            for denied in (Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3), Answer(Outcome.NODATA, (), (soa,))):
                self.assertEqual(secondsOf(QUESTION, denied), holds)
        self.assertEqual(secondsOf(QUESTION, Answer(Outcome.NXDOMAIN, rcode=3)), 0)


class PaceTests(SynchronousTestCase):
    """
    Tests of L{Pace}.
    """

    def test_intervalFollowsTTLWithinLimits(self) -> None:
        """
        The next look-up follows the TTL by one second, because caches round down. Short and long TTLs are limited.
        """
        pace = Pace(None, noJitter)
        self.assertEqual([pace.afterAnswer(ttl) for ttl in (0, 1, 60, 86400)], [5, 5, 61, 300])
        self.assertEqual((WATCH_SECONDS.default, WATCH_MOST_SECONDS.default), (5, 300))

    def test_configuredIntervalIsUsed(self) -> None:
        """
        A configured interval is used, within limits.
        """
        self.assertEqual([Pace(interval, noJitter).afterAnswer(3600) for interval in (1, 0.0001, inf)], [1, 0.1, 86400])

    def test_jitterOnlyDelays(self) -> None:
        """
        Jitter delays a look-up and never hastens it, because an answer that still holds need not be asked for.
        """
        drawn = [0.0, 0.5, 1.0]
        pace = Pace(None, iter(drawn).__next__)
        self.assertEqual([pace.afterAnswer(100) for _ in drawn], [101 * (1 + WATCH_JITTER.default * each) for each in drawn])

    def test_failuresBackOff(self) -> None:
        """
        The interval doubles while look-ups fail, up to a limit, and starts again after an answer.
        """
        pace = Pace(None, noJitter)
        self.assertEqual([pace.afterFailure() for _ in range(6)], [5, 10, 20, 40, 60, 60])
        self.assertEqual(WATCH_RETRY_SECONDS.default, 60)
        pace.afterAnswer(60)
        self.assertEqual(pace.afterFailure(), 5)
        quick, slow = Pace(1, noJitter), Pace(600, noJitter)
        self.assertEqual([quick.afterFailure() for _ in range(3)], [1, 2, 4])
        self.assertEqual([slow.afterFailure() for _ in range(3)], [600, 600, 600])


@pytest.mark.parametrize("interval", [0, -1, nan, True, "5", [5]])
def test_invalidIntervalIsRefused(interval: float) -> None:
    """
    An interval that is not a positive number of seconds is refused.
    """
    with pytest.raises(CallerFault, match="interval"):
        Pace(interval, noJitter)
