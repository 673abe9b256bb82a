"""
The state of a trust point as text, so that rollovers go on after a restart: the format of Unbound's C{auto-trust-anchor-file}, with a
version and a checksum. Each program reads the other's files.

The caller replaces the file at once (L{twisted_ext.files.replacingFile}); where that fails, the state in memory still counts.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from twisted_ext.dnssec.anchors.formats import complaintAbout
from twisted_ext.dnssec.anchors.recordlines import Faults, RecordLine, recordLines
from twisted_ext.dnssec.anchors.rollover import KeyState, ManagedKey, TrustPoint, unrevokedForm
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.limits import (
    ANCHOR_ADD_SECONDS,
    ANCHOR_FILE_OCTETS,
    ANCHOR_KEYS,
    ANCHOR_QUERY_SECONDS,
    ANCHOR_RETRY_SECONDS,
    ANCHOR_TOMBSTONES,
)
from twisted_ext.dnssec.times import timeToText
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.errors import BadDescription, BadName
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["trustPointFromText", "trustPointToText"]

_VERSION: Final = 1

_TITLE: Final = "; twisted_ext trust anchor state, version "

_CHECKSUM: Final = ";;sha256: "

_REVOKED: Final = ";;REVOKED"

_MEND: Final = "restore the file, or remove it to begin with the configured trust anchors"

_HEADER: Final = re.compile(
    r"^;;(id|last_queried|last_success|next_probe_time|query_failed|query_interval|retry_time):[ \t]*([^\n]*)$", re.MULTILINE
)

_FIELD: Final = re.compile(r";;(state|count|lastchange|holddown)=([0-9]{1,12})(?![0-9])")

_VOUCHERS: Final = re.compile(r";;vouchers=([0-9a-f,]{1,8192})(?![0-9a-f,])")

#: The latest time and the longest duration that are accepted in a file.
_MOST_SECONDS: Final = 1 << 40


def trustPointToText(point: TrustPoint) -> str:
    """
    Return the state of a trust point.
    """
    zone = nameToText(point.zone)
    lines = [
        f"{_TITLE}{_VERSION}",
        "; autotrust trust anchor file",
        *([_REVOKED] if point.deleted else []),
        f";;id: {zone} 1",
        f";;last_queried: {point.lastQueried} ;;{timeToText(point.lastQueried)}",
        f";;last_success: {point.lastSuccess} ;;{timeToText(point.lastSuccess)}",
        f";;next_probe_time: {point.nextQuery} ;;{timeToText(point.nextQuery)}",
        f";;query_failed: {point.failures}",
        f";;query_interval: {point.queryInterval}",
        f";;retry_time: {point.retryTime}",
    ]
    lines += [f"{zone}\t0\tIN\tDS\t{rdataToText(DS, digest)} ;;state=2 [  VALID  ]" for digest in point.digests]
    for key in point.keys.values():
        rdata = key.published
        lines.append(
            f"{zone}\t{key.ttl}\tIN\tDNSKEY\t{rdataToText(DNSKEY, rdata)} ;{{id = {keyTag(rdata)}}}"
            f" ;;state={key.state.value} [ {key.state.name} ] ;;count={key.sightings}"
            f" ;;lastchange={key.since} ;;holddown={key.holdDown}{_vouchers(key)} ;;{timeToText(key.since)}"
        )
    text = "\n".join(lines) + "\n"
    return f"{text}{_CHECKSUM}{_checksum(text)}\n"


def _vouchers(key: ManagedKey) -> str:
    return f" ;;vouchers={','.join(sorted(key.vouchers))}" if key.vouchers else ""


def _checksum(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def trustPointFromText(content: str | bytes, where: str) -> TrustPoint:
    """
    Restore a trust point.

    @param where: the name of the file, for error messages.

    @raise BadDescription: the file is damaged, or is not one of this kind; one line. Keep the trust anchors as they are then.
    """
    if len(content) > ANCHOR_FILE_OCTETS.default:
        raise _bad(where, f"the file has {len(content)} octets; at most {int(ANCHOR_FILE_OCTETS.default)} are allowed")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1 if isinstance(content, bytes) else 0
        raise _bad(f"{where}:{line}", "the file is damaged: it is not UTF-8 text") from None
    _checkWhole(text, where)
    faults = Faults(where)
    records = recordLines(text, faults)
    if faults.lines:
        raise BadDescription(f"{faults.lines[0]}; {_MEND}")
    # Files of the program autotrust, which Unbound reads as well, have no header.
    legacy = records[0].zone if records and _FIELD.search(records[0].comment) else None
    point = _pointFromHeader(text, where, legacy)
    for record in records:
        _restore(point, record, where)
    live = [key for key in point.keys.values() if key.state is not KeyState.REMOVED]
    if len(live) > ANCHOR_KEYS.most or len(point.keys) - len(live) > ANCHOR_TOMBSTONES.most:
        raise _bad(where, f"{len(live)} keys; at most {int(ANCHOR_KEYS.most)} are allowed, and {int(ANCHOR_TOMBSTONES.most)} removed ones")
    trusted = point.anchors()
    if not trusted.keys and not trusted.digests:
        if not any(key.state in (KeyState.REVOKED, KeyState.REMOVED) for key in point.keys.values()):
            raise _bad(where, "no key in the file is trusted")
        point.deleted = True
    return point


def _bad(where: str, text: str) -> BadDescription:
    return BadDescription(f"{where}: {text}; {_MEND}")


def _checkWhole(text: str, where: str) -> None:
    """
    @raise BadDescription: a file of this program was changed or cut off, or is of a later version.
    """
    body, mark, checksum = text.rpartition(f"\n{_CHECKSUM}")
    if text.startswith(_TITLE):
        version = text[len(_TITLE) :].partition("\n")[0].strip()
        if version != str(_VERSION):
            raise _bad(f"{where}:1", f"version {version[:20]!r} of the format is not known; version {_VERSION} was expected")
        if not mark:
            raise _bad(where, "the file is damaged: the checksum at its end is missing")
    # Unbound's files have none.
    if mark and checksum.rstrip("\n") != _checksum(body + "\n"):
        line = body.count("\n") + 2
        raise _bad(f"{where}:{line}", "the file is damaged: its contents do not have this checksum")


def _pointFromHeader(text: str, where: str, legacy: bytes | None) -> TrustPoint:
    numbers: dict[str, int] = {}
    zone: bytes | None = None
    for match in _HEADER.finditer(text):
        name, value = match[1], "".join(match[2].split()[:1])
        line = text.count("\n", 0, match.start()) + 1
        if name == "id":
            try:
                found = nameFromText(value).lower()
            except BadName as error:
                raise _bad(f"{where}:{line}", error.text) from None
            if zone is not None:
                raise _bad(f"{where}:{line}", "the file has a second zone; one was expected")
            zone = found
        else:
            if not (value.isascii() and value.isdigit()) or len(value) > 13 or int(value) > _MOST_SECONDS:
                raise _bad(f"{where}:{line}", f"{value[:20]!r} where a number of seconds was expected")
            numbers[name] = int(value)
    zone = legacy if zone is None else zone
    if zone is None:
        raise _bad(where, "this is not the state of a trust anchor; a line such as ;;id: example.com. 1 was expected")
    point = TrustPoint(zone)
    point.lastQueried = numbers.get("last_queried", 0)
    point.lastSuccess = numbers.get("last_success", 0)
    point.nextQuery = numbers.get("next_probe_time", 0)
    point.failures = numbers.get("query_failed", 0)
    point.queryInterval = int(ANCHOR_QUERY_SECONDS.pick(numbers.get("query_interval")))
    point.retryTime = int(ANCHOR_RETRY_SECONDS.pick(numbers.get("retry_time")))
    point.deleted = re.search(f"^{_REVOKED}", text, re.MULTILINE) is not None
    return point


def _restore(point: TrustPoint, record: RecordLine, where: str) -> None:
    """
    Add one record to the trust point.
    """
    place = f"{where}:{record.line}"
    if record.zone != point.zone:
        raise _bad(place, f"a record of {nameToText(record.zone)}; records of {nameToText(point.zone)} were expected")
    complaint = complaintAbout(Anchor(record.zone, record.rrType, record.rdata))
    if complaint is not None:
        raise _bad(place, complaint)
    if record.rrType == DS:
        if record.rdata not in point.digests:
            point.digests += (record.rdata,)
        return
    fields = {name: int(value) for name, value in _FIELD.findall(record.comment)}
    if fields.get("state", -1) not in [state.value for state in KeyState]:
        raise _bad(place, "the key has no state; ;;state= with a number from 0 to 5 was expected behind it")
    state = KeyState(fields["state"])
    if state is KeyState.START:
        return
    plain = unrevokedForm(record.rdata)
    if plain in point.keys:
        raise _bad(place, "the key is listed twice")
    since = min(fields.get("lastchange", 0), _MOST_SECONDS)
    hold = max(int(ANCHOR_ADD_SECONDS.default), record.ttl, fields.get("holddown", 0)) if state is KeyState.ADD_PENDING else 0
    count = min(fields.get("count", 0), 255)
    vouchers = _VOUCHERS.search(record.comment) if state is KeyState.ADD_PENDING else None
    known = frozenset(vouchers[1].split(",")) if vouchers is not None else frozenset()
    point.keys[plain] = ManagedKey(plain, state, since, count, min(hold, _MOST_SECONDS), record.ttl, known)
