"""
What an answer says of the addresses of a name, or of the name of an address: the data at the end of its aliases.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.answers import Answer, Question
from twisted_ext.wire.rrtypes import CNAME, SOA

__all__ = ["found", "isHostName"]

#: What labels of hosts are made of (RFC 952; RFC 1123, section 2.1), and the underscore, which the C library takes as well.
_LABEL: Final = re.compile(rb"[A-Za-z0-9_-]+")


def isHostName(name: bytes) -> bool:
    """
    @param name: in wire form.

    @return: whether a host may be called so. The C library takes no addresses from answers with other names, since programs put names of
        hosts into commands and files.
    """
    at = 0
    while name[at]:
        end = at + 1 + name[at]
        if not _LABEL.fullmatch(name, at + 1, end):
            return False
        at = end
    return name[1:2] != b"-"


def found(question: Question, answer: Answer) -> tuple[tuple[bytes, ...], bytes, bytes | None]:
    """
    @return: the data, the name that it belongs to, and where its aliases lead out of the answer, if they do.
    """
    sets = answer.answer
    rrType = question.rrType
    if len(sets) == 1 and sets[0].rrType == rrType:
        return sets[0].rdatas, sets[0].name, None
    if not sets:
        return (), question.name, None
    targets: dict[bytes, bytes] = {}
    data = {}
    for rrset in sets:
        if rrset.rrType == rrType:
            data[rrset.name.lower()] = rrset
        elif rrset.rrType == CNAME:
            targets.setdefault(rrset.name.lower(), rrset.rdatas[0])
    name = question.name
    if name.lower() not in data and name.lower() not in targets:
        # A search list put something behind the name.
        name = sets[0].name
    began = name
    # Each alias is taken out, so that a loop ends.
    while name.lower() not in data:
        target = targets.pop(name.lower(), None)
        if target is None:
            # A server that followed the aliases itself proves that there is nothing at their end.
            ended = name is began or any(rrset.rrType == SOA for rrset in answer.authority)
            return (), name, None if ended else name
        name = target
    rrset = data[name.lower()]
    return rrset.rdatas, rrset.name, None
