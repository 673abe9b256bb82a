"""
What is signed of the records of a name, whether a whole zone is signed or only what a change touches.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_ext.dnssec.privatekeys.roles import OF_KEYS
from twisted_ext.errors import BadZone
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rrtypes import ALIAS, DS, NSEC, NSEC3, NSEC3PARAM, RRSIG, ZONEMD
from twisted_ext.zone.store.changeset import Difference

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.nodes import Node
    from twisted_ext.zone.store.version import Version

__all__ = [
    "HASH_LABEL", "MADE", "PARAMETERS", "Unmade", "besideMade", "canonicalSet", "changedBesideMade", "expectSignable", "hashHead", "isMade",
    "negativeTTL", "signatureHead", "startOf",
]  # fmt: skip

#: What a signer makes, and takes away before.
MADE: Final = frozenset((RRSIG, NSEC, NSEC3, NSEC3PARAM))

#: Rdata of the NSEC3PARAM record: SHA-1, no flags, no iterations, no salt (RFC 9276).
PARAMETERS: Final = b"\x01\x00\x00\x00\x00"

#: What precedes a digest in the key of its NSEC3 record: the length of a label of 20 octets in base 32.
HASH_LABEL: Final = b"\x20"

#: Names in one step: less than a millisecond.
_STEP: Final = 100

#: Makes the rdata of a signature up to the zone's name: type covered, algorithm, labels, TTL, expiration, inception, key tag.
signatureHead: Final = Struct(">HBBIIIH").pack

#: Makes what follows the owner in each signed record of a set: type, class, TTL.
startOf: Final = Struct(">HHI").pack


def isMade(key: bytes, rrType: int) -> bool:
    """
    Return whether a signer makes the records of a type at a name: signatures, denials, and at the apex those of keys and for the parent,
    and a digest, which is of all of these.
    """
    return rrType in MADE or (not key and (rrType in OF_KEYS or rrType == ZONEMD))


def hashHead(optOut: bool) -> bytes:
    """
    Return an NSEC3 record up to the next digest: what the parameters have, and the length of a digest.
    """
    return b"\x01\x01\x00\x00\x00\x14" if optOut else b"\x01\x00\x00\x00\x00\x14"


class Unmade:
    """
    Completes the changes of a zone that is not signed yet, but will be: to these, what the signer makes is not there.
    """

    def isMade(self, key: bytes, rrType: int) -> bool:
        """
        See L{Completion<twisted_ext.zone.update.transactions.Completion>}.
        """
        return isMade(key, rrType)

    def completing(
        self, version: Version, changes: Mapping[bytes, tuple[RRSet, ...]]
    ) -> Generator[object, None, Mapping[bytes, tuple[RRSet, ...]]]:
        """
        See L{Completion<twisted_ext.zone.update.transactions.Completion>}. Records of that kind that are there stay.
        """
        completed: dict[bytes, tuple[RRSet, ...]] = {}
        for count, (key, rrsets) in enumerate(changes.items(), 1):
            node = version.find(key)
            made = [] if node is None else [rrset for rrset in node.sets if isMade(key, rrset.rrType)]
            completed[key] = (*rrsets, *made)
            if count % _STEP == 0:
                yield None
        return completed


def besideMade(node: Node, isSigned: bool) -> tuple[RRSet, ...]:
    """
    Return the RRsets of a name but those that a signer makes.

    @param isSigned: whether the zone is signed here; of others these are records like any.
    """
    return tuple([rrset for rrset in node.sets if not isMade(node.key, rrset.rrType)]) if isSigned else node.sets


def changedBesideMade(difference: Difference, apex: bytes) -> Difference:
    """
    Return a difference without what a signer makes.

    @param apex: the name of the zone, folded.
    """
    size = len(apex)
    removed, added = [
        [rrset for rrset in sets if not isMade(rrset.name[:-size], rrset.rrType)] for sets in (difference.removed, difference.added)
    ]
    return Difference(difference.before, removed, difference.after, added)


def canonicalSet(start: bytes, rrType: int, rdatas: list[bytes] | tuple[bytes, ...]) -> bytes:
    """
    Return what is signed of an RRset, in canonical form and order (RFC 4034, section 6).

    @param start: that of each record: the owner, folded, and L{startOf}.
    """
    if len(rdatas) == 1:
        rdata = canonicalOf(rrType, rdatas[0])
        return start + len(rdata).to_bytes(2, "big") + rdata
    canonical = sorted({canonicalOf(rrType, rdata) for rdata in rdatas})
    return b"".join([start + len(rdata).to_bytes(2, "big") + rdata for rdata in canonical])


def negativeTTL(ttl: int, soa: bytes) -> int:
    """
    Return the TTL of denials (RFC 9077, section 3): negative answers are cached no longer than the SOA record allows.

    @param ttl: that of the SOA record, and C{soa} its rdata.
    """
    return min(ttl, int.from_bytes(soa[-4:], "big"))


def expectSignable(owner: bytes, rrType: int, isCut: bool, aliases: bool) -> None:
    """
    Refuse records that cannot be signed where they are.

    @param isCut: whether a zone is delegated at their owner.
    @param aliases: whether records of type 65401 are ALIAS records.

    @raise BadZone: DS records where no zone is delegated, or an ALIAS record.
    """
    if rrType == DS and not isCut:
        said = "has DS records, but no NS records, so that no zone is delegated there; remove them, or add NS"
    elif rrType == ALIAS and aliases:
        said = "is an ALIAS, whose addresses are found when it is asked for, so they cannot be signed; write A and AAAA"
    else:
        return
    raise BadZone(f"{nameToText(owner)} {said}")
