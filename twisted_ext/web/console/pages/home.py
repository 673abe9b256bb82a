"""
The first page: how the server does, and what was changed last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred

from twisted_ext.errors import BadDescription, CallerFault, StorageFault, TimedOut
from twisted_ext.files import stateOf
from twisted_ext.metrics.history import SPANS
from twisted_ext.server.config.addedvalues import ADDED
from twisted_ext.server.features.queryhistory.searching import HistorySearch, Top, missingIn
from twisted_ext.server.settings.additions import unusedIn
from twisted_ext.server.zones.table.zonetable import SERVING
from twisted_ext.web.console.pages.changed import changeIn, isChange
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleReply

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.zones.update.commit import Elsewhere

__all__ = ["Chart", "HomePage", "Series", "chartsOf", "joined"]

#: Lines of the audit log, and zones with problems, that the page has.
_LINES: Final = 10

#: Seconds of uptime below which the last hour is of more interest than the day.
_YOUNG: Final = 2 * 3600.0

_NEVER: Final = float("inf")

_DAY: Final = 86_400.0

#: Pixels of a drawing.
_WIDTH: Final = 640
_HEIGHT: Final = 120

#: Pixels of the line for a single point.
_DOT: Final = 2

#: Points of a drawing: one for each quarter of an hour of a day.
_POINTS: Final = 96

#: Rows of the table with the same values.
_ROWS: Final = 24

_Point = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """
    One kind of values.

    @ivar style: the class of its shape.
    @ivar values: one for each point; L{None} where there is none.
    """

    style: str
    name: str
    values: Sequence[float | None]


class Chart:
    """
    A drawing.

    @ivar title: what it shows.
    @ivar series: as given.
    @ivar top: the value at the upper edge, as text.
    @ivar shapes: for each series its style and the path of its shape.
    @ivar rows: the same values as text: a time, and one of each series.
    """

    def __init__(
        self, title: str, moments: Sequence[float], series: Sequence[Series], shown: Callable[[float], str], *, isStacked: bool = False
    ) -> None:
        """
        @param moments: seconds since 1970.
        @param shown: formats a value.
        @param isStacked: whether the series are areas, each upon those before it.
        """
        self.title = title
        self.series = series
        totals = [sum([each.values[place] or 0.0 for each in series]) for place in range(len(moments))]
        most = max(totals, default=0.0) if isStacked else max([value for each in series for value in each.values if value], default=0.0)
        self.top = shown(most)
        self.shapes: list[tuple[str, str]] = []
        base = [0.0] * len(moments)
        for each in series:
            if isStacked:
                upper = [low + (value or 0.0) for low, value in zip(base, each.values, strict=True)]
                self.shapes.append((each.style, _area(base, upper, most)))
                base = upper
            else:
                self.shapes.append((each.style, _line(each.values, most)))
        self.begin, self.end = [_clock(moments[place]) for place in (0, -1)] if moments else ("", "")
        step = max(len(moments) // _ROWS, 1)
        self.rows = [
            (_clock(moments[place]), [("–" if value is None else shown(value)) for value in [each.values[place] for each in series]])
            for place in range(len(moments) - 1, -1, -step)
        ]


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M", time.localtime(seconds))


def _across(place: int, count: int) -> str:
    return f"{place * _WIDTH / max(count - 1, 1):.1f}"


def _down(value: float, most: float) -> str:
    return f"{_HEIGHT - value * _HEIGHT / (most or 1.0):.1f}"


def _area(lower: Sequence[float], upper: Sequence[float], most: float) -> str:
    count = len(upper)
    there = [f"{_across(place, count)},{_down(value, most)}" for place, value in enumerate(upper)]
    back = [f"{_across(place, count)},{_down(lower[place], most)}" for place in range(count - 1, -1, -1)]
    return f"M{' '.join([*there, *back])}Z" if count else ""


def _line(values: Sequence[float | None], most: float) -> str:
    words: list[str] = []
    isOn = False
    for place, value in enumerate(values):
        if value is not None:
            words.append(f"{'L' if isOn else 'M'}{_across(place, len(values))},{_down(value, most)}")
            if not isOn and values[place + 1 : place + 2] in ([], [None]):
                # One by itself would not be seen.
                words.append(f"h{-_DOT if place else _DOT}")
        isOn = value is not None
    return "".join(words)


def joined(span: Mapping[str, JSON]) -> list[_Point]:
    """
    Return the points of an hour or a day, so many steps in each that there are not too many.

    @param span: see L{History.spans<twisted_ext.metrics.history.History.spans>}.
    """
    columns, steps = span.get("columns"), span.get("steps")
    if not isinstance(columns, list) or not isinstance(steps, list):
        return []
    rows = [dict(zip(map(str, columns), step, strict=False)) for step in steps if isinstance(step, list)]
    size = -(-len(rows) // _POINTS) or 1
    return [_sumOf(rows[place : place + size]) for place in range(0, len(rows), size)]


def _sumOf(rows: Sequence[Mapping[str, JSON]]) -> _Point:
    def numbers(name: str) -> list[float]:
        return [value for row in rows if isinstance(value := row.get(name), int | float)]

    found: dict[str, float | None] = {name: sum(numbers(name)) for name in ("seconds", "queries", "hits", "lookups", "failures", "blocked")}
    weights = [(count, latency) for count, latency in zip(numbers("lookups"), [row.get("latency") for row in rows], strict=False)]
    known = [(count, latency) for count, latency in weights if isinstance(latency, int | float)]
    total = sum([count for count, _ in known])
    found["latency"] = sum([count * latency for count, latency in known]) / total if total else None
    found["latency95"] = max(numbers("latency95"), default=None)
    found["start"] = min(numbers("start"), default=0.0)
    return found


def chartsOf(points: Iterable[_Point]) -> list[Chart]:
    """
    Return the drawings of queries, blocked ones among them, and of the latency of look-ups.
    """
    points = list(points)
    moments = [each["start"] or 0.0 for each in points]

    def rates(count: Callable[[_Point], float]) -> list[float | None]:
        return [max(count(each), 0.0) / max(each["seconds"] or 0.0, 0.1) for each in points]

    def of(point: _Point, name: str) -> float:
        return point[name] or 0.0

    # Most blocked names are answered without a look-up; an alias may need one.
    queries = [
        Series("cached", "from the cache", rates(lambda each: of(each, "hits") - min(of(each, "blocked"), of(each, "hits")))),
        Series("looked", "looked up", rates(lambda each: of(each, "lookups") - of(each, "failures"))),
        Series("blocked", "blocked", rates(lambda each: min(of(each, "blocked"), of(each, "hits")))),
        Series("failed", "failed", rates(lambda each: of(each, "failures"))),
    ]
    latencies = [
        Series("mean", "mean", [each["latency"] for each in points]),
        Series("late", "95 of 100 are faster", [each["latency95"] for each in points]),
    ]
    return [
        Chart("Queries a second", moments, queries, lambda value: f"{value:,.1f}", isStacked=True),
        Chart("Latency of look-ups", moments, latencies, lambda value: f"{value * 1000:,.1f} ms"),
    ]


class HomePage:
    """
    Makes the page.
    """

    def __init__(
        self, operations: Operations, audit: AuditLog | None, elsewhere: Elsewhere, history: HistorySearch, today: Callable[[], float]
    ) -> None:
        self._operations = operations
        self._history = history
        self._today = today
        self._audit = audit
        self._elsewhere = elsewhere
        # What it was found for, and what was found.
        self._known: tuple[object, list[str]] = None, []

    def __call__(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._page(asked))

    async def _page(self, asked: ConsoleAsked) -> ConsoleReply:
        operations = self._operations
        status, figures, ready = await operations.status(), await operations.figures(), await operations.ready()
        zones = [] if operations.zoneSets is None else list(operations.zoneSets.places())
        changes: list[dict[str, str]] = []
        if self._audit is not None and asked.user is not None and asked.user.reaches("admin"):
            audit = self._audit
            entries = cast("list[JSON]", await self._elsewhere(lambda: audit.latest(_LINES, _NEVER, isChange)))
            changes = [changeIn(each) for each in entries if isinstance(each, dict)]
        span = asked.fields.get("span", "") if asked.fields.get("span") in SPANS else "hour" if self._isYoung(status) else "day"
        points = joined(_spanIn(await operations.do("history", {}), span))
        failures = sum([count for code, count in figures.replies.items() if code == "SERVFAIL"])
        blocked = sum([each["blocked"] or 0.0 for each in points])
        values: dict[str, object] = {
            "ready": ready["ready"],
            "reasons": ready["reasons"],
            "facts": _facts(status),
            "tiles": [
                ("queries a second", status.get("perSecond", 0)),
                ("queries", f"{figures.queries:,}"),
                (f"blocked in the last {span}", f"{blocked:,.0f}"),
                ("answers that failed", f"{failures:,}"),
                ("zones", f"{len(zones):,}"),
            ],
            "broken": [place for place in zones if place.said or place.state != SERVING][:_LINES],
            "changes": changes,
            "top": await self._top(asked),
            "problems": [
                *_problemsIn(status, figures.upstreams if operations.inForce.role == "forward" else ()),
                *[(f"Of what was changed here this has no effect: {said}.", "") for said in await self._unused()],
            ],
            "span": span,
            "spans": [*SPANS],
            "charts": chartsOf(points) if len(points) > 1 else [],
        }
        return ConsoleReply(values)


    async def _top(self, asked: ConsoleAsked) -> Top | None:
        """
        Return what the history has most of in the last day; L{None} if there is none, or if the user may not see it.
        """
        try:
            return await self._history.top(self._today() - _DAY, _LINES, isAllowed=asked.mayAdminister)
        except (CallerFault, StorageFault, TimedOut):
            return None

    async def _unused(self) -> list[str]:
        """
        Return what the file with what was added and removed has without effect; it is read if it or the settings have changed.
        """
        own = self._operations.inForce.own
        file = stateOf(os.path.join(own.stateFolder() or os.devnull, ADDED))
        if not file:
            return []
        # With many users who ask for what takes long, the page is there without this.
        with suppress(BadDescription, TimedOut):
            if self._known[0] != (file, own):
                found = cast("list[str]", await self._elsewhere(lambda: unusedIn(own)))
                self._known = (file, own), found[:_LINES]
        return self._known[1]

    def _isYoung(self, status: Mapping[str, JSON]) -> bool:
        uptime = status.get("uptime")
        return not isinstance(uptime, int | float) or uptime < _YOUNG


def _problemsIn(status: Mapping[str, JSON], upstreams: Iterable[Mapping[str, JSON]]) -> Iterator[tuple[str, str]]:
    """
    Return a sentence about each thing that does not work, and the path of the page that has more of it.

    @param upstreams: the figures of upstreams that are asked.
    """
    history, blocking, policies = [status.get(key) for key in ("queryHistory", "blocking", "policyZones")]
    if isinstance(history, dict) and (missing := missingIn(history)):
        yield missing, "/queries"
    shown = blocking.get("shown") if isinstance(blocking, dict) else None
    for each in _objectsIn(shown, "lists"):
        if each.get("failing"):
            yield f"List {each.get('name')} could not be fetched or read. What it had before stays in force.", "/blocking"
    for each in _objectsIn(policies, "zones"):
        if each.get("kept"):
            yield f"Policy zone {each.get('zone')} {each.get('said')}.", ""
    for each in upstreams:
        if not each.get("up", True):
            yield f"Upstream {each.get('server')} does not reply.", "/upstreams"


def _objectsIn(said: JSON, key: str) -> list[Mapping[str, JSON]]:
    found = said.get(key) if isinstance(said, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _spanIn(said: Mapping[str, JSON], span: str) -> Mapping[str, JSON]:
    found = said.get(span)
    return found if isinstance(found, dict) else {}


def _facts(status: Mapping[str, JSON]) -> list[tuple[str, str]]:
    listening = status.get("listening", [])
    places = ", ".join([str(each) for each in listening]) if isinstance(listening, list) else str(listening)
    uptime = int(float(str(status.get("uptime", 0))))
    days, rest = divmod(uptime, 86400)
    hours, minutes = divmod(rest // 60, 60)
    return [
        ("version", str(status.get("version", ""))),
        ("runs for", f"{days} days, {hours}:{minutes:02}"),
        ("answers at", places),
    ]
