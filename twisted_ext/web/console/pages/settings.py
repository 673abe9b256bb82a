"""
The page of settings, with where each value comes from, and what changes them: names that are blocked or allowed, lists, local names, and
the clients of views. Each change can be undone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.server.config.setting import AddedValue, shown
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, Undo, leadingTo, ownPath

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.operations.operations import Operations

__all__ = ["SettingsPage"]

#: Characters of a value that the page has.
_LONGEST: Final = 2_000

#: Changes that one form undoes.
_UNDONE: Final = 8

_DONE: Final = {"block": "blocked", "allow": "allowed"}


class SettingsPage:
    """
    Makes the page, and does what forms of all pages ask for.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def show(self, asked: ConsoleAsked) -> ConsoleReply:
        wanted, everything = asked.fields.get("q", "").strip().lower(), bool(asked.fields.get("all"))
        inForce = self._operations.inForce
        groups: dict[str, list[dict[str, str]]] = {}
        for each in allSettings():
            origin = originOf(inForce, each.name)
            if wanted not in each.name and wanted not in each.help.lower() or not (everything or wanted or origin):
                continue
            value = shown(inForce.value(each))
            row = {"name": each.name, "value": value[:_LONGEST], "origin": origin or "by default", "help": each.help}
            groups.setdefault(each.group, []).append(row)
        return ConsoleReply({"groups": groups, "q": wanted, "all": everything})

    def do(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Add or remove a value, block or allow a name, or undo that.
        """
        return Deferred.fromCoroutine(self._do(asked))

    async def _do(self, asked: ConsoleAsked) -> ConsoleReply:
        form, action = asked.form, asked.form.get("action", "")
        back = ownPath(form.get("back", "/settings"))
        if action in _DONE:
            return await self._decide(asked, action, back)
        if action == "undo":
            changes = _undoneIn(form.get("undo", ""))
        elif action in ("add", "remove"):
            words = [form.get(key, "").strip() for key in ("name", "type", "value")]
            value = " ".join([each for each in words if each])
            changes = [AddedValue(form.get("setting", ""), value, form.get("view", ""), action == "remove")]
        else:
            raise ConsoleRefusal(422, "There is no such action.")
        said, undo = await self._alter(asked, changes)
        return leadingTo(back, said, undo=None if action == "undo" else undo)

    async def _alter(self, asked: ConsoleAsked, changes: Iterable[AddedValue]) -> tuple[str, Undo | None]:
        """
        Return what was done, and what undoes it.
        """
        changed = await self._operations.alter(changes)
        told = [each.sentence for each in changed]
        asked.told = {"settings": [*told]}
        told += await self._operations.applied()
        back = json.dumps([(each.setting, each.value, each.view, not each.isRemoved) for each in changed])
        return "; ".join(told) or "Nothing has changed.", Undo("/settings", {"action": "undo", "undo": back}) if changed else None

    async def _decide(self, asked: ConsoleAsked, action: str, back: str) -> ConsoleReply:
        """
        Block a name and all below it, or allow them; for a view, or for all clients.
        """
        name, client, view = [asked.form.get(key, "").strip() for key in ("name", "client", "view")]
        if not name:
            raise ConsoleRefusal(422, "The name is missing.")
        if client and not view:
            view = await self._viewOf(client)
        wanted, other = ("block", "block-except") if action == "block" else ("block-except", "block")
        # What was decided before is taken back, so that the two do not contradict each other.
        _, undo = await self._alter(asked, [AddedValue(other, name, view, True), AddedValue(wanted, name, view)])
        said = f"{name} and all names below it are {_DONE[action]} for {f'view {view}' if view else 'all clients'}."
        return leadingTo(back, f"{said}{await self._but(name, client, action)}", undo=undo)

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


def _undoneIn(text: str) -> list[AddedValue]:
    """
    Return the changes of a form that undoes others.

    @raise ConsoleRefusal: they are not valid.
    """
    try:
        found = json.loads(text)
        return [AddedValue(str(setting), str(value), str(view), bool(isRemoved)) for setting, value, view, isRemoved in found[:_UNDONE]]
    except (ValueError, TypeError, RecursionError):
        raise ConsoleRefusal(422, "That cannot be undone here.") from None
