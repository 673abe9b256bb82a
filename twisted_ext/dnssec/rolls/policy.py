"""
How keys live: which there are, how long, and how long the world takes to notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twisted_ext.dnssec.rolls.states import CSK, KSK, RECORDS, ZSK, Record

__all__ = ["RollPolicy"]

_HOUR = 3600
_DAY = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class RollPolicy:
    """
    How keys live. All times are in seconds.

    @ivar algorithm: that of the keys.
    @ivar split: whether there are two, one for the DNSKEY records and one for the rest.
    @ivar lifetimes: by their role how long keys are in use; without, for ever.
    @ivar dnskeyTTL: the TTL of the DNSKEY records.
    @ivar zoneTTL: the largest of other records.
    @ivar dsTTL: that of the DS records at the parent.
    @ivar renew: how long it takes until all signatures were made anew, by another key; 0 if that is done at once.
    @ivar propagation: how long it takes until all servers have a new version of the zone.
    @ivar parentPropagation: the same at the parent, after its servers were seen to have it.
    @ivar safety: is added to each wait.
    @ivar insecure: whether the parent is to have no DS records any more, so that the zone need not be signed.
    """

    algorithm: int
    split: bool = False
    lifetimes: Mapping[str, int] = field(default_factory=dict)
    dnskeyTTL: int = _HOUR
    zoneTTL: int = _DAY
    dsTTL: int = _DAY
    renew: int = 7 * _DAY
    propagation: int = 300
    parentPropagation: int = _HOUR
    safety: int = _HOUR
    insecure: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """
        The roles of its keys.
        """
        return (KSK, ZSK) if self.split else (CSK,)

    def cached(self, record: Record) -> int:
        """
        Return how long resolvers keep what is there before a record comes, or goes, after the last server has changed.
        """
        match record:
            case Record.DS:
                return self.dsTTL
            case Record.ZRRSIG:
                return self.zoneTTL
        return self.dnskeyTTL

    def delay(self, record: Record) -> int:
        """
        Return for how long some servers may not have changed.
        """
        return (self.parentPropagation if record is Record.DS else self.propagation) + self.safety

    def wait(self, record: Record) -> int:
        """
        Return how long it takes until all resolvers have a record in place of another key's, or none has it.
        """
        return self.cached(record) + self.delay(record) + (self.renew if record is Record.ZRRSIG else 0)

    def longest(self, role: str) -> int:
        """
        Return how long it takes until resolvers have what a key is used for in place of another one's.
        """
        return max([self.wait(record) for record in (Record.ZRRSIG, Record.DS) if record in RECORDS[role]])

    def shortest(self, role: str) -> int:
        """
        Return how long a key of a role is replaced for, from the making of its successor to the end of its own records. What the parent
        takes until it has another DS record comes on top.
        """
        return 2 * self.wait(Record.DNSKEY) + self.longest(role)
