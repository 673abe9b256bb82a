"""
The last good copies of zones from databases: small zones are rows of one SQLite database, since each file of its own would have to wait for
the disk by itself; larger ones have files of their own, of which a change writes only what has changed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadImage, BudgetSpent, StorageFault
from twisted_ext.files import forState
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.traversal import builderOf
from twisted_ext.zone.store.version import Version

if TYPE_CHECKING:
    from twisted_ext.zone.sign.unsigned import UnsignedVersion

__all__ = ["Copies", "Copy"]

_FILE: Final = "copies.sqlite"

#: SQLite keeps these beside the database.
_BESIDE: Final = ("", "-wal", "-shm", "-journal")

#: Octets of an image up to which a zone is a row. A row is written as a whole, and made anew for a zone that has changed: of a thousand
#: records that takes 5 ms, in which no other thread runs.
_SMALL: Final = 1 << 16

_log: Final = Logger(__name__)

#: A version to be written: the folded name of its zone, and the files that it has if it is large.
Copy = tuple[bytes, Version, "UnsignedVersion"]


class Copies:
    """
    The copies in a folder. What reads and writes is called by one thread at a time.

    @ivar paths: the files of the database.
    @ivar isLost: whether the database was damaged or removed while it was in use, so that all of it has to be written again.
    """

    def __init__(self, folder: str) -> None:
        """
        @raise OSError: there can be no such database.
        """
        self._path = f"{folder}/{_FILE}"
        self.paths = [f"{self._path}{ending}" for ending in _BESIDE]
        self.isLost = False
        self._rows: set[bytes] = set()
        try:
            self._connection = self._opened()
        except sqlite3.Error as error:
            # They are copies: what is lost is written again once the zones have arrived.
            _log.error("{path}: {error}; it is made anew", path=self._path, error=error)
            self._connection = self._anew()

    def _opened(self) -> sqlite3.Connection:
        # Made here, so that others cannot read it; SQLite gives its other files the same mode.
        os.close(forState(self._path, os.O_RDWR | os.O_CREAT))
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            # With WAL, a batch waits for the disk once.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("CREATE TABLE IF NOT EXISTS copies (zone BLOB PRIMARY KEY, image BLOB NOT NULL) WITHOUT ROWID")
            self._rows = {bytes(zone) for (zone,) in connection.execute("SELECT zone FROM copies")}
        except BaseException:
            connection.close()
            raise
        self._inode = os.stat(self._path).st_ino
        return connection

    def _anew(self) -> sqlite3.Connection:
        for path in self.paths:
            with suppress(OSError):
                os.unlink(path)
        try:
            return self._opened()
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: {error}") from error

    def read(self, apex: bytes) -> Version | None:
        """
        Return the row of a zone; L{None} if there is none, or it is damaged.
        """
        if apex not in self._rows:
            return None
        try:
            row = self._connection.execute("SELECT image FROM copies WHERE zone = ?", (apex,)).fetchone()
            image = None if row is None else Image(row[0])
        except (sqlite3.Error, BadImage, TypeError):
            return None
        return Version(image) if image is not None and image.sound and image.apex == apex else None

    def sweep(self, kept: Collection[bytes]) -> None:
        """
        Remove the rows of zones that are not kept any more.
        """
        gone = [apex for apex in self._rows if apex not in kept]
        if gone:
            self._put(gone, {})

    def write(self, gone: Sequence[tuple[bytes, UnsignedVersion]], several: Sequence[Copy]) -> dict[bytes, str]:
        """
        Remove the copies of some zones, then write those of others. This waits for the disk, for all rows together once.

        @return: what could not be written, by zone, and why.
        """
        failed: dict[bytes, str] = {}
        rows: dict[bytes, bytes] = {}
        left: list[bytes] = [apex for apex, _ in gone if apex in self._rows]
        for _, file in gone:
            file.remove()
        for apex, version, file in several:
            try:
                octets = _octetsOf(version)
                if octets is not None:
                    rows[apex] = octets
                    continue
                file.keep(version)
                if apex in self._rows:
                    left.append(apex)
            except (OSError, StorageFault, BudgetSpent) as error:
                failed[apex] = str(getattr(error, "strerror", None) or error)
        said = self._put(left, rows) if left or rows else ""
        if said:
            return {**failed, **dict.fromkeys(rows, said)}
        for apex, _, file in several:
            if apex in rows:
                # It was larger, or another version of this program has written it.
                file.remove()
        return failed

    def _put(self, gone: Sequence[bytes], rows: dict[bytes, bytes]) -> str:
        """
        @return: what has failed.
        """
        try:
            if not os.path.exists(self._path) or os.stat(self._path).st_ino != self._inode:
                raise sqlite3.DatabaseError("it was removed")
            execute = self._connection.execute
            execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("DELETE FROM copies WHERE zone = ?", [(apex,) for apex in gone])
                self._connection.executemany("INSERT OR REPLACE INTO copies VALUES (?, ?)", rows.items())
                execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            # Such as a full disk: what was written before is there.
            return str(error)
        except (sqlite3.Error, OSError) as error:
            _log.error("{path}: {error}; it is made anew", path=self._path, error=error)
            self._connection.close()
            wasLost, self.isLost = self.isLost, True
            try:
                self._connection = self._anew()
            except OSError as fault:
                return str(fault)
            return str(error) if wasLost else self._put(gone, rows)
        self._rows.difference_update(gone)
        self._rows.update(rows)
        return ""

    def close(self) -> None:
        self._connection.close()


def _octetsOf(version: Version) -> bytes | None:
    """
    Return the image of a version; L{None} if it is large.
    """
    if version.image.size > _SMALL:
        return None
    octets = builderOf(version).finish() if version.overlay else version.image.toBytes()
    return octets if len(octets) <= _SMALL else None
