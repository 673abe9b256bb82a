"""
Zones that may be changed while they are served: their journals, their commit queues, and what becomes of changes when they are loaded
again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.logger import Logger

from twisted_ext.errors import BadDescription, BadZone, StorageFault
from twisted_ext.files import isReadOnly, makeStateFolder
from twisted_ext.server.config.keys import Grants
from twisted_ext.server.config.transferpolicy import policyOf
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.zones.table.zonetable import SERVING, Zones
from twisted_ext.server.zones.update.commit import Changed, CommitQueue, EditableZone, Edited, Elsewhere, StoreJournal
from twisted_ext.server.zones.update.compactor import Compactor
from twisted_ext.server.zones.update.journalreplay import Steps, begun, compacted, journalName, mended, replaying
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.sign.sets import Unmade
from twisted_ext.zone.store.journal import Journal, hasEntries, serialBeside
from twisted_ext.zone.store.serials import isNewer
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.transactions import Completion, Transaction, followed

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.zone.sign.completer import Changes
    from twisted_ext.zone.store.image import Image
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zone import Zone

__all__ = ["DERIVED", "EditableZones"]

#: Octets of a journal above which it is replayed in turns: some hundred differences, 20 ms of work.
_LONG: Final = 2**16

#: Journals that are open at most for what changes elsewhere, and for signatures to be made anew a few at a time: each takes a file. Other
#: zones are signed as a whole.
_JOURNALS: Final = 1000

#: The folder in that of the state with the journals of zones that are signed here and come from elsewhere.
DERIVED: Final = "signed/journals"

_log: Final = Logger(__name__)


class Signing(Protocol):
    """
    Signs the changes of zones.
    """

    def isChangeable(self, apex: bytes) -> bool:
        """
        Return whether changes of a zone are to be signed.
        """

    def mended(self, apex: bytes) -> None:
        """
        Have a zone signed anew whose journal was damaged.
        """

    def completing(self, version: Version) -> Generator[object, Any, Completion]:
        """
        Return what signs a change of a version, in steps.

        @raise StorageFault: that is not possible now.
        """


class Origins(Protocol):
    """
    The unsigned versions of zones that are signed here and come from elsewhere.
    """

    def sourceOf(self, apex: bytes) -> Zone | None:
        """
        Return the zone as it came; L{None} if it is not there.
        """

    def changedBy(self, version: Version) -> Deferred[None]:
        """
        Take a version that clients have made, and which its database has.

        @return: fires once it is in force, or is to be signed as a whole.
        """


class EditableZones:
    """
    The zones of a server that may be changed.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        zones: Zones,
        folder: str = "",
        *,
        changed: Callable[[Version], object] = lambda version: None,
        elsewhere: Elsewhere | None = None,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param reactor: provides L{IReactorThreads<twisted.internet.interfaces.IReactorThreads>} and
            L{IReactorProcess<twisted.internet.interfaces.IReactorProcess>} as well.
        @param folder: folder of the journals; without one changes are lost when this process ends.
        @param changed: called with each new version of a zone in force.
        @param elsewhere: runs work in a thread; by default in one of the reactor's.
        @param today: returns seconds since 1970.
        """
        self._clock = reactor
        self._zones = zones
        self._folder = folder
        self._changed = changed
        self._elsewhere = elsewhere or partial(inThread, reactor)
        self._compactor = Compactor(reactor, self._elsewhere)
        self._today = today
        # Signs changes of zones that are signed here; and what those are derived of that come from elsewhere.
        self.signing: Signing | None = None
        self.origins: Origins | None = None
        self._wards: dict[bytes, EditableZone] = {}
        # Those whose journals are open.
        self._opened: set[bytes] = set()

    def _find(self, apex: bytes) -> Zone | None:
        place = self._zones.at(apex)
        return place.served() if place is not None and place.state == SERVING else None

    # -- zones

    def ready(self) -> None:
        """
        @raise BadDescription: the folder for journals cannot be created.
        """
        if self._folder:
            try:
                makeStateFolder(self._folder)
            except OSError as error:
                raise BadDescription(f"state: {self._folder} cannot be used: {error.strerror or error}") from None

    @property
    def wards(self) -> list[bytes]:
        """
        The names of zones that may be changed, or were changed before.
        """
        return list(self._wards)

    def arrange(
        self,
        apex: bytes,
        zone: ZoneSettings | None,
        keys: Iterable[bytes],
        keeper: tuple[StoreJournal, Elsewhere] | None = None,
    ) -> None:
        """
        Apply the settings of one zone.

        @param zone: L{None} if it is not served any more.
        @param keys: the names of all configured keys.
        @param keeper: storage for changes used in place of a journal, and the function that runs work on it.

        @raise BadDescription: a rule is not valid, or names an unknown key; nothing has changed then.
        """
        policy = Policy() if zone is None or zone.plain else policyOf(zone, keys)
        if zone is not None and (zone.isSignedOnArrival or self._isOfFile(apex, zone, policy)):
            path = self.derivedPath(apex)
            self.permit(apex, policy, serials=zone.serial, path=path, most=zone.journalSize, keeper=keeper, isDerived=True)
            self._grant(apex, zone)
            return
        if zone is not None and (policy.rules or zone.doors):
            path = "" if keeper is not None else self._pathOf(apex)
            self.permit(apex, policy, serials=zone.serial, path=path, most=zone.journalSize, keeper=keeper)
            self._grant(apex, zone)
            return
        ward = self._wards.get(apex)
        if ward is not None and zone is not None and ward.journal is not None and len(ward.journal) and not ward.isDerived:
            # Keep the changes made earlier, although updates are not allowed any more.
            ward.policy = Policy()
            ward.doors = frozenset()
        elif ward is not None:
            self.forbid(apex)

    def _isOfFile(self, apex: bytes, zone: ZoneSettings, policy: Policy) -> bool:
        """
        Return whether a zone is signed, and is only what its master file says: clients may not change it, and never could.
        """
        isAsFile = bool(zone.file) and not policy.rules and not zone.doors
        return isAsFile and zone.isSigned and not os.path.exists(self._pathOf(apex))

    def _grant(self, apex: bytes, zone: ZoneSettings) -> None:
        ward = self._wards[apex]
        ward.grants = Grants.fromTexts(zone.allowUpdate)
        ward.doors = zone.doors
        # Clients of PowerDNS make zones without.
        ward.needsNS = not zone.isAdded

    def permit(
        self,
        apex: bytes,
        policy: Policy,
        *,
        serials: str = "increment",
        path: str = "",
        most: float | None = None,
        keeper: tuple[StoreJournal, Elsewhere] | None = None,
        isDerived: bool = False,
    ) -> None:
        """
        @param path: the path of the zone's journal; without one changes are lost when this process ends.
        @param most: maximum octets of the journal.
        @param keeper: see L{arrange}.
        @param isDerived: whether it is made of versions that come from elsewhere.
        """
        ward = self._wards.get(apex)
        if ward is not None and (ward.isDerived != isDerived or (ward.keeper != keeper and not isDerived)):
            # The zone has another source now, so the storage of its earlier changes no longer applies.
            self.forbid(apex)
            if ward.isDerived and self.signing is not None:
                # What is served is to be in an image, as clients may change it from here on.
                self._clock.callLater(0, self.signing.mended, apex)
            ward = None
        if ward is not None and ward.keeper != keeper:
            ward.keeper = keeper
            if ward.origin is not None:
                ward.origin.close()
                ward.origin = None
        if ward is None:
            self._wards[apex] = EditableZone(policy, serials, path, most, keeper=keeper, isDerived=isDerived)
        else:
            # The journal stays open at its current path.
            ward.policy, ward.serials = policy, serials

    def forbid(self, apex: bytes) -> Deferred[None]:
        """
        @return: fires when the journal of the zone is closed.
        """
        ward = self._wards.pop(apex, None)
        self._opened.discard(apex)
        closed = self._closed(ward)
        return closed if ward is None or not ward.isDerived else closed.addCallback(lambda _: _remove(ward))

    def journal(self, apex: bytes) -> Journal | None:
        ward = self._wards.get(apex)
        return None if ward is None else ward.journal

    def takesLong(self, apex: bytes) -> bool:
        """
        Return whether the journal of a zone is so long that control should return to the reactor between the steps of L{opening}.
        """
        ward = self._wards.get(apex)
        path = self._pathOf(apex) if ward is None else ward.path
        try:
            return bool(path) and os.stat(path).st_size > _LONG
        except OSError:
            return False

    def opening(self, version: Version) -> Steps:
        """
        Apply the journal to a version that was loaded from its source, in steps between which control may return to the reactor. Do this
        with each version before it is put in force.

        @return: the version to put in force.

        @raise StorageFault: the journal cannot be read, or has no record of this version although its serial number is not newer.
        @raise BadZone: the zone is served and was changed, and the loaded version has no newer serial number.
        """
        came = yield from self._opening(version)
        ward = self._wards.get(version.apex)
        journal = None if ward is None else ward.journal
        if ward is None or journal is None or journal.lost is None:
            return came
        base = came if journal.newest is not None else compacted(ward.imagePath, version, version.image.origin)
        found = base if isNewer(base.serial, came.serial) else came
        version = mended(journal, found)
        if version is not found and self.signing is not None and self.signing.isChangeable(version.apex):
            self._clock.callLater(0, self.signing.mended, version.apex)
        return version

    def _opening(self, version: Version) -> Steps:
        ward = self._wards.get(version.apex)
        if ward is None and os.path.exists(path := self._pathOf(version.apex)):
            # It was changed before, and clients were told that the changes are stored.
            self.permit(version.apex, Policy(), path=path)
            ward = self._wards[version.apex]
        if ward is None or not ward.path:
            return version
        if ward.journal is None:
            if not os.path.exists(ward.path) and (ward.isDerived or isReadOnly(self._folder)):
                return version
            ward = yield from self._read(ward, version)
        journal = ward.journal
        assert journal is not None
        newest = journal.newest
        origin = version.image.origin
        pending = None if ward.changing is None else ward.changing.superseded
        if newest is None or pending is not None:
            if (pending or journal.origin) != origin:
                self._clear(ward, version, origin)
            return version
        zone = self._find(version.apex)
        # A file that was only touched, or recompiled by another release, has the same contents; one that is signed no more has not.
        known = journal.origin == origin or (zone is None and journal.isOf(version))
        if known and zone is not None:
            # What the journal leads to may be about to be put in force.
            isSame = zone.current.serial == newest and ward.damaged is not zone.current.image
            if isSame or (ward.changing is not None and ward.changing.busy):
                return zone.current
        base = compacted(ward.imagePath, version, journal.origin)
        if known and journal.octetsSince(base.serial) is not None:
            return (yield from replaying(journal, base, lambda work: self._compactor.grown(base, journal, ward.imagePath, work)))
        if ward.isTaken or ward.isDerived:
            # The version has the changes. It is on disk, so that they are not needed here any more.
            self._clear(ward, version, origin)
            with suppress(OSError):
                os.unlink(ward.imagePath)
            return version
        if not isNewer(version.serial, newest):
            text = (
                f"{nameToText(version.apex)}: serial {version.serial} is not newer than {newest}, to which the zone was changed;"
                f" give it a newer one, or remove {ward.path}"
            )
            raise StorageFault(text) if zone is None else BadZone(text)
        _log.warn(
            "{zone}: serial {serial} is newer than {newest}, to which the zone was changed by updates, and takes its place: the updates "
            "since serial {oldest} are discarded",
            zone=nameToText(version.apex),
            serial=version.serial,
            newest=newest,
            oldest=journal.oldest,
        )
        self._clear(ward, version, origin)
        with suppress(OSError):
            os.unlink(ward.imagePath)
        return version

    def distrust(self, apex: bytes) -> None:
        """
        Mark the image of a zone in force as damaged: the next version loaded replaces it, with the changes of the journal.
        """
        ward, zone = self._wards.get(apex), self._find(apex)
        if ward is not None and zone is not None:
            ward.damaged = zone.current.image

    def isDistrusted(self, apex: bytes) -> bool:
        """
        Return whether the damaged image is still in force.
        """
        ward, zone = self._wards.get(apex), self._find(apex)
        return ward is not None and zone is not None and ward.damaged is zone.current.image

    def _clear(self, ward: EditableZone, version: Version, origin: bytes) -> None:
        """
        Clear the journal: through the commit queue if the zone is served, so that no write is interrupted.
        """
        zone = self._find(version.apex)
        changing = ward.changing if zone is None else self._changingOf(ward, zone) or ward.changing
        if changing is not None:
            changing.supersede(origin)
        elif ward.journal is not None and not ward.journal.isReadOnly:
            ward.journal.clear(origin)

    def _read(self, ward: EditableZone, version: Version) -> Generator[None, None, EditableZone]:
        journal = Journal(ward.path, version.apexName, most=ward.most, unread=True, mend=True)
        try:
            yield from journal.reading()
        except BaseException:
            journal.close()
            raise
        known = self._wards.get(version.apex)
        if known is None:
            # Updates were disallowed in the meantime.
            known = self._wards[version.apex] = ward
            ward.policy = Policy()
        known.journal = journal
        self._opened.add(version.apex)
        if journal.said:
            _log.error("{said}", said=journal.said)
        return known

    def derivedPaths(self) -> list[str]:
        """
        Return the paths of the journals of zones that are signed here and that clients do not change here.
        """
        return [ward.path for ward in self._wards.values() if ward.isDerived]

    def isRevised(self, apex: bytes) -> bool:
        """
        Return whether a zone has changes in a journal, or had.
        """
        ward = self._wards.get(apex)
        return os.path.exists(self._pathOf(apex)) if ward is None or not ward.path else os.path.exists(ward.path)

    def _pathOf(self, apex: bytes) -> str:
        return f"{self._folder}/{journalName(apex)}" if self._folder else ""

    def derivedPath(self, apex: bytes) -> str:
        """
        Return the path of the journal of a zone that is signed here and comes from elsewhere. Without its signed image it means nothing.
        """
        return f"{os.path.dirname(self._folder)}/{DERIVED}/{journalName(apex)}" if self._folder else ""

    def _changingOf(self, ward: EditableZone, zone: Zone) -> CommitQueue | None:
        """
        Return the commit queue; L{None} while an earlier one is still writing.
        """
        changing = ward.changing
        if changing is None:

            def compact(version: Version) -> Deferred[Image]:
                return self._compactor(version, ward.path, ward.imagePath)

            def opening(version: Version) -> Generator[object, Any, Transaction]:
                completion: Completion | None = None
                if self.signing is not None and self.signing.isChangeable(version.apex):
                    completion = yield from self.signing.completing(version)
                needsNS, today = ward.needsNS and not ward.isDerived, self._today()
                return Transaction(version, serials=ward.serials, now=today, needsNS=needsNS, completion=completion)

            keeper, elsewhere = (ward.journal, self._elsewhere) if ward.isDerived or ward.keeper is None else ward.keeper
            changing = ward.changing = CommitQueue(
                self._clock, zone, keeper, elsewhere,
                opening=opening, isFrozen=lambda: ward.isFrozen and not ward.isDerived,
                changed=self._changed, compact=compact if ward.path else None,
            )  # fmt: skip
        elif changing.zone is not zone:
            if changing.busy:
                return None
            changing.zone = zone
        return changing

    def _originOf(self, ward: EditableZone, apex: bytes) -> CommitQueue | None:
        """
        Return the commit queue by which clients change what a zone is derived of; L{None} while that is not there.
        """
        origins = self.origins
        zone = None if origins is None else origins.sourceOf(apex)
        if zone is None or origins is None or ward.keeper is None:
            return None
        queue = ward.origin
        if queue is None or queue.zone is not zone:
            if queue is not None and queue.busy:
                return None

            def opening(version: Version) -> Generator[object, Any, Transaction]:
                yield from ()
                # What the signer makes is none of the zone's records.
                completion, today = Unmade(), self._today()
                return Transaction(version, serials=ward.serials, now=today, needsNS=ward.needsNS, completion=completion)

            keeper, elsewhere = ward.keeper
            queue = ward.origin = CommitQueue(
                self._clock, zone, keeper, elsewhere,
                opening=opening, isFrozen=lambda: ward.isFrozen, changed=origins.changedBy,
            )  # fmt: skip
        return queue

    def _queueFor(self, ward: EditableZone, apex: bytes) -> CommitQueue | None:
        """
        Return the commit queue by which clients change a zone; L{None} while it is not loaded.

        @raise StorageFault: its journal cannot be used.
        """
        return self._originOf(ward, apex) if ward.isDerived else self._queueOf(ward, apex)

    def _queueOf(self, ward: EditableZone, apex: bytes) -> CommitQueue | None:
        """
        Return the commit queue of what is served of a zone; L{None} while it is not loaded.

        @raise StorageFault: its journal cannot be used.
        """
        zone = self._find(apex)
        if zone is not None and ward.path and ward.journal is None:
            # It was loaded before updates were allowed, or has not changed yet.
            if ward.isDerived:
                _makeFolder(ward.path)
            ward.journal = begun(ward.path, zone.current, ward.most)
            self._opened.add(apex)
        return None if zone is None else self._changingOf(ward, zone)

    # -- for the signer of a zone that clients change

    def isChanged(self, apex: bytes) -> bool:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        ward = self._wards.get(apex)
        if ward is not None and ward.isDerived:
            return False
        journal = None if ward is None else ward.journal
        return hasEntries(self._pathOf(apex), apex) if journal is None else len(journal) > 0

    def newest(self, apex: bytes) -> int | None:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        ward = self._wards.get(apex)
        if ward is None or not os.path.exists(ward.path):
            return None
        return serialBeside(ward.path) if ward.journal is None else ward.journal.newest

    def current(self, apex: bytes) -> Changed | None:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        ward = self._wards.get(apex)
        # One that only changes elsewhere has a queue from the first change on.
        zone = None if ward is None or (ward.isDerived and ward.changing is None) else self._find(apex)
        if ward is None or zone is None or (ward.journal is None and zone.current.overlay):
            return None
        return zone.current.image.path, ward.path, zone.current.serial

    def hold(self, apex: bytes) -> Deferred[Changed | None]:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        zone, ward = self._find(apex), self._wards.get(apex)
        if zone is None:
            return succeed(None)

        def held(_: object = None) -> Changed:
            if ward is not None:
                ward.isTaken = True
            current = zone.current
            return current.image.path, self._pathOf(apex) if ward is None else ward.path, current.serial

        try:
            queue = None if ward is None else self._queueOf(ward, apex)
        except StorageFault:
            return succeed(None)
        if queue is None:
            return succeed(held() if ward is None else None)
        return queue.hold().addCallback(held)

    def release(self, apex: bytes) -> None:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        ward = self._wards.get(apex)
        if ward is not None:
            if ward.changing is not None:
                ward.changing.release()
            ward.isTaken = ward.changing is not None and ward.changing.isHeld

    def follow(self, apex: bytes, changes: Changes) -> Deferred[Edited]:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        try:
            ward = self._wards.get(apex)
            queue = None if ward is None else self._queueOf(ward, apex)
        except StorageFault:
            return fail()
        if queue is None:
            return fail(StorageFault(f"{nameToText(apex)} is being loaded"))
        return queue.change(partial(followed, changes=changes), isOwn=True)

    def mayFollow(self, apex: bytes, reached: int) -> bool:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        ward = self._wards.get(apex)
        return ward is not None and ward.isDerived and self._mayOpen(apex) and self.newest(apex) in (None, reached)

    def _mayOpen(self, apex: bytes) -> bool:
        """
        Return whether the journal of a zone is open, or may be.
        """
        return apex in self._opened or len(self._opened) < _JOURNALS

    def renewable(self, apex: bytes) -> Version | None:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        ward, place = self._wards.get(apex), self._zones.at(apex)
        # One that no query has opened takes less memory until then.
        zone = None if place is None or place.unopened or place.state != SERVING else place.zone
        if ward is None or zone is None or not ward.path or (ward.isFrozen and not ward.isDerived) or zone.current.image.isSalted:
            return None
        return zone.current if self._mayOpen(apex) else None

    def standing(self, apex: bytes) -> Changed | None:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        version = self.renewable(apex)
        return None if version is None else (version.image.path, self._wards[apex].path, version.serial)

    def succeed(self, apex: bytes, change: bytes, origin: bytes) -> None:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """
        ward = self._wards.get(apex)
        try:
            queue = None if ward is None else self._queueOf(ward, apex)
            if queue is not None:
                queue.succeed(change, origin)
        except StorageFault as fault:
            text = "{zone}: secondaries get the whole zone, as what has changed cannot be kept: {fault}"
            _log.warn(text, zone=nameToText(apex), fault=fault)

    def renew(self, apex: bytes, keys: Sequence[bytes]) -> Deferred[Edited]:
        """
        See L{ChangedZones<twisted_ext.server.zones.signing.changedzones.ChangedZones>}.
        """

        def steps(transaction: Transaction) -> None:
            for key in keys:
                transaction.renew(key)

        try:
            queue = self._queueOf(self._wards[apex], apex)
        except StorageFault:
            return fail()
        if queue is None:
            return fail(StorageFault(f"{nameToText(apex)} is being loaded"))
        return queue.change(steps, isAlone=True, isOwn=True)

    # -- for changes that are not updates

    def wardOf(self, apex: bytes) -> EditableZone | None:
        return self._wards.get(apex)

    def queueOf(self, apex: bytes) -> CommitQueue:
        """
        Return the commit queue of a zone that clients may change.

        @raise StorageFault: it cannot be changed now.
        """
        ward = self._wards.get(apex)
        queue = None if ward is None else self._queueFor(ward, apex)
        if queue is None:
            raise StorageFault(f"{nameToText(apex)} is being loaded")
        return queue

    # -- shutdown

    def _closed(self, ward: EditableZone | None) -> Deferred[None]:
        if ward is not None and ward.origin is not None:
            origin, ward.origin = ward.origin, None
            return origin.close().addCallback(lambda _: self._closed(ward))
        if ward is not None and ward.changing is not None:
            return ward.changing.close()
        if ward is not None and ward.journal is not None:
            ward.journal.close()
        return succeed(None)

    def close(self) -> Deferred[None]:
        """
        @return: fires when all accepted updates are stored.
        """
        wards, self._wards = self._wards, {}
        return gatherResults([self._closed(ward) for ward in wards.values()]).addCallback(lambda each: None)


def _makeFolder(path: str) -> None:
    """
    Make the folder of a file.

    @raise StorageFault: it cannot be made.
    """
    try:
        makeStateFolder(os.path.dirname(path))
    except OSError as error:
        raise StorageFault(f"{path}: {error.strerror or error}") from None


def _remove(ward: EditableZone) -> None:
    """
    Remove the journal of a zone that is derived no more.
    """
    for path in (ward.path, ward.imagePath, f"{ward.path}.serial"):
        with suppress(OSError):
            os.unlink(path)
