"""
What a zone is signed with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.dnssec.privatekeys.signingkey import SigningKey
from twisted_ext.zone.sign.policy import SigningPolicy

__all__ = ["Signing"]


_Key = TypeVar("_Key", bound=SigningKey, covariant=True)


class Signing(Generic[_Key]):
    """
    What a zone is signed with.

    @ivar signers: the keys.
    @ivar policy: how.
    @ivar published: rdata of the DNSKEY records: those of the keys, and of others that do not sign.
    """

    __slots__ = ("signers", "policy", "published")

    def __init__(self, signers: Signers[_Key], policy: SigningPolicy, published: tuple[bytes, ...] = ()) -> None:
        """
        @param published: further DNSKEY records.
        """
        self.signers = signers
        self.policy = policy
        self.published = tuple(dict.fromkeys([*[key.dnskey for key in signers.published], *published]))

    def of(self, rrType: int, inception: int) -> Sequence[_Key]:
        """
        Return the keys that sign records of a type.

        @param inception: when the signatures begin to be valid, in seconds since 1970.
        """
        return self.signers.of(rrType, inception + self.policy.validity.offset)
