"""
The page of look-ups: what the server does to answer a question, and what it has in its cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.web.console.site.replies import DRAWING, ConsoleAsked, ConsoleReply, leadingTo

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
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
        name, kind = _askedIn(asked)
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
            "name": name,
            "kind": kind,
            "client": client,
            "explained": explained,
            "steps": _timed(steps[:_STEPS]) if isinstance(steps, list) else [],
            "entries": entries[:_ENTRIES],
            "fault": fault,
        }
        return ConsoleReply(values)

    def chain(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Show the chain of trust of an answer.
        """

        def page(said: Mapping[str, object]) -> ConsoleReply:
            values = {"title": f"Chain of trust of {name}", "name": name, "kind": kind, "security": said["security"], "lines": said["said"]}
            return ConsoleReply(values)

        name, kind = _askedIn(asked)
        return self._operations.do("chain", {"name": name, "type": kind}).addCallback(page)

    def picture(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Send the chain of trust as a drawing.
        """
        name, kind = _askedIn(asked)
        drawing = self._operations.do("chain", {"name": name, "type": kind})
        return drawing.addCallback(lambda said: ConsoleReply(octets=str(said["svg"]).encode("utf-8"), kind=DRAWING))

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
        Forget a name, and all below it if the form says so; or only what it says of them.
        """
        form = asked.form
        name = form.get("name", "").strip()
        wanted = {"name": name, "below": "1" if form.get("below") else "", "type": form.get("type", "").strip()}
        if (which := form.get("which", "")) in ("bogus", "negative"):
            wanted[which] = "1"
        asked.told = {"action": "flush", "name": name[:255], "type": wanted["type"][:20], "which": which[:20]}
        flushing = self._operations.do("cache/flush", wanted)
        text = "The cache has forgotten {} answers."
        return flushing.addCallback(lambda said: leadingTo("/look", text.format(said.get("flushed", 0)), name=name))


def _askedIn(asked: ConsoleAsked) -> tuple[str, str]:
    """
    Return the name and the type that a form asks for.
    """
    return asked.fields.get("name", "").strip(), asked.fields.get("type", "").strip() or "A"


def _timed(steps: list[JSON]) -> list[dict[str, JSON]]:
    """
    Return the steps with the share of the whole time that passes until the next one.
    """
    found = [each for each in steps if isinstance(each, dict)]
    times = [float(str(each["at"])) for each in found]
    whole = (times[-1] - times[0] if times else 0.0) or 1.0
    return [{**each, "share": (after - at) / whole} for each, at, after in zip(found, times, [*times[1:], *times[-1:]], strict=True)]
