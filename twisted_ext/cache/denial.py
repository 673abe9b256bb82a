"""
Negative caching (RFC 2308): the cache keys and lifetimes of denials. NXDOMAIN applies to all types of a name, NODATA to one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted_ext.answers import Answer
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME

__all__ = ["denialKey", "deniesName", "denialSeconds", "keysAbove"]

#: Octets of the five numbers of an SOA record.
_NUMBERS: Final = 20


def denialKey(key: bytes, variant: bytes) -> bytes:
    """
    Return the cache key for the nonexistence of the question's name: it has type 0, which no question has.

    @param key: a question's key.
    @param variant: the flags that it was asked with.
    """
    return key[:-4] + b"\x00\x00" + key[-2:] + variant


def keysAbove(key: bytes, variant: bytes) -> Iterator[bytes]:
    """
    Return the keys of denials of the names above a question's, the nearest first, without the root.
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
    Return whether the question's own name does not exist, rather than the target of its aliases (RFC 6604).

    @param answer: one with NXDOMAIN.
    """
    return not answer.answer


def denialSeconds(question: Question, answer: Answer, soa: RRSet) -> int | None:
    """
    Return the TTL of a denial by an SOA record: the lesser of its TTL and its MINIMUM field (RFC 2308, sections 3 and 5).

    @return: seconds; L{None} if the record does not apply: its zone does not contain the denied name.
    """
    rdata = soa.rdatas[0]
    if len(rdata) < _NUMBERS + 2:
        return None
    denied = question.name.lower()
    if answer.answer:
        aliases = {rrset.name.lower(): rrset for rrset in answer.answer if rrset.rrType == CNAME}
        # Remove each alias, so that a loop ends.
        while (alias := aliases.pop(denied, None)) is not None:
            denied = alias.rdatas[0].lower()
    if not isBelow(denied, soa.name.lower()):
        return None
    return min(soa.ttl, int.from_bytes(rdata[-4:], "big"))
