"""
Catalogs of zones in a server (RFC 9432): those that it follows, whose zones it fetches, and those that it makes for others.

What is to be done is decided by L{twisted_ext.zone.catalog.members}; zones of catalogs become settings like those of a file, and what is
done with these is done elsewhere.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadDescription, BadName, BadZone
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.transfer.catalogstate import Remembered
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.zone.catalog.catalogs import Catalog, Member, catalogVersion, uniqueLabel
from twisted_ext.zone.catalog.members import Catalogs, Step

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value
    from twisted_ext.zone.store.version import Version

__all__ = ["Cataloging"]

#: What the zones of a catalog are told as the catalog itself is.
_SHARED: Final = ("allow-transfer", "one-answer", "notify", "allow-notify", "zonemd")

#: Zones that are looked at in one step: a millisecond.
_STEP: Final = 500

_log: Final = Logger()


class Cataloging:
    """
    The zones of a server, those of catalogs among them.

    @ivar catalogs: which zone is from which catalog.
    @ivar broken: what is wrong with catalogs that cannot be followed, by their names.
    """

    def __init__(self, path: str = "") -> None:
        """
        @param path: of a file in which to remember what zones were listed as; C{""} to do so in memory.
        """
        self._remembered = Remembered(path)
        self.catalogs = Catalogs(lambda apex: apex in self._said, self._ownerBefore)
        self.broken: dict[bytes, str] = {}
        self._said: dict[bytes, ZoneSettings] = {}
        self._followed: dict[bytes, ZoneSettings] = {}

    def _ownerBefore(self, apex: bytes) -> bytes:
        """
        @return: the catalog that owned a zone when that was last written down, folded; C{b""} where none did that is still followed.
        """
        known = self._remembered.get(apex)
        return known[0] if known is not None and known[0] in self._followed else b""

    @property
    def followed(self) -> tuple[bytes, ...]:
        """
        The catalogs that are followed, by their names.
        """
        return tuple(self._followed)

    @property
    def said(self) -> Mapping[bytes, ZoneSettings]:
        """
        The zones of the settings, those of catalogs not among them.
        """
        return self._said

    def zoneAt(self, apex: bytes) -> ZoneSettings | None:
        """
        @param apex: a folded name.

        @return: what is to be done with this zone, from a catalog or not; L{None} where that is nothing.
        """
        zone = self._said.get(apex)
        if zone is None:
            owned = self.catalogs.ownerOf(apex)
            zone = None if owned is None else self._settingsOf(*owned)
        return zone

    # -- settings

    @classmethod
    def check(cls, zones: Iterable[ZoneSettings]) -> None:
        """
        @raise BadDescription: what is said of catalogs contradicts itself.
        """
        for _ in cls.checking(zones):
            pass

    @staticmethod
    def checking(zones: Iterable[ZoneSettings]) -> Iterator[None]:
        """
        Do the same in short steps.
        """
        said = {zone.name: zone for zone in zones if not zone.plain}
        for zone in said.values():
            kind = zone.values.get("catalog")
            if kind == "produce" and (zone.file or zone.texts("primaries")):
                raise BadDescription(f"zone {zone.text}: a catalog that is made here has no file and no primaries")
            if kind == "follow" and not zone.texts("member-primaries") and not zone.texts("primaries"):
                raise BadDescription(f"zone {zone.text}: it is not known where its zones come from; set member-primaries")
            for text in zone.texts("group-primaries"):
                if len(text.split(None, 1)) < 2:
                    raise BadDescription(f"zone {zone.text}: group-primaries: {text!r} takes the name of a group, then a server")
            if zone.values.get("listed-in"):
                _catalogOf(zone, said)
            yield

    def adopt(self, zones: Sequence[ZoneSettings]) -> list[Step]:
        """
        Go over to other settings, which L{check} has seen.

        @return: what that changes in zones of catalogs.
        """
        self._said = {zone.name: zone for zone in zones}
        followed = {zone.name: zone for zone in zones if not zone.plain and zone.value("catalog") == "follow"}
        steps: list[Step] = []
        for apex in [apex for apex in self._followed if apex not in followed]:
            steps += self.catalogs.leave(apex)
            self.broken.pop(apex, None)
        # What is said of a catalog may be other than it was.
        altered = [apex for apex, zone in followed.items() if apex in self._followed and zone.values != self._followed[apex].values]
        self._followed = followed
        again = self.catalogs.reconsider()
        self._beginAnew(again)
        steps += again
        steps += [Step("change", apex, member) for apex in altered for member in self.catalogs.members(apex)]
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

    # -- catalogs that are followed

    def breaks(self, apex: bytes, wrong: BadZone) -> None:
        """
        A version of a catalog is broken: it changes nothing.
        """
        self.broken[apex] = str(wrong)
        _log.error("{wrong}; what it said before stays", wrong=wrong)

    def following(self, catalog: Catalog) -> Generator[None, None, list[Step]]:
        """
        Switch to another version of a catalog, in short steps.

        @return: what is to be done with zones, after L{write}.
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
        Write down which catalog owns each zone, and wait for the disk. Any thread may call this.
        """
        self._remembered.write()

    def _outdated(self, catalog: Catalog, steps: list[Step]) -> Generator[None, None, list[Step]]:
        """
        Have zones begin anew that an earlier process kept for another catalog or under another label.

        @return: steps that remove the zones that an earlier process kept and that the catalog does not list any more.
        """
        gone: set[bytes] = set()
        for begin in range(0, len(steps), _STEP):
            yield
            some = steps[begin : begin + _STEP]
            self._beginAnew(some)
            gone.update([step.member.apex for step in some])
        found: list[Step] = []
        for count, apex in enumerate(self._remembered.of(catalog.apex)):
            if not count % _STEP:
                yield
            if apex not in gone and apex not in self._said and self.catalogs.ownerOf(apex) is None:
                found.append(Step("remove", catalog.apex, Member(apex, b"")))
        return found

    def _beginAnew(self, steps: Iterable[Step]) -> None:
        for step in steps:
            known = self._remembered.get(step.member.apex)
            if step.kind == "add" and known is not None and known != (step.catalog, step.member.label):
                step.kind = "reset"

    def _note(self, steps: Iterable[Step]) -> None:
        self._remembered.note(
            {step.member.apex: None if step.kind == "remove" else (step.catalog, step.member.label) for step in steps}
        )

    # -- catalogs that are made

    def producing(self) -> Generator[None, None, list[tuple[bytes, list[Member]]]]:
        """
        Find out, in short steps, which zones are listed.

        @return: the catalogs that are made here, each with its zones.
        """
        made: dict[bytes, list[Member]] = {}
        names: dict[bytes, bytes] = {}
        # A plain one is listed nowhere.
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
        @param name: the catalog's.
        @param before: its version in force.
        @param now: seconds since 1970.

        @return: its next version; L{None} where it says the same as before.

        @raise CallerFault: there can be no such catalog.
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
        raise BadDescription(f"zone {zone.text}: listed-in: {text} is not a catalog that is made here; its table needs catalog = produce")
    return catalog
