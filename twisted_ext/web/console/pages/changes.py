"""
The page of changes: who has changed what and when, with a button that takes a change of settings back, and a link to the records that a
zone had before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote

from twisted.internet.defer import Deferred

from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.web.console.pages.changed import changeIn, isChange
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo, ownPath

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.server.zones.update.commit import Elsewhere
    from twisted_ext.web.console.pages.alterations import Alterations

__all__ = ["ChangesPage"]

#: Changes that the page has, and those that are looked through for one that is to be taken back.
_SHOWN: Final = 50
_LOOKED: Final = 20_000

_NEVER: Final = float("inf")

#: What an entry has of each change: setting, value, view, whether it was removed, and what was there before.
_PARTS: Final = 5

_NO_LOG: Final = "Changes are not noted here; state in the server's file names the folder for it."

_Entry = Mapping[str, "JSON"]


class ChangesPage:
    """
    Makes the page, and takes changes back.
    """

    def __init__(self, alterations: Alterations, audit: AuditLog | None, elsewhere: Elsewhere) -> None:
        self._alterations = alterations
        self._audit = audit
        self._elsewhere = elsewhere

    def show(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._show(asked))

    async def _show(self, asked: ConsoleAsked) -> ConsoleReply:
        try:
            before = float(asked.fields.get("before") or _NEVER)
        except ValueError:
            raise ConsoleRefusal(422, "That is not a time.") from None
        entries = await self._latest(_SHOWN + 1, before)
        rows = [{**changeIn(each), "id": str(each.get("id") or ""), "zone": _formerOf(each)} for each in entries[:_SHOWN]]
        older = f"/changes?before={entries[_SHOWN - 1]['at']}" if len(entries) > _SHOWN else ""
        return ConsoleReply({"rows": rows, "older": older})

    async def _latest(self, most: int, before: float = _NEVER) -> list[_Entry]:
        """
        @raise ConsoleRefusal: there is no log.
        """
        audit = self._audit
        if audit is None:
            raise ConsoleRefusal(404, _NO_LOG)
        found = cast("list[JSON]", await self._elsewhere(lambda: audit.latest(most, before, isChange)))
        return [each for each in found if isinstance(each, dict)]

    def undo(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Take back the change of an entry, unless what it has changed was changed again.
        """
        return Deferred.fromCoroutine(self._undo(asked))

    async def _undo(self, asked: ConsoleAsked) -> ConsoleReply:
        wanted, later = asked.form.get("entry", ""), list[_Entry]()
        for entry in await self._latest(_LOOKED):
            if wanted and entry.get("id") == wanted:
                break
            later.append(entry)
        else:
            raise ConsoleRefusal(404, "This change is not among those that are noted.")
        done = list(_didIn(entry))
        touched = {each.key for each in done}
        for each in later:
            if not touched.isdisjoint([other.key for other in _didIn(each)]):
                told = changeIn(each)
                raise ConsoleRefusal(409, f"{told['who']} has changed that since, at {told['at']}: {told['what']}. Take that back first.")
        said = await self._alterations.make(asked, [each.opposite for each in reversed(done)])
        return leadingTo(ownPath(asked.form.get("back", "/changes")), said)


def _didIn(entry: _Entry) -> Iterator[AddedValue]:
    """
    Return the changes of settings that an entry has made.
    """
    did = entry.get("did")
    for each in did if isinstance(did, list) else ():
        if isinstance(each, list) and len(each) in (_PARTS - 1, _PARTS):
            setting, value, view, isRemoved, before = [*each, ""][:_PARTS]
            yield AddedValue(str(setting), str(value), str(view), bool(isRemoved), str(before))


def _formerOf(entry: _Entry) -> str:
    """
    Return the address of the page with the records that a zone had before; C{""} if the entry is not about that.
    """
    zone, before = entry.get("zone"), entry.get("before")
    return f"/zones/{quote(str(zone), safe='')}/changes?back={before}" if zone and before is not None else ""
