"""
Tests of foreign resolvers that answer without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from tests.server.factories import OnlyQuery, Result, Zone
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.compat.foreign import NamesSource
from twisted_ext.errors import BadMessage, Closed, DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.sources import atHand, questionOf
from twisted_ext.wire.message import Question

CONTEXT = QueryContext(5.0)


class AtOnceTests(SynchronousTestCase):
    """
    Tests of answers that a L{NamesSource} has at hand, and of their agreement with look-ups.
    """

    def setUp(self) -> None:
        self.clock = Clock()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def askBothWays(self, source: NamesSource, question: Question) -> list[object]:
        """
        Return outcome, flags and data at hand and of a look-up.
        """
        results: list[object] = []
        answers = [atHand(source, question, CONTEXT), self.successResultOf(lookUp(source, question, CONTEXT))]
        for answer in answers:
            assert answer is not None
            results.append((answer.outcome, answer.flags, [(rrset.ttl, rrset.rdatas) for rrset in answer.answer]))
        return results

    def test_zoneAnswersImmediately(self) -> None:
        """
        A zone gives its answers and denials immediately, the same as from C{answer}.
        """
        source = NamesSource(Zone(""), self.clock)
        one, other = self.askBothWays(source, questionOf("www.example.org"))
        self.assertEqual(one, other)
        one, other = self.askBothWays(source, questionOf("nothing.example.org"))
        self.assertEqual((one, other), ((Outcome.NXDOMAIN, 0, []),) * 2)

    def test_otherZonesGiveNothing(self) -> None:
        """
        A zone has no immediate answer for names outside of it.
        """
        source = NamesSource(Zone(""), self.clock)
        self.assertIsNone(atHand(source, questionOf("www.example.net"), CONTEXT))
        self.failureResultOf(lookUp(source, questionOf("www.example.net"), CONTEXT), DNSFault)

    def test_networkResolverIsNotQueried(self) -> None:
        """
        A resolver that may need the network is not queried for an immediate answer.
        """
        resolver = OnlyQuery({b"www.example.org": "192.0.2.80"})
        self.assertIsNone(atHand(NamesSource(resolver, self.clock), questionOf("www.example.org"), CONTEXT))
        self.assertEqual(resolver.asked, [])

    def test_slowZoneIsCanceled(self) -> None:
        """
        A zone whose answer is delayed gives no immediate answer, and its query is canceled.
        """
        cancelled: list[object] = []

        class Slow(Zone):
            def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
                return Deferred(cancelled.append)

        source = NamesSource(Slow(""), self.clock)
        self.assertIsNone(atHand(source, questionOf("www.example.org"), CONTEXT))
        self.assertEqual(len(cancelled), 1)

    def test_malformedResultIsAFault(self) -> None:
        """
        A malformed result is a fault.
        """

        class EmptyRecords(OnlyQuery):
            def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
                return cast("Deferred[Result]", succeed(([None], [], [])))

        source = NamesSource(EmptyRecords(), self.clock)
        self.failureResultOf(lookUp(source, questionOf("www.example.org"), CONTEXT), DNSFault)

        class TwoLists(OnlyQuery):
            def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
                return cast("Deferred[Result]", succeed(([], [])))

        self.failureResultOf(lookUp(NamesSource(TwoLists(), self.clock), questionOf("www.example.org"), CONTEXT), BadMessage)

    def test_closedSourceGivesNothing(self) -> None:
        """
        A closed source has no immediate answer.
        """
        source = NamesSource(Zone(""), self.clock)
        self.successResultOf(source.close())
        self.assertIsNone(atHand(source, questionOf("www.example.org"), CONTEXT))
        self.failureResultOf(lookUp(source, questionOf("www.example.org"), CONTEXT), Closed)
