"""
Keys of zones, and the DS records that refer to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from twisted_ext.dnssec.algorithms import STANDARD, Profile, algorithmName, digestName, digestOf
from twisted_ext.dnssec.limits import DS_TRIED, KEYS_CACHED, KEYS_PER_TAG, KEYS_READ, REASONS
from twisted_ext.dnssec.verdicts import (
    BOGUS,
    DNSKEY_MISSING,
    NO_ZONE_KEY_BIT,
    UNSUPPORTED_ALGORITHM,
    UNSUPPORTED_DIGEST,
    Reason,
)
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.dnssec.publickeys import Check

__all__ = [
    "REVOKED", "SECURE_ENTRY_POINT", "ZONE", "ZoneKey", "delegatedKeys", "digestOf", "keyTag", "keysOf", "matches", "unusableDelegation",
]


#: Flags of a key (RFC 4034, section 2.1.1; RFC 5011, section 3).
ZONE: Final = 0x0100
REVOKED: Final = 0x0080
SECURE_ENTRY_POINT: Final = 0x0001

#: The only protocol of a key (RFC 4034, section 2.1.2).
_DNSSEC: Final = 3

#: The algorithm whose key tags are computed otherwise (RFC 4034, appendix B.1).
_RSAMD5: Final = 1

_CACHED: Final = int(KEYS_CACHED.default)
#: Octets of a key record that is kept: those of RSA with 4096 bits have 520.
_CACHED_OCTETS: Final = 1100
_READ: Final = int(KEYS_READ.default)
_PER_TAG: Final = int(KEYS_PER_TAG.default)
_DS_TRIED: Final = int(DS_TRIED.default)
_REASONS: Final = int(REASONS.default)


def keyTag(rdata: bytes) -> int:
    """
    Return the tag of a DNSKEY record (RFC 4034, appendix B).
    """
    if rdata[3:4] == b"\x01":
        return int.from_bytes(rdata[-3:-1], "big") if len(rdata) >= 7 else 0
    total = (sum(rdata[::2]) << 8) + sum(rdata[1::2])
    return (total + (total >> 16)) & 0xFFFF


class ZoneKey:
    """
    A DNSKEY record. Any octets are accepted: a malformed key verifies nothing, and C{problem} says why.

    @ivar rdata: the record.
    @ivar isZoneKey: whether the key may sign the zone's records (RFC 4034, section 2.1.1).
    @ivar isRevoked: whether the key has revoked itself (RFC 5011, section 2.1).
    """

    __slots__ = ("rdata", "flags", "algorithm", "tag", "isZoneKey", "isRevoked", "_parsed", "_acceptedBy")

    def __init__(self, rdata: bytes) -> None:
        self.rdata = rdata
        if len(rdata) < 4:
            self.flags = self.algorithm = self.tag = 0
        else:
            self.flags = rdata[0] << 8 | rdata[1]
            self.algorithm = rdata[3]
            self.tag = keyTag(rdata)
        self.isZoneKey = bool(self.flags & ZONE)
        self.isRevoked = bool(self.flags & REVOKED)
        self._parsed: tuple[Check | None, int, str] | None = None
        # The profile that was last found to accept it, since keys are checked with each signature.
        self._acceptedBy: Profile | None = None

    @classmethod
    def fromRdata(cls, rdata: bytes) -> ZoneKey:
        """
        Return the key of a DNSKEY record. Keys are cached, with their parsed public keys.
        """
        key = _cache.get(rdata)
        if key is None:
            key = cls(rdata)
            if len(rdata) <= _CACHED_OCTETS:
                if len(_cache) >= _CACHED:
                    # Half of them, the oldest: their order is that of their first use.
                    for old in list(_cache)[: _CACHED // 2 + 1]:
                        del _cache[old]
                _cache[rdata] = key
        return key

    def _parse(self) -> tuple[Check | None, int, str]:
        from twisted_ext.dnssec.publickeys import parsePublicKey

        rdata = self.rdata
        if len(rdata) < 4:
            parsed: tuple[Check | None, int, str] = None, 0, "the record is cut off"
        elif rdata[2] != _DNSSEC:
            parsed = None, 0, f"protocol {rdata[2]} is not that of DNSSEC"
        else:
            parsed = parsePublicKey(self.algorithm, rdata[4:])
        self._parsed = parsed
        return parsed

    @property
    def bits(self) -> int:
        """
        The size of the public key in bits, or 0 if it cannot be parsed.
        """
        return (self._parsed or self._parse())[1]

    @property
    def problem(self) -> str:
        """
        Why the key verifies nothing, in words; empty if it is usable.
        """
        return (self._parsed or self._parse())[2]

    def verify(self, signature: bytes, data: bytes) -> bool:
        """
        Return whether a signature of the data is by this key.
        """
        check = (self._parsed or self._parse())[0]
        return check is not None and check(signature, data)

    def objection(self, profile: Profile, zone: bytes) -> Reason | None:
        """
        Return why the key is not accepted as one of a zone, or L{None} if it is.

        @param zone: the zone, for the text.
        """
        if self._acceptedBy is profile:
            return None
        if self.algorithm not in profile.algorithms:
            return UNSUPPORTED_ALGORITHM, f"{self.described(zone)}: algorithm {algorithmName(self.algorithm)} is not supported"
        if not self.isZoneKey:
            return NO_ZONE_KEY_BIT, f"{self.described(zone)} has no zone key bit"
        _, bits, problem = self._parsed or self._parse()
        if bits and not profile.supports(self.algorithm, bits):
            return UNSUPPORTED_ALGORITHM, f"{self.described(zone)}: keys of {bits} bits are not supported"
        if problem:
            return BOGUS, f"{self.described(zone)} is unusable: {problem}"
        self._acceptedBy = profile
        return None

    def described(self, zone: bytes) -> str:
        """
        Return the key's tag and zone as words for a sentence.
        """
        return f"key {self.tag} of {nameToText(zone)}"

    def __repr__(self) -> str:
        return f"<ZoneKey {self.tag} {algorithmName(self.algorithm)} flags {self.flags}>"


#: Keys by rdata.
_cache: Final[dict[bytes, ZoneKey]] = {}


def keysOf(rdatas: Sequence[bytes]) -> tuple[ZoneKey, ...]:
    """
    Return the keys of a DNSKEY RRset, up to the limit.
    """
    return tuple([ZoneKey.fromRdata(rdata) for rdata in rdatas[:_READ]])


def matches(delegation: bytes, owner: bytes, key: ZoneKey) -> bool:
    """
    Return whether a DS record refers to a key (RFC 4034, section 5.2).

    @param delegation: rdata of the DS record.
    @param owner: the zone that has the key.
    """
    if len(delegation) < 5 or delegation[0] << 8 | delegation[1] != key.tag or delegation[2] != key.algorithm:
        return False
    return digestOf(owner, key.rdata, delegation[3]) == delegation[4:]


def delegatedKeys(
    delegation: Iterable[bytes], owner: bytes, keys: Sequence[ZoneKey], profile: Profile = STANDARD
) -> tuple[tuple[ZoneKey, ...], tuple[Reason, ...]]:
    """
    Find the keys that a zone's DS records refer to. One of them has to sign the DNSKEY RRset (RFC 4035, section 5.2).

    @param delegation: rdata of the DS records, from a secure RRset or a trust anchor; unusable ones are ignored.
    @param owner: the zone.
    @param keys: those of the zone's DNSKEY RRset.

    @return: the usable keys, and the reasons why others are not usable.
    """
    found: list[ZoneKey] = []
    reasons: list[Reason] = []
    for rdata in profile.usable(delegation)[:_DS_TRIED]:
        tag = rdata[0] << 8 | rdata[1]
        algorithm = rdata[2]
        candidates = [key for key in keys if key.tag == tag and key.algorithm == algorithm]
        if not candidates:
            missing = f"no key {tag} of {algorithmName(algorithm)} at {nameToText(owner)}, to which its DS record refers"
            reasons.append((DNSKEY_MISSING, missing))
            continue
        for key in candidates[:_PER_TAG]:
            if digestOf(owner, key.rdata, rdata[3]) != rdata[4:]:
                wrong = f"the {digestName(rdata[3])} digest in the DS record of {nameToText(owner)} is not that of {key.described(owner)}"
                reasons.append((DNSKEY_MISSING, wrong))
                continue
            objection = key.objection(profile, owner)
            if objection is not None:
                reasons.append(objection)
            elif key.isRevoked:
                reasons.append((DNSKEY_MISSING, f"{key.described(owner)} is revoked"))
            elif key not in found:
                found.append(key)
    return tuple(found), tuple(reasons[:_REASONS])


def unusableDelegation(delegation: Iterable[bytes], owner: bytes, profile: Profile = STANDARD) -> tuple[Reason, ...]:
    """
    Return why no DS record of a zone is usable, so that the zone counts as not signed (RFC 4035, section 5.2; RFC 6840, section 5.2).
    """
    reasons: dict[Reason, None] = {}
    for rdata in delegation:
        algorithm, digest = (rdata[2], rdata[3]) if len(rdata) > 3 else (0, 0)
        of = f"DS record of {nameToText(owner)}"
        if algorithm not in profile.algorithms:
            reasons[UNSUPPORTED_ALGORITHM, f"{of}: algorithm {algorithmName(algorithm)} is not supported"] = None
        elif digest not in profile.digests:
            reasons[UNSUPPORTED_DIGEST, f"{of}: digest {digestName(digest)} is not supported"] = None
        if len(reasons) == _REASONS:
            break
    return tuple(reasons)
