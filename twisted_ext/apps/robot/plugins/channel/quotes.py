"""
Quotes: what was said in a channel and is worth remembering.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.apps.robot.commands import OWNER
from twisted_ext.apps.robot.limits import QUOTES, QUOTES_OF_CHANNEL, QUOTES_SHOWN
from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, Rest, RobotPlugin, command, option
from twisted_ext.apps.robot.text import Line, Said, bold, dim, line
from twisted_ext.server.config import types

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["Quotes"]

#: Characters of a quote.
_QUOTE_CHARACTERS: Final = 350

#: C{folded} is the text without case, for searches; C{owner} the first of the L{identities<Person.identities>} of the person who added it.
_TABLES: Final = (
    "CREATE TABLE quotes (id INTEGER PRIMARY KEY AUTOINCREMENT, front TEXT, channel TEXT, said TEXT, folded TEXT, nick TEXT, owner TEXT,"
    " time REAL);\n"
    "CREATE INDEX quotes_channel ON quotes (front, channel)",
)

#: For a command without arguments.
_NOTHING: Final = Rest("")

_HERE: Final = "FROM quotes WHERE front = ? AND channel = ?"

#: A front and a folded channel.
_Key = tuple[str, str]

#: Number, text, nick, time.
_Row = tuple[int, str, str, float]


class Quotes(RobotPlugin):
    """
    Quotes: what was said in a channel and is worth remembering. They are shown in that channel only.

    @ivar pick: returns a random number below another one; replaced in tests.
    """

    operators: str = option(types.TEXT, OWNER, "The role that may remove the quotes of others")

    def init(self, robot: Robot) -> Deferred[None]:
        self.robot = robot
        self.pick: Callable[[int], int] = random.randrange
        return robot.database.prepare("quotes", _TABLES)

    @command(Effect.WRITES)
    async def addquote(self, call: Call, text: Rest) -> Said:
        """
        Add a quote of this channel.
        """
        if len(text) > _QUOTE_CHARACTERS:
            raise CommandError(f"a quote takes at most {_QUOTE_CHARACTERS} characters")
        row = (str(text), text.casefold(), call.person.nick, call.person.identities[0], self.robot.reactor.seconds())
        return f"this is quote {await self.robot.database.write(_added, _keyOf(call), row)}"

    @command()
    async def quote(self, call: Call, what: Rest = _NOTHING) -> Said:
        """
        Show a quote of this channel by its number, the newest ones with some words, or any one.
        """
        key, read = _keyOf(call), self.robot.database.write
        if what.isascii() and what.isdigit() and len(what) <= 18:
            found = await read(_numbered, key, int(what))
        elif what:
            found = await read(_with, key, what.casefold())
        else:
            count = await read(_counted, key)
            found = await read(_at, key, self.pick(count)) if count else []
        if not found:
            raise CommandError(f"there is no quote {str(what)[:60]}".rstrip())
        return [_shown(each) for each in found]

    @command(Effect.WRITES)
    async def delquote(self, call: Call, number: int) -> Said:
        """
        Remove a quote of this channel that you have added.
        """
        owners = None if self.robot.access.has(call.person, self.operators) else call.person.identities
        if not await self.robot.database.write(_removed, _keyOf(call), number, owners):
            raise CommandError(f"there is no quote {number} that you may remove")
        return f"quote {number} is removed"


def _keyOf(call: Call) -> _Key:
    if call.place.private:
        raise CommandError("quotes belong to a channel: write this there")
    return call.place.key


def _shown(row: _Row) -> Line:
    number, said, nick, time = row
    return line(bold(f"[{number}]"), f" {said}", dim(f" ({nick}, {datetime.fromtimestamp(time, UTC):%Y-%m-%d})"))


def _added(connection: sqlite3.Connection, key: _Key, row: tuple[str, str, str, str, float]) -> int:
    for where, values, most, whose in ((_HERE, key, QUOTES_OF_CHANNEL, " of this channel"), ("FROM quotes", (), QUOTES, "")):
        if connection.execute(f"SELECT count(*) {where}", values).fetchone()[0] >= most.default:
            raise CommandError(f"there are {most.default} quotes{whose} already, which are the most")
    columns = "front, channel, said, folded, nick, owner, time"
    number = connection.execute(f"INSERT INTO quotes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, *row)).lastrowid
    assert number is not None
    return number


def _numbered(connection: sqlite3.Connection, key: _Key, number: int) -> list[_Row]:
    return connection.execute(f"SELECT id, said, nick, time {_HERE} AND id = ?", (*key, number)).fetchall()


def _with(connection: sqlite3.Connection, key: _Key, words: str) -> list[_Row]:
    found = f"SELECT id, said, nick, time {_HERE} AND instr(folded, ?) > 0 ORDER BY id DESC LIMIT ?"
    return connection.execute(found, (*key, words, int(QUOTES_SHOWN.default))).fetchall()


def _counted(connection: sqlite3.Connection, key: _Key) -> int:
    return int(connection.execute(f"SELECT count(*) {_HERE}", key).fetchone()[0])


def _at(connection: sqlite3.Connection, key: _Key, position: int) -> list[_Row]:
    return connection.execute(f"SELECT id, said, nick, time {_HERE} ORDER BY id LIMIT 1 OFFSET ?", (*key, position)).fetchall()


def _removed(connection: sqlite3.Connection, key: _Key, number: int, owners: tuple[str, ...] | None) -> bool:
    """
    @param owners: whose quote it may be; L{None} for all.
    """
    found = connection.execute(f"SELECT owner {_HERE} AND id = ?", (*key, number)).fetchone()
    if found is None or owners is not None and found[0] not in owners:
        return False
    connection.execute("DELETE FROM quotes WHERE id = ?", (number,))
    return True
