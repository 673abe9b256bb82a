"""
The lines of the table, their bounds, and how the page of figures and the README show them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.authorities import KNOT, NSD
from benchmarks.servers import OURS, UNBOUND
from benchmarks.updated import BIND
from benchmarks.variants import COMPILED
from benchmarks.verdicts import Report, shown, simpleTable, suffixOf, wrapped

__all__ = ["BASE", "LINES", "RECORD", "UNITS", "Line", "block", "rowsOf", "summary"]

RECORD: Final = Path(__file__).parent.parent / "bounds.json"

#: An earlier state of the source, where it is measured too.
BASE: Final = "before"

#: The ratio to it that the interpreted package may have.
_NO_WORSE: Final = 1.03

#: What every figure of a report is called.
VALUE: Final = "value"


@dataclass(frozen=True)
class Line:
    """
    One line of the table.

    @ivar unit: what measures it; C{python -m benchmarks bounds UNIT}.
    @ivar peer: what the bound is a multiple of; empty if it is a figure.
    @ivar most: the bound, C{least} where more is better.
    @ivar brief: what the README calls it, if it has it.
    """

    key: str
    unit: str
    label: str
    measure: str
    digits: int
    peer: str = ""
    most: float | None = None
    least: float | None = None
    brief: str = ""

    @property
    def bound(self) -> str:
        """
        In words.
        """
        if self.least is not None:
            return f"≥ {self.least:,.0f}{self.measure}"
        return f"≤ {self.most:g} × {self.peer}" if self.peer else f"≤ {self.most:g}{self.measure}"

    def judged(self, report: Report, name: str) -> float | None:
        """
        Return what is compared with the bound: the ratio to the peer in the same round, or the figure.
        """
        if not self.peer:
            return report.middle(self.key, VALUE, name)
        # Libraries are measured in each build's own process.
        own = self.peer + suffixOf(name)
        other = own if report.rounded(self.key, own, VALUE) else self.peer
        return report.ratio(self.key, VALUE, name, other)

    def holds(self, figure: float) -> bool:
        return (self.most is None or figure <= self.most) and (self.least is None or figure >= self.least)


def _server(unit: str, peer: str, cookie: float) -> tuple[Line, ...]:
    return (
        Line(f"{unit} udp", unit, f"{unit}, hit by UDP, CPU", " µs", 2, peer, 1.0, brief=f"{unit} hit by UDP"),
        Line(f"{unit} case", unit, f"{unit}, hit in random case, CPU", " µs", 2, peer, 1.1),
        Line(f"{unit} cookie", unit, f"{unit}, hit with a cookie, CPU", " µs", 2, peer, cookie),
        Line(f"{unit} light", unit, f"{unit}, latency at 2,000 queries a second", " µs", 0, peer, 1.1),
    )


LINES: Final = (
    *_server("zone", NSD, 1.0),
    *_server("cache", UNBOUND, 1.2),
    Line("first", "first", "zone, first sight of a name, CPU", " µs", 2, NSD, 1.15, brief="first sight of a name of a zone"),
    Line("fresh", "fresh", "zone, names below a wildcard, CPU", " µs", 2, NSD, 1.1, brief="name below a wildcard"),
    Line("missing", "missing", "zone, names that do not exist, CPU", " µs", 2, NSD, 1.2, brief="name that does not exist"),
    Line("many", "many", "100,000 names asked twice through the cache, CPU", " µs", 1, UNBOUND, 1.2, brief="new names through the cache"),
    Line("client", "client", "client, uncached look-up, CPU", " µs", 1, "aiodns", 0.22, brief="look-up by the client, uncached"),
    Line("referral", "parse", "referral of 888 octets parsed", " µs", 1, "twisted.names", 0.2, brief="referral of 888 octets parsed"),
    Line("small", "parse", "small answer parsed", " µs", 2, "twisted.names", 0.25),
    Line("plain", "plain", "1,000,000 records, start to first answer", " s", 1, most=1.5, brief="1,000,000 records loaded"),
    Line("signed", "signed", "2,100,000 records of a signed zone, start to first answer", " s", 1, KNOT, 1.2),
    Line("zones", "zones", "100,000 zones, start to first answer", " s", 1, most=4.0),
    Line("update 1", "update", "update of a signed zone, one client, CPU", " ms", 2, BIND, 1.5, brief="update of a signed zone"),
    Line("update 8", "update", "update of a signed zone, eight clients, CPU", " ms", 2, BIND, 1.0),
    Line("axfr", "axfr", "AXFR in, records a second of one core", "", 0, least=1_000_000),
    Line("bulk", "bulk", "bulk, names a second of one core", "", 0, least=120_000, brief="names a second, txdns bulk"),
)

UNITS: Final = tuple(dict.fromkeys([line.unit for line in LINES]))


def _peers(report: Report, line: Line) -> str:
    found = report.figures.get(line.key, {})
    others = [name for name in found if name not in (OURS, COMPILED, BASE) and not name.endswith(suffixOf(COMPILED))]
    return ", ".join([f"{name} {shown(report.middle(line.key, VALUE, name), line.digits)}" for name in others])


def _ours(report: Report, line: Line, name: str) -> str:
    value = report.middle(line.key, VALUE, name)
    return "" if value is None else shown(value, line.digits) + line.measure


def rowsOf(report: Report) -> list[list[str]]:
    """
    Return the table, its heading first: one row for each line that was measured.
    """
    rows = [["work", "pure", "compiled", "peers", "ratio pure", "compiled", "bound", "compiled is"]]
    for line in LINES:
        if line.key not in report.figures:
            continue
        judged = line.judged(report, COMPILED)
        verdict = "not measured" if judged is None else "within" if line.holds(judged) else "above" if line.least is None else "below"
        ratios = [shown(line.judged(report, name), 2) if line.peer else "" for name in (OURS, COMPILED)]
        figures = [_ours(report, line, name) for name in (OURS, COMPILED)]
        rows.append([line.label, *figures, _peers(report, line), *ratios, line.bound, verdict])
    return rows


def _base(report: Report) -> str:
    """
    Return how the interpreted package compares with an earlier state of itself, if that was measured.
    """
    ratios = {line.label: report.ratio(line.key, VALUE, OURS, BASE) for line in LINES}
    found = {
        label: ratio if line.least is None else 1 / ratio for line, (label, ratio) in zip(LINES, ratios.items(), strict=True) if ratio
    }
    if not found:
        return ""
    worst = max(found, key=lambda label: found[label])
    return (
        f"Interpreted, by what it took before it could be compiled (bound ≤ {_NO_WORSE:g} ×): {min(found.values()):.2f} to"
        f" {found[worst]:.2f}, the most for: {worst}."
    )


def block(report: Report) -> str:
    """
    Return what the page of figures shows.
    """
    text = (
        f"The same source, interpreted (pure) and compiled, beside others in the same run: {report.machine}, {report.date}, medians of"
        f" up to {report.rounds} rounds of {report.seconds:g} s: loading has fewer, and so may parts that were measured by themselves."
        " A server has one core, what asks it the other."
        " Ratios are those of the same round. ``make bench-bounds`` measures again, ``python -m benchmarks bounds zone`` one part."
    )
    lines = [*wrapped(text), "", *simpleTable(rowsOf(report), 36, 3), ""]
    if base := _base(report):
        lines += [*wrapped(base), ""]
    if report.remarks:
        lines += [*wrapped(" ".join(["In this run:", *report.remarks])), ""]
    return "\n".join(lines)


def summary(report: Report) -> str:
    """
    Return what the README shows: the main lines only.
    """
    rows: list[Sequence[str]] = [["work", "pure", "compiled", "others"]]
    for line in LINES:
        if line.brief and line.key in report.figures:
            rows.append([line.brief, _ours(report, line, OURS), _ours(report, line, COMPILED), _peers(report, line)])
    return "\n".join([*simpleTable(rows, 40, 3), ""])
