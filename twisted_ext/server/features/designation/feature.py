"""
Designation: clients of the plain server find its encrypted listeners (DDR, RFC 9462). A server that asks others answers for
C{resolver.arpa} even if it has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, setting
from twisted_ext.server.features.base.feature import ROUTES, Active, Feature, Part, Site, Stage
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from twisted_ext.resolver.combine.designating import DesignatingSource
    from twisted_ext.server.features.base.offer import Offer

__all__ = ["DesignationFeature", "DesignationSettings"]


class DesignationSettings(Section):
    designate: bool = setting(
        types.FLAG,
        True,
        "Answer clients of the plain server that ask for its encrypted listeners (DDR, RFC 9462); clients use those whose "
        "certificate has the address of the plain server",
        group="Encryption",
    )
    designatedName: str = setting(
        types.HOST_NAME,
        "",
        "Name by which clients know the encrypted listeners, for designate and the page /setup; by default the first name of the first "
        "certificate",
    )


class _Designation(Active):
    def __init__(self, site: Site, source: DesignatingSource, said: str) -> None:
        from twisted_ext.server.features.base.chain import inFront

        self._site = site
        self._source = source
        self._said = said
        self._offer: Offer | None = None
        self.parts = (Part(Stage.LOCAL, self._says, wrap=inFront(source)),)

    def _says(self) -> str:
        if self._offer is None:
            return self._said
        own = self._offer.ownHTTP3
        designated = [*map(str, self._offer.urls), *([f"{own} by HTTP/3"] if own is not None else [])]
        return f"{self._said or 'resolver.arpa: answered here'}; designates {', '.join(designated)}"

    def listening(self, offer: Offer | None) -> None:
        if not self._site.settings[DesignationSettings].designate or (offer is not None and not offer.hasHostName):
            offer = None
        if offer == self._offer:
            return
        self._offer = offer
        if offer is None:
            self._source.designate(None)
        else:
            self._source.designate(offer.designations(), offer.addressRecords(), nameFromText(offer.name))
        self._site.changed()


class DesignationFeature(Feature):
    """
    Designates the encrypted listeners of this server.
    """

    name = "designation"
    settings = DesignationSettings
    reads = ROUTES

    def make(self, site: Site, former: Active | None) -> Active | None:
        from twisted_ext.resolver.combine.designating import DesignatingIfAny, DesignatingSource

        settings = site.settings
        if settings.role != "serve":
            return _Designation(site, DesignatingSource(routed=settings.routedDomains()), "resolver.arpa: answered here, never forwarded")
        encrypted = settings.tls or settings.https or settings.httpsClear or settings.quic or settings.http3
        # A network may assign such a server to its clients.
        return _Designation(site, DesignatingIfAny(), "") if encrypted and settings[DesignationSettings].designate else None
