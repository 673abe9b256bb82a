"""
Zones in an SQLite database, which operators and other programs may change with SQL, as servers do.

Two tables are for users. C{zones} has the name and the serial number of each zone; C{records} has owner, type, TTL and data as in a master
file, with owners and names without a final dot relative to the zone's name, and C{@} for the zone's name itself. The serial number in a
zone's SOA record is ignored: the one in C{zones} is used, and every change of a record increments it. Triggers fill a third table,
C{changes}, from which servers learn of changes.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Final
from urllib.parse import quote

from zope.interface import implementer

from twisted_ext.errors import BadName, BadRecord, BadZone, StorageFault, StoreMoved
from twisted_ext.files import isPlain
from twisted_ext.interfaces import IZoneStore
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet, eachRecord, groupRecords
from twisted_ext.wire.rrtypes import SOA, isMeta, typeName, typeNumber
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.events import News
from twisted_ext.zone.store.nodes import keyBelow
from twisted_ext.zone.store.serials import withSerial

__all__ = ["SQLiteStore", "makeDatabase"]

#: Seconds to wait for another process that writes to a database.
_STORE_SECONDS: Final = 5

#: Names changed in a database above which a zone is read as a whole.
_STORE_NEWS: Final = 5000

#: Changed names that a database records for the servers that poll it.
_STORE_FEED: Final = 100_000

#: The application id in the database header, so that other databases are not mistaken for one of ours.
_APPLICATION: Final = 0x74786473

_NEXT: Final = "(serial + 1) & 4294967295"

_SCHEMA: Final = f"""
CREATE TABLE zones (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    serial INTEGER NOT NULL DEFAULT 1 CHECK (serial BETWEEN 0 AND 4294967295)
);
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    zone INTEGER NOT NULL REFERENCES zones (id) ON DELETE CASCADE,
    owner TEXT NOT NULL COLLATE NOCASE,
    type TEXT NOT NULL COLLATE NOCASE,
    ttl INTEGER NOT NULL DEFAULT 3600 CHECK (ttl BETWEEN 0 AND 2147483647),
    rdata TEXT NOT NULL
);
CREATE INDEX records_owner ON records (zone, owner);
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    zone TEXT NOT NULL COLLATE NOCASE,
    owner TEXT
);
CREATE TRIGGER records_come AFTER INSERT ON records BEGIN
    UPDATE zones SET serial = {_NEXT} WHERE id = NEW.zone;
    INSERT INTO changes (zone, owner) SELECT name, NEW.owner FROM zones WHERE id = NEW.zone;
END;
CREATE TRIGGER records_go AFTER DELETE ON records BEGIN
    UPDATE zones SET serial = {_NEXT} WHERE id = OLD.zone;
    INSERT INTO changes (zone, owner) SELECT name, OLD.owner FROM zones WHERE id = OLD.zone;
END;
CREATE TRIGGER records_change AFTER UPDATE ON records BEGIN
    UPDATE zones SET serial = {_NEXT} WHERE id IN (OLD.zone, NEW.zone);
    INSERT INTO changes (zone, owner) SELECT name, OLD.owner FROM zones WHERE id = OLD.zone;
    INSERT INTO changes (zone, owner) SELECT name, NEW.owner FROM zones WHERE id = NEW.zone;
END;
CREATE TRIGGER zones_come AFTER INSERT ON zones BEGIN
    INSERT INTO changes (zone) VALUES (NEW.name);
END;
CREATE TRIGGER zones_go AFTER DELETE ON zones BEGIN
    INSERT INTO changes (zone) VALUES (OLD.name);
END;
CREATE TRIGGER zones_named AFTER UPDATE OF name ON zones BEGIN
    INSERT INTO changes (zone) VALUES (OLD.name);
    INSERT INTO changes (zone) VALUES (NEW.name);
END;
CREATE TRIGGER changes_kept AFTER INSERT ON changes BEGIN
    DELETE FROM changes WHERE id <= NEW.id - {_STORE_FEED:.0f};
END;
PRAGMA application_id = {_APPLICATION};
"""


@implementer(IZoneStore)
class SQLiteStore:
    """
    An SQLite database with zones. Not thread-safe: use it from one thread at a time.
    """

    def __init__(self, path: str) -> None:
        """
        @raise StorageFault: there is none, it cannot be opened, or is a database of another application.
        """
        self.path = self.label = path
        self._seen = -1
        # Zones of a replaced database, until L{news} has reported that they are gone.
        self._former: set[str] | None = None
        self._logs: dict[str, tuple[int, int] | None] = {}
        # What the file was like when it was last found to be readable, see L{_verify}.
        self._verified: tuple[int, int] | None = None
        # Whether the file was damaged: what a connection remembers of it is worth nothing then.
        self._isBroken = False
        self._connect()

    def _connect(self) -> None:
        self._file = None
        if not isPlain(self.path):
            # Opening a named pipe would block until another process writes to it.
            raise StorageFault(f"{self.path}: a file was expected, which this is not")
        if _fileAt(self.path) is None:
            raise StorageFault(self._missing())
        with self._asking():
            # The mode, since SQLite would make a file that is missing.
            place = f"file:{quote(self.path)}?mode=rw"
            self._connection = sqlite3.connect(
                place, timeout=_STORE_SECONDS, isolation_level=None, check_same_thread=False, uri=True
            )
        try:
            with self._asking():
                self._open()
        except StorageFault:
            self._connection.close()
            raise
        self._file = _fileAt(self.path)

    def _renew(self) -> None:
        """
        Reopen the database if its file was replaced: data written to an unlinked file is lost.

        @raise StorageFault: it cannot be opened; it will be retried.
        """
        there = _fileAt(self.path)
        if there is None:
            raise StorageFault(self._missing())
        if there == self._file and not self._isBroken:
            self._logs = {path: _fileAt(path, empty=True) for path in (f"{self.path}-wal", f"{self.path}-shm")}
            return
        if self._file is not None:
            with suppress(StorageFault):
                self._former = {nameToText(name) for name in self.zones()} | (self._former or set())
        # Close first: the old WAL is named after the path as well, and would be mistaken for that of the new file.
        self._connection.close()
        for path, log in self._logs.items():
            if log is not None and _fileAt(path, empty=True) == log:
                with suppress(OSError):
                    os.unlink(path)
        self._former = self._former or set()
        self._seen = -1
        self._connect()
        self._isBroken = False

    def _verify(self) -> None:
        """
        Read the tables that are polled as a new connection finds them, if the file has changed: the one that polls reads nothing, and
        answers from memory, while no other connection has written anything, so that it never sees a file that was overwritten. With WAL the
        file changes once in a thousand pages.

        @raise StorageFault: they cannot be read.
        """
        with self._asking():
            try:
                status = os.stat(self.path)
            except OSError:
                raise StorageFault(self._missing()) from None
            found = (status.st_mtime_ns, status.st_size)
            if found == self._verified:
                return
            with closing(sqlite3.connect(f"file:{quote(self.path)}?mode=rw", timeout=_STORE_SECONDS, uri=True)) as connection:
                connection.execute("SELECT name, serial FROM zones").fetchall()
                connection.execute("SELECT max(id) FROM changes").fetchone()
            self._verified = found

    def _missing(self) -> str:
        return f"{self.path}: there is no database; txdns zone edit --store {self.path} makes one"

    def _open(self) -> None:
        execute = self._connection.execute
        (application,) = execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION:
            raise StorageFault(f"{self.path}: a database of another application")
        execute("PRAGMA foreign_keys = ON")
        execute("PRAGMA synchronous = FULL")

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if type(error) is sqlite3.DatabaseError:
                # Its subclasses are for a database that is locked, a disk that is full, and the like.
                self._isBroken = True
                self._verified = None
            raise StorageFault(f"{self.path}: {error}") from error

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        with self._asking():
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield
            except BaseException:
                # After some errors SQLite has done it.
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    # -- reading

    def zones(self) -> dict[bytes, int]:
        with self._asking():
            rows = self._connection.execute("SELECT name, serial FROM zones ORDER BY name").fetchall()
        found: dict[bytes, int] = {}
        for name, serial in rows:
            # An invalid name cannot be queried, so there is no zone to report the error for.
            with suppress(BadName):
                found[nameFromText(str(name))] = int(serial)
        return found

    def position(self) -> int:
        with self._asking():
            (position,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()
        return int(position)

    def load(self, apexName: bytes) -> list[RRSet]:
        self._renew()
        with self._transaction("DEFERRED"):
            found = self._find(apexName)
            if found is None:
                raise BadZone(f"{self.path}: has no zone {nameToText(apexName)}")
            return self._load(apexName, *found)

    def _find(self, apexName: bytes) -> tuple[int, int] | None:
        names = (nameToText(apexName), nameToText(apexName, final=False))
        row = self._connection.execute("SELECT id, serial FROM zones WHERE name IN (?, ?)", names).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def _load(self, apexName: bytes, zone: int, serial: int) -> list[RRSet]:
        rows = self._connection.execute("SELECT id, owner, type, ttl, rdata FROM records WHERE zone = ?", (zone,))
        sets = groupRecords([self._record(apexName, *row) for row in rows])
        return [_numbered(rrset, serial) if rrset.rrType == SOA else rrset for rrset in sets]

    def _record(self, apexName: bytes, row: int, owner: str, kind: str, ttl: int, rdata: str) -> RRSet:
        try:
            rrType = typeNumber(kind)
            if rrType is None or isMeta(rrType):
                raise BadRecord(f"{kind!r} is not a record type")
            name = apexName if owner == "@" else nameFromText(owner, apexName)
            if keyBelow(name, apexName.lower()) is None:
                raise BadRecord(f"{owner} is not in the zone")
            if rrType == SOA and len(name) != len(apexName):
                raise BadRecord(f"an SOA record at {owner}, which belongs at @, the zone's name")
            return RRSet(name, rrType, IN, ttl, (rdataFromText(rrType, rdata, apexName),))
        except (BadName, BadRecord) as error:
            raise BadZone(f"{self.path}: {nameToText(apexName)}, record {row}: {error}") from None

    def news(self, since: int) -> tuple[int, dict[bytes, News | BadZone]]:
        self._renew()
        self._verify()
        former = self._former
        with self._asking():
            (seen,) = self._connection.execute("PRAGMA data_version").fetchone()
            if seen == self._seen and former is None:
                # No other connection has written anything.
                return since, {}
        with self._transaction("DEFERRED"):
            execute = self._connection.execute
            (first, last) = execute("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM changes").fetchone()
            rows = execute("SELECT DISTINCT zone, owner FROM changes WHERE id > ? LIMIT ?", (since, _STORE_NEWS + 1)).fetchall()
            if first > since + 1 or last < since or former is not None:
                # More has changed than the feed keeps, or it is another database.
                rows = [(name, None) for name in {nameToText(name) for name in self.zones()} | (former or set())]
            elif len(rows) > _STORE_NEWS:
                rows = [(zone, None) for (zone,) in execute("SELECT DISTINCT zone FROM changes WHERE id > ?", (since,))]
            told: dict[str, set[str] | None] = {}
            for zone, owner in rows:
                known = told.setdefault(zone.lower().rstrip("."), set())
                if owner is None:
                    told[zone.lower().rstrip(".")] = None
                elif known is not None:
                    known.add(owner)
            found: dict[bytes, News | BadZone] = {}
            for text, owners in told.items():
                try:
                    apexName = nameFromText(text or ".")
                except BadName:
                    continue
                try:
                    found[apexName.lower()] = self._newsOf(apexName, owners)
                except BadZone as fault:
                    found[apexName.lower()] = fault
        self._seen = seen
        self._former = None
        return int(last), found

    def _newsOf(self, apexName: bytes, owners: set[str] | None) -> News:
        zone = self._find(apexName)
        if zone is None:
            return News(None, None)
        number, serial = zone
        if owners is None:
            return News(serial, None)
        names: dict[bytes, tuple[RRSet, ...]] = {}
        for owner in owners:
            try:
                name = apexName if owner == "@" else nameFromText(owner, apexName)
            except BadName:
                raise BadZone(f"{self.path}: {nameToText(apexName)}: {owner!r} is not a valid name") from None
            names[name.lower()] = tuple([rrset for rrset in self._at(apexName, number, name) if rrset.rrType != SOA])
        soa = next((rrset for rrset in self._at(apexName, number, apexName) if rrset.rrType == SOA), None)
        return News(serial, names, None if soa is None else _numbered(soa, serial))

    def _at(self, apexName: bytes, zone: int, name: bytes) -> tuple[RRSet, ...]:
        return groupRecords([self._record(apexName, *row) for row in self._rows(apexName, zone, name)])

    def _rows(self, apexName: bytes, zone: int, name: bytes) -> list[tuple[int, str, str, int, str]]:
        """
        Return the rows of a name, in any spelling.
        """
        texts = (nameToText(name), _relative(name, apexName))
        query = "SELECT id, owner, type, ttl, rdata FROM records WHERE zone = ? AND owner IN (?, ?)"
        return [tuple(row) for row in self._connection.execute(query, (zone, *texts))]

    # -- writing

    def write(self, differences: Sequence[Difference]) -> None:
        self._renew()
        with self._transaction("IMMEDIATE"):
            for difference in differences:
                self._write(difference)

    def _write(self, difference: Difference) -> None:
        apexName = difference.before.name
        found = self._find(apexName)
        if found is None or found[1] != difference.oldSerial:
            where = "is gone" if found is None else f"is at serial {found[1]}"
            raise StoreMoved(f"{self.path}: {nameToText(apexName)} {where}, the change begins at {difference.oldSerial}")
        zone = found[0]
        for record in eachRecord((*difference.removed, difference.before)):
            self._remove(apexName, zone, record)
        self._insert(apexName, zone, (*difference.added, difference.after))
        self._connection.execute("UPDATE zones SET serial = ? WHERE id = ?", (difference.newSerial, zone))

    def _remove(self, apexName: bytes, zone: int, record: RRSet) -> None:
        for row in self._rows(apexName, zone, record.name):
            there = self._record(apexName, *row)
            if there.rrType == record.rrType and (record.rrType == SOA or there.rdatas == record.rdatas):
                self._connection.execute("DELETE FROM records WHERE id = ?", (row[0],))

    def _insert(self, apexName: bytes, zone: int, sets: Iterable[RRSet]) -> None:
        self._connection.executemany(
            "INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (?, ?, ?, ?, ?)",
            [
                (zone, _relative(record.name, apexName), typeName(record.rrType), record.ttl, rdataToText(record.rrType, record.rdatas[0]))
                for record in eachRecord(tuple(sets))
            ],
        )

    def create(self, apexName: bytes, sets: Sequence[RRSet]) -> None:
        """
        Add a zone.

        @param sets: its RRsets, including the SOA.

        @raise StorageFault: it exists already.
        @raise BadZone: it has no SOA.
        """
        with self._transaction("IMMEDIATE"):
            self._create(apexName, sets)

    def _create(self, apexName: bytes, sets: Sequence[RRSet]) -> None:
        soa = next((rrset for rrset in sets if rrset.rrType == SOA), None)
        if soa is None:
            raise BadZone(f"{nameToText(apexName)} has no SOA")
        if self._find(apexName) is not None:
            raise StorageFault(f"{self.path}: has a zone {nameToText(apexName)} already")
        cursor = self._connection.execute("INSERT INTO zones (name) VALUES (?)", (nameToText(apexName),))
        zone = int(cursor.lastrowid or 0)
        self._insert(apexName, zone, sets)
        serial = int.from_bytes(soa.rdatas[0][-20:-16], "big")
        self._connection.execute("UPDATE zones SET serial = ? WHERE id = ?", (serial, zone))

    def close(self) -> None:
        self._connection.close()


def makeDatabase(path: str) -> None:
    """
    Make a database without zones, unless there is a file that is not empty.

    @raise StorageFault: it cannot be made.
    """
    if _fileAt(path) is not None or not isPlain(path):
        return
    try:
        with closing(sqlite3.connect(path, timeout=_STORE_SECONDS, isolation_level=None)) as connection:
            # With WAL, readers and the writer do not block each other.
            connection.execute("PRAGMA journal_mode = WAL")
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
    except sqlite3.Error as error:
        raise StorageFault(f"{path}: {error}") from error


def _fileAt(path: str, *, empty: bool = False) -> tuple[int, int] | None:
    """
    Return device and inode of a file; L{None} if there is none.

    @param empty: whether to accept an empty file.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_size or empty else None


def _numbered(soa: RRSet, serial: int) -> RRSet:
    return RRSet(soa.name, SOA, soa.rrClass, soa.ttl, tuple([withSerial(rdata, serial) for rdata in soa.rdatas]))


def _relative(name: bytes, apexName: bytes) -> str:
    labels = name[: len(name) - len(apexName)]
    return nameToText(labels + b"\x00", final=False) if labels else "@"
