"""
The page of the changes of a zone, each of which is a way back to the version before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import BadChange
from twisted_ext.server.zones.update.edits import StaleEdit, etagOf
from twisted_ext.web.console.pages.zones.pages import expectZone, linesOf, pathOf, setOf, whyNot
from twisted_ext.web.console.pages.zones.text import take
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo
from twisted_ext.zone.sign.sets import changedBesideMade
from twisted_ext.zone.store.changeset import Difference, applied, condensed

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.zones.table.zonetable import Place
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.update.transactions import Transaction

__all__ = ["ZoneChangesPage"]

#: Octets of changes that the page has and that are taken back at once: as many records as are written as text in 20 ms.
_OCTETS: Final = 128 * 1024

#: Digits of a serial number.
_DIGITS: Final = 10

#: Changes of the page.
_CHANGES: Final = 50


class ZoneChangesPage:
    """
    Makes the page, and goes back to earlier versions.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def show(self, asked: ConsoleAsked, text: str) -> ConsoleReply:
        place, version = expectZone(self._operations, text)
        kept = self._kept(place)
        values: dict[str, object] = {
            "title": f"Changes of {place.text}",
            "place": place,
            "path": pathOf(place.text),
            "serial": version.serial,
            "etag": etagOf(version),
            "why": whyNot(self._operations, place),
            "changes": [
                {"before": each.oldSerial, "after": each.newSerial, "lines": linesOf(each), "records": each.records - 2}
                for each in reversed(kept[-_CHANGES:])
            ],
            "back": None,
        }
        if back := asked.fields.get("back", ""):
            undoing = _undoing(version, kept, back)
            values |= {"back": back, "difference": linesOf(condensed(undoing))}
        return ConsoleReply(values)

    def _kept(self, place: Place) -> list[Difference]:
        """
        Return the latest changes, oldest first, as far as they are not too large; of a zone that is signed here what clients changed, which
        is signed anew if it is taken back.
        """
        zoneSet, apex = setOf(self._operations, place), place.apex
        kept = zoneSet.changesOf(apex)
        if kept is None:
            return []
        for serial in kept.serials()[-_CHANGES:]:
            octets = kept.octetsSince(serial)
            if octets is not None and octets <= _OCTETS:
                changes = [*(kept.since(serial) or ())]
                return [changedBesideMade(each, apex) for each in changes] if zoneSet.originOf(apex)[1] else changes
        return []

    def back(self, asked: ConsoleAsked, text: str) -> Deferred[ConsoleReply]:
        """
        Go back to an earlier version, whose records get a new serial number.
        """
        assert asked.user is not None
        place, version = expectZone(self._operations, text)
        form = asked.form
        undoing = _undoing(version, self._kept(place), form.get("back", ""))
        wanted, between = applied(version, undoing), condensed(undoing)
        asked.told = {"zone": place.text, "back": wanted.serial}

        def apply(transaction: Transaction) -> None:
            take(transaction, wanted, (*between.removed, *between.added))

        who = f"console by {asked.user.name}, back to {wanted.serial}"
        changing = setOf(self._operations, place).edits().change(place.apex, apply, door="console", who=who, match=form.get("etag") or "-")

        def failed(failure: object) -> ConsoleReply:
            fault = getattr(failure, "value", failure)
            if isinstance(fault, StaleEdit):
                raise ConsoleRefusal(412, "Someone else has changed the zone meanwhile. Look at its changes again.")
            if isinstance(fault, BadChange):
                raise ConsoleRefusal(422, str(fault))
            assert isinstance(fault, BaseException)
            raise fault

        said = f"It has the records of serial {wanted.serial} again, at serial {{}}."
        return changing.addCallbacks(lambda edited: leadingTo(f"{pathOf(place.text)}/changes", said.format(edited.version.serial)), failed)


def _undoing(version: Version, kept: list[Difference], text: str) -> list[Difference]:
    """
    Return the changes that lead from a version back to an earlier one.

    @param kept: those that have led to it.
    @param text: the serial number of the earlier one.

    @raise ConsoleRefusal: it is not kept.
    """
    serials = [each.oldSerial for each in kept]
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) in serials and kept[-1].newSerial == version.serial):
        raise ConsoleRefusal(404, f"The version with serial {text[:20]} is not kept.")
    return [Difference(each.after, each.added, each.before, each.removed) for each in reversed(kept[serials.index(int(text)) :])]
