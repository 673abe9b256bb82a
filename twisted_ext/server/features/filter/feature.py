"""
Filter: addresses of one family are removed from answers of upstreams.
"""

from __future__ import annotations

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Part, Site, Stage
from twisted_ext.wire.rrtypes import AAAA, A

__all__ = ["FilterFeature", "FilterSettings"]


class FilterSettings(Section):
    filterAaaa: bool = setting(
        types.FLAG,
        False,
        "Remove IPv6 addresses from answers of upstreams, for networks without IPv6; those known here remain",
        group="Upstreams",
        inView=True,
    )
    filterA: bool = setting(
        types.FLAG, False, "Remove IPv4 addresses from answers of upstreams; those known here remain", inView=True
    )


class _Filtering(Active):
    def __init__(self, removed: dict[str, int]) -> None:
        from twisted_ext.resolver.policy.typefilter import TypeFilter

        said = f"filter: no {' and '.join(removed)} records from upstreams"
        self.parts = (Part(Stage.UPSTREAM, lambda: said, wrap=lambda source: TypeFilter(source, removed.values())),)


class FilterFeature(Feature):
    """
    Removes addresses of one family from answers of upstreams.
    """

    name = "filter"
    settings = FilterSettings
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        wanted = site.settings[FilterSettings]
        removed = {"AAAA": AAAA} if wanted.filterAaaa else {}
        removed |= {"A": A} if wanted.filterA else {}
        return _Filtering(removed) if removed else None
