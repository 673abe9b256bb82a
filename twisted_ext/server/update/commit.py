"""
Changing a zone while it is served: a change is made at once, and in force when the disk has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import DNSFault, StorageFault
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.limits import IMAGE_PAUSE, UPDATES_WAITING
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.version import Version

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.zone.store.image import Image
    from twisted_ext.zone.store.journal import Journal
    from twisted_ext.zone.update.policy import Policy
    from twisted_ext.zone.zone import Zone

__all__ = ["Changing", "Elsewhere", "ChangeLog", "Made", "EditableZone", "threadsOf"]

#: What comes of a change: the next version, and what makes the difference; or nothing.
Made = tuple[Version, Difference] | None

#: Has something done by somebody who may wait for disks.
Elsewhere = Callable[[Callable[[], object]], "Deferred[object]"]

#: How many sets of records are put onto a new image, or taken from it, before others have their turn: 5 ms of work.
_STEP: Final = 500

_log: Final = Logger()


def threadsOf(reactor: IReactorTime) -> Elsewhere:
    """
    @param reactor: provides L{IReactorThreads<twisted.internet.interfaces.IReactorThreads>} as well.

    @return: has something done by one of its threads.
    """
    from twisted.internet.interfaces import IReactorThreads
    from twisted.internet.threads import deferToThreadPool

    def elsewhere(work: Callable[[], object]) -> Deferred[object]:
        threads = IReactorThreads(reactor)
        return deferToThreadPool(threads, threads.getThreadPool(), work)

    return elsewhere


class ChangeLog(Protocol):
    """
    Keeps what has changed: a journal, or the database that a zone is from.
    """

    def append(self, differences: Sequence[Difference]) -> None:
        """
        Write differences down. When this returns, they last.

        @raise StorageFault: that is not possible; then none of them is there.
        """

    def trim(self, imaged: int) -> bool:
        """
        Let what is too much go.
        """

    def clear(self, origin: bytes | None = None) -> None:
        """
        Forget everything, and begin anew with a zone that is made from this.
        """

    def close(self) -> None:
        """
        Let go.
        """


class _Change:
    __slots__ = ("version", "difference", "result")

    def __init__(self, version: Version, difference: Difference | None) -> None:
        self.version = version
        self.difference = difference
        self.result: Deferred[Version] = Deferred()


class Changing:
    """
    The changes of one zone.

    Each is made onto the one before, whether or not the disk has that already; all that have come while the disk was busy are written
    together. Nobody is told that his is done, and nobody sees it, before it would survive the end of this process.

    @ivar zone: what is changed.
    @ivar journal: where changes are kept; L{None} for a zone that lives as long as this process.
    @ivar superseded: what the version is made from for which the journal is yet to be emptied, or L{None}.
    """

    def __init__(
        self,
        clock: IReactorTime,
        zone: Zone,
        journal: ChangeLog | None,
        elsewhere: Elsewhere,
        *,
        changed: Callable[[Version], object] = lambda version: None,
        compact: Callable[[Version], Deferred[Image]] | None = None,
        most: int | None = None,
    ) -> None:
        """
        @param changed: called whenever another version is in force.
        @param compact: builds the image of a version, in a process of its own; L{None} where that is never done.
        @param most: changes that may wait for the disk.
        """
        self.zone = zone
        self.journal = journal
        self._clock = clock
        self._elsewhere = elsewhere
        self._changed = changed
        self._compact = compact
        self._most = int(UPDATES_WAITING.pick(most))
        self._base = self._tip = zone.current
        self._waiting: list[_Change] = []
        self._flushing: list[_Change] = []
        # Differences in force that the image in the making will not have; L{None} while none is made.
        self._since: list[Difference] | None = None
        self._imaged: int | None = None
        self._building: Deferred[Image] | None = None
        # When the next one may be begun, after one that came to nothing.
        self._again = 0.0
        self._idle: list[Deferred[None]] = []
        # Whether what is being written is no change, but what has to be done to the journal besides.
        self._keeping = False
        self.superseded: bytes | None = None
        self._closed = False

    # -- changes

    def change(self, make: Callable[[Version], Made]) -> Deferred[Version]:
        """
        Change the zone.

        @param make: gives the next version of the one that it is called with, or L{None} where there is nothing to change.

        @return: fires with the version that has the change, once it is in force and on disk. Fails with whatever C{make} raises, and with
            L{StorageFault} where the change could not be kept: then it is as if nobody had asked for it.
        """
        if self._closed:
            return fail(StorageFault(f"{nameToText(self.zone.apex)} is changed no more"))
        if len(self._waiting) >= self._most:
            return fail(StorageFault(f"{len(self._waiting)} changes of {nameToText(self.zone.apex)} wait for the disk"))
        busy = bool(self._flushing)
        if not busy or (self._keeping and not self._waiting):
            # Somebody else may have put another version in force.
            self._base = self._tip = self.zone.current
        try:
            made = make(self._tip)
        except Exception:
            return fail()
        if made is None and not busy:
            return succeed(self._tip)
        # Whoever has nothing to change because of a change that the disk does not have yet waits for that.
        change = _Change(self._tip, None) if made is None else _Change(*made)
        self._tip = change.version
        self._waiting.append(change)
        if not busy:
            self._next()
        return change.result

    @property
    def busy(self) -> bool:
        """
        Whether something is being written.
        """
        return bool(self._flushing)

    def supersede(self, origin: bytes) -> None:
        """
        A version that has nothing to do with these changes is about to be put in force: they are to be forgotten, as soon as nobody waits
        for the disk because of it. If that cannot be written, no more changes are taken until it can; what a journal has that was not
        emptied is older than the zone, and counts for nothing when it is next read.

        @param origin: what it is made from.
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
            # Another version was put in force meanwhile, by somebody who has read the zone anew. What was changed is not in it.
            self._fail(done, StorageFault(f"{nameToText(self.zone.apex)} was loaded anew"))
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

    def _unkept(self, failure: Failure) -> None:
        fault = failure.value
        if not isinstance(fault, DNSFault):
            _log.failure("changes of {zone} cannot be kept", failure, zone=nameToText(self.zone.apex))
            fault = StorageFault("internal error")
        else:
            _log.error("changes of {zone} cannot be kept: {fault}", zone=nameToText(self.zone.apex), fault=fault)
        done, self._flushing = self._flushing, []
        self._fail(done, fault)

    def _fail(self, done: list[_Change], fault: DNSFault) -> None:
        # Those that wait are made onto these.
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
            # What an image has of what is forgotten is of no more use.
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

    def _upkeep(self, work: Callable[[], object]) -> Deferred[object]:
        """
        Have something done to the journal, while nobody writes there.
        """
        self._flushing = [_Change(self.zone.current, None)]
        self._keeping = True
        return self._elsewhere(work)

    def _kept(self, ignored: object) -> None:
        self._flushing = []
        self._keeping = False
        if self._waiting and self.zone.current is not self._base:
            self._fail([], StorageFault(f"{nameToText(self.zone.apex)} was loaded anew"))
        else:
            self._next()

    def _untrimmed(self, failure: Failure) -> None:
        """
        The journal is what it was, which is in nobody's way.
        """
        _log.error("the journal of {zone} stays as large as it is: {reason}", zone=nameToText(self.zone.apex), reason=failure.value)

    def _cleared(self, ignored: object, origin: bytes) -> None:
        if self.superseded == origin:
            self.superseded = None
        self._kept(None)

    def _uncleared(self, failure: Failure) -> None:
        """
        What comes next would follow what is to be forgotten: the next change tries again first.
        """
        text = nameToText(self.zone.apex)
        _log.error("{zone} cannot be changed until its journal can be emptied: {reason}", zone=text, reason=failure.value)
        waiting, self._waiting = self._waiting, []
        self._flushing = []
        self._keeping = False
        self._base = self._tip = self.zone.current
        for change in waiting:
            change.result.errback(StorageFault(f"{text} was loaded anew, and its journal cannot be emptied"))
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
        Take a version from its image to where the zone is by now, some steps at a time.
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
            _log.error("the new image of {zone} is of no use: {fault}", zone=nameToText(self.zone.apex), fault=fault)
            return
        del since[:count]
        if since:
            self._clock.callLater(0, self._follow, version)
            return
        self._since = None
        if self.zone.current is not self._base or version.serial != self._base.serial:
            # Loaded anew meanwhile.
            return
        # Nobody is told: it is the same zone.
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

    # -- the end

    def close(self) -> Deferred[None]:
        """
        Take no more changes.

        @return: fires when those that there are have been kept, and the journal is closed.
        """
        self._closed = True
        if self._building is not None:
            # It would write where another server may be by then.
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


class EditableZone:
    """
    What is known of a zone that may be changed.

    @ivar policy: by whom.
    @ivar serials: how a change chooses the next serial number.
    @ivar path: its journal's, C{""} without one.
    @ivar most: octets that the journal may have, or L{None}.
    @ivar journal: it, once the zone was read or is first changed.
    @ivar changing: its changes, from the first one on.
    @ivar damaged: an image that is not to be served any more, or L{None}.
    @ivar keeper: what keeps them in place of a journal, and C{elsewhere} by whom it is asked to.
    """

    __slots__ = ("policy", "serials", "path", "most", "journal", "changing", "damaged", "keeper", "elsewhere")

    def __init__(self, policy: Policy, serials: str, path: str, most: float | None) -> None:
        self.policy = policy
        self.serials = serials
        self.path = path
        self.most = most
        self.journal: Journal | None = None
        self.changing: Changing | None = None
        self.damaged: Image | None = None
        self.keeper: ChangeLog | None = None
        self.elsewhere: Elsewhere | None = None

    @property
    def imagePath(self) -> str:
        """
        Where its image is that was built last with the help of its journal.
        """
        return self.path + ".image"
