"""
Canonical form of rdata (RFC 4034, section 6.2), in which equal records are identical.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.registry import canonicalRdata, declarationOf
from twisted_ext.wire.rrtypes import (
    AFSDB,
    CNAME,
    DNAME,
    KX,
    MB,
    MD,
    MF,
    MG,
    MINFO,
    MR,
    MX,
    NS,
    PTR,
    PX,
    RP,
    RRSIG,
    RT,
    SRV,
)

__all__ = ["canonicalOf", "distinct"]

#: Types whose rdata ends with names to be folded, and the offset of the first name.
_ENDING: Final = (
    dict.fromkeys((NS, MD, MF, CNAME, MB, MG, MR, PTR, MINFO, RP, DNAME), 0) | dict.fromkeys((MX, AFSDB, RT, PX, KX), 2) | {SRV: 6}
)

#: Octets of an RRSIG before the signer's name.
_SIGNER: Final = 18


@lru_cache(1024)
def _isFolded(rrType: int) -> bool:
    return any(field.folded for field in declarationOf(rrType).fields)


def canonicalOf(rrType: int, rdata: bytes) -> bytes:
    """
    Return the rdata in canonical form; malformed rdata is returned unchanged.
    """
    before = _ENDING.get(rrType)
    if before is not None:
        return rdata.lower() if not before else rdata[:before] + rdata[before:].lower()
    if not _isFolded(rrType):
        return rdata
    if rrType == RRSIG:
        position = _SIGNER
        try:
            while length := rdata[position]:
                position += length + 1
        except IndexError:
            return rdata
        return rdata[:_SIGNER] + rdata[_SIGNER:position].lower() + rdata[position:]
    try:
        return canonicalRdata(rrType, rdata)
    except BadMessage:
        return rdata


def distinct(rrType: int, rdatas: Iterable[bytes]) -> tuple[bytes, ...]:
    """
    Return the distinct records of one name and type, the first of each if they differ only in the case of the names in them (RFC 2181,
    section 5; RFC 2136, section 1.1.1; RFC 4034, section 6.2).
    """
    several = tuple(dict.fromkeys(rdatas))
    if len({rdata.lower() for rdata in several}) == len(several):
        return several
    kinds: dict[bytes, bytes] = {}
    for rdata in several:
        kinds.setdefault(canonicalOf(rrType, rdata), rdata)
    return tuple(kinds.values())
