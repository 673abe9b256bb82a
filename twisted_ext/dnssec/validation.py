"""
The verdict on an answer (RFC 4035, section 5; RFC 6840).

L{Validator.validate} is a generator, like those of L{twisted_ext.dnssec.chains}: it yields questions for keys and DS records.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Final

from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.chains import PAUSE, Chains, Verified, ZoneTrust, signaturesIn, verifiedDenials
from twisted_ext.dnssec.denial.proving import Denials, Proof, proveNoCloser, proveNoData, proveNoName
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.verdicts import BOGUS, NSEC_MISSING, Reason, Verdict
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BudgetSpent, DNSFault
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import MOST_OCTETS, isBelow, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME, DNAME, DS, NSEC, NSEC3, RRSIG, SOA, typeName

__all__ = ["Validated", "Validator"]

#: Types that an alias does not lead away from.
_OWN: Final = frozenset((CNAME, ANY, RRSIG))

#: Octets of an RRSIG before the signer's name.
_SIGNER: Final = 18

#: Levels of security, the least trusted one first.
_TRUST: Final = (Security.BOGUS, Security.INDETERMINATE, Security.INSECURE, Security.SECURE)

#: Members of Enums that are compared with in each look-up: to look up one in its class takes as long as ten attributes.
_SECURE: Final = Security.SECURE
_BOGUS: Final = Security.BOGUS
_DATA: Final = Outcome.DATA
_YXDOMAIN: Final = int(Rcode.YXDOMAIN)

_MOST_REASONS: Final = 8


class Validated:
    """
    The verdict on an answer.

    @ivar verdict: its security, and the reasons.
    @ivar ttl: the seconds for which the answer may be cached at most, because of its signatures.
    @ivar server: the server that sent what is bogus, or the answer for which something could not be fetched; or C{""}.
    @ivar sender: the server that sent what is bogus; C{""} if there is none, as where keys could not be fetched.
    @ivar kept: secure sets from which further answers can be made (RFC 8198): SOA, NSEC and NSEC3, and those from wildcards.
    """

    __slots__ = ("verdict", "ttl", "server", "sender", "kept")

    def __init__(self, verdict: Verdict, ttl: int, server: str = "", kept: Sequence[Verified] = ()) -> None:
        self.verdict = verdict
        self.ttl = ttl
        self.server = self.sender = server
        self.kept = kept

    @property
    def blamed(self) -> Verdict:
        """
        The verdict. If it is bogus, its first reason names the server that sent the bogus data.
        """
        verdict = self.verdict
        if verdict.security is not _BOGUS or not verdict.reasons or not self.sender:
            return verdict
        code, text = verdict.reasons[0]
        return Verdict(verdict.security, ((code, f"{text}, sent by {self.sender}"), *verdict.reasons[1:]))

    def __repr__(self) -> str:
        return f"<Validated {self.verdict}>"


_Steps = Generator[Question, Answer | DNSFault, Validated]


class Validator:
    """
    Judges answers. What it learns of zones serves later answers.

    @ivar anchorsFor: returns the trust anchors that apply to a folded name at a time in seconds since 1970.
    @ivar chains: the zones whose keys are known.
    """

    def __init__(
        self, anchors: Callable[[bytes, int], ZoneAnchors | None], profile: Profile = STANDARD, iterations: int | None = None
    ) -> None:
        """
        @param anchors: returns the trust anchors that apply to a folded name at a time in seconds since 1970.
        """
        self.anchorsFor = anchors
        self._profile = profile
        self.chains = Chains(profile, iterations)

    def validate(self, question: Question, answer: Answer, now: int, work: Work) -> _Steps:
        """
        Judge an answer.

        @param answer: with the signatures of its records.
        @param now: seconds since 1970.
        """
        judging = _Judging(self, question, answer, now, work)
        try:
            return (yield from judging.run())
        except BudgetSpent as fault:
            return Validated(Verdict(_BOGUS, (*fault.ede, (BOGUS, str(fault)))[:_MOST_REASONS]), 0)

    def trustOf(self, name: bytes, now: int, work: Work) -> Generator[Question, Answer | DNSFault, ZoneTrust]:
        """
        Find the zone that decides the security of a name, see L{Chains.trustOf}.
        """
        return self.chains.trustOf(name, self.anchorsFor(name, now), now, work)


class _Judging:
    """
    The judgment of one answer.
    """

    __slots__ = (
        *("_validator", "_question", "_answer", "_now", "_work", "_profile"),
        *("_security", "_reasons", "_ttl", "_denials", "_server", "_unfetched", "_kept"),
    )

    def __init__(self, validator: Validator, question: Question, answer: Answer, now: int, work: Work) -> None:
        self._validator = validator
        self._question = question
        self._answer = answer
        self._now = now
        self._work = work
        self._profile = validator._profile
        self._security = _SECURE
        self._reasons: list[Reason] = []
        self._ttl = 1 << 31
        self._denials: dict[bytes, Denials] = {}
        self._kept: list[Verified] = []
        # The server of a zone's keys or DS records that are bogus.
        self._server = ""
        # Whether they could not be fetched.
        self._unfetched = False

    def run(self) -> _Steps:
        question, answer = self._question, self._answer
        name = question.key[:-4]
        aliases: dict[bytes, bytes] = {}
        secureDNAMEs: dict[bytes, bytes] = {}
        # The names that the requested records belong to.
        owners: list[bytes] = []
        # A DNAME record first: the alias that follows from it may stand before it.
        for rrset in sorted(answer.answer, key=_isNotDNAME) if len(answer.answer) > 2 else answer.answer:
            rrType = rrset.rrType
            if rrType == RRSIG:
                # Signatures are not signed (RFC 4035, section 2.2), so an answer of signatures alone cannot be secure.
                if question.rrType == RRSIG:
                    self._lower(Security.INSECURE)
                    owners.append(rrset.name.lower())
                continue
            owner = rrset.name.lower()
            if rrType == CNAME:
                if question.rrType not in _OWN:
                    aliases[owner] = rrset.rdatas[0]
                follows = _followsFrom(owner, rrset, secureDNAMEs)
                if follows:
                    if question.rrType in _OWN:
                        owners.append(owner)
                    continue
                if follows is False:
                    text = f"the alias {nameToText(owner)} is not the one that the DNAME record above it makes"
                    self._lower(_BOGUS, ((BOGUS, text),))
                    return self._done()
            if rrType == question.rrType or question.rrType == ANY:
                owners.append(owner)
            secure = yield from self._positive(rrset, owner)
            if rrType == DNAME and secure:
                secureDNAMEs[owner] = rrset.rdatas[0].lower()
            if self._security is _BOGUS:
                return self._done()
        seen = 0
        # A name that has what was asked for beside an alias, against RFC 1034, section 3.6.2, has it all the same.
        while name in aliases and name not in owners and seen < len(aliases):
            name = aliases[name].lower()
            seen += 1
        if name in aliases and name not in owners:
            # The aliases lead in a circle: there is nothing to deny, and each of them may well be secure.
            return self._done()
        if answer.rcode == _YXDOMAIN and _isTooLong(name, secureDNAMEs):
            return self._done()
        has = name in owners
        if has is not (answer.outcome is _DATA):
            if self._security is _SECURE:
                # The rcode is not signed: it must not deny what is there, nor may data be missing.
                what = "denies the records that it has" if has else "does not have the records that it should"
                self._lower(_BOGUS, ((BOGUS, f"the answer for {nameToText(name)} {typeName(question.rrType)} {what}"),))
        elif not has and not (aliases and not _hasSOA(answer)):
            yield from self._negative(name)
        if answer.rcode == _YXDOMAIN and self._security is _SECURE:
            self._lower(_BOGUS, ((BOGUS, f"the answer says that {nameToText(name)} is too long, which no DNAME record makes it"),))
        return self._done()

    def _done(self) -> Validated:
        server = self._server
        if not server and self._answer.origin is not None:
            server = self._answer.origin.server
        validated = Validated(Verdict(self._security, tuple(self._reasons[:_MOST_REASONS])), self._ttl, server, self._kept)
        if self._unfetched:
            validated.sender = ""
        return validated

    def _lower(self, security: Security, reasons: tuple[Reason, ...] = ()) -> None:
        """
        The whole is as secure as the least secure part of it.
        """
        if _TRUST.index(security) < _TRUST.index(self._security):
            self._security = security
            self._reasons[:] = reasons
        elif security is self._security:
            self._reasons += [reason for reason in reasons if reason not in self._reasons]

    def _trust(self, name: bytes, signatures: RRSet | None, owner: bytes) -> Generator[Question, Answer | DNSFault, ZoneTrust]:
        """
        Find the zone that has signed an RRset, or should have.

        @param name: where to look for a zone if the RRset is not signed.
        """
        origin = self._answer.origin
        served = None if origin is None else origin.zone
        signer = _signerOf(signatures, owner, served)
        if signer is not None and served is not None and len(served) > len(signer):
            # A zone above that of the servers has signed it, which it must not if it has delegated the zone (RFC 4035, section 5.3.1).
            if isBelow(name, served) and isBelow(served, signer):
                signer = served
        trust = yield from self._validator.trustOf(name if signer is None else signer, self._now, self._work)
        if trust.security is _SECURE and signer is not None and trust.zone != signer:
            # The signer is not a zone of its own.
            trust = yield from self._validator.trustOf(name, self._now, self._work)
        self._server = trust.server
        self._unfetched = trust.security is _BOGUS and not trust.server
        return trust

    def _positive(self, rrset: RRSet, owner: bytes) -> Generator[Question, Answer | DNSFault, bool]:
        """
        Judge one RRset of the answer section. Return whether it is secure.
        """
        answer = self._answer
        signatures = signaturesIn(answer.answer, owner, rrset.rrType)
        place = parentOf(owner) if rrset.rrType == DS else owner
        trust = yield from self._trust(place, signatures, owner)
        if trust.security is not _SECURE:
            self._lower(trust.security, trust.reasons)
            return False
        work = self._work
        work.fetch()
        if work.verifications >= work.turnEnd:
            yield PAUSE
        verdict = verifySet(rrset, signatures, trust.keys, trust.zone, self._now, self._work, self._profile)
        if not verdict.secure:
            self._lower(_BOGUS, verdict.reasons)
            return False
        self._ttl = min(self._ttl, verdict.ttl)
        if verdict.wildcard is not None:
            denials = yield from self._denialsOf(trust)
            proof = proveNoCloser(owner, verdict.wildcard, denials, self._work)
            if not self._accept(proof):
                return False
            if signatures is not None:
                self._kept.append(Verified(trust.zone, rrset, signatures, verdict.ttl, verdict.wildcard))
        return True

    def _denialsOf(self, trust: ZoneTrust) -> Generator[Question, Answer | DNSFault, Denials]:
        denials = self._denials.get(trust.zone)
        if denials is None:
            denials, ttl, reasons = yield from verifiedDenials(
                self._answer, trust, self._now, self._work, self._profile, self._validator.chains.iterations, self._kept
            )
            self._denials[trust.zone] = denials
            self._ttl = min(self._ttl, ttl)
            if reasons:
                self._reasons += reasons[:1]
        return denials

    def _accept(self, proof: Proof) -> bool:
        if proof.security is _SECURE:
            return True
        reasons: tuple[tuple[int, str], ...] = () if proof.reason is None else (proof.reason,)
        if proof.security is _BOGUS and self._reasons:
            # The reason why the given records prove nothing tells more than the lack of a proof.
            reasons = (*self._reasons, *reasons)
        self._lower(proof.security, reasons)
        return False

    def _negative(self, name: bytes) -> Generator[Question, Answer | DNSFault, None]:
        """
        Judge a denial of a name, or of the records that were asked for.
        """
        answer = self._answer
        rrType = self._question.rrType
        signed: RRSet | None = None
        owner = name
        soa: RRSet | None = None
        for rrset in answer.authority:
            if rrset.rrType == RRSIG:
                covered = int.from_bytes(rrset.rdatas[0][:2], "big")
                if covered in (SOA, NSEC, NSEC3) and (signed is None or covered != SOA):
                    signed, owner = rrset, rrset.name.lower()
            elif rrset.rrType == SOA:
                soa = rrset
        place = parentOf(name) if rrType == DS else name
        trust = yield from self._trust(place, signed, owner)
        if trust.security is not _SECURE:
            self._lower(trust.security, trust.reasons)
            return
        if signed is None:
            text = f"nothing proves that there is no {nameToText(name)} {typeName(rrType)}: the reply has no signed NSEC or NSEC3 record"
            self._lower(_BOGUS, ((NSEC_MISSING, text),))
            return
        work = self._work
        work.fetch()
        if work.verifications >= work.turnEnd:
            yield PAUSE
        if soa is not None and isBelow(soa.name.lower(), trust.zone):
            signatures = signaturesIn(answer.authority, soa.name.lower(), SOA)
            verdict = verifySet(soa, signatures, trust.keys, trust.zone, self._now, self._work, self._profile)
            if not verdict.secure:
                self._lower(_BOGUS, verdict.reasons)
                return
            if signatures is not None:
                self._kept.append(Verified(trust.zone, soa, signatures, verdict.ttl, None))
            self._ttl = min(self._ttl, verdict.ttl)
        denials = yield from self._denialsOf(trust)
        if answer.outcome is Outcome.NXDOMAIN:
            proof = proveNoName(name, denials, self._work)
        else:
            proof = proveNoData(name, rrType, denials, self._work)
        self._accept(proof)


def _signerOf(signatures: RRSet | None, owner: bytes, zone: bytes | None) -> bytes | None:
    """
    Return the name of the zone that has made signatures, folded; L{None} if there are none that may count.

    @param zone: the zone that it probably is.
    """
    if signatures is not None:
        for rdata in signatures.rdatas:
            # Names end where they say, so that a name which begins with all octets of another is that name.
            if zone is not None and rdata[_SIGNER : _SIGNER + len(zone)].lower() == zone and isBelow(owner, zone):
                return zone
            position = _SIGNER
            try:
                while length := rdata[position]:
                    position += length + 1
            except IndexError:
                continue
            signer = rdata[_SIGNER : position + 1].lower()
            if isBelow(owner, signer):
                return signer
    return None


def _isNotDNAME(rrset: RRSet) -> bool:
    return rrset.rrType != DNAME


def _followsFrom(owner: bytes, alias: RRSet, redirections: dict[bytes, bytes]) -> bool | None:
    """
    Return whether an alias follows from a secure DNAME record: it is not signed itself (RFC 6672, section 5.3.1). L{None} if there is none
    above it.
    """
    for above, target in redirections.items():
        if owner != above and isBelow(owner, above):
            return alias.rdatas[0].lower() == owner[: -len(above)] + target
    return None


def _isTooLong(name: bytes, redirections: dict[bytes, bytes]) -> bool:
    """
    Return whether a secure DNAME record makes a name of more octets than allowed (RFC 6672, section 2.2): nothing else has to be proved.
    """
    for above, target in redirections.items():
        if name != above and isBelow(name, above):
            return len(name) - len(above) + len(target) > MOST_OCTETS
    return False


def _hasSOA(answer: Answer) -> bool:
    return any(rrset.rrType == SOA for rrset in answer.authority)
