"""
The policy zones that settings name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.setting import RESOLVING
from twisted_ext.server.config.tables import meant
from twisted_ext.server.features.policyzones.settings import PolicyZonesSettings
from twisted_ext.server.features.policyzones.zonesettings import PolicyZoneSettings
from twisted_ext.server.features.views.settings import POLICY_VIEW, viewsOf
from twisted_ext.wire.names import nameFromText

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["chosenZones", "idleZones", "namedZones", "zonesOfAll"]


def namedZones(settings: Settings) -> dict[str, PolicyZoneSettings]:
    """
    Return the policy zones by their names.

    @raise BadDescription: two have the same.
    """
    found: dict[str, PolicyZoneSettings] = {}
    for text in settings[PolicyZonesSettings].policyZone:
        each = PolicyZoneSettings.fromText(text)
        if (first := found.setdefault(each.name, each)) is not each:
            raise BadDescription(f"policy-zone {each.name} is given twice: {first.file} and {each.file}")
    return found


def chosenZones(settings: Settings) -> list[PolicyZoneSettings]:
    """
    Return the policy zones that settings apply, in their order.

    @raise BadDescription: there is no policy zone with a name that is to be applied.
    """
    named = namedZones(settings)
    for name in settings[PolicyZonesSettings].policyZones:
        if name not in named:
            known = meant(name, list(named)) if named else "; give it a file by policy-zone, or a table headed [[policy-zone]]"
            raise BadDescription(f"policy-zones: there is no policy zone {name}{known}")
    return [named[name] for name in dict.fromkeys(settings[PolicyZonesSettings].policyZones)]


def zonesOfAll(settings: Settings) -> list[PolicyZoneSettings]:
    """
    Return those that are applied to any clients, each once.
    """
    chosen = [zone for each in (settings, *[view.settings for view in viewsOf(settings)]) for zone in chosenZones(each)]
    return list({zone.name: zone for zone in chosen}.values())


def idleZones(settings: Settings) -> list[str]:
    """
    Return a line about each policy zone that has no effect.
    """
    if settings.role not in RESOLVING:
        return [f"policy-zones has no effect with {settings.role}; use forward, which serves zones as well"]
    applied = zonesOfAll(settings)
    used = {zone.name for zone in applied}
    unused = [name for name in namedZones(settings) if name not in used]
    said = [f"policy zones that are not applied: {', '.join(unused)}; name them in policy-zones"] if unused else []
    without = [zone for zone in applied if not zone.file]
    if not without or settings.zones:
        # There may be any zone in folders and lists.
        return said
    from twisted_ext.server.config.zonesettings import ZoneSettings

    zones = map(ZoneSettings.fromText, settings.zone)
    known = {zone.name for zone in zones if zone.view in ("", POLICY_VIEW)}
    lacking = [zone for zone in without if nameFromText(zone.apex).lower() not in known]
    return said + [
        f'policy zone {zone.name} has no effect: there is no [[zone]] with name = "{zone.apex}" and view = "{POLICY_VIEW}"'
        for zone in lacking
    ]
