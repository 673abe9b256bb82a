"""
The pages of clients: which ask most, and what one of them asks, is called, and may look up: from the history of queries, or else from what
the server has in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault
from twisted_ext.server.features.queryhistory.searching import HistorySearch, NoHistory
from twisted_ext.server.features.views.selectors import Selectors, checkedAddress
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, RowsToMake
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.queryhistory.recorder.tallies import Tally
    from twisted_ext.server.operations.operations import Operations

__all__ = ["ClientsPage"]

#: Seconds in which queries are counted, and clients of the page.
_DAY: Final = 86_400.0
_SHOWN: Final = 200

#: Names of a client that its page has.
_NAMES: Final = 50

_HIDDEN: Final = "Clients are not counted here; show-clients = true in the server's file shows them."


class ClientsPage:
    """
    Makes the pages. Their forms lead to L{SettingsPage.do<twisted_ext.web.console.pages.settings.SettingsPage.do>}.
    """

    def __init__(self, operations: Operations, history: HistorySearch, today: Callable[[], float]) -> None:
        self._operations = operations
        self._history = history
        self._today = today
        # Settings, and their views.
        self._known: tuple[Settings | None, Selectors, list[str]] = None, Selectors([]), []

    def all(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._all(asked))

    async def _all(self, asked: ConsoleAsked) -> ConsoleReply:
        said = await self._operations.do("clients", {})
        try:
            found = await self._history.clients(self._today() - _DAY, _SHOWN, isAllowed=asked.mayAdminister)
        except NoHistory:
            if not said.get("shown"):
                raise ConsoleRefusal(403, _HIDDEN) from None
            return ConsoleReply({"rows": self._remembered(said), "isKept": False, "wrong": []})
        listed = said.get("clients")
        hosts = {each["client"]: each.get("host") for each in listed if isinstance(each, dict)} if isinstance(listed, list) else {}

        def made(most: tuple[str, Tally]) -> dict[str, object]:
            client, each = most
            row = {"client": client, "host": hosts.get(client) or "", "count": each.queries, "seen": _clock(each.last / 1e6)}
            more = {"share": each.queries / found.queries, "blocked": each.blocked / each.queries, "view": self._viewOf(client)}
            return {**row, **more}

        return ConsoleReply({"rows": RowsToMake(made, found.most), "isKept": True, "wrong": found.wrong})

    def _remembered(self, said: Mapping[str, JSON]) -> list[dict[str, object]]:
        found, total = said.get("clients"), float(str(said.get("total") or 0))
        rows: list[dict[str, object]] = []
        for each in found if isinstance(found, list) else []:
            assert isinstance(each, dict)
            count = float(str(each["queries"]))
            row = {"client": each["client"], "host": each.get("host", ""), "count": round(count), "seen": _clock(each["seen"])}
            rows.append({**row, "share": min(count / total, 1.0) if total else 0.0, "view": self._viewOf(str(each["client"]))})
        return rows

    def one(self, asked: ConsoleAsked, address: str) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._one(asked, address))

    async def _one(self, asked: ConsoleAsked, address: str) -> ConsoleReply:
        try:
            latest = await self._history.namesOf(address, _NAMES, isAllowed=asked.mayAdminister)
            names: list[dict[str, object]] = [{"seen": _clock(each.at), "name": each.name, "type": typeName(each.type)} for each in latest]
        except NoHistory:
            said = await self._operations.do("clients", {"address": address})
            if not said.get("shown"):
                raise ConsoleRefusal(403, _HIDDEN) from None
            listed = said.get("names")
            kept = listed if isinstance(listed, list) else []
            names = [{**each, "seen": _clock(each["seen"])} for each in kept if isinstance(each, dict)]
        inForce, single = self._operations.inForce, {address, f"{address}/32", f"{address}/128"}
        values: dict[str, object] = {
            "title": address[:80],
            "address": address[:80],
            "names": names,
            "view": self._viewOf(address),
            "views": [each.name for each in viewsOf(inForce)],
            "fixed": [each.name for each in viewsOf(inForce) if not single.isdisjoint(each.clients)],
        }
        return ConsoleReply(values)

    def _viewOf(self, client: str) -> str:
        """
        Return the name of the view that a client is in; C{""} for none.
        """
        inForce = self._operations.inForce
        if self._known[0] is not inForce:
            views = viewsOf(inForce)
            self._known = inForce, Selectors([view.clients for view in views]), [view.name for view in views]
        _, selectors, names = self._known
        try:
            number = selectors.find(checkedAddress(client))
        except CallerFault:
            # A network, or a hash.
            return ""
        return names[number] if number >= 0 else ""


def _clock(seconds: object) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(str(seconds))))
