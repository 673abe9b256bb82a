"""
What each file of the history counts while it is written, by hours: the queries of each client and each rule, and of the names that are
asked for most. Pages that show these do not look at each query.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from heapq import nlargest
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from twisted_ext.server.features.queryhistory.recorder.rows import CLIENT, NAME, RULE, STATUSES

__all__ = ["HOUR", "TALLY_TABLE", "Tallies", "Tally", "countRest", "talliesIn"]

#: Microseconds of an hour.
HOUR: Final = 3_600_000_000

#: The table of the counts. C{last} is for clients: when one was answered last. The key C{tallied} of the table C{about} has the number of
#: the last query that is counted.
TALLY_TABLE: Final = """
CREATE TABLE IF NOT EXISTS tally (
    kind INTEGER NOT NULL, hour INTEGER NOT NULL, word INTEGER NOT NULL, blocked INTEGER NOT NULL, queries INTEGER NOT NULL,
    last INTEGER NOT NULL, PRIMARY KEY (kind, hour, word, blocked)
) WITHOUT ROWID;
"""

#: Queries after which counts are written before the hour ends: a page looks at each one that is not counted yet.
_MOST: Final = 50_000

#: Names of each hour whose counts are kept, of blocked ones and of others. All of them would be nearly as many rows as there are queries.
_NAMES: Final = 200

#: Queries that are counted at a time.
_BATCH: Final = 5_000

_BLOCKED: Final = STATUSES.index("blocked")

#: The columns of a query that are needed, and where they are in it.
_COLUMNS: Final = {CLIENT: "client", NAME: "name", RULE: "rule"}
_AT, _CLIENT, _NAME, _RULE = [itemgetter(place) for place in (0, 1, 2, 7)]
_STATUS: Final = 10

_REST: Final = "SELECT at, client, name, type, rcode, ede, micros, rule, upstream, view, status FROM query WHERE id > ? ORDER BY id"

_INSERT: Final = """
INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET queries = queries + excluded.queries, last = max(last, excluded.last)
"""

#: A query as numbers, in the order of the columns.
_Query: TypeAlias = "tuple[Any, ...]"


class Tally(NamedTuple):
    """
    What the history has of a client, a name or a rule.

    @ivar last: of a client: when it was answered last, in microseconds since 1970.
    """

    queries: int
    blocked: int
    last: int

    def plus(self, other: Tally) -> Tally:
        """
        Return what both files have.
        """
        return Tally(self.queries + other.queries, self.blocked + other.blocked, max(self.last, other.last))


class _Counts:
    """
    The counts of an hour, of blocked queries or of the others.
    """

    def __init__(self) -> None:
        self._words: dict[int, Counter[int]] = {kind: Counter() for kind in _COLUMNS}
        self._last: dict[int, int] = {}

    def add(self, queries: Sequence[_Query]) -> None:
        """
        @param queries: in the order of time.
        """
        clients = [*map(_CLIENT, queries)]
        self._words[CLIENT].update(clients)
        self._words[NAME].update(map(_NAME, queries))
        self._words[RULE].update(filter(None, map(_RULE, queries)))
        for client, at in dict(zip(clients, map(_AT, queries), strict=True)).items():
            self._last[client] = max(at, self._last.get(client, 0))

    def rows(self) -> Iterator[tuple[int, int, int, int]]:
        """
        Return the kind and the number of each word, its queries, and when the last one was.
        """
        for kind, counts in self._words.items():
            for word, count in nlargest(_NAMES, counts.items(), key=itemgetter(1)) if kind == NAME else counts.items():
                if word is not None:
                    yield kind, word, count, self._last[word] if kind == CLIENT else 0


class Tallies:
    """
    Counts the queries of a file. What was counted is in the file once L{write} was called, and the transaction of that has ended.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[int, bool], _Counts] = defaultdict(_Counts)
        self._queries = 0

    def isDue(self, at: int) -> bool:
        """
        Return whether there is much to write, or an hour has ended: names that are asked for most are found in whole hours.

        @param at: the time of the next query, in microseconds since 1970.
        """
        return self._queries >= _MOST or any(hour < at // HOUR for hour, _ in self._counts)

    def add(self, queries: Sequence[_Query]) -> None:
        """
        Count queries.
        """
        self._queries += len(queries)
        # Those of several processes are not in the order of time.
        ordered = sorted(queries, key=_AT)
        while ordered:
            hour = ordered[0][0] // HOUR
            end = len(ordered) if ordered[-1][0] // HOUR == hour else bisect_left(ordered, (hour + 1) * HOUR, key=_AT)
            those, ordered = ordered[:end], ordered[end:]
            blocked = [each for each in those if each[_STATUS] == _BLOCKED]
            others = [each for each in those if each[_STATUS] != _BLOCKED] if blocked else those
            for isBlocked, part in ((True, blocked), (False, others)):
                if part:
                    self._counts[hour, isBlocked].add(part)

    def write(self, sql: sqlite3.Connection, last: int) -> None:
        """
        @param last: the number of the last query that was counted.
        """
        rows = [
            (kind, hour, word, isBlocked, count, at)
            for (hour, isBlocked), counts in self._counts.items()
            for kind, word, count, at in counts.rows()
        ]
        sql.executemany(_INSERT, rows)
        sql.execute("INSERT OR REPLACE INTO about VALUES ('tallied', ?)", (last,))

    def clear(self) -> None:
        """
        Begin anew, after what was counted is written.
        """
        self._counts.clear()
        self._queries = 0


def countRest(sql: sqlite3.Connection) -> None:
    """
    Count the queries of a file that are not counted yet.
    """
    sql.executescript(TALLY_TABLE)
    tallies, last = Tallies(), _talliedIn(sql)

    def write() -> None:
        sql.execute("BEGIN")
        tallies.write(sql, last)
        sql.execute("COMMIT")
        tallies.clear()

    while rest := sql.execute(f"{_REST} LIMIT {_BATCH}", (last,)).fetchall():
        if tallies.isDue(rest[0][0]):
            write()
        tallies.add(rest)
        # Rows are never removed: their numbers have no gaps.
        last += len(rest)
    write()


def talliesIn(sql: sqlite3.Connection, kind: int, hour: int) -> Iterator[tuple[str, Tally]]:
    """
    Return what a file has of each client, name or rule from an hour on.

    @param kind: L{CLIENT<twisted_ext.server.features.queryhistory.recorder.rows.CLIENT>}, C{NAME} or C{RULE}. Names are those that are
        asked for most in each hour.
    """
    column, tallied = _COLUMNS[kind], _talliedIn(sql)
    parts = f"""
        SELECT {column} AS word, status = {_BLOCKED} AS blocked, count(*) AS queries, max(at) AS last FROM query NOT INDEXED
        WHERE id > {tallied} AND at >= {hour * HOUR} AND {column} IS NOT NULL GROUP BY 1, 2
    """
    if tallied:
        parts += f"""
            UNION ALL SELECT word, blocked, sum(queries), max(last) FROM tally WHERE kind = {kind} AND hour >= {hour} GROUP BY 1, 2
        """
    wanted = f"""
        SELECT w.text, sum(g.queries), sum(g.queries * g.blocked), max(g.last) FROM ({parts}) g JOIN word w ON w.id = g.word
        GROUP BY g.word
    """
    for text, *numbers in sql.execute(wanted):
        yield text, Tally(*numbers)


def _talliedIn(sql: sqlite3.Connection) -> int:
    """
    Return the number of the last query that is counted. Files of earlier versions have no counts.
    """
    found = sql.execute("SELECT value FROM about WHERE key = 'tallied'").fetchone()
    return 0 if found is None else int(found[0])
