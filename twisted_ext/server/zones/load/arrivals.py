"""
The door for versions of zones that come from a database or a primary: on to the table of zones, or first to
where they are signed. Those from databases are kept on disk, and served from there while their database cannot be reached at a start.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import BadDescription, StorageFault
from twisted_ext.files import makeStateFolder
from twisted_ext.server.limits import COMPILER_PAUSE, COPY_PAUSE
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.zones.images.loadinglog import warnOfUnsigned
from twisted_ext.server.zones.load.copies import Copies, Copy
from twisted_ext.server.zones.table.sink import ZoneSink
from twisted_ext.server.zones.table.zonetable import EXPIRED, FAILED, SERVING
from twisted_ext.server.zones.update.commit import Elsewhere
from twisted_ext.server.zones.update.editablezones import DERIVED
from twisted_ext.server.zones.update.journalreplay import journalName
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.limits import COMPARED_NODES
from twisted_ext.zone.sign.unsigned import UnsignedVersion
from twisted_ext.zone.store.traversal import differing
from twisted_ext.zone.update.transactions import contentOf
from twisted_ext.zone.zone import Zone

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.zones.load.loader import ZoneLoader
    from twisted_ext.server.zones.signing.signedzone import UnsignedZone
    from twisted_ext.zone.store.changeset import Difference
    from twisted_ext.zone.store.version import Version

__all__ = ["Arrivals"]

#: The folders in that of the state with the versions as they came: of zones that are signed, and of those that are served as they come.
_FOLDERS: Final = {True: "unsigned", False: "copies"}

#: Seconds between the beginnings of two batches of copies, so that what arrives in between waits for the disk together.
_BATCH_PAUSE: Final = 1.0

#: Zones in one batch. A full one is followed by the next at once; to choose them and to note that they are written takes 2 ms.
_BATCH: Final = 1000

#: Octets of what has changed in a zone that was read or transferred as a whole, up to which only that is signed: more than ten thousand
#: names have.
_COMPARED_OCTETS: Final = 4_000_000

_log: Final = Logger(__name__)


class _Arrival:
    """
    A zone whose versions are kept as they arrive.

    @ivar zone: its settings.
    @ivar isSigned: whether it is signed here, so that what is served is made of the file.
    @ivar file: the version as it came, on disk.
    @ivar version: the last one that came, or the copy of it that is there at a start; L{None} if there is none, or if it has expired.
    @ivar kept: the last one that is on disk, and was passed on to be signed if it is.
    @ivar label: where it comes from, for people.
    @ivar isKeeping: whether it is being written, if it is signed.
    @ivar source: the zone as it came, if clients change it here.
    @ivar waiting: what fires once all that came is in force, or is to be signed as a whole.
    @ivar inFile: whether there was a copy in files of its own at a start.
    """

    __slots__ = ("zone", "isSigned", "file", "version", "kept", "label", "isKeeping", "source", "waiting", "inFile")

    def __init__(self, zone: ZoneSettings, path: str) -> None:
        self.file = UnsignedVersion(path)
        self.zone = zone
        self.isSigned = zone.isSignedOnArrival
        self.version: Version | None = None
        self.kept: Version | None = None
        self.label = ""
        self.isKeeping = False
        self.source: Zone | None = None
        self.waiting: list[Deferred[None]] = []
        self.inFile = False


class Arrivals(ZoneSink):
    """
    Passes versions on. Those of zones that are signed are kept in files, of which signed ones are made: so they are never
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
        # When the next version of a zone may be written, and one timer for all of them: there may be a hundred thousand.
        self._due: dict[bytes, float] = {}
        self._timer: IDelayedCall | None = None
        self._soonest = 0.0
        self._isWriting = False
        self._copies: Copies | None = None
        # Copies to be removed with the next batch.
        self._gone: dict[bytes, UnsignedVersion] = {}
        self._closed = False

    def __contains__(self, apex: bytes) -> bool:
        """
        Return whether a zone is signed on its arrival.
        """
        return self._signedAt(apex) is not None

    def _signedAt(self, apex: bytes) -> _Arrival | None:
        arrival = self._kept.get(apex)
        return arrival if arrival is not None and arrival.isSigned else None

    def _sign(self, arrival: _Arrival) -> None:
        self._loader.signing().take(arrival.zone.name, self._unsigned(arrival))

    @staticmethod
    def _unsigned(arrival: _Arrival) -> UnsignedZone:
        from twisted_ext.server.zones.signing.signedzone import UnsignedZone

        file = arrival.file
        assert arrival.kept is not None
        return UnsignedZone.ofFiles(file.path, [file.changes], arrival.kept.serial)

    async def _signChanges(self, arrival: _Arrival, former: Version | None, version: Version) -> None:
        """
        Have the version that came last signed: only what has changed, if that can be found out soon.

        @param former: the version before it.
        """
        keys: Iterable[bytes] | None = None
        if former is not None and former.image is version.image:
            keys = version.keysSince(former)
        elif former is not None and max(former.image.nodes, version.image.nodes) <= COMPARED_NODES.default:
            keys = await self._compared(former, version)
        if self._kept.get(version.apex) is not arrival or arrival.version is None:
            return
        if keys is None:
            self._sign(arrival)
            return
        await self._loader.signing().takeChanges(arrival.zone.name, self._unsigned(arrival), contentOf(version, keys))

    async def _compared(self, former: Version, version: Version) -> Iterable[bytes] | None:
        """
        Return the names in which two versions of one zone differ, its own name too; L{None} if that is too much.
        """
        found: Difference | None = None

        def steps() -> Generator[None, None, None]:
            nonlocal found
            found = yield from differing(former, version, _COMPARED_OCTETS)

        await paced(self._reactor, steps())
        if found is None:
            return None
        names = [rrset.name for rrset in (found.after, *found.removed, *found.added)]
        return dict.fromkeys([name[: len(name) - len(version.apex)].lower() for name in names])

    def copied(self) -> tuple[int, int]:
        """
        Return of how many zones of databases there is a last good copy, and of how many there is to be one.
        """
        kept = [arrival.kept is not None for arrival in self._kept.values() if not arrival.isSigned]
        return sum(kept), len(kept)

    # -- settings

    def follow(self, apex: bytes, zone: ZoneSettings | None) -> None:
        """
        Apply the settings of a zone, L{None} if it is served no more.

        @raise BadDescription: the folder for its versions cannot be made.
        """
        arrival = self._kept.get(apex)
        isSigned = zone is not None and zone.isSignedOnArrival
        if arrival is not None and (zone is None or arrival.isSigned != isSigned or not self._isKept(zone)):
            self._leave(apex, arrival, zone)
            arrival = None
        if zone is None or not self._isKept(zone):
            return
        folder = f"{self._folder}/{_FOLDERS[isSigned]}"
        path = f"{folder}/{journalName(apex, '.image')}"
        if arrival is not None:
            arrival.zone = zone
            if isSigned:
                self._loader.signing().follow(zone, zone.store)
                if arrival.kept is not None:
                    self._sign(arrival)
            return
        try:
            makeStateFolder(folder)
            if not isSigned and self._copies is None:
                self._copies = Copies(folder)
        except OSError as error:
            raise BadDescription(f"state: {folder} cannot be used: {error.strerror or error}") from None
        former = super().former(apex)
        arrival = self._kept[apex] = _Arrival(zone, path)
        if isSigned:
            self._loader.signing().follow(zone, zone.store)
        if former is not None:
            # It was served as it came until now, and is until that is done.
            self.arrived(former, self.zones.expect(apex).file)
        elif zone.store and (copy := self._copyOf(apex, arrival)) is not None and copy.apex == apex:
            arrival.version = arrival.kept = copy
            if isSigned:
                self._sign(arrival)

    def _copyOf(self, apex: bytes, arrival: _Arrival) -> Version | None:
        """
        Return the version that is on disk, at a start.
        """
        row = None
        if self._copies is not None and not arrival.isSigned and apex not in self._gone:
            row = self._copies.read(apex)
        copy = arrival.file.version() if row is None else row
        arrival.inFile = row is None and copy is not None
        return copy

    def _isKept(self, zone: ZoneSettings) -> bool:
        return zone.isSignedOnArrival or (self._isLasting and bool(zone.store))

    def _leave(self, apex: bytes, arrival: _Arrival, zone: ZoneSettings | None) -> None:
        del self._kept[apex]
        self._due.pop(apex, None)
        if not arrival.isSigned:
            self._drop(apex, arrival)
            return
        self._turns.run(self._elsewhere, arrival.file.remove)
        self._loader.signing().leave(apex)
        if zone is not None and not zone.file and arrival.version is not None:
            warnOfUnsigned(arrival.zone.text)
            self._sink.arrived(arrival.version, arrival.label)

    def _drop(self, apex: bytes, arrival: _Arrival) -> None:
        """
        Have a copy removed, together with others.
        """
        self._gone[apex] = arrival.file
        self._arm()

    def sweep(self, journals: Iterable[str]) -> None:
        """
        Remove the files of zones that are not kept any more.

        @param journals: the paths of journals that are.
        """
        among = [arrival for arrival in self._kept.values() if arrival.isSigned or arrival.inFile]
        kept = {path for arrival in among for path in (arrival.file.path, arrival.file.changes)}
        if self._copies is not None:
            self._copies.sweep(self._kept)
            kept.update(self._copies.paths)
        kept.update(journals)
        for folder in (*_FOLDERS.values(), DERIVED):
            try:
                there = [entry.path for entry in os.scandir(f"{self._folder}/{folder}")]
            except OSError:
                continue
            for path in there:
                # Journals have files beside them.
                if path not in kept and path.rpartition(".")[0] not in kept:
                    os.unlink(path)

    # -- the door

    def expect(self, apex: bytes, file: str = "") -> None:
        self._sink.expect(apex, file)

    def former(self, apex: bytes) -> Version | None:
        arrival = self._kept.get(apex)
        served = None if arrival is not None and arrival.isSigned else super().former(apex)
        return arrival.version if served is None and arrival is not None else served

    def standIn(self, apex: bytes, serial: int | None = None) -> None:
        arrival = self._kept.get(apex)
        version = None if arrival is None or arrival.isSigned or super().former(apex) is not None else arrival.version
        if version is not None and serial in (None, version.serial):
            self._sink.arrived(version)

    def changed(self, version: Version) -> None:
        """
        Keep a version that an update has made. It is in force, and the database has it.
        """
        arrival = self._kept.get(version.apex)
        if arrival is not None and not arrival.isSigned:
            arrival.version = version
            self._keepLater(version.apex, COPY_PAUSE.default)

    def sourceOf(self, apex: bytes) -> Zone | None:
        """
        See L{Origins<twisted_ext.server.zones.update.editablezones.Origins>}.
        """
        arrival = self._signedAt(apex)
        if arrival is None or arrival.version is None:
            return None
        if arrival.source is None:
            arrival.source = Zone(arrival.version)
        return arrival.source

    def changedBy(self, version: Version) -> Deferred[None]:
        """
        See L{Origins<twisted_ext.server.zones.update.editablezones.Origins>}.
        """
        arrival = self._signedAt(version.apex)
        if arrival is None:
            return succeed(None)
        self.arrived(version, arrival.label)
        if not arrival.isKeeping:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        arrival.waiting.append(waiting)
        return waiting

    def settled(self, apex: bytes) -> Deferred[None]:
        """
        @return: fires once what came last of a zone is served, if it is to be signed, or the log says why not.
        """
        arrival = self._signedAt(apex)
        if arrival is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        if arrival.isKeeping:
            arrival.waiting.append(waiting)
        else:
            waiting.callback(None)
        return waiting.addCallback(lambda _: self._loader.signing().settled(apex)).addCallback(lambda _: None)

    def arrived(self, version: Version, file: str = "", zone: Zone | None = None) -> None:
        arrival = self._kept.get(version.apex)
        if arrival is None or not arrival.isSigned:
            self._sink.arrived(version, file, zone)
        if arrival is None:
            return
        arrival.version = version
        arrival.label = file
        if arrival.source is not None and arrival.source.current is not version:
            arrival.source.replace(version)
        place = self.zones.at(version.apex)
        if not arrival.isSigned:
            if arrival.kept is not version:
                # The first one at once.
                self._keepLater(version.apex, 0.0 if arrival.kept is None else COPY_PAUSE.default)
        elif arrival.kept is not version:
            self._keep(version.apex)
        elif place is None or place.said or place.state != SERVING:
            # It is confirmed after it could not be.
            self._sign(arrival)

    def _keepLater(self, apex: bytes, pause: float) -> None:
        if apex not in self._due and not self._closed:
            self._due[apex] = self._reactor.seconds() + pause
            self._arm(self._due[apex])

    def _arm(self, at: float = 0.0) -> None:
        """
        Have what is due written then, or soon after it.
        """
        if self._closed or self._isWriting:
            return
        now = self._reactor.seconds()
        at = max(at, self._soonest, now)
        if self._timer is not None:
            if self._timer.getTime() <= at:
                return
            self._timer.cancel()
        self._timer = self._reactor.callLater(at - now, self._write)

    def _write(self) -> None:
        """
        Write what is due: all copies in one batch.
        """
        self._timer = None
        now = self._reactor.seconds()
        taken = list(islice((apex for apex, at in self._due.items() if at <= now), _BATCH))
        if len(taken) < _BATCH:
            self._soonest = now + _BATCH_PAUSE
        batch: list[tuple[_Arrival, Copy]] = []
        for apex in taken:
            del self._due[apex]
            arrival = self._kept.get(apex)
            if arrival is None:
                continue
            if arrival.isSigned:
                self._keep(apex)
            elif arrival.version is not None and arrival.version is not arrival.kept:
                batch.append((arrival, (apex, arrival.version, arrival.file)))
        self._isWriting = True
        Deferred.fromCoroutine(self._writing(batch)).addErrback(
            lambda failure: _log.failure("while copies of zones are kept", failure)
        ).addCallback(self._written)

    def _written(self, _: object) -> None:
        self._isWriting = False
        if self._due or self._gone:
            self._arm(0.0 if self._gone else min(self._due.values()))

    async def _writing(self, batch: Sequence[tuple[_Arrival, Copy]]) -> None:
        """
        Remove the copies that are not kept any more, and write others.
        """
        copies = self._copies
        if copies is None or not (batch or self._gone):
            return
        gone, self._gone = list(self._gone.items()), {}
        failed = await self._turns.run(self._elsewhere, partial(copies.write, gone, [copy for _, copy in batch]))
        assert isinstance(failed, dict)
        for arrival, (apex, version, _) in batch:
            if apex not in failed and self._kept.get(apex) is arrival and arrival.version is not None:
                # What has come meanwhile has its turn later.
                arrival.kept = version
        self._complain(failed)
        if copies.isLost:
            copies.isLost = False
            written = {apex for _, (apex, _, _) in batch}
            for apex, arrival in self._kept.items():
                if not arrival.isSigned and arrival.version is not None and apex not in written:
                    arrival.kept = None
                    self._keepLater(apex, 0.0)

    def _complain(self, failed: dict[bytes, str]) -> None:
        """
        Log that copies cannot be written, one line for each reason, and try again later.
        """
        for said in sorted(set(failed.values())):
            among = [apex for apex in failed if failed[apex] == said]
            zone = nameToText(among[0]) + (f" and {len(among) - 1} more zones" if len(among) > 1 else "")
            text = "{zone}: the last good copy cannot be written: {said}; that is tried again in {pause:g} s"
            _log.error(text, zone=zone, said=said, pause=COMPILER_PAUSE.most)
            for apex in among:
                self._due.pop(apex, None)
                self._keepLater(apex, COMPILER_PAUSE.most)

    def _keep(self, apex: bytes) -> None:
        self._due.pop(apex, None)
        arrival = self._kept.get(apex)
        if arrival is not None and not arrival.isKeeping:
            arrival.isKeeping = True
            Deferred.fromCoroutine(self._keeping(apex, arrival)).addErrback(
                lambda failure: _log.failure("while {zone} is kept", failure, zone=arrival.zone.text)
            )

    async def _keeping(self, apex: bytes, arrival: _Arrival) -> None:
        """
        Keep the version that came last of a zone that is signed, and have it signed.
        """
        try:
            while (version := arrival.version) is not None and arrival.kept is not version:
                former = arrival.kept
                await self._turns.run(self._elsewhere, partial(arrival.file.keep, version))
                if self._kept.get(apex) is not arrival or self._closed:
                    return
                if arrival.version is version:
                    arrival.kept = version
                    await self._signChanges(arrival, former, version)
        except (OSError, StorageFault) as error:
            said = f"it cannot be written: {getattr(error, 'strerror', None) or error}"
            _log.error("{zone}: {said}; that is tried again in {pause:g} s", zone=arrival.zone.text, said=said, pause=COMPILER_PAUSE.most)
            self._sink.failed(apex, said)
            self._due.pop(apex, None)
            self._keepLater(apex, COMPILER_PAUSE.most)
        finally:
            arrival.isKeeping = False
            waiting, arrival.waiting = arrival.waiting, []
            for each in waiting:
                each.callback(None)

    def failed(self, apex: bytes, said: str, state: str = FAILED) -> None:
        arrival = self._signedAt(apex)
        if arrival is not None and state == EXPIRED:
            arrival.version = arrival.kept = None
            # Nothing that was made of it is to be served from here on.
            self._loader.signing().withdraw(apex)
        self._sink.failed(apex, said, state)

    def gone(self, apex: bytes) -> None:
        arrival = self._kept.get(apex)
        if arrival is not None:
            arrival.version = arrival.kept = None
            if arrival.isSigned:
                self._loader.signing().withdraw(apex)
            else:
                self._due.pop(apex, None)
                self._drop(apex, arrival)
        self._sink.gone(apex)

    def close(self, changing: Deferred[None]) -> Deferred[None]:
        """
        Write the last good copies that are not written yet.

        @param changing: fires when the last update is in force.

        @return: fires when nothing is being written.
        """
        self._closed = True
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return changing.addCallback(lambda _: Deferred.fromCoroutine(self._finish()))

    async def _finish(self) -> None:
        # After the batch that is being written, if any.
        await self._turns.run(lambda: None)
        copies = self._copies
        if copies is not None:
            there = [(apex, each) for apex, each in self._kept.items() if not each.isSigned and each.version is not each.kept]
            last = [(apex, each.version, each.file) for apex, each in there if each.version is not None]
            gone, self._gone = list(self._gone.items()), {}
            failed = await self._turns.run(self._elsewhere, partial(copies.write, gone, last))
            assert isinstance(failed, dict)
            for apex, said in failed.items():
                _log.error("{zone}: its last version cannot be written: {said}", zone=nameToText(apex), said=said)
            self._copies = None
            await self._turns.run(self._elsewhere, copies.close)
