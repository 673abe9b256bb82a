"""
Proofs by NSEC3 records (RFC 5155, section 8; RFC 6840, section 4; RFC 9276).

Hashes are compared as numbers, of the owners' labels and of the next hashes alike.
"""

from __future__ import annotations

from hashlib import sha1
from struct import Struct
from typing import Final, Protocol

from twisted_ext.answers import Outcome
from twisted_ext.dnssec.denial.proofs import (
    BOGUS,
    MISSING,
    Delegation,
    Proof,
    Span,
    optedOut,
    proven,
    readTypes,
    unproven,
)
from twisted_ext.errors import BudgetSpent
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet

__all__ = [
    "HashCount",
    "HashedChain",
    "NSEC3Span",
    "WorkCount",
    "enclosed",
    "hashOf",
    "noCloser",
    "noDS",
    "noData",
    "noName",
    "readNSEC3",
]

#: The only hash algorithm (RFC 5155, section 11), the octets of its hashes, and their characters in base 32.
_SHA1_OCTET: Final = b"\x01"
_OCTETS: Final = 20
_CHARACTERS: Final = 32

_OPT_OUT: Final = 1

#: Algorithm, flags, iterations, octets of the salt.
_HEAD: Final = Struct(">BBHB")
_head: Final = _HEAD.unpack_from

_WILDCARD: Final = b"\x01*"


class NSEC3Span(Span):
    """
    An NSEC3 record.

    @ivar owner: the hash of its name.
    @ivar next: the next hash; the last record of a zone leads to the first one.
    @ivar optOut: whether there may be unsigned delegations between them.
    @ivar iterations: further rounds of the hash.
    @ivar salt: the salt of the hash.
    """

    __slots__ = ("owner", "next", "optOut", "iterations", "salt")

    owner: int
    next: int
    optOut: bool
    iterations: int
    salt: bytes

    def covers(self, number: int) -> bool:
        """
        Return whether the hash is between this one and the next.
        """
        owner, following = self.owner, self.next
        if owner < following:
            return owner < number < following
        return number > owner or number < following


def readNSEC3(rrset: RRSet, rdata: bytes, zone: bytes) -> NSEC3Span | str:
    """
    Read a record of a verified NSEC3 set.

    @param zone: the folded name of the zone that signed it.

    @return: why it is to be ignored, in words that follow "the NSEC3 record of its name", if it is.
    """
    if rdata[:1] not in (_SHA1_OCTET, b""):
        # First, since hashes of another algorithm have another length.
        return f"has the unknown hash algorithm {rdata[0]}"
    name = rrset.name
    label = name[1 : _CHARACTERS + 1]
    # An int may have signs, spaces and underscores, a hash may not.
    if name[0] != _CHARACTERS or not label.isalnum() or name[_CHARACTERS + 1 :].lower() != zone:
        return "does not have a hash below the zone as its name"
    try:
        owner = int(label, 32)
    except ValueError:
        return "does not have a hash below the zone as its name"
    if len(rdata) < _HEAD.size:
        return "is malformed"
    _, flags, iterations, count = _head(rdata)
    if flags & ~_OPT_OUT:
        return f"has unknown flags: {flags}"
    position = _HEAD.size + count
    start = position + 1
    end = start + _OCTETS
    if len(rdata) < end or rdata[position] != _OCTETS:
        return "is malformed"
    types = readTypes(rdata, end)
    if types is None:
        return "has a malformed type bitmap"
    span = NSEC3Span(rrset, rdata, end, *types)
    span.owner = owner
    span.next = int.from_bytes(rdata[start:end], "big")
    span.optOut = bool(flags)
    span.iterations = iterations
    span.salt = rdata[_HEAD.size : position]
    return span


def hashOf(name: bytes, iterations: int, salt: bytes) -> int:
    """
    Return the hash of a folded name (RFC 5155, section 5).
    """
    digest = sha1(name + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        digest = sha1(digest + salt, usedforsecurity=False).digest()
    return int.from_bytes(digest, "big")


class WorkCount(Protocol):
    """
    Counts the work of one client's query.
    """

    def hash(self, rounds: int) -> None:
        """
        Count the hash of one name.

        @raise BudgetSpent: there were too many.
        """


class HashCount:
    """
    Counts the hashes of one proof.

    @ivar left: how many are left.
    """

    __slots__ = ("left", "limit", "work")

    def __init__(self, limit: int, work: WorkCount | None = None) -> None:
        self.left = self.limit = limit
        self.work = work

    def spend(self, name: bytes, rounds: int) -> None:
        """
        Count one hash.

        @raise BudgetSpent: there were too many.
        """
        if self.left <= 0:
            raise BudgetSpent(f"more than {self.limit} NSEC3 hashes are needed for a proof about {nameToText(name)}")
        self.left -= 1
        if self.work is not None:
            self.work.hash(rounds)


class HashedChain:
    """
    Known NSEC3 records of one zone with the same parameters.

    @ivar zone: the folded name of the zone.
    @ivar known: hashes of names that were calculated.
    """

    __slots__ = ("zone", "iterations", "salt", "known")

    def __init__(self, zone: bytes, iterations: int, salt: bytes) -> None:
        self.zone = zone
        self.iterations = iterations
        self.salt = salt
        self.known: dict[bytes, int] = {}

    def hash(self, name: bytes, count: HashCount) -> int:
        """
        Return the hash of a folded name.

        @raise BudgetSpent: there were too many hashes.
        """
        found = self.known.get(name)
        if found is None:
            count.spend(name, self.iterations + 1)
            found = self.known[name] = hashOf(name, self.iterations, self.salt)
        return found

    def at(self, number: int) -> NSEC3Span | None:
        """
        Return the record of this hash.
        """
        raise NotImplementedError

    def over(self, number: int) -> NSEC3Span | None:
        """
        Return a record that covers this hash.
        """
        raise NotImplementedError


def noName(chain: HashedChain, name: bytes, count: HashCount) -> Proof:
    """
    Prove that neither the name nor a wildcard that matches it exists (RFC 5155, section 8.4).
    """
    found = _closest(chain, name, count)
    if isinstance(found, Proof):
        span = chain.at(chain.hash(name, count))
        if span is not None:
            if span.deniesName:
                return proven(Outcome.NXDOMAIN, (span,))
            return unproven(BOGUS, "the NSEC3 record {} proves that {} exists", span.rrset.name, name)
        return found
    nearest, cover, encloser = found
    wildcard = _WILDCARD + encloser
    number = chain.hash(wildcard, count)
    other = chain.over(number)
    if other is None:
        span = chain.at(number)
        if span is not None:
            return unproven(BOGUS, "the NSEC3 record {} proves that {} exists, which matches {}", span.rrset.name, wildcard, name)
        return unproven(MISSING, "no NSEC3 record proves that {} does not exist, which would match {}", wildcard, name)
    return (optedOut if cover.optOut else proven)(Outcome.NXDOMAIN, _distinct(nearest, cover, other), encloser)


def noData(chain: HashedChain, name: bytes, rrType: int, count: HashCount) -> Proof:
    """
    Prove that the name exists, itself or by a wildcard, and has neither the type nor an alias (RFC 5155, sections 8.5 to 8.7).
    """
    span = chain.at(chain.hash(name, count))
    if span is not None:
        words = span.objection(rrType, len(name) == 1)
        if words:
            return _failed(span, name, words)
        return proven(Outcome.NXDOMAIN if span.deniesName else Outcome.NODATA, (span,))
    found = _closest(chain, name, count)
    if isinstance(found, Proof):
        return found
    nearest, cover, encloser = found
    if cover.optOut:
        # It may be an unsigned delegation, or an empty non-terminal with only such below it, whatever the wildcard has.
        return optedOut(Outcome.NODATA, _distinct(nearest, cover), encloser)
    wildcard = _WILDCARD + encloser
    span = chain.at(chain.hash(wildcard, count))
    if span is not None:
        words = "is of a delegation" if span.isCut else span.objection(rrType, False)
        if words:
            return _failed(span, wildcard, words)
        return proven(Outcome.NODATA, _distinct(nearest, cover, span), encloser)
    return unproven(MISSING, "no NSEC3 record shows the types of {} or of {}", name, wildcard)


def noCloser(chain: HashedChain, name: bytes, encloser: bytes, count: HashCount) -> Proof:
    """
    Prove that the name does not exist and nothing between it and the wildcard, of which its data is (RFC 5155, section 8.8).

    @param encloser: the name below which the wildcard is.
    """
    closer = _nextCloser(name, encloser)
    span = chain.over(chain.hash(closer, count))
    if span is None:
        return unproven(MISSING, "no NSEC3 record proves that {} does not exist, so that *.{} matches {}", closer, encloser, name)
    return (optedOut if span.optOut else proven)(Outcome.DATA, (span,), encloser)


def enclosed(chain: HashedChain, name: bytes, count: HashCount) -> Proof:
    """
    Prove that the name does not exist, and find its closest encloser: only the wildcard below that may match it.
    """
    found = _closest(chain, name, count)
    if isinstance(found, Proof):
        return found
    nearest, cover, encloser = found
    return (optedOut if cover.optOut else proven)(Outcome.DATA, _distinct(nearest, cover), encloser)


def noDS(chain: HashedChain, name: bytes, count: HashCount) -> tuple[Delegation, Proof]:
    """
    Find out what the zone knows of a name without DS records (RFC 5155, sections 8.6 and 8.9).
    """
    span = chain.at(chain.hash(name, count))
    if span is not None:
        if span.isSigned or span.isApex:
            words = "has the DS bit" if span.isSigned else "has the SOA bit: it is from the delegated zone, but DS is in the parent"
            return Delegation.UNPROVEN, _failed(span, name, words)
        if span.deniesName:
            return Delegation.NO_NAME, proven(Outcome.NXDOMAIN, (span,))
        state = Delegation.INSECURE_DELEGATION if span.isCut else Delegation.NOT_A_CUT
        return state, proven(Outcome.NODATA, (span,))
    found = _closest(chain, name, count)
    if isinstance(found, Proof):
        return Delegation.UNPROVEN, found
    nearest, cover, encloser = found
    spans = _distinct(nearest, cover)
    if cover.optOut:
        return Delegation.OPT_OUT, optedOut(Outcome.NODATA, spans, encloser)
    return Delegation.NO_NAME, proven(Outcome.NXDOMAIN, spans, encloser)


def _closest(chain: HashedChain, name: bytes, count: HashCount) -> tuple[NSEC3Span, NSEC3Span, bytes] | Proof:
    """
    Find the closest encloser of a name (RFC 5155, section 8.3).

    @return: the record that matches it, the record that covers the next closer name, and its name.
    """
    zone = chain.zone
    ends = len(name) - len(zone)
    starts = [0]
    while starts[-1] < ends:
        starts.append(starts[-1] + name[starts[-1]] + 1)
    # The longest name first; the last one is the zone.
    labels = len(starts) - 1
    matched: NSEC3Span | None = None
    missing = name
    half = min(labels, max(count.limit // 2 - 1, 1))
    for index in (*range(labels, labels - half, -1), *range(1, labels - half + 1)):
        # From the apex downward: that is the shortest way for most names. Then from the name upward.
        encloser = name[starts[index] :]
        span = chain.at(chain.hash(encloser, count))
        if span is None:
            continue
        closer = name[starts[index - 1] :]
        cover = chain.over(chain.hash(closer, count))
        if cover is not None:
            if span.hides:
                what = "a delegation" if span.isCut else "a DNAME record"
                words = f"the NSEC3 record {{}} proves nothing of {{}}, which is below {what}"
                return unproven(BOGUS, words, span.rrset.name, name, spans=(span,))
            return span, cover, encloser
        matched = span
        missing = closer
    if matched is None:
        return unproven(MISSING, "no NSEC3 record shows a closest encloser of {}", name)
    return unproven(MISSING, "no NSEC3 record covers {}", missing)


def _nextCloser(name: bytes, encloser: bytes) -> bytes:
    """
    Return the name at or above C{name} that has one label more than the encloser (RFC 5155, section 1.3).
    """
    end = len(name) - len(encloser)
    position = 0
    while (following := position + name[position] + 1) < end:
        position = following
    return name[position:]


def _distinct(*spans: NSEC3Span) -> tuple[Span, ...]:
    return tuple(dict.fromkeys(spans))


def _failed(span: NSEC3Span, name: bytes, words: str) -> Proof:
    return unproven(BOGUS, f"the NSEC3 record {{}}, which is that of {{}}, {words}", span.rrset.name, name, spans=(span,))
