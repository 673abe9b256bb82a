"""
Validates zone settings before any of them takes effect.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, cast

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.addedkeys import addedKeysPath

if TYPE_CHECKING:
    from twisted_ext.server.config.keys import Keys
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.zonesettings import Holding, ZoneSettings

__all__ = ["checkZones", "checking", "zonesIn"]


def zonesIn(settings: Settings, held: Holding | None = None) -> list[ZoneSettings]:
    """
    @param held: see L{gather<twisted_ext.server.config.zonesettings.gather>}.

    @raise BadDescription: see L{zonesOf<twisted_ext.server.config.zonesettings.zonesOf>}.
    """
    if not (settings.zone or settings.zones):
        return []
    from twisted_ext.server.config.zonesettings import zonesOf

    return zonesOf(settings, held)


def checkZones(settings: Settings, zones: Collection[ZoneSettings]) -> Keys | None:
    """
    @return: the TSIG keys, if the settings use any.

    @raise BadDescription: the zone settings are not valid.
    """
    steps = checking(settings, zones)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("Keys | None", end.value)


def checking(settings: Settings, zones: Collection[ZoneSettings]) -> Generator[None, None, Keys | None]:
    """
    Validate the zone settings in short steps; see L{checkZones}.
    """
    special = [zone for zone in zones if not zone.plain]
    if not special and not settings.keyFile and not os.path.exists(addedKeysPath(settings)):
        return None
    from twisted_ext.server.config.transferpolicy import keysOf, policyOf, termsOf
    from twisted_ext.server.zones.transfer.catalogs import CatalogSettings

    keys = keysOf(settings)
    for zone in special:
        if zone.store and (zone.file or zone.primaries):
            raise BadDescription(f"zone {zone.text}: has a database and something else; its records come from one of them")
        if not zone.file and not zone.primaries and not zone.store and zone.catalog != "produce":
            raise BadDescription(f"zone {zone.text}: has neither a file nor primaries; say where its records come from")
        if zone.isSigned:
            _checkSigned(zone, settings)
        terms = termsOf(zone, keys)
        shown = (terms.transfer, terms.notices, terms.updaters)
        if not settings.clientCa and any(grants.needsCertificates for grants in shown):
            raise BadDescription(f"zone {zone.text}: certificate and pin need client-ca, the authorities of the clients' certificates")
        if terms.isEncrypted and terms.transfer and not (settings.tls or settings.quic):
            raise BadDescription(f"zone {zone.text}: encrypted-transfers with allow-transfer needs tls, where clients can ask for it")
        if not policyOf(zone, keys).rules and terms.updaters:
            raise BadDescription(f"zone {zone.text}: allow-update needs rules in update, which say what these clients may change")
        yield
    yield from CatalogSettings.checking(special)
    return keys


def _checkSigned(zone: ZoneSettings, settings: Settings) -> None:
    """
    @raise BadDescription: the zone cannot be signed.
    """
    if zone.catalog:
        raise BadDescription(f"zone {zone.text}: sign and catalog: zones that list others are not signed; leave one of them out")
    if not settings.stateFolder():
        raise BadDescription(f"zone {zone.text}: sign needs state, the folder where its keys are kept")
