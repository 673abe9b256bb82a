"""
The command C{txdns control views}. The views themselves are a part of the settings, and of the groups of clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.config.setting import RESOLVING
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.features.views.keeper import Views
    from twisted_ext.server.settings.settings import Settings

__all__ = ["ViewsFeature"]


def _show(views: Views, arguments: Mapping[str, str]) -> JSON:
    address = arguments.get("address", "")
    return views.of(address) if address else views.all()


class ViewsFeature(Feature):
    """
    Shows views.
    """

    name = "views"
    verbs = (Verb("views", "the views of clients, or that of the client at ADDRESS", _show, takes=("[ADDRESS]",), inParent=True),)
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        return None

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.views.keeper import Views

        return Views(settings)
