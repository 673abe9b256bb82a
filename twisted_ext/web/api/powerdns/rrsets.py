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
from twisted_ext.wire.rrtypes import (
    ALIAS,
    CDS,
    DS,
    MX,
    NS,
    SMIMEA,
    SOA,
    SRV,
    SSHFP,
    TLSA,
    TXT,
    ZONEMD,
    isMeta,
    typeName,
    typeNumber,
)
from twisted_ext.zone.store.serials import isNewer, serialIn, withSerial
from twisted_ext.zone.update.transactions import APICAL, PARENTAL, SINGLE

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

#: Types whose last field is the name of a host, and what may be one: with underscores, which some have.
_HOSTS: Final = (NS, MX, SRV)
_HOSTNAME: Final = re.compile(r"\.|(?:[A-Za-z0-9_-]+\.)+")

#: Types whose last field is a digest, which PowerDNS shows in lower case.
_DIGESTS: Final = frozenset((DS, CDS, SSHFP, TLSA, SMIMEA, ZONEMD))

#: What is the syntax of master files outside of strings and escapes.
_MASTER_FILE: Final = re.compile(r'(?:[^"\\();]|\\.|"(?:[^"\\]|\\.)*")*?([();])')

#: A number as text, of at most as many digits as any that is taken.
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")

_STRINGS: Final = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"\s*)+')

#: Octets that may be UTF-8, as numbers; and pairs of backslashes, which begin none.
_NUMBERS: Final = re.compile(r"\\\\|((?:\\(?:1(?:2[89]|[3-9][0-9])|2[0-9]{2}))+)")

#: Characters of an identifier that an error repeats.
_SHOWN: Final = 255

_ESCAPED: Final = re.compile(r"\\.")

#: Another origin than the root, to find names without a final dot.
_ELSEWHERE: Final = b"\x07invalid\x00"


class RecordBody(msgspec.Struct):
    """
    A record.
    """

    content: str
    disabled: bool | None = False


class CommentBody(msgspec.Struct):
    """
    A comment.
    """

    content: str
    account: str
    modified_at: int | float | str | None = None


class RRSetBody(msgspec.Struct):
    """
    A change of one RRset. Fields of clients that have no meaning here are ignored.
    """

    name: str
    type: str
    changetype: str | None = None
    ttl: int | float | str | None = None
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


def canonicalName(text: str, what: str = "DNS") -> bytes:
    """
    Return a name with its final dot in wire form.

    @param what: what it is the name of, for errors.

    @raise ApiRefusal: it is none.
    """
    if not text.endswith("."):
        raise ApiRefusal(422, f"DNS Name '{text}' is not canonical")
    try:
        return nameFromText(text)
    except BadName as fault:
        raise ApiRefusal(422, f"Unable to parse {what} Name '{text}': {fault}") from None


def changeOf(body: RRSetBody, apex: bytes, now: float) -> RRSetChange | None:
    """
    @param apex: the zone's name, folded.
    @param now: seconds since 1970, for comments without a time.

    @return: L{None} for records outside of the zone that are to be removed.

    @raise ApiRefusal: it is not valid.
    """
    name = canonicalName(body.name)
    text = f"RRset {body.name} IN {body.type}"
    rrType = typeNumber(body.type.upper())
    if rrType is None or isMeta(rrType):
        raise ApiRefusal(422, f"{text}: {'unknown' if rrType is None else 'invalid'} type given")
    if body.changetype is None:
        raise ApiRefusal(422, "Key 'changetype' not present or not a String")
    how = body.changetype.upper()
    if how not in _CHANGES:
        raise ApiRefusal(422, f"Changetype '{how[:_SHOWN]}' is not a valid value")
    if not isBelow(name.lower(), apex):
        if how == DELETE:
            return None
        raise ApiRefusal(422, f"{text}: Name is out of zone")
    change = RRSetChange(how, name, rrType, text)
    if how == DELETE:
        return change
    if body.comments is not None:
        times = [round(now) if each.modified_at is None else _wholeIn(each.modified_at, "modified_at", text) for each in body.comments]
        if any(not 0 <= time < 2**32 for time in times):
            raise ApiRefusal(422, f"{text}: Key 'modified_at' is not a valid number of seconds since 1970")
        change.comments = tuple(
            [
                {"content": each.content, "account": each.account, "modified_at": time}
                for each, time in zip(body.comments, times, strict=True)
            ]
        )
    change.hasRecords = body.records is not None
    if not body.records and how in (EXTEND, PRUNE) and body.comments is None:
        raise ApiRefusal(422, f"{text}: No record provided for PRUNE or EXTEND operation")
    if body.records is None and body.comments is None:
        raise ApiRefusal(422, f"No change for {text}")
    if not body.records:
        return change
    if how != PRUNE:
        # What is there all the same may go.
        _expectPlace(change, apex)
    # Which records go does not depend on it.
    if body.ttl is None and how != PRUNE:
        raise ApiRefusal(422, "Key 'ttl' not an Integer or not present")
    ttl = 0 if body.ttl is None else _wholeIn(body.ttl, "ttl", text)
    if ttl < 0:
        raise ApiRefusal(422, f"{text}: Key 'ttl' is not a positive Integer")
    if ttl > _MOST_TTL:
        raise ApiRefusal(422, f"{text}: the TTL is from 0 to {_MOST_TTL}, not {body.ttl}")
    rdatas: dict[bytes, bool] = {}
    for record in body.records:
        rdata = _rdataOf(body, rrType, record.content)
        if rrType in _HOSTS and how != PRUNE and not _HOSTNAME.fullmatch(record.content.split()[-1]):
            raise ApiRefusal(422, f"{text}: non-hostname content {record.content}")
        if rdata in rdatas:
            raise ApiRefusal(422, f'{text}: duplicate record with content "{record.content}"')
        rdatas[rdata] = bool(record.disabled)
    enabled = tuple([rdata for rdata, isDisabled in rdatas.items() if not isDisabled])
    if len(enabled) > 1 and rrType in SINGLE and how != PRUNE:
        raise ApiRefusal(422, f"{text}: only one such record is possible at a name")
    change.ttl = ttl
    change.disabled = tuple([rdataToText(rrType, rdata) for rdata, isDisabled in rdatas.items() if isDisabled])
    change.rrset = RRSet(name, rrType, IN, ttl, enabled) if enabled else None
    return change


def _expectPlace(change: RRSetChange, apex: bytes) -> None:
    """
    @raise ApiRefusal: records of the type do not belong there.
    """
    isApex = change.name.lower() == apex
    if change.rrType in PARENTAL and isApex:
        raise ApiRefusal(422, f"{change.text}: not allowed at apex; it belongs to the zone above")
    if change.rrType in APICAL and not isApex:
        raise ApiRefusal(422, f"{change.text}: only allowed at apex, which is {nameToText(apex)}")


def _wholeIn(value: int | float | str, key: str, text: str) -> int:
    """
    Return a number that some clients write with a fraction of zero, or as text.

    @raise ApiRefusal: it is none.
    """
    if isinstance(value, str):
        found = int(value) if _WHOLE.fullmatch(value) else None
    else:
        found = int(value) if value == value // 1 else None
    if found is None:
        raise ApiRefusal(422, f"{text}: Key '{key}' is not a valid number")
    return found


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
        if not content.strip():
            raise BadRecord(f"missing field at the end of record content '{content}'")
        if found := _MASTER_FILE.match(content):
            raise BadRecord(f"Invalid character '{found[1]}' in record content, which is not a line of a master file")
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
    # Of a whole name, which @ may be in a master file, there is nothing to be told apart here.
    text = _ESCAPED.sub(lambda found: "@" if found[0] == "\\@" else found[0], rdataToText(rrType, rdata))
    if rrType in _DIGESTS or text.startswith("\\# "):
        head, _, digest = text.rpartition(" ")
        return f"{head} {digest.lower()}"
    return legible(rrType, text)


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
