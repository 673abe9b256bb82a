"""
Tests of the history of an hour and a day.
"""

from __future__ import annotations

import json
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from tests.server.operations.seeing import objectIn
from twisted_ext.metrics.counters import BOUNDS
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.metrics.history import COLUMNS, History
from twisted_ext.metrics.limits import HISTORY_DAY, HISTORY_HOUR, HISTORY_LATENCIES, HISTORY_UPSTREAMS

#: A multiple of a day.
BEGIN = 86_400 * 20_000


class SpansTests(SynchronousTestCase):
    """
    Tests for L{History} over an hour and a day.
    """

    def setUp(self) -> None:
        self.now = float(BEGIN)
        self.history = History(lambda: self.now)
        self.figures = Figures()

    def run_(self, seconds: int, *, every: float = 1.0, queries: int = 10, lookups: int = 2, latency: float = 0.015) -> None:
        """
        Let time pass, with this many queries a second.
        """
        figures = self.figures
        for _ in range(int(seconds / every)):
            self.history.note(figures, self.now)
            self.now += every
            figures.numbers["udp"] += int(queries * every)
            figures.numbers["udpBeyond"] += int(lookups * every)
            figures.numbers["failed"] += 1
            for _ in range(int(lookups * every)):
                figures.latency[4] += 1
                figures.latencyTotal += latency
        self.history.note(figures, self.now)

    def stepsOf(self, name: str, history: History | None = None) -> list[dict[str, JSON]]:
        """
        Return the steps of a span by column.
        """
        span = objectIn((history or self.history).spans()[name])
        self.assertEqual(span["columns"], [*COLUMNS])
        return [dict(zip(COLUMNS, cast("list[JSON]", step), strict=True)) for step in cast("list[JSON]", span["steps"])]

    def test_countsOfAnExitedProcess(self) -> None:
        """
        When a worker exits, its latest counts are gone, even if there are more queries than before. That moment is left out, so that the
        saved history is valid.
        """
        self.run_(60)
        failed, replies = self.figures.numbers["failed"], self.figures.latency[4]
        for lost in (0, 50):
            self.figures.latency[4] = replies - lost
            self.figures.numbers["failed"] = failed - 50
            self.figures.numbers["udp"] += 100
            self.now += 1
            self.history.note(self.figures, self.now)
        later = History(lambda: self.now)
        later.restore(json.loads(json.dumps(self.history.saved())))
        self.assertEqual(sum(cast("int", step["failures"]) for step in self.stepsOf("hour", later)), failed)

    def test_stepsHaveSumsAndLatency(self) -> None:
        """
        A step has the queries, cache hits, look-ups and failures of its time, and the latency of its look-ups.
        """
        self.run_(60)
        first, *_ = self.stepsOf("hour")
        self.assertEqual((first["start"], first["seconds"]), (BEGIN, 19.0))
        self.assertEqual((first["queries"], first["hits"], first["lookups"], first["failures"]), (190, 152, 38, 19))
        self.assertEqual((first["latency"], first["latency95"]), (0.015, BOUNDS[4]))

    def test_noLookupsHaveNoLatency(self) -> None:
        """
        The latency is unknown without look-ups, not zero.
        """
        self.run_(30, lookups=0)
        self.assertEqual([(step["latency"], step["latency95"]) for step in self.stepsOf("hour")], [(None, None)] * 2)

    def test_spansAreBounded(self) -> None:
        """
        However long the server runs, the history has the steps of one hour and of one day.
        """
        self.run_(3 * 86_400, every=10.0)
        hour, day = self.stepsOf("hour"), self.stepsOf("day")
        self.assertEqual((len(hour), len(day)), (HISTORY_HOUR.default + 1, HISTORY_DAY.default + 1))
        self.assertEqual(sum([cast("int", step["queries"]) for step in day[:-1]]), 86_400 * 10)
        self.assertEqual([step["start"] for step in day], sorted([cast("int", step["start"]) for step in day]))

    def test_endedWorkerMakesNoNegativeStep(self) -> None:
        """
        Counts that fall, because a process has ended, are not subtracted.
        """
        self.run_(5)
        self.figures = Figures()
        self.run_(5)
        self.assertTrue(all(cast("int", step[name]) >= 0 for step in self.stepsOf("hour") for name in ("queries", "hits", "lookups")))

    def test_blockedNamesAreCounted(self) -> None:
        """
        A step has the replies for blocked names, across a restart too, and none of a packet cache that counts anew.
        """
        self.figures.numbers["blocked"] = 100
        for blocked in (100, 103, 2, 4):
            self.figures.numbers["blocked"] = blocked
            self.history.note(self.figures, self.now)
            self.now += 1
        self.assertEqual([step["blocked"] for step in self.stepsOf("hour")], [5])
        self.assertEqual([cast("list[JSON]", step)[6] for step in self.history.toJSON()], [3, 0, 2])
        later = History(lambda: self.now)
        later.restore(json.loads(json.dumps(self.history.saved())))
        self.assertEqual([step["blocked"] for step in self.stepsOf("hour", later)], [5])

    def test_clockThatGoesBack(self) -> None:
        """
        If the system's clock goes back, the newest step takes the queries.
        """
        self.run_(100)
        moment = self.now
        self.now = BEGIN - 500.0
        self.figures.numbers["udp"] += 7
        self.history.note(self.figures, moment + 1)
        starts = [step["start"] for step in self.stepsOf("day")]
        self.assertEqual(starts, sorted(cast("list[int]", starts)))

    def test_historySurvivesARestart(self) -> None:
        """
        A new process continues the hour and the day of the former one; what is too old is left out.
        """
        self.run_(7200, every=5.0)
        saved: JSON = json.loads(json.dumps(self.history.saved()))
        self.now += 600
        later = History(lambda: self.now)
        later.restore(saved)
        later.note(Figures(), 0.0)
        self.assertEqual(len(self.stepsOf("day", later)), 25)
        self.assertLess(len(self.stepsOf("hour", later)), HISTORY_HOUR.default)
        self.assertEqual(self.stepsOf("day", later)[0]["queries"], 2950)
        self.now += 90_000
        later = History(lambda: self.now)
        later.restore(saved)
        self.assertEqual(later.spans()["day"], {**objectIn(later.spans()["day"]), "steps": []})

    def test_damagedHistoryIsRefused(self) -> None:
        """
        A history that is not valid changes nothing.
        """
        self.run_(60)
        before = self.history.saved()
        self.now += 600
        damages: list[object] = [
            None, [], {}, {"hour": []}, {"hour": [], "day": [[1]]}, {"hour": [], "day": [[BEGIN, 1, -5, 0, 0, 0, 0, [0] * 13]]},
            {"hour": [], "day": [[BEGIN, 1, "x", 0, 0, 0, 0, [0] * 13]]}, {"hour": [], "day": [[BEGIN, 1, 5, 0, 0, 0, 0, [0] * 3]]},
            {"hour": [], "day": [[BEGIN, 1, float("nan"), 0, 0, 0, 0, [0] * 13]]},
        ]  # fmt: skip
        for damage in damages:
            with self.assertRaises(ValueError):
                self.history.restore(cast("JSON", damage))
        self.assertEqual(self.history.saved(), before)

    def test_upstreamLatencyIsKeptByTheMinute(self) -> None:
        """
        The mean latency of each upstream is kept for each minute; its number and that of upstreams is bounded.
        """
        for minute in range(100):
            replies, seconds = (minute * 10, minute * 0.5) if minute != 98 else (970, 48.5)
            upstreams: list[dict[str, JSON]] = [
                {"server": f"192.0.2.{number}:53", "way": "udp", "replies": replies, "replySeconds": seconds} for number in range(100)
            ]
            for _ in range(3):
                self.history.noteUpstreams(upstreams)
            self.now += 60
        latencies = self.history.latencies()
        self.assertEqual(len(latencies), HISTORY_UPSTREAMS.default)
        first = cast("list[JSON]", latencies["192.0.2.0:53 udp"])
        self.assertEqual(len(first), HISTORY_LATENCIES.default)
        self.assertEqual((first[-3], first[-2]), (0.05, None))
