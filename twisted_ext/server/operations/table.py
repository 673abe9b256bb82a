"""
All operations on a running server: those of its own, and those of its features. The control socket, the parent of workers, and
C{txdns control} with its help are made from this table, which imports nothing of the server.

What the processes of one server say is joined into one reply, as each row says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import CallerFault
from twisted_ext.metrics.limits import CLIENT_NAMES, CLIENTS_SHOWN
from twisted_ext.server.features.base.verb import Verb, flagOf, numberOf
from twisted_ext.server.limits import CONTROL_SHOWN

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.addedvalues import AddedValue
    from twisted_ext.server.operations.operations import Operations

__all__ = ["OPERATIONS", "allVerbs", "clientsOf", "delegationsOf", "firstOf", "joinedOf", "sumOf", "verbAt"]

_REPORT: Final = "twisted_ext.apps.cli.server.report:"
_SPECIAL: Final = "twisted_ext.apps.cli.server.special:"

Join = Callable[["list[JSON]"], "dict[str, JSON]"]


def _objects(said: list[JSON]) -> Iterator[dict[str, JSON]]:
    for each in said:
        if isinstance(each, dict):
            yield each


def _listed(said: list[JSON], key: str) -> Iterator[dict[str, JSON]]:
    for each in _objects(said):
        several = each.get(key)
        if isinstance(several, list):
            yield from _objects(several)


def firstOf(said: list[JSON]) -> dict[str, JSON]:
    """
    Return what all say alike.
    """
    return next(_objects(said), {})


def joinedOf(key: str) -> Join:
    """
    Return a function that joins lists.
    """
    return lambda said: {key: [*_listed(said, key)]}


def sumOf(key: str) -> Join:
    """
    Return a function that adds up numbers.
    """
    return lambda said: {key: sum([count for each in _objects(said) if isinstance(count := each.get(key), int)])}


def delegationsOf(said: list[JSON]) -> dict[str, JSON]:
    """
    Return the delegations of all, each zone once.
    """
    zones: dict[str, JSON] = {str(each["zone"]): each for each in _listed(said, "delegations")}
    more = max([left for each in _objects(said) if isinstance(left := each.get("more"), int)], default=0)
    shown = list(zones.values())[: int(CONTROL_SHOWN.default)]
    return {"delegations": shown, "count": len(zones) + more, "more": len(zones) + more - len(shown)}


def clientsOf(said: list[JSON]) -> dict[str, JSON]:
    """
    Add up clients, or join the latest names of one.
    """
    found: list[JSON] = [each for each in _objects(said) if each.get("shown")]
    if not found:
        # Of workers that have just begun none says anything.
        return {"shown": False} if said else {"shown": True, "total": 0, "clients": [], "names": []}
    asked = next(_objects(found)).get("client")
    if asked:
        newest: dict[tuple[str, str], dict[str, JSON]] = {}
        for name in _listed(found, "names"):
            key = (str(name["name"]), str(name["type"]))
            if key not in newest or _seenOf(name) > _seenOf(newest[key]):
                newest[key] = name
        names = sorted(newest.values(), key=_seenOf, reverse=True)[: int(CLIENT_NAMES.default)]
        return {"shown": True, "client": asked, "names": [*names]}
    clients: dict[str, dict[str, JSON]] = {}
    for each in _listed(found, "clients"):
        known = clients.setdefault(str(each["client"]), {"client": each["client"], "queries": 0, "seen": 0.0})
        known["queries"] = _countOf(known) + _countOf(each)
        known["seen"] = max(_seenOf(known), _seenOf(each))
        if each.get("host"):
            known["host"] = each["host"]
    most = sorted(clients.values(), key=_countOf, reverse=True)[: int(CLIENTS_SHOWN.default)]
    totals = [each.get("total") for each in _objects(found)]
    return {"shown": True, "total": sum([total for total in totals if isinstance(total, int)]), "clients": [*most]}


def _number(value: JSON) -> float:
    return value if isinstance(value, int | float) else 0


def _seenOf(described: dict[str, JSON]) -> float:
    return _number(described.get("seen"))


def _countOf(client: dict[str, JSON]) -> int:
    return int(_number(client.get("queries")))


def _altered(server: Operations, given: Mapping[str, str], isRemoved: bool) -> Deferred[dict[str, JSON]]:
    # Not for the commands that read the table.
    from twisted_ext.server.config.addedvalues import AddedValue

    altering = server.alter([AddedValue(given["setting"], given.get("value", ""), given.get("view", ""), isRemoved)])

    def altered(changed: list[AddedValue]) -> Deferred[dict[str, JSON]]:
        said = [str(each) for each in changed] or ["nothing has changed"]
        return server.applied().addCallback(lambda more: {"said": [*said, *more]})

    return altering.addCallback(altered)


#: Those that every server has. What needs a cache, zones or a recursive resolver says so where there is none.
OPERATIONS: Final[tuple[Verb, ...]] = (
    Verb(
        "status",
        "version, addresses and uptime of the server",
        lambda server, _: server.status(),
        inParent=True,
        shown=f"{_REPORT}statusLines",
    ),
    Verb(
        "ready",
        "whether it should get queries",
        lambda server, given: server.ready(given.get("checks", "")),
        takes=("[CHECKS]",),
        inParent=True,
        more="exit code 2 and the reasons if not. CHECKS are some of zones, held, signed, upstreams, workers, with commas; by default "
        "those of its setting ready",
    ),
    Verb("stats", "its statistics", lambda server, _: server.stats(), inParent=True, shown=f"{_REPORT}statLines"),
    Verb(
        "upstreams",
        "its upstream servers and their state",
        lambda server, _: server.figures().addCallback(lambda figures: {"upstreams": [*figures.upstreams]}),
        inParent=True,
        shown=f"{_REPORT}upstreamLines",
    ),
    Verb(
        "types",
        "queries by type",
        lambda server, _: server.figures().addCallback(lambda figures: {"types": {**figures.types}}),
        inParent=True,
        shown=f"{_REPORT}typeLines",
    ),
    Verb(
        "clients",
        "the most active clients, or the latest names of one",
        lambda server, given: server.clients(given.get("address", "")),
        takes=("[ADDRESS]",),
        join=clientsOf,
        more="takes a server with --show-clients",
        shown=f"{_REPORT}clientLines",
    ),
    Verb(
        "queries",
        "queries as they arrive, until Ctrl-C",
        lambda server, given: server.queries(numberOf(given, "after") or 0),
        takes=("[WORD]...",),
        inParent=True,
        more="those that have each WORD in their name or client, or as their type, reply or status; +json: one object a line. Takes a "
        "server with --show-clients",
        command=f"{_SPECIAL}watch",
    ),
    Verb(
        "history",
        "queries, cache hits, blocked names, failures and latency of the last hour or day",
        lambda server, _: server.history.spans(),
        takes=("[hour | day]",),
        inParent=True,
        command=f"{_SPECIAL}showHistory",
    ),
    Verb(
        "cache/show",
        "cached answers for a name",
        lambda server, given: server.cached(given["name"], given.get("view", "")),
        takes=("NAME", "[VIEW]"),
        join=joinedOf("entries"),
        shown=f"{_REPORT}cacheLines",
    ),
    Verb(
        "cache/flush",
        "forget a name",
        lambda server, given: server.flush(
            given.get("name", ""),
            flagOf(given, "below"),
            flagOf(given, "all"),
            given.get("type", ""),
            given.get("view", ""),
            flagOf(given, "bogus"),
            flagOf(given, "negative"),
        ),
        takes=("[NAME]", "[TYPE]", "[VIEW]"),
        flags={
            "below": "all names below NAME as well",
            "all": "everything",
            "bogus": "only what has failed validation, of all names if there is none",
            "negative": "only denials and failures, in the same way",
        },
        more="TYPE: only answers of this type. VIEW: only for this view, if it has a cache of its own",
        changes=True,
        join=sumOf("flushed"),
        shown=f"{_REPORT}flushLines",
    ),
    Verb("cache/dump", "write the cache to a file or the standard output", None, takes=("[FILE]", "[VIEW]"), command=f"{_SPECIAL}dump"),
    Verb(
        "cache/load",
        "load a dump",
        None,
        takes=("FILE",),
        changes=True,
        more="- for the standard input; lines that cannot be used are skipped and reported",
        command=f"{_SPECIAL}load",
    ),
    Verb(
        "explain",
        "have the server look up a name, and show each step of the look-up",
        lambda server, given: server.explain(given["name"], given.get("type", ""), given.get("client", "")),
        takes=("NAME", "[TYPE]", "[CLIENT]"),
        more="with the address of a client, as for this client",
        shown=f"{_REPORT}explanationLines",
    ),
    Verb(
        "chain",
        "have the server look up a name, and show the chain of trust from the root to the answer",
        lambda server, given: server.chain(given["name"], given.get("type", "")),
        takes=("NAME", "[TYPE]"),
    ),
    Verb(
        "trace/on",
        "trace live queries, for this name and below it, or all",
        lambda server, given: server.trace(True, given.get("name", "")),
        takes=("[NAME]",),
        changes=True,
        join=firstOf,
        shown=f"{_REPORT}tracingLines",
    ),
    Verb(
        "trace/show",
        "show the traced queries",
        lambda server, _: server.traces(),
        join=joinedOf("traces"),
        shown=f"{_REPORT}traceLines",
    ),
    Verb(
        "trace/off",
        "stop tracing",
        lambda server, _: server.trace(False),
        changes=True,
        join=firstOf,
        shown=f"{_REPORT}tracingLines",
    ),
    Verb(
        "zones",
        "its zones, those with errors first, at most 1,000",
        lambda server, given: server.served(given.get("name", ""), flagOf(given, "broken"), numberOf(given, "begin")),
        takes=("[NAME]",),
        flags={"broken": "only zones with errors", "all": "without a limit"},
        inParent=True,
        command=f"{_SPECIAL}showZones",
    ),
    Verb(
        "zone/reload",
        "load a zone from its master file even if the file has not changed",
        lambda server, given: server.reloadZone(given["name"]),
        takes=("NAME",),
        changes=True,
        inParent=True,
    ),
    Verb(
        "zone/accept",
        "take the next version of a zone, although it has lost most of its records",
        lambda server, given: server.reloadZone(given["name"], accept=True),
        takes=("NAME",),
        changes=True,
        inParent=True,
    ),
    Verb(
        "zone/add",
        "add a zone while the server runs: a new one, or with PRIMARY one to transfer from there",
        lambda server, given: server.addZone(given["name"], given.get("primary", "")),
        takes=("NAME", "[PRIMARY]"),
        changes=True,
        inParent=True,
        more="it is kept in the state folder; records come by the API or by updates",
    ),
    Verb(
        "zone/freeze",
        "refuse changes of a zone by updates, the API and the console, until it is thawed or the server ends",
        lambda server, given: server.freezeZone(given["name"], True),
        takes=("NAME",),
        changes=True,
        inParent=True,
        more="its file, its database and its primaries are followed all the same",
    ),
    Verb(
        "zone/thaw",
        "take changes of a zone again",
        lambda server, given: server.freezeZone(given["name"], False),
        takes=("NAME",),
        changes=True,
        inParent=True,
    ),
    Verb(
        "zone/remove",
        "remove a zone that was added; its records stay in a file for a week",
        lambda server, given: server.removeZone(given["name"]),
        takes=("NAME",),
        changes=True,
        inParent=True,
    ),
    Verb(
        "setting/add",
        "add a value to a setting, at once and for later starts too",
        lambda server, given: _altered(server, given, False),
        takes=("SETTING", "VALUE", "[VIEW]"),
        changes=True,
        inParent=True,
        more="such as block ads.example, or block-except cdn.example children for the clients of view children. SETTING is block, "
        "block-except, lists, safe-search, local, or clients of a view; block-reply or time-zone, which have one value; or list, schedule "
        "or view, as list social=https://lists.example/social.txt. It is kept in the state folder",
    ),
    Verb(
        "setting/remove",
        "remove a value from a setting, whether it was added or is in the settings file; or a list, schedule or view that was added",
        lambda server, given: _altered(server, given, True),
        takes=("SETTING", "VALUE", "[VIEW]"),
        changes=True,
        inParent=True,
    ),
    Verb(
        "delegations",
        "zones whose servers a recursive resolver knows, at and below NAME",
        lambda server, given: server.delegations(given.get("name", "")),
        takes=("[NAME]",),
        join=delegationsOf,
        shown=f"{_REPORT}delegationLines",
    ),
    Verb(
        "anchors",
        "its trust anchors, and the names that are not validated",
        lambda server, _: server.anchors(),
        shown=f"{_REPORT}anchorLines",
    ),
    Verb(
        "reload",
        "reload the settings and the zones whose files have changed",
        lambda server, _: server.reload().addCallback(lambda lines: {"said": [*lines]}),
        changes=True,
        inParent=True,
        more="the cache and the sockets are kept",
    ),
)


def allVerbs() -> list[Verb]:
    """
    Return all operations, those of features last.
    """
    # Only here: most commands need not load the settings of features.
    from twisted_ext.server.features.order import declaredVerbs

    return [*OPERATIONS, *declaredVerbs()]


def verbAt(path: str) -> tuple[str, Verb]:
    """
    Return the name of the feature that has an operation, C{""} for one of the server itself, and the operation.

    @raise CallerFault: there is none.
    """
    for verb in OPERATIONS:
        if verb.path == path:
            return "", verb
    from twisted_ext.server.features.order import ORDER

    for feature in ORDER:
        for verb in feature.verbs:
            if verb.path == path:
                return feature.name, verb
    raise CallerFault(f"there is no command {path}")
