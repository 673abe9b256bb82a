"""
Tests for L{twisted_ext.server.jobs.gctuning}.
"""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.jobs.gctuning import collectLess

__all__ = ["CollectingTests"]


class CollectingTests(SynchronousTestCase):
    """
    Tests for L{collectLess}.
    """

    def test_collectorRunsLessOften(self) -> None:
        """
        The garbage collector skips the objects that exist already and runs less often, and still collects reference cycles.
        """
        before = gc.get_threshold()
        # Python's defaults, since an earlier test may have run a server.
        gc.set_threshold(700, 10, 10)
        try:
            collectLess()
            self.assertGreater(gc.get_freeze_count(), 1000)
            self.assertGreater(gc.get_threshold()[0], 700)
            circle: list[object] = []
            circle.append(circle)
            del circle
            self.assertGreaterEqual(gc.collect(), 1)
        finally:
            gc.unfreeze()
            gc.set_threshold(*before)
