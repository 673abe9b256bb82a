"""
Read the data at the end of an answer's alias chain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twisted_ext.answers import Answer, Outcome, Question, Security
from twisted_ext.wire.codes import AA, AD
from twisted_ext.wire.names import nameEnd
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, HTTPS, SOA, SVCB

__all__ = ["endOf", "found", "isHostName", "targetsOf", "together"]

#: Matches labels of host names (RFC 952; RFC 1123, section 2.1). The C library accepts the underscore as well.
_LABEL: Final = re.compile(rb"[A-Za-z0-9_-]+")


def isHostName(name: bytes) -> bool:
    """
    Return whether a name is a valid host name. The C library rejects answers with other names, since programs use host names in commands
    and files.

    @param name: in wire form.
    """
    at = 0
    while name[at]:
        end = at + 1 + name[at]
        if not _LABEL.fullmatch(name, at + 1, end):
            return False
        at = end
    return name[1:2] != b"-"


def endOf(name: bytes, answer: tuple[RRSet, ...], rrType: int) -> bytes | None:
    """
    Return the target of the last of the aliases that lead from a name, in its own case; L{None} if the name is not an alias.

    @param name: folded.
    @param rrType: the type in question. No alias leads on from a name that has it, as some servers send both.
    """
    aliases: dict[bytes, bytes] = {}
    owners: list[bytes] = []
    for rrset in answer:
        if rrset.rrType == CNAME:
            aliases.setdefault(rrset.name.lower(), rrset.rdatas[0])
        elif rrset.rrType == rrType:
            owners.append(rrset.name.lower())
    target = None
    while name in aliases and name not in owners:
        target = aliases.pop(name)
        name = target.lower()
    return target


def targetsOf(rrset: RRSet) -> Sequence[bytes]:
    """
    Return the names that clients go on to from a record set: those of aliases, and those of services (RFC 9460), whose addresses may be
    beside them as hints.
    """
    if rrset.rrType == CNAME:
        return rrset.rdatas
    if rrset.rrType in (HTTPS, SVCB):
        return [rdata[2 : nameEnd(rdata, 2)] for rdata in rrset.rdatas if len(rdata) > 2 and rdata[2]]
    return ()


def found(question: Question, answer: Answer, searched: bool = True) -> tuple[tuple[bytes, ...], bytes, bytes | None]:
    """
    Follow aliases through an answer.

    @param searched: a search list may have been applied, so that the answer begins with another name.

    @return: the data at the end of the chain, their owner, and, if the chain leaves the answer, the target to look up next. For an alias
        loop this is a name in the loop.
    """
    sets = answer.answer
    rrType = question.rrType
    if searched and len(sets) == 1 and sets[0].rrType == rrType:
        return sets[0].rdatas, sets[0].name, None
    if not sets:
        return (), question.name, None
    targets: dict[bytes, bytes] = {}
    data: dict[bytes, RRSet] = {}
    for rrset in sets:
        if rrset.rrType == rrType:
            data.setdefault(rrset.name.lower(), rrset)
        elif rrset.rrType == CNAME:
            targets.setdefault(rrset.name.lower(), rrset.rdatas[0])
    name = question.name
    lower = name.lower()
    if searched and lower not in data and lower not in targets and (data or targets):
        name = sets[0].name
        lower = name.lower()
    left: bytes | None = None
    # Remove each alias followed, so that a loop ends.
    while lower not in data:
        target = targets.pop(lower, None)
        if target is None:
            # A server that followed the aliases itself denies data at their end.
            if answer.rcode or answer.outcome is Outcome.NXDOMAIN or any(rrset.rrType == SOA for rrset in answer.authority):
                left = None
            return (), name, left
        name = left = target
        lower = name.lower()
    return data[lower].rdatas, data[lower].name, None


def together(answers: Sequence[Answer]) -> Answer:
    """
    Combine the answers of an alias chain into one, as a recursive server does.

    @param answers: the first answer, and those for the targets of its aliases, in order.

    @return: the combined answer. It is only as secure as the least secure of its parts: a forged alias may lead to records with
        valid signatures. AA is that of the name in the question (RFC 1035, section 4.1.1).
    """
    last = answers[-1]
    if len(answers) == 1:
        return last
    flags = last.flags & ~AA | answers[0].flags & AA
    return Answer(
        last.outcome,
        tuple([rrset for each in answers for rrset in each.answer]),
        last.authority,
        last.additional,
        rcode=last.rcode,
        flags=flags if all(each.authenticated for each in answers) else flags & ~AD,
        security=last.security if all(each.security is last.security for each in answers) else Security.INDETERMINATE,
        ede=last.ede,
        origin=last.origin,
    )
