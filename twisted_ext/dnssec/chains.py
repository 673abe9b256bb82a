"""
Chains of trust: from a trust anchor down to the keys of a zone (RFC 4035, section 5).

The functions that may have to wait are generators. They yield the question that they need answered next, and are sent its answer or the
fault with which it failed. Answers come from any source, with DO set; they need not be trustworthy. Callers that count turns of the reactor
(L{Work.beginTurn}) are also sent L{PAUSE}.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from twisted_ext.answers import Answer, Security
from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.denial.proving import Delegation, Denials, proveNoDS
from twisted_ext.dnssec.keys import ZoneKey, delegatedKeys, keysOf, unusableDelegation
from twisted_ext.dnssec.limits import CHAINS
from twisted_ext.dnssec.signatures import SetVerdict, verifySet
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.verdicts import BOGUS, DNSKEY_MISSING, INDETERMINATE, NSEC_MISSING, Reason
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, isBelow, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNSKEY, DS, NSEC, NSEC3, RRSIG

__all__ = ["PAUSE", "Chains", "Fetching", "Verified", "ZoneTrust", "signaturesIn", "verifiedDenials"]


_MOST: Final = int(CHAINS.default)
#: Seconds for which the keys of a zone are used without asking for them and for its DS records again.
_MOST_SECONDS: Final = 86_400

#: Seconds for which a zone that failed validation is not tried again: its operator is about to mend it.
_BOGUS_SECONDS: Final = 60

#: Members of Enums that are compared with in each look-up: to look up one in its class takes as long as ten attributes.
_SECURE: Final = Security.SECURE

#: Yielded in place of a question once the signature checks of one turn of the reactor are used up. The generator is resumed by C{next} in
#: another turn.
PAUSE: Final = Question(b"\x00", 0, 0)

#: What a generator yields, and is sent.
Fetching = Generator[Question, Answer | DNSFault, "ZoneTrust"]


class Verified(NamedTuple):
    """
    A secure RRset.

    @ivar zone: the zone that has signed it, folded.
    @ivar ttl: the seconds for which it may be cached.
    @ivar wildcard: the closest encloser if it was expanded from a wildcard.
    """

    zone: bytes
    rrset: RRSet
    signatures: RRSet
    ttl: int
    wildcard: bytes | None


class ZoneTrust:
    """
    What is known of a zone.

    @ivar zone: its name, folded.
    @ivar security: secure if C{keys} are its keys, and insecure if it has been proved that it has none.
    @ivar keys: its keys.
    @ivar expires: until when this holds, in seconds since 1970.
    @ivar reasons: why it is not secure.
    @ivar server: the server that sent what is bogus, or C{""}.
    @ivar used: whether it was used since it was learned, or since the last time that room was made.
    """

    __slots__ = ("zone", "security", "keys", "expires", "reasons", "server", "used")

    def __init__(
        self,
        zone: bytes,
        security: Security,
        keys: tuple[ZoneKey, ...],
        expires: int,
        reasons: tuple[Reason, ...] = (),
        server: str = "",
    ) -> None:
        self.zone = zone
        self.security = security
        self.keys = keys
        self.expires = expires
        self.reasons = reasons
        self.server = server
        self.used = False

    def __repr__(self) -> str:
        return f"<ZoneTrust {nameToText(self.zone)} {self.security.value} {list(self.reasons)}>"


class Chains:
    """
    The zones whose keys are known, within a limit, and the way to those that are not.
    """

    __slots__ = ("profile", "iterations", "_known", "_inside")

    def __init__(self, profile: Profile = STANDARD, iterations: int | None = None) -> None:
        """
        @param iterations: NSEC3 iterations up to which proofs are checked.
        """
        self.profile = profile
        self.iterations = iterations
        self._known: dict[bytes, ZoneTrust] = {}
        # Names that are no apexes, with the zone that they are in and the time until which this holds.
        self._inside: dict[bytes, tuple[bytes, int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def zones(self) -> tuple[ZoneTrust, ...]:
        """
        Return what is known of each zone, in the order in which it was learned.
        """
        return tuple(self._known.values())

    def above(self, name: bytes) -> list[ZoneTrust]:
        """
        Return the known zones at or above a name, from the root down.

        @param name: folded.
        """
        found = []
        while True:
            trust = self._known.get(name)
            if trust is not None:
                found.append(trust)
            if name == ROOT:
                return found[::-1]
            name = parentOf(name)

    def forget(self, zone: bytes | None = None) -> None:
        """
        Forget what is known of a zone and of those below it; everything for L{None}.
        """
        for names in (self._known, self._inside):
            for name in [name for name in names if zone is None or isBelow(name, zone)]:
                del names[name]

    def bogus(self, name: bytes | None) -> list[bytes]:
        """
        Return the zones that have failed validation: at, above and below a name; all for L{None}.

        @param name: folded.
        """
        found = [zone for zone, trust in self._known.items() if trust.security is Security.BOGUS]
        return [zone for zone in found if name is None or isBelow(zone, name) or isBelow(name, zone)]

    def forgetBogus(self, name: bytes) -> None:
        """
        Forget the zones at and above a name that have failed validation, to try them again by other servers.

        @param name: folded.
        """
        known = self._known
        while True:
            trust = known.get(name)
            if trust is not None and trust.security is Security.BOGUS:
                del known[name]
            if name == ROOT:
                return
            name = parentOf(name)

    def trustOf(self, name: bytes, anchors: ZoneAnchors | None, now: int, work: Work) -> Fetching:
        """
        Find the zone that a name is in, or the deepest one above it that decides its security.

        @param name: folded.
        @param anchors: those that apply to it; L{None} if there are none, or if a negative trust anchor suspends them.
        @param now: seconds since 1970.

        @return: the zone. If it is not secure, it may be one above that of the name.

        @raise BudgetSpent: this takes too much work.
        """
        if anchors is None:
            return ZoneTrust(name, Security.INDETERMINATE, (), now)
        trust = self._closest(name, anchors.zone, now)
        if trust is None:
            trust = yield from self._anchored(anchors, now, work)
        # The names below the zone, the deepest one first.
        names = []
        length = len(trust.zone)
        while len(name) > length:
            names.append(name)
            name = name[name[0] + 1 :]
        while names and trust.security is _SECURE:
            child = names.pop()
            known = self._inside.get(child)
            if known is not None and known[0] == trust.zone and now < known[1] <= now + _MOST_SECONDS:
                continue
            below = yield from self._below(trust, child, now, work)
            if below is None:
                continue
            if below is trust:
                break
            trust = below
        return trust

    def _closest(self, name: bytes, anchor: bytes, now: int) -> ZoneTrust | None:
        known = self._known
        while True:
            found = known.get(name)
            if found is not None:
                # What was learned with a clock that has been set back since does not count.
                if now < found.expires <= now + _MOST_SECONDS:
                    found.used = True
                    return found
                del known[name]
            if name == anchor:
                return None
            name = name[name[0] + 1 :]

    def _keep(self, trust: ZoneTrust) -> ZoneTrust:
        known = self._known
        known.pop(trust.zone, None)
        known[trust.zone] = trust
        if len(known) > _MOST:
            self._makeRoom()
        return trust

    def _makeRoom(self) -> None:
        # What was used since the last time goes to the end once, so that zones that are used once do not displace the others.
        known = self._known
        least = _MOST - _MOST // 8
        for _ in range(2 * len(known)):
            zone = next(iter(known))
            trust = known.pop(zone)
            if trust.used:
                trust.used = False
                known[zone] = trust
            if len(known) <= least:
                return

    def _anchored(self, anchors: ZoneAnchors, now: int, work: Work) -> Fetching:
        zone = anchors.zone
        if anchors.digests and not anchors.keys and not self.profile.usable(anchors.digests):
            reasons = unusableDelegation(anchors.digests, zone, self.profile)
            return self._keep(ZoneTrust(zone, Security.INSECURE, (), now + _MOST_SECONDS, reasons))
        return (yield from self._withKeys(zone, anchors.digests, anchors.keys, now + _MOST_SECONDS, now, work))

    def _withKeys(
        self, zone: bytes, digests: Iterable[bytes], trusted: Iterable[bytes], expires: int, now: int, work: Work
    ) -> Fetching:
        """
        Fetch the keys of a zone, and check that one of those that its parent or an anchor refers to has signed them.
        """
        reply = yield Question(zone, DNSKEY, IN)
        if not isinstance(reply, Answer):
            text = f"the keys of {nameToText(zone)} could not be fetched: {reply.cause or reply}"
            return ZoneTrust(zone, Security.BOGUS, (), now, ((DNSKEY_MISSING, text), *reply.ede))
        rrset, signatures = _signedSet(reply.answer, zone, DNSKEY)
        if rrset is None:
            text = f"{nameToText(zone)} has no keys, but its parent says that it is signed"
            return self._keep(_bogus(zone, now, ((DNSKEY_MISSING, text),), reply))
        keys = keysOf(rrset.rdatas)
        entries, reasons = delegatedKeys(digests, zone, keys, self.profile)
        anchored = set(trusted)
        if anchored:
            entries += tuple([key for key in keys if key.rdata in anchored and not key.isRevoked and key not in entries])
        if not entries:
            reasons = reasons or ((DNSKEY_MISSING, f"no key of {nameToText(zone)} is the one that its trust anchor refers to"),)
            return self._keep(_bogus(zone, now, reasons, reply))
        work.fetch()
        if work.verifications >= work.turnEnd:
            yield PAUSE
        verdict = verifySet(rrset, signatures, entries, zone, now, work, self.profile)
        if not verdict.secure:
            return self._keep(_bogus(zone, now, verdict.reasons, reply))
        # Those that may not sign records are kept too, for errors to say why.
        return self._keep(ZoneTrust(zone, _SECURE, tuple(keys), min(expires, now + min(verdict.ttl, _MOST_SECONDS))))

    def _below(self, trust: ZoneTrust, child: bytes, now: int, work: Work) -> Generator[Question, Answer | DNSFault, ZoneTrust | None]:
        """
        Find out whether a secure zone has delegated a name.

        @return: the child zone; L{None} if the zone goes on below the name; C{trust} if there is nothing below the name.
        """
        reply = yield Question(child, DS, IN)
        if not isinstance(reply, Answer):
            text = f"the DS records of {nameToText(child)} could not be fetched: {reply.cause or reply}"
            return ZoneTrust(child, Security.BOGUS, (), now, ((INDETERMINATE, text), *reply.ede))
        work.fetch()
        if work.verifications >= work.turnEnd:
            yield PAUSE
        rrset, signatures = _signedSet(reply.answer, child, DS)
        if rrset is not None:
            verdict = verifySet(rrset, signatures, trust.keys, trust.zone, now, work, self.profile)
            if not verdict.secure or verdict.wildcard is not None:
                wild = ((BOGUS, f"the DS records of {nameToText(child)} are from a wildcard"),)
                return self._keep(_bogus(child, now, verdict.reasons or wild, reply))
            expires = min(trust.expires, now + min(verdict.ttl, _MOST_SECONDS))
            usable = self.profile.usable(rrset.rdatas)
            if not usable:
                return self._keep(ZoneTrust(child, Security.INSECURE, (), expires, unusableDelegation(rrset.rdatas, child, self.profile)))
            return (yield from self._withKeys(child, usable, (), expires, now, work))
        alias, signatures = _signedSet(reply.answer, child, CNAME)
        if alias is not None:
            verdict = verifySet(alias, signatures, trust.keys, trust.zone, now, work, self.profile)
            if not verdict.secure:
                return _bogus(child, now, verdict.reasons, reply)
            self._isInside(trust, child, now + min(verdict.ttl, _MOST_SECONDS))
            return None
        denials, ttl, reasons = yield from verifiedDenials(reply, trust, now, work, self.profile, self.iterations)
        state, proof = proveNoDS(child, denials, work)
        until = min(trust.expires, now + min(ttl, _MOST_SECONDS))
        if state is Delegation.NOT_A_CUT:
            self._isInside(trust, child, until)
            return None
        if state is Delegation.NO_NAME:
            return trust
        if state is Delegation.UNPROVEN:
            said = reasons or (() if proof.reason is None else (proof.reason,))
            unsigned = ((NSEC_MISSING, f"nothing proves that {nameToText(child)} is not signed"),)
            return self._keep(_bogus(child, now, said or unsigned, reply))
        return self._keep(ZoneTrust(child, Security.INSECURE, (), until, () if proof.reason is None else (proof.reason,)))

    def _isInside(self, trust: ZoneTrust, name: bytes, until: int) -> None:
        if len(self._inside) >= _MOST:
            for each in list(islice(self._inside, _MOST // 8 + 1)):
                del self._inside[each]
        self._inside[name] = (trust.zone, until)


def _bogus(zone: bytes, now: int, reasons: tuple[Reason, ...], reply: Answer) -> ZoneTrust:
    server = "" if reply.origin is None else reply.origin.server
    return ZoneTrust(zone, Security.BOGUS, (), now + _BOGUS_SECONDS, reasons, server)


def _signedSet(sets: Sequence[RRSet], owner: bytes, rrType: int) -> tuple[RRSet | None, RRSet | None]:
    """
    Return the set of a section that has this folded owner and type, and its signatures.
    """
    if len(sets) == 2:
        rrset, signatures = sets
        if rrset.rrType == rrType and signatures.rrType == RRSIG and signatures.name is rrset.name and rrset.name.lower() == owner:
            # The usual reply. The signatures may be of another type still.
            return rrset, signatures
    for rrset in sets:
        if rrset.rrType == rrType and rrset.name.lower() == owner:
            return rrset, signaturesIn(sets, owner, rrType)
    return None, None


def signaturesIn(sets: Iterable[RRSet], owner: bytes, rrType: int) -> RRSet | None:
    """
    Return the signatures of an RRset in a section; L{None} if there are none.

    @param owner: folded.
    """
    covered = rrType.to_bytes(2, "big")
    for rrset in sets:
        if rrset.rrType == RRSIG and rrset.rdatas[0][:2] == covered and rrset.name.lower() == owner:
            return rrset
    return None


def verifiedDenials(
    reply: Answer,
    trust: ZoneTrust,
    now: int,
    work: Work,
    profile: Profile,
    iterations: int | None,
    kept: list[Verified] | None = None,
) -> Generator[Question, Answer | DNSFault, tuple[Denials, int, tuple[Reason, ...]]]:
    """
    Verify the NSEC and NSEC3 records in the authority section of a reply.

    @param trust: the zone that should have signed them.
    @param kept: gets those that are secure.

    @return: those that are secure, how long they may be cached, and why others are not.

    @raise BudgetSpent: this takes too much work.
    """
    found: list[tuple[RRSet, bytes | None]] = []
    reasons: tuple[Reason, ...] = ()
    ttl = _MOST_SECONDS
    for rrset in reply.authority:
        if rrset.rrType == NSEC or rrset.rrType == NSEC3:
            if work.verifications >= work.turnEnd:
                yield PAUSE
            signatures = signaturesIn(reply.authority, rrset.name.lower(), rrset.rrType)
            verdict: SetVerdict = verifySet(rrset, signatures, trust.keys, trust.zone, now, work, profile)
            if verdict.secure:
                found.append((rrset, verdict.wildcard))
                if kept is not None and signatures is not None:
                    kept.append(Verified(trust.zone, rrset, signatures, verdict.ttl, verdict.wildcard))
                ttl = min(ttl, verdict.ttl)
            else:
                reasons = reasons or verdict.reasons
    return Denials(trust.zone, found, iterations=iterations), ttl, reasons
