"""
Replays journals on zones loaded from their sources, one step at a time, so that queries are answered in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from twisted_ext.errors import BadChange, BadImage, BudgetSpent, DNSFault, StorageFault
from twisted_ext.wire.names import ROOT, nameToText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.zone.store.journal import Journal
    from twisted_ext.zone.store.version import Version

__all__ = ["Aside", "JournalReplays", "Steps", "begun", "compacted", "finished", "journalName", "replaying"]

#: Characters of a file name before its suffix.
_MOST_NAME: Final = 200

_log: Final = Logger(__name__)


@dataclass(slots=True, eq=False)
class Aside:
    """
    A step that takes seconds.

    @ivar now: does it, and returns the resulting version.
    @ivar later: does it in the background, and returns a Deferred for the version. Cancelling that ends it.
    """

    now: Callable[[], Version]
    later: Callable[[], Deferred[Version]]


#: Generator of steps that returns a version; control may return to the reactor between steps. For each L{Aside} that it yields, the
#: caller sends the resulting version.
Steps = Generator["Aside | None", "Version | None", "Version"]


def finished(steps: Steps) -> Version:
    """
    Run all steps at once.
    """
    came: Version | None = None
    while True:
        try:
            aside = steps.send(came)
        except StopIteration as end:
            return cast("Version", end.value)
        came = None if aside is None else aside.now()


def compacted(path: str, version: Version, origin: bytes) -> Version:
    """
    Return the version in the image that was last built from a journal, or C{version} if the image is missing or has another origin.
    """
    from twisted_ext.zone.store.image import Image
    from twisted_ext.zone.store.version import Version

    try:
        image = Image.open(path)
    except FileNotFoundError:
        return version
    except (BadImage, OSError) as fault:
        _log.error("{fault}", fault=fault)
        return version
    return Version(image) if image.apex == version.apex and image.origin == origin else version


def begun(path: str, version: Version, most: float | None = None) -> Journal:
    """
    Open the journal of a zone that is already in force, or create it.

    @param most: maximum octets.

    @return: the journal, with no changes beyond this version.

    @raise StorageFault: it cannot be written, or an existing one leads to another serial number.
    """
    from twisted_ext.zone.store.journal import Journal

    journal = Journal(path, version.apexName, most=most, mend=True)
    try:
        if journal.newest is None:
            if version.overlay:
                raise StorageFault(f"{path}: has no changes, and the zone has been changed; it can be once it is loaded or signed again")
            journal.clear(version.image.origin)
        elif journal.newest != version.serial:
            raise StorageFault(f"{path}: leads to serial {journal.newest}, and the zone has {version.serial}; reload the zone")
    except StorageFault:
        journal.close()
        raise
    return journal


def mended(journal: Journal, version: Version) -> Version:
    """
    Recover from a damaged journal as far as possible: apply the changes found after the damage, and give the zone a serial number newer
    than its last one, so that its secondaries transfer it.

    @param version: the result of the intact part of the journal, or an image or a master file if there is none.

    @raise StorageFault: the journal cannot be written.
    """
    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.serials import isNewer, nextSerial, withSerial
    from twisted_ext.zone.update.transactions import Transaction

    lost, text = journal.lost, nameToText(version.apexName)
    found = [difference for difference in journal.recovered if isNewer(difference.newSerial, version.serial)]
    journal.lost, journal.recovered = None, []
    if lost is None or not (found or isNewer(lost, version.serial)):
        # The master file is newer, or the image contains all changes.
        return version
    serial = nextSerial(lost if isNewer(lost, version.serial) else version.serial)
    soa = version.soa
    for differences in (found, []):
        transaction = Transaction(version)
        try:
            for difference in differences:
                for removed in difference.removed:
                    transaction.remove(removed)
                for added in difference.added:
                    transaction.add(added)
            transaction.replace(RRSet(soa.name, soa.rrType, soa.rrClass, soa.ttl, (withSerial(soa.rdatas[0], serial),)))
            done = transaction.commit()
        except (BadChange, BudgetSpent) as fault:
            _log.error("{zone}: changes after the damage in its journal cannot be applied: {fault}", zone=text, fault=fault)
            continue
        assert done is not None
        after, change = done
        journal.append([change])
        said = (
            "{zone}: its journal led to serial {lost} and is sound up to serial {sound}; {found} later changes were found and applied,"
            " others are lost. The zone continues with serial {serial}"
        )
        _log.error(said, zone=text, lost=lost, sound=version.serial, found=len(differences), serial=serial)
        return after
    return version


def replaying(journal: Journal, version: Version, grow: Callable[[Callable[[], Version]], Deferred[Version]]) -> Steps:
    """
    Apply a journal of any length to a version.

    @param grow: builds a new image from both, if there are so many changes that one is due: by calling its argument, or in another way.

    @raise StorageFault: see L{Journal.replayed}.
    """
    try:
        return (yield from journal.replaying(version))
    except BudgetSpent:
        # The image with most of the changes is gone.
        from twisted_ext.zone.store.journaled import brought

        def now() -> Version:
            return brought(version, journal.since(version.serial) or ())

        came = yield Aside(now, lambda: grow(now))
        assert came is not None
        return came


def journalName(apex: bytes, ending: str = ".journal") -> str:
    """
    Return the file name for the journal of a zone, or something else of it: the zone's name, or a hash of it if it is too long.
    """
    text = quote(nameToText(apex, final=False), safe="") if apex != ROOT else "@"
    return f"{text if len(text) <= _MOST_NAME else sha256(apex).hexdigest()}{ending}"


class JournalReplays:
    """
    The zones whose journals are being replayed.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._going: dict[bytes, Deferred[None]] = {}

    def __contains__(self, apex: bytes) -> bool:
        return apex in self._going

    def begin(self, apex: bytes, steps: Steps, done: Callable[[Version], object], failed: Callable[[str], object]) -> None:
        """
        Replay the journal of a zone, one step per turn of the reactor. An earlier replay of the same zone is cancelled.

        @param done: called with the resulting version. May raise L{DNSFault} and L{OSError}.
        @param failed: called instead with the error, in one line.
        """
        self.cancel(apex)
        self._going[apex] = Deferred.fromCoroutine(self._replay(apex, steps, done, failed))

    async def _replay(self, apex: bytes, steps: Steps, done: Callable[[Version], object], failed: Callable[[str], object]) -> None:
        try:
            try:
                version = await self._run(steps)
            finally:
                steps.close()
                self._going.pop(apex, None)
            done(version)
        except CancelledError:
            return
        except (DNSFault, OSError) as fault:
            failed(str(fault))
        except Exception as error:
            _log.failure("the journal of {zone} cannot be replayed", zone=nameToText(apex))
            failed(repr(error))

    async def _run(self, steps: Steps) -> Version:
        await deferLater(self._clock, 0)
        came: Version | None = None
        while True:
            try:
                aside = steps.send(came)
            except StopIteration as end:
                return cast("Version", end.value)
            if aside is not None:
                came = await aside.later()
            else:
                came = None
                await deferLater(self._clock, 0)

    def cancel(self, apex: bytes) -> None:
        going = self._going.pop(apex, None)
        if going is not None:
            going.cancel()

    def close(self) -> None:
        for apex in list(self._going):
            self.cancel(apex)
