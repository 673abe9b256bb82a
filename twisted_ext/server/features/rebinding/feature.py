"""
Rebinding: answers of upstreams that have private addresses are withheld.
"""

from __future__ import annotations

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting
from twisted_ext.server.features.base.feature import ROUTES, Active, Feature, Part, Site, Stage
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["RebindingFeature", "RebindingSettings"]


class RebindingSettings(Section):
    stopRebinding: bool = setting(
        types.FLAG,
        False,
        "Block answers of upstreams that have private addresses (DNS rebinding)",
        group="Access control and replies",
        roles=RESOLVING,
        inView=True,
    )
    rebindingAllow: tuple[str, ...] = setting(
        types.NAME,
        (),
        "With stop-rebinding: this domain and all names below it may have private addresses",
        roles=RESOLVING,
        inView=True,
    )
    rebindingRoutes: bool = setting(
        types.FLAG,
        True,
        "With stop-rebinding: domains with a route or a stub may have private addresses",
        roles=RESOLVING,
        inView=True,
    )


class _Rebinding(Active):
    def __init__(self, site: Site, settings: RebindingSettings) -> None:
        from twisted_ext.resolver.policy.rebinding import RebindingLog, StopRebinding

        allowed = [nameFromText(name) for name in settings.rebindingAllow]
        trusted = [*(site.settings.routedDomains() if settings.rebindingRoutes else ()), *allowed]
        log = RebindingLog(site.reactor)
        but = "".join([f", but for {nameToText(name)}" for name in allowed])
        self.parts = (
            Part(
                Stage.UPSTREAM,
                lambda: f"rebinding: no private addresses from upstreams{but}",
                wrap=lambda source: StopRebinding(source, trusted, log),
            ),
        )


class RebindingFeature(Feature):
    """
    Protects clients against DNS rebinding.
    """

    name = "rebinding"
    settings = RebindingSettings
    reads = ROUTES
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        wanted = site.settings[RebindingSettings]
        return _Rebinding(site, wanted) if wanted.stopRebinding else None
