"""
Reverse names of private addresses: other programs deny them unless they are configured, and this server unless an upstream is private.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from ipaddress import ip_address

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.resolver.local.specialnames import EMPTY_ZONES

__all__ = ["denyPrivateReverse"]


def denyPrivateReverse(converted: Converted, upstreams: Iterable[str], known: Collection[str], place: Place) -> None:
    """
    Make the zones of private addresses local domains, if this server would ask an upstream about them.

    @param upstreams: the addresses of the upstreams for all names.
    @param known: the names of zones that are looked up, or are served, with their final dots.
    """
    if not any(ip_address(each.partition("%")[0]).is_private for each in upstreams):
        return
    for zone in EMPTY_ZONES:
        name = f"{zone}."
        # Routes and zones below it have precedence.
        if not any(name == each or name.endswith(f".{each}") for each in known if each != "."):
            converted.add("local-domain", name, place)
