"""
Decides the queries of a history by two settings. Names come first: most are decided alike, as no list in which the two differ has a rule
about them, so that of a million rows only those of a few names are looked at.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from twisted_ext.errors import TimedOut
from twisted_ext.resolver.policy.rules.table import SOURCE
from twisted_ext.server.features.queryhistory.recorder.rows import CLIENT, NAME, STATUSES, VIEW, shownName
from twisted_ext.server.features.queryhistory.recorder.search import complaining, hasAliases, isLate, opened
from twisted_ext.server.features.queryhistory.recorder.segments import segmentsIn
from twisted_ext.server.replay.sides import Pair, Scope, Side, edgesOf, pairsOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.resolver.policy.rules.table import PolicyTable
    from twisted_ext.resolver.policy.rules.verdict import Verdict
    from twisted_ext.server.features.queryhistory.recorder.segments import Segment

__all__ = ["KINDS", "Named", "Replayed", "replay"]

#: What may become of a query otherwise: it is blocked, or not any more, its answer is rewritten, or another rule than before decides.
KINDS: Final = ("blocked", "allowed", "rewritten", "other")

#: Queries that block lists do not decide: what local names, zones or access lists do comes first.
_NOT_ASKED: Final = tuple([STATUSES.index(each) for each in ("local", "refused", "dropped")])
_BLOCKED: Final = STATUSES.index("blocked")

#: Names whose lists are remembered; then all are forgotten.
_NAMES: Final = 1_000_000

#: Queries of a file that are decided by the old settings to see whether that is as it was recorded.
_SAMPLE: Final = 2_000

#: Instructions of SQLite's machine between two looks at the clock.
_STEPS: Final = 100_000

#: What a query is decided by: the scopes of both settings, and the lists that apply in each.
_State: TypeAlias = "tuple[Scope, Scope, int, int]"


class Change(NamedTuple):
    """
    What becomes of a question otherwise.

    @ivar rule: the place of the rule that decides, or has decided.
    """

    kind: str
    rule: str


@dataclass(slots=True)
class Named:
    """
    What becomes otherwise of the queries for a name.

    @ivar least: how many there are in any case.
    @ivar most: how many there may be, as it is not known of each client in which view it is, or of the name what it is an alias of.
    @ivar clients: as the history keeps them.
    @ivar rules: the places of rules that decide.
    """

    least: int = 0
    most: int = 0
    clients: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Replayed:
    """
    What other settings would have decided.

    @ivar since: the begin of the span, in seconds since 1970, and C{until} its end.
    @ivar queries: those of the span which block lists decide.
    @ivar names: by kind of change and by name, as the history has it.
    @ivar unexplained: blocked queries that the old settings do not block: other ones were in force.
    @ivar unknown: queries of which it is not known what their names are aliases of, and which no rule about their names blocks by the new
        settings: a rule about the other name may. Of those that the old settings block it is least and most.
    @ivar sampled: queries of which it was looked whether the old settings decide as recorded, and C{agreed}, of how many they do.
    @ivar wrong: a line for each file that could not be read.
    """

    since: float
    until: float
    queries: int = 0
    names: dict[str, dict[str, Named]] = field(default_factory=lambda: {kind: defaultdict(Named) for kind in KINDS})
    unexplained: int = 0
    unknown: int = 0
    sampled: int = 0
    agreed: int = 0
    wrong: list[str] = field(default_factory=list)

    def total(self, kind: str) -> tuple[int, int]:
        """
        Return how many queries change in this way, at least and at most.
        """
        found = self.names[kind].values()
        return sum([each.least for each in found]), sum([each.most for each in found])

    def top(self, kind: str, count: int) -> list[tuple[str, Named]]:
        """
        Return the names with most changes of a kind, and what becomes of them.
        """
        order = sorted(self.names[kind].items(), key=lambda item: (-item[1].most, item[0]))
        return [(shownName(name), each) for name, each in order[:count]]

    def toJSON(self, count: int, mostClients: int | None = None) -> dict[str, JSON]:
        """
        @param count: names of each kind.
        @param mostClients: clients of each name; L{None} for all.
        """
        told: dict[str, JSON] = {"since": self.since, "until": self.until, "queries": self.queries, "unknown": self.unknown}
        told |= {"unexplained": self.unexplained, "sampled": self.sampled, "agreed": self.agreed, "wrong": [*self.wrong]}
        for kind in KINDS:
            least, most = self.total(kind)
            top: list[JSON] = []
            for name, each in self.top(kind, count):
                clients: list[JSON] = [*sorted(each.clients)[:mostClients]]
                rules: list[JSON] = [*sorted(each.rules)]
                numbers: dict[str, JSON] = {"least": each.least, "most": each.most, "clientCount": len(each.clients)}
                top.append({"name": name, **numbers, "clients": clients, "rules": rules})
            told[kind] = {"least": least, "most": most, "names": len(self.names[kind]), "top": top}
        return told


def replay(
    folder: str, old: Side, new: Side, table: PolicyTable, since: float, until: float, *, key: bytes = b"", seconds: float = 3600.0
) -> Replayed:
    """
    Decide the queries of a time.

    @param folder: that of the history.
    @param table: the rules of all lists of both.
    @param since: in seconds since 1970.
    @param until: the same; not included.
    @param key: of the hashes that are kept of clients; C{b""} if it is not known.
    @param seconds: how long this may take in all.

    @raise OSError: the folder cannot be read.
    @raise TimedOut: it takes longer.
    """
    return _Replay(old, new, table, Replayed(since, until), key, monotonic() + seconds).over(folder)


class _Replay:
    """
    The work under way.
    """

    def __init__(self, old: Side, new: Side, table: PolicyTable, found: Replayed, key: bytes, ends: float) -> None:
        self._old = old
        self._new = new
        self._table = table
        self._found = found
        self._ends = ends
        self._pairsOf = pairsOf(old, new, key)
        self._edges = edgesOf([*old.scopes.values(), *new.scopes.values()], found.since, found.until)
        # Lists of which a rule may be about any name.
        self._anywhere = sum([1 << number for number in table.expressions])
        self._about: dict[str, int] = {}
        # By name, what that is an alias of, state and type; and the number of each state, by what decides.
        self._changes: dict[tuple[str, str, int, int], Change | None] = {}
        self._states: list[_State] = []
        self._numbers: dict[tuple[object, ...], int] = {}
        self._known: dict[tuple[Pair, int], int] = {}

    def over(self, folder: str) -> Replayed:
        """
        Decide the queries of all files.
        """
        found = self._found
        for segment in segmentsIn(folder):
            with complaining(segment, found.wrong.append), closing(opened(segment)) as sql:
                # Tables of its own, which are not in the file.
                sql.executescript("PRAGMA query_only = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768")
                sql.set_progress_handler(partial(isLate, self._ends), _STEPS)
                try:
                    self._look(segment, sql)
                except sqlite3.OperationalError:
                    if isLate(self._ends):
                        raise TimedOut("the queries were not decided in time; try a shorter span") from None
                    raise
        return found

    def _look(self, segment: Segment, sql: sqlite3.Connection) -> None:
        found = self._found
        about = dict(sql.execute("SELECT key, value FROM about"))
        isClosed = "closed" in about
        span = int(found.since * 1e6), int(found.until * 1e6)
        if isClosed and (about["last"] is None or about["last"] < span[0] or about["first"] >= span[1]):
            return
        where = f"at >= {span[0]} AND at < {span[1]} AND status NOT IN {_NOT_ASKED}"
        alias = "q.alias" if hasAliases(sql) else "NULL"
        counted = f"SELECT count(*), sum({alias} IS NULL AND q.status <> {_BLOCKED}) FROM query q NOT INDEXED WHERE {where}"
        count, unknown = sql.execute(counted).fetchone()
        if not count:
            return
        found.queries += count
        found.unknown += unknown
        aliases = {None: "", 0: "", **(dict(sql.execute("SELECT id, names FROM alias")) if alias != "NULL" else {})}
        clients = {None: "", **dict(sql.execute("SELECT id, text FROM word WHERE kind = ?", (CLIENT,)))}
        views = {None: "", **dict(sql.execute("SELECT id, text FROM word WHERE kind = ?", (VIEW,)))}
        # More than there are, maybe: to find those that there are takes longer than to decide for all.
        pairs = {pair for client in clients.values() for view in views.values() for pair in self._pairsOf(client, view)}
        first, last = (about["first"] / 1e6, about["last"] / 1e6) if isClosed else (found.since, found.until)
        pieces = [
            number for number, edge in enumerate(self._edges)
            if edge <= last and (number + 1 == len(self._edges) or self._edges[number + 1] >= first)
        ]  # fmt: skip
        states = sorted({self._stateOf(pair, piece) for pair in pairs for piece in pieces})
        types = [number for (number,) in sql.execute("SELECT DISTINCT type FROM query")] if self._table.conditional else [A]
        differing = self._differing(sql.execute("SELECT id, text FROM word WHERE kind = ?", (NAME,)), states, types)
        leading = self._differing(aliases.items(), states, types)
        sql.executescript("CREATE TEMP TABLE hit (name INTEGER PRIMARY KEY); CREATE TEMP TABLE lead (alias INTEGER PRIMARY KEY)")
        sql.executemany("INSERT INTO hit VALUES (?)", [(each,) for each in differing])
        sql.executemany("INSERT INTO lead VALUES (?)", [(each,) for each in leading])
        if sql.execute("SELECT 1 FROM lead").fetchone() is not None:
            sql.execute("INSERT OR IGNORE INTO hit SELECT name FROM query NOT INDEXED WHERE alias IN (SELECT alias FROM lead)")
        self._compare(sql, where, alias, clients, views, aliases)
        names = dict(sql.execute("SELECT h.name, w.text FROM hit h JOIN word w ON w.id = h.name"))
        if not names:
            return
        sql.execute("CREATE TEMP TABLE piece (begins INTEGER PRIMARY KEY, number INTEGER)")
        sql.executemany("INSERT INTO piece VALUES (?, ?)", [(int(self._edges[each] * 1e6), each) for each in pieces])
        # One that is written has no index of names.
        joined = "hit h CROSS JOIN query q ON q.name = h.name" if isClosed else "query q CROSS JOIN hit h ON h.name = q.name"
        piece = "(SELECT number FROM piece WHERE begins <= q.at ORDER BY begins DESC LIMIT 1)"
        chosen = f"SELECT {piece}, q.client, q.view, q.name, q.type, {alias}, count(*) FROM {joined} WHERE {where}"
        chosen += " GROUP BY 1, 2, 3, 4, 5, 6"
        for number, client, view, name, rrType, other, queries in sql.execute(chosen):
            at = pieces[0] if number is None else number
            self._count(names[name], None if other is None else aliases[other], clients[client], views[view], at, rrType, queries)

    def _stateOf(self, pair: Pair, piece: int) -> int:
        """
        Return the number of the state in which a query is decided.

        @param piece: the number of its piece of the span.
        """
        found = self._known.get((pair, piece))
        if found is None:
            one, other = self._old.scopes[pair[0]], self._new.scopes[pair[1]]
            masks = one.maskAt(self._edges[piece]), other.maskAt(self._edges[piece])
            key = (one.own, other.own, *masks)
            if key not in self._numbers:
                self._numbers[key] = len(self._states)
                self._states.append((one, other, *masks))
            found = self._known[(pair, piece)] = self._numbers[key]
        return found

    def _differing(
        self, texts: Iterable[tuple[int | None, str]], states: Sequence[int], types: Sequence[int]
    ) -> Iterator[int]:
        """
        Return the numbers of those names, or of those that some are aliases of, of which one is decided otherwise in some state.

        @param texts: names, with spaces between them, with their numbers.
        """
        looked = [(number, difference) for number in states if any(difference := self._differenceIn(number))]
        lists = 0
        domains: set[bytes] = set()
        for _, difference in looked:
            lists |= difference.lists
            domains |= difference.domains

        def differs(text: str) -> bool:
            bits = self._listsAbout(text) if lists else 0
            below = domains.intersection(_domainsOf(text)) if domains else domains
            deciding = [state for state, each in looked if each.isAny or bits & each.lists or not below.isdisjoint(each.domains)]
            return any(self._changeOf(text, "", state, rrType) is not None for state in deciding for rrType in types)

        for count, (number, text) in enumerate(texts):
            if not count % 1000 and isLate(self._ends):
                raise TimedOut("the queries were not decided in time; try a shorter span")
            # The name of the root is empty; what is not an alias has no number.
            if number is not None and any(map(differs, text.split(" "))):
                yield number

    def _differenceIn(self, state: int) -> _Difference:
        """
        Return in what the two settings differ in a state.
        """
        one, other, was, will = self._states[state]
        domains = frozenset([domain for domain, _ in one.domains ^ other.domains]) | (one.hosts ^ other.hosts)
        return _Difference(was ^ will, domains, one.view != other.view)

    def _listsAbout(self, text: str) -> int:
        """
        Return the lists with a rule for a name or a domain above it, as bits.
        """
        found = self._about.get(text)
        if found is None:
            if len(self._about) >= _NAMES:
                self._about.clear()
                self._changes.clear()
            found, rulesFor = self._anywhere, self._table.rulesFor
            for name in _domainsOf(text):
                for word, _ in rulesFor(name):
                    found |= 1 << (word & SOURCE)
            self._about[text] = found
        return found

    def _changeOf(self, text: str, alias: str, state: int, rrType: int) -> Change | None:
        """
        Return what becomes otherwise of a question; L{None} if nothing does.

        @param alias: the names that it is an alias of.
        """
        rrType = rrType if self._table.conditional else A
        key = (text, alias, state, rrType)
        if key not in self._changes:
            one, other, was, will = self._states[state]
            names = _wireOf(text, alias)
            self._changes[key] = _changeBetween(one.decided(names, was, rrType), other.decided(names, will, rrType))
        return self._changes[key]

    def _count(self, text: str, alias: str | None, client: str, view: str, piece: int, rrType: int, queries: int) -> None:
        """
        Count what becomes otherwise of queries that are alike.
        """
        pairs = self._pairsOf(client, view)
        changes = {self._changeOf(text, alias or "", self._stateOf(pair, piece), rrType) for pair in pairs}
        kinds = {None if each is None else each.kind for each in changes}
        if alias is None and "allowed" in kinds:
            # A rule about another name may block it still.
            self._found.unknown += queries
            kinds.add(None)
        for each in changes:
            if each is None:
                continue
            named = self._found.names[each.kind][text]
            named.rules.add(each.rule)
            named.clients.add(client)
        for kind in kinds:
            if kind is not None:
                named = self._found.names[kind][text]
                named.most += queries
                named.least += queries if len(kinds) == 1 else 0

    def _compare(
        self,
        sql: sqlite3.Connection,
        where: str,
        alias: str,
        clients: Mapping[int | None, str],
        views: Mapping[int | None, str],
        aliases: Mapping[int | None, str],
    ) -> None:
        """
        Find out whether the old settings decide as it was recorded: of all that was blocked, and of a sample of all.
        """
        found = self._found
        texts = f"SELECT q.client, q.view, w.text, {alias}, q.type, q.at, q.status FROM query q JOIN word w ON w.id = q.name WHERE {where}"
        (rows,) = sql.execute("SELECT max(id) FROM query").fetchone()
        for client, view, text, other, rrType, at, status in sql.execute(f"{texts} AND q.id % {max(rows // _SAMPLE, 1)} = 0"):
            found.sampled += 1
            found.agreed += self._isBlocked(text, aliases[other], clients[client], views[view], rrType, at / 1e6) == (status == _BLOCKED)
        grouped = f"""
            SELECT max(q.client) AS client, q.view, q.name, {alias} AS alias, q.type, max(q.at) AS at, count(*) AS queries
            FROM query q NOT INDEXED WHERE {where} AND q.status = {_BLOCKED} GROUP BY 2, 3, 4, 5
        """
        for client, view, text, other, rrType, at, queries in sql.execute(
            f"SELECT g.client, g.view, w.text, g.alias, g.type, g.at, g.queries FROM ({grouped}) g JOIN word w ON w.id = g.name"
        ):
            if not self._isBlocked(text, aliases[other], clients[client], views[view], rrType, at / 1e6):
                found.unexplained += queries

    def _isBlocked(self, text: str, alias: str, client: str, view: str, rrType: int, at: float) -> bool:
        """
        Return whether the old settings block a name, or may do so, or rewrite its answer.
        """
        names = _wireOf(text, alias)
        # The view that was noted is that of the settings in force then.
        views = {view} if view in self._old.scopes else {one for one, _ in self._pairsOf(client, view)}
        scopes = [self._old.scopes[each] for each in views]
        return any(each.decided(names, each.maskAt(at), rrType) is not None for each in scopes)


class _Difference(NamedTuple):
    """
    In what two settings differ.

    @ivar lists: the lists that only one of them applies, as bits.
    @ivar domains: those that only one of them decides about by itself; and names that only one of them leads elsewhere.
    @ivar isAny: whether they may differ about any name.
    """

    lists: int
    domains: frozenset[bytes]
    isAny: bool


def _wireOf(text: str, alias: str) -> list[bytes]:
    """
    Return a name, and those that it is an alias of, folded.

    @param text: as the history has it, as C{alias}.
    """
    return [nameFromText(shownName(each)).lower() for each in (text, *alias.split())]


def _domainsOf(text: str) -> list[bytes]:
    """
    Return a name and the domains above it, the longest first. No rule is about a label with a dot, which is taken for two here.

    @param text: as the history has it.
    """
    labels = text.encode("ascii", "replace").split(b".")
    labels.reverse()
    return [b".".join(labels[place:]) for place in range(len(labels))]


def _changeBetween(was: Verdict | None, will: Verdict | None) -> Change | None:
    """
    @param was: what was decided, and C{will} what would be; L{None} for what passes.
    """
    if will is None:
        return None if was is None else Change("allowed", was.place)
    if was is not None and (was.word, was.place, was.rewrites) == (will.word, will.place, will.rewrites):
        return None
    if was is not None and was.word == will.word:
        return Change("other", will.place)
    return Change("blocked" if will.word == "blocked" else "rewritten", will.place)
