"""
Tests of L{twisted_ext.apps.robot.database}.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import Queue
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.robot.memory import RobotCase
from twisted_ext.apps.robot import database
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.interfaces import IStorage
from twisted_ext.errors import StorageFault
from twisted_ext.limits import Limit

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorThreads

__all__: list[str] = []

_T = TypeVar("_T")

_TABLE = "CREATE TABLE words (word TEXT NOT NULL)"


def insert(connection: sqlite3.Connection, word: str) -> str:
    connection.execute("INSERT INTO words VALUES (?)", (word,))
    return word


def words(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT word FROM words ORDER BY rowid")]


class _Reactor:
    """
    Runs what threads pass to it when the test waits.
    """

    def __init__(self) -> None:
        self.calls: Queue[Callable[[], object]] = Queue()

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:
        self.calls.put(lambda: function(*arguments))

    def wait(self, deferred: Deferred[_T]) -> Deferred[_T]:
        while not deferred.called or deferred.paused:
            self.calls.get(timeout=60)()
        return deferred


class ThreadTests(SynchronousTestCase):
    """
    Tests of the database's threads.
    """

    def setUp(self) -> None:
        self.reactor = _Reactor()
        self.path = f"{self.mktemp()}/state/robot.sqlite3"
        self.database = Database(cast("IReactorThreads", self.reactor), self.path)
        self.database.open()
        self.addCleanup(lambda: self.result(self.database.close()))

    def result(self, deferred: Deferred[_T]) -> _T:
        return self.successResultOf(self.reactor.wait(deferred))

    def test_onlyThreads(self) -> None:
        """
        Functions run in other threads than the reactor's.
        """
        threads = [self.result(call(lambda _: current_thread())) for call in (self.database.read, self.database.write)]
        self.assertNotIn(main_thread(), threads)

    def test_orderOfWrites(self) -> None:
        """
        Writes happen in the order of the calls, and a read that begins after one has ended sees it.
        """
        self.result(self.database.prepare("words", [_TABLE]))
        written = [self.database.write(insert, str(number)) for number in range(100)]
        self.result(written[-1])
        self.assertEqual(self.result(self.database.read(words)), [str(number) for number in range(100)])

    def test_readsDoNotWait(self) -> None:
        """
        A read ends while a write lasts.
        """
        self.result(self.database.prepare("words", [_TABLE]))
        go = Event()
        writing = self.database.write(lambda connection: (insert(connection, "a"), go.wait(60)))
        self.assertEqual(self.result(self.database.read(words)), [])
        go.set()
        self.result(writing)

    def test_folderThatIsGone(self) -> None:
        """
        A thread that cannot open the database fails with one line.
        """
        folder = Path(self.path).parent
        folder.rename(folder.parent / "elsewhere")
        folder.touch()
        failure = self.failureResultOf(self.reactor.wait(self.database.read(words)), StorageFault)
        self.assertEqual(str(failure.value), f"{self.path}: unable to open database file; the robot's user needs the right to write there")

    def test_waitingCallsAreBounded(self) -> None:
        """
        Calls are refused when too many wait, and taken again afterwards.
        """
        self.patch(database, "DATABASE_WAITING", Limit(default=2, least=1, most=9))
        go = Event()
        waiting = [self.database.write(lambda _: go.wait(60)) for _ in range(2)]
        failure = self.failureResultOf(self.database.write(lambda _: None), StorageFault)
        self.assertIn("2 calls wait for the database already", str(failure.value))
        go.set()
        for each in waiting:
            self.result(each)
        self.result(self.database.write(lambda _: None))

    def test_closingFinishes(self) -> None:
        """
        What was begun before the database is closed is written, and later calls fail.
        """
        self.result(self.database.prepare("words", [_TABLE]))
        go = Event()
        first = self.database.write(lambda _: go.wait(60))
        second = self.database.write(insert, "a")
        closing_ = self.database.close()
        go.set()
        self.result(closing_)
        self.result(first)
        self.result(second)
        self.failureResultOf(self.database.read(words), StorageFault)
        with closing(sqlite3.connect(self.path)) as connection:
            self.assertEqual(words(connection), ["a"])


class DatabaseTests(RobotCase):
    def setUp(self) -> None:
        super().setUp()
        self.successResultOf(self.database.prepare("words", [_TABLE]))

    def words(self) -> list[str]:
        return self.successResultOf(self.database.read(words))

    def refused(self, deferred: Deferred[_T]) -> str:
        """
        Return the fault, which has to be one line that names the file.
        """
        said = str(self.failureResultOf(deferred, StorageFault).value)
        self.assertTrue(said.startswith(f"{self.path}: "))
        self.assertNotIn("\n", said)
        return said

    def other(self) -> Database:
        return Database(cast("IReactorThreads", self.clock), self.path, threaded=False)

    def test_raisingChangesNothing(self) -> None:
        """
        If a function raises, what it has written is not there.
        """

        def fail(connection: sqlite3.Connection) -> None:
            insert(connection, "a")
            raise ZeroDivisionError

        self.failureResultOf(self.database.write(fail), ZeroDivisionError)
        self.assertEqual(self.words(), [])

    def test_tablesAreChangedOnce(self) -> None:
        """
        Of the scripts of a component, only those run that have not been run before.
        """
        scripts = [_TABLE, "ALTER TABLE words ADD COLUMN language TEXT;\nUPDATE words SET language = 'en'"]
        self.successResultOf(self.database.write(insert, "a"))
        for _ in range(2):
            self.successResultOf(self.database.prepare("words", scripts))
        found = self.successResultOf(self.database.read(lambda connection: connection.execute("SELECT * FROM words").fetchall()))
        self.assertEqual(found, [("a", "en")])
        self.assertIn("version 2, which a newer robot has made", self.refused(self.database.prepare("words", [_TABLE])))

    def test_full(self) -> None:
        """
        When the disk is full, a write fails with one line, what was acknowledged remains, and writing works again when there is space.
        """
        self.successResultOf(self.database.write(insert, "kept"))

        def bound(connection: sqlite3.Connection, pages: int) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        self.successResultOf(self.database.read(bound, 1))
        self.assertIn("disk is full; free some space", self.refused(self.database.write(insert, "x" * 100_000)))
        self.assertEqual(self.words(), ["kept"])
        self.successResultOf(self.database.read(bound, 1000))
        self.successResultOf(self.database.write(insert, "more"))
        self.assertEqual(self.words(), ["kept", "more"])

    def test_locked(self) -> None:
        """
        When another process has locked the database, a write fails with one line, a read works, and so does the next write after it.
        """
        self.stop()
        self.patch(database, "_LOCKED", 0.01)
        self.start()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.assertIn("database is locked; end the other process that uses it", self.refused(self.database.write(insert, "a")))
            self.assertEqual(self.words(), [])
        self.successResultOf(self.database.write(insert, "b"))
        self.assertEqual(self.words(), ["b"])

    def test_damagedWhileOpen(self) -> None:
        """
        A database that is damaged while the robot runs fails with one line.
        """
        self.successResultOf(self.database.write(lambda connection: [insert(connection, "x" * 1000) for _ in range(1000)]))
        self.stop()
        size = os.path.getsize(self.path)
        with open(self.path, "r+b") as file:
            file.seek(8192)
            file.write(b"\xff" * (size - 8192))
        self.start()
        self.assertIn("malformed; stop the robot and restore a backup", self.refused(self.database.read(words)))

    def test_noDatabase(self) -> None:
        """
        A file that is not a database is not opened, and stays as it is.
        """
        self.stop()
        for each in Path(self.path).parent.iterdir():
            each.unlink()
        Path(self.path).write_text("these are some notes of mine\n" * 100)
        fault = self.assertRaises(StorageFault, self.other().open)
        self.assertEqual(str(fault), f"{self.path}: file is not a database; give the robot another state folder, or move the file away")
        self.assertEqual(Path(self.path).read_text(), "these are some notes of mine\n" * 100)
        Path(self.path).unlink()
        self.start()

    def test_notWritable(self) -> None:
        """
        A database without the right to write, and a folder that cannot be made, fail with one line.
        """
        self.successResultOf(self.database.read(lambda connection: connection.execute("PRAGMA query_only = ON").close()))
        said = self.refused(self.database.write(insert, "a"))
        self.assertIn("attempt to write a readonly database; the robot's user needs the right to write there", said)
        file = self.mktemp()
        Path(file).touch()
        path = f"{file}/state/robot.sqlite3"
        fault = self.assertRaises(StorageFault, Database(cast("IReactorThreads", self.clock), path, threaded=False).open)
        self.assertEqual(str(fault), f"{path}: Not a directory")

    def test_secondRobotIsRefused(self) -> None:
        """
        A second robot cannot open the database before the first one has ended; without the lock both would give the same messages.
        """
        fault = self.assertRaises(StorageFault, self.other().open)
        self.assertEqual(str(fault), f"{self.path}: another robot uses this database; give each a state folder of its own")
        self.stop()
        second = self.other()
        second.open()
        self.patch(database, "flock", lambda descriptor, operation: None)
        third = self.other()
        third.open()
        for each in (second, third):
            self.successResultOf(each.close())
        self.start()

    def test_private(self) -> None:
        """
        Other users of the machine cannot read the database.
        """
        self.successResultOf(IStorage(self.robot).store("a", "1", 1))
        files = list(Path(self.path).parent.iterdir())
        self.assertEqual({each.name for each in files}, {"robot.sqlite3", "robot.sqlite3.lock", "robot.sqlite3-wal", "robot.sqlite3-shm"})
        self.assertEqual({each.stat().st_mode & 0o777 for each in files}, {0o600})
        self.assertEqual(Path(self.path).parent.stat().st_mode & 0o777, 0o700)
