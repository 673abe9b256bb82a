"""
The pages of views: which clients each has, what applies to them, and new ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from twisted_ext.server.features.blocking.lists import choiceIn, namedLists
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.selectors import Selectors
from twisted_ext.server.features.views.settings import View, viewsOf
from twisted_ext.web.console.pages.blocking.forms import viewIn
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, ownPath

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.web.console.pages.alterations import Alterations

__all__ = ["ViewsPage"]


class ViewsPage:
    """
    Makes the pages. Most of their forms lead to L{SettingsPage.do<twisted_ext.web.console.pages.settings.SettingsPage.do>}.
    """

    def __init__(self, operations: Operations, alterations: Alterations) -> None:
        self._operations = operations
        self._alterations = alterations

    def all(self, asked: ConsoleAsked) -> ConsoleReply:
        inForce = self._operations.inForce
        views, fixed = viewsOf(inForce), [view.name for view in viewsOf(inForce.own)]
        hidden = Selectors([view.clients for view in views]).hidden
        rows = [
            {**_factsOf(view), "isAdded": view.name not in fixed, "hidden": views[hidden[number]].name if number in hidden else ""}
            for number, view in enumerate(views)
        ]
        return ConsoleReply({"rows": rows})

    def one(self, asked: ConsoleAsked, name: str) -> ConsoleReply:
        inForce = self._operations.inForce
        view = next((each for each in viewsOf(inForce) if each.name == name), None)
        if view is None:
            raise ConsoleRefusal(404, "There is no such view.")
        applied = {choiceIn(text)[0]: text for text in view.settings[BlockingSettings].lists}
        names = namedLists(inForce[BlockingSettings])
        lists = [{"name": each, "value": applied.get(each, each), "isOn": each in applied} for each in names]
        isAdded = name not in [each.name for each in viewsOf(inForce.own)]
        return ConsoleReply({**_factsOf(view), "title": f"View {name}", "choices": lists, "isAdded": isAdded})

    def add(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Add a view.
        """
        changes = viewIn(asked.form, self._operations.inForce)
        return Deferred.fromCoroutine(self._alterations.lead(asked, ownPath(asked.form.get("back", "/views")), changes))


def _factsOf(view: View) -> dict[str, object]:
    """
    Return what pages show of a view.
    """
    blocking = view.settings[BlockingSettings]
    return {
        "name": view.name,
        "clients": [(text, _shown(text)) for text in view.clients],
        "lists": blocking.lists,
        "searches": blocking.safeSearch,
        "reply": blocking.blockReply,
        "count": len(blocking.block) + len(blocking.blockExcept),
    }


def _shown(client: str) -> str:
    """
    Return a client as people write it: a single address without the length of its prefix.
    """
    address, _, length = client.partition("/")
    return address if length == ("128" if ":" in address else "32") else client
