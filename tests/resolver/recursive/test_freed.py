"""
Tests that look-ups leave nothing to the garbage collector, which takes longer to find them than they take to be freed.
"""

from __future__ import annotations

import gc
from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from tests.patching import skipExtending
from tests.resolver.recursive.stacks import Stack
from twisted_ext.answers import QueryContext
from twisted_ext.dnssec.work import Work
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.internet import Internet
from twisted_ext.testing.sources import questionOf


class _Work(Work):
    """
    A budget with weak references.
    """


class FreedTests(SynchronousTestCase):
    """
    Tests in an internet of signed zones.
    """

    def setUp(self) -> None:
        skipExtending(Work)
        self.internet = Internet(seed=9)
        self.internet.zone("org")
        self.internet.zone("example.org", "www A 192.0.2.80\nother CNAME www\n")
        gc.disable()
        self.addCleanup(gc.enable)

    def assertFreed(self, validate: bool) -> None:
        """
        Assert that nothing of a look-up is left once it has its answer, neither with nor without an alias.
        """
        stack = Stack(self.internet, validate=validate)
        for name in ("www.example.org", "other.example.org"):
            work = _Work()
            freed = ref(work)
            context = QueryContext(stack.reactor.seconds() + 30, budget=work)
            answer = self.internet.wait(lookUp(stack.source, questionOf(name), context), 30)
            self.assertTrue(answer.answer)
            del work, context, answer
            self.assertIsNone(freed())

    def test_validated(self) -> None:
        """
        A validated look-up is freed at once.
        """
        self.assertFreed(True)

    def test_notValidated(self) -> None:
        """
        A look-up without validation is freed at once.
        """
        self.assertFreed(False)
