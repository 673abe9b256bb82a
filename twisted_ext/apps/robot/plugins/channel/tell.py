"""
Messages for persons who are absent.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.apps.robot.events import Joined, Message
from twisted_ext.apps.robot.interfaces import IScheduler
from twisted_ext.apps.robot.limits import TELL_DAYS, TELL_EACH, TELL_KEPT
from twisted_ext.apps.robot.people import Person, Place, folded
from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, Rest, RobotPlugin, command, hears, option
from twisted_ext.apps.robot.text import Said, dim, line, name
from twisted_ext.server.config.types import Number

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Tell"]

#: Characters of a message for an absent person: it has to fit into a line with the sender's name.
_TELL_CHARACTERS: Final = 350

#: Messages that are given at once; the others follow when the person speaks again.
_TELL_AT_ONCE: Final = 5

#: Seconds after which a message that was said, and not acknowledged, is said again: joining over and over does not make the robot flood.
_TELL_AGAIN: Final = 3600.0

#: C{target} is the channel in which it was written, or empty; C{given} when it was said to the receiver.
_TABLES: Final = (
    "CREATE TABLE told (id INTEGER PRIMARY KEY AUTOINCREMENT, front TEXT, receiver TEXT, sender TEXT, target TEXT, time REAL, said TEXT,"
    " given REAL);\n"
    "CREATE INDEX told_receiver ON told (front, receiver)",
)

#: A front and a folded nick.
_Key = tuple[str, str]


class Tell(RobotPlugin):
    """
    Messages for persons who are absent.

    A message is said when its receiver joins a channel or speaks. It is kept until the receiver speaks after that, and said again on a
    later join: it may be the person's program that joined, or a connection that was about to break.

    @ivar _waiting: the receivers of messages that are kept.
    """

    days: int = option(Number(TELL_DAYS, "days"), int(TELL_DAYS.default), "After how many days a message that could not be said is dropped")

    def init(self, robot: Robot) -> Deferred[None]:
        self.robot = robot
        self._waiting: set[_Key] = set()
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        await self.robot.database.prepare("tell", _TABLES)
        await self._expire()
        IScheduler(self.robot).schedule(IScheduler(self.robot).DAILY, self._expire)

    async def _expire(self) -> None:
        self._waiting |= set(await self.robot.database.write(_expired, self.robot.reactor.seconds() - self.days * 86400.0))

    @command(Effect.WRITES)
    async def tell(self, call: Call, nick: str, text: Rest) -> Said:
        """
        Give a message to a person who joins or speaks later: in this channel, if the person speaks there, and otherwise in private.
        """
        front = self.robot.fronts.get(call.place.front)
        if front is not None and folded(nick) == folded(front.nick):
            raise CommandError("that is the robot itself")
        if len(text) > _TELL_CHARACTERS or len(nick) > 100:
            raise CommandError(f"a message takes at most {_TELL_CHARACTERS} characters, and a nick 100")
        key = (call.place.front, folded(nick))
        target = "" if call.place.private else call.place.target
        await self.robot.database.write(_written, key, call.person.nick, target, self.robot.reactor.seconds(), str(text))
        self._waiting.add(key)
        return line(name(nick), " gets your message when the robot sees them speak or join")

    @hears(Message, Joined)
    async def give(self, event: Message | Joined) -> None:
        key = (event.person.front, folded(event.person.nick))
        if key not in self._waiting:
            return
        # Before the messages are read: one that is written meanwhile adds the receiver again.
        self._waiting.discard(key)
        left = 1
        try:
            left, rows = await self.robot.database.write(_read, key, self.robot.reactor.seconds(), isinstance(event, Message))
            for _, sender, target, time, said in rows:
                moment = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")
                message = line(name(event.person.nick), ": ", name(sender), dim(f" said on {moment}:"), f" {said}")
                self.robot.say(_placeFor(event.person, event.place, target), message)
            # After they were said: a robot that is killed in between says them twice.
            await self.robot.database.write(_given, self.robot.reactor.seconds(), [row[0] for row in rows])
        finally:
            if left:
                self._waiting.add(key)


def _placeFor(person: Person, place: Place, target: str) -> Place:
    """
    Return where to say a message. What was written in one channel is not said in another.
    """
    same = target and not place.private and folded(place.target) == folded(target)
    return place if same else Place(person.front, person.nick, True)


def _expired(connection: sqlite3.Connection, before: float) -> list[_Key]:
    connection.execute("DELETE FROM told WHERE time < ?", (before,))
    return connection.execute("SELECT DISTINCT front, receiver FROM told").fetchall()


def _written(connection: sqlite3.Connection, key: _Key, sender: str, target: str, time: float, said: str) -> None:
    front, receiver = key
    for where, values, most, what in (
        ("front = ? AND receiver = ?", key, TELL_EACH, " for this person"),
        ("front = ? AND lower(sender) = lower(?)", (front, sender), TELL_EACH, " from you"),
        ("1", (), TELL_KEPT, ""),
    ):
        if connection.execute(f"SELECT count(*) FROM told WHERE {where}", values).fetchone()[0] >= most.default:
            raise CommandError(f"{most.default} messages{what} wait already; try again when some have been given")
    row = (front, receiver, sender, target, time, said)
    connection.execute("INSERT INTO told (front, receiver, sender, target, time, said) VALUES (?, ?, ?, ?, ?, ?)", row)


def _read(connection: sqlite3.Connection, key: _Key, now: float, spoke: bool) -> tuple[int, list[tuple[int, str, str, float, str]]]:
    """
    @param spoke: whether the person has spoken, and with this acknowledged what was said before.

    @return: how many messages are kept, and the first of those to say.
    """
    mine = "FROM told WHERE front = ? AND receiver = ?"
    if spoke:
        connection.execute(f"DELETE {mine} AND given IS NOT NULL", key)
    left = connection.execute(f"SELECT count(*) {mine}", key).fetchone()[0]
    first = f"SELECT id, sender, target, time, said {mine} AND (given IS NULL OR given <= ?) ORDER BY id LIMIT ?"
    return left, connection.execute(first, (*key, now - _TELL_AGAIN, _TELL_AT_ONCE)).fetchall()


def _given(connection: sqlite3.Connection, now: float, ids: list[int]) -> None:
    connection.executemany("UPDATE told SET given = ? WHERE id = ?", [(now, each) for each in ids])
