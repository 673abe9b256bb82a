"""
Logs channels into the robot's database; L{twisted_ext.apps.robot.plugins.channel.logpages} shows the logs.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from time import time
from typing import Final, NamedTuple, cast
from urllib.parse import urlencode

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.apps.robot.events import Event, Joined, Kicked, Left, Message, Quit, Renamed, Spoken, Topic
from twisted_ext.apps.robot.interfaces import IPages, IScheduler, IStorage, RetrievalError
from twisted_ext.apps.robot.limits import LOG_DAYS, LOG_UNLOGGED, LOG_WAITING
from twisted_ext.apps.robot.people import Place, folded
from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, Rest, RobotPlugin, command, hears, option
from twisted_ext.apps.robot.plugins.channel.logpages import LogPage, channelPath
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.apps.robot.text import Said, clean
from twisted_ext.server.config import types

__all__ = ["Logs"]

#: Characters of a logged line. IRC has 512; other chats have long ones.
_LOG_CHARACTERS: Final = 2000

_log: Final = Logger(__name__)

#: Lines in one transaction: other writers wait for it.
_BATCH: Final = 500

#: Seconds after which a database that could not be written to is tried again.
_AGAIN: Final = 5.0

#: What IRC clients make colors and styles from.
_FORMATS: Final = re.compile("\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|\x04(?:[0-9A-Fa-f]{6})?|[\x02\x0f\x11\x16\x1d\x1e\x1f]")

_NOTHING: Final = Rest()

#: What people have said, which can be searched for.
_SPOKEN: Final = "IN ('message', 'action', 'notice', 'topic')"

_TABLES: Final = (
    "CREATE TABLE log_channels (id INTEGER PRIMARY KEY, front TEXT NOT NULL, folded TEXT NOT NULL, name TEXT NOT NULL,"
    " UNIQUE (front, folded));\n"
    # A number is never used again: it is part of links.
    "CREATE TABLE log_lines (id INTEGER PRIMARY KEY AUTOINCREMENT, channel INTEGER NOT NULL REFERENCES log_channels, day INTEGER NOT NULL,"
    " at REAL NOT NULL, kind TEXT NOT NULL, nick TEXT NOT NULL, text TEXT NOT NULL);\n"
    "CREATE INDEX log_lines_of_day ON log_lines (channel, day);\n"
    "CREATE TABLE log_days (channel INTEGER NOT NULL, day INTEGER NOT NULL, lines INTEGER NOT NULL, PRIMARY KEY (channel, day))"
    " WITHOUT ROWID;\n"
    "CREATE VIRTUAL TABLE log_search USING fts5(channel, nick, text, content='log_lines', content_rowid='id',"
    " tokenize='unicode61 remove_diacritics 2');\n"
    "CREATE TRIGGER log_counted AFTER INSERT ON log_lines BEGIN"
    " INSERT INTO log_days VALUES (new.channel, new.day, 1) ON CONFLICT DO UPDATE SET lines = lines + 1; END;\n"
    "CREATE TRIGGER log_uncounted AFTER DELETE ON log_lines BEGIN"
    " UPDATE log_days SET lines = lines - 1 WHERE channel = old.channel AND day = old.day;"
    " DELETE FROM log_days WHERE channel = old.channel AND day = old.day AND lines = 0; END;\n"
    f"CREATE TRIGGER log_indexed AFTER INSERT ON log_lines WHEN new.kind {_SPOKEN} BEGIN"
    " INSERT INTO log_search (rowid, channel, nick, text) VALUES (new.id, new.channel, new.nick, new.text); END;\n"
    f"CREATE TRIGGER log_unindexed AFTER DELETE ON log_lines WHEN old.kind {_SPOKEN} BEGIN"
    " INSERT INTO log_search (log_search, rowid, channel, nick, text) VALUES ('delete', old.id, old.channel, old.nick, old.text); END",
)


class _Row(NamedTuple):
    place: Place
    at: float
    kind: str
    nick: str
    text: str


def _channel(text: str) -> str:
    front, _, target = text.partition("/")
    if not front or target != "*" and target[:1] not in tuple("#&+!"):
        raise ValueError(text)
    return f"{front}/{folded(target)}"


_CHANNEL: Final = types.Text("a channel as NETWORK/#CHANNEL, or NETWORK/* for all of a network", _channel)


class Logs(RobotPlugin):
    """
    Logs channels, and shows the logs on the robot's web pages.

    @ivar today: returns seconds since 1970.
    """

    channels: tuple[str, ...] = option(_CHANNEL, (), "Log these channels; everyone who reaches the robot's web pages can read them")
    days: int = option(types.Number(LOG_DAYS, "days"), int(LOG_DAYS.default), "Days for which lines are kept; 0 for ever")
    today = staticmethod(time)

    def init(self, robot: Robot) -> Deferred[None] | None:
        self.robot = robot
        self._database = robot.database
        self._storage: IStorage = IStorage(robot)
        #: Folded nicks.
        self._unlogged: set[str] = set()
        self._waiting: list[_Row] = []
        self._writing: Deferred[None] | None = None
        self._again: IDelayedCall | None = None
        self._dropped = 0
        self._failing = self._ending = False
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        await self._database.prepare("logs", _TABLES)
        try:
            self._unlogged = set(cast("list[str]", await self._storage.retrieve("logs unlogged", "1")))
        except RetrievalError:
            pass
        pages: IPages | None = IPages(self.robot, None)
        if pages is not None:
            pages.add("logs", "Channel logs", LogPage(self._database, f"{pages.url}logs/"))
        scheduler: IScheduler | None = IScheduler(self.robot, None)
        if self.days and scheduler is not None:
            scheduler.schedule(scheduler.DAILY, self._expire)

    def fini(self, robot: Robot) -> Deferred[None] | None:
        return Deferred.fromCoroutine(self._finish())

    async def _finish(self) -> None:
        self._ending = True
        if self._again is not None:
            self._again.cancel()
            self._again = None
        while self._writing is not None:
            await self._writing
        if self._waiting:
            await self._database.write(_store, self._waiting)

    # -- what happens

    @hears(Message, Spoken, Joined, Left, Kicked, Quit, Renamed, Topic)
    def note(self, event: Event) -> None:
        now = self.today()
        for place, kind, nick, text in self._entries(event):
            logged = f"{place.front}/{folded(place.target)}" in self.channels or f"{place.front}/*" in self.channels
            named = {folded(nick), folded(text)} if kind in ("kick", "nick") else {folded(nick)}
            if logged and not place.private and not named & self._unlogged:
                self._add(_Row(place, now, kind, clean(nick), _stored(text)))

    def _entries(self, event: Event) -> Iterator[tuple[Place, str, str, str]]:
        if isinstance(event, Message):
            yield event.place, "action" if event.action else "notice" if event.notice else "message", event.person.nick, event.text
        elif isinstance(event, Spoken):
            front = self.robot.fronts.get(event.place.front)
            yield event.place, "message", front.nick if front is not None else "", event.text
        elif isinstance(event, Joined):
            yield event.place, "join", event.person.nick, ""
        elif isinstance(event, Left):
            yield event.place, "part", event.person.nick, event.reason
        elif isinstance(event, Kicked):
            yield event.place, "kick", event.person.nick, event.nick
        elif isinstance(event, Topic):
            yield event.place, "topic", event.person.nick, event.text
        elif isinstance(event, Quit):
            for place in event.places:
                yield place, "quit", event.person.nick, event.reason
        elif isinstance(event, Renamed):
            for place in event.places:
                yield place, "nick", event.person.nick, event.nick

    # -- writing: while one transaction runs, lines wait for the next one

    def _add(self, row: _Row) -> None:
        if len(self._waiting) >= LOG_WAITING.default:
            if not self._dropped:
                _log.error("{count} lines wait for the database; further ones are dropped", count=len(self._waiting))
            self._dropped += 1
            return
        self._waiting.append(row)
        self._write()

    def _write(self) -> None:
        if self._writing is None and self._again is None and self._waiting and not self._ending:
            rows, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            writing = self._writing = self._database.write(_store, rows)
            writing.addCallbacks(self._written, self._unwritten, errbackArgs=(rows,))

    def _written(self, _: None) -> None:
        if self._failing or self._dropped:
            _log.warn("the logs are written again; {dropped} lines were dropped", dropped=self._dropped)
        self._failing, self._dropped, self._writing = False, 0, None
        self._write()

    def _unwritten(self, failure: Failure, rows: list[_Row]) -> None:
        self._writing = None
        self._waiting[:0] = rows
        if not self._failing:
            _log.error("the logs are not written, and tried again every {seconds:g} s: {fault}", seconds=_AGAIN, fault=str(failure.value))
        self._failing = True
        if not self._ending:
            self._again = self.robot.reactor.callLater(_AGAIN, self._retry)

    def _retry(self) -> None:
        self._again = None
        self._write()

    # -- removal

    async def _expire(self) -> None:
        await self._delete("day < ?", int(self.today()) // 86400 - self.days)

    async def _delete(self, which: str, value: object) -> int:
        """
        Delete lines in small transactions, and return how many.
        """
        deleted = last = 0
        while numbers := await self._database.read(_numbers, which, value, last):
            await self._database.write(_remove, numbers)
            deleted, last = deleted + len(numbers), numbers[-1]
        return deleted

    # -- commands

    @command()
    async def logs(self, call: Call, text: Rest = _NOTHING) -> Said:
        """
        Show where the logs of this channel are, or where they are searched for words.
        """
        pages: IPages | None = IPages(self.robot, None)
        front, target = call.place.front, call.place.target
        if pages is None:
            return "the robot has no web pages"
        inside = {} if call.place.private else {"in": f"{front}/{target}"}
        if text:
            return f"{pages.url}logs/search?{urlencode({'q': text, **inside})}"
        return f"{pages.url}logs/{channelPath(front, target) if inside else ''}"

    # Everyone may: it concerns the person's own words only.
    @command()
    async def nolog(self, call: Call, off: str = "") -> Said:
        """
        Keep what you say out of the logs from now on; "nolog off" ends that. The owner removes older lines with forget.
        """
        nick = folded(call.person.nick)
        if off not in ("", "off"):
            raise CommandError("nolog takes nothing, or off")
        if not off and len(self._unlogged) >= LOG_UNLOGGED.default:
            raise CommandError("too many nicks are not logged; ask the owner")
        (self._unlogged.discard if off else self._unlogged.add)(nick)
        await self._storage.store("logs unlogged", "1", sorted(self._unlogged))
        return f"what {call.person.nick} says is {'logged again' if off else 'not logged from now on'}"

    @command(Effect.OWNS, seconds=600)
    async def forget(self, call: Call, nick: str) -> Said:
        """
        Delete what a nick has said from the logs of all channels.
        """
        return f"{await self._delete('folded(nick) = ?', folded(nick)):,} lines are deleted"


def _stored(text: str) -> str:
    # U+FFFE and U+FFFF are not allowed in XML.
    return clean(_FORMATS.sub("", text)[: _LOG_CHARACTERS]).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")


def _store(connection: sqlite3.Connection, rows: list[_Row]) -> None:
    channels: dict[tuple[str, str], int] = {}
    for place in {row.place.key: row.place for row in rows}.values():
        connection.execute(
            "INSERT OR IGNORE INTO log_channels (front, folded, name) VALUES (?, ?, ?)", (*place.key, clean(place.target))
        )
        found = connection.execute("SELECT id FROM log_channels WHERE front = ? AND folded = ?", place.key).fetchone()
        channels[place.key] = found[0]
    connection.executemany(
        "INSERT INTO log_lines (channel, day, at, kind, nick, text) VALUES (?, ?, ?, ?, ?, ?)",
        [(channels[row.place.key], int(row.at) // 86400, row.at, row.kind, row.nick, row.text) for row in rows],
    )


def _numbers(connection: sqlite3.Connection, which: str, value: object, after: int) -> list[int]:
    connection.create_function("folded", 1, folded, deterministic=True)
    query = f"SELECT id FROM log_lines WHERE id > ? AND {which} ORDER BY id LIMIT {_BATCH}"
    return [number for (number,) in connection.execute(query, (after, value))]


def _remove(connection: sqlite3.Connection, numbers: list[int]) -> None:
    connection.executemany("DELETE FROM log_lines WHERE id = ?", [(number,) for number in numbers])
