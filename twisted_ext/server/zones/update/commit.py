"""
Commit queue of a zone that is changed while it is served: changes that wait are judged one after another, long ones in turns, and become
one new version, which is in force once it is on disk. Now and then the next image of the zone is built from them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import DNSFault, StorageFault, StoreMoved
from twisted_ext.server.config.keys import Grants
from twisted_ext.server.config.transferpolicy import NOBODY
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.limits import IMAGE_PAUSE, UPDATES_WAITING
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IZoneStore
    from twisted_ext.zone.update.policy import Policy
    from twisted_ext.zone.zone import Zone

__all__ = ["Changed", "CommitQueue", "EditableZone", "Edited", "Elsewhere", "Opening", "Steps", "StoreJournal"]

#: Where a version is: the path of an image, that of the journal with the changes since then, and its serial.
Changed = tuple[str, str, int]

#: Makes a change: at once, or in short steps that take turns with other work if it is a generator. An exception takes it back.
Steps = Callable[[Transaction], object]

#: Opens a transaction of a version, in steps.
Opening = Callable[[Version], Generator[object, Any, Transaction]]

#: Runs a function where it may block, such as in a thread.
Elsewhere = Callable[[Callable[[], object]], "Deferred[object]"]

#: RRsets applied to a new image before control returns to the reactor: 5 ms of work.
_STEP: Final = 500

#: Changes that become one version at most, and the records in them from which on no others are added: the difference is to be a small one
#: for secondaries too.
_TOGETHER: Final = 100
_RECORDS: Final = 1000

#: How often a change is made again because another server has changed the zone in the database first: each time there are some
#: milliseconds for that, so one that does not get through within ten tries has many rivals, and its client had better try again later.
#: Also how often one that takes turns is made again because the zone was reloaded, or has got its next image, meanwhile.
_TRIES: Final = 10

_log: Final = Logger(__name__)


class Edited(NamedTuple):
    """
    What a change has made of a zone.

    @ivar version: the version that has it, and maybe others.
    @ivar former: the version before.
    @ivar difference: what it has changed itself; L{None} if there was nothing to change.
    """

    version: Version
    former: Version
    difference: Difference | None

    @property
    def before(self) -> int:
        """
        The serial number before it.
        """
        return self.former.serial


@dataclass(slots=True, eq=False)
class _Change:
    """
    A change.

    @ivar isFirst: whether it is made of a version in force.
    @ivar isAlone: whether it is made without others.
    @ivar tries: how often it was made in vain.
    @ivar difference: what it has changed, C{fault} why it was refused.
    """

    steps: Steps
    isFirst: bool
    isAlone: bool
    isDry: bool
    beside: Sequence[object]
    tries: int = 0
    difference: Difference | None = None
    fault: Exception | None = None
    result: Deferred[Edited] = field(init=False, default_factory=Deferred)

    def settle(self, version: Version, former: Version) -> None:
        """
        Say what has become of it.
        """
        if self.fault is not None:
            self.result.errback(self.fault)
        else:
            self.result.callback(Edited(version, former, self.difference))


@dataclass(slots=True, eq=False)
class _Round:
    """
    Changes that are made together.

    @ivar base: the version of which they are made.
    @ivar version: the version that has them, once they are made.
    """

    base: Version
    version: Version
    changes: list[_Change]
    difference: Difference | None = None


def _opened(version: Version) -> Generator[object, Any, Transaction]:
    yield from ()
    return Transaction(version)


class CommitQueue:
    """
    The commit queue of one zone.

    The changes that wait become one transaction, with one serial number and one write: each is judged with the result of those before it,
    and one that fails is taken back alone. Those that arrive meanwhile wait for the next one. A change is confirmed and becomes visible
    only when it would survive a crash of this process.

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
        opening: Opening = _opened,
        isFrozen: Callable[[], bool] = lambda: False,
        changed: Callable[[Version], object] = lambda version: None,
        compact: Callable[[Version], Deferred[Image]] | None = None,
        most: int | None = None,
    ) -> None:
        """
        @param isFrozen: returns whether changes that have been made are to be made again before they are written, as they may be refused
            by now.
        @param changed: called with each new version in force; if it returns a Deferred, changes are confirmed once that fires.
        @param compact: builds the image of a version, in a subprocess; L{None} to never build images.
        @param most: maximum number of changes that wait.
        """
        self.zone = zone
        self.journal = journal
        self._clock = clock
        self._elsewhere = elsewhere
        self._opening = opening
        self._isFrozen = isFrozen
        self._changed = changed
        self._compact = compact
        self._most = int(UPDATES_WAITING.pick(most))
        # Changes that are yet to be made; those that are being made or written, and what cancels the former.
        self._unmade: deque[_Change] = deque()
        self._round: _Round | None = None
        self._turns: Deferred[None] | None = None
        self._isWriting = False
        self._isStarting = False
        # Differences in force that the image being built will lack; L{None} while none is being built.
        self._since: list[Difference] | None = None
        self._imaged: int | None = None
        self._building: Deferred[Image] | None = None
        # The version that was last put in force here.
        self._last: Version | None = None
        # Time before which no build is started, after one that failed.
        self._again = 0.0
        self._idle: list[Deferred[None]] = []
        self.superseded: bytes | None = None
        # How many need the zone as it is, so that changes wait; and what fires once nothing is being made or written.
        self._holds = 0
        self._holding: list[Deferred[None]] = []
        self._closed = False

    # -- changes

    def change(
        self,
        steps: Steps,
        *,
        isFirst: bool = False,
        isAlone: bool = False,
        isDry: bool = False,
        isOwn: bool = False,
        beside: Sequence[object] = (),
    ) -> Deferred[Edited]:
        """
        @param steps: called with the transaction. It is called again if another server has changed the zone in the meantime, in the
            database that it comes from, or if the zone is another one once all is made.
        @param isFirst: whether it is made of a version in force: it reads the version, and not only what the transaction says.
        @param isAlone: whether no others become a part of the same version.
        @param isDry: whether to return what would be, without changing anything.
        @param isOwn: whether it is of the server itself, which makes one after the other: it goes before those of clients, of which no
            number keeps it out.
        @param beside: what the database of the zone is to store with that; with it there is a new version in any case.

        @return: fires once the change is in force and on disk. Fails with any exception of C{steps}, of the judge and of what opens or
            completes the transaction, and with L{StorageFault} if it could not be stored: then it has no effect.
        """
        if self._closed:
            return fail(self._over())
        count = len(self._unmade)
        if count >= self._most and not isOwn:
            return fail(StorageFault(f"{count} changes of {nameToText(self.zone.apex)} wait for those before them"))
        change = _Change(steps, isFirst, isAlone or isDry, isDry, beside)
        if isOwn:
            self._unmade.appendleft(change)
        else:
            self._unmade.append(change)
        self._start()
        return change.result

    def _over(self) -> StorageFault:
        return StorageFault(f"{nameToText(self.zone.apex)} accepts no more changes")

    def _start(self) -> None:
        """
        Do what is due: maintenance of the journal, then changes that wait.
        """
        if self._isStarting:
            return
        self._isStarting = True
        while self._round is None and not self._isWriting and (self._isMaintained() or self._isBegun()):
            pass
        self._isStarting = False
        if self._round is None and not self._isWriting:
            idle, self._idle = self._idle, []
            holding, self._holding = self._holding, []
            for each in (*idle, *holding):
                each.callback(None)

    def _isBegun(self) -> bool:
        """
        Begin to make changes; return whether there are any to be made.
        """
        if not self._unmade or self._holds:
            return False
        current = self.zone.current
        group = self._round = _Round(current, current, [self._unmade.popleft()])
        turns = paced(self._clock, self._making(group))
        if not turns.called:
            self._turns = turns
        turns.addCallbacks(self._made, self._unmakable, (group,), {}, (group,))
        return True

    def hold(self) -> Deferred[None]:
        """
        Make no changes from now on, until L{release} was called as often; they wait.

        @return: fires once those that have begun are in force and on disk, or have failed.
        """
        holding: Deferred[None] = Deferred()
        self._holds += 1
        self._holding.append(holding)
        self._start()
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

    def _making(self, group: _Round) -> Generator[object, Any, None]:
        transaction = yield from self._opening(group.base)
        records = 0
        change: _Change | None = group.changes[0]
        while change is not None:
            try:
                steps = change.steps(transaction)
                if isinstance(steps, Generator):
                    yield from steps
                change.difference = yield from transaction.closing(always=bool(change.beside))
            except Exception as fault:
                transaction.undo()
                change.fault = fault
            else:
                records += 0 if change.difference is None else change.difference.records
            change = None if records > _RECORDS else self._another(group)
        made = yield from transaction.committing()
        if made is not None:
            group.version, group.difference = made
            group.difference.beside = [each for change in group.changes if change.fault is None for each in change.beside]

    def _another(self, group: _Round) -> _Change | None:
        """
        Return another change to be made with those that there are.
        """
        if not self._unmade or self._holds or len(group.changes) >= _TOGETHER or group.changes[0].isAlone:
            return None
        change = self._unmade[0]
        if change.isFirst or change.isAlone:
            return None
        group.changes.append(self._unmade.popleft())
        return change

    def _made(self, ignored: None, group: _Round) -> None:
        self._turns = None
        if self.zone.current is not group.base or (group.difference is not None and self._isFrozen()):
            self._makeAgain(group.changes, StorageFault(f"{nameToText(self.zone.apex)} changes more often than this can be made"), True)
        elif group.difference is None or group.changes[0].isDry:
            self._settle(group)
        elif self.journal is None:
            self._written(None, group)
        else:
            journal, difference = self.journal, group.difference
            self._isWriting = True
            self._elsewhere(lambda: journal.append([difference])).addCallbacks(self._written, self._unwritten, (group,), {}, (group,))

    def _settle(self, group: _Round) -> None:
        self._round, self._isWriting = None, False
        for change in group.changes:
            change.settle(group.version, group.base)
        self._start()

    def _unmakable(self, failure: Failure, group: _Round) -> None:
        """
        Make changes one by one that cannot be made together.
        """
        self._turns = None
        if isinstance(failure.value, CancelledError):
            self._fail(group.changes, self._over())
        elif len(group.changes) == 1 or isinstance(failure.value, StorageFault):
            self._fail(group.changes, failure)
        else:
            self._makeAgain(group.changes, failure, True)

    def _makeAgain(self, changes: list[_Change], fault: Failure | Exception, isAlone: bool = False) -> None:
        """
        @param fault: why those fail that were made in vain too often.
        @param isAlone: whether each is made alone from now on, as one of them may be the reason.
        """
        failed: list[_Change] = []
        for change in reversed(changes):
            change.tries += 1
            change.isAlone |= isAlone
            change.difference = change.fault = None
            if change.tries > _TRIES or self._closed:
                failed.insert(0, change)
            else:
                self._unmade.appendleft(change)
        self._fail(failed, self._over() if self._closed else fault)

    def _fail(self, changes: Iterable[_Change], fault: Failure | Exception) -> None:
        self._round, self._isWriting = None, False
        for change in changes:
            change.result.errback(fault)
        self._start()

    @property
    def busy(self) -> bool:
        """
        Whether something is being written.
        """
        return self._isWriting

    def supersede(self, origin: bytes) -> None:
        """
        Clear the journal because a version unrelated to its changes is about to be put in force; this happens as soon as no write is under
        way. If the journal cannot be cleared, no more changes are accepted until it can; the contents of an uncleared journal are older
        than the zone, and are ignored when it is next read.
        """
        if self.journal is not None:
            self.superseded = origin
            self._start()

    def succeed(self, change: bytes, origin: bytes) -> None:
        """
        Have the journal lead to a version in another image, which is about to be put in force, unless something is being made or written:
        then it is cleared.

        @param change: the difference of that from the version in force, as in a journal, and C{origin} that of the image.

        @raise StorageFault: it cannot be written.
        """
        if isinstance(self.journal, Journal) and self._round is None and not self._isWriting and self.superseded is None:
            self.journal.succeed(change, self.zone.current.serial, origin)
            # It may be over its limit now.
            self._imaged = self.journal.newest

    def _written(self, ignored: object, group: _Round) -> None:
        difference = group.difference
        assert difference is not None
        if self.zone.current is not group.base:
            # The zone was reloaded in the meantime, and the new version lacks these changes.
            self._fail(group.changes, StorageFault(f"{nameToText(self.zone.apex)} was reloaded"))
            return
        self._last = group.version
        self.zone.replace(group.version)
        try:
            told = self._changed(group.version)
        except Exception:
            told = None
            _log.failure("failed to notify others that {zone} has changed", zone=nameToText(self.zone.apex))
        if self._since is not None:
            self._since.append(difference)
        elif self._compact is not None and self.zone.current.crowded:
            self._begin(self._compact)
        if isinstance(told, Deferred):
            told.addBoth(lambda _: self._settle(group))
        else:
            self._settle(group)

    def _unwritten(self, failure: Failure, group: _Round) -> None:
        fault = failure.value
        journal = self.journal
        if isinstance(fault, StoreMoved) and journal is not None and not isinstance(journal, Journal):
            # What is under way stays so, as nothing else may be written meanwhile.
            journal.look().addBoth(self._moved, group, fault)
            return
        if not isinstance(fault, DNSFault):
            _log.failure("changes of {zone} cannot be kept", failure, zone=nameToText(self.zone.apex))
            fault = StorageFault("internal error")
        else:
            _log.error("changes of {zone} cannot be stored: {fault}", zone=nameToText(self.zone.apex), fault=fault)
        self._fail(group.changes, fault)

    def _moved(self, ignored: object, group: _Round, fault: StoreMoved) -> None:
        """
        Make changes again with what another server has made of the zone.
        """
        if self.zone.current.serial == group.base.serial:
            self._fail(group.changes, fault)
        else:
            self._makeAgain(group.changes, fault)

    # -- maintenance of the journal

    def _isMaintained(self) -> bool:
        """
        Begin to maintain the journal, while nothing else writes to it; return whether that is due.
        """
        journal, imaged, origin = self.journal, self._imaged, self.superseded
        if journal is None or (origin is None and imaged is None):
            return False
        self._imaged = None
        self._isWriting = True
        if origin is not None:
            # The journal is cleared anyway, so there is no need to trim it.
            self._elsewhere(lambda: journal.clear(origin)).addCallbacks(self._cleared, self._uncleared, (origin,))
        else:
            assert imaged is not None
            self._elsewhere(lambda: journal.trim(imaged)).addErrback(self._untrimmed).addCallback(self._kept)
        return True

    def _kept(self, ignored: object) -> None:
        self._isWriting = False
        self._start()

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
        waiting, self._unmade = self._unmade, deque()
        self._isWriting = False
        for change in waiting:
            change.result.errback(StorageFault(f"{text} was reloaded, and its journal cannot be emptied"))

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
        last = self._last
        if last is None or self.zone.current is not last or version.serial != last.serial:
            # Reloaded in the meantime.
            return
        group = self._round
        if group is not None and group.base is last and self._isWriting and group.difference is not None:
            group.base, group.version = version, applied(version, (group.difference,))
        # Do not call C{changed}: the contents are the same.
        self._last = version
        self.zone.replace(version)
        self._start()

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
        for change in unmade:
            change.result.errback(self._over())
        if self._turns is not None:
            self._turns.cancel()
        if self._building is not None:
            # It would write to a file that another server may be using by then.
            self._building.cancel()
        done: Deferred[None] = Deferred()
        done.addCallback(self._close)
        if self._isWriting:
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
    @ivar isDerived: whether it is made of versions that come from elsewhere, so that any that is published has all changes, and the journal
        is only their history. With C{keeper} that is a database, where clients change it by the queue C{origin}.
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
    isDerived: bool = False
    origin: CommitQueue | None = None

    @property
    def imagePath(self) -> str:
        """
        The path of the image that was last built from the journal.
        """
        return self.path + ".image"
