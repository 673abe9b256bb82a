"""
The page of queries: what clients have asked, from the history or else as queries arrive, with a button to block or allow each name.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.server.features.queryhistory.recorder.rows import SECURITIES, STATUSES, shownName
from twisted_ext.server.features.queryhistory.searching import FIELDS, MATCHES, HistorySearch, NoHistory
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleReply, RowsToMake
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.server.features.queryhistory.recorder.search import Found
    from twisted_ext.server.operations.operations import Operations

__all__ = ["QueriesPage"]

#: Queries on a page.
_SHOWN: Final = 50

#: Outcomes of queries whose names a button can block.
_BLOCKABLE: Final = frozenset(["cached", "forwarded", "failed"])


class QueriesPage:
    """
    Makes the page.
    """

    def __init__(self, operations: Operations, history: HistorySearch) -> None:
        self._operations = operations
        self._history = history

    def __call__(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._page(asked))

    async def _page(self, asked: ConsoleAsked) -> ConsoleReply:
        given = {name: asked.fields.get(name, "").strip()[:300] for name in FIELDS}
        code, fault, note, older = 200, "", "", ""
        rows: Iterable[Mapping[str, object]] = []
        wrong: list[str] = []
        try:
            found, wrong = await self._history.find(given, _SHOWN + 1, isAllowed=asked.mayAdminister)
            rows = RowsToMake(_rowOf, found[:_SHOWN])
            older = _address({**given, "before": str(found[_SHOWN - 1].place)}) if len(found) > _SHOWN else ""
        except NoHistory as none:
            if none.isHidden:
                code, fault = 403, str(none)
            else:
                note = str(none)
                rows = await self._latest(given)
        except (CallerFault, DNSFault) as error:
            code, fault = 422, str(error)
        values: dict[str, object] = {
            "given": given,
            "matches": MATCHES,
            "outcomes": STATUSES,
            "rows": rows,
            "wrong": wrong,
            "fault": fault,
            "note": note,
            "older": older,
            "here": _address(given),
        }
        return ConsoleReply(values, code)

    async def _latest(self, given: Mapping[str, str]) -> list[dict[str, object]]:
        """
        Return the latest queries that the server still has in memory, the newest first.
        """
        said = await self._operations.queries(0)
        found = said.get("queries")
        rows: list[dict[str, object]] = []
        for each in reversed(found if isinstance(found, list) else []):
            assert isinstance(each, dict)
            name, client, outcome = str(each["name"]), str(each["client"]), str(each["status"])
            if given["name"].lower() not in name.lower() or given["client"] not in client or given["outcome"] not in ("", outcome):
                continue
            row = _row(float(str(each["time"])), client, name, str(each["type"]), outcome, str(each["rcode"]))
            rows.append({**row, "host": str(each.get("host", "")), "ms": float(str(each["milliseconds"])), "by": str(each["server"])})
        return rows[:_SHOWN]


def _row(at: float, client: str, name: str, kind: str, outcome: str, rcode: str) -> dict[str, object]:
    return {
        "at": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)),
        "client": client,
        "host": "",
        "ofClient": _address({"client": client}),
        "name": name,
        "ofName": _address({"name": name}),
        "kind": kind,
        "outcome": outcome,
        "rcode": rcode,
        "view": "",
        "action": "allow" if outcome == "blocked" else "block" if outcome in _BLOCKABLE else "",
    }


def _rowOf(found: Found) -> dict[str, object]:
    row = found.row
    rcode = "no reply" if row.rcode < 0 else rcodeName(row.rcode)
    said = ", ".join([each for each in (row.rule or row.upstream, SECURITIES[row.security], row.ede) if each])
    made = _row(row.at / 1e6, row.client, shownName(row.name), typeName(row.type), STATUSES[row.status], rcode)
    return {**made, "ms": row.micros / 1000, "by": said, "view": row.view}


def _address(given: Mapping[str, str]) -> str:
    fields = urlencode({key: value for key, value in given.items() if value})
    return f"/queries?{fields}" if fields else "/queries"
