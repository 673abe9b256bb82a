"""
The result of a proof of nonexistence: what it shows, by which records, and if it fails, why.

NSEC and NSEC3 records have in common the types at their own name, and what follows from them (RFC 4034, section 4.1.2; RFC 6840, sections
4.1 and 4.4).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from twisted_ext.answers import Outcome, Security
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME, DNAME, DS, NS, NSEC, NSEC3, NXNAME, RRSIG, SOA, typeName

__all__ = ["BOGUS", "ITERATIONS", "MISSING", "Delegation", "Proof", "Reason", "Span", "optedOut", "proven", "readTypes", "unproven"]

#: An info code of RFC 8914 and one line of text.
Reason = tuple[int, str]

#: The info codes of RFC 8914, section 4: DNSSEC Bogus, NSEC Missing, and that of RFC 9276, section 3.2.
BOGUS: Final = 6
MISSING: Final = 12
ITERATIONS: Final = 27

_TOP: Final = 255

_NS: Final = 1 << _TOP - NS
_CNAME: Final = 1 << _TOP - CNAME
_SOA: Final = 1 << _TOP - SOA
_DNAME: Final = 1 << _TOP - DNAME
_DS: Final = 1 << _TOP - DS
_NXNAME: Final = 1 << _TOP - NXNAME

#: Types that belong to the proof itself, not to the name.
_PROVING: Final = 1 << _TOP - RRSIG | 1 << _TOP - NSEC | 1 << _TOP - NSEC3 | _NXNAME

_NS_SOA: Final = _NS | _SOA


def readTypes(rdata: bytes, position: int) -> tuple[int, bool] | None:
    """
    Read a type bitmap up to the end of the rdata.

    @return: the types below 256 as a number, type 0 in its highest bit of 256, and whether there are other types; L{None} if malformed.
    """
    end = len(rdata)
    low = 0
    last = -1
    while position < end:
        if position + 2 > end:
            return None
        window = rdata[position]
        count = rdata[position + 1]
        start = position + 2
        position = start + count
        if window <= last or not 0 < count <= 32 or position > end or not rdata[position - 1]:
            return None
        if not window:
            low = int.from_bytes(rdata[start:position], "big") << (32 - count) * 8
        last = window
    return low, last > 0


class Span:
    """
    One NSEC or NSEC3 record: the types of its own name, and that no name is between this one and the next.

    @ivar rrset: the set that the record is from.
    @ivar rdata: the record.
    @ivar bitmap: the offset of its type bitmap.
    @ivar low: the types below 256, as from L{readTypes}.
    @ivar beyond: whether there are other types.
    @ivar hides: whether its name is a delegation or has a DNAME record: names below it may exist, but not in this chain.
    """

    __slots__ = ("rrset", "rdata", "bitmap", "low", "beyond", "hides")

    def __init__(self, rrset: RRSet, rdata: bytes, bitmap: int, low: int, beyond: bool) -> None:
        self.rrset = rrset
        self.rdata = rdata
        self.bitmap = bitmap
        self.low = low
        self.beyond = beyond
        self.hides = low & _NS_SOA == _NS or bool(low & _DNAME)

    def has(self, rrType: int) -> bool:
        """
        Return whether the bitmap contains the type. For ANY: whether it contains one that does not belong to the proof.
        """
        if rrType <= _TOP:
            if rrType == ANY:
                return self.beyond or bool(self.low & ~_PROVING)
            return bool(self.low >> _TOP - rrType & 1)
        if not self.beyond:
            return False
        rdata = self.rdata
        position = self.bitmap
        wanted = rrType >> 8
        octet = (rrType & 255) >> 3
        while position < len(rdata) and rdata[position] <= wanted:
            count = rdata[position + 1]
            if rdata[position] == wanted:
                return octet < count and bool(rdata[position + 2 + octet] & 0x80 >> (rrType & 7))
            position += 2 + count
        return False

    @property
    def isCut(self) -> bool:
        """
        Whether its name is a delegation of this zone.
        """
        return self.low & _NS_SOA == _NS

    @property
    def isApex(self) -> bool:
        """
        Whether its name is the apex of a zone.
        """
        return bool(self.low & _SOA)

    @property
    def isSigned(self) -> bool:
        """
        Whether its name has DS records.
        """
        return bool(self.low & _DS)

    @property
    def deniesName(self) -> bool:
        """
        Whether it says that its own name does not exist (RFC 9824, section 2).
        """
        return bool(self.low & _NXNAME) and not self.low & ~_PROVING and not self.beyond

    def objection(self, rrType: int, atRoot: bool) -> str:
        """
        Return why the record does not prove that there is no such type at its name, in words that follow "the NSEC record of its name";
        C{""} if it does.
        """
        low = self.low
        if rrType == DS:
            if low & _SOA and not atRoot:
                return "has the SOA bit: it is from the delegated zone, but DS is in the parent"
        elif low & _NS_SOA == _NS:
            return "is from above the delegation, where only the absence of DS is known"
        if self.has(rrType):
            return f"has the {typeName(rrType)} bit" if rrType != ANY else "has bits of other types"
        return "has the CNAME bit" if low & _CNAME else ""


class Delegation(Enum):
    """
    What is known of a name for which its parent zone has no DS records.

    @cvar INSECURE_DELEGATION: it is delegated, and has no DS records: the child is insecure.
    @cvar NOT_A_CUT: it exists, but the zone goes on below it.
    @cvar NO_NAME: no node of the zone has this name, so it is not delegated. A wildcard may match it.
    @cvar OPT_OUT: it may be an unsigned delegation (RFC 5155, section 6): it and all names below it are insecure.
    @cvar UNSUPPORTED: the zone has too many NSEC3 iterations: it counts as insecure (RFC 9276, section 3.2).
    @cvar UNPROVEN: none of these is proven.
    """

    INSECURE_DELEGATION = "insecure delegation"
    NOT_A_CUT = "not a cut"
    NO_NAME = "no name"
    OPT_OUT = "opt-out"
    UNSUPPORTED = "unsupported"
    UNPROVEN = "unproven"


class Proof:
    """
    What records prove, if anything.

    @ivar security: secure if proven, insecure if the records cannot prove it (opt-out, or too many iterations), else bogus.
    @ivar outcome: what is proven; of a wildcard's answer, that this is the data of the name. It is L{None} if C{security} is bogus, or if
        there are too many iterations. A proof of no data may result in no name (RFC 9824).
    @ivar spans: the records that prove it.
    @ivar encloser: the closest encloser of the name if that follows from them, as a folded name.
    @ivar code: the info code of RFC 8914, 0 if there is none.
    """

    __slots__ = ("security", "outcome", "spans", "encloser", "code", "_words", "_names")

    def __init__(
        self,
        security: Security,
        outcome: Outcome | None,
        spans: tuple[Span, ...],
        encloser: bytes | None = None,
        code: int = 0,
        words: str = "",
        names: tuple[bytes, ...] = (),
    ) -> None:
        self.security = security
        self.outcome = outcome
        self.spans = spans
        self.encloser = encloser
        self.code = code
        self._words = words
        self._names = names

    @property
    def secure(self) -> bool:
        """
        Whether all of it is proven.
        """
        return self.security is Security.SECURE

    @property
    def sets(self) -> tuple[RRSet, ...]:
        """
        The sets that prove it, each once.
        """
        return tuple(dict.fromkeys([span.rrset for span in self.spans]))

    @property
    def reason(self) -> Reason | None:
        """
        Why it is not secure: the info code, and one line that names the record; L{None} if there is nothing to report.
        """
        if not self.code:
            return None
        # Formatted only when asked for: most failed proofs are those of records that deny another name.
        return self.code, self._words.format(*[nameToText(name) for name in self._names])

    def __repr__(self) -> str:
        return f"<Proof {self.security.value} {self.outcome and self.outcome.value} {self.reason}>"


def proven(outcome: Outcome, spans: tuple[Span, ...], encloser: bytes | None = None) -> Proof:
    """
    Return a proof.
    """
    return Proof(Security.SECURE, outcome, spans, encloser)


def optedOut(outcome: Outcome, spans: tuple[Span, ...], encloser: bytes | None = None) -> Proof:
    """
    Return the result of records that would prove it if no unsigned delegation could be among them (RFC 5155, section 9.2).
    """
    return Proof(Security.INSECURE, outcome, spans, encloser)


def unproven(code: int, words: str, *names: bytes, spans: tuple[Span, ...] = ()) -> Proof:
    """
    Return a failure.

    @param words: the text of the reason, with C{{}} for each of the names.
    """
    return Proof(Security.BOGUS, None, spans, None, code, words, names)
