"""
Read files of trust anchors in any of their formats, recognized by the content: records as in a master file (C{.ds} and C{.key} files, the
state of Unbound's C{auto-trust-anchor-file}), C{trust-anchors} of BIND, and XML (RFC 9718).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.anchors.recordlines import Faults, RecordLine, recordLines, withoutColumn
from twisted_ext.dnssec.keys import ZoneKey, matches, unusableDelegation
from twisted_ext.dnssec.limits import ANCHOR_FILE_OCTETS, ANCHORS, CLOCK_BEGINS
from twisted_ext.dnssec.times import timeFromText, timeToText
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.errors import BadDescription, BadName, BadRecord
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["STATEMENTS", "AnchorFile", "anchorsFromFile", "anchorsFromStatements", "anchorsFromXML", "complaintAbout"]

#: What may come before the first statement of a file of BIND's: blanks and comments, each of which ends in one way only, so that no text
#: takes long. A semicolon begins a comment in the other formats.
_BEFORE: Final = re.compile(r"(?:\s|#[^\n]*(?:\n|\Z)|//[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*\*/)*([A-Za-z-]+)")

#: States of keys in Unbound's file that are trusted: valid and missing.
_TRUSTED_STATES: Final = ("2", "3")

_STATE: Final = re.compile(r";;state=([0-9])")

_ZONE_FLAG: Final = 0x0100

_REVOKE_FLAG: Final = 0x0080

#: Octets of digests by their type (RFC 3658, RFC 4509, RFC 6605).
_DIGEST_OCTETS: Final = {1: 20, 2: 32, 4: 48}

_EXPECTED: Final = "a DS or DNSKEY record, trust-anchors { ... }; as for BIND, or XML as IANA publishes it, was expected"

#: Elements and those that they are in. All others, of later versions of the format, are ignored.
_PARENTS: Final = {
    "TrustAnchor": "",
    "Zone": "TrustAnchor",
    "KeyDigest": "TrustAnchor",
    "KeyTag": "KeyDigest",
    "Algorithm": "KeyDigest",
    "DigestType": "KeyDigest",
    "Digest": "KeyDigest",
    "PublicKey": "KeyDigest",
    "Flags": "KeyDigest",
}

_NEEDED: Final = ("KeyTag", "Algorithm", "DigestType", "Digest")

#: Nested elements; the format has three levels.
_DEPTH: Final = 16

#: A time after all others.
_NEVER: Final = 1 << 62

#: Flags of a key that signs keys, if the file has none.
_FLAGS: Final = "257"

#: Keywords before the key or digest: the type of record, and whether rollovers are followed.
_KINDS: Final = {
    "initial-key": (DNSKEY, True),
    "static-key": (DNSKEY, False),
    "initial-ds": (DS, True),
    "static-ds": (DS, False),
}

#: The statements, and whether their entries have one of these keywords.
STATEMENTS: Final = {"trust-anchors": True, "dnssec-keys": True, "managed-keys": True, "trusted-keys": False}

_WORD: Final = re.compile(
    r"""\s+|\#[^\n]*|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/|"(?P<quoted>[^"]*)"|(?P<mark>[{};])|(?P<word>[^\s{};"]+)|(?P<wrong>.)""",
    re.DOTALL,
)

_BIND_KEY: Final = 'NAME initial-key|static-key|initial-ds|static-ds NUMBER NUMBER NUMBER "DATA";'

_NUMBERS: Final = 3


class _Fault(Exception):
    """
    The text is not valid here.
    """

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


def anchorsFromStatements(text: str, faults: Faults) -> list[tuple[int, Anchor]]:
    """
    Return the anchors with their lines. The first error ends reading: what follows it is rarely understood.
    """
    found: list[tuple[int, Anchor]] = []
    words = _words(text)
    try:
        for line, word in words:
            if word == ";":
                continue
            if word not in STATEMENTS:
                raise _Fault(line, f"{word[:40]!r} where {', '.join(STATEMENTS)} was expected")
            line, mark = next(words, (line, ""))
            if mark != "{":
                raise _Fault(line, f"{mark[:40]!r} where {{ was expected after {word}")
            _entries(words, line, STATEMENTS[word], found)
    except _Fault as fault:
        faults.add(fault.line, fault.text)
    return found


def _words(text: str) -> Iterator[tuple[int, str]]:
    """
    Yield words and marks with their lines. Marks are single characters; words from quotes have a space in front, so that they differ.
    """
    line, end = 1, 0
    for match in _WORD.finditer(text):
        line += text.count("\n", end, match.start())
        end = match.start()
        kind = match.lastgroup
        if kind == "wrong":
            raise _Fault(line, "a quote is opened and never closed; write another one at its end")
        if kind == "quoted":
            yield line, " " + match["quoted"]
        elif kind is not None:
            yield line, match[0]


def _entries(words: Iterator[tuple[int, str]], line: int, withKinds: bool, found: list[tuple[int, Anchor]]) -> None:
    entry: list[str] = []
    begins = line
    for line, word in words:
        if word == "}":
            if entry:
                raise _Fault(begins, f"the entry has no semicolon at its end; {_BIND_KEY} was expected")
            return
        if word == "{":
            raise _Fault(line, f"a brace where {_BIND_KEY} was expected")
        if word != ";":
            if not entry:
                begins = line
            entry.append(word)
            continue
        if entry:
            found.append((begins, _bindKey(begins, entry, withKinds)))
        entry = []
    raise _Fault(line, "the file ends within braces; write }; at the end")


def _bindKey(line: int, entry: list[str], withKinds: bool) -> Anchor:
    words = [word.strip() for word in entry]
    rrType, managed = DNSKEY, False
    if withKinds:
        if len(words) < 2 or words[1] not in _KINDS:
            raise _Fault(line, f"{' '.join(words)[:60]!r} where {_BIND_KEY} was expected")
        rrType, managed = _KINDS.get(words.pop(1), (DNSKEY, False))
    # The data is one string; blanks and line breaks within it are permitted.
    if len(words) < 1 + _NUMBERS + 1 or not all(word.isdecimal() and word.isascii() for word in words[1 : 1 + _NUMBERS]):
        expected = _BIND_KEY if withKinds else 'NAME FLAGS PROTOCOL ALGORITHM "KEY";'
        raise _Fault(line, f"{' '.join(words)[:60]!r} where {expected} was expected")
    try:
        zone = nameFromText(words[0]).lower()
        return Anchor(zone, rrType, rdataFromText(rrType, " ".join(" ".join(words[1:]).split())), managed)
    except (BadName, BadRecord) as error:
        raise _Fault(line, withoutColumn(error)) from None


class _Refused(Exception):
    """
    The document has something that no file of trust anchors needs.
    """


class _Document:
    """
    The elements read so far.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.zone = ""
        self.digests: list[tuple[int, dict[str, str], dict[str, str]]] = []
        self._path: list[str] = []
        self._text: list[str] = []
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        # Entities can grow to any size and read other files; without a document type there are none.
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse

    def read(self, text: str) -> None:
        try:
            self._parser.Parse(text.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            self.faults.add(error.lineno, f"{expat.ErrorString(error.code)}; an XML document as in RFC 9718 was expected")
        except _Refused as refusal:
            self.faults.add(self._parser.CurrentLineNumber, str(refusal))

    def _refuse(self, *declaration: object) -> None:
        raise _Refused("a document type or entity is declared, which is not allowed; a document without any was expected")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        parent = self._path[-1] if self._path else ""
        if not self._path and name != "TrustAnchor":
            raise _Refused(f"the document is a <{name[:40]}>; a <TrustAnchor> was expected (RFC 9718)")
        if len(self._path) >= _DEPTH:
            raise _Refused(f"more than {_DEPTH} elements are nested; three levels were expected (RFC 9718)")
        # An element in another place is an unknown one.
        self._path.append(name if _PARENTS.get(name) == parent else "?")
        self._text.clear()
        if self._path[-1] == "KeyDigest":
            self.digests.append((self._parser.CurrentLineNumber, attributes, {}))

    def _end(self, name: str) -> None:
        element = self._path.pop()
        text = "".join(self._text).strip()
        self._text.clear()
        if element == "Zone":
            self.zone = text
        elif element != "KeyDigest" and _PARENTS.get(element) == "KeyDigest":
            self.digests[-1][2][element] = text


def anchorsFromXML(text: str, faults: Faults, remarks: list[str], now: int) -> list[tuple[int, Anchor]]:
    """
    Return the anchors that are valid now, with their lines.
    """
    document = _Document(faults)
    document.read(text)
    if faults.lines:
        return []
    try:
        zone = nameFromText(document.zone).lower()
    except BadName as error:
        faults.add(1, f"the <Zone>: {error.text}")
        return []
    found: list[tuple[int, Anchor]] = []
    for line, attributes, fields in document.digests:
        try:
            anchor = _anchor(zone, fields)
            remark = _outside(attributes, now)
        except BadRecord as error:
            faults.add(line, f"<KeyDigest>: {withoutColumn(error)}")
            if faults.full:
                break
            continue
        if remark is None:
            found.append((line, anchor))
        else:
            remarks.append(f"{faults.where}:{line}: DS {anchor.tag} {remark}; it is not used")
    return found


def _anchor(zone: bytes, fields: dict[str, str]) -> Anchor:
    """
    @raise BadRecord: an element is missing or not valid.
    """
    missing = [name for name in _NEEDED if not fields.get(name)]
    if missing:
        raise BadRecord(f"there is no <{missing[0]}>; {', '.join([f'<{name}>' for name in _NEEDED])} were expected")
    rdata = rdataFromText(DS, " ".join([fields[name] for name in _NEEDED]))
    publicKey = fields.get("PublicKey")
    if publicKey:
        key = rdataFromText(DNSKEY, f"{fields.get('Flags') or _FLAGS} 3 {fields['Algorithm']} {publicKey}")
        if rdata[3] in (2, 4) and not matches(rdata, zone, ZoneKey.fromRdata(key)):
            raise BadRecord("the <Digest> is not that of the <PublicKey>; both of one key were expected")
    return Anchor(zone, DS, rdata)


def _outside(attributes: dict[str, str], now: int) -> str | None:
    """
    Return why the anchor is not valid now, if that is so.

    @raise BadRecord: a time is not valid.
    """
    times: dict[str, int] = {}
    for name in ("validFrom", "validUntil"):
        text = attributes.get(name)
        if text:
            try:
                times[name] = timeFromText(text)
            except (ValueError, OverflowError):
                raise BadRecord(f"{name} {text[:48]!r} is not a valid time; 2017-02-02T00:00:00+00:00 is one") from None
    # A machine whose clock is not set yet must be able to start; a key that was not yet in use then does no harm.
    if CLOCK_BEGINS.default <= now < times.get("validFrom", now):
        return f"is valid from {timeToText(times['validFrom'])}"
    if max(now, CLOCK_BEGINS.default) >= times.get("validUntil", _NEVER):
        return f"was valid until {timeToText(times['validUntil'])}"
    return None


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """
    The contents of a file of trust anchors.

    @ivar anchors: the usable ones, each once.
    @ivar remarks: one line for each that is not used.
    """

    anchors: tuple[Anchor, ...]
    remarks: tuple[str, ...]


def anchorsFromFile(content: str | bytes, where: str, now: int, profile: Profile = STANDARD) -> AnchorFile:
    """
    Read the trust anchors of one file.

    @param where: the name of the file, for error messages.
    @param now: the time at which an anchor with limits on its use has to be valid, in seconds since 1970.
    @param profile: which algorithms and digests are supported; other anchors are not used.

    @raise BadDescription: the file is too large, is not valid, or has no usable anchor; one line for each error.
    """
    octets = len(content)
    if octets > ANCHOR_FILE_OCTETS.default:
        most = int(ANCHOR_FILE_OCTETS.default)
        raise BadDescription(f"{where}: the file has {octets} octets; at most {most} are allowed in a file of trust anchors")
    faults = Faults(where)
    text = _decoded(content, faults)
    remarks: list[str] = []
    found: list[tuple[int, Anchor]] = []
    if not faults.lines:
        found = _read(text, faults, remarks, now)
    if faults.lines:
        raise BadDescription("\n".join(faults.lines))
    used: dict[Anchor, None] = {}
    for line, anchor in found:
        objection = _objection(anchor, profile)
        if objection is None:
            used[anchor] = None
        else:
            remarks.append(f"{where}:{line}: {objection}; it is not used")
    if not used:
        reason = f" ({'; '.join([remark.partition(': ')[2] for remark in remarks[:3]])})" if remarks else ""
        raise BadDescription(f"{where}: no usable trust anchor in this file{reason}; {_EXPECTED}")
    if len(used) > ANCHORS.default:
        raise BadDescription(f"{where}: {len(used)} trust anchors; at most {int(ANCHORS.default)} are allowed")
    return AnchorFile(tuple(used), tuple(remarks))


def _decoded(content: str | bytes, faults: Faults) -> str:
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        faults.add(line, f"octet {content[error.start]} is not UTF-8 text; {_EXPECTED}")
        return ""


def _read(text: str, faults: Faults, remarks: list[str], now: int) -> list[tuple[int, Anchor]]:
    if text.lstrip().startswith("<"):
        found = anchorsFromXML(text, faults, remarks, now)
    elif (first := _BEFORE.match(text)) is not None and first[1] in STATEMENTS:
        found = anchorsFromStatements(text, faults)
    else:
        found = _fromRecords(recordLines(text, faults), remarks, faults.where)
        if re.search(r"^;;REVOKED", text, re.MULTILINE) and not found:
            faults.add(0, ";;REVOKED says that all keys of the zone are revoked (RFC 5011); a file with its new keys was expected")
    used: list[tuple[int, Anchor]] = []
    for line, anchor in found:
        complaint = complaintAbout(anchor)
        if complaint is not None:
            faults.add(line, complaint)
        elif anchor.rrType == DNSKEY and anchor.rdata[1] & _REVOKE_FLAG:
            remarks.append(f"{faults.where}:{line}: {_shown(anchor)} is revoked; it is not used")
        else:
            used.append((line, anchor))
        if faults.full:
            break
    return used


def _fromRecords(records: list[RecordLine], remarks: list[str], where: str) -> list[tuple[int, Anchor]]:
    found: list[tuple[int, Anchor]] = []
    for line, zone, rrType, _, rdata, comment in records:
        state = _STATE.search(comment)
        anchor = Anchor(zone, rrType, rdata)
        if state is None or state[1] in _TRUSTED_STATES:
            found.append((line, anchor))
        else:
            remarks.append(f"{where}:{line}: a key of {nameToText(zone)} in state {state[1]} is not trusted; it is not used")
    return found


def complaintAbout(anchor: Anchor) -> str | None:
    """
    Return why a record cannot be a trust anchor, and what would be right, if that is so.
    """
    rdata = anchor.rdata
    if anchor.rrType == DS:
        expected = _DIGEST_OCTETS.get(rdata[3])
        if expected is not None and len(rdata) - 4 != expected:
            return f"the digest has {len(rdata) - 4} octets; a digest of type {rdata[3]} has {expected}"
        return None
    flags = rdata[0] << 8 | rdata[1]
    if not flags & _ZONE_FLAG:
        return f"flags {flags} are not those of a key of a zone; 257, or 256, was expected"
    if rdata[2] != 3:
        return f"protocol {rdata[2]} is not that of DNSSEC; 3 was expected"
    return None


def _objection(anchor: Anchor, profile: Profile) -> str | None:
    """
    Return why a validator cannot use an anchor, if that is so.
    """
    if anchor.rrType == DS:
        reasons = () if profile.usable([anchor.rdata]) else unusableDelegation([anchor.rdata], anchor.zone, profile)
        return reasons[0][1] if reasons else None
    reason = ZoneKey.fromRdata(anchor.rdata).objection(profile, anchor.zone)
    return None if reason is None else reason[1]


def _shown(anchor: Anchor) -> str:
    return f"{'DS' if anchor.rrType == DS else 'key'} {anchor.tag} of {nameToText(anchor.zone)}"
