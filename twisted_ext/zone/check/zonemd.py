"""
Zone digests, with which a recipient verifies that a zone is complete and unchanged (RFC 8976).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha384, sha512
from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import CallerFault
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import RRSIG, ZONEMD
from twisted_ext.zone.store.order import canonicalRecords

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["ALGORITHMS", "SIMPLE", "ZonemdResult", "Verdict", "digests", "verify", "withDigests"]

#: The only scheme: all records, one after the other (RFC 8976, section 3.3).
SIMPLE: Final = 1

#: Hash algorithms by number, with their mnemonics (RFC 8976, section 5.3).
ALGORITHMS: Final = {1: "SHA384", 2: "SHA512"}

_HASHES: Final = {1: sha384, 2: sha512}

#: Octets of a ZONEMD record before its digest: serial, scheme, algorithm.
_FIXED: Final = Struct(">IBB")

#: Octets of a digest, at least, whatever made it (RFC 8976, section 2.2.4).
LEAST_DIGEST: Final = 12

#: Octets passed to the hash at a time.
_PIECE: Final = 1 << 16


class Verdict(Enum):
    VERIFIED = "verified"
    ABSENT = "absent"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ZonemdResult:
    """
    A verdict, and the reason.

    @ivar text: the reason, as a sentence.
    """

    verdict: Verdict
    text: str


def digests(version: Version, algorithms: Iterable[int]) -> dict[int, bytes]:
    """
    Digest a zone (RFC 8976, section 3).

    @return: the digests by algorithm.

    @raise CallerFault: an algorithm is not supported.
    """
    wanted = list(dict.fromkeys(algorithms))
    for algorithm in wanted:
        if algorithm not in _HASHES:
            known = " and ".join([f"{number} ({name})" for number, name in ALGORITHMS.items()])
            raise CallerFault(f"no digest of algorithm {algorithm} can be made; there are {known}")
    hashes = {algorithm: _HASHES[algorithm]() for algorithm in wanted}
    apex = version.apex
    gathered: list[bytes] = []
    size = 0
    for rrset, octets in canonicalRecords(version):
        if rrset.name.lower() == apex and _isDigest(rrset):
            continue
        gathered.append(octets)
        size += len(octets)
        if size > _PIECE:
            piece = b"".join(gathered)
            for each in hashes.values():
                each.update(piece)
            gathered, size = [], 0
    for each in hashes.values():
        each.update(b"".join(gathered))
    return {algorithm: each.digest() for algorithm, each in hashes.items()}


def _isDigest(rrset: RRSet) -> bool:
    return rrset.rrType == ZONEMD or (rrset.rrType == RRSIG and int.from_bytes(rrset.rdatas[0][:2], "big") == ZONEMD)


def verify(version: Version) -> ZonemdResult:
    """
    Verify a zone against the ZONEMD records at its apex (RFC 8976, section 4). Their signatures are not validated here.
    """
    rrset = version.top.of(ZONEMD)
    if rrset is None:
        return ZonemdResult(Verdict.ABSENT, "there is no ZONEMD record at the apex")
    given: dict[tuple[int, int], list[bytes]] = {}
    reasons: list[str] = []
    for rdata in rrset.rdatas:
        if len(rdata) < _FIXED.size:
            reasons.append("a ZONEMD record is cut off")
            continue
        serial, scheme, algorithm = _FIXED.unpack_from(rdata)
        if serial != version.serial:
            reasons.append(f"a digest is for serial {serial}, the zone has {version.serial}")
        else:
            given.setdefault((scheme, algorithm), []).append(rdata[_FIXED.size :])
    known: dict[int, bytes] = {}
    unknown: list[str] = []
    for (scheme, algorithm), values in given.items():
        if len(values) > 1:
            reasons.append(f"{len(values)} digests of scheme {scheme} and algorithm {algorithm}, where one is allowed")
        elif len(values[0]) < LEAST_DIGEST:
            reasons.append(f"a digest of {len(values[0])} octets, where {LEAST_DIGEST} are the least")
        elif scheme != SIMPLE or algorithm not in _HASHES:
            unknown.append(f"scheme {scheme} and algorithm {algorithm}")
        elif len(values[0]) != _HASHES[algorithm]().digest_size:
            reasons.append(f"a digest of {len(values[0])} octets, where {ALGORITHMS[algorithm]} makes {_HASHES[algorithm]().digest_size}")
        else:
            known[algorithm] = values[0]
    if known:
        made = digests(version, known)
        for algorithm, value in known.items():
            if made[algorithm] == value:
                return ZonemdResult(Verdict.VERIFIED, f"the zone is what its {ALGORITHMS[algorithm]} digest says")
            right = f"the zone's {ALGORITHMS[algorithm]} digest is {_short(made[algorithm])}"
            reasons.append(f"{right}, its ZONEMD record says {_short(value)}")
    if reasons or not unknown:
        return ZonemdResult(Verdict.FAILED, "; ".join(reasons))
    return ZonemdResult(Verdict.UNSUPPORTED, f"only digests of unknown kinds: {', '.join(unknown)}")


def _short(digest: bytes) -> str:
    return f"{digest[:8].hex()}..."


def withDigests(version: Version, algorithms: Iterable[int] = (1,)) -> Version:
    """
    Replace the ZONEMD records of a zone with new ones. Remove their signatures, since there is no key to sign new ones with.

    @raise CallerFault: an algorithm is not supported.
    """
    before = version.top.of(ZONEMD)
    kept = [rrset for rrset in version.top.sets if not _isDigest(rrset)]
    made = digests(version, algorithms)
    start = version.serial
    rdatas = tuple([_FIXED.pack(start, SIMPLE, algorithm) + digest for algorithm, digest in made.items()])
    ttl = version.soa.ttl if before is None else before.ttl
    return version.edited({b"": (*kept, RRSet(version.apexName, ZONEMD, version.soa.rrClass, ttl, rdatas))})
