"""
Watches when the signatures of the served zones end, and warns in time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import DNSFault
from twisted_ext.server.limits import SIGNATURE_LINES
from twisted_ext.server.zones.table.zonetable import SERVING, Place, Zones
from twisted_ext.watch.expiry import ExpiryWarnings, timeLeft
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.check.signatureends import firstEnd

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["SignatureWatch"]

#: Seconds for which signatures of zones are read in one turn, to find out when the first one ends.
_SIGNATURE_STEP: Final = 0.002

#: Seconds between two such turns, so that reading takes a twenty-fifth of the time.
_SIGNATURE_REST: Final = 0.05

#: Seconds after which changed zones are looked for.
_SIGNATURE_PAUSE: Final = 60.0

#: Zones without a change that are passed in one step.
_ZONES: Final = 500

#: Seconds after a change until zones are read. Others that change by then are read with it.
_SOON: Final = 2.0

#: A zone is read again after this many times the seconds that it took, however often it changes.
_SHARE: Final = 100.0

_log: Final = Logger(__name__)


class SignatureWatch:
    """
    Reads the signatures of each zone once it is served, and again when it has changed: some milliseconds at a time, with pauses in which
    queries are answered. The result is L{Place.signatures<twisted_ext.server.zones.table.zonetable.Place.signatures>}.

    @ivar overdue: returns for a zone that is signed here how many seconds its first signature has left when that should have been made anew
        before; L{None} for others.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        zones: Zones,
        image: Callable[[Place], Version | None],
        *,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param image: returns the version of a zone that has not been opened, without opening it for queries; L{None} if it cannot be read.
        @param today: returns seconds since 1970.
        """
        self.overdue: Callable[[bytes], float | None] = lambda apex: None
        self._reactor = reactor
        self._zones = zones
        self._image = image
        self._today = today
        self._warnings = ExpiryWarnings()
        self._steps: Generator[None] | None = None
        self._timer: IDelayedCall | None = None
        # Zones that took long to read, and when they may be read again.
        self._rests: dict[bytes, float] = {}
        self._lines = self._unsaid = 0

    def start(self) -> None:
        if self._timer is None:
            self._timer = self._reactor.callLater(_SIGNATURE_REST, self._step)

    def changed(self) -> None:
        """
        Note that a zone has changed: look for it within seconds, unless a round is under way.
        """
        timer = self._timer
        if timer is not None and self._steps is None and timer.getTime() > self._reactor.seconds() + _SOON:
            timer.reset(_SOON)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._steps = None

    def _step(self) -> None:
        steps = self._steps = self._steps or self._round()
        wait = _SIGNATURE_REST
        try:
            end = self._reactor.seconds() + _SIGNATURE_STEP
            while self._reactor.seconds() < end:
                next(steps)
        except StopIteration:
            self._steps = None
            wait = _SIGNATURE_PAUSE
        except Exception:
            # A bug with one zone must not end the warnings about the others.
            _log.failure("while reading signatures")
            self._steps = None
            wait = _SIGNATURE_PAUSE
        self._timer = self._reactor.callLater(wait, self._step)

    def _round(self) -> Generator[None]:
        self._lines = self._unsaid = 0
        warned: set[str] = set()
        for count, place in enumerate(list(self._zones)):
            if count % _ZONES == 0:
                yield
            if place.state != SERVING:
                continue
            try:
                yield from self._read(place)
            except (DNSFault, OSError):
                # Queries will find the damage too, and have it mended.
                continue
            if place.signatures is not None:
                warned.add(place.text)
                self._warn(place)
        self._warnings.keep(warned)
        if self._unsaid:
            _log.warn("the signatures of {count} more zones end soon; txdns control zones has the times", count=self._unsaid)
        for apex in [apex for apex, rest in self._rests.items() if rest <= self._reactor.seconds()]:
            del self._rests[apex]

    def _read(self, place: Place) -> Generator[None]:
        zone = place.zone
        key = place.since, place.serial if zone is None else zone.current.serial
        if place.signaturesRead == key or place.apex in self._rests:
            return
        version = self._image(place) if zone is None or place.unopened else zone.current
        if version is None:
            return
        took = 0.0
        # An unsigned zone needs no more than the header of its image.
        if version.image.signed or version.image.hashes or version.overlay:
            steps = firstEnd(version, self._today())
            found = None
            while True:
                if version.image.isTruncated:
                    # Reading it would end this process, which in the parent of workers nothing else does. Queries find the damage.
                    return
                began = self._reactor.seconds()
                try:
                    next(steps)
                except StopIteration as stop:
                    found = stop.value
                    break
                finally:
                    took += self._reactor.seconds() - began
                yield
            place.signatures = found
        else:
            place.signatures = None
        place.signaturesRead = key
        if took * _SHARE > _SIGNATURE_PAUSE:
            self._rests[place.apex] = self._reactor.seconds() + took * _SHARE

    def _warn(self, place: Place) -> None:
        first, now = place.signatures, self._today()
        assert first is not None
        overdue = self.overdue(place.apex)
        if not self._warnings.isDue(place.text, first.time, now, overdue):
            return
        if self._lines >= SIGNATURE_LINES.default:
            self._unsaid += 1
            return
        self._lines += 1
        said = {
            "zone": place.text,
            "covered": typeName(first.covered),
            "name": nameToText(first.name),
            "ends": f"{datetime.fromtimestamp(first.time, UTC):%Y-%m-%d %H:%M} UTC",
        }
        advice = "sign the zone again" if overdue is None else "this server should have signed it again; the log says why it did not"
        if first.time <= now:
            _log.error(
                "zone {zone}: signatures have expired, that of the {covered} records of {name} at {ends}: resolvers that validate reject "
                "the answers; {advice}",
                advice=advice,
                **said,
            )
        else:
            _log.warn(
                "zone {zone}: the first signature ends in {left}: that of the {covered} records of {name}, at {ends}; {advice}",
                left=timeLeft(first.time - now),
                advice=advice,
                **said,
            )
