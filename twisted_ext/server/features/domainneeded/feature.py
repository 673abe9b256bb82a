"""
Domain needed: upstreams are not asked for the addresses of names of one label.
"""

from __future__ import annotations

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting
from twisted_ext.server.features.base.feature import ROUTES, Active, Feature, Part, Site, Stage

__all__ = ["DomainNeededFeature", "DomainNeededSettings"]


class DomainNeededSettings(Section):
    domainNeeded: bool = setting(
        types.FLAG,
        False,
        "Ask no upstream for the addresses of names of one label, such as printer; those that are not known here do not exist",
        group="Local records",
        inView=True,
    )


class _DomainNeeded(Active):
    def __init__(self, site: Site) -> None:
        from twisted_ext.resolver.local.localdomains import PlainNames
        from twisted_ext.server.features.base.chain import inFront

        names = PlainNames(site.settings.routedDomains())
        self.parts = (Part(Stage.LOCAL, lambda: "domain-needed: names of one label are not forwarded", wrap=inFront(names)),)


class DomainNeededFeature(Feature):
    """
    Denies the addresses of names of one label that are not known here. Special names, of which some have one label, come before it.
    """

    name = "domainneeded"
    settings = DomainNeededSettings
    reads = ROUTES
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        return _DomainNeeded(site) if site.settings[DomainNeededSettings].domainNeeded else None
