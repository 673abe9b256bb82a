"""
Who may change a zone by dynamic updates, as its settings say it, and who has shown that he is where he says.
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

__all__ = ["isProven", "journalOctets", "policyOf"]

#: What is said of zones of which nothing is said.
_NOBODY: Final = Policy()


def policyOf(zone: ZoneSettings, keys: Iterable[bytes]) -> Policy:
    """
    @param keys: the names of the keys that there are.

    @raise BadDescription: what is said of a zone's updates cannot be used.
    """
    policy = zone.policy
    if policy is None:
        try:
            policy = Policy.fromTexts(zone.texts("update"), zone.apexName) if zone.values.get("update") else _NOBODY
        except BadDescription as fault:
            raise BadDescription(f"zone {zone.text}: {fault}") from None
        zone.policy = policy
    if not policy.rules:
        return policy
    missing = policy.keysMissing(keys)
    if missing:
        raise BadDescription(f"zone {zone.text}: update: there is no TSIG key {missing[0]!r}; key-file names the file that has it")
    if zone.texts("primaries"):
        raise BadDescription(f"zone {zone.text}: update: it comes from its primaries, where it has to be changed")
    return policy


def journalOctets(zone: ZoneSettings) -> float | None:
    """
    @return: what may be kept of a zone's changes, L{None} for as much as usual.
    """
    value = zone.value("journal-size")
    return float(value) if isinstance(value, int | float) and value else None


def isProven(request: Request) -> bool:
    """
    @return: whether it comes from where it says: anybody can write any sender onto a datagram, but for those of this machine.
    """
    if request.transport != "udp" or request.verified:
        return True
    try:
        return ip_address(request.client.partition("%")[0]).is_loopback
    except ValueError:
        return False
