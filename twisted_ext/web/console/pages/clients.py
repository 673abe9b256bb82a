"""
The pages of clients: which ask most, and what one of them asks, is called, and may look up.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations

__all__ = ["ClientsPage"]

_HIDDEN = "Clients are not counted here; show-clients = true in the server's file shows them."


class ClientsPage:
    """
    Makes the pages. Their forms lead to L{SettingsPage.do<twisted_ext.web.console.pages.settings.SettingsPage.do>}.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def list(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._list())

    async def _list(self) -> ConsoleReply:
        said = await self._operations.do("clients", {})
        if not said.get("shown"):
            raise ConsoleRefusal(403, _HIDDEN)
        found, total = said.get("clients"), float(str(said.get("total") or 0))
        rows: list[dict[str, object]] = []
        for each in found if isinstance(found, list) else []:
            assert isinstance(each, dict)
            count = float(str(each["queries"]))
            row = {"client": each["client"], "host": each.get("host", ""), "count": round(count), "seen": _clock(each["seen"])}
            rows.append({**row, "share": min(count / total, 1.0) if total else 0.0, "view": await self._viewOf(str(each["client"]))})
        return ConsoleReply({"rows": rows})

    def one(self, asked: ConsoleAsked, address: str) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._one(address))

    async def _one(self, address: str) -> ConsoleReply:
        said = await self._operations.do("clients", {"address": address})
        if not said.get("shown"):
            raise ConsoleRefusal(403, _HIDDEN)
        found = said.get("names")
        names = [{**each, "seen": _clock(each["seen"])} for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        inForce, single = self._operations.inForce, {address, f"{address}/32", f"{address}/128"}
        values: dict[str, object] = {
            "title": address[:80],
            "address": address[:80],
            "names": names,
            "view": await self._viewOf(address),
            "views": [each.name for each in viewsOf(inForce)],
            "fixed": [each.name for each in viewsOf(inForce) if not single.isdisjoint(each.clients)],
        }
        return ConsoleReply(values)

    async def _viewOf(self, client: str) -> str:
        """
        Return the name of the view that a client is in; C{""} for none.
        """
        try:
            said = await self._operations.do("views", {"address": client})
        except (CallerFault, DNSFault):
            return ""
        return str(said.get("view") or "")


def _clock(seconds: object) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(str(seconds))))
