"""
Values of plugins, stored as JSON in the robot's database.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer

from twisted_ext.apps.robot.database import prepared
from twisted_ext.apps.robot.interfaces import JSON, IStorage, Migrate, RetrievalError
from twisted_ext.apps.robot.limits import STORED_VALUES
from twisted_ext.apps.robot.stepping import CURRENT, runPlugin
from twisted_ext.errors import CallerFault, StorageFault

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Storage"]

#: Octets of a stored value as JSON. It is written as a whole each time.
_STORED_OCTETS: Final = 1 << 20

#: Characters of the key of a stored value.
_STORED_KEY: Final = 200

_TABLES: Final = ("CREATE TABLE stored (key TEXT PRIMARY KEY, version TEXT NOT NULL, value TEXT NOT NULL)",)


@implementer(IStorage)
class Storage:
    def __init__(self, robot: Robot) -> None:
        self._database = robot.database

    def store(self, key: str, version: str, value: JSON) -> Deferred[None]:
        return maybeDeferred(self._store, key, version, value)

    def _store(self, key: str, version: str, value: JSON, old: str | None = None) -> Deferred[None]:
        # Encoded now: the caller may change it afterwards.
        return self._database.write(_written, key, version, _encoded(key, value), old)

    def retrieve(self, key: str, version: str, migrate: Migrate | None = None) -> Deferred[JSON]:
        return Deferred.fromCoroutine(self._retrieve(key, version, migrate))

    async def _retrieve(self, key: str, version: str, migrate: Migrate | None) -> JSON:
        # In the thread that writes: a plugin that is loaded again finds what it has just stored.
        found = await self._database.write(_read, key)
        if found is None:
            raise RetrievalError(f"nothing is stored under {key!r}")
        old, text = found
        try:
            value: JSON = json.loads(text)
        except ValueError as error:
            raise StorageFault(f"what is stored under {key!r} is damaged: {error}") from error
        if old == version:
            return value
        if migrate is None:
            raise RetrievalError(f"the value stored under {key!r} has version {old!r}, not {version!r}")
        changed = cast(JSON, await runPlugin(CURRENT.get(), migrate, old, value))
        await self._store(key, version, changed, old)
        return changed


def _encoded(key: str, value: JSON) -> str:
    if not 0 < len(key) <= _STORED_KEY:
        raise CallerFault(f"the key of a stored value takes 1 to {_STORED_KEY} characters, not {len(key)}")
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise CallerFault(f"the value for {key!r} cannot be written as JSON: {error}") from error
    if len(text) > _STORED_OCTETS:
        raise CallerFault(f"the value for {key!r} takes {len(text)} octets; {_STORED_OCTETS} may be stored under one key")
    return text


def _written(connection: sqlite3.Connection, key: str, version: str, text: str, old: str | None) -> None:
    """
    @param old: replace a value only if it still has this version.
    """
    prepared(connection, "storage", _TABLES)
    if old is not None:
        connection.execute("UPDATE stored SET version = ?, value = ? WHERE key = ? AND version = ?", (version, text, key, old))
        return
    connection.execute("INSERT OR REPLACE INTO stored VALUES (?, ?, ?)", (key, version, text))
    if connection.execute("SELECT count(*) FROM stored").fetchone()[0] > STORED_VALUES.default:
        raise CallerFault(f"{STORED_VALUES.default} values are stored already, so there is no place for {key!r}")


def _read(connection: sqlite3.Connection, key: str) -> tuple[str, str] | None:
    prepared(connection, "storage", _TABLES)
    return cast("tuple[str, str] | None", connection.execute("SELECT version, value FROM stored WHERE key = ?", (key,)).fetchone())
