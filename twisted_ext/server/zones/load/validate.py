"""
Validates zone settings before any of them takes effect.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, cast

from twisted_ext.errors import BadDescription, BadKey
from twisted_ext.server.config.addedkeys import addedKeysPath
from twisted_ext.server.features.views.settings import POLICY_VIEW, viewsOf
from twisted_ext.server.zones.load.folders import SIGNING, VIEWS

if TYPE_CHECKING:
    from twisted_ext.server.config.keys import Keys
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.zonesettings import Holding, ZoneSettings

__all__ = ["checkZones", "checking", "variantsFor", "variantsIn", "viewsWithZones", "zonesIn"]


def zonesIn(settings: Settings, held: Holding | None = None, view: str = "") -> list[ZoneSettings]:
    """
    @param held: see L{gather<twisted_ext.server.config.zonesettings.gather>}.
    @param view: see there.

    @raise BadDescription: see L{zonesOf<twisted_ext.server.config.zonesettings.zonesOf>}.
    """
    if not (settings.zone or settings.zones):
        return []
    from twisted_ext.server.config.zonesettings import zonesOf

    return zonesOf(settings, held, view)


def variantsIn(settings: Settings) -> dict[str, list[ZoneSettings]]:
    """
    Return all zones of settings, checked, by the names of views, with those for all clients under C{""}.

    @raise BadDescription: see L{zonesIn} and L{checkZones}.
    """
    found = {view: zonesIn(settings, view=view) for view in ("", *viewsWithZones(settings))}
    for zones in found.values():
        checkZones(settings, zones)
    return found


def viewsWithZones(settings: Settings) -> dict[str, frozenset[bytes]]:
    """
    Return the views that have zones of their own, each with the folded names of those with a fallback.

    @raise BadDescription: there is no such view.
    """
    if not settings.zone:
        return {}
    from twisted_ext.server.config.zonesettings import zonesByView

    found = zonesByView(settings)
    if not found:
        return {}
    names = {POLICY_VIEW, *[view.name for view in viewsOf(settings)]}
    for view, zones in found.items():
        if view not in names:
            raise BadDescription(f"zone {zones[0].text}: there is no view {view}; add [[view]] with this name and its clients")
    return {view: frozenset([zone.name for zone in zones if zone.fallback]) for view, zones in found.items()}


def variantsFor(settings: Settings) -> list[str]:
    """
    Return what workers have to know of the settings of zones, as these are written: which views have zones of their own, and which of these
    have a fallback.
    """
    if not settings.zone:
        return []
    from twisted_ext.server.config.zonesettings import ZoneSettings, zonesByView

    found = [zone for zones in zonesByView(settings).values() for zone in zones]
    kept = ("name", "view", "fallback")
    return [ZoneSettings({name: zone.values[name] for name in kept if name in zone.values}).toText() for zone in found]


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
    _checkUnsigned(zones, settings)
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


def _checkUnsigned(zones: Collection[ZoneSettings], settings: Settings) -> None:
    """
    @raise BadDescription: the parent of a zone that is not to be signed any more may have a DS record for it.
    """
    state = settings.stateFolder()
    kept: dict[str, frozenset[str]] = {}
    for zone in zones if state else ():
        folder = f"{state}/{VIEWS}/{zone.view}/{SIGNING}" if zone.view else f"{state}/{SIGNING}"
        names = kept.get(folder)
        if names is None:
            names = kept[folder] = frozenset(os.listdir(folder) if os.path.isdir(folder) else ())
        # Of a hundred thousand zones few have keys.
        if names and not zone.isSigned:
            _expectInsecure(zone, folder, names)


def _expectInsecure(zone: ZoneSettings, folder: str, names: Collection[str]) -> None:
    from twisted_ext.dnssec.privatekeys.keyfiles import namePrefix
    from twisted_ext.dnssec.rolls.lives import readLives

    name = namePrefix(zone.name).removeprefix("K")
    if name not in names:
        return
    try:
        rolls = readLives(f"{folder}/{name}")
    except BadKey:
        # It says nothing of the parent.
        return
    if rolls is not None and not rolls.isInsecure:
        raise BadDescription(
            f"zone {zone.text}: its parent may have a DS record for it, so that resolvers would reject it without signatures: put sign "
            "back, with insecure = true in its signing-policy, until txdns keys why says that it may be left out; or remove "
            f"{folder}/{name} if the zone is signed elsewhere"
        )


def _checkSigned(zone: ZoneSettings, settings: Settings) -> None:
    """
    @raise BadDescription: the zone cannot be signed.
    """
    if zone.catalog:
        raise BadDescription(f"zone {zone.text}: sign and catalog: zones that list others are not signed; leave one of them out")
    if zone.fallback:
        said = "sign and fallback: a signed zone denies the names that it does not have; leave one of them out"
        raise BadDescription(f"zone {zone.text}: {said}")
    if not settings.stateFolder():
        raise BadDescription(f"zone {zone.text}: sign needs state, the folder where its keys are kept")
