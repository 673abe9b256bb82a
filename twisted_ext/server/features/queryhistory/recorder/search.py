"""
Searches the history of queries: the newest first, in files that a recorder may be writing or removing meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, NamedTuple
from urllib.parse import quote

from twisted_ext.server.features.queryhistory.recorder.rows import CLIENT, NAME, RULE, Row, shownName
from twisted_ext.server.features.queryhistory.recorder.segments import VERSION, Segment, segmentsIn
from twisted_ext.server.features.queryhistory.recorder.tallies import HOUR, Tally, talliesIn

__all__ = ["Filter", "Found", "Place", "complaining", "counts", "extent", "hasAliases", "isLate", "opened", "rowAt", "search", "tallies"]

#: Instructions of SQLite's machine between two looks at the clock.
_STEPS: Final = 100_000

#: Digits of a number in a place.
_DIGITS: Final = 15

_COLUMNS: Final = """
SELECT q.id, q.at, coalesce(c.text, ''), n.text, q.type, q.rcode, coalesce(e.text, ''), q.micros, coalesce(r.text, ''),
    coalesce(u.text, ''), coalesce(v.text, ''), q.status, q.transport,
    q.security, {alias}
FROM query q LEFT JOIN word n ON n.id = q.name LEFT JOIN word c ON c.id = q.client LEFT JOIN word e ON e.id = q.ede
    LEFT JOIN word r ON r.id = q.rule LEFT JOIN word u ON u.id = q.upstream LEFT JOIN word v ON v.id = q.view
"""


class Place(NamedTuple):
    """
    Where a query is: the number of its file and that of its row. As text: C{"12.345"}.
    """

    segment: int
    row: int

    def __str__(self) -> str:
        return f"{self.segment}.{self.row}"

    @classmethod
    def fromText(cls, text: str) -> Place | None:
        """
        Return L{None} if the text is not valid.
        """
        numbers = text.split(".")
        isValid = len(numbers) == 2 and all(each.isascii() and each.isdigit() and len(each) <= _DIGITS for each in numbers)
        return cls(int(numbers[0]), int(numbers[1])) if isValid else None


@dataclass(slots=True)
class Filter:
    """
    What to search for. Each part that is given has to hold.

    @ivar name: a name with its labels in reverse; L{None} for any.
    @ivar isBelow: whether names below it are meant too.
    @ivar part: a text that the name has.
    @ivar clients: clients as they are kept, of which it is one; or a network that has its address.
    @ivar rule: a text that the place of the rule has.
    @ivar statuses: what became of it, as places in L{STATUSES<twisted_ext.server.features.queryhistory.recorder.rows.STATUSES>}.
    @ivar security: what DNSSEC has proved, as a place in L{SECURITIES<twisted_ext.server.features.queryhistory.recorder.rows.SECURITIES>}.
    @ivar since: in microseconds since 1970, as C{until}, which is not included.
    @ivar before: the place of a query; only older ones are found.
    """

    name: str | None = None
    isBelow: bool = False
    part: str = ""
    clients: frozenset[str] | IPv4Network | IPv6Network | None = None
    type: int | None = None
    rcode: int | None = None
    rule: str = ""
    statuses: frozenset[int] = field(default_factory=frozenset)
    security: int | None = None
    since: int | None = None
    until: int | None = None
    before: Place | None = None

    @property
    def isNarrow(self) -> bool:
        """
        Whether an index finds what is wanted. Otherwise SQLite would count by that of what it groups by, and look at each row in the order
        of that, which takes far longer than to read all rows.
        """
        return self.name is not None or bool(self.part or self.rule or self.rcode) or self.clients is not None


@dataclass(frozen=True, slots=True)
class Found:
    """
    A query that was found.
    """

    place: Place
    row: Row


def search(folder: str, wanted: Filter, complain: Callable[[str], object], *, seconds: float = 60.0) -> Iterator[Found]:
    """
    Return queries, the newest first.

    @param complain: called with a line for each file that cannot be read, or takes too long; the others are searched.
    @param seconds: how long one file may take.

    @raise OSError: the folder cannot be read.
    """
    for segment, sql, condition, values in _looked(folder, wanted, complain, seconds):
        with complaining(segment, complain):
            for place, *found in sql.execute(f"{_columnsOf(sql)} {condition} ORDER BY q.id DESC", values):
                yield Found(Place(segment.number, place), Row(*found))


def counts(folder: str, wanted: Filter, kind: str, complain: Callable[[str], object], *, seconds: float = 60.0) -> Counter[str]:
    """
    Count queries.

    @param kind: by what: C{"client"}, C{"name"} or C{"rule"}. What has none is not counted.
    @param complain: as for L{search}.

    @return: how many there are of each, as the word of its row.

    @raise OSError: the folder cannot be read.
    """
    assert kind in ("client", "name", "rule")
    found: Counter[str] = Counter()
    for segment, sql, condition, values in _looked(folder, wanted, complain, seconds):
        with complaining(segment, complain):
            if not condition:
                # What has no rule is not in the index of rules.
                condition = f"WHERE q.{kind} IS NOT NULL"
            elif not wanted.isNarrow:
                condition = f"NOT INDEXED {condition}"
            grouped = f"SELECT q.{kind} AS word, count(*) AS queries FROM query q {condition} GROUP BY q.{kind}"
            for text, count in sql.execute(f"SELECT w.text, g.queries FROM ({grouped}) g JOIN word w ON w.id = g.word", values):
                found[text] += count
    return found


def tallies(folder: str, kind: int, since: int, complain: Callable[[str], object], *, seconds: float = 60.0) -> dict[str, Tally]:
    """
    Return what a history has of each client, name or rule. For the other arguments see L{search}.

    @param kind: see L{talliesIn<twisted_ext.server.features.queryhistory.recorder.tallies.talliesIn>}.
    @param since: microseconds since 1970; the hour that it is in is counted whole.

    @raise OSError: the folder cannot be read.
    """
    found: dict[str, Tally] = {}
    hour = since // HOUR
    for segment, sql, _, _ in _looked(folder, Filter(since=hour * HOUR), complain, seconds):
        with complaining(segment, complain):
            for text, each in talliesIn(sql, kind, hour):
                known = found.get(text)
                found[text] = each if known is None else each.plus(known)
    return found


def rowAt(folder: str, place: Place) -> Row | None:
    """
    Return a row by its place, L{None} if there is none.

    @raise OSError: the folder cannot be read.
    @raise sqlite3.Error: its file cannot be read.
    """
    for segment in segmentsIn(folder):
        if segment.number == place.segment:
            with suppress(Unmade), closing(opened(segment)) as sql:
                found = sql.execute(f"{_columnsOf(sql)} WHERE q.id = ?", (place.row,)).fetchone()
                return None if found is None else Row(*found[1:])
    return None


def hasAliases(sql: sqlite3.Connection) -> bool:
    """
    Return whether a file has what names are aliases of. Those of earlier versions do not have it.
    """
    return any(column[1] == "alias" for column in sql.execute("PRAGMA table_info(query)"))


def _columnsOf(sql: sqlite3.Connection) -> str:
    alias = "CASE q.alias WHEN 0 THEN '' ELSE (SELECT names FROM alias WHERE id = q.alias) END"
    return _COLUMNS.format(alias=alias if hasAliases(sql) else "NULL")


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
        with suppress(Unmade), closing(opened(segment)) as sql:
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


class Unmade(sqlite3.DatabaseError):
    """
    A file has nothing: a process makes it, or was killed while it did.
    """


def opened(segment: Segment) -> sqlite3.Connection:
    """
    Open a file for reading.

    @raise Unmade: it has nothing.
    @raise sqlite3.Error: it cannot be read, or another version has written it.
    """
    # SQLite has to write to repair what a process has left that was killed.
    sql = sqlite3.connect(f"file:{quote(segment.path)}?mode=rw", uri=True, isolation_level=None, timeout=5.0)
    try:
        sql.execute("PRAGMA query_only = ON")
        version = sql.execute("PRAGMA user_version").fetchone()
        if version == (0,) and sql.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            raise Unmade("it has nothing yet")
        if version != (VERSION,):
            raise sqlite3.DatabaseError("another version of txdns has written it, and only that one can read it")
    except BaseException:
        sql.close()
        raise
    return sql


@contextmanager
def complaining(segment: Segment, complain: Callable[[str], object]) -> Iterator[None]:
    """
    Tell C{complain} what keeps a file from being read, unless it was removed meanwhile.
    """
    try:
        yield
    except Unmade:
        pass
    except sqlite3.Error as error:
        if os.path.exists(segment.path):
            complain(f"{segment.path}: {error}")


def _looked(
    folder: str, wanted: Filter, complain: Callable[[str], object], seconds: float
) -> Iterator[tuple[Segment, sqlite3.Connection, str, list[object]]]:
    """
    Open the files in which there can be what is wanted, the newest first. Return with each the condition and its values.
    """
    for segment in reversed(segmentsIn(folder)):
        if wanted.before is not None and segment.number > wanted.before.segment:
            continue
        with complaining(segment, complain), closing(opened(segment)) as sql:
            ends = time.monotonic() + seconds
            sql.set_progress_handler(partial(isLate, ends), _STEPS)
            clauses = _Clauses(sql)
            if _canHave(sql, wanted) and clauses.add(wanted):
                if wanted.before is not None and segment.number == wanted.before.segment:
                    clauses.before(wanted.before.row)
                yield segment, sql, clauses.text, clauses.values


def isLate(ends: float) -> bool:
    """
    @param ends: on the clock of L{time.monotonic}.
    """
    return time.monotonic() > ends


def _canHave(sql: sqlite3.Connection, wanted: Filter) -> bool:
    """
    Return whether a file can have queries of the time that is wanted.
    """
    about = dict(sql.execute("SELECT key, value FROM about").fetchall())
    if "closed" not in about:
        return True
    isTooOld = wanted.since is not None and (about["last"] is None or about["last"] < wanted.since)
    isTooNew = wanted.until is not None and (about["first"] is None or about["first"] >= wanted.until)
    return not isTooOld and not isTooNew


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

    def before(self, row: int) -> None:
        """
        Demand that a row is older than this one.
        """
        self._said.append("q.id < ?")
        self.values.append(row)

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
        for column, value in (("type", wanted.type), ("rcode", wanted.rcode), ("security", wanted.security)):
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
