"""
Tests of resolvers of Twisted's that answer without waiting.
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
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Question

CONTEXT = QueryContext(5.0)


class AtOnceTests(SynchronousTestCase):
    """
    Tests of L{NamesSource.answerNow}, and of what it spares C{answer}.
    """

    def setUp(self) -> None:
        self.clock = Clock()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def both(self, source: NamesSource, question: Question) -> list[object]:
        """
        @return: what both ways of asking give: outcome, flags and data.
        """
        told: list[object] = []
        answers = [source.answerNow(question, CONTEXT), self.successResultOf(source.answer(question, CONTEXT))]
        for answer in answers:
            assert answer is not None
            told.append((answer.outcome, answer.flags, [(rrset.ttl, rrset.rdatas) for rrset in answer.answer]))
        return told

    def test_zone(self) -> None:
        """
        A zone has its answers and its denials at hand, the same as with waiting.
        """
        source = NamesSource(Zone(""), self.clock)
        one, other = self.both(source, questionOf("www.example.org"))
        self.assertEqual(one, other)
        one, other = self.both(source, questionOf("nothing.example.org"))
        self.assertEqual((one, other), ((Outcome.NXDOMAIN, 0, []),) * 2)

    def test_elsewhere(self) -> None:
        """
        On names that are not its own it has nothing at hand.
        """
        source = NamesSource(Zone(""), self.clock)
        self.assertIsNone(source.answerNow(questionOf("www.example.net"), CONTEXT))
        self.failureResultOf(source.answer(questionOf("www.example.net"), CONTEXT), DNSFault)

    def test_others(self) -> None:
        """
        Whoever might have to ask somebody is not asked for what is at hand.
        """
        resolver = OnlyQuery({b"www.example.org": "192.0.2.80"})
        self.assertIsNone(NamesSource(resolver, self.clock).answerNow(questionOf("www.example.org"), CONTEXT))
        self.assertEqual(resolver.asked, [])

    def test_slow(self) -> None:
        """
        A zone that somebody has made wait is not waited for, and told so.
        """
        cancelled: list[object] = []

        class Slow(Zone):
            def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
                return Deferred(cancelled.append)

        source = NamesSource(Slow(""), self.clock)
        self.assertIsNone(source.answerNow(questionOf("www.example.org"), CONTEXT))
        self.assertEqual(len(cancelled), 1)

    def test_nonsense(self) -> None:
        """
        What is no answer is a fault, at once or later.
        """

        class Odd(OnlyQuery):
            def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
                return cast("Deferred[Result]", succeed(([None], [], [])))

        source = NamesSource(Odd(), self.clock)
        self.failureResultOf(source.answer(questionOf("www.example.org"), CONTEXT), DNSFault)

        class Two(OnlyQuery):
            def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
                return cast("Deferred[Result]", succeed(([], [])))

        self.failureResultOf(NamesSource(Two(), self.clock).answer(questionOf("www.example.org"), CONTEXT), BadMessage)

    def test_closed(self) -> None:
        """
        A source that was closed has nothing at hand.
        """
        source = NamesSource(Zone(""), self.clock)
        self.successResultOf(source.close())
        self.assertIsNone(source.answerNow(questionOf("www.example.org"), CONTEXT))
        self.failureResultOf(source.answer(questionOf("www.example.org"), CONTEXT), Closed)
