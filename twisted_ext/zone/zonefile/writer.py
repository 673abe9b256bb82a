"""
Writes master files: canonical ones for comparison, and readable ones.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import className
from twisted_ext.wire.names import canonicalKey, isBelow, nameEnd, nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Name
from twisted_ext.wire.rdata.registry import declarationOf, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ALIAS, NSEC, RRSIG, SOA, typeName
from twisted_ext.zone.store.nodes import recordsIn

__all__ = ["canonicalFile", "ordered", "readableFile", "signedFile"]

#: Comments for the numbers of an SOA record.
_TIMES: Final = ("serial", "refresh", "retry", "expire", "least TTL, for denials")

#: Octets of an RRSIG before the signer's name.
_SIGNER: Final = 18

#: A signature that is there only to be left out of the text of one, and how it is written.
_ZERO: Final = bytes(3)
_ZERO_TEXT: Final = "AAAA"

#: Beginnings of signatures that are kept as text, 200 octets each: there are some for each type and time, and 4,096 times.
_HEADS: Final = 32_768

#: Maximum width of the column of owners in a readable file; longer ones push the rest of their line to the right.
_WIDEST: Final = 32


def ordered(sets: Iterable[RRSet]) -> list[tuple[RRSet, bytes]]:
    """
    Return each record's RRset and rdata, sorted by name, then by type with the SOA first, then by rdata (RFC 4034, section 6).
    """
    records = [(rrset, rdata) for rrset in sets for rdata in rrset.rdatas]
    records.sort(key=_order)
    return records


def _order(record: tuple[RRSet, bytes]) -> tuple[tuple[bytes, ...], bool, int, bytes]:
    rrset, rdata = record
    return canonicalKey(rrset.name), rrset.rrType != SOA, rrset.rrType, canonicalOf(rrset.rrType, rdata)


def canonicalFile(sets: Iterable[RRSet], aliases: bool = False) -> Iterator[str]:
    """
    Write records so that equal zones give equal files: sorted, one per line, with absolute names and all fields.

    @param aliases: write records of type 65401 as ALIAS records.
    """
    for rrset, rdata in ordered(sets):
        head = f"{nameToText(rrset.name)} {rrset.ttl} {className(rrset.rrClass)} "
        if aliases and rrset.rrType == ALIAS:
            yield f"{head}ALIAS {nameToText(rdata)}"
        else:
            yield f"{head}{typeName(rrset.rrType)} {rdataToText(rrset.rrType, rdata)}"


def signedFile(apexName: bytes, names: Iterable[tuple[bytes, bytes]], aliases: bool = False) -> Iterator[str]:
    """
    Write a signed zone as L{canonicalFile} does, but name by name, so that it need not be in memory as text; records of a name stay in
    their order. Signatures and denials have code of their own, since such a zone has hardly anything else.

    @param names: keys, and records as nodes have them, in canonical order.

    @return: the lines of each name together, with their ends.
    """
    apexText = nameToText(apexName)
    heads: dict[bytes, str] = {}
    bits: dict[bytes, str] = {}
    signed = len(apexName) + _SIGNER
    for key, records in names:
        labels = len(key)
        lines: list[str] = []
        spelled = b""
        name = apexText
        for owner, rrType, ttl, rdata in recordsIn(records, labels):
            if owner != spelled:
                spelled, name = owner, nameToText(owner + apexName)
            if rrType == RRSIG and rdata[_SIGNER:signed].lower() == apexName.lower():
                head = heads.get(rdata[:signed])
                if head is None:
                    if len(heads) >= _HEADS:
                        heads.clear()
                    head = heads[rdata[:signed]] = f" {rdataToText(RRSIG, rdata[:signed] + _ZERO).removesuffix(_ZERO_TEXT)}"
                lines.append(f"{name} {ttl} IN RRSIG{head}{b2a_base64(rdata[signed:]).decode('ascii')}")
            elif rrType == NSEC:
                end = nameEnd(rdata)
                said = bits.get(rdata[end:])
                if said is None:
                    said = bits[rdata[end:]] = rdataToText(NSEC, b"\x00" + rdata[end:]).removeprefix(". ")
                lines.append(f"{name} {ttl} IN NSEC {nameToText(rdata[:end])} {said}\n")
            elif aliases and rrType == ALIAS:
                lines.append(f"{name} {ttl} IN ALIAS {nameToText(rdata)}\n")
            else:
                lines.append(f"{name} {ttl} IN {typeName(rrType)} {rdataToText(rrType, rdata)}\n")
        yield "".join(lines)


def readableFile(sets: Iterable[RRSet], origin: bytes, aliases: bool = False) -> Iterator[str]:
    """
    Write records in readable form: names relative to C{origin} and the most frequent TTL as directives; in columns; each owner once; the
    SOA record on several lines, with comments.

    @param aliases: write records of type 65401 as ALIAS records.
    """
    records = ordered(sets)
    tally = Counter([rrset.ttl for rrset, _ in records])
    usual = min(tally, key=lambda ttl: (-tally[ttl], ttl), default=0)
    yield f"$ORIGIN {nameToText(origin)}"
    yield f"$TTL {usual}"
    owners = [_relative(rrset.name, origin) for rrset, _ in records]
    width = max([len(owner) for owner in owners if len(owner) <= _WIDEST], default=1)
    lifetimes = max([len(str(ttl)) for ttl in tally if ttl != usual], default=0)
    last = ""
    for (rrset, rdata), owner in zip(records, owners, strict=True):
        ttl = "" if rrset.ttl == usual else str(rrset.ttl)
        alias = aliases and rrset.rrType == ALIAS
        kind = "ALIAS" if alias else typeName(rrset.rrType)
        words = [*([ttl.ljust(lifetimes)] if lifetimes else []), className(rrset.rrClass), kind.ljust(5)]
        head = f"{('' if owner == last else owner).ljust(width)} {' '.join(words)} "
        last = owner
        if rrset.rrType == SOA:
            yield from _startOfAuthority(head, rdata, origin)
        else:
            yield head + (_relative(rdata, origin) if alias else _rdata(rrset.rrType, rdata, origin))


def _relative(name: bytes, origin: bytes) -> str:
    if not isBelow(name.lower(), origin.lower()):
        return nameToText(name)
    return nameToText(name[: len(name) - len(origin)] + b"\x00", final=False) if len(name) > len(origin) else "@"


def _rdata(rrType: int, rdata: bytes, origin: bytes) -> str:
    """
    Return the rdata on one line, with names in fields of their own written relative to C{origin}.
    """
    kind = declarationOf(rrType)
    own = any("words" in each.__dict__ for each in kind.__mro__ if each is not Rdata)
    if own or not any(type(field) is Name for field in kind.fields):
        return rdataToText(rrType, rdata)
    try:
        values = kind.fromWire(rdata).values
    except BadMessage:
        return rdataToText(rrType, rdata)
    words: list[str] = []
    for field, value in zip(kind.fields, values, strict=True):
        text = _relative(value, origin) if type(field) is Name and isinstance(value, bytes) else field.toText(value, values)
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
