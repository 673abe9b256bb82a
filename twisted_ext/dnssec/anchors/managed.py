"""
The trust anchors of a validator: those configured, those whose rollovers are followed, and what has been learned of them.

The signatures over the keys of a trust point are checked as far as its state depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.anchors.rollover import Round, TrustPoint
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.trustanchors import Anchor, TrustAnchors
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BudgetSpent
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS

__all__ = ["ManagedAnchors", "observeSet"]


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


class ManagedAnchors:
    """
    The trust anchors in force, and the trust points to query for.

    @ivar anchors: what the validator trusts now.
    @ivar points: the trust points whose rollovers are followed, by zone.
    @ivar events: lines for the log about configured anchors that are not trusted.
    """

    __slots__ = ("anchors", "points", "events", "_fixed")

    def __init__(self, configured: Iterable[Anchor], restored: Iterable[TrustPoint] = ()) -> None:
        """
        @param configured: built in, or from files.
        @param restored: trust points from state files. Those of zones without a configured anchor are not used.

        @raise BadDescription: there are too many anchors.
        """
        configured = tuple(configured)
        # Their number is checked here.
        self.anchors = TrustAnchors(configured)
        self._fixed: dict[bytes, list[Anchor]] = {}
        for anchor in configured:
            if not anchor.managed:
                self._fixed.setdefault(anchor.zone, []).append(anchor)
        managed = [anchor for anchor in configured if anchor.managed]
        known = {point.zone: point for point in restored}
        events: list[str] = []
        self.points: dict[bytes, TrustPoint] = {}
        for zone in dict.fromkeys([anchor.zone for anchor in managed]):
            point = self.points[zone] = known.pop(zone) if zone in known else TrustPoint(zone)
            events += point.configure(managed)
            self.apply(point)
        for zone in known:
            events.append(f"trust anchor {nameToText(zone)}: its state is not used, since no trust anchor is configured for it")
        self.events = tuple(events)

    def apply(self, point: TrustPoint) -> None:
        """
        Trust what a trust point trusts now, after a round that changed it.
        """
        found = point.anchors()
        fixed = self._fixed.get(point.zone, ())
        digests = dict.fromkeys([*found.digests, *[anchor.rdata for anchor in fixed if anchor.rrType == DS]])
        keys = dict.fromkeys([*found.keys, *[anchor.rdata for anchor in fixed if anchor.rrType != DS]])
        self.anchors.replace(point.zone, tuple(digests), tuple(keys))

    def due(self, now: int) -> tuple[int, TrustPoint] | None:
        """
        Return when to query for keys next, and those of which trust point; L{None} if none is followed.
        """
        times = [(when, point) for point in self.points.values() if (when := point.whenToQuery(now)) is not None]
        return min(times, key=_when, default=None)


def _when(time: tuple[int, TrustPoint]) -> int:
    return time[0]
