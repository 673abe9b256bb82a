"""
Publishes compiled zones in the zone table.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.server.zones.images.imagefiles import Built, Maps
from twisted_ext.server.zones.table.sink import ZoneSink
from twisted_ext.server.zones.table.zonetable import FAILED, SERVING, Place, Zones
from twisted_ext.server.zones.update.journalreplay import JournalReplays, Steps, finished

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zone import Zone

__all__ = ["ZonePublisher"]

#: Number of zones up to which images are opened at once, so that a damaged one is detected before the first query.
_FEW: Final = 100

_log: Final = Logger(__name__)


class ZonePublisher(ZoneSink):
    """
    The door that also takes images of compiled zones.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        zones: Zones,
        revise: Callable[[Version], Steps],
        *,
        takesLong: Callable[[bytes], bool] = lambda apex: False,
        put: Callable[[Place, Version | None], object] = lambda place, version: None,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param revise: applies later changes to a loaded version, and returns the version to serve.
        @param takesLong: returns whether that takes so long for a zone that it has to be done in turns.
        @param put: see L{ZoneSink}.
        """
        super().__init__(zones, put, today)
        self._maps = Maps()
        self._revise = revise
        self._takesLong = takesLong
        self.reactor = reactor
        self._replays = JournalReplays(reactor)
        # Errors of a zone's next version, reported while the replay of this one is under way.
        self._later: dict[bytes, str] = {}

    def loaded(self, apex: bytes, file: str, built: Built) -> None:
        """
        Publish an image of a zone.

        @raise DNSFault: it cannot be used.
        @raise OSError: the same.
        """
        place = self.zones.expect(apex, file)
        opening = self._maps.opening(apex, built.path, built.offset)
        self._cancel(apex)
        if not self._takesLong(apex) or place.served() is not None:
            self._serve(place, lambda: finished(self._revise(opening())), built)
            return
        steps = self._revise(opening())
        self.zones.defer(apex, file)

        def done(version: Version) -> None:
            self._serve(place, lambda: version, built)
            if said := self._later.pop(apex, ""):
                self.failed(apex, said)

        self._replays.begin(apex, steps, done, lambda said: self._failed(place, said))

    def _failed(self, place: Place, said: str) -> None:
        _log.error("{zone}: {said}", zone=place.text, said=said)
        self._later.pop(place.apex, None)
        self.failed(place.apex, said)

    def _cancel(self, apex: bytes) -> None:
        self._replays.cancel(apex)
        self._later.pop(apex, None)

    def _serve(self, place: Place, opening: Callable[[], Version], built: Built) -> None:
        zones = self.zones
        if len(zones) <= _FEW and place.zone is None:
            version = opening()

            def opened() -> Version:
                return version

            opening = opened
        zones.putLater(place.apex, opening, built.serial, built.records, self.today(), source=(built.path, built.offset))
        self._put(place, None)

    def image(self, place: Place) -> Version | None:
        """
        Return the version in the image of a zone that no query has opened yet; L{None} if there is none. The zone stays as it is, so that
        a hundred thousand of them take no more memory.

        @raise DNSFault: the image is damaged.
        @raise OSError: it cannot be read.
        """
        if place.source is None:
            return None
        path, offset = place.source
        return self._maps.opening(place.apex, path, offset, checked=False)()

    def versionIn(self, apex: bytes, built: Built) -> Version:
        """
        Return the version in an image, without what updates have changed since.

        @raise DNSFault: the image cannot be used.
        @raise OSError: it cannot be read.
        """
        return self._maps.opening(apex, built.path, built.offset)()

    def serial(self, apex: bytes) -> int | None:
        """
        Return the serial number served, which updates may have raised; L{None} if the zone is not served yet.
        """
        place = self.zones.at(apex)
        if place is None or place.state != SERVING:
            return None
        return place.serial if place.zone is None or place.unopened else place.zone.current.serial

    def ends(self, apex: bytes, *, ofFormer: bool = False) -> float | None:
        """
        Return when the first signature of the served version of a zone ends, in seconds since 1970; L{None} if that is not known (yet).

        @param ofFormer: whether that of an earlier version will do, which changes have made this one of.
        """
        place = self.zones.at(apex)
        if place is None or place.signatures is None or place.signaturesRead is None or place.signaturesRead[0] != place.since:
            return None
        if not ofFormer and place.signaturesRead[1] != self.serial(apex):
            return None
        return place.signatures.time

    def arrived(self, version: Version, file: str = "", zone: Zone | None = None) -> None:
        self._cancel(version.apex)
        super().arrived(version, file, zone)

    def confirm(self, apex: bytes) -> None:
        """
        Note that a zone that is served is what it is to be.
        """
        place = self.zones.at(apex)
        zone = None if place is None else place.served()
        if place is not None and zone is not None:
            self.arrived(zone.current, place.file)

    def failed(self, apex: bytes, said: str, state: str = FAILED) -> None:
        if apex in self._replays:
            # The version being replayed is still usable.
            self._later[apex] = said
            return
        super().failed(apex, said, state)

    def gone(self, apex: bytes) -> None:
        self._cancel(apex)
        super().gone(apex)

    def close(self) -> None:
        self._replays.close()
