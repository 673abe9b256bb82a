"""
Tests of L{twisted_ext.resolver.combine.replaceable}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.networks import textsOf
from twisted_ext.answers import QueryContext
from twisted_ext.errors import Closed
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.replaceable import ReplaceableSource
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf

QUESTION = questionOf("www.example.org")
CONTEXT = QueryContext(5.0)


class ReplaceableTests(SynchronousTestCase):
    """
    Tests for L{ReplaceableSource}.
    """

    def test_runningLookupFinishesWithFormerSource(self) -> None:
        """
        A running look-up finishes with the former source, which is closed afterwards. New look-ups go to the new source.
        """
        before, after = HeldSource(), CannedSource(otherwise="192.0.2.2")
        source = ReplaceableSource(before)
        running = lookUp(source, QUESTION, CONTEXT)
        source.replace(after)
        self.assertIs(source.source, after)
        self.assertFalse(before.closed)
        self.assertEqual(textsOf(self.successResultOf(lookUp(source, QUESTION, CONTEXT))), ["192.0.2.2"])
        before.release(answerOf(QUESTION, "192.0.2.1"))
        self.assertEqual(textsOf(self.successResultOf(running)), ["192.0.2.1"])
        self.assertTrue(before.closed)
        self.assertFalse(after.closed)

    def test_idleFormerSourceIsClosedAtOnce(self) -> None:
        """
        A former source without running look-ups is closed at once.
        """
        before = CannedSource()
        source = ReplaceableSource(before)
        source.replace(HeldSource())
        self.assertTrue(before.closed)

    def test_closeClosesFormerSources(self) -> None:
        """
        Closing also closes the former sources and ends their look-ups.
        """
        before, after = HeldSource(), HeldSource()
        source = ReplaceableSource(before)
        running = lookUp(source, QUESTION, CONTEXT)
        source.replace(after)
        self.successResultOf(source.close())
        self.failureResultOf(running, Closed)
        self.assertTrue(before.closed and after.closed)
        self.failureResultOf(lookUp(source, QUESTION, CONTEXT), Closed)
