"""
The door for versions of zones that come from a database or a primary: on to the table of zones, or first to
where stages make others of them, such as signed ones.
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
from twisted_ext.server.limits import COMPILER_PAUSE
from twisted_ext.server.update.commit import Elsewhere
from twisted_ext.server.update.journalreplay import journalName
from twisted_ext.zone.sign.unsigned import UnsignedVersion

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.zones.loader import ZoneLoader
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zone import Zone

__all__ = ["Arrivals"]

#: The folder in that of the state with the versions as they came.
_FOLDER: Final = "unsigned"

_log: Final = Logger(__name__)


class _Arrival:
    """
    A zone that goes through stages when it arrives.

    @ivar zone: its settings, with the file that has the version as it came.
    @ivar version: the last one that came; L{None} if there is none, or if it has expired.
    @ivar kept: the last one that the loader was told of.
    @ivar label: where it comes from, for people.
    @ivar isKeeping: whether it is being written.
    """

    __slots__ = ("zone", "file", "version", "kept", "label", "isKeeping")

    def __init__(self, zone: ZoneSettings, path: str) -> None:
        self.file = UnsignedVersion(path)
        self.zone = zone.fromFile(path)
        self.version: Version | None = None
        self.kept: Version | None = None
        self.label = ""
        self.isKeeping = False


class Arrivals(ZoneSink):
    """
    Passes versions on. Those of zones with stages are kept in files, of which the loader makes what is served: so they are never
    served as they came, and are signed again when their signatures end, whether or not the origin can be reached then.
    """

    def __init__(
        self, reactor: IReactorTime, sink: ZoneSink, loader: ZoneLoader, folder: str, elsewhere: Elsewhere
    ) -> None:
        """
        @param folder: that of the state.
        @param elsewhere: runs work in a thread.
        """
        super().__init__(sink.zones, today=sink.today)
        self._reactor = reactor
        self._sink = sink
        self._loader = loader
        self._folder = f"{folder}/{_FOLDER}"
        self._elsewhere = elsewhere
        self._staged: dict[bytes, _Arrival] = {}
        # Files are written and removed one after the other.
        self._turns = DeferredLock()
        self._retries: dict[bytes, IDelayedCall] = {}
        self._closed = False

    def __contains__(self, apex: bytes) -> bool:
        """
        Return whether a zone goes through stages on its arrival.
        """
        return apex in self._staged

    @property
    def staged(self) -> Collection[str]:
        """
        The names of the zones that go through stages on their arrival.
        """
        return {arrival.zone.text for arrival in self._staged.values()}

    # -- settings

    def follow(self, apex: bytes, zone: ZoneSettings | None) -> None:
        """
        Apply the settings of a zone, L{None} if it is served no more.

        @raise BadDescription: the folder for its versions cannot be made.
        """
        arrival = self._staged.get(apex)
        if zone is None or not zone.isStagedOnArrival:
            if arrival is not None:
                self._leave(apex, arrival, zone)
            return
        path = f"{self._folder}/{journalName(apex, '.image')}"
        if arrival is None:
            try:
                os.makedirs(self._folder, STATE_FOLDER, exist_ok=True)
            except OSError as error:
                raise BadDescription(f"state: {self._folder} cannot be used: {error.strerror or error}") from None
            former = super().former(apex)
            self._staged[apex] = _Arrival(zone, path)
            if former is not None:
                # It was served as it came until now, and is until that is done.
                self.arrived(former)
            return
        arrival.zone = zone.fromFile(path)
        if arrival.kept is not None:
            self._loader.arrived(arrival.zone, False)

    def _leave(self, apex: bytes, arrival: _Arrival, zone: ZoneSettings | None) -> None:
        del self._staged[apex]
        self._loader.withdraw(arrival.zone, forget=True)
        self._turns.run(self._elsewhere, arrival.file.remove)
        if zone is not None and not zone.file and arrival.version is not None:
            if arrival.zone.signing is not None:
                _log.warn(
                    "{zone}: it is no longer signed; while its parent has a DS record for it, resolvers that validate reject its answers: "
                    "have that removed, or sign the zone until it is",
                    zone=arrival.zone.text,
                )
            self._sink.arrived(arrival.version, arrival.label)

    def sweep(self) -> None:
        """
        Remove the files of zones that have no stages any more.
        """
        kept = {path for arrival in self._staged.values() for path in (arrival.file.path, arrival.file.changes)}
        try:
            there = [entry.path for entry in os.scandir(self._folder)]
        except OSError:
            return
        for path in there:
            if path not in kept:
                os.unlink(path)

    # -- the door

    def expect(self, apex: bytes, file: str = "") -> None:
        self._sink.expect(apex, file)

    def former(self, apex: bytes) -> Version | None:
        arrival = self._staged.get(apex)
        return super().former(apex) if arrival is None else arrival.version

    def arrived(self, version: Version, file: str = "", zone: Zone | None = None) -> None:
        arrival = self._staged.get(version.apex)
        if arrival is None:
            self._sink.arrived(version, file, zone)
            return
        arrival.version = version
        arrival.label = file
        place = self.zones.at(version.apex)
        if arrival.kept is not version:
            self._keep(version.apex)
        elif place is None or place.said or place.state != SERVING:
            # It is confirmed after it could not be.
            self._loader.arrived(arrival.zone, False)

    def _keep(self, apex: bytes) -> None:
        arrival = self._staged.get(apex)
        if arrival is not None and not arrival.isKeeping:
            retry = self._retries.pop(apex, None)
            if retry is not None and retry.active():
                retry.cancel()
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
                if self._closed or self._staged.get(apex) is not arrival:
                    return
                if arrival.version is version:
                    arrival.kept = version
                    self._loader.arrived(arrival.zone, bool(isNew))
        except (OSError, StorageFault) as error:
            said = f"it cannot be written: {getattr(error, 'strerror', None) or error}"
            _log.error("{zone}: {said}; that is tried again in {pause:g} s", zone=arrival.zone.text, said=said, pause=COMPILER_PAUSE.most)
            self._sink.failed(apex, said)
            if not self._closed:
                self._retries[apex] = self._reactor.callLater(COMPILER_PAUSE.most, self._keep, apex)
        finally:
            arrival.isKeeping = False

    def failed(self, apex: bytes, said: str, state: str = FAILED) -> None:
        arrival = self._staged.get(apex)
        if arrival is not None and state == EXPIRED:
            arrival.version = arrival.kept = None
            # Nothing that was made of it is to be served from here on.
            self._loader.withdraw(arrival.zone)
        self._sink.failed(apex, said, state)

    def gone(self, apex: bytes) -> None:
        arrival = self._staged.get(apex)
        if arrival is not None:
            arrival.version = arrival.kept = None
            self._loader.withdraw(arrival.zone)
        self._sink.gone(apex)

    def close(self) -> Deferred[None]:
        """
        @return: fires when nothing is being written.
        """
        self._closed = True
        for retry in self._retries.values():
            if retry.active():
                retry.cancel()
        return self._turns.run(lambda: None)
