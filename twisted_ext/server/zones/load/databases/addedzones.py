"""
The zones that were added while the server runs: kept in a database of its state, and served like those of the settings, which come first
where both have a zone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeVar, cast

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.logger import Logger

from twisted_ext.errors import BadDescription, BadName, BadRecord, CallerFault, DNSFault, StorageFault
from twisted_ext.files import STATE_FILE, STATE_FOLDER, replacingFile
from twisted_ext.server.config.zonesettings import ZoneSettings, signedBy
from twisted_ext.server.zones.load.databases.added import (
    AddedDatabase,
    AddedZone,
    Aside,
    AsideChange,
    makeAddedDatabase,
)
from twisted_ext.server.zones.update.journalreplay import journalName
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.sign.sets import besideMade
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.serials import withSerial
from twisted_ext.zone.zonefile.writer import canonicalFile

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.zones.update.commit import Elsewhere
    from twisted_ext.zone.sign.policy import SigningPolicy
    from twisted_ext.zone.store.version import Version

__all__ = ["ADDED_FILE", "AddedZones", "ZoneThere"]

_Result = TypeVar("_Result")

_log: Final = Logger(__name__)

#: The database, in the folder of the state; and the folder there with what removed zones had.
ADDED_FILE: Final = "added.sqlite"
_REMOVED: Final = "removed"

#: Files of removed zones that are kept, and for how many seconds: a week, so that a mistake of Friday can be mended on Monday; and no more
#: than a client of the API that adds and removes zones could fill a disk with.
_MOST_REMOVED: Final = 100
_LONGEST_REMOVED: Final = 7 * 86400.0

#: Seconds of the TTL of an SOA record that is made here.
_TTL: Final = 3600

#: The settings of a zone that may be set while the server runs. Paths are not among them: they would reach any file of the server.
_SETTINGS: Final = (
    "primaries", "allow-transfer", "encrypted-transfers", "one-answer", "notify", "allow-notify", "zonemd", "listed-in", "group", "update",
    "allow-update", "serial", "sign",
)  # fmt: skip


class ZoneThere(CallerFault):
    """
    There is a zone of that name, or it is not one that was added.
    """


class AddedZones:
    """
    These zones. Changes are made one after the other.

    @ivar taken: the folded names of those that the settings have as well.
    """

    def __init__(
        self,
        folder: str,
        elsewhere: Elsewhere,
        *,
        check: Callable[[Sequence[ZoneSettings]], object],
        put: Callable[[bytes, ZoneSettings | None], Deferred[None]],
        isThere: Callable[[bytes], bool],
        former: Callable[[bytes], Version | None],
        today: Callable[[], float],
        soa: str,
        settings: Callable[[], Settings],
    ) -> None:
        """
        @param folder: that of the state.
        @param elsewhere: runs work in a thread.
        @param check: raises L{BadDescription} for settings that cannot be used.
        @param put: serves a zone, or no more; fires when that is done, and fails with L{BadDescription} if it cannot be.
        @param isThere: returns whether a zone is served, wherever it comes from.
        @param former: returns the version in force of a zone.
        @param today: returns seconds since 1970.
        @param soa: what a zone without an SOA record gets: see the setting C{default-soa}.
        @param settings: returns those of the server, which have the policies by which zones are signed.
        """
        self.taken: set[bytes] = set()
        self._folder = folder
        self._path = f"{os.path.abspath(folder)}/{ADDED_FILE}"
        self._elsewhere = elsewhere
        self._check = check
        self._put = put
        self._isThere = isThere
        self._former = former
        self._today = today
        self._soa = soa
        self._ofServer = settings
        self._zones: dict[bytes, AddedZone] = {}
        self._settings: dict[bytes, ZoneSettings] = {}
        self._database: AddedDatabase | None = None
        self._changes = DeferredLock()
        # The database has one user at a time.
        self._turns = DeferredLock()

    # -- reading

    def begin(self) -> None:
        """
        Read the zones. Those whose settings cannot be used are left out, and the log says why.

        @raise BadDescription: the database cannot be read.
        """
        try:
            zones = self._opened().added()
        except StorageFault as fault:
            raise BadDescription(f"state: {fault}") from None
        self._zones = {zone.apex: zone for zone in zones}
        try:
            settings = [self._settingsOf(zone) for zone in zones]
            self._check(settings)
        except BadDescription:
            settings = [made for zone in zones if (made := self._usable(zone)) is not None]
        self._settings = {each.name: each for each in settings}

    def _usable(self, zone: AddedZone) -> ZoneSettings | None:
        """
        Return the settings of a zone; L{None} if they cannot be used, which is logged.
        """
        try:
            settings = self._settingsOf(zone)
            self._check([settings])
        except BadDescription as fault:
            _log.error("{fault}; it was added while the server ran, and is not served", fault=str(fault))
            return None
        return settings

    def besides(self, zones: Collection[ZoneSettings]) -> list[ZoneSettings]:
        """
        Return the settings of these zones, without those that are among others.
        """
        said = {zone.name for zone in zones if zone.name in self._zones}
        for apex in said - self.taken:
            _log.warn("{zone} is in the settings now; the zone of that name that was added is not served", zone=nameToText(apex))
        self.taken = said
        for apex, zone in [*self._settings.items()]:
            if zone.isSigned:
                # By the policies that there are now.
                self._settings[apex] = signedBy(self._ofServer(), zone)
        return [zone for apex, zone in self._settings.items() if apex not in said]

    def at(self, apex: bytes) -> AddedZone | None:
        """
        Return a zone; L{None} if it was not added, or is in the settings by now.
        """
        return None if apex in self.taken else self._zones.get(apex)

    def asides(self, apex: bytes) -> Deferred[dict[tuple[bytes, int], Aside]]:
        """
        Return what is kept beside the records of a zone.
        """
        return self._inTurn(lambda: self._opened().asides(apex))

    def found(self, find: Callable[[Iterator[tuple[str, str, int, Aside]]], list[_Result]]) -> Deferred[list[_Result]]:
        """
        Search what is kept beside the records of all zones, in a thread.

        @param find: returns what it finds in L{AddedDatabase.eachAside}.
        """
        if not self._zones:
            return succeed([])
        return self._inTurn(lambda: find(self._opened().eachAside()))

    def _opened(self) -> AddedDatabase:
        """
        @raise StorageFault: it cannot be opened.
        """
        if self._database is None:
            try:
                os.makedirs(self._folder, STATE_FOLDER, exist_ok=True)
            except OSError as error:
                raise StorageFault(f"{self._folder}: {error.strerror or error}") from None
            self._database = makeAddedDatabase(self._path)
        return self._database

    def _inTurn(self, work: Callable[[], _Result]) -> Deferred[_Result]:
        # Through a function of its own, for the type of what is returned.
        return self._turns.run(lambda: cast("Deferred[_Result]", self._elsewhere(work)))

    def _settingsOf(self, zone: AddedZone) -> ZoneSettings:
        """
        @raise BadDescription: they cannot be used.
        """
        text = nameToText(zone.name)
        if wrong := [name for name in zone.settings if name not in _SETTINGS]:
            raise BadDescription(f"zone {text}: {wrong[0]} cannot be set here; there are {', '.join(_SETTINGS)}")
        table = {"name": text, **zone.settings}
        made = ZoneSettings.fromTable(table if zone.isSecondary else {**table, "store": f"added:{self._path}"})
        return signedBy(self._ofServer(), made) if made.isSigned else made

    def policyOf(self, apex: bytes) -> SigningPolicy:
        """
        Return the policy by which a zone that was added is signed, or would be.
        """
        made = signedBy(self._ofServer(), self._settings[apex]).signing
        assert made is not None
        return made

    # -- changing

    def soaOf(self, name: bytes, serial: int) -> RRSet:
        """
        Return the SOA record of a zone that is added without one.

        @raise BadDescription: the setting for it is not valid.
        """
        # The root ends each name already.
        zone = "" if len(name) == 1 else nameToText(name)
        words = [f"{word[:-1]}{zone}" or "." if word.endswith("@") else word for word in self._soa.split()]
        try:
            rdata: bytes = rdataFromText(SOA, " ".join(words), b"\x00")
        except (BadName, BadRecord) as fault:
            raise BadDescription(f"default-soa: {fault}") from None
        return RRSet(name, SOA, IN, _TTL, (withSerial(rdata, serial),))

    def add(self, zone: AddedZone, sets: Sequence[RRSet] = (), asides: Iterable[AsideChange] = ()) -> Deferred[None]:
        """
        Add a zone.

        @param sets: its records, without those of a secondary zone.
        @param asides: what is kept beside them.

        @return: fires when it is served and on disk. Fails with L{ZoneThere}, with L{BadDescription} for settings and with
            L{twisted_ext.errors.BadZone} for records that cannot be used, and with L{StorageFault}; then there is no such zone.
        """
        return self._changes.run(lambda: Deferred.fromCoroutine(self._add(zone, sets, tuple(asides))))

    async def _add(self, zone: AddedZone, sets: Sequence[RRSet], asides: Sequence[AsideChange]) -> None:
        apex, text = zone.apex, nameToText(zone.apex)
        if self._isThere(apex) or apex in self._zones:
            raise ZoneThere(f"{text} is there already")
        settings = self._settingsOf(zone)
        self._check([settings])

        def store() -> None:
            if not zone.isSecondary:
                _build(zone.name, sets)
            self._opened().put(zone, None if zone.isSecondary else sets, asides)

        await self._inTurn(store)
        self._zones[apex], self._settings[apex] = zone, settings
        try:
            await self._put(apex, settings)
        except DNSFault:
            del self._zones[apex], self._settings[apex]
            await self._inTurn(lambda: self._opened().remove(zone.name))
            raise
        _log.info("{zone} is added", zone=text)

    def alter(self, apex: bytes, change: Callable[[AddedZone], AddedZone]) -> Deferred[None]:
        """
        Change the settings of a zone, or what is said of it. One that was secondary until now keeps the records that it has.

        @param change: returns the zone from now on, of that until now. It is called when all changes before are done, so that none of
            them is lost.

        @return: see L{add}; fails with what C{change} raises as well.
        """
        return self._changes.run(lambda: Deferred.fromCoroutine(self._alter(apex, change)))

    async def _alter(self, apex: bytes, change: Callable[[AddedZone], AddedZone]) -> None:
        former, formerSettings = self._expect(apex), self._settings.get(apex)
        zone = change(former)
        made = self._settingsOf(zone)
        self._check([made])
        version = None if former.isSecondary == zone.isSecondary else self._former(apex)
        isSigned = formerSettings is not None and formerSettings.isSigned
        if version is None and former.isSecondary and not zone.isSecondary:
            raise CallerFault(f"{nameToText(apex)} was not transferred yet, so it has no records that it could keep")

        def store() -> None:
            sets: Sequence[RRSet] | None = None
            if version is not None and zone.isSecondary:
                self._keep(version, isSigned)
            elif version is not None:
                sets = [rrset for node in version.nodes() for rrset in besideMade(node, isSigned)]
            self._opened().put(zone, sets)

        await self._inTurn(store)
        self._zones[apex], self._settings[apex] = zone, made
        if formerSettings is None or formerSettings.values != made.values:
            await self._put(apex, made)

    def remove(self, apex: bytes) -> Deferred[None]:
        """
        Remove a zone. What it had stays in a file for a week.

        @return: fires when it is served no more. Fails with L{ZoneThere} if it was not added, and with L{StorageFault}.
        """
        return self._changes.run(lambda: Deferred.fromCoroutine(self._remove(apex)))

    async def _remove(self, apex: bytes) -> None:
        zone, version = self._expect(apex), self._former(apex)
        settings = self._settings.pop(apex, None)
        del self._zones[apex]

        def drop() -> None:
            if version is not None:
                self._keep(version, settings is not None and settings.isSigned)
            self._opened().remove(zone.name)

        if settings is not None:
            await self._put(apex, None)
        try:
            await self._inTurn(drop)
        except StorageFault:
            self._zones[apex] = zone
            if settings is not None:
                self._settings[apex] = settings
                await self._put(apex, settings)
            raise
        _log.info("{zone} is removed; {folder} has its records for a week", zone=nameToText(apex), folder=f"{self._folder}/{_REMOVED}")

    def _expect(self, apex: bytes) -> AddedZone:
        """
        @raise ZoneThere: it was not added.
        """
        zone = self.at(apex)
        if zone is None:
            text = nameToText(apex)
            isThere = self._isThere(apex)
            raise ZoneThere(f"{text} is in the settings of the server; change it there" if isThere else f"there is no zone {text}")
        return zone

    def _keep(self, version: Version, isSigned: bool) -> None:
        """
        Write a file with the records of a zone that is to be removed, without what was made by signing it.

        @raise StorageFault: it cannot be written.
        """
        folder = f"{self._folder}/{_REMOVED}"
        now = self._today()
        lines = canonicalFile([rrset for node in version.nodes() for rrset in besideMade(node, isSigned)])
        try:
            os.makedirs(folder, STATE_FOLDER, exist_ok=True)
            with replacingFile(f"{folder}/{journalName(version.apex, f'.{now:.0f}.zone')}", new=STATE_FILE) as file:
                file.writelines([f"{line}\n".encode() for line in lines])
            times = {name: _timeIn(name) for name in os.listdir(folder)}
            for place, name in enumerate(sorted(times, key=lambda each: times[each], reverse=True)):
                if place >= _MOST_REMOVED or times[name] < now - _LONGEST_REMOVED:
                    os.unlink(f"{folder}/{name}")
        except OSError as error:
            raise StorageFault(f"{folder}: {error.strerror or error}") from None

    def close(self) -> Deferred[None]:
        def close() -> None:
            if self._database is not None:
                self._database.close()

        return self._changes.run(self._inTurn, close)


def _timeIn(name: str) -> float:
    """
    Return the time in the name of a file with what a zone had.
    """
    parts = name.rsplit(".", 2)
    return float(parts[1]) if len(parts) == 3 and parts[1].isdigit() else 0.0


def _build(name: bytes, sets: Sequence[RRSet]) -> None:
    """
    @raise twisted_ext.errors.BadZone: these records are not those of a zone.
    """
    builder = ImageBuilder(name)
    builder.aliases = True
    builder.addSets(sets)
    builder.finish()
