"""
A zone that is signed here: which unsigned version is the last, and which image was made of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted.logger import Logger

from twisted_ext.server.zones.images.imagefiles import Built, Source, statusOf
from twisted_ext.server.zones.images.pending import ABSENT, MadeZone
from twisted_ext.wire.rrtypes import ZONEMD
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.serials import isNewer

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.zones.signing.changedzones import ChangedZones
    from twisted_ext.server.zones.signing.signer import OpenedKeys
    from twisted_ext.server.zones.update.commit import Edited

__all__ = ["Begun", "SignedZone", "UnsignedZone", "keysIn", "movedTo", "policyOf"]

_HOUR: Final = 3600

#: It is that of the door, as operators have filters by it.
_log: Final = Logger("twisted_ext.server.zones.signing.door")

#: Seconds without a change after which a zone gets its digest back, for which all of its records are read: whoever changes much does so at
#: once.
_CALM: Final = 60.0

#: How indexes of images had the policy, among other things that may have been done to a version.
_FORMERLY: Final = "sign"


class UnsignedZone(NamedTuple):
    """
    Where an unsigned version of a zone is.

    @ivar path: the file with its image.
    @ivar offset: where in the file that is; L{None} for an L{UnsignedVersion<twisted_ext.zone.sign.unsigned.UnsignedVersion>}.
    @ivar sources: what it was made from: another one of the same files with the same status has the same content.
    @ivar serial: its serial.
    """

    path: str
    offset: int | None
    sources: tuple[Source, ...]
    serial: int

    @classmethod
    def ofImage(cls, built: Built) -> UnsignedZone:
        """
        Return that of a compiled image.
        """
        return cls(built.path, built.offset, built.sources, built.serial)

    @classmethod
    def ofFiles(cls, path: str, others: Sequence[str], serial: int) -> UnsignedZone:
        """
        Return that of an L{UnsignedVersion<twisted_ext.zone.sign.unsigned.UnsignedVersion>}, as it is now.

        @param path: its image.
        @param others: its other files.
        """
        return cls(path, None, tuple([(each, *(statusOf(each) or ABSENT)) for each in (path, *others)]), serial)


class Begun(NamedTuple):
    """
    What a job signs: the serial of the unsigned version, whether it is as clients have changed it, and since when: all signatures that were
    due until then are made.
    """

    taken: int
    isEdited: bool
    at: int


class SignedZone(MadeZone):
    """
    A zone that is signed here. Its C{sources} are the folder of its keys and what is read there.

    @ivar policy: how it is signed.
    @ivar serials: how the serial of a signed version is chosen.
    @ivar origin: where it comes from, for people: a master file or a database; C{""} for primaries.
    @ivar unsigned: the version that came last; L{None} if there is none, or if it is not to be served any more.
    @ivar complaints: the problems of that, each with whether it is fatal.
    @ivar served: the image that is served; L{None} if none is that is signed.
    @ivar isStale: whether it is to be signed although nothing has changed.
    @ivar isFollowed: whether what is served was changed since it was signed as a whole, as its origin was.
    @ivar isHeld: whether changes of clients wait until it is signed.
    @ivar keys: the keys that sign what clients change; L{None} as long as nothing has changed since it was signed.
    @ivar held: see L{ZoneSettings<twisted_ext.server.config.zonesettings.ZoneSettings>}.
    @ivar renewal: when it is looked at again for signatures that are due, in seconds since 1970.
    @ivar renewed: when its signatures were last made anew because of their age, on the reactor's clock.
    @ivar turned: the image that was served then.
    @ivar since: since when what is served is, in seconds since 1970; L{None} if nothing is that is signed.
    @ivar isClockSet: whether the clock was set since it was signed last.
    @ivar isClockTold: whether what signs it now was told of that.
    @ivar asks: since when its parent has to have, or to lose, a DS record, in seconds since 1970; L{None} if it need not.
    @ivar isHeldUp: whether a key is replaced after that.
    @ivar undigested: the serial of a version that lacks its digest, and since when, on the reactor's clock; L{None} if none does.
    """

    __slots__ = (
        "policy", "serials", "origin", "unsigned", "complaints", "served", "isStale", "isFollowed", "isHeld", "keys", "held", "renewal",
        "renewed", "turned", "undigested", "since", "isClockSet", "isClockTold", "asks", "isHeldUp",
    )  # fmt: skip

    def __init__(self, zone: ZoneSettings, origin: str) -> None:
        super().__init__(zone.text, zone.name)
        self.origin = origin
        self.unsigned: UnsignedZone | None = None
        self.complaints: list[tuple[str, bool]] = []
        self.served: Built | None = None
        self.isStale = self.isFollowed = self.isHeld = False
        self.keys: OpenedKeys | None = None
        self.held = zone.held
        self.renewal = 0.0
        self.renewed = float("-inf")
        self.turned: Built | None = None
        self.undigested: tuple[int, float] | None = None
        self.since: float | None = None
        self.asks: float | None = None
        self.isHeldUp = False
        self.isClockSet = self.isClockTold = False
        self.follow(zone)

    def follow(self, zone: ZoneSettings) -> None:
        """
        Apply its settings.
        """
        assert zone.signing is not None
        self.policy = zone.signing
        self.serials = zone.serial

    def serve(self, built: Built, folder: str, today: float) -> None:
        """
        Serve an image.

        @param folder: that of the zone's keys.
        @param today: seconds since 1970.
        """
        if self.served is not built:
            self.since = today
            # Had signing failed, the next try has to be told as well.
            self.isClockSet = self.isClockSet and not self.isClockTold
        self.served = built
        self.sources = keysIn(built, folder)
        if self.policy.rolls is not None:
            from twisted_ext.server.zones.signing.rolled import noteAsked

            noteAsked(self, folder)

    @property
    def heldUp(self) -> float | None:
        """
        Since when a key is not replaced as the parent has not done its part, in seconds since 1970; L{None} if that is not so.
        """
        return self.asks if self.isHeldUp else None

    def isMade(self, built: Built, reached: Callable[[bytes], int | None]) -> bool:
        """
        Return whether an image, with the changes in its journal, is what would be made of the version that came last, with the keys that
        there are now.

        @param reached: returns the serial to which the journal of a zone leads: it may be lost, or shorter than it was.
        """
        if self.isStale or self.unsigned is None or built.made != self.policy.toText():
            return False
        count = len(self.unsigned.sources)
        if built.reached != built.serial:
            newest = reached(self.apex)
            # What clients have changed since then is behind it.
            if newest is None or isNewer(built.reached, newest):
                return False
        return self.isTaken(built) and all(statusOf(path) == (size, changed) for path, size, changed in built.sources[count:])

    def isDue(self, ends: float | None, today: float) -> bool:
        """
        Return whether all of it is to be signed, as its first signature ends too early, or was made with a clock that was ahead; or a key
        does something else now.

        @param ends: when that ends, in seconds since 1970; L{None} if that is not known yet.
        @param today: seconds since 1970.
        """
        built, validity = self.served, self.policy.validity
        # Those that end too late, or begin later, were made with a clock that was ahead, and are not valid yet.
        if ends is not None and not today + validity.least <= ends <= today + validity.signatures + _HOUR:
            return True
        return built is not None and (built.begins > today or self.isKeyDue(today))

    def isKeyDue(self, today: float) -> bool:
        """
        Return whether a key does something else now.

        @param today: seconds since 1970.
        """
        return self.served is not None and 0 < self.served.due <= today

    def isCalm(self, changes: ChangedZones | None, now: float) -> bool:
        """
        Return whether all of it is to be signed, as a change has taken its digest away, and no other one has followed for a while.

        @param now: the time on the reactor's clock.
        """
        version = None
        if self.policy.digested and changes is not None and not self.pending and not self.failed:
            version = changes.renewable(self.apex)
        if version is None or version.top.of(ZONEMD) is not None:
            self.undigested = None
            return False
        if self.undigested is None or self.undigested[0] != version.serial:
            self.undigested = version.serial, now
        return now - self.undigested[1] >= _CALM

    def newsOf(self, edited: Edited, serial: int) -> str:
        """
        Return in one line what has changed with a version that came.

        @param serial: that of the version.
        """
        changed = 0 if edited.difference is None else edited.difference.records - 2
        origin = self.origin or "its origin"
        return f"{self.zone} {edited.version.serial}: {changed} records have changed with serial {serial} of {origin}, and are signed"

    def warnOfDiscarded(self) -> None:
        """
        Log that what clients have changed is discarded.
        """
        if self.served is not None and self.unsigned is not None:
            text = (
                "{zone}: serial {serial} of {origin} takes the place of what clients have changed since serial {taken}: their changes "
                "are discarded"
            )
            serial, origin = self.unsigned.serial, self.origin or "its origin"
            _log.warn(text, zone=self.zone, serial=serial, origin=origin, taken=self.served.taken)

    def isTaken(self, built: Built) -> bool:
        """
        Return whether an image was made of the version that came last.
        """
        return self.unsigned is not None and built.sources[: len(self.unsigned.sources)] == self.unsigned.sources


def keysIn(built: Built, folder: str) -> tuple[Source, ...]:
    """
    Return the keys among the sources of a signed image, which are the last ones.

    @param folder: that of the zone's keys, which is the first of these.
    """
    paths = [path for path, _, _ in built.sources]
    return built.sources[paths.index(folder) :] if folder in paths else ()


def movedTo(path: str, built: Built) -> Built | None:
    """
    Move a signed image, as earlier releases kept it; L{None} if it does not say how it was signed.

    @raise OSError: it cannot be moved.
    """
    policy = policyOf(built)
    if policy is None:
        return None
    os.rename(built.path, path)
    numbers = 0, built.octets, built.serial, built.records
    return Built(built.zone, path, *numbers, built.sources, policy.toText(), built.due, built.begins)


def policyOf(built: Built) -> SigningPolicy | None:
    """
    Return how an image was signed; L{None} if it was not, or the index does not say how.
    """
    try:
        said = json.loads(built.made)
        return SigningPolicy.fromTable(said.get(_FORMERLY, said))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
