"""
Tests of the figures of a server and of their history.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.metrics.samples import busy
from twisted_ext.metrics.figures import JSON, Figures, figuresOf, sumOf
from twisted_ext.metrics.history import History


class FiguresTests(SynchronousTestCase):
    """
    Tests for L{Figures}.
    """

    def test_derivedFigures(self) -> None:
        """
        Replies without a wait come from the packet cache or at once from a source. All others were waited for.
        """
        figures = figuresOf(busy())
        self.assertEqual((figures.queries, figures.laneHits, figures.atHand, figures.waited), (1000, 850, 960, 13))
        self.assertEqual(figures.replies, {"NOERROR": 940, "NXDOMAIN": 40, "SERVFAIL": 10})

    def test_jsonRoundTrip(self) -> None:
        """
        The figures read from JSON equal the figures that were written.
        """
        figures = figuresOf(busy())
        figures.upstreams = [{"server": "192.0.2.1:53", "up": True, "rtt": None}]
        again = Figures.fromJSON(json.loads(json.dumps(figures.toJSON())))
        self.assertEqual(again.toJSON(), figures.toJSON())

    def test_invalidJSONRaisesValueError(self) -> None:
        """
        JSON that does not hold figures raises C{ValueError}.
        """
        whole = figuresOf(busy()).toJSON()
        parts: tuple[dict[str, object], ...] = (
            {"latency": {"counts": [1], "seconds": 0}},
            {"latency": None},
            {"asked": [1]},
            {"numbers": {"udp": "x"}},
        )
        invalid: list[object] = [None, [], {}, *[{**whole, **part} for part in parts]]
        for wrong in invalid:
            with self.assertRaises(ValueError):
                Figures.fromJSON(json.loads(json.dumps(wrong)))

    def test_sumOfSeveralProcesses(self) -> None:
        """
        The figures of several processes add up, and an upstream is up if it is up for one of them.
        """
        one, other = figuresOf(busy()), figuresOf(busy())
        counted: dict[str, JSON] = {"queries": 2, "replies": 1, "replySeconds": 0.5, "troubles": {"timeout": 1}}
        one.upstreams = [{"server": "192.0.2.1:53", "up": False, **counted}, {"server": "192.0.2.2:53", "up": False}]
        other.upstreams = [{"server": "192.0.2.1:53", "up": True, **counted, "troubles": {"timeout": 2, "SERVFAIL": 1}}]
        total = sumOf([one, other])
        self.assertEqual((total.processes, total.queries, total.waited), (2, 2000, 26))
        self.assertEqual(total.latencyTotal, 2 * one.latencyTotal)
        self.assertEqual(total.asked[0], ("www.example.", 10))
        self.assertEqual(total.slowest[0], one.slowest[0])
        self.assertEqual([upstream["up"] for upstream in total.upstreams], [True, False])
        first = total.upstreams[0]
        self.assertEqual((first["queries"], first["replies"], first["replySeconds"]), (4, 2, 1.0))
        self.assertEqual(first["troubles"], {"timeout": 3, "SERVFAIL": 1})
        self.assertEqual(total.types, {name: 2 * count for name, count in one.types.items()})

    def test_namesArePrintable(self) -> None:
        """
        Names contain neither terminal control characters nor line ends.
        """
        figures = figuresOf(busy())
        names = [name for name, _ in [*figures.asked, *figures.slowest]]
        self.assertEqual([name for name in names if not (name.isascii() and name.isprintable())], [])


class HistoryTests(SynchronousTestCase):
    """
    Tests for L{History}.
    """

    def figures(self, queries: int) -> Figures:
        """
        Return figures with this number of queries, all of them hits.
        """
        figures = Figures()
        figures.numbers["udp"] = queries
        return figures

    def test_stepsHoldLengthAndDifference(self) -> None:
        """
        Each step holds its length in seconds and the queries of that time.
        """
        history = History(lambda: 1_000_000.0)
        for at, queries in ((10.0, 100), (11.0, 150), (13.0, 350)):
            history.note(self.figures(queries), at)
        self.assertEqual(history.toJSON(), [[1.0, 50, 50, 0, 0, None, 0], [2.0, 200, 200, 0, 0, None, 0]])
        self.assertEqual(history.perSecond(), 250 / 3)
        self.assertEqual(history.perSecond(1.0), 100.0)

    def test_newServerHasNoRate(self) -> None:
        """
        A server that has just started has no rate.
        """
        history = History(lambda: 1_000_000.0)
        self.assertEqual((history.perSecond(), history.toJSON()), (0.0, []))
        history.note(self.figures(5), 1.0)
        history.note(self.figures(5), 1.0)
        self.assertEqual(history.perSecond(), 0.0)

    def test_historyIsBounded(self) -> None:
        """
        The history keeps the last minutes only.
        """
        history = History(lambda: 1_000_000.0)
        for second in range(1000):
            history.note(self.figures(second), float(second))
        self.assertEqual(len(history.toJSON()), 300)

    def test_rateIsNeverNegative(self) -> None:
        """
        The rate starts again when a process exits and takes its counts with it. It is never negative.
        """
        history = History(lambda: 1_000_000.0)
        history.note(self.figures(1000), 1.0)
        history.note(self.figures(10), 2.0)
        self.assertEqual((history.perSecond(), history.toJSON()), (0.0, []))
