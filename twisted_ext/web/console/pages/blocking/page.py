"""
The page of blocking: which names and lists are blocked for whom and when, for whom blocking is paused, and which rule decides about a name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.resolver.policy.rules.safesearch import ENGINES
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.features.blocking.lists import choiceIn, namedLists, schedulesIn
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.web.console.pages.blocking.forms import listIn, scheduleIn
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.web.console.pages.alterations import Alterations

__all__ = ["BlockingPage"]

#: For how long blocking can be paused here, by what that is called.
_TIMES: Final = {"5m": "5 minutes", "30m": "30 minutes", "2h": "2 hours", "24h": "24 hours"}

#: Names of the page that are blocked or allowed one by one.
_RULES: Final = 200

#: What is shown of a list that the server has not read.
_NO_FACTS: Final = {
    "names": None, "wrong": 0, "failing": False, "fetched": "", "said": "", "isFetched": False, "isAdded": False, "allow": False
}  # fmt: skip


def _searches(form: Mapping[str, str], settings: Settings) -> list[AddedValue]:
    """
    Return the changes that have a search engine, or all of them, leave out what is for adults.
    """
    engine = form.get("engine", "")
    # The strict one of the two for one site.
    engines = [each for each in ENGINES if not each.endswith("-moderate")] if engine == "all" else [engine]
    return [AddedValue("safe-search", each, form.get("view", "")) for each in engines]


#: What adds something, by what forms ask for.
_ADDING: Final[Mapping[str, Callable[[Mapping[str, str], Settings], list[AddedValue]]]] = {
    "list": listIn,
    "schedule": scheduleIn,
    "search": _searches,
}


class BlockingPage:
    """
    Makes the page, and does what its forms ask for.
    """

    def __init__(self, operations: Operations, alterations: Alterations) -> None:
        self._operations = operations
        self._alterations = alterations

    def show(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._show(asked))

    async def _show(self, asked: ConsoleAsked) -> ConsoleReply:
        status, inForce = await self._operations.status(), self._operations.inForce
        blocking = status.get("blocking")
        shown = blocking.get("shown") if isinstance(blocking, dict) else None
        known = shown.get("lists") if isinstance(shown, dict) else None
        fetched = blocking.get("fetched") if isinstance(blocking, dict) else None
        why: list[str] = []
        name, client = asked.fields.get("name", "").strip(), asked.fields.get("client", asked.client).strip()
        if name:
            why = await self._why(name, client)
        views = [each.name for each in viewsOf(inForce)]
        wanted = asked.fields.get("q", "").strip().lower()
        rules = [each for each in _rulesIn(inForce) if wanted in str(each["value"])]
        values: dict[str, object] = {
            "shown": shown if isinstance(shown, dict) else None,
            "pauses": _pausesIn(shown.get("ends") if isinstance(shown, dict) else None),
            "pausable": [*views, "default", "all"] if views else ["default"],
            "views": views,
            "times": _TIMES,
            "name": name,
            "client": client,
            "why": why,
            "rules": rules[:_RULES],
            "ruleCount": len(rules),
            "q": wanted,
            "lists": list(_listsIn(inForce, _named(known), _named(fetched))),
            "choices": [*namedLists(inForce[BlockingSettings])],
            "schedules": _schedulesIn(inForce),
            "engines": [*ENGINES],
            "searches": [(view, engine) for view, wanted in _scopesIn(inForce) for engine in _ownSearches(inForce, view, wanted)],
        }
        return ConsoleReply(values)

    async def _why(self, name: str, client: str) -> list[str]:
        try:
            return _linesIn(await self._operations.do("why", {"name": name, "client": client}))
        except (CallerFault, DNSFault) as fault:
            return [str(fault)]

    def do(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Pause or resume blocking, or add or fetch a list.
        """
        form, action = asked.form, asked.form.get("action", "")
        if action in _ADDING:
            changes = _ADDING[action](form, self._operations.inForce)
            return Deferred.fromCoroutine(self._alterations.lead(asked, "/blocking", changes))
        asked.told = {"action": action, "view": form.get("view", "")[:80], "list": form.get("list", "")[:80]}
        if action == "pause":
            length = form.get("own", "").strip() or form.get("time", "5m")
            asked.told["time"] = _TIMES.get(length, length[:20])
            doing = self._operations.do("pause", {"view": form.get("view", ""), "time": length})
        elif action == "resume":
            doing = self._operations.do("resume", {"view": form.get("view", "")})
        elif action == "fetch":
            name = form.get("list", "")
            doing = self._operations.do("lists/fetch", {"list": name})
            said = f"List {name[:80]} is being fetched; the table below says what has come of it once this page is loaded again."
            return doing.addCallback(lambda _: leadingTo("/blocking", said))
        else:
            raise ConsoleRefusal(422, "There is no such action.")
        return doing.addCallback(lambda said: leadingTo("/blocking", "; ".join(_linesIn(said))))


def _linesIn(said: Mapping[str, object]) -> list[str]:
    lines = said.get("said")
    return [str(line) for line in lines] if isinstance(lines, list) else []


def _pausesIn(ends: JSON) -> list[dict[str, str]]:
    """
    Return each pause that goes on: the view as forms name it, for whom that is, and until when.
    """
    found: list[dict[str, str]] = []
    for view, end in ends.items() if isinstance(ends, dict) else ():
        until = time.localtime(float(str(end)))
        isToday = until[:3] == time.localtime()[:3]
        whom = "clients in no view" if view == "default" else f"view {view}"
        found.append({"view": view, "whom": whom, "until": time.strftime("%H:%M:%S" if isToday else "%Y-%m-%d %H:%M", until)})
    return found


def _scopesIn(settings: Settings) -> Iterator[tuple[str, BlockingSettings]]:
    """
    Return what applies to all clients, and to each view, with its name.
    """
    yield "", settings[BlockingSettings]
    for view in viewsOf(settings):
        yield view.name, view.settings[BlockingSettings]


def _rulesIn(settings: Settings) -> Iterator[dict[str, object]]:
    """
    Return the names that are blocked or allowed one by one; those of views only where these have others.
    """
    own = dict(_scopesIn(settings.own))
    common = settings[BlockingSettings]
    for view, wanted in _scopesIn(settings):
        before = own.get(view)
        for setting, values, usual, former in (
            ("block", wanted.block, common.block, () if before is None else before.block),
            ("block-except", wanted.blockExcept, common.blockExcept, () if before is None else before.blockExcept),
        ):
            for value in values:
                if not view or value not in usual:
                    yield {"setting": setting, "value": value, "view": view, "isAdded": value not in former}


def _ownSearches(settings: Settings, view: str, wanted: BlockingSettings) -> list[str]:
    """
    Return the search engines that leave out what is for adults for a view, and not for all clients.
    """
    usual = settings[BlockingSettings].safeSearch
    return [each for each in wanted.safeSearch if not view or each not in usual]


def _schedulesIn(settings: Settings) -> list[dict[str, object]]:
    fixed = schedulesIn(settings.own[BlockingSettings])
    return [
        {
            "name": name,
            "days": ", ".join(each.days) or "every day",
            "times": ", ".join(each.times) or "all day",
            "isAdded": name not in fixed,
        }
        for name, each in schedulesIn(settings[BlockingSettings]).items()
    ]


def _named(facts: JSON) -> dict[str, dict[str, JSON]]:
    """
    Return what the server says of each list, by its name.
    """
    return {str(each["name"]): each for each in facts if isinstance(each, dict)} if isinstance(facts, list) else {}


def _listsIn(
    settings: Settings, facts: dict[str, dict[str, JSON]], fetched: Mapping[str, Mapping[str, JSON]]
) -> Iterator[dict[str, object]]:
    """
    Return the lists that have names, each with those that it applies to; and what else the server has read.

    @param facts: what it says of those that it has read.
    @param fetched: the same of those that it fetches.
    """
    schedules, fixed = schedulesIn(settings[BlockingSettings]), namedLists(settings.own[BlockingSettings])
    for name, given in namedLists(settings[BlockingSettings]).items():
        found = facts.pop(name, {})
        applied: list[dict[str, object]] = []
        for view, wanted in _scopesIn(settings):
            chosen = [each for each in wanted.lists if choiceIn(each)[0] == name]
            for each in chosen or [name]:
                _, when = choiceIn(each)
                during = schedules.get(when)
                times = "" if during is None else f" during {when} ({' '.join([*during.days, *during.times])})"
                applied.append({"view": view, "value": each, "when": times, "isOn": bool(chosen)})
        place = str(found.get("place") or given.file or urlsplit(given.url).hostname or "the settings")
        copy = fetched.get(name, {})
        at = copy.get("fetched")
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if isinstance(at, int | float) else "not yet" if given.url else ""
        more = {"fetched": when, "said": copy.get("said") or "", "isFetched": bool(given.url), "isAdded": name not in fixed}
        more |= {"allow": given.allow}
        yield {**_NO_FACTS, **found, "name": name, "place": place, "applied": applied, **more}
    for found in facts.values():
        yield {**_NO_FACTS, **found, "applied": []}
