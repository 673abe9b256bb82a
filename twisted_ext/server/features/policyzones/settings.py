"""
The settings of response policy zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Tabled

__all__ = ["PolicyZonesSettings"]


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
        "rules do in place of what they say, and trial = true to count only what they would do. Without a file, it is the zone of this "
        "server with that name, which has view = policy-zones",
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
