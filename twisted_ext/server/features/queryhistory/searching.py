"""
Searches the history of queries for pages of a browser, one search at a time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from twisted.internet.defer import DeferredLock

from twisted_ext.errors import CallerFault, StorageFault, TimedOut
from twisted_ext.server.features.queryhistory.fields import clientFromText, keptClients, momentFromText, statusFromText
from twisted_ext.server.features.queryhistory.recorder.rows import STATUSES, reversedName, shownName
from twisted_ext.server.features.queryhistory.recorder.search import (
    Filter,
    Found,
    Place,
    Tally,
    clientTallies,
    counts,
    search,
)
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.operations import Operations

__all__ = ["FIELDS", "MATCHES", "HistorySearch", "NoHistory", "Top", "missingIn"]

_Result = TypeVar("_Result")

#: The fields of the form; C{before} is that of the link to older queries.
FIELDS: Final = ("name", "match", "client", "outcome", "since", "until", "before")

#: How a name is compared, each as a form says it.
MATCHES: Final = {"below": "is, or is below", "is": "is", "part": "has the text"}

#: Seconds that a search may take in one file, which has a million queries at most. All that the form can ask for takes less than one.
_SECONDS: Final = 5.0

#: Seconds for which what there is most of is not looked for again.
_KEPT: Final = 60.0

#: Searches that wait for another one; people with browsers make few.
_WAITING: Final = 4


class Top(NamedTuple):
    """
    What there is most of, each with how many queries that were.
    """

    blocked: list[tuple[str, int]]
    names: list[tuple[str, int]]
    clients: list[tuple[str, int]]


class NoHistory(CallerFault):
    """
    There is no history of queries, or it is not shown.

    @ivar isHidden: whether there may be one.
    """

    def __init__(self, text: str, isHidden: bool) -> None:
        super().__init__(text)
        self.isHidden = isHidden


class HistorySearch:
    """
    Searches the history of a server.
    """

    def __init__(self, operations: Operations, reactor: object) -> None:
        """
        @param reactor: searches are made in its threads.
        """
        self._operations = operations
        self._reactor = reactor
        self._lock = DeferredLock()
        self._top: tuple[float, Top] | None = None

    async def find(self, given: Mapping[str, str], most: int, *, isAllowed: bool = False) -> tuple[list[Found], list[str]]:
        """
        Return queries, the newest first, and a line for each file that could not be searched, or for what is missing in them.

        @param given: what the form says, by L{FIELDS}.
        @param most: how many queries.
        @param isAllowed: whether to show them even where C{show-clients} does not show them to all.

        @raise NoHistory: there is nothing to search.
        @raise CallerFault: a field is not valid.
        @raise TimedOut: too many searches wait.
        @raise StorageFault: the history cannot be read.
        """
        folder, wrong = await self._begun(isAllowed)
        wanted = _filter(given, folder)
        return await self._run(lambda: list(islice(_searched(folder, wanted, wrong), most))), wrong

    async def clients(self, since: float, *, isAllowed: bool = False) -> tuple[dict[str, Tally], list[str]]:
        """
        Return what the history has of each client; for the rest see L{find}.

        @param since: seconds since 1970.
        """
        folder, wrong = await self._begun(isAllowed)
        return await self._run(lambda: clientTallies(folder, int(since * 1e6), wrong.append, seconds=_SECONDS)), wrong

    async def top(self, since: float, most: int, *, isAllowed: bool = False) -> Top:
        """
        Return what there is most of; for the rest see L{find}. It is looked for again after a minute only.

        @param since: seconds since 1970.
        @param most: how many of each kind.
        """
        folder, _ = await self._begun(isAllowed)
        now = time.monotonic()
        if self._top is None or now >= self._top[0] + _KEPT:
            self._top = now, await self._run(lambda: _topIn(folder, int(since * 1e6), most))
        return self._top[1]

    async def _begun(self, isAllowed: bool) -> tuple[str, list[str]]:
        """
        Return the folder of the history, and a line if it is not written at the moment.
        """
        if not (isAllowed or self._operations.inForce.showClients):
            raise NoHistory("What clients ask is not shown here; show-clients = true in the server's file shows it.", True)
        said = (await self._operations.status()).get("queryHistory")
        if not isinstance(said, dict):
            raise NoHistory("This server keeps no history of queries; query-history = true in its file makes it do so.", False)
        if len(self._lock.waiting) >= _WAITING:
            raise TimedOut("Other searches are going on; try again in some seconds.")
        return str(said.get("folder")), [missing] if (missing := missingIn(said)) else []

    async def _run(self, work: Callable[[], _Result]) -> _Result:
        try:
            return await self._lock.run(inThread, self._reactor, work)
        except OSError as error:
            raise StorageFault(f"The history cannot be read: {error.strerror or error}.") from None
        except sqlite3.Error as error:
            raise StorageFault(f"The history cannot be read: {error}.") from None


def missingIn(said: Mapping[str, JSON]) -> str:
    """
    Return a sentence about queries that are not written; C{""} if they are.

    @param said: what the status of the server says of the history.
    """
    wrong, since = said.get("wrong"), said.get("since")
    if not wrong or not isinstance(since, int | float):
        return ""
    return f"Queries since {time.strftime('%Y-%m-%d %H:%M', time.localtime(since))} are not in the history: {wrong}."


def _topIn(folder: str, since: int, most: int) -> Top:
    blocked = Filter(since=since, statuses=frozenset([STATUSES.index("blocked")]))

    def names(wanted: Filter) -> list[tuple[str, int]]:
        found = counts(folder, wanted, "name", lambda line: None, seconds=_SECONDS)
        return [(shownName(text), count) for text, count in found.most_common(most)]

    tallies = clientTallies(folder, since, lambda line: None, seconds=_SECONDS)
    clients = sorted([(client, each.queries) for client, each in tallies.items()], key=lambda row: row[1], reverse=True)
    return Top(names(blocked), names(Filter(since=since)), clients[:most])


def _searched(folder: str, wanted: Filter, wrong: list[str]) -> Iterator[Found]:
    return search(folder, wanted, wrong.append, seconds=_SECONDS)


def _filter(given: Mapping[str, str], folder: str) -> Filter:
    """
    @raise CallerFault: a field is not valid.
    """
    wanted = Filter(before=Place.fromText(given["before"]))
    if given["name"]:
        if given["match"] == "part":
            wanted.part = given["name"]
        else:
            wanted.name = reversedName(nameFromText(given["name"]))
            wanted.isBelow = given["match"] != "is"
    if given["client"]:
        wanted.clients = keptClients(clientFromText(given["client"]), folder)
    if given["outcome"]:
        wanted.statuses = frozenset([STATUSES.index(statusFromText(given["outcome"]))])
    wanted.since, wanted.until = _micros(given["since"]), _micros(given["until"])
    return wanted


def _micros(text: str) -> int | None:
    return int(momentFromText(text) * 1_000_000) if text else None
