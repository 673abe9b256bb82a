"""
Views: classes of clients that are answered by settings of their own; and the command C{txdns control views}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb
from twisted_ext.server.features.views.settings import ViewsSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.views.keeper import Views
    from twisted_ext.server.features.views.settings import View

__all__ = ["ViewsFeature"]


def _show(views: Views, arguments: Mapping[str, str]) -> JSON:
    address = arguments.get("address", "")
    return views.of(address) if address else views.all()


class _Views(Active):
    def __init__(self, views: Sequence[View]) -> None:
        from twisted_ext.server.features.views.selectors import Selectors

        selectors = Selectors([view.clients for view in views], [view.name for view in views])
        self.admits = selectors.admit
        self.doors = selectors.doors


class ViewsFeature(Feature):
    """
    Divides clients into views, and shows them. What each view is answered is made where features and sources are.
    """

    name = "views"
    settings = ViewsSettings
    verbs = (Verb("views", "the views of clients, or that of the client at ADDRESS", _show, takes=("[ADDRESS]",), inParent=True),)

    def make(self, site: Site, former: Active | None) -> Active | None:
        if not site.settings[ViewsSettings].view:
            return None
        from twisted_ext.server.features.views.settings import viewsOf

        return _Views(viewsOf(site.settings))

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.views.keeper import Views

        return Views(settings)
