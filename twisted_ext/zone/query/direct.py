"""
Answers the most frequent questions from a zone in wire format: those for addresses and other records without names to compress, at a name
that has them, that matches a wildcard or that is an alias of one that has them. No object is made of these records.

L{answerAcross<twisted_ext.zone.query.answers.answerAcross>} answers all other questions, and gives the same answers to these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_ext.answers import Epoch
from twisted_ext.wire.builder import COMPRESSED
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, isBelow
from twisted_ext.wire.rrtypes import ANY, DNAME, DS, IXFR, NSEC, NXNAME, OPT, RRSIG
from twisted_ext.zone.store.nodes import BETWEEN, CNAME, CUT, HASHED, OCCLUDED, STAR, WILDCARD
from twisted_ext.zone.store.nodes import DNAME as REDIRECTED
from twisted_ext.zone.store.version import DirectAnswer, Version

__all__ = ["INDIRECT", "directAnswer", "picked"]

#: Nodes at which the records of a type may not be the whole answer.
_SPECIAL: Final = CUT | CNAME | OCCLUDED | HASHED

#: Nodes below which a wildcard does not answer.
_CLOSED: Final = CUT | REDIRECTED | OCCLUDED | HASHED

#: Types whose records have names to compress, or that need more than their records; and those that only have a meaning in questions.
INDIRECT: Final = frozenset((*COMPRESSED, DNAME, DS, RRSIG, OPT, NXNAME, *range(IXFR - 2, ANY + 1)))

#: The type of an alias.
_ALIAS: Final = b"\x00\x05"

#: The offset of the question in a message.
_QUESTION: Final = 12

#: Wildcard answers that a version keeps. There are as many as types at wildcards, which clients cannot invent.
_MOST_KEPT: Final = 1000


def directAnswer(find: Callable[[bytes], Version | None], question: Question, dnssecOk: bool) -> DirectAnswer | None:
    """
    @param find: returns the zone that a folded name is in, if it is served.
    @param dnssecOk: add signatures (RFC 3225).

    @return: L{None} where L{answerAcross<twisted_ext.zone.query.answers.answerAcross>} has to answer.
    """
    rrType = question.rrType
    if rrType in INDIRECT:
        return None
    folded = question.key
    version = find(folded[:-4])
    if version is None or version.recut:
        return None
    origin = version.origin
    if origin is None or origin.epoch is None:
        return None
    key = folded[: -len(version.apex) - 4]
    overlay = version.overlay
    if not key or (overlay and key in overlay):
        # Versions keep the node of the apex.
        return None
    image = version.image
    index = image.find(key)
    if index >= 0:
        special = image.flags(index) & _SPECIAL
        if special:
            if special != CNAME or dnssecOk or rrType == NSEC:
                return None
            return _aliased(find, version, question, image.rendered(index), len(key), origin.epoch)
        return picked(image.rendered(index), len(key), rrType, dnssecOk, False, origin.epoch)
    if overlay:
        return None
    above = key[0] + 1
    kept = version.signedWildcards if dnssecOk else version.wildcards
    # The name above, type and class.
    place = folded[above:]
    found = kept.get(place)
    if found is None:
        encloser = key[above:]
        index = image.find(encloser)
        if index < 0:
            return None
        flags = image.flags(index)
        if flags & _CLOSED or not flags & WILDCARD:
            return None
        star = STAR + encloser
        index = image.find(star)
        if index < 0 or image.flags(index) & _SPECIAL or (dnssecOk and (version.proves or version.signed)):
            return None
        found = picked(image.rendered(index), len(star), rrType, dnssecOk, True, origin.epoch)
        if found is not None and len(kept) < _MOST_KEPT:
            kept[place] = found
    return found


def _aliased(
    find: Callable[[bytes], Version | None], version: Version, question: Question, records: bytes, labels: int, epoch: Epoch
) -> DirectAnswer | None:
    """
    Answer with an alias and the records of its target, without signatures.

    @param records: those of the alias, in wire format as in a transfer message.
    @param labels: octets of its labels.

    @return: L{None} if the node has more records, or if the target's are not in the same zone, or are not the whole answer either.
    """
    start = labels + BETWEEN
    end = len(records)
    if start >= end or records[labels + 2 : labels + 4] != _ALIAS or start + (records[start - 2] << 8 | records[start - 1]) != end:
        return None
    target = records[start:]
    folded = target.lower()
    apex = version.apex
    if apex == ROOT or not folded.endswith(apex) or find(folded) is not version:
        return None
    key = folded[: -len(apex)]
    image = version.image
    if not key or (version.overlay and key in version.overlay):
        return None
    index = image.find(key)
    if index < 0 or image.flags(index) & _SPECIAL:
        return None
    found = picked(image.rendered(index), len(key), question.rrType, False, False, epoch)
    if found is None:
        return None
    # The target ends at the latest with the apex as the question does, so there is a suffix to point to.
    asked = question.key[:-4]
    position = 0
    while not isBelow(asked, folded[position:]):
        position += folded[position] + 1
    pointer = _pointer(_QUESTION + len(asked) - (len(folded) - position))
    rdata = target[:position] + pointer
    if position:
        # The whole target is where the rdata of the alias is.
        pointer = _pointer(_QUESTION + len(asked) + 4 + BETWEEN)
    parts = [records[labels : start - 2], len(rdata).to_bytes(2, "big"), rdata]
    octets = found.octets
    position = 0
    while position < len(octets):
        after = position + BETWEEN + (octets[position + 10] << 8 | octets[position + 11])
        parts.append(pointer)
        parts.append(octets[position + 2 : after])
        position = after
    return DirectAnswer(b"".join(parts), 1 + found.count, False, epoch)


def _pointer(offset: int) -> bytes:
    return (0xC000 | offset).to_bytes(2, "big")


def picked(records: bytes, labels: int, rrType: int, dnssecOk: bool, synthesized: bool, epoch: Epoch) -> DirectAnswer | None:
    """
    Pick the records of a type, and their signatures, from those of a node.

    @param records: in wire format as in a transfer message: each owner ends with a pointer to octet 12, where a reply has the question.
    @param labels: octets of the owner's labels.

    @return: L{None} if there are none, or if they have to be put in order first.
    """
    end = len(records)
    found: list[bytes] = []
    signatures: list[bytes] = []
    ttl = signed = b""
    position = labels
    while position < end:
        start = position + BETWEEN
        if start > end:
            return None
        after = start + (records[position + 10] << 8 | records[position + 11])
        if after > end:
            return None
        here = records[position + 2] << 8 | records[position + 3]
        if here == rrType:
            record = records[position:after]
            if found and (record[6:10] != ttl or record in found):
                return None
            ttl = record[6:10]
            found.append(record)
        elif here == RRSIG and dnssecOk and records[start : start + 2] == rrType.to_bytes(2, "big"):
            record = records[position:after]
            if signatures and (record[6:10] != signed or record in signatures):
                return None
            signed = record[6:10]
            signatures.append(record)
        position = after + labels
    if position != end + labels or not found:
        return None
    count = len(found)
    if count == 1 and not signatures:
        return DirectAnswer(found[0], 1, synthesized, epoch)
    found += signatures
    return DirectAnswer(b"".join(found), len(found), synthesized, epoch)
