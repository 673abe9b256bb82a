"""
Tests of the benchmark of C{getaddrinfo}: they measure nothing and check that the page shows the recorded figures.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.addresses import BUDGETS, PAGE, RECORD, WAYS, block, replaced, verdicts

__all__: list[str] = []


class RecordTests(SynchronousTestCase):
    """
    Tests of the recorded figures.
    """

    def test_pageShowsRecordedFigures(self) -> None:
        """
        The page shows the recorded figures of every measured resolver.
        """
        report = json.loads(RECORD.read_text("utf-8"))
        self.assertIn(block(report, report["figures"]), PAGE.read_text("utf-8"))
        measured = {way for of in report["figures"].values() for way in of}
        self.assertEqual(measured, set(WAYS))
        self.assertEqual(verdicts(report["figures"]), report["verdicts"])

    def test_recordingChangesMarkedPartOnly(self) -> None:
        """
        Recording changes only the part of the page between the marks, and refuses a page without them.
        """
        page = PAGE.read_text("utf-8")
        self.assertEqual(replaced(replaced(page, "else\n"), "that\n"), replaced(page, "that\n"))
        with self.assertRaises(ValueError):
            replaced("nothing", "that\n")


class FigureTests(SynchronousTestCase):
    """
    Tests of the calculations.
    """

    def test_rowsHaveMedians(self) -> None:
        """
        A row has the medians of all rounds, and of the ratios within each; missing figures are shown as such.
        """
        figures = {"hit": {"system": [1.0, 9.0, 2.0], "aiodns": [10.0, 10.0, 10.0]}, "miss": {"system": [60.0, 50.0, 54.0]}}
        text = block({"machine": "a machine", "date": "2026-11-20"}, figures)
        row = text.partition(WAYS["system"])[2].split()
        self.assertEqual([cell for cell in row if cell != "-"][:3], ["2.0", "0.20", "54.0"])
        self.assertNotIn(WAYS["loop"], text)

    def test_verdictsForBothOutcomes(self) -> None:
        """
        Each budget is reported as held or missed, and so is the cost where nothing is gained.
        """
        over = BUDGETS["miss"] + 1
        held, missed, more = verdicts({"hit": {"system": [1.0]}, "miss": {"udp": [over], "system": [over + 7.5], "aiodns": [1000.0]}})
        self.assertIn("held", held)
        self.assertIn("missed", missed)
        self.assertIn("63.5 µs, 7.5 of them", more)
