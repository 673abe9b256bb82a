"""
The first page: how the server does, and what was changed last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.server.authority.zonetable import SERVING
from twisted_ext.server.console.replies import ConsoleAsked, ConsoleReply

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.update.commit import Elsewhere

__all__ = ["HomePage"]

#: Lines of the audit log, and zones with problems, that the page has.
_LINES: Final = 10

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
        failures = sum([count for code, count in figures.replies.items() if code == "SERVFAIL"])
        values: dict[str, object] = {
            "title": "Home",
            "ready": ready["ready"],
            "reasons": ready["reasons"],
            "facts": _facts(status),
            "tiles": [
                ("queries a second", status.get("perSecond", 0)),
                ("queries", f"{figures.queries:,}"),
                ("answers that failed", f"{failures:,}"),
                ("zones", f"{len(zones):,}"),
            ],
            "broken": [place for place in zones if place.said or place.state != SERVING][:_LINES],
            "entries": entries,
        }
        return ConsoleReply("home", values)


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
