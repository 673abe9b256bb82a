"""
Answering a query from an answer cached for richer flags.

Answers to different flags are cached separately. But an answer with DNSSEC records contains the one without, and an answer to RD is as good
for a query without RD; never the other way round, and never across CD, which lets through answers that other clients must not get.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.wire.codes import AD, CD, RD
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, DS, NSEC, NSEC3, RRSIG

__all__ = ["kinOf", "madePlainer", "needsNoSignatures", "unsignedOf"]

# The bits of a variant's first octet, as in QueryContext.
_RECURSION: Final = 1
_DNSSEC: Final = 2
_CHECKING: Final = 4
_AUTHENTIC: Final = 8
_EDNS: Final = 16
_STREAM: Final = 32

#: Flags that have to be equal.
_APART: Final = _CHECKING | _EDNS | _STREAM

#: Records that are left out unless the query has DO (RFC 4035, section 3.2.1), or asks for their type.
_LEFT_OUT: Final = frozenset((RRSIG, NSEC, NSEC3))


def _bits(variant: bytes) -> int:
    return variant[0] if variant else _RECURSION | _EDNS


def kinOf(variant: bytes, others: frozenset[bytes]) -> tuple[bytes, ...]:
    """
    Return the variants whose answers contain the answer for this one, the most similar first.

    @param variant: the flags of the question.
    @param others: the flags that answers are cached for.
    """
    return () if len(variant) > 1 else _kinOf(variant, others)


@lru_cache(1024)
def _kinOf(variant: bytes, others: frozenset[bytes]) -> tuple[bytes, ...]:
    kin = [other for other in others if _holds(other, variant)]
    return tuple(sorted(kin, key=lambda other: (_bits(other) ^ _bits(variant)).bit_count()))


def _holds(richer: bytes, plainer: bytes) -> bool:
    have, want = _bits(richer), _bits(plainer)
    if have == want or (have ^ want) & _APART:
        return False
    if want & _AUTHENTIC and have & _DNSSEC:
        have |= _AUTHENTIC  # A client with DO gets the AD bit as well (RFC 6840, section 5.8).
    return not want & ~have


def unsignedOf(variant: bytes, others: frozenset[bytes]) -> tuple[bytes, ...]:
    """
    Return the variants that differ from this one, which has DO, by the lack of it: their answers are as good if there are no signatures.

    @param variant: the flags of the question.
    @param others: the flags that answers are cached for.
    """
    bits = _bits(variant)
    if len(variant) > 1 or not bits & _DNSSEC:
        return ()
    return tuple([other for other in others if _bits(other) | _DNSSEC | _AUTHENTIC == bits | _AUTHENTIC and not _bits(other) & _DNSSEC])


def needsNoSignatures(question: Question, answer: Answer) -> bool:
    """
    Return whether an answer that was looked up without DO is complete with DO: the zone is provably not signed, and the denial is
    not one by an opted-out span of NSEC3 records.
    """
    if answer.security is not Security.INSECURE:
        return False
    return answer.outcome is Outcome.DATA or (answer.outcome is Outcome.NODATA and question.rrType != DS)


def madePlainer(question: Question, context: QueryContext, richer: Answer) -> Answer | None:
    """
    Return the answer for the flags of C{context}, or L{None} if it cannot be derived.

    @param richer: a cached answer to this question for flags that L{kinOf} returned.
    """
    flags = richer.flags & ~(RD | AD | CD) | (RD if context.recursionDesired else 0) | (CD if context.checkingDisabled else 0)
    if context.dnssecOk or context.authenticData:
        flags |= richer.flags & AD
    sections = (richer.answer, richer.authority, richer.additional)
    if not context.dnssecOk:
        if question.rrType in _LEFT_OUT or question.rrType == ANY:
            return None
        sections = (_without(richer.answer), _without(richer.authority), _without(richer.additional))
    plainer = richer.having(*sections)
    plainer.flags = flags
    return plainer


def _without(sets: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
    return tuple([rrset for rrset in sets if rrset.rrType not in _LEFT_OUT]) if sets else sets
