"""
Signatures of RRsets (RFC 4034, sections 3.1.8.1 and 6; RFC 4035, section 5.3; RFC 6840).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct
from typing import Final

from twisted_ext.dnssec.algorithms import STANDARD, Profile, algorithmName
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.limits import CLOCK_BEGINS, CLOCK_DOUBTED, KEYS_PER_TAG, REASONS
from twisted_ext.dnssec.verdicts import (
    BOGUS,
    DNSKEY_MISSING,
    EXPIRED,
    NOT_YET_VALID,
    RRSIGS_MISSING,
    SIGNATURE_EXPIRED_BEFORE_VALID,
    UNSUPPORTED_ALGORITHM,
    Reason,
)
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadMessage, BudgetSpent
from twisted_ext.wire.names import ROOT, labelCount, nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rdata.times import dateFromSeconds
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, DS, NSEC, NSEC3, typeName

__all__ = ["SetVerdict", "Signature", "clockDoubt", "signedData", "verifySet"]


#: The fields before the signer's name: type covered, algorithm, labels, original TTL, expiration, inception, key tag.
_fields: Final = Struct(">HBBIIIH").unpack_from
_SIGNER: Final = 18

_head: Final = Struct(">HHI").pack
_length: Final = Struct(">H").pack

#: Signatures of one RRset that are tried (as Unbound). One for each algorithm is usual, two during a rollover.
_TRIED: Final = 8
#: Signatures of one RRset that are parsed: expired ones and those by unknown keys are not verified, and cost little.
_READ: Final = 100
_PER_TAG: Final = int(KEYS_PER_TAG.default)
_REASONS: Final = int(REASONS.default)
_CLOCK_BEGINS: Final = int(CLOCK_BEGINS.default)
_CLOCK_DOUBTED: Final = int(CLOCK_DOUBTED.default)

#: Among more keys than these, those of a signature are looked up in a dictionary.
_FEW: Final = 8

#: The order of the info codes that come last.
_LAST: Final = {DNSKEY_MISSING: 1, UNSUPPORTED_ALGORITHM: 2}

_HALF: Final = 1 << 31
_WHOLE: Final = (1 << 32) - 1


class Signature:
    """
    An RRSIG record (RFC 4034, section 3.1).

    @ivar covered: the type of the signed records.
    @ivar labels: the number of labels of their owner, without the root's and an asterisk.
    @ivar expiration: in seconds since 1970, modulo 2^32.
    @ivar inception: in seconds since 1970, modulo 2^32.
    @ivar signer: the name of the zone, folded.
    @ivar octets: the signature itself.
    """

    __slots__ = ("covered", "algorithm", "labels", "originalTTL", "expiration", "inception", "keyTag", "signer", "octets")

    def __init__(
        self,
        covered: int,
        algorithm: int,
        labels: int,
        originalTTL: int,
        expiration: int,
        inception: int,
        keyTag: int,
        signer: bytes,
        octets: bytes = b"",
    ) -> None:
        self.covered = covered
        self.algorithm = algorithm
        self.labels = labels
        self.originalTTL = originalTTL
        self.expiration = expiration
        self.inception = inception
        self.keyTag = keyTag
        self.signer = signer
        self.octets = octets

    @classmethod
    def fromRdata(cls, rdata: bytes) -> Signature:
        """
        @raise BadMessage: the record is cut off.
        """
        position = _SIGNER
        try:
            while length := rdata[position]:
                position += length + 1
        except IndexError:
            raise BadMessage("the RRSIG record is cut off") from None
        position += 1
        covered, algorithm, labels, originalTTL, expiration, inception, keyTag = _fields(rdata)
        signer = rdata[_SIGNER:position].lower()
        return cls(covered, algorithm, labels, originalTTL, expiration, inception, keyTag, signer, rdata[position:])

    @property
    def head(self) -> bytes:
        """
        The record without the signature itself, as it is signed.
        """
        return (
            _head(self.covered, self.algorithm << 8 | self.labels, self.originalTTL)
            + _head(self.expiration >> 16, self.expiration & 0xFFFF, self.inception)
            + _length(self.keyTag)
            + self.signer
        )


def signedData(rrset: RRSet, signature: Signature) -> bytes:
    """
    Return the octets that are signed (RFC 4034, section 3.1.8.1).

    @param signature: the record to be signed, whose own octets do not matter.
    """
    owner = rrset.name.lower()
    full = labelCount(owner)
    if signature.labels < full - (owner[:2] == b"\x01*"):
        owner = b"\x01*" + _ancestor(owner, full - signature.labels)
    return signature.head + _records(owner, rrset, signature.originalTTL, _canonical(rrset))


def _ancestor(name: bytes, without: int) -> bytes:
    """
    Return a name without so many of its first labels.
    """
    position = 0
    for _ in range(without):
        position += name[position] + 1
    return name[position:]


def _canonical(rrset: RRSet) -> list[bytes]:
    """
    Return the rdata of the records in canonical form and order, each behind its length (RFC 4034, section 6.3).
    """
    rrType = rrset.rrType
    rdatas = rrset.rdatas
    if len(rdatas) == 1:
        rdata = canonicalOf(rrType, rdatas[0])
        return [_length(len(rdata)) + rdata]
    return [_length(len(rdata)) + rdata for rdata in sorted({canonicalOf(rrType, rdata) for rdata in rdatas})]


def _records(owner: bytes, rrset: RRSet, ttl: int, rdatas: list[bytes]) -> bytes:
    head = owner + _head(rrset.rrType, rrset.rrClass, ttl)
    return head + head.join(rdatas)


class SetVerdict:
    """
    The result of verifying an RRset.

    @ivar secure: whether one of its signatures is right.
    @ivar reasons: why not, the most telling reason first.
    @ivar wildcard: the closest encloser if the RRset was expanded from the wildcard below it, which takes a proof that no closer name
        exists (RFC 4035, section 5.3.4); otherwise L{None}.
    @ivar ttl: the seconds for which the RRset may be cached (RFC 4035, section 5.3.3).
    @ivar key: the key that made the right signature, or L{None}.
    """

    __slots__ = ("secure", "reasons", "wildcard", "ttl", "key", "_signature")

    def __init__(
        self,
        secure: bool,
        reasons: tuple[Reason, ...] = (),
        wildcard: bytes | None = None,
        ttl: int = 0,
        key: ZoneKey | None = None,
        signature: bytes = b"",
    ) -> None:
        self.secure = secure
        self.reasons = reasons
        self.wildcard = wildcard
        self.ttl = ttl
        self.key = key
        self._signature = signature

    @property
    def signature(self) -> Signature | None:
        """
        The right signature, or L{None}.
        """
        return Signature.fromRdata(self._signature) if self._signature else None

    def __repr__(self) -> str:
        if not self.secure:
            return f"<SetVerdict not secure {list(self.reasons)}>"
        wildcard = "" if self.wildcard is None else f", from the wildcard below {nameToText(self.wildcard)}"
        return f"<SetVerdict secure by {self.key} for {self.ttl} s{wildcard}>"


def verifySet(
    rrset: RRSet,
    signatures: RRSet | None,
    keys: Sequence[ZoneKey],
    zone: bytes,
    now: int,
    work: Work,
    profile: Profile = STANDARD,
    *,
    revoked: bool = False,
) -> SetVerdict:
    """
    Find a signature of an RRset by one of the zone's keys.

    @param signatures: the RRSIG records of the same name; those that cover other types are ignored. L{None} if there are none.
    @param keys: the trusted keys of the zone; for its DNSKEY RRset, those that its DS records or a trust anchor refer to.
    @param zone: the zone that the RRset is in.
    @param now: seconds since 1970.
    @param work: counts the signatures verified, and the wrong ones.
    @param revoked: whether revoked keys count for the zone's DNSKEY RRset, in which they revoke themselves (RFC 5011, section 2.1).

    @raise BudgetSpent: verification would take too much work; C{ede} of the exception has the reasons found so far.
    """
    rrType = rrset.rrType
    owner = rrset.name.lower()
    zone = zone.lower()
    # How many labels the owner has, and whether the zone begins where one of them ends.
    below = len(owner) - len(zone)
    position = labels = 0
    while position < below:
        position += owner[position] + 1
        labels += 1
    if position != below or owner[below:] != zone or (not below and rrType == DS and zone != ROOT):
        return SetVerdict(False, ((BOGUS, f"{_named(rrset)} is not in the zone {nameToText(zone)}"),))
    if revoked:
        revoked = rrType == DNSKEY and not below
    while length := owner[position]:
        position += length + 1
        labels += 1
    if owner[0] == 1 and owner[1:2] == b"*":
        labels -= 1
    signerEnd = _SIGNER + len(zone)
    clock = now & _WHOLE
    index = _indexed(keys) if len(keys) > _FEW else None
    reasons: list[Reason] = []
    covering = tried = 0
    candidates: Sequence[ZoneKey]
    canonical: list[bytes] | None = None
    missing = _needed(keys, profile) if profile.everyAlgorithm else None
    found: SetVerdict | None = None
    rdatas, ttl = ((), 0) if signatures is None else (signatures.rdatas[:_READ], signatures.ttl)
    for rdata in rdatas:
        if len(rdata) <= _SIGNER:
            continue
        covered, algorithm, count, originalTTL, expiration, inception, tag = _fields(rdata)
        if covered != rrType:
            continue
        covering += 1
        left = expiration - clock & _WHOLE
        if (
            # Names end where they say, so that a name which begins with all octets of another is that name.
            rdata[_SIGNER:signerEnd].lower() != zone
            or (count != labels and (count > labels or count < labelCount(zone) or rrType == NSEC or rrType == NSEC3))
            or (left >= _HALF or clock - inception & _WHOLE >= _HALF or expiration - inception & _WHOLE >= _HALF)
            or algorithm not in profile.algorithms
        ):
            reasons.append(_misfit(rrset, rdata, zone, labels, now))
            continue
        if len(keys) == 1:
            candidates = keys if keys[0].tag == tag and keys[0].algorithm == algorithm else ()
        elif index is None:
            candidates = [key for key in keys if key.tag == tag and key.algorithm == algorithm]
        else:
            candidates = index.get((tag, algorithm), [])
        if not candidates:
            reasons.append(_missing(rrset, rdata, keys, zone, tag, algorithm))
            continue
        if tried >= _TRIED:
            reasons.append((BOGUS, f"{_named(rrset)} has more than {_TRIED} signatures"))
            break
        tried += 1
        if canonical is None:
            canonical = _canonical(rrset)
        signed = owner if count == labels else b"\x01*" + _ancestor(owner, labels - count + (owner[:2] == b"\x01*"))
        head = signed + _head(rrType, rrset.rrClass, originalTTL)
        data = rdata[:_SIGNER] + zone + head + head.join(canonical)
        right = _rightKey(rrset, rdata, rdata[signerEnd:], data, candidates, zone, work, profile, revoked, reasons)
        if right is None:
            continue
        if found is None:
            wildcard = None if count == labels else signed[2:]
            found = SetVerdict(True, (), wildcard, min(rrset.ttl, originalTTL, ttl, left), right, rdata)
        if missing:
            missing.discard(algorithm)
        if not missing:
            return found
    if found is not None and missing:
        lacking = ", ".join([algorithmName(algorithm) for algorithm in sorted(missing)])
        reasons.append((RRSIGS_MISSING, f"{_named(rrset)} has no right signature of {lacking}"))
    if not covering:
        reasons.append((RRSIGS_MISSING, f"{_named(rrset)} is not signed"))
    return SetVerdict(False, _telling(reasons))


def _rightKey(
    rrset: RRSet,
    rdata: bytes,
    signature: bytes,
    data: bytes,
    candidates: Sequence[ZoneKey],
    zone: bytes,
    work: Work,
    profile: Profile,
    revoked: bool,
    reasons: list[Reason],
) -> ZoneKey | None:
    """
    Return the key that made a signature, or L{None} if none of the candidates did.

    A wrong signature counts only if no key of its tag fits: two keys with the same tag are legal (RFC 4035, section 5.3.1), and cost each
    signature of a denial one check more.

    @param reasons: gets the reasons why they did not.
    """
    wrong = 0
    for key in candidates if len(candidates) == 1 else candidates[:_PER_TAG]:
        objection = key.objection(profile, zone)
        if objection is not None:
            reasons.append(objection)
            if objection[0] == BOGUS:
                # To parse it may have cost as much as to check a signature (CVE-2025-8677).
                _count(work.failed, reasons)
        elif key.isRevoked and not revoked:
            reasons.append((DNSKEY_MISSING, f"{key.described(zone)} is revoked"))
        else:
            try:
                work.verify()
            except BudgetSpent as spent:
                spent.ede = _telling(reasons)
                raise
            if key.verify(signature, data):
                return key
            wrong += 1
    if wrong:
        reasons.append((BOGUS, f"{_by(rrset, rdata)} is wrong"))
        _count(partial(work.failed, wrong), reasons)
    return None


def _count(unit: Callable[[], object], reasons: list[Reason]) -> None:
    """
    Count a unit of work. If it is one too many, the exception gets the reasons.
    """
    try:
        unit()
    except BudgetSpent as spent:
        spent.ede = _telling(reasons)
        raise


def _telling(reasons: list[Reason]) -> tuple[Reason, ...]:
    """
    Return the most telling reasons first. Many DNSKEY RRsets have signatures by keys that no DS record refers to, and some zones have
    signatures of algorithms that are not supported: neither says why the others fail.
    """
    if len(reasons) > 1:
        reasons.sort(key=lambda reason: _LAST.get(reason[0], 0))
    return tuple(reasons[:_REASONS])


def _indexed(keys: Sequence[ZoneKey]) -> dict[tuple[int, int], list[ZoneKey]]:
    """
    Return keys by tag and algorithm.
    """
    index: dict[tuple[int, int], list[ZoneKey]] = {}
    for key in keys:
        index.setdefault((key.tag, key.algorithm), []).append(key)
    return index


def _misfit(rrset: RRSet, rdata: bytes, zone: bytes, labels: int, now: int) -> Reason:
    """
    Return why a signature is not worth verifying: it has the wrong signer, number of labels, time or algorithm.

    @param labels: the number of labels of the owner, without the root's and an asterisk.
    """
    described = _by(rrset, rdata)
    try:
        signature = Signature.fromRdata(rdata)
    except BadMessage:
        return BOGUS, described
    count = signature.labels
    if signature.signer != zone:
        return BOGUS, f"{described} is not by the zone {nameToText(zone)}"
    if count > labels:
        return BOGUS, f"{described} is of a name with {count} labels"
    if count < labels:
        if count < labelCount(zone):
            return BOGUS, f"{described} is of a wildcard outside of the zone"
        if rrset.rrType in (NSEC, NSEC3):
            return BOGUS, f"{described} is of a wildcard, which has no such records to expand"
    untimely = _untimely(signature, described, now)
    if untimely is not None:
        return untimely
    return UNSUPPORTED_ALGORITHM, f"{described}: algorithm {algorithmName(signature.algorithm)} is not supported"


def _missing(rrset: RRSet, rdata: bytes, keys: Sequence[ZoneKey], zone: bytes, tag: int, algorithm: int) -> Reason:
    """
    Return why no key is that of a signature.
    """
    for key in keys:
        if key.tag == tag:
            differs = f"is of algorithm {algorithmName(key.algorithm)}, but the signature is of {algorithmName(algorithm)}"
            return DNSKEY_MISSING, f"{_by(rrset, rdata)}: the key {differs}"
    return DNSKEY_MISSING, f"no key {tag} of {nameToText(zone)} for {_by(rrset, rdata)}"


def _needed(keys: Sequence[ZoneKey], profile: Profile) -> set[int]:
    """
    Return the algorithms by which each RRset of a zone with these keys has to be signed (RFC 4035, section 2.2).
    """
    return {key.algorithm for key in keys if key.isZoneKey and not key.isRevoked and key.algorithm in profile.algorithms}


def _named(rrset: RRSet) -> str:
    return f"{nameToText(rrset.name)} {typeName(rrset.rrType)}"


def _by(rrset: RRSet, rdata: bytes) -> str:
    """
    Return what identifies a signature as words for a sentence.
    """
    try:
        signature = Signature.fromRdata(rdata)
    except BadMessage:
        return f"a signature of {_named(rrset)} is cut off"
    return f"signature of {_named(rrset)} by key {signature.keyTag} of {nameToText(signature.signer)}"


def _untimely(signature: Signature, described: str, now: int) -> Reason | None:
    """
    Return why a signature is not valid now (RFC 4034, section 3.1.5), or L{None} if it is.
    """
    expires = now + _serial(signature.expiration - now)
    begins = now + _serial(signature.inception - now)
    if _serial(signature.expiration - signature.inception) < 0:
        return SIGNATURE_EXPIRED_BEFORE_VALID, f"{described} expires at {_time(expires)}, before it is valid from {_time(begins)} on"
    if expires < now:
        return EXPIRED, f"{described} expired at {_time(expires)}{clockDoubt(now, now - expires)}"
    if begins > now:
        return NOT_YET_VALID, f"{described} is valid from {_time(begins)} on{clockDoubt(now, begins - now)}"
    return None


def clockDoubt(now: int, difference: int) -> str:
    """
    Return a note, to be appended to a reason, that the clock may be wrong, or nothing if that is unlikely.

    @param difference: the seconds between now and the time when a signature is valid.
    """
    if now < _CLOCK_BEGINS or difference >= _CLOCK_DOUBTED:
        return f"; the clock of this machine may be wrong: it is at {_time(now)}"
    return ""


def _serial(difference: int) -> int:
    """
    Return a difference in serial arithmetic of 32 bits (RFC 1982).
    """
    return (difference + _HALF & _WHOLE) - _HALF


def _time(seconds: int) -> str:
    text = dateFromSeconds(max(seconds, 0))
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}Z"
