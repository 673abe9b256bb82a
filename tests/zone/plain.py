"""
Zones for tests, from one line per record.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.answers import Answer
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.zone.query.answers import answerAcross
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

__all__ = ["HEAD", "answer", "setsOf", "versionOf"]

#: The start of most zones. Denials hold for a minute.
HEAD: Final = """\
@ SOA ns.invalid. mail.invalid. 1 3600 600 86400 60
@ NS ns.invalid.
"""


def setsOf(text: str, origin: str, ttl: int = 300) -> list[RRSet]:
    """
    Return record sets.

    @param text: Lines of owner, optional TTL and class, type and rdata. Empty lines are ignored.
    """
    apex = nameFromText(origin)
    sets = []
    for line in text.splitlines():
        words = line.split(None, 1)
        if not words:
            continue
        owner, rest = words
        seconds = ttl
        first, rest = rest.split(None, 1)
        if first.isdigit():
            seconds = int(first)
            first, rest = rest.split(None, 1)
        if first == "IN":
            first, rest = rest.split(None, 1)
        rrType = typeNumber(first)
        assert rrType is not None, first
        name = apex if owner == "@" else nameFromText(owner, apex)
        sets.append(RRSet(name, rrType, 1, seconds, (rdataFromText(rrType, rest, apex),)))
    return sets


def versionOf(text: str, origin: str = "example.", ttl: int = 300) -> Version:
    """
    Return a zone with these records.
    """
    return Zone.fromRecords(nameFromText(origin), setsOf(text, origin, ttl)).current


def answer(version: Version, question: Question, *, dnssecOk: bool = False, minimal: bool = True) -> Answer:
    """
    Return the answer of a server that has only this zone.
    """

    def find(name: bytes) -> Version | None:
        return version if isBelow(name, version.apex) else None

    found = answerAcross(find, question, dnssecOk=dnssecOk, minimal=minimal)
    assert found is not None
    return found
