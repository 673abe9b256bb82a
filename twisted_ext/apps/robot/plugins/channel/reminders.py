"""
Reminders that are said at a time.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, Self

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_ext.apps.robot.commands import OWNER
from twisted_ext.apps.robot.interfaces import IScheduler
from twisted_ext.apps.robot.limits import REMINDERS, REMINDERS_AT_ONCE, REMINDERS_OF_PERSON
from twisted_ext.apps.robot.moments import TIME_ZONE, momentFrom, momentShown, zoneFrom
from twisted_ext.apps.robot.people import Place, folded
from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, Rest, RobotPlugin, command, option
from twisted_ext.apps.robot.text import Said, dim, line, name
from twisted_ext.errors import CallerFault

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Reminders"]

#: Seconds after which a reminder is said with a note that it is late.
_REMINDER_LATE_SECONDS: Final = 60.0

#: Days after which a reminder is dropped that could not be said, because the robot is not in the channel.
_REMINDER_KEPT_DAYS: Final = 60

#: Days from now in which a reminder is due at most: five years.
_REMINDER_DAYS: Final = 1830

#: Characters of a reminder: it has to fit into a line with the nick.
_REMINDER_CHARACTERS: Final = 350

_log: Final = Logger(__name__)

#: C{owner} is the first of the L{identities<Person.identities>} of the person.
_TABLES: Final = (
    "CREATE TABLE reminders (id INTEGER PRIMARY KEY AUTOINCREMENT, front TEXT, target TEXT, private INTEGER, nick TEXT, owner TEXT,"
    " due REAL, said TEXT);\n"
    "CREATE INDEX reminders_due ON reminders (due)",
)

#: Seconds between two looks for what is due. Without anything due, a look reads nothing.
_LOOK: Final = 10.0

#: Front, target, and whether it is private.
_Where = tuple[str, str, bool]


class Me(str):
    """
    The word C{me}: persons can remind only themselves.
    """

    __slots__ = ()

    @classmethod
    def fromText(cls, text: str) -> Self:
        if text.lower() != "me":
            raise CallerFault(f"only you can be reminded: write remind me, not remind {text[:40]!r}")
        return cls(text)


@dataclass(frozen=True, slots=True)
class _Reminder:
    nick: str
    owner: str
    due: float
    said: str


class Reminders(RobotPlugin):
    """
    Reminders that are said at a time, where they were asked for.

    A reminder is kept until it was said. If the robot is not connected at its time, or not in the channel, it is said later, with a note.

    @ivar _next: nothing is due before this time.
    """

    timeZone: str = option(TIME_ZONE, "UTC", "The time zone of dates that persons write")

    def init(self, robot: Robot) -> Deferred[None]:
        self.robot = robot
        self._next = 0.0
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        await self.robot.database.prepare("reminders", _TABLES)
        await self._expire()
        scheduler = IScheduler(self.robot)
        scheduler.schedule(scheduler.DAILY, self._expire)
        scheduler.schedule(_LOOK, self._look)

    async def _expire(self) -> None:
        before = self.robot.reactor.seconds() - _REMINDER_KEPT_DAYS * 86400.0
        expired = await self.robot.database.write(_expired, before)
        if expired:
            days = _REMINDER_KEPT_DAYS
            _log.warn("{count} reminders were dropped: they could not be said for {days} days", count=expired, days=days)

    # -- commands

    @command(Effect.WRITES)
    async def remind(self, call: Call, me: Me, when: Rest) -> Said:
        """
        Remind you here of something: remind me in 2h30m TEXT, or remind me at 2026-12-01 09:00 TEXT.
        """
        now, zone = self.robot.reactor.seconds(), zoneFrom(self.timeZone)
        due, text = momentFrom(when, now, zone)
        if due <= now:
            raise CommandError(f"{momentShown(due, zone)} is over; it is {momentShown(now, zone)}")
        if due > now + _REMINDER_DAYS * 86400.0:
            raise CommandError(f"a reminder is due within {_REMINDER_DAYS} days")
        if len(text) > _REMINDER_CHARACTERS:
            raise CommandError(f"a reminder takes at most {_REMINDER_CHARACTERS} characters")
        # As it is after a restart.
        place = Place(call.place.front, str(call.place.target), call.place.private)
        if not self.robot.isReady(place):
            raise CommandError("reminders are not possible here: the robot only replies in this place")
        reminder = _Reminder(call.person.nick, call.person.identities[0], due, text)
        number = await self.robot.database.write(_written, (place.front, place.target, place.private), reminder)
        self._next = min(self._next, due)
        return f"reminder {number} is set for {momentShown(due, zone)}"

    @command()
    async def reminders(self, call: Call) -> Said:
        """
        List your reminders in this channel; in private, all of them.
        """
        zone = zoneFrom(self.timeZone)
        rows = await self.robot.database.write(_listed, call.place.front, call.person.identities)
        mine = [
            line(f"{number}: {momentShown(due, zone)}: {said}")
            for number, target, due, said in rows
            if call.place.private or folded(target) == folded(call.place.target)
        ]
        return mine or "you have no reminders here"

    @command(Effect.WRITES)
    async def unremind(self, call: Call, number: int) -> Said:
        """
        Cancel one of your reminders.
        """
        owners = None if self.robot.access.has(call.person, OWNER) else call.person.identities
        if not await self.robot.database.write(_cancelled, call.place.front, number, owners):
            raise CommandError(f"you have no reminder {number}; reminders lists yours")
        return f"reminder {number} is cancelled"

    # -- saying

    async def _look(self) -> None:
        now = self.robot.reactor.seconds()
        if now < self._next:
            return
        for where in await self.robot.database.write(_due, now):
            place = Place(*where)
            if not self.robot.isReady(place):
                continue
            said = await self.robot.database.write(_dueAt, where, now)
            for _, nick, due, text in said:
                late = f" (late: it was due at {momentShown(due, zoneFrom(self.timeZone))})"
                isLate = now - due > _REMINDER_LATE_SECONDS
                self.robot.say(place, line(name(nick), f": {text}", dim(late if isLate else "")))
            # After they were said: a robot that is killed in between says them twice.
            await self.robot.database.write(_forgotten, [number for number, *_ in said])
        self._next = await self.robot.database.write(_earliest)


def _expired(connection: sqlite3.Connection, before: float) -> int:
    return connection.execute("DELETE FROM reminders WHERE due < ?", (before,)).rowcount


def _written(connection: sqlite3.Connection, where: _Where, reminder: _Reminder) -> int:
    front = where[0]
    for condition, values, most, whose in (
        ("front = ? AND owner = ?", (front, reminder.owner), REMINDERS_OF_PERSON, " of yours"),
        ("1", (), REMINDERS, ""),
    ):
        count = connection.execute(f"SELECT count(*) FROM reminders WHERE {condition}", values).fetchone()[0]
        if count >= most.default:
            raise CommandError(f"there are {count} reminders{whose} already; unremind cancels one")
    row = (*where, reminder.nick, reminder.owner, reminder.due, reminder.said)
    columns = "front, target, private, nick, owner, due, said"
    number = connection.execute(f"INSERT INTO reminders ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row).lastrowid
    assert number is not None
    return number


def _listed(connection: sqlite3.Connection, front: str, owners: tuple[str, ...]) -> list[tuple[int, str, float, str]]:
    mine = f"front = ? AND owner IN ({', '.join('?' * len(owners))})"
    return connection.execute(f"SELECT id, target, due, said FROM reminders WHERE {mine} ORDER BY due, id", (front, *owners)).fetchall()


def _cancelled(connection: sqlite3.Connection, front: str, number: int, owners: tuple[str, ...] | None) -> bool:
    """
    @param owners: whose reminder it may be; L{None} for all.
    """
    found = connection.execute("SELECT owner FROM reminders WHERE front = ? AND id = ?", (front, number)).fetchone()
    if found is None or owners is not None and found[0] not in owners:
        return False
    connection.execute("DELETE FROM reminders WHERE id = ?", (number,))
    return True


def _due(connection: sqlite3.Connection, now: float) -> list[_Where]:
    """
    Return the places with reminders that are due.
    """
    rows = connection.execute("SELECT DISTINCT front, target, private FROM reminders WHERE due <= ?", (now,))
    return [(front, target, bool(private)) for front, target, private in rows]


def _dueAt(connection: sqlite3.Connection, where: _Where, now: float) -> list[tuple[int, str, float, str]]:
    first = "SELECT id, nick, due, said FROM reminders WHERE front = ? AND target = ? AND private = ? AND due <= ? ORDER BY due, id LIMIT ?"
    return connection.execute(first, (*where, now, int(REMINDERS_AT_ONCE.default))).fetchall()


def _forgotten(connection: sqlite3.Connection, numbers: list[int]) -> None:
    connection.executemany("DELETE FROM reminders WHERE id = ?", [(each,) for each in numbers])


def _earliest(connection: sqlite3.Connection) -> float:
    found = connection.execute("SELECT min(due) FROM reminders").fetchone()[0]
    return inf if found is None else float(found)
