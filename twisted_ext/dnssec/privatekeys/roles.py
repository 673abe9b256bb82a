"""
Which keys of a zone sign what.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, Generic, NamedTuple, TypeVar

from twisted_ext.dnssec.keys import REVOKED, SECURE_ENTRY_POINT
from twisted_ext.dnssec.privatekeys.signingkey import SigningKey
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, DNSKEY

__all__ = ["OF_KEYS", "Signers", "Turn"]

#: Types that the keys sign to which the parent's DS records lead (RFC 7344, section 4.1).
OF_KEYS: Final = frozenset((DNSKEY, CDS, CDNSKEY))


_Key = TypeVar("_Key", bound=SigningKey, covariant=True)


class Turn(NamedTuple, Generic[_Key]):
    """
    Keys that sign from a time on.

    @ivar at: in seconds since 1970.
    """

    at: float
    keys: Sequence[_Key]


class Signers(Generic[_Key]):
    """
    The keys of a zone by their roles: of each algorithm those with the SEP flag sign the DNSKEY records, and what is for the parent, and
    the others everything else. If there is only one kind, it signs everything. Revoked keys sign the DNSKEY records only (RFC 5011, section
    2.1).

    @ivar keys: all of them.
    @ivar entries: those to which the parent's DS records are to lead: they sign the DNSKEY records, are not revoked, and their
        time to be announced is now.
    @ivar ofRest: those that sign what is not for the keys, from when on.
    @ivar published: those whose DNSKEY records are in the zone: all, but those of a new or an old algorithm, whose signatures come first
        and go last.
    """

    __slots__ = ("keys", "entries", "published", "ofRest", "_ofKeys")

    def __init__(
        self,
        keys: Sequence[_Key],
        withheld: Sequence[_Key] = (),
        ofKeys: Sequence[_Key] | None = None,
        ofRest: Sequence[Turn[_Key]] = (),
        hidden: Sequence[_Key] = (),
    ) -> None:
        """
        @param withheld: those that are not to be announced to the parent.
        @param ofKeys: those that sign the DNSKEY records, and C{ofRest} those that sign the rest, from when on, the last ones last: names
            whose signatures are older than the first turn have them by its keys. By default it is as their flags say.
        @param hidden: those without DNSKEY records.
        """
        self.keys = tuple(keys)
        self.published = tuple([key for key in keys if key not in hidden])
        if ofKeys is not None:
            self._ofKeys, self.ofRest = tuple(ofKeys), tuple([Turn(at, tuple(each)) for at, each in ofRest])
            self.entries = tuple([key for key in ofKeys if key not in withheld])
            return
        entering: list[_Key] = []
        signing: list[_Key] = []
        for key in keys:
            flags = [other.flags for other in keys if other.algorithm == key.algorithm and not other.flags & REVOKED]
            isEntry = bool(key.flags & SECURE_ENTRY_POINT)
            if isEntry or not any(each & SECURE_ENTRY_POINT for each in flags):
                entering.append(key)
            if not key.flags & REVOKED and (not isEntry or all(each & SECURE_ENTRY_POINT for each in flags)):
                signing.append(key)
        self._ofKeys, self.ofRest = tuple(entering), (Turn(0.0, tuple(signing)),)
        self.entries = tuple([key for key in entering if not key.flags & REVOKED and key not in withheld])

    def of(self, rrType: int, made: float = inf) -> Sequence[_Key]:
        """
        Return the keys that sign records of a type.

        @param made: when the signatures are made, in seconds since 1970.
        """
        if rrType in OF_KEYS:
            return self._ofKeys
        return next((turn.keys for turn in reversed(self.ofRest) if made >= turn.at), self.ofRest[0].keys)
