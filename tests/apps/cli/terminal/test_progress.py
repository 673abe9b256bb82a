"""
Tests of L{twisted_ext.apps.cli.terminal.progress}.
"""

from __future__ import annotations

import sys
from io import StringIO
from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.apps.cli.terminal.progress import PlainDrawing, Progress, RichDrawing, drawingFor, progressLine


class Screen(StringIO):
    """
    A file that claims to be a terminal.
    """

    def isatty(self) -> bool:
        return True


class ProgressTests(SynchronousTestCase):
    """
    Tests for L{Progress} and its drawings.
    """

    def test_lineShowsAllFigures(self) -> None:
        """
        The line shows part, names, speed, window and failures.
        """
        self.assertEqual(
            progressLine(12_345, 41_000.4, 0.5, "window 256", 7),
            "[############............]  50%  12,345 names  41,000/s  window 256  7 without answer",
        )
        self.assertEqual(progressLine(1, 1, None, "window 8", 0), "1 names  1/s  window 8")

    def test_speedIsRecent(self) -> None:
        """
        The speed is that of the last moments.
        """
        clock, screen = Clock(), StringIO()
        progress = Progress(clock, PlainDrawing(screen), part=lambda: None, window=lambda: 32)
        for _ in range(40):
            progress.done += 250
            clock.advance(0.25)
        self.assertIn("10,000 names  1,000/s", screen.getvalue().split("\r")[-1])

    def test_closeRemovesTheLine(self) -> None:
        """
        Closing removes the line and the timer; a second close does nothing.
        """
        clock, screen = Clock(), StringIO()
        progress = Progress(clock, PlainDrawing(screen), part=lambda: 0.5, window=lambda: 32)
        clock.advance(0.25)
        progress.close()
        progress.close()
        self.assertTrue(screen.getvalue().endswith("\r\x1b[K"))
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_richDrawsOnTerminals(self) -> None:
        """
        Rich draws the line on a terminal if it is installed, and plain characters do otherwise.
        """
        screen = Screen()
        drawing = drawingFor(screen)
        self.assertIsInstance(drawing, RichDrawing)
        drawing.draw(5, 1.0, 0.5, "window 32", 0)
        drawing.draw(5, 1.0, None, "window 32", 0)
        drawing.close()
        self.assertIn("5 names", screen.getvalue())
        self.assertIsInstance(drawingFor(StringIO()), PlainDrawing)
        with mock.patch.dict(sys.modules, {"rich.console": None, "rich.progress": None}):
            self.assertIsInstance(drawingFor(screen), PlainDrawing)
