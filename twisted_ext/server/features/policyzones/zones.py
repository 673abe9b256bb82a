"""
The policy zones that settings name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.tables import meant
from twisted_ext.server.features.policyzones.settings import PolicyZonesSettings
from twisted_ext.server.features.policyzones.zonesettings import PolicyZoneSettings
from twisted_ext.server.features.views.settings import viewsOf

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["chosenZones", "namedZones", "zonesOfAll"]


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
