"""
Writing master files: canonical ones to be compared, readable ones for people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import className
from twisted_ext.wire.names import canonicalKey, isBelow, nameToText
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.kinds import Name
from twisted_ext.wire.rdata.registry import canonicalRdata, declarationOf, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import RRSIG, SOA, typeName

__all__ = ["canonicalFile", "ordered", "readableFile"]

#: What the numbers of an SOA record are.
_TIMES: Final = ("serial", "refresh", "retry", "expire", "least TTL, for denials")

#: Columns that an owner's name gets in a readable file at most; longer ones push the rest of their line to the right.
_WIDEST: Final = 32


def ordered(sets: Iterable[RRSet]) -> list[RRSet]:
    """
    @return: the sets as names sort (RFC 4034, section 6.1), those of one name by type, an SOA record first.
    """
    return sorted(sets, key=_order)


def _order(rrset: RRSet) -> tuple[tuple[bytes, ...], bool, int, bytes]:
    covers = rrset.rdatas[0][:2] if rrset.rrType == RRSIG and rrset.rdatas else b""
    return canonicalKey(rrset.name), rrset.rrType != SOA, rrset.rrType, covers


def _sorted(rrset: RRSet) -> list[bytes]:
    """
    @return: the set's rdata as they sort (RFC 4034, section 6.3).
    """
    if len(rrset.rdatas) < 2:
        return list(rrset.rdatas)
    keyed: list[tuple[bytes, bytes]] = []
    for rdata in rrset.rdatas:
        try:
            keyed.append((canonicalRdata(rrset.rrType, rdata), rdata))
        except BadMessage:
            keyed.append((rdata, rdata))
    return [rdata for _, rdata in sorted(keyed)]


def canonicalFile(sets: Iterable[RRSet]) -> Iterator[str]:
    """
    Write records so that equal zones give equal files: in order, one a line, names absolute, nothing left out.

    @return: the lines.
    """
    for rrset in ordered(sets):
        head = f"{nameToText(rrset.name)} {rrset.ttl} {className(rrset.rrClass)} {typeName(rrset.rrType)} "
        for rdata in _sorted(rrset):
            yield head + rdataToText(rrset.rrType, rdata)


def readableFile(sets: Iterable[RRSet], origin: bytes) -> Iterator[str]:
    """
    Write records for people: names relative to C{origin}, which is said once, as is the TTL that most of them have; columns; an
    owner's name once; the SOA record over several lines, its numbers explained.

    @return: the lines.
    """
    zone = ordered(sets)
    tally = Counter([rrset.ttl for rrset in zone for _ in rrset.rdatas])
    usual = min(tally, key=lambda ttl: (-tally[ttl], ttl), default=0)
    yield f"$ORIGIN {nameToText(origin)}"
    yield f"$TTL {usual}"
    owners = [_relative(rrset.name, origin) for rrset in zone]
    width = max([len(owner) for owner in owners if len(owner) <= _WIDEST], default=1)
    lifetimes = max([len(str(rrset.ttl)) for rrset in zone if rrset.ttl != usual], default=0)
    last = ""
    for rrset, owner in zip(zone, owners, strict=True):
        ttl = "" if rrset.ttl == usual else str(rrset.ttl)
        words = [*([ttl.ljust(lifetimes)] if lifetimes else []), className(rrset.rrClass), typeName(rrset.rrType).ljust(5)]
        middle = " ".join(words)
        for rdata in _sorted(rrset):
            shown = "" if owner == last else owner
            last = owner
            head = f"{shown.ljust(width)} {middle} "
            if rrset.rrType == SOA:
                yield from _startOfAuthority(head, rdata, origin)
            else:
                yield head + _rdata(rrset.rrType, rdata, origin)


def _relative(name: bytes, origin: bytes) -> str:
    """
    @return: the name as it is written where names belong below C{origin}.
    """
    if not isBelow(name.lower(), origin.lower()):
        return nameToText(name)
    return nameToText(name[: len(name) - len(origin)] + b"\x00", final=False) if len(name) > len(origin) else "@"


def _rdata(rrType: int, rdata: bytes, origin: bytes) -> str:
    """
    @return: the rdata in one line, names in it relative where they are fields of their own.
    """
    kind = declarationOf(rrType)
    own = any("words" in each.__dict__ for each in kind.__mro__ if each is not Rdata)
    if own or not any(isinstance(field, Name) for field in kind.fields):
        return rdataToText(rrType, rdata)
    try:
        values = kind.fromWire(rdata).values
    except BadMessage:
        return rdataToText(rrType, rdata)
    words: list[str] = []
    for field, value in zip(kind.fields, values, strict=True):
        text = _relative(value, origin) if isinstance(field, Name) and isinstance(value, bytes) else field.toText(value, values)
        if text is None:
            return rdataToText(rrType, rdata)
        if text:
            words.append(text)
    return " ".join(words)


def _startOfAuthority(head: str, rdata: bytes, origin: bytes) -> Iterator[str]:
    words = _rdata(SOA, rdata, origin).split(" ")
    if len(words) != 2 + len(_TIMES) or words[0] == "\\#":
        yield head + _rdata(SOA, rdata, origin)
        return
    yield f"{head}{words[0]} {words[1]} ("
    indent = " " * len(head)
    for number, (word, what) in enumerate(zip(words[2:], _TIMES, strict=True), 1):
        yield f"{indent}{word.ljust(10)} {')' if number == len(_TIMES) else ' '} ; {what}"
