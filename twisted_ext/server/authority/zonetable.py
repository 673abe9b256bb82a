"""
The table of a server's zones: found by the names in them, whether there is something to answer from yet or not.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.wire.names import nameToText, parentOf

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zone import Zone

__all__ = ["EXPIRED", "FAILED", "LOADING", "SERVING", "Place", "Zones", "countsOf", "zoneFigures"]

#: States of a zone: it is being made ready for the first time; it is answered from; it cannot be had; it was had, and has expired.
LOADING: Final = "loading"
SERVING: Final = "serving"
FAILED: Final = "failed"
EXPIRED: Final = "expired"

# Info codes of extended errors (RFC 8914).
_OTHER: Final = 0
_NOT_READY: Final = 14
_INVALID_DATA: Final = 24

#: What is said for a zone that cannot be answered from.
_WHY: Final = {
    LOADING: ((_NOT_READY, "the zone is being loaded"),),
    FAILED: ((_OTHER, "the zone could not be loaded"),),
    EXPIRED: ((_INVALID_DATA, "the zone has expired"),),
}


#: Versions after which they are kept out of the search for garbage: what is garbage by then stays, so that it is not to be done often.
_MANY: Final = 1000


class Place:
    """
    A zone that this server is to serve, whether it has it or not.

    @ivar apex: its name, folded.
    @ivar zone: what it is served from; L{None} where there is nothing yet, or it has not been asked for yet.
    @ivar state: L{LOADING}, L{SERVING}, L{FAILED} or L{EXPIRED}.
    @ivar file: its master file, or what else it is from, for people.
    @ivar serial: that of the version that was put there last.
    @ivar records: how many there are in it.
    @ivar since: seconds since 1970 when it was.
    @ivar said: what is wrong with it, in one line, or C{""}.
    @ivar source: the file with the image that was put there last, and where in it that begins; L{None} where it came otherwise.
    """

    __slots__ = ("apex", "zone", "state", "file", "serial", "records", "since", "said", "source", "_open")

    def __init__(self, apex: bytes, file: str = "") -> None:
        self.apex = apex
        self.zone: Zone | None = None
        self.state = LOADING
        self.file = file
        self.serial = 0
        self.records = 0
        self.since = 0.0
        self.said = ""
        self.source: tuple[str, int] | None = None
        self._open: Callable[[], Version] | None = None

    @property
    def text(self) -> str:
        """
        The zone's name for people.
        """
        return nameToText(self.apex)

    @property
    def unopened(self) -> bool:
        """
        Whether what it is to be read from has not been opened yet.
        """
        return self._open is not None

    def served(self) -> Zone | None:
        """
        @return: the zone, made out of what it is to be read from where that has not been done yet.
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
        """
        @return: what there is to know of it.
        """
        zone = self.zone
        known: dict[str, JSON] = {"zone": self.text, "state": self.state}
        if self.state in (SERVING, EXPIRED):
            known["serial"] = self.serial if zone is None else zone.current.serial
            known["records"] = self.records
            known["since"] = round(self.since, 3)
        if self.file:
            known["file"] = self.file
        if self.said:
            known["said"] = self.said
        return known

    def __repr__(self) -> str:
        return f"<Place {self.text} {self.state}>"


class Zones:
    """
    All zones of a server, found by the names in them.
    """

    __slots__ = ("_versions", "_places", "changed", "damaged", "told")

    def __init__(self, changed: Callable[[], object] = lambda: None) -> None:
        """
        @param changed: called when a zone has come or gone, so that answers from what is around it may not hold any more.
        """
        self._places: dict[bytes, Place] = {}
        self._versions = 0
        self.changed = changed
        #: Called with the name of a zone that was to be opened when it was asked for and cannot be.
        self.damaged: Callable[[bytes], object] = lambda apex: None
        #: Called with the name of a zone of which something has become otherwise.
        self.told: Callable[[bytes], object] = lambda apex: None

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def at(self, apex: bytes) -> Place | None:
        """
        @param apex: a folded name.

        @return: the zone of this name.
        """
        return self._places.get(apex)

    def find(self, folded: bytes) -> Place | None:
        """
        @param folded: a folded name.

        @return: the zone that it is in: of several the one with the longest name.
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

    def version(self, folded: bytes) -> Version | None:
        """
        @param folded: a folded name.

        @return: what is in force of the zone that it is in; L{None} where it is in none.

        @raise ServerFailed: there is a zone, but nothing to answer from; C{ede} says why.
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

    # -- zones come, change and go

    def expect(self, apex: bytes, file: str = "") -> Place:
        """
        There is to be a zone. Until it is put here whoever asks for it is told to come back (RFC 8914, section 4.15).

        @param apex: a folded name.

        @return: where it will be; where there is one already it stays.
        """
        place = self._places.get(apex)
        if place is None:
            place = self._places[apex] = Place(apex, file)
            self._disturb(apex)
            self.told(apex)
        place.file = file
        return place

    def defer(self, apex: bytes, file: str = "") -> Place:
        """
        There is to be a version of a zone, which takes its time. What is in force of it stays so; where nothing is, whoever asks is told
        to come back.
        """
        place = self.expect(apex, file)
        place._open = None
        if place.zone is None:
            place.state = LOADING
        self.told(apex)
        return place

    def put(self, zone: Zone, file: str = "", now: float = 0.0) -> Place:
        """
        Serve a zone, in the place of that of the same name if there is one.

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
        Serve a version of a zone. It is opened when it is asked for; where there is another one in force, at once.

        @param opening: gives the version.
        @param serial: its serial number.
        @param records: how many it has.
        @param source: the file with its image, and where in it that begins.

        @raise DNSFault: it cannot be opened. What was in force stays so.
        @raise OSError: the same.
        """
        place = self.expect(apex, "" if (known := self._places.get(apex)) is None else known.file)
        if place.zone is None:
            place._open = opening
        else:
            place._put(opening())
            self._made()
        place.source = source
        self._served(place, serial, records, now)

    def revise(self, apex: bytes, version: Version) -> None:
        """
        Serve another version of a zone that is there. The rest of what is known of it stays.
        """
        place = self.expect(apex, "" if (known := self._places.get(apex)) is None else known.file)
        place._open = None
        place._put(version)
        place.serial = version.serial
        place.state = SERVING
        place.said = ""
        self.told(apex)

    def _made(self) -> None:
        """
        One more version is there to stay. Those of many zones are kept out of the search for garbage, which would else go through all of
        them at once: as they take the place of what was there before, the interpreter does not see that it has more to search.
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
        self.told(place.apex)

    def fail(self, apex: bytes, said: str, state: str = FAILED) -> None:
        """
        Something is wrong with a zone. What is in force of it stays so, unless it has expired.

        @param said: what, in one line.
        """
        place = self.expect(apex, "" if (known := self._places.get(apex)) is None else known.file)
        place.said = said
        if state == EXPIRED or (place.zone is None and place._open is None):
            place.state = state
            if place.zone is not None:
                place.zone.epoch.bump()
        self.told(apex)

    def remove(self, apex: bytes) -> None:
        """
        Serve a zone no more.
        """
        place = self._places.pop(apex, None)
        if place is not None:
            if place.zone is not None:
                place.zone.epoch.bump()
            self._disturb(apex)
            self.told(apex)

    def _disturb(self, apex: bytes) -> None:
        """
        A zone has come or gone: names below it were or will be another one's.
        """
        above = None if apex == b"\x00" else self.find(parentOf(apex))
        if above is not None and above.zone is not None:
            above.zone.epoch.bump()
        self.changed()


def countsOf(zones: Zones) -> dict[str, int]:
    """
    @return: how many zones there are, under C{"all"}; how many in each state; and under C{"wrong"} how many something is wrong with.
    """
    counts = {"all": len(zones), SERVING: 0, "wrong": 0}
    for place in zones:
        counts[place.state] = counts.get(place.state, 0) + 1
        if place.said:
            counts["wrong"] += 1
    return counts


def zoneFigures(zones: Zones) -> dict[str, int]:
    """
    @return: the same as figures for L{Figures<twisted_ext.metrics.figures.Figures>}.
    """
    counts = countsOf(zones)
    return {"zones": counts["all"], "zonesServed": counts[SERVING], "zonesWrong": counts["wrong"]}
