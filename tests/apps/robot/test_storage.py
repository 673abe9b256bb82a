"""
Tests of L{twisted_ext.apps.robot.robot}.
"""

from __future__ import annotations

import sqlite3
from typing import cast

from tests.apps.robot.memory import RobotCase
from twisted_ext.apps.robot import robot
from twisted_ext.apps.robot.interfaces import JSON, IStorage, RetrievalError
from twisted_ext.errors import CallerFault, StorageFault
from twisted_ext.limits import Limit

__all__: list[str] = []


class StorageTests(RobotCase):
    def store(self, key: str, value: JSON, version: str = "1") -> None:
        self.successResultOf(IStorage(self.robot).store(key, version, value))

    def retrieved(self, key: str, version: str = "1") -> JSON:
        return self.successResultOf(IStorage(self.robot).retrieve(key, version))

    def test_valuesSurviveTheRobot(self) -> None:
        """
        Another robot on the same database retrieves what was stored, of all types of JSON.
        """
        value: JSON = {"list": [1, 2.5, None, True, "\x00 \ud800 é"], "empty": {}}
        self.store("a", value)
        self.restart()
        self.assertEqual(self.retrieved("a"), value)

    def test_theLastValueCounts(self) -> None:
        """
        A value replaces the one with its key, and no other.
        """
        self.store("a", 1)
        self.store("b", 2)
        self.store("a", 3)
        self.assertEqual((self.retrieved("a"), self.retrieved("b")), (3, 2))

    def test_componentIsKept(self) -> None:
        """
        The robot has one storage for its life.
        """
        self.assertIs(IStorage(self.robot), IStorage(self.robot))

    def test_nothingStored(self) -> None:
        """
        Retrieving what was never stored fails, and names the key.
        """
        failure = self.failureResultOf(IStorage(self.robot).retrieve("pypi", "1"), RetrievalError)
        self.assertEqual(str(failure.value), "nothing is stored under 'pypi'")

    def test_otherVersion(self) -> None:
        """
        A value of another version is not retrieved without a function that migrates it, and stays.
        """
        self.store("a", 1, "1")
        failure = self.failureResultOf(IStorage(self.robot).retrieve("a", "2"), RetrievalError)
        self.assertEqual(str(failure.value), "the value stored under 'a' has version '1', not '2'")
        self.assertEqual(self.retrieved("a", "1"), 1)

    def test_migratedOnce(self) -> None:
        """
        A migrated value is stored with the new version.
        """
        self.store("a", [1], "1")

        def migrate(version: str, value: JSON) -> JSON:
            return {"version": version, "value": value}

        expected = {"version": "1", "value": [1]}
        self.assertEqual(self.successResultOf(IStorage(self.robot).retrieve("a", "2", migrate)), expected)
        self.assertEqual(self.retrieved("a", "2"), expected)

    def test_storedWhileMigrated(self) -> None:
        """
        A value that is stored while another is migrated is not replaced by it.
        """
        self.store("a", "old", "1")

        def migrate(version: str, value: JSON) -> JSON:
            self.store("a", "new", "2")
            return "migrated"

        self.successResultOf(IStorage(self.robot).retrieve("a", "2", migrate))
        self.assertEqual(self.retrieved("a", "2"), "new")

    def test_failedMigration(self) -> None:
        """
        If the function that migrates fails, the value stays as it is.
        """
        self.store("a", 1, "1")
        self.failureResultOf(IStorage(self.robot).retrieve("a", "2", lambda version, value: [][0]), IndexError)
        self.assertEqual(self.retrieved("a", "1"), 1)

    def test_laterChange(self) -> None:
        """
        What the caller changes after the call is not stored.
        """
        value = [1]
        stored = IStorage(self.robot).store("a", "1", value)
        value.append(2)
        self.successResultOf(stored)
        self.assertEqual(self.retrieved("a"), [1])

    def test_onlyJSON(self) -> None:
        """
        Objects, numbers that JSON has not and endless nesting are refused in one line, and change nothing.
        """
        self.store("a", 1)
        endless: list[JSON] = []
        endless.append(endless)
        for value in (cast(JSON, {"a": object()}), float("nan"), endless):
            failure = self.failureResultOf(IStorage(self.robot).store("a", "1", value), CallerFault)
            self.assertRegex(str(failure.value), r"^the value for 'a' cannot be written as JSON: .+$")
        self.assertEqual(self.retrieved("a"), 1)

    def test_valuesAreBounded(self) -> None:
        """
        A value that is too large, and a key that is too long or empty, are refused.
        """
        for key, value in (("a", "x" * (1 << 20)), ("k" * 201, ""), ("", "")):
            self.failureResultOf(IStorage(self.robot).store(key, "1", value), CallerFault)
            self.failureResultOf(IStorage(self.robot).retrieve(key, "1"), RetrievalError)

    def test_numberIsBounded(self) -> None:
        """
        When as many values are stored as may be, another key is refused, and those that exist can be replaced.
        """
        self.patch(robot, "STORED_VALUES", Limit(default=2, least=1, most=9))
        self.store("a", 1)
        self.store("b", 1)
        self.failureResultOf(IStorage(self.robot).store("c", "1", 1), CallerFault)
        self.failureResultOf(IStorage(self.robot).retrieve("c", "1"), RetrievalError)
        self.store("b", 2)
        self.assertEqual(self.retrieved("b"), 2)

    def test_damagedValue(self) -> None:
        """
        A value that is not JSON any more fails as damage, not as a value that was never stored.
        """
        self.store("a", 1)

        def damage(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE stored SET value = '{'")

        self.successResultOf(self.database.write(damage))
        failure = self.failureResultOf(IStorage(self.robot).retrieve("a", "1"), StorageFault)
        self.assertIn("what is stored under 'a' is damaged", str(failure.value))
