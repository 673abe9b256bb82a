"""
The page of settings, with where each value comes from, and what changes them: names that are blocked or allowed, lists, local names, and
the clients of views. Each change can be undone. Hooks are shown there too, and switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.setting import RESOLVING, shown
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.web.console.pages.alterations import Alterations
from twisted_ext.web.console.pages.blocking.forms import decisionIn
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo, ownPath

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.setting import Setting
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.operations.operations import Operations

__all__ = ["SettingsPage"]

#: Characters of a value that the page has.
_LONGEST: Final = 2_000

#: The operations that switch hooks.
_SWITCHES: Final = {"off": "hook/off", "on": "hook/on"}

_DONE: Final = {"block": "blocked", "allow": "allowed"}


class SettingsPage:
    """
    Makes the page, and does what forms of all pages ask for.
    """

    def __init__(self, operations: Operations, alterations: Alterations) -> None:
        self._operations = operations
        self._alterations = alterations

    def show(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._page(asked))

    async def _page(self, asked: ConsoleAsked) -> ConsoleReply:
        wanted, everything = asked.fields.get("q", "").strip().lower(), bool(asked.fields.get("all"))
        inForce = self._operations.inForce
        groups: dict[str, list[dict[str, object]]] = {}
        for each in allSettings():
            origin = originOf(inForce, each.name)
            if wanted not in each.name and wanted not in each.help.lower() or not (everything or wanted or origin):
                continue
            value = shown(inForce.value(each))
            row: dict[str, object] = {"name": each.name, "value": value[:_LONGEST], "origin": origin or "by default", "help": each.help}
            if each.atRunTime and not each.many and inForce.role in each.roles:
                isOwn = inForce.given.get(each.name) == inForce.own.given.get(each.name)
                row |= {"form": str(inForce.value(each)).lower() if isinstance(inForce.value(each), bool) else inForce.value(each)}
                row |= {"words": _wordsOf(each), "isOwn": isOwn}
            groups.setdefault(each.group, []).append(row)
        query = urlencode({"q": wanted, **({"all": "1"} if everything else {})})
        hooks = await self._hooks() if inForce.role in RESOLVING and not wanted else []
        return ConsoleReply({"groups": groups, "q": wanted, "all": everything, "query": query, "hooks": hooks})

    async def _hooks(self) -> list[JSON]:
        """
        Return what hooks there are, and what they have done.
        """
        try:
            said = await self._operations.do("hooks", {})
        except (CallerFault, DNSFault):
            return []
        hooks = said.get("hooks")
        return hooks if isinstance(hooks, list) else []

    def do(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Add or remove a value, or block or allow a name.
        """
        return Deferred.fromCoroutine(self._do(asked))

    async def _do(self, asked: ConsoleAsked) -> ConsoleReply:
        form, action = asked.form, asked.form.get("action", "")
        back = ownPath(form.get("back", "/settings"))
        if action in _DONE:
            return await self._decide(asked, action, back)
        if action in _SWITCHES:
            said = await self._operations.do(_SWITCHES[action], {"hook": form.get("hook", "")})
            lines = said.get("said")
            return leadingTo(back, f"{'; '.join(map(str, lines)) if isinstance(lines, list) else ''}.")
        if action in ("add", "remove"):
            words = [form.get(key, "").strip() for key in ("name", "type", "value")]
            value = " ".join([each for each in words if each])
            changes = [AddedValue(form.get("setting", ""), value, form.get("view", ""), action == "remove")]
            changes = [*self._takenOut(changes[0]), *changes]
        else:
            raise ConsoleRefusal(422, "There is no such action.")
        return await self._alterations.lead(asked, back, changes)

    def _takenOut(self, change: AddedValue) -> Iterator[AddedValue]:
        """
        Return what takes a client that is put into a view out of the others that name it by itself: the first one applies.
        """
        if change.setting != "clients" or change.isRemoved:
            return
        single = {change.value, f"{change.value}/32", f"{change.value}/128"}
        for view in viewsOf(self._operations.inForce):
            if view.name != change.view:
                yield from [AddedValue("clients", text, view.name, isRemoved=True) for text in view.clients if text in single]

    async def _decide(self, asked: ConsoleAsked, action: str, back: str) -> ConsoleReply:
        """
        Block a name and all below it, or allow them; for a view, or for all clients.
        """
        name, client, view = [asked.form.get(key, "").strip() for key in ("name", "client", "view")]
        if client and not view:
            view = await self._viewOf(client)
        made = await self._alterations.lead(asked, back, decisionIn({"name": name, "view": view}, action))
        said = f"{name} and all names below it are {_DONE[action]} for {f'view {view}' if view else 'all clients'}."
        return leadingTo(back, f"{said}{await self._but(name, client, action)}", undo=made.undo)

    async def _but(self, name: str, client: str, action: str) -> str:
        """
        Return what else decides about a name for a client, if that is otherwise; C{""} if not.
        """
        if not client:
            return ""
        try:
            said = await self._operations.do("why", {"name": name, "client": client})
        except (CallerFault, DNSFault):
            return ""
        lines = said.get("said")
        if said.get("blocked") is (action == "block") or not isinstance(lines, list) or not lines:
            return ""
        return f" For {client} it is otherwise: {lines[-1]}"

    async def _viewOf(self, client: str) -> str:
        """
        Return the name of the view that a client is in; C{""} for none, and for one that cannot be told.
        """
        try:
            said = await self._operations.do("views", {"address": client})
        except (CallerFault, DNSFault):
            return ""
        return str(said.get("view") or "")


def _wordsOf(setting: Setting) -> tuple[str, ...]:
    """
    Return all values of a setting, if these are few.
    """
    return ("true", "false") if isinstance(setting.default, bool) else getattr(setting.kind, "words", ())


def originOf(inForce: Settings, name: str) -> str:
    """
    Return where the value of a setting comes from; C{""} for the default.
    """
    own = inForce.own
    if inForce.given.get(name) != own.given.get(name):
        return "changed while the server runs"
    if name not in own.given:
        return ""
    return "an option" if name in own.options else "the settings file"
