"""
How zones are signed: with which keys and algorithm, for how long, and with which chain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.states import CSK, KSK, ZSK

__all__ = ["DENIALS", "RollTimes", "SigningPolicy"]

#: Chains that deny names: NSEC records, NSEC3 records, or these without delegations that have no DS records.
DENIALS: Final = ("nsec", "nsec3", "nsec3-opt-out")

_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class RollTimes:
    """
    How long keys are in use, and how long the world takes to notice that there are others. All times are in seconds.

    @ivar ksk: the lifetime of a key that signs the DNSKEY records, or everything; 0 for ever.
    @ivar zsk: that of a key that signs the rest only.
    @ivar propagation: how long it takes until all servers have a new version of the zone.
    @ivar parentPropagation: the same at the parent.
    @ivar dsTTL: the TTL of DS records at the parent.
    @ivar insecure: whether the parent is to have none any more.
    @ivar renew: how long it takes until all names are signed by another key; 0 if that is done at once.
    """

    ksk: int = 0
    zsk: int = 0
    propagation: int = _HOUR
    parentPropagation: int = _HOUR
    dsTTL: int = 24 * _HOUR
    insecure: bool = False
    renew: int = 0

    def of(self, algorithm: int, split: bool, dnskeyTTL: int, zoneTTL: int) -> RollPolicy:
        """
        Return how the keys of a zone live.

        @param zoneTTL: the longest TTL of the zone.
        """
        lifetimes = {KSK: self.ksk, CSK: self.ksk, ZSK: self.zsk}
        # An operator adds what they think safe to the two times.
        return RollPolicy(
            algorithm, split, lifetimes, dnskeyTTL, zoneTTL, self.dsTTL, self.renew, self.propagation, self.parentPropagation, 0,
            self.insecure,
        )


class SigningPolicy:
    """
    How zones are signed.

    @ivar algorithm: that of keys that are made.
    @ivar split: whether two are made, one for the DNSKEY records and one for the rest.
    @ivar validity: how long signatures are valid.
    @ivar denial: the chain that denies names, one of L{DENIALS}.
    @ivar dnskeyTTL: the TTL of the DNSKEY records, and of those for the parent, in seconds.
    @ivar forParent: whether there are CDS and CDNSKEY records (RFC 7344).
    @ivar digested: whether there is a ZONEMD record (RFC 8976). A zone that has one gets a new one in any case.
    @ivar rolls: how its keys live; L{None} if they do as their files say.
    @ivar agents: the servers of the parent, which are asked for DS records, as settings have them. Who signs does not need them: they are
        no part of the text.
    @ivar check: how often they are asked while a roll waits for that, in seconds.
    """

    __slots__ = ("algorithm", "split", "validity", "denial", "dnskeyTTL", "forParent", "digested", "rolls", "agents", "check")

    def __init__(
        self,
        validity: Validity | None = None,
        *,
        algorithm: int = ECDSA_P256,
        split: bool = False,
        denial: str = "nsec",
        dnskeyTTL: int = _HOUR,
        forParent: bool = False,
        digested: bool = False,
        rolls: RollTimes | None = None,
        agents: tuple[str, ...] = (),
        check: int = _HOUR,
    ) -> None:
        self.validity = validity or Validity()
        self.algorithm = algorithm
        self.split = split
        self.denial = denial
        self.dnskeyTTL = dnskeyTTL
        self.forParent = forParent
        self.digested = digested
        self.rolls = rolls
        self.agents = agents
        self.check = check

    def toText(self) -> str:
        """
        Return the policy as text, from which L{fromTable} makes the same: equal policies have equal texts.
        """
        rolls = {} if self.rolls is None else {"rolls": asdict(self.rolls)}
        return json.dumps({**self._table(), **rolls}, separators=(",", ":"))

    def _table(self) -> dict[str, object]:
        return {
            "algorithm": self.algorithm,
            "split": self.split,
            "denial": self.denial,
            "signatures": self.validity.signatures,
            "renew": self.validity.renew,
            "dnskeyTTL": self.dnskeyTTL,
            "forParent": self.forParent,
            "digested": self.digested,
        }

    def signsAs(self, other: SigningPolicy) -> bool:
        """
        Return whether signatures by the other policy are as those by this one.
        """
        return self._table() == other._table()

    @classmethod
    def fromTable(cls, table: Mapping[str, object]) -> SigningPolicy:
        """
        Make a policy from what L{toText} has written.
        """
        return cls(
            Validity(int(str(table["signatures"])), int(str(table["renew"]))),
            algorithm=int(str(table["algorithm"])),
            split=bool(table["split"]),
            denial=str(table["denial"]),
            dnskeyTTL=int(str(table["dnskeyTTL"])),
            forParent=bool(table["forParent"]),
            digested=bool(table["digested"]),
            rolls=RollTimes(**rolls) if isinstance(rolls := table.get("rolls"), dict) else None,
        )
