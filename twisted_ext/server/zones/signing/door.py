"""
The door for zones that are signed here: an unsigned version goes in, whatever it comes from, and comes into force once another process has
signed it. When it has to be signed again, by age, by another key or policy, what it came from is not touched.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from twisted_ext.errors import DNSFault, StorageFault
from twisted_ext.server.zones.images.compilers import Job, Result, builtFrom, complaintsOf, sourcesOf
from twisted_ext.server.zones.images.imagefiles import Built, Images, statusOf
from twisted_ext.server.zones.images.loadinglog import LoadingLog, news, outcome
from twisted_ext.server.zones.images.pending import ABSENT, MadeZone, Reload
from twisted_ext.server.zones.signing.changedzones import ChangedZones
from twisted_ext.server.zones.signing.changesigners import ChangeSigners
from twisted_ext.server.zones.signing.renewal import Renewal
from twisted_ext.server.zones.signing.rolled import confirmServed
from twisted_ext.server.zones.signing.serialnotes import SerialNotes
from twisted_ext.server.zones.signing.signedzone import Begun, SignedZone, UnsignedZone, keysIn, movedTo, policyOf
from twisted_ext.server.zones.signing.wholejobs import Ahead, WholeJobs
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.zone.sign.completer import Changes, Whole
from twisted_ext.zone.store.serials import isNewer
from twisted_ext.zone.update.transactions import contentOf

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.zones.images.publish import ZonePublisher
    from twisted_ext.server.zones.signing.signer import Signer
    from twisted_ext.server.zones.update.commit import Changed, Edited
    from twisted_ext.zone.sign.incremental import ChangeSigner
    from twisted_ext.zone.store.version import Version

__all__ = ["SigningDoor"]

Took = Callable[[SignedZone, Begun, list[Result]], None]

_log: Final = Logger(__name__)


class SigningDoor:
    """
    The zones that are signed here, by their folded names.

    @ivar images: the signed images; C{notes} has the folders with their keys.
    @ivar changes: what clients have changed since then; L{None} while they may not change any zone.
    """

    def __init__(
        self,
        images: Images,
        keys: str,
        publisher: ZonePublisher,
        told: LoadingLog,
        add: Callable[[Job], object],
        put: Callable[[MadeZone, str | None], object],
        signer: Callable[[], Signer],
    ) -> None:
        """
        @param keys: the folder with the keys, in one for each zone.
        @param told: the log of what becomes of zones.
        @param add: has another process do a job.
        @param put: puts a zone off: with the reason if no process could be started, with L{None} if what failed may do later.
        @param signer: makes the process with the keys.
        """
        self.images = images
        self.notes = SerialNotes(keys)
        self._publisher = publisher
        self._told = told
        self._add = add
        self._putOff = put
        self._signers = ChangeSigners(signer, publisher.today)
        self._zones: dict[bytes, SignedZone] = {}
        # Of zones that clients change; None while there are none.
        self.changes: ChangedZones | None = None
        self._jobs = WholeJobs(images, self.notes, publisher)
        self._renewal = Renewal(publisher.reactor, images, keys, publisher.today)
        self._servesUnsigned = True

    def __len__(self) -> int:
        return len(self._zones)

    def __iter__(self) -> Iterator[SignedZone]:
        return iter(self._zones.values())

    def at(self, apex: bytes) -> SignedZone | None:
        return self._zones.get(apex)

    # -- settings

    def follow(self, settings: ZoneSettings, origin: str) -> SignedZone:
        """
        Sign a zone from now on, or otherwise than before.

        @param origin: where it comes from, for people.
        """
        zone = self._zones.get(settings.name)
        if zone is None or zone.zone != settings.text:
            former, zone = zone, SignedZone(settings, origin)
            self._zones[zone.apex] = zone
            if former is not None:
                # It is written otherwise now, and so are the names in it, unless clients have changed it.
                zone.served = former.served
                self.images.rename(former.zone, zone.zone)
                zone.isStale = True
                former.leave()
        zone.origin = origin
        zone.follow(settings)
        self._withhold(zone)
        return zone

    def hold(self, apex: bytes, said: str) -> None:
        """
        Serve a zone with a remark: that nothing names it any more.
        """
        zone = self._zones.get(apex)
        if zone is not None:
            zone.held = said

    def leave(self, apex: bytes) -> int | None:
        """
        Sign a zone no longer. What clients have changed is kept.

        @return: the serial of the signed version; L{None} if there was none.
        """
        zone = self._zones.pop(apex, None)
        if zone is None:
            return None
        zone.leave()
        built = self.images.of(zone.zone)
        if built is not None:
            self._drop([built])
        return None if built is None else built.serial

    def sweep(self) -> list[Built]:
        """
        Remove the images of zones that are not signed any more, and return what they were. To be called once all zones are known.
        """
        texts = {zone.zone for zone in self._zones.values()}
        gone = [built for built in self.images if built.zone not in texts]
        self._drop(gone)
        return gone

    def _drop(self, several: Iterable[Built]) -> None:
        """
        Remove images, but those with what clients have changed: nothing else has that.
        """
        kept = [built for built in several if self._hasChanges(built)]
        for built in kept:
            text = "{zone}: what clients have changed since it was signed of serial {taken} is kept in {path}, for when it is signed again"
            _log.warn(text, zone=built.zone, taken=built.taken, path=built.path)
        self.images.forget(*[built.zone for built in several if built not in kept])

    def _hasChanges(self, built: Built) -> bool:
        """
        Return whether clients have changed a zone since it was signed, or may have: signatures that were made anew are no such change.
        """
        apex = nameFromText(built.zone).lower()
        return built.isEdited or (self._hasJournal(apex) and self._reached(apex) != built.reached)

    def _hasJournal(self, apex: bytes) -> bool:
        return self.changes is not None and self.changes.isChanged(apex)

    def serveUnsigned(self, serves: bool) -> None:
        """
        @param serves: whether a zone that is to be signed from now on is served without signatures until it is.
        """
        self._servesUnsigned = serves
        for zone in self._zones.values():
            self._withhold(zone)

    def _withhold(self, zone: SignedZone) -> None:
        if not self._servesUnsigned and self.isUnsigned(zone.apex):
            self._publisher.gone(zone.apex)
            self._publisher.expect(zone.apex, zone.origin)

    # -- unsigned versions

    def adopt(self, former: Iterable[Built]) -> None:
        """
        Take signed images over that are among those of unsigned zones, where earlier releases kept them.
        """
        for built in former:
            with suppress(OSError):
                if (moved := movedTo(self.images.newPath(), built)) is not None:
                    self.images.note([moved])

    def standIn(self, apex: bytes) -> None:
        """
        Serve the signed version that there is, while nothing is known of the unsigned one: its signatures are valid, and the next version
        may lack a key.
        """
        zone = self._zones[apex]
        built = self._usable(zone)
        if built is not None and zone.served is None:
            self._serve(zone, built)

    def take(
        self,
        apex: bytes,
        unsigned: UnsignedZone,
        reloads: Iterable[Reload] = (),
        complaints: Iterable[tuple[str, bool]] = (),
    ) -> None:
        """
        Serve an unsigned version, once it is signed. If it was signed before, and what it is signed with is unchanged, that is now.

        @param reloads: requests that wait for it.
        @param complaints: what is wrong with it.
        """
        zone = self._zones[apex]
        zone.unsigned = unsigned
        zone.complaints = [*complaints]
        zone.reloads += reloads
        built = self._usable(zone)
        isMade = built is not None and zone.isMade(built, self._reached)
        if built is not None and (isMade or zone.served is None):
            isMade = self._serve(zone, built) and isMade
            if zone.served is None and self._isOnly(zone):
                return
        if wrong := self._whyNot(zone):
            self._failed(zone, [*zone.complaints, (wrong, True)], wrong)
            zone.leave()
            return
        if not isMade or zone.pending:
            self.sign(zone)
            return
        zone.failed = False
        zone.leave()

    def takeImage(
        self,
        built: Built,
        reloads: Iterable[Reload],
        complaints: Iterable[tuple[str, bool]],
        former: Built | None = None,
        names: Iterable[bytes] = (),
    ) -> None:
        """
        Serve the version in an image, once it is signed: only what differs from a former one, if what is served was made of that.

        @param reloads: see L{take}, as for C{complaints}.
        @param former: the image with which it was compared; L{None} if it was not.
        @param names: the keys of the names that differ.
        """
        unsigned, apex = UnsignedZone.ofImage(built), nameFromText(built.zone).lower()
        zone = self._zones[apex]
        before = None if former is None else UnsignedZone.ofImage(former)
        if zone.unsigned is None:
            zone.unsigned = before
        version: Version | None = None
        # A digest is for all records, and comes back a minute after a change: a zone that has one is signed as a whole.
        if before is not None and zone.unsigned == before and not zone.policy.digested and not self._isEdited(zone):
            with suppress(DNSFault, OSError):
                version = self._publisher.versionIn(apex, built)
        if version is None:
            self.take(apex, unsigned, reloads, complaints)
            return
        zone.complaints = [*complaints]
        zone.reloads += reloads
        self.takeChanges(apex, unsigned, contentOf(version, names))

    def takeChanges(self, apex: bytes, unsigned: UnsignedZone, changes: Changes) -> Deferred[None]:
        """
        Serve an unsigned version that differs from the one before in some names only, of which what they touch is signed.

        @param changes: all records of each of these names.

        @return: fires once it is in force, or is to be signed as a whole.
        """
        zone = self._zones[apex]
        built = zone.served
        isReady = built is not None and not zone.pending and not zone.failed and zone.isMade(built, self._reached)
        if self.changes is None or built is None or not isReady or not self.changes.mayFollow(apex, built.reached):
            self.take(apex, unsigned, complaints=zone.complaints)
            return succeed(None)
        zone.unsigned = unsigned
        following = self.changes.follow(apex, changes)
        return following.addCallbacks(self._followed, self._unfollowed, (zone, built, unsigned), {}, (zone, unsigned))

    def _reached(self, apex: bytes) -> int | None:
        return None if self.changes is None else self.changes.newest(apex)

    def _followed(self, edited: Edited, zone: SignedZone, built: Built, unsigned: UnsignedZone) -> None:
        if zone.served is not built or zone.unsigned is not unsigned:
            # It was signed again meanwhile, of this version or a later one.
            return
        zone.isFollowed = True
        built.sources = (*unsigned.sources, *keysIn(built, self.notes.keysOf(zone.apex)))
        built.taken, built.reached = unsigned.serial, edited.version.serial
        self.images.note([built])
        self._publisher.confirm(zone.apex)
        self._told.served(zone, zone.complaints, partial(zone.newsOf, edited, unsigned.serial))
        zone.complaints = []
        zone.leave()

    def _unfollowed(self, failure: Failure, zone: SignedZone, unsigned: UnsignedZone) -> None:
        if not isinstance(failure.value, DNSFault):
            _log.failure("what has changed in {zone} cannot be signed", failure, zone=zone.zone)
        elif not isinstance(failure.value, Whole):
            _log.warn("{zone}: the whole zone is signed, not what has changed: {fault}", zone=zone.zone, fault=failure.value)
        if self._zones.get(zone.apex) is zone and zone.unsigned is unsigned:
            self.sign(zone)

    def _whyNot(self, zone: SignedZone) -> str:
        """
        Return why the version that came last does not take the place of what clients have changed; C{""} if it may.
        """
        built, unsigned = zone.served, zone.unsigned
        if built is None or unsigned is None or not self._isEdited(zone) or zone.isTaken(built) or isNewer(unsigned.serial, built.taken):
            return ""
        where = zone.origin or zone.zone
        return (
            f"{where}: serial {unsigned.serial} is not newer than {built.taken}, which it had when clients changed the zone; give it a "
            "newer one to discard their changes"
        )

    def _isEdited(self, zone: SignedZone) -> bool:
        """
        Return whether clients have changed what was made of the last unsigned version.
        """
        return zone.served is not None and self._hasChanges(zone.served)

    def withdraw(self, apex: bytes) -> None:
        """
        Serve a zone no longer, until another version of it comes: not one either that is being signed.
        """
        zone = self._zones.get(apex)
        if zone is not None:
            zone.unsigned = zone.served = None
            zone.leave()

    def _usable(self, zone: SignedZone) -> Built | None:
        """
        Return the image of a zone whose signatures were made here, and of which none ends soon: when it was made, or its journal said last,
        each had at least so long left. One with what clients have changed is of use in any case, as nothing else has that.
        """
        built = self.images.of(zone.zone)
        policy = None if built is None else policyOf(built)
        found = None if built is None or policy is None else statusOf(built.path)
        if built is None or policy is None or found is None:
            return None
        made = built.renewed if built.isWhole(self._reached(zone.apex)) else found[1] / 1e9
        isFresh = self._publisher.today() - made < policy.validity.signatures - policy.validity.renew
        return built if isFresh or self._hasChanges(built) else None

    def _serve(self, zone: SignedZone, built: Built) -> bool:
        """
        Serve an image; return whether that can be done.
        """
        try:
            self._publisher.loaded(zone.apex, zone.origin, built)
        except (DNSFault, OSError) as fault:
            if self._hasChanges(built):
                self._failed(zone, [(str(fault), True)], str(fault))
                return False
            _log.warn("{zone}: it is signed anew: {fault}", zone=zone.zone, fault=fault)
            self.images.forget(zone.zone)
            return False
        zone.serve(built, self.notes.keysOf(zone.apex), self._publisher.today())
        if zone.held:
            self._publisher.failed(zone.apex, zone.held)
        return True

    def _isOnly(self, zone: SignedZone) -> bool:
        """
        Return whether an image that cannot be served now has what clients have changed: nothing else is served then, and it is tried again.
        """
        built = self.images.of(zone.zone)
        if built is None or not self._hasChanges(built):
            return False
        zone.failed = True
        self._putOff(zone, None)
        zone.leave()
        return True

    # -- signing

    def sign(self, zone: SignedZone, reload: Reload | None = None) -> None:
        """
        Have the version that came last signed.

        @param reload: a request that waits for it.
        """
        if reload is not None:
            reload.left += 1
            zone.reloads.append(reload)
        if zone.pending:
            zone.again = True
        elif zone.unsigned is None:
            zone.leave()
        elif zone.served is None and (built := self._usable(zone)) is not None and not self._serve(zone, built) and self._isOnly(zone):
            pass
        else:
            zone.pending = True
            isKept = self._isKept(zone)
            current = None if self.changes is None else self.changes.current(zone.apex)
            if self.changes is not None and isKept and current is None:
                self.changes.hold(zone.apex).addCallback(self._held, zone)
                return
            if not isKept and self._isEdited(zone):
                zone.warnOfDiscarded()
            # Further changes go on meanwhile.
            changed = current if isKept else None
            self._begin(zone, zone.unsigned, changed, took=self._took if current is None else partial(self._tookAhead, changed))

    def _isKept(self, zone: SignedZone) -> bool:
        """
        Return whether what clients have changed is to be signed, not the version that came last.
        """
        return self._isEdited(zone) and not self._isReplaced(zone)

    def _isReplaced(self, zone: SignedZone) -> bool:
        """
        Return whether the version that came last takes the place of the one that is served, and of what clients have changed.
        """
        return zone.served is None or (not zone.isTaken(zone.served) and not self._whyNot(zone))

    def _tookAhead(self, changed: Changed | None, zone: SignedZone, begun: Begun, results: list[Result]) -> None:
        """
        Serve what was signed, if the zone has not changed meanwhile. Else it is signed once more, with the signatures that there are now,
        for which further changes wait: that takes a fraction of the time.

        @param changed: the version that was signed; L{None} for the one that came last.
        """
        isMade = any(result.get("image") and result.get("made") == zone.policy.toText() for result in results)
        # The image or the journal may have been replaced before they were read.
        isLate = changed is not None and any(result.get("again") for result in results)
        isHere = self._zones.get(zone.apex) is zone and zone.unsigned is not None
        if self.changes is None or not isHere or not (isMade or isLate):
            self._took(zone, begun, results)
        else:
            ahead = Ahead(changed, begun, results) if isMade else None
            self.changes.hold(zone.apex).addCallback(self._held, zone, ahead)

    def _held(self, changed: Changed | None, zone: SignedZone, ahead: Ahead | None = None) -> None:
        """
        Have a version signed, and served, while changes of clients wait.

        @param changed: the one in force; L{None} if that is not known.
        @param ahead: what was signed before they did.
        """
        zone.isHeld = changed is not None
        isKept, wrong = self._isKept(zone), self._whyNot(zone)
        if changed is not None and zone.unsigned is not None and self._zones.get(zone.apex) is zone:
            if ahead is None:
                self._begin(zone, zone.unsigned, changed if isKept else None)
                return
            if ahead.isLast(changed, isKept):
                self._took(zone, ahead.begun, ahead.results)
                return
            if ahead.changed is not None or not wrong:
                self._begin(zone, zone.unsigned, changed if isKept else None, ahead.path, partial(self._tookLast, ahead.path))
                return
        self._release(zone)
        zone.pending = False
        if ahead is not None:
            self.images.discard(ahead.path)
        if changed is None or wrong:
            said = wrong or "what clients have changed cannot be read; that is tried again"
            self._failed(zone, [], said)
        if changed is None:
            self._putOff(zone, None)
        zone.leave()

    def _tookLast(self, path: str, zone: SignedZone, begun: Begun, results: list[Result]) -> None:
        self._took(zone, begun, results)
        self.images.discard(path)

    def _begin(self, zone: SignedZone, unsigned: UnsignedZone, changed: Changed | None, ahead: str = "", took: Took | None = None) -> None:
        """
        Have a whole zone signed.

        @param changed: see L{WholeJobs.of}, as for C{ahead}.
        @param took: takes the results; by default they are served.
        """
        served = zone.served if changed is not None else None
        begun = Begun(unsigned.serial if served is None else served.taken, changed is not None, int(self._publisher.today()))
        standing = changed
        if changed is None and self.changes is not None and zone.served is not None:
            standing = self.changes.standing(zone.apex)
        job = self._jobs.of(zone, unsigned, changed, standing, self._reached(zone.apex), ahead)
        job.took = partial(took or self._took, zone, begun)
        self._add(job)

    def _release(self, zone: SignedZone) -> None:
        if zone.isHeld:
            zone.isHeld = False
            assert self.changes is not None
            self.changes.release(zone.apex)

    def settled(self, apex: bytes) -> Deferred[list[str]]:
        """
        @return: fires once a zone is not being signed.
        """
        zone, reload = self._zones.get(apex), Reload()
        if zone is not None and zone.pending:
            reload.left = 1
            zone.reloads.append(reload)
        reload.begin()
        return reload.done

    def signSome(self, several: Iterable[MadeZone]) -> None:
        """
        Have those of some zones signed that are signed here, unless another version of them is being made.
        """
        others = {each.zone for each in several if not isinstance(each, SignedZone)}
        for zone in several:
            if isinstance(zone, SignedZone) and zone.zone not in others:
                self.sign(zone)

    def signAnew(self, apex: bytes, reload: Reload | None = None) -> bool:
        """
        Have a zone signed although nothing has changed; return whether it is signed here.
        """
        zone = self._zones.get(apex)
        if zone is None:
            return False
        zone.isStale = True
        if reload is not None:
            self.sign(zone, reload)
        return True

    def _took(self, zone: SignedZone, begun: Begun, results: list[Result]) -> None:
        # The zone may be held once more by then, for the next time that it is signed.
        wasHeld, zone.isHeld = zone.isHeld, False
        try:
            self._takeAll(zone, begun, results)
        finally:
            if wasHeld and self.changes is not None:
                self.changes.release(zone.apex)

    def _takeAll(self, zone: SignedZone, begun: Begun, results: list[Result]) -> None:
        for result in results:
            if self._zones.get(zone.apex) is not zone or zone.unsigned is None:
                # It is signed no more, or not to be served.
                zone.pending = zone.again = False
            else:
                try:
                    self._result(zone, result, begun)
                except Exception:
                    _log.failure("{zone} cannot be served", zone=zone.zone)
                    zone.failed = True
                    zone.leave(f"{zone.zone}: cannot be served; the log says why")
            if result.get("image"):
                self.images.discard(str(result["image"]))

    def _result(self, zone: SignedZone, result: Result, begun: Begun) -> None:
        zone.pending, again = False, zone.again
        zone.again = False
        said = complaintsOf(result)
        first = next((line for line, fatal in said if fatal), "")
        if result.get("unstarted"):
            self._putOff(zone, first)
            return
        if result.get("image") and result.get("made") != zone.policy.toText():
            # It is to be signed otherwise by now.
            self.sign(zone)
            return
        if not result.get("image"):
            self._failed(zone, [*zone.complaints, *said], first)
        else:
            built = builtFrom(zone.zone, result, sourcesOf(result))
            built.taken, built.isEdited, built.renewed = begun
            self._signed(zone, built, result)
        # What came meanwhile may have been read already.
        if again and not (zone.served is not None and zone.isMade(zone.served, self._reached)):
            self.sign(zone)
            return
        if zone.failed and result.get("again"):
            # Such as a full disk: it is not the zone that has to change.
            self._putOff(zone, None)
        zone.leave()

    def _signed(self, zone: SignedZone, built: Built, result: Result) -> None:
        before = None if zone.served is None else self._publisher.serial(zone.apex)
        if said := self._jobs.keep(zone, built, b64decode(str(result.get("change") or "")), self.changes):
            self._failed(zone, [(said, True)], said)
            self._putOff(zone, None)
            return
        if not self._serve(zone, built):
            self._failed(zone, zone.complaints, "its signed image cannot be used; the log says why")
            return
        zone.failed = zone.isStale = zone.isFollowed = False
        self._signers.forget(zone)
        if confirmServed(zone, built, keys := self.notes.keysOf(zone.apex), self._publisher.today()) or not built.isEdited:
            self.images.note([built])
            zone.sources = keysIn(built, keys)
        self.notes.note(zone.zone, zone.apex, built.serial)
        self._told.served(zone, zone.complaints, lambda: news(zone.zone, built, self._publisher.serial(zone.apex), before))
        zone.complaints = []
        lines = result.get("signed")
        for line in lines if isinstance(lines, list) else []:
            _log.info("{zone}: {said}", zone=zone.zone, said=line)

    # -- changes

    def isChangeable(self, apex: bytes) -> bool:
        """
        See L{Signing<twisted_ext.server.zones.update.editablezones.Signing>}.
        """
        return apex in self._zones

    def completing(self, version: Version) -> Generator[object, Any, ChangeSigner]:
        """
        Return what signs a change of a zone, in steps: for the first one the keys are opened.

        @raise KeyFault: the keys cannot be used.
        @raise StorageFault: the zone is not signed yet.
        """
        zone = self._zones.get(version.apex)
        if zone is None or zone.served is None:
            raise StorageFault(f"{nameToText(version.apex)} is not signed yet")
        return (yield from self._signers.of(zone, zone.served, self.notes.keysOf(zone.apex), version))

    def mended(self, apex: bytes) -> None:
        """
        Have a zone signed whose journal was damaged: the SOA record that it got has no signature.
        """
        zone = self._zones.get(apex)
        if zone is not None:
            zone.isStale = True
            self.sign(zone)

    def close(self) -> None:
        """
        End the process with the keys.
        """
        self._signers.close()
        self.images.close()

    def _failed(self, zone: SignedZone, complaints: list[tuple[str, bool]], first: str) -> None:
        zone.failed = True
        keys = self.notes.keysOf(zone.apex)
        # What is missing may be put back, and what others may read be closed to them.
        zone.sources = tuple([(path, *(statusOf(path) or ABSENT)) for path in dict.fromkeys([keys, *[each[0] for each in zone.sources]])])
        serial, isBare = self._publisher.serial(zone.apex), self.isUnsigned(zone.apex)
        self._publisher.failed(zone.apex, f"served without signatures, as it cannot be signed: {first}" if isBare else first)
        self._told.broken(zone, complaints or [(first, True)], f"{zone.zone}: {outcome(serial, isBare)}")

    def changed(self, reload: Reload) -> Iterator[None]:
        """
        Have zones signed that could not be, or that have other keys than before, in short steps.

        @param reload: waits for them.
        """
        for zone in [*self._zones.values()]:
            if zone.failed or not zone.current:
                self.sign(zone, reload)
            yield

    # -- what is served

    def isUnsigned(self, apex: bytes) -> bool:
        """
        Return whether a zone that is to be signed is served in a version that is not.
        """
        zone = self._zones.get(apex)
        return zone is not None and zone.served is None and self._publisher.serial(apex) is not None

    def unsigned(self) -> list[bytes]:
        """
        Return the zones of which L{isUnsigned} is true.
        """
        return [apex for apex in self._zones if self.isUnsigned(apex)]

    def overdue(self, apex: bytes) -> float | None:
        """
        Return how many seconds the first signature of a zone has left when it should have been made anew before; L{None} if the zone is not
        signed here.
        """
        zone = self._zones.get(apex)
        return None if zone is None else float(zone.policy.validity.overdue)

    def renew(self, now: float) -> None:
        """
        Have zones signed whose first signature ends earlier than the policy says, or whose keys do something else now, or whose signatures
        were made with a clock that was ahead. Each is tried once in a while only, as signing it may fail.

        @param now: the time on the reactor's clock, which does not change when the time is set.
        """
        # Each change makes some of the signatures anew, so that the first one of an earlier version ends no later.
        ends = [self._publisher.ends(zone.apex, ofFormer=zone.isFollowed or self._isEdited(zone)) for zone in self]
        for zone in self._renewal.due(zip(self, ends, strict=True), self.changes, now):
            zone.isStale = True
            self.sign(zone)
        if self.changes is not None:
            self._renewal.look(self._zones.values(), self.changes)
