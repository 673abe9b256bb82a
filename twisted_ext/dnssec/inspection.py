"""
What a proof consists of, for display: zones with their keys, DS records, signatures and denials, and which link of the chain is broken.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.answers import Answer, Security
from twisted_ext.dnssec.algorithms import STANDARD, Profile, algorithmName, digestName
from twisted_ext.dnssec.chains import ZoneTrust, signaturesIn
from twisted_ext.dnssec.evidence import Evidence
from twisted_ext.dnssec.keys import SECURE_ENTRY_POINT, ZoneKey, keysOf, matches
from twisted_ext.dnssec.signatures import Signature, verifySet
from twisted_ext.dnssec.times import timeToText
from twisted_ext.dnssec.trustanchors import TrustAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.verdicts import Reason, Verdict
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadMessage, BudgetSpent, DNSFault
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import canonicalKey, isBelow, nameToText
from twisted_ext.wire.rdata.text import recordToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, DS, NSEC, NSEC3, RRSIG, SOA, typeName

__all__ = ["DelegationSigner", "Inspection", "ShownKey", "ShownSet", "ShownSignature", "ShownZone", "inspect"]


#: Signatures of one evidence that are checked for display: each RRset of a chain has one or two.
_MOST_SIGNATURES: Final = 512

_HALF: Final = 1 << 31
_WHOLE: Final = (1 << 32) - 1

#: A value of JSON.
Value = str | int | bool | None | list["Value"] | dict[str, "Value"]


@dataclass(slots=True)
class ShownSignature:
    """
    One signature of an RRset.

    @ivar tag: that of the key which it says made it.
    @ivar signer: the zone, as text.
    @ivar inception: seconds since 1970, like C{expiration}.
    @ivar problem: why it is wrong; C{""} if it is right.
    """

    tag: int
    algorithm: str
    signer: str
    inception: int
    expiration: int
    problem: str

    @property
    def right(self) -> bool:
        return not self.problem

    @property
    def data(self) -> dict[str, Value]:
        return {
            "key": self.tag,
            "algorithm": self.algorithm,
            "signer": self.signer,
            "inception": timeToText(self.inception),
            "expiration": timeToText(self.expiration),
            "right": self.right,
            "problem": self.problem or None,
        }


@dataclass(slots=True)
class ShownSet:
    """
    An RRset with its signatures.

    @ivar why: the question for which it was sent; C{""} for an answer.
    @ivar needless: whether it need not be signed, because the zone is not.
    """

    name: str
    rrType: str
    ttl: int
    records: list[str]
    signatures: list[ShownSignature]
    why: str = ""
    needless: bool = False

    @property
    def right(self) -> bool:
        """
        Whether one of the signatures is right.
        """
        return any(signature.right for signature in self.signatures)

    @property
    def data(self) -> dict[str, Value]:
        return {
            "name": self.name,
            "type": self.rrType,
            "ttl": self.ttl,
            "records": [*self.records],
            "signatures": [signature.data for signature in self.signatures],
            "for": self.why or None,
        }


@dataclass(slots=True)
class ShownKey:
    """
    A key of a zone.

    @ivar role: C{"KSK"} with the flag SEP, C{"ZSK"} without it.
    @ivar entry: C{"anchor"} or C{"DS"} for a key that is trusted because of these; C{""} for others.
    @ivar problem: why it is not usable, or C{""}.
    """

    tag: int
    algorithm: str
    number: int
    flags: int
    bits: int
    role: str
    entry: str
    revoked: bool
    problem: str

    @property
    def data(self) -> dict[str, Value]:
        return {
            "tag": self.tag,
            "algorithm": self.algorithm,
            "number": self.number,
            "flags": self.flags,
            "bits": self.bits,
            "role": self.role,
            "trusted by": self.entry or None,
            "revoked": self.revoked,
            "problem": self.problem or None,
        }


@dataclass(slots=True)
class DelegationSigner:
    """
    A DS record.

    @ivar matches: whether one of the zone's keys is the one that it refers to.
    @ivar problem: why it is of no use; C{""} if it refers to a key.
    """

    tag: int
    algorithm: str
    digestType: str
    digest: str
    matches: bool
    problem: str

    @property
    def data(self) -> dict[str, Value]:
        return {
            "tag": self.tag,
            "algorithm": self.algorithm,
            "digest type": self.digestType,
            "digest": self.digest,
            "matches": self.matches,
            "problem": self.problem or None,
        }


@dataclass(slots=True)
class ShownZone:
    """
    A zone of the chain.

    @ivar parent: the position of the zone above it in the chain, or L{None}.
    @ivar ds: its DS records, from the parent or from a trust anchor.
    @ivar dsSet: the set of them, which the parent has signed; L{None} if there is none.
    @ivar anchored: whether C{ds} are trust anchors.
    @ivar keySet: the DNSKEY set; L{None} if there is none.
    @ivar denials: NSEC and NSEC3 records that this zone has signed, and SOA records beside them.
    @ivar answers: sets of the answer that are in this zone.
    """

    name: str
    wire: bytes
    security: Security
    reasons: tuple[Reason, ...]
    parent: int | None = None
    anchored: bool = False
    ds: list[DelegationSigner] = field(default_factory=list)
    dsSet: ShownSet | None = None
    keys: list[ShownKey] = field(default_factory=list)
    keySet: ShownSet | None = None
    denials: list[ShownSet] = field(default_factory=list)
    answers: list[ShownSet] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Value]:
        return {
            "zone": self.name,
            "security": self.security.value,
            "reasons": [{"code": code, "text": text} for code, text in self.reasons],
            "parent": self.parent,
            "anchored": self.anchored,
            "ds": [ds.data for ds in self.ds],
            "ds set": None if self.dsSet is None else self.dsSet.data,
            "keys": [key.data for key in self.keys],
            "key set": None if self.keySet is None else self.keySet.data,
            "denials": [denial.data for denial in self.denials],
            "answers": [answer.data for answer in self.answers],
        }


@dataclass(slots=True)
class Inspection:
    """
    The parts of a proof.

    @ivar zones: in canonical order: a zone follows the one above it.
    """

    name: str
    rrType: str
    outcome: str
    time: int
    verdict: Verdict
    zones: list[ShownZone]

    @property
    def data(self) -> dict[str, Value]:
        """
        Return everything as JSON takes it.
        """
        return {
            "name": self.name,
            "type": self.rrType,
            "outcome": self.outcome,
            "time": timeToText(self.time),
            "security": self.verdict.security.value,
            "reasons": [{"code": code, "text": text} for code, text in self.verdict.reasons],
            "zones": [zone.data for zone in self.zones],
        }


class _Recording(Validator):
    """
    Keeps what is found out of each zone on the way.
    """

    def __init__(self, anchors: TrustAnchors, profile: Profile) -> None:
        super().__init__(lambda name, _: anchors.closest(name), profile)
        self.found: dict[bytes, ZoneTrust] = {}

    def trustOf(self, name: bytes, now: int, work: Work) -> Generator[Question, Answer | DNSFault, ZoneTrust]:
        trust = yield from super().trustOf(name, now, work)
        self.found[trust.zone] = trust
        return trust

    def trusts(self) -> list[ZoneTrust]:
        found = {trust.zone: trust for trust in self.chains.zones()} | self.found
        return sorted(found.values(), key=lambda trust: canonicalKey(trust.zone))


def inspect(evidence: Evidence, anchors: TrustAnchors, now: int | None = None, profile: Profile = STANDARD) -> Inspection:
    """
    Validate an answer from what was saved, and look at each part of the proof.

    @param now: seconds since 1970, by default the time of the evidence.
    """
    now = evidence.time if now is None else now
    validator = _Recording(anchors, profile)
    verdict = evidence.judge(validator, now)
    return _Inspecting(evidence, anchors, now, profile, validator.trusts()).run(verdict)


class _Inspecting:
    """
    One inspection.
    """

    def __init__(self, evidence: Evidence, anchors: TrustAnchors, now: int, profile: Profile, trusts: list[ZoneTrust]) -> None:
        self._evidence = evidence
        self._anchors = anchors
        self._now = now
        self._profile = profile
        self._zones = [ShownZone(nameToText(trust.zone), trust.zone, trust.security, trust.reasons) for trust in trusts]
        self._byName = {zone.wire: zone for zone in self._zones}
        self._keys: dict[bytes, tuple[ZoneKey, ...]] = {}
        self._left = _MOST_SIGNATURES

    def run(self, verdict: Verdict) -> Inspection:
        for index, zone in enumerate(self._zones):
            above = [place for place, other in enumerate(self._zones[:index]) if isBelow(zone.wire, other.wire)]
            zone.parent = above[-1] if above else None
            self._readKeys(zone)
        for zone in self._zones:
            self._readDS(zone)
            self._judgeKeys(zone)
        for question, result in self._evidence.support.items():
            if isinstance(result, Answer):
                self._readDenials(result.authority, f"{nameToText(question.name)} {typeName(question.rrType)}")
        for step in self._evidence.steps:
            asked = f"{nameToText(step.question.name)} {typeName(step.question.rrType)}"
            self._readAnswers(step.answer.answer)
            self._readDenials(step.answer.authority, asked)
        question = self._evidence.question
        outcome = self._evidence.steps[-1].answer.outcome.value
        return Inspection(nameToText(question.name), typeName(question.rrType), outcome, self._now, verdict, self._zones)

    def _support(self, name: bytes, rrType: int) -> Answer | None:
        found = self._evidence.support.get(Question(name, rrType))
        return found if isinstance(found, Answer) else None

    def _readKeys(self, zone: ShownZone) -> None:
        reply = self._support(zone.wire, DNSKEY)
        rrset = None if reply is None else _setOf(reply.answer, zone.wire, DNSKEY)
        self._keys[zone.wire] = () if rrset is None else keysOf(rrset.rdatas)

    def _readDS(self, zone: ShownZone) -> None:
        anchors = self._anchors.closest(zone.wire)
        anchored = anchors is not None and anchors.zone == zone.wire
        zone.anchored = anchored
        rdatas: tuple[bytes, ...] = ()
        if anchors is not None and anchored:
            rdatas = anchors.digests
        else:
            reply = self._support(zone.wire, DS)
            rrset = None if reply is None else _setOf(reply.answer, zone.wire, DS)
            if reply is not None and rrset is not None:
                rdatas = rrset.rdatas
                zone.dsSet = self._shownSet(rrset, reply.answer, self._zoneOf(rrset, reply.answer))
        for rdata in rdatas:
            if len(rdata) >= 4:
                zone.ds.append(self._shownDS(zone, rdata))

    def _shownDS(self, zone: ShownZone, rdata: bytes) -> DelegationSigner:
        tag, algorithm, digest = rdata[0] << 8 | rdata[1], rdata[2], rdata[3]
        keys = self._keys[zone.wire]
        matching = any(matches(rdata, zone.wire, key) for key in keys)
        problem = ""
        if not matching:
            if algorithm not in self._profile.algorithms:
                problem = f"algorithm {algorithmName(algorithm)} is not supported"
            elif digest not in self._profile.digests:
                problem = f"digest {digestName(digest)} is not supported"
            elif any(key.tag == tag and key.algorithm == algorithm for key in keys):
                problem = f"its digest is not that of key {tag}"
            else:
                problem = f"there is no key {tag} of {algorithmName(algorithm)}"
        return DelegationSigner(tag, algorithmName(algorithm), digestName(digest), rdata[4:].hex(), matching, problem)

    def _judgeKeys(self, zone: ShownZone) -> None:
        anchors = self._anchors.closest(zone.wire)
        trusted: tuple[bytes, ...] = anchors.keys if anchors is not None and anchors.zone == zone.wire else ()
        rdatas = anchors.digests if anchors is not None and anchors.zone == zone.wire else ()
        reply = self._support(zone.wire, DNSKEY)
        delegation = self._support(zone.wire, DS)
        signers = None if delegation is None else _setOf(delegation.answer, zone.wire, DS)
        for key in self._keys[zone.wire]:
            entry = ""
            if key.rdata in trusted or any(matches(rdata, zone.wire, key) for rdata in rdatas):
                entry = "anchor"
            elif signers is not None and not zone.anchored and any(matches(rdata, zone.wire, key) for rdata in signers.rdatas):
                entry = "DS"
            objection = key.objection(self._profile, zone.wire)
            role = "KSK" if key.flags & SECURE_ENTRY_POINT else "ZSK"
            problem = "" if objection is None else objection[1]
            zone.keys.append(
                ShownKey(
                    key.tag, algorithmName(key.algorithm), key.algorithm, key.flags, key.bits, role, entry, key.isRevoked, problem
                )
            )
        rrset = None if reply is None else _setOf(reply.answer, zone.wire, DNSKEY)
        if reply is not None and rrset is not None:
            zone.keySet = self._shownSet(rrset, reply.answer, zone)

    def _readAnswers(self, sets: tuple[RRSet, ...]) -> None:
        for rrset in sets:
            if rrset.rrType != RRSIG:
                zone = self._zoneOf(rrset, sets)
                if zone is not None:
                    zone.answers.append(self._shownSet(rrset, sets, zone))

    def _readDenials(self, sets: tuple[RRSet, ...], why: str) -> None:
        for rrset in sets:
            if rrset.rrType in (NSEC, NSEC3) or (rrset.rrType == SOA and signaturesIn(sets, rrset.name.lower(), SOA) is not None):
                zone = self._zoneOf(rrset, sets)
                if zone is None:
                    continue
                shown = self._shownSet(rrset, sets, zone, why)
                former = next((each for each in zone.denials if each.records == shown.records), None)
                if former is None:
                    zone.denials.append(shown)
                elif why not in former.why:
                    former.why += f", {why}"

    def _zoneOf(self, rrset: RRSet, sets: Iterable[RRSet]) -> ShownZone | None:
        """
        Return the zone that has signed a set; if none has, the deepest one that it may be in.
        """
        owner = rrset.name.lower()
        signatures = signaturesIn(sets, owner, rrset.rrType)
        if signatures is not None:
            for rdata in signatures.rdatas:
                try:
                    found = self._byName.get(Signature.fromRdata(rdata).signer)
                except BadMessage:
                    continue
                if found is not None and isBelow(owner, found.wire):
                    return found
        inside = [zone for zone in self._zones if isBelow(owner, zone.wire) and not (rrset.rrType == DS and zone.wire == owner)]
        return inside[-1] if inside else None

    def _shownSet(self, rrset: RRSet, sets: Iterable[RRSet], zone: ShownZone | None, why: str = "") -> ShownSet:
        keys: Sequence[ZoneKey] = () if zone is None else self._keys[zone.wire]
        signatures = signaturesIn(sets, rrset.name.lower(), rrset.rrType)
        shown = [
            self._shownSignature(rrset, signatures, rdata, keys, zone) for rdata in (() if signatures is None else signatures.rdatas)
        ]
        lines = [line.replace("\t", " ") for line in recordToText(rrset)]
        needless = zone is None or zone.security is Security.INSECURE
        return ShownSet(nameToText(rrset.name), typeName(rrset.rrType), rrset.ttl, lines, shown, why, needless)

    def _shownSignature(
        self, rrset: RRSet, signatures: RRSet | None, rdata: bytes, keys: Sequence[ZoneKey], zone: ShownZone | None
    ) -> ShownSignature:
        assert signatures is not None
        try:
            signature = Signature.fromRdata(rdata)
        except BadMessage as fault:
            return ShownSignature(0, "", "", 0, 0, str(fault))
        problem = "it was not checked: there are too many signatures"
        if zone is None:
            problem = "it was not checked: its zone is not in the chain"
        elif self._left > 0:
            self._left -= 1
            alone = RRSet(signatures.name, RRSIG, signatures.rrClass, signatures.ttl, (rdata,))
            try:
                verdict = verifySet(rrset, alone, keys, zone.wire, self._now, Work(), self._profile, revoked=True)
            except BudgetSpent as fault:
                problem = str(fault)
            else:
                problem = "" if verdict.secure else verdict.reasons[0][1] if verdict.reasons else "it is wrong"
        return ShownSignature(
            signature.keyTag,
            algorithmName(signature.algorithm),
            nameToText(signature.signer),
            self._now + _serial(signature.inception - self._now),
            self._now + _serial(signature.expiration - self._now),
            problem,
        )


def _serial(difference: int) -> int:
    return (difference + _HALF & _WHOLE) - _HALF


def _setOf(sets: Iterable[RRSet], owner: bytes, rrType: int) -> RRSet | None:
    for rrset in sets:
        if rrset.rrType == rrType and rrset.name.lower() == owner:
            return rrset
    return None
