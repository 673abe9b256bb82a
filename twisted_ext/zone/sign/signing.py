"""
What a zone is signed with.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.dnssec.sign.roles import Signers
from twisted_ext.dnssec.sign.validity import Validity

__all__ = ["DENIALS", "Signing"]

#: Chains that deny names: NSEC records, NSEC3 records, or these without delegations that have no DS records.
DENIALS: Final = ("nsec", "nsec3", "nsec3-opt-out")

_HOUR: Final = 3600


class Signing:
    """
    What a zone is signed with.

    @ivar signers: the keys.
    @ivar published: rdata of the DNSKEY records: those of the keys, and of others that do not sign.
    @ivar validity: for how long.
    @ivar denial: the chain that denies names, one of L{DENIALS}.
    @ivar dnskeyTTL: the TTL of the DNSKEY records in seconds.
    """

    __slots__ = ("signers", "published", "validity", "denial", "dnskeyTTL")

    def __init__(
        self,
        signers: Signers,
        validity: Validity,
        published: tuple[bytes, ...] = (),
        denial: str = "nsec",
        dnskeyTTL: int = _HOUR,
    ) -> None:
        """
        @param published: further DNSKEY records.
        """
        self.signers = signers
        self.published = tuple(dict.fromkeys([*[key.dnskey for key in signers.keys], *published]))
        self.validity = validity
        self.denial = denial
        self.dnskeyTTL = dnskeyTTL
