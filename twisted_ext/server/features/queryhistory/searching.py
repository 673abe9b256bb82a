"""
Searches the history of queries for pages of a browser, one search at a time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred
from twisted.internet.interfaces import IReactorProcess

from twisted_ext.errors import CallerFault, StorageFault, TimedOut
from twisted_ext.server.features.queryhistory.finding import answered
from twisted_ext.server.features.queryhistory.recorder.rows import Row
from twisted_ext.server.features.queryhistory.recorder.search import Found, Place
from twisted_ext.server.features.queryhistory.recorder.tallies import Tally
from twisted_ext.server.process.jobs.subprocess import runModule

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.operations import Operations

__all__ = ["FIELDS", "MATCHES", "Clients", "HistorySearch", "LatestName", "NoHistory", "Top", "missingIn"]

#: The fields of the form; C{before} is that of the link to older queries.
FIELDS: Final = ("name", "match", "client", "outcome", "since", "until", "before")

#: How a name is compared, each as a form says it.
MATCHES: Final = {"below": "is, or is below", "is": "is", "part": "has the text"}

_MODULE: Final = "twisted_ext.server.features.queryhistory.finding"

#: Seconds that a search may take in all.
_SECONDS: Final = 60.0

#: Seconds for which what there is most of is not looked for again.
_KEPT: Final = 60.0

#: Searches that wait for another one; people with browsers make few.
_WAITING: Final = 4


class Top(NamedTuple):
    """
    What there is most of, each with how many queries that were.

    @ivar lists: those that block.
    """

    blocked: list[tuple[str, int]]
    names: list[tuple[str, int]]
    clients: list[tuple[str, int]]
    lists: list[tuple[str, int]]


class Clients(NamedTuple):
    """
    Those that ask.

    @ivar queries: of all of them.
    @ivar most: those that have asked most.
    @ivar wrong: a line for each file that could not be searched, or for what is missing in them.
    """

    queries: int
    most: list[tuple[str, Tally]]
    wrong: list[str]


class LatestName(NamedTuple):
    """
    A name that a client has asked for.

    @ivar at: when it did so last, in seconds since 1970.
    """

    name: str
    type: int
    at: float


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
        @param reactor: searches are made in its processes; or in this one if it has none.
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
        said, wrong = await self._asked(isAllowed, "found", given={**given}, most=most)
        return [Found(Place(segment, number), Row(*row)) for segment, number, row in said["found"]], wrong

    async def namesOf(self, client: str, most: int, *, isAllowed: bool = False) -> list[LatestName]:
        """
        Return the latest names of a client, each type of a name once; for the rest see L{find}.
        """
        said, _ = await self._asked(isAllowed, "names", client=client, most=most)
        return [LatestName(name, rrType, at / 1e6) for name, rrType, at in said["names"]]

    async def clients(self, since: float, most: int, *, isAllowed: bool = False) -> Clients:
        """
        Return what the history has of each client; for the rest see L{find}.

        @param since: seconds since 1970. The hour that it is in is counted whole.
        @param most: how many clients.
        """
        said, wrong = await self._asked(isAllowed, "clients", since=int(since * 1e6), most=most)
        return Clients(said["queries"], [(text, Tally(*numbers)) for text, *numbers in said["clients"]], wrong)

    async def top(self, since: float, most: int, *, isAllowed: bool = False) -> Top:
        """
        Return what there is most of; for the rest see L{clients}. It is looked for again after a minute only.

        @param most: how many of each kind.
        """
        now = time.monotonic()
        if self._top is None or now >= self._top[0] + _KEPT:
            said, _ = await self._asked(isAllowed, "top", since=int(since * 1e6), most=most)
            found = {kind: [(str(text), int(count)) for text, count in said[kind]] for kind in Top._fields}
            self._top = now, Top(**found)
        else:
            await self._begun(isAllowed)
        return self._top[1]

    async def _asked(self, isAllowed: bool, kind: str, **job: object) -> tuple[dict[str, Any], list[str]]:
        """
        Return what a search has found, and lines about what may be missing.
        """
        folder, missing = await self._begun(isAllowed)
        written = json.dumps({"folder": folder, "kind": kind, **job}).encode("ascii")
        try:
            found = await self._lock.run(self._run, written)
            said = json.loads(found)
        except (OSError, ValueError) as error:
            raise StorageFault(f"The history cannot be searched: {error}.") from None
        if "invalid" in said:
            raise CallerFault(said["invalid"])
        if "failed" in said:
            raise StorageFault(f"The history cannot be read: {said['failed']}.")
        return said, [*missing, *said["wrong"]]

    def _run(self, written: bytes) -> Deferred[bytes]:
        if IReactorProcess.providedBy(self._reactor):
            return runModule(self._reactor, _MODULE, given=written, seconds=_SECONDS)
        return maybeDeferred(answered, written)

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


def missingIn(said: Mapping[str, JSON]) -> str:
    """
    Return a sentence about queries that are not written; C{""} if they are.

    @param said: what the status of the server says of the history.
    """
    wrong, since = said.get("wrong"), said.get("since")
    if not wrong or not isinstance(since, int | float):
        return ""
    return f"Queries since {time.strftime('%Y-%m-%d %H:%M', time.localtime(since))} are not in the history: {wrong}."
