"""
Response policy zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figure import Figure
from twisted_ext.server.config.setting import RESOLVING
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb
from twisted_ext.server.features.policyzones.settings import PolicyZonesSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.policyzones.keeper import PolicyZoneFiles

__all__ = ["PolicyZonesFeature"]


def _describe(files: PolicyZoneFiles, arguments: Mapping[str, str]) -> JSON:
    return files.described()


class PolicyZonesFeature(Feature):
    """
    Applies policy zones. The table of all zones is made once for a server, and shared by the processes that answer.
    """

    name = "policyzones"
    settings = PolicyZonesSettings
    figures = (
        Figure("policyZones", "txdns_policy_zones", "Policy zones that apply."),
        Figure("policyZonesWrong", "txdns_policy_zones_wrong", "Policy zones that could not be read last time."),
        Figure("policyZoneRules", "txdns_policy_zone_rules", "Rules of a policy zone.", label="zone"),
        Figure(
            "policyZoneHits",
            "txdns_policy_zone_hits_total",
            "Look-ups that a rule of a policy zone has decided, by what it is about and what it does. What the packet cache repeats is not "
            "among them.",
            grows=True,
            label="zone trigger action",
        ),
    )
    verbs = (Verb("policy-zones", "show policy zones, with their rules and serials", _describe, inParent=True),)
    roles = RESOLVING

    def differs(self, one: Settings, other: Settings) -> bool:
        # What is marked as passed by the rules of one view may not be by the lists of another one.
        return True

    def make(self, site: Site, former: Active | None) -> Active | None:
        if not site.settings[PolicyZonesSettings].policyZones:
            return None
        from twisted_ext.server.features.policyzones.inforce import AppliedZones

        return AppliedZones(site, former if isinstance(former, AppliedZones) else None)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.policyzones.keeper import PolicyZoneFiles

        return PolicyZoneFiles(reactor, settings)
