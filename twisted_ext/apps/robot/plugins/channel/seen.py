"""
When a person last spoke.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred

from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.interfaces import IStorage, RetrievalError
from twisted_ext.apps.robot.limits import SEEN_KEPT
from twisted_ext.apps.robot.people import folded
from twisted_ext.apps.robot.plugin import Call, CommandError, RobotPlugin, command, hears, option
from twisted_ext.apps.robot.text import Said, line, name
from twisted_ext.server.config.types import FLAG

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Seen"]

_TABLES: Final = (
    "CREATE TABLE seen (front TEXT, folded TEXT, nick TEXT, time REAL, target TEXT, said TEXT, PRIMARY KEY (front, folded));\n"
    "CREATE INDEX seen_time ON seen (time)",
)

#: Where the nicks that do not want to be noted are stored.
_STORED: Final = ("seen", "1")

#: A front and a folded nick.
_Key = tuple[str, str]

#: Nick, time, channel, text.
_Row = tuple[str, float, str, str]


class Seen(RobotPlugin):
    """
    When a person last spoke.

    @ivar _new: what is not written yet.
    """

    text: bool = option(FLAG, False, "Whether to note what the person said, for those who ask in the same channel")

    def init(self, robot: Robot) -> Deferred[None]:
        self.robot = robot
        self._new: dict[_Key, _Row] = {}
        self._writing = False
        self._unseen: set[str] = set()
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        await self.robot.database.prepare("seen", _TABLES)
        try:
            found = await IStorage(self.robot).retrieve(*_STORED)
            self._unseen = set(map(str, found)) if isinstance(found, list) else set()
        except RetrievalError:
            pass

    def fini(self, robot: Robot) -> Deferred[None]:
        return Deferred.fromCoroutine(self._write())

    @hears(Message)
    async def note(self, message: Message) -> None:
        person, place = message.person, message.place
        key = (person.front, folded(person.nick))
        if place.private or "/".join(key) in self._unseen:
            return
        self._new[key] = (person.nick, self.robot.reactor.seconds(), place.target, message.text if self.text else "")
        if len(self._new) > SEEN_KEPT.default:
            del self._new[next(iter(self._new))]
        # While one write lasts, one row is collected for each person: a channel that floods causes no more writes than the disk takes.
        while self._new and not self._writing:
            self._writing = True
            try:
                await self._write()
            finally:
                self._writing = False

    async def _write(self) -> None:
        new, self._new = self._new, {}
        try:
            await self.robot.database.write(_written, list(new.items()))
        except BaseException:
            self._new = {**new, **self._new}
            raise

    @command()
    async def seen(self, call: Call, nick: str) -> Said:
        """
        Tell when a person last spoke on this network.
        """
        key = (call.place.front, folded(nick))
        found = self._new.get(key) or await self.robot.database.write(_read, key)
        if found is None or "/".join(key) in self._unseen:
            raise CommandError(f"{nick} has not spoken here since the robot takes notes, or does not want to be noted")
        shown, time, target, text = found
        moment = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")
        # What is said in one channel is not for another.
        same = not call.place.private and folded(target) == folded(call.place.target)
        where = f" here{f': {text}' if text else ''}" if same else ""
        return line(name(shown), f" last spoke {_ago(self.robot.reactor.seconds() - time)} ago ({moment}){where}")

    # It only writes what the person decides about: no role is needed.
    @command()
    async def unseen(self, call: Call, on: bool = True) -> Said:
        """
        Forget when you last spoke, and note it no more; with no, note it again.
        """
        key = (call.person.front, folded(call.person.nick))
        changed = self._unseen | {"/".join(key)} if on else self._unseen - {"/".join(key)}
        await IStorage(self.robot).store(*_STORED, sorted(changed))
        self._unseen = changed
        self._new.pop(key, None)
        await self.robot.database.write(_forget, key)
        return "it is not noted any more when you speak" if on else "it is noted again when you speak"


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _written(connection: sqlite3.Connection, rows: Iterable[tuple[_Key, _Row]]) -> None:
    connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?)", [(*key, *row) for key, row in rows])
    old = "SELECT rowid FROM seen ORDER BY time DESC LIMIT -1 OFFSET ?"
    connection.execute(f"DELETE FROM seen WHERE rowid IN ({old})", (int(SEEN_KEPT.default),))


def _read(connection: sqlite3.Connection, key: _Key) -> _Row | None:
    found = connection.execute("SELECT nick, time, target, said FROM seen WHERE front = ? AND folded = ?", key).fetchone()
    return cast("_Row | None", found)


def _forget(connection: sqlite3.Connection, key: _Key) -> None:
    connection.execute("DELETE FROM seen WHERE front = ? AND folded = ?", key)
