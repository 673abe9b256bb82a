"""
Tests of tracing live look-ups.
"""

from __future__ import annotations

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question
from tests.server.operations.seeing import objectIn
from twisted_ext.answers import QueryContext, Trace
from twisted_ext.errors import ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.server.limits import TRACES_KEPT, TRACES_TAKEN
from twisted_ext.server.operations.querytrace import QueryTracer, TracedSource
from twisted_ext.testing.sources import CannedSource, atHand


class TracingTests(SynchronousTestCase):
    """
    Tests for L{QueryTracer}.
    """

    def test_tracingEndsByItself(self) -> None:
        """
        Tracing ends by itself after a number of traces, and keeps a limited number of them.
        """
        tracing = QueryTracer()
        tracing.turnOn()
        taken = 0
        while (trace := tracing.begin(question("a.example"), 0.0)) is not None:
            taken += 1
            if taken % 50 == 0:
                tracing.finish(question("a.example"), trace, "", 0, 1.0)
        self.assertEqual((taken, tracing.on), (TRACES_TAKEN.default, False))
        self.assertEqual(len(tracing.kept()), TRACES_KEPT.default)

    def test_tracedSourceAnswersUnchanged(self) -> None:
        """
        A traced source answers as it does otherwise, synchronously and asynchronously, failures included.
        """
        clock, tracing = Clock(), QueryTracer()
        inner = CannedSource({("a.example", "A"): "192.0.2.1", ("b.example", "A"): ServerFailed("no", rcode=5)})
        followed = TracedSource(inner, tracing, clock)
        verifyObject(IAnswerSource, followed)
        self.assertEqual(followed.sources(), (inner,))
        tracing.turnOn()
        context = QueryContext(1e9)
        atHand(followed, question("b.example"), context)
        self.failureResultOf(lookUp(followed, question("b.example"), context), ServerFailed)
        (kept,) = tracing.kept()
        self.assertEqual(objectIn(kept)["rcode"], "REFUSED")

    def test_nothingIsTracedByDefault(self) -> None:
        """
        Nothing is traced unless tracing is on.
        """
        self.assertIsNone(QueryTracer().begin(question("a.example"), 0.0))

    def test_hostileNameIsEscaped(self) -> None:
        """
        A trace of a name with control characters is printable JSON.
        """
        tracing, asked = QueryTracer(), question("a\\027]0;x\\007.example")
        tracing.finish(asked, Trace(0.0), "192.0.2.9", 0, 1.0)
        self.assertTrue(json.dumps(tracing.kept()).isprintable())
