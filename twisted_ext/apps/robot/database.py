"""
The robot's SQLite database. All access is from threads: the reactor never waits for a disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from errno import EBUSY
from fcntl import LOCK_EX, LOCK_NB, flock
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, TypeVarTuple, Unpack

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from twisted_ext.apps.robot.limits import DATABASE_WAITING
from twisted_ext.errors import StorageFault
from twisted_ext.files import closeLocked

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorThreads

__all__ = ["Database", "prepared"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_OPENED: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC

#: Seconds to wait for another process that has locked the database.
_LOCKED: Final = 5.0

#: What the operator can do, by SQLite's error.
_ADVICE: Final = {
    "SQLITE_BUSY": "end the other process that uses it; each robot needs a state folder of its own",
    "SQLITE_CANTOPEN": "the robot's user needs the right to write there",
    "SQLITE_CORRUPT": "stop the robot and restore a backup, or move the file away to begin with an empty one",
    "SQLITE_FULL": "free some space; nothing that was stored is lost",
    "SQLITE_IOERR": "look at the kernel's log for faults of the disk",
    "SQLITE_NOTADB": "give the robot another state folder, or move the file away",
    "SQLITE_READONLY": "the robot's user needs the right to write there",
}


class Database:
    """
    One thread writes, each function in a transaction of its own, in the order of the calls. Others read, and do not wait for it (WAL).

    A committed transaction survives the end of the process. After a loss of power the last ones may be missing, but the database is sound
    (C{synchronous=NORMAL}).
    """

    def __init__(self, reactor: IReactorThreads, path: str, *, threaded: bool = True) -> None:
        """
        @param threaded: whether to use threads. Without, functions run at once, for tests.
        """
        self._reactor = reactor
        self._path = path
        self._threaded = threaded
        self._writing = ThreadPool(0, 1, "robot-write")
        self._reading = ThreadPool(0, 2, "robot-read")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._claimed: int | None = None
        self._open = False
        self._waiting = 0

    def open(self) -> None:
        """
        Open the database, or make it. This blocks: call it before the reactor runs.

        @raise StorageFault: it cannot be opened, is none, or another robot has opened it.
        """
        try:
            self._claim()
            self._connected().execute("CREATE TABLE IF NOT EXISTS shapes (component TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        except (sqlite3.Error, OSError) as error:
            fault = self._fault(error)
            self._closeAll()
            raise fault from error
        if self._threaded:
            self._writing.start()
            self._reading.start()
        self._open = True

    def write(self, function: Callable[[sqlite3.Connection, Unpack[_Ts]], _T], *arguments: *_Ts) -> Deferred[_T]:
        """
        Call a function with a connection, in a transaction. If it raises, nothing is changed.

        @return: fires with its result after the commit; fails with L{StorageFault} if the database cannot be written to.
        """
        return self._run(self._writing, True, lambda connection: function(connection, *arguments))

    def read(self, function: Callable[[sqlite3.Connection, Unpack[_Ts]], _T], *arguments: *_Ts) -> Deferred[_T]:
        """
        Call a function with a connection that sees all that was committed before.
        """
        return self._run(self._reading, False, lambda connection: function(connection, *arguments))

    def prepare(self, component: str, scripts: Sequence[str]) -> Deferred[None]:
        """
        Create the tables of a component.

        @param scripts: statements that lead from each version of its tables to the next; those that were run before are skipped.
        """
        return self.write(prepared, component, scripts)

    def close(self) -> Deferred[None]:
        """
        Finish what was begun, and close the database.
        """
        if not self._open:
            return succeed(None)
        self._open = False
        if not self._threaded:
            return maybeDeferred(self._end)
        return deferToThreadPool(self._reactor, self._reading, self._writing.stop).addCallback(lambda _: self._end())

    def _end(self) -> None:
        if self._threaded:
            self._reading.stop()
        self._closeAll()

    def _claim(self) -> None:
        """
        Make the file, and lock it: two robots would each give the same messages. The kernel unlocks it when the process ends.
        """
        folder = os.path.dirname(self._path)
        if not folder:
            return
        os.makedirs(folder, 0o700, exist_ok=True)
        # SQLite gives its other files the same permissions. Messages for others are private.
        os.close(os.open(self._path, _OPENED, 0o600))
        # A file of its own: closing a descriptor of the database would remove SQLite's locks.
        self._claimed = os.open(f"{self._path}.lock", _OPENED, 0o600)
        try:
            flock(self._claimed, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise OSError(EBUSY, "another robot uses this database; give each a state folder of its own") from None

    def _closeAll(self) -> None:
        if self._claimed is not None:
            closeLocked(self._claimed)
            self._claimed = None
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _run(self, pool: ThreadPool, writing: bool, function: Callable[[sqlite3.Connection], _T]) -> Deferred[_T]:
        if not self._open:
            return maybeDeferred(self._refuse, "the database is closed")
        if self._waiting >= DATABASE_WAITING.default:
            return maybeDeferred(self._refuse, f"{self._waiting} calls wait for the database already; the disk may be too slow")
        if not self._threaded:
            return maybeDeferred(self._call, writing, function)
        self._waiting += 1
        return deferToThreadPool(self._reactor, pool, self._call, writing, function).addBoth(self._done)

    def _done(self, result: _T) -> _T:
        self._waiting -= 1
        return result

    def _refuse(self, reason: str) -> NoReturn:
        raise StorageFault(f"{self._path}: {reason}")

    def _call(self, writing: bool, function: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            connection = self._connected()
            if not writing:
                return function(connection)
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = function(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result
        except (sqlite3.Error, OSError) as error:
            raise self._fault(error) from error

    def _connected(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=_LOCKED, isolation_level=None, check_same_thread=False)
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _fault(self, error: Exception) -> StorageFault:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        name = getattr(error, "sqlite_errorname", "")
        advice = next((advice for start, advice in _ADVICE.items() if name.startswith(start)), "")
        return StorageFault(f"{self._path}: {said}" + (f"; {advice}" if advice else ""))


def prepared(connection: sqlite3.Connection, component: str, scripts: Sequence[str]) -> None:
    """
    Do what L{Database.prepare} does, within a transaction.
    """
    found = connection.execute("SELECT version FROM shapes WHERE component = ?", (component,)).fetchone()
    version = int(found[0]) if found else 0
    if version == len(scripts):
        return
    if version > len(scripts):
        raise sqlite3.DatabaseError(f"the tables of {component} have version {version}, which a newer robot has made")
    for script in scripts[version:]:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement)
    connection.execute("INSERT OR REPLACE INTO shapes VALUES (?, ?)", (component, len(scripts)))
