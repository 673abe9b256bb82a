"""
How zones are signed: with which keys and algorithm, for how long, and with which chain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.validity import Validity

__all__ = ["DENIALS", "SigningPolicy"]

#: Chains that deny names: NSEC records, NSEC3 records, or these without delegations that have no DS records.
DENIALS: Final = ("nsec", "nsec3", "nsec3-opt-out")

_HOUR: Final = 3600


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
    """

    __slots__ = ("algorithm", "split", "validity", "denial", "dnskeyTTL", "forParent", "digested")

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
    ) -> None:
        self.validity = validity or Validity()
        self.algorithm = algorithm
        self.split = split
        self.denial = denial
        self.dnskeyTTL = dnskeyTTL
        self.forParent = forParent
        self.digested = digested

    def toText(self) -> str:
        """
        Return the policy as text, from which L{fromTable} makes the same: equal policies have equal texts.
        """
        return json.dumps(
            {
                "algorithm": self.algorithm,
                "split": self.split,
                "denial": self.denial,
                "signatures": self.validity.signatures,
                "renew": self.validity.renew,
                "dnskeyTTL": self.dnskeyTTL,
                "forParent": self.forParent,
                "digested": self.digested,
            },
            separators=(",", ":"),
        )

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
        )
