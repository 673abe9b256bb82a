"""
The door for versions of zones that come from a database or a primary: on to the table of zones, or first to
where stages make others of them, such as signed ones. Those from databases are kept on disk, and served from there while their database
cannot be reached at a start.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import BadDescription, StorageFault
from twisted_ext.files import STATE_FOLDER
from twisted_ext.server.authority.sink import ZoneSink
from twisted_ext.server.authority.zonetable import EXPIRED, FAILED, SERVING
from twisted_ext.server.limits import COMPILER_PAUSE, COPY_PAUSE
from twisted_ext.server.update.commit import Elsewhere
from twisted_ext.server.update.journalreplay import journalName
from twisted_ext.zone.sign.unsigned import UnsignedVersion

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.zones.loader import ZoneLoader
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zone import Zone

__all__ = ["Arrivals"]

#: The folders in that of the state with the versions as they came: of zones with stages, and of those that are served as they come.
_FOLDERS: Final = {True: "unsigned", False: "copies"}

_log: Final = Logger(__name__)


class _Arrival:
    """
    A zone whose versions are kept as they arrive.

    @ivar zone: its settings, with the file that has the version as it came.
    @ivar isStaged: whether it goes through stages, so that what is served is made of that file.
    @ivar version: the last one that came, or the copy of it that is there at a start; L{None} if there is none, or if it has expired.
    @ivar kept: the last one that is on disk, and that the loader was told of if it goes through stages.
    @ivar label: where it comes from, for people.
    @ivar isKeeping: whether it is being written.
    """

    __slots__ = ("zone", "isStaged", "file", "version", "kept", "label", "isKeeping")

    def __init__(self, zone: ZoneSettings, path: str) -> None:
        self.file = UnsignedVersion(path)
        self.zone = zone.fromFile(path)
        self.isStaged = zone.isStagedOnArrival
        self.version: Version | None = None
        self.kept: Version | None = None
        self.label = ""
        self.isKeeping = False


class Arrivals(ZoneSink):
    """
    Passes versions on. Those of zones with stages are kept in files, of which the loader makes what is served: so they are never
    served as they came, and are signed again when their signatures end, whether or not the origin can be reached then. Those of other
    zones in databases are kept too, a while after they were served, and are the last good copies for a start without the database.
    """

    def __init__(
        self, reactor: IReactorTime, sink: ZoneSink, loader: ZoneLoader, folder: str, elsewhere: Elsewhere, *, isLasting: bool = True
    ) -> None:
        """
        @param folder: that of the state.
        @param isLasting: whether it is there at the next start, so that last good copies are of use.
        @param elsewhere: runs work in a thread.
        """
        super().__init__(sink.zones, today=sink.today)
        self._reactor = reactor
        self._sink = sink
        self._loader = loader
        self._folder = folder
        self._isLasting = isLasting
        self._elsewhere = elsewhere
        self._kept: dict[bytes, _Arrival] = {}
        # Files are written and removed one after the other.
        self._turns = DeferredLock()
        self._timers: dict[bytes, IDelayedCall] = {}
        self._closed = False

    def __contains__(self, apex: bytes) -> bool:
        """
        Return whether a zone goes through stages on its arrival.
        """
        return self._stagedAt(apex) is not None

    def _stagedAt(self, apex: bytes) -> _Arrival | None:
        arrival = self._kept.get(apex)
        return arrival if arrival is not None and arrival.isStaged else None

    @property
    def staged(self) -> Collection[str]:
        """
        The names of the zones that go through stages on their arrival.
        """
        return {arrival.zone.text for arrival in self._kept.values() if arrival.isStaged}

    # -- settings

    def follow(self, apex: bytes, zone: ZoneSettings | None) -> None:
        """
        Apply the settings of a zone, L{None} if it is served no more.

        @raise BadDescription: the folder for its versions cannot be made.
        """
        arrival = self._kept.get(apex)
        isStaged = zone is not None and zone.isStagedOnArrival
        if arrival is not None and (zone is None or arrival.isStaged != isStaged or not self._isKept(zone)):
            self._leave(apex, arrival, zone)
            arrival = None
        if zone is None or not self._isKept(zone):
            return
        folder = f"{self._folder}/{_FOLDERS[isStaged]}"
        path = f"{folder}/{journalName(apex, '.image')}"
        if arrival is not None:
            arrival.zone = zone.fromFile(path)
            if arrival.kept is not None and isStaged:
                self._loader.arrived(arrival.zone, False)
            return
        try:
            os.makedirs(folder, STATE_FOLDER, exist_ok=True)
        except OSError as error:
            raise BadDescription(f"state: {folder} cannot be used: {error.strerror or error}") from None
        former = super().former(apex)
        arrival = self._kept[apex] = _Arrival(zone, path)
        if former is not None:
            # It was served as it came until now, and is until that is done.
            self.arrived(former, self.zones.expect(apex).file)
        elif zone.store and (copy := arrival.file.version()) is not None and copy.apex == apex:
            arrival.version = arrival.kept = copy
            if isStaged:
                self._loader.arrived(arrival.zone, False)

    def _isKept(self, zone: ZoneSettings) -> bool:
        return zone.isStagedOnArrival or (self._isLasting and bool(zone.store))

    def _leave(self, apex: bytes, arrival: _Arrival, zone: ZoneSettings | None) -> None:
        del self._kept[apex]
        self._cancel(apex)
        self._turns.run(self._elsewhere, arrival.file.remove)
        if not arrival.isStaged:
            return
        self._loader.withdraw(arrival.zone, forget=True)
        if zone is not None and not zone.file and arrival.version is not None:
            if arrival.zone.signing is not None:
                _log.warn(
                    "{zone}: it is no longer signed; while its parent has a DS record for it, resolvers that validate reject its answers: "
                    "have that removed, or sign the zone until it is",
                    zone=arrival.zone.text,
                )
            self._sink.arrived(arrival.version, arrival.label)

    def _cancel(self, apex: bytes) -> None:
        timer = self._timers.pop(apex, None)
        if timer is not None and timer.active():
            timer.cancel()

    def sweep(self) -> None:
        """
        Remove the files of zones that are not kept any more.
        """
        kept = {path for arrival in self._kept.values() for path in (arrival.file.path, arrival.file.changes)}
        for folder in _FOLDERS.values():
            try:
                there = [entry.path for entry in os.scandir(f"{self._folder}/{folder}")]
            except OSError:
                continue
            for path in there:
                if path not in kept:
                    os.unlink(path)

    # -- the door

    def expect(self, apex: bytes, file: str = "") -> None:
        self._sink.expect(apex, file)

    def former(self, apex: bytes) -> Version | None:
        arrival = self._kept.get(apex)
        served = None if arrival is not None and arrival.isStaged else super().former(apex)
        return arrival.version if served is None and arrival is not None else served

    def standIn(self, apex: bytes, serial: int | None = None) -> None:
        arrival = self._kept.get(apex)
        version = None if arrival is None or arrival.isStaged or super().former(apex) is not None else arrival.version
        if version is not None and serial in (None, version.serial):
            self._sink.arrived(version)

    def changed(self, version: Version) -> None:
        """
        Keep a version that an update has made. It is in force, and the database has it.
        """
        arrival = self._kept.get(version.apex)
        if arrival is not None and not arrival.isStaged:
            arrival.version = version
            self._keepLater(version.apex, COPY_PAUSE.default)

    def arrived(self, version: Version, file: str = "", zone: Zone | None = None) -> None:
        arrival = self._kept.get(version.apex)
        if arrival is None or not arrival.isStaged:
            self._sink.arrived(version, file, zone)
        if arrival is None:
            return
        arrival.version = version
        arrival.label = file
        place = self.zones.at(version.apex)
        if not arrival.isStaged:
            if arrival.kept is not version:
                # The first one at once.
                self._keepLater(version.apex, 0.0 if arrival.kept is None else COPY_PAUSE.default)
        elif arrival.kept is not version:
            self._keep(version.apex)
        elif place is None or place.said or place.state != SERVING:
            # It is confirmed after it could not be.
            self._loader.arrived(arrival.zone, False)

    def _keepLater(self, apex: bytes, pause: float) -> None:
        if apex not in self._timers and not self._closed:
            self._timers[apex] = self._reactor.callLater(pause, self._keep, apex)

    def _keep(self, apex: bytes) -> None:
        self._cancel(apex)
        arrival = self._kept.get(apex)
        if arrival is not None and not arrival.isKeeping:
            arrival.isKeeping = True
            Deferred.fromCoroutine(self._keeping(apex, arrival)).addErrback(
                lambda failure: _log.failure("while {zone} is kept", failure, zone=arrival.zone.text)
            )

    async def _keeping(self, apex: bytes, arrival: _Arrival) -> None:
        """
        Keep the version that came last, and tell the loader of it.
        """
        try:
            while (version := arrival.version) is not None and arrival.kept is not version:
                isNew = await self._turns.run(self._elsewhere, partial(arrival.file.keep, version))
                if self._kept.get(apex) is not arrival or (self._closed and arrival.isStaged):
                    return
                if not arrival.isStaged:
                    # What has come meanwhile has its turn later.
                    arrival.kept = version
                    return
                if arrival.version is version:
                    arrival.kept = version
                    self._loader.arrived(arrival.zone, bool(isNew))
        except (OSError, StorageFault) as error:
            said = f"it cannot be written: {getattr(error, 'strerror', None) or error}"
            _log.error("{zone}: {said}; that is tried again in {pause:g} s", zone=arrival.zone.text, said=said, pause=COMPILER_PAUSE.most)
            if arrival.isStaged:
                self._sink.failed(apex, said)
            self._cancel(apex)
            self._keepLater(apex, COMPILER_PAUSE.most)
        finally:
            arrival.isKeeping = False

    def failed(self, apex: bytes, said: str, state: str = FAILED) -> None:
        arrival = self._stagedAt(apex)
        if arrival is not None and state == EXPIRED:
            arrival.version = arrival.kept = None
            # Nothing that was made of it is to be served from here on.
            self._loader.withdraw(arrival.zone)
        self._sink.failed(apex, said, state)

    def gone(self, apex: bytes) -> None:
        arrival = self._kept.get(apex)
        if arrival is not None:
            arrival.version = arrival.kept = None
            if arrival.isStaged:
                self._loader.withdraw(arrival.zone)
            else:
                self._cancel(apex)
                self._turns.run(self._elsewhere, arrival.file.remove)
        self._sink.gone(apex)

    def close(self, changing: Deferred[None]) -> Deferred[None]:
        """
        Write the last good copies that are not written yet.

        @param changing: fires when the last update is in force.

        @return: fires when nothing is being written.
        """
        self._closed = True
        for apex in list(self._timers):
            self._cancel(apex)
        return changing.addCallback(lambda _: Deferred.fromCoroutine(self._finish()))

    async def _finish(self) -> None:
        for arrival in self._kept.values():
            if not arrival.isStaged and arrival.version is not None and arrival.version is not arrival.kept:
                try:
                    await self._turns.run(self._elsewhere, partial(arrival.file.keep, arrival.version))
                except (OSError, StorageFault) as error:
                    said = getattr(error, "strerror", None) or error
                    _log.error("{zone}: its last version cannot be written: {said}", zone=arrival.zone.text, said=said)
        await self._turns.run(lambda: None)
