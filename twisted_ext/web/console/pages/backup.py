"""
Backups: one archive with the settings, what they name, the records of all zones that have files here, and what was changed while the server
ran. It can be unpacked anywhere and served from there.
"""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import StorageFault
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED, shown
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.tables import tableToTOML
from twisted_ext.server.config.zonesettings import ZoneSettings, gather
from twisted_ext.server.features.blocking.listsettings import ListSettings
from twisted_ext.server.features.hooks.settings import isFile
from twisted_ext.server.features.policyzones.zonesettings import PolicyZoneSettings
from twisted_ext.server.features.views.settings import ViewSettings
from twisted_ext.server.zones.load.folders import VIEWS
from twisted_ext.server.zones.load.validate import viewsWithZones
from twisted_ext.web.console.site.madeusers import MADE_USERS
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleReply
from twisted_ext.zone.sign.sets import besideMade
from twisted_ext.zone.zonefile.writer import readableFile

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.zones.update.commit import Elsewhere
    from twisted_ext.zone.store.version import Version

__all__ = ["BackupPage", "backupOf"]

#: Octets of everything in a backup, which is made in memory. Larger servers are backed up by the tools for files.
_MOST_OCTETS: Final = 64 * 1024 * 1024

#: Settings whose files are secrets.
_SECRETS: Final = ("api-tokens", "console-users", "key-file", "manhole-keys")

#: Settings that need the files of others: without these they would keep a server from starting.
_NEEDING: Final = {
    "console-users": ("console", "console-tls", "console-hosts"),
    "console-tls": ("console", "console-users", "console-hosts"),
    "api-tokens": ("api", "api-tls", "api-hosts"),
    "api-tls": ("api", "api-tokens", "api-hosts"),
    "manhole-keys": ("manhole",),
    "certificate": ("key", "client-ca", "tls", "https", "quic"),
    "key": ("certificate", "client-ca", "tls", "https", "quic"),
}

#: Settings with paths of this machine that a server elsewhere has places of its own for.
_PLACES: Final = ("zone-directory", "control")

#: What the state folder has of changes, and of keys.
_STATE: Final = ("added.toml", "added.sqlite")
_STATE_KEYS: Final = ("added.keys", "signing", MADE_USERS)

_README: Final = """\
A backup of {host}, made at {at}.

Unpack it into a folder that only the server can read, and start the server with its settings file:

    twistd txdns --config settings.toml

These files are named by the settings, and are not in the backup. Settings that need them begin with # in settings.toml:
{missing}
"""


class BackupPage:
    """
    Sends a backup.
    """

    def __init__(self, operations: Operations, elsewhere: Elsewhere, today: Callable[[], float]) -> None:
        """
        @param elsewhere: runs work in a thread.
        """
        self._operations = operations
        self._elsewhere = elsewhere
        self._today = today

    def __call__(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        hasKeys = bool(asked.form.get("keys"))
        asked.told = {"keys": hasKeys}
        zoneSets = self._operations.zoneSets
        places = () if zoneSets is None else zoneSets.places()
        served = {(place.view, place.apex): zone.current for place in places if (zone := place.served()) is not None}
        settings, at = self._operations.inForce.own, self._today()

        def page(octets: object) -> ConsoleReply:
            assert isinstance(octets, bytes)
            name = time.strftime("txdns-%Y-%m-%d-%H%M.tar.gz", time.localtime(at))
            return ConsoleReply(octets=octets, kind=b"application/gzip", name=name)

        return self._elsewhere(lambda: backupOf(settings, served, at, hasKeys=hasKeys)).addCallback(page)


def backupOf(settings: Settings, served: dict[tuple[str, bytes], Version], at: float, *, hasKeys: bool = False) -> bytes:
    """
    Return a backup as a compressed tar archive.

    @param settings: those of the settings file and the options.
    @param served: the versions in force of all zones, by their names.
    @param at: now, in seconds since 1970.
    @param hasKeys: whether private keys, tokens and the hashes of passwords are in it.

    @raise StorageFault: something cannot be read, or it would be too large.
    @raise twisted_ext.errors.BadDescription: the zones of the settings are not valid any more.
    """
    try:
        return _Backup(settings, served, at, hasKeys).make()
    except OSError as error:
        raise StorageFault(f"{error.filename or 'a file'} cannot be read: {error.strerror or error}") from None
    except sqlite3.Error as error:
        raise StorageFault(f"the zones that were added cannot be read: {error}") from None


class _Backup:
    def __init__(self, settings: Settings, served: dict[tuple[str, bytes], Version], at: float, hasKeys: bool) -> None:
        self._settings = settings
        self._served = served
        self._at = at
        self._hasKeys = hasKeys
        self._octets = 0
        self._names: set[str] = set()
        self._missing: list[str] = []
        # The paths in the backup of files that have hooks.
        self._hooks: dict[str, str] = {}
        # Settings without their files.
        self._off: set[str] = set()
        # Tables of the settings whose paths are those in the backup.
        self._tables: dict[str, list[str]] = {}
        self._written = io.BytesIO()
        self._archive = tarfile.open(fileobj=self._written, mode="w:gz")

    def make(self) -> bytes:
        given = dict(self._settings.given)
        for name in list(given):
            declared = DECLARED.byName[name]
            if isinstance(declared.kind, types.File) and name not in ("state", "zones", *_PLACES):
                self._takeFiles(given, name)
        self._takeZones(given)
        if lists := given.get("list"):
            assert isinstance(lists, tuple)
            self._tables["list"] = [self._list(ListSettings.fromText(str(text))) for text in lists]
        if policies := given.get("policy-zone"):
            assert isinstance(policies, tuple)
            self._tables["policy-zone"] = [self._list(PolicyZoneSettings.fromText(str(text))) for text in policies]
        if hooks := given.get("hook"):
            given["hook"] = self._hooksOf(hooks)
        if views := given.get("view"):
            assert isinstance(views, tuple)
            self._tables["view"] = [self._view(ViewSettings.fromText(str(text))) for text in views]
        for name in _PLACES:
            given.pop(name, None)
        self._leaveUsers(given)
        state = self._settings.stateFolder()
        given["state"] = "state"
        lines = [f"{'# ' * (name in self._off)}{name} = {self._textOf(name, value)}\n" for name, value in given.items()]
        self._add("settings.toml", "".join(lines).encode("utf-8"))
        if state:
            self._takeState(state)
        at = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(self._at))
        missing = "\n".join([f"    {each}" for each in self._missing]) or "    none"
        self._add("README", _README.format(host=os.uname().nodename, at=at, missing=missing).encode("utf-8"))
        self._archive.close()
        return self._written.getvalue()

    def _textOf(self, name: str, value: Value) -> str:
        kind = DECLARED.byName[name].kind
        if not isinstance(kind, types.Table) or not isinstance(value, tuple):
            return shown(value)
        tables = self._tables[name] if name in self._tables else [kind.shown(str(each)) for each in value]
        return f"[{', '.join(tables)}]"

    def _add(self, name: str, octets: bytes) -> None:
        """
        @raise StorageFault: the backup would be too large.
        """
        self._octets += len(octets)
        if self._octets > _MOST_OCTETS:
            said = f"a backup has at most {_MOST_OCTETS:,} octets; back up the settings and the state folder with the tools of the system"
            raise StorageFault(said)
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime, entry.mode = len(octets), int(self._at), 0o600
        self._archive.addfile(entry, io.BytesIO(octets))

    def _file(self, folder: str, path: str, octets: bytes | None = None) -> str:
        """
        Put a file into a folder of the backup, and return its path there.

        @param octets: its content, if it is not that of C{path}.
        """
        base = os.path.basename(path) or "file"
        name, number = f"{folder}/{base}", 1
        while name in self._names:
            number += 1
            name = f"{folder}/{number}-{base}"
        self._names.add(name)
        if octets is None:
            with open(path, "rb") as file:
                octets = file.read(_MOST_OCTETS + 1)
        self._add(name, octets)
        return name

    def _takeFiles(self, given: dict[str, Value], name: str) -> None:
        """
        Take the files of a setting; certificates and secrets only if they are wanted.
        """
        value = given[name]
        paths = [str(each) for each in value] if isinstance(value, tuple) else [str(value)]
        isSecret = name in _SECRETS or DECLARED.byName[name].kind is types.PEM
        kept = [path for path in paths if path and not os.path.isfile(path.removeprefix("file:")) or isSecret and not self._hasKeys]
        self._missing += [f"{path} ({name})" for path in kept if path]
        if isSecret and any(kept):
            self._off.update([name, *_NEEDING.get(name, ())])
        moved = [path if path in kept or not path else self._file("secrets" if isSecret else "files", path) for path in paths]
        given[name] = tuple(moved) if isinstance(value, tuple) else moved[0]

    def _leaveUsers(self, given: dict[str, Value]) -> None:
        """
        Switch the console off if no one could sign in at it, as its users are left out.
        """
        made = os.path.join(self._settings.stateFolder(), MADE_USERS)
        if "console" in given and "console-users" not in given and not self._hasKeys:
            self._missing.append(f"{made} (users made in the console)")
            self._off.update(["console", *_NEEDING["console-users"]])

    def _takeZones(self, given: dict[str, Value]) -> None:
        found: dict[bytes, ZoneSettings] = {}
        for _ in gather(self._settings, found):
            pass
        tables: list[str] = []
        for text in self._settings.zone:
            zone = ZoneSettings.fromText(text)
            # With what is set for all zones, such as sign, which is in the settings beside it.
            whole = zone if zone.view else found.pop(zone.name, zone)
            tables.append(tableToTOML({**zone.values, "file": self._zone("zones", whole)} if zone.file else zone.values))
        self._tables["zone"] = tables
        if given.pop("zones", None):
            for zone in found.values():
                self._zone("listed", zone)
            given["zones"] = ("listed",)

    def _zone(self, folder: str, zone: ZoneSettings) -> str:
        """
        Put the records of a zone into a folder: those in force, but of a zone that is signed here its file, or, if clients may have changed
        it, those without what the signer makes.
        """
        name = zone.text.rstrip(".").replace("/", "_") or "root"
        version = self._served.get((zone.view, zone.name))
        if version is None or (zone.isSigned and not zone.update and not zone.doors):
            return self._file(folder, f"{os.path.dirname(zone.file)}/{name}", _contentOf(zone.file))
        sets = [rrset for node in version.nodes() for rrset in besideMade(node, zone.isSigned)]
        text = "\n".join(readableFile(sets, version.apexName, version.image.aliases)) + "\n"
        return self._file(folder, name, text.encode("utf-8"))

    def _list(self, given: ListSettings | PolicyZoneSettings) -> str:
        if not given.file or not os.path.isfile(given.file):
            return tableToTOML(given.values)
        return tableToTOML({**given.values, "file": self._file("files", given.file)})

    def _view(self, given: ViewSettings) -> str:
        hooks = given.values.get("hook")
        return tableToTOML({**given.values, "hook": self._hooksOf(hooks)} if hooks else given.values)

    def _hooksOf(self, words: Value) -> tuple[str, ...]:
        """
        Put the files of hooks into the backup, each once, and return the hooks as they are there.
        """
        found: list[str] = []
        for word in map(str, words if isinstance(words, tuple) else ()):
            place, _, name = word.rpartition(":")
            if isFile(place) and not os.path.isfile(place):
                self._missing.append(f"{place} (hook)")
            elif isFile(place):
                if place not in self._hooks:
                    self._hooks[place] = self._file("hooks", place)
                word = f"{self._hooks[place]}:{name}"
            found.append(word)
        return tuple(found)

    def _takeState(self, state: str) -> None:
        own = (*_STATE, *(_STATE_KEYS if self._hasKeys else ()))
        folders = [f"{VIEWS}/{view}/" for view in viewsWithZones(self._settings)]
        for name in [f"{folder}{name}" for folder in ("", *folders) for name in own]:
            path = os.path.join(state, name)
            if os.path.isdir(path):
                for each in _filesBelow(path):
                    self._add(f"state/{os.path.relpath(each, state)}", _contentOf(each))
            elif os.path.isfile(path):
                self._add(f"state/{name}", _databaseAt(path) if name.endswith(".sqlite") else _contentOf(path))


def _filesBelow(folder: str) -> Iterator[str]:
    for path, _, names in os.walk(folder):
        yield from [os.path.join(path, name) for name in sorted(names) if os.path.isfile(os.path.join(path, name))]


def _contentOf(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_MOST_OCTETS + 1)


def _databaseAt(path: str) -> bytes:
    """
    Return a copy of a database as it is at one moment, whatever is written to it meanwhile.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.serialize()
