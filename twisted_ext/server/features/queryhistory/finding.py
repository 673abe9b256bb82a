"""
Searches the history of queries in a process of its own, C{python -m twisted_ext.server.features.queryhistory.finding}: in a thread of a
server that answers queries, clients would wait for it.

The input is a JSON object: C{folder}, that of the history; C{kind}, a key of L{KINDS}; and what this takes. The output is what this
returns, with C{wrong}, a line for each file that could not be searched; or C{{"invalid": TEXT}} if a field of a form is not valid; or
C{{"failed": TEXT}}.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from heapq import nlargest
from itertools import islice
from typing import Any, Final

from twisted_ext.errors import CallerFault
from twisted_ext.server.features.queryhistory.fields import clientFromText, keptClients, momentFromText, statusFromText
from twisted_ext.server.features.queryhistory.recorder.rows import CLIENT, NAME, RULE, STATUSES, reversedName, shownName
from twisted_ext.server.features.queryhistory.recorder.search import Filter, Place, search, tallies
from twisted_ext.wire.names import nameFromText

__all__ = ["KINDS", "answered", "main"]

#: Seconds that a search may take in one file, which has a million queries at most. All that a form can ask for takes less than one.
_SECONDS: Final = 5.0

#: Queries of a client that are looked at for its latest names.
_LOOKED: Final = 2_000


def _found(job: Mapping[str, Any], wrong: list[str]) -> dict[str, Any]:
    """
    Return C{found}: the latest queries that a form asks for, each as the number of its file and that of the query, and its columns.
    """
    wanted = _filter(job["given"], job["folder"])
    rows = search(job["folder"], wanted, wrong.append, seconds=_SECONDS)
    return {"found": [[*each.place, each.row] for each in islice(rows, job["most"])]}


def _names(job: Mapping[str, Any], wrong: list[str]) -> dict[str, Any]:
    """
    Return C{names}: the latest names of a client, each type of a name once: name, type, and microseconds since 1970.
    """
    wanted = Filter(clients=keptClients(clientFromText(job["client"]), job["folder"]))
    latest: dict[tuple[str, int], int] = {}
    for each in islice(search(job["folder"], wanted, wrong.append, seconds=_SECONDS), _LOOKED):
        latest.setdefault((each.row.name, each.row.type), each.row.at)
    return {"names": [[shownName(name), rrType, at] for (name, rrType), at in islice(latest.items(), job["most"])]}


def _clients(job: Mapping[str, Any], wrong: list[str]) -> dict[str, Any]:
    """
    Return C{queries}, and C{clients}: those that have asked most, with what is counted of each.
    """
    found = tallies(job["folder"], CLIENT, job["since"], wrong.append, seconds=_SECONDS)
    most = nlargest(job["most"], found.items(), key=lambda item: item[1].queries)
    return {"queries": sum([each.queries for each in found.values()]), "clients": [[text, *each] for text, each in most]}


def _top(job: Mapping[str, Any], wrong: list[str]) -> dict[str, Any]:
    """
    Return what there is most of, each with its queries: C{blocked} and other C{names}, C{clients}, and the C{lists} that block.
    """
    folder, since, most = job["folder"], job["since"], job["most"]
    names, clients, rules = [tallies(folder, kind, since, wrong.append, seconds=_SECONDS) for kind in (NAME, CLIENT, RULE)]
    lists: Counter[str] = Counter()
    for rule, each in rules.items():
        # The place of a rule: its list, and the line in it.
        lists[rule.rpartition(":")[0] or rule] += each.blocked
    blocked = Counter({name: each.blocked for name, each in names.items() if each.blocked})
    wanted = Counter({name: each.queries for name, each in names.items()})
    return {
        "blocked": [(shownName(name), count) for name, count in blocked.most_common(most)],
        "names": [(shownName(name), count) for name, count in wanted.most_common(most)],
        "clients": [(client, each.queries) for client, each in nlargest(most, clients.items(), key=lambda item: item[1].queries)],
        "lists": (+lists).most_common(most),
    }


#: What can be searched for. Each function takes the job, and a list for complaints.
KINDS: Final[Mapping[str, Callable[[Mapping[str, Any], list[str]], dict[str, Any]]]] = {
    "found": _found, "names": _names, "clients": _clients, "top": _top,
}  # fmt: skip


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


def answered(written: bytes) -> bytes:
    """
    Return the output for an input.
    """
    job = json.loads(written)
    wrong: list[str] = []
    try:
        said = {**KINDS[job["kind"]](job, wrong), "wrong": wrong}
    except CallerFault as fault:
        said = {"invalid": str(fault)}
    except OSError as error:
        said = {"failed": error.strerror or str(error)}
    except sqlite3.Error as error:
        said = {"failed": str(error)}
    return json.dumps(said).encode("ascii")


def main() -> None:
    sys.stdout.buffer.write(answered(sys.stdin.buffer.read()))


if __name__ == "__main__":
    main()
