"""
What the rounds of C{benchmarks.served} say: medians, ratios of the same round, and whether we keep to what we set ourselves.
"""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from benchmarks.servers import OURS, UNBOUND
from benchmarks.variants import COMPILED

__all__ = [
    *("ALONE", "BOTH", "BUDGETS", "WORKERS", "Budget", "Report"),
    *("block", "shown", "simpleTable", "suffixOf", "table", "verdict", "verdicts", "wrapped"),
]

#: Who is asked in the stages that are about workers.
ALONE: Final = "one process"
BOTH: Final = "two workers"
WORKERS: Final = ("first worker", "second worker")

#: Times are given in microseconds.
_MICRO: Final = 1e6


@dataclass
class Report:
    """
    Everything that was measured.

    @ivar figures: one for each round, by stage, server and what it is: C{cpu} and C{latency} in microseconds for each answer, C{speed} in
        answers a second, C{memory} in megabytes, C{start} in seconds.
    @ivar remarks: what was left out or should not be counted, and why, a sentence each.
    """

    date: str
    machine: str
    rounds: int
    seconds: float
    names: int
    versions: dict[str, str] = field(default_factory=dict)
    figures: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def keep(self, stage: str, name: str, **values: float) -> None:
        """
        Add what a round gave.
        """
        for what, value in values.items():
            self.figures.setdefault(stage, {}).setdefault(name, {}).setdefault(what, []).append(value)

    def rounded(self, stage: str, name: str, what: str) -> list[float]:
        """
        @return: what each round gave, if there was any.
        """
        return self.figures.get(stage, {}).get(name, {}).get(what, [])

    def middle(self, stage: str, what: str, name: str = OURS) -> float | None:
        """
        @return: the median of all rounds.
        """
        values = self.rounded(stage, name, what)
        return statistics.median(values) if values else None

    def ratio(self, stage: str, what: str, name: str = OURS, other: str = UNBOUND, otherStage: str = "") -> float | None:
        """
        @return: the median of what this one took, by what the other one took in the same round.
        """
        pairs = zip(self.rounded(stage, name, what), self.rounded(otherStage or stage, other, what), strict=False)
        ratios = [ours / theirs for ours, theirs in pairs if theirs]
        return statistics.median(ratios) if ratios else None

    def toJSON(self, budgets: Sequence[Budget] | None = None) -> str:
        """
        @return: all of it, with the verdicts.
        """
        found = verdicts(self, budgets)
        said = [{"what": each.what, "figure": figure, "bound": each.bound, "held": held} for each, figure, held in found]
        rounded = {
            stage: {name: {what: [round(value, 4) for value in values] for what, values in each.items()} for name, each in servers.items()}
            for stage, servers in self.figures.items()
        }
        return json.dumps({**asdict(self), "figures": rounded, "verdicts": said}, indent=1) + "\n"

    @classmethod
    def fromJSON(cls, text: str) -> Report:
        """
        @param text: as of L{toJSON}. Verdicts are computed again.
        """
        said = json.loads(text)
        said.pop("verdicts", None)
        return cls(**said)


@dataclass(frozen=True)
class Budget:
    """
    What something may cost.

    @ivar figure: finds it, or L{None} where it was not measured.
    @ivar most: it may be no more than this.
    @ivar least: no less.
    """

    what: str
    figure: Callable[[Report], float | None]
    most: float | None = None
    least: float | None = None
    unit: str = ""

    @property
    def bound(self) -> str:
        """
        In words.
        """
        return f"at most {self.most:g}{self.unit}" if self.most is not None else f"at least {self.least:g}{self.unit}"

    def holds(self, figure: float) -> bool:
        """
        @return: whether this figure is within it.
        """
        return (self.most is None or figure <= self.most) and (self.least is None or figure >= self.least)


def _worstWorker(report: Report) -> float | None:
    found = [report.ratio("worker", "cpu", name, ALONE) for name in WORKERS]
    return max([ratio for ratio in found if ratio is not None], default=None)


BUDGETS: Final = (
    Budget("UDP hit, CPU, by Unbound's", lambda it: it.ratio("udp", "cpu"), most=1.3),
    Budget("UDP hits a second, by Unbound's", lambda it: it.ratio("udp", "speed"), least=0.9),
    Budget("TCP hit, CPU, by Unbound's", lambda it: it.ratio("tcp", "cpu"), most=1.3),
    Budget("hit in random case, CPU, by our plain one's", lambda it: it.ratio("case", "cpu", OURS, OURS, "udp"), most=3),
    Budget("hit with a cookie, CPU, by our plain one's", lambda it: it.ratio("cookie", "cpu", OURS, OURS, "udp"), most=3),
    Budget("latency under light load, by Unbound's", lambda it: it.ratio("light", "latency"), most=1.5),
    Budget("100,000 names, memory", lambda it: it.middle("many", "memory"), most=150, unit=" MB"),
    Budget("100,000 names, CPU, by Unbound's", lambda it: it.ratio("many", "cpu"), most=4),
    Budget("start to first answer", lambda it: it.middle("start", "start"), most=0.7, unit=" s"),
    Budget("hit of each of two workers, CPU, by one process's", _worstWorker, most=1.1),
    Budget("hit of both workers at once, CPU, by one process's", lambda it: it.ratio("workers", "cpu", BOTH, ALONE), most=1.1),
)


def verdicts(report: Report, budgets: Sequence[Budget] | None = None) -> list[tuple[Budget, float | None, bool | None]]:
    """
    @param budgets: those of a server that forwards by default.

    @return: each budget with its figure, and whether it holds; L{None} for both where nothing was measured.
    """
    found = [(budget, budget.figure(report)) for budget in (BUDGETS if budgets is None else budgets)]
    return [(budget, figure, None if figure is None else budget.holds(figure)) for budget, figure in found]


def verdict(held: bool | None) -> str:
    """
    @return: in words.
    """
    return "not measured" if held is None else "held" if held else "falls short"


#: Columns of the table: heading, stage, what, digits after the point.
_COLUMNS: Final = (
    ("UDP µs", "udp", "cpu", 1),
    ("UDP /s", "udp", "speed", 0),
    ("TCP µs", "tcp", "cpu", 1),
    ("0x20 µs", "case", "cpu", 1),
    ("cookie µs", "cookie", "cpu", 1),
    ("light µs", "light", "latency", 0),
    ("many µs", "many", "cpu", 1),
    ("many MB", "many", "memory", 0),
    ("start s", "start", "start", 2),
)


def shown(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def table(report: Report) -> tuple[list[str], list[list[str]]]:
    """
    @return: headings, and a row for each server. What was not measured has no column.
    """
    rows = [
        [
            name,
            *[shown(report.middle(stage, what, name), digits) for _, stage, what, digits in _COLUMNS],
            shown(report.ratio("udp", "cpu", name), 2),
        ]
        for name in report.versions
    ]
    headings = ["server", *[column[0] for column in _COLUMNS], "UDP ratio"]
    places = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    return [headings[place] for place in places], [[row[place] for place in places] for row in rows]


#: Rows of the page of figures: what is said, stage, what, digits, unit.
_PATHS: Final = (
    ("hit by UDP, CPU", "udp", "cpu", 1, " µs"),
    ("hits by UDP, a second", "udp", "speed", 0, ""),
    ("hit by TCP, CPU", "tcp", "cpu", 1, " µs"),
    ("hit in random case (0x20), CPU", "case", "cpu", 1, " µs"),
    ("hit with a cookie, CPU", "cookie", "cpu", 1, " µs"),
    ("latency at 2,000 queries a second", "light", "latency", 0, " µs"),
    ("100,000 names asked twice, CPU of each", "many", "cpu", 1, " µs"),
    ("memory with 100,000 names", "many", "memory", 0, " MB"),
    ("start to first answer", "start", "start", 2, " s"),
)

_WORKERS: Final = (
    ("hit of either of two workers, CPU", "worker", WORKERS),
    ("hit of two workers at once, CPU", "workers", (BOTH,)),
)


def suffixOf(name: str) -> str:
    """
    @return: what follows the names of L{ALONE} and L{WORKERS} for a build of ours.
    """
    return f", {name}" if name == COMPILED else ""


def wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 140, break_long_words=False, break_on_hyphens=False)


def simpleTable(rows: Sequence[Sequence[str]], widest: int, wide: int = 2) -> list[str]:
    """
    @param widest: columns of the cells that are wrapped.
    @param wide: the place of these in a row.

    @return: the lines of a table in reStructuredText; the first row is its heading.
    """
    parts = [[textwrap.wrap(cell, widest) if place == wide else [cell] for place, cell in enumerate(row)] for row in rows]
    widths = [max([len(line) for row in parts for line in row[place]]) for place in range(len(rows[0]))]
    rule = " ".join(["=" * width for width in widths])
    lines = [rule]
    for number, row in enumerate(parts):
        for height in range(max(map(len, row))):
            cells = [cell[height] if height < len(cell) else "" for cell in row]
            lines.append(" ".join([cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]).rstrip())
        if not number:
            lines.append(rule)
    return [*lines, rule]


def block(report: Report) -> str:
    """
    @return: what the page of figures says about the server.
    """
    # Our two builds stand side by side.
    both = COMPILED in report.versions
    rows = [["server", *(["pure", "compiled", "peers", "ratios"] if both else ["ours", "peers", "ratio"])]]

    def add(label: str, figures: Sequence[str], peers: str, ratios: Sequence[str]) -> None:
        rows.append([label, *figures, peers, ", ".join(ratios)])

    ourselves = (OURS, COMPILED) if both else (OURS,)
    for label, stage, what, digits, unit in _PATHS:
        ours = report.middle(stage, what)
        if ours is None:
            continue
        peers = [(name, report.middle(stage, what, name)) for name in report.versions if name not in (OURS, COMPILED)]
        said = ", ".join([f"{name} {shown(value, digits)}" for name, value in peers if value is not None])
        figures = [shown(report.middle(stage, what, name), digits) + unit for name in ourselves]
        add(label, figures, said, [shown(report.ratio(stage, what, name), 2) for name in ourselves])
    for label, stage, names in _WORKERS:
        figures, ratios, one = [], [], ""
        for suffix in map(suffixOf, ourselves):
            alone = ALONE + suffix
            found = {name + suffix: report.ratio(stage, "cpu", name + suffix, alone) for name in names}
            known = {name: ratio for name, ratio in found.items() if ratio is not None}
            if known:
                worst = max(known, key=lambda name: known[name])
                one += f"{', ' if one else 'one process of ours '}{shown(report.middle(stage, 'cpu', alone))}"
                figures.append(shown(report.middle(stage, "cpu", worst)) + " µs")
                ratios.append(shown(known[worst], 2))
        if ratios:
            add(label, [*figures, *[""] * (len(ourselves) - len(figures))], one, ratios)
    text = (
        f"A forwarding server, its answers in the cache: {report.machine}, {report.date}, medians of {report.rounds} rounds of"
        f" {report.seconds:g} s, in which the servers take turns. The server has one core, dnsperf and NSD as upstream the other; CPU is"
        " for each answer, answers are sampled and compared with the zone. Two workers at once share both cores with dnsperf."
        " Ratios are those of the same round: to Unbound, and of workers to one process. ``make bench-server`` measures again."
    )
    lines = [*wrapped(text), "", *simpleTable(rows, 60, 3 if both else 2), ""]
    if report.remarks:
        lines += [*wrapped(" ".join(["In this run:", *report.remarks])), ""]
    return "\n".join(lines)
