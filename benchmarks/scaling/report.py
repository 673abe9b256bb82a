"""
What was measured of growth, as JSON and as the section of the page of figures.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.verdicts import shown, simpleTable, wrapped

__all__ = ["CACHE", "LOAD", "PAUSE_MOST", "POPULAR", "RECORD", "SPREAD", "WORKERS", "ZONE", "Scaling", "block"]

RECORD: Final = Path(__file__).parent.parent / "scaling.json"

#: What is measured: an answer from a cache, an answer from a zone, an answer of some workers, and the start with a zone.
CACHE: Final = "cache"
ZONE: Final = "zone"
WORKERS: Final = "workers"
LOAD: Final = "load"

#: Which names are asked for: a few thousand again and again, or all with equal probability.
POPULAR: Final = "popular"
SPREAD: Final = "spread"

#: Milliseconds that a garbage collection may take.
PAUSE_MOST: Final = 10.0


@dataclass
class Scaling:
    """
    Everything that was measured.

    @ivar curves: one figure for each round, by what is measured and which names are asked for (C{cache, popular}), by server, and by size.
        In microseconds of processor time for each answer; seconds for C{load}.
    @ivar memory: megabytes of the server, by C{cache} or C{zone}, by server, and by size.
    @ivar pauses: by build, the milliseconds of collections of each generation under load, and C{forced} that of a full one.
    @ivar full: the number of cached names of these.
    """

    date: str
    machine: str
    rounds: int
    seconds: float
    curves: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    memory: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    pauses: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    full: int = 0
    remarks: list[str] = field(default_factory=list)

    def keep(self, curve: str, name: str, size: int, value: float) -> None:
        """
        Add what a round gave.
        """
        self.curves.setdefault(curve, {}).setdefault(name, {}).setdefault(str(size), []).append(round(value, 4))

    def forget(self, curve: str, size: int) -> None:
        """
        Drop what an interrupted run left of a size.
        """
        for sizes in self.curves.get(curve, {}).values():
            sizes.pop(str(size), None)

    def middles(self, curve: str) -> dict[str, dict[int, float]]:
        """
        Return the medians by server and size, the smallest first.
        """
        return {
            name: {int(size): statistics.median(sizes[size]) for size in sorted(sizes, key=int)}
            for name, sizes in self.curves.get(curve, {}).items()
        }

    def longest(self, build: str) -> float:
        """
        Return the milliseconds of the longest collection that the interpreter has begun, 0 if there was none.
        """
        found = self.pauses.get(build, {})
        return max([value for generation, values in found.items() if generation != "forced" for value in values], default=0.0)

    def toJSON(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def fromJSON(cls, text: str) -> Scaling:
        """
        @param text: as of L{toJSON}.
        """
        return cls(**json.loads(text))


def _shortly(size: int) -> str:
    return f"{size // 1_000_000} M" if size >= 1_000_000 else f"{size:,}"


_LABELS: Final = {
    f"{CACHE}, {POPULAR}": "cache: 8,000 popular names",
    f"{CACHE}, {SPREAD}": "cache: all names alike",
    f"{ZONE}, {POPULAR}": "zone: 8,000 popular names",
    f"{ZONE}, {SPREAD}": "zone: all names alike",
    LOAD: "zone: start to first answer",
}


def _rows(report: Scaling, curves: Sequence[str], sizes: Sequence[int]) -> list[list[str]]:
    rows = []
    for curve in curves:
        unit, digits = (" s", 1) if curve == LOAD else (" µs", 1)
        for name, points in report.middles(curve).items():
            cells = [shown(points.get(size), digits) + (unit if size in points else "") for size in sizes]
            rows.append([f"{_LABELS.get(curve, curve)}, {name}", *cells])
    return rows


def _table(heading: str, report: Scaling, curves: Sequence[str]) -> list[str]:
    found = [report.middles(curve) for curve in curves]
    sizes = sorted({size for names in found for points in names.values() for size in points})
    rows = _rows(report, curves, sizes)
    return [*simpleTable([[heading, *map(_shortly, sizes)], *rows], 60, -1), ""] if rows else []


def _pauses(report: Scaling) -> str:
    said = []
    for build, found in report.pauses.items():
        count = sum([len(values) for generation, values in found.items() if generation != "forced"])
        forced = max(found.get("forced", []), default=0.0)
        said.append(f"{build}: {count} collections, the longest {report.longest(build):.1f} ms; one of all objects {forced:.1f} ms")
    return (
        f"Garbage collections of a server with {report.full:,} cached names, under a load of popular, rare and new names, in processor time"
        f" (bound {PAUSE_MOST:g} ms): {'; '.join(said)}. Cached names are octets in dictionaries, which the collector does not look at. All"
        " objects are collected only in a second with few queries, and then every ten minutes."
    )


def _memory(memory: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    said = []
    for what, names in memory.items():
        for name, sizes in names.items():
            size = max(sizes, key=int)
            said.append(f"{name} {sizes[size]:,.0f} MB with {int(size):,} {'names' if what == CACHE else 'records'} in its {what}")
    return f"Memory of the server: {'; '.join(said)}."


def block(report: Scaling) -> str:
    """
    Return what the page of figures shows: the picture and its figures.
    """
    text = (
        f"Processor time of an answer by UDP as the cache, a zone or the number of workers grows: {report.machine}, {report.date}, medians"
        f" of {report.rounds} rounds of {report.seconds:g} s. Popular names are answered from stored replies. Where all names are asked"
        " alike, nearly each answer of a large cache or zone is the first of its name. ``make bench-scaling`` measures again."
    )
    lines = [*wrapped(text), "", ".. raw:: html", "   :file: scaling.svg", ""]
    lines += _table("cached names", report, [f"{CACHE}, {POPULAR}", f"{CACHE}, {SPREAD}"])
    lines += _table("records", report, [f"{ZONE}, {POPULAR}", f"{ZONE}, {SPREAD}", LOAD])
    lines += _table("workers", report, [WORKERS])
    if report.memory:
        lines += [*wrapped(_memory(report.memory)), ""]
    if report.pauses:
        lines += [*wrapped(_pauses(report)), ""]
    if report.remarks:
        lines += [*wrapped(" ".join(["In this run:", *report.remarks])), ""]
    return "\n".join(lines)
