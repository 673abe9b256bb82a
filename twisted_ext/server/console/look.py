"""
The page of look-ups: what the server does to answer a question, and what it has in its cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.server.console.replies import ConsoleAsked, ConsoleReply, leadingTo

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations

__all__ = ["LookPage"]

#: Steps of a look-up, and answers of the cache, that the page has.
_STEPS: Final = 200
_ENTRIES: Final = 50


class LookPage:
    """
    Makes the page, and forgets what a cache has of a name.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def show(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._show(asked))

    async def _show(self, asked: ConsoleAsked) -> ConsoleReply:
        name, kind = asked.fields.get("name", "").strip(), asked.fields.get("type", "").strip() or "A"
        client = asked.fields.get("client", "").strip()
        explained: dict[str, object] | None = None
        entries: list[object] = []
        fault = ""
        if name:
            try:
                explained = {**await self._operations.do("explain", {"name": name, "type": kind, "client": client})}
            except (CallerFault, DNSFault) as error:
                fault = str(error)
            entries = await self._entries(name)
        steps = [] if explained is None else explained.get("steps")
        values: dict[str, object] = {
            "title": "Look up",
            "name": name,
            "kind": kind,
            "client": client,
            "explained": explained,
            "steps": steps[:_STEPS] if isinstance(steps, list) else [],
            "entries": entries[:_ENTRIES],
            "fault": fault,
        }
        return ConsoleReply("look", values)

    async def _entries(self, name: str) -> list[object]:
        try:
            said = await self._operations.do("cache/show", {"name": name})
        except (CallerFault, DNSFault):
            # There is no cache here.
            return []
        entries = said.get("entries")
        return [*entries] if isinstance(entries, list) else []

    def flush(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Forget a name, and all below it if the form says so.
        """
        asked.expectScope("admin")
        name = asked.form.get("name", "").strip()
        asked.told = {"action": "flush", "name": name[:255]}
        flushing = self._operations.do("cache/flush", {"name": name, "below": "1" if asked.form.get("below") else ""})
        text = "The cache has forgotten {} answers."
        return flushing.addCallback(lambda said: leadingTo("/look", text.format(said.get("flushed", 0)), name=name))
