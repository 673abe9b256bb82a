"""
What is kept of a denial, and under which key (RFC 2308): that a name does not exist holds for all its types, that it has no such
data for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted_ext.answers import Answer
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow
from twisted_ext.wire.records import RRSet

__all__ = ["denialKey", "deniesName", "denialSeconds", "keysAbove"]

_CNAME: Final = 5

#: Octets of an SOA record's five numbers.
_NUMBERS: Final = 20


def denialKey(key: bytes, variant: bytes) -> bytes:
    """
    @param key: a question's key.
    @param variant: the wishes that it was asked with.

    @return: where the cache keeps that the question's name does not exist: type 0, which nothing that is asked for has.
    """
    return key[:-4] + b"\x00\x00" + key[-2:] + variant


def keysAbove(key: bytes, variant: bytes) -> Iterator[bytes]:
    """
    @return: the keys under which the names above a question's would be denied, the nearest first, without the root's.
    """
    behind = b"\x00\x00" + key[-2:] + variant
    end = len(key) - 4
    position = 0
    while length := key[position]:
        position += length + 1
        if key[position]:
            yield key[position:end] + behind


def deniesName(answer: Answer) -> bool:
    """
    @param answer: one whose outcome is that there is no such name.

    @return: whether it is the name of the question that does not exist, and not one that its aliases lead to (RFC 6604).
    """
    return not answer.answer


def denialSeconds(question: Question, answer: Answer, soa: RRSet) -> int | None:
    """
    Say for how long an SOA record lets a denial be kept: the lesser of its TTL and its last number (RFC 2308, sections 3 and 5).

    @return: L{None} where this record has no say: its zone does not hold the name that is denied.
    """
    rdata = soa.rdatas[0]
    if len(rdata) < _NUMBERS + 2:
        return None
    denied = question.name.lower()
    if answer.answer:
        aliases = {rrset.name.lower(): rrset for rrset in answer.answer if rrset.rrType == _CNAME}
        # Each alias is taken out, so that a loop ends.
        while (alias := aliases.pop(denied, None)) is not None:
            denied = alias.rdatas[0].lower()
    if not isBelow(denied, soa.name.lower()):
        return None
    return min(soa.ttl, int.from_bytes(rdata[-4:], "big"))
