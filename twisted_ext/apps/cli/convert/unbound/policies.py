"""
What an C{rpz} section of Unbound says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted_ext.apps.cli.convert.viewnames import policyZoneName

if TYPE_CHECKING:
    from twisted_ext.apps.cli.convert.converted import Converted
    from twisted_ext.apps.cli.convert.unbound.syntax import Section

__all__ = ["convertPolicyZone"]


def convertPolicyZone(
    section: Section, name: str, primaries: Sequence[str], path: Callable[[str], str], into: Converted
) -> None:
    """
    Convert a section.

    @param primaries: the servers that the zone is transferred from.
    @param path: makes a path absolute.
    """
    zones = into.values.get("policy-zone", [])
    assert isinstance(zones, list)
    table: dict[str, object] = {"name": policyZoneName(name, [str(each["name"]) for each in zones]), "zone": name}
    if primaries:
        into.zone({"name": name, "view": "policy-zones", "primaries": [*primaries]}, section.place)
    elif file := section.last("zonefile"):
        table["file"] = path(file)
    else:
        into.missing(section.place, "it has no file, and no primary with an address")
        return
    kind = section.last("rpz-action-override")
    if kind == "disabled":
        table["trial"] = True
    elif kind == "cname":
        table["override"] = f"cname={section.last('rpz-cname-override')}"
    elif kind:
        table["override"] = kind
    if section.last("tags"):
        into.differs(section.place, "it is for all clients, not for those with tags only", "a [[view]] has policy-zones of its own")
    if into.add("policy-zone", table, section.place):
        into.add("policy-zones", table["name"], section.place)
