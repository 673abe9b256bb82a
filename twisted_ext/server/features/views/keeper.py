"""
Describes the views of the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.server.config.clientwords import ClientWords
from twisted_ext.server.config.setting import shown
from twisted_ext.server.config.zonesettings import zonesByView
from twisted_ext.server.features.base.feature import Keeper
from twisted_ext.server.features.views.selectors import Selectors, checkedAddress
from twisted_ext.server.features.views.settings import backendKey, viewsOf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.types import Value
    from twisted_ext.server.features.views.settings import View

__all__ = ["Views"]


#: Zones of one view that are named.
_SHOWN: Final = 5


class Views(Keeper):
    """
    The views of a server.
    """

    def __init__(self, settings: Settings) -> None:
        # The views in which blocking is paused.
        self._paused: frozenset[str] = frozenset()
        self.apply(settings)

    def seen(self, states: Mapping[str, JSON]) -> None:
        blocking = states.get("blocking")
        paused = blocking.get("paused") if isinstance(blocking, dict) else None
        self._paused = frozenset([str(each) for each in paused]) if isinstance(paused, list) else frozenset()

    def apply(self, settings: Settings) -> None:
        self._settings = settings
        self._views = viewsOf(settings)
        self._selectors = Selectors([view.clients for view in self._views])
        # The names of zones that views have of their own.
        self._zones = {view: [zone.text for zone in zones] for view, zones in zonesByView(settings).items()} if settings.zone else {}
        # The views that have a cache in common, by what tells caches apart.
        self._sharing: dict[tuple[Value, ...], list[str]] = {}
        for view in self._views:
            self._sharing.setdefault(backendKey(view.settings), []).append(view.name)

    def all(self) -> dict[str, JSON]:
        """
        Describe all views, in their order.
        """
        views: list[JSON] = []
        said: list[JSON] = []
        for view in self._views:
            own = self._ownOf(view)
            paused = view.name in self._paused
            shared = self._sharedWith(view)
            cache: JSON = None if shared is None else [*shared]
            zones: list[JSON] = [*self._zones.get(view.name, ())]
            described: dict[str, JSON] = {"view": view.name, "clients": [*view.clients], "own": {**own}, "zones": zones}
            views.append({**described, "cacheSharedWith": cache, "paused": paused})
            said += [f"{view.name}: {', '.join(view.clients)}", *[f"  {name} = {value}" for name, value in own.items()]]
            if zones:
                more = f" and {len(zones) - _SHOWN} more" if len(zones) > _SHOWN else ""
                said.append(f"  zones of its own: {', '.join([str(zone) for zone in zones[:_SHOWN]])}{more}")
            if shared is not None:
                said.append(f"  its cache is shared with {' and '.join(shared)}" if shared else "  it has a cache of its own")
            said += ["  blocking is paused"] if paused else []
        said = said or ["there are no views: all clients are answered alike"]
        said += ["blocking is paused for clients in no view"] if "" in self._paused else []
        return {"views": views, "said": said}

    def of(self, address: str) -> dict[str, JSON]:
        """
        Tell which view a client is in.

        @raise CallerFault: this is not an address.
        """
        number = self._selectors.find(checkedAddress(address))
        # Which of these applies, if any, only a query tells.
        otherwise: list[JSON] = [f"or in view {view.name}: {text}" for view in self._views for text in self._otherwise(view, address)]
        if number < 0:
            return {"client": address, "view": None, "said": [f"{address} is in no view", *otherwise]}
        view = self._views[number]
        matching = [prefix for prefix in view.clients if Selectors([[prefix]]).find(address) == 0]
        said: list[JSON] = [f"{address} is in view {view.name}, which has {', '.join(matching)}", *otherwise]
        said += ["blocking is paused for it"] if view.name in self._paused else []
        return {"client": address, "view": view.name, "said": said}

    def _otherwise(self, view: View, address: str) -> list[str]:
        """
        Return the texts by which a view has a client if it comes in as they say.
        """
        words = [(each, ClientWords.fromText(each)) for each in view.clients]
        return [text for text, each in words if any(each[1:]) and Selectors([[each.prefix or "any"]]).find(address) == 0]

    def _sharedWith(self, view: View) -> list[str] | None:
        """
        Return the other views that have the cache of a view in common; L{None} if clients in no view have, too.
        """
        wanted = backendKey(view.settings)
        if wanted == backendKey(self._settings):
            return None
        return [name for name in self._sharing[wanted] if name != view.name]

    def _ownOf(self, view: View) -> dict[str, str]:
        """
        Return the settings that a view has otherwise than all, as TOML.
        """
        return {each.name: shown(view.settings.value(each)) for each in self._settings.differing(view.settings)}
