"""
Commit queue of a zone that is changed while it is served: changes are computed one after another, long ones in turns, and take effect once
they are on disk. Now and then the next image of the zone is built from them.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import DNSFault, StorageFault, StoreMoved
from twisted_ext.server.config.keys import Grants
from twisted_ext.server.config.transferpolicy import NOBODY
from twisted_ext.server.process.jobs.subprocess import runModule
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.limits import IMAGE_PAUSE, UPDATES_WAITING
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal, fingerprintOf, originOf
from twisted_ext.zone.store.version import Version

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IZoneStore
    from twisted_ext.zone.update.policy import Policy
    from twisted_ext.zone.zone import Zone

__all__ = ["CommitQueue", "Compactor", "EditableZone", "Elsewhere", "Made", "Make", "StoreJournal"]

#: The result of a change: the next version and the difference; or L{None} for no change.
Made = tuple[Version, Difference] | None

#: Makes a change of a version: at once, or in short steps that take turns with other work.
Make = Callable[[Version], "Made | Generator[object, None, Made]"]

#: Runs a function where it may block, such as in a thread.
Elsewhere = Callable[[Callable[[], object]], "Deferred[object]"]

#: RRsets applied to a new image before control returns to the reactor: 5 ms of work.
_STEP: Final = 500

#: How often a change is made again because another server has changed the zone in the database first: each time there are some
#: milliseconds for that, so one that does not get through within ten tries has many rivals, and its client had better try again later.
#: Also how often one that takes turns is made again because the zone was reloaded, or has got its next image, meanwhile.
_TRIES: Final = 10

#: Names up to which a thread builds the image: a process takes longer to start.
_SMALL: Final = 20_000

_log: Final = Logger(__name__)


@dataclass(slots=True, eq=False)
class _Change:
    """
    A change, or maintenance work of the journal.

    @ivar base: the version of which it is made.
    @ivar version: the version that has it, once it is made.
    @ivar tries: how often it was made in vain.
    """

    make: Make | None
    version: Version
    base: Version
    difference: Difference | None = None
    tries: int = 0
    result: Deferred[Version] = field(init=False, default_factory=Deferred)


class CommitQueue:
    """
    The commit queue of one zone.

    Each change is applied to the result of the one before, whether or not that is on disk yet; changes that arrive while a long one is
    being made wait for it, and all that arrive while the disk is busy are written together. A change is confirmed and becomes visible only
    when it would survive a crash of this process.

    @ivar journal: a journal, or the database that the zone comes from; L{None} for a zone that lives only in this process.
    @ivar superseded: the origin of a newly loaded version for which the journal has yet to be cleared, or L{None}.
    """

    def __init__(
        self,
        clock: IReactorTime,
        zone: Zone,
        journal: Journal | StoreJournal | None,
        elsewhere: Elsewhere,
        *,
        changed: Callable[[Version], object] = lambda version: None,
        compact: Callable[[Version], Deferred[Image]] | None = None,
        most: int | None = None,
    ) -> None:
        """
        @param changed: called with each new version in force.
        @param compact: builds the image of a version, in a subprocess; L{None} to never build images.
        @param most: maximum number of changes that wait for the disk.
        """
        self.zone = zone
        self.journal = journal
        self._clock = clock
        self._elsewhere = elsewhere
        self._changed = changed
        self._compact = compact
        self._most = int(UPDATES_WAITING.pick(most))
        self._base = self._tip = zone.current
        # Changes that are yet to be made, and the one that is being made in turns, with what cancels it.
        self._unmade: deque[_Change] = deque()
        self._making: _Change | None = None
        self._turns: Deferred[None] | None = None
        self._isStarting = False
        self._waiting: list[_Change] = []
        self._flushing: list[_Change] = []
        # Differences in force that the image being built will lack; L{None} while none is being built.
        self._since: list[Difference] | None = None
        self._imaged: int | None = None
        self._building: Deferred[Image] | None = None
        # Time before which no build is started, after one that failed.
        self._again = 0.0
        self._idle: list[Deferred[None]] = []
        # Whether the current write is journal maintenance rather than a change.
        self._keeping = False
        self.superseded: bytes | None = None
        # How many need the zone as it is, so that changes wait; and what fires once nothing is being made or written.
        self._holds = 0
        self._holding: list[Deferred[None]] = []
        self._closed = False

    # -- changes

    def change(self, make: Make) -> Deferred[Version]:
        """
        @param make: called with a version; returns the next version, or L{None} if there is nothing to change. It is called again if
            another server has changed the zone in the meantime, in the database that it comes from, or if it takes turns and the zone is
            another one at their end.

        @return: fires with the version that has the change, once it is in force and on disk. Fails with any exception of C{make}, and with
            L{StorageFault} if the change could not be stored: then it has no effect.
        """
        if self._closed:
            return fail(StorageFault(f"{nameToText(self.zone.apex)} accepts no more changes"))
        count = len(self._waiting) + len(self._unmade)
        if count >= self._most:
            what = "for one that takes long" if self._unmade else "for the disk"
            return fail(StorageFault(f"{count} changes of {nameToText(self.zone.apex)} wait {what}"))
        change = _Change(make, self._tip, self._tip)
        self._unmade.append(change)
        self._start()
        return change.result

    def _start(self) -> None:
        """
        Make the changes that are yet to be made, until one takes longer than a turn.
        """
        if self._isStarting:
            return
        self._isStarting = True
        while self._unmade and self._making is None and not self._holds:
            change = self._making = self._unmade.popleft()
            change.base = self._newest()
            turns = paced(self._clock, self._steps(change))
            if not turns.called:
                self._turns = turns
            turns.addCallbacks(self._made, self._unmakable, (change,), {}, (change,))
        self._isStarting = False
        self._settle()

    def hold(self) -> Deferred[None]:
        """
        Make no changes from now on, until L{release} was called as often; they wait.

        @return: fires once those that have begun are in force and on disk, or have failed.
        """
        holding: Deferred[None] = Deferred()
        self._holds += 1
        self._holding.append(holding)
        self._settle()
        return holding

    def release(self) -> None:
        """
        Make the changes that have waited.
        """
        self._holds = max(self._holds - 1, 0)
        self._start()

    @property
    def isHeld(self) -> bool:
        return self._holds > 0

    def _settle(self) -> None:
        if self._holding and self._making is None and not self._flushing and not self._waiting:
            holding, self._holding = self._holding, []
            for each in holding:
                each.callback(None)

    def _newest(self) -> Version:
        """
        Return the version of which the next change is made.
        """
        if not self._flushing or (self._keeping and not self._waiting):
            # Another version may have been put in force in the meantime, such as by a reload.
            self._base = self._tip = self.zone.current
        return self._tip

    def _steps(self, change: _Change) -> Generator[object, None, None]:
        assert change.make is not None
        made = change.make(change.base)
        if isinstance(made, Generator):
            made = yield from made
        change.version, change.difference = (change.base, None) if made is None else made

    def _made(self, ignored: None, change: _Change) -> None:
        self._making = self._turns = None
        if self._newest() is not change.base:
            change.tries += 1
            if change.tries > _TRIES:
                change.result.errback(StorageFault(f"{nameToText(self.zone.apex)} changes more often than this can be made"))
            else:
                self._unmade.appendleft(change)
            self._start()
            return
        isBusy = bool(self._flushing)
        if change.difference is None and not isBusy:
            change.result.callback(change.version)
        else:
            # If there is nothing to change because of a change that is not on disk yet, wait for that one.
            self._tip = change.version
            self._waiting.append(change)
            if not isBusy:
                self._next()
        self._start()

    def _unmakable(self, failure: Failure, change: _Change) -> None:
        self._making = self._turns = None
        if isinstance(failure.value, CancelledError):
            change.result.errback(StorageFault(f"{nameToText(self.zone.apex)} accepts no more changes"))
        else:
            change.result.errback(failure)
        self._start()

    @property
    def busy(self) -> bool:
        return bool(self._flushing)

    def supersede(self, origin: bytes) -> None:
        """
        Clear the journal because a version unrelated to its changes is about to be put in force; this happens as soon as no write is under
        way. If the journal cannot be cleared, no more changes are accepted until it can; the contents of an uncleared journal are older
        than the zone, and are ignored when it is next read.
        """
        if self.journal is not None:
            self.superseded = origin
            self._next()

    def _flush(self) -> None:
        self._flushing, self._waiting = self._waiting, []
        journal = self.journal
        differences = [change.difference for change in self._flushing if change.difference is not None]
        if journal is None or not differences:
            self._flushed(None)
            return
        kept = journal
        self._elsewhere(lambda: kept.append(differences)).addCallbacks(self._flushed, self._unkept)

    def _flushed(self, ignored: object) -> None:
        done, self._flushing = self._flushing, []
        if self.zone.current is not self._base:
            # The zone was reloaded in the meantime, and the new version lacks these changes.
            self._fail(done, StorageFault(f"{nameToText(self.zone.apex)} was reloaded"))
            return
        differences = [change.difference for change in done if change.difference is not None]
        if differences:
            self._put(done[-1].version)
            if self._since is not None:
                self._since += differences
            elif self._compact is not None and self.zone.current.crowded:
                self._begin(self._compact)
        for change in done:
            change.result.callback(change.version)
        self._next()

    def _put(self, version: Version) -> None:
        self._base = version
        self.zone.replace(version)
        try:
            self._changed(version)
        except Exception:
            _log.failure("failed to notify others that {zone} has changed", zone=nameToText(self.zone.apex))

    def _makeAgain(self, ignored: object, serial: int, fault: StoreMoved) -> None:
        """
        Make changes again with what another server has made of the zone.
        """
        changes, self._flushing, self._waiting = [*self._flushing, *self._waiting], [], []
        self._base = self._tip = self.zone.current
        failed: list[_Change] = []
        for change in reversed(changes):
            change.tries += 1
            if change.make is None or change.tries > _TRIES or self._base.serial == serial:
                failed.append(change)
            else:
                self._unmade.appendleft(change)
        self._start()
        self._next()
        for change in reversed(failed):
            change.result.errback(fault)

    def _unkept(self, failure: Failure) -> None:
        fault = failure.value
        journal = self.journal
        if isinstance(fault, StoreMoved) and journal is not None and not isinstance(journal, Journal):
            # What is under way stays so, as nothing else may be written meanwhile.
            journal.look().addBoth(self._makeAgain, self._base.serial, fault)
            return
        if not isinstance(fault, DNSFault):
            _log.failure("changes of {zone} cannot be kept", failure, zone=nameToText(self.zone.apex))
            fault = StorageFault("internal error")
        else:
            _log.error("changes of {zone} cannot be stored: {fault}", zone=nameToText(self.zone.apex), fault=fault)
        done, self._flushing = self._flushing, []
        self._fail(done, fault)

    def _fail(self, done: list[_Change], fault: DNSFault) -> None:
        # The waiting changes are based on these.
        done += self._waiting
        self._waiting = []
        self._base = self._tip = self.zone.current
        for change in done:
            change.result.errback(fault)
        self._next()

    def _next(self) -> None:
        if self._flushing:
            return
        journal, imaged, origin = self.journal, self._imaged, self.superseded
        if journal is not None and origin is not None:
            # The journal is cleared anyway, so there is no need to trim it.
            self._imaged = None
            self._upkeep(lambda: journal.clear(origin)).addCallbacks(self._cleared, self._uncleared, (origin,))
        elif journal is not None and imaged is not None:
            self._imaged = None
            self._upkeep(lambda: journal.trim(imaged)).addErrback(self._untrimmed).addCallback(self._kept)
        elif self._waiting:
            self._flush()
        else:
            self._rest()

    def _rest(self) -> None:
        idle, self._idle = self._idle, []
        for waiter in idle:
            waiter.callback(None)
        self._settle()

    def _upkeep(self, work: Callable[[], object]) -> Deferred[object]:
        """
        Run maintenance work while nothing else writes to the journal.
        """
        self._flushing = [_Change(None, self.zone.current, self.zone.current)]
        self._keeping = True
        return self._elsewhere(work)

    def _kept(self, ignored: object) -> None:
        self._flushing = []
        self._keeping = False
        if self._waiting and self.zone.current is not self._base:
            self._fail([], StorageFault(f"{nameToText(self.zone.apex)} was reloaded"))
        else:
            self._next()

    def _untrimmed(self, failure: Failure) -> None:
        _log.error("the journal of {zone} stays as large as it is: {reason}", zone=nameToText(self.zone.apex), reason=failure.value)

    def _cleared(self, ignored: object, origin: bytes) -> None:
        if self.superseded == origin:
            self.superseded = None
        self._kept(None)

    def _uncleared(self, failure: Failure) -> None:
        """
        Fail the waiting changes, which would follow journal entries that have to be dropped first. The next change tries again.
        """
        text = nameToText(self.zone.apex)
        _log.error("{zone} cannot be changed until its journal can be emptied: {reason}", zone=text, reason=failure.value)
        waiting, self._waiting = self._waiting, []
        self._flushing = []
        self._keeping = False
        self._base = self._tip = self.zone.current
        for change in waiting:
            change.result.errback(StorageFault(f"{text} was reloaded, and its journal cannot be emptied"))
        if not self._flushing:
            self._rest()

    # -- images

    def _begin(self, compact: Callable[[Version], Deferred[Image]]) -> None:
        if self._closed or self._clock.seconds() < self._again:
            return
        self._since = []
        self._building = compact(self.zone.current)
        self._building.addCallback(self._rebase).addErrback(self._unbuilt)

    def _rebase(self, image: Image) -> None:
        self._imaged = image.serial
        self._follow(Version(image))

    def _follow(self, version: Version) -> None:
        """
        Bring a version up to date from its image, some differences at a time.
        """
        since = self._since
        if since is None or self._closed:
            return
        count = sets = 0
        while count < len(since) and sets < _STEP:
            sets += 2 + len(since[count].removed) + len(since[count].added)
            count += 1
        try:
            version = applied(version, since[:count])
        except DNSFault as fault:
            self._since = None
            _log.error("the new image of {zone} cannot be used: {fault}", zone=nameToText(self.zone.apex), fault=fault)
            return
        del since[:count]
        if since:
            self._clock.callLater(0, self._follow, version)
            return
        self._since = None
        if self.zone.current is not self._base or version.serial != self._base.serial:
            # Reloaded in the meantime.
            return
        # Do not call C{changed}: the contents are the same.
        self._base = version
        self.zone.replace(version)
        for change in (*self._flushing, *self._waiting):
            if change.difference is not None:
                version = applied(version, (change.difference,))
            change.version = version
        self._tip = version
        self._next()

    def _unbuilt(self, failure: Failure) -> None:
        self._since = None
        if self._closed:
            return
        self._again = self._clock.seconds() + IMAGE_PAUSE.default
        _log.error("the next image of {zone} cannot be built: {reason}", zone=nameToText(self.zone.apex), reason=failure.value)

    # -- shutdown

    def close(self) -> Deferred[None]:
        """
        Accept no more changes.

        @return: fires when pending changes are stored, and the journal is closed.
        """
        self._closed = True
        unmade, self._unmade = self._unmade, deque()
        if self._turns is not None:
            self._turns.cancel()
        for change in unmade:
            change.result.errback(StorageFault(f"{nameToText(self.zone.apex)} accepts no more changes"))
        if self._building is not None:
            # It would write to a file that another server may be using by then.
            self._building.cancel()
        done: Deferred[None] = Deferred()
        done.addCallback(self._close)
        if self._flushing:
            self._idle.append(done)
        else:
            done.callback(None)
        return done

    def _close(self, ignored: None) -> None:
        if self.journal is not None:
            self.journal.close()


class StoreJournal:
    """
    Stores changes in the database that the zone comes from; used by L{CommitQueue} in place of a journal.
    """

    def __init__(
        self,
        opened: Callable[[], IZoneStore],
        note: Callable[[Sequence[Difference]], object] = lambda differences: None,
        doubt: Callable[[bytes], object] = lambda apex: None,
        look: Callable[[], Deferred[None]] = lambda: succeed(None),
    ) -> None:
        """
        @param opened: returns the database, in the thread that stores changes.
        @param note: called with the stored differences, in the thread that stored them.
        @param doubt: called in that thread with the folded name of a zone that could not be written: it may not be readable either.
        @ivar look: called in the reactor's thread; fires when what others have written is in force.
        """
        self.look = look
        self._opened = opened
        self._doubt = doubt
        self._note = note

    def append(self, differences: Sequence[Difference]) -> None:
        try:
            self._opened().write(differences)
        except StoreMoved:
            raise
        except StorageFault:
            self._doubt(differences[0].before.name.lower())
            raise
        self._note(differences)

    # The database keeps no old changes, and its owner closes it.

    def trim(self, imaged: int) -> bool:
        return False

    def clear(self, origin: bytes | None = None) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(slots=True, eq=False)
class EditableZone:
    """
    State of a zone that may be changed.

    @ivar serials: how a change chooses the next serial number.
    @ivar path: the path of its journal, C{""} without one.
    @ivar most: maximum octets of the journal, or L{None}.
    @ivar journal: the journal, once the zone has been read or changed for the first time.
    @ivar changing: the commit queue, from the first change on.
    @ivar damaged: an image that must not be served any more, or L{None}.
    @ivar keeper: storage for changes used in place of a journal, and the function that runs work on it.
    @ivar grants: the clients that the policy is for; an empty list is all of them.
    @ivar doors: how it may be changed other than by updates: see the setting C{edit}.
    @ivar needsNS: whether the last NS record of its name has to stay.
    @ivar isTaken: whether the next version that is published has all changes of the journal.
    @ivar isFrozen: whether it is not to be changed at present.
    """

    policy: Policy
    serials: str
    path: str
    most: float | None
    journal: Journal | None = None
    changing: CommitQueue | None = None
    damaged: Image | None = None
    keeper: tuple[StoreJournal, Elsewhere] | None = None
    grants: Grants = NOBODY
    doors: frozenset[str] = frozenset()
    needsNS: bool = True
    isFrozen: bool = False
    isTaken: bool = False

    @property
    def imagePath(self) -> str:
        """
        The path of the image that was last built from the journal.
        """
        return self.path + ".image"


class Compactor:
    """
    Builds images: small ones in a thread, large ones in a subprocess, since threads compete with the reactor for the interpreter.
    """

    def __init__(self, reactor: IReactorTime, elsewhere: Elsewhere, *, small: int = _SMALL) -> None:
        """
        @param reactor: provides L{IReactorProcess<twisted.internet.interfaces.IReactorProcess>} as well.
        """
        self._reactor = reactor
        self._elsewhere = elsewhere
        self._small = small

    def __call__(self, version: Version, journal: str, target: str) -> Deferred[Image]:
        """
        @param journal: the journal with the changes since the version's image.
        @param target: the file to write.

        @return: fires with the image; fails if it cannot be built. Cancelling ends the process.
        """
        image = version.image
        if not self._isForProcess(image):
            def work() -> None:
                version.compacted(target, fingerprintOf(originOf(image)))

            return self._elsewhere(work).addCallback(lambda _: Image.open(target, checked=False))
        return self._built(image.path, journal, version.serial, target)

    def grown(self, version: Version, journal: Journal, target: str, work: Callable[[], Version]) -> Deferred[Version]:
        """
        Apply a journal that is so long that a new image is needed.

        @param target: the file to write, if a subprocess is used.
        @param work: does the same in this process.

        @return: fires with the resulting version; fails if there is none. Cancelling ends the process.
        """
        image, newest = version.image, journal.newest
        if newest is None or not self._isForProcess(image):
            return self._elsewhere(work).addCallback(lambda came: cast("Version", came))
        return self._built(image.path, journal.path, newest, target).addCallback(Version)

    def _isForProcess(self, image: Image) -> bool:
        # The subprocess would read the first image of a file that has several.
        return image.nodes >= self._small and not image.start and bool(image.path) and os.path.exists(image.path)

    def _built(self, image: str, journal: str, serial: int, target: str) -> Deferred[Image]:
        built = runModule(self._reactor, "twisted_ext.zone.build.compaction", [image, journal, str(serial), target]).addErrback(_unbuilt)
        return built.addCallback(lambda _: Image.open(target, checked=False))


def _unbuilt(failure: Failure) -> bytes:
    fault = failure.value
    if isinstance(fault, OSError):
        raise StorageFault(str(fault)) from fault
    assert isinstance(fault, BaseException)
    raise fault
