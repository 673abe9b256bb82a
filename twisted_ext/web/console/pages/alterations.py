"""
Makes the changes of settings that forms ask for. Each is noted, so that it can be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleReply, Undo, leadingTo

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.operations import Operations

__all__ = ["Alterations"]

#: Octets of the number of an entry in the log, so that no two have the same.
_ID_OCTETS: Final = 8


class Alterations:
    """
    Changes the settings of a server that runs.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def make(self, asked: ConsoleAsked, changes: Iterable[AddedValue]) -> str:
        """
        Make changes, and return what was done. The entry of the log has an C{id}, by which L{ChangesPage
        <twisted_ext.web.console.pages.changes.ChangesPage>} takes it back, unless nothing has changed.
        """
        changed = await self._operations.alter(changes)
        gone = [each.name for each in changed if each.setting == "view" and each.isRemoved]
        told = [each.sentence for each in changed if each.view not in gone]
        did: list[JSON] = [[each.setting, each.value, each.view, each.isRemoved, each.before] for each in changed]
        asked.told = {"id": token_hex(_ID_OCTETS), "settings": [*told], "did": did} if changed else {"settings": []}
        told += await self._operations.applied()
        return "; ".join(told) or "Nothing has changed."

    async def lead(self, asked: ConsoleAsked, back: str, changes: Iterable[AddedValue], said: str = "") -> ConsoleReply:
        """
        Make changes, and return the way to a page that says so, with a button that takes them back.

        @param said: what to say in place of what was done.
        """
        done = await self.make(asked, changes)
        undo = Undo("/changes", {"entry": str(asked.told["id"])}) if "id" in asked.told else None
        return leadingTo(back, said or done, undo=undo)
