"""
The zones of a server for all clients, or those that one view has: the table, the loader, and the services for transfers, updates and
databases.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from glob import escape, glob
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.files import TemporaryFolder
from twisted_ext.server.config.secretfiles import refuseForeign
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.process.jobs.tuning import uncollected
from twisted_ext.server.zones.images.publish import ZonePublisher
from twisted_ext.server.zones.load.folders import VIEWS
from twisted_ext.server.zones.load.signatures import SignatureWatch
from twisted_ext.server.zones.load.standing import StandingZones
from twisted_ext.server.zones.load.validate import checkZones, zonesIn
from twisted_ext.server.zones.load.zonelist import ZoneList
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.server.zones.table.zonetable import Place, Zones
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.reply.opcodes import OpcodeHandler
    from twisted_ext.server.zones.load.arrivals import Arrivals
    from twisted_ext.server.zones.load.databases.added import AddedZone
    from twisted_ext.server.zones.load.databases.addedzones import AddedZones
    from twisted_ext.server.zones.load.databases.dbzones import ZoneDatabases
    from twisted_ext.server.zones.load.loader import ZoneLoader
    from twisted_ext.server.zones.load.zonesyncworker import ZoneSyncWorker
    from twisted_ext.server.zones.transfer.replication import Replication
    from twisted_ext.server.zones.transfer.transferlimits import TransferLimits
    from twisted_ext.server.zones.update.edits import ZoneEdits
    from twisted_ext.server.zones.update.journalreplay import Steps
    from twisted_ext.server.zones.update.updates import UpdateHandler
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.transfer.sender import Differences
    from twisted_ext.zone.zone import Zone

__all__ = ["ZoneSet"]

_log: Final = Logger(__name__)

#: Name prefix of the folders with files for workers.
_SHARED: Final = "workers-"

#: The database of zones that were added, in the folder of the state: without it, nothing of them is loaded.
_ADDED: Final = "added.sqlite"

#: Number of zones above which they are excluded from garbage collection.
_MANY: Final = 10_000

#: Seconds until a rebuild is retried for a zone that was being changed during the last one.
_AGAIN: Final = 1.0


class ZoneSet:
    """
    A server's zones, as configured: loaded, transferred in and out, and updated.

    @ivar list: which zones these are.
    @ivar loading: loads them from master files; L{None} as long as there are no zones.
    @ivar handlers: the handlers for requests other than QUERY; empty as long as there are no zones.
    @ivar replication: the service for transfers; L{None} as long as there are only zones with files that are served and nothing else.
    @ivar updating: the service for updates; see C{replication}.
    @ivar databases: the databases with zones; L{None} if there are none.
    @ivar guards: decide which versions wait until an operator accepts them.
    @ivar zoneSync: in a worker, applies the parent's messages to the table.
    @ivar broken: called with a message if this process cannot safely continue.
    @ivar useless: called with a message if none of the initial zones can be served.
    @ivar connected: called when there may be other handlers or keys than before.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        changed: Callable[[], object] = lambda: None,
        fromPython: Callable[[str], Zone] | None = None,
        *,
        worker: bool = False,
        view: str = "",
        limits: Callable[[], TransferLimits] | None = None,
        isNew: bool = False,
    ) -> None:
        """
        @param limits: returns the limits on transfers that other sets of zones share; by default it has its own.
        @param view: the view whose zones these are; C{""} for those for all clients.
        @param isNew: whether L{reload} brings the first zones, as the server runs already; otherwise L{begin} does.
        @param changed: called when zones have been added or removed.
        @param worker: whether this is a worker process, whose zones the parent manages.
        @param fromPython: makes the zone of a file of Python code.

        @raise BadDescription: the zones contradict each other, or a list of them cannot be read.
        """
        self._reactor = reactor
        self._settings = settings
        self._worker = worker
        self._view = view
        self._limits = limits
        self.guards = Guards(settings, view)
        self.loading: ZoneLoader | None = None
        # Folders and lists are for all clients.
        self._standing = StandingZones("" if worker or view else settings.stateFolder(), self.guards, partial(inThread, reactor))
        self.list = ZoneList(reactor, settings, self._serve, self._standing.held, view)
        with uncollected():
            self._beginning = [] if isNew else zonesIn(settings, self._standing.held, view)
            self.keys = None if worker or isNew else checkZones(settings, self._beginning)
            self._warnOfKeys()
        self._fromPython = fromPython
        if self._codeIn(settings) and fromPython is None and not worker:
            raise BadDescription("pyzone: this server does not run Python code")
        for path in self._codeIn(settings):
            refuseForeign("pyzone", path, owners=False)
        self._made: dict[str, Zone] = {}
        self.zones = Zones(changed, view)
        self.zones.damaged = self._damaged
        self._signatures = SignatureWatch(reactor, self.zones, self._imageOf)
        self.publisher = ZonePublisher(reactor, self.zones, self._revised, takesLong=self._takesLong, put=self._put)
        self.zones.held = self.guards.held
        self.handlers: dict[int, OpcodeHandler] = {}
        self.useless: Callable[[str], object] = lambda said: None
        self.broken: Callable[[str], object] = lambda said: None
        self.connected: Callable[[], object] = lambda: None
        self.replication: Replication | None = None
        self.updating: UpdateHandler | None = None
        self.databases: ZoneDatabases | None = None
        self._added: AddedZones | None = None
        self._arrivals: Arrivals | None = None
        # The folder for persistent state, once there are zones; the temporary one if the settings give none.
        self._folder = ""
        self._ownFolder: TemporaryFolder | None = None
        self._notifying: set[bytes] = set()
        self.zoneSync: ZoneSyncWorker | None = None
        if worker:
            from twisted_ext.server.zones.load.zonesyncworker import ZoneSyncWorker

            self.zoneSync = ZoneSyncWorker(self.zones)
        self._closed = False
        self._retry: IDelayedCall | None = None

    @property
    def any(self) -> bool:
        return bool(self._beginning or self._codeIn(self._settings) or self.zones)

    def _codeIn(self, settings: Settings) -> tuple[str, ...]:
        return () if self._view else settings.pyzone

    def _stateIn(self, settings: Settings) -> str:
        """
        Return the folder where these zones are kept; C{""} for none. Each view has one of its own, so that zones with the same name have no
        journal, image or key in common.
        """
        folder = settings.stateFolder()
        return f"{folder}/{VIEWS}/{self._view}" if folder and self._view else folder

    def _fromCode(self, settings: Settings) -> dict[str, Zone]:
        """
        Run the code that makes zones. At start-up this is done after privileges are dropped, as with everything that is read later.
        """
        made: dict[str, Zone] = {}
        for path in self._codeIn(settings):
            if self._fromPython is None:
                raise BadDescription("pyzone: this server does not run Python code")
            refuseForeign("pyzone", path)
            made[path] = self._fromPython(path)
        return made

    def _replaceMade(self, made: dict[str, Zone]) -> None:
        for zone in self._made.values():
            if zone.apex not in [each.apex for each in made.values()]:
                self.publisher.gone(zone.apex)
        for path, zone in made.items():
            self.publisher.arrived(zone.current, path, zone)
        self._made = made

    def _revised(self, version: Version) -> Steps:
        return version if self.updating is None else (yield from self.updating.opening(version))

    def _takesLong(self, apex: bytes) -> bool:
        return self.updating is not None and self.updating.takesLong(apex)

    def _put(self, place: Place, version: Version | None) -> None:
        self._signatures.changed()
        if self.replication is None:
            return
        if version is None and place.apex in self._notifying:
            zone = place.served()
            version = None if zone is None else zone.current
        if version is not None:
            self.replication.changed(version)

    def _damaged(self, apex: bytes) -> None:
        if self.loading is not None:
            self.loading.reloadZone(apex).addErrback(lambda failure: _log.warn("{said}", said=str(failure.value)))

    def _imageOf(self, place: Place) -> Version | None:
        """
        Return a version that no query has opened yet.
        """
        if self.isRevised(place.apex):
            zone = place.served()
            return None if zone is None else zone.current
        return self.publisher.image(place)

    def _truncated(self, apex: bytes) -> None:
        """
        Replace the image of a zone in force, whose file was truncated: reading the mapped part beyond the end would kill this process. If
        there is no master file to rebuild it from, the process has to be restarted.
        """
        updating, loading = self.updating, self.loading
        if self._closed or loading is None:
            return
        if updating is not None:
            updating.distrust(apex)

        def over(_: object) -> None:
            if not self._closed and updating is not None and updating.isDistrusted(apex):
                # The zone is being changed right now.
                self._retry = self._reactor.callLater(_AGAIN, self._truncated, apex)

        def failed(failure: Failure) -> None:
            self.broken(f"the file with the image of {nameToText(apex)} was truncated while it was in use: {failure.value}")

        loading.reloadZone(apex).addCallbacks(over, failed)

    def begin(self) -> None:
        """
        Serve the zones with current images, and compile the others.

        @raise BadDescription: the state folder cannot be used, or code cannot be run or returns no zone.
        """
        if self._worker:
            self._beginning = []
            return
        self.list.follow(self._settings)
        self._replaceMade(self._fromCode(self._settings))
        if self._codeIn(self._settings):
            self._signatures.start()
        folder = self._settings.stateFolder()
        if folder and not self._view and os.path.exists(f"{folder}/{_ADDED}"):
            self.added.begin()
        if self._beginning or self._added is not None:
            beginning, self._beginning = self._beginning, []
            self._standing.serves(beginning)
            with uncollected():
                self._open(beginning)
                if len(beginning) >= _MANY:
                    # They stay, and a garbage collection that scans them takes a quarter of a second.
                    gc.freeze()
        self._standing.keep()

    def _open(self, zones: list[ZoneSettings]) -> ZoneLoader:
        from twisted_ext.server.zones.load.loader import ZoneLoader

        folder = self._stateIn(self._settings)
        if not folder:
            self._ownFolder = self._ownFolder or TemporaryFolder()
            folder = self._ownFolder.path
            forgotten = next((zone.text for zone in zones if zone.update or zone.edit or zone.primaries), "")
            if forgotten:
                text = "transfers and updates of {zone} are lost when the server stops; set state to keep them"
                _log.warn(text, zone=forgotten)
        self.loading = loading = ZoneLoader(self._reactor, self.publisher, folder, guards=self.guards)
        loading.follow(self._settings.watch, self._settings.serveUnsigned)
        self.zones.unsigned = loading.unsigned
        self._standing.listed = loading.listed
        self._signatures.overdue = loading.overdue
        # Changes made earlier are kept, even if updates are not allowed any more.
        if self._added is not None or not all(zone.plain for zone in zones) or os.path.isdir(f"{folder}/journals"):
            self._connect(folder)
            for _ in self._applying(zones, starts=True):
                # The server does not answer yet, so there is no need for turns.
                pass
        self._folder = os.path.abspath(folder)
        for left in glob(f"{escape(folder)}/{_SHARED}*"):
            # Left by an earlier process that was killed.
            shutil.rmtree(left, ignore_errors=True)
        if self._arrivals is not None and self.updating is not None:
            self._arrivals.sweep(self.updating.derivedPaths())
        loading.begin(zones)
        self._signatures.start()
        if self.replication is not None:
            self.replication.start()
        loading.settled.addCallback(self._settled)
        return loading

    def _warnOfKeys(self) -> None:
        if self.keys is not None and self.keys.exposed:
            _log.warn("key-file: {exposed}", exposed=self.keys.exposed)

    def _connect(self, folder: str) -> Replication:
        """
        Set up transfers and updates.

        @return: the transfer service, to be started.

        @raise BadDescription: the folder cannot be used.
        """
        from twisted_ext.server.config.transferpolicy import keysOf
        from twisted_ext.server.zones.load.arrivals import Arrivals
        from twisted_ext.server.zones.transfer.replication import Replication
        from twisted_ext.server.zones.update.updates import UpdateHandler

        assert self.loading is not None
        arrivals = self._arrivals = Arrivals(
            self._reactor, self.publisher, self.loading, folder, partial(inThread, self._reactor), isLasting=self._ownFolder is None
        )
        self.zones.copied = arrivals.copied
        if self.keys is None:
            self.keys = keysOf(self._settings)
            self._warnOfKeys()
        try:
            replication = Replication(
                self._reactor,
                arrivals,
                f"{folder}/secondary",
                journal=self._journal,
                limits=None if self._limits is None else self._limits(),
                guards=self.guards,
            )
        except OSError as error:
            raise BadDescription(f"state: {folder} cannot be used: {error.strerror or error}") from None
        updating = UpdateHandler(self._reactor, self.zones, f"{folder}/journals", changed=self._changed)
        updating.origins, updating.termsOf = arrivals, replication.termsOf
        self.replication, self.updating = replication, updating
        self.loading.connect(updating)
        self.handlers = {**replication.handlers, **updating.handlers}
        return replication

    def connect(self) -> bool:
        """
        Set up transfers and updates, if that has not been done; return whether it has been done now.
        """
        if self.loading is None:
            self._open([])
        if self.replication is not None:
            return False
        self._connect(self._folder).start()
        return True

    def _applying(self, zones: list[ZoneSettings], *, starts: bool = False) -> Iterator[None]:
        """
        Apply new zone settings in short steps, one for each zone.

        @param starts: whether the server is starting.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        replication, keys = self.replication, self.keys
        assert replication is not None and self.updating is not None and keys is not None
        if self._added is not None:
            # Those of now, not those of when this reload was asked for.
            zones = [*zones, *self._added.besides(zones)]
        special = [zone for zone in zones if not zone.plain]
        if any(zone.update or zone.edit for zone in special):
            self.updating.ready()
        stored, loading = self._storedFor(special), self.loading
        if stored is not None:
            if loading is not None:
                for drop in loading.among({zone.name for zone in special if zone.store}).values():
                    drop()
            stored.apply(special, starts=starts)
        # Zones that were loaded from files until now.
        moved = {} if loading is None else loading.among({zone.name for zone in special if not zone.file})

        def go(apex: bytes, zone: ZoneSettings | None) -> None:
            if apex in moved:
                moved[apex]()
            self._arrange(apex, zone)

        yield from replication.applying(zones, keys, go, self.updating.wards)
        if stored is not None:
            stored.start()

    def _storedFor(self, zones: Iterable[ZoneSettings]) -> ZoneDatabases | None:
        """
        Return the databases, if there are any or some of these zones are in one.
        """
        if self.databases is None and any(zone.store for zone in zones):
            from twisted_ext.server.zones.load.databases.dbzones import ZoneDatabases

            assert self._arrivals is not None
            self.databases = ZoneDatabases(self._reactor, self._arrivals, partial(inThread, self._reactor), self.guards)
        return self.databases

    def _arrange(self, apex: bytes, zone: ZoneSettings | None) -> None:
        """
        Apply the settings of a zone to all but its source.
        """
        updating, arrivals, stored, keys = self.updating, self._arrivals, self.databases, self.keys
        assert updating is not None and arrivals is not None and keys is not None
        if zone is not None and not zone.plain and (zone.notify or zone.allowTransfer or zone.catalog == "follow"):
            self._notifying.add(apex)
        else:
            self._notifying.discard(apex)
        # First where changes are kept: with those, the copy of a zone is served at once.
        updating.arrange(apex, zone, keys, None if stored is None else stored.keeperOf(apex))
        arrivals.follow(apex, zone)

    # -- zones that are added and removed

    @property
    def added(self) -> AddedZones:
        """
        The zones that were added while the server ran.

        @raise CallerFault: they cannot be kept, or these are zones of a view.
        """
        if self._view:
            raise CallerFault("zones of a view are written into the settings file, as [[zone]] with view")
        if self._added is None:
            from twisted_ext.server.zones.load.databases.addedzones import AddedZones

            folder = self._settings.stateFolder()
            if not folder:
                raise CallerFault("zones are added to a server with state, the folder where they are kept")
            self._added = AddedZones(
                folder,
                partial(inThread, self._reactor),
                check=self._checkAdded,
                put=self._revise,
                isThere=lambda apex: self.zones.at(apex) is not None,
                former=self._formerOf,
                today=self.publisher.today,
                soa=self._settings.defaultSoa,
                settings=lambda: self.list.settings,
            )
        return self._added

    def _formerOf(self, apex: bytes) -> Version | None:
        zone = None if (place := self.zones.at(apex)) is None else place.served()
        return None if zone is None else zone.current

    def addedAt(self, apex: bytes) -> AddedZone | None:
        return None if self._added is None else self._added.at(apex)

    def _checkAdded(self, zones: Sequence[ZoneSettings]) -> None:
        """
        @raise BadDescription: they cannot be used with the other zones.
        """
        said = self._beginning if self.replication is None else self.replication.cataloging.said.values()
        checkZones(self.list.settings, [*zones, *[zone for zone in said if not zone.plain and zone.catalog == "produce"]])

    def _revise(self, apex: bytes, zone: ZoneSettings | None) -> Deferred[None]:
        """
        Serve a zone that was added, or whose settings have changed, or that is gone.

        @return: fires when that is done; of a secondary zone, when its transfer begins. Fails with L{BadDescription} if it cannot be.
        """
        loading = self.loading or self._open([])
        if self.connect():
            self.connected()
        replication, keys, arrivals = self.replication, self.keys, self._arrivals
        assert replication is not None and keys is not None and arrivals is not None
        serving: list[Deferred[None]] = []

        def steps() -> Iterator[None]:
            stored = self._storedFor([] if zone is None else [zone])
            if stored is not None:
                serving.append(stored.revise(apex, zone))
            yield from replication.revising(apex, zone, keys, self._arrange)

        return loading.inTurn(steps()).addCallback(lambda _: gatherResults(serving)).addCallback(lambda _: arrivals.settled(apex))

    def _changed(self, version: Version) -> None:
        """
        Have a version that an update has made kept, and others told of it.
        """
        assert self.replication is not None and self._arrivals is not None
        self._arrivals.changed(version)
        self.replication.changed(version)

    def _journal(self, apex: bytes) -> Differences | None:
        journal = None if self.updating is None else self.updating.journal(apex)
        if self._arrivals is not None and apex in self._arrivals:
            # What is served has other changes than its origin, as it is signed.
            return journal
        return self.databases.historyOf(apex) if journal is None and self.databases is not None else journal

    def _settled(self, counts: tuple[int, int]) -> None:
        wanted, served = counts
        if wanted and not served and len(self.zones) == wanted:
            first = next(iter(self.zones))
            said = f"none of {wanted} zones can be served; the log says why. The first of them" if wanted > 1 else first.text
            self.useless(f"{said} cannot be served: {first.said}" if wanted == 1 else f"{said}: {first.said}")

    def reload(self, settings: Settings, zones: list[ZoneSettings]) -> Deferred[list[str]]:
        """
        Apply the zone settings, and reload zones whose files have changed.

        @param zones: the result of L{ZoneList.read}.

        @return: lines that report the result.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        if self._closed:
            raise BadDescription("the server is stopping")
        self.list.check(settings, zones)
        self._replaceMade(self._fromCode(settings))
        self.list.follow(settings)
        self.guards.follow(settings)
        served = self._serve(settings, zones)
        self.connected()
        return served

    def _serve(self, settings: Settings, zones: list[ZoneSettings]) -> Deferred[list[str]]:
        """
        @param zones: validated, or to be.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        keys = self.list.check(settings, zones)
        self.list.forget()
        if keys is not None:
            self.keys = keys
            self._warnOfKeys()
        loading = self.loading
        if loading is None:
            if not zones:
                return succeed([])
            loading = self._open([])
        if not all(zone.plain for zone in zones):
            self.connect()
        loading.follow(settings.watch, settings.serveUnsigned)
        self._standing.serves(zones)
        applying = () if self.replication is None else self._applying(zones)
        return loading.reload(zones, applying).addCallback(self._standing.keepAside)

    def rekey(self) -> Deferred[list[str]]:
        """
        Read the TSIG keys again, and serve all zones with them; see L{reload}.
        """
        settings = self.list.settings
        return self.list.read(settings).addCallback(lambda zones: self._serve(settings, zones)).addCallback(self._rekeyed)

    def _rekeyed(self, lines: list[str]) -> list[str]:
        self.connected()
        return lines

    def reloadZone(self, apex: bytes) -> Deferred[list[str]]:
        """
        @return: lines that report the result. Fails with L{CallerFault} if there is no such zone.
        """
        if self.replication is not None and self.replication.refresh(apex):
            return succeed(["its primaries are asked whether it has changed"])
        reading = None if self.databases is None else self.databases.reloadZone(apex)
        if reading is not None:
            return reading
        if self.loading is None:
            return fail(CallerFault("there are no zones with master files here"))
        return self.loading.reloadZone(apex)

    def acceptZone(self, apex: bytes) -> Deferred[list[str]]:
        """
        Take the next version of a zone, although it has lost much.

        @return: lines that report the result. Fails with L{CallerFault} if no version waits.
        """
        if not self.guards.accept(apex):
            return fail(CallerFault(self.guards.whyNot(apex)))
        return self.reloadZone(apex)

    @property
    def expiring(self) -> Callable[[bytes], float | None]:
        """
        Returns the seconds for which a zone may be served (RFC 7314).
        """
        if self.zoneSync is not None:
            return self.zoneSync.expires
        return self._expires if self.replication is None else self.replication.expires

    def _expires(self, apex: bytes) -> float | None:
        place = self.zones.at(apex)
        zone = None if place is None else place.served()
        return None if zone is None else int.from_bytes(zone.current.soa.rdatas[0][-8:-4], "big")

    def originOf(self, apex: bytes) -> tuple[str, bool]:
        """
        Return where a zone comes from, C{file}, C{secondary}, C{database}, C{code} or C{catalog}, and whether it is signed here.
        """
        replication = self.replication
        zone = None if replication is None else replication.cataloging.zoneAt(apex)
        kind = "code" if any(each.apex == apex for each in self._made.values()) else "file"
        if replication is not None and replication.isSecondary(apex):
            kind = "secondary"
        elif self.databases is not None and self.databases.keeperOf(apex) is not None:
            kind = "database"
        elif zone is not None and zone.catalog == "produce":
            kind = "catalog"
        return kind, self.loading is not None and self.loading.overdue(apex) is not None

    def changesOf(self, apex: bytes) -> Differences | None:
        """
        Return the recent changes of a zone; L{None} if none are kept.
        """
        journal = self._journal(apex)
        return journal if journal is not None or self.replication is None else self.replication.changesOf(apex)

    def edits(self) -> ZoneEdits:
        from twisted_ext.server.zones.update.edits import ZoneEdits

        return ZoneEdits(self.updating, self.zones, self.originOf)

    def notify(self, apex: bytes) -> bool:
        """
        Tell the secondaries of a zone of its version again; return whether there is one.
        """
        place = self.zones.at(apex)
        zone = None if place is None else place.served()
        if zone is None or self.replication is None:
            return False
        self.replication.notifying.changed(apex, zone.current.soa)
        return True

    # -- for the parent of workers

    def until(self, apex: bytes) -> float | None:
        return None if self.replication is None else self.replication.until(apex)

    def isRevised(self, apex: bytes) -> bool:
        """
        Return whether a zone may differ from its image, because it has been updated.
        """
        return self.updating is not None and self.updating.isRevised(apex)

    def sharedFolder(self) -> str:
        """
        Return a new folder, next to the images of zones, for files that only workers use.

        @raise OSError: it cannot be created.
        """
        folder = self._folder
        if not folder:
            self._ownFolder = self._ownFolder or TemporaryFolder()
            folder = self._ownFolder.path
        return tempfile.mkdtemp(prefix=_SHARED, dir=folder)

    def damaged(self, apex: bytes, truncated: bool = False) -> None:
        """
        Handle an image that a worker cannot use.

        @param truncated: whether its file was truncated, so that this process cannot use it either.
        """
        if truncated:
            self._truncated(apex)
        else:
            self._damaged(apex)

    def close(self) -> Deferred[None]:
        """
        @return: fires when everything is stopped.
        """
        self._closed = True
        self.list.close()
        self._signatures.stop()
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if self.loading is not None:
            self.loading.close()
        self.publisher.close()
        stopping: list[Deferred[None]] = []
        if self._added is not None:
            stopping.append(self._added.close())
        if self.replication is not None:
            stopping.append(self.replication.stop())
        changing = succeed(None) if self.updating is None else self.updating.close()
        if self._arrivals is not None:
            changing = self._arrivals.close(changing)
        # Close the storage after the services that write to it.
        stopping.append(changing.addCallback(lambda _: None if self.databases is None else self.databases.close()))

        def over(_: object) -> None:
            if self._ownFolder is not None:
                self._ownFolder.close()

        return gatherResults(stopping, consumeErrors=True).addCallback(over)

