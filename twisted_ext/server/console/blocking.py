"""
The page of blocking: which lists there are, for whom blocking is paused, and which rule decides about a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.server.console.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations

__all__ = ["BlockingPage"]

#: For how long blocking can be paused here, by what that is called.
_TIMES: Final = {"5m": "5 minutes", "30m": "30 minutes", "2h": "2 hours", "24h": "24 hours"}


class BlockingPage:
    """
    Makes the page, and does what its forms ask for.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def show(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._show(asked))

    async def _show(self, asked: ConsoleAsked) -> ConsoleReply:
        status = await self._operations.status()
        blocking = status.get("blocking")
        shown = blocking.get("shown") if isinstance(blocking, dict) else None
        why: list[str] = []
        name, client = asked.fields.get("name", "").strip(), asked.fields.get("client", asked.client).strip()
        if name:
            why = await self._why(name, client)
        values: dict[str, object] = {
            "title": "Blocking",
            "shown": shown if isinstance(shown, dict) else None,
            "views": await self._views(),
            "times": _TIMES,
            "name": name,
            "client": client,
            "why": why,
            "said": asked.fields.get("said", "")[:200],
        }
        return ConsoleReply("blocking", values)

    async def _why(self, name: str, client: str) -> list[str]:
        try:
            return _linesIn(await self._operations.do("why", {"name": name, "client": client}))
        except (CallerFault, DNSFault) as fault:
            return [str(fault)]

    async def _views(self) -> list[str]:
        """
        Return the names of the views that can be paused.
        """
        try:
            said = await self._operations.do("views", {})
        except (CallerFault, DNSFault):
            return ["default"]
        found = said.get("views")
        names = [str(each["view"]) for each in found if isinstance(each, dict) and each.get("view")] if isinstance(found, list) else []
        return [*names, "default", "all"] if names else ["default"]

    def do(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Pause or resume blocking, or fetch a list.
        """
        asked.expectScope("admin")
        form, action = asked.form, asked.form.get("action", "")
        asked.told = {"action": action, "view": form.get("view", "")[:80], "list": form.get("list", "")[:80]}
        if action == "pause":
            doing = self._operations.do("pause", {"view": form.get("view", ""), "time": form.get("time", "5m")})
        elif action == "resume":
            doing = self._operations.do("resume", {"view": form.get("view", "")})
        elif action == "fetch":
            doing = self._operations.do("lists/fetch", {"list": form.get("list", "")})
        else:
            raise ConsoleRefusal(422, "There is no such action.")
        return doing.addCallback(lambda said: leadingTo("/blocking", "; ".join(_linesIn(said))))


def _linesIn(said: Mapping[str, object]) -> list[str]:
    lines = said.get("said")
    return [str(line) for line in lines] if isinstance(lines, list) else []
