"""
The one door by which versions of zones come into force, whatever they come from: a master file, a database, a transfer, or code.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from twisted_ext.server.zones.table.zonetable import FAILED, Place, Zones
from twisted_ext.zone.zone import Zone

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["ZoneSink"]


@mypyc_attr(allow_interpreted_subclasses=True)
class ZoneSink:
    """
    Puts versions into the table of zones, and tells that it has.

    @ivar zones: the table.
    @ivar today: returns seconds since 1970.
    """

    def __init__(
        self,
        zones: Zones,
        put: Callable[[Place, Version | None], object] = lambda place, version: None,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param put: called when another version of a zone is in force; with L{None} if that is opened when it is needed.
        """
        self.zones = zones
        self.today = today
        self._put = put

    def expect(self, apex: bytes, file: str = "") -> None:
        """
        Add a zone that is to arrive, unless it is there.

        @param file: where it comes from, for people.
        """
        self.zones.expect(apex, file)

    def standIn(self, apex: bytes, serial: int | None = None) -> None:
        """
        Serve the last good copy of a zone that has not arrived yet, if there is one.

        @param serial: that of the zone where it comes from: a copy with another one is not served; L{None} if nothing can be known of it.
        """

    def arrived(self, version: Version, file: str = "", zone: Zone | None = None) -> None:
        """
        Serve a version. If it is in force already, it is confirmed.

        @param zone: the object that has it, for one that code changes; by default that of the table.
        """
        place = self.zones.at(version.apex)
        before = None if place is None else place.zone
        found = zone or before or Zone(version)
        isNew = found is not before or found.current is not version
        if found.current is not version:
            found.replace(version)
        place = self.zones.put(found, file, self.today())
        if isNew:
            self._put(place, version)

    def former(self, apex: bytes) -> Version | None:
        """
        Return the version that arrived last, with the updates since then; L{None} if there is none.
        """
        place = self.zones.at(apex)
        return None if place is None or place.zone is None else place.zone.current

    def failed(self, apex: bytes, said: str, state: str = FAILED) -> None:
        """
        Record why there is no new version. The one in force stays, unless the zone has expired.

        @param said: one line.
        """
        self.zones.fail(apex, said, state)

    def gone(self, apex: bytes) -> None:
        """
        Serve a zone no longer.
        """
        self.zones.remove(apex)
