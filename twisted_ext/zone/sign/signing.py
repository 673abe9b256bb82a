"""
What a zone is signed with.
"""

from __future__ import annotations

from twisted_ext.dnssec.sign.roles import Signers
from twisted_ext.dnssec.sign.validity import Validity

__all__ = ["Signing"]

_HOUR = 3600


class Signing:
    """
    What a zone is signed with.

    @ivar signers: the keys.
    @ivar published: rdata of the DNSKEY records: those of the keys, and of others that do not sign.
    @ivar validity: for how long.
    @ivar dnskeyTTL: the TTL of the DNSKEY records in seconds.
    """

    __slots__ = ("signers", "published", "validity", "dnskeyTTL")

    def __init__(self, signers: Signers, validity: Validity, published: tuple[bytes, ...] = (), dnskeyTTL: int = _HOUR) -> None:
        """
        @param published: further DNSKEY records.
        """
        self.signers = signers
        self.published = tuple(dict.fromkeys([*[key.dnskey for key in signers.keys], *published]))
        self.validity = validity
        self.dnskeyTTL = dnskeyTTL
