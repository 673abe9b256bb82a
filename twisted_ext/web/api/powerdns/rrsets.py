"""
Changes of RRsets in requests, and what they have that cannot be used: in the words of PowerDNS, by which some clients go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from twisted_ext.errors import BadMessage, BadName, BadRecord
from twisted_ext.server.zones.load.databases.added import AsideChange
from twisted_ext.web.api.site.replies import ApiRefusal, bodyOf
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import isBelow, nameFromText, nameToText
from twisted_ext.wire.rdata.fieldtypes import plainName
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ALIAS, SOA, TXT, isMeta, typeName, typeNumber
from twisted_ext.zone.store.serials import isNewer, serialIn, withSerial

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.zone.store.version import Version

__all__ = [
    "DELETE", "EXTEND", "PRUNE", "REPLACE", "PatchBody", "RRSetBody", "RRSetChange", "canonicalName", "changeOf", "contentOf", "eachOf",
    "idToName", "legible", "noZone", "raised", "typeOf",
]  # fmt: skip

REPLACE: Final = "REPLACE"
DELETE: Final = "DELETE"
EXTEND: Final = "EXTEND"
PRUNE: Final = "PRUNE"

_CHANGES: Final = (REPLACE, DELETE, EXTEND, PRUNE)

_MOST_TTL: Final = 2**31 - 1

#: Types of strings, each of which stands in quotes.
_QUOTED: Final = (TXT, 99)

_STRINGS: Final = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"\s*)+')

#: Octets that may be UTF-8, as numbers; and pairs of backslashes, which begin none.
_NUMBERS: Final = re.compile(r"\\\\|((?:\\(?:1(?:2[89]|[3-9][0-9])|2[0-9]{2}))+)")

#: Characters of an identifier that an error repeats.
_SHOWN: Final = 255

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

    content: str
    account: str
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

    rrsets: list[msgspec.Raw] | None = None


def eachOf(rrsets: Iterable[msgspec.Raw]) -> Iterator[RRSetBody]:
    """
    Iterate over the RRsets of a body. Each is read when it is due, as those of a large body together take long.

    @raise ApiRefusal: one has another shape.
    """
    for index, octets in enumerate(rrsets):
        yield bodyOf(octets, RRSetBody, f"$.rrsets[{index}]")


class RRSetChange:
    """
    A change of one RRset, checked.

    @ivar how: L{REPLACE}, L{DELETE}, L{EXTEND} or L{PRUNE}.
    @ivar rrset: the records; L{None} for none.
    @ivar text: what it is of, for errors.
    @ivar hasRecords: whether it is a change of records: else only of comments.
    @ivar disabled: contents of records that are not to be served, as text.
    @ivar ttl: that of all records, in seconds.
    @ivar comments: those from now on; L{None} for those that there are.
    """

    __slots__ = ("how", "name", "rrType", "rrset", "text", "hasRecords", "disabled", "ttl", "comments")

    def __init__(self, how: str, name: bytes, rrType: int, text: str) -> None:
        self.how = how
        self.name = name
        self.rrType = rrType
        self.text = text
        self.rrset: RRSet | None = None
        self.hasRecords = True
        self.disabled: tuple[str, ...] = ()
        self.ttl = 0
        self.comments: tuple[dict[str, JSON], ...] | None = None

    @property
    def aside(self) -> AsideChange:
        """
        What it changes beside records.
        """
        comments = () if self.how == DELETE else self.comments
        if self.how in (REPLACE, DELETE):
            return AsideChange(self.name, self.rrType, self.ttl, self.disabled if self.hasRecords else None, comments)
        texts = () if self.rrset is None else tuple([rdataToText(self.rrType, rdata) for rdata in self.rrset.rdatas])
        if self.how == PRUNE:
            return AsideChange(self.name, self.rrType, self.ttl, None, comments, less=(*texts, *self.disabled))
        return AsideChange(self.name, self.rrType, self.ttl, None, comments, less=texts, more=self.disabled)


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


def changeOf(body: RRSetBody, apex: bytes, now: float) -> RRSetChange:
    """
    @param apex: the zone's name, folded.
    @param now: seconds since 1970, for comments without a time.

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
    change = RRSetChange(how, name, rrType, text)
    if how == DELETE:
        return change
    if body.comments is not None:
        times = [round(now) if each.modified_at is None else each.modified_at for each in body.comments]
        change.comments = tuple(
            [
                {"content": each.content, "account": each.account, "modified_at": time}
                for each, time in zip(body.comments, times, strict=True)
            ]
        )
    change.hasRecords = body.records is not None
    if body.records is None and body.comments is None:
        raise ApiRefusal(422, f"No change for {text}")
    if not body.records:
        return change
    # Which records go does not depend on it.
    ttl = 0 if how == PRUNE else body.ttl
    if ttl is None:
        raise ApiRefusal(422, "Key 'ttl' not an Integer or not present")
    if not 0 <= ttl <= _MOST_TTL:
        raise ApiRefusal(422, f"{text}: the TTL is from 0 to {_MOST_TTL}, not {ttl}")
    rdatas: dict[bytes, bool] = {}
    for record in body.records:
        rdata = _rdataOf(body, rrType, record.content)
        if rdata in rdatas:
            raise ApiRefusal(422, f'Duplicate record in {text} with content "{record.content}"')
        rdatas[rdata] = record.disabled
    enabled = tuple([rdata for rdata, isDisabled in rdatas.items() if not isDisabled])
    change.ttl = ttl
    change.disabled = tuple([rdataToText(rrType, rdata) for rdata, isDisabled in rdatas.items() if isDisabled])
    change.rrset = RRSet(name, rrType, IN, ttl, enabled) if enabled else None
    return change


def raised(rrset: RRSet, version: Version) -> RRSet:
    """
    Return records that are to be written, an SOA with a serial number that is not older than that of the version: clients write the one
    that they have read once, or none.
    """
    if rrset.rrType != SOA or isNewer(serialIn(rrset.rdatas[0]), version.serial):
        return rrset
    return rrset.withRdatas((withSerial(rrset.rdatas[0], version.serial), *rrset.rdatas[1:]))


def _rdataOf(body: RRSetBody, rrType: int, content: str) -> bytes:
    """
    @raise ApiRefusal: the content is not valid, or can be read in more than one way.
    """
    text = f"Record {body.name}/{body.type} '{content}'"
    try:
        if "\n" in content or "\r" in content:
            raise BadRecord("a record has one line")
        parsed: bytes = rdataFromText(rrType, content, _ELSEWHERE)
        rdata: bytes = rdataFromText(rrType, content, b"\x00") if _ELSEWHERE in parsed else parsed
    except (BadName, BadRecord) as fault:
        raise ApiRefusal(422, f"{text}: Parsing record content: {fault}") from None
    if rdata != parsed or (rrType in _QUOTED and not _STRINGS.fullmatch(content)):
        raise ApiRefusal(422, f"{text}: Not in expected format (parsed as '{contentOf(rrType, rdata)}')")
    return rdata


def contentOf(rrType: int, rdata: bytes) -> str:
    """
    Return the data of a record as clients write it: as in a master file, but with letters of all alphabets in texts.
    """
    if rrType == ALIAS:
        with suppress(BadMessage):
            name, end = plainName(rdata, 0)
            if end == len(rdata):
                return nameToText(name)
    return legible(rrType, rdataToText(rrType, rdata))


def typeOf(rrType: int) -> str:
    """
    Return the mnemonic of a type for clients of PowerDNS, whose type ALIAS has no other meaning for them.
    """
    return "ALIAS" if rrType == ALIAS else typeName(rrType)


def legible(rrType: int, text: str) -> str:
    """
    Return the data of a record of some type with the letters that octets of its texts are in UTF-8, if they are.
    """
    return _NUMBERS.sub(_lettersIn, text) if rrType in _QUOTED and "\\" in text else text


def _lettersIn(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    try:
        letters = bytes([int(number) for number in found[1][1:].split("\\")]).decode("utf-8")
    except ValueError:
        return found[0]
    return letters if letters.isprintable() else found[0]


def noZone(text: str) -> ApiRefusal:
    """
    Return the refusal of a request about a zone that is not served.

    @param text: its identifier, or what was taken for one.
    """
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return ApiRefusal(404, f"there is no zone {shown} here")


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
        raise noZone(text) from None
