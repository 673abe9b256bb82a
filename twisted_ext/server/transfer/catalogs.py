"""
Catalog zones (RFC 9432): those that the server consumes, whose members it transfers, and those that it produces.

L{twisted_ext.zone.catalog.catalogs} decides what changes; members become zone settings like those of a file, and
L{twisted_ext.server.transfer.replication} applies them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadDescription, BadName, BadZone
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.transfer.catalogstate import OwnershipLog
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.zone.catalog.catalogs import Catalog, Catalogs, CatalogStep, Member, catalogVersion, uniqueLabel

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value
    from twisted_ext.zone.store.version import Version

__all__ = ["CatalogSettings"]

#: Settings that members inherit from their catalog zone.
_SHARED: Final = ("allow-transfer", "one-answer", "notify", "allow-notify", "zonemd")

#: Zones processed in one step: a millisecond.
_STEP: Final = 500

_log: Final = Logger()


class CatalogSettings:
    """
    The zone settings of a server, including those for members of catalog zones.

    @ivar catalogs: the members of consumed catalog zones.
    @ivar broken: errors of catalog zones that cannot be consumed, by their names.
    """

    def __init__(self, path: str = "") -> None:
        """
        @param path: path of the file that stores which catalog zone owns each member; C{""} to keep that in memory only.
        """
        self._remembered = OwnershipLog(path)
        self.catalogs = Catalogs(lambda apex: apex in self._said, self._ownerBefore)
        self.broken: dict[bytes, str] = {}
        self._said: dict[bytes, ZoneSettings] = {}
        self._followed: dict[bytes, ZoneSettings] = {}

    def _ownerBefore(self, apex: bytes) -> bytes:
        """
        Return the folded name of the catalog zone that owned a zone when ownership was last stored; C{b""} if there was none that is still
        consumed.
        """
        known = self._remembered.get(apex)
        return known[0] if known is not None and known[0] in self._followed else b""

    @property
    def followed(self) -> tuple[bytes, ...]:
        """
        The names of the consumed catalog zones.
        """
        return tuple(self._followed)

    @property
    def said(self) -> Mapping[bytes, ZoneSettings]:
        """
        The configured zones, without members of catalog zones.
        """
        return self._said

    def zoneAt(self, apex: bytes) -> ZoneSettings | None:
        """
        Return the settings for a zone, whether configured or from a catalog zone; L{None} if there are none.

        @param apex: a folded name.
        """
        zone = self._said.get(apex)
        if zone is None:
            owned = self.catalogs.owned.get(apex)
            zone = None if owned is None else self._settingsOf(*owned)
        return zone

    # -- settings

    @classmethod
    def check(cls, zones: Iterable[ZoneSettings]) -> None:
        """
        Validate the settings for catalog zones.

        @raise BadDescription: they contradict each other.
        """
        for _ in cls.checking(zones):
            pass

    @staticmethod
    def checking(zones: Iterable[ZoneSettings]) -> Iterator[None]:
        """
        Validate the settings in short steps; see L{check}.
        """
        said = {zone.name: zone for zone in zones if not zone.plain}
        for zone in said.values():
            kind = zone.values.get("catalog")
            if kind == "produce" and (zone.file or zone.texts("primaries")):
                raise BadDescription(f"zone {zone.text}: a catalog to produce has no file and no primaries")
            if kind == "follow" and not zone.texts("member-primaries") and not zone.texts("primaries"):
                raise BadDescription(f"zone {zone.text}: the primaries of its zones are not known; set member-primaries")
            for text in zone.texts("group-primaries"):
                if len(text.split(None, 1)) < 2:
                    raise BadDescription(f"zone {zone.text}: group-primaries: {text!r} takes the name of a group, then a server")
            if zone.values.get("listed-in"):
                _catalogOf(zone, said)
            yield

    def apply(self, zones: Sequence[ZoneSettings]) -> list[CatalogStep]:
        """
        Apply new zone settings, which L{check} has validated.

        @return: the resulting changes of members.
        """
        self._said = {zone.name: zone for zone in zones}
        followed = {zone.name: zone for zone in zones if not zone.plain and zone.value("catalog") == "follow"}
        steps: list[CatalogStep] = []
        for apex in [apex for apex in self._followed if apex not in followed]:
            steps += self.catalogs.leave(apex)
            self.broken.pop(apex, None)
        # The settings of a catalog zone may have changed.
        altered = [apex for apex, zone in followed.items() if apex in self._followed and zone.values != self._followed[apex].values]
        self._followed = followed
        again = self.catalogs.reconsider()
        self._beginAnew(again)
        steps += again
        steps += [CatalogStep("change", apex, member) for apex in altered for member in self.catalogs.members(apex)]
        self._note(steps)
        self._remembered.write()
        return steps

    def _settingsOf(self, catalog: bytes, member: Member) -> ZoneSettings:
        said = self._followed[catalog]
        values: dict[str, Value] = {"name": nameToText(member.name)}
        groups = dict.fromkeys(member.groups)
        ofGroups = [rest for group, rest in [text.split(None, 1) for text in said.texts("group-primaries")] if group in groups]
        values["primaries"] = tuple(ofGroups) or said.texts("member-primaries") or said.texts("primaries")
        for name in _SHARED:
            value = said.value(name)
            if value:
                values[name] = value
        return ZoneSettings(values)

    # -- consumed catalog zones

    def breaks(self, apex: bytes, wrong: BadZone) -> None:
        """
        Record that a version of a catalog zone is broken; its members stay.
        """
        self.broken[apex] = str(wrong)
        _log.error("{wrong}; the version before it stays in force", wrong=wrong)

    def following(self, catalog: Catalog) -> Generator[None, None, list[CatalogStep]]:
        """
        Apply a new version of a catalog zone, in short steps.

        @return: the changes of members, to be carried out after L{write}.
        """
        if catalog.apex not in self._followed:
            return []
        self.broken.pop(catalog.apex, None)
        steps = yield from self.catalogs.following(catalog)
        if catalog.apex in self._followed:
            steps += yield from self._outdated(catalog, steps)
        for apex, waiting in list(self.catalogs.clashes.items()):
            if catalog.apex in waiting:
                why = waiting[catalog.apex]
                _log.warn("{zone} of catalog {catalog}: {why}", zone=nameToText(apex), catalog=nameToText(catalog.apex), why=why)
        for begin in range(0, len(steps), _STEP):
            self._note(steps[begin : begin + _STEP])
            yield
        return steps

    def write(self) -> None:
        """
        Store which catalog zone owns each member, and wait for the disk. Thread-safe.
        """
        self._remembered.write()

    def _outdated(self, catalog: Catalog, steps: list[CatalogStep]) -> Generator[None, None, list[CatalogStep]]:
        """
        Turn additions into resets for members whose stored data belongs to another catalog zone or label.

        @return: steps that remove members stored by an earlier process which the catalog zone does not list any more.
        """
        gone: set[bytes] = set()
        for begin in range(0, len(steps), _STEP):
            yield
            some = steps[begin : begin + _STEP]
            self._beginAnew(some)
            gone.update([step.member.apex for step in some])
        found: list[CatalogStep] = []
        for count, apex in enumerate(self._remembered.of(catalog.apex)):
            if not count % _STEP:
                yield
            if apex not in gone and apex not in self._said and self.catalogs.owned.get(apex) is None:
                found.append(CatalogStep("remove", catalog.apex, Member(apex, b"")))
        return found

    def _beginAnew(self, steps: Iterable[CatalogStep]) -> None:
        for step in steps:
            known = self._remembered.get(step.member.apex)
            if step.kind == "add" and known is not None and known != (step.catalog, step.member.label):
                step.kind = "reset"

    def _note(self, steps: Iterable[CatalogStep]) -> None:
        self._remembered.note(
            {step.member.apex: None if step.kind == "remove" else (step.catalog, step.member.label) for step in steps}
        )

    # -- produced catalog zones

    def producing(self) -> Generator[None, None, list[tuple[bytes, list[Member]]]]:
        """
        Collect the members of the produced catalog zones, in short steps.

        @return: the produced catalog zones, each with its members.
        """
        made: dict[bytes, list[Member]] = {}
        names: dict[bytes, bytes] = {}
        # Plain zones are listed in no catalog zone.
        said = [zone for zone in self._said.values() if not zone.plain]
        for zone in said:
            if zone.values.get("catalog") == "produce":
                made[zone.name] = []
                names[zone.name] = zone.apexName
        for count, zone in enumerate(said):
            if not count % _STEP:
                yield
            text = str(zone.value("listed-in"))
            if text:
                made[nameFromText(text).lower()].append(Member(zone.name, uniqueLabel(zone.name), zone.texts("group")))
        return [(names[apex], members) for apex, members in made.items()]

    @staticmethod
    def next(name: bytes, members: list[Member], before: Version | None, now: float) -> Version | None:
        """
        Return the next version of a catalog zone; L{None} if nothing has changed.

        @param name: the name of the catalog zone.
        @param before: its version in force.
        @param now: seconds since 1970.

        @raise CallerFault: the catalog zone cannot be built.
        """
        serial = int(now) & 0xFFFFFFFF
        if before is not None:
            from twisted_ext.zone.store.serials import nextSerial

            try:
                if list(Catalog.fromVersion(before).members.values()) == members:
                    return None
            except BadZone:
                pass
            serial = nextSerial(before.serial, "unixtime", now)
        return catalogVersion(name, serial, members)


def _catalogOf(zone: ZoneSettings, said: dict[bytes, ZoneSettings]) -> ZoneSettings:
    text = str(zone.value("listed-in"))
    try:
        catalog = said.get(nameFromText(text).lower())
    except BadName as fault:
        raise BadDescription(f"zone {zone.text}: listed-in: {fault}") from None
    if catalog is None or catalog.value("catalog") != "produce":
        raise BadDescription(f"zone {zone.text}: listed-in: {text} is not a catalog to produce; its table needs catalog = produce")
    return catalog
