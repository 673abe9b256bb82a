"""
Factoids: short texts that persons teach the robot, by name.
"""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from twisted.internet.defer import Deferred

from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.limits import FACTOIDS, FACTOIDS_LISTED
from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, Rest, RobotPlugin, command, hears
from twisted_ext.apps.robot.text import Said, bold, clean, dim, line

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Factoids"]

#: Characters of the name of a factoid. Each question in a channel that is not longer is compared with the names.
_FACTOID_NAME: Final = 50

#: Characters of a factoid: it has to fit into a line with its name.
_FACTOID_CHARACTERS: Final = 350

#: C{key} is what names are compared by; C{meant} the key of the factoid of which this is another name, or empty.
_TABLES: Final = (
    "CREATE TABLE factoids (front TEXT, key TEXT, name TEXT, meant TEXT, said TEXT, nick TEXT, time REAL, PRIMARY KEY (front, key))",
)

_AS: Final = re.compile(r"\sas\s", re.IGNORECASE)

_ASKED: Final = re.compile(r"([^?]+)\?")

#: For a command without arguments.
_NOTHING: Final = Rest("")

#: Name, text, nick, time.
_Row = tuple[str, str, str, float]


class Factoids(RobotPlugin):
    """
    Factoids: short texts that persons teach the robot, by name. Each network has its own.

    @ivar _known: the network and the key of each.
    """

    def init(self, robot: Robot) -> Deferred[None]:
        self.robot = robot
        self._known: set[tuple[str, str]] = set()
        robot.expandBy(self._expand)
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        await self.robot.database.prepare("factoids", _TABLES)
        self._known = set(await self.robot.database.write(_keys))

    # -- commands

    @command(Effect.WRITES)
    async def learn(self, call: Call, fact: Rest) -> Said:
        """
        Teach the robot a factoid of this network: learn NAME as TEXT.
        """
        before, *after = _AS.split(fact, 1)
        if not after or not after[0].strip():
            raise CommandError("write learn NAME as TEXT")
        name, key = _named(before)
        text = after[0].strip()
        if len(text) > _FACTOID_CHARACTERS:
            raise CommandError(f"a factoid takes at most {_FACTOID_CHARACTERS} characters")
        row = (name, text, call.person.nick, self.robot.reactor.seconds())
        await self.robot.database.write(_learnt, call.place.front, key, "", row)
        self._known.add((call.place.front, key))
        return line(bold(name), " is learnt")

    @command(Effect.WRITES)
    async def synonym(self, call: Call, new: str, name: Rest) -> Said:
        """
        Give a factoid another name, in quotes if it has spaces: synonym NEW NAME.
        """
        shown, key = _named(new)
        meant, its = _named(name)
        row = (shown, "", call.person.nick, self.robot.reactor.seconds())
        found = await self.robot.database.write(_renamed, call.place.front, key, its, row)
        if not found:
            raise CommandError(f"{meant} is not known; factoids lists what is")
        self._known.add((call.place.front, key))
        return line(bold(shown), " is another name of ", bold(found))

    @command(Effect.WRITES)
    async def unlearn(self, call: Call, name: Rest) -> Said:
        """
        Forget a factoid with all its names, or one of its other names.
        """
        shown, key = _named(name)
        front = call.place.front
        gone = await self.robot.database.write(_unlearnt, front, key)
        if not gone:
            raise CommandError(f"{shown} is not known; factoids lists what is")
        self._known -= {(front, each) for each in gone}
        return line(bold(shown), " is forgotten")

    @command()
    async def whatis(self, call: Call, name: Rest) -> Said:
        """
        Show a factoid, who taught it and when. In a channel, NAME? does as well.
        """
        shown, key = _named(name)
        found = await self.robot.database.write(_read, call.place.front, key)
        if found is None:
            raise CommandError(f"{shown} is not known; factoids lists what is")
        its, text, nick, time = found
        return line(bold(its), f": {text}", dim(f" ({nick}, {datetime.fromtimestamp(time, UTC):%Y-%m-%d})"))

    @command()
    async def factoids(self, call: Call, part: Rest = _NOTHING) -> Said:
        """
        List the names of the factoids of this network, or those with a part.
        """
        names, count = await self.robot.database.write(_listed, call.place.front, _keyOf(part))
        if not names:
            return "nothing is known"
        more = f" and {count - len(names)} more; write factoids PART" if count > len(names) else ""
        return f"{', '.join(names)}{more}"

    # -- questions

    def _expand(self, message: Message, text: str) -> str | None:
        """
        Return the command for a question that was said to the robot.
        """
        found = _ASKED.fullmatch(text.strip()) if len(text) <= 2 * _FACTOID_NAME else None
        if found is None or (message.place.front, _keyOf(found[1])) not in self._known:
            return None
        return f"whatis {found[1].strip()}"

    @hears(Message)
    async def answer(self, message: Message) -> None:
        """
        Answer a question in a channel that was not said to the robot, if the person may call the command there.
        """
        if message.notice or message.action or message.place.private or self.robot.addressed(message) is not None:
            return
        text = self._expand(message, message.text)
        whatis = self.robot.plugins.command("whatis")
        if text and whatis is not None and not self.robot.access.refusal(whatis, message.person, message.place):
            await self.robot.take(message, text)


def _keyOf(text: str) -> str:
    return normalize("NFKC", " ".join(text.split())).casefold()


def _named(text: str) -> tuple[str, str]:
    """
    Return a name as it is shown, and its key.

    @raise CommandError: it is not a name.
    """
    shown = " ".join(text.split()).strip('"').rstrip("? ")
    if not 0 < len(shown) <= _FACTOID_NAME or "?" in shown or clean(shown) != shown:
        raise CommandError(f"a name takes 1 to {_FACTOID_NAME} characters that can be seen, and no question mark")
    return shown, _keyOf(shown)


def _keys(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT front, key FROM factoids").fetchall()


def _learnt(connection: sqlite3.Connection, front: str, key: str, meant: str, row: _Row) -> None:
    if connection.execute("SELECT 1 FROM factoids WHERE front = ? AND key = ?", (front, key)).fetchone():
        raise CommandError(f"{row[0]} is known already; unlearn it first")
    if connection.execute("SELECT count(*) FROM factoids WHERE front = ?", (front,)).fetchone()[0] >= FACTOIDS.default:
        raise CommandError(f"{FACTOIDS.default} factoids of this network are known, which are the most; unlearn some")
    name, said, nick, time = row
    connection.execute("INSERT INTO factoids VALUES (?, ?, ?, ?, ?, ?, ?)", (front, key, name, meant, said, nick, time))


def _meantBy(connection: sqlite3.Connection, front: str, key: str) -> str | None:
    """
    Return the key of the factoid that has a name, which may be another one.
    """
    found = connection.execute("SELECT meant FROM factoids WHERE front = ? AND key = ?", (front, key)).fetchone()
    return None if found is None else found[0] or key


def _renamed(connection: sqlite3.Connection, front: str, key: str, its: str, row: _Row) -> str:
    """
    Store another name of a factoid.

    @return: the name of the factoid; C{""} if there is none.
    """
    meant = _meantBy(connection, front, its)
    if meant is None:
        return ""
    _learnt(connection, front, key, meant, row)
    return str(connection.execute("SELECT name FROM factoids WHERE front = ? AND key = ?", (front, meant)).fetchone()[0])


def _unlearnt(connection: sqlite3.Connection, front: str, key: str) -> list[str]:
    """
    Remove a name, and the other names of a factoid with it.

    @return: the keys that were removed.
    """
    rows = connection.execute("DELETE FROM factoids WHERE front = ? AND (key = ? OR meant = ?) RETURNING key", (front, key, key))
    return [each for (each,) in rows.fetchall()]


def _read(connection: sqlite3.Connection, front: str, key: str) -> _Row | None:
    meant = _meantBy(connection, front, key)
    found: _Row | None = connection.execute(
        "SELECT name, said, nick, time FROM factoids WHERE front = ? AND key = ?", (front, meant)
    ).fetchone()
    return found


def _listed(connection: sqlite3.Connection, front: str, part: str) -> tuple[list[str], int]:
    """
    Return the first names, and how many there are.
    """
    where, values = "FROM factoids WHERE front = ? AND instr(key, ?) > 0", (front, part)
    names = connection.execute(f"SELECT name {where} ORDER BY key LIMIT ?", (*values, int(FACTOIDS_LISTED.default))).fetchall()
    return [each for (each,) in names], connection.execute(f"SELECT count(*) {where}", values).fetchone()[0]
