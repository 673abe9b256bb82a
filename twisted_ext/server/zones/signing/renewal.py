"""
Says which zones are to be signed anew as a whole, and makes signatures anew before they end, a few names at a time: those of one of four
thousand buckets, when that is due.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from twisted_ext.dnssec.privatekeys.validity import BUCKETS
from twisted_ext.errors import DNSFault
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.zones.images.imagefiles import statusOf
from twisted_ext.wire.rrtypes import RRSIG
from twisted_ext.zone.sign.clock import noteClock

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.dnssec.privatekeys.validity import Validity
    from twisted_ext.server.zones.images.imagefiles import Built, Images
    from twisted_ext.server.zones.signing.changedzones import ChangedZones
    from twisted_ext.server.zones.signing.signedzone import SignedZone
    from twisted_ext.server.zones.update.commit import Edited
    from twisted_ext.zone.store.version import Version

__all__ = ["Renewal"]

#: Buckets that are made anew one by one at most: an eighth of all. Of a zone with more, such as after the server was down for days, all
#: signatures that are due are made by another process, with the whole zone.
_MOST: Final = BUCKETS // 8

#: Seconds until a zone whose signatures end too early, and which could not be signed, is tried again: a key may be missing for a while.
_PAUSE: Final = 600.0

#: Seconds by which the clock may be adjusted between two looks without all zones being looked at: signatures are good for days.
_STEP: Final = 60.0

#: Seconds until a zone is looked at again: one with so many records that each bucket has names, or that could not be signed, and others, of
#: which there may be very many. A bucket has some hours until the whole zone is signed instead.
_SOON: Final = 60.0
_LATER: Final = 3600.0
_LARGE: Final = 10_000

#: Names whose signatures are made together: a turn of two milliseconds, and a difference of some 13 KB with two signatures each.
_NAMES: Final = 30

#: Where the expiration is in an RRSIG record (RFC 4034, section 3.1).
_EXPIRATION: Final = slice(8, 12)

_UINT32: Final = 0xFFFFFFFF

_log: Final = Logger(__name__)


class Renewal:
    """
    One zone after the other, and one bucket after the other.
    """

    def __init__(self, reactor: IReactorTime, images: Images, keys: str, today: Callable[[], float]) -> None:
        """
        @param images: the signed images, which say until when that was done.
        @param keys: the folder with the keys, in one for each zone.
        @param today: returns seconds since 1970.
        """
        self._keys = keys
        self._reactor = reactor
        self._images = images
        self._today = today
        self._isRunning = False
        # How far the time is ahead of the reactor's clock.
        self._ahead: float | None = None

    def due(self, zones: Iterable[tuple[SignedZone, float | None]], changes: ChangedZones | None, now: float) -> list[SignedZone]:
        """
        Return zones that are to be signed as a whole, each once in a while only, as signing it may fail.

        @param zones: each with when its first signature ends, see L{SignedZone.isDue}.
        @param now: the time on the reactor's clock, which does not change when the time is set.
        """
        today = self._today()
        isFirst = self._ahead is None
        isSet = self._ahead is None or abs(today - now - self._ahead) > _STEP
        self._ahead = today - now
        found: list[SignedZone] = []
        for zone, ends in zones:
            if isSet:
                # What was tried with the former time says nothing.
                zone.renewed, zone.renewal, zone.isClockSet = float("-inf"), 0.0, not isFirst
            isCalm = zone.isCalm(changes, now)
            # The next step of a roll may be due soon after the last one was served, which is no failure.
            isTurn = zone.isKeyDue(today) and zone.turned is not zone.served
            if not zone.pending and (isCalm or isTurn or (now >= zone.renewed + _PAUSE and zone.isDue(ends, today))):
                zone.renewed, zone.turned = now, zone.served
                found.append(zone)
        return found

    def look(self, zones: Iterable[SignedZone], changes: ChangedZones) -> None:
        """
        Make what is due, in turns, unless that is being done.
        """
        if self._isRunning:
            return
        now = self._today()
        # Zones may come and go meanwhile.
        among = [zone for zone in zones if zone.renewal <= now]
        if among:
            self._isRunning = True
            paced(self._reactor, self._all(among, changes)).addErrback(
                lambda failure: _log.failure("while signatures are made anew", failure)
            ).addCallback(self._ended)

    def _ended(self, _: object) -> None:
        self._isRunning = False

    def _all(self, zones: list[SignedZone], changes: ChangedZones) -> Generator[object, Any, None]:
        for zone in zones:
            built, now = zone.served, self._today()
            zone.renewal = now + (_SOON if built is not None and built.records > _LARGE else _LATER)
            if built is None or zone.pending or zone.failed or zone.policy.digested or built.made != zone.policy.toText():
                continue
            if changes.renewable(zone.apex) is not None and (buckets := self._dueIn(built, zone.policy.validity)):
                try:
                    yield from self._renew(zone, built, buckets, changes)
                except DNSFault as fault:
                    # It is signed as a whole before they end.
                    zone.renewal = now + _SOON
                    # Unless the server ends, or the zone is served no more.
                    if changes.renewable(zone.apex) is not None:
                        _log.warn("{zone}: signatures that are due cannot be made anew: {fault}", zone=zone.zone, fault=fault)
            yield None

    def _dueIn(self, built: Built, validity: Validity) -> list[int]:
        """
        Return the buckets of a zone that are due, the earliest first; none if these are too many.
        """
        found = statusOf(built.path)
        if found is None:
            return []
        # Earlier releases did not note it when they signed a zone.
        since, now = float(built.renewed or found[1] // 1_000_000_000), self._today()
        buckets = validity.due(since, now) if now > since else []
        return buckets if len(buckets) <= _MOST else []

    def _renew(self, zone: SignedZone, built: Built, buckets: list[int], changes: ChangedZones) -> Generator[object, Any, None]:
        """
        Make the signatures of some buckets anew.
        """
        validity = zone.policy.validity
        isChanged = False
        try:
            for bucket in buckets:
                now = self._today()
                inception, _ = validity.times(bucket, now)
                done: set[bytes] = set()
                while True:
                    version = changes.renewable(zone.apex)
                    if version is None or zone.pending:
                        return
                    keys = self._dueAt(version, bucket, validity, now, done)
                    if not keys:
                        break
                    done.update(keys)
                    edited: Edited = yield changes.renew(zone.apex, keys)
                    if zone.served is not built:
                        # It was signed as a whole meanwhile.
                        return
                    isChanged = zone.isFollowed = True
                    if edited.before == built.reached:
                        # Nothing but signatures has changed.
                        built.reached = edited.version.serial
                built.renewed = inception + validity.offset
                yield None
        finally:
            if isChanged:
                # A zone may be signed in this way for a year, before all of it is once more.
                with suppress(OSError):
                    noteClock(self._keys, self._today())
                if zone.served is built:
                    self._images.note([built])

    @staticmethod
    def _dueAt(version: Version, bucket: int, validity: Validity, now: float, done: set[bytes]) -> list[bytes]:
        """
        Return names of a bucket whose signatures are due, no more than are made together.

        @param done: names of which they were made.
        """
        _, expiration = validity.times(bucket, now)
        wanted = (expiration & _UINT32).to_bytes(4, "big")
        keys: list[bytes] = []
        for key in version.hashedTo(bucket, BUCKETS):
            node = None if key in done else version.find(key)
            if node is None:
                continue
            if any(rdata[_EXPIRATION] != wanted for rrset in node.sets if rrset.rrType == RRSIG for rdata in rrset.rdatas):
                keys.append(key)
                if len(keys) == _NAMES:
                    break
        return keys
