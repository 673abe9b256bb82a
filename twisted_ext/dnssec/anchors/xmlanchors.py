"""
Read trust anchors in XML, as IANA publishes those of the root (RFC 9718).
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from twisted_ext.dnssec.anchors.recordlines import Faults, withoutColumn
from twisted_ext.dnssec.keys import ZoneKey, matches
from twisted_ext.dnssec.limits import CLOCK_BEGINS
from twisted_ext.dnssec.times import timeFromText, timeToText
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.errors import BadName, BadRecord
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["anchorsFromXML"]

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
