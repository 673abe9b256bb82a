"""
Proofs by NSEC records (RFC 4035, section 5.4; RFC 6840, section 4; RFC 9824).

Names are compared as keys: octets whose order is the canonical order of names, and of which those of a name are the beginning of those of
all names below it.
"""

from __future__ import annotations

from typing import Final, Protocol

from twisted_ext.answers import Outcome
from twisted_ext.dnssec.denial.proofs import BOGUS, MISSING, Delegation, Proof, Span, proven, readTypes, unproven
from twisted_ext.wire.names import MOST_LABEL_OCTETS, MOST_OCTETS, labelCount, labelsOf
from twisted_ext.wire.records import RRSet

__all__ = ["Chain", "NSECSpan", "WILDCARD", "enclosed", "hidden", "keyOf", "noCloser", "noDS", "noData", "noName", "readNSEC"]

#: The end of a wildcard's key.
WILDCARD: Final = b"*\x00"


def keyOf(name: bytes) -> bytes:
    """
    Return the key of a name: its folded labels from the right, each followed by a zero octet (RFC 4034, section 6.1).
    """
    labels = labelsOf(name.lower())
    if not labels:
        return b""
    labels.reverse()
    key = b"\x00".join(labels) + b"\x00"
    if key.count(0) != len(labels) or 1 in key:
        # Zeros within labels, and the octets that stand for them.
        key = b"\x00".join([label.replace(b"\x01", b"\x01\x02").replace(b"\x00", b"\x01\x01") for label in labels]) + b"\x00"
    return key


class NSECSpan(Span):
    """
    An NSEC record.

    @ivar owner: the key of its name; if it was expanded from a wildcard, that of the wildcard.
    @ivar next: the key of the next name.
    @ivar wraps: whether it is the last one of the zone.
    """

    __slots__ = ("owner", "next", "wraps")

    owner: bytes
    next: bytes
    wraps: bool

    def covers(self, key: bytes) -> bool:
        """
        Return whether the name, which is in the zone, is between this one and the next.
        """
        return self.owner < key and (self.wraps or key < self.next)

    def hasBelow(self, key: bytes) -> bool:
        """
        Return whether the covered name is an empty non-terminal: it exists because the next name is below it.
        """
        return self.next.startswith(key)


def readNSEC(rrset: RRSet, zone: bytes, wildcard: bytes | None = None) -> NSECSpan | str:
    """
    Read a verified NSEC set.

    @param zone: the key of the zone that signed it.
    @param wildcard: the closest encloser if the set was expanded from a wildcard. It then belongs to the wildcard, and says nothing of the
        name to which it was expanded (RFC 4592, section 4.7; CVE-2017-15105).

    @return: why it is to be ignored, in words that follow "the NSEC record of its name", if it is.
    """
    if len(rrset.rdatas) != 1:
        return f"is one of {len(rrset.rdatas)} at its name"
    rdata = rrset.rdatas[0]
    position = 0
    try:
        while length := rdata[position]:
            if length > MOST_LABEL_OCTETS:
                return "is malformed"
            position += length + 1
    except IndexError:
        return "is malformed"
    position += 1
    if position > MOST_OCTETS:
        return "is malformed"
    types = readTypes(rdata, position)
    if types is None:
        return "has a malformed type bitmap"
    owner = keyOf(rrset.name) if wildcard is None else keyOf(wildcard) + WILDCARD
    following = keyOf(rdata[:position])
    if not owner.startswith(zone):
        return "is outside of the zone"
    if not following.startswith(zone):
        # Whatever is after the last name of the zone does not belong to it (CVE-2026-13321).
        return "leads out of the zone"
    wraps = following == zone
    if following <= owner and not wraps:
        return "leads backward"
    span = NSECSpan(rrset, rdata, position, *types)
    span.owner = owner
    span.next = following
    span.wraps = wraps
    return span


class Chain(Protocol):
    """
    Known NSEC records of one zone.
    """

    def at(self, key: bytes) -> NSECSpan | None:
        """
        Return the record of this name.
        """

    def over(self, key: bytes) -> NSECSpan | None:
        """
        Return a record that covers this name.
        """


def hidden(span: NSECSpan, key: bytes) -> bool:
    """
    Return whether the name is below that of the record, which is a delegation or has a DNAME record: then the record does not prove that
    there is no such name (RFC 6840, section 4.1).
    """
    return span.hides and key.startswith(span.owner)


def noName(chain: Chain, name: bytes, key: bytes) -> Proof:
    """
    Prove that neither the name nor a wildcard that matches it exists (RFC 4035, section 5.4).
    """
    span = chain.at(key)
    if span is not None:
        if span.deniesName:
            return proven(Outcome.NXDOMAIN, (span,))
        return unproven(BOGUS, "the NSEC record of {} proves that the name exists", name, spans=(span,))
    cover = _over(chain, name, key)
    if isinstance(cover, Proof):
        return cover
    if cover.hasBelow(key):
        return unproven(BOGUS, "the NSEC record of {} proves that {} exists: the next name is below it", cover.rrset.name, name)
    closest = _encloser(cover, key)
    encloser = _above(name, closest)
    closest += WILDCARD
    other = chain.over(closest)
    wildcard = b"\x01*" + encloser
    if other is None:
        if chain.at(closest) is not None:
            return unproven(BOGUS, "an NSEC record proves that {} exists, which matches {}", wildcard, name)
        return unproven(MISSING, "no NSEC record proves that {} does not exist, which would match {}", wildcard, name)
    if hidden(other, closest):
        return _below(other, wildcard)
    if other.hasBelow(closest):
        return unproven(BOGUS, "the NSEC record of {} proves that {} exists, which matches {}", other.rrset.name, wildcard, name)
    return proven(Outcome.NXDOMAIN, (cover,) if other is cover else (cover, other), encloser)


def noData(chain: Chain, name: bytes, key: bytes, rrType: int) -> Proof:
    """
    Prove that the name exists, itself or by a wildcard, and has neither the type nor an alias (RFC 4035, section 5.4).
    """
    span = chain.at(key)
    if span is not None:
        return _lacks(span, rrType, key, (span,), None)
    cover = _over(chain, name, key)
    if isinstance(cover, Proof):
        return cover
    if cover.hasBelow(key):
        return proven(Outcome.NODATA, (cover,))
    closest = _encloser(cover, key)
    encloser = _above(name, closest)
    closest += WILDCARD
    other = chain.at(closest)
    if other is not None:
        if other.isCut:
            # The effect of a delegation at a wildcard is undefined (RFC 4592, section 4.2).
            return _failed(other, "is of a delegation")
        return _lacks(other, rrType, closest, (cover,) if other is cover else (cover, other), encloser)
    other = chain.over(closest)
    if other is not None and not hidden(other, closest):
        if other.hasBelow(closest):
            return proven(Outcome.NODATA, (cover,) if other is cover else (cover, other), encloser)
        return unproven(BOGUS, "the NSEC record of {} proves that {} does not exist", cover.rrset.name, name)
    return unproven(MISSING, "no NSEC record shows the types of {} or of {}", name, b"\x01*" + encloser)


def enclosed(chain: Chain, name: bytes, key: bytes) -> Proof:
    """
    Prove that the name does not exist, and find its closest encloser: only the wildcard below that may match it.
    """
    span = chain.at(key)
    if span is not None and not span.deniesName:
        return unproven(BOGUS, "the NSEC record of {} proves that the name exists, no wildcard matches it", name)
    cover = _over(chain, name, key)
    if isinstance(cover, Proof):
        return cover
    if cover.hasBelow(key):
        return unproven(BOGUS, "the NSEC record of {} proves that {} exists, no wildcard matches it", cover.rrset.name, name)
    return proven(Outcome.DATA, (cover,), _above(name, _encloser(cover, key)))


def noCloser(chain: Chain, name: bytes, key: bytes, encloser: bytes) -> Proof:
    """
    Prove that the name does not exist and nothing between it and the wildcard, of which its data is (RFC 4035, section 5.3.4).

    @param encloser: the folded name below which the wildcard is.
    """
    proof = enclosed(chain, name, key)
    if proof.encloser is None or proof.encloser == encloser:
        return proof
    owner = proof.spans[0].rrset.name
    return unproven(BOGUS, "the NSEC record of {} proves that only *.{} could match {}", owner, proof.encloser, name)


def noDS(chain: Chain, name: bytes, key: bytes) -> tuple[Delegation, Proof]:
    """
    Find out what the zone knows of a name without DS records (RFC 4035, section 5.2).
    """
    span = chain.at(key)
    if span is not None:
        if span.isSigned or span.isApex:
            words = "has the DS bit" if span.isSigned else "has the SOA bit: it is from the delegated zone, but DS is in the parent"
            return Delegation.UNPROVEN, _failed(span, words)
        if span.deniesName:
            return Delegation.NO_NAME, proven(Outcome.NXDOMAIN, (span,))
        state = Delegation.INSECURE_DELEGATION if span.isCut else Delegation.NOT_A_CUT
        return state, proven(Outcome.NODATA, (span,))
    cover = _over(chain, name, key)
    if isinstance(cover, Proof):
        return Delegation.UNPROVEN, cover
    if cover.hasBelow(key):
        return Delegation.NOT_A_CUT, proven(Outcome.NODATA, (cover,))
    return Delegation.NO_NAME, proven(Outcome.NXDOMAIN, (cover,), _above(name, _encloser(cover, key)))


def _over(chain: Chain, name: bytes, key: bytes) -> NSECSpan | Proof:
    span = chain.over(key)
    if span is None:
        return unproven(MISSING, "no NSEC record covers {}", name)
    return _below(span, name) if hidden(span, key) else span


def _below(span: NSECSpan, name: bytes) -> Proof:
    what = "a delegation" if span.isCut else "a DNAME record"
    return unproven(BOGUS, f"the NSEC record of {{}} proves nothing of {{}}, which is below {what}", span.rrset.name, name)


def _failed(span: Span, words: str) -> Proof:
    return unproven(BOGUS, f"the NSEC record of {{}} {words}", span.rrset.name, spans=(span,))


def _lacks(span: NSECSpan, rrType: int, key: bytes, spans: tuple[Span, ...], encloser: bytes | None) -> Proof:
    words = span.objection(rrType, not key)
    if words:
        return _failed(span, words)
    return proven(Outcome.NXDOMAIN if span.deniesName else Outcome.NODATA, spans, encloser)


def _encloser(span: NSECSpan, key: bytes) -> bytes:
    """
    Return the key of the closest encloser of a covered name: the longest name above it that is also above one of the two that the record
    names, which exist.
    """
    owner, following = span.owner, span.next
    end = len(key) - 1
    while (end := key.rfind(b"\x00", 0, end)) >= 0:
        above = key[: end + 1]
        if owner.startswith(above) or following.startswith(above):
            return above
    return b""


def _above(name: bytes, key: bytes) -> bytes:
    """
    Return the name at or above C{name} that has the given key.
    """
    position = 0
    for _ in range(labelCount(name) - key.count(0)):
        position += name[position] + 1
    return name[position:]
