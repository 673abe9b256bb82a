"""
Answering a plain wish from what was learned for a richer one.

Different wishes are kept apart. But an answer with DNSSEC records holds the one without, and one that was recursed for is as good where
recursion was not asked for; never the other way round, and never across CD, which lets through what others must not see.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.wire.codes import AD, CD, RD
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet

__all__ = ["kinOf", "madePlainer"]

# As QueryContext has them in the first octet of a variant.
_RECURSION: Final = 1
_DNSSEC: Final = 2
_CHECKING: Final = 4
_AUTHENTIC: Final = 8
_EDNS: Final = 16
_STREAM: Final = 32

#: What has to be equal.
_APART: Final = _CHECKING | _EDNS | _STREAM

#: Records that are left out unless DNSSEC records were asked for (RFC 4035, section 3.2.1), or these very ones.
_LEFT_OUT: Final = frozenset((46, 47, 50))
_ANY: Final = 255

_known: dict[tuple[bytes, frozenset[bytes]], tuple[bytes, ...]] = {}


def _bits(variant: bytes) -> int:
    return variant[0] if variant else _RECURSION | _EDNS


def kinOf(variant: bytes, others: frozenset[bytes]) -> tuple[bytes, ...]:
    """
    @param variant: the wishes that go with a question.
    @param others: wishes that answers are kept for.

    @return: those whose answers hold the answer to this one, the most alike first.
    """
    if len(variant) > 1:
        return ()
    kin = _known.get((variant, others))
    if kin is None:
        if len(_known) > 1024:
            _known.clear()
        kin = _known[variant, others] = tuple(
            sorted([other for other in others if _holds(other, variant)], key=lambda other: (_bits(other) ^ _bits(variant)).bit_count())
        )
    return kin


def _holds(richer: bytes, plainer: bytes) -> bool:
    have, want = _bits(richer), _bits(plainer)
    if have == want or (have ^ want) & _APART:
        return False
    if want & _AUTHENTIC and have & _DNSSEC:
        have |= _AUTHENTIC  # Whoever sees DNSSEC records is told of AD as well (RFC 6840, section 5.8).
    return not want & ~have


def madePlainer(question: Question, context: QueryContext, richer: Answer) -> Answer | None:
    """
    @param richer: an answer to this question that was asked for with wishes that L{kinOf} gave.

    @return: what answers the question with these wishes, or L{None} where that cannot be told from it.
    """
    flags = richer.flags & ~(RD | AD | CD) | (RD if context.recursionDesired else 0) | (CD if context.checkingDisabled else 0)
    if context.dnssecOk or context.authenticData:
        flags |= richer.flags & AD
    sections = (richer.answer, richer.authority, richer.additional)
    if not context.dnssecOk:
        if question.rrType in _LEFT_OUT or question.rrType == _ANY:
            return None
        sections = (_without(richer.answer), _without(richer.authority), _without(richer.additional))
    return Answer(
        richer.outcome,
        *sections,
        rcode=richer.rcode,
        flags=flags,
        security=richer.security,
        ede=richer.ede,
        origin=richer.origin,
    )


def _without(sets: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
    return tuple([rrset for rrset in sets if rrset.rrType not in _LEFT_OUT])
