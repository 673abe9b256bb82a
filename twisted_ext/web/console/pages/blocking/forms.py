"""
Makes of forms the lists, schedules and views that they describe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.features.blocking.lists import namedLists, schedulesIn
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.web.console.site.replies import ConsoleRefusal

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["decisionIn", "listIn", "scheduleIn", "viewIn"]

#: What the name of a table does not have, and how long it is at most.
_OTHERS: Final = re.compile(r"[^A-Za-z0-9_-]+")
_NAME: Final = 63

#: Ends of file names that say nothing, and labels of hosts that many have.
_ENDINGS: Final = re.compile(r"(\.(txt|list|lst|hosts|csv|conf|zone|gz))+$", re.IGNORECASE)
_PLAIN: Final = frozenset(["hosts", "list", "lists", "domains", "filter", "blocklist", "raw", "www", "index", "main", "master"])


def listIn(form: Mapping[str, str], settings: Settings) -> list[AddedValue]:
    """
    Return the changes that add a list, from a URL or with names, and apply it.

    @param form: C{url}, or C{names} with one on each line; C{name}, which may be empty; C{view}, and C{when}, as C{"during night"}.

    @raise ConsoleRefusal: something is missing, or there is a list with this name.
    """
    url, name = form.get("url", "").strip(), form.get("name", "").strip()
    names = [line.strip() for line in form.get("names", "").splitlines() if line.strip()]
    if bool(url) == bool(names):
        raise ConsoleRefusal(422, "A list has either a URL or names; give one of them.")
    known = namedLists(settings[BlockingSettings])
    table: dict[str, object] = {"name": _free(name or _nameFrom(url) if url else name or "own", known, isGiven=bool(name), kind="list")}
    table |= {"url": url} if url else {"names": names}
    if form.get("allow"):
        table["allow"] = True
    use = " ".join([str(table["name"]), *form.get("when", "").split()])
    return [AddedValue("list", json.dumps(table)), AddedValue("lists", use, form.get("view", ""))]


def decisionIn(form: Mapping[str, str], action: str) -> list[AddedValue]:
    """
    Return the changes that block a name and all below it, or allow them. What was decided before is taken back, so that the two do not
    contradict each other.

    @param form: C{name}, and C{view}.
    @param action: C{"block"} or C{"allow"}.

    @raise ConsoleRefusal: there is no name.
    """
    name, view = form.get("name", "").strip(), form.get("view", "").strip()
    if not name:
        raise ConsoleRefusal(422, "The name is missing.")
    wanted, other = ("block", "block-except") if action == "block" else ("block-except", "block")
    return [AddedValue(other, name, view, True), AddedValue(wanted, name, view)]


def scheduleIn(form: Mapping[str, str], settings: Settings) -> list[AddedValue]:
    """
    Return the change that adds a schedule.

    @param form: C{name}; C{days} and C{times} with spaces or commas between them, of which one may be empty.

    @raise ConsoleRefusal: there is one with this name.
    """
    name = _free(form.get("name", "").strip(), schedulesIn(settings[BlockingSettings]), isGiven=True, kind="schedule")
    words = {key: form.get(key, "").replace(",", " ").split() for key in ("days", "times")}
    return [AddedValue("schedule", json.dumps({"name": name, **{key: found for key, found in words.items() if found}}))]


def viewIn(form: Mapping[str, str], settings: Settings) -> list[AddedValue]:
    """
    Return the change that adds a view.

    @param form: C{name}, and C{clients} with spaces or commas between them.

    @raise ConsoleRefusal: there is one with this name.
    """
    known = [view.name for view in viewsOf(settings)]
    name = _free(form.get("name", "").strip(), known, isGiven=True, kind="view")
    clients = form.get("clients", "").replace(",", " ").split()
    if not clients:
        raise ConsoleRefusal(422, "A view takes a client: an address such as 192.168.1.40.")
    return [AddedValue("view", json.dumps({"name": name, "clients": clients}))]


def _nameFrom(url: str) -> str:
    """
    Return a name for the list at a URL: that of its file, or of its host.
    """
    try:
        parts = urlsplit(url)
        words = [*reversed(parts.path.split("/")), *(parts.hostname or "").split(".")]
    except ValueError:
        return "list"
    names = [_OTHERS.sub("-", _ENDINGS.sub("", word)).strip("-_")[:_NAME] for word in words]
    return next((name for name in names if len(name) > 1 and name.lower() not in _PLAIN), "list")


def _free(name: str, known: Collection[str], *, isGiven: bool, kind: str) -> str:
    """
    Return a name that no table has.

    @param isGiven: whether the user has chosen it.

    @raise ConsoleRefusal: the user has, and one has it.
    """
    if name not in known:
        return name
    if isGiven:
        raise ConsoleRefusal(422, f"There is a {kind} {name} already; choose another name.")
    return next(each for number in range(2, len(known) + 3) if (each := f"{name[: _NAME - 4]}-{number}") not in known)
