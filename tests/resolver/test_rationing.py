"""
Tests of L{twisted_ext.resolver.rationing}. What it is good for is among the attacks.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BudgetSpent, ServerFailed
from twisted_ext.resolver.rationing import Rationing, domainOf
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf
from twisted_ext.wire.names import nameFromText

ANSWER: Answer = answerOf(questionOf("x.example.test"), "192.0.2.1")


class RationingTests(SynchronousTestCase):
    """
    Tests for L{Rationing}.
    """

    def test_domains(self) -> None:
        """
        A name is counted under its last two labels, an address under its network, and a short name for itself.
        """
        for name, domain in (
            ("x1.dead.test", "dead.test"),
            ("a.b.c.dead.test", "dead.test"),
            ("dead.test", None),
            ("test", None),
            (".", None),
            ("9.2.0.192.in-addr.arpa", "0.192.in-addr.arpa"),
            ("2.0.192.in-addr.arpa", "0.192.in-addr.arpa"),
            ("192.in-addr.arpa", None),
            ("9." * 24 + "8.b.d.0.1.0.0.2.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"),
            ("x.y.home.arpa", "home.arpa"),
        ):
            self.assertEqual(domainOf(nameFromText(name)), None if domain is None else nameFromText(domain), name)

    def test_counted(self) -> None:
        """
        What is over makes room, whether it was answered, failed or was given up; what is at hand needs none, nor does another domain.
        """
        held = HeldSource()
        source = Rationing(held, 2)
        first, second = [source.answer(questionOf(f"x{number}.example.test"), QueryContext(5)) for number in range(2)]
        fault = self.failureResultOf(source.answer(questionOf("x2.example.test"), QueryContext(5)), BudgetSpent).value
        self.assertEqual((fault.rcode, fault.ede[0][0]), (2, 22))
        self.assertIn("below example.test.", str(fault))
        other = source.answer(questionOf("x.other.test"), QueryContext(5))
        short = source.answer(questionOf("example.test"), QueryContext(5))
        held.release(ANSWER, questionOf("x0.example.test"))
        self.successResultOf(first)
        third = source.answer(questionOf("x3.example.test"), QueryContext(5))
        self.assertNoResult(third)
        second.cancel()
        self.failureResultOf(second)
        self.assertNoResult(source.answer(questionOf("x4.example.test"), QueryContext(5)).addErrback(lambda failure: None))
        held.release(ServerFailed("no", rcode=2))
        for each in (third, other, short):
            self.failureResultOf(each, ServerFailed)
        self.assertEqual(source._live, {})

    def test_transparent(self) -> None:
        """
        All else is the inner source's.
        """
        inner = CannedSource({("x.example.test", "A"): ANSWER}, now=True)
        source = Rationing(inner)
        self.assertIs(source.answerNow(questionOf("x.example.test"), QueryContext(5)), ANSWER)
        self.assertEqual(source.sources(), (inner,))
        self.successResultOf(source.close())
        self.assertTrue(inner.closed)
