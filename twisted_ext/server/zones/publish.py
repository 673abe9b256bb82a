"""
Publishes compiled zones in the zone table.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.server.authority.source import Place, Zones
from twisted_ext.server.authority.zonetable import SERVING
from twisted_ext.server.update.journalreplay import JournalReplays, Steps, finished
from twisted_ext.server.zones.imagefiles import Built, Maps

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["ZonePublisher"]

#: Number of zones up to which images are opened at once, so that a damaged one is detected before the first query.
_FEW: Final = 100

_log: Final = Logger()


class ZonePublisher:
    """
    Publishes zones in a table. Provides L{ZoneSink<twisted_ext.server.zones.loader.ZoneSink>}.
    """

    def __init__(
        self,
        zones: Zones,
        *,
        maps: Maps | None = None,
        revise: Callable[[Version], Steps] | None = None,
        takesLong: Callable[[bytes], bool] = lambda apex: False,
        replaying: JournalReplays | None = None,
        put: Callable[[Place], object] | None = None,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param revise: applies later changes to a loaded version, and returns the version to serve.
        @param takesLong: returns whether that takes so long for a zone that it has to be done in turns.
        @param replaying: runs it in turns.
        @param put: called when a version of a zone has been published.
        @param today: returns seconds since 1970.
        """
        self._put = put
        self._zones = zones
        self._maps = Maps() if maps is None else maps
        self._revise = revise
        self._takesLong = takesLong
        self._replaying = replaying
        # Errors of a zone's next version, reported while the replay of this one is under way.
        self._later: dict[bytes, str] = {}
        self._today = today

    def expect(self, apex: bytes, file: str) -> None:
        self._zones.expect(apex, file)

    def loaded(self, apex: bytes, file: str, built: Built) -> None:
        self.place(apex, file, built.path, built.offset, built.serial, built.records)

    def place(self, apex: bytes, file: str, path: str, offset: int, serial: int, records: int) -> None:
        """
        Serve the zone in an image.

        @raise DNSFault: it cannot be used.
        @raise OSError: the same.
        """
        place = self._zones.expect(apex, file)
        opening = self._maps.opening(apex, path, offset)
        revise, replaying = self._revise, self._replaying
        if revise is not None:
            opened = opening

            def revised() -> Version:
                return finished(revise(opened()))

            opening = revised
            if replaying is not None:
                self._cancel(apex)
                if self._takesLong(apex) and place.served() is None:
                    steps = revise(opened())
                    self._zones.defer(apex, file)

                    def done(version: Version) -> None:
                        self._serve(place, file, lambda: version, path, offset, serial, records)
                        if said := self._later.pop(apex, ""):
                            self.fail(apex, said)

                    replaying.begin(apex, steps, done, lambda said: self._failed(place, said))
                    return
        self._serve(place, file, opening, path, offset, serial, records)

    def _failed(self, place: Place, said: str) -> None:
        _log.error("{zone}: {said}", zone=place.text, said=said)
        self._later.pop(place.apex, None)
        self.fail(place.apex, said)

    def _cancel(self, apex: bytes) -> None:
        if self._replaying is not None:
            self._replaying.cancel(apex)
            self._later.pop(apex, None)

    def _serve(
        self, place: Place, file: str, opening: Callable[[], Version], path: str, offset: int, serial: int, records: int
    ) -> None:
        zones, apex = self._zones, place.apex
        if len(zones) <= _FEW and place.zone is None:
            version = opening()

            def opened() -> Version:
                return version

            opening = opened
        zones.putLater(apex, opening, serial, records, self._today(), source=(path, offset))
        if self._put is not None:
            self._put(place)

    def serial(self, apex: bytes) -> int | None:
        place = self._zones.at(apex)
        if place is None or place.state != SERVING:
            return None
        return place.serial if place.zone is None or place.unopened else place.zone.current.serial

    def fail(self, apex: bytes, said: str) -> None:
        if self._replaying is not None and apex in self._replaying:
            # The version being replayed is still usable.
            self._later[apex] = said
            return
        self._zones.fail(apex, said)

    def remove(self, apex: bytes) -> None:
        self._cancel(apex)
        self._zones.remove(apex)

    def close(self) -> None:
        if self._replaying is not None:
            self._replaying.close()
