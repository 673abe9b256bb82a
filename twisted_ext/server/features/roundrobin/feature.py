"""
Round robin: the addresses of an answer take turns at being the first one.
"""

from __future__ import annotations

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Site

__all__ = ["RoundRobinFeature", "RoundRobinSettings"]


class RoundRobinSettings(Section):
    rrsetRoundrobin: bool = setting(
        types.FLAG,
        False,
        "Have the addresses of an answer take turns at being the first one, while a reply is repeated from memory: a step each second. "
        "Answers of zones stay as they are",
        group="Cache",
        roles=RESOLVING,
    )


class _RoundRobin(Active):
    isRoundRobin = True


class RoundRobinFeature(Feature):
    """
    Has addresses take turns.
    """

    name = "roundrobin"
    settings = RoundRobinSettings
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        return _RoundRobin() if site.settings[RoundRobinSettings].rrsetRoundrobin and not site.view else None
