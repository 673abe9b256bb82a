"""
Changes of RRsets in requests, and what they have that cannot be used: in the words of PowerDNS, by which some clients go.
"""

from __future__ import annotations

from typing import Final

import msgspec

from twisted_ext.errors import BadName, BadRecord
from twisted_ext.server.api.replies import ApiRefusal
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import TXT, isMeta, typeNumber

__all__ = ["DELETE", "EXTEND", "PRUNE", "REPLACE", "PatchBody", "RRSetChange", "canonicalName", "changeOf", "idToName"]

REPLACE: Final = "REPLACE"
DELETE: Final = "DELETE"
EXTEND: Final = "EXTEND"
PRUNE: Final = "PRUNE"

_CHANGES: Final = (REPLACE, DELETE, EXTEND, PRUNE)

_MOST_TTL: Final = 2**31 - 1

#: Types whose strings stand in quotes, and are several if they do not.
_QUOTED: Final = (TXT, 99)

#: Another origin than the root, to find names without a final dot.
_ELSEWHERE: Final = b"\x07invalid\x00"


class RecordBody(msgspec.Struct):
    """
    A record.
    """

    content: str
    disabled: bool = False


class CommentBody(msgspec.Struct):
    """
    A comment.
    """

    content: str = ""
    account: str = ""
    modified_at: int | None = None


class RRSetBody(msgspec.Struct):
    """
    A change of one RRset. Fields of clients that have no meaning here are ignored.
    """

    name: str
    type: str
    changetype: str | None = None
    ttl: int | None = None
    records: list[RecordBody] | None = None
    comments: list[CommentBody] | None = None


class PatchBody(msgspec.Struct):
    """
    The body of a PATCH.
    """

    rrsets: list[RRSetBody] | None = None


class RRSetChange:
    """
    A change of one RRset, checked.

    @ivar how: L{REPLACE}, L{DELETE}, L{EXTEND} or L{PRUNE}.
    @ivar rrset: the records; L{None} for none.
    @ivar text: what it is of, for errors.
    """

    __slots__ = ("how", "name", "rrType", "rrset", "text")

    def __init__(self, how: str, name: bytes, rrType: int, rrset: RRSet | None, text: str) -> None:
        self.how = how
        self.name = name
        self.rrType = rrType
        self.rrset = rrset
        self.text = text


def canonicalName(text: str) -> bytes:
    """
    Return a name with its final dot in wire form.

    @raise ApiRefusal: it is none.
    """
    if not text.endswith("."):
        raise ApiRefusal(422, f"DNS Name '{text}' is not canonical")
    try:
        return nameFromText(text)
    except BadName as fault:
        raise ApiRefusal(422, f"DNS Name '{text}' is not valid: {fault}") from None


def changeOf(body: RRSetBody, apex: bytes) -> RRSetChange:
    """
    @param apex: the zone's name, folded.

    @raise ApiRefusal: it is not valid.
    """
    name = canonicalName(body.name)
    text = f"RRset {body.name} IN {body.type}"
    rrType = typeNumber(body.type.upper())
    if rrType is None or isMeta(rrType):
        raise ApiRefusal(422, f"{text}: unknown type given")
    if body.changetype is None:
        raise ApiRefusal(422, "Key 'changetype' not present or not a String")
    how = body.changetype.upper()
    if how not in _CHANGES:
        raise ApiRefusal(422, "Changetype not understood")
    if not isBelow(name.lower(), apex):
        raise ApiRefusal(422, f"{text}: Name is out of zone")
    if body.comments:
        raise ApiRefusal(422, f"{text}: comments are not kept here; leave them out")
    records = () if how == DELETE else tuple(body.records or ())
    if not records:
        return RRSetChange(how, name, rrType, None, text)
    # Which records go does not depend on it.
    ttl = 0 if how == PRUNE else body.ttl
    if ttl is None:
        raise ApiRefusal(422, "Key 'ttl' not an Integer or not present")
    if not 0 <= ttl <= _MOST_TTL:
        raise ApiRefusal(422, f"{text}: the TTL is from 0 to {_MOST_TTL}, not {ttl}")
    rdatas: dict[bytes, None] = {}
    for record in records:
        if record.disabled:
            raise ApiRefusal(422, f"{text}: disabled records are not kept here; leave them out")
        rdata = _rdataOf(body, rrType, record.content)
        if rdata in rdatas:
            raise ApiRefusal(422, f'Duplicate record in {text} with content "{record.content}"')
        rdatas[rdata] = None
    return RRSetChange(how, name, rrType, RRSet(name, rrType, IN, ttl, tuple(rdatas)), text)


def _rdataOf(body: RRSetBody, rrType: int, content: str) -> bytes:
    """
    @raise ApiRefusal: the content is not valid, or can be read in more than one way.
    """
    text = f"Record {body.name}/{body.type} '{content}'"
    try:
        if "\n" in content or "\r" in content:
            raise BadRecord("a record has one line")
        rdata: bytes = rdataFromText(rrType, content, b"\x00")
        isRelative = rdataFromText(rrType, content, _ELSEWHERE) != rdata
    except (BadName, BadRecord) as fault:
        raise ApiRefusal(422, f"{text}: Parsing record content: {fault}") from None
    if isRelative or (rrType in _QUOTED and not content.lstrip().startswith('"')):
        raise ApiRefusal(422, f"{text}: Not in expected format (parsed as '{rdataToText(rrType, rdata)}')")
    return rdata


def idToName(text: str) -> bytes:
    """
    Return the name, folded, of a zone's identifier: its name with C{=2F} for a slash.

    @raise ApiRefusal: it is not a name.
    """
    parts = text.split("=")
    for index in range(1, len(parts)):
        digits = parts[index][:2]
        try:
            parts[index] = chr(int(digits, 16)) + parts[index][2:] if len(digits) == 2 else f"={parts[index]}"
        except ValueError:
            parts[index] = f"={parts[index]}"
    try:
        return nameFromText("".join(parts)).lower()
    except BadName:
        raise ApiRefusal(404, "Not Found") from None
