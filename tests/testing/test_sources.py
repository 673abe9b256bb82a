"""
Tests of canned sources.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.errors import Closed, ServerFailed, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, atHand, questionOf

WWW = questionOf("www.test.example")
CONTEXT = QueryContext(5.0)


class CannedSourceTests(SynchronousTestCase):
    """
    Tests for L{CannedSource}.
    """

    def test_cannedAnswersAreGiven(self) -> None:
        """
        The source gives its answers, fails with its faults, calls its functions, and knows nothing else.
        """
        source = CannedSource(
            {
                ("www.test.example", "A"): "192.0.2.80",
                ("two.test.example", "A"): ["192.0.2.1", "192.0.2.2"],
                ("none.test.example", "A"): [],
                ("bad.test.example", "A"): ServerFailed("bad"),
                ("own.test.example", "A"): lambda question: answerOf(question, "192.0.2.9"),
            }
        )
        verifyObject(IAnswerSource, source)
        self.assertEqual(self.successResultOf(lookUp(source, WWW, CONTEXT)).answer[0].rdatas, (b"\xc0\x00\x02\x50",))
        self.assertEqual(len(self.successResultOf(lookUp(source, questionOf("two.test.example"), CONTEXT)).answer[0].rdatas), 2)
        self.assertIs(self.successResultOf(lookUp(source, questionOf("none.test.example"), CONTEXT)).outcome, Outcome.NODATA)
        self.failureResultOf(lookUp(source, questionOf("bad.test.example"), CONTEXT), ServerFailed)
        self.assertEqual(len(self.successResultOf(lookUp(source, questionOf("own.test.example"), CONTEXT)).answer), 1)
        self.failureResultOf(lookUp(source, questionOf("else.test.example"), CONTEXT), Unknown)
        self.assertEqual((source.asked, source.questions[0], source.contexts[0]), (6, WWW, CONTEXT))

    def test_answersAreAtHandOnRequest(self) -> None:
        """
        Answers are at hand only if the test asks for that.
        """
        answers = {("www.test.example", "A"): "192.0.2.80"}
        self.assertIsNone(atHand(CannedSource(answers), WWW, CONTEXT))
        self.assertIsNotNone(atHand(CannedSource(answers, now=True), WWW, CONTEXT))
        self.assertIsNone(atHand(CannedSource(answers, now=True), questionOf("else.test"), CONTEXT))

    def test_closedSourceFails(self) -> None:
        """
        A closed source fails with Closed.
        """
        source = CannedSource(otherwise="192.0.2.1")
        self.successResultOf(source.close())
        self.assertTrue(source.closed)
        self.failureResultOf(lookUp(source, WWW, CONTEXT), Closed)
        self.assertEqual(source.sources(), ())

    def test_unknownTypeIsAnError(self) -> None:
        """
        An unknown type is an error.
        """
        self.assertRaises(ValueError, questionOf, "www.test.example", "NOSUCH")


class HeldSourceTests(SynchronousTestCase):
    """
    Tests for L{HeldSource}.
    """

    def test_releaseGivesAnswers(self) -> None:
        """
        Answers are given when they are released, to all or to one question.
        """
        source = HeldSource()
        verifyObject(IAnswerSource, source)
        other = questionOf("other.test")
        first, second = lookUp(source, WWW, CONTEXT), lookUp(source, other, CONTEXT)
        self.assertIsNone(atHand(source, WWW, CONTEXT))
        self.assertEqual((source.asked, source.held), (2, [WWW, other]))
        answer = answerOf(other, "192.0.2.1")
        self.assertEqual(source.release(answer, other), 1)
        self.assertNoResult(first)
        self.assertIs(self.successResultOf(second), answer)
        self.assertEqual(source.release(ServerFailed("no")), 1)
        self.failureResultOf(first, ServerFailed)

    def test_waiterCanceledDuringRelease(self) -> None:
        """
        A waiter that is canceled by the callback of another one gets no answer.
        """
        source = HeldSource()
        first, second = lookUp(source, WWW, CONTEXT), lookUp(source, WWW, CONTEXT)
        first.addCallback(lambda _: second.cancel())
        self.assertEqual(source.release(answerOf(WWW)), 1)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)

    def test_cancellationsAreRecorded(self) -> None:
        """
        The source records cancellations.
        """
        source = HeldSource()
        waiting = lookUp(source, WWW, CONTEXT)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual((source.cancelled, source.held, source.release(answerOf(WWW))), ([WWW], [], 0))

    def test_closeEndsWaiters(self) -> None:
        """
        Closing ends everything that waits.
        """
        source = HeldSource()
        waiting = lookUp(source, WWW, CONTEXT)
        self.successResultOf(source.close())
        self.failureResultOf(waiting, Closed)
        self.assertEqual((source.closed, source.sources()), (True, ()))
