"""
Special names: those that are never sent to upstreams. It is always on.
"""

from __future__ import annotations

from functools import partial

from twisted_ext.server.config.setting import RESOLVING
from twisted_ext.server.features.base.feature import ROUTES, SERVERS, Active, Feature, Part, Site, Stage
from twisted_ext.wire.names import isBelow

__all__ = ["SpecialFeature"]

_LOCAL = b"\x05local\x00"


class _Special(Active):
    def __init__(self, site: Site) -> None:
        from twisted_ext.resolver.local.specialnames import LOCAL_ZONES, PrivateNames, Special
        from twisted_ext.server.features.base.chain import inFront

        first, second, third = LOCAL_ZONES
        others = f"{first}, {second} and {third}"
        routed = site.settings.routedDomains()
        special = Special(local=any(isBelow(domain, _LOCAL) for domain in routed))
        self.parts = (
            Part(Stage.LOCAL, lambda: "special: names that are never forwarded, and literal addresses", wrap=inFront(special)),
            Part(
                Stage.LOCAL,
                lambda: f"private networks: reverse names of their addresses, {others} are denied, unless an upstream is in one of them",
                wrap=inFront(PrivateNames(partial(site.inside, site.view), routed)),
            ),
        )


class SpecialFeature(Feature):
    """
    Answers special names, and those that only private networks know.
    """

    name = "special"
    reads = (*ROUTES, *SERVERS)
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        return _Special(site)
