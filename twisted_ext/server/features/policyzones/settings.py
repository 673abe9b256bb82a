"""
The settings of response policy zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting
from twisted_ext.server.config.tables import meant
from twisted_ext.server.features.views.settings import viewsOf

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.types import Tabled
    from twisted_ext.server.features.policyzones.zonesettings import PolicyZoneSettings

__all__ = ["PolicyZonesSettings", "chosenZones", "namedZones", "zonesOfAll"]


def _zoneTable() -> type[Tabled]:
    from twisted_ext.server.features.policyzones.zonesettings import PolicyZoneSettings

    return PolicyZoneSettings


_ZONE: Final = types.Table(
    "the name of a policy zone and its file, such as feed=/etc/txdns/feed.zone, or a table", _zoneTable
)


class PolicyZonesSettings(Section):
    policyZone: tuple[str, ...] = setting(
        _ZONE,
        (),
        "Give the response policy zone (RPZ) in this master file a name, by which policy-zones selects it: feed=/etc/txdns/feed.zone. In "
        "the settings file it is a table headed [[policy-zone]], with name, file, zone for its name in the DNS, override for what its "
        "rules do in place of what they say, and trial = true to count only what they would do",
        group="Blocking",
        roles=RESOLVING,
    )
    policyZones: tuple[str, ...] = setting(
        types.TEXT,
        (),
        "Apply the policy zone with this name: its rules withhold or replace answers, by names, addresses in answers, or addresses of "
        "clients. Of several zones the first one that has a rule decides; all come before block lists",
        roles=RESOLVING,
        inView=True,
    )


def namedZones(settings: Settings) -> dict[str, PolicyZoneSettings]:
    """
    Return the policy zones by their names.

    @raise BadDescription: two have the same.
    """
    if not settings[PolicyZonesSettings].policyZone:
        return {}
    from twisted_ext.server.features.policyzones.zonesettings import PolicyZoneSettings

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
