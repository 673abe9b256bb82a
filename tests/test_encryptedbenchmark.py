"""
Tests of the benchmark of encrypted transports: they measure nothing and check its verdicts.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.encrypted.leaks import Leaks
from benchmarks.encrypted.report import RECORD, block, bounds, jsonOf
from benchmarks.servers import OURS
from tests.test_architecture import ROOT


def figures(**other: object) -> dict[str, object]:
    """
    Return figures that keep to all bounds, or others.
    """
    return {
        "date": "2026-11-21",
        "machine": "2 cores",
        "lookups": [[OURS, "tls", 100, [[25.0, 1.0]]], [OURS, "tls", 1, [[90.0, 1.0]]], ["dnspython", "tls", 1, [[150.0, 1.0]]]],
        "hits": {"ratios": {"tcp": 0.9, "dot": 1.2, "doh": None}},
        "idle": [{"opened": 10, "kept": 10, "each": 28.0, "slowest": 0.004, "wrong": 0}],
        "churn": [{"kind": "full", "lost": 0}],
        "resets": [{"code": "ENHANCE_YOUR_CALM", "pending": 0}],
        "workers": [{"event": "kill", "transport": "udp", "lost": 3}, {"event": "kill", "transport": "tls", "lost": 0}],
        "leaks": [{"transport": "tls", "asked": 10, "clientLeft": [0, 0, 0], "serverLeft": [0, 0, 0]}],
        **other,
    }


class VerdictTests(SynchronousTestCase):
    """
    Tests of L{bounds} and L{block}.
    """

    def test_boundsAreHeld(self) -> None:
        """
        Each bound has a line, and figures that keep to them are held. What other libraries take has no bound.
        """
        lines = bounds(figures())
        self.assertEqual({line[-1] for line in lines}, {"held"})
        self.assertEqual(len(lines), 11)

    def test_eachExcessIsFound(self) -> None:
        """
        Each figure beyond its bound is reported.
        """
        for excess in (
            {"lookups": [[OURS, "https", 100, [[121.0, 1.0]]]]},
            {"hits": {"ratios": {"dot": 1.51}}},
            {"idle": [{"opened": 10, "kept": 9, "each": 28.0, "slowest": 0.004, "wrong": 0}]},
            {"idle": [{"opened": 10, "kept": 10, "each": 41.0, "slowest": 0.004, "wrong": 0}]},
            {"churn": [{"kind": "full", "lost": 1}]},
            {"resets": [{"code": "closed", "pending": 0}]},
            {"workers": [{"event": "kill", "transport": "tls", "lost": 1}]},
            {"leaks": [{"transport": "tls", "asked": 10, "clientLeft": [0, 0, 1], "serverLeft": [0, 0, 0]}]},
        ):
            self.assertEqual([line[-1] for line in bounds(figures(**excess))].count("falls short"), 1, excess)

    def test_blockIsTable(self) -> None:
        """
        The page gets one table with each figure and its bound.
        """
        said = block(figures())
        self.assertIn("look-up over TLS, 100 under way", said)
        self.assertIn("at most 40 kB", said)
        self.assertTrue(all(len(line) <= 140 for line in said.splitlines()))

    def test_leaksAreNamed(self) -> None:
        """
        Whatever is left behind is named.
        """
        self.assertEqual(Leaks("tls", 10, 1, (1, 1, 1), (0, 0, 0), 0, (0, 0, 0), 0).faults(), [])
        said = Leaks("tls", 10, 1, (1, 1, 1), (1, 2, 3), 9000, (4, 5, 6), 0).faults()
        self.assertEqual(
            said,
            [
                "the client holds 1 descriptors, 2 timers, 3 look-ups",
                "the server holds 4 connections, 5 requests, 6 descriptors",
                "the client grew by 9000 kB",
            ],
        )

    def test_pageHasTheRecord(self) -> None:
        """
        The page says what the recorded figures say.
        """
        page = (ROOT / "docs" / "measured.rst").read_text("utf-8")
        self.assertIn(block(json.loads(RECORD.read_text("utf-8"))), page)

    def test_recordIsShort(self) -> None:
        """
        The figures have four digits, and each stage a line.
        """
        said = jsonOf({"churn": [{"lost": 0, "slow": 1.23456789}], "date": "2026"})
        self.assertEqual(said, '{\n"churn": [{"lost": 0, "slow": 1.235}],\n"date": "2026"\n}\n')
