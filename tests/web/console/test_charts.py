"""
Tests of the drawings of the console.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.metrics.figures import JSON
from twisted_ext.metrics.history import COLUMNS
from twisted_ext.web.console.pages.home import Chart, Series, chartsOf, joined


def plain(value: float) -> str:
    return f"{value:g}"


class ChartTests(SynchronousTestCase):
    """
    A drawing has a shape for each series, and the same values as text.
    """

    def test_areas(self) -> None:
        """
        Areas lie upon each other, and the highest point of all touches the upper edge.
        """
        chart = Chart("Both", [0.0, 60.0], [Series("a", "A", [1, 3]), Series("b", "B", [1, 1])], plain, isStacked=True)
        self.assertEqual(chart.top, "4")
        first = "M0.0,90.0 640.0,30.0 640.0,120.0 0.0,120.0Z"
        self.assertEqual(chart.shapes, [("a", first), ("b", "M0.0,60.0 640.0,0.0 640.0,30.0 0.0,90.0Z")])
        self.assertEqual([values for _, values in chart.rows], [["3", "1"], ["1", "1"]])

    def test_lines(self) -> None:
        """
        A line has a gap where there is no value, and the table says so.
        """
        chart = Chart("Line", [0.0, 60.0, 120.0, 180.0], [Series("a", "A", [2, None, 1, 2])], plain)
        self.assertEqual(chart.shapes, [("a", "M0.0,0.0h2M426.7,60.0L640.0,0.0")])
        self.assertEqual([values for _, values in chart.rows], [["2"], ["1"], ["–"], ["2"]])

    def test_singlePoints(self) -> None:
        """
        A value with none on either side is seen, too.
        """
        chart = Chart("Line", [0.0, 60.0, 120.0, 180.0, 240.0], [Series("a", "A", [2, None, 1, None, 2])], plain)
        self.assertEqual(chart.shapes, [("a", "M0.0,0.0h2M320.0,60.0h-2M640.0,0.0h-2")])
        chart = Chart("Line", [0.0], [Series("a", "A", [2])], plain)
        self.assertEqual(chart.shapes, [("a", "M0.0,0.0h2")])

    def test_nothing(self) -> None:
        """
        A server that was asked nothing yet has drawings all the same.
        """
        step: list[JSON] = [0.0, 60.0, 0, 0, 0, 0, None, None, 0]
        cases: list[list[JSON]] = [[], [step, step]]
        for steps in cases:
            charts = chartsOf(joined({"columns": [*COLUMNS], "steps": steps}))
            self.assertEqual([each.top for each in charts], ["0.0", "0.0 ms"])
        self.assertEqual(joined({}), [])

    def test_joined(self) -> None:
        """
        Steps are joined so that there are at most 96 points: counts are added up, latencies weighed by look-ups.
        """
        rows: list[JSON] = [[60.0 * number, 60.0, 10, 6, number % 2 + 1, 0, 0.1 if number % 2 else 0.4, 0.5, 2] for number in range(1440)]
        points = joined({"columns": [*COLUMNS], "steps": rows})
        self.assertEqual(len(points), 96)
        first = points[0]
        wanted = {"start": 0.0, "seconds": 900.0, "queries": 150, "hits": 90, "blocked": 30, "latency95": 0.5}
        self.assertEqual({name: first[name] for name in wanted}, wanted)
        # Eight steps with one look-up each of 0.4 s, seven with two of 0.1 s.
        self.assertAlmostEqual(first["latency"] or 0.0, (8 * 0.4 + 14 * 0.1) / 22)
        queries = chartsOf(points)[0]
        self.assertEqual([each.name for each in queries.series], ["from the cache", "looked up", "blocked", "failed"])
        self.assertAlmostEqual(queries.series[0].values[0] or 0.0, 60 / 900)
        self.assertAlmostEqual(queries.series[2].values[0] or 0.0, 30 / 900)
