"""
The lists, groups and clients of Pi-hole, from its database C{gravity.db}.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from twisted_ext.errors import BadDescription

__all__ = ["Gravity", "Row", "readGravity"]

#: The rows that are read of a table: more than anybody has, but for the names of lists, which are not read.
_MOST: Final = 100_000

#: The number of the group of clients that are in no other one.
DEFAULT: Final = 0


@dataclass(frozen=True, slots=True)
class Row:
    """
    A list, a domain, or a client.

    @ivar text: its address, its name, or its expression.
    @ivar type: of a list, 1 for exceptions; of a domain, 0 for exceptions, 1 for what is blocked, with 2 added for expressions.
    @ivar groups: the numbers of the groups that it is in.
    """

    number: int
    text: str
    type: int
    groups: frozenset[int]


@dataclass(slots=True)
class Gravity:
    """
    @ivar groups: the names of the groups that are not switched off, by their numbers.
    @ivar lists: those that are not switched off; so are C{domains}.
    """

    groups: dict[int, str] = field(default_factory=dict)
    lists: list[Row] = field(default_factory=list)
    domains: list[Row] = field(default_factory=list)
    clients: list[Row] = field(default_factory=list)


def readGravity(path: str) -> Gravity:
    """
    Read a database, without a change to it.

    @raise BadDescription: it cannot be read.
    """
    try:
        # Immutable: no lock and no journal is written beside it, where this user may not write.
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as database:
            found = Gravity()
            groups = _rows(database, 'SELECT id, name FROM "group" WHERE enabled = 1')
            found.groups = {int(str(number)): str(name) for number, name in groups}
            # Lists of exceptions came with a later version.
            hasType = any(column == "type" for _, column in _rows(database, "SELECT cid, name FROM pragma_table_info('adlist')"))
            found.lists = _joined(database, "adlist", "address", "type" if hasType else "0", "WHERE enabled = 1")
            found.domains = _joined(database, "domainlist", "domain", "type", "WHERE enabled = 1")
            found.clients = _joined(database, "client", "ip", "0", "")
            return found
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise BadDescription(f"{path}: {error}") from None


def _rows(database: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    yield from database.execute(query).fetchmany(_MOST)


def _joined(database: sqlite3.Connection, table: str, text: str, type: str, which: str) -> list[Row]:
    groups: dict[int, set[int]] = {}
    for row, group in _rows(database, f"SELECT {table}_id, group_id FROM {table}_by_group"):
        groups.setdefault(int(str(row)), set()).add(int(str(group)))
    return [
        Row(int(str(number)), str(said), int(str(kind)), frozenset(groups.get(int(str(number)), ())))
        for number, said, kind in _rows(database, f"SELECT id, {text}, {type} FROM {table} {which} ORDER BY id")
    ]
