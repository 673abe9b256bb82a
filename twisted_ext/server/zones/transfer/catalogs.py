"""
Catalog zones (RFC 9432): those that the server consumes, whose members it transfers, and those that it produces.

L{twisted_ext.zone.catalog.catalogs} decides what changes; members become zone settings like those of a file, and
L{twisted_ext.server.zones.transfer.replication} applies them. The owners of the members are stored: after a restart another catalog zone
takes a member over only if the owner releases it (sections 5.2 and 5.5), and a changed label resets the zone (section 5.6).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Final
from zlib import crc32

from twisted.logger import Logger

from twisted_ext.errors import BadDescription, BadMessage, BadName, BadZone
from twisted_ext.files import STATE_FILE, replacingFile, syncFolder
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.zone.catalog.catalogs import Catalog, Catalogs, CatalogStep, Member, catalogVersion, uniqueLabel

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value
    from twisted_ext.zone.store.version import Version

__all__ = ["CatalogSettings", "OwnershipLog"]

#: Settings that members inherit from their catalog zone.
_SHARED: Final = ("allow-transfer", "one-answer", "notify", "allow-notify", "zonemd")

#: Zones processed in one step: a millisecond.
_STEP: Final = 500

#: Number of superfluous lines above which the file of owners is rewritten.
_SPARE: Final = 1000

_log: Final = Logger(__name__)

#: The catalog zone that owns a zone, folded, and the zone's label in it.
_Owner = tuple[bytes, bytes]


class CatalogSettings:
    """
    The zone settings of a server, including those for members of catalog zones.

    @ivar said: the configured zones, without members of catalog zones.
    @ivar followed: the consumed catalog zones.
    @ivar catalogs: the members of these.
    @ivar owners: the file with the owners of the members.
    @ivar broken: errors of catalog zones that cannot be consumed, by their names.
    """

    def __init__(self, path: str = "") -> None:
        """
        @param path: path of the file that stores which catalog zone owns each member; C{""} to keep that in memory only.
        """
        self.owners = OwnershipLog(path)
        self.catalogs = Catalogs(lambda apex: apex in self.said, self._ownerBefore)
        self.broken: dict[bytes, str] = {}
        self.said: dict[bytes, ZoneSettings] = {}
        self.followed: dict[bytes, ZoneSettings] = {}

    def _ownerBefore(self, apex: bytes) -> bytes:
        """
        Return the folded name of the catalog zone that owned a zone when ownership was last stored; C{b""} if there was none that is still
        consumed.
        """
        known = self.owners.get(apex)
        return known[0] if known is not None and known[0] in self.followed else b""

    def zoneAt(self, apex: bytes) -> ZoneSettings | None:
        """
        Return the settings for a zone, whether configured or from a catalog zone; L{None} if there are none.
        """
        zone = self.said.get(apex)
        if zone is None:
            owned = self.catalogs.owned.get(apex)
            zone = None if owned is None else self._settingsOf(*owned)
        return zone

    # -- settings

    @staticmethod
    def checking(zones: Iterable[ZoneSettings]) -> Iterator[None]:
        """
        Validate the settings for catalog zones, in short steps.

        @raise BadDescription: they contradict each other.
        """
        said = {zone.name: zone for zone in zones if not zone.plain}
        for zone in said.values():
            kind = zone.catalog
            if kind == "produce" and (zone.file or zone.primaries):
                raise BadDescription(f"zone {zone.text}: a catalog to produce has no file and no primaries")
            if kind == "follow" and not zone.memberPrimaries and not zone.primaries:
                raise BadDescription(f"zone {zone.text}: the primaries of its zones are not known; set member-primaries")
            for text in zone.groupPrimaries:
                if len(text.split(None, 1)) < 2:
                    raise BadDescription(f"zone {zone.text}: group-primaries: {text!r} takes the name of a group, then a server")
            if zone.listedIn:
                _catalogOf(zone, said)
            yield

    def apply(self, zones: Sequence[ZoneSettings]) -> list[CatalogStep]:
        """
        Apply new zone settings, which L{checking} has validated.
        """
        self.said = {zone.name: zone for zone in zones}
        followed = {zone.name: zone for zone in zones if not zone.plain and zone.catalog == "follow"}
        steps: list[CatalogStep] = []
        for apex in [apex for apex in self.followed if apex not in followed]:
            steps += self.catalogs.leave(apex)
            self.broken.pop(apex, None)
        # The settings of a catalog zone may have changed.
        altered = [apex for apex, zone in followed.items() if apex in self.followed and zone.values != self.followed[apex].values]
        self.followed = followed
        steps += self._reconsidered()
        steps += [CatalogStep("change", apex, member) for apex in altered for member in self.catalogs.members(apex)]
        self._note(steps)
        self.owners.write()
        return steps

    def revise(self, apex: bytes, zone: ZoneSettings | None) -> list[CatalogStep]:
        """
        Apply new settings of one zone, which is no catalog zone; L{None} if it is configured no more.
        """
        if zone is None:
            self.said.pop(apex, None)
        else:
            self.said[apex] = zone
        steps = self._reconsidered() if self.followed else []
        self._note(steps)
        self.owners.write()
        return steps

    def _reconsidered(self) -> list[CatalogStep]:
        again = self.catalogs.reconsider()
        self._beginAnew(again)
        return again

    def _settingsOf(self, catalog: bytes, member: Member) -> ZoneSettings:
        said = self.followed[catalog]
        values: dict[str, Value] = {"name": nameToText(member.name)}
        groups = dict.fromkeys(member.groups)
        ofGroups = [rest for group, rest in [text.split(None, 1) for text in said.groupPrimaries] if group in groups]
        values["primaries"] = tuple(ofGroups) or said.memberPrimaries or said.primaries
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

        @return: the changes of members, to be carried out after L{OwnershipLog.write}.
        """
        if catalog.apex not in self.followed:
            return []
        self.broken.pop(catalog.apex, None)
        steps = yield from self.catalogs.following(catalog)
        if catalog.apex in self.followed:
            steps += yield from self._outdated(catalog, steps)
        for apex, waiting in list(self.catalogs.clashes.items()):
            if catalog.apex in waiting:
                why = waiting[catalog.apex]
                _log.warn("{zone} of catalog {catalog}: {why}", zone=nameToText(apex), catalog=nameToText(catalog.apex), why=why)
        for begin in range(0, len(steps), _STEP):
            self._note(steps[begin : begin + _STEP])
            yield
        return steps

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
        for count, apex in enumerate(self.owners.membersOf(catalog.apex)):
            if not count % _STEP:
                yield
            if apex not in gone and apex not in self.said and self.catalogs.owned.get(apex) is None:
                found.append(CatalogStep("remove", catalog.apex, Member(apex, b"")))
        return found

    def _beginAnew(self, steps: Iterable[CatalogStep]) -> None:
        for step in steps:
            known = self.owners.get(step.member.apex)
            if step.kind == "add" and known is not None and known != (step.catalog, step.member.label):
                step.kind = "reset"

    def _note(self, steps: Iterable[CatalogStep]) -> None:
        self.owners.note(
            {step.member.apex: None if step.kind == "remove" else (step.catalog, step.member.label) for step in steps}
        )

    # -- produced catalog zones

    def producing(self) -> Generator[None, None, list[tuple[bytes, list[Member]]]]:
        """
        Return the produced catalog zones, each with its members, in short steps.
        """
        made: dict[bytes, list[Member]] = {}
        names: dict[bytes, bytes] = {}
        # Plain zones are listed in no catalog zone.
        said = [zone for zone in self.said.values() if not zone.plain]
        for zone in said:
            if zone.catalog == "produce":
                made[zone.name] = []
                names[zone.name] = zone.apexName
        for count, zone in enumerate(said):
            if not count % _STEP:
                yield
            text = zone.listedIn
            if text:
                made[nameFromText(text).lower()].append(Member(zone.name, uniqueLabel(zone.name), zone.group))
        return [(names[apex], members) for apex, members in made.items()]

    @staticmethod
    def next(name: bytes, members: list[Member], before: Version | None, now: float) -> Version | None:
        """
        Return the next version of a catalog zone; L{None} if nothing has changed.

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
    text = zone.listedIn
    try:
        catalog = said.get(nameFromText(text).lower())
    except BadName as fault:
        raise BadDescription(f"zone {zone.text}: listed-in: {fault}") from None
    if catalog is None or catalog.catalog != "produce":
        raise BadDescription(f"zone {zone.text}: listed-in: {text} is not a catalog to produce; its table needs catalog = produce")
    return catalog


class OwnershipLog:
    """
    A file with one line for each change of ownership. The last line of a zone counts. Each line begins with a checksum, so that lines
    truncated by a crash or damaged on disk are detected.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: the file; C{""} to keep everything in memory only.
        """
        self._path = path
        self._kept: dict[bytes, _Owner] = {}
        # Lines not written yet, in order. The reactor's thread appends them while another thread takes them.
        self._unwritten: deque[str] = deque()
        self._writing = Lock()
        self._lines = 0
        # Whether the file lacks recorded changes and has to be rewritten.
        self._incomplete = False
        if path:
            self._read()

    def _read(self) -> None:
        try:
            with open(self._path, "rb") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            self._complain(error)
            return
        damaged: list[int] = []
        old = False
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                apex, owner = _parsed(line)
            except (BadMessage, ValueError):
                damaged.append(number)
                continue
            old = old or not line.startswith(b"#")
            if owner is None:
                self._kept.pop(apex, None)
            else:
                self._kept[apex] = owner
        self._lines = len(lines)
        if damaged:
            aside = f"{self._path}.damaged"
            text = (
                "{path}: {count} of {lines} lines are damaged, the first is line {first}: it is not known which catalog owns the zones on"
                " them, and the first catalog that lists such a zone gets it; the damaged file is kept as {aside}"
            )
            _log.error(text, path=self._path, count=len(damaged), lines=len(lines), first=damaged[0], aside=aside)
            with suppress(OSError):
                with suppress(FileNotFoundError):
                    os.unlink(aside)
                os.link(self._path, aside)
        if damaged or old or self._lines > len(self._kept) + _SPARE:
            try:
                self._replace()
            except OSError as error:
                self._incomplete = True
                self._complain(error)

    def _replace(self) -> None:
        kept = self._kept.copy()
        with replacingFile(self._path, new=STATE_FILE) as file:
            file.writelines([_line(apex, owner).encode("ascii") for apex, owner in kept.items()])
        syncFolder(self._path)
        self._lines = len(kept)
        self._incomplete = False

    def write(self) -> None:
        """
        Write what L{note} has recorded, in order, and wait for the disk. Thread-safe.
        """
        if not self._path:
            return
        with self._writing:
            lines = [self._unwritten.popleft() for _ in range(len(self._unwritten))]
            if not lines and not self._incomplete:
                return
            try:
                if self._incomplete or self._lines + len(lines) > 2 * len(self._kept) + _SPARE:
                    self._replace()
                else:
                    self._append("".join(lines).encode("ascii"))
                    self._lines += len(lines)
            except OSError as error:
                self._incomplete = True
                self._complain(error)

    def _append(self, octets: bytes) -> None:
        if not os.path.exists(self._path):
            # A new file: its directory entry has to be on disk as well.
            self._replace()
            return
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            left = memoryview(octets)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)

    def _complain(self, error: OSError) -> None:
        text = "{path}: {error}; after a restart it may not be known which catalog owns a zone"
        _log.error(text, path=self._path, error=error.strerror or error)

    def get(self, apex: bytes) -> _Owner | None:
        return self._kept.get(apex)

    def membersOf(self, catalog: bytes) -> list[bytes]:
        return [apex for apex, (owner, _) in self._kept.items() if owner == catalog]

    def note(self, listed: dict[bytes, _Owner | None]) -> None:
        """
        Record owners; L{write} stores them on disk.

        @param listed: the owner of each zone; L{None} for removed zones.
        """
        lines: list[str] = []
        for apex, owner in listed.items():
            if owner is None:
                if self._kept.pop(apex, None) is not None:
                    lines.append(_line(apex, None))
            elif self._kept.get(apex) != owner:
                self._kept[apex] = owner
                lines.append(_line(apex, owner))
        if self._path:
            self._unwritten.extend(lines)


def _line(apex: bytes, owner: _Owner | None) -> str:
    said = " ".join([word.hex() for word in (apex, *(owner or ()))])
    return f"#{crc32(said.encode('ascii')):08x} {said}\n"


def _parsed(line: bytes) -> tuple[bytes, _Owner | None]:
    said = line
    if line.startswith(b"#"):
        checksum, _, said = line[1:].partition(b" ")
        if checksum != b"%08x" % crc32(said):
            raise BadMessage("wrong checksum")
    # Lines without a checksum were written by earlier releases.
    words = [bytes.fromhex(word.decode("ascii")) for word in said.split(b" ")]
    if len(words) == 1:
        return words[0], None
    if len(words) != 3:
        raise BadMessage(f"{len(words)} words")
    return words[0], (words[1], words[2])
