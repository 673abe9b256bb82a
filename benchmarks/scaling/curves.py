"""
Draw what an answer costs by the number of cached names, of records, and of workers, as SVG in the colors of light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from benchmarks.scaling.report import CACHE, POPULAR, SPREAD, WORKERS, ZONE, Scaling

__all__ = ["svg"]

_WIDTH: Final = 860
_HEIGHT: Final = 310

#: The top and the bottom of the plots, below which are the sizes and then the key.
_TOP: Final = 40
_BOTTOM: Final = 250

_LABEL: Final = "Processor time of an answer by the number of cached names, of records of a zone, and of workers"

#: The servers and their colors on light and dark pages.
_SERVERS: Final = {"pure": ("#b45309", "#fbbf24"), "compiled": ("#1d4ed8", "#93c5fd"), "NSD": ("#4b5563", "#c4c4c4")}

#: The plots: title, curves with whether each is dashed, left and right edge.
_PLOTS: Final = (
    ("cached names", ((f"{CACHE}, {POPULAR}", True), (f"{CACHE}, {SPREAD}", False)), 45, 330),
    ("records of a zone", ((f"{ZONE}, {POPULAR}", True), (f"{ZONE}, {SPREAD}", False)), 385, 670),
    ("workers", ((WORKERS, True),), 725, 845),
)


def _colors(place: int) -> str:
    base = ("--text:#222;--line:#ddd", "--text:#eee;--line:#444")[place]
    return ".scaling{" + ";".join([base, *[f"--{name.lower()}:{colors[place]}" for name, colors in _SERVERS.items()]]) + "}"


_STYLE: Final = "".join(
    [
        _colors(0),
        f"@media (prefers-color-scheme:dark){{{_colors(1)}}}",
        f"body[data-theme=light] {_colors(0)}",
        f"body[data-theme=dark] {_colors(1)}",
        ".scaling text{font:12px sans-serif;fill:var(--text)}.scaling .grid{stroke:var(--line)}",
        ".scaling polyline{fill:none;stroke-width:2}.scaling .plain{stroke:var(--text)}.scaling .dashed{stroke-dasharray:5 4}",
        *[f".scaling .{name.lower()}{{stroke:var(--{name.lower()})}}" for name in _SERVERS],
        *[f".scaling circle.{name.lower()}{{fill:var(--{name.lower()})}}" for name in _SERVERS],
    ]
)


def _short(size: int) -> str:
    for unit, letter in ((1_000_000, " M"), (1000, ",000")):
        if size >= unit:
            return f"{size // unit}{letter}"
    return str(size)


def ticks(most: float) -> list[int]:
    """
    Return the heights of the grid, in steps of 1, 2 or 5, four to eight of them.
    """
    step = 1
    while most / step > 8:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return list(range(0, math.ceil(most / step) * step + 1, step))


def _plot(title: str, curves: Sequence[tuple[Mapping[str, Mapping[int, float]], bool]], left: int, right: int) -> list[str]:
    points = [point for found, _ in curves for sizes in found.values() for point in sizes.items()]
    if not points:
        return []
    sizes = sorted({size for size, _ in points})
    grid = ticks(max([value for _, value in points]))
    low, high = math.log(sizes[0]), math.log(sizes[-1])

    def x(size: int) -> float:
        return left + (right - left) * ((math.log(size) - low) / (high - low) if high > low else 0.5)

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * value / grid[-1]

    lines = [f'<text x="{left}" y="{_TOP - 18}">µs by {escape(title)}</text>']
    for tick in grid:
        lines.append(f'<line class="grid" x1="{left}" y1="{y(tick):.1f}" x2="{right}" y2="{y(tick):.1f}"/>')
        lines.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    for size in sizes:
        lines.append(f'<text x="{x(size):.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{_short(size)}</text>')
    for found, dashed in curves:
        for name, values in found.items():
            kind = name.lower()
            where = [(x(size), y(value)) for size, value in values.items()]
            joined = " ".join([f"{across:.1f},{down:.1f}" for across, down in where])
            lines.append(f'<polyline class="{kind}{" dashed" if dashed else ""}" points="{joined}"/>')
            for (across, down), (size, value) in zip(where, values.items(), strict=True):
                tip = f"{name}, {size:,} {title}: {value:.1f} µs"
                lines.append(f'<circle class="{kind}" cx="{across:.1f}" cy="{down:.1f}" r="3"><title>{escape(tip)}</title></circle>')
    return lines


def _key(names: Sequence[str]) -> list[str]:
    lines = []
    left = 45
    entries = [*[(name, name.lower()) for name in names], ("all names alike", "plain"), ("popular names", "plain dashed")]
    for said, kind in entries:
        lines.append(f'<polyline class="{kind}" points="{left},{_HEIGHT - 19} {left + 24},{_HEIGHT - 19}"/>')
        lines.append(f'<text x="{left + 30}" y="{_HEIGHT - 15}">{escape(said)}</text>')
        left += 60 + 7 * len(said)
    return lines


def svg(report: Scaling) -> str:
    """
    Return the picture.
    """
    drawn: list[str] = []
    names: dict[str, None] = {}
    for title, curves, left, right in _PLOTS:
        found = [(report.middles(curve), dashed) for curve, dashed in curves]
        names.update(dict.fromkeys([name for sizes, _ in found for name in sizes]))
        drawn += _plot(title, found, left, right)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="scaling" role="img" aria-label="{_LABEL}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}">'
    )
    return "\n".join([head, f"<style>{_STYLE}</style>", *drawn, *_key(list(names)), "</svg>", ""])
