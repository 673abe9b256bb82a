"""
Negative trust anchors (RFC 7646) that an operator adds to those of the settings, or removes. They are gone when the server ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.negativeanchors.keeper import NegativeAnchors

__all__ = ["NegativeAnchorsFeature", "Suspended"]


def _add(anchors: NegativeAnchors, arguments: Mapping[str, str]) -> JSON:
    return anchors.add(arguments["name"])


def _remove(anchors: NegativeAnchors, arguments: Mapping[str, str]) -> JSON:
    return anchors.remove(arguments["name"])


class Suspended(Active):
    """
    Has all that validates except what the keeper says.
    """

    def __init__(self, site: Site, former: Suspended | None) -> None:
        self._site = site
        # For each folded name the time until which it is not validated, or None if one of the settings was removed.
        self._taken: Mapping[bytes, int | None] = {} if former is None else former._taken

    def take(self, state: JSON) -> None:
        said = state if isinstance(state, dict) else {}
        wanted = {bytes.fromhex(name): int(str(until)) if until else None for name, until in said.items()}
        before, self._taken = self._taken, wanted
        for name, until in before.items():
            if until is not None and name not in wanted:
                self._site.suspend(name, None)
        for name, until in wanted.items():
            if name not in before or before[name] != until:
                self._site.suspend(name, until)


class NegativeAnchorsFeature(Feature):
    name = "negativeanchors"
    verbs = (
        Verb(
            "nta/add",
            "do not validate NAME and all below it",
            _add,
            takes=("NAME[=UNTIL]",),
            changes=True,
            inParent=True,
            more="UNTIL is a duration as +2d or a time as 2026-12-01T12:00Z, by default an hour, at most a week",
        ),
        Verb("nta/remove", "validate it again", _remove, takes=("NAME",), changes=True, inParent=True),
    )
    roles = ("forward", "recurse")
    needs = "a server that validates: the role recurse, or validate: in an upstream or route"

    def make(self, site: Site, former: Active | None) -> Active | None:
        from twisted_ext.server.features.views.settings import isValidating

        if not isValidating(site.settings):
            return None
        return Suspended(site, former if isinstance(former, Suspended) else None)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.views.settings import isValidating

        if not isValidating(settings):
            return None
        from twisted_ext.server.features.negativeanchors.keeper import NegativeAnchors

        return NegativeAnchors(settings)
