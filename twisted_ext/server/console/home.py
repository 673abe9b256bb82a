"""
The first page: how the server does, and what was changed last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.metrics.history import SPANS
from twisted_ext.server.authority.zonetable import SERVING
from twisted_ext.server.console.charts import chartsOf, joined
from twisted_ext.server.console.replies import ConsoleAsked, ConsoleReply

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.update.commit import Elsewhere

__all__ = ["HomePage"]

#: Lines of the audit log, and zones with problems, that the page has.
_LINES: Final = 10

#: Seconds of uptime below which the last hour is of more interest than the day.
_YOUNG: Final = 2 * 3600.0

_NEVER: Final = float("inf")


class HomePage:
    """
    Makes the page.
    """

    def __init__(self, operations: Operations, audit: AuditLog | None, elsewhere: Elsewhere) -> None:
        self._operations = operations
        self._audit = audit
        self._elsewhere = elsewhere

    def __call__(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._page(asked))

    async def _page(self, asked: ConsoleAsked) -> ConsoleReply:
        operations = self._operations
        status, figures, ready = await operations.status(), await operations.figures(), await operations.ready()
        zones = [] if operations.zones is None else list(operations.zones)
        entries: object = []
        if self._audit is not None and asked.user is not None and asked.user.reaches("admin"):
            audit = self._audit
            entries = await self._elsewhere(lambda: audit.latest(_LINES, _NEVER))
        span = asked.fields.get("span", "") if asked.fields.get("span") in SPANS else "hour" if self._isYoung(status) else "day"
        points = joined(_spanIn(await operations.do("history", {}), span))
        failures = sum([count for code, count in figures.replies.items() if code == "SERVFAIL"])
        blocked = sum([each["blocked"] or 0.0 for each in points])
        values: dict[str, object] = {
            "title": "Home",
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
            "entries": entries,
            "span": span,
            "spans": [*SPANS],
            "charts": chartsOf(points) if len(points) > 1 else [],
        }
        return ConsoleReply("home", values)


    def _isYoung(self, status: Mapping[str, JSON]) -> bool:
        uptime = status.get("uptime")
        return not isinstance(uptime, int | float) or uptime < _YOUNG


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
