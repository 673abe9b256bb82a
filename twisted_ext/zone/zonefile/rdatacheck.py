"""
Additional checks of rdata in master files; rdata received from other servers is accepted without these.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.wire.rdata.registry import declarationOf
from twisted_ext.wire.rrtypes import CDS, DLV, DS, TA
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["DIGEST_OCTETS", "flawOf", "rdataFrom"]

#: Octets of digests by the digest type of DS records (RFC 4034, section 5.1.4; RFC 4509; RFC 6605; RFC 5933; RFC 9558; RFC 9563).
DIGEST_OCTETS: Final = {1: 20, 2: 32, 3: 32, 4: 48, 5: 32, 6: 32}

#: Octets of rdata beyond which a record fits into no message: the header, a question of at least five octets, and twelve octets of the
#: record precede it (RFC 1035, sections 4.1 and 4.2.2).
_ROOM: Final = 65535 - 12 - 5 - 12

#: Octets of a DS record before the digest.
_BEFORE_DIGEST: Final = 4

_DIGESTED: Final = frozenset((DS, CDS, TA, DLV))


def flawOf(rrType: int, rdata: bytes) -> str:
    """
    Check rdata for flaws that its syntax allows.

    @param rdata: well-formed rdata of its type.

    @return: what is wrong with it; empty in most cases.
    """
    if rrType in _DIGESTED:
        count, wanted = len(rdata) - _BEFORE_DIGEST, DIGEST_OCTETS.get(rdata[3])
        if wanted not in (None, count):
            return f"a digest of {count} octets; type {rdata[3]} gives {wanted}"
    return ""


def rdataFrom(rrType: int, tokens: Tokens) -> bytes:
    """
    Parse the rdata of a record from the remaining words.

    @raise BadRecord: it is not valid for its type, or has a flaw.
    """
    rdata = declarationOf(rrType).fromTokens(tokens).wire
    if flaw := flawOf(rrType, rdata):
        raise badRecord(flaw, tokens.column)
    if len(rdata) > _ROOM:
        text = f"{len(rdata)} octets; a message has room for {_ROOM}, so neither this record nor a transfer of the zone can be sent"
        tokens.remarks.append(badRecord(text, tokens.column))
    return rdata
