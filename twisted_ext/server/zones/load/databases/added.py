"""
The database of zones that were added while the server runs: an SQLite database of zones, with two more tables. C{settings} has the settings
of each, and what clients of the API say of it; C{asides} has what they keep beside its records: comments, and records that are disabled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted_ext.errors import BadName, StorageFault
from twisted_ext.files import STATE_FILE
from twisted_ext.server.zones.load.databases.sqlite import SQLiteStore, makeDatabase
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.changeset import Difference

__all__ = ["AddedDatabase", "AddedZone", "Aside", "AsideChange", "makeAddedDatabase"]

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS settings (zone TEXT PRIMARY KEY, settings TEXT NOT NULL, notes TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS asides (zone TEXT NOT NULL, owner TEXT NOT NULL, type INTEGER NOT NULL, aside TEXT NOT NULL, "
    "PRIMARY KEY (zone, owner, type)) WITHOUT ROWID",
)


class AddedZone(NamedTuple):
    """
    A zone that was added.

    @ivar name: its apex in wire form.
    @ivar settings: its settings by name, as in a C{[[zone]]} table.
    @ivar notes: what clients of the API say of it.
    """

    name: bytes
    settings: Mapping[str, object]
    notes: Mapping[str, JSON]

    @property
    def apex(self) -> bytes:
        return self.name.lower()

    @property
    def isSecondary(self) -> bool:
        return bool(self.settings.get("primaries"))


class Aside(NamedTuple):
    """
    What is kept beside an RRset.

    @ivar ttl: of the disabled records, in seconds.
    @ivar disabled: their contents, as text.
    @ivar comments: each with C{content}, C{account} and C{modified_at}, in seconds since 1970.
    """

    ttl: int = 0
    disabled: tuple[str, ...] = ()
    comments: tuple[Mapping[str, JSON], ...] = ()


class AsideChange(NamedTuple):
    """
    A change of what is kept beside an RRset.

    @ivar disabled: the disabled records from now on; L{None} for those that there are, without C{less}, with C{more}.
    @ivar comments: the comments from now on; L{None} for those that there are.
    """

    name: bytes
    rrType: int
    ttl: int = 0
    disabled: tuple[str, ...] | None = None
    comments: tuple[Mapping[str, JSON], ...] | None = None
    less: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    def applied(self, aside: Aside) -> Aside:
        there = aside.disabled if self.disabled is None else self.disabled
        disabled = tuple(dict.fromkeys([*[text for text in there if text not in self.less], *self.more]))
        comments = aside.comments if self.comments is None else self.comments
        return Aside(self.ttl if self.disabled is not None or self.more else aside.ttl, disabled, comments)


class AddedDatabase(SQLiteStore):
    """
    See L{SQLiteStore} for errors, and for threads.
    """

    def _open(self) -> None:
        super()._open()
        for table in _TABLES:
            self._connection.execute(table)

    def added(self) -> list[AddedZone]:
        with self._asking():
            rows = self._connection.execute("SELECT zone, settings, notes FROM settings ORDER BY zone").fetchall()
        return [self._addedIn(*row) for row in rows]

    def _addedIn(self, name: str, settings: str, notes: str) -> AddedZone:
        try:
            zone = AddedZone(nameFromText(name), json.loads(settings), json.loads(notes))
        except (BadName, ValueError, TypeError):
            zone = None
        if zone is None or not isinstance(zone.settings, dict) or not isinstance(zone.notes, dict):
            raise StorageFault(f"{self.path}: table settings: the row of {name!r} is not one that this server has written")
        return zone

    def put(self, zone: AddedZone, sets: Sequence[RRSet] | None = None, asides: Iterable[AsideChange] = ()) -> None:
        """
        Add a zone, or change its settings.

        @param sets: the records that it has from now on; L{None} for those that it has. A secondary zone has none here.
        """
        with self._transaction("IMMEDIATE"):
            if sets is not None or zone.isSecondary:
                self._dropRecords(zone.name)
            if sets is not None:
                self._create(zone.name, sets)
            for change in asides:
                self._putAside(zone.name, change)
            text = nameToText(zone.apex)
            values = (text, json.dumps({**zone.settings}), json.dumps({**zone.notes}))
            self._connection.execute("INSERT OR REPLACE INTO settings (zone, settings, notes) VALUES (?, ?, ?)", values)

    def remove(self, name: bytes) -> None:
        """
        Remove a zone, with its records.
        """
        with self._transaction("IMMEDIATE"):
            self._dropRecords(name)
            self._connection.execute("DELETE FROM settings WHERE zone = ?", (nameToText(name.lower()),))

    def _dropRecords(self, name: bytes) -> None:
        found = self._find(name)
        if found is not None:
            # Its records first: what they tell the feed is theirs.
            self._connection.execute("DELETE FROM records WHERE zone = ?", (found[0],))
            self._connection.execute("DELETE FROM zones WHERE id = ?", (found[0],))
        self._connection.execute("DELETE FROM asides WHERE zone = ?", (nameToText(name.lower()),))

    # -- what is kept beside records

    def asides(self, name: bytes) -> dict[tuple[bytes, int], Aside]:
        """
        Return what is kept beside the records of a zone, by the folded name and the type of these.
        """
        with self._asking():
            query = "SELECT owner, type, aside FROM asides WHERE zone = ?"
            rows = self._connection.execute(query, (nameToText(name.lower()),)).fetchall()
        return {(nameFromText(owner), int(rrType)): _asideOf(text) for owner, rrType, text in rows}

    def eachAside(self) -> Iterator[tuple[str, str, int, Aside]]:
        """
        Iterate over what is kept beside the records of all zones: name of the zone, name and type of the records, and what is kept.
        """
        with self._asking():
            for zone, owner, rrType, text in self._connection.execute("SELECT zone, owner, type, aside FROM asides"):
                yield zone, owner, int(rrType), _asideOf(text)

    def _write(self, difference: Difference) -> None:
        super()._write(difference)
        for change in difference.beside:
            assert isinstance(change, AsideChange)
            self._putAside(difference.before.name, change)

    def _putAside(self, apexName: bytes, change: AsideChange) -> None:
        place = (nameToText(apexName.lower()), nameToText(change.name.lower()), change.rrType)
        query = "SELECT aside FROM asides WHERE zone = ? AND owner = ? AND type = ?"
        row = self._connection.execute(query, place).fetchone()
        aside = change.applied(Aside() if row is None else _asideOf(row[0]))
        if aside.disabled or aside.comments:
            text = json.dumps({"ttl": aside.ttl, "disabled": aside.disabled, "comments": [{**each} for each in aside.comments]})
            self._connection.execute("INSERT OR REPLACE INTO asides (zone, owner, type, aside) VALUES (?, ?, ?, ?)", (*place, text))
        else:
            self._connection.execute("DELETE FROM asides WHERE zone = ? AND owner = ? AND type = ?", place)


def makeAddedDatabase(path: str) -> AddedDatabase:
    """
    Open the database; make it if there is none.

    @raise StorageFault: it cannot be made, or opened.
    """
    with suppress(OSError):
        # SQLite would let others read it, and gives its other files the same permissions.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, STATE_FILE))
    makeDatabase(path)
    return AddedDatabase(path)


def _asideOf(text: str) -> Aside:
    known = json.loads(text)
    return Aside(int(known["ttl"]), tuple(known["disabled"]), tuple(known["comments"]))
