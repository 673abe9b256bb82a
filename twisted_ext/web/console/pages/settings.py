"""
The page of settings, with where each value comes from, and what changes them: names that are blocked or allowed, lists, local names, and
the clients of views. Each change can be undone.
"""

from __future__ import annotations

from collections.abc import Iterable
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.setting import shown
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, Undo, leadingTo, ownPath

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.operations.operations import Operations

__all__ = ["SettingsPage"]

#: Characters of a value that the page has.
_LONGEST: Final = 2_000

#: Octets of the number of an entry in the log, so that no two have the same.
_ID_OCTETS: Final = 8

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
        Add or remove a value, or block or allow a name.
        """
        return Deferred.fromCoroutine(self._do(asked))

    async def _do(self, asked: ConsoleAsked) -> ConsoleReply:
        form, action = asked.form, asked.form.get("action", "")
        back = ownPath(form.get("back", "/settings"))
        if action in _DONE:
            return await self._decide(asked, action, back)
        if action in ("add", "remove"):
            words = [form.get(key, "").strip() for key in ("name", "type", "value")]
            value = " ".join([each for each in words if each])
            changes = [AddedValue(form.get("setting", ""), value, form.get("view", ""), action == "remove")]
        else:
            raise ConsoleRefusal(422, "There is no such action.")
        return leadingTo(back, await self.alter(asked, changes), undo=_undoOf(asked))

    async def alter(self, asked: ConsoleAsked, changes: Iterable[AddedValue]) -> str:
        """
        Make changes, and return what was done. The entry of the log has an C{id}, by which L{ChangesPage
        <twisted_ext.web.console.pages.changes.ChangesPage>} takes it back, unless nothing has changed.
        """
        changed = await self._operations.alter(changes)
        told = [each.sentence for each in changed]
        did: list[JSON] = [[each.setting, each.value, each.view, each.isRemoved, each.before] for each in changed]
        asked.told = {"id": token_hex(_ID_OCTETS), "settings": [*told], "did": did} if changed else {"settings": []}
        told += await self._operations.applied()
        return "; ".join(told) or "Nothing has changed."

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
        await self.alter(asked, [AddedValue(other, name, view, True), AddedValue(wanted, name, view)])
        said = f"{name} and all names below it are {_DONE[action]} for {f'view {view}' if view else 'all clients'}."
        return leadingTo(back, f"{said}{await self._but(name, client, action)}", undo=_undoOf(asked))

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


def _undoOf(asked: ConsoleAsked) -> Undo | None:
    """
    Return what takes back the change that a request has made.
    """
    return Undo("/changes", {"entry": str(asked.told["id"])}) if "id" in asked.told else None
