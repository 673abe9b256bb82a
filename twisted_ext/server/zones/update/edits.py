"""
The one door for changes that people and programs make other than by updates: each is made of the version in force by the commit queue of
its zone, which makes updates too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from twisted_ext.errors import CallerFault, StorageFault
from twisted_ext.server.zones.table.zonetable import SERVING, Place, Zones, variantText
from twisted_ext.server.zones.update.updates import UpdateHandler, changesText
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.server.zones.update.commit import EditableZone, Edited
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.update.transactions import Transaction

__all__ = ["NoSuchZone", "NotEditable", "StaleEdit", "ZoneEdits", "etagOf"]

_log: Final = Logger(__name__)

#: Entity tags in a list. Weak ones, which none of ours is, fit nothing.
_TAGS: Final = re.compile(r'W/"[^"]*"|("[^"]*")')

#: Hexadecimal digits of the image's origin in the tag of a version.
_DIGITS: Final = 16

#: Why zones of each kind cannot be changed here.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "secondary": "comes from its primaries; change it there",
    "catalog": "is a catalog that is made of the settings",
    "code": "is made by code of this server",
}


class NotEditable(CallerFault):
    """
    A zone cannot be changed here.
    """


class NoSuchZone(NotEditable):
    """
    A zone is not served here, or not any more.
    """


class StaleEdit(CallerFault):
    """
    A change was made for another version than that in force.

    @ivar version: that in force.
    """

    def __init__(self, version: Version, match: str) -> None:
        text = f"{nameToText(version.apexName)} has changed: it is at serial {version.serial} with ETag {etagOf(version)}, not {match}"
        super().__init__(text)
        self.version = version


def etagOf(version: Version) -> str:
    """
    Return the entity tag of a version (RFC 9110, section 8.8.3): that of another one is never the same.
    """
    return f'"{version.serial}-{version.image.origin.hex()[:_DIGITS]}"'


class ZoneEdits:
    """
    Changes zones that may be changed.
    """

    def __init__(
        self,
        updating: UpdateHandler | None,
        zones: Zones,
        origin: Callable[[bytes], tuple[str, bool]],
    ) -> None:
        """
        @param updating: has the commit queues; L{None} while no zone may be changed.
        @param origin: see L{ZoneSet.originOf<twisted_ext.server.zones.load.zoneset.ZoneSet.originOf>}.
        """
        self._updating = updating
        self._zones = zones
        self._origin = origin

    def _textOf(self, apex: bytes) -> str:
        return variantText(apex, self._zones.view)

    def expectEditable(self, apex: bytes, door: str) -> EditableZone:
        """
        @param door: what changes it: C{api} or C{console}.

        @return: what is kept of it for changes.

        @raise NotEditable: it may not be changed that way.
        @raise StorageFault: it is not loaded now.
        """
        place = self._zones.at(apex)
        if place is None:
            raise NoSuchZone(f"{self._textOf(apex)} is not served here")
        ward = None if self._updating is None else self._updating.wardOf(apex)
        if ward is None or door not in ward.doors:
            raise NotEditable(f"{place.text} {self._whyNot(place, door)}")
        if ward.isFrozen:
            raise NotEditable(f"{place.text} is frozen; it takes changes again once it is thawed")
        if place.state != SERVING:
            raise StorageFault(f"{place.text} is not loaded: {place.said or place.state}")
        return ward

    def _whyNot(self, place: Place, door: str) -> str:
        kind, isSigned = self._origin(place.apex)
        if why := _ELSEWHERE.get(kind):
            return why
        if isSigned and kind == "database":
            return f"is signed here with NSEC3 records or a digest of the zone; change it in {place.file}"
        how = f'comes from {place.file}; set edit = ["{door}"] in its [[zone]] to change it here'
        return f'{how}, which, as it is signed, takes a policy with denial = "nsec" and without zonemd' if isSigned else how

    def _served(self, apex: bytes) -> Version:
        """
        Return the version that is served of a zone that is derived of what is changed.

        @raise StorageFault: it is not loaded now.
        """
        place = self._zones.at(apex)
        zone = None if place is None else place.served()
        if zone is None:
            raise StorageFault(f"{self._textOf(apex)} is not loaded")
        return zone.current

    def freeze(self, apex: bytes, isFrozen: bool) -> None:
        """
        Refuse changes of a zone from updates, the API and the console until it is thawed or the server ends; or take them again.

        @raise NotEditable: it takes none in any case.
        """
        ward = None if self._updating is None else self._updating.wardOf(apex)
        if ward is None or (ward.isDerived and not ward.doors):
            raise NotEditable(f"{self._textOf(apex)} is not changed by updates, the API or the console")
        ward.isFrozen = isFrozen
        _log.info("{zone} {what}", zone=self._textOf(apex), what="is frozen" if isFrozen else "is thawed")

    def change(
        self,
        apex: bytes,
        steps: Callable[[Transaction], object],
        *,
        door: str,
        who: str,
        match: str = "",
        dry: bool = False,
        beside: Sequence[object] = (),
    ) -> Deferred[Edited]:
        """
        Change a zone.

        @param steps: makes the changes: at once, or in short steps if it is a generator. It may be called more than once, and raises
            L{twisted_ext.errors.BadChange} or anything else for what cannot be done.
        @param door: see L{expectEditable}.
        @param who: who changes it, for the log.
        @param match: entity tags of versions that it is for (RFC 9110, section 13.1.1); C{""} for any, C{*} too.
        @param dry: whether to return what would be, without changing anything.
        @param beside: what the database of the zone is to store with that; with it there is a new version in any case.

        @return: fires once the change is in force and on disk. Fails with L{NotEditable}, L{StaleEdit}, L{StorageFault} or what C{steps}
            raises; then nothing has changed.
        """
        try:
            ward = self.expectEditable(apex, door)
            assert self._updating is not None
            queue = self._updating.queueOf(apex)
        except (NotEditable, StorageFault):
            return fail()

        def make(transaction: Transaction) -> Generator[object, None, None]:
            version = self._served(apex) if ward.isDerived else transaction.version
            if match not in ("", "*") and etagOf(version) not in _TAGS.findall(match):
                raise StaleEdit(version, match)
            stepping = steps(transaction)
            if isinstance(stepping, Generator):
                yield from stepping
            # It may have been frozen meanwhile.
            self.expectEditable(apex, door)

        def done(edited: Edited) -> Edited:
            if ward.isDerived and not dry:
                edited = edited._replace(version=self._served(apex))
            if edited.difference is not None and not dry:
                text = changesText(edited.difference)
                _log.info("{zone} {serial}: {who}: {changes}", zone=self._textOf(apex), serial=edited.version.serial, who=who, changes=text)
            return edited

        return queue.change(make, isFirst=True, isDry=dry, beside=beside).addCallback(done)
