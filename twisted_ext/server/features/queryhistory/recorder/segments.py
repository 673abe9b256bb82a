"""
The history of queries on disk: SQLite files of up to a million queries each. One is written; it has no index, which would make each row
dearer the longer the file is, but counts of each hour. When it is full it is closed: it gets its indexes, and is never written again. To
forget the oldest queries is to remove a file.

Names, clients and other texts are words with numbers, so that a query is a row of small numbers. What a name is an alias of has numbers of
its own: 0 for nothing, C{NULL} if it is not known.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from time import sleep
from typing import Final

from twisted_ext.server.features.queryhistory.recorder.rows import CLIENT, EDE, NAME, RULE, UPSTREAM, VIEW, Row
from twisted_ext.server.features.queryhistory.recorder.tallies import TALLY_TABLE, Tallies, countRest

__all__ = ["VERSION", "Segment", "Writer", "finish", "removeFiles", "segmentsIn", "unclosed"]

#: In the header of the database: so that other files are not taken for ours, and what the tables are like.
_APPLICATION: Final = 0x74786871
VERSION: Final = 2

_ENDING: Final = ".sqlite"

#: Ending of a file that cannot be read. It is not opened any more.
_DAMAGED: Final = ".damaged"

_DIGITS: Final = 8

#: How often the end of a write-ahead log is tried, and seconds between two tries: together as long as a search may read.
_TRIES: Final = 50
_PAUSE: Final = 0.1

#: All tables at once: of a process that is killed meanwhile there is a file with nothing.
_SCHEMA: Final = f"""
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
BEGIN;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
CREATE TABLE word (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE query (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, client INTEGER, name INTEGER NOT NULL, type INTEGER NOT NULL, rcode INTEGER NOT NULL,
    ede INTEGER, micros INTEGER NOT NULL, rule INTEGER, upstream INTEGER, view INTEGER, status INTEGER NOT NULL, transport INTEGER NOT NULL,
    security INTEGER NOT NULL, alias INTEGER
);
CREATE TABLE alias (id INTEGER PRIMARY KEY, names TEXT NOT NULL);
CREATE TABLE about (key TEXT PRIMARY KEY, value);
{TALLY_TABLE}
COMMIT;
"""

_INDEXES: Final = """
CREATE UNIQUE INDEX IF NOT EXISTS words ON word (kind, text);
CREATE INDEX IF NOT EXISTS byname ON query (name);
CREATE INDEX IF NOT EXISTS byclient ON query (client);
CREATE INDEX IF NOT EXISTS byrcode ON query (rcode) WHERE rcode <> 0;
CREATE INDEX IF NOT EXISTS byrule ON query (rule) WHERE rule IS NOT NULL;
"""

_INSERT: Final = "INSERT INTO query VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Segment:
    """
    A file of the history.

    @ivar number: its number, from 1 on; later ones have higher numbers.
    @ivar octets: its size, with what SQLite keeps beside it.
    """

    path: str
    number: int
    octets: int


def segmentsIn(folder: str) -> list[Segment]:
    """
    Return the files of a history, the oldest first.

    @raise OSError: the folder cannot be read.
    """
    found: dict[str, int] = {}
    for entry in os.scandir(folder):
        stem, _, ending = entry.name.partition(".")
        if stem.isascii() and stem.isdigit() and len(stem) == _DIGITS and f".{ending}" in (_ENDING, f"{_ENDING}-wal", f"{_ENDING}-shm"):
            with suppress(OSError):
                found[stem] = found.get(stem, 0) + entry.stat().st_size
    paths = [(f"{folder}/{stem}{_ENDING}", int(stem), octets) for stem, octets in sorted(found.items())]
    return [Segment(path, number, octets) for path, number, octets in paths if os.path.exists(path)]


class Writer:
    """
    Writes the newest file of a history.

    @ivar rows: how many rows it has.
    @ivar words: how many words.
    @ivar began: when it was made, in seconds since 1970.
    """

    def __init__(self, folder: str, now: float) -> None:
        """
        @raise sqlite3.Error: it cannot be made.
        @raise OSError: the same.
        """
        numbers = [each.number for each in segmentsIn(folder)]
        damaged = [int(name[:_DIGITS]) for name in os.listdir(folder) if name.endswith(_DAMAGED) and name[:_DIGITS].isdigit()]
        self.path = f"{folder}/{max([0, *numbers, *damaged]) + 1:0{_DIGITS}}{_ENDING}"
        self.rows = 0
        self.began = now
        # By kind: a key for both would take half as much again.
        self._words: list[dict[str, int]] = [{} for _ in range(VIEW + 1)]
        self._aliases: dict[str, int] = {}
        self.words = 0
        self._tallies = Tallies()
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._sql = sqlite3.connect(self.path, isolation_level=None)
        try:
            self._sql.executescript(_SCHEMA)
            self._sql.executescript("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 2000;")
        except BaseException:
            self.drop()
            raise

    def write(self, rows: Sequence[Row]) -> None:
        """
        Write rows: all of them, or none.

        @raise sqlite3.Error: they cannot be written.
        """
        sql = self._sql
        aliases = self._aliases
        fresh: list[tuple[int, int, str]] = []
        freshAliases: list[tuple[int, str]] = []

        def numberOf(kind: int, text: str) -> int | None:
            if not text and kind != NAME:
                return None
            words = self._words[kind]
            number = words.get(text)
            if number is None:
                number = words[text] = self.words + len(fresh) + 1
                fresh.append((number, kind, text))
            return number

        def aliasOf(names: str | None) -> int | None:
            if not names:
                return None if names is None else 0
            number = aliases.get(names)
            if number is None:
                number = aliases[names] = len(aliases) + 1
                freshAliases.append((number, names))
            return number

        values = [
            (
                at, numberOf(CLIENT, client), numberOf(NAME, name), rrType, rcode, numberOf(EDE, ede), micros, numberOf(RULE, rule),
                numberOf(UPSTREAM, upstream), numberOf(VIEW, view), status, transport, security, aliasOf(alias),
            )
            for at, client, name, rrType, rcode, ede, micros, rule, upstream, view, status, transport, security, alias in rows
        ]  # fmt: skip
        try:
            sql.execute("BEGIN")
            if isDue := bool(values) and self._tallies.isDue(values[0][0]):
                self._tallies.write(sql, self.rows)
            sql.executemany("INSERT INTO word VALUES (?, ?, ?)", fresh)
            sql.executemany("INSERT INTO alias VALUES (?, ?)", freshAliases)
            sql.executemany(_INSERT, values)
            sql.execute("COMMIT")
        except BaseException:
            for _, kind, text in fresh:
                del self._words[kind][text]
            for _, names in freshAliases:
                del aliases[names]
            with suppress(sqlite3.Error):
                sql.execute("ROLLBACK")
            raise
        if isDue:
            self._tallies.clear()
        self._tallies.add(values)
        self.rows += len(values)
        self.words += len(fresh) + len(freshAliases)

    def close(self) -> str:
        """
        Write no more. Return the path, for L{finish}.
        """
        self._sql.close()
        return self.path

    def drop(self) -> None:
        """
        Remove the file, which has nothing.
        """
        self._sql.close()
        removeFiles(self.path)


def removeFiles(path: str) -> None:
    """
    Remove a file, and what SQLite keeps beside it.
    """
    for ending in ("", "-wal", "-shm"):
        with suppress(OSError):
            os.unlink(path + ending)


def finish(path: str) -> bool:
    """
    Give a file that is not written any more its indexes, unless it has them. A damaged one is renamed, and one with nothing removed.

    @return: whether it can be read.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as sql:
            if sql.execute("PRAGMA application_id").fetchone() != (_APPLICATION,):
                if sql.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                    removeFiles(path)
                    return True
                # Another program's.
                raise sqlite3.DatabaseError
            if sql.execute("SELECT value FROM about WHERE key = 'closed'").fetchone() is None:
                first, last, rows = sql.execute("SELECT min(at), max(at), count(*) FROM query").fetchone()
                countRest(sql)
                sql.executescript(_INDEXES)
                about = [("first", first), ("last", last), ("rows", rows), ("closed", 1)]
                sql.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about)
            _endLog(sql)
        os.chmod(path, 0o400)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error) and "not a database" not in str(error):
            # Such as a full disk: it is tried again at the next start.
            return True
        with suppress(OSError):
            os.rename(path, path + _DAMAGED)
        return False
    except OSError:
        return False
    return True


def _endLog(sql: sqlite3.Connection) -> None:
    """
    Put the write-ahead log into the file. SQLite does not wait for those who read it at that moment, such as a search.
    """
    for attempt in range(_TRIES):
        try:
            sql.execute("PRAGMA journal_mode = DELETE")
            return
        except sqlite3.OperationalError:
            if attempt == _TRIES - 1:
                raise
            sleep(_PAUSE)


def unclosed(folder: str) -> Iterator[str]:
    """
    Return the paths of files that an earlier process has not finished.
    """
    for each in segmentsIn(folder):
        try:
            isClosed = not os.stat(each.path).st_mode & 0o200
        except OSError:
            continue
        if not isClosed:
            yield each.path
