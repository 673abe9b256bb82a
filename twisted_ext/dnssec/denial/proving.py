"""
Proofs that a name or its records do not exist, by the NSEC and NSEC3 records of a reply (RFC 4035, section 5.4; RFC 5155, section 8).

All records must have been verified. Which zone signed them decides what they prove: only names at or below its apex, and nothing below its
delegations (RFC 6840, section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted_ext.answers import Security
from twisted_ext.dnssec.denial import nsec, nsec3
from twisted_ext.dnssec.denial.nsec import NSECSpan, keyOf, readNSEC
from twisted_ext.dnssec.denial.nsec3 import HashCount, HashedChain, NSEC3Span, WorkCount, readNSEC3
from twisted_ext.dnssec.denial.proofs import BOGUS, ITERATIONS, MISSING, Delegation, Proof, Reason, unproven
from twisted_ext.dnssec.limits import NSEC3_ITERATIONS, NSEC3_PARAMETERS, NSEC3_PROOF_HASHES
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import ROOT, isBelow
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS, NSEC, NSEC3

__all__ = ["Delegation", "Denials", "Proof", "Reason", "proveNoCloser", "proveNoDS", "proveNoData", "proveNoName"]


#: NSEC and NSEC3 records of one reply that are considered. A proof takes three, an alias chain as many for each of its names.
_MOST_RECORDS: Final = 48
_MOST_PARAMETERS: Final = int(NSEC3_PARAMETERS.default)


class _Chain:
    """
    The NSEC records of a reply.
    """

    __slots__ = ("spans",)

    def __init__(self) -> None:
        self.spans: list[NSECSpan] = []

    def at(self, key: bytes) -> NSECSpan | None:
        for span in self.spans:
            if span.owner == key:
                return span
        return None

    def over(self, key: bytes) -> NSECSpan | None:
        found: NSECSpan | None = None
        for span in self.spans:
            if span.covers(key):
                if not nsec.hidden(span, key):
                    return span
                found = span
        return found


class _HashedChain(HashedChain):
    """
    The NSEC3 records of a reply with the same parameters.
    """

    __slots__ = ("spans",)

    def __init__(self, zone: bytes, iterations: int, salt: bytes) -> None:
        super().__init__(zone, iterations, salt)
        self.spans: list[NSEC3Span] = []

    def at(self, number: int) -> NSEC3Span | None:
        for span in self.spans:
            if span.owner == number:
                return span
        return None

    def over(self, number: int) -> NSEC3Span | None:
        for span in self.spans:
            if span.covers(number):
                return span
        return None


class Denials:
    """
    The verified NSEC and NSEC3 records of one reply that one zone signed.

    @ivar zone: the folded name of the zone.
    """

    __slots__ = ("zone", "_key", "_chain", "_hashed", "_excess", "_ignored", "_mostIterations")

    def __init__(
        self, zone: bytes, sets: Iterable[tuple[RRSet, bytes | None]], rrClass: int = IN, iterations: float | None = None
    ) -> None:
        """
        @param zone: the signer's name in the signatures of the sets.
        @param sets: each verified set with the closest encloser if its signature says that it was expanded from a wildcard, else with
            L{None}. Sets of other types and of other classes are ignored.
        @param iterations: the supported NSEC3 iterations.
        """
        self.zone = zone = zone.lower()
        self._key = keyOf(zone)
        self._mostIterations = int(NSEC3_ITERATIONS.pick(iterations))
        self._chain: _Chain | None = None
        self._hashed: dict[tuple[int, bytes], _HashedChain] = {}
        self._excess: NSEC3Span | None = None
        # Why the first of the ignored records was.
        self._ignored: tuple[str, bytes] | None = None
        room = _MOST_RECORDS
        for rrset, wildcard in sets:
            rrType = rrset.rrType
            if (rrType != NSEC and rrType != NSEC3) or rrset.rrClass != rrClass:
                continue
            if room <= 0:
                self._ignore("NSEC", f"is beyond the first {_MOST_RECORDS} of the reply", rrset)
                break
            if rrType == NSEC:
                room -= 1
                self._addNSEC(rrset, wildcard)
            elif wildcard is not None:
                self._ignore("NSEC3", "was expanded from a wildcard", rrset)
            else:
                for rdata in rrset.rdatas[:room]:
                    room -= 1
                    self._addNSEC3(rrset, rdata)

    def _addNSEC(self, rrset: RRSet, wildcard: bytes | None) -> None:
        span = readNSEC(rrset, self._key, wildcard)
        if isinstance(span, str):
            self._ignore("NSEC", span, rrset)
            return
        if self._chain is None:
            self._chain = _Chain()
        self._chain.spans.append(span)

    def _addNSEC3(self, rrset: RRSet, rdata: bytes) -> None:
        span = readNSEC3(rrset, rdata, self.zone)
        if isinstance(span, str):
            self._ignore("NSEC3", span, rrset)
            return
        if span.iterations > self._mostIterations:
            self._excess = span
            return
        parameters = (span.iterations, span.salt)
        chain = self._hashed.get(parameters)
        if chain is None:
            if len(self._hashed) >= _MOST_PARAMETERS:
                self._ignore("NSEC3", f"has parameters other than the first {_MOST_PARAMETERS} in the reply", rrset)
                return
            chain = self._hashed[parameters] = _HashedChain(self.zone, *parameters)
        chain.spans.append(span)

    def _ignore(self, kind: str, words: str, rrset: RRSet) -> None:
        if self._ignored is None:
            self._ignored = f"the {kind} record of {{}} {words}", rrset.name

    def _prove(
        self,
        name: bytes,
        work: WorkCount,
        byName: Callable[[_Chain, bytes], Proof],
        byHash: Callable[[_HashedChain, HashCount], Proof],
    ) -> Proof:
        if not isBelow(name, self.zone):
            return unproven(BOGUS, "the records that should prove it are of {}, which {} is not below", self.zone, name)
        failed: Proof | None = None
        if self._chain is not None:
            failed = byName(self._chain, keyOf(name))
            if failed.security is Security.SECURE:
                return failed
        if self._hashed:
            # One count for all parameters.
            count = HashCount(int(NSEC3_PROOF_HASHES.default), work)
            for chain in self._hashed.values():
                proof = byHash(chain, count)
                if proof.security is not Security.BOGUS:
                    return proof
                failed = failed or proof
        if self._excess is not None:
            span = self._excess
            words = f"the NSEC3 record {{}} has {span.iterations} iterations, more than the supported {self._mostIterations}"
            return Proof(Security.INSECURE, None, (span,), None, ITERATIONS, words, (span.rrset.name,))
        if self._ignored is not None and (failed is None or failed.code == MISSING):
            return unproven(BOGUS, *self._ignored)
        return failed or unproven(MISSING, "no NSEC or NSEC3 record of {} says anything of {}", self.zone, name)


def proveNoName(name: bytes, denials: Denials, work: WorkCount) -> Proof:
    """
    Prove NXDOMAIN: neither the name nor a wildcard that matches it exists. No name below it exists either (RFC 8020).

    @raise twisted_ext.errors.BudgetSpent: there were too many NSEC3 hashes.
    """
    name = name.lower()
    return denials._prove(
        name,
        work,
        lambda chain, key: nsec.noName(chain, name, key),
        lambda chain, count: nsec3.noName(chain, name, count),
    )


def proveNoData(name: bytes, rrType: int, denials: Denials, work: WorkCount) -> Proof:
    """
    Prove that there are no records of the type at a name that exists, itself or by a wildcard. The result is that the name does not exist
    if the zone says so in this form (RFC 9824).

    @raise twisted_ext.errors.BudgetSpent: there were too many NSEC3 hashes.
    """
    name = name.lower()
    if rrType == DS and name == denials.zone and name != ROOT:
        return unproven(BOGUS, "{} denies its own DS records, which are in its parent", name)
    return denials._prove(
        name,
        work,
        lambda chain, key: nsec.noData(chain, name, key, rrType),
        lambda chain, count: nsec3.noData(chain, name, rrType, count),
    )


def proveNoCloser(name: bytes, wildcardEncloser: bytes, denials: Denials, work: WorkCount) -> Proof:
    """
    Prove that an answer expanded from a wildcard is right: that no closer name exists than the wildcard.

    @param wildcardEncloser: the name below which the wildcard is, as the answer's signature says.

    @raise twisted_ext.errors.BudgetSpent: there were too many NSEC3 hashes.
    """
    name = name.lower()
    encloser = wildcardEncloser.lower()
    if name == encloser or not isBelow(name, encloser) or not isBelow(encloser, denials.zone):
        return unproven(BOGUS, "{} is not expanded from *.{} of {}", name, encloser, denials.zone)
    return denials._prove(
        name,
        work,
        lambda chain, key: nsec.noCloser(chain, name, key, encloser),
        lambda chain, count: nsec3.noCloser(chain, name, encloser, count),
    )


def proveNoDS(name: bytes, denials: Denials, work: WorkCount) -> tuple[Delegation, Proof]:
    """
    Find out what the parent zone says of a name for which it has no DS records.

    @raise twisted_ext.errors.BudgetSpent: there were too many NSEC3 hashes.
    """
    name = name.lower()
    if name == denials.zone:
        return Delegation.UNPROVEN, unproven(BOGUS, "{} denies its own DS records, which are in its parent", name)
    state = Delegation.UNPROVEN

    def byName(chain: _Chain, key: bytes) -> Proof:
        nonlocal state
        state, proof = nsec.noDS(chain, name, key)
        return proof

    def byHash(chain: _HashedChain, count: HashCount) -> Proof:
        nonlocal state
        state, proof = nsec3.noDS(chain, name, count)
        return proof

    proof = denials._prove(name, work, byName, byHash)
    if proof.security is Security.BOGUS:
        state = Delegation.UNPROVEN
    elif proof.code == ITERATIONS:
        state = Delegation.UNSUPPORTED
    return state, proof
