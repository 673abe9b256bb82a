"""
The dynamic update policy of a zone from its settings, and the check that a request's source address is not spoofed.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.zone.update.policy import Policy

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.reply.requests import Request

__all__ = ["isProven", "policyOf"]

#: The policy of zones without one: no updates.
_NOBODY: Final = Policy()


def policyOf(zone: ZoneSettings, keys: Iterable[bytes]) -> Policy:
    """
    Return the update policy of a zone.

    @param keys: the names of the known TSIG keys.

    @raise BadDescription: the policy of the zone is not valid.
    """
    policy = zone.policy
    if policy is None:
        try:
            policy = Policy.fromTexts(zone.update, zone.apexName) if zone.update else _NOBODY
        except BadDescription as fault:
            raise BadDescription(f"zone {zone.text}: {fault}") from None
        zone.policy = policy
    if not policy.rules:
        return policy
    missing = policy.keysMissing(keys)
    if missing:
        raise BadDescription(f"zone {zone.text}: update: there is no TSIG key {missing[0]!r}; key-file names the file that has it")
    if zone.primaries:
        raise BadDescription(f"zone {zone.text}: update: it comes from its primaries, where it has to be changed")
    return policy


def isProven(request: Request) -> bool:
    """
    Return whether the source address of a request is verified. That of a UDP datagram can be spoofed, except for loopback addresses.
    """
    if request.transport != "udp" or request.verified:
        return True
    try:
        return ip_address(request.client.partition("%")[0]).is_loopback
    except ValueError:
        return False
