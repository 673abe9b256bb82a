"""
Negative trust anchors (RFC 7646) that an operator adds to those of the settings, or removes. They are gone when the server ends, and once
what they are for is valid again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb, flagOf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.negativeanchors.keeper import NegativeAnchors

__all__ = ["NegativeAnchorsFeature"]


def _add(anchors: NegativeAnchors, arguments: Mapping[str, str]) -> JSON:
    return anchors.add(arguments["name"], flagOf(arguments, "force"))


def _remove(anchors: NegativeAnchors, arguments: Mapping[str, str]) -> JSON:
    return anchors.remove(arguments["name"])


class NegativeAnchorsFeature(Feature):
    name = "negativeanchors"
    verbs = (
        Verb(
            "nta/add",
            "do not validate NAME and all below it",
            _add,
            takes=("NAME[=UNTIL]",),
            flags={"force": "until then, even if it could be validated before"},
            changes=True,
            inParent=True,
            more="UNTIL is a duration as +2d or a time as 2026-12-01T12:00Z, by default an hour, at most a week. It ends before "
            "once NAME can be validated, which is tried each five minutes",
        ),
        Verb("nta/remove", "validate it again", _remove, takes=("NAME",), changes=True, inParent=True),
    )
    roles = ("forward", "recurse")
    needs = "a server that validates: the role recurse, or validate: in an upstream or route"

    def make(self, site: Site, former: Active | None) -> Active | None:
        from twisted_ext.server.features.views.settings import isValidating

        if not isValidating(site.settings):
            return None
        from twisted_ext.server.features.negativeanchors.suspended import Suspended

        return Suspended(site, former if isinstance(former, Suspended) else None)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.views.settings import isValidating

        if not isValidating(settings):
            return None
        from twisted_ext.server.features.negativeanchors.keeper import NegativeAnchors

        return NegativeAnchors(settings)
