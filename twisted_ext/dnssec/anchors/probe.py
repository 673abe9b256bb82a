"""
Check the signatures over the keys of a trust point, as far as its state depends on them.
"""

from __future__ import annotations

from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.anchors.rollover import Round, TrustPoint
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BudgetSpent
from twisted_ext.wire.records import RRSet

__all__ = ["observeSet"]


def observeSet(
    point: TrustPoint, keys: RRSet, signatures: RRSet | None, now: int, work: Work, profile: Profile = STANDARD
) -> Round:
    """
    Record a reply to the query for the keys of a trust point.

    Only trusted keys are checked, first those in revoked form: no more checks than there are trusted keys, however many keys and
    signatures the reply has. If the budget ends behind a valid one, the others count as if they had not signed.

    @param keys: the DNSKEY records.
    @param signatures: the RRSIG records of the same name.
    @param work: the budget of this query.
    """
    zone = point.zone
    signers: list[bytes] = []
    ttl, expiration, why = keys.ttl, now, ""
    candidates = [ZoneKey.fromRdata(rdata) for rdata in point.candidates(keys.rdatas)]
    candidates.sort(key=_isNotRevoked)
    try:
        for key in candidates:
            verdict = verifySet(keys, signatures, (key,), zone, now, work, profile, revoked=key.isRevoked)
            signature = verdict.signature
            if signature is None:
                # Signatures by other keys are no reason, unless there is nothing else to say.
                why = next((text for _, text in verdict.reasons if f" {key.tag} " in text), why)
                continue
            signers.append(key.rdata)
            if not key.isRevoked:
                ends = now + (signature.expiration - now) % (1 << 32)
                ttl, expiration = signature.originalTTL, ends if expiration == now else min(expiration, ends)
    except BudgetSpent as spent:
        if expiration == now:
            return point.failed(now, str(spent))

    def supports(rdata: bytes) -> bool:
        return ZoneKey.fromRdata(rdata).objection(profile, zone) is None

    return point.observe(keys.rdatas, signers, now, ttl, expiration, supports, why)


def _isNotRevoked(key: ZoneKey) -> bool:
    return not key.isRevoked
