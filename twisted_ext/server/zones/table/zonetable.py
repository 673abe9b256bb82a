"""
The table of a server's zones: finds the zone for a name, whether the zone is loaded or not.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.wire.codes import Ede
from twisted_ext.wire.names import labelCount, nameFromText, nameToText, parentOf

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.zone.check.signatureends import FirstEnd
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zone import Zone

__all__ = ["EXPIRED", "FAILED", "LOADING", "SERVING", "Place", "Zones", "countsOf", "variantIn", "variantText", "zoneFigures"]

#: States of a zone: being loaded for the first time; served; failed to load; was loaded, and has expired.
LOADING: Final = "loading"
SERVING: Final = "serving"
FAILED: Final = "failed"
EXPIRED: Final = "expired"


#: Extended errors for a zone that cannot be served.
_WHY: Final = {
    LOADING: ((Ede.NOT_READY, "the zone is being loaded"),),
    FAILED: ((Ede.OTHER, "the zone could not be loaded"),),
    EXPIRED: ((Ede.INVALID_DATA, "the zone has expired"),),
}

#: Number of versions after which they are excluded from garbage collection (C{gc.freeze}): existing garbage then stays too, so this has to
#: be rare.
_MANY: Final = 1000


def variantText(apex: bytes, view: str) -> str:
    """
    Return the name of a zone as people see it: that of a zone of a view is followed by two dots and the view, C{corp.example..partners}.
    """
    return f"{nameToText(apex)}.{view}" if view else nameToText(apex)


def variantIn(text: str) -> tuple[bytes, str]:
    """
    Return the folded name of a zone, and its view, from what L{variantText} returns; the last dot of the name may be missing.

    @raise twisted_ext.errors.BadName: this is no name.
    """
    # No name has two dots in a row, but an escaped one may stand before the last.
    name, _, view = text.rpartition("..")
    if not view or view == text or "." in view:
        return nameFromText(text).lower(), ""
    return nameFromText(name or ".").lower(), view


@dataclass(slots=True, eq=False, repr=False)
class Place:
    """
    A zone that this server is configured to serve, whether it is loaded or not.

    @ivar apex: its name, folded.
    @ivar view: the view whose clients are answered from it; C{""} for all.
    @ivar zone: the zone object; L{None} if there is no version, or none has been opened yet.
    @ivar state: L{LOADING}, L{SERVING}, L{FAILED} or L{EXPIRED}.
    @ivar file: its master file or other origin, for display.
    @ivar serial: the serial number of the version that was put there last.
    @ivar since: when it was put there, in seconds since 1970.
    @ivar said: its last error, in one line, or C{""}.
    @ivar signatures: the signature that ends first; L{None} if there is none, or the zone has not been read for that yet.
    @ivar signaturesRead: of which version it is: when that was put there, and its serial number.
    @ivar source: the file with the image that was put there last, and the image's offset in it; L{None} if it came otherwise.
    """

    apex: bytes
    file: str = ""
    view: str = ""
    zone: Zone | None = None
    state: str = LOADING
    serial: int = 0
    records: int = 0
    since: float = 0.0
    said: str = ""
    source: tuple[str, int] | None = None
    signatures: FirstEnd | None = None
    signaturesRead: tuple[float, int] | None = None
    _open: Callable[[], Version] | None = field(default=None, init=False)

    @property
    def text(self) -> str:
        return variantText(self.apex, self.view)

    @property
    def unopened(self) -> bool:
        return self._open is not None

    @property
    def currentSerial(self) -> int | None:
        """
        The serial number in force; L{None} if none is.
        """
        if self.state not in (SERVING, EXPIRED):
            return None
        return self.serial if self.zone is None else self.zone.current.serial

    def served(self) -> Zone | None:
        """
        Return the zone, opening it now if that has not been done yet.
        """
        if self._open is not None:
            opening, self._open = self._open, None
            try:
                self._put(opening())
            except (DNSFault, OSError) as fault:
                self.state = SERVING if self.zone is not None else FAILED
                self.said = str(fault)
        return self.zone

    def _put(self, version: Version) -> None:
        if self.zone is None:
            from twisted_ext.zone.zone import Zone

            self.zone = Zone(version)
        else:
            self.zone.replace(version)

    def toJSON(self) -> dict[str, JSON]:
        zone = self.zone
        known: dict[str, JSON] = {"zone": self.text, "state": self.state}
        if self.view:
            known["view"] = self.view
        serial = self.currentSerial
        if serial is not None:
            known["serial"] = serial
            known["records"] = self.records if zone is None else zone.current.recordCount
            known["since"] = round(self.since, 3)
        if self.signatures is not None:
            known["signaturesEnd"] = self.signatures.time
        if self.file:
            known["file"] = self.file
        if self.said:
            known["said"] = self.said
        return known

    def __repr__(self) -> str:
        return f"<Place {self.text} {self.state}>"


class Zones:
    """
    All zones of a server for all clients, or those that one view has of its own, found by names in them.

    @ivar view: the name of that view; C{""} for those for all.
    """

    __slots__ = ("_versions", "_places", "view", "changed", "copied", "damaged", "depths", "held", "noticed", "told", "unsigned")

    def __init__(self, changed: Callable[[], object] = lambda: None, view: str = "") -> None:
        """
        @param changed: called when a zone is added or removed, so that answers from the zones around it may be out of date.
        """
        self.view = view
        self._places: dict[bytes, Place] = {}
        self._versions = 0
        #: Bit n is set if the name of a zone has, or had, n labels, bit 63 if it has more.
        self.depths = 0
        self.changed = changed
        #: Called with the name of a zone that could not be opened when it was first queried.
        self.damaged: Callable[[bytes], object] = lambda apex: None
        #: Returns the names of zones of which a former version is served, because the next one has lost too much.
        self.held: Callable[[], Iterable[bytes]] = tuple
        #: Returns the names of zones that are served without signatures, although they are to be signed.
        self.unsigned: Callable[[], Iterable[bytes]] = tuple
        #: Returns of how many zones there is a last good copy, and of how many there is to be one.
        self.copied: Callable[[], tuple[int, int]] = lambda: (0, 0)
        #: Called with the name of a zone whenever its state or version changes.
        self.told: Callable[[bytes], object] = lambda apex: None
        #: Called after that, without a name.
        self.noticed: Callable[[], object] = lambda: None

    def _tell(self, apex: bytes) -> None:
        self.told(apex)
        self.noticed()

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    @property
    def places(self) -> dict[bytes, Place]:
        """
        All of them by apex, for those who only read.
        """
        return self._places

    def at(self, apex: bytes) -> Place | None:
        return self._places.get(apex)

    def find(self, folded: bytes) -> Place | None:
        """
        Return the zone that contains a name: the one with the longest name if there are several.
        """
        get = self._places.get
        place = get(folded)
        position = 0
        while place is None:
            length = folded[position]
            if not length:
                return None
            position += length + 1
            place = get(folded[position:])
        return place

    def served(self, folded: bytes) -> Version | None:
        """
        Return the version in force of the zone that contains a name; L{None} if there is none, or if L{version} has to open it first or
        report why it is not served.
        """
        place = self.find(folded)
        if place is None or place.zone is None or place.unopened or place.state != SERVING:
            return None
        return place.zone.current

    def version(self, folded: bytes) -> Version | None:
        """
        Return the version in force of the zone that contains a name; L{None} if there is none.

        @raise ServerFailed: there is a zone, but it cannot be served; C{ede} gives the reason.
        """
        place = self.find(folded)
        if place is None:
            return None
        zone = place.zone
        if place._open is not None:
            zone = place.served()
            self._made()
            if place.said:
                self.damaged(place.apex)
        if zone is None or place.state != SERVING:
            raise ServerFailed(f"the zone {place.text} is {place.state}", ede=_WHY[place.state if place.state in _WHY else FAILED])
        return zone.current

    # -- adding, changing and removing zones

    def expect(self, apex: bytes, file: str = "") -> Place:
        """
        Add a zone that is to be loaded. Until it is, its clients get SERVFAIL with "Not Ready" (RFC 8914, section 4.15).

        @return: its place; an existing one stays.
        """
        place = self._placeOf(apex, file)
        place.file = file
        return place

    def _placeOf(self, apex: bytes, file: str = "") -> Place:
        place = self._places.get(apex)
        if place is None:
            place = self._places[apex] = Place(apex, file, self.view)
            self.depths |= 1 << min(labelCount(apex), 63)
            self._disturb(apex)
            self._tell(apex)
        return place

    def defer(self, apex: bytes, file: str = "") -> Place:
        """
        Announce a version of a zone that takes time to prepare. A version in force stays so; without one, clients get SERVFAIL with "Not
        Ready".
        """
        place = self.expect(apex, file)
        place._open = None
        if place.zone is None:
            place.state = LOADING
        self._tell(apex)
        return place

    def put(self, zone: Zone, file: str = "", now: float = 0.0) -> Place:
        """
        Serve a zone, replacing the one of the same name if there is one.

        @param now: seconds since 1970.
        """
        place = self.expect(zone.apex, file)
        before, place.zone = place.zone, zone
        if before is not None and before is not zone:
            before.epoch.bump()
        place._open = place.source = None
        current = zone.current
        self._served(place, current.serial, current.recordCount, now)
        return place

    def putLater(
        self,
        apex: bytes,
        opening: Callable[[], Version],
        serial: int,
        records: int,
        now: float = 0.0,
        *,
        source: tuple[str, int] | None = None,
    ) -> None:
        """
        Serve a version of a zone. It is opened on the first query; or at once, if another version is in force.

        @param source: the file with its image, and the image's offset in it.

        @raise DNSFault: it cannot be opened. The version in force stays.
        @raise OSError: the same.
        """
        place = self._placeOf(apex)
        if place.zone is None:
            place._open = opening
        else:
            place._put(opening())
            self._made()
        place.source = source
        self._served(place, serial, records, now)

    def revise(self, apex: bytes, version: Version) -> None:
        """
        Serve another version of an existing zone. Its other attributes stay.
        """
        place = self._placeOf(apex)
        place._open = None
        place._put(version)
        place.serial = version.serial
        place.state = SERVING
        place.said = ""
        self._tell(apex)

    def _made(self) -> None:
        """
        Count one more version that stays. Once there are many, exclude them from garbage collection, which would otherwise scan all of them
        at once: as they replace earlier objects, the interpreter does not notice that it has more to scan.
        """
        self._versions += 1
        if self._versions >= _MANY:
            self._versions = 0
            gc.freeze()

    def _served(self, place: Place, serial: int, records: int, now: float) -> None:
        place.state = SERVING
        place.serial = serial
        place.records = records
        place.since = now
        place.said = ""
        self._tell(place.apex)

    def fail(self, apex: bytes, said: str, state: str = FAILED) -> None:
        """
        Record a failure of a zone. The version in force stays, unless it has expired.

        @param said: the failure, in one line.
        """
        place = self._placeOf(apex)
        place.said = said
        if state == EXPIRED or (place.zone is None and place._open is None):
            place.state = state
            if place.zone is not None:
                place.zone.epoch.bump()
        self._tell(apex)

    def remove(self, apex: bytes) -> None:
        place = self._places.pop(apex, None)
        if place is not None:
            if place.zone is not None:
                place.zone.epoch.bump()
            self._disturb(apex)
            self._tell(apex)

    def _disturb(self, apex: bytes) -> None:
        """
        Drop answers after a zone was added or removed: names below it were or will be answered from another zone.
        """
        above = None if apex == b"\x00" else self.find(parentOf(apex))
        if above is not None and above.zone is not None:
            above.zone.epoch.bump()
        self.changed()


def countsOf(zones: Zones) -> dict[str, int]:
    """
    Count the zones: C{"all"}, those in each state, under C{"held"} those whose next version waits for an operator, under C{"wrong"} others
    with an error, and under C{"unsigned"} those that are to be signed and are not. If last good copies of zones are to be kept, also
    C{"toCopy"}, how many these are, and C{"copied"}, of how many there is one.
    """
    counts = {"all": len(zones), SERVING: 0, "wrong": 0, "held": 0, "unsigned": len([*zones.unsigned()])}
    for place in zones:
        counts[place.state] = counts.get(place.state, 0) + 1
        if place.said:
            counts["wrong"] += 1
    # Of a hundred thousand zones few are held.
    counts["held"] = len([apex for apex in zones.held() if (held := zones.at(apex)) is not None and held.said])
    counts["wrong"] -= counts["held"]
    copied, wanted = zones.copied()
    return {**counts, "toCopy": wanted, "copied": copied} if wanted else counts


def zoneFigures(zones: Zones) -> dict[str, float]:
    """
    Return the same counts as figures for L{Figures<twisted_ext.metrics.figures.Figures>}, and when the first signature ends.
    """
    counts = countsOf(zones)
    ends = [place.signatures.time for place in zones if place.signatures is not None]
    first: dict[str, float] = {"zonesSignatureExpiry": min(ends)} if ends else {}
    figures = {f"zones{name.capitalize()}": float(counts[name]) for name in ("wrong", "held", "unsigned")}
    copies = {"zonesToCopy": float(counts["toCopy"]), "zonesCopied": float(counts["copied"])} if "toCopy" in counts else {}
    return {"zones": counts["all"], "zonesServed": counts[SERVING], **figures, **copies, **first}
