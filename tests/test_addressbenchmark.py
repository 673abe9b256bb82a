"""
Tests of the benchmark of C{getaddrinfo}: nothing is timed, what the page shows is what was recorded.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.addresses import BUDGETS, PAGE, RECORD, WAYS, block, replaced, verdicts

__all__: list[str] = []


class RecordTests(SynchronousTestCase):
    """
    Tests of what was recorded.
    """

    def test_page(self) -> None:
        """
        The page has the figures that were recorded, of every way that was measured.
        """
        report = json.loads(RECORD.read_text("utf-8"))
        self.assertIn(block(report, report["figures"]), PAGE.read_text("utf-8"))
        measured = {way for of in report["figures"].values() for way in of}
        self.assertEqual(measured, set(WAYS))
        self.assertEqual(verdicts(report["figures"]), report["verdicts"])

    def test_replaced(self) -> None:
        """
        Recording changes the page between the marks alone, and not a page without them.
        """
        page = PAGE.read_text("utf-8")
        self.assertEqual(replaced(replaced(page, "else\n"), "that\n"), replaced(page, "that\n"))
        with self.assertRaises(ValueError):
            replaced("nothing", "that\n")


class FigureTests(SynchronousTestCase):
    """
    Tests of what is made of figures.
    """

    def test_medians(self) -> None:
        """
        A row has the medians of all rounds, and the medians of the ratios within each; what was not measured is said so.
        """
        figures = {"hit": {"system": [1.0, 9.0, 2.0], "aiodns": [10.0, 10.0, 10.0]}, "miss": {"system": [60.0, 50.0, 54.0]}}
        said = block({"machine": "a machine", "date": "2026-11-20"}, figures)
        row = said.partition(WAYS["system"])[2].split()
        self.assertEqual([cell for cell in row if cell != "-"][:3], ["2.0", "0.20", "54.0"])
        self.assertNotIn(WAYS["loop"], said)

    def test_verdicts(self) -> None:
        """
        Each of ours is held to the budgets, and both outcomes are told; and so is what is paid where nothing is gained by it.
        """
        over = BUDGETS["miss"] + 1
        held, missed, more = verdicts({"hit": {"system": [1.0]}, "miss": {"udp": [over], "system": [over + 7.5], "aiodns": [1000.0]}})
        self.assertIn("held", held)
        self.assertIn("missed", missed)
        self.assertIn("63.5 µs, 7.5 of them", more)
