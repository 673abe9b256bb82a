"""
Small zones whose contents are known, and their NSEC and NSEC3 records, made in the plainest way.
"""

from __future__ import annotations

from base64 import b32hexencode
from collections.abc import Iterable
from hashlib import sha1
from typing import Final

from twisted_ext.dnssec.denial.proving import Denials
from twisted_ext.wire.names import canonicalKey, isBelow, nameFromText, parentOf
from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNAME, DS, NS, NSEC, NSEC3, RRSIG, SOA, typeNumber

__all__ = ["Counting", "KnownZone", "denialsOf", "name", "nsecSet", "nsec3Set", "numbers"]


def name(text: str) -> bytes:
    """
    Return a name in wire form.
    """
    return nameFromText(text)


def numbers(types: str) -> frozenset[int]:
    """
    Return the numbers of types given as words.
    """
    found = [typeNumber(word) for word in types.split()]
    return frozenset([number for number in found if number is not None])


class Counting:
    """
    Counts hashes without a bound.
    """

    def __init__(self) -> None:
        self.hashes = 0
        self.rounds = 0

    def hash(self, rounds: int) -> None:
        """
        Count one.
        """
        self.hashes += 1
        self.rounds += rounds


def nsecSet(owner: bytes, following: bytes, types: Iterable[int], ttl: int = 3600) -> RRSet:
    """
    Return an NSEC set.
    """
    return RRSet(owner, NSEC, 1, ttl, (following + TypeBits().write(sorted(types), ()),))


def nsec3Set(
    zone: bytes,
    digest: bytes,
    following: bytes,
    types: Iterable[int],
    *,
    iterations: int = 0,
    salt: bytes = b"",
    flags: int = 0,
    ttl: int = 3600,
) -> RRSet:
    """
    Return an NSEC3 set.
    """
    rdata = bytes([1, flags]) + iterations.to_bytes(2, "big") + bytes([len(salt)]) + salt
    rdata += bytes([len(following)]) + following + TypeBits().write(sorted(types), ())
    return RRSet(b"\x20" + b32hexencode(digest).lower() + zone, NSEC3, 1, ttl, (rdata,))


def denialsOf(zone: bytes, sets: Iterable[RRSet]) -> Denials:
    """
    Return the sets as those of a reply, none of them expanded from a wildcard.
    """
    return Denials(zone, [(rrset, None) for rrset in sets])


class KnownZone:
    """
    A zone as a dictionary of names and types.

    @ivar nodes: the names with records, also those below delegations.
    @ivar owners: the names that the zone is authoritative for, and its delegations.
    @ivar existing: these, and the empty non-terminals above them.
    """

    def __init__(self, apex: bytes, nodes: dict[bytes, frozenset[int]]) -> None:
        self.apex: Final = apex
        self.nodes: Final = {**nodes, apex: nodes.get(apex, frozenset()) | {SOA, NS}}
        self.owners: Final = sorted([each for each in self.nodes if not self.isElsewhere(each)], key=canonicalKey)
        self.existing: Final = set(self.owners)
        for each in self.owners:
            while each != apex:
                each = parentOf(each)
                self.existing.add(each)

    def __repr__(self) -> str:
        return f"<KnownZone {self.apex!r} {self.nodes}>"

    def isCut(self, owner: bytes) -> bool:
        """
        Return whether the name is a delegation.
        """
        return owner != self.apex and NS in self.nodes.get(owner, ())

    def isElsewhere(self, owner: bytes) -> bool:
        """
        Return whether the name is below a delegation or a DNAME record.
        """
        while owner != self.apex:
            owner = parentOf(owner)
            if self.isCut(owner) or DNAME in self.nodes.get(owner, ()):
                return True
        return False

    def encloserOf(self, owner: bytes) -> bytes:
        """
        Return the closest encloser of a name that does not exist.
        """
        while owner not in self.existing:
            owner = parentOf(owner)
        return owner

    def typesAt(self, owner: bytes) -> frozenset[int]:
        """
        Return the types that the zone has authority over, and NS.
        """
        types = self.nodes.get(owner, frozenset())
        return types & {NS, DS} if self.isCut(owner) else types

    def truth(self, owner: bytes, rrType: int) -> str:
        """
        Return what an authoritative server answers (RFC 1034, section 4.3.2): C{"data"}, C{"expanded"}, C{"nodata"} or C{"nxdomain"};
        C{"elsewhere"} where other zones or names have the answer.
        """
        if self.isElsewhere(owner) or (rrType == DS and owner == self.apex and owner != b"\x00"):
            return "elsewhere"
        found = "data"
        if owner not in self.existing:
            found = "expanded"
            owner = b"\x01*" + self.encloserOf(owner)
            if owner not in self.existing:
                return "nxdomain"
        if self.isCut(owner) and rrType != DS:
            return "elsewhere"
        types = self.typesAt(owner)
        return found if rrType in types or CNAME in types else "nodata"

    def nsec(self) -> list[RRSet]:
        """
        Return its NSEC records.
        """
        return [
            nsecSet(owner, following, self.typesAt(owner) | {NSEC, RRSIG})
            for owner, following in zip(self.owners, [*self.owners[1:], self.owners[0]], strict=True)
        ]

    def nsec3(self, iterations: int = 0, salt: bytes = b"", *, optOut: bool = False) -> list[RRSet]:
        """
        Return its NSEC3 records.
        """
        hashes: dict[bytes, frozenset[int]] = {}
        for owner in self.existing:
            if not (optOut and self.isOptedOut(owner)):
                types = self.typesAt(owner)
                hashes[digestOf(owner, iterations, salt)] = types | {RRSIG} if types - {NS} else types
        ordered = sorted(hashes)
        return [
            nsec3Set(self.apex, digest, following, hashes[digest], iterations=iterations, salt=salt, flags=int(optOut))
            for digest, following in zip(ordered, [*ordered[1:], ordered[0]], strict=True)
        ]

    def isOptedOut(self, owner: bytes) -> bool:
        """
        Return whether an existing name may be left out of a chain with opt-out: all names at and below it are unsigned delegations or above
        such.
        """
        return all(self.isCut(each) and DS not in self.typesAt(each) for each in self.owners if isBelow(each, owner))


def digestOf(owner: bytes, iterations: int, salt: bytes) -> bytes:
    """
    Return the NSEC3 hash of a name.
    """
    digest = owner.lower()
    for _ in range(iterations + 1):
        digest = sha1(digest + salt).digest()
    return digest
