"""
Answers a question from a zone: the algorithm of RFC 1034, section 4.3.2, as updated by RFC 2181, 4592 (wildcards), 6672 (DNAME), 4035 and
5155 (DNSSEC proofs) and 9471 (glue).

Answers are minimal by default, and have signatures and proofs only for queries with DO. The server handles ANY (RFC 8482) and transfers
before it calls this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.wire.codes import AA
from twisted_ext.wire.names import isBelow
from twisted_ext.wire.rrtypes import CNAME as _CNAME
from twisted_ext.wire.rrtypes import DNAME, RRSIG
from twisted_ext.zone.query.lookup import MOST_LINKS, Find, Walk, authorityFor, originOf
from twisted_ext.zone.store.nodes import CNAME, CUT, HASHED, OCCLUDED

if TYPE_CHECKING:
    from twisted_ext.wire.message import Question
    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.version import Version

__all__ = ["aliasTarget", "answer", "answerAcross"]

#: Nodes at which the records of a type may not be the whole answer.
_SPECIAL: Final = CUT | CNAME | OCCLUDED | HASHED


def answer(version: Version, question: Question, *, dnssecOk: bool = False, minimal: bool = True) -> Answer:
    """
    Answer from one zone.

    Aliases are followed inside the zone. A referral is an answer without AA whose outcome is NODATA.

    @param question: for a name in the zone.
    @param dnssecOk: add signatures and proofs (RFC 3225).
    @param minimal: leave out name servers and addresses that the client does not need.
    """
    if minimal:
        found = _plain(version, question, dnssecOk)
        if found is not None:
            return found
    walk = Walk(question, dnssecOk, minimal)
    walk.follow(version, None)
    return walk.answer()


def answerAcross(find: Find, question: Question, *, dnssecOk: bool = False, minimal: bool = True) -> Answer | None:
    """
    Answer from all zones of a server: follow aliases from one zone to another, and take the DS records of a zone from its parent (RFC 4035,
    section 3.1.4.1).

    @param find: returns the zone closest to a folded name, or L{None}.

    @return: L{None} if the name is in no zone.
    """
    version = authorityFor(find, question.key[:-4], question.rrType)
    if version is None:
        return None
    if minimal:
        found = _plain(version, question, dnssecOk)
        if found is not None:
            return found
    walk = Walk(question, dnssecOk, minimal)
    walk.follow(version, find)
    return walk.answer()


def aliasTarget(found: Answer) -> bytes | None:
    """
    Return the target of an answer's last alias if the answer ends there; L{None} if the answer is complete, or if its aliases form a loop
    or are too many.
    """
    if found.outcome is not Outcome.NODATA or found.rcode or found.authority or not found.answer:
        return None
    targets = {rrset.name.lower(): rrset.rdatas[0] for rrset in found.answer if rrset.rrType == _CNAME}
    if not targets or len(targets) >= MOST_LINKS:
        return None
    target = list(targets.values())[-1]
    folded = target.lower()
    if folded in targets or any(
        rrset.rrType == DNAME and isBelow(folded, rrset.name.lower()) for rrset in found.answer
    ):
        return None
    return target


def _plain(version: Version, question: Question, dnssecOk: bool) -> Answer | None:
    """
    Return the answer if the name exists, has records of the type and no special flags, which is by far the most frequent case.
    """
    node = version.find(question.key[: -len(version.apex) - 4])
    if node is None or node.flags & _SPECIAL:
        return None
    rrType = question.rrType
    for rrset in node.sets:
        if rrset.rrType == rrType:
            break
    else:
        return None
    if rrType == RRSIG:
        return None
    sets: tuple[RRSet, ...] = (rrset,)
    if dnssecOk:
        signatures = node.signatures(rrType)
        if signatures is not None:
            sets = (rrset, signatures)
    found = Answer.__new__(Answer)
    found.outcome = Outcome.DATA
    found.rcode = 0
    found.flags = AA
    found.answer = sets
    found.authority = found.additional = found.ede = ()
    found.security = Security.INDETERMINATE
    found.origin = version.origin or originOf(version)
    found.wire = b""
    found._message = None
    return found
