"""
Read files of trust anchors in any of their formats, recognized by the content: records as in a master file (C{.ds} and C{.key} files, the
state of Unbound's C{auto-trust-anchor-file}), C{trust-anchors} of BIND, and XML (RFC 9718).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twisted_ext.dnssec.algorithms import STANDARD, Profile
from twisted_ext.dnssec.anchors.bindkeys import STATEMENTS, anchorsFromStatements
from twisted_ext.dnssec.anchors.recordlines import Faults, RecordLine, recordLines
from twisted_ext.dnssec.anchors.xmlanchors import anchorsFromXML
from twisted_ext.dnssec.keys import ZoneKey, unusableDelegation
from twisted_ext.dnssec.limits import ANCHOR_FILE_OCTETS, ANCHORS
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.errors import BadDescription
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["AnchorFile", "anchorsFromFile", "complaintAbout"]

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
