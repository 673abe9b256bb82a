"""
What an NSEC and an NSEC3 record have in common: the types at its own name, and what follows from them (RFC 4034, section 4.1.2; RFC 6840,
sections 4.1 and 4.4).
"""

from __future__ import annotations

from typing import Final

from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME, DNAME, DS, NS, NSEC, NSEC3, NXNAME, RRSIG, SOA, typeName

__all__ = ["Span", "readTypes"]

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
