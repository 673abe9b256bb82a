"""
Converts C{named.conf}: views, or what is said to all clients, and keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.named.lists import Clients
from twisted_ext.apps.cli.convert.named.scope import Scope
from twisted_ext.apps.cli.convert.named.syntax import Statement, parsed
from twisted_ext.apps.cli.convert.named.views import COPIED, COPIED_INSTEAD, JoinedViews, View
from twisted_ext.apps.cli.convert.viewnames import viewName
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.system.tsigkeys import readKeys

__all__ = ["convert"]

#: Names of keys in tables of zones, and in clients of views.
_KEYS: Final = re.compile(r"""\bkey[= ]([^\s'",]+)""")


def convert(text: str, path: str, includes: Includes, converted: Converted) -> None:
    statements = parsed(text, path, includes, converted)
    whole = Place(path, 0, "")
    given: list[Statement | None] = []
    for each in statements:
        if each.name == "view" and each.block is not None:
            if len(each.words) > 2 and each.words[2].upper() != "IN":
                converted.missing(each.place, "zones of other classes than IN are not served", "see version-bind and hostname-bind")
            else:
                given.append(each)
    views: list[View] = []
    names: set[str] = set()
    for view in given or [None]:
        own = Converted(converted.kind, converted.file)
        scope = Scope(statements, whole, includes, own, view)
        scope.convert()
        known = "" if view is None else viewName(view.value, names)
        names.add(known)
        found = View.of("" if view is None else view.value, known, whole if view is None else view.place, scope, own)
        # Without any clients, the last one has what is said of all, and its clients are refused.
        if found.words or (view is (given or [None])[-1] and not views):
            views.append(found)
            _share(found, views)
        else:
            own.needless(found.place, "no client is in this view")
        # What options say is said once.
        judged = set(converted.findings)
        converted.findings += [finding for finding in own.findings if finding not in judged]
    JoinedViews(views, whole, converted).convert()
    _keys(statements, whole, includes, converted)


def _share(view: View, others: Sequence[View]) -> None:
    """
    Add the zones that a view has from another one.
    """
    for name, (said, place) in view.scope.sharing.items():
        other = next((each for each in others if each.name == said and name in each.zones), None)
        if other is None:
            view.own.missing(place, f"the view {said} has no zone {name} that is converted")
            continue
        # The zone keeps its access list.
        queried = other.scope.queriedIn[name]
        if queried is not None and not queried.hasAll(view.scope.queried or Clients.of(["any"])):
            view.own.missing(place, f"{name} is left out: in the view {said}, only some of the clients of this view may query it")
            continue
        table, _ = view.zones[name] = other.zones[name][0], place
        view.scope.queriedIn[name] = queried
        if "update" in table:
            view.own.differs(place, COPIED, COPIED_INSTEAD)


def _keys(statements: Sequence[Statement], whole: Place, includes: Includes, into: Converted) -> None:
    """
    Name the file of the keys, if it has nothing else in it.
    """
    named = f"{into.values.get('zone', [])} {into.values.get('view', [])}"
    used = {name.rstrip(".").lower() for name in _KEYS.findall(named)} - {"*"}
    views = [inner for each in statements if each.name == "view" for inner in each.inside]
    given = [each for each in (*statements, *views) if each.name == "key"]
    for each in given:
        if each.value.rstrip(".").lower() not in used:
            into.needless(each.place, "nothing needs this key")
    if not used:
        return
    wanted = [each for each in given if each.value.rstrip(".").lower() in used]
    files = {each.place.file for each in wanted}
    if len(files) == 1 and len(wanted) == len(used):
        path = includes.pathOf(files.pop())
        try:
            readKeys(path)
        except BadDescription:
            pass
        else:
            into.set("key-file", path, wanted[0].place)
            return
    place = wanted[0].place if wanted else whole
    advice = "copy their statements there, and set key-file to its path"
    into.missing(place, f"keys are in a file of their own: {', '.join(sorted(used))}", advice)
