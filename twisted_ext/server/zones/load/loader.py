"""
Loads zones from master files: has other processes compile them, reuses images at the next start, and reloads changed files.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.files import TemporaryFolder, isReadOnly
from twisted_ext.server.limits import BATCH_OCTETS, CHANGING_SECONDS, COMPILER_PAUSE, WATCH_SECONDS
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.zones.images.comparing import comparedWith, differingFrom
from twisted_ext.server.zones.images.compilers import Compilers, Job, Result, builtFrom, complaintsOf, sourcesOf
from twisted_ext.server.zones.images.imagefiles import Built, Images, Source, statusOf
from twisted_ext.server.zones.images.loadinglog import LoadingLog, news, outcome, warnOfUnsigned
from twisted_ext.server.zones.images.pending import ABSENT, GONE, ListedZone, MadeZone, PendingZone, Reload
from twisted_ext.server.zones.load.folders import SIGNING
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.zones.images.publish import ZonePublisher
    from twisted_ext.server.zones.signing.door import SigningDoor
    from twisted_ext.server.zones.signing.parentwatch import ParentWatch
    from twisted_ext.server.zones.signing.signer import Signer
    from twisted_ext.server.zones.update.updates import UpdateHandler

__all__ = ["ZoneLoader"]

#: Zones whose master files are checked each time: fifty thousand in two seconds, for a twentieth of a processor.
_WATCH_FILES: Final = 12_500

#: Small zones that are compiled in one go, into one file.
_BATCH_ZONES: Final = 500

_log: Final = Logger(__name__)

#: Zones whose files are checked in one step: a millisecond.
_LOOKS: Final = 250

#: Zones published before control returns to the reactor: 2 ms of work.
_RESULTS: Final = 20

#: The folder in that of the state where signed images are.
_SIGNED: Final = "signed"


class ZoneLoader:
    """
    Loads zones from master files, and has them published.

    @ivar settled: fires once, when all initial zones have been tried, with their number and the number of those served.
    @ivar door: that of zones that are signed here; L{None} as long as there are none.
    @ivar changes: what clients have changed in zones, once they may.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        publisher: ZonePublisher,
        folder: str = "",
        *,
        watch: bool = True,
        guards: Guards | None = None,
        compilers: Callable[[IReactorTime, Callable[[list[Result]], object]], Compilers] = Compilers,
    ) -> None:
        """
        @param folder: for images; C{""} for a temporary one.
        @param watch: whether to reload zones when their files change.
        @param guards: decide which versions wait.
        @param compilers: makes the pool of compiler processes.

        @raise BadDescription: the folder cannot be used.
        """
        self._reactor = reactor
        self._publisher = publisher
        self._guards = guards or Guards()
        isFixed = bool(folder) and isReadOnly(folder)
        if isFixed:
            # Such as a disk that fails. What was served is served on.
            text = "state: {folder} is on a read-only file system: changes of zones are refused, and what is compiled is not kept"
            _log.warn(text, folder=folder)
        self._own = TemporaryFolder() if isFixed or not folder else None
        new = folder if self._own is None else self._own.path
        self._folders = folder or new, new
        self.images = Images(*[f"{each}/zones" for each in self._folders])
        self._compilers = compilers(reactor, self._took)
        self._wanted: dict[str, PendingZone] = {}
        self.door: SigningDoor | None = None
        # Asks the parents of zones whose policies name their servers.
        self.parents: ParentWatch | None = None
        self.changes: UpdateHandler | None = None
        self._servesUnsigned = True
        self._order: Iterator[MadeZone] = iter(())
        # Zones with changed files: the files' status at the last check, and since when they have been changing.
        self._resting: dict[MadeZone, tuple[tuple[tuple[int, int], ...], float]] = {}
        self._sweeping: Deferred[None] | None = None
        self._watch = watch
        self._looking = LoopingCall(self.look)
        self._looking.clock = reactor
        self._cooperator = Cooperator(scheduler=lambda step: reactor.callLater(0, step))
        self._turns = DeferredLock()
        self._results: deque[list[Result]] = deque()
        self._making: Deferred[None] | None = None
        self._taking: Deferred[None] | None = None
        self._busy = False
        # Zones for which no process could be started, or whose images could not be written, the timer for the next attempt, and the
        # seconds until the one after that.
        self._unstarted: dict[MadeZone, None] = {}
        self._retry: IDelayedCall | None = None
        self._pause = COMPILER_PAUSE.default
        self._told = LoadingLog(publisher.zones.view)
        self.settled: Deferred[tuple[int, int]] = Deferred()
        self._starting: Reload | None = None

    # -- start and stop

    def begin(self, zones: Iterable[ZoneSettings]) -> None:
        """
        Publish all zones with current images, and compile the others. Those that come from elsewhere and are signed are known by now.
        """
        if os.path.isdir(f"{self._folders[0]}/{_SIGNED}") or any(built.isSigned for built in self.images):
            self.signing()
        starting = self._starting = Reload()
        self._told.isStarting = True
        began = self._reactor.seconds()
        stale: list[PendingZone] = []
        count = 0
        for zone in zones:
            if not zone.file:
                continue
            count += 1
            wanted = self._want(zone)
            if not self._found(wanted, starting):
                stale.append(wanted)
        self.images.forget(*[built.zone for built in self.images if built.zone not in self._wanted])
        for built in () if self.door is None else self.door.sweep():
            if built.zone in self._wanted:
                warnOfUnsigned(built.zone)
        starting.done.addCallback(self._started, began, count - len(stale))
        # In turns, so that the first ones are compiled meanwhile.
        self._turns.run(self._makeAll, stale, starting).addErrback(_ended)
        looking = self._looking.start(WATCH_SECONDS.default, now=False)
        looking.addErrback(lambda failure: _log.failure("while checking master files", failure=failure))

    def _want(self, zone: ZoneSettings) -> PendingZone:
        wanted = self._wanted[zone.text] = PendingZone(zone)
        if wanted.signing is not None:
            self.signing().follow(zone, zone.file)
        elif self.door is not None:
            wanted.signed = self.door.leave(wanted.apex)
        self._publisher.expect(wanted.apex, wanted.file)
        return wanted

    def _started(self, _: list[str], began: float, ready: int) -> None:
        self._starting = None
        self._told.isStarting = False
        files = self._wanted.values()
        served = sum([wanted.serial is not None and not self._isWaiting(wanted) for wanted in files])
        if files:
            self._told.began(served, len(files), self._reactor.seconds() - began, ready)
        self._told.sum()
        self.settled.callback((len(files), served))

    def _found(self, wanted: PendingZone, reload: Reload) -> bool:
        """
        Publish the current image of a zone, if there is one; return whether there is.

        @param reload: waits for a zone that has to be signed first.
        """
        built = self._formerOf(wanted)
        if built is None or not built.current or not self._load(wanted, built, reload):
            if wanted.signing is not None:
                self.signing().standIn(wanted.apex)
            return False
        wanted.sources = built.sources
        if wanted.held:
            self._publisher.failed(wanted.apex, wanted.held)
        return True

    def _load(self, wanted: PendingZone, built: Built, reload: Reload | None = None) -> bool:
        """
        Publish an image that there is of a zone; return whether it can be used.

        @param reload: waits for a zone that has to be signed first.
        """
        if wanted.signing is not None:
            if reload is not None:
                reload.left += 1
            wanted.serial = built.serial
            self.signing().takeImage(built, () if reload is None else (reload,), ())
            return True
        try:
            self._publisher.loaded(wanted.apex, wanted.file, built)
        except (DNSFault, OSError) as fault:
            _log.warn("{zone}: the image is rebuilt: {fault}", zone=wanted.zone, fault=fault)
            self.images.forget(wanted.zone)
            return False
        if wanted.signed is not None:
            line = news(wanted.zone, built, self._publisher.serial(wanted.apex), wanted.signed)
            self._told.served(wanted, [], lambda: line)
            if reload is not None:
                reload.say(line)
        self._loaded(wanted, built)
        return True

    def _isWaiting(self, wanted: PendingZone) -> bool:
        """
        Return whether a zone is not served until it is signed.
        """
        zone = None if self.door is None else self.door.at(wanted.apex)
        return zone is not None and zone.served is None and self._publisher.serial(wanted.apex) is None

    def _loaded(self, wanted: PendingZone, built: Built) -> None:
        wanted.serial = built.serial
        if wanted.signed is not None:
            wanted.signed = None
            warnOfUnsigned(wanted.zone)

    # -- signed zones

    def signing(self) -> SigningDoor:
        """
        Return the door of zones that are signed here.
        """
        if self.door is None:
            # Imported for zones that are signed only.
            from twisted_ext.server.zones.signing.door import SigningDoor

            kept, new = [f"{folder}/{_SIGNED}" for folder in self._folders]
            keys = f"{self._folders[0]}/{SIGNING}"
            self.door = SigningDoor(Images(kept, new), keys, self._publisher, self._told, self._compilers.add, self._putOff, self._signer)
            if self.changes is not None:
                self.connect(self.changes)
            self.door.serveUnsigned(self._servesUnsigned)
            former = [built for built in self.images if built.isSigned]
            self.door.adopt(former)
            self.images.forget(*[built.zone for built in former])
        return self.door

    def connect(self, updating: UpdateHandler) -> None:
        """
        Have what clients change signed, and kept when the whole zone is.
        """
        self.changes = updating
        if self.door is not None:
            self.door.changes, updating.signing = updating, self.door

    def _signer(self) -> Signer:
        from twisted_ext.server.zones.signing.signer import Signer

        return Signer(self._reactor)

    def _putOff(self, zone: MadeZone, said: str | None) -> None:
        if said is None:
            self._tryLater(zone, COMPILER_PAUSE.most)
        else:
            self._later(zone, said)

    def unsigned(self) -> list[bytes]:
        """
        Return the zones that are served without signatures although they are to be signed.
        """
        return [] if self.door is None else self.door.unsigned()

    def overdue(self, apex: bytes) -> float | None:
        """
        See L{SigningDoor.overdue}.
        """
        return None if self.door is None else self.door.overdue(apex)

    def close(self) -> None:
        if self._looking.running:
            self._looking.stop()
        self._cooperator.stop()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._compilers.close()
        for wanted in (*self._wanted.values(), *(self.door or ())):
            if wanted.reloads:
                wanted.reloads = [reload for reload in wanted.reloads if reload is not self._starting]
                wanted.leave(f"{wanted.zone}: the server stops before it is compiled")
        for each in (self._making, self._taking, self._sweeping):
            if each is not None:
                each.cancel()
        self.images.close()
        if self.door is not None:
            self.door.close()
        if self.parents is not None:
            self.parents.close()
        if self._own is not None:
            self._own.close()

    # -- compiling zones

    def _makeAll(self, several: list[PendingZone], reload: Reload) -> Deferred[None]:
        size = _BATCH_ZONES

        def steps() -> Iterator[None]:
            for begin in range(0, len(several), size):
                self._make([wanted for wanted in several[begin : begin + size] if self._wanted.get(wanted.zone) is wanted], reload)
                yield
            reload.begin()

        self._making = paced(self._reactor, steps())
        return self._making

    def _make(self, several: Sequence[PendingZone], reload: Reload | None = None) -> None:
        """
        Compile zones: each large one as a separate job, small ones in batches.
        """
        batch: list[PendingZone] = []
        octets = 0
        for wanted in several:
            if reload is not None:
                wanted.reloads.append(reload)
                reload.left += 1
            if wanted.pending:
                wanted.again = True
                continue
            status = statusOf(wanted.file) or ABSENT
            wanted.sources = ((wanted.file, *status),)
            if wanted.held and status == ABSENT:
                self._hold(wanted)
                continue
            wanted.pending = True
            size = status[0]
            if size > BATCH_OCTETS.default:
                self._job([wanted])
                continue
            batch.append(wanted)
            octets += size
            if len(batch) >= _BATCH_ZONES or octets > BATCH_OCTETS.default:
                self._job(batch)
                batch, octets = [], 0
        if batch:
            self._job(batch)

    def _job(self, several: list[PendingZone]) -> None:
        formers = [self._formerOf(wanted) for wanted in several if wanted.signing is not None]
        more = {built.zone: comparedWith(built) for built in formers if built is not None}
        self._compilers.add(Job(self.images.newPath(), [(wanted.zone, wanted.file) for wanted in several], more))

    def _took(self, results: list[Result]) -> None:
        self._results.append(results)
        if not self._busy:
            # Results may come in by the hundreds.
            self._busy = True
            self._taking = paced(self._reactor, self._take())
            self._taking.addErrback(_ended)

    def _take(self) -> Iterator[None]:
        try:
            while self._results:
                results = self._results.popleft()
                made: list[Built] = []
                try:
                    for begin in range(0, len(results), _RESULTS):
                        yield
                        self._takeSome(results[begin : begin + _RESULTS], made)
                finally:
                    # Written once for all, since the disk may be slow. Some zones may have been removed in the meantime.
                    self.images.note([built for built in made if built.zone in self._wanted])
                for path in {str(result["image"]) for result in results if result.get("image")}:
                    self.images.discard(path)
        finally:
            self._busy = False

    def _takeSome(self, results: list[Result], made: list[Built]) -> None:
        for result in results:
            wanted = self._wanted.get(str(result.get("name")))
            sources = sourcesOf(result)
            if wanted is None or (sources and wanted.file != sources[0][0]):
                # Removed, or configured with another file, in the meantime.
                continue
            try:
                self._result(wanted, result, sources, made)
            except Exception:
                # Continue with the other results.
                _log.failure("{zone} cannot be served", zone=wanted.zone)
                wanted.failed = True
                wanted.leave(f"{wanted.zone}: cannot be served; the log says why")

    def _result(self, wanted: PendingZone, result: Result, sources: tuple[Source, ...], made: list[Built]) -> None:
        wanted.pending = False
        complaints = complaintsOf(result)
        if sources:
            wanted.sources = sources
        first = next((line for line, fatal in complaints if fatal), "")
        if result.get("unstarted"):
            self._later(wanted, first.removeprefix(f"{wanted.file}: "))
            return
        self._pause = COMPILER_PAUSE.default
        if result.get("image"):
            built = builtFrom(wanted.zone, result, sources)
            former = self._formerOf(wanted)
            if former is not None:
                first = self._guards.judge(wanted.apex, *self._weighed(wanted.apex, former, built))
        if result.get("image") and first:
            complaints.append((f"{wanted.file}: {first}", True))
        elif result.get("image") and wanted.signing is not None:
            made.append(built)
            wanted.serial = built.serial
            self.signing().takeImage(built, wanted.handOver(), complaints, *differingFrom(former, result))
        elif result.get("image"):
            before = wanted.signed if wanted.serial is None else self._publisher.serial(wanted.apex)
            try:
                self._publisher.loaded(wanted.apex, wanted.file, built)
                made.append(built)
            except (DNSFault, OSError) as fault:
                first = str(fault)
                complaints.append((f"{wanted.file}: {fault}", True))
            else:
                now = self._publisher.serial
                self._told.served(wanted, complaints, lambda: news(wanted.zone, built, now(wanted.apex), before))
                self._loaded(wanted, built)
                if wanted.held:
                    self._publisher.failed(wanted.apex, wanted.held)
        wanted.failed = bool(first or not result.get("image"))
        if wanted.failed:
            first = first or f"{wanted.file}: there is no zone in it"
            self._standIn(wanted)
            self._publisher.failed(wanted.apex, first)
            isBare = self.door is not None and self.door.isUnsigned(wanted.apex)
            remains = outcome(self._publisher.serial(wanted.apex), isBare)
            self._told.broken(wanted, complaints or [(first, True)], f"{wanted.zone}: {remains}")
        again, wanted.again = wanted.again, False
        if again:
            self._make([wanted])
            return
        if wanted.failed and result.get("again"):
            # Such as a full disk: it is not the file that has to change.
            self._tryLater(wanted, COMPILER_PAUSE.most)
        wanted.leave()

    def _weighed(self, apex: bytes, former: Built, built: Built) -> tuple[int, int]:
        if apex in self._guards.catalogs:
            with suppress(DNSFault, OSError):
                return self._guards.weigh(self._publisher.versionIn(apex, former), self._publisher.versionIn(apex, built))
        return former.records, built.records

    def _formerOf(self, wanted: PendingZone) -> Built | None:
        """
        Return the last good image made of a zone's file, by this process or an earlier one.
        """
        built = self.images.of(wanted.zone)
        return built if built is not None and built.sources and built.sources[0][0] == wanted.file else None

    def _standIn(self, wanted: PendingZone) -> None:
        """
        Serve the last good image of a zone whose file cannot be used, if nothing is served yet.
        """
        built = self._formerOf(wanted)
        if wanted.serial is None and built is not None:
            self._load(wanted, built)

    def _hold(self, wanted: PendingZone) -> None:
        """
        Serve the last good image of a zone whose file is gone along with many others.
        """
        wanted.failed = True
        self._standIn(wanted)
        self._publisher.failed(wanted.apex, wanted.held)
        wanted.leave()

    def _later(self, wanted: MadeZone, said: str) -> None:
        wanted.failed = True
        wanted.again = False
        self._publisher.failed(wanted.apex, said)
        if self._retry is None:
            _log.error("{said}; zones to be compiled are tried again in {pause:g} s", said=said, pause=self._pause)
            self._tryLater(wanted, self._pause)
            self._pause = min(2 * self._pause, COMPILER_PAUSE.most)
        self._unstarted[wanted] = None
        wanted.leave(said)

    def _tryLater(self, wanted: MadeZone, pause: float) -> None:
        self._unstarted[wanted] = None
        if self._retry is None:
            self._retry = self._reactor.callLater(pause, self._tryAgain)

    def _tryAgain(self) -> None:
        self._retry = None
        unstarted, self._unstarted = self._unstarted, {}
        # What could not be signed is made from its beginning, as the unsigned image may be damaged.
        several = {self._wanted.get(wanted.zone, wanted): None for wanted in unstarted if self._isHere(wanted)}
        self._makeSome([wanted for wanted in several if not wanted.pending])

    def _isHere(self, wanted: MadeZone) -> bool:
        """
        Return whether a zone is still to be made.
        """
        return self._wanted.get(wanted.zone) is wanted or (self.door is not None and self.door.at(wanted.apex) is wanted)

    def _makeSome(self, several: Iterable[MadeZone]) -> None:
        """
        Compile zones that come from files, and sign others.
        """
        self._make([wanted for wanted in several if isinstance(wanted, PendingZone)])
        if self.door is not None:
            self.door.signSome(several)

    # -- following changes

    def look(self) -> None:
        """
        Check for changed files. A zone is reloaded once its files are the same in two checks in a row, since they may be half written; or
        regardless, when they have been changing for C{CHANGING_SECONDS}. While zones wait for a process that compiles them, checking would
        only delay them.
        """
        if self._compilers.queued:
            return
        if self.door is not None:
            self.door.renew(self._reactor.seconds())
            if self.parents is None and any(zone.policy.agents for zone in self.door):
                from twisted_ext.server.zones.signing.parentwatch import ParentWatch

                self.parents = ParentWatch(self._publisher, self.door.images, f"{self._folders[0]}/{SIGNING}")
            if self.parents is not None:
                self.parents.look(self.door)
        if not self._watch or self._sweeping is not None:
            return
        sweeping = self._sweeping = paced(self._reactor, self._sweep())
        sweeping.addErrback(_ended).addBoth(self._swept)

    def _swept(self, _: object) -> None:
        self._sweeping = None

    def _sweep(self) -> Iterator[None]:
        now = self._reactor.seconds()
        ready: dict[MadeZone, None] = {}
        for wanted, (before, since) in list(self._resting.items()):
            del self._resting[wanted]
            if wanted.pending or not self._isHere(wanted):
                continue
            status = wanted.status
            # A file that is missing for a moment while it is being replaced does not end its zone.
            if (status == before or now - since >= CHANGING_SECONDS.default) and not wanted.current:
                ready[wanted] = None
            elif status != before:
                self._resting[wanted] = status, since
            if not len(ready) % _LOOKS:
                yield
        some = self._some(_WATCH_FILES)
        for begin in range(0, len(some), _LOOKS):
            for wanted in some[begin : begin + _LOOKS]:
                if not wanted.pending and not wanted.current and wanted not in self._resting and wanted not in ready:
                    self._resting[wanted] = wanted.status, now
            yield
        changed = [wanted for wanted in ready if self._isHere(wanted)]
        for begin in range(0, len(changed), _BATCH_ZONES):
            self._makeSome(changed[begin : begin + _BATCH_ZONES])
            yield

    def _some(self, count: int) -> list[MadeZone]:
        """
        Return the next C{count} zones, cycling through all of them.
        """
        some = list(islice(self._order, count))
        count = min(count, len(self._wanted) + (0 if self.door is None else len(self.door)))
        if len(some) < count:
            self._order = iter([*self._wanted.values(), *(self.door or ())])
            some += list(islice(self._order, count - len(some)))
        return [wanted for wanted in some if self._isHere(wanted)]

    def follow(self, watch: bool, serveUnsigned: bool = True) -> None:
        """
        Turn watching for changed files on or off.

        @param serveUnsigned: whether a zone that is to be signed from now on is served without signatures until it is.
        """
        self._watch, self._servesUnsigned = watch, serveUnsigned
        if self.door is not None:
            self.door.serveUnsigned(serveUnsigned)
        if not watch:
            self._resting.clear()

    # -- reload on request

    def reload(self, zones: Iterable[ZoneSettings], first: Iterable[None] = ()) -> Deferred[list[str]]:
        """
        Replace the set of zones, and reload those whose files have changed.

        @param first: short steps to run before that. An exception in them ends the reload.

        @return: fires with lines that report the result, when all is done.
        """
        reload = Reload()

        def step() -> Iterator[None]:
            seen: dict[bytes, str] = {}
            changed: list[PendingZone] = []
            yield from first
            for zone in zones:
                if not zone.file:
                    continue
                seen[zone.name] = zone.text
                wanted = self._wanted.get(zone.text)
                if wanted is None or not wanted.isFor(zone):
                    if wanted is not None:
                        wanted.leave(f"{zone.text}: comes from {zone.file} now")
                    wanted = self._want(zone)
                    if not self._found(wanted, reload):
                        changed.append(wanted)
                elif wanted.failed or not wanted.current or (wanted.held and not zone.held):
                    # Loading a zone that is named again clears what is said of it.
                    changed.append(wanted)
                wanted.listedBy, wanted.held = zone.listedBy, zone.held
                if self.door is not None:
                    self.door.hold(wanted.apex, wanted.held)
                if wanted.held:
                    self._publisher.failed(wanted.apex, wanted.held)
                yield
            gone = [(text, each.apex) for text, each in self._wanted.items() if seen.get(each.apex) != text]
            for text, apex in gone:
                self._drop(text, renamed=apex in seen)
                reload.say(f"{text}: is {seen[apex]} now" if apex in seen else f"{text}{GONE}")
                yield
            size = _BATCH_ZONES
            for begin in range(0, len(changed), size):
                self._make(changed[begin : begin + size], reload)
                yield
            if self.door is not None:
                yield from self.door.changed(reload)

        # One after the other, so that the last request is in force in the end.
        self._turns.run(lambda: self._cooperator.cooperate(step()).whenDone()).addCallbacks(lambda _: reload.begin(), reload.done.errback)
        return reload.done

    def inTurn(self, steps: Iterator[None]) -> Deferred[None]:
        """
        Run short steps while no reload is under way.

        @return: fires when they are done.
        """
        running = self._turns.run(lambda: self._cooperator.cooperate(steps).whenDone())
        return running.addCallback(lambda _: None)

    def listed(self) -> list[ListedZone]:
        """
        Return the zones that folders and lists name, or named before they lost many at once.
        """
        return [(wanted.listedBy, wanted.zone, wanted.file) for wanted in self._wanted.values() if wanted.listedBy]

    def among(self, apexes: Collection[bytes]) -> dict[bytes, Callable[[], None]]:
        """
        Return those of some zones that are served from their master files, each with a function that stops that.
        """
        here = [wanted for wanted in self._wanted.values() if wanted.apex in apexes] if apexes else []
        return {wanted.apex: partial(self._drop, wanted.zone) for wanted in here}

    def _drop(self, text: str, renamed: bool = False) -> None:
        gone = self._wanted.pop(text)
        if self.door is not None and not renamed:
            self.door.leave(gone.apex)
        if not renamed:
            self._guards.forget(gone.apex)
            self._publisher.gone(gone.apex)
        self.images.forget(text)
        gone.leave()

    def reloadZone(self, apex: bytes) -> Deferred[list[str]]:
        """
        Reload a zone, whether its file has changed or not.

        @return: lines that report the result. Fails with L{CallerFault} if there is no such zone.
        """
        reload = Reload()
        wanted = self._wanted.get(nameToText(apex)) or next((each for each in self._wanted.values() if each.apex == apex), None)
        isSame = wanted is None or wanted.current
        if self.door is not None and isSame and self.door.signAnew(apex, None if wanted else reload) and wanted is None:
            reload.begin()
            return reload.done
        if wanted is None:
            reload.done.errback(CallerFault(f"there is no zone {nameToText(apex)} with a master file here"))
            return reload.done
        self._make([wanted], reload)
        reload.begin()
        return reload.done


def _ended(failure: Failure) -> None:
    if not isinstance(failure.value, CancelledError):
        _log.failure("while compiling zones or checking their files", failure)
