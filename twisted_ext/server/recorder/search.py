"""
Searches the history of queries: the newest first, in files that a recorder may be writing or removing meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final
from urllib.parse import quote

from twisted_ext.server.recorder.rows import Row, shownName
from twisted_ext.server.recorder.segments import CLIENT, NAME, RULE, Segment, segmentsIn

__all__ = ["Filter", "Found", "extent", "rowAt", "search"]

#: Instructions of SQLite's machine between two looks at the clock.
_STEPS: Final = 100_000

_COLUMNS: Final = """
SELECT q.id, q.at, coalesce(c.text, ''), n.text, q.type, q.rcode, coalesce(e.text, ''), q.micros, coalesce(r.text, ''),
    coalesce(u.text, ''), coalesce(v.text, ''), q.status, q.transport
FROM query q LEFT JOIN word n ON n.id = q.name LEFT JOIN word c ON c.id = q.client LEFT JOIN word e ON e.id = q.ede
    LEFT JOIN word r ON r.id = q.rule LEFT JOIN word u ON u.id = q.upstream LEFT JOIN word v ON v.id = q.view
"""


@dataclass(slots=True)
class Filter:
    """
    What to search for. Each part that is given has to hold.

    @ivar name: a name with its labels in reverse; L{None} for any.
    @ivar isBelow: whether names below it are meant too.
    @ivar part: a text that the name has.
    @ivar clients: clients as they are kept, of which it is one; or a network that has its address.
    @ivar rule: a text that the place of the rule has.
    @ivar statuses: what became of it, as places in L{STATUSES<twisted_ext.server.recorder.rows.STATUSES>}.
    @ivar since: in microseconds since 1970, as C{until}, which is not included.
    """

    name: str | None = None
    isBelow: bool = False
    part: str = ""
    clients: frozenset[str] | IPv4Network | IPv6Network | None = None
    type: int | None = None
    rcode: int | None = None
    rule: str = ""
    statuses: frozenset[int] = field(default_factory=frozenset)
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """
    A query that was found.

    @ivar place: the number of its file and of its row: C{"12.345"}.
    """

    place: str
    row: Row


def search(folder: str, wanted: Filter, complain: Callable[[str], object], *, seconds: float = 60.0) -> Iterator[Found]:
    """
    Return queries, the newest first.

    @param complain: called with a line for each file that cannot be read, or takes too long; the others are searched.
    @param seconds: how long one file may take.

    @raise OSError: the folder cannot be read.
    """
    for segment in reversed(segmentsIn(folder)):
        try:
            yield from _searched(segment, wanted, seconds)
        except sqlite3.Error as error:
            # Unless it was removed meanwhile.
            if os.path.exists(segment.path):
                complain(f"{segment.path}: {error}")


def rowAt(folder: str, place: str) -> Row | None:
    """
    Return a row by its place, L{None} if there is none.

    @raise OSError: the folder cannot be read.
    @raise sqlite3.Error: its file cannot be read.
    """
    number, _, row = place.partition(".")
    for segment in segmentsIn(folder):
        if str(segment.number) == number and row.isascii() and row.isdigit() and len(row) < 16:
            with closing(_opened(segment)) as sql:
                found = sql.execute(f"{_COLUMNS} WHERE q.id = ?", (int(row),)).fetchone()
            return None if found is None else Row(*found[1:])
    return None


def extent(folder: str) -> dict[str, int | float | None]:
    """
    Return what a history has: C{segments}, C{octets}, C{rows}, and C{first} and C{last}, in seconds since 1970.

    @raise OSError: the folder cannot be read.
    @raise sqlite3.Error: a file cannot be read.
    """
    segments = segmentsIn(folder)
    rows = 0
    first: list[int] = []
    last: list[int] = []
    for segment in segments:
        with closing(_opened(segment)) as sql:
            about = dict(sql.execute("SELECT key, value FROM about").fetchall())
            if "closed" in about:
                count, began, ended = about["rows"], about["first"], about["last"]
            else:
                count, began, ended = sql.execute("SELECT count(*), min(at), max(at) FROM query").fetchone()
        rows += count
        first += [began] if began is not None else []
        last += [ended] if ended is not None else []
    times = {"first": min(first) / 1e6 if first else None, "last": max(last) / 1e6 if last else None}
    return {"segments": len(segments), "octets": sum([each.octets for each in segments]), "rows": rows, **times}


def _opened(segment: Segment) -> sqlite3.Connection:
    # SQLite has to write to repair what a process has left that was killed.
    sql = sqlite3.connect(f"file:{quote(segment.path)}?mode=rw", uri=True, isolation_level=None, timeout=5.0)
    sql.execute("PRAGMA query_only = ON")
    return sql


def _searched(segment: Segment, wanted: Filter, seconds: float) -> Iterator[Found]:
    with closing(_opened(segment)) as sql:
        ends = time.monotonic() + seconds
        sql.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
        about = dict(sql.execute("SELECT key, value FROM about").fetchall())
        if "closed" in about:
            if wanted.since is not None and (about["last"] is None or about["last"] < wanted.since):
                return
            if wanted.until is not None and (about["first"] is None or about["first"] >= wanted.until):
                return
        clauses = _Clauses(sql)
        if not clauses.add(wanted):
            return
        for place, *values in sql.execute(f"{_COLUMNS} {clauses.text} ORDER BY q.id DESC", clauses.values):
            yield Found(f"{segment.number}.{place}", Row(*values))


class _Clauses:
    """
    The conditions of a search in one file.
    """

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql
        self._said: list[str] = []
        self.values: list[object] = []

    @property
    def text(self) -> str:
        return f"WHERE {' AND '.join(self._said)}" if self._said else ""

    def add(self, wanted: Filter) -> bool:
        """
        Add what is wanted; return whether there can be such rows.
        """
        return (
            (wanted.name is None or self._name(wanted.name, wanted.isBelow))
            and (not wanted.part or self._part(wanted.part.lower()))
            and (not wanted.rule or self._words("rule", RULE, "instr(lower(text), ?)", wanted.rule.lower()))
            and (wanted.clients is None or self._client(wanted.clients))
            and self._rest(wanted)
        )

    def _name(self, name: str, isBelow: bool) -> bool:
        if not isBelow:
            return self._words("name", NAME, "text = ?", name)
        # A full stop is followed by a slash in ASCII. All names are below the root.
        return not name or self._words("name", NAME, "(text = ? OR text >= ? AND text < ?)", name, f"{name}.", f"{name}/")

    def _part(self, part: str) -> bool:
        self._sql.create_function("has", 1, lambda text: part in shownName(text), deterministic=True)
        return self._words("name", NAME, "has(text)")

    def _client(self, client: frozenset[str] | IPv4Network | IPv6Network) -> bool:
        if isinstance(client, frozenset):
            return self._words("client", CLIENT, f"text IN ({','.join('?' * len(client))})", *client)
        network = client

        def isIn(text: str) -> bool:
            try:
                return ip_address(text.partition("%")[0].partition("/")[0]) in network
            except ValueError:
                return False

        self._sql.create_function("within", 1, isIn, deterministic=True)
        return self._words("client", CLIENT, "within(text)")

    def _words(self, column: str, kind: int, condition: str, *values: object) -> bool:
        """
        Demand that a column is one of some words.
        """
        found = [number for (number,) in self._sql.execute(f"SELECT id FROM word WHERE kind = ? AND {condition}", (kind, *values))]
        if len(found) == 1:
            self._said.append(f"q.{column} = {found[0]}")
        elif found:
            # Numbers that we have made, and more than variables are allowed.
            self._said.append(f"q.{column} IN ({','.join(map(str, found))})")
        return bool(found)

    def _rest(self, wanted: Filter) -> bool:
        for column, value in (("type", wanted.type), ("rcode", wanted.rcode)):
            if value is not None:
                self._said.append(f"q.{column} = ?")
                self.values.append(value)
        if wanted.statuses:
            self._said.append(f"q.status IN ({','.join(map(str, sorted(wanted.statuses)))})")
        for comparison, value in ((">=", wanted.since), ("<", wanted.until)):
            if value is not None:
                self._said.append(f"q.at {comparison} ?")
                self.values.append(value)
        return True
