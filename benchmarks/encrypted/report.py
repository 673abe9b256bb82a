"""
Whether the figures keep to their bounds, and what the page of figures says of them.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from benchmarks.served import replaced
from benchmarks.servers import OURS
from benchmarks.verdicts import simpleTable, wrapped

__all__ = ["RECORD", "block", "bounds", "jsonOf", "publish"]

RECORD: Final = Path(__file__).parent.parent / "encrypted.json"
_PAGE: Final = Path(__file__).parent.parent.parent / "docs" / "measured.rst"

#: Ratios to Unbound's cost for an answer.
_RATIOS: Final = {"tcp": 1.5, "dot": 1.5, "doh": 4.0}

#: Microseconds of a look-up with many under way.
_LOOKUPS: Final = {"tls": 40.0, "https": 120.0}
_MANY: Final = 100

#: Kilobytes of an idle connection, and seconds that another client waits at most.
_IDLE: Final = 40.0
_WAIT: Final = 0.1

#: Columns of the last column.
_WIDEST: Final = 60

#: What happens to a worker under load.
_EVENTS: Final = {"kill": "a worker killed", "reload": "settings read again"}

#: The names of transports for readers.
_NAMES: Final = {
    "udp": "UDP",
    "tcp": "TCP",
    "tls": "TLS",
    "dot": "TLS",
    "https": "HTTPS",
    "doh": "HTTPS",
    "quic": "QUIC",
    "http3": "HTTP/3",
}

Row = list[str]
_Figures = Mapping[str, object]


def _rows(figures: _Figures, stage: str) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", figures.get(stage, []))


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def bounds(figures: _Figures) -> list[Row]:
    """
    Return a line for each bound: what it is about, the figure, the bound, and whether it is held.
    """
    lines: list[Row] = []

    def judge(what: str, figure: float, most: float, unit: str = "") -> None:
        lines.append([what, f"{figure:.4g}{unit}", f"at most {most:g}{unit}", "held" if figure <= most else "falls short"])

    for library, transport, window, runs in cast("list[tuple[str, str, int, list[list[float]]]]", figures.get("lookups", [])):
        if library == OURS and transport in _LOOKUPS and window == _MANY:
            cost = statistics.median([run[0] for run in runs])
            judge(f"look-up over {_NAMES[transport]}, {window} under way", cost, _LOOKUPS[transport], " µs")
    ratios = cast("dict[str, dict[str, float | None]]", figures.get("hits", {})).get("ratios", {})
    for transport, ratio in ratios.items():
        if ratio is not None:
            judge(f"answer over {_NAMES[transport]}, ratio to Unbound", ratio, _RATIOS[transport])
    for row in _rows(figures, "idle"):
        judge(f"memory of each of {row['kept']} idle connections", _number(row["each"]), _IDLE, " kB")
        judge("connections closed, wrong answers", _number(row["opened"]) - _number(row["kept"]) + _number(row["wrong"]), 0)
        judge("slowest answer to another client", _number(row["slowest"]), _WAIT, " s")
    for row in _rows(figures, "churn"):
        judge(f"queries lost on connections in use, handshakes {row['kind']}", _number(row["lost"]), 0)
    for row in _rows(figures, "resets"):
        judge("GOAWAY other than ENHANCE_YOUR_CALM", float(row["code"] != "ENHANCE_YOUR_CALM"), 0)
        judge("requests left after resets", _number(row["pending"]), 0)
    for row in _rows(figures, "workers"):
        # Over UDP a client cannot notice that its worker is gone, so some queries are lost.
        if row["transport"] != "udp":
            name = _NAMES[str(row["transport"])]
            judge(f"queries lost over {name}, {_EVENTS[str(row['event'])]}", _number(row["lost"]), 0)
    for row in _rows(figures, "leaks"):
        left = [_number(each) for name in ("clientLeft", "serverLeft") for each in cast("list[float]", row[name])]
        judge(f"left behind by {_number(row['asked']):.0f} look-ups over {_NAMES[str(row['transport'])]}", sum(left), 0)
    return lines


def jsonOf(figures: _Figures) -> str:
    """
    Return the figures as JSON, with a line for each stage.
    """
    lines = [f"{json.dumps(stage)}: {json.dumps(_rounded(each))}" for stage, each in figures.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return value


def _lookups(figures: _Figures) -> list[Row]:
    """
    Return what look-ups cost us, and others in the same run.
    """
    costs: dict[tuple[str, int], dict[str, str]] = {}
    for library, transport, window, runs in cast("list[tuple[str, str, int, list[list[float]]]]", figures.get("lookups", [])):
        costs.setdefault((transport, window), {})[library] = f"{statistics.median([run[0] for run in runs]):.3g}"
    lines: list[Row] = []
    for (transport, window), each in costs.items():
        if OURS in each:
            how = "one at a time" if window == 1 else f"{window} under way"
            others = ", ".join([f"{library} {cost}" for library, cost in each.items() if library != OURS])
            lines.append([f"look-up over {_NAMES[transport]}, {how}", f"{each[OURS]} µs", others])
    return lines


def _hits(figures: _Figures) -> list[Row]:
    """
    Return what answers from the cache cost us, and others in the same run.
    """
    costs: dict[str, dict[str, str]] = {}
    found = cast("list[tuple[str, str, list[list[float]]]]", cast("_Figures", figures.get("hits", {})).get("costs", []))
    for transport, server, runs in found:
        costs.setdefault(transport, {})[server] = f"{statistics.median([run[0] for run in runs]):.3g}"
    return [
        [
            f"answer over {_NAMES[transport]}",
            f"{each[OURS]} µs",
            ", ".join([f"{server} {cost}" for server, cost in each.items() if server != OURS]),
        ]
        for transport, each in costs.items()
        if OURS in each
    ]


def block(figures: _Figures) -> str:
    """
    Return what stands in the page of figures between the marks.
    """
    said = (
        f"Measured on {figures['date']} on {figures['machine']}, by ``python -m benchmarks encrypted``: processor time of a look-up, and "
        "of an answer from the cache, ours and others' in the same run; then what connections take and lose under load."
    )
    judged = [line[:3] for line in bounds(figures) if not line[0].startswith("look-up")]
    lines = [["encrypted", "measured", "others, or what is allowed"], *_hits(figures), *_lookups(figures), *judged]
    return "\n".join([*wrapped(said), "", *simpleTable(lines, _WIDEST), ""])


def publish(figures: _Figures) -> None:
    """
    Write the block.
    """
    _PAGE.write_text(replaced(_PAGE.read_text("utf-8"), block(figures), "encrypted"), "utf-8")
