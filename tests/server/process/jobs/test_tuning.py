"""
Tests for L{twisted_ext.server.process.jobs.tuning}; the limit on open files is raised in separate processes.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.limits import DESCRIPTORS
from twisted_ext.server.process.jobs.tuning import QuietCollection, tuneInterpreter

__all__ = ["CollectingTests"]

#: Prints the limits that C{raiseDescriptors} reaches from a soft and a hard limit.
PROGRAM = """
import resource
import sys
soft, hard, *wanted = [int(word) for word in sys.argv[1:]]
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from twisted_ext.server.process.jobs.tuning import raiseDescriptors
said = raiseDescriptors(*wanted)
print(said, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


class _Circle:
    itself: object = None


class CollectingTests(SynchronousTestCase):
    """
    Tests for L{tuneInterpreter}.
    """

    def test_collectorRunsLessOften(self) -> None:
        """
        The garbage collector skips the objects that exist already and runs less often, and still collects reference cycles.
        """
        before = gc.get_threshold()
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        frozen = gc.get_freeze_count()
        existing: list[list[object]] = [[] for _ in range(1000)]
        # Python's defaults, since an earlier test may have run a server.
        gc.set_threshold(700, 10, 10)
        try:
            sys.setswitchinterval(0.005)
            tuneInterpreter()
            # A thread that works keeps the one that answers from it for less than a millisecond at a time.
            self.assertLess(sys.getswitchinterval(), 0.001)
            self.assertGreater(gc.get_freeze_count(), frozen + len(existing))
            self.assertGreater(gc.get_threshold()[0], 700)
            circle: list[object] = []
            circle.append(circle)
            del circle
            self.assertGreaterEqual(gc.collect(), 1)
        finally:
            gc.set_threshold(*before)

    def test_allObjectsAreCollectedInAQuietSecond(self) -> None:
        """
        With the thresholds of a server all objects are collected after ten minutes, in the first second with few queries.
        """
        before = gc.get_threshold()
        collection = QuietCollection(0.0)
        try:
            gc.set_threshold(700, 10, 10)
            self.assertFalse(collection.look(0, 601.0))
            tuneInterpreter()
            self.assertFalse(collection.look(0, 599.0))
            self.assertFalse(collection.look(5000, 601.0))
            self.assertFalse(collection.look(9000, 602.0))
            circle = _Circle()
            circle.itself = circle
            known = weakref.ref(circle)
            del circle
            self.assertTrue(collection.look(9003, 603.0))
            self.assertIsNone(known())
            self.assertFalse(collection.look(9003, 1202.0))
            self.assertTrue(collection.look(9003, 1203.0))
        finally:
            gc.set_threshold(*before)

    def test_thousandsOfObjectsAreScannedAtMost(self) -> None:
        """
        A collection that the interpreter starts scans a bounded number of objects, however many there are.
        """
        before = gc.get_threshold()
        scanned: list[int] = []
        kept: list[list[object]] = []

        def note(phase: str, info: dict[str, int]) -> None:
            if phase == "start":
                scanned.append(sum([len(gc.get_objects(generation=older)) for older in range(info["generation"] + 1)]))

        try:
            tuneInterpreter()
            gc.callbacks.append(note)
            for _ in range(60_000):
                kept.append([])
        finally:
            gc.callbacks.remove(note)
            gc.set_threshold(*before)
        self.assertGreater(len(scanned), 5)
        self.assertLess(max(scanned), 20_000)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        # Raise the soft limit to the hard limit or the useful maximum, and keep a higher soft limit.
        ((128, 512), (512, 512, 512)),
        ((128, 512, 256), (256, 256, 512)),
        ((300, 512, 256), (300, 300, 512)),
    ],
)
def test_softLimitIsRaised(words: tuple[int, ...], said: tuple[int, ...]) -> None:
    """
    A server raises its limit of open descriptors as far as it may without privileges.
    """
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", PROGRAM, *map(str, words)], capture_output=True, text=True, check=True)
    assert tuple(map(int, done.stdout.split())) == said


def test_defaultLimitCoversWaitingRequests() -> None:
    """
    The default limit is enough for all requests that may wait, each of which has been sent four times.
    """
    from twisted_ext.limits import REQUESTS_WAITING, SOCKET_QUERIES

    assert DESCRIPTORS.default > REQUESTS_WAITING.default * 4 / SOCKET_QUERIES.default * 2
