"""
Joins what the processes of one server say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from twisted_ext.metrics.limits import CLIENT_NAMES, CLIENTS_SHOWN
from twisted_ext.server.limits import CONTROL_SHOWN

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["clientsOf", "delegationsOf", "firstOf", "joinedOf", "sumOf"]

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
        return {"shown": False}
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
